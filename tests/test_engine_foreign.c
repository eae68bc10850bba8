/* Nodes that somebody else runs, beside the engine's own and in any order. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "tests/engine_maker.h"

/* Somebody else: the reference, on whatever thread, slowly. */
struct other {
    bool *mine; /* by node */
    int calls, fails_at;
    long nap_ns; /* of every call; 0: 3 ms */
    pthread_t last;
    atomic_bool running, twice;
    double overlap_us, blocked_us;
    int waits;
};

static bool is_mine(void *user, const struct spacc_graph *g, int node)
{
    const struct other *o = user;

    (void)g;
    return o->mine[node];
}

static void waited(void *user, const struct spacc_graph *g, int node, double overlap_us,
                   double blocked_us)
{
    struct other *o = user;

    (void)g, (void)node;
    o->waits++;
    o->overlap_us += overlap_us;
    o->blocked_us += blocked_us;
}

static enum spacc_status run_node(void *user, const struct spacc_graph *g, int node,
                                  const struct spacc_tensor *const *in,
                                  struct spacc_tensor **out, bool *done,
                                  struct spacc_error *err)
{
    struct other *o = user;
    const struct timespec nap = {.tv_nsec = o->nap_ns ? o->nap_ns : 3000000};

    o->twice = o->twice || o->running;
    o->running = true;
    o->last = pthread_self();
    nanosleep(&nap, NULL);
    o->running = false;
    if (++o->calls == o->fails_at)
        return spacc_fail(err, SPACC_EDEVICE, "the device said no");
    *done = true;
    return spacc_node_run(g, node, in, out, err);
}

/* x -> a tower of MatMul, Relu, and another of MatMul, Tanh; their sum. */
static struct spacc_graph *towers(void)
{
    struct maker g = {0};

    input(&g, "x", DIMS(64, 128));
    weights(&g, "w", 128, DIMS(128, 256));
    weights(&g, "v", 128, DIMS(128, 256));
    op(&g, "MatMul", "x w", "a");
    op(&g, "Relu", "a", "b");
    op(&g, "MatMul", "x v", "c");
    op(&g, "Tanh", "c", "d");
    op(&g, "Add", "b d", "y");
    output(&g, "y");
    return graph_of(g, 13);
}

static enum spacc_status run_with(struct other *o, const struct spacc_graph *g,
                                  const int *order, struct spacc_tensor **got,
                                  const struct example *x, struct spacc_error *err)
{
    const struct spacc_engine_options options = {.cpu = spacc_cpu_features(),
                                                 .foreign = is_mine,
                                                 .waited = waited,
                                                 .order = order,
                                                 .user = o};
    const struct spacc_run_hooks hooks = {.node = run_node, .user = o};
    struct spacc_engine *e;
    enum spacc_status status = spacc_engine_new(&e, g, inputs_of(x), &options, err);

    if (!status)
        status = spacc_engine_run(e, inputs_of(x), got, &hooks, err);
    spacc_engine_free(e);
    return status;
}

static void any_node_may_be_foreign(void **state)
{
    struct spacc_graph *g = towers();
    struct example x = example_of(g);

    (void)state;
    for (unsigned who = 0; who < 32; who++) {
        bool mine[8];
        struct other o = {.mine = mine};
        struct spacc_tensor *got[1];
        struct spacc_error err;
        for (unsigned n = 0; n < 8; n++)
            mine[n] = who >> n & 1;
        assert_int_equal(run_with(&o, g, NULL, got, &x, &err), SPACC_OK);
        assert_true(is_close(got[0], x.want[0]));
        assert_int_equal(o.calls, __builtin_popcount(who));
        assert_int_equal(o.waits, o.calls);
        assert_false(o.twice);
        spacc_tensor_free(got[0]);
    }
    example_free(&x);
    spacc_graph_free(g);
}

/* The first MatMul is begun, then the engine's own tower runs, then the sum waits. */
static void own_work_goes_on_meanwhile(void **state)
{
    bool mine[8] = {true, false, false, false, false};
    const int order[] = {0, 2, 3, 1, 4};
    struct other o = {.mine = mine};
    struct spacc_graph *g = towers();
    struct example x = example_of(g);
    struct spacc_tensor *got[1];
    struct spacc_error err;

    (void)state;
    assert_int_equal(run_with(&o, g, order, got, &x, &err), SPACC_OK);
    assert_true(is_close(got[0], x.want[0]));
    assert_false(pthread_equal(o.last, pthread_self()));
    assert_true(o.overlap_us > 0.0);
    spacc_tensor_free(got[0]);
    example_free(&x);
    spacc_graph_free(g);
}

