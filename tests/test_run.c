#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "models/onnx.h"
#include "models/op.h"
#include "models/run.h"
#include "onnx_maker.h"

static const int64_t pair[] = {-1, 2}, two[] = {2}, unknown[] = {-2};

/* Takes `graph` over. */
static struct spacc_graph *parse(struct maker graph)
{
    struct maker m = make_model(graph, 8, 13);
    struct spacc_error err = {.text = ""};
    struct spacc_graph *g;

    if (spacc_onnx_parse(&g, m.bytes, m.used, "f.onnx", &err) != SPACC_OK)
        fail_msg("%s", err.text);
    free(m.bytes);
    return g;
}

static struct spacc_tensor *floats(int rank, const int64_t *dims, const float *from)
{
    struct spacc_tensor *t;
    assert_int_equal(spacc_tensor_new(&t, SPACC_F32, rank, dims), SPACC_OK);
    if (from)
        memcpy(t->data, from, t->count * sizeof(float));
    return t;
}

static void check_floats(const struct spacc_tensor *t, size_t count, const float *want)
{
    assert_non_null(t);
    assert_int_equal(t->dtype, SPACC_F32);
    assert_int_equal(t->count, count);
    for (size_t i = 0; i < count; i++)
        assert_true(((const float *)t->data)[i] == want[i]);
}

/* a = x + w; b = a * a; outputs b, a, b again, x and w. */
static struct maker make_shared_values(void)
{
    const float w[] = {10, 20};
    struct maker g = {0};
    put_message(&g, GRAPH_NODE, make_node("Add", "add", "x w", "a"));
    put_message(&g, GRAPH_NODE, make_node("Mul", "square", "a a", "b"));
    put_message(&g, GRAPH_INITIALISER, make_floats("w", 2, w));
    put_message(&g, GRAPH_INPUT, make_info("x", 1, 1, two));
    put_message(&g, GRAPH_OUTPUT, make_info("b", 1, 1, two));
    put_message(&g, GRAPH_OUTPUT, make_info("a", 1, 1, two));
    put_message(&g, GRAPH_OUTPUT, make_info("b", 1, 1, two));
    put_message(&g, GRAPH_OUTPUT, make_info("x", 1, 1, two));
    put_message(&g, GRAPH_OUTPUT, make_info("w", 1, 1, two));
    return g;
}

static void outputs_are_the_callers_even_when_they_are_inputs_or_constants(void **state)
{
    const float in[] = {1, 2}, a[] = {11, 22}, b[] = {121, 484}, w[] = {10, 20};
    const float *const want[] = {b, a, b, in, w};
    struct spacc_graph *g = parse(make_shared_values());
    struct spacc_tensor *x = floats(1, two, in), *output[5];
    struct spacc_error err = {.text = ""};

    (void)state;
    for (int twice = 0; twice < 2; twice++) { /* a run leaves nothing behind */
        assert_int_equal(
            spacc_graph_run(g, (const struct spacc_tensor *const[]){x}, output, NULL, &err),
            SPACC_OK);
        for (int o = 0; o < 5; o++) {
            check_floats(output[o], 2, want[o]);
            assert_ptr_not_equal(output[o], x);
            for (int p = 0; p < o; p++)
                assert_ptr_not_equal(output[o], output[p]);
        }
        for (int o = 0; o < 5; o++) {
            ((float *)output[o]->data)[0] = -1;
            spacc_tensor_free(output[o]);
        }
    }
    spacc_tensor_free(x);
    spacc_graph_free(g);
}

/* z = if c then y + 1 else y * (y + 1), where y = x + x is made outside. The else
 * branch has a branch of its own that reaches through to y. */
static struct maker make_choice(void)
{
    const float one[] = {1};
    struct maker g = {0}, yes = {0}, no = {0}, inner = {0}, again = {0};
    struct maker choose = make_node("If", "choose", "c", "z");
    struct maker nested = make_node("If", "nested", "c", "n");

