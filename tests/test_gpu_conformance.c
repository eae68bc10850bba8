/* The ONNX project's single-operator cases with every node on the GPU that can be there; the
 * others are test_conformance.c's. */
#include <dirent.h>

#include "tests/conformance_case.h"
#include "tests/gpu_maker.h"

#define CASES SPACC_SHARED "/onnx-conformance/node"

/* So many cases have a node there, in this many runs of an engine. */
enum { CASES_MIN = 250 };

static int placed; /* of this case */

static enum spacc_status new_engine_on_gpu(struct spacc_engine **e, const struct spacc_graph *g,
                                           const struct spacc_tensor *const *input,
                                           struct spacc_error *err)
{
    struct placing p = {.one_in = 1};
    const enum spacc_status status = engine_on_gpu(e, g, input, &p, err);

    placed += p.placed;
    return status;
}

/* What no node of can be on the GPU: text, integers, sequences .. is not run at all. */
static bool has_a_node_there(const char *folder)
{
    struct spacc_tensor *input[TENSORS_MAX] = {NULL};
    struct spacc_error err = {.text = ""};
    struct spacc_binding *b = NULL;
    struct spacc_graph *g;
    char path[PATH_BYTES], why[128];
    bool any = false;

    snprintf(path, sizeof(path), "%s/model.onnx", folder);
    if (spacc_onnx_load(&g, path, &err) != SPACC_OK)
        return false;
    snprintf(path, sizeof(path), "%s/test_data_set_0", folder);
    if (load_set(input, path, "input", &err) == g->inputs &&
        spacc_graph_bind(&b, g, (const struct spacc_tensor *const *)input, &err) == SPACC_OK)
        for (int n = 0; n < g->nodes; n++)
            any = any || spacc_gpu_can(test_gpu, g, b, n, why, sizeof(why));
    spacc_binding_free(b);
    for (int i = 0; i < TENSORS_MAX; i++)
        spacc_tensor_free(input[i]);
    spacc_graph_free(g);
    return any;
}

static int visible(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static void every_case_passes_with_what_can_on_the_gpu(void **state)
{
    struct dirent **names = NULL;
    char folder[PATH_BYTES - 64];
    int cases = 0, failed = 0, nodes = 0;

    (void)state;
    need_gpu();
    make_engine = new_engine_on_gpu;
    const int count = scandir(CASES, &names, visible, alphasort);
    if (count < 0) {
        printf("skipped: %s is not here\n", CASES);
        skip();
    }
    for (int i = 0; i < count; i++) {
        struct spacc_error err = {.text = ""};
        snprintf(folder, sizeof(folder), "%s/%s", CASES, names[i]->d_name);
        placed = 0;
        if (has_a_node_there(folder) && run_case(folder, &err) != SPACC_OK) {
            printf("FAILED: %s\n", err.text);
            failed++;
        }
        cases += placed > 0;
        nodes += placed;
        free(names[i]);
    }
    free(names);
    printf("%d of %d cases have nodes on the GPU, %d of these at least must; %d nodes; %d "
           "failed\n",
           cases, count, CASES_MIN, nodes, failed);
    assert_int_equal(failed, 0);
    assert_true(cases >= CASES_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_passes_with_what_can_on_the_gpu),
    };
    return cmocka_run_group_tests(tests, NULL, close_gpu);
}