/* With nothing to do meanwhile a hand-over would only cost. */
static void alone_it_runs_on_the_spot(void **state)
{
    bool mine[8] = {true, false, true, false, false};
    struct other o = {.mine = mine};
    struct spacc_graph *g = towers();
    struct example x = example_of(g);
    struct spacc_tensor *got[1];
    struct spacc_error err;
    const int order[] = {0, 1, 2, 3, 4};

    (void)state;
    mine[2] = false;
    assert_int_equal(run_with(&o, g, order, got, &x, &err), SPACC_OK);
    assert_true(pthread_equal(o.last, pthread_self()));
    assert_true(o.overlap_us == 0.0);
    spacc_tensor_free(got[0]);
    example_free(&x);
    spacc_graph_free(g);
}

static void a_failure_ends_the_run(void **state)
{
    const int order[] = {0, 2, 3, 1, 4};
    struct spacc_graph *g = towers();
    struct example x = example_of(g);

    (void)state;
    for (int at = 1; at <= 2; at++) {
        bool mine[8] = {true, false, false, true, false};
        struct other o = {.mine = mine, .fails_at = at};
        struct spacc_tensor *got[1];
        struct spacc_error err;
        assert_int_equal(run_with(&o, g, order, got, &x, &err), SPACC_EDEVICE);
        assert_non_null(strstr(err.text, "the device said no"));
        assert_null(got[0]);
    }
    example_free(&x);
    spacc_graph_free(g);
}

/* s = s w, thrice. */
static struct maker loop_body(void)
{
    struct maker b = {0};

    put_text(&b, GRAPH_NAME, "b");
    put_message(&b, GRAPH_INPUT, make_info("i", 7, 0, NULL));
    put_message(&b, GRAPH_INPUT, make_info("cond", 9, 0, NULL));
    put_message(&b, GRAPH_INPUT, make_info("s", 1, DIMS(64, 128)));
    op(&b, "Identity", "cond", "again");
    op(&b, "MatMul", "s w", "t");
    put_message(&b, GRAPH_OUTPUT, make_info("again", 9, 0, NULL));
    put_message(&b, GRAPH_OUTPUT, make_info("t", 1, DIMS(64, 128)));
    return b;
}

/* Somebody else does one node at a time, those in a body among them. */
static void nodes_in_a_body_wait_for_those_begun(void **state)
{
    struct maker g = {0}, loop = make_node("Loop", "", "trips go x", "c");
    bool mine[8] = {true, false, false, false};
    struct other o = {.mine = mine, .nap_ns = 20000000};
    const int64_t trips = 3;
    const uint8_t go = 1;
    struct spacc_tensor *got[1];
    struct spacc_error err;

    (void)state;
    input(&g, "x", DIMS(64, 128));
    ints(&g, "trips", 1, &trips);
    put_message(&g, GRAPH_INITIALISER, make_tensor("go", 9, 0, NULL, &go, 1));
    weights(&g, "w", 128, DIMS(128, 128));
    op(&g, "MatMul", "x w", "a");
    op(&g, "MatMul", "x w", "b");
    put_message(&loop, NODE_ATTR, make_attr_message("body", ATTR_G, 5, loop_body()));
    add(&g, loop);
    op(&g, "Sum", "a b c", "y");
    output(&g, "y");
    struct spacc_graph *graph = graph_of(g, 13);
    struct example x = example_of(graph);
    assert_int_equal(run_with(&o, graph, NULL, got, &x, &err), SPACC_OK);
    assert_true(is_close(got[0], x.want[0]));
    assert_true(o.calls > 3);
    assert_true(o.overlap_us > 0.0); /* the product beside it is the engine's own work */
    assert_false(o.twice);
    spacc_tensor_free(got[0]);
    example_free(&x);
    spacc_graph_free(graph);
}

static void orders_are_checked(void **state)
{
    static const int bad[][5] = {
        {1, 0, 2, 3, 4}, {0, 1, 2, 3, 3}, {0, 1, 2, 3, 5}, {-1, 0, 1, 2, 3}};
    bool mine[8] = {false};
    struct other o = {.mine = mine};
    struct spacc_graph *g = towers();
    struct example x = example_of(g);

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct spacc_tensor *got[1];
        struct spacc_error err;
        assert_int_equal(run_with(&o, g, bad[i], got, &x, &err), SPACC_EINVAL);
        assert_non_null(strstr(err.text, "order of nodes"));
    }
    example_free(&x);
    spacc_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_node_may_be_foreign),
        cmocka_unit_test(own_work_goes_on_meanwhile),
        cmocka_unit_test(alone_it_runs_on_the_spot),
        cmocka_unit_test(a_failure_ends_the_run),
        cmocka_unit_test(nodes_in_a_body_wait_for_those_begun),
        cmocka_unit_test(orders_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
