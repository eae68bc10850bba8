#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "models/io.h"
#include "models/onnx.h"
#include "models/op.h"
#include "models/run.h"
#include "onnx_maker.h"

#define MODELS SPACC_SHARED "/models"

static const int64_t pair[] = {-1, 2}, two[] = {2};

/* ---- a graph that uses most of the format ---- */

/* A branch: out = outside + constant. */
static struct maker make_branch(const char *name, float constant)
{
    struct maker g = {0}, node = make_node("Constant", "", "", "step");
    const float contents[] = {constant, constant};

    put_message(&node, NODE_ATTR,
                make_attr_message("value", ATTR_T, 4, make_floats("", 2, contents)));
    put_message(&g, GRAPH_NODE, node);
    put_message(&g, GRAPH_NODE, make_node("Add", "", "y step", "out"));
    put_text(&g, GRAPH_NAME, name);
    put_message(&g, GRAPH_OUTPUT, make_info("out", 0, 0, NULL));
    return g;
}

/* x [n,2] -> y = x * w (w an initialiser); z = if c then y + 1 else y - 1;
 * s = shape of x. Nodes are given last first. */
static struct maker make_good_graph(void)
{
    struct maker g = {0}, choose = make_node("If", "choose", "c", "z");
    const float w[] = {3, 4};

    put_message(&choose, NODE_ATTR,
                make_attr_message("then_branch", ATTR_G, 5, make_branch("up", 1)));
    put_message(&choose, NODE_ATTR,
                make_attr_message("else_branch", ATTR_G, 5, make_branch("down", -1)));
    put_message(&g, GRAPH_NODE, choose);
    put_message(&g, GRAPH_NODE, make_node("Shape", "", "x", "s"));
    put_message(&g, GRAPH_NODE, make_node("Mul", "times", "x w", "y"));
    put_text(&g, GRAPH_NAME, "good");
    put_message(&g, GRAPH_INITIALISER, make_floats("w", 2, w));
    put_text(&g, GRAPH_DOC, "two\nlines");
    put_message(&g, GRAPH_INPUT, make_info("x", 1, 2, pair));
    put_message(&g, GRAPH_INPUT, make_info("w", 1, 1, two)); /* as IR 3 does */
    put_message(&g, GRAPH_INPUT, make_info("c", 9, 0, NULL));
    put_message(&g, GRAPH_OUTPUT, make_info("z", 1, 2, pair));
    put_message(&g, GRAPH_OUTPUT, make_info("s", 7, 1, two));
    put_message(&g, GRAPH_VALUE_INFO, make_info("y", 1, 2, pair));
    return g;
}

static struct maker make_good_model(void)
{
    struct maker m = make_model(make_good_graph(), 8, 13);
    put_message(&m, MODEL_METADATA, make_entry("author", "nobody"));
    put_text(&m, 999, "a field from the future");
    return m;
}

static struct spacc_graph *parse_good(void)
{
    struct maker m = make_good_model();
    struct spacc_error err = {.text = ""};
    struct spacc_graph *g;

    if (spacc_onnx_parse(&g, m.bytes, m.used, "good.onnx", &err) != SPACC_OK)
        fail_msg("%s", err.text);
    free(m.bytes);
    return g;
}

static void a_model_comes_in_as_it_is_written(void **state)
{
    struct spacc_graph *g = parse_good();

    (void)state;
    assert_string_equal(g->name, "good");
    assert_string_equal(g->file, "good.onnx");
    assert_int_equal(g->opset, 13);
    assert_int_equal(g->ir_version, 8);
    assert_string_equal(spacc_graph_metadata(g, "author"), "nobody");
    assert_null(spacc_graph_metadata(g, "nothing"));

    assert_int_equal(g->inputs, 2); /* w is an initialiser */
    const struct spacc_value *x = &g->value[g->input[0]];
    assert_string_equal(x->name, "x");
    assert_int_equal(x->dtype, SPACC_F32);
    assert_int_equal(x->rank, 2);
    assert_true(x->dims[0] == -1 && x->dims[1] == 2);
    assert_string_equal(x->dim_names[0], "n");
    assert_int_equal(g->value[g->input[1]].rank, 0);

    const struct spacc_value *w = &g->value[spacc_graph_find(g, "w")];
    assert_int_equal(w->producer, -1);
    assert_true(((float *)w->init->data)[1] == 4.0f);
    assert_int_equal(spacc_graph_find(g, "nothing"), -1);
    spacc_graph_free(g);
}

static void nodes_come_after_the_nodes_they_need(void **state)
{
    struct spacc_graph *g = parse_good();
    int times = -1, choose = -1;

    (void)state;
    assert_int_equal(g->nodes, 3);
    for (int n = 0; n < g->nodes; n++) {
        if (strcmp(g->node[n].name, "times") == 0)
            times = n;
        if (strcmp(g->node[n].name, "choose") == 0)
            choose = n;
        for (int o = 0; o < g->node[n].outputs; o++)
            assert_int_equal(g->value[g->node[n].output[o]].producer, n);
    }
    assert_true(times >= 0 && choose > times); /* by what its branches take */
    const struct spacc_value *s = &g->value[spacc_graph_find(g, "s")];
    assert_string_equal(g->node[s->producer].name, "Shape_1"); /* it has no name */
    spacc_graph_free(g);
}

