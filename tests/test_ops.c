/* Hard cases of single operators: shapes, limits, opset changes and the lines of
 * errors. The ONNX project's own cases are in test_conformance.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <math.h>

#include "ops_expect.h"

/* ---- broadcasting --------------------------------------------------------------- */

static void add_broadcasts_both_inputs_at_once(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "Add", 13);
    op_input(&t, SPACC_F32, 3, D(2, 1, 3), (float[]){1, 2, 3, 10, 20, 30});
    op_input(&t, SPACC_F32, 2, D(2, 1), (float[]){100, 200});
    gives(&t, SPACC_F32, 3, D(2, 2, 3),
          (float[]){101, 102, 103, 201, 202, 203, 110, 120, 130, 210, 220, 230});
}

/* Every pattern of broadcast axes against plain index arithmetic. */
static void sub_matches_plain_indexing_for_every_pattern(void **unused)
{
    (void)unused;
    const int64_t full[4] = {3, 2, 4, 5};
    for (unsigned bits = 0; bits < 256; bits++) {
        struct op_call t;
        int64_t dims[2][4];
        for (unsigned k = 0; k < 8; k++)
            dims[k / 4][k % 4] = bits >> k & 1 ? 1 : full[k % 4];
        op_begin(&t, "Sub", 14);
        for (int k = 0; k < 2; k++) {
            struct spacc_tensor *x = op_input(&t, SPACC_F32, 4, dims[k], NULL);
            for (size_t i = 0; i < x->count; i++)
                ((float *)x->data)[i] = (float)(i * (k ? 7u : 1000u));
        }
        assert_int_equal(op_run(&t, 1), SPACC_OK);
        size_t rest, at;
        for (size_t i = 0; i < t.out[0]->count; i++) {
            float operand[2];
            for (int k = 0; k < 2; k++) {
                size_t step = 1;
                rest = i, at = 0;
                for (int axis = 3; axis >= 0; axis--) {
                    const size_t size = (size_t)t.out[0]->dims[axis];
                    at += dims[k][axis] == 1 ? 0 : rest % size * step;
                    rest /= size;
                    step *= (size_t)dims[k][axis];
                }
                operand[k] = (float)(at * (k ? 7u : 1000u));
            }
            if (((float *)t.out[0]->data)[i] != operand[0] - operand[1])
                fail_msg("pattern %u, element %zu", bits, i);
        }
        op_end(&t);
    }
}

static void an_empty_axis_broadcasts_to_nothing(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "Mul", 13);
    op_input(&t, SPACC_F32, 2, D(0, 3), NULL);
    op_input(&t, SPACC_F32, 2, D(1, 3), NULL);
    gives(&t, SPACC_F32, 2, D(0, 3), NULL);
}

static void shapes_that_do_not_broadcast_are_both_named(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "Add", 13);
    op_input(&t, SPACC_F32, 2, D(2, 3), NULL);
    op_input(&t, SPACC_F32, 1, D(2), NULL);
    fails_with(&t, 1, SPACC_ESHAPE,
               "test.onnx: node n (Add): input 1 of shape [2] does not broadcast with [2,3]");
    op_begin(&t, "Add", 13);
    op_input(&t, SPACC_F32, 1, D(2), NULL);
    op_input(&t, SPACC_I32, 1, D(2), NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "input 0 is float32, input 1 is int32");
}

/* ---- integers ------------------------------------------------------------------- */

static void integers_wrap_and_divide_towards_zero(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "Add", 14);
    op_input(&t, SPACC_U8, 1, D(2), (uint8_t[]){250, 3});
    op_input(&t, SPACC_U8, 1, D(2), (uint8_t[]){10, 4});
    gives(&t, SPACC_U8, 1, D(2), (uint8_t[]){4, 7});
    op_begin(&t, "Mul", 14);
    op_input(&t, SPACC_I32, 1, D(2), (int32_t[]){INT32_MAX, -5});
    op_input(&t, SPACC_I32, 0, NULL, (int32_t[]){2});
    gives(&t, SPACC_I32, 1, D(2), (int32_t[]){-2, -10});
    op_begin(&t, "Div", 14);
    op_input(&t, SPACC_I64, 1, D(3), (int64_t[]){-7, INT64_MIN, 7});
    op_input(&t, SPACC_I64, 1, D(3), (int64_t[]){2, -1, -2});
    gives(&t, SPACC_I64, 1, D(3), (int64_t[]){-3, INT64_MIN, -3});
}

static void integer_division_by_zero_is_an_error(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "Div", 14);
    op_input(&t, SPACC_I32, 1, D(3), (int32_t[]){1, 2, 3});
    op_input(&t, SPACC_I32, 1, D(3), (int32_t[]){1, 0, 3});
    fails_with(&t, 1, SPACC_EINVAL, "integer division by zero: element 1 of input 1 is 0");
    op_begin(&t, "Div", 14);
    op_input(&t, SPACC_F32, 0, NULL, (float[]){1});
    op_input(&t, SPACC_F32, 0, NULL, (float[]){0});
    gives(&t, SPACC_F32, 0, NULL, (float[]){INFINITY});
}