    put_message(&inner, GRAPH_NODE, make_node("Add", "", "y one", "deep"));
    put_message(&inner, GRAPH_OUTPUT, make_info("deep", 0, 0, NULL));
    put_message(&again, GRAPH_NODE, make_node("Add", "", "y one", "deep"));
    put_message(&again, GRAPH_OUTPUT, make_info("deep", 0, 0, NULL));
    put_message(&nested, NODE_ATTR, make_attr_message("then_branch", ATTR_G, 5, inner));
    put_message(&nested, NODE_ATTR, make_attr_message("else_branch", ATTR_G, 5, again));

    put_message(&yes, GRAPH_NODE, make_node("Add", "plus", "y one", "out"));
    put_message(&yes, GRAPH_OUTPUT, make_info("out", 0, 0, NULL));
    put_message(&no, GRAPH_NODE, nested);
    put_message(&no, GRAPH_NODE, make_node("Mul", "times", "y n", "out"));
    put_message(&no, GRAPH_OUTPUT, make_info("out", 0, 0, NULL));
    put_message(&choose, NODE_ATTR, make_attr_message("then_branch", ATTR_G, 5, yes));
    put_message(&choose, NODE_ATTR, make_attr_message("else_branch", ATTR_G, 5, no));

    put_message(&g, GRAPH_NODE, make_node("Add", "double", "x x", "y"));
    put_message(&g, GRAPH_NODE, choose);
    put_message(&g, GRAPH_INITIALISER, make_floats("one", 1, one));
    put_message(&g, GRAPH_INPUT, make_info("x", 1, 1, two));
    put_message(&g, GRAPH_INPUT, make_info("c", 9, 0, NULL));
    put_message(&g, GRAPH_OUTPUT, make_info("z", 1, 1, two));
    return g;
}

static struct spacc_tensor *condition(bool yes)
{
    struct spacc_tensor *t;
    assert_int_equal(spacc_tensor_new(&t, SPACC_BOOL, 0, NULL), SPACC_OK);
    *(uint8_t *)t->data = yes;
    return t;
}

static void a_branch_sees_values_from_outside(void **state)
{
    const float in[] = {1, 2}, yes[] = {3, 5}, no[] = {6, 20};
    struct spacc_graph *g = parse(make_choice());
    struct spacc_tensor *x = floats(1, two, in), *output[1];
    struct spacc_error err = {.text = ""};

    (void)state;
    for (int c = 0; c < 2; c++) {
        struct spacc_tensor *which = condition(c == 1);
        if (spacc_graph_run(g, (const struct spacc_tensor *const[]){x, which}, output, NULL,
                            &err) != SPACC_OK)
            fail_msg("%s", err.text);
        check_floats(output[0], 2, c == 1 ? yes : no);
        spacc_tensor_free(output[0]);
        spacc_tensor_free(which);
    }
    spacc_tensor_free(x);
    spacc_graph_free(g);
}

static void both_branches_agreeing_settle_a_shape_before_the_run(void **state)
{
    struct spacc_graph *g = parse(make_choice());
    struct spacc_tensor *x = floats(1, two, NULL), *which = condition(true);
    struct spacc_error err = {.text = ""};
    struct spacc_binding *b;

    (void)state;
    assert_int_equal(
        spacc_graph_bind(&b, g, (const struct spacc_tensor *const[]){x, which}, &err),
        SPACC_OK);
    const struct spacc_tensor *z = &b->shape[g->output[0]];
    assert_int_equal(z->dtype, SPACC_F32);
    assert_int_equal(z->rank, 1);
    assert_int_equal(z->dims[0], 2);
    assert_null(z->data); /* which branch runs is not known */
    spacc_binding_free(b);
    spacc_tensor_free(x);
    spacc_tensor_free(which);
    spacc_graph_free(g);
}

/* ---- hooks ---- */

struct seen {
    int asked, taken, values, values_in_branches;
    const char *take;     /* name of the node to run ourselves */
    const char *break_at; /* name of the node to fail at */
};

static enum spacc_status watch_node(void *user, const struct spacc_graph *g, int node,
                                    const struct spacc_tensor *const *in,
                                    struct spacc_tensor **out, bool *done,
                                    struct spacc_error *err)
{
    struct seen *s = user;
    const char *name = g->node[node].name;