static void a_branch_points_at_what_it_takes_from_outside(void **state)
{
    struct spacc_graph *g = parse_good();
    const int y = spacc_graph_find(g, "y");
    int reads[8];

    (void)state;
    for (int n = 0; n < g->nodes; n++) {
        if (strcmp(g->node[n].name, "choose") != 0)
            continue;
        const struct spacc_graph *branch = spacc_node_attr(&g->node[n], "then_branch")->graph;
        assert_ptr_equal(branch->parent, g);
        assert_int_equal(branch->nodes, 1); /* the constant is a value */
        assert_int_equal(branch->value[spacc_graph_find(branch, "y")].outer, y);
        assert_non_null(branch->value[spacc_graph_find(branch, "step")].init);
        assert_int_equal(spacc_node_reads(&g->node[n], NULL, 0), 3);
        assert_int_equal(spacc_node_reads(&g->node[n], reads, 8), 3);
        assert_int_equal(reads[1], y);
        assert_int_equal(reads[2], y);
    }
    spacc_graph_free(g);
}

/* ---- refusals ---- */

/* A model of one node "bad" with input x and output y, both float32 [2]. */
static struct maker one_node(struct maker node)
{
    struct maker g = {0};
    put_message(&g, GRAPH_NODE, node);
    put_message(&g, GRAPH_INPUT, make_info("x", 1, 1, two));
    put_message(&g, GRAPH_OUTPUT, make_info("y", 1, 1, two));
    return g;
}

static struct maker relu(void)
{
    return one_node(make_node("Relu", "bad", "x", "y"));
}

/* A good model whose graph gets one more initialiser. */
static struct maker with_tensor(struct maker tensor)
{
    struct maker g = relu();
    put_message(&g, GRAPH_INITIALISER, tensor);
    return make_model(g, 8, 13);
}

static struct maker make_unknown_operator(void)
{
    return make_model(one_node(make_node("Foo", "bad", "x", "y")), 8, 13);
}

static struct maker make_other_domain(void)
{
    struct maker n = make_node("Relu", "bad", "x", "y");
    put_text(&n, NODE_DOMAIN, "com.example");
    return make_model(one_node(n), 8, 13);
}

static struct maker make_unknown_attribute(void)
{
    struct maker n = make_node("Relu", "bad", "x", "y");
    put_message(&n, NODE_ATTR, make_attr_int("speed", 3));
    return make_model(one_node(n), 8, 13);
}

static struct maker make_wrong_kind(void)
{
    struct maker n = make_node("LeakyRelu", "bad", "x", "y");
    put_message(&n, NODE_ATTR, make_attr_int("alpha", 3));
    return make_model(one_node(n), 8, 13);
}

static struct maker make_double_attribute(void)
{
    struct maker n = make_node("Softmax", "bad", "x", "y");
    put_message(&n, NODE_ATTR, make_attr_int("axis", 0));
    put_message(&n, NODE_ATTR, make_attr_int("axis", 0));
    return make_model(one_node(n), 8, 13);
}

static struct maker make_too_many_inputs(void)
{
    return make_model(one_node(make_node("Relu", "bad", "x x", "y")), 8, 13);
}

static struct maker make_left_out_input(void)
{
    return make_model(one_node(make_node("Add", "bad", "x -", "y")), 8, 13);
}

static struct maker make_missing_input(void)
{
    return make_model(one_node(make_node("Add", "bad", "x q", "y")), 8, 13);
}

static struct maker make_cycle(void)
{
    struct maker g = one_node(make_node("Add", "bad", "x b", "a"));
    put_message(&g, GRAPH_NODE, make_node("Relu", "", "a", "b"));
    put_message(&g, GRAPH_NODE, make_node("Relu", "", "b", "y"));
    return make_model(g, 8, 13);
}

static struct maker make_double_value(void)
{
    struct maker g = relu();
    put_message(&g, GRAPH_NODE, make_node("Tanh", "again", "x", "y"));
    return make_model(g, 8, 13);
}

static struct maker make_double_initialiser(void)
{
    const float f[] = {1};
    struct maker g = relu();
    put_message(&g, GRAPH_INITIALISER, make_floats("w", 1, f));
    put_message(&g, GRAPH_INITIALISER, make_floats("w", 1, f));
    return make_model(g, 8, 13);
}

static struct maker make_no_outputs(void)
{
    struct maker g = {0};
    put_message(&g, GRAPH_INPUT, make_info("x", 1, 1, two));
    return make_model(g, 8, 13);
}

static struct maker make_unmade_output(void)
{
    struct maker g = relu();
    put_message(&g, GRAPH_OUTPUT, make_info("q", 1, 1, two));
    return make_model(g, 8, 13);
}

static struct maker make_old_opset(void)
{
    return make_model(relu(), 8, 5);
}

static struct maker make_zero_opset(void)
{
    return make_model(relu(), 8, 0);
}

static struct maker make_new_opset(void)
{
    return make_model(relu(), 8, 22);
}

static struct maker make_op_opset(void)
{
    return make_model(one_node(make_node("Where", "bad", "x x x", "y")), 8, 7);
}

static struct maker make_old_ir(void)
{
    return make_model(relu(), 2, 13);
}

