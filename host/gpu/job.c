/* Jobs in a run: commands go to the queue, times come back. */
#include <clblast_c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/clock.h"
#include "host/gpu/parts.h"
#include "host/timeline.h"

void spacc_gpu_job_free(void *state)
{
    struct spacc_gpu_job *job = state;

    if (job)
        free(job->command);
    free(job);
}

cl_mem spacc_gpu_memory(const struct spacc_engine *e, int s, size_t *first_byte)
{
    const struct spacc_cpu_slot *slot = &e->slot[s], *root = &e->slot[slot->root];

    *first_byte = slot->skip_bytes + (root->memory ? 0 : root->offset);
    return root->memory ? root->memory : ((const struct spacc_gpu_state *)e->gpu)->arena;
}

const char *spacc_gpu_law(const struct spacc_cpu_step *s)
{
    static const char *const names[] = {
#define X(function) #function,
        SPACC_GPU_KERNELS(X)
#undef X
    };
    const struct spacc_gpu_job *job = s->state;

    for (int i = 0; i < job->commands; i++)
        if (job->command[i].kind == SPACC_GPU_GEMM)
            return "gemm";
    return job->command[0].kind == SPACC_GPU_CALL ? names[job->command[0].function] : NULL;
}

/* ---- one command ---------------------------------------------------------------------- */

/* Memory and its first element as two arguments, or a number. */
static cl_int set_arg(const struct spacc_engine *e, cl_kernel kernel, cl_uint *at,
                      const struct spacc_gpu_arg *arg)
{
    size_t byte = 0;

    if (arg->kind == SPACC_GPU_FLOAT)
        return clSetKernelArg(kernel, (*at)++, sizeof(arg->f), &arg->f);
    if (arg->kind == SPACC_GPU_INT)
        return clSetKernelArg(kernel, (*at)++, sizeof(arg->i), &arg->i);
    const cl_mem memory = arg->i < 0 ? NULL : spacc_gpu_memory(e, arg->i, &byte);
    const cl_uint first = (cl_uint)(byte / sizeof(float) + arg->skip);
    const cl_int code = clSetKernelArg(kernel, (*at)++, sizeof(memory), &memory);
    return code ? code : clSetKernelArg(kernel, (*at)++, sizeof(first), &first);
}

static cl_int call(const struct spacc_engine *e, const struct spacc_gpu_command *c,
                   cl_event *event)
{
    const struct spacc_gpu *gpu = e->options.gpu;
    const cl_kernel kernel = gpu->function[c->function];
    cl_int code = CL_SUCCESS;
    cl_uint at = 0;

    for (int i = 0; i < c->args && !code; i++)
        code = set_arg(e, kernel, &at, &c->arg[i]);
    return code ? code
                : clEnqueueNDRangeKernel(gpu->queue, kernel, 3, NULL, c->global, c->local, 0,
                                         NULL, event);
}

static cl_mem place_of(const struct spacc_engine *e, const struct spacc_gpu_arg *arg,
                       size_t *first)
{
    const cl_mem memory = spacc_gpu_memory(e, arg->i, first);

    *first = *first / sizeof(float) + arg->skip;
    return memory;
}

static cl_int gemm(const struct spacc_engine *e, const struct spacc_gpu_command *c,
                   cl_event *event)
{
    const CLBlastTranspose turn_a = c->a_turned ? CLBlastTransposeYes : CLBlastTransposeNo;
    const CLBlastTranspose turn_b = c->b_turned ? CLBlastTransposeYes : CLBlastTransposeNo;
    cl_command_queue queue = e->options.gpu->queue;
    size_t y_at, a_at, b_at;
    const cl_mem y = place_of(e, &c->arg[0], &y_at);
    const cl_mem a = place_of(e, &c->arg[1], &a_at), b = place_of(e, &c->arg[2], &b_at);

    if (c->batch > 1)
        return (cl_int)CLBlastSgemmStridedBatched(
            CLBlastLayoutRowMajor, turn_a, turn_b, c->m, c->n, c->k, 1.0f, a, a_at, c->a_row,
            c->a_next, b, b_at, c->b_row, c->b_next, 0.0f, y, y_at, c->y_row, c->y_next,
            c->batch, &queue, event);
    return (cl_int)CLBlastSgemm(CLBlastLayoutRowMajor, turn_a, turn_b, c->m, c->n, c->k, 1.0f,
                                a, a_at, c->a_row, b, b_at, c->b_row, 0.0f, y, y_at, c->y_row,
                                &queue, event);
}

static cl_int transfer(const struct spacc_engine *e, const struct spacc_gpu_command *c,
                       cl_event *event)
{
    const bool up = c->kind == SPACC_GPU_UPLOAD;
    const struct spacc_cpu_slot *host = &e->slot[c->arg[up ? 1 : 0].i];
    const size_t bytes = host->t.count * spacc_dtype_bytes(host->t.dtype);
    size_t byte;
    const cl_mem memory = spacc_gpu_memory(e, c->arg[up ? 0 : 1].i, &byte);
    cl_command_queue queue = e->options.gpu->queue;

    return up ? clEnqueueWriteBuffer(queue, memory, CL_FALSE, byte, bytes, host->t.data, 0,
                                     NULL, event)
              : clEnqueueReadBuffer(queue, memory, CL_TRUE, byte, bytes, host->t.data, 0, NULL,
                                    event);
}

