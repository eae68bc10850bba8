/* Loop and Scan: bodies with inputs, captured values, piles, bad files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "models/onnx.h"
#include "models/run.h"
#include "onnx_maker.h"

enum { FLOAT = 1, INT64 = 7, BOOL = 9, GRAPH = 5, INTS = 7 };
#define D(...) ((const int64_t[]){__VA_ARGS__})

/* ---- files -------------------------------------------------------------------------- */

/* Takes `graph` over. */
static enum spacc_status try_parse(struct spacc_graph **g, struct maker graph, int opset,
                                   struct spacc_error *err)
{
    struct maker m = make_model(graph, 8, opset);
    const enum spacc_status status = spacc_onnx_parse(g, m.bytes, m.used, "f.onnx", err);
    free(m.bytes);
    return status;
}

static struct spacc_graph *parse(struct maker graph, int opset)
{
    struct spacc_error err = {.text = ""};
    struct spacc_graph *g;
    if (try_parse(&g, graph, opset, &err) != SPACC_OK)
        fail_msg("%s", err.text);
    return g;
}

static struct maker make_attr_list(const char *name, int64_t value)
{
    struct maker m = {0};
    put_text(&m, ATTR_NAME, name);
    put_int(&m, ATTR_INTS, value);
    put_int(&m, ATTR_TYPE, INTS);
    return m;
}

static void put_body(struct maker *node, struct maker body)
{
    put_message(node, NODE_ATTR, make_attr_message("body", ATTR_G, GRAPH, body));
}

/* (i, go, s) to (more, s + y, s): y is captured; goes on while s + y is below 10. */
static struct maker make_adding_body(int inputs)
{
    static const char *const names[] = {"i", "go", "s"};
    static const int types[] = {INT64, BOOL, FLOAT};
    const float ten[] = {10};
    struct maker b = {0};
    put_message(&b, GRAPH_NODE, make_node("Add", "add", inputs > 2 ? "s y" : "y y", "s2"));
    put_message(&b, GRAPH_NODE, make_node("ReduceMax", "top", "s2", "m"));
    put_message(&b, GRAPH_NODE, make_node("Less", "less", "m ten", "more"));
    put_message(&b, GRAPH_NODE, make_node("Identity", "same", inputs > 2 ? "s" : "y", "pile"));
    put_message(&b, GRAPH_INITIALISER, make_floats("ten", 1, ten));
    for (int i = 0; i < inputs; i++)
        put_message(&b, GRAPH_INPUT, make_info(names[i], types[i], i == 2, D(2)));
    put_message(&b, GRAPH_OUTPUT, make_info("more", BOOL, 1, D(1)));
    put_message(&b, GRAPH_OUTPUT, make_info("s2", FLOAT, 1, D(2)));
    put_message(&b, GRAPH_OUTPUT, make_info("pile", FLOAT, 1, D(2)));
    return b;
}

/* final, pile = Loop(trips, go, x), y = x + x made after it in the file. */
static struct maker make_adding_loop(const char *ins, struct maker body)
{
    struct maker g = {0}, loop = make_node("Loop", "loop", ins, "final pile");
    put_body(&loop, body);
    put_message(&g, GRAPH_NODE, loop);
    put_message(&g, GRAPH_NODE, make_node("Add", "double", "x x", "y"));
    put_message(&g, GRAPH_INPUT, make_info("trips", INT64, 0, NULL));
    put_message(&g, GRAPH_INPUT, make_info("go", BOOL, 0, NULL));
    put_message(&g, GRAPH_INPUT, make_info("x", FLOAT, 1, D(2)));
    put_message(&g, GRAPH_OUTPUT, make_info("final", FLOAT, 1, D(2)));
    put_message(&g, GRAPH_OUTPUT, make_info("pile", FLOAT, 2, D(-2, 2)));
    return g;
}

/* ---- runs --------------------------------------------------------------------------- */

static struct spacc_tensor *tensor(enum spacc_dtype dtype, int rank, const int64_t *dims,
                                   const void *from)
{
    struct spacc_tensor *t;
    assert_int_equal(spacc_tensor_new(&t, dtype, rank, dims), SPACC_OK);
    memcpy(t->data, from, t->count * spacc_dtype_bytes(dtype));
    return t;
}

static void is_floats(const struct spacc_tensor *t, int rank, const int64_t *dims,
                      const float *want)
{
    assert_non_null(t);
    assert_int_equal(t->dtype, SPACC_F32);
    assert_int_equal(t->rank, rank);
    for (int d = 0; d < rank; d++)
        assert_int_equal(t->dims[d], dims[d]);
    for (size_t i = 0; i < t->count; i++)
        assert_true(((const float *)t->data)[i] == want[i]);
}