static struct maker make_new_ir(void)
{
    return make_model(relu(), 11, 13);
}

static struct maker make_no_graph(void)
{
    struct maker m = {0};
    put_int(&m, MODEL_IR, 8);
    return m;
}

static struct maker make_functions(void)
{
    struct maker m = make_model(relu(), 8, 13), f = {0};
    put_text(&f, 1, "f");
    put_message(&m, MODEL_FUNCTION, f);
    return m;
}

static struct maker make_training(void)
{
    struct maker m = make_model(relu(), 8, 13);
    put_message(&m, MODEL_TRAINING, (struct maker){0});
    return m;
}

static struct maker make_sparse(void)
{
    struct maker g = relu();
    put_message(&g, GRAPH_SPARSE, (struct maker){0});
    return make_model(g, 8, 13);
}

static struct maker make_external(void)
{
    struct maker t = make_tensor("w", 1, 1, two, NULL, 0);
    put_message(&t, TENSOR_EXTERNAL, make_entry("location", "weights.bin"));
    put_int(&t, TENSOR_LOCATION, 1);
    return with_tensor(t);
}

static struct maker make_complex(void)
{
    return with_tensor(make_tensor("w", 14, 1, two, "abcd", 4));
}

static struct maker make_short_raw(void)
{
    return with_tensor(make_tensor("w", 1, 1, two, "abcd", 4));
}

static struct maker make_short_typed(void)
{
    struct maker t = {0};
    put_int(&t, TENSOR_DIMS, 2);
    put_int(&t, TENSOR_TYPE, 1);
    put_text(&t, TENSOR_NAME, "w");
    put_float(&t, TENSOR_FLOATS, 1.0f);
    return with_tensor(t);
}

static struct maker make_wide_byte(void)
{
    struct maker t = {0};
    put_int(&t, TENSOR_TYPE, 3);
    put_text(&t, TENSOR_NAME, "w");
    put_int(&t, TENSOR_INT32S, 128);
    return with_tensor(t);
}

static struct maker make_negative_dim(void)
{
    const int64_t dims[] = {-2};
    return with_tensor(make_tensor("w", 1, 1, dims, "abcdefgh", 8));
}

static struct maker make_huge_dims(void)
{
    const int64_t dims[] = {INT64_MAX, 16};
    return with_tensor(make_tensor("w", 1, 2, dims, "abcdefgh", 8));
}

static struct maker make_rank_nine(void)
{
    const int64_t dims[] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    return with_tensor(make_tensor("w", 1, 9, dims, "abcd", 4));
}

static struct maker make_control_character(void)
{
    return make_model(one_node(make_node("Relu", "two\nlines", "x", "y")), 8, 13);
}

static struct maker make_sequence_input(void)
{
    struct maker g = relu(), info = {0}, type = {0};
    put_text(&info, 1, "many");
    put_message(&type, 4, (struct maker){0});
    put_message(&info, 2, type);
    put_message(&g, GRAPH_INPUT, info);
    return make_model(g, 8, 13);
}

static struct maker make_string_input(void)
{
    struct maker g = relu();
    put_message(&g, GRAPH_INPUT, make_info("words", 8, 1, two));
    return make_model(g, 8, 13);
}

static struct maker make_string_constant(void)
{
    struct maker n = make_node("Constant", "bad", "", "y"), a = {0};
    put_text(&a, ATTR_NAME, "value_string");
    put_text(&a, ATTR_S, "word");
    put_message(&n, NODE_ATTR, a);
    return make_model(one_node(n), 8, 13);
}

static struct maker make_branch_input(void)
{
    struct maker n = make_node("If", "bad", "x", "y"), branch = make_branch("b", 1);
    put_message(&branch, GRAPH_INPUT, make_info("extra", 1, 1, two));
    put_message(&n, NODE_ATTR, make_attr_message("then_branch", ATTR_G, 5, branch));
    return make_model(one_node(n), 8, 13);
}

/* Graphs in graphs, `depth` levels, without any other content. */
static struct maker nest(int depth)
{
    struct maker inner = {0};
    for (int d = 0; d < depth; d++) {
        struct maker attr = {0}, node = {0}, graph = {0};
        put_message(&attr, ATTR_G, inner);
        put_message(&node, NODE_ATTR, attr);
        put_message(&graph, GRAPH_NODE, node);
        inner = graph;
    }
    return inner;
}

static struct maker make_deep_nest(void)
{
    return make_model(nest(2000), 8, 13);
}

static struct maker make_two_graphs(void)
{
    struct maker m = make_model(relu(), 8, 13);
    put_message(&m, MODEL_GRAPH, relu());
    return m;
}

static struct maker make_zero_byte(void)
{
    struct maker m = make_model(relu(), 8, 13);
    put_bytes(&m, 2, "a\0b", 3);
    return m;
}

static struct maker make_text_file(void)
{
    static const char text[] = "This is no model at all.\n";
    struct maker m = {0};
    put_raw(&m, text, sizeof(text) - 1);
    return m;
}

static struct maker make_nothing(void)
{
    struct maker m = {0};
    put_raw(&m, "", 0);
    return m;
}

static struct maker make_versioned(const char *version)
{
    struct maker m = make_good_model();
    put_message(&m, MODEL_METADATA, make_entry("spacc.metadata", version));
    return m;
}

