/* Jobs being made. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "host/gpu/parts.h"

enum { GROUP = 64, COMMANDS_FIRST = 4, TILE = 32 };

/* ---- what a node looks like ---------------------------------------------------------- */

static const struct spacc_tensor *shape_of(const struct spacc_gpu_node *q, int count,
                                           const int *list, int i)
{
    return i < count && list[i] >= 0 ? &q->shape->shape[list[i]] : NULL;
}

const struct spacc_tensor *spacc_gpu_input(const struct spacc_gpu_node *q, int i)
{
    return shape_of(q, q->node->inputs, q->node->input, i);
}

const struct spacc_tensor *spacc_gpu_output(const struct spacc_gpu_node *q, int i)
{
    return shape_of(q, q->node->outputs, q->node->output, i);
}

const struct spacc_tensor *spacc_gpu_constant(const struct spacc_gpu_node *q, int i)
{
    const struct spacc_tensor *t = spacc_gpu_input(q, i);

    return t && t->data ? t : NULL;
}

bool spacc_gpu_is_op(const struct spacc_gpu_node *q, const char *op)
{
    return strcmp(q->node->op->name, op) == 0;
}

bool spacc_gpu_is_weights(const struct spacc_gpu_node *q, int i)
{
    const struct spacc_tensor *t = spacc_gpu_input(q, i);

    return !t || (t->data && t->dtype == SPACC_F32);
}

int spacc_gpu_axis(int64_t axis, int rank)
{
    return (int)(axis < 0 ? axis + rank : axis);
}

size_t spacc_gpu_size(const struct spacc_tensor *t, int first, int last)
{
    size_t size = 1;

    for (int i = first; i < last; i++)
        size *= (size_t)t->dims[i];
    return size;
}

/* ---- slots ---------------------------------------------------------------------------- */

static void fail(struct spacc_gpu_make *m)
{
    if (!m->status)
        m->status =
            m->b->err && m->b->err->status ? m->b->err->status : spacc_cpu_no_memory(m->b);
}

static int checked(struct spacc_gpu_make *m, int slot)
{
    if (slot < 0)
        fail(m);
    return slot;
}

int spacc_gpu_value(struct spacc_gpu_make *m, int v)
{
    return m->status ? -1 : checked(m, spacc_gpu_upload(m->b, v, m->n));
}

int spacc_gpu_in(struct spacc_gpu_make *m, int i)
{
    const struct spacc_node *node = m->q.node;

    return i < node->inputs && node->input[i] >= 0 ? spacc_gpu_value(m, node->input[i]) : -1;
}

/* A new slot there; it has no memory yet. */
static int new_slot(struct spacc_gpu_make *m, const struct spacc_tensor *like, size_t bytes)
{
    const int s = m->status ? -1 : checked(m, spacc_cpu_slot_new(m->b, like, bytes));

    if (s >= 0)
        m->b->e->slot[s].home = SPACC_HOME_GPU;
    return s;
}

int spacc_gpu_makes(struct spacc_gpu_make *m, int v)
{
    const int s = new_slot(m, spacc_cpu_shape(m->b, v), 0);

    if (s < 0)
        return -1;
    m->b->e->slot[v].gpu = s;
    m->b->e->slot[v].home = SPACC_HOME_GPU;
    m->out[m->outs++] = s;
    return s;
}

int spacc_gpu_out(struct spacc_gpu_make *m, int o)
{
    const struct spacc_node *node = m->q.node;

    return o < node->outputs && node->output[o] >= 0 ? spacc_gpu_makes(m, node->output[o]) : -1;
}

int spacc_gpu_scratch(struct spacc_gpu_make *m, size_t floats)
{
    const struct spacc_tensor none = {.dtype = SPACC_F32, .rank = 1};

    return new_slot(m, &none, floats * sizeof(float));
}

int spacc_gpu_data(struct spacc_gpu_make *m, const void *data, size_t count)
{
    return m->status ? -1 : checked(m, spacc_gpu_keep(m->b, data, count));
}

void *spacc_gpu_room(struct spacc_gpu_make *m, size_t count)
{
    void *room = m->status ? NULL : calloc(count + 1, sizeof(float));

    if (!room)
        fail(m);
    return room;
}

void spacc_gpu_turn(float *to, const float *from, size_t rows, size_t cols, float factor)
{
    for (size_t r = 0; r < rows; r += TILE) /* tiles stay in the L1 cache */
        for (size_t c = 0; c < cols; c += TILE)
            for (size_t i = r; i < rows && i < r + TILE; i++)
                for (size_t k = c; k < cols && k < c + TILE; k++)
                    to[k * rows + i] = from[i * cols + k] * factor;
}

