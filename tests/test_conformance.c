/* The ONNX project's own single-operator cases. */
#include <dirent.h>

#include "models/onnx.pb-c.h"
#include "tests/conformance_case.h"

#define CASES SPACC_SHARED "/onnx-conformance/node"
enum { NAME_BYTES = 256 };

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
    enum { PASSED, REFUSED, UNSOUND, FAILED } outcome;
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
        r->outcome = is_unsound(name, r->line) ? UNSOUND : FAILED;
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

static void every_sound_case_passes_or_is_refused_by_name(void **state)
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
    printf("%d cases: %d passed, %d refused by name, %d contradict themselves, %d failed; at "
           "least %d must pass\n",
           cases, passed, count_outcome(r, cases, REFUSED), count_outcome(r, cases, UNSOUND),
           failed, PASSED_MIN);
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

static void print_counts(const char *what, const struct result *r, int cases)
{
    printf("%-28s %5d %6d %7d %7d %6d\n", what, cases, count_outcome(r, cases, PASSED),
           count_outcome(r, cases, REFUSED), count_outcome(r, cases, UNSOUND),
           count_outcome(r, cases, FAILED));
}

static void print_operator(const struct result *r, int cases)
{
    print_counts(r->op, r, cases);
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
    printf("%-28s %5s %6s %7s %7s %6s\n", "operator", "cases", "passed", "refused", "unsound",
           "failed");
    for (int i = 0, next; i < cases; i = next) {
        for (next = i + 1; next < cases && strcmp(r[next].op, r[i].op) == 0;)
            next++;
        print_operator(r + i, next - i);
    }
    print_counts("all", r, cases);
    free(r);
    return 0;
}

/* With --table the table by operator is printed, and nothing is judged. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sound_case_passes_or_is_refused_by_name),
    };
    if (argc > 1 && strcmp(argv[1], "--table") == 0)
        return print_table();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