static struct maker make_new_metadata(void)
{
    return make_versioned("2");
}

static struct maker make_odd_metadata(void)
{
    return make_versioned("1x");
}

static struct maker make_zero_metadata(void)
{
    return make_versioned("0");
}

static void metadata_of_this_version_is_read(void **state)
{
    struct maker m = make_versioned("1");
    struct spacc_graph *g;

    (void)state;
    assert_int_equal(spacc_onnx_parse(&g, m.bytes, m.used, "f.onnx", NULL), SPACC_OK);
    assert_string_equal(spacc_graph_metadata(g, "spacc.metadata"), "1");
    spacc_graph_free(g);
    free(m.bytes);
}

static void each_refusal_says_what_and_where(void **state)
{
    static const struct {
        struct maker (*make)(void);
        enum spacc_status status;
        const char *line;
    } cases[] = {
        {make_unknown_operator, SPACC_EUNSUPPORTED,
         "f.onnx: node bad: operator Foo is not supported (spacc ops lists what is)"},
        {make_other_domain, SPACC_EUNSUPPORTED,
         "f.onnx: node bad: operator Relu of domain com.example is not supported"},
        {make_unknown_attribute, SPACC_EUNSUPPORTED,
         "f.onnx: node bad (Relu): attribute 'speed' is not supported"},
        {make_wrong_kind, SPACC_EFORMAT,
         "f.onnx: node bad (LeakyRelu): attribute 'alpha' is a int, the operator has a float"},
        {make_double_attribute, SPACC_EFORMAT,
         "f.onnx: node bad (Softmax): attribute 'axis' is given twice"},
        {make_too_many_inputs, SPACC_EFORMAT,
         "f.onnx: node bad (Relu): has 2 inputs, at most 1 are possible"},
        {make_left_out_input, SPACC_EFORMAT, "f.onnx: node bad (Add): input 1 is missing"},
        {make_missing_input, SPACC_EFORMAT,
         "f.onnx: node bad (Add): input 'q' is made by no node, initialiser or input"},
        {make_cycle, SPACC_EFORMAT,
         "f.onnx: node bad (Add): the node waits for its own output (a cycle)"},
        {make_double_value, SPACC_EFORMAT,
         "f.onnx: node again (Tanh): value 'y' is defined twice"},
        {make_double_initialiser, SPACC_EFORMAT, "f.onnx: value 'w' is defined twice"},
        {make_no_outputs, SPACC_EFORMAT, "f.onnx: a graph has no outputs"},
        {make_unmade_output, SPACC_EFORMAT, "f.onnx: output 'q' is made by no node"},
        {make_old_opset, SPACC_EUNSUPPORTED,
         "f.onnx: node bad: operator Relu is supported in opset 6 to 21, the model has 5"},
        {make_new_opset, SPACC_EUNSUPPORTED, "f.onnx: opset 22 is not supported, 1 to 21 are"},
        {make_zero_opset, SPACC_EUNSUPPORTED, "f.onnx: opset 0 is not supported, 1 to 21 are"},
        {make_op_opset, SPACC_EUNSUPPORTED,
         "f.onnx: node bad: operator Where is supported in opset 9 to 21, the model has 7"},
        {make_old_ir, SPACC_EUNSUPPORTED, "f.onnx: IR version 2 is not supported, 3 to 10 are"},
        {make_new_ir, SPACC_EUNSUPPORTED,
         "f.onnx: IR version 11 is not supported, 3 to 10 are"},
        {make_new_metadata, SPACC_EUNSUPPORTED,
         "f.onnx: metadata version 2, this program knows 1"},
        {make_odd_metadata, SPACC_EFORMAT,
         "f.onnx: metadata spacc.metadata is '1x', not a version"},
        {make_zero_metadata, SPACC_EFORMAT,
         "f.onnx: metadata spacc.metadata is '0', not a version"},
        {make_no_graph, SPACC_EFORMAT, "f.onnx: not an ONNX model: it holds no graph"},
        {make_functions, SPACC_EUNSUPPORTED,
         "f.onnx: functions in a model are not supported: inline them"},
        {make_training, SPACC_EUNSUPPORTED, "f.onnx: training information is not supported"},
        {make_sparse, SPACC_EUNSUPPORTED, "f.onnx: a sparse initialiser is not supported"},
        {make_external, SPACC_EUNSUPPORTED,
         "f.onnx: tensor w: external data 'weights.bin' is not supported: save the model in "
         "one "
         "file"},
        {make_complex, SPACC_EUNSUPPORTED, "f.onnx: tensor w: type complex64 is not supported"},
        {make_short_raw, SPACC_EFORMAT, "f.onnx: tensor w: has 4 bytes, its shape needs 8"},
        {make_short_typed, SPACC_EFORMAT,
         "f.onnx: tensor w: has 1 elements, its shape needs 2"},
        {make_wide_byte, SPACC_EFORMAT,
         "f.onnx: tensor w: an element is outside the range of int8"},
        {make_negative_dim, SPACC_EFORMAT,
         "f.onnx: tensor w: a dimension is negative or too large"},
        {make_huge_dims, SPACC_EFORMAT,
         "f.onnx: tensor w: a dimension is negative or too large"},
        {make_rank_nine, SPACC_EUNSUPPORTED,
         "f.onnx: tensor w: rank 9, at most 8 is supported"},
        {make_control_character, SPACC_EFORMAT,
         "f.onnx: node 0: a name holds a control character"},
        {make_sequence_input, SPACC_EUNSUPPORTED,
         "f.onnx: input 'many' is a sequence: not supported"},
        {make_string_input, SPACC_EUNSUPPORTED,
         "f.onnx: input 'words': type string is not supported"},
        {make_string_constant, SPACC_EUNSUPPORTED,
         "f.onnx: node bad (Constant): attribute 'value_string' is not supported"},
        {make_branch_input, SPACC_EFORMAT, "f.onnx: a branch of If takes input 'extra'"},
        {make_deep_nest, SPACC_EFORMAT,
         "f.onnx: not a sound ONNX file: nesting deeper than 100"},
        {make_two_graphs, SPACC_EFORMAT,
         "f.onnx: not a sound ONNX file: a field is given twice"},
        {make_zero_byte, SPACC_EFORMAT, "f.onnx: not a sound ONNX file: text with a zero byte"},
        {make_text_file, SPACC_EFORMAT, "f.onnx: not a sound ONNX file: "},
        {make_nothing, SPACC_EFORMAT, "f.onnx: the file is empty"},
    };
    (void)state;
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        struct maker m = cases[c].make();
        struct spacc_error err = {.text = ""};
        struct spacc_graph *g;

        const enum spacc_status status = spacc_onnx_parse(&g, m.bytes, m.used, "f.onnx", &err);
        if (strncmp(err.text, cases[c].line, strlen(cases[c].line)) != 0)
            fail_msg("case %zu says '%s', not '%s'", c, err.text, cases[c].line);
        assert_int_equal(status, cases[c].status);
        assert_int_equal(err.status, cases[c].status);
        assert_null(strchr(err.text, '\n'));
        assert_null(g);
        assert_int_equal(spacc_onnx_parse(&g, m.bytes, m.used, "f.onnx", NULL), status);
        free(m.bytes);
    }
}

