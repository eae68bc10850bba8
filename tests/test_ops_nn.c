/* Convolutions, pools, norms, samples, quantised operators and those that go by index: hard
 * cases and bad input, beyond the ONNX project's own cases (test_conformance.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <math.h>

#include "ops_expect.h"

static void begin(struct op_call *t, const char *op, int opset, int rank, const int64_t *dims,
                  const float *x)
{
    op_begin(t, op, opset);
    op_input(t, SPACC_F32, rank, dims, x);
}

/* The next input: floats. */
static void floats(struct op_call *t, int rank, const int64_t *dims, const float *x)
{
    op_input(t, SPACC_F32, rank, dims, x);
}

static void ints(struct op_call *t, const char *name, int64_t a, int64_t b)
{
    static int64_t room[OP_CALL_ATTRS][2];
    int64_t *at = room[t->node.attrs];
    at[0] = a;
    at[1] = b;
    op_attr_ints(t, name, 2, at);
}

/* ---- convolutions ---------------------------------------------------------------- */

static void transposed_convolution_refuses_what_does_not_fit(void **unused)
{
    (void)unused;
    struct op_call t;
    begin(&t, "ConvTranspose", 11, 4, D(1, 3, 2, 2), NULL);
    floats(&t, 4, D(3, 1, 2, 2), NULL);
    op_attr_int(&t, "group", 2);
    fails_with(&t, 1, SPACC_ESHAPE, "3 channels do not split in 2 groups");

    begin(&t, "ConvTranspose", 11, 4, D(1, 3, 2, 2), NULL);
    floats(&t, 4, D(2, 1, 2, 2), NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "input has shape [1,3,2,2], weights [2,1,2,2]");

    begin(&t, "ConvTranspose", 11, 3, D(1, 1, 2), NULL);
    floats(&t, 3, D(1, 1, 2), NULL);
    ints(&t, "pads", 2, 2);
    fails_with(&t, 1, SPACC_ESHAPE, "pads 2 and 2 are taken from 3 outputs");

    begin(&t, "ConvTranspose", 11, 3, D(1, 1, 2), NULL);
    floats(&t, 3, D(1, 1, 2), NULL);
    floats(&t, 1, D(2), NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "bias has shape [2], weights want [1]");
}

static void transposed_convolution_of_nothing_gives_the_bias(void **unused)
{
    (void)unused;
    struct op_call t;
    begin(&t, "ConvTranspose", 11, 3, D(1, 0, 2), NULL);
    floats(&t, 3, D(0, 1, 2), NULL);
    floats(&t, 1, D(1), (float[]){5});
    gives(&t, SPACC_F32, 3, D(1, 1, 3), (float[]){5, 5, 5});
    begin(&t, "ConvTranspose", 11, 3, D(0, 1, 2), NULL);
    floats(&t, 3, D(1, 1, 2), NULL);
    gives(&t, SPACC_F32, 3, D(0, 1, 3), NULL);
}

/* ---- pools ------------------------------------------------------------------------ */

static void a_pool_needs_a_kernel_that_fits(void **unused)
{
    (void)unused;
    struct op_call t;
    begin(&t, "MaxPool", 12, 3, D(1, 1, 4), NULL);
    fails_with(&t, 1, SPACC_EFORMAT, "has no kernel_shape");
    begin(&t, "AveragePool", 11, 4, D(1, 1, 4, 4), NULL);
    ints(&t, "kernel_shape", 5, 1);
    fails_with(&t, 1, SPACC_ESHAPE,
               "axis 2 has 4 elements with its padding, the kernel reaches "
               "over 5");
    begin(&t, "MaxPool", 12, 2, D(4, 4), NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "it needs 3 axes or more");
    begin(&t, "AveragePool", 11, 4, D(1, 1, 4, 4), NULL);
    ints(&t, "kernel_shape", 2, 2);
    ints(&t, "dilations", 2, 2);
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "attribute dilations exists from opset 19 on");
    begin(&t, "LpPool", 11, 4, D(1, 1, 4, 4), NULL);
    op_attr_int(&t, "p", 0);
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "p is 0");
}