/* Run, free the inputs; out[] is the caller's when SPACC_OK. */
static enum spacc_status run(const struct spacc_graph *g, struct spacc_tensor **in,
                             struct spacc_tensor **out, struct spacc_error *err)
{
    const enum spacc_status status =
        spacc_graph_run(g, (const struct spacc_tensor *const *)in, out, NULL, err);
    for (int i = 0; i < g->inputs; i++)
        spacc_tensor_free(in[i]);
    return status;
}

static enum spacc_status run_loop(const struct spacc_graph *g, int64_t trips, uint8_t go,
                                  struct spacc_tensor **out, struct spacc_error *err)
{
    struct spacc_tensor *in[] = {tensor(SPACC_I64, 0, NULL, &trips),
                                 tensor(SPACC_BOOL, 0, NULL, &go),
                                 tensor(SPACC_F32, 1, D(2), (float[]){1, 2})};
    return run(g, in, out, err);
}

static void drop(struct spacc_tensor **out, int count)
{
    for (int i = 0; i < count; i++)
        spacc_tensor_free(out[i]);
}

static void a_loop_adds_what_it_captures_until_it_is_done(void **unused)
{
    (void)unused;
    struct spacc_graph *g = parse(make_adding_loop("trips go x", make_adding_body(3)), 13);
    struct spacc_tensor *out[2];
    struct spacc_error err = {.text = ""};

    assert_int_equal(run_loop(g, 2, 1, out, &err), SPACC_OK); /* by trip count */
    is_floats(out[0], 1, D(2), (float[]){5, 10});
    is_floats(out[1], 2, D(2, 2), (float[]){1, 2, 3, 6});
    drop(out, 2);
    assert_int_equal(run_loop(g, INT64_MAX, 1, out, &err), SPACC_OK); /* by condition */
    is_floats(out[0], 1, D(2), (float[]){5, 10});
    drop(out, 2);
    spacc_graph_free(g);
}

static void a_loop_that_never_runs_gives_its_states_and_empty_piles(void **unused)
{
    (void)unused;
    static const int64_t trips[] = {0, -7, 5};
    struct spacc_graph *g = parse(make_adding_loop("trips go x", make_adding_body(3)), 13);
    struct spacc_tensor *out[2];
    struct spacc_error err = {.text = ""};
    for (int k = 0; k < 3; k++) {
        assert_int_equal(run_loop(g, trips[k], k < 2, out, &err), SPACC_OK);
        is_floats(out[0], 1, D(2), (float[]){1, 2});
        is_floats(out[1], 2, D(0, 2), NULL);
        drop(out, 2);
    }
    spacc_graph_free(g);
}

static void without_a_condition_only_the_trip_count_ends_a_loop(void **unused)
{
    (void)unused;
    struct spacc_graph *g = parse(make_adding_loop("trips - x", make_adding_body(3)), 13);
    struct spacc_tensor *out[2];
    struct spacc_error err = {.text = ""};
    assert_int_equal(run_loop(g, 3, 0, out, &err), SPACC_OK);
    is_floats(out[0], 1, D(2), (float[]){7, 14});
    drop(out, 2);
    spacc_graph_free(g);
}

static void refuses_to_run(struct maker graph, enum spacc_status status, const char *line)
{
    struct spacc_graph *g = parse(graph, 13);
    struct spacc_tensor *out[2];
    struct spacc_error err = {.text = ""};
    const enum spacc_status got = run_loop(g, 3, 1, out, &err);
    if (got != status || !strstr(err.text, line))
        fail_msg("status %d, \"%s\", want \"%s\"", (int)got, err.text, line);
    spacc_graph_free(g);
}

/* A state that doubles its length every time, piled up or not. */
static struct maker make_growing_loop(bool piled)
{
    struct maker g = {0}, b = {0};
    struct maker loop = make_node("Loop", "loop", "trips go x", piled ? "final pile" : "final");
    struct maker join = make_node("Concat", "join", "s s", "s2");
    put_message(&join, NODE_ATTR, make_attr_int("axis", 0));
    put_message(&b, GRAPH_NODE, join);
    put_message(&b, GRAPH_INPUT, make_info("i", INT64, 0, NULL));
    put_message(&b, GRAPH_INPUT, make_info("on", BOOL, 0, NULL));
    put_message(&b, GRAPH_INPUT, make_info("s", 0, 0, NULL));
    put_message(&b, GRAPH_OUTPUT, make_info("on", BOOL, 0, NULL));
    put_message(&b, GRAPH_OUTPUT, make_info("s2", 0, 0, NULL));
    if (piled)
        put_message(&b, GRAPH_OUTPUT, make_info("s", 0, 0, NULL));
    put_body(&loop, b);
    put_message(&g, GRAPH_NODE, loop);
    put_message(&g, GRAPH_INPUT, make_info("trips", INT64, 0, NULL));
    put_message(&g, GRAPH_INPUT, make_info("go", BOOL, 0, NULL));
    put_message(&g, GRAPH_INPUT, make_info("x", FLOAT, 1, D(2)));
    put_message(&g, GRAPH_OUTPUT, make_info("final", 0, 0, NULL));
    if (piled)
        put_message(&g, GRAPH_OUTPUT, make_info("pile", 0, 0, NULL));
    return g;
}

