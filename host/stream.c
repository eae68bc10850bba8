/* Frame by frame runs with states fed back. */
#include <stdlib.h>
#include <string.h>

#include "host/session_parts.h"

enum { LEARN_FRAMES_MAX = 64 };

/* One stream. Arrays of tensors by input or output; [2] is device and reference. */
struct stream {
    struct spacc_session *session;
    const struct spacc_graph *g;
    size_t inputs, outputs, frames;
    const struct spacc_tensor *const *given;
    const struct spacc_state *state;
    size_t states;
    bool *by_frame, *is_state_out;  /* [inputs], [outputs] */
    struct spacc_tensor **zero;     /* [inputs] first states that were not given */
    struct spacc_tensor *view;      /* [learn frames][inputs] frames without own data */
    const struct spacc_tensor **in; /* [learn frames][inputs] */
    const struct spacc_tensor **side_in[2];
    struct spacc_tensor **side_out[2], **last[2]; /* [outputs] */
};

/* ---- shapes ------------------------------------------------------------------ */

/* Size of an unknown dimension: what another input of that name has, else 1. */
static int64_t find_dim(const struct stream *m, const char *name)
{
    for (size_t i = 0; i < m->inputs && name; i++) {
        const struct spacc_value *v = &m->g->value[m->g->input[i]];
        const struct spacc_tensor *t = m->given[i];
        for (int d = 0; d < v->rank && t; d++)
            if (v->dim_names[d] && strcmp(v->dim_names[d], name) == 0)
                return t->dims[d + (m->by_frame[i] ? 1 : 0)];
    }
    return 1;
}

static enum spacc_status make_zero(struct stream *m, size_t i, struct spacc_error *err)
{
    const struct spacc_value *v = &m->g->value[m->g->input[i]];
    int64_t dims[SPACC_RANK_MAX];
    enum spacc_status s;

    for (int d = 0; d < v->rank; d++)
        dims[d] = v->dims[d] >= 0 ? v->dims[d] : find_dim(m, v->dim_names[d]);
    if (v->rank < 0)
        return spacc_fail(err, SPACC_ESHAPE, "%s: input %s: the model does not say its shape",
                          m->g->file, v->name);
    s = spacc_tensor_new(&m->zero[i], v->dtype, v->rank, dims);
    return s ? spacc_fail(err, s, "%s: input %s: no zeros for it", m->g->file, v->name) : s;
}

static bool is_state_in(const struct stream *m, size_t i)
{
    for (size_t k = 0; k < m->states; k++)
        if (m->state[k].input == i)
            return true;
    return false;
}

/* Which inputs come frame by frame, and how many frames. */
static enum spacc_status find_frames(struct stream *m, struct spacc_error *err)
{
    for (size_t i = 0; i < m->inputs; i++) {
        const struct spacc_value *v = &m->g->value[m->g->input[i]];
        const struct spacc_tensor *t = m->given[i];
        if (!t && !is_state_in(m, i))
            return spacc_fail(err, SPACC_EINVAL, "%s: input %s is not given", m->g->file,
                              v->name);
        m->by_frame[i] = t && v->rank >= 0 && t->rank == v->rank + 1 && !is_state_in(m, i);
        if (!m->by_frame[i])
            continue;
        if (m->frames && m->frames != (size_t)t->dims[0])
            return spacc_fail(err, SPACC_ESHAPE,
                              "%s: input %s: has %lld frames, others have %zu", m->g->file,
                              v->name, (long long)t->dims[0], m->frames);
        m->frames = (size_t)t->dims[0];
    }
    if (m->frames == 0)
        return spacc_fail(err, SPACC_ESHAPE,
                          "%s: no input has frames: one more leading dimension than the model "
                          "declares",
                          m->g->file);
    return SPACC_OK;
}

static enum spacc_status check_states(struct stream *m, struct spacc_error *err)
{
    for (size_t k = 0; k < m->states; k++) {
        if (m->state[k].input >= m->inputs || m->state[k].output >= m->outputs)
            return spacc_fail(err, SPACC_EINVAL,
                              "state %zu: input %zu of %zu takes output %zu of %zu", k,
                              m->state[k].input, m->inputs, m->state[k].output, m->outputs);
        m->is_state_out[m->state[k].output] = true;
    }
    return SPACC_OK;
}

struct spacc_tensor spacc_frame_of(const struct spacc_tensor *t, size_t f)
{
    struct spacc_tensor v = *t;

    v.rank--;
    memmove(v.dims, t->dims + 1, (size_t)v.rank * sizeof(*v.dims));
    v.count = t->count / (size_t)t->dims[0];
    v.data = (char *)t->data + f * v.count * spacc_dtype_bytes(t->dtype);
    return v;
}

static const struct spacc_tensor *input_of(const struct stream *m, size_t i, size_t f,
                                           struct spacc_tensor *view)
{
    if (m->by_frame[i]) {
        *view = spacc_frame_of(m->given[i], f);
        return view;
    }
    return m->given[i] ? m->given[i] : m->zero[i];
}

/* ---- running ----------------------------------------------------------------- */

static enum spacc_status learn(struct stream *m, struct spacc_error *err)
{
    const size_t frames = m->frames < LEARN_FRAMES_MAX ? m->frames : LEARN_FRAMES_MAX;

    for (size_t f = 0; f < frames; f++)
        for (size_t i = 0; i < m->inputs; i++)
            m->in[f * m->inputs + i] = input_of(m, i, f, &m->view[f * m->inputs + i]);
    return spacc_session_learn(m->session, frames, m->in, m->state, m->states, err);
}