static void huge_kernels_and_strides_stay_in_bounds(void **unused)
{
    (void)unused;
    struct op_call t;
    begin(&t, "AveragePool", 11, 4, D(1, 1, 2, 2), (float[]){1, 2, 3, 4});
    ints(&t, "kernel_shape", 1, 1);
    ints(&t, "strides", INT32_MAX, INT32_MAX);
    gives(&t, SPACC_F32, 4, D(1, 1, 1, 1), (float[]){1});
    begin(&t, "MaxPool", 12, 4, D(1, 0, 2, 2), NULL);
    ints(&t, "kernel_shape", 2, 2);
    gives(&t, SPACC_F32, 4, D(1, 0, 1, 1), NULL);
    begin(&t, "GlobalAveragePool", 9, 4, D(1, 1, 0, 2), NULL);
    gives(&t, SPACC_F32, 4, D(1, 1, 1, 1), (float[]){0});
}

static void max_unpool_refuses_an_index_outside(void **unused)
{
    (void)unused;
    static const int64_t bad[] = {-1, 2};
    struct op_call t;
    for (int i = 0; i < 2; i++) {
        begin(&t, "MaxUnpool", 11, 3, D(1, 1, 1), (float[]){1});
        op_input(&t, SPACC_I64, 3, D(1, 1, 1), &bad[i]);
        op_attr_ints(&t, "kernel_shape", 1, (int64_t[]){2});
        fails_with(&t, 1, SPACC_ESHAPE, "is outside of the output");
    }
    begin(&t, "MaxUnpool", 11, 3, D(1, 1, 1), (float[]){1});
    op_input(&t, SPACC_I64, 3, D(1, 1, 1), (int64_t[]){1});
    op_attr_ints(&t, "kernel_shape", 1, (int64_t[]){2});
    list(&t, 3, (int64_t[]){1, 1, 1}); /* the index is there without it only */
    fails_with(&t, 1, SPACC_ESHAPE, "is outside of the output");
}

/* ---- norms ------------------------------------------------------------------------ */

static void norms_check_their_scales(void **unused)
{
    (void)unused;
    struct op_call t;
    begin(&t, "BatchNormalization", 9, 3, D(1, 2, 3), NULL);
    for (int i = 0; i < 4; i++)
        floats(&t, 1, D(3), NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "input 1 has shape [3], [2] is wanted");
    begin(&t, "GroupNormalization", 18, 3, D(1, 4, 3), NULL);
    floats(&t, 1, D(3), NULL);
    floats(&t, 1, D(3), NULL);
    op_attr_int(&t, "num_groups", 3);
    fails_with(&t, 1, SPACC_ESHAPE, "4 channels do not split in 3 groups");
    begin(&t, "LayerNormalization", 17, 2, D(2, 3), NULL);
    floats(&t, 2, D(3, 3), NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "does not broadcast");
    begin(&t, "LayerNormalization", 17, 2, D(2, 3), NULL);
    floats(&t, 1, D(3), NULL);
    op_attr_int(&t, "axis", 2);
    fails_with(&t, 1, SPACC_ESHAPE, "axis 2 is outside");
    begin(&t, "LRN", 9, 3, D(1, 2, 3), NULL);
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "size is 0");
}

static void batch_norm_of_training_is_refused_where_it_is_not_defined(void **unused)
{
    (void)unused;
    struct op_call t;
    begin(&t, "BatchNormalization", 9, 3, D(1, 1, 3), NULL);
    for (int i = 0; i < 4; i++)
        floats(&t, 1, D(1), NULL);
    fails_with(&t, 2, SPACC_EUNSUPPORTED, "output 1 is of training only");
    begin(&t, "BatchNormalization", 7, 3, D(1, 1, 3), NULL);
    for (int i = 0; i < 4; i++)
        floats(&t, 1, D(1), NULL);
    op_attr_int(&t, "spatial", 0);
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "'spatial'");
}

