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

#include "host/cpu/engine.h"
#include "models/io.h"
#include "models/onnx.h"
#include "models/onnx.pb-c.h"
#include "models/run.h"
#include "sparse/cpu.h"

#define CASES SPACC_SHARED "/onnx-conformance/node"
enum { PATH_BYTES = 1024, NAME_BYTES = 256, TENSORS_MAX = 32 };

/* Tolerance of the ONNX backend tests. */
static const double relative = 1e-3, absolute = 1e-6;

/* At least this many of the cases pass: all but strings, sequences, optionals, random
 * numbers, training, and four whose files contradict themselves. */
enum { CASES_ALL = 932, PASSED_MIN = 868 };

/* Cases whose files contradict themselves, and how that shows. */
static const struct {
    const char *name, *line;
} unsound[] = {
    {"test_castlike_FLOAT_to_BFLOAT16", "has bfloat16[1], the model wants bfloat16[3,4]"},
    {"test_castlike_FLOAT_to_BFLOAT16_expanded",
     "has bfloat16[1], the model wants bfloat16[3,4]"},
    {"test_castlike_BFLOAT16_to_FLOAT", "has float32[1], the model wants float32[3,4]"},
    {"test_castlike_BFLOAT16_to_FLOAT_expanded",
     "has float32[1], the model wants float32[3,4]"},
};

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
        snprintf(path, sizeof(path), "%s/%s_%d.pb", folder, what, count);
        if (access(path, R_OK) != 0)
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

/* The same on the CPU engine; SPACC_EDEVICE when it gives something else. Every operator here
 * meets the odd shapes that whole models never have. */