    s->asked++;
    if (s->break_at && strcmp(name, s->break_at) == 0)
        return spacc_fail(err, SPACC_EDEVICE, "broken at %s", name);
    if (!s->take || strcmp(name, s->take) != 0)
        return SPACC_OK;
    s->taken++;
    *done = true;
    const enum spacc_status status = spacc_tensor_copy(&out[0], in[0]);
    for (size_t i = 0; status == SPACC_OK && i < out[0]->count; i++)
        ((float *)out[0]->data)[i] = 100;
    return status;
}

static void watch_value(void *user, const struct spacc_graph *g, int value,
                        const struct spacc_tensor *contents)
{
    struct seen *s = user;
    assert_true(value >= 0 && value < g->values);
    assert_non_null(contents->data);
    s->values++;
    s->values_in_branches += g->parent != NULL;
}

static void a_hook_can_run_a_node_and_sees_every_value(void **state)
{
    const float in[] = {1, 2}, want[] = {10100, 10100};
    struct spacc_graph *g = parse(make_choice());
    struct spacc_tensor *x = floats(1, two, in), *no = condition(false), *output[1];
    struct seen s = {.take = "double"};
    const struct spacc_run_hooks hooks = {.node = watch_node, .value = watch_value, .user = &s};
    struct spacc_error err = {.text = ""};

    (void)state;
    if (spacc_graph_run(g, (const struct spacc_tensor *const[]){x, no}, output, &hooks, &err) !=
        SPACC_OK)
        fail_msg("%s", err.text);
    check_floats(output[0], 2, want); /* 100 * (100 + 1) */
    assert_int_equal(s.taken, 1);
    assert_int_equal(s.asked, 5);  /* double, choose, nested, deep, times */
    assert_int_equal(s.values, 5); /* y; deep, n, out; z */
    assert_int_equal(s.values_in_branches, 3);
    spacc_tensor_free(output[0]);

    s = (struct seen){.break_at = "times"};
    assert_int_equal(
        spacc_graph_run(g, (const struct spacc_tensor *const[]){x, no}, output, &hooks, &err),
        SPACC_EDEVICE);
    assert_string_equal(err.text, "broken at times");
    assert_null(output[0]);
    spacc_tensor_free(x);
    spacc_tensor_free(no);
    spacc_graph_free(g);
}

/* Leaves out what the node named by `user` makes, and what is made of it. */
static enum spacc_status leave_out(void *user, const struct spacc_graph *g, int node,
                                   const struct spacc_tensor *const *in,
                                   struct spacc_tensor **out, bool *done,
                                   struct spacc_error *err)
{
    (void)out;
    (void)err;
    *done = !in[0] || strcmp(g->node[node].name, user) == 0;
    return SPACC_OK;
}

static void a_partial_run_leaves_out_what_is_made_of_a_node_left_out(void **state)
{
    const float in[] = {1, 2}, doubled[] = {2, 4};
    struct maker m = {0};
    struct spacc_tensor *x = floats(1, two, in), *output[2];
    struct spacc_error err = {.text = ""};

    (void)state;
    put_message(&m, GRAPH_NODE, make_node("Add", "twice", "x x", "a"));
    put_message(&m, GRAPH_NODE, make_node("Relu", "turned", "a", "b"));
    put_message(&m, GRAPH_NODE, make_node("Relu", "plain", "b", "c"));
    put_message(&m, GRAPH_INPUT, make_info("x", 1, 1, two));
    put_message(&m, GRAPH_OUTPUT, make_info("a", 1, 1, two));
    put_message(&m, GRAPH_OUTPUT, make_info("c", 1, 1, two));
    struct spacc_graph *g = parse(m);
    struct spacc_run_hooks hooks = {.node = leave_out, .user = "turned", .partial = true};

    if (spacc_graph_run(g, (const struct spacc_tensor *const[]){x}, output, &hooks, &err))
        fail_msg("%s", err.text);
    check_floats(output[0], 2, doubled);
    assert_null(output[1]);
    spacc_tensor_free(output[0]);

    hooks.partial = false;
    assert_int_equal(
        spacc_graph_run(g, (const struct spacc_tensor *const[]){x}, output, &hooks, &err),
        SPACC_EINVAL);
    assert_non_null(strstr(err.text, "turned"));
    spacc_tensor_free(x);
    spacc_graph_free(g);
}