static void group_norm_scales_by_group_then_from_opset_21_by_channel(void **unused)
{
    (void)unused;
    static const float x[] = {1, 3, 5, 9};
    struct op_call t;
    begin(&t, "GroupNormalization", 18, 3, D(1, 2, 2), x);
    floats(&t, 1, D(1), (float[]){2});
    floats(&t, 1, D(1), (float[]){1});
    op_attr_int(&t, "num_groups", 1);
    assert_int_equal(op_run(&t, 1), SPACC_OK);
    const float *y = t.out[0]->data; /* mean 4.5, variance 8.75 */
    assert_true(fabsf(y[0] - (float)(1 + 2 * -3.5 / sqrt(8.75 + 1e-5))) < 1e-6f);
    op_end(&t);
    /* two groups of two channels: each group has a scale */
    begin(&t, "GroupNormalization", 18, 3, D(1, 4, 1), x);
    floats(&t, 1, D(2), (float[]){0, 0});
    floats(&t, 1, D(2), (float[]){5, 6});
    op_attr_int(&t, "num_groups", 2);
    gives(&t, SPACC_F32, 3, D(1, 4, 1), (float[]){5, 5, 6, 6});
    begin(&t, "GroupNormalization", 21, 3, D(1, 2, 2), x);
    floats(&t, 1, D(2), (float[]){2, 0});
    floats(&t, 1, D(2), (float[]){1, 7});
    op_attr_int(&t, "num_groups", 1);
    assert_int_equal(op_run(&t, 1), SPACC_OK);
    y = t.out[0]->data;
    assert_true(fabsf(y[0] - (float)(1 + 2 * -3.5 / sqrt(8.75 + 1e-5))) < 1e-6f);
    assert_true(y[2] == 7 && y[3] == 7);
    op_end(&t);
}

/* ---- by index --------------------------------------------------------------------- */

static void indices_out_of_range_are_refused(void **unused)
{
    (void)unused;
    static const struct {
        const char *op;
        int64_t index;
    } cases[] = {{"GatherElements", 3},   {"GatherElements", -4}, {"ScatterElements", 3},
                 {"ScatterElements", -4}, {"GatherND", 3},        {"GatherND", -4},
                 {"ScatterND", 3},        {"ScatterND", -4}};
    struct op_call t;
    for (size_t i = 0; i < COUNT(cases); i++) {
        begin(&t, cases[i].op, 16, 1, D(3), (float[]){1, 2, 3});
        const bool nd = strstr(cases[i].op, "ND");
        op_input(&t, SPACC_I64, nd ? 2 : 1, nd ? D(1, 1) : D(1), &cases[i].index);
        if (strstr(cases[i].op, "Scatter"))
            floats(&t, 1, D(1), (float[]){9});
        fails_with(&t, 1, SPACC_ESHAPE, "is outside of an axis of 3 elements");
    }
}

static void updates_of_another_shape_are_refused(void **unused)
{
    (void)unused;
    struct op_call t;
    begin(&t, "ScatterND", 16, 2, D(3, 2), NULL);
    op_input(&t, SPACC_I64, 2, D(1, 1), NULL);
    floats(&t, 2, D(1, 3), NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "updates have shape [1,3]");
    begin(&t, "ScatterND", 16, 1, D(3), NULL);
    op_input(&t, SPACC_I64, 2, D(1, 2), NULL);
    floats(&t, 1, D(1), NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "indices of shape [1,2] into [3]");
    begin(&t, "ScatterElements", 16, 2, D(3, 2), NULL);
    op_input(&t, SPACC_I64, 2, D(1, 3), NULL);
    floats(&t, 2, D(1, 3), NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "indices of shape [1,3] into [3,2]");
    begin(&t, "ScatterElements", 16, 1, D(3), NULL);
    op_input(&t, SPACC_I64, 1, D(1), NULL);
    floats(&t, 1, D(1), NULL);
    op_attr_string(&t, "reduction", "max");
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "reduction max is not supported in opset 16");
}

static void integers_wrap_when_updates_are_added(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "ScatterElements", 18);
    op_input(&t, SPACC_I8, 1, D(2), (int8_t[]){127, 100});
    op_input(&t, SPACC_I64, 1, D(2), (int64_t[]){0, -1});
    op_input(&t, SPACC_I8, 1, D(2), (int8_t[]){1, 5});
    op_attr_string(&t, "reduction", "add");
    gives(&t, SPACC_I8, 1, D(2), (int8_t[]){-128, 105});
    op_begin(&t, "ScatterND", 18);
    op_input(&t, SPACC_I64, 1, D(1), (int64_t[]){INT64_MAX});
    op_input(&t, SPACC_I64, 2, D(2, 1), (int64_t[]){0, 0});
    op_input(&t, SPACC_I64, 1, D(2), (int64_t[]){INT64_MAX, 3});
    op_attr_string(&t, "reduction", "mul");
    gives(&t, SPACC_I64, 1, D(1), (int64_t[]){3}); /* (2^63 - 1)^2 is 1 */
}

