#include "host/selftest/selftest.h"

#include <stdarg.h>
#include <stdio.h>

#include "host/clock.h"
#include "host/selftest/parts.h"

static const struct rung {
    const char *name, *proves, *means;
    enum spacc_status (*run)(struct spacc_ladder *l, struct spacc_error *err);
} ladder[] = {
    {"identity", "the control port answers, and what answers is this card",
     "no card at this address, another bitstream, no clock, or reset held",
     spacc_ladder_identity},
    {"registers", "every argument register keeps what is written to it, and only that one does",
     "AXI4-Lite: data or address lines, write strobes, or a bridge in between",
     spacc_ladder_registers},
    {"memory", "the host reads back what it wrote to the card's memory",
     "the host's way to memory: bank of the buffer, DMA of the shell, caches not synchronised",
     spacc_ladder_memory},
    {"dma", "the card reads vectors from that memory and writes them back",
     "AXI4 master: bound to another bank than the buffers, address width, bursts",
     spacc_ladder_dma},
    {"pes", "each PE alone computes its rows, with every lane",
     "one PE or weight memory: timing not met there, or a RAM that lost its second port",
     spacc_ladder_pes},
    {"spmxv", "sparse products of all PEs at once",
     "the adder trees, indices, or power under load", spacc_ladder_spmxv},
    {"lstm", "a layer over a sequence: cells, activations, the recurrence",
     "the cell unit, or results that come back too late for the next step", spacc_ladder_lstm},
    {"timeout", "a run that takes too long is given up, and the card goes on after it",
     "reset does not reach the kernel, or time is not measured", spacc_ladder_timeout},
};

enum { RUNGS = sizeof(ladder) / sizeof(ladder[0]) };

int spacc_selftest_steps(void)
{
    return RUNGS;
}

/* ---- what steps share ------------------------------------------------------------- */

uint64_t spacc_ladder_draw(struct spacc_ladder *l)
{
    l->random ^= l->random >> 12;
    l->random ^= l->random << 25;
    l->random ^= l->random >> 27;
    return l->random * 2685821657736338717u;
}

void spacc_ladder_found(struct spacc_ladder *l, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(l->found, sizeof(l->found), format, args);
    va_end(args);
}

void spacc_ladder_skip(struct spacc_ladder *l, const char *why)
{
    l->skipped = true;
    spacc_ladder_found(l, "%s", why);
}

enum spacc_status spacc_ladder_reopen(struct spacc_ladder *l, struct spacc_error *err)
{
    spacc_card_close(l->card);
    l->card = NULL;
    return l->open(l->user, &l->card, err);
}

/* ---- the whole -------------------------------------------------------------------- */

static enum spacc_status climb(struct spacc_ladder *l, const struct rung *r,
                               spacc_selftest_tell tell, struct spacc_error *err)
{
    const double begin = spacc_now_us();

    l->skipped = false;
    const enum spacc_status status = r->run(l, err);

    tell(l->user, &(struct spacc_selftest_step){
                      .name = r->name,
                      .proves = r->proves,
                      .means = r->means,
                      .passed = status == SPACC_OK,
                      .skipped = l->skipped,
                      .found = status == SPACC_OK ? l->found : err->text,
                      .ms = (spacc_now_us() - begin) / 1e3,
                  });
    return status == SPACC_OK ? status : spacc_fail_in(err, status, "step %s", r->name);
}

enum spacc_status spacc_selftest_run(spacc_selftest_open open, spacc_selftest_tell tell,
                                     void *user, uint64_t seed, struct spacc_error *err)
{
    struct spacc_ladder l = {.open = open, .user = user, .random = seed ? seed : 1};
    enum spacc_status status = SPACC_OK;

    for (int i = 0; i < RUNGS && status == SPACC_OK; i++)
        status = climb(&l, &ladder[i], tell, err);
    spacc_card_close(l.card);
    return status;
}