/* ---- contents ---- */

static void every_way_to_store_a_tensor_is_read(void **state)
{
    const float f[] = {1.5f, -2};
    struct maker g = relu(), typed = {0}, bytes = {0}, wide = {0}, packed = {0}, m;
    struct maker numbers = make_node("Constant", "", "", "ints"), a = {0};
    struct maker scalar = make_node("Constant", "", "", "half"), b = {0};
    struct spacc_error err = {.text = ""};
    struct spacc_graph *graph;

    (void)state;
    put_int(&typed, TENSOR_DIMS, 2);
    put_int(&typed, TENSOR_TYPE, 1);
    put_text(&typed, TENSOR_NAME, "typed");
    put_bytes(&typed, TENSOR_FLOATS, f, sizeof(f));
    put_int(&bytes, TENSOR_DIMS, 2);
    put_int(&bytes, TENSOR_TYPE, 3);
    put_text(&bytes, TENSOR_NAME, "bytes");
    put_int(&bytes, TENSOR_INT32S, -128);
    put_int(&bytes, TENSOR_INT32S, 127);
    put_int(&wide, TENSOR_TYPE, 7);
    put_text(&wide, TENSOR_NAME, "wide");
    put_varint(&packed, (uint64_t)INT64_MIN);
    put_bytes(&wide, TENSOR_INT64S, packed.bytes, packed.used);
    free(packed.bytes);
    put_text(&a, ATTR_NAME, "value_ints");
    put_int(&a, ATTR_INTS, 5);
    put_int(&a, ATTR_INTS, -6);
    put_message(&numbers, NODE_ATTR, a);
    put_text(&b, ATTR_NAME, "value_float");
    put_float(&b, ATTR_F, 0.5f);
    put_message(&scalar, NODE_ATTR, b);
    put_message(&g, GRAPH_INITIALISER, typed);
    put_message(&g, GRAPH_INITIALISER, bytes);
    put_message(&g, GRAPH_INITIALISER, wide);
    put_message(&g, GRAPH_NODE, numbers);
    put_message(&g, GRAPH_NODE, scalar);
    m = make_model(g, 3, 13);
    if (spacc_onnx_parse(&graph, m.bytes, m.used, "f.onnx", &err) != SPACC_OK)
        fail_msg("%s", err.text);
    free(m.bytes);

#define INIT(name) (graph->value[spacc_graph_find(graph, name)].init)
    assert_memory_equal(INIT("typed")->data, f, sizeof(f));
    assert_int_equal(((int8_t *)INIT("bytes")->data)[0], -128);
    assert_int_equal(((int8_t *)INIT("bytes")->data)[1], 127);
    assert_true(((int64_t *)INIT("wide")->data)[0] == INT64_MIN);
    assert_int_equal(INIT("wide")->rank, 0);
    assert_int_equal(INIT("ints")->rank, 1);
    assert_true(((int64_t *)INIT("ints")->data)[1] == -6);
    assert_int_equal(INIT("half")->rank, 0);
    assert_true(((float *)INIT("half")->data)[0] == 0.5f);
#undef INIT
    assert_int_equal(graph->nodes, 1);
    spacc_graph_free(graph);
}