static enum spacc_status run_on_engine(const struct spacc_graph *g,
                                       const struct spacc_tensor *const *input,
                                       struct spacc_tensor *const *want,
                                       struct spacc_error *err)
{
    const struct spacc_engine_options options = {.cpu = spacc_cpu_features()};
    struct spacc_tensor *got[TENSORS_MAX] = {NULL};
    struct spacc_engine *e;
    enum spacc_status status = spacc_engine_new(&e, g, input, &options, err);

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

/* ---- what a case is about --------------------------------------------------------- */

static Onnx__ModelProto *read_model(const char *name)
{
    char path[PATH_BYTES];
    void *bytes;
    size_t size_bytes;

    snprintf(path, sizeof(path), "%s/%s/model.onnx", CASES, name);
    if (access(path, R_OK) != 0)
        return NULL;
    assert_int_equal(spacc_file_read(&bytes, &size_bytes, path, SIZE_MAX / 8, NULL), SPACC_OK);
    Onnx__ModelProto *m = onnx__model_proto__unpack(NULL, size_bytes, bytes);
    assert_non_null(m);
    free(bytes);
    return m;
}

/* The operator a case tests, into `op`: that of its first node. An expanded case spells
 * out the operator of the case without the suffix. */
static void operator_of(const char *name, char *op, size_t room)
{
    char base[NAME_BYTES];
    const char *suffix = strstr(name, "_expanded");
    snprintf(base, sizeof(base), "%.*s", (int)(suffix ? suffix - name : (long)strlen(name)),
             name);
    Onnx__ModelProto *m = read_model(base);
    if (!m)
        m = read_model(name);
    assert_non_null(m);
    snprintf(op, room, "%s", m->graph->n_node > 0 ? m->graph->node[0]->op_type : "none");
    onnx__model_proto__free_unpacked(m, NULL);
}

/* True when the line holds the type or domain of one of the nodes. */
static bool names_a_node(const Onnx__GraphProto *g, const char *line)
{
    for (size_t i = 0; i < g->n_node; i++) {
        const Onnx__NodeProto *n = g->node[i];
        if (strstr(line, n->op_type) || (n->domain && n->domain[0] && strstr(line, n->domain)))
            return true;
        for (size_t a = 0; a < n->n_attribute; a++)
            if (n->attribute[a]->g && names_a_node(n->attribute[a]->g, line))
                return true;
    }
    return false;
}

static bool is_named(const char *name, const char *line)
{
    static const char *const types[] = {"type string", "sequence", "optional"};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (strstr(line, types[i]))
            return true;
    Onnx__ModelProto *m = read_model(name);
    const bool named = names_a_node(m->graph, line);
    onnx__model_proto__free_unpacked(m, NULL);
    return named;
}

static bool is_unsound(const char *name, const char *line)
{
    for (size_t i = 0; i < sizeof(unsound) / sizeof(unsound[0]); i++)
        if (strcmp(name, unsound[i].name) == 0 && strstr(line, unsound[i].line))
            return true;
    return false;
}

/* ---- all cases ---------------------------------------------------------------------- */

struct result {
    char name[NAME_BYTES], op[64];
    char line[sizeof(((struct spacc_error *)0)->text)]; /* why not; "" when it passed */
    enum { PASSED, REFUSED, FAILED } outcome;
};

static void judge(struct result *r, const char *name)
{
    char folder[PATH_BYTES - 64];
    struct spacc_error err = {.text = ""};

    snprintf(r->name, sizeof(r->name), "%s", name);
    operator_of(name, r->op, sizeof(r->op));
    snprintf(folder, sizeof(folder), "%s/%s", CASES, name);
    const enum spacc_status status = run_case(folder, &err);
    const bool starts = strncmp(err.text, folder, strlen(folder)) == 0;
    snprintf(r->line, sizeof(r->line), "%s", starts ? err.text + strlen(folder) + 1 : err.text);
    if (status == SPACC_OK)
        r->outcome = PASSED;
    else if (status == SPACC_EUNSUPPORTED && is_named(name, r->line))
        r->outcome = REFUSED;
    else
        r->outcome = is_unsound(name, r->line) ? REFUSED : FAILED;
}

/* Results of all cases, by operator and name; free *out. -1 when the suite is not here. */
static int judge_all(struct result **out)
{
    struct dirent **names = NULL;
    int cases = 0;
    const int count = scandir(CASES, &names, NULL, alphasort);

    *out = NULL;
    if (count < 0)
        return -1;
    *out = calloc((size_t)count + 1, sizeof(**out));
    assert_non_null(*out);
    for (int i = 0; i < count; i++) {
        if (names[i]->d_name[0] != '.')
            judge(&(*out)[cases++], names[i]->d_name);
        free(names[i]);
    }
    free(names);
    return cases;
}

static int count_outcome(const struct result *r, int cases, int outcome)
{
    int count = 0;
    for (int i = 0; i < cases; i++)
        count += (int)r[i].outcome == outcome;
    return count;
}

static void every_case_passes_or_is_refused_by_name(void **state)
{
    struct result *r;

    (void)state;
    const int cases = judge_all(&r);
    if (cases < 0) {
        printf("skipped: %s is not here\n", CASES);
        skip();
    }
    const int passed = count_outcome(r, cases, PASSED);
    const int failed = count_outcome(r, cases, FAILED);
    for (int i = 0; i < cases; i++)
        if (r[i].outcome == FAILED)
            printf("FAILED: %s: %s\n", r[i].name, r[i].line);
    printf("%d cases: %d passed, %d refused by name, %d failed; at least %d must pass\n", cases,
           passed, count_outcome(r, cases, REFUSED), failed, PASSED_MIN);
    free(r);
    assert_int_equal(cases, CASES_ALL);
    assert_int_equal(failed, 0);
    assert_true(passed >= PASSED_MIN);
}

/* ---- the table ---------------------------------------------------------------------- */

static int by_operator(const void *a, const void *b)
{
    const struct result *r = a, *s = b;
    const int order = strcmp(r->op, s->op);
    return order ? order : strcmp(r->name, s->name);
}

static void print_operator(const struct result *r, int cases)
{
    printf("%-28s %5d %6d %7d %6d\n", r->op, cases, count_outcome(r, cases, PASSED),
           count_outcome(r, cases, REFUSED), count_outcome(r, cases, FAILED));
    for (int i = 0; i < cases; i++)
        if (r[i].outcome != PASSED)
            printf("    %s%s: %s\n", r[i].outcome == FAILED ? "FAILED " : "", r[i].name,
                   r[i].line);
}

static int print_table(void)
{
    struct result *r;
    const int cases = judge_all(&r);

    if (cases < 0) {
        printf("skipped: %s is not here\n", CASES);
        return 0;
    }
    qsort(r, (size_t)cases, sizeof(*r), by_operator);
    printf("%-28s %5s %6s %7s %6s\n", "operator", "cases", "passed", "refused", "failed");
    for (int i = 0, next; i < cases; i = next) {
        for (next = i + 1; next < cases && strcmp(r[next].op, r[i].op) == 0;)
            next++;
        print_operator(r + i, next - i);
    }
    printf("%-28s %5d %6d %7d %6d\n", "all", cases, count_outcome(r, cases, PASSED),
           count_outcome(r, cases, REFUSED), count_outcome(r, cases, FAILED));
    free(r);
    return 0;
}

/* With --table the table by operator is printed, and nothing is judged. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_passes_or_is_refused_by_name),
    };
    if (argc > 1 && strcmp(argv[1], "--table") == 0)
        return print_table();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
