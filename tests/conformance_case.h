/* conformance_case.h - one case of the ONNX project's suites: a folder with a model and sets of
 * stored inputs and outputs; on the reference and on the CPU engine. */
#ifndef SPACC_TESTS_CONFORMANCE_CASE_H
#define SPACC_TESTS_CONFORMANCE_CASE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/cpu/engine.h"
#include "models/io.h"
#include "models/onnx.h"
#include "models/run.h"
#include "sparse/cpu.h"

enum { PATH_BYTES = 1024, TENSORS_MAX = 32 };

/* Tolerance of the ONNX backend tests. */
static const double relative = 1e-3, absolute = 1e-6;

static bool close_enough(enum spacc_dtype dtype, double got, double want)
{
    /* one step of a bfloat16: the suite cuts bits off instead of rounding */
    const double part = dtype == SPACC_BF16 ? 0x1p-7 : relative;

    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got);
    if (isinf(want) || isinf(got))
        return got == want;
    return fabs(got - want) <= absolute + part * fabs(want);
}

static bool is_floating(const struct spacc_tensor *t)
{
    return t->dtype == SPACC_F32 || t->dtype == SPACC_F64 || t->dtype == SPACC_F16 ||
           t->dtype == SPACC_BF16;
}

/* NULL when equal, else why not. */
static const char *compare(const struct spacc_tensor *got, const struct spacc_tensor *want)
{
    if (!spacc_tensor_same_shape(got, want))
        return "type or shape differs";
    if (!is_floating(got))
        return got->count > 0 && memcmp(got->data, want->data,
                                        got->count * spacc_dtype_bytes(got->dtype)) != 0
                   ? "an integer differs"
                   : NULL;
    for (size_t i = 0; i < got->count; i++)
        if (!close_enough(got->dtype, spacc_tensor_element(got, i),
                          spacc_tensor_element(want, i)))
            return "a floating-point number differs";
    return NULL;
}

/* Load `what`_0.pb, `what`_1.pb ... of a data set; -1 with err on failure. */
static int load_set(struct spacc_tensor **t, const char *folder, const char *what,
                    struct spacc_error *err)
{
    int count = 0;

    for (; count < TENSORS_MAX; count++) {
        char path[PATH_BYTES];
        const int length = snprintf(path, sizeof(path), "%s/%s_%d.pb", folder, what, count);
        if (length >= PATH_BYTES || access(path, R_OK) != 0)
            return count;
        if (spacc_tensor_load(&t[count], path, err) != SPACC_OK)
            return -1;
    }
    return count;
}

/* The suite stores bfloat16 as uint16: give the bits their declared type. */
static void declare(struct spacc_tensor *t, const struct spacc_value *v)
{
    if (t->dtype == SPACC_U16 && v->dtype == SPACC_BF16)
        t->dtype = SPACC_BF16;
}

static enum spacc_status new_engine(struct spacc_engine **e, const struct spacc_graph *g,
                                    const struct spacc_tensor *const *input,
                                    struct spacc_error *err)
{
    const struct spacc_engine_options options = {.cpu = spacc_cpu_features()};

    return spacc_engine_new(e, g, input, &options, err);
}

/* Makes the engine of a case: a test may have its own. */
static enum spacc_status (*make_engine)(struct spacc_engine **e, const struct spacc_graph *g,
                                        const struct spacc_tensor *const *input,
                                        struct spacc_error *err) = new_engine;

/* The same on the engine; SPACC_EDEVICE when it gives something else. Every operator here
 * meets the odd shapes that whole models never have. */
static enum spacc_status run_on_engine(const struct spacc_graph *g,
                                       const struct spacc_tensor *const *input,
                                       struct spacc_tensor *const *want,
                                       struct spacc_error *err)
{
    struct spacc_tensor *got[TENSORS_MAX] = {NULL};
    struct spacc_engine *e;
    enum spacc_status status = make_engine(&e, g, input, err);

    if (status == SPACC_OK)
        status = spacc_engine_run(e, input, got, NULL, err);
    for (int o = 0; o < g->outputs && status == SPACC_OK; o++) {
        const char *why = compare(got[o], want[o]);
        if (why)
            status = spacc_fail(err, SPACC_EDEVICE, "on the engine, output %d: %s", o, why);
    }
    for (int o = 0; o < TENSORS_MAX; o++)
        spacc_tensor_free(got[o]);
    spacc_engine_free(e);
    return status == SPACC_OK ? status : spacc_fail_in(err, SPACC_EDEVICE, "engine");
}

