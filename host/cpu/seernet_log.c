#include "host/cpu/seernet_log.h"

struct spacc_seernet_log *spacc_seernet_log_of(const struct spacc_cpu_step *step)
{
    return step->kernel == &spacc_cpu_seernet || step->kernel == &spacc_cpu_int8_seernet
               ? step->state
               : NULL;
}

void spacc_cpu_seernet_forget(struct spacc_cpu_step *step)
{
    struct spacc_seernet_log *log = spacc_seernet_log_of(step);

    if (log)
        *log = (struct spacc_seernet_log){.with = log->with, .pool = log->pool};
}

size_t spacc_engine_seernets(const struct spacc_engine *e)
{
    size_t layers = 0;

    for (int s = 0; s < e->steps; s++)
        layers += spacc_seernet_log_of(&e->step[s]) != NULL;
    return layers;
}

struct spacc_engine_seernet spacc_engine_seernet(const struct spacc_engine *e, size_t i)
{
    int s = 0;

    for (size_t seen = 0; !spacc_seernet_log_of(&e->step[s]) || seen++ < i; s++)
        ;
    const struct spacc_seernet_log *log = spacc_seernet_log_of(&e->step[s]);
    return (struct spacc_engine_seernet){.node = e->step[s].node,
                                         .pool = log->pool,
                                         .with = log->with,
                                         .mask_us = log->mask_us,
                                         .outputs = log->outputs,
                                         .computed = log->computed,
                                         .counts = log->counts};
}

void spacc_engine_watch_seernet(struct spacc_engine *e, bool on)
{
    e->watch_seernet = on;
}