static void pow_mixes_types_from_opset_12_on(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "Pow", 12);
    op_input(&t, SPACC_I64, 1, D(4), (int64_t[]){3, -2, -1, 10});
    op_input(&t, SPACC_I32, 1, D(4), (int32_t[]){4, 3, -3, -1});
    gives(&t, SPACC_I64, 1, D(4), (int64_t[]){81, -8, -1, 0});
    op_begin(&t, "Pow", 12);
    op_input(&t, SPACC_I32, 0, NULL, (int32_t[]){0});
    op_input(&t, SPACC_I32, 0, NULL, (int32_t[]){-1});
    fails_with(&t, 1, SPACC_EINVAL, "0 to the power -1 is not an int32");
    op_begin(&t, "Pow", 7);
    op_input(&t, SPACC_I32, 0, NULL, (int32_t[]){2});
    op_input(&t, SPACC_I32, 0, NULL, (int32_t[]){2});
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "type int32 of input 0 is not supported by Pow");
}

static void casts_truncate_and_saturate(void **unused)
{
    (void)unused;
    const float x[] = {-1.9f, 1.9f, 300.0f, NAN, -INFINITY, 1e30f};
    const struct {
        enum spacc_dtype to;
        const void *want;
    } cases[] = {
        {SPACC_I8, (const int8_t[]){-1, 1, 127, 0, -128, 127}},
        {SPACC_U8, (const uint8_t[]){0, 1, 255, 0, 0, 255}},
        {SPACC_I32, (const int32_t[]){-1, 1, 300, 0, INT32_MIN, INT32_MAX}},
        {SPACC_I64, (const int64_t[]){-1, 1, 300, 0, INT64_MIN, INT64_MAX}},
        {SPACC_BOOL, (const uint8_t[]){1, 1, 1, 1, 1, 1}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct op_call t;
        op_begin(&t, "Cast", 13);
        op_input(&t, SPACC_F32, 1, D(6), x);
        op_attr_int(&t, "to", cases[i].to);
        gives(&t, cases[i].to, 1, D(6), cases[i].want);
    }
    struct op_call t;
    op_begin(&t, "Cast", 13);
    op_input(&t, SPACC_I64, 1, D(2), (int64_t[]){257, -1});
    op_attr_int(&t, "to", SPACC_U8);
    gives(&t, SPACC_U8, 1, D(2), (uint8_t[]){1, 255});
    op_begin(&t, "Cast", 13);
    op_input(&t, SPACC_F32, 0, NULL, NULL);
    op_attr_int(&t, "to", 8);
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "a cast from float32 to string is not supported");
}

/* ---- Slice ---------------------------------------------------------------------- */