static void nothing_to_place_leaves_the_data(void **unused)
{
    (void)unused;
    struct op_call t;
    begin(&t, "ScatterND", 16, 1, D(2), (float[]){1, 2});
    op_input(&t, SPACC_I64, 2, D(0, 1), NULL);
    floats(&t, 1, D(0), NULL);
    gives(&t, SPACC_F32, 1, D(2), (float[]){1, 2});
    begin(&t, "GatherND", 13, 2, D(0, 3), NULL);
    op_input(&t, SPACC_I64, 2, D(0, 1), NULL);
    gives(&t, SPACC_F32, 2, D(0, 3), NULL);
}

static void reverse_sequence_checks_its_lengths(void **unused)
{
    (void)unused;
    struct op_call t;
    begin(&t, "ReverseSequence", 10, 2, D(2, 1), (float[]){1, 2});
    list(&t, 1, (int64_t[]){3});
    fails_with(&t, 1, SPACC_ESHAPE, "sequence_lens[0] is 3, there are 2 steps");
    begin(&t, "ReverseSequence", 10, 2, D(2, 1), (float[]){1, 2});
    list(&t, 1, (int64_t[]){-1});
    fails_with(&t, 1, SPACC_ESHAPE, "sequence_lens[0] is -1");
    begin(&t, "ReverseSequence", 10, 2, D(2, 1), NULL);
    list(&t, 1, NULL);
    op_attr_int(&t, "time_axis", 1);
    fails_with(&t, 1, SPACC_ESHAPE, "batch axis 1 and time axis 1");
    begin(&t, "ReverseSequence", 10, 2, D(0, 1), NULL);
    list(&t, 1, (int64_t[]){0});
    gives(&t, SPACC_F32, 2, D(0, 1), NULL);
}

static void blocks_must_divide(void **unused)
{
    (void)unused;
    struct op_call t;
    begin(&t, "DepthToSpace", 13, 4, D(1, 6, 1, 1), NULL);
    op_attr_int(&t, "blocksize", 2);
    fails_with(&t, 1, SPACC_ESHAPE, "6 channels do not make blocks of 2 x 2");
    begin(&t, "SpaceToDepth", 13, 4, D(1, 1, 3, 2), NULL);
    op_attr_int(&t, "blocksize", 2);
    fails_with(&t, 1, SPACC_ESHAPE, "a plane of 3 x 2");
    begin(&t, "SpaceToDepth", 13, 4, D(1, 1, 2, 2), NULL);
    op_attr_int(&t, "blocksize", 0);
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "blocksize is 0");
    begin(&t, "DepthToSpace", 13, 4, D(1, 0, 2, 2), NULL);
    op_attr_int(&t, "blocksize", INT32_MAX);
    fails_with(&t, 1, SPACC_ESHAPE, "impossible");
}

/* ---- between elements -------------------------------------------------------------- */

static void resize(struct op_call *t, const int64_t *sizes)
{
    begin(t, "Resize", 13, 2, D(1, 2), (float[]){1, 3});
    op_no_input(t);
    op_no_input(t);
    list(t, 2, sizes);
}

static void resize_refuses_sizes_that_cannot_be(void **unused)
{
    (void)unused;
    struct op_call t;
    resize(&t, (int64_t[]){1, -1});
    fails_with(&t, 1, SPACC_ESHAPE, "axis 1 of 2 elements to size -1");
    begin(&t, "Resize", 13, 1, D(2), NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "needs scales or sizes");
    begin(&t, "Resize", 13, 1, D(0), NULL);
    op_no_input(&t);
    op_no_input(&t);
    list(&t, 1, (int64_t[]){4});
    fails_with(&t, 1, SPACC_ESHAPE, "axis 0 of 0 elements to size 4");
    static const float bad[] = {0.0f, -1.0f, NAN, INFINITY, 1e30f};
    for (size_t i = 0; i < COUNT(bad); i++) {
        begin(&t, "Resize", 13, 1, D(2), NULL);
        op_no_input(&t);
        floats(&t, 1, D(1), &bad[i]);
        fails_with(&t, 1, SPACC_ESHAPE, "axis 0 of 2 elements scaled by");
    }
    begin(&t, "Resize", 13, 1, D(2), NULL);
    op_no_input(&t);
    floats(&t, 1, D(2), (float[]){1, 1});
    fails_with(&t, 1, SPACC_ESHAPE, "2 scales, 1 are wanted");
    resize(&t, (int64_t[]){1, 4});
    op_attr_string(&t, "mode", "area");
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "mode area");
}

