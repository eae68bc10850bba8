#include "host/batch.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "host/session_parts.h"

enum { TRIES = 3, LEARN_MAX = 64 };
static const double filter = 0.5; /* of what was known; the rest is what was just seen */

/* One device with its share of a batch. */
struct side {
    const char *device;
    struct spacc_session *session;
    double speed; /* requests a us */
    size_t first, count;
    double us;
    const struct spacc_tensor *const *input;
    struct spacc_tensor **output;
    size_t inputs, outputs;
    enum spacc_status status;
    struct spacc_error err;
};

struct spacc_batch {
    struct spacc_model *model;
    size_t inputs, outputs, sides;
    struct side side[SPACC_BATCH_DEVICES];
};

/* ---- new and free ---------------------------------------------------------------- */

static enum spacc_status add_side(struct spacc_batch *b, const char *device,
                                  const struct spacc_options *options, struct spacc_error *err)
{
    struct side *s = &b->side[b->sides];
    struct spacc_options o = *options;
    enum spacc_status status;

    o.goal = SPACC_GOAL_DEFAULT;
    o.plan_file = NULL;
    o.pins = 0;
    o.plan = false;
    o.gpu = strcmp(device, "gpu") == 0 ? options->gpu : NULL;
    o.fpga = strcmp(device, "card") == 0 ? options->fpga : NULL;
    o.all_on = o.gpu ? "gpu" : NULL;
    if (!o.fpga) {
        o.waveform_file = NULL;
        o.sim_stall_per_1024 = o.time_limit_us = 0;
    }
    if ((status = spacc_session_new(&s->session, b->model, &o, err)))
        return status;
    if (o.gpu && !spacc_session_report(s->session)->gpu[0]) { /* auto, and there is none */
        spacc_session_free(s->session);
        s->session = NULL;
        return SPACC_OK;
    }
    s->device = device;
    b->sides++;
    return SPACC_OK;
}

static bool is_on(const char *name)
{
    return name && strcmp(name, "off") != 0;
}

enum spacc_status spacc_batch_new(struct spacc_batch **out, struct spacc_model *model,
                                  const struct spacc_options *options, struct spacc_error *err)
{
    struct spacc_batch *b = calloc(1, sizeof(*b));
    enum spacc_status status;

    *out = NULL;
    if (!b)
        return spacc_fail(err, SPACC_ENOMEM, "no memory for a batch");
    b->model = model;
    b->inputs = spacc_model_inputs(model);
    b->outputs = spacc_model_outputs(model);
    if ((status = add_side(b, "cpu", options, err)) ||
        (is_on(options->gpu) && (status = add_side(b, "gpu", options, err))) ||
        (is_on(options->fpga) && (status = add_side(b, "card", options, err)))) {
        spacc_batch_free(b);
        return status;
    }
    *out = b;
    return SPACC_OK;
}

void spacc_batch_free(struct spacc_batch *b)
{
    for (size_t i = 0; b && i < b->sides; i++)
        spacc_session_free(b->side[i].session);
    free(b);
}

/* ---- shares ---------------------------------------------------------------------- */

/* Each request goes to the device that would have it first. */
void spacc_batch_split(size_t count, size_t devices, const double *speed, size_t *share)
{
    memset(share, 0, devices * sizeof(*share));
    for (size_t r = 0; r < count; r++) {
        size_t best = 0;
        double best_end = -1.0;
        for (size_t d = 0; d < devices; d++) {
            const double end = (double)(share[d] + 1) / speed[d];
            if (!(speed[d] > 0.0) || (best_end >= 0.0 && end >= best_end))
                continue;
            best = d;
            best_end = end;
        }
        share[best]++;
    }
}

static void set_shares(struct spacc_batch *b, size_t count)
{
    double speed[SPACC_BATCH_DEVICES];
    size_t share[SPACC_BATCH_DEVICES], first = 0;

    for (size_t i = 0; i < b->sides; i++)
        speed[i] = b->side[i].speed;
    spacc_batch_split(count, b->sides, speed, share);
    for (size_t i = 0; i < b->sides; i++) {
        b->side[i].first = first;
        b->side[i].count = share[i];
        first += share[i];
    }
}

/* ---- run ------------------------------------------------------------------------- */

static double timed(const struct side *s)
{
    return spacc_session_timed_us(s->session);
}

static void *run_share(void *user)
{
    struct side *s = user;
    const double before = timed(s);

    s->status = SPACC_OK;
    for (size_t r = s->first; r < s->first + s->count && !s->status; r++)
        s->status = spacc_session_run(s->session, s->input + r * s->inputs,
                                      s->output + r * s->outputs, &s->err);
    s->us = timed(s) - before;
    return NULL;
}