/* Slice 0..9 along its axis; the elements that come out. */
static void slices(int64_t start, int64_t end, int64_t step, int64_t count, const float *want)
{
    struct op_call t;
    const float x[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    op_begin(&t, "Slice", 13);
    op_input(&t, SPACC_F32, 1, D(10), x);
    list(&t, 1, &start);
    list(&t, 1, &end);
    list(&t, 1, D(-1));
    list(&t, 1, &step);
    gives(&t, SPACC_F32, 1, &count, want);
}

static void slices_clamp_and_step_both_ways(void **unused)
{
    (void)unused;
    slices(2, 5, 1, 3, (float[]){2, 3, 4});
    slices(-3, INT64_MAX, 1, 3, (float[]){7, 8, 9});
    slices(-100, 100, 4, 3, (float[]){0, 4, 8});
    slices(9, INT64_MIN, -4, 3, (float[]){9, 5, 1});
    slices(100, -100, -3, 4, (float[]){9, 6, 3, 0});
    slices(-2, 2, -2, 3, (float[]){8, 6, 4});
    slices(-100, INT64_MIN, -1, 1, (float[]){0});
    slices(5, 5, 1, 0, NULL);
    slices(2, 7, -1, 0, NULL);
    slices(7, 2, 1, 0, NULL);
    slices(0, 10, INT64_MAX, 1, (float[]){0});
    slices(INT64_MAX, INT64_MIN, INT64_MIN, 1, (float[]){9});
}

static void slices_of_two_axes_combine(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "Slice", 11);
    op_input(&t, SPACC_U8, 2, D(3, 4), (uint8_t[]){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
    list(&t, 2, D(3, 2));
    list(&t, 2, D(0, -5));
    list(&t, 2, D(1, 0));
    list(&t, 2, D(-2, -2));
    gives(&t, SPACC_U8, 2, D(2, 2), (uint8_t[]){11, 9, 3, 1});
}

static void a_slice_of_an_empty_axis_is_empty(void **unused)
{
    (void)unused;
    for (int64_t step = -1; step <= 1; step += 2) {
        struct op_call t;
        op_begin(&t, "Slice", 13);
        op_input(&t, SPACC_F32, 2, D(2, 0), NULL);
        list(&t, 1, D(0));
        list(&t, 1, D(INT64_MIN));
        list(&t, 1, D(1));
        list(&t, 1, &step);
        gives(&t, SPACC_F32, 2, D(2, 0), NULL);
    }
}

static void slice_takes_attributes_before_opset_10_only(void **unused)
{
    (void)unused;
    struct op_call t;
    for (int opset = 9; opset <= 10; opset++) {
        op_begin(&t, "Slice", opset);
        op_input(&t, SPACC_I32, 1, D(4), (int32_t[]){1, 2, 3, 4});
        op_attr_ints(&t, "starts", 1, (int64_t[]){-3});
        op_attr_ints(&t, "ends", 1, (int64_t[]){-1});
        if (opset == 9)
            gives(&t, SPACC_I32, 1, D(2), (int32_t[]){2, 3});
        else
            fails_with(&t, 1, SPACC_EUNSUPPORTED,
                       "attribute starts exists up to opset 9, the model has opset 10");
    }
    op_begin(&t, "Slice", 13);
    op_input(&t, SPACC_I32, 1, D(4), NULL);
    list(&t, 1, D(0));
    list(&t, 1, D(1));
    list(&t, 1, D(0));
    list(&t, 1, D(0));
    fails_with(&t, 1, SPACC_ESHAPE, "step of axis 0 is 0");
}

/* ---- Gather --------------------------------------------------------------------- */

static void gather_takes_negative_indices_on_any_axis(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "Gather", 13);
    op_input(&t, SPACC_F64, 2, D(2, 3), (double[]){1, 2, 3, 4, 5, 6});
    op_input(&t, SPACC_I32, 2, D(1, 2), (int32_t[]){-1, 0});
    op_attr_int(&t, "axis", -1);
    gives(&t, SPACC_F64, 3, D(2, 1, 2), (double[]){3, 1, 6, 4});
    op_begin(&t, "Gather", 13);
    op_input(&t, SPACC_BOOL, 1, D(3), (uint8_t[]){0, 1, 0});
    op_input(&t, SPACC_I64, 0, NULL, (int64_t[]){-2});
    gives(&t, SPACC_BOOL, 0, NULL, (uint8_t[]){1});
}

static void gather_outside_its_axis_names_index_and_size(void **unused)
{
    (void)unused;
    const int64_t bad[] = {3, -4, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct op_call t;
        char want[120];
        op_begin(&t, "Gather", 13);
        op_input(&t, SPACC_F32, 1, D(3), NULL);
        list(&t, 2, D(0, bad[i]));
        snprintf(want, sizeof(want), "index %lld at element 1 is outside an axis of 3",
                 (long long)bad[i]);
        fails_with(&t, 1, SPACC_ESHAPE, want);
    }
    struct op_call t;
    op_begin(&t, "Gather", 13);
    op_input(&t, SPACC_F32, 2, D(0, 4), NULL);
    list(&t, 1, D(0));
    fails_with(&t, 1, SPACC_ESHAPE, "index 0 at element 0 is outside an axis of 0");
}

/* ---- shapes --------------------------------------------------------------------- */

static void reshape_to(int opset, int64_t count, const int64_t *shape, bool allow_zero,
                       struct op_call *t)
{
    op_begin(t, "Reshape", opset);
    op_input(t, SPACC_I8, 3, D(2, 0, 3), NULL);
    list(t, count, shape);
    if (allow_zero)
        op_attr_int(t, "allowzero", 1);
}

static void reshape_handles_zero_and_minus_one(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "Reshape", 7);
    op_input(&t, SPACC_I8, 3, D(2, 1, 3), (int8_t[]){1, 2, 3, 4, 5, 6});
    list(&t, 2, D(0, -1));
    gives(&t, SPACC_I8, 2, D(2, 3), (int8_t[]){1, 2, 3, 4, 5, 6});
    reshape_to(14, 3, D(3, 0, 7), true, &t);
    gives(&t, SPACC_I8, 3, D(3, 0, 7), NULL);
    reshape_to(14, 2, D(0, -1), true, &t);
    fails_with(&t, 1, SPACC_ESHAPE, "cannot reshape [2,0,3] to [0,-1]");
    reshape_to(13, 1, D(0), true, &t);
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "attribute allowzero exists from opset 14 on");
    reshape_to(13, 2, D(-1, -1), false, &t);
    fails_with(&t, 1, SPACC_ESHAPE, "cannot reshape [2,0,3] to [-1,-1]");
    reshape_to(13, 3, D(INT64_MAX, 4, 4), false, &t);
    fails_with(&t, 1, SPACC_ESHAPE, "cannot reshape [2,0,3] to [9223372036854775807,4,4]");
    reshape_to(13, 4, D(1, 1, 1, 0), false, &t);
    fails_with(&t, 1, SPACC_ESHAPE, "cannot reshape [2,0,3] to [1,1,1,0]");
}

static void a_reshape_without_its_shape_is_left_to_the_run(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "Reshape", 13);
    op_input(&t, SPACC_F32, 1, D(6), NULL);
    struct spacc_tensor *shape = op_input(&t, SPACC_I64, 1, D(2), NULL);
    free(shape->data);
    shape->data = NULL;
    t.call.shape_only = true;
    assert_int_equal(op_run(&t, 1), SPACC_ESHAPE);
    assert_true(t.call.shape_unknown);
    op_end(&t);
}