static void resize_between_two_elements_is_linear(void **unused)
{
    (void)unused;
    struct op_call t;
    resize(&t, (int64_t[]){1, 4});
    op_attr_string(&t, "mode", "linear");
    gives(&t, SPACC_F32, 2, D(1, 4), (float[]){1, 1.5f, 2.5f, 3});
    resize(&t, (int64_t[]){0, 4});
    gives(&t, SPACC_F32, 2, D(0, 4), NULL);
}

static void an_integer_image_is_resized_to_the_nearest(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "Upsample", 9);
    op_input(&t, SPACC_U8, 2, D(1, 2), (uint8_t[]){5, 9});
    floats(&t, 1, D(2), (float[]){1, 2});
    gives(&t, SPACC_U8, 2, D(1, 4), (uint8_t[]){5, 5, 9, 9});
}

static void wild_coordinates_count_as_outside(void **unused)
{
    (void)unused;
    static const float grid[] = {NAN, 0, 1e30f, 0, -INFINITY, 0, 0, 0};
    struct op_call t;
    begin(&t, "GridSample", 16, 4, D(1, 1, 1, 1), (float[]){8});
    floats(&t, 4, D(1, 1, 4, 2), grid);
    gives(&t, SPACC_F32, 4, D(1, 1, 1, 4), (float[]){0, 0, 0, 8});
    static const char *const modes[] = {"nearest", "bilinear", "bicubic"};
    for (int i = 0; i < 3; i++) {
        begin(&t, "GridSample", 16, 4, D(1, 1, 1, 1), (float[]){8});
        floats(&t, 4, D(1, 1, 4, 2), grid);
        op_attr_string(&t, "mode", modes[i]);
        op_attr_string(&t, "padding_mode", "reflection");
        op_attr_int(&t, "align_corners", 1);
        assert_int_equal(op_run(&t, 1), SPACC_OK); /* a single element, wherever it is */
        for (int k = 0; k < 4; k++)
            assert_true(fabsf(((float *)t.out[0]->data)[k] - 8) < 1e-5f);
        op_end(&t);
    }
    begin(&t, "GridSample", 16, 4, D(1, 1, 2, 2), NULL);
    floats(&t, 4, D(1, 1, 1, 3), NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "a grid of shape [1,1,1,3] for an image of [1,1,2,2]");
}

static void roi_align_checks_regions_and_batch(void **unused)
{
    (void)unused;
    struct op_call t;
    begin(&t, "RoiAlign", 16, 4, D(1, 1, 2, 2), NULL);
    floats(&t, 2, D(1, 4), NULL);
    list(&t, 1, (int64_t[]){1});
    fails_with(&t, 1, SPACC_ESHAPE, "batch index 1 of a batch of 1");
    begin(&t, "RoiAlign", 16, 4, D(1, 1, 2, 2), NULL);
    floats(&t, 2, D(1, 4), (float[]){0, 0, 1e30f, 1});
    list(&t, 1, (int64_t[]){0});
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "a region of");
    begin(&t, "RoiAlign", 16, 4, D(1, 1, 2, 2), NULL);
    floats(&t, 2, D(1, 4), (float[]){NAN, 0, 1, 1});
    list(&t, 1, (int64_t[]){0});
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "a region of");
}

/* ---- quantised --------------------------------------------------------------------- */

static void quantised_numbers_round_half_to_even_and_saturate(void **unused)
{
    (void)unused;
    struct op_call t;
    begin(&t, "QuantizeLinear", 13, 1, D(6), (float[]){0.5f, 1.5f, 2.5f, 1e30f, -1e30f, NAN});
    floats(&t, 0, NULL, (float[]){1});
    op_input(&t, SPACC_I8, 0, NULL, (int8_t[]){1});
    gives(&t, SPACC_I8, 1, D(6), (int8_t[]){1, 3, 3, 127, -128, -128});
    begin(&t, "DynamicQuantizeLinear", 11, 1, D(0), NULL);
    assert_int_equal(op_run(&t, 3), SPACC_OK);
    is_tensor(&t, 1, SPACC_F32, 0, NULL, (float[]){1});
    op_end(&t);
}

