#include "scheduler/card_cycles_parts.h"

#include <string.h>

static const struct burst *oldest(const struct bursts *b)
{
    return &b->burst[b->first];
}

static void push(struct bursts *b, struct burst burst)
{
    b->burst[(b->first + b->count++) % BURST_SLOTS] = burst;
}

static void pop(struct bursts *b)
{
    b->first = (b->first + 1) % BURST_SLOTS;
    b->count--;
}

void spacc_fifo_step(struct fifo *fifo, bool put, bool out_ready)
{
    const bool stored = fifo->level != (fifo->out ? 1u : 0u);
    const bool fetch = stored && (!fifo->out || out_ready);
    const bool take = fifo->out && out_ready;

    fifo->level = fifo->level + put - take;
    fifo->out = fetch || (fifo->out && !out_ready);
}

void spacc_bus_start(struct bus *bus, const struct spacc_card_shape *shape)
{
    memset(bus, 0, sizeof(*bus));
    bus->beat_bytes = shape->axi_bits / 8;
    bus->latency = shape->latency_cycles;
    bus->line_beats = 4096 / bus->beat_bytes;
    bus->arready = bus->awready = bus->wready = true;
}

bool spacc_bus_read_ready(const struct bus *bus)
{
    return !bus->read.busy;
}

bool spacc_bus_write_ready(const struct bus *bus)
{
    return !bus->write.busy;
}

bool spacc_bus_word_ready(const struct bus *bus)
{
    return bus->queue.level != 2 * WRITE_BURST;
}

bool spacc_bus_read_last(const struct bus *bus)
{
    const struct burst *b = oldest(&bus->read.slots);
    return bus->read.beat + 1 == b->beats && b->last;
}

bool spacc_bus_read_idle(const struct bus *bus)
{
    return !bus->read.busy && bus->read.slots.count == 0;
}

bool spacc_bus_write_idle(const struct bus *bus)
{
    return !bus->write.busy && bus->write.slots.count == 0;
}

bool spacc_bus_wrote(const struct bus *bus)
{
    return bus->queue.out && bus->owed != 0 && bus->wready;
}

static uint32_t burst_beats(const struct bus *bus, const struct dma *d, uint32_t most)
{
    const uint32_t to_line = bus->line_beats - (uint32_t)(d->next % bus->line_beats);
    const uint32_t beats = to_line > most ? most : to_line;
    return d->left < beats ? d->left : beats;
}

/* A command taken, or a burst of `burst` beats begun (0: none). */
static void dma_step(const struct bus *bus, struct dma *d, bool cmd, uint64_t address,
                     uint32_t beats, uint32_t burst, bool taken)
{
    d->valid = burst || (d->valid && !taken);
    if (burst) {
        d->beats = burst;
        push(&d->slots, (struct burst){.beats = burst, .last = d->left == burst});
        d->next += burst;
        d->left -= burst;
        d->busy = d->left != 0;
    } else if (cmd && !d->busy) {
        d->busy = true;
        d->next = address / bus->beat_bytes;
        d->left = beats;
    }
}

static void step_reads(struct bus *bus, const struct bus_in *in)
{
    struct dma *d = &bus->read;
    const bool taken = d->valid && bus->arready;
    const bool begin = d->busy && d->slots.count != READ_SLOTS && (!d->valid || bus->arready);
    const uint32_t burst =
        begin ? burst_beats(bus, d, bus->line_beats < 256 ? bus->line_beats : 256) : 0;
    const uint32_t asked = d->beats;

    if (bus->rvalid && in->read_ready) {
        bus->rvalid = false;
        if (++d->beat == oldest(&bus->reads)->beats) {
            pop(&bus->reads);
            pop(&d->slots);
            d->beat = 0;
        }
    }
    dma_step(bus, d, in->read_cmd, in->read_address, in->read_beats, burst, taken);
    if (taken)
        push(&bus->reads, (struct burst){.beats = asked, .due = bus->cycle + bus->latency - 1});
    if (!bus->rvalid && bus->reads.count && bus->cycle >= oldest(&bus->reads)->due)
        bus->rvalid = true;
    bus->arready = bus->reads.count < BURST_SLOTS;
}

static void step_memory_writes(struct bus *bus)
{
    while (bus->words && bus->writes.count) {
        bus->words--;
        if (++bus->writes_beat == oldest(&bus->writes)->beats) {
            push(&bus->answers, (struct burst){.due = bus->cycle + bus->latency - 1});
            pop(&bus->writes);
            bus->writes_beat = 0;
        }
    }
    if (!bus->bvalid && bus->answers.count && bus->cycle >= oldest(&bus->answers)->due)
        bus->bvalid = true;
    bus->awready = bus->writes.count < BURST_SLOTS;
    bus->wready = bus->words < MEMORY_WORDS;
}

static void step_writes(struct bus *bus, const struct bus_in *in)
{
    struct dma *d = &bus->write;
    const uint32_t next = burst_beats(bus, d, WRITE_BURST);
    const bool taken = d->valid && bus->awready;
    const bool begin = d->busy && d->slots.count != WRITE_SLOTS &&
                       (!d->valid || bus->awready) && bus->queue.level - bus->owed >= next;
    const bool beat = spacc_bus_wrote(bus);
    const uint32_t asked = d->beats, burst = begin ? next : 0;

    spacc_fifo_step(&bus->queue, in->write_valid && spacc_bus_word_ready(bus),
                    bus->wready && bus->owed != 0);
    bus->owed += burst - beat;
    if (bus->bvalid) {
        bus->bvalid = false;
        pop(&bus->answers);
        pop(&d->slots);
    }
    dma_step(bus, d, in->write_cmd, in->write_address, in->write_beats, burst, taken);
    if (taken)
        push(&bus->writes, (struct burst){.beats = asked});
    bus->words += beat;
    step_memory_writes(bus);
}

void spacc_bus_step(struct bus *bus, const struct bus_in *in)
{
    bus->cycle++;
    step_reads(bus, in);
    step_writes(bus, in);
}