static void squeeze_and_unsqueeze_move_their_axes_at_opset_13(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "Squeeze", 12);
    op_input(&t, SPACC_F32, 3, D(1, 2, 1), (float[]){1, 2});
    op_attr_ints(&t, "axes", 1, (int64_t[]){-1});
    gives(&t, SPACC_F32, 2, D(1, 2), (float[]){1, 2});
    op_begin(&t, "Squeeze", 13);
    op_input(&t, SPACC_F32, 3, D(1, 2, 1), (float[]){1, 2});
    gives(&t, SPACC_F32, 1, D(2), (float[]){1, 2});
    op_begin(&t, "Squeeze", 13);
    op_input(&t, SPACC_F32, 2, D(1, 3), NULL);
    list(&t, 1, D(1));
    fails_with(&t, 1, SPACC_ESHAPE, "axis 1 has 3 elements, it must have 1");
    op_begin(&t, "Unsqueeze", 13);
    op_input(&t, SPACC_F32, 1, D(2), (float[]){1, 2});
    list(&t, 2, D(-1, 0));
    gives(&t, SPACC_F32, 3, D(1, 2, 1), (float[]){1, 2});
    op_begin(&t, "Unsqueeze", 13);
    op_input(&t, SPACC_F32, 1, D(2), NULL);
    list(&t, 2, D(0, -3));
    fails_with(&t, 1, SPACC_ESHAPE, "axis 0 is given twice");
    op_begin(&t, "Unsqueeze", 13);
    op_input(&t, SPACC_F32, 1, D(2), NULL);
    list(&t, 1, D(2));
    fails_with(&t, 1, SPACC_ESHAPE, "axis 2 is outside -2..1 of a tensor of rank 2");
    op_begin(&t, "Unsqueeze", 13);
    op_input(&t, SPACC_F32, 8, D(1, 1, 1, 1, 1, 1, 1, 1), NULL);
    list(&t, 1, D(0));
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "8 axes and 1 more, 8 are possible");
}

static void transposes_match_plain_indexing(void **unused)
{
    (void)unused;
    struct op_call t;
    int64_t perm[] = {2, 0, 3, 1};
    op_begin(&t, "Transpose", 13);
    struct spacc_tensor *x = op_input(&t, SPACC_I32, 4, D(2, 3, 4, 5), NULL);
    for (size_t i = 0; i < x->count; i++)
        ((int32_t *)x->data)[i] = (int32_t)i;
    op_attr_ints(&t, "perm", 4, perm);
    assert_int_equal(op_run(&t, 1), SPACC_OK);
    const int32_t *y = t.out[0]->data;
    for (int c = 0; c < 4; c++)
        for (int a = 0; a < 2; a++)
            for (int d = 0; d < 5; d++)
                for (int b = 0; b < 3; b++)
                    assert_int_equal(*y++, ((a * 3 + b) * 4 + c) * 5 + d);
    perm[3] = 2;
    assert_int_equal(op_run(&t, 1), SPACC_ESHAPE);
    assert_non_null(strstr(t.err.text, "perm[3] is 2, not a new axis of rank 4"));
    op_end(&t);
}

/* ---- Split, Concat, Pad --------------------------------------------------------- */

static void split_divides_by_sizes_or_evenly(void **unused)
{
    (void)unused;
    struct op_call t;
    const float x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    op_begin(&t, "Split", 13);
    op_input(&t, SPACC_F32, 2, D(2, 5), x);
    list(&t, 3, D(1, 0, 4));
    op_attr_int(&t, "axis", 1);
    assert_int_equal(op_run(&t, 3), SPACC_OK);
    is_tensor(&t, 0, SPACC_F32, 2, D(2, 1), (float[]){1, 6});
    is_tensor(&t, 1, SPACC_F32, 2, D(2, 0), NULL);
    is_tensor(&t, 2, SPACC_F32, 2, D(2, 4), (float[]){2, 3, 4, 5, 7, 8, 9, 10});
    op_end(&t);
    op_begin(&t, "Split", 18);
    op_input(&t, SPACC_F32, 1, D(10), x);
    op_attr_int(&t, "num_outputs", 3);
    assert_int_equal(op_run(&t, 3), SPACC_OK);
    is_tensor(&t, 0, SPACC_F32, 1, D(4), x);
    is_tensor(&t, 2, SPACC_F32, 1, D(2), x + 8);
    op_end(&t);
    op_begin(&t, "Split", 11);
    op_input(&t, SPACC_F32, 1, D(10), x);
    fails_with(&t, 3, SPACC_ESHAPE, "an axis of 10 does not split in 3 equal parts");
    op_begin(&t, "Split", 11);
    op_input(&t, SPACC_F32, 1, D(10), x);
    op_attr_ints(&t, "split", 2, (int64_t[]){4, 5});
    fails_with(&t, 2, SPACC_ESHAPE, "split adds up to 9, the axis has 10");
}

static void concat_names_the_input_that_does_not_fit(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "Concat", 13);
    op_input(&t, SPACC_U8, 2, D(2, 1), (uint8_t[]){1, 2});
    op_input(&t, SPACC_U8, 2, D(2, 0), NULL);
    op_input(&t, SPACC_U8, 2, D(2, 2), (uint8_t[]){3, 4, 5, 6});
    op_attr_int(&t, "axis", -1);
    gives(&t, SPACC_U8, 2, D(2, 3), (uint8_t[]){1, 3, 4, 2, 5, 6});
    op_begin(&t, "Concat", 13);
    op_input(&t, SPACC_U8, 2, D(2, 1), NULL);
    op_input(&t, SPACC_U8, 2, D(3, 1), NULL);
    op_attr_int(&t, "axis", 1);
    fails_with(&t, 1, SPACC_ESHAPE,
               "input 1 has shape [3,1], input 0 has [2,1]; only axis 1 may differ");
}