cl_int spacc_gpu_queue(struct spacc_engine *e, const struct spacc_gpu_command *c,
                       cl_event *event)
{
    const cl_int code = spacc_gpu_next(e->options.gpu);

    if (code)
        return code;
    switch (c->kind) {
    case SPACC_GPU_CALL: return call(e, c, event);
    case SPACC_GPU_GEMM: return gemm(e, c, event);
    default: return transfer(e, c, event);
    }
}

/* ---- a step ------------------------------------------------------------------------------ */

static enum spacc_status failed(const struct spacc_engine *e, int n, cl_int code,
                                struct spacc_error *err)
{
    const struct spacc_node *node = &e->g->node[n];
    const struct spacc_gpu_info *gpu = &e->options.gpu->info;
    char text[48];

    return spacc_fail(err, SPACC_EDEVICE, "%s: node %s (%s): GPU %s (%s): %s", e->g->file,
                      node->name, node->op->name, gpu->which, gpu->name,
                      spacc_gpu_code(code, text, sizeof(text)));
}

enum spacc_status spacc_gpu_run(struct spacc_engine *e, struct spacc_cpu_step *s,
                                struct spacc_error *err)
{
    const struct spacc_gpu_job *job = s->state;
    struct spacc_gpu_state *state = e->gpu;
    struct spacc_gpu_ran *ran = &state->ran[state->runs++];
    const int last = job->commands - 1;

    *ran = (struct spacc_gpu_ran){.step = (int)(s - e->step),
                                  .queued_us = spacc_now_us(),
                                  .blind = job->command[0].kind == SPACC_GPU_GEMM};
    for (int i = 0; i <= last; i++) {
        cl_event *event = i == last ? &ran->last : i == 0 ? &ran->first : NULL;
        const cl_int code = spacc_gpu_queue(e, &job->command[i], event);
        if (code)
            return failed(e, s->node, code, err);
        if (i == 0)
            ran->handed_us = spacc_now_us();
    }
    return SPACC_OK;
}

void spacc_gpu_flush(struct spacc_engine *e)
{
    clFlush(e->options.gpu->queue);
}

/* ---- the end of a run ----------------------------------------------------------------------
 */

static const char *kind_of(const struct spacc_gpu_job *job, const struct spacc_node *node)
{
    switch (job->command[0].kind) {
    case SPACC_GPU_UPLOAD: return "upload";
    case SPACC_GPU_DOWNLOAD: return "download";
    default: return node->op->name;
    }
}

/* Until when the step took what, in us of the device's clock; it began no earlier than the one
 * before it ended. */
static void take_time(struct spacc_engine *e, const struct spacc_gpu_ran *ran, int track,
                      double *before_us)
{
    const struct spacc_gpu_state *state = e->gpu;
    struct spacc_cpu_step *s = &e->step[ran->step];
    const struct spacc_gpu_job *job = s->state;
    const struct spacc_node *node = &e->g->node[s->node];
    const cl_event first = ran->first ? ran->first : ran->last;
    const double end = (double)spacc_gpu_time(ran->last, CL_PROFILING_COMMAND_END) / 1e3;
    double start = ran->blind ? ran->queued_us - state->offset_us
                              : (double)spacc_gpu_time(first, CL_PROFILING_COMMAND_START) / 1e3;

    start = start > *before_us ? start : *before_us;
    if (end <= start)
        return;
    s->us += end - start;
    *before_us = end;
    spacc_timeline_add(e->options.timeline,
                       &(struct spacc_slice){.track = track,
                                             .name = node->name,
                                             .kind = kind_of(job, node),
                                             .start_us = start + state->offset_us,
                                             .end_us = end + state->offset_us});
}

/* The two clocks, by the first command of a run: when it was queued, in both. */
static void set_clock(struct spacc_gpu_state *state)
{
    const struct spacc_gpu_ran *ran = &state->ran[0];
    const cl_event first = ran->first ? ran->first : ran->last;
    const double queued = (double)spacc_gpu_time(first, CL_PROFILING_COMMAND_QUEUED) / 1e3;

    state->offset_us = (ran->queued_us + ran->handed_us) / 2.0 - queued;
}

enum spacc_status spacc_gpu_finish(struct spacc_engine *e, enum spacc_status status,
                                   struct spacc_error *err)
{
    struct spacc_gpu_state *state = e->gpu;
    double before_us = 0.0;

    if (!state || state->runs == 0)
        return status;
    const cl_int code = clFinish(e->options.gpu->queue);
    const int track =
        e->options.timeline ? spacc_timeline_track(e->options.timeline, "gpu queue") : -1;
    set_clock(state);
    for (int i = 0; i < state->runs; i++) {
        if (state->ran[i].last)
            take_time(e, &state->ran[i], track, &before_us);
        if (state->ran[i].first)
            clReleaseEvent(state->ran[i].first);
        if (state->ran[i].last)
            clReleaseEvent(state->ran[i].last);
    }
    state->runs = 0;
    return status || !code ? status : spacc_gpu_error(e->options.gpu, code, "end of run", err);
}
