/* The ONNX project's cases of more than one operator, and those that PyTorch exported: each
 * passes or is refused by name. */
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
#include "models/run.h"

#define SUITE SPACC_SHARED "/onnx-conformance"
enum { PATH_BYTES = 1024, TENSORS_MAX = 32 };

/* Tolerance of the ONNX backend tests. */
static const double relative = 1e-3, absolute = 1e-6;

static const struct folder {
    const char *name;
    int cases, passed_min; /* stored; of which at least so many pass */
} folders[] = {
    {"simple", 23, 7},
    {"pytorch-operator", 34, 30},
    {"pytorch-converted", 80, 80},
};

/* NULL when equal, else why not. */
static const char *compare(const struct spacc_tensor *got, const struct spacc_tensor *want)
{
    if (!spacc_tensor_same_shape(got, want))
        return "type or shape differs";
    for (size_t i = 0; i < got->count; i++) {
        const double g = spacc_tensor_element(got, i), w = spacc_tensor_element(want, i);
        if (!(g == w || fabs(g - w) <= absolute + relative * fabs(w) || (isnan(g) && isnan(w))))
            return "a number differs";
    }
    return NULL;
}

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

/* A wrong result is SPACC_EDEVICE here, which no reference kernel returns. */
static enum spacc_status run_set(const struct spacc_graph *g, const char *folder,
                                 struct spacc_error *err)
{
    struct spacc_tensor *input[TENSORS_MAX] = {NULL}, *want[TENSORS_MAX] = {NULL};
    struct spacc_tensor *got[TENSORS_MAX] = {NULL};
    enum spacc_status status = SPACC_OK;

    const int inputs = load_set(input, folder, "input", err);
    const int wants = inputs < 0 ? -1 : load_set(want, folder, "output", err);
    if (wants < 0)
        status = err->status;
    else if (inputs != g->inputs || wants != g->outputs || wants == 0)
        status =
            spacc_fail(err, SPACC_EDEVICE, "%d inputs and %d outputs stored", inputs, wants);
    if (status == SPACC_OK)
        status = spacc_graph_run(g, (const struct spacc_tensor *const *)input, got, NULL, err);
    for (int o = 0; o < wants && status == SPACC_OK; o++) {
        const char *why = compare(got[o], want[o]);
        if (why)
            status = spacc_fail(err, SPACC_EDEVICE, "output %d: %s", o, why);
    }
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

/* Refused with what it is that is not supported. */
static bool is_named(const char *line)
{
    static const char *const words[] = {"operator ", "attribute '", "type string", "sequence",
                                        "domain "};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strstr(line, words[i]))
            return true;
    return false;
}

struct totals {
    int cases, passed, refused, failed;
};

static void judge(struct totals *t, const char *folder, const char *name)
{
    char path[PATH_BYTES - 64];
    struct spacc_error err = {.text = ""};

    snprintf(path, sizeof(path), "%s/%s/%s", SUITE, folder, name);
    const enum spacc_status status = run_case(path, &err);
    const bool starts = strncmp(err.text, path, strlen(path)) == 0;
    const char *line = starts ? err.text + strlen(path) + 1 : err.text;
    const bool refused = status == SPACC_EUNSUPPORTED && is_named(line);
    t->cases++;
    t->passed += status == SPACC_OK;
    t->refused += refused;
    t->failed += status != SPACC_OK && !refused;
    if (status != SPACC_OK)
        printf("%s: %s: %s\n", refused ? "refused" : "FAILED", name, line);
}

static int visible(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static void judge_folder(const struct folder *f)
{
    char path[PATH_BYTES];
    struct dirent **names = NULL;
    struct totals t = {0};

    snprintf(path, sizeof(path), "%s/%s", SUITE, f->name);
    const int count = scandir(path, &names, visible, alphasort);
    if (count < 0) {
        printf("skipped: %s is not here\n", path);
        skip();
    }
    for (int i = 0; i < count; i++) {
        judge(&t, f->name, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    printf("%s: %d cases: %d passed, %d refused by name, %d failed\n", f->name, t.cases,
           t.passed, t.refused, t.failed);
    assert_int_equal(t.failed, 0);
    assert_int_equal(t.cases, f->cases);
    assert_true(t.passed >= f->passed_min);
}

static void every_case_of_more_operators_passes_or_is_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        judge_folder(&folders[i]);
    printf("skipped: real: its models are addresses only, nothing of them is stored\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_of_more_operators_passes_or_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