/* Pad 1 2 3 by begin and end. */
static void pads(const char *mode, int64_t begin, int64_t end, int64_t count, const float *want)
{
    struct op_call t;
    op_begin(&t, "Pad", 19);
    op_input(&t, SPACC_F32, 1, D(3), (float[]){1, 2, 3});
    list(&t, 2, D(begin, end));
    op_input(&t, SPACC_F32, 0, NULL, (float[]){9});
    op_attr_string(&t, "mode", mode);
    gives(&t, SPACC_F32, 1, &count, want);
}

static void pads_fill_in_four_ways_and_take_away(void **unused)
{
    (void)unused;
    pads("constant", 1, 2, 6, (float[]){9, 1, 2, 3, 9, 9});
    pads("edge", 1, 2, 6, (float[]){1, 1, 2, 3, 3, 3});
    pads("reflect", 2, 1, 6, (float[]){3, 2, 1, 2, 3, 2});
    pads("wrap", 2, 1, 6, (float[]){2, 3, 1, 2, 3, 1});
    pads("reflect", 5, 0, 8, (float[]){2, 1, 2, 3, 2, 1, 2, 3});
    pads("constant", -1, 1, 3, (float[]){2, 3, 9});
    pads("edge", -2, 1, 2, (float[]){3, 3});
    pads("constant", -1, -2, 0, NULL);
}

static void pad_axes_pick_what_is_padded(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "Pad", 18);
    op_input(&t, SPACC_I64, 2, D(1, 2), (int64_t[]){1, 2});
    list(&t, 2, D(0, 1));
    op_no_input(&t);
    list(&t, 1, D(-1));
    gives(&t, SPACC_I64, 2, D(1, 3), (int64_t[]){1, 2, 0});
    op_begin(&t, "Pad", 13);
    op_input(&t, SPACC_F32, 2, D(1, 2), NULL);
    list(&t, 2, D(0, 1));
    fails_with(&t, 1, SPACC_ESHAPE, "2 pads for 2 axes, 4 are needed");
    op_begin(&t, "Pad", 13);
    op_input(&t, SPACC_F32, 1, D(2), NULL);
    list(&t, 2, D(0, 1));
    op_attr_string(&t, "mode", "wrap");
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "mode wrap is not supported in opset 13");
    op_begin(&t, "Pad", 13);
    op_input(&t, SPACC_F32, 1, D(2), NULL);
    list(&t, 2, D(-3, 0));
    fails_with(&t, 1, SPACC_ESHAPE, "axis 0 of 2 elements with pads -3 and 0");
}

/* ---- products ------------------------------------------------------------------- */

static void matmul_treats_vectors_as_numpy_does(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "MatMul", 13);
    op_input(&t, SPACC_F32, 1, D(2), (float[]){1, 10});
    op_input(&t, SPACC_F32, 3, D(2, 2, 3), (float[]){1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3});
    gives(&t, SPACC_F32, 2, D(2, 3), (float[]){41, 52, 63, 17, 28, 39});
    op_begin(&t, "MatMul", 13);
    op_input(&t, SPACC_I32, 1, D(3), (int32_t[]){1, 2, 3});
    op_input(&t, SPACC_I32, 1, D(3), (int32_t[]){4, 5, 6});
    gives(&t, SPACC_I32, 0, NULL, (int32_t[]){32});
    op_begin(&t, "MatMul", 13);
    op_input(&t, SPACC_F32, 2, D(2, 0), NULL);
    op_input(&t, SPACC_F32, 2, D(0, 2), NULL);
    gives(&t, SPACC_F32, 2, D(2, 2), (float[]){0, 0, 0, 0});
    op_begin(&t, "MatMul", 13);
    op_input(&t, SPACC_F32, 2, D(2, 3), NULL);
    op_input(&t, SPACC_F32, 2, D(4, 2), NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "cannot multiply [2,3] by [4,2]");
    op_begin(&t, "MatMul", 13);
    op_input(&t, SPACC_F32, 0, NULL, NULL);
    op_input(&t, SPACC_F32, 2, D(4, 2), NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "cannot multiply [] by [4,2]");
}

/* Stacks that broadcast, and sizes beside the blocks of 4 rows and 8 columns. */
static void matmul_matches_plain_sums(void **unused)
{
    (void)unused;
    enum { A = 2, C = 3, M = 3, K = 13, N = 19 };
    struct op_call t;
    op_begin(&t, "MatMul", 13);
    struct spacc_tensor *a = op_input(&t, SPACC_F64, 4, D(A, 1, M, K), NULL);
    struct spacc_tensor *b = op_input(&t, SPACC_F64, 3, D(C, K, N), NULL);
    for (size_t i = 0; i < a->count; i++)
        ((double *)a->data)[i] = (double)(i * 37 % 101) - 50;
    for (size_t i = 0; i < b->count; i++)
        ((double *)b->data)[i] = (double)(i * 53 % 89) - 44;
    assert_int_equal(op_run(&t, 1), SPACC_OK);
    const double *y = t.out[0]->data;
    for (int s = 0; s < A * C; s++)
        for (int i = 0; i < M; i++)
            for (int j = 0; j < N; j++) {
                double sum = 0;
                for (int k = 0; k < K; k++)
                    sum += ((double *)a->data)[(s / C * M + i) * K + k] *
                           ((double *)b->data)[(s % C * K + k) * N + j];
                assert_true(*y++ == sum); /* small integers: exact */
            }
    op_end(&t);
}