/* Where no thread can be had the share is run on the caller's. */
static void run_shares(struct spacc_batch *b)
{
    pthread_t thread[SPACC_BATCH_DEVICES];
    bool started[SPACC_BATCH_DEVICES] = {false};

    for (size_t i = 1; i < b->sides; i++)
        started[i] = b->side[i].count > 0 &&
                     pthread_create(&thread[i], NULL, run_share, &b->side[i]) == 0;
    run_share(&b->side[0]);
    for (size_t i = 1; i < b->sides; i++) {
        if (started[i])
            pthread_join(thread[i], NULL);
        else
            run_share(&b->side[i]);
    }
}

static void learn_speed(struct side *s)
{
    const double now = s->us > 0.0 ? (double)s->count / s->us : 0.0;

    if (s->count == 0)
        return;
    s->speed = s->speed > 0.0 ? filter * s->speed + (1.0 - filter) * now : now;
}

enum spacc_status spacc_batch_run(struct spacc_batch *b, size_t count,
                                  const struct spacc_tensor *const *input,
                                  struct spacc_tensor **output, struct spacc_error *err)
{
    enum spacc_status status = SPACC_OK;

    memset(output, 0, count * b->outputs * sizeof(*output));
    set_shares(b, count);
    for (size_t i = 0; i < b->sides; i++) {
        b->side[i].input = input;
        b->side[i].output = output;
    }
    run_shares(b);
    for (size_t i = 0; i < b->sides && !status; i++)
        if ((status = b->side[i].status) && err)
            *err = b->side[i].err;
    for (size_t o = 0; o < count * b->outputs && status; o++) {
        spacc_tensor_free(output[o]);
        output[o] = NULL;
    }
    for (size_t i = 0; i < b->sides && !status; i++)
        learn_speed(&b->side[i]);
    return status;
}

/* The first set, a few times, of which the last ones count. */
static enum spacc_status try_side(struct side *s, const struct spacc_tensor *const *input,
                                  struct spacc_tensor **output, struct spacc_error *err)
{
    double best = 0.0;

    for (int t = 0; t < TRIES; t++) {
        const double before = timed(s);
        const enum spacc_status status = spacc_session_run(s->session, input, output, err);
        for (size_t o = 0; o < s->outputs; o++)
            spacc_tensor_free(output[o]);
        if (status)
            return status;
        const double us = timed(s) - before;
        best = t == 0 || us < best ? us : best;
    }
    s->speed = best > 0.0 ? 1.0 / best : 1.0;
    return SPACC_OK;
}

enum spacc_status spacc_batch_prepare(struct spacc_batch *b, size_t frames,
                                      const struct spacc_tensor *const *input,
                                      struct spacc_error *err)
{
    struct spacc_tensor **output = calloc(b->outputs + 1, sizeof(*output));
    enum spacc_status status =
        output ? SPACC_OK : spacc_fail(err, SPACC_ENOMEM, "no memory for a batch");

    for (size_t i = 0; i < b->sides && !status; i++) {
        struct side *s = &b->side[i];
        s->inputs = b->inputs;
        s->outputs = b->outputs;
        if (!(status = spacc_session_prepare(s->session, frames, input, err)))
            status = try_side(s, input, output, err);
    }
    free(output);
    return status;
}

/* ---- frames ---------------------------------------------------------------------- */

struct frames {
    struct spacc_batch *b;
    const struct spacc_graph *g;
    size_t frames;
    struct spacc_tensor *view;      /* [frames * inputs] */
    const struct spacc_tensor **in; /* [frames * inputs] */
    struct spacc_tensor **out;      /* [frames * outputs] */
};

static bool has_frames(const struct frames *f, const struct spacc_tensor *const *input,
                       size_t i)
{
    const struct spacc_value *v = &f->g->value[f->g->input[i]];

    return v->rank >= 0 && input[i]->rank == v->rank + 1;
}

static enum spacc_status count_frames(struct frames *f, const struct spacc_tensor *const *input,
                                      struct spacc_error *err)
{
    for (size_t i = 0; i < f->b->inputs; i++) {
        const size_t frames = has_frames(f, input, i) ? (size_t)input[i]->dims[0] : 0;
        if (frames && f->frames && frames != f->frames)
            return spacc_fail(err, SPACC_ESHAPE,
                              "%s: input %s: has %zu frames, others have %zu", f->g->file,
                              f->g->value[f->g->input[i]].name, frames, f->frames);
        f->frames = frames ? frames : f->frames;
    }
    return f->frames ? SPACC_OK
                     : spacc_fail(err, SPACC_ESHAPE, "%s: no input has frames", f->g->file);
}

