/* The card's arithmetic on the CPU: spacc_fixed_run() behind the device interface. */
#include "host/device.h"

#include <stdlib.h>
#include <string.h>

struct cpu_device {
    struct spacc_device base;
    size_t layers;
    const struct spacc_fixed_layer **layer;
};

static void cpu_close(struct spacc_device *device)
{
    struct cpu_device *d = (struct cpu_device *)device;

    free(d->layer);
    free(d);
}

static enum spacc_status cpu_add(struct spacc_device *device, const char *name,
                                 const struct spacc_fixed_layer *layer, size_t *number,
                                 struct spacc_error *err)
{
    struct cpu_device *d = (struct cpu_device *)device;
    const struct spacc_fixed_layer **more =
        realloc(d->layer, (d->layers + 1) * sizeof(*d->layer));

    (void)name;
    if (!more)
        return spacc_fail(err, SPACC_ENOMEM, "no memory for layer %zu", d->layers);
    d->layer = more;
    d->layer[d->layers] = layer;
    *number = d->layers++;
    return SPACC_OK;
}

static enum spacc_status cpu_load(struct spacc_device *device, struct spacc_error *err)
{
    (void)device, (void)err;
    return SPACC_OK;
}

/* Copy vectors, last first when `reverse`. */
static void copy_steps(void *to, const void *from, size_t steps, size_t step_bytes,
                       bool reverse)
{
    for (size_t t = 0; t < steps; t++)
        memcpy((char *)to + (reverse ? steps - 1 - t : t) * step_bytes,
               (const char *)from + t * step_bytes, step_bytes);
}

bool spacc_job_mask_fits(const struct spacc_job *job, const struct spacc_fixed_layer *layer)
{
    const size_t words = (layer->outputs + 63) / 64, parts = job->overlap + 1;

    if (!job->mask)
        return job->overlap == 0;
    if (layer->cell != SPACC_CELL_LINEAR || job->reverse || job->x_job >= 0)
        return false;
    if (job->overlap && (layer->w_x->bank_size % parts != 0 ||
                         layer->x_cols != layer->w_x->bank_size * layer->w_x->banks))
        return false;
    for (size_t t = 0; t < job->overlap && t < job->steps; t++)
        for (size_t w = 0; w < words; w++)
            if (job->mask[t * words + w])
                return false;
    return true;
}

void spacc_job_input(const struct spacc_job *job, const struct spacc_fixed_layer *layer,
                     int16_t *x)
{
    const size_t parts = job->overlap + 1, bank = layer->w_x->bank_size;
    const size_t cols = layer->x_cols / parts, part = bank / parts;

    for (size_t t = 0; t < job->steps; t++)
        for (size_t c = 0; c < layer->x_cols; c++) {
            const size_t back = parts - 1 - c % bank / part;
            const size_t from = c / bank * part + c % part;
            x[t * layer->x_cols + c] = t < back ? 0 : job->x[(t - back) * cols + from];
        }
}

/* A job with a mask. */
static enum spacc_status run_masked(const struct spacc_fixed_layer *layer,
                                    struct spacc_job *job, struct spacc_error *err)
{
    struct spacc_fixed_counts counts = {0};
    int16_t *x;

    if (!spacc_job_mask_fits(job, layer))
        return spacc_fail(err, SPACC_EINVAL, "layer %zu: its mask does not fit", job->layer);
    if (job->overlap == 0) {
        spacc_fixed_run_masked(layer, job->steps, job->x, job->mask, job->y, &counts);
    } else {
        if (!(x = malloc(job->steps * layer->x_cols * sizeof(*x))))
            return spacc_fail(err, SPACC_ENOMEM, "no memory for the input of a layer");
        spacc_job_input(job, layer, x);
        spacc_fixed_run_masked(layer, job->steps, x, job->mask, job->y, &counts);
        free(x);
    }
    job->counts.state_saturations = counts.state_saturations;
    return SPACC_OK;
}

static enum spacc_status run_job(const struct spacc_fixed_layer *layer, struct spacc_job *job,
                                 const int16_t *x, struct spacc_error *err)
{
    const bool linear = layer->cell == SPACC_CELL_LINEAR;
    const size_t x_bytes = layer->x_cols * sizeof(int16_t);
    const size_t y_bytes = linear ? layer->units * 16 : layer->outputs * 2;
    struct spacc_fixed_counts counts = {0};
    int16_t *x_turned = malloc(job->steps * x_bytes);
    char *y = malloc(job->steps * y_bytes);
    enum spacc_status s = SPACC_ENOMEM;

    if (!x_turned || !y)
        goto out;
    copy_steps(x_turned, x, job->steps, x_bytes, job->reverse);
    s = spacc_fixed_run(layer, job->steps, x_turned, job->h, job->state, y, &counts);
    if (s)
        goto out;
    copy_steps(job->y, y, job->steps, y_bytes, job->reverse);
    job->counts.gate_saturations = counts.gate_saturations;
    job->counts.state_saturations = counts.state_saturations;
out:
    free(x_turned);
    free(y);
    return s ? spacc_fail(err, s, "fixed-point layer: %s", spacc_status_text(s)) : SPACC_OK;
}

static enum spacc_status cpu_run(struct spacc_device *device, struct spacc_job *job,
                                 size_t jobs, struct spacc_error *err)
{
    struct cpu_device *d = (struct cpu_device *)device;
    enum spacc_status s;

    for (size_t i = 0; i < jobs; i++) {
        const int16_t *x = job[i].x_job >= 0 ? job[job[i].x_job].y : job[i].x;
        memset(&job[i].counts, 0, sizeof(job[i].counts));
        s = job[i].mask ? run_masked(d->layer[job[i].layer], &job[i], err)
                        : run_job(d->layer[job[i].layer], &job[i], x, err);
        if (s)
            return s;
    }
    return SPACC_OK;
}

static const struct spacc_device_ops cpu_ops = {
    .kind = "cpu", .close = cpu_close, .add = cpu_add, .load = cpu_load, .run = cpu_run};

enum spacc_status spacc_cpu_device_new(struct spacc_device **out, struct spacc_error *err)
{
    struct cpu_device *d = calloc(1, sizeof(*d));

    *out = NULL;
    if (!d)
        return spacc_fail(err, SPACC_ENOMEM, "no memory for a device");
    d->base.ops = &cpu_ops;
    *out = &d->base;
    return SPACC_OK;
}

void spacc_device_free(struct spacc_device *d)
{
    if (d)
        d->ops->close(d);
}