static void gemm_scales_transposes_and_broadcasts_c(void **unused)
{
    (void)unused;
    for (int bits = 0; bits < 4; bits++) {
        struct op_call t;
        op_begin(&t, "Gemm", 13);
        op_input(&t, SPACC_F32, 2, bits & 1 ? D(3, 2) : D(2, 3),
                 bits & 1 ? (float[]){1, 4, 2, 5, 3, 6} : (float[]){1, 2, 3, 4, 5, 6});
        op_input(&t, SPACC_F32, 2, bits & 2 ? D(2, 3) : D(3, 2),
                 bits & 2 ? (float[]){1, 0, 1, 2, 1, 0} : (float[]){1, 2, 0, 1, 1, 0});
        op_input(&t, SPACC_F32, 2, D(2, 1), (float[]){10, 20});
        op_attr_int(&t, "transA", bits & 1);
        op_attr_int(&t, "transB", bits >> 1);
        op_attr_float(&t, "alpha", 2.0f);
        op_attr_float(&t, "beta", 0.5f);
        gives(&t, SPACC_F32, 2, D(2, 2), (float[]){13, 13, 30, 36});
    }
    struct op_call t;
    op_begin(&t, "Gemm", 13);
    op_input(&t, SPACC_F32, 2, D(2, 3), NULL);
    op_input(&t, SPACC_F32, 2, D(3, 2), NULL);
    op_input(&t, SPACC_F32, 3, D(1, 2, 2), NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "C of shape [1,2,2] does not broadcast to [2,2]");
}

/* Kernel, stride, dilation and pads against the definition, one sum an output. */
static void conv_matches_the_definition_in_one_axis(void **unused)
{
    (void)unused;
    enum { IN = 11, KERNEL = 3, CHANNELS = 4, GROUPS = 2 };
    for (int64_t stride = 1; stride <= 3; stride++)
        for (int64_t dilation = 1; dilation <= 3; dilation++)
            for (int64_t begin = 0; begin <= 4; begin += 2) {
                struct op_call t;
                int64_t ends[] = {begin, 1};
                op_begin(&t, "Conv", 11);
                struct spacc_tensor *x = op_input(&t, SPACC_F32, 3, D(2, CHANNELS, IN), NULL);
                struct spacc_tensor *w =
                    op_input(&t, SPACC_F32, 3, D(6, CHANNELS / GROUPS, KERNEL), NULL);
                op_input(&t, SPACC_F32, 1, D(6), (float[]){1, 2, 3, 4, 5, 6});
                for (size_t i = 0; i < x->count; i++)
                    ((float *)x->data)[i] = (float)(i * 7 % 11);
                for (size_t i = 0; i < w->count; i++)
                    ((float *)w->data)[i] = (float)(i * 5 % 7) - 3;
                op_attr_ints(&t, "strides", 1, &stride);
                op_attr_ints(&t, "dilations", 1, &dilation);
                op_attr_ints(&t, "pads", 2, ends);
                op_attr_int(&t, "group", GROUPS);
                assert_int_equal(op_run(&t, 1), SPACC_OK);
                const int64_t out = (IN + begin + 1 - dilation * (KERNEL - 1) - 1) / stride + 1;
                assert_int_equal(t.out[0]->dims[2], out);
                const float *y = t.out[0]->data;
                for (int64_t n = 0; n < 2; n++)
                    for (int64_t o = 0; o < 6; o++)
                        for (int64_t p = 0; p < out; p++) {
                            float sum = (float)(o + 1);
                            for (int64_t c = 0; c < 2; c++)
                                for (int64_t k = 0; k < KERNEL; k++) {
                                    const int64_t at = p * stride + k * dilation - begin;
                                    if (at >= 0 && at < IN)
                                        sum +=
                                            ((float *)w->data)[(o * 2 + c) * KERNEL + k] *
                                            ((float *)
                                                 x->data)[(n * CHANNELS + o / 3 * 2 + c) * IN +
                                                          at];
                                }
                            assert_true(*y++ == sum); /* small integers: exact */
                        }
                op_end(&t);
            }
}

static void conv_names_both_sides_of_what_does_not_fit(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "Conv", 11);
    op_input(&t, SPACC_F32, 3, D(1, 3, 5), NULL);
    op_input(&t, SPACC_F32, 3, D(2, 4, 3), NULL);
    fails_with(&t, 1, SPACC_ESHAPE,
               "weights [2,4,3] are for 4 channels a group, the input has 3");
    op_begin(&t, "Conv", 11);
    op_input(&t, SPACC_F32, 3, D(1, 4, 2), NULL);
    op_input(&t, SPACC_F32, 3, D(2, 4, 3), NULL);
    fails_with(&t, 1, SPACC_ESHAPE,
               "axis 2 has 2 elements with its padding, the kernel "
               "reaches over 3");
    op_begin(&t, "Conv", 11);
    op_input(&t, SPACC_F32, 3, D(1, 4, 5), NULL);
    op_input(&t, SPACC_F32, 3, D(2, 4, 3), NULL);
    op_attr_ints(&t, "strides", 1, (int64_t[]){0});
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "strides[0] is 0, 1..2147483647 is possible");
}