static void a_node_is_checked_without_contents(void **state)
{
    const int64_t three[] = {3};
    struct maker m = {0};
    struct spacc_tensor *x = floats(1, two, NULL), *y = floats(1, three, NULL);
    struct spacc_error err = {.text = ""};

    (void)state;
    put_message(&m, GRAPH_NODE, make_node("Add", "sum", "x y", "z"));
    put_message(&m, GRAPH_INPUT, make_info("x", 1, 1, two));
    put_message(&m, GRAPH_INPUT, make_info("y", 1, 1, two));
    put_message(&m, GRAPH_OUTPUT, make_info("z", 1, 1, two));
    struct spacc_graph *g = parse(m);
    struct spacc_tensor shape = *x; /* the shape alone */

    shape.data = NULL;
    assert_int_equal(
        spacc_node_check(g, 0, (const struct spacc_tensor *const[]){x, &shape}, &err),
        SPACC_OK);
    assert_int_equal(spacc_node_check(g, 0, (const struct spacc_tensor *const[]){x, y}, &err),
                     SPACC_ESHAPE);
    assert_non_null(strstr(err.text, "sum"));
    spacc_tensor_free(x);
    spacc_tensor_free(y);
    spacc_graph_free(g);
}

/* ---- inputs ---- */

static void wrong_inputs_are_named_with_both_sides(void **state)
{
    const int64_t one_three[] = {1, 3}, one_two[] = {1, 2}, three_two[] = {3, 2};
    struct maker m = {0};
    struct spacc_error err = {.text = ""};
    struct spacc_tensor *output[1], *narrow = floats(2, one_two, NULL);
    struct spacc_tensor *wide = floats(2, one_three, NULL), *tall = floats(2, three_two, NULL);
    struct spacc_tensor *flag = condition(true);

    (void)state;
    put_message(&m, GRAPH_NODE, make_node("Add", "", "x y", "z"));
    put_message(&m, GRAPH_INPUT, make_info("x", 1, 2, pair));
    put_message(&m, GRAPH_INPUT, make_info("y", 1, 2, pair));
    put_message(&m, GRAPH_OUTPUT, make_info("z", 1, 2, pair));
    struct spacc_graph *g = parse(m);
    const struct {
        const struct spacc_tensor *x, *y;
        const char *line;
    } cases[] = {
        {wide, narrow, "f.onnx: input x: has float32[1,3], the model wants float32[n,2]"},
        {narrow, flag, "f.onnx: input y: has bool[], the model wants float32[n,2]"},
        {narrow, NULL, "f.onnx: input y is missing"},
        {narrow, tall, "f.onnx: input y: dimension 0 (n) is 3, input x has 1"},
    };
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        const struct spacc_tensor *const in[] = {cases[c].x, cases[c].y};
        struct spacc_binding *b;
        assert_int_equal(spacc_graph_run(g, in, output, NULL, &err), SPACC_ESHAPE);
        assert_string_equal(err.text, cases[c].line);
        assert_null(output[0]);
        assert_int_equal(spacc_graph_bind(&b, g, in, &err), SPACC_ESHAPE);
        assert_null(b);
    }
    assert_int_equal(
        spacc_graph_check_inputs(g, (const struct spacc_tensor *const[]){tall, tall}, &err),
        SPACC_OK);
    spacc_tensor_free(narrow);
    spacc_tensor_free(wide);
    spacc_tensor_free(tall);
    spacc_tensor_free(flag);
    spacc_graph_free(g);
}

/* ---- binding ---- */

/* y = x reshaped to [its second dimension, -1], by way of Shape and Gather;
 * k = constants folded; u = x reshaped by an input. */