static void loops_that_cannot_be_run_are_refused(void **unused)
{
    (void)unused;
    refuses_to_run(make_adding_loop("trips go x", make_adding_body(2)), SPACC_ESHAPE,
                   "node loop (Loop): the body has 2 inputs and 3 outputs, the node wants 3");
    refuses_to_run(make_adding_loop("trips go x x", make_adding_body(3)), SPACC_ESHAPE,
                   "the body has 3 inputs and 3 outputs, the node wants 4 and 3");
    refuses_to_run(make_adding_loop("- - x", make_adding_body(3)), SPACC_EUNSUPPORTED,
                   "has no trip count and no condition: it would never end");
    refuses_to_run(make_adding_loop("x go x", make_adding_body(3)), SPACC_ESHAPE,
                   "the trip count is float32[2], one int64 is wanted");
    refuses_to_run(make_adding_loop("trips go -", make_adding_body(3)), SPACC_ESHAPE,
                   "input 2 is left out");
    refuses_to_run(make_growing_loop(true), SPACC_ESHAPE,
                   "output 2 of the body was float32[2], now it is float32[4]");
}

static void a_state_may_change_its_shape(void **unused)
{
    (void)unused;
    struct spacc_graph *g = parse(make_growing_loop(false), 13);
    struct spacc_tensor *out[1];
    struct spacc_error err = {.text = ""};
    assert_int_equal(run_loop(g, 2, 1, out, &err), SPACC_OK);
    is_floats(out[0], 1, D(8), (float[]){1, 2, 1, 2, 1, 2, 1, 2});
    drop(out, 1);
    spacc_graph_free(g);
}

static enum spacc_dtype bound_type(struct maker graph)
{
    struct spacc_graph *g = parse(graph, 13);
    struct spacc_binding *b;
    struct spacc_error err = {.text = ""};
    const int64_t trips = 1;
    const uint8_t go = 1;
    struct spacc_tensor *in[] = {tensor(SPACC_I64, 0, NULL, &trips),
                                 tensor(SPACC_BOOL, 0, NULL, &go),
                                 tensor(SPACC_F32, 1, D(2), (float[]){1, 2})};
    if (spacc_graph_bind(&b, g, (const struct spacc_tensor *const *)in, &err) != SPACC_OK)
        fail_msg("%s", err.text);
    const enum spacc_dtype dtype = b->shape[g->output[0]].dtype;
    assert_null(b->shape[g->output[0]].data);
    spacc_binding_free(b);
    drop(in, 3);
    spacc_graph_free(g);
    return dtype;
}

/* The adding loop without its pile. */
static struct maker make_plain_loop(void)
{
    struct maker g = {0}, b = {0}, loop = make_node("Loop", "loop", "trips go x", "final");
    put_message(&b, GRAPH_NODE, make_node("Add", "add", "s s", "s2"));
    put_message(&b, GRAPH_INPUT, make_info("i", INT64, 0, NULL));
    put_message(&b, GRAPH_INPUT, make_info("on", BOOL, 0, NULL));
    put_message(&b, GRAPH_INPUT, make_info("s", FLOAT, 1, D(2)));
    put_message(&b, GRAPH_OUTPUT, make_info("on", BOOL, 0, NULL));
    put_message(&b, GRAPH_OUTPUT, make_info("s2", FLOAT, 1, D(2)));
    put_body(&loop, b);
    put_message(&g, GRAPH_NODE, loop);
    put_message(&g, GRAPH_INPUT, make_info("trips", INT64, 0, NULL));
    put_message(&g, GRAPH_INPUT, make_info("go", BOOL, 0, NULL));
    put_message(&g, GRAPH_INPUT, make_info("x", FLOAT, 1, D(2)));
    put_message(&g, GRAPH_OUTPUT, make_info("final", 0, 0, NULL));
    return g;
}