/* ---- along axes ----------------------------------------------------------------- */

static void softmax_joins_axes_before_opset_13(void **unused)
{
    (void)unused;
    struct op_call t;
    const float quarter[] = {0.25f, 0.25f, 0.25f, 0.25f}, half[] = {0.5f, 0.5f, 0.5f, 0.5f};
    for (int opset = 12; opset <= 13; opset++) {
        op_begin(&t, "Softmax", opset);
        op_input(&t, SPACC_F32, 3, D(1, 2, 2), (float[]){1000, 1000, 1000, 1000});
        gives(&t, SPACC_F32, 3, D(1, 2, 2), opset == 12 ? quarter : half);
    }
}

static void reductions_follow_axes_and_keepdims(void **unused)
{
    (void)unused;
    struct op_call t;
    const int32_t x[] = {1, 2, 3, 4, 5, 6, 7, 8};
    op_begin(&t, "ReduceSum", 13);
    op_input(&t, SPACC_I32, 3, D(2, 2, 2), x);
    list(&t, 2, D(0, -1));
    op_attr_int(&t, "keepdims", 0);
    gives(&t, SPACC_I32, 1, D(2), (int32_t[]){14, 22});
    op_begin(&t, "ReduceSum", 13);
    op_input(&t, SPACC_I32, 3, D(2, 2, 2), x);
    op_attr_int(&t, "noop_with_empty_axes", 1);
    gives(&t, SPACC_I32, 3, D(2, 2, 2), x);
    op_begin(&t, "ReduceMean", 17);
    op_input(&t, SPACC_F32, 2, D(2, 2), (float[]){1, 2, 3, 5});
    op_attr_ints(&t, "axes", 1, (int64_t[]){0});
    gives(&t, SPACC_F32, 2, D(1, 2), (float[]){2, 3.5f});
    op_begin(&t, "ReduceMean", 17);
    op_input(&t, SPACC_F32, 1, D(2), NULL);
    list(&t, 1, D(0));
    fails_with(&t, 1, SPACC_EUNSUPPORTED,
               "input 1 exists from opset 18 on, the model has opset 17");
    op_begin(&t, "ReduceSum", 13);
    op_input(&t, SPACC_F32, 2, D(0, 2), NULL);
    list(&t, 1, D(0));
    gives(&t, SPACC_F32, 2, D(1, 2), (float[]){0, 0});
}

static void clip_limits_come_as_inputs_from_opset_11_on(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "Clip", 7);
    op_input(&t, SPACC_F32, 1, D(3), (float[]){-2, 0, 2});
    op_attr_float(&t, "min", -1);
    gives(&t, SPACC_F32, 1, D(3), (float[]){-1, 0, 2});
    op_begin(&t, "Clip", 12);
    op_input(&t, SPACC_I8, 1, D(3), (int8_t[]){-2, 0, 2});
    op_no_input(&t);
    op_input(&t, SPACC_I8, 0, NULL, (int8_t[]){1});
    gives(&t, SPACC_I8, 1, D(3), (int8_t[]){-2, 0, 1});
    op_begin(&t, "Clip", 12);
    op_input(&t, SPACC_F32, 1, D(3), NULL);
    op_input(&t, SPACC_F32, 1, D(3), NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "input 1 has shape [3], a limit is one element");
    op_begin(&t, "Clip", 12);
    op_input(&t, SPACC_F32, 1, D(3), NULL);
    op_attr_float(&t, "min", -1);
    fails_with(&t, 1, SPACC_EUNSUPPORTED,
               "attribute min exists up to opset 10, the model has opset 12");
}

static void samples_follow_the_seed_and_the_weights(void **unused)
{
    (void)unused;
    struct op_call t;
    int counts[3] = {0};
    op_begin(&t, "Multinomial", 13);
    op_input(&t, SPACC_F32, 2, D(1, 3), (float[]){logf(1), -INFINITY, logf(3)});
    op_attr_int(&t, "sample_size", 4000);
    op_attr_float(&t, "seed", 7);
    assert_int_equal(op_run(&t, 1), SPACC_OK);
    for (size_t i = 0; i < t.out[0]->count; i++)
        counts[((int32_t *)t.out[0]->data)[i]]++;
    assert_int_equal(counts[1], 0);
    assert_true(counts[0] > 900 && counts[0] < 1100);
    struct spacc_tensor *first = t.out[0];
    t.out[0] = NULL;
    assert_int_equal(op_run(&t, 1), SPACC_OK);
    assert_memory_equal(first->data, t.out[0]->data, 16000);
    t.attr[1].f = 8;
    assert_int_equal(op_run(&t, 1), SPACC_OK);
    assert_memory_not_equal(first->data, t.out[0]->data, 16000);
    spacc_tensor_free(first);
    op_end(&t);
}

/* ---- every operator ------------------------------------------------------------- */

