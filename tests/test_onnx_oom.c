/* Linked with --wrap: the Nth allocation of our code fails, for every N. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "models/io_parts.h"
#include "models/onnx.h"
#include "models/run.h"
#include "onnx_maker.h"
#include "tests/failing_alloc.h"

static const int64_t pair[] = {-1, 2}, two[] = {2};

static struct maker make_branch(float step)
{
    const float f[] = {step, step};
    struct maker g = {0}, constant = make_node("Constant", "", "", "k");
    put_message(&constant, NODE_ATTR,
                make_attr_message("value", ATTR_T, 4, make_floats("", 2, f)));
    put_message(&g, GRAPH_NODE, constant);
    put_message(&g, GRAPH_NODE, make_node("Add", "", "y k", "out"));
    put_message(&g, GRAPH_OUTPUT, make_info("out", 0, 0, NULL));
    return g;
}

/* Inputs x [n,2] and c; a Constant, an If, attributes, metadata. */
static struct maker make_all_kinds(void)
{
    const float w[] = {1, 2};
    struct maker g = {0}, m, choose = make_node("If", "", "c", "z");
    struct maker soft = make_node("Softmax", "", "z", "s");
    put_message(&choose, NODE_ATTR,
                make_attr_message("then_branch", ATTR_G, 5, make_branch(1)));
    put_message(&choose, NODE_ATTR,
                make_attr_message("else_branch", ATTR_G, 5, make_branch(2)));
    put_message(&soft, NODE_ATTR, make_attr_int("axis", 1));
    put_message(&g, GRAPH_NODE, soft);
    put_message(&g, GRAPH_NODE, choose);
    put_message(&g, GRAPH_NODE, make_node("Mul", "", "x w", "y"));
    put_message(&g, GRAPH_INITIALISER, make_floats("w", 2, w));
    put_message(&g, GRAPH_INPUT, make_info("x", 1, 2, pair));
    put_message(&g, GRAPH_INPUT, make_info("c", 9, 0, NULL));
    put_message(&g, GRAPH_OUTPUT, make_info("s", 1, 2, pair));
    put_message(&g, GRAPH_OUTPUT, make_info("x", 1, 2, pair));
    m = make_model(g, 8, 13);
    put_message(&m, MODEL_METADATA, make_entry("k", "v"));
    return m;
}

static void reading_survives_every_failed_allocation(void **state)
{
    struct maker m = make_all_kinds();
    enum spacc_status status = SPACC_ENOMEM;
    int failures = 0;

    (void)state;
    while (status == SPACC_ENOMEM) {
        struct spacc_error err = {.text = ""};
        struct spacc_graph *g;
        calls = 0;
        fail_at = failures;
        status = spacc_onnx_parse(&g, m.bytes, m.used, "f.onnx", &err);
        fail_at = -1;
        assert_true((status == SPACC_OK) == (g != NULL));
        assert_true(status == SPACC_OK || strstr(err.text, "out of memory"));
        spacc_graph_free(g); /* ASan reports what a failed read leaked */
        failures++;
    }
    assert_int_equal(status, SPACC_OK);
    assert_true(failures > 50);
    free(m.bytes);
}

/* Bind or run with the Nth allocation failing. */
static void each_failure_of(enum spacc_status (*call)(const struct spacc_graph *,
                                                      const struct spacc_tensor *const *,
                                                      struct spacc_error *))
{
    struct maker m = make_all_kinds();
    struct spacc_tensor *x, *c;
    struct spacc_graph *g;
    enum spacc_status status = SPACC_ENOMEM;
    int failures = 0;
    const int64_t dims[] = {3, 2};

    assert_int_equal(spacc_onnx_parse(&g, m.bytes, m.used, "f.onnx", NULL), SPACC_OK);
    assert_int_equal(spacc_tensor_new(&x, SPACC_F32, 2, dims), SPACC_OK);
    assert_int_equal(spacc_tensor_new(&c, SPACC_BOOL, 0, NULL), SPACC_OK);
    const struct spacc_tensor *const input[] = {x, c};
    while (status == SPACC_ENOMEM) {
        struct spacc_error err = {.text = ""};
        calls = 0;
        fail_at = failures++;
        status = call(g, input, &err);
        fail_at = -1;
        assert_true(status == SPACC_OK || strstr(err.text, "f.onnx: "));
    }
    assert_int_equal(status, SPACC_OK);
    assert_true(failures > 20);
    free(m.bytes);
    spacc_tensor_free(x);
    spacc_tensor_free(c);
    spacc_graph_free(g);
}

static enum spacc_status bind_once(const struct spacc_graph *g,
                                   const struct spacc_tensor *const *input,
                                   struct spacc_error *err)
{
    struct spacc_binding *b;
    const enum spacc_status status = spacc_graph_bind(&b, g, input, err);
    spacc_binding_free(b);
    return status;
}

static enum spacc_status run_once(const struct spacc_graph *g,
                                  const struct spacc_tensor *const *input,
                                  struct spacc_error *err)
{
    struct spacc_tensor *output[2];
    const enum spacc_status status = spacc_graph_run(g, input, output, NULL, err);
    for (int o = 0; o < 2; o++) {
        assert_true((status == SPACC_OK) == (output[o] != NULL));
        spacc_tensor_free(output[o]);
    }
    return status;
}

static void binding_survives_every_failed_allocation(void **state)
{
    (void)state;
    each_failure_of(bind_once);
}

static void running_survives_every_failed_allocation(void **state)
{
    (void)state;
    each_failure_of(run_once);
}

static void a_npy_survives_every_failed_allocation(void **state)
{
    struct spacc_tensor *t, *back;
    enum spacc_status status = SPACC_ENOMEM;
    void *bytes;
    size_t size_bytes;

    (void)state;
    assert_int_equal(spacc_tensor_new(&t, SPACC_F32, 1, two), SPACC_OK);
    assert_int_equal(spacc_npy_format(&bytes, &size_bytes, t, "f.npy", NULL), SPACC_OK);
    for (int n = 0; status == SPACC_ENOMEM; n++) {
        calls = 0;
        fail_at = n;
        status = spacc_npy_parse(&back, bytes, size_bytes, "f.npy", NULL);
        fail_at = -1;
        assert_true((status == SPACC_OK) == (back != NULL));
        spacc_tensor_free(back);
    }
    assert_int_equal(status, SPACC_OK);
    free(bytes);
    spacc_tensor_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_survives_every_failed_allocation),
        cmocka_unit_test(binding_survives_every_failed_allocation),
        cmocka_unit_test(running_survives_every_failed_allocation),
        cmocka_unit_test(a_npy_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
