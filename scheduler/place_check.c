#include <limits.h>
#include <math.h>

#include "scheduler/place_parts.h"

/* Products with SPACC_PLACE_DEVICES are ints. */
enum { COUNT_MAX = 1 << 24 };

static bool is_amount(double v)
{
    return isfinite(v) && v >= 0;
}

static enum spacc_status check_device(const struct spacc_place_device *d,
                                      struct spacc_error *err)
{
    const struct {
        const char *what;
        double value;
    } field[] = {{"launch_us", d->launch_us},
                 {"sync_us", d->sync_us},
                 {"to_us", d->to_us},
                 {"from_us", d->from_us},
                 {"to_bytes_per_us", d->to_bytes_per_us},
                 {"from_bytes_per_us", d->from_bytes_per_us},
                 {"idle_w", d->idle_w},
                 {"busy_w", d->busy_w}};

    for (size_t f = 0; f < sizeof(field) / sizeof(field[0]); f++)
        if (!is_amount(field[f].value))
            return spacc_fail(err, SPACC_EINVAL, "device %s: %s is %g, not 0 or more", d->name,
                              field[f].what, field[f].value);
    return SPACC_OK;
}

/* Costs of task i on device d. */
static enum spacc_status check_cost(const struct spacc_tasks *t, size_t i, size_t d,
                                    struct spacc_error *err)
{
    const struct spacc_task *task = &t->task[i];

    if (task->us[d] == HUGE_VAL)
        return SPACC_OK;
    if (is_amount(task->us[d]) && is_amount(task->sigma[d]) && is_amount(task->joules[d]))
        return SPACC_OK;
    return spacc_fail(err, SPACC_EINVAL,
                      "task %s on %s: %g us, %g sigma, %g joules: not 0 or more", task->name,
                      t->device[d].name, task->us[d], task->sigma[d], task->joules[d]);
}

static bool can_run(const struct spacc_tasks *t, const struct spacc_task *task)
{
    for (size_t d = 0; d < t->devices; d++)
        if (task->us[d] != HUGE_VAL)
            return true;
    return false;
}

static enum spacc_status check_pin(const struct spacc_tasks *t, const struct spacc_task *task,
                                   struct spacc_error *err)
{
    if (task->pin < -1 || task->pin >= (int)t->devices)
        return spacc_fail(err, SPACC_EINVAL, "task %s is pinned to device %d of %zu",
                          task->name, task->pin, t->devices);
    if (task->pin >= 0 && task->us[task->pin] == HUGE_VAL)
        return spacc_fail(err, SPACC_EINVAL, "task %s is pinned to %s, which cannot run it",
                          task->name, t->device[task->pin].name);
    return SPACC_OK;
}

static enum spacc_status check_task(const struct spacc_tasks *t, size_t i,
                                    struct spacc_error *err)
{
    const struct spacc_task *task = &t->task[i];
    enum spacc_status s = SPACC_OK;

    if (!(isfinite(task->rate) && task->rate > 0))
        return spacc_fail(err, SPACC_EINVAL, "task %s: a rate of %g calls, not above 0",
                          task->name, task->rate);
    for (size_t d = 0; d < t->devices && !s; d++)
        s = check_cost(t, i, d, err);
    if (s)
        return s;
    if (!can_run(t, task))
        return spacc_fail(err, SPACC_EINVAL, "task %s: none of %zu devices can run it",
                          task->name, t->devices);
    return check_pin(t, task, err);
}

static const char *maker_of(const struct spacc_tasks *t, const struct spacc_task_tensor *x)
{
    return x->producer < 0 ? "outside" : t->task[x->producer].name;
}

static enum spacc_status check_tensor(const struct spacc_tasks *t, size_t i,
                                      struct spacc_error *err)
{
    const struct spacc_task_tensor *x = &t->tensor[i];
    int last = x->producer;

    if (x->producer < -1 || x->producer >= (int)t->tasks)
        return spacc_fail(err, SPACC_EINVAL, "tensor %zu is made by task %d of %zu", i,
                          x->producer, t->tasks);
    for (size_t r = 0; r < x->readers; last = x->reader[r++]) {
        if (x->reader[r] < 0 || x->reader[r] >= (int)t->tasks)
            return spacc_fail(err, SPACC_EINVAL,
                              "tensor %zu (made by %s) is read by task %d "
                              "of %zu",
                              i, maker_of(t, x), x->reader[r], t->tasks);
        if (x->reader[r] <= last)
            return spacc_fail(err, SPACC_EINVAL,
                              "tensor %zu (made by %s): its reader %s comes "
                              "behind %s, not before it",
                              i, maker_of(t, x), t->task[last].name,
                              t->task[x->reader[r]].name);
    }
    return SPACC_OK;
}

enum spacc_status spacc_place_check(const struct spacc_tasks *t, struct spacc_error *err)
{
    enum spacc_status s = SPACC_OK;

    if (t->devices < 1 || t->devices > SPACC_PLACE_DEVICES)
        return spacc_fail(err, SPACC_EINVAL, "%zu devices: 1 to %d are possible", t->devices,
                          SPACC_PLACE_DEVICES);
    if (t->tasks > COUNT_MAX || t->tensors > COUNT_MAX)
        return spacc_fail(err, SPACC_EINVAL, "%zu tasks and %zu tensors: %d are possible",
                          t->tasks, t->tensors, (int)COUNT_MAX);
    for (size_t d = 0; d < t->devices && !s; d++)
        s = check_device(&t->device[d], err);
    for (size_t i = 0; i < t->tasks && !s; i++)
        s = check_task(t, i, err);
    for (size_t i = 0; i < t->tensors && !s; i++)
        s = check_tensor(t, i, err);
    return s;
}