static void only_states_that_keep_their_shape_are_known_before_the_run(void **unused)
{
    (void)unused;
    assert_int_equal(bound_type(make_plain_loop()), SPACC_F32);
    assert_int_equal(bound_type(make_growing_loop(false)), SPACC_DTYPE_NONE);
    assert_int_equal(bound_type(make_adding_loop("trips go x", make_adding_body(3))),
                     SPACC_DTYPE_NONE);
}

/* ---- Scan --------------------------------------------------------------------------- */

/* final, all = Scan(start, x): running sums of x [2, 3] along `axis`. */
static struct maker make_scan(const char *ins, int64_t scans, int64_t axis, int64_t direction)
{
    struct maker g = {0}, b = {0}, scan = make_node("Scan", "scan", ins, "final all");
    put_message(&b, GRAPH_NODE, make_node("Add", "add", "s e", "s2"));
    put_message(&b, GRAPH_NODE, make_node("Identity", "same", "s2", "p"));
    put_message(&b, GRAPH_INPUT, make_info("s", FLOAT, 1, D(-2)));
    put_message(&b, GRAPH_INPUT, make_info("e", FLOAT, 1, D(-2)));
    put_message(&b, GRAPH_OUTPUT, make_info("s2", FLOAT, 1, D(-2)));
    put_message(&b, GRAPH_OUTPUT, make_info("p", FLOAT, 1, D(-2)));
    put_body(&scan, b);
    put_message(&scan, NODE_ATTR, make_attr_int("num_scan_inputs", scans));
    put_message(&scan, NODE_ATTR, make_attr_list("scan_input_axes", axis));
    put_message(&scan, NODE_ATTR, make_attr_list("scan_output_axes", axis));
    put_message(&scan, NODE_ATTR, make_attr_list("scan_input_directions", direction));
    put_message(&scan, NODE_ATTR, make_attr_list("scan_output_directions", direction));
    put_message(&g, GRAPH_NODE, scan);
    put_message(&g, GRAPH_INPUT, make_info("start", FLOAT, 1, D(-2)));
    put_message(&g, GRAPH_INPUT, make_info("x", FLOAT, 2, D(-2, -2)));
    put_message(&g, GRAPH_OUTPUT, make_info("final", 0, 0, NULL));
    put_message(&g, GRAPH_OUTPUT, make_info("all", 0, 0, NULL));
    return g;
}

static void scan_inputs(struct spacc_tensor *in[2], int64_t states, int64_t rows)
{
    in[0] = tensor(SPACC_F32, 1, &states, (float[]){0, 0, 0});
    in[1] = tensor(SPACC_F32, 2, D(rows, 3), (float[]){1, 2, 3, 4, 5, 6});
}

static void a_scan_goes_along_its_axis_either_way(void **unused)
{
    (void)unused;
    static const struct {
        int64_t axis, direction, states;
        float last[3], all[6];
    } cases[] = {
        {0, 0, 3, {5, 7, 9}, {1, 2, 3, 5, 7, 9}},
        {0, 1, 3, {5, 7, 9}, {5, 7, 9, 4, 5, 6}},
        {1, 0, 2, {6, 15}, {1, 3, 6, 4, 9, 15}},
        {-1, 1, 2, {6, 15}, {6, 5, 3, 15, 11, 6}},
    };
    for (int k = 0; k < 4; k++) {
        struct spacc_graph *g =
            parse(make_scan("start x", 1, cases[k].axis, cases[k].direction), 11);
        struct spacc_tensor *in[2], *out[2];
        struct spacc_error err = {.text = ""};
        struct spacc_binding *b;
        scan_inputs(in, cases[k].states, 2);
        assert_int_equal(spacc_graph_bind(&b, g, (const struct spacc_tensor *const *)in, &err),
                         SPACC_OK);
        if (run(g, in, out, &err) != SPACC_OK)
            fail_msg("%s", err.text);
        is_floats(out[0], 1, &cases[k].states, cases[k].last);
        is_floats(out[1], 2, D(2, 3), cases[k].all);
        for (int o = 0; o < 2; o++)
            assert_true(spacc_tensor_same_shape(&b->shape[g->output[o]], out[o]));
        spacc_binding_free(b);
        drop(out, 2);
        spacc_graph_free(g);
    }
}