void spacc_gpu_look(struct spacc_gpu_make *m, int o, int i, size_t skip)
{
    const int v = m->q.node->output[o], from = spacc_gpu_in(m, i);
    struct spacc_engine *e = m->b->e;

    if (m->status || e->slot[v].home == SPACC_HOME_CONSTANT)
        return;
    e->slot[v].home = SPACC_HOME_GPU;
    if (skip == 0 && e->slot[from].t.count == e->slot[v].t.count) {
        e->slot[v].gpu = from;
        return;
    }
    const int s = new_slot(m, &e->slot[v].t, 0);
    if (m->status)
        return;
    spacc_cpu_share(m->b, s, from);
    m->b->e->slot[s].skip_bytes += skip * sizeof(float);
    m->b->e->slot[v].gpu = s;
}

/* ---- commands ---------------------------------------------------------------------------- */

static struct spacc_gpu_command *new_command(struct spacc_gpu_make *m)
{
    struct spacc_gpu_job *job = m->job;

    if (m->status)
        return NULL;
    if (job->commands == job->room) {
        const int room = job->room ? 2 * job->room : COMMANDS_FIRST;
        void *more = realloc(job->command, (size_t)room * sizeof(*job->command));
        if (!more) {
            fail(m);
            return NULL;
        }
        job->command = more;
        job->room = room;
    }
    job->command[job->commands] = (struct spacc_gpu_command){.args = 0};
    return &job->command[job->commands++];
}

static void add_args(struct spacc_gpu_command *c, const char *format, va_list list)
{
    for (; *format && c->args < SPACC_GPU_ARGS; format++) {
        struct spacc_gpu_arg *arg = &c->arg[c->args++];
        *arg = (struct spacc_gpu_arg){.kind = SPACC_GPU_SLOT};
        if (*format == 'f') {
            arg->kind = SPACC_GPU_FLOAT;
            arg->f = (float)va_arg(list, double);
            continue;
        }
        arg->kind = *format == 'i' ? SPACC_GPU_INT : SPACC_GPU_SLOT;
        arg->i = va_arg(list, int);
        if (*format == 'a')
            arg->skip = va_arg(list, size_t);
    }
}

void spacc_gpu_call(struct spacc_gpu_make *m, enum spacc_gpu_function f, size_t count,
                    const char *format, ...)
{
    struct spacc_gpu_command *c = new_command(m);
    va_list list;

    if (!c)
        return;
    c->kind = SPACC_GPU_CALL;
    c->function = f;
    memcpy(c->global, (const size_t[3]){(count + GROUP - 1) / GROUP * GROUP, 1, 1},
           sizeof(c->global));
    memcpy(c->local, (const size_t[3]){GROUP, 1, 1}, sizeof(c->local));
    va_start(list, format);
    add_args(c, format, list);
    va_end(list);
}

void spacc_gpu_groups(struct spacc_gpu_make *m, const size_t global[3], const size_t local[3])
{
    if (m->status)
        return;
    struct spacc_gpu_command *c = &m->job->command[m->job->commands - 1];
    memcpy(c->global, global, sizeof(c->global));
    memcpy(c->local, local, sizeof(c->local));
}

void spacc_gpu_more(struct spacc_gpu_make *m, const char *format, ...)
{
    va_list list;

    if (m->status)
        return;
    va_start(list, format);
    add_args(&m->job->command[m->job->commands - 1], format, list);
    va_end(list);
}

void spacc_gpu_gemm(struct spacc_gpu_make *m, const struct spacc_gpu_command *like, int y,
                    size_t y_at, int a, size_t a_at, int b, size_t b_at)
{
    struct spacc_gpu_command *c = new_command(m);

    if (!c)
        return;
    *c = *like;
    c->kind = SPACC_GPU_GEMM;
    c->args = 3;
    c->arg[0] = (struct spacc_gpu_arg){.kind = SPACC_GPU_SLOT, .i = y, .skip = y_at};
    c->arg[1] = (struct spacc_gpu_arg){.kind = SPACC_GPU_SLOT, .i = a, .skip = a_at};
    c->arg[2] = (struct spacc_gpu_arg){.kind = SPACC_GPU_SLOT, .i = b, .skip = b_at};
}

int spacc_gpu_window(struct spacc_gpu_make *m, const struct spacc_volume *v)
{
    const int64_t *part[GPU_WINDOW / SPACC_VOLUME_AXES] = {v->in,     v->out,      v->kernel,
                                                           v->stride, v->dilation, v->begin};
    int32_t list[GPU_WINDOW];

    for (int i = 0; i < GPU_WINDOW; i++)
        list[i] = (int32_t)part[i / SPACC_VOLUME_AXES][i % SPACC_VOLUME_AXES];
    return spacc_gpu_data(m, list, GPU_WINDOW);
}