static void scales_must_match_their_axis(void **unused)
{
    (void)unused;
    struct op_call t;
    begin(&t, "QuantizeLinear", 13, 2, D(2, 3), NULL);
    floats(&t, 1, D(2), NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "input 1 has shape [2], one number or 3 are wanted");
    begin(&t, "QuantizeLinear", 10, 2, D(2, 3), NULL);
    floats(&t, 1, D(3), NULL);
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "exists from opset 13 on");
    begin(&t, "QuantizeLinear", 21, 2, D(2, 3), NULL);
    floats(&t, 0, NULL, NULL);
    op_attr_int(&t, "output_dtype", 17);
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "output type float8e4m3fn is not supported");
    begin(&t, "QuantizeLinear", 21, 2, D(2, 3), NULL);
    floats(&t, 2, D(2, 2), NULL);
    op_attr_int(&t, "block_size", 4);
    fails_with(&t, 1, SPACC_ESHAPE, "scales of shape [2,2] for blocks of 4");
    op_begin(&t, "DequantizeLinear", 13);
    op_input(&t, SPACC_I8, 1, D(2), NULL);
    floats(&t, 0, NULL, NULL);
    op_input(&t, SPACC_U8, 0, NULL, NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "input 0 is int8, input 2 is uint8");
}

static void blocks_of_an_axis_have_their_own_scales(void **unused)
{
    (void)unused;
    struct op_call t;
    begin(&t, "QuantizeLinear", 21, 2, D(2, 3), (float[]){4, 4, 4, 4, 4, 4});
    floats(&t, 2, D(2, 2), (float[]){1, 2, 4, 0.5f});
    op_attr_int(&t, "block_size", 2);
    op_attr_int(&t, "output_dtype", SPACC_I16);
    gives(&t, SPACC_I16, 2, D(2, 3), (int16_t[]){4, 4, 2, 1, 1, 8});
}

static void integer_products_wrap(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "MatMulInteger", 10);
    op_input(&t, SPACC_U8, 2, D(1, 2), (uint8_t[]){255, 1});
    op_input(&t, SPACC_I8, 2, D(2, 1), (int8_t[]){-128, 1});
    op_input(&t, SPACC_U8, 0, NULL, (uint8_t[]){1});
    gives(&t, SPACC_I32, 2, D(1, 1), (int32_t[]){254 * -128});
    op_begin(&t, "MatMulInteger", 10);
    op_input(&t, SPACC_U8, 2, D(1, 2), NULL);
    op_input(&t, SPACC_I8, 2, D(3, 1), NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "cannot multiply [1,2] by [3,1]");
    op_begin(&t, "MatMulInteger", 10);
    op_input(&t, SPACC_U8, 2, D(1, 2), NULL);
    op_input(&t, SPACC_I8, 2, D(2, 3), NULL);
    op_no_input(&t);
    op_input(&t, SPACC_I8, 1, D(2), NULL);
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "input 3 of shape [2] is not supported");
    op_begin(&t, "ConvInteger", 10);
    op_input(&t, SPACC_U8, 3, D(1, 1, 3), (uint8_t[]){1, 2, 3});
    op_input(&t, SPACC_U8, 3, D(1, 1, 2), (uint8_t[]){1, 10});
    op_input(&t, SPACC_U8, 0, NULL, (uint8_t[]){1});
    op_attr_ints(&t, "pads", 2, (int64_t[]){0, 1}); /* a pad is the zero point */
    gives(&t, SPACC_I32, 3, D(1, 1, 3), (int32_t[]){10, 21, 2});
}

