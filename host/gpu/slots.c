/* Slots on the GPU, and the steps that move values between the two sides. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "host/cpu/arena.h"
#include "host/gpu/parts.h"

static const struct spacc_cpu_kernel upload = SPACC_GPU_KERNEL("gpu upload");
static const struct spacc_cpu_kernel download = SPACC_GPU_KERNEL("gpu download");

/* ---- steps -------------------------------------------------------------------------- */

/* Slots that the commands name, into `to` (NULL: only counted). */
static int slots_of(const struct spacc_gpu_job *job, int *to)
{
    int count = 0;

    for (int i = 0; i < job->commands; i++)
        for (int a = 0; a < job->command[i].args; a++) {
            const struct spacc_gpu_arg *arg = &job->command[i].arg[a];
            if (arg->kind != SPACC_GPU_SLOT || arg->i < 0)
                continue;
            if (to)
                to[count] = arg->i;
            count++;
        }
    return count;
}

enum spacc_status spacc_gpu_add_step(struct spacc_cpu_build *b, int n,
                                     const struct spacc_cpu_kernel *kernel,
                                     struct spacc_gpu_job *job, const int *out, int outs)
{
    const int ins = slots_of(job, NULL);
    struct spacc_cpu_step *s = spacc_cpu_step_new(b, kernel, n, ins, outs);

    if (!s) {
        spacc_gpu_job_free(job);
        return SPACC_ENOMEM;
    }
    s->state = job;
    slots_of(job, s->in);
    for (int o = 0; o < outs; o++)
        s->out[o] = out[o];
    spacc_cpu_step_done(b, s);
    return SPACC_OK;
}

/* Slot `to` is filled from slot `from`, on the other side. */
static enum spacc_status add_transfer(struct spacc_cpu_build *b, int n,
                                      const struct spacc_cpu_kernel *kernel, int to, int from)
{
    struct spacc_gpu_job *job = calloc(1, sizeof(*job));
    struct spacc_gpu_command *c = calloc(1, sizeof(*c));

    if (!job || !c) {
        free(job);
        free(c);
        return spacc_cpu_no_memory(b);
    }
    c->kind = kernel == &upload ? SPACC_GPU_UPLOAD : SPACC_GPU_DOWNLOAD;
    c->args = 2;
    c->arg[0] = (struct spacc_gpu_arg){.kind = SPACC_GPU_SLOT, .i = to};
    c->arg[1] = (struct spacc_gpu_arg){.kind = SPACC_GPU_SLOT, .i = from};
    *job = (struct spacc_gpu_job){.commands = 1, .room = 1, .command = c};
    return spacc_gpu_add_step(b, n, kernel, job, &to, 1);
}

/* ---- the two sides ---------------------------------------------------------------------- */

int spacc_gpu_keep(struct spacc_cpu_build *b, const void *data, size_t count)
{
    const struct spacc_tensor like = {
        .dtype = SPACC_F32, .rank = 1, .dims = {(int64_t)count}, .count = count};
    struct spacc_gpu *gpu = b->e->options.gpu;
    const int s = spacc_cpu_slot_new(b, &like, 0);
    cl_int code;

    if (s < 0) {
        spacc_cpu_no_memory(b);
        return -1;
    }
    b->e->slot[s].home = SPACC_HOME_GPU;
    b->e->slot[s].made = true;
    b->e->slot[s].memory =
        clCreateBuffer(gpu->context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR,
                       count * sizeof(float), (void *)(uintptr_t)data, &code);
    if (!b->e->slot[s].memory) {
        spacc_gpu_error(gpu, code, "memory for a constant", b->err);
        return -1;
    }
    b->e->weight_bytes += count * sizeof(float);
    return s;
}

/* Another slot that is the same memory as slot s and has a copy on the GPU, or -1. */
static int find_twin(const struct spacc_cpu_build *b, int s)
{
    const struct spacc_cpu_slot *slot = b->e->slot;

    for (int i = 0; i < b->e->slots; i++)
        if (i != s && slot[i].gpu >= 0 && slot[i].root == slot[s].root &&
            slot[i].skip_bytes == slot[s].skip_bytes && slot[i].t.count == slot[s].t.count)
            return i;
    return -1;
}