static struct maker make_shape_arithmetic(void)
{
    const int64_t one[] = {1}, minus[] = {-1};
    const float f[] = {2, 3};
    struct maker g = {0}, join = make_node("Concat", "", "d rest", "wanted");

    put_message(&join, NODE_ATTR, make_attr_int("axis", 0));
    put_message(&g, GRAPH_INITIALISER, make_ints("one", 1, one));
    put_message(&g, GRAPH_INITIALISER, make_ints("rest", 1, minus));
    put_message(&g, GRAPH_INITIALISER, make_floats("f", 2, f));
    put_message(&g, GRAPH_NODE, make_node("Shape", "", "x", "s"));
    put_message(&g, GRAPH_NODE, make_node("Gather", "", "s one", "d"));
    put_message(&g, GRAPH_NODE, join);
    put_message(&g, GRAPH_NODE, make_node("Reshape", "", "x wanted", "y"));
    put_message(&g, GRAPH_NODE, make_node("Mul", "", "f f", "k"));
    put_message(&g, GRAPH_NODE, make_node("Reshape", "", "x how", "u"));
    put_message(&g, GRAPH_NODE, make_node("Relu", "", "u", "v"));
    put_message(&g, GRAPH_INPUT, make_info("x", 1, 2, pair));
    put_message(&g, GRAPH_INPUT, make_info("how", 7, 1, unknown));
    put_message(&g, GRAPH_OUTPUT, make_info("y", 0, 0, NULL));
    put_message(&g, GRAPH_OUTPUT, make_info("k", 0, 0, NULL));
    put_message(&g, GRAPH_OUTPUT, make_info("v", 0, 0, NULL));
    return g;
}

static void shapes_follow_from_constants_and_the_rest_stays_open(void **state)
{
    const int64_t dims[] = {6, 2}, how[] = {3, 4};
    const float squares[] = {4, 9};
    struct spacc_graph *g = parse(make_shape_arithmetic());
    struct spacc_tensor *x = floats(2, dims, NULL), *h, *output[3];
    struct spacc_error err = {.text = ""};
    struct spacc_binding *b;

    (void)state;
    assert_int_equal(spacc_tensor_new(&h, SPACC_I64, 1, two), SPACC_OK);
    memcpy(h->data, how, sizeof(how));
    const struct spacc_tensor *const in[] = {x, h};
    if (spacc_graph_bind(&b, g, in, &err) != SPACC_OK)
        fail_msg("%s", err.text);

    const struct spacc_tensor *y = &b->shape[spacc_graph_find(g, "y")];
    assert_int_equal(y->dtype, SPACC_F32);
    assert_int_equal(y->rank, 2);
    assert_true(y->dims[0] == 2 && y->dims[1] == 6);
    assert_null(y->data);
    check_floats(&b->shape[spacc_graph_find(g, "k")], 2, squares);
    const struct spacc_tensor *wanted = &b->shape[spacc_graph_find(g, "wanted")];
    assert_true(((const int64_t *)wanted->data)[0] == 2);
    const int f = spacc_graph_find(g, "f");
    assert_ptr_equal(b->shape[f].data, g->value[f].init->data); /* not copied */
    assert_int_equal(b->shape[spacc_graph_find(g, "u")].dtype, SPACC_DTYPE_NONE);
    assert_int_equal(b->shape[spacc_graph_find(g, "v")].dtype, SPACC_DTYPE_NONE);
    assert_null(b->shape[spacc_graph_find(g, "x")].data);
    spacc_binding_free(b);
    spacc_binding_free(NULL);

    if (spacc_graph_run(g, in, output, NULL, &err) != SPACC_OK)
        fail_msg("%s", err.text);
    assert_true(output[2]->dims[0] == 3 && output[2]->dims[1] == 4);
    for (int o = 0; o < 3; o++)
        spacc_tensor_free(output[o]);
    spacc_tensor_free(x);
    spacc_tensor_free(h);
    spacc_graph_free(g);
}

