/* gpu_maker.h - a device for tests of the GPU, and engines with nodes on it. Without an OpenCL
 * device the tests are skipped. */
#ifndef SPACC_TESTS_GPU_MAKER_H
#define SPACC_TESTS_GPU_MAKER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/cpu/engine.h"
#include "host/gpu/gpu.h"
#include "sparse/cpu.h"

#if SPACC_OPENCL
#include "host/gpu/parts.h"
#endif

static struct spacc_gpu *test_gpu;

/* PoCL's compiler and CLBlast are C++ and leak now and then; ours, and what PoCL allocates for
 * us, is C. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:operator new\n";
}

/* References to the device's context: every buffer that is left has one. */
static inline unsigned gpu_objects(void)
{
#if SPACC_OPENCL
    cl_uint memory = 0;

    assert_int_equal(clGetContextInfo(test_gpu->context, CL_CONTEXT_REFERENCE_COUNT,
                                      sizeof(memory), &memory, NULL),
                     CL_SUCCESS);
    return memory;
#else
    return 0;
#endif
}

/* Opens the first device of any kind once; skips the test when there is none. */
static inline struct spacc_gpu *need_gpu(void)
{
    struct spacc_error err = {.text = ""};
    struct spacc_gpu_info first;

    if (test_gpu)
        return test_gpu;
    if (spacc_gpu_list(&first, 1) == 0) {
        printf("skipped: no OpenCL device\n");
        skip();
    }
    if (spacc_gpu_open(&test_gpu, first.which, &err) != SPACC_OK)
        fail_msg("%s", err.text);
    return test_gpu;
}

static inline int close_gpu(void **state)
{
    (void)state;
    spacc_gpu_close(test_gpu);
    test_gpu = NULL;
    return 0;
}

enum { PLACES = 64 };

/* Which nodes are put there: those that can, one in `one_in` of them at random. */
struct placing {
    struct spacc_binding *shape;
    uint32_t seed, one_in;
    int asked, placed;
    bool yes[PLACES]; /* the first nodes */
};

static inline bool place_on_gpu(void *user, const struct spacc_graph *g, int node)
{
    struct placing *p = user;
    char why[128];

    p->seed = p->seed * 1664525u + 1013904223u;
    p->asked++;
    if ((p->one_in > 1 && (p->seed >> 16) % p->one_in != 0) ||
        !spacc_gpu_can(test_gpu, g, p->shape, node, why, sizeof(why)))
        return false;
    p->placed++;
    if (node < PLACES)
        p->yes[node] = true;
    return true;
}

/* An engine with all nodes that can on the GPU, or (one_in > 1) a part of them. */
static inline enum spacc_status engine_on_gpu(struct spacc_engine **out,
                                              const struct spacc_graph *g,
                                              const struct spacc_tensor *const *input,
                                              struct placing *p, struct spacc_error *err)
{
    const struct spacc_engine_options options = {
        .cpu = spacc_cpu_features(), .gpu = test_gpu, .on_gpu = place_on_gpu, .user = p};
    enum spacc_status status;

    *out = NULL;
    p->shape = NULL;
    status = spacc_graph_bind(&p->shape, g, input, err);
    if (status == SPACC_OK)
        status = spacc_engine_new(out, g, input, &options, err);
    spacc_binding_free(p->shape);
    return status;
}

#endif
