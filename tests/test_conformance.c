/* The ONNX project's own single-operator cases, on the plain reference. */
#include <dirent.h>
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

#include "models/io.h"
#include "models/onnx.h"
#include "models/onnx.pb-c.h"
#include "models/op.h"
#include "models/run.h"

#define CASES SPACC_SHARED "/onnx-conformance/node"
enum { PATH_BYTES = 1024, TENSORS_MAX = 32 };

/* Tolerance of the ONNX backend tests. */
static const double relative = 1e-3, absolute = 1e-6;

/* The operators spacc set out to have: a case made of these must pass, whatever
 * ops.def says. */
static const char *const must[] = {
    "LSTM",       "GRU",
    "RNN",        "MatMul",
    "Gemm",       "Add",
    "Sub",        "Mul",
    "Div",        "Sigmoid",
    "Tanh",       "Relu",
    "LeakyRelu",  "Softmax",
    "Identity",   "Cast",
    "Constant",   "Shape",
    "Gather",     "Reshape",
    "Squeeze",    "Unsqueeze",
    "Transpose",  "Slice",
    "Split",      "Concat",
    "Pad",        "ReduceSum",
    "ReduceMean", "Sqrt",
    "Pow",        "Clip",
    "Flatten",    "ConstantOfShape",
    "Expand",     "Where",
    "Equal",      "If",
};

/* Types that spacc does not compute with: naming one is a sound refusal. */
static const char *const other_types[] = {
    "float16", "bfloat16", "string",   "uint16", "uint32",    "uint64",
    "int16",   "sequence", "optional", "map",    "complex64", "complex128",
};

struct totals {
    int cases, passed, refused, older, failed, must_cases;
};

static bool is_listed(const char *op)
{
    for (size_t i = 0; i < sizeof(must) / sizeof(must[0]); i++)
        if (strcmp(op, must[i]) == 0)
            return true;
    return false;
}

/* True when every operator is among `must`, or (when `any`) one that spacc has. */
static bool covers(const Onnx__GraphProto *g, bool any)
{
    for (size_t i = 0; i < g->n_node; i++) {
        const Onnx__NodeProto *n = g->node[i];
        if (!is_listed(n->op_type) && !(any && spacc_op_find(n->op_type)))
            return false;
        for (size_t a = 0; a < n->n_attribute; a++)
            if (n->attribute[a]->g && !covers(n->attribute[a]->g, any))
                return false;
    }
    return true;
}

/* Whether a case is for us, by its operators. */
static bool is_ours(const char *model, bool any)
{
    void *bytes;
    size_t size_bytes;

    assert_int_equal(spacc_file_read(&bytes, &size_bytes, model, SIZE_MAX / 8, NULL), SPACC_OK);
    Onnx__ModelProto *m = onnx__model_proto__unpack(NULL, size_bytes, bytes);
    assert_non_null(m);
    const bool ours = covers(m->graph, any);
    onnx__model_proto__free_unpacked(m, NULL);
    free(bytes);
    return ours;
}

static bool close_enough(double got, double want)
{
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got);
    if (isinf(want) || isinf(got))
        return got == want;
    return fabs(got - want) <= absolute + relative * fabs(want);
}

/* NULL when equal, else why not. */
static const char *compare(const struct spacc_tensor *got, const struct spacc_tensor *want)
{
    if (!spacc_tensor_same_shape(got, want))
        return "type or shape differs";
    for (size_t i = 0; i < got->count; i++) {
        if (got->dtype == SPACC_F32 && !close_enough((double)((const float *)got->data)[i],
                                                     (double)((const float *)want->data)[i]))
            return "a float32 differs";
        if (got->dtype == SPACC_F64 &&
            !close_enough(((const double *)got->data)[i], ((const double *)want->data)[i]))
            return "a float64 differs";
    }
    const bool exact = got->dtype != SPACC_F32 && got->dtype != SPACC_F64;
    if (exact && memcmp(got->data, want->data, got->count * spacc_dtype_bytes(got->dtype)) != 0)
        return "an integer differs";
    return NULL;
}

/* Load `what`_0.pb, `what`_1.pb ... of a data set; -1 with err on failure. */
static int load_set(struct spacc_tensor **t, const char *folder, const char *what,
                    struct spacc_error *err)
{
    int count = 0;

    for (; count < TENSORS_MAX; count++) {
        char path[PATH_BYTES];
        snprintf(path, sizeof(path), "%s/%s_%d.pb", folder, what, count);
        if (access(path, R_OK) != 0)
            return count;
        if (spacc_tensor_load(&t[count], path, err) != SPACC_OK)
            return -1;
    }
    return count;
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

static bool names_another_type(const struct spacc_error *err)
{
    for (size_t i = 0; i < sizeof(other_types) / sizeof(other_types[0]); i++)
        if (strstr(err->text, other_types[i]))
            return true;
    return false;
}

static void count_case(struct totals *t, const char *name)
{
    char folder[PATH_BYTES - 64], model[PATH_BYTES];
    struct spacc_error err = {.text = ""};

    snprintf(folder, sizeof(folder), "%s/%s", CASES, name);
    snprintf(model, sizeof(model), "%s/model.onnx", folder);
    if (access(model, R_OK) != 0 || !is_ours(model, true))
        return;
    t->cases++;
    const bool must_pass = is_ours(model, false);
    t->must_cases += must_pass;
    const enum spacc_status status = run_case(folder, &err);
    const char *line = strncmp(err.text, folder, strlen(folder)) == 0
                           ? err.text + strlen(folder) + 1
                           : err.text;
    if (status == SPACC_OK) {
        t->passed++;
    } else if (status == SPACC_EUNSUPPORTED && names_another_type(&err)) {
        t->refused++;
        printf("refused: %s: %s\n", name, line);
    } else if (!must_pass && strstr(line, ": opset 1 is not supported")) {
        t->older++; /* a case older than what spacc reads */
    } else {
        t->failed++;
        printf("FAILED: %s: %s\n", name, line);
    }
}

static void every_case_of_listed_operators_passes(void **state)
{
    struct totals t = {0};
    struct dirent **names = NULL;

    (void)state;
    const int count = scandir(CASES, &names, NULL, alphasort);
    if (count < 0) {
        printf("skipped: %s is not here\n", CASES);
        skip();
    }
    for (int i = 0; i < count; i++) {
        if (names[i]->d_name[0] != '.')
            count_case(&t, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    printf(
        "%d cases: %d passed, %d refused (types), %d of opset 1, %d failed; %d have only the "
        "must-have operators\n",
        t.cases, t.passed, t.refused, t.older, t.failed, t.must_cases);
    assert_int_equal(t.failed, 0);
    assert_true(t.must_cases >= 216);
    assert_true(t.refused < t.cases / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_of_listed_operators_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