static void a_shape_conflict_inside_names_the_node(void **state)
{
    const float w[] = {1, 2, 3};
    struct maker m = {0};
    struct spacc_tensor *x = floats(1, two, NULL), *output[1];
    struct spacc_error err = {.text = ""};
    struct spacc_binding *b;

    (void)state;
    put_message(&m, GRAPH_NODE, make_node("Add", "clash", "x w", "z"));
    put_message(&m, GRAPH_INITIALISER, make_floats("w", 3, w));
    put_message(&m, GRAPH_INPUT, make_info("x", 1, 1, two));
    put_message(&m, GRAPH_OUTPUT, make_info("z", 0, 0, NULL));
    struct spacc_graph *g = parse(m);
    const struct spacc_tensor *const in[] = {x};
    assert_int_equal(spacc_graph_bind(&b, g, in, &err), SPACC_ESHAPE);
    assert_null(b);
    assert_int_equal(strncmp(err.text, "f.onnx: node clash (Add): ", 26), 0);
    err.text[0] = '\0';
    assert_int_equal(spacc_graph_run(g, in, output, NULL, &err), SPACC_ESHAPE);
    assert_int_equal(strncmp(err.text, "f.onnx: node clash (Add): ", 26), 0);
    assert_int_equal(spacc_graph_run(g, in, output, NULL, NULL), SPACC_ESHAPE);
    spacc_tensor_free(x);
    spacc_graph_free(g);
}

static void a_large_constant_is_left_to_the_run(void **state)
{
    const int64_t large[] = {1 << 13, 1 << 13}; /* 256 MiB of float32 */
    struct maker m = {0};
    struct spacc_error err = {.text = ""};
    struct spacc_binding *b;

    (void)state;
    put_message(&m, GRAPH_INITIALISER, make_ints("how", 2, large));
    put_message(&m, GRAPH_NODE, make_node("ConstantOfShape", "", "how", "z"));
    put_message(&m, GRAPH_OUTPUT, make_info("z", 0, 0, NULL));
    struct spacc_graph *g = parse(m);
    assert_int_equal(spacc_graph_bind(&b, g, NULL, &err), SPACC_OK);
    assert_int_equal(b->shape[g->output[0]].dims[1], 1 << 13);
    assert_null(b->shape[g->output[0]].data);
    spacc_binding_free(b);
    spacc_graph_free(g);
}

/* ---- one node ---- */

static void one_node_runs_on_its_own(void **state)
{
    const float in[] = {-1, 2}, sum[] = {-2, 4};
    struct spacc_graph *g = parse(make_choice());
    struct spacc_tensor *x = floats(1, two, in), *yes = condition(true), *out[1];
    struct spacc_error err = {.text = ""};

    (void)state;
    assert_string_equal(g->node[0].name, "double");
    assert_int_equal(
        spacc_node_run(g, 0, (const struct spacc_tensor *const[]){x, x}, out, &err), SPACC_OK);
    check_floats(out[0], 2, sum);
    spacc_tensor_free(out[0]);
    assert_int_equal(spacc_node_run(g, 1, (const struct spacc_tensor *const[]){yes}, out, &err),
                     SPACC_EUNSUPPORTED);
    assert_string_equal(err.text,
                        "f.onnx: node choose (If): a node with branches cannot run on its own");
    assert_null(out[0]);
    spacc_tensor_free(x);
    spacc_tensor_free(yes);
    spacc_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_are_the_callers_even_when_they_are_inputs_or_constants),
        cmocka_unit_test(a_branch_sees_values_from_outside),
        cmocka_unit_test(both_branches_agreeing_settle_a_shape_before_the_run),
        cmocka_unit_test(a_hook_can_run_a_node_and_sees_every_value),
        cmocka_unit_test(a_partial_run_leaves_out_what_is_made_of_a_node_left_out),
        cmocka_unit_test(a_node_is_checked_without_contents),
        cmocka_unit_test(wrong_inputs_are_named_with_both_sides),
        cmocka_unit_test(shapes_follow_from_constants_and_the_rest_stays_open),
        cmocka_unit_test(a_shape_conflict_inside_names_the_node),
        cmocka_unit_test(a_large_constant_is_left_to_the_run),
        cmocka_unit_test(one_node_runs_on_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