/* Inputs by rule, outputs of ONNX Runtime 1.30. */
static void a_quantised_lstm_follows_onnx_runtime(void **unused)
{
    (void)unused;
    static const float want[3][12] = {
        {-0.1696651726961136f, 0.11274357885122299f, 0.05250874534249306f, 0.13004334270954132f,
         -0.18696889281272888f, 0.22129954397678375f, 0.09621667116880417f,
         0.10974772274494171f, -0.16696852445602417f, 0.30468881130218506f,
         0.11050739884376526f, 0.07336129248142242f},
        {-0.16696852445602417f, 0.30468881130218506f, 0.05250874534249306f,
         0.13004334270954132f},
        {-1.0345042943954468f, 0.9267330169677734f, 0.9415420889854431f, 0.15136653184890747f}};
    float x[9];
    int8_t w[48], r[32];
    struct op_call t;
    for (int k = 0; k < 9; k++)
        x[k] = (float)(k * 29 % 41 - 20) / 16;
    for (int k = 0; k < 48; k++)
        w[k] = (int8_t)(k * 37 % 121 - 60);
    for (int k = 0; k < 32; k++)
        r[k] = (int8_t)(k * 53 % 121 - 60);
    begin(&t, "com.microsoft.DynamicQuantizeLSTM", 13, 3, D(3, 1, 3), x);
    op_input(&t, SPACC_I8, 3, D(2, 3, 8), w);
    op_input(&t, SPACC_I8, 3, D(2, 2, 8), r);
    for (int i = 3; i < 8; i++)
        op_no_input(&t);
    floats(&t, 1, D(2), (float[]){1.0f / 64, 1.0f / 32});
    op_input(&t, SPACC_I8, 1, D(2), NULL);
    floats(&t, 1, D(2), (float[]){1.0f / 64, 1.0f / 64});
    op_input(&t, SPACC_I8, 1, D(2), NULL);
    op_attr_int(&t, "hidden_size", 2);
    op_attr_string(&t, "direction", "bidirectional");
    if (op_run(&t, 3) != SPACC_OK)
        fail_msg("%s", t.err.text);
    for (int o = 0; o < 3; o++)
        for (size_t i = 0; i < t.out[o]->count; i++)
            assert_true(fabsf(((float *)t.out[o]->data)[i] - want[o][i]) < 1e-5f);
    op_end(&t);
}

static void a_quantised_lstm_checks_its_scales(void **unused)
{
    (void)unused;
    struct op_call t;
    begin(&t, "com.microsoft.DynamicQuantizeLSTM", 13, 3, D(1, 1, 3), NULL);
    op_input(&t, SPACC_I8, 3, D(1, 3, 8), NULL);
    op_input(&t, SPACC_I8, 3, D(1, 2, 8), NULL);
    for (int i = 3; i < 8; i++)
        op_no_input(&t);
    floats(&t, 1, D(2), NULL);
    op_input(&t, SPACC_I8, 1, D(1), NULL);
    floats(&t, 1, D(1), NULL);
    op_input(&t, SPACC_I8, 1, D(1), NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "input 8 has shape [2], [1] or [1,8] are wanted");
    begin(&t, "com.microsoft.DynamicQuantizeLSTM", 13, 3, D(1, 1, 3), NULL);
    op_input(&t, SPACC_I8, 3, D(1, 3, 8), NULL);
    op_input(&t, SPACC_I8, 3, D(1, 2, 8), NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "input 8 is left out");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transposed_convolution_refuses_what_does_not_fit),
        cmocka_unit_test(transposed_convolution_of_nothing_gives_the_bias),
        cmocka_unit_test(a_pool_needs_a_kernel_that_fits),
        cmocka_unit_test(huge_kernels_and_strides_stay_in_bounds),
        cmocka_unit_test(max_unpool_refuses_an_index_outside),
        cmocka_unit_test(norms_check_their_scales),
        cmocka_unit_test(batch_norm_of_training_is_refused_where_it_is_not_defined),
        cmocka_unit_test(group_norm_scales_by_group_then_from_opset_21_by_channel),
        cmocka_unit_test(indices_out_of_range_are_refused),
        cmocka_unit_test(updates_of_another_shape_are_refused),
        cmocka_unit_test(integers_wrap_when_updates_are_added),
        cmocka_unit_test(nothing_to_place_leaves_the_data),
        cmocka_unit_test(reverse_sequence_checks_its_lengths),
        cmocka_unit_test(blocks_must_divide),
        cmocka_unit_test(resize_refuses_sizes_that_cannot_be),
        cmocka_unit_test(resize_between_two_elements_is_linear),
        cmocka_unit_test(an_integer_image_is_resized_to_the_nearest),
        cmocka_unit_test(wild_coordinates_count_as_outside),
        cmocka_unit_test(roi_align_checks_regions_and_batch),
        cmocka_unit_test(quantised_numbers_round_half_to_even_and_saturate),
        cmocka_unit_test(scales_must_match_their_axis),
        cmocka_unit_test(blocks_of_an_axis_have_their_own_scales),
        cmocka_unit_test(integer_products_wrap),
        cmocka_unit_test(a_quantised_lstm_follows_onnx_runtime),
        cmocka_unit_test(a_quantised_lstm_checks_its_scales),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