static void fill_side(struct stream *m, int side, size_t f)
{
    for (size_t i = 0; i < m->inputs; i++)
        m->side_in[side][i] = input_of(m, i, f, &m->view[i]);
    for (size_t k = 0; k < m->states && f > 0; k++)
        m->side_in[side][m->state[k].input] = m->last[side][m->state[k].output];
}

/* [frames, ...] for an output, once its first frame is known. */
static enum spacc_status new_stack(const struct stream *m, const struct spacc_tensor *first,
                                   struct spacc_tensor **out, struct spacc_error *err)
{
    int64_t dims[SPACC_RANK_MAX] = {(int64_t)m->frames};
    enum spacc_status s = SPACC_ESHAPE;

    if (first->rank < SPACC_RANK_MAX) {
        memcpy(dims + 1, first->dims, (size_t)first->rank * sizeof(*dims));
        s = spacc_tensor_new(out, first->dtype, first->rank + 1, dims);
    }
    return s ? spacc_fail(err, s, "%s: %zu frames of an output do not fit", m->g->file,
                          m->frames)
             : s;
}

static enum spacc_status stack(const struct stream *m, size_t f, struct spacc_tensor **output,
                               struct spacc_error *err)
{
    for (size_t o = 0; o < m->outputs; o++) {
        const struct spacc_tensor *t = m->last[0][o];
        enum spacc_status s;
        if (m->is_state_out[o])
            continue;
        if (f == 0 && (s = new_stack(m, t, &output[o], err)))
            return s;
        if (t->count * m->frames != output[o]->count)
            return spacc_fail(err, SPACC_ESHAPE, "%s: output %zu: frame %zu has another shape",
                              m->g->file, o, f);
        const size_t bytes = t->count * spacc_dtype_bytes(t->dtype);
        if (bytes)
            memcpy((char *)output[o]->data + f * bytes, t->data, bytes);
    }
    return SPACC_OK;
}

static void keep_last(struct stream *m, int side)
{
    spacc_tensors_free(m->last[side], m->outputs);
    memcpy(m->last[side], m->side_out[side], m->outputs * sizeof(*m->last[side]));
    memset(m->side_out[side], 0, m->outputs * sizeof(*m->side_out[side]));
}

static enum spacc_status run_frames(struct stream *m, struct spacc_tensor **output,
                                    struct spacc_error *err)
{
    enum spacc_status s = SPACC_OK;

    for (size_t f = 0; f < m->frames && !s; f++) {
        fill_side(m, 0, f);
        fill_side(m, 1, f);
        s = spacc_session_step(m->session, m->side_in[0], m->side_out[0], m->side_in[1],
                               m->side_out[1], err);
        if (s)
            return spacc_fail_in(err, s, "frame %zu", f);
        keep_last(m, 0);
        keep_last(m, 1);
        s = stack(m, f, output, err);
    }
    for (size_t o = 0; o < m->outputs && !s; o++)
        if (m->is_state_out[o]) {
            output[o] = m->last[0][o];
            m->last[0][o] = NULL;
        }
    return s;
}

static bool alloc_stream(struct stream *m)
{
    bool good = true;

    m->by_frame = calloc(m->inputs + 1, sizeof(bool));
    m->is_state_out = calloc(m->outputs + 1, sizeof(bool));
    m->zero = calloc(m->inputs + 1, sizeof(*m->zero));
    m->view = calloc(LEARN_FRAMES_MAX * m->inputs + 1, sizeof(*m->view));
    m->in = calloc(LEARN_FRAMES_MAX * m->inputs + 1, sizeof(*m->in));
    for (int i = 0; i < 2; i++) {
        m->side_in[i] = calloc(m->inputs + 1, sizeof(*m->side_in[i]));
        m->side_out[i] = calloc(m->outputs + 1, sizeof(*m->side_out[i]));
        m->last[i] = calloc(m->outputs + 1, sizeof(*m->last[i]));
        good = good && m->side_in[i] && m->side_out[i] && m->last[i];
    }
    return good && m->by_frame && m->is_state_out && m->zero && m->view && m->in;
}

static void free_stream(struct stream *m)
{
    spacc_tensors_free(m->zero, m->inputs);
    for (int i = 0; i < 2; i++) {
        spacc_tensors_free(m->side_out[i], m->outputs);
        spacc_tensors_free(m->last[i], m->outputs);
        free(m->side_in[i]);
        free(m->side_out[i]);
        free(m->last[i]);
    }
    free(m->by_frame);
    free(m->is_state_out);
    free(m->zero);
    free(m->view);
    free(m->in);
}

static enum spacc_status run_stream(struct stream *m, struct spacc_tensor **output,
                                    struct spacc_error *err)
{
    enum spacc_status s;

    if ((s = check_states(m, err)) || (s = find_frames(m, err)))
        return s;
    for (size_t i = 0; i < m->inputs; i++)
        if (!m->given[i] && (s = make_zero(m, i, err)))
            return s;
    if ((s = learn(m, err)))
        return s;
    return run_frames(m, output, err);
}

enum spacc_status spacc_session_stream(struct spacc_session *session,
                                       const struct spacc_tensor *const *input,
                                       const struct spacc_state *state, size_t states,
                                       struct spacc_tensor **output, struct spacc_error *err)
{
    const struct spacc_graph *g = session->model->graph;
    struct stream m = {.session = session,
                       .g = g,
                       .inputs = (size_t)g->inputs,
                       .outputs = (size_t)g->outputs,
                       .given = input,
                       .state = state,
                       .states = states};
    enum spacc_status s;

    for (size_t o = 0; o < m.outputs; o++)
        output[o] = NULL;
    s = alloc_stream(&m) ? run_stream(&m, output, err)
                         : spacc_fail(err, SPACC_ENOMEM, "no memory for a stream");
    free_stream(&m);
    if (s)
        spacc_tensors_free(output, m.outputs);
    return s;
}
