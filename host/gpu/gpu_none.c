/* A build without OpenCL: no devices, and nothing of an engine is on one. */
#include <stdio.h>
#include <string.h>

#include "host/gpu/gpu.h"
#include "host/gpu/slots.h"

static const char none[] = "this build has no OpenCL";

size_t spacc_gpu_list(struct spacc_gpu_info *info, size_t room)
{
    (void)info, (void)room;
    return 0;
}

enum spacc_status spacc_gpu_open(struct spacc_gpu **out, const char *which,
                                 struct spacc_error *err)
{
    *out = NULL;
    return spacc_fail(err, SPACC_EUNSUPPORTED, "GPU %s: %s", which, none);
}

void spacc_gpu_close(struct spacc_gpu *gpu)
{
    (void)gpu;
}

const struct spacc_gpu_info *spacc_gpu_info(const struct spacc_gpu *gpu)
{
    (void)gpu;
    return NULL;
}

bool spacc_gpu_can(const struct spacc_gpu *gpu, const struct spacc_graph *g,
                   const struct spacc_binding *shape, int n, char *why, size_t why_bytes)
{
    (void)gpu, (void)g, (void)shape, (void)n;
    snprintf(why, why_bytes, "%s", none);
    return false;
}

enum spacc_status spacc_gpu_measure(struct spacc_gpu *gpu, struct spacc_link *out,
                                    struct spacc_error *err)
{
    (void)gpu;
    memset(out, 0, sizeof(*out));
    return spacc_fail(err, SPACC_EUNSUPPORTED, "%s", none);
}

void spacc_gpu_fail_at(struct spacc_gpu *gpu, size_t n)
{
    (void)gpu, (void)n;
}

/* ---- no engine has a GPU ----------------------------------------------------------------- */

static enum spacc_status take(struct spacc_cpu_build *b, int n, bool *taken)
{
    (void)b, (void)n, (void)taken;
    return SPACC_OK;
}

const struct spacc_cpu_kernel spacc_gpu_kernel = {.name = "gpu", .take = take};

enum spacc_status spacc_gpu_bring(struct spacc_cpu_build *b, int v)
{
    (void)v;
    return spacc_fail(b->err, SPACC_EUNSUPPORTED, "%s: %s", b->g->file, none);
}

enum spacc_status spacc_gpu_place(struct spacc_engine *e, struct spacc_error *err)
{
    (void)e, (void)err;
    return SPACC_OK;
}

void spacc_gpu_flush(struct spacc_engine *e)
{
    (void)e;
}

enum spacc_status spacc_gpu_finish(struct spacc_engine *e, enum spacc_status status,
                                   struct spacc_error *err)
{
    (void)e, (void)err;
    return status;
}

const char *spacc_gpu_law(const struct spacc_cpu_step *s)
{
    (void)s;
    return NULL;
}

void spacc_gpu_free_memory(void *memory)
{
    (void)memory;
}

void spacc_gpu_leave(struct spacc_engine *e)
{
    (void)e;
}
