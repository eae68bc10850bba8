/* Graphs before and after clean-up: the same results, by fewer nodes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "models/clean.h"
#include "models/io.h"
#include "models/onnx.h"
#include "models/op.h"
#include "models/run.h"

#define MODELS SPACC_SHARED "/models"
enum { PATH_BYTES = 512, INPUTS_MAX = 16 };

/* ---- comparing ---- */

/* Largest difference relative to max(1, |want|); NaN differs from all but NaN. */
static double distance(const struct spacc_tensor *got, const struct spacc_tensor *want)
{
    double worst = 0;

    assert_true(spacc_tensor_same_shape(got, want));
    for (size_t i = 0; i < got->count; i++) {
        const double w = spacc_tensor_element(want, i), g = spacc_tensor_element(got, i);
        const double e = fabs(g - w) / fmax(1.0, fabs(w));
        if (!(e <= worst) && g != w && !(isnan(g) && isnan(w)))
            worst = e;
    }
    return worst;
}

static bool same_bits(const struct spacc_tensor *a, const struct spacc_tensor *b)
{
    return spacc_tensor_same_shape(a, b) &&
           memcmp(a->data, b->data, a->count * spacc_dtype_bytes(a->dtype)) == 0;
}

static int count_op(const struct spacc_graph *g, const char *op)
{
    int count = 0;

    for (int n = 0; n < g->nodes; n++) {
        count += strcmp(g->node[n].op->name, op) == 0;
        for (size_t a = 0; a < g->node[n].attrs; a++)
            if (g->node[n].attr[a].graph)
                count += count_op(g->node[n].attr[a].graph, op);
    }
    return count;
}

static struct spacc_clean_report clean(struct spacc_graph *g)
{
    struct spacc_clean_report r;
    struct spacc_error err = {.text = ""};

    if (spacc_graph_clean(g, &r, &err) != SPACC_OK)
        fail_msg("%s", err.text);
    assert_int_equal(r.nodes_before < r.nodes_after, 0);
    return r;
}

static void run(const struct spacc_graph *g, struct spacc_tensor *const *in,
                struct spacc_tensor **out)
{
    struct spacc_error err = {.text = ""};

    if (spacc_graph_run(g, (const struct spacc_tensor *const *)in, out, NULL, &err) != SPACC_OK)
        fail_msg("%s", err.text);
}

/* ---- real models ---- */

static bool has_random(const struct spacc_graph *g)
{
    for (int n = 0; n < g->nodes; n++)
        if (g->node[n].op->random)
            return true;
    return false;
}

/* Stored inputs come from a seed, or are an image. NULL: not stored. */
static struct spacc_tensor *stored(const char *folder, const char *model, const char *what,
                                   int number)
{
    char path[PATH_BYTES];
    struct spacc_error err = {.text = ""};
    struct spacc_tensor *t;

    snprintf(path, sizeof(path), MODELS "/%s/golden/%s/seed/%s_%d.npy", folder, model, what,
             number);
    if (access(path, R_OK) != 0)
        snprintf(path, sizeof(path), MODELS "/%s/golden/%s/real/%s_%d.npy", folder, model, what,
                 number);
    if (access(path, R_OK) != 0 && strcmp(what, "in") == 0)
        snprintf(path, sizeof(path), MODELS "/%s/golden/in_1x3x224x224.npy", folder);
    if (access(path, R_OK) != 0)
        return NULL;
    if (spacc_tensor_load(&t, path, &err) != SPACC_OK)
        fail_msg("%s", err.text);
    return t;
}

static void compare_golden(const char *folder, const char *model, int o,
                           const struct spacc_tensor *got)
{
    struct spacc_tensor *want = stored(folder, model, "out", o);
    if (!want) {
        printf("%s/%s: output %d is not stored\n", folder, model, o);
        return;
    }
    const double e = distance(got, want);
    if (!(e <= 1e-4))
        fail_msg("%s/%s: output %d: error %g after clean-up", folder, model, o, e);
    spacc_tensor_free(want);
}

static void check_names(const struct spacc_graph *a, const struct spacc_graph *b)
{
    assert_int_equal(a->inputs, b->inputs);
    assert_int_equal(a->outputs, b->outputs);
    for (int i = 0; i < a->inputs; i++)
        assert_string_equal(a->value[a->input[i]].name, b->value[b->input[i]].name);
    for (int o = 0; o < a->outputs; o++)
        assert_string_equal(a->value[a->output[o]].name, b->value[b->output[o]].name);
}

/* Billions of products take minutes under the sanitizers, which look at small models as well.
 */