int spacc_gpu_upload(struct spacc_cpu_build *b, int v, int n)
{
    struct spacc_engine *e = b->e;

    if (e->slot[v].gpu >= 0)
        return e->slot[v].gpu;
    if (e->slot[v].home == SPACC_HOME_CONSTANT) {
        const int kept = spacc_gpu_keep(b, e->slot[v].t.data, e->slot[v].t.count);
        return e->slot[v].gpu = kept;
    }
    const int from = spacc_cpu_plain(b, v);
    const int twin = from < 0 ? -1 : find_twin(b, from);
    if (from < 0 || twin >= 0)
        return from < 0 ? -1 : (e->slot[v].gpu = e->slot[twin].gpu);
    const int to = spacc_cpu_slot_new(b, &e->slot[v].t, 0);
    if (to < 0) {
        spacc_cpu_no_memory(b);
        return -1;
    }
    e->slot[to].home = SPACC_HOME_GPU;
    e->slot[v].gpu = e->slot[from].gpu = to;
    e->slot[from].kept = true;
    return add_transfer(b, n, &upload, to, from) ? -1 : to;
}

/* A value that is in both places and has the memory on the GPU that v has, or -1. */
static int find_brought(const struct spacc_cpu_build *b, int v)
{
    const struct spacc_cpu_slot *slot = b->e->slot;

    for (int i = 0; i < b->g->values; i++)
        if (slot[i].gpu == slot[v].gpu && slot[i].home != SPACC_HOME_GPU && !slot[i].layout &&
            slot[i].home != SPACC_HOME_CONSTANT)
            return i;
    return -1;
}

enum spacc_status spacc_gpu_bring(struct spacc_cpu_build *b, int v)
{
    const int maker = b->g->value[v].producer, same = find_brought(b, v);

    if (same >= 0) {
        spacc_cpu_share(b, v, same);
        return SPACC_OK;
    }
    b->e->slot[v].home = SPACC_HOME_ARENA;
    return add_transfer(b, maker < 0 ? 0 : maker, &download, v, b->e->slot[v].gpu);
}

/* ---- memory ----------------------------------------------------------------------------- */

static bool is_in_arena(const struct spacc_engine *e, int s)
{
    const struct spacc_cpu_slot *slot = &e->slot[s];

    return slot->home == SPACC_HOME_GPU && slot->root == s && slot->first >= 0 && !slot->memory;
}

static size_t bytes_of(const struct spacc_cpu_slot *s)
{
    const size_t plain = s->t.count * spacc_dtype_bytes(s->t.dtype);

    return s->bytes > plain ? s->bytes : plain;
}

static enum spacc_status plan(struct spacc_engine *e, struct spacc_arena_item *item)
{
    struct spacc_gpu_state *state = e->gpu;

    for (int s = 0; s < e->slots; s++)
        if (is_in_arena(e, s))
            item[s] = (struct spacc_arena_item){.bytes = bytes_of(&e->slot[s]),
                                                .first = e->slot[s].first,
                                                .last = e->slot[s].last};
    const enum spacc_status status =
        spacc_arena_plan(item, (size_t)e->slots, &state->arena_bytes);
    for (int s = 0; s < e->slots && !status; s++)
        if (is_in_arena(e, s))
            e->slot[s].offset = item[s].offset;
    return status;
}

static enum spacc_status make_arena(struct spacc_engine *e, struct spacc_error *err)
{
    struct spacc_gpu_state *state = e->gpu;
    const struct spacc_gpu *gpu = e->options.gpu;
    cl_int code = CL_MEM_OBJECT_ALLOCATION_FAILURE;

    if (state->arena_bytes / sizeof(float) <= INT32_MAX) /* what kernels count in */
        state->arena = clCreateBuffer(gpu->context, CL_MEM_READ_WRITE,
                                      state->arena_bytes + SPACC_ARENA_ALIGN, NULL, &code);
    return state->arena ? SPACC_OK : spacc_gpu_error(gpu, code, "memory for values", err);
}

enum spacc_status spacc_gpu_place(struct spacc_engine *e, struct spacc_error *err)
{
    struct spacc_gpu_state *state = e->gpu;

    if (!state)
        return SPACC_OK;
    struct spacc_arena_item *item = calloc((size_t)e->slots + 1, sizeof(*item));
    state->ran = calloc((size_t)e->steps + 1, sizeof(*state->ran));
    enum spacc_status status = item && state->ran ? plan(e, item) : SPACC_ENOMEM;
    free(item);
    return status ? spacc_fail(err, status, "%s: no memory for an engine", e->g->file)
                  : make_arena(e, err);
}

enum spacc_status spacc_gpu_join_engine(struct spacc_cpu_build *b)
{
    if (!b->e->gpu)
        b->e->gpu = calloc(1, sizeof(struct spacc_gpu_state));
    return b->e->gpu ? SPACC_OK : spacc_cpu_no_memory(b);
}

void spacc_gpu_leave(struct spacc_engine *e)
{
    struct spacc_gpu_state *state = e->gpu;

    if (!state)
        return;
    if (state->arena)
        clReleaseMemObject(state->arena);
    free(state->ran);
    free(state);
    e->gpu = NULL;
}

void spacc_gpu_free_memory(void *memory)
{
    if (memory)
        clReleaseMemObject(memory);
}