/* Once more with every input but the first as a constant, as weights are in real models. */
static enum spacc_status run_with_constants(const struct spacc_graph *like,
                                            const struct spacc_tensor *const *input,
                                            struct spacc_tensor *const *want,
                                            struct spacc_error *err)
{
    struct spacc_graph *g;
    enum spacc_status status = spacc_onnx_load(&g, like->file, err);

    if (status != SPACC_OK)
        return status;
    for (int i = 1; i < g->inputs && status == SPACC_OK; i++)
        status = spacc_tensor_copy(&g->value[g->input[i]].init, input[i]);
    g->inputs = g->inputs > 1 ? 1 : g->inputs;
    if (status == SPACC_OK)
        status = run_on_engine(g, input, want, err);
    spacc_graph_free(g);
    return status;
}

/* Run one data set. The status and err say how it went; a wrong result is
 * SPACC_EDEVICE here, which no reference kernel returns. */
static enum spacc_status run_set(const struct spacc_graph *g, const char *folder,
                                 struct spacc_error *err)
{
    struct spacc_tensor *input[TENSORS_MAX] = {NULL}, *want[TENSORS_MAX] = {NULL};
    struct spacc_tensor *got[TENSORS_MAX] = {NULL};
    struct spacc_binding *b = NULL;
    enum spacc_status status = SPACC_OK;

    const int inputs = load_set(input, folder, "input", err);
    const int wants = inputs < 0 ? -1 : load_set(want, folder, "output", err);
    if (wants < 0)
        status = err->status;
    else if (inputs != g->inputs || wants != g->outputs || wants == 0)
        status = spacc_fail(err, SPACC_EDEVICE,
                            "%d inputs and %d outputs stored, %d and %d declared", inputs,
                            wants, g->inputs, g->outputs);
    for (int i = 0; i < inputs && status == SPACC_OK; i++)
        declare(input[i], &g->value[g->input[i]]);
    for (int o = 0; o < wants && status == SPACC_OK; o++)
        declare(want[o], &g->value[g->output[o]]);
    if (status == SPACC_OK)
        status = spacc_graph_bind(&b, g, (const struct spacc_tensor *const *)input, err);
    if (status == SPACC_OK)
        status = spacc_graph_run(g, (const struct spacc_tensor *const *)input, got, NULL, err);
    for (int o = 0; o < wants && status == SPACC_OK; o++) {
        const char *why = compare(got[o], want[o]);
        const struct spacc_tensor *shape = &b->shape[g->output[o]];
        if (!why && shape->dtype != SPACC_DTYPE_NONE &&
            !spacc_tensor_same_shape(shape, want[o]))
            why = "bound shape differs";
        if (why)
            status = spacc_fail(err, SPACC_EDEVICE, "output %d: %s", o, why);
    }
    if (status == SPACC_OK)
        status = run_on_engine(g, (const struct spacc_tensor *const *)input, want, err);
    if (status == SPACC_OK && g->inputs > 1)
        status = run_with_constants(g, (const struct spacc_tensor *const *)input, want, err);
    spacc_binding_free(b);
    for (int i = 0; i < TENSORS_MAX; i++) {
        spacc_tensor_free(input[i]);
        spacc_tensor_free(want[i]);
        spacc_tensor_free(got[i]);
    }
    return status;
}

static enum spacc_status run_case(const char *folder, struct spacc_error *err)
{
    char path[PATH_BYTES];
    struct spacc_graph *g;
    int sets = 0;

    snprintf(path, sizeof(path), "%s/model.onnx", folder);
    enum spacc_status status = spacc_onnx_load(&g, path, err);
    while (status == SPACC_OK) {
        snprintf(path, sizeof(path), "%s/test_data_set_%d", folder, sets);
        if (access(path, R_OK) != 0)
            break;
        status = run_set(g, path, err);
        sets++;
    }
    if (status == SPACC_OK && sets == 0)
        status = spacc_fail(err, SPACC_EDEVICE, "no data");
    spacc_graph_free(g);
    return status;
}

#endif
