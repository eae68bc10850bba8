#include "host/fpga/card_programs.h"

#include "rtl/card_map.h"

enum { BATCH_INSTRUCTIONS = 8 }; /* load 2, run 5, mark 1 */

static struct spacc_run_args args_of(const struct spacc_card_batch *batch, size_t i,
                                     const struct spacc_job *job)
{
    const struct spacc_card_batch *b = &batch[i];
    const struct spacc_card_batch *from = b->from < 0 ? NULL : &batch[b->from];
    const size_t x_bytes =
        from ? spacc_layout_y_bytes(&from->of->layout, from->of->layer, from->size)
             : spacc_card_step_bytes(b);

    return (struct spacc_run_args){
        .batch = (uint32_t)b->size,
        .steps = (uint32_t)job[b->first].steps,
        .reverse = job[b->first].reverse,
        .start = b->hold.start,
        .half = b->hold.half,
        .want_state = b->stores,
        .x_region = from ? SPACC_REGION_OUTPUT : SPACC_REGION_INPUT,
        .x_offset = from ? from->y : b->x,
        .x_step_bytes = (uint32_t)x_bytes,
        .h_offset = b->h,
        .state_offset = b->state,
        .masked = b->masks.on,
        .overlap = b->masks.overlap,
        .window = b->masks.window,
        .x_slots = b->masks.x_slots,
        .y_groups = (uint32_t)b->masks.y_groups,
        .y_offset = b->y,
        .state_out = b->state_out,
    };
}

static void add_batch(struct spacc_program *p, const struct spacc_card_batch *batch, size_t i,
                      const struct spacc_job *job, const struct spacc_card_layer **in_window)
{
    const struct spacc_card_layer *l = batch[i].of;
    const struct spacc_run_args args = args_of(batch, i, job);
    struct spacc_place at = l->place;

    at.h_base = batch[i].hold.h_base;
    at.state_base = batch[i].hold.state_base;
    if (!l->stays && *in_window != l) {
        spacc_program_load(p, &l->layout, &at);
        *in_window = l;
    }
    spacc_program_run(p, &l->layout, l->layer, &at, &args);
    spacc_program_mark(p, batch[i].mark_after);
}

void spacc_card_program(struct spacc_program *p, struct spacc_card_batch *batch, size_t batches,
                        const struct spacc_job *job, size_t instructions, size_t *next,
                        const struct spacc_card_layer **in_window)
{
    const size_t most = instructions < SPACC_PROGRAM_MAX ? instructions : SPACC_PROGRAM_MAX;
    uint32_t mark = batch[*next].first_mark;
    size_t i = *next;

    p->instructions = 0;
    spacc_program_mark(p, mark);
    do {
        batch[i].mark_before = mark;
        add_batch(p, batch, i, job, in_window);
        mark = batch[i++].mark_after;
    } while (i < batches && p->instructions + BATCH_INSTRUCTIONS <= most - 1);
    spacc_program_end(p);
    *next = i;
}