static enum spacc_status view_frames(struct frames *f, const struct spacc_tensor *const *input,
                                     struct spacc_error *err)
{
    const size_t inputs = f->b->inputs;

    f->view = calloc(f->frames * inputs + 1, sizeof(*f->view));
    f->in = calloc(f->frames * inputs + 1, sizeof(*f->in));
    f->out = calloc(f->frames * f->b->outputs + 1, sizeof(*f->out));
    if (!f->view || !f->in || !f->out)
        return spacc_fail(err, SPACC_ENOMEM, "%s: no memory for %zu frames", f->g->file,
                          f->frames);
    for (size_t k = 0; k < f->frames * inputs; k++) {
        const size_t i = k % inputs;
        f->in[k] = input[i];
        if (!has_frames(f, input, i))
            continue;
        f->view[k] = spacc_frame_of(input[i], k / inputs);
        f->in[k] = &f->view[k];
    }
    return SPACC_OK;
}

/* Results of output o one behind the other. */
static enum spacc_status stack(const struct frames *f, size_t o, struct spacc_tensor **to,
                               struct spacc_error *err)
{
    const struct spacc_tensor *first = f->out[o];
    const size_t bytes = first->count * spacc_dtype_bytes(first->dtype);
    int64_t dims[SPACC_RANK_MAX] = {(int64_t)f->frames};
    enum spacc_status status = SPACC_ESHAPE;

    if (first->rank < SPACC_RANK_MAX) {
        memcpy(dims + 1, first->dims, (size_t)first->rank * sizeof(*dims));
        status = spacc_tensor_new(to, first->dtype, first->rank + 1, dims);
    }
    for (size_t k = 0; k < f->frames && !status; k++) {
        const struct spacc_tensor *t = f->out[k * f->b->outputs + o];
        if (!spacc_tensor_same_shape(t, first))
            status = SPACC_ESHAPE;
        else if (bytes)
            memcpy((char *)(*to)->data + k * bytes, t->data, bytes);
    }
    return status
               ? spacc_fail(err, status, "%s: frames of output %zu do not fit", f->g->file, o)
               : SPACC_OK;
}

static enum spacc_status run_frames(struct frames *f, const struct spacc_tensor *const *input,
                                    struct spacc_tensor **output, struct spacc_error *err)
{
    enum spacc_status status;

    if ((status = count_frames(f, input, err)) || (status = view_frames(f, input, err)) ||
        (status = spacc_batch_prepare(f->b, f->frames < LEARN_MAX ? f->frames : LEARN_MAX,
                                      f->in, err)) ||
        (status = spacc_batch_run(f->b, f->frames, f->in, f->out, err)))
        return status;
    for (size_t o = 0; o < f->b->outputs && !status; o++)
        status = stack(f, o, &output[o], err);
    return status;
}

enum spacc_status spacc_batch_frames(struct spacc_batch *b,
                                     const struct spacc_tensor *const *input,
                                     struct spacc_tensor **output, struct spacc_error *err)
{
    struct frames f = {.b = b, .g = spacc_model_graph(b->model)};
    enum spacc_status status;

    memset(output, 0, b->outputs * sizeof(*output));
    status = run_frames(&f, input, output, err);
    for (size_t k = 0; f.out && k < f.frames * b->outputs; k++)
        spacc_tensor_free(f.out[k]);
    for (size_t o = 0; status && o < b->outputs; o++) {
        spacc_tensor_free(output[o]);
        output[o] = NULL;
    }
    free(f.view);
    free(f.in);
    free(f.out);
    return status;
}

/* ---- what it did ------------------------------------------------------------------ */

size_t spacc_batch_shares(const struct spacc_batch *b)
{
    return b->sides;
}

struct spacc_batch_share spacc_batch_share(const struct spacc_batch *b, size_t i)
{
    const struct side *s = &b->side[i];

    return (struct spacc_batch_share){s->device, s->first, s->count, s->us};
}

const struct spacc_report *spacc_batch_report(const struct spacc_batch *b, size_t i)
{
    return spacc_session_report(b->side[i].session);
}

double spacc_batch_us(const struct spacc_batch *b)
{
    double most = 0.0;

    for (size_t i = 0; i < b->sides; i++)
        most = b->side[i].count && b->side[i].us > most ? b->side[i].us : most;
    return most;
}
