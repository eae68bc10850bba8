/* Linked with --wrap: the Nth allocation of a pruning fails, for every N. */
#include "host/prune/permute.h"
#include "host/prune/sensitivity.h"
#include "tests/engine_maker.h"
#include "tests/failing_alloc.h"

enum { MATRICES_MAX = 8, BANK = 4 };

/* Something of every kind, small. */
static struct maker layers(void)
{
    struct maker g = {0};

    input(&g, "x", DIMS(3, 1, 2, 5, 5));
    input(&g, "h0", DIMS(1, 1, 5));
    floats(&g, "k", NAN, DIMS(6, 2, 2, 2));
    floats(&g, "kb", NAN, DIMS(6));
    floats(&g, "w", NAN, DIMS(1, 32, 6));
    floats(&g, "r", NAN, DIMS(1, 32, 8));
    floats(&g, "b", NAN, DIMS(1, 64));
    floats(&g, "gw", NAN, DIMS(1, 15, 8));
    floats(&g, "gr", NAN, DIMS(1, 15, 5));
    floats(&g, "m", NAN, DIMS(5, 3));
    ints(&g, "flat", 4, (const int64_t[]){1, 2, 5, 5});
    ints(&g, "rows", 3, (const int64_t[]){16, 1, 6});
    ints(&g, "one", DIMS(1));
    op(&g, "Reshape", "x flat", "x2");
    op(&g, "Conv", "x2 k kb", "c");
    op(&g, "Reshape", "c rows", "c2");
    add(&g, with_int(make_node("LSTM", "", "c2 w r b", "y"), "hidden_size", 8));
    op(&g, "Squeeze", "y one", "s");
    add(&g, with_int(make_node("GRU", "", "s gw gr - - h0", "v hn"), "hidden_size", 5));
    op(&g, "MatMul", "v m", "z");
    output(&g, "z");
    output(&g, "hn");
    return g;
}

struct run {
    struct spacc_prune_matrix *m;
    size_t matrices, told;
    struct spacc_pruned result[MATRICES_MAX];
    bool *changed;
    struct spacc_requests requests;
    struct spacc_permuted *order;
};

static enum spacc_status all(struct run *r, struct spacc_graph *g,
                             const struct spacc_tensor *const *in, struct spacc_error *err)
{
    const struct spacc_prune_how how = {
        .method = SPACC_PRUNE_OBS, .bank_size = BANK, .weight_bits = 8};
    const struct spacc_state state = {1, 1};
    double outputs_error;
    enum spacc_status s = spacc_prune_matrices(&r->m, &r->matrices, g);

    assert_true(s || r->matrices == 6);
    if (s || (s = spacc_requests_make(&r->requests, g, in, &state, 1, 0, err)) ||
        (s = spacc_prune_begin(r->result, g, r->m, r->matrices, BANK, err)))
        return s;
    for (size_t i = 0; i < r->matrices; i++)
        r->result[i].k = 2;
    if ((s = spacc_prune_permute(&r->order, &r->told, g, r->m, r->matrices, r->result, BANK,
                                 &r->requests, r->changed, err)) ||
        (s = spacc_prune_allocate(r->result, g, r->m, r->matrices, &how, 0.4, &r->requests,
                                  err)))
        return s;
    return spacc_prune_model(r->result, r->changed, g, r->m, r->matrices, &how, &r->requests,
                             &outputs_error, err);
}

static void pruning_survives_every_failed_allocation(void **state)
{
    enum spacc_status status = SPACC_ENOMEM;
    long failures = 0;

    (void)state;
    for (; status == SPACC_ENOMEM; failures++) {
        struct run r = {0};
        struct spacc_error err = {.text = ""};
        clean_seed = 5;
        struct spacc_graph *g = graph_of(layers(), 13);
        struct spacc_tensor *in[2] = {random_input(&g->value[g->input[0]]),
                                      random_input(&g->value[g->input[1]])};
        g->value[g->input[0]].rank = 4; /* frames of [1, 2, 5, 5] */
        memmove(g->value[g->input[0]].dims, g->value[g->input[0]].dims + 1,
                4 * sizeof(int64_t));
        r.changed = calloc((size_t)g->values + 1, sizeof(*r.changed));
        calls = 0;
        fail_at = failures;
        status = all(&r, g, (const struct spacc_tensor *const *)in, &err);
        fail_at = -1;
        if (status != SPACC_OK && status != SPACC_ENOMEM)
            fail_msg("allocation %ld: %s: %s", failures, spacc_status_name(status), err.text);
        free(r.order);
        spacc_requests_release(&r.requests);
        free(r.changed);
        free(r.m);
        spacc_tensor_free(in[0]);
        spacc_tensor_free(in[1]);
        spacc_graph_free(g);
    }
    printf("%ld allocations failed, one at a time\n", failures - 1);
    assert_true(failures > 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pruning_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
