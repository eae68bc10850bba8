// core_random.h - random programs: up to three layers of any cell, RUNs that go on where others
// ended, x that is the y of another RUN, marks around RUNs.
#ifndef SPACC_SIM_CORE_RANDOM_H
#define SPACC_SIM_CORE_RANDOM_H

#include <cstdint>
#include <vector>

#include "sim/core_check.h"

namespace
{

Layer must_draw(const Card &c, const Wish &wish, Room *room)
{
    Layer l;
    while (!draw_layer(c, wish, room, &l))
        ;
    return l;
}

void note(const Card &c, const Layer &l, bool zero, Coverage *seen)
{
    seen->runs++;
    seen->cell[l.cell]++;
    seen->batch += l.batch > 1;
    seen->prologue += l.prologue != 0;
    seen->prologue_b += l.prologue_b != 0;
    seen->masked += l.masked;
    seen->overlap += l.overlap != 0;
    seen->streams += l.stream;
    seen->wide += l.format && c.weight_bits == 16;
    seen->slots += l.x_slots > 2;
    seen->zero += zero;
}

unsigned draw_steps(const Layer &l)
{
    // Long linear runs with few weights a row fill the y FIFO and hold the array back.
    if (l.linear() && l.k_x < 4 && one_in(2))
        return 1 + (unsigned)below(60);
    return 1 + (unsigned)below(6);
}

// One RUN of a layer, with marks around it now and then.
void add_run(Plan *p, Layer *l, std::vector<Place> *outputs, Coverage *seen)
{
    const bool zero = one_in(3), chain = !outputs->empty() && one_in(2) && !l->masked;
    if (one_in(2))
        mark(p);
    note(p->c, *l, zero, seen);
    seen->chained += chain;
    const unsigned steps = draw_steps(*l);
    if (l->masked)
        run_masked(p, l, steps);
    else
        outputs->push_back(chain
                               ? run_on_y(p, l, (*outputs)[below(outputs->size())], steps, zero)
                               : run_on_own_x(p, l, steps, zero));
    if (one_in(2))
        mark(p);
}

Plan random_program(Bench &b, const Card &c, int cell, Coverage *seen)
{
    Plan p(&b, c);
    const bool roomy = c.instructions >= 40;
    const unsigned wanted = roomy && one_in(3) ? 2 + (unsigned)below(2) : 1;
    Room room;
    std::vector<Layer> layers;
    for (unsigned i = 0; i < wanted; i++) {
        Wish wish;
        wish.cell = i ? -1 : cell;
        wish.last = i + 1 == wanted;
        Layer l;
        if (i == 0)
            l = must_draw(c, wish, &room);
        else if (!draw_layer(c, wish, &room, &l))
            break;
        load_layer(&p, &l);
        layers.push_back(l);
    }
    std::vector<Place> outputs;
    for (Layer &l : layers)
        add_run(&p, &l, &outputs, seen);
    for (unsigned more = (unsigned)below(roomy ? 4 : 2); more > 0; more--) {
        add_run(&p, &layers[below(layers.size())], &outputs, seen);
        seen->continued++;
    }
    for (const Layer &l : layers)
        if (!l.linear())
            store_state(&p, l);
    if (one_in(2))
        mark(&p);
    p.add(SPACC_OP_END);
    seen->layers += layers.size();
    return p;
}

} // namespace

#endif