static void arithmetic_on_another_type_is_refused_by_name(void **unused)
{
    (void)unused;
    static const struct {
        const char *op;
        enum spacc_dtype dtype;
        const char *want;
    } cases[] = {
        {"Sqrt", SPACC_U8, "type uint8 of input 0 is not supported by Sqrt"},
        {"Log", SPACC_I32, "type int32 of input 0 is not supported by Log"},
        {"Relu", SPACC_BOOL, "type bool of input 0 is not supported by Relu"},
        {"Not", SPACC_F32, "type float32 of input 0 is not supported by Not"},
        {"Softmax", SPACC_I64, "type int64 of input 0 is not supported by Softmax"},
        {"ReduceMean", SPACC_I8, "type int8 of input 0 is not supported by ReduceMean"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct op_call t;
        op_begin(&t, cases[i].op, 13);
        op_input(&t, cases[i].dtype, 2, D(1, 1), NULL);
        fails_with(&t, 1, SPACC_EUNSUPPORTED, cases[i].want);
    }
}

/* No operator may touch an input that is not there. Loop and Scan
 * want their body first. */
static void every_operator_refuses_missing_inputs(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < spacc_op_count; i++) {
        struct op_call t;
        if (spacc_ops[i].ins_min == 0 || strstr(spacc_ops[i].attrs, "body:g"))
            continue;
        op_begin(&t, spacc_ops[i].name, 13);
        op_no_input(&t);
        fails_with(&t, 1, SPACC_ESHAPE, "input 0 is left out");
    }
}

/* Any rank and shape on every input: a result or a line, never a crash (the
 * sanitizers watch). */
static void every_operator_survives_odd_inputs(void **unused)
{
    (void)unused;
    static const int64_t shapes[][4] = {{0}, {1}, {2, 3}, {0, 2}, {1, 1, 1}, {2, 2, 2, 2}, {3}};
    static const int ranks[] = {0, 1, 2, 2, 3, 4, 1};
    static const enum spacc_dtype types[] = {SPACC_F32, SPACC_I64, SPACC_BOOL,
                                             SPACC_I32, SPACC_F16, SPACC_U8};
    static const int kinds = COUNT(types);
    int ran = 0;
    for (size_t op = 0; op < spacc_op_count; op++)
        for (int mix = 0; mix < 7 * 7 * 36; mix++)
            for (int opset = 7; opset <= 21; opset += 7) {
                struct op_call t;
                const int a = mix % 7, b = mix / 7 % 7, type = mix / 49;
                op_begin(&t, spacc_ops[op].name, opset);
                for (int i = 0; i < spacc_ops[op].ins_min; i++)
                    op_input(&t, types[i == 1 ? type / kinds : type % kinds],
                             ranks[i % 2 ? b : a], shapes[i % 2 ? b : a], NULL);
                ran +=
                    op_run(&t, spacc_ops[op].outs_min ? spacc_ops[op].outs_min : 1) == SPACC_OK;
                op_end(&t);
            }
    assert_true(ran > 5000); /* most of what runs is reached */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(add_broadcasts_both_inputs_at_once),
        cmocka_unit_test(sub_matches_plain_indexing_for_every_pattern),
        cmocka_unit_test(an_empty_axis_broadcasts_to_nothing),
        cmocka_unit_test(shapes_that_do_not_broadcast_are_both_named),
        cmocka_unit_test(integers_wrap_and_divide_towards_zero),
        cmocka_unit_test(integer_division_by_zero_is_an_error),
        cmocka_unit_test(pow_mixes_types_from_opset_12_on),
        cmocka_unit_test(casts_truncate_and_saturate),
        cmocka_unit_test(slices_clamp_and_step_both_ways),
        cmocka_unit_test(slices_of_two_axes_combine),
        cmocka_unit_test(a_slice_of_an_empty_axis_is_empty),
        cmocka_unit_test(slice_takes_attributes_before_opset_10_only),
        cmocka_unit_test(gather_takes_negative_indices_on_any_axis),
        cmocka_unit_test(gather_outside_its_axis_names_index_and_size),
        cmocka_unit_test(reshape_handles_zero_and_minus_one),
        cmocka_unit_test(a_reshape_without_its_shape_is_left_to_the_run),
        cmocka_unit_test(squeeze_and_unsqueeze_move_their_axes_at_opset_13),
        cmocka_unit_test(transposes_match_plain_indexing),
        cmocka_unit_test(split_divides_by_sizes_or_evenly),
        cmocka_unit_test(concat_names_the_input_that_does_not_fit),
        cmocka_unit_test(pads_fill_in_four_ways_and_take_away),
        cmocka_unit_test(pad_axes_pick_what_is_padded),
        cmocka_unit_test(matmul_treats_vectors_as_numpy_does),
        cmocka_unit_test(matmul_matches_plain_sums),
        cmocka_unit_test(gemm_scales_transposes_and_broadcasts_c),
        cmocka_unit_test(conv_matches_the_definition_in_one_axis),
        cmocka_unit_test(conv_names_both_sides_of_what_does_not_fit),
        cmocka_unit_test(softmax_joins_axes_before_opset_13),
        cmocka_unit_test(reductions_follow_axes_and_keepdims),
        cmocka_unit_test(clip_limits_come_as_inputs_from_opset_11_on),
        cmocka_unit_test(samples_follow_the_seed_and_the_weights),
        cmocka_unit_test(arithmetic_on_another_type_is_refused_by_name),
        cmocka_unit_test(every_operator_refuses_missing_inputs),
        cmocka_unit_test(every_operator_survives_odd_inputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