static void a_tensor_file_reads_back(void **state)
{
    const int64_t dims[] = {2, 0, 3}, flat[] = {3};
    struct spacc_tensor *t, *back;
    struct spacc_error err = {.text = ""};

    (void)state;
    assert_int_equal(spacc_tensor_new(&t, SPACC_I64, 1, flat), SPACC_OK);
    ((int64_t *)t->data)[2] = INT64_MIN;
    assert_int_equal(spacc_onnx_tensor_save(t, "q", "test_onnx.pb", &err), SPACC_OK);
    assert_int_equal(spacc_onnx_tensor_load(&back, "test_onnx.pb", &err), SPACC_OK);
    assert_true(spacc_tensor_same_shape(t, back));
    assert_memory_equal(t->data, back->data, 3 * sizeof(int64_t));
    spacc_tensor_free(back);
    spacc_tensor_free(t);
    assert_int_equal(spacc_tensor_new(&t, SPACC_BOOL, 3, dims), SPACC_OK);
    assert_int_equal(spacc_onnx_tensor_save(t, "", "test_onnx.pb", &err), SPACC_OK);
    assert_int_equal(spacc_onnx_tensor_load(&back, "test_onnx.pb", &err), SPACC_OK);
    assert_true(spacc_tensor_same_shape(t, back));
    spacc_tensor_free(back);
    spacc_tensor_free(t);
    unlink("test_onnx.pb");
    assert_int_equal(spacc_onnx_tensor_load(&back, "test_onnx.pb", &err), SPACC_EIO);
    assert_string_equal(err.text, "test_onnx.pb: No such file or directory");
}

/* ---- rewriting ---- */

static void write_good(const char *file)
{
    struct maker m = make_good_model();
    assert_int_equal(spacc_file_write(file, m.bytes, m.used, NULL), SPACC_OK);
    free(m.bytes);
}

static struct spacc_tensor *two_floats(float a, float b)
{
    struct spacc_tensor *t;
    assert_int_equal(spacc_tensor_new(&t, SPACC_F32, 1, two), SPACC_OK);
    ((float *)t->data)[0] = a;
    ((float *)t->data)[1] = b;
    return t;
}

static bool holds(const void *bytes, size_t size_bytes, const char *text)
{
    const size_t length = strlen(text);
    for (size_t i = 0; i + length <= size_bytes; i++)
        if (memcmp((const char *)bytes + i, text, length) == 0)
            return true;
    return false;
}

static void rewriting_changes_what_is_asked_and_nothing_else(void **state)
{
    struct spacc_tensor *w = two_floats(0, 7);
    const struct spacc_tensor *const contents[] = {w};
    const char *const names[] = {"w"}, *const keys[] = {"author", "spacc"},
                      *const texts[] = {"me", "pruned"};
    struct spacc_error err = {.text = ""};
    struct spacc_graph *g;
    void *bytes;
    size_t size_bytes;

    (void)state;
    write_good("test_onnx_a.onnx");
    if (spacc_onnx_rewrite("test_onnx_a.onnx", "test_onnx_b.onnx", 1, names, contents, 2, keys,
                           texts, &err) != SPACC_OK)
        fail_msg("%s", err.text);
    assert_int_equal(spacc_onnx_load(&g, "test_onnx_b.onnx", &err), SPACC_OK);
    const struct spacc_tensor *now = g->value[spacc_graph_find(g, "w")].init;
    assert_memory_equal(now->data, w->data, 2 * sizeof(float));
    assert_int_equal(g->metadata, 2);
    assert_string_equal(spacc_graph_metadata(g, "author"), "me");
    assert_string_equal(spacc_graph_metadata(g, "spacc"), "pruned");
    assert_int_equal(g->nodes, 3);
    spacc_graph_free(g);
    spacc_tensor_free(w);

    assert_int_equal(spacc_file_read(&bytes, &size_bytes, "test_onnx_b.onnx", 1 << 20, &err),
                     SPACC_OK);
    assert_true(holds(bytes, size_bytes, "a field from the future"));
    assert_true(holds(bytes, size_bytes, "two\nlines"));
    free(bytes);
    unlink("test_onnx_a.onnx");
    unlink("test_onnx_b.onnx");
}

