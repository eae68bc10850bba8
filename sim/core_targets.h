// core_targets.h - cycles of whole layers on a memory that never stalls and answers after
// kLatency cycles: what rtl/README.md promises, and the model's outputs meanwhile.
#ifndef SPACC_SIM_CORE_TARGETS_H
#define SPACC_SIM_CORE_TARGETS_H

#include <cstdint>
#include <cstdio>
#include <vector>

#include "sim/core_check.h"

namespace
{

constexpr unsigned kLatency = 20;

struct Shape { // positions of x, h and m, and how many of them a row has in a bank
    const char *name;
    unsigned cell, units, width, batch;
    unsigned x, k_x, k_h, k_b;
    unsigned prologue, prologue_b;
    bool stream;
};

Layer make_layer(const Card &c, const Shape &s, Room *room)
{
    Layer l = {};
    l.cell = s.cell;
    l.batch = s.batch;
    l.groups = s.units / c.quads();
    l.k_x = s.k_x;
    l.k_h = s.k_h;
    l.x_words = (s.x + c.lanes - 1) / c.lanes;
    l.h_words = (s.width + c.lanes - 1) / c.lanes;
    if (l.two_pass()) {
        l.groups_b = s.width / c.pes;
        l.k_b = s.k_b;
        l.m_words = s.units / c.lanes;
    }
    l.prologue = std::min(s.prologue, c.psum_words / s.batch);
    l.prologue_b = s.prologue_b;
    l.x_slots = std::min(8u, c.x_words / (l.batch * l.x_words));
    l.weight_base = room->weights;
    l.param_base = room->params;
    l.state_base = room->states;
    l.h_base = room->h;
    l.stream = s.stream;
    l.ring_words = s.stream ? c.weight_words : 0;
    room->weights += s.stream ? l.ring_words : l.words();
    room->params += l.params(c);
    room->states += l.states(c);
    room->h += l.h_need();
    return l;
}

// Counters of the RUNs between two marks.
Counters difference(const Counters &from, const Counters &to)
{
    Counters d;
    for (int i = 0; i < SPACC_CARD_COUNTERS; i++)
        d.value[i] = to[i] - from[i];
    return d;
}

void print_causes(const Counters &d, unsigned steps)
{
    static const char *const names[] = {
#define NAME(name, text) #name,
        SPACC_CARD_COUNTER_MAP(NAME)
#undef NAME
    };
    std::printf("   ");
    for (int i = SPACC_COUNTER_ISSUE; i <= SPACC_COUNTER_WEIGHTS; i++)
        if (d[i])
            std::printf(" %s %.1f", names[i], (double)d[i] / steps);
    std::printf("\n");
}

// Layers one behind the other, each on the y of the one before; what a step of all costs.
Counters measure(Bench &b, const Card &c, const std::vector<Shape> &shapes, unsigned steps)
{
    Plan p(&b, c);
    Room room;
    std::vector<Layer> layers;
    Coverage seen;
    for (const Shape &shape : shapes) {
        layers.push_back(make_layer(c, shape, &room));
        load_layer(&p, &layers.back());
    }
    const uint32_t first = mark(&p);
    Place y = run_on_own_x(&p, &layers[0], steps, true);
    for (size_t i = 1; i < layers.size(); i++)
        y = run_on_y(&p, &layers[i], y, steps, true);
    const uint32_t last = mark(&p);
    p.add(SPACC_OP_END);
    b.latency = kLatency;
    b.stall_per_16 = b.write_stall_per_16 = 0;
    run_and_check(b, p, &seen);
    return difference(marked(b, p.region[3] + first), marked(b, p.region[3] + last));
}

double step_cycles(Bench &b, const Card &c, const std::vector<Shape> &shapes, unsigned steps)
{
    const Counters d = measure(b, c, shapes, steps);
    const double cycles = (double)d[SPACC_COUNTER_CYCLES] / steps;
    std::printf("%s, batch %u: %.2f cycles a step, %.2f %% of them issue, P = %u\n",
                shapes[0].name, shapes[0].batch, cycles,
                100.0 * (double)d[SPACC_COUNTER_ISSUE] / (double)d[SPACC_COUNTER_CYCLES],
                shapes[0].prologue);
    print_causes(d, steps);
    return cycles;
}

// Behind the last position of a RUN its rows leave the array and the requantiser: DRAIN, and no
// cycle more, however long the bus then takes for them (OUT).
void check_drain(Bench &b, const Card &c)
{
    const Shape linear = {
        "one group", SPACC_CARD_CELL_LINEAR, c.quads(), 0, 1, c.lanes, 2, 0, 0, 0, 0, false};
    const Counters d = measure(b, c, {linear}, 1);
    unsigned adders = 0;
    while (c.lanes >> adders > 1)
        adders++;
    equal("DRAIN of one group", d[SPACC_COUNTER_DRAIN],
          adders + 8 + c.pes / (4 * c.cells) - 1 + 6);
}

void at_most(double got, double limit)
{
    if (got > limit && errors++ < 20)
        std::printf("    MISSED: at most %.2f\n", limit);
}
void at_least(double got, double limit)
{
    if (got < limit && errors++ < 20)
        std::printf("    MISSED: at least %.2f\n", limit);
}

void targets_16x16(Bench &b, const Card &c)
{
    const Shape lstm = {"LSTM 1024/1024, k 8 + 8",
                        SPACC_CARD_CELL_LSTM,
                        1024,
                        1024,
                        1,
                        1024,
                        8,
                        8,
                        0,
                        8,
                        0,
                        false};
    at_most(step_cycles(b, c, {lstm}, 100), 4101);
    Shape streamed = lstm;
    streamed.prologue = 0;
    streamed.stream = true;
    const Counters d = measure(b, c, {streamed}, 2);
    const double used =
        100.0 * (double)d[SPACC_COUNTER_BYTES_READ] / (kBeat * (double)d[SPACC_COUNTER_CYCLES]);
    std::printf("the same, weights streamed, 2 steps: %.2f %% of the bus\n", used);
    at_least(used, 95);
}

void targets_128x32(Bench &b, const Card &c)
{
    at_most(step_cycles(b, c,
                        {{"LSTM 1024/1024, k 4 + 4", SPACC_CARD_CELL_LSTM, 1024, 1024, 1, 1024,
                          4, 4, 0, 12, 0, false}},
                        100),
            258);
    const Shape batch = {
        "LSTM 256/256, k 1 + 1", SPACC_CARD_CELL_LSTM, 256, 256, 4, 256, 1, 1, 0, 8, 0, false};
    const double ideal = 4 * 8 * 2;
    at_least(100 * ideal / step_cycles(b, c, {batch}, 100), 90);
    at_most(step_cycles(b, c,
                        {{"LSTMP 153/1024/512, k 1, 2, 4", SPACC_CARD_CELL_LSTMP, 1024, 512, 1,
                          153, 1, 2, 4, 32, 20, false}},
                        100),
            150);
    at_most(step_cycles(b, c,
                        {{"LSTM 128/256 and 256/256, a frame", SPACC_CARD_CELL_LSTM, 256, 256,
                          1, 128, 1, 2, 0, 8, 0, false},
                         {"", SPACC_CARD_CELL_LSTM, 256, 256, 1, 256, 2, 2, 0, 8, 0, false}},
                        100),
            110);
}

int targets(Bench &b, const Card &c)
{
    std::printf("card %ux%u, memory without stalls, latency %u cycles\n", c.pes, c.lanes,
                kLatency);
    if (c.pes == 16 && c.lanes == 16)
        targets_16x16(b, c);
    else if (c.pes == 128 && c.lanes == 32)
        targets_128x32(b, c);
    else
        std::printf("no targets for this card\n");
    return errors != 0;
}

} // namespace

#endif