static bool too_slow(const char *folder)
{
#if defined(__SANITIZE_ADDRESS__)
    static const char *const slow[] = {"cnn_light",    "super_resolution10",
                                       "squeezenet11", "ultraface_slim320",
                                       "basic_pitch",  "yunet_s"};
    for (size_t k = 0; k < sizeof(slow) / sizeof(*slow); k++)
        if (strcmp(folder, slow[k]) == 0)
            return true;
#endif
    (void)folder;
    return false;
}

static bool is(const char *folder, const char *model, const char *f, const char *m)
{
    return strcmp(folder, f) == 0 && strcmp(model, m) == 0;
}

static void check_counts(const char *folder, const char *model, const struct spacc_graph *g)
{
    if (is(folder, model, "dtln", "model_2")) {
        assert_int_equal(count_op(g, "LSTM"), 2);
        assert_int_equal(count_op(g, "Tanh"), 0);
    }
    if (strstr(model, "resnet"))
        assert_int_equal(count_op(g, "BatchNormalization"), 0);
    if (strcmp(folder, "cnn_light") == 0)
        assert_int_equal(count_op(g, "ConstantOfShape"), 0);
}

/* False when the model does not import. */
static bool check_model(const char *folder, const char *model)
{
    struct spacc_tensor *in[INPUTS_MAX] = {NULL}, *before[INPUTS_MAX], *after[INPUTS_MAX];
    char path[PATH_BYTES];
    struct spacc_error err = {.text = ""};
    struct spacc_graph *g, *plain;
    double worst = 0;

    snprintf(path, sizeof(path), MODELS "/%s/%s.onnx", folder, model);
    if (spacc_onnx_load(&g, path, &err) != SPACC_OK) {
        printf("not read yet: %s\n", err.text);
        return false;
    }
    assert_int_equal(spacc_onnx_load(&plain, path, &err), SPACC_OK);
    for (int i = 0; i < g->inputs; i++)
        assert_non_null(in[i] = stored(folder, model, "in", i));
    const clock_t start = clock();
    const struct spacc_clean_report r = clean(g);
    const double ms = 1e3 * (double)(clock() - start) / CLOCKS_PER_SEC;
    check_names(plain, g);
    check_counts(folder, model, g);
    run(g, in, after);
    if (spacc_graph_run(plain, (const struct spacc_tensor *const *)in, before, NULL, &err))
        fail_msg("%s", err.text);
    for (int o = 0; o < g->outputs; o++) {
        const double e = distance(after[o], before[o]);
        worst = e > worst ? e : worst;
        if (r.fused + r.cells == 0 && !same_bits(after[o], before[o]))
            fail_msg("%s/%s: output %d changed", folder, model, o);
        if (!has_random(g))
            compare_golden(folder, model, o, after[o]);
        spacc_tensor_free(after[o]);
        spacc_tensor_free(before[o]);
    }
    printf("%s/%s: %d nodes, %d after: folded %d, removed %d, moved %d, fused %d, cells %d, "
           "dead %d in %.1f ms; largest difference %.2g\n",
           folder, model, r.nodes_before, r.nodes_after, r.folded, r.removed, r.moved, r.fused,
           r.cells, r.dead, ms, worst);
    assert_true(worst <= 1e-5);
    const struct spacc_clean_report again = clean(g);
    assert_int_equal(
        again.folded + again.removed + again.moved + again.fused + again.cells + again.dead, 0);
    for (int i = 0; i < g->inputs; i++)
        spacc_tensor_free(in[i]);
    spacc_graph_free(g);
    spacc_graph_free(plain);
    return true;
}

static int check_folder(const char *folder)
{
    char path[PATH_BYTES];
    struct dirent *e;
    int read = 0;

    snprintf(path, sizeof(path), MODELS "/%s", folder);
    DIR *d = opendir(path);
    while (d && (e = readdir(d))) {
        char *end = strstr(e->d_name, ".onnx");
        if (!end || end[5])
            continue;
        *end = '\0';
        read += check_model(folder, e->d_name);
    }
    if (d)
        closedir(d);
    return read;
}

static void every_model_gives_the_same_results_by_fewer_nodes(void **state)
{
    (void)state;
    DIR *d = opendir(MODELS);
    struct dirent *e;
    int read = 0;

    if (!d) {
        printf("skipped: %s is not here\n", MODELS);
        skip();
        return;
    }
    while ((e = readdir(d)))
        if (too_slow(e->d_name))
            printf("skipped: %s takes minutes under the sanitizers\n", e->d_name);
        else if (e->d_name[0] != '.')
            read += check_folder(e->d_name);
    closedir(d);
    assert_true(read >= 13);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_model_gives_the_same_results_by_fewer_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