static void rewriting_reaches_typed_fields_constants_and_branches(void **state)
{
    const float f[] = {1.5f, -2};
    struct maker g = relu(), typed = {0}, list = make_node("Constant", "", "", "list"), a = {0};
    struct maker inner = make_node("If", "", "x", "q"),
                 one = make_node("Constant", "", "", "one");
    struct maker b = {0}, m;
    struct spacc_tensor *t = two_floats(8, 9), *scalar;
    const char *const names[] = {"typed", "list", "step", "one"};
    struct spacc_error err = {.text = ""};
    struct spacc_graph *graph;

    (void)state;
    put_int(&typed, TENSOR_DIMS, 2);
    put_int(&typed, TENSOR_TYPE, 1);
    put_text(&typed, TENSOR_NAME, "typed");
    put_bytes(&typed, TENSOR_FLOATS, f, sizeof(f));
    put_text(&a, ATTR_NAME, "value_floats");
    put_float(&a, ATTR_FLOATS, 1);
    put_float(&a, ATTR_FLOATS, 2);
    put_message(&list, NODE_ATTR, a);
    put_text(&b, ATTR_NAME, "value_float");
    put_float(&b, ATTR_F, 1);
    put_message(&one, NODE_ATTR, b);
    put_message(&inner, NODE_ATTR,
                make_attr_message("then_branch", ATTR_G, 5, make_branch("up", 1)));
    put_message(&g, GRAPH_INITIALISER, typed);
    put_message(&g, GRAPH_NODE, list);
    put_message(&g, GRAPH_NODE, one);
    put_message(&g, GRAPH_NODE, inner);
    m = make_model(g, 8, 13);
    assert_int_equal(spacc_file_write("test_onnx_a.onnx", m.bytes, m.used, NULL), SPACC_OK);
    free(m.bytes);
    assert_int_equal(spacc_tensor_new(&scalar, SPACC_F32, 0, NULL), SPACC_OK);
    *(float *)scalar->data = 4;

    const struct spacc_tensor *const contents[] = {t, t, t, scalar};
    if (spacc_onnx_rewrite("test_onnx_a.onnx", "test_onnx_b.onnx", 4, names, contents, 0, NULL,
                           NULL, &err) != SPACC_OK)
        fail_msg("%s", err.text);
    assert_int_equal(spacc_onnx_load(&graph, "test_onnx_b.onnx", &err), SPACC_OK);
    for (int n = 0; n < 2; n++)
        assert_memory_equal(graph->value[spacc_graph_find(graph, names[n])].init->data, t->data,
                            2 * sizeof(float));
    assert_true(*(float *)graph->value[spacc_graph_find(graph, "one")].init->data == 4.0f);
    for (int n = 0; n < graph->nodes; n++) {
        const struct spacc_attr *then = spacc_node_attr(&graph->node[n], "then_branch");
        if (then)
            assert_memory_equal(
                then->graph->value[spacc_graph_find(then->graph, "step")].init->data, t->data,
                2 * sizeof(float));
    }
    spacc_graph_free(graph);
    spacc_tensor_free(t);
    spacc_tensor_free(scalar);
    unlink("test_onnx_a.onnx");
    unlink("test_onnx_b.onnx");
}

static void rewriting_a_wrong_name_or_shape_says_so_and_writes_nothing(void **state)
{
    const int64_t three[] = {3};
    struct spacc_tensor *t = two_floats(1, 2), *longer;
    const struct spacc_tensor *contents[] = {t};
    const char *name = "v";
    struct spacc_error err = {.text = ""};
    struct stat info;

    (void)state;
    write_good("test_onnx_a.onnx");
    assert_int_equal(spacc_onnx_rewrite("test_onnx_a.onnx", "test_onnx_b.onnx", 1, &name,
                                        contents, 0, NULL, NULL, &err),
                     SPACC_EFORMAT);
    assert_string_equal(err.text, "test_onnx_a.onnx: there is no constant 'v' to change");
    name = "step"; /* one in each branch */
    assert_int_equal(spacc_onnx_rewrite("test_onnx_a.onnx", "test_onnx_b.onnx", 1, &name,
                                        contents, 0, NULL, NULL, &err),
                     SPACC_EFORMAT);
    assert_string_equal(err.text, "test_onnx_a.onnx: constant 'step' exists more than once");
    name = "w";
    assert_int_equal(spacc_tensor_new(&longer, SPACC_F32, 1, three), SPACC_OK);
    contents[0] = longer;
    assert_int_equal(spacc_onnx_rewrite("test_onnx_a.onnx", "test_onnx_b.onnx", 1, &name,
                                        contents, 0, NULL, NULL, &err),
                     SPACC_ESHAPE);
    assert_string_equal(
        err.text,
        "test_onnx_a.onnx: tensor w is float32[2] in the file, the new one is float32[3]");
    assert_int_not_equal(stat("test_onnx_b.onnx", &info), 0);
    spacc_tensor_free(t);
    spacc_tensor_free(longer);
    unlink("test_onnx_a.onnx");
}

static void a_real_model_rewritten_without_changes_has_the_same_bytes(void **state)
{
    static const char *const files[] = {
        "dtln/model_1.onnx", "silero_vad/silero_vad_16k_op15.onnx",
        "ort_cntk/test_LSTM.tanh.bidirectional.onnx", "mlagents_hallway/Hallway.onnx"};
    struct spacc_error err = {.text = ""};
    char from[512];

    (void)state;
    if (access(MODELS "/README.md", R_OK) != 0) {
        printf("skipped: %s is not here\n", MODELS);
        skip();
    }
    for (size_t f = 0; f < sizeof(files) / sizeof(files[0]); f++) {
        void *a, *b;
        size_t a_bytes, b_bytes;
        snprintf(from, sizeof(from), "%s/%s", MODELS, files[f]);
        if (spacc_onnx_rewrite(from, "test_onnx_c.onnx", 0, NULL, NULL, 0, NULL, NULL, &err) !=
            SPACC_OK)
            fail_msg("%s", err.text);
        assert_int_equal(spacc_file_read(&a, &a_bytes, from, SIZE_MAX / 8, &err), SPACC_OK);
        assert_int_equal(spacc_file_read(&b, &b_bytes, "test_onnx_c.onnx", SIZE_MAX / 8, &err),
                         SPACC_OK);
        if (a_bytes != b_bytes || memcmp(a, b, a_bytes) != 0)
            fail_msg("%s: other bytes after a rewrite", from);
        free(a);
        free(b);
    }
    unlink("test_onnx_c.onnx");
}