static void a_scan_of_no_steps_gives_its_start(void **unused)
{
    (void)unused;
    struct spacc_graph *g = parse(make_scan("start x", 1, 0, 0), 11);
    struct spacc_tensor *in[2], *out[2];
    struct spacc_error err = {.text = ""};
    struct spacc_binding *b;
    scan_inputs(in, 3, 0);
    assert_int_equal(spacc_graph_bind(&b, g, (const struct spacc_tensor *const *)in, &err),
                     SPACC_OK);
    assert_int_equal(b->shape[g->output[1]].dtype, SPACC_DTYPE_NONE);
    spacc_binding_free(b);
    if (run(g, in, out, &err) != SPACC_OK)
        fail_msg("%s", err.text);
    is_floats(out[0], 1, D(3), (float[]){0, 0, 0});
    is_floats(out[1], 2, D(0, 0), NULL); /* the body does not declare more */
    drop(out, 2);
    spacc_graph_free(g);
}

static void scans_that_cannot_be_run_are_refused(void **unused)
{
    (void)unused;
    static const struct {
        const char *ins;
        int64_t scans, axis, direction, states;
        const char *line;
    } cases[] = {
        {"start x", 0, 0, 0, 3, "num_scan_inputs is 0, the node has 2 inputs"},
        {"start x", 3, 0, 0, 3, "num_scan_inputs is 3, the node has 2 inputs"},
        {"start x", 1, 2, 0, 3, "axis 2 is outside"},
        {"start x", 1, 0, 2, 3, "scan_input_directions[0] is 2, not 0 or 1"},
        {"start x", 1, 0, 0, 2, "does not broadcast"},
        {"start start x", 1, 0, 0, 3, "the body has 2 inputs and 2 outputs, the node wants 3"},
        {"start x", 2, 0, 0, 3, "scan_input_axes has 1 numbers, 2 are wanted"},
        {"start x", 1, 0, 0, 1, "state 0 is float32[1], the body makes it float32[3]"},
    };
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        struct spacc_graph *g = parse(
            make_scan(cases[k].ins, cases[k].scans, cases[k].axis, cases[k].direction), 11);
        struct spacc_tensor *in[2], *out[2];
        struct spacc_error err = {.text = ""};
        scan_inputs(in, cases[k].states, 2);
        if (run(g, in, out, &err) != SPACC_ESHAPE && err.status != SPACC_EUNSUPPORTED)
            fail_msg("case %zu: status %d", k, (int)err.status);
        if (!strstr(err.text, cases[k].line))
            fail_msg("\"%s\", want \"%s\"", err.text, cases[k].line);
        spacc_graph_free(g);
    }
}

/* ---- other domains ------------------------------------------------------------------ */

static void refuses_to_parse(const char *op, const char *domain, const char *line)
{
    struct maker g = {0}, node = make_node(op, "n", "x", "y");
    struct spacc_graph *out;
    struct spacc_error err = {.text = ""};
    put_text(&node, NODE_DOMAIN, domain);
    put_message(&g, GRAPH_NODE, node);
    put_message(&g, GRAPH_INPUT, make_info("x", FLOAT, 1, D(2)));
    put_message(&g, GRAPH_OUTPUT, make_info("y", FLOAT, 1, D(2)));
    const enum spacc_status status = try_parse(&out, g, 13, &err);
    assert_null(out);
    if (status == SPACC_OK || !strstr(err.text, line))
        fail_msg("status %d, \"%s\", want \"%s\"", (int)status, err.text, line);
}

static void only_listed_operators_of_other_domains_are_known(void **unused)
{
    (void)unused;
    refuses_to_parse("FusedMatMul", "com.microsoft",
                     "operator FusedMatMul of domain com.microsoft is not supported");
    refuses_to_parse("Relu", "com.example", "operator Relu of domain com.example is not");
    refuses_to_parse("com.microsoft.DynamicQuantizeLSTM", "",
                     "operator com.microsoft.DynamicQuantizeLSTM is not supported");
    refuses_to_parse("DynamicQuantizeLSTM", "com.microsoft", "1 inputs, at least 3 are needed");
    refuses_to_parse("Relu", "a\nb", "a name holds a control character");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_adds_what_it_captures_until_it_is_done),
        cmocka_unit_test(a_loop_that_never_runs_gives_its_states_and_empty_piles),
        cmocka_unit_test(without_a_condition_only_the_trip_count_ends_a_loop),
        cmocka_unit_test(loops_that_cannot_be_run_are_refused),
        cmocka_unit_test(a_state_may_change_its_shape),
        cmocka_unit_test(only_states_that_keep_their_shape_are_known_before_the_run),
        cmocka_unit_test(a_scan_goes_along_its_axis_either_way),
        cmocka_unit_test(a_scan_of_no_steps_gives_its_start),
        cmocka_unit_test(scans_that_cannot_be_run_are_refused),
        cmocka_unit_test(only_listed_operators_of_other_domains_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