/* ---- damage ---- */

static uint64_t random_state;

static uint32_t next_random(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33);
}

/* What a reader does with a file: read it, then ask for all shapes. */
static bool read_and_bind(const uint8_t *bytes, size_t size_bytes)
{
    struct spacc_error err = {.text = ""};
    struct spacc_graph *g;
    struct spacc_tensor shapes[8];
    const struct spacc_tensor *input[8];
    struct spacc_binding *b;

    const enum spacc_status status = spacc_onnx_parse(&g, bytes, size_bytes, "f.onnx", &err);
    assert_true((status == SPACC_OK) == (g != NULL));
    if (status != SPACC_OK) {
        assert_int_equal(strncmp(err.text, "f.onnx: ", 8), 0);
        return false;
    }
    for (int i = 0; i < g->inputs && i < 8; i++) {
        const struct spacc_value *v = &g->value[g->input[i]];
        shapes[i] = (struct spacc_tensor){.dtype = v->dtype ? v->dtype : SPACC_F32,
                                          .rank = v->rank < 0 ? 1 : v->rank};
        for (int d = 0; d < v->rank; d++)
            shapes[i].dims[d] = v->dims[d] < 0 ? 2 : v->dims[d];
        if (spacc_shape_count(&shapes[i].count, shapes[i].rank, shapes[i].dims) != SPACC_OK)
            shapes[i] = (struct spacc_tensor){.dtype = SPACC_F32, .count = 1};
        input[i] = &shapes[i];
    }
    if (g->inputs <= 8 && spacc_graph_bind(&b, g, input, &err) == SPACC_OK)
        spacc_binding_free(b);
    spacc_graph_free(g);
    return true;
}

/* Every cut, then `rounds` copies with a few bytes changed. */
static void damage(const uint8_t *bytes, size_t size_bytes, int cuts, int rounds)
{
    uint8_t *copy = malloc(size_bytes);
    int accepted = 0;

    assert_non_null(copy);
    for (int c = 0; c < cuts; c++) {
        const size_t length = size_bytes * (size_t)c / (size_t)cuts;
        uint8_t *cut = malloc(length ? length : 1); /* so that ASan sees its end */
        memcpy(cut, bytes, length);
        read_and_bind(cut, length);
        free(cut);
    }
    for (int r = 0; r < rounds; r++) {
        memcpy(copy, bytes, size_bytes);
        for (int change = 0; change <= r % 4; change++) {
            uint8_t *at = &copy[next_random() % size_bytes];
            const unsigned flipped = *at ^ 1u << next_random() % 8;
            *at = (uint8_t)(r & 1 ? next_random() : flipped);
        }
        accepted += read_and_bind(copy, size_bytes);
    }
    free(copy);
    printf("%d cuts, %d damaged copies: %d still read\n", cuts, rounds, accepted);
    assert_true(accepted < rounds);
}

static void damaged_models_never_do_harm(void **state)
{
    struct maker m = make_good_model();

    (void)state;
    random_state = 20240607;
    printf("seed %llu\n", (unsigned long long)random_state);
    assert_true(read_and_bind(m.bytes, m.used));
    damage(m.bytes, m.used, (int)m.used, 6000);
    free(m.bytes);
}

static void damaged_real_models_never_do_harm(void **state)
{
    static const char *const files[] = {"ort_cntk/test_LSTM.tanh.bidirectional.onnx",
                                        "silero_vad/silero_vad_16k_op15.onnx"};
    static const int rounds[] = {3000, 60};
    char path[512];

    (void)state;
    if (access(MODELS "/README.md", R_OK) != 0) {
        printf("skipped: %s is not here\n", MODELS);
        skip();
    }
    random_state = 99;
    for (size_t f = 0; f < 2; f++) {
        void *bytes;
        size_t size_bytes;
        snprintf(path, sizeof(path), "%s/%s", MODELS, files[f]);
        assert_int_equal(spacc_file_read(&bytes, &size_bytes, path, 1 << 24, NULL), SPACC_OK);
        damage(bytes, size_bytes, 50, rounds[f]);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_comes_in_as_it_is_written),
        cmocka_unit_test(nodes_come_after_the_nodes_they_need),
        cmocka_unit_test(a_branch_points_at_what_it_takes_from_outside),
        cmocka_unit_test(metadata_of_this_version_is_read),
        cmocka_unit_test(each_refusal_says_what_and_where),
        cmocka_unit_test(every_way_to_store_a_tensor_is_read),
        cmocka_unit_test(a_tensor_file_reads_back),
        cmocka_unit_test(rewriting_changes_what_is_asked_and_nothing_else),
        cmocka_unit_test(rewriting_reaches_typed_fields_constants_and_branches),
        cmocka_unit_test(rewriting_a_wrong_name_or_shape_says_so_and_writes_nothing),
        cmocka_unit_test(a_real_model_rewritten_without_changes_has_the_same_bytes),
        cmocka_unit_test(damaged_models_never_do_harm),
        cmocka_unit_test(damaged_real_models_never_do_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
