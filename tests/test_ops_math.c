/* Hard cases of the mathematical, ordering and generating operators, beyond the ONNX
 * project's own cases (test_conformance.c): types, limits, opset changes, errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <math.h>

#include "ops_expect.h"
#include "ops_random.h"
#include "sparse/half.h"

/* One input of rank 1, for an operator at an opset. */
static void one(struct op_call *t, const char *op, int opset, enum spacc_dtype dtype,
                int64_t count, const void *x)
{
    op_begin(t, op, opset);
    op_input(t, dtype, 1, &count, x);
}

static void two(struct op_call *t, const char *op, int opset, enum spacc_dtype dtype,
                int64_t count, const void *a, const void *b)
{
    one(t, op, opset, dtype, count, a);
    op_input(t, dtype, 1, &count, b);
}

static void scalar(struct op_call *t, enum spacc_dtype dtype, const void *x)
{
    op_input(t, dtype, 0, NULL, x);
}

static void near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-12 + 1e-6 * fabs(want)))
        fail_msg("%g, want %g", got, want);
}

static uint16_t half(float f)
{
    return spacc_half_from_float(f);
}

/* ---- float16 and bfloat16 by way of float32 --------------------------------------- */

static void a_float16_result_is_rounded_once(void **unused)
{
    (void)unused;
    struct op_call t;
    /* 1 + 2^-11 is half way: to even. In float16 all the way, 2048 + 1 + 1 would stay 2048. */
    two(&t, "Add", 14, SPACC_F16, 2, (uint16_t[]){half(1), half(3)},
        (uint16_t[]){half(0x1p-11f), half(0x1p-10f)});
    gives(&t, SPACC_F16, 1, D(2), (uint16_t[]){half(1), half(3)});
    one(&t, "ReduceSum", 13, SPACC_F16, 3, (uint16_t[]){half(2048), half(1), half(1)});
    op_attr_int(&t, "keepdims", 0);
    gives(&t, SPACC_F16, 0, NULL, (uint16_t[]){half(2050)});
    one(&t, "ReduceMean", 18, SPACC_F16, 2, (uint16_t[]){half(60000), half(60000)});
    gives(&t, SPACC_F16, 1, D(1), (uint16_t[]){half(60000)});
    two(&t, "Mul", 14, SPACC_BF16, 1, (uint16_t[]){spacc_bfloat_from_float(3)},
        (uint16_t[]){spacc_bfloat_from_float(0.5f)});
    gives(&t, SPACC_BF16, 1, D(1), (uint16_t[]){spacc_bfloat_from_float(1.5f)});
}

static void the_first_float_input_gives_the_type(void **unused)
{
    (void)unused;
    struct op_call t;
    one(&t, "Pow", 15, SPACC_F32, 1, (float[]){3});
    op_input(&t, SPACC_F16, 1, D(1), (uint16_t[]){half(2)});
    gives(&t, SPACC_F32, 1, D(1), (float[]){9});
    one(&t, "Pow", 15, SPACC_F16, 1, (uint16_t[]){half(3)});
    op_input(&t, SPACC_F32, 1, D(1), (float[]){2});
    gives(&t, SPACC_F16, 1, D(1), (uint16_t[]){half(9)});
    one(&t, "IsNaN", 13, SPACC_F16, 2, (uint16_t[]){0x7e00, 0x7c00});
    gives(&t, SPACC_BOOL, 1, D(2), (uint8_t[]){1, 0});
}

static void float16_moves_as_it_is(void **unused)
{
    (void)unused;
    const uint16_t x[] = {0x7e01, 2, 0xfe55, 4}; /* NaNs keep their bits */
    struct op_call t;
    op_begin(&t, "Transpose", 13);
    op_input(&t, SPACC_F16, 2, D(2, 2), x);
    gives(&t, SPACC_F16, 2, D(2, 2), (uint16_t[]){x[0], x[2], x[1], x[3]});
    op_begin(&t, "Gather", 13);
    op_input(&t, SPACC_BF16, 1, D(4), x);
    list(&t, 2, D(-2, 0));
    gives(&t, SPACC_BF16, 1, D(2), (uint16_t[]){x[2], x[0]});
}

static void shapes_of_float16_calls_are_known_without_contents(void **unused)
{
    (void)unused;
    struct op_call t;
    one(&t, "Sqrt", 13, SPACC_F16, 3, NULL);
    free(t.in[0]->data);
    t.in[0]->data = NULL;
    t.call.shape_only = true;
    assert_int_equal(op_run(&t, 1), SPACC_OK);
    assert_int_equal(t.out[0]->dtype, SPACC_F16);
    assert_null(t.out[0]->data);
    op_end(&t);
}

/* ---- casts ------------------------------------------------------------------------ */

static void casts_round_once_and_saturate_in_every_type(void **unused)
{
    (void)unused;
    struct op_call t;
    /* just above half way; float32 in between would make it half way, then even */
    one(&t, "Cast", 13, SPACC_F64, 3, (double[]){1 + 0x1p-11 + 0x1p-40, -1e300, -0x1p-26});
    op_attr_int(&t, "to", SPACC_F16);
    gives(&t, SPACC_F16, 1, D(3), (uint16_t[]){0x3c01, 0xfc00, 0x8000});
    one(&t, "Cast", 13, SPACC_F32, 5, (float[]){-1.5f, 70000, 1e30f, NAN, 0x1p63f});
    op_attr_int(&t, "to", SPACC_U64);
    gives(&t, SPACC_U64, 1, D(5), (uint64_t[]){0, 70000, UINT64_MAX, 0, UINT64_C(1) << 63});
    one(&t, "Cast", 13, SPACC_F32, 4, (float[]){-70000, 70000, -1.5f, NAN});
    op_attr_int(&t, "to", SPACC_I16);
    gives(&t, SPACC_I16, 1, D(4), (int16_t[]){INT16_MIN, INT16_MAX, -1, 0});
    one(&t, "Cast", 13, SPACC_U64, 1, (uint64_t[]){UINT64_MAX});
    op_attr_int(&t, "to", SPACC_F32);
    gives(&t, SPACC_F32, 1, D(1), (float[]){0x1p64f});
    one(&t, "CastLike", 15, SPACC_I64, 2, (int64_t[]){-1, 65537});
    op_input(&t, SPACC_U16, 1, D(0), NULL);
    gives(&t, SPACC_U16, 1, D(2), (uint16_t[]){65535, 1});
}

/* ---- element by element ----------------------------------------------------------- */

static void integers_wrap_in_abs_neg_and_mod(void **unused)
{
    (void)unused;
    const int64_t low = INT64_MIN;
    struct op_call t;
    one(&t, "Abs", 13, SPACC_I64, 2, (int64_t[]){low, -3});
    gives(&t, SPACC_I64, 1, D(2), (int64_t[]){low, 3});
    one(&t, "Neg", 13, SPACC_I8, 2, (int8_t[]){-128, 5});
    gives(&t, SPACC_I8, 1, D(2), (int8_t[]){-128, -5});
    two(&t, "Mod", 13, SPACC_I64, 5, (int64_t[]){-7, 7, -7, low, 6},
        (int64_t[]){3, -3, -3, -1, 3});
    gives(&t, SPACC_I64, 1, D(5), (int64_t[]){2, -2, -1, 0, 0});
    two(&t, "Mod", 13, SPACC_I64, 4, (int64_t[]){-7, 7, -7, low}, (int64_t[]){3, -3, -3, -1});
    op_attr_int(&t, "fmod", 1);
    gives(&t, SPACC_I64, 1, D(4), (int64_t[]){-1, 1, -1, 0});
    two(&t, "Div", 14, SPACC_I32, 2, (int32_t[]){INT32_MIN, -7}, (int32_t[]){-1, 2});
    gives(&t, SPACC_I32, 1, D(2), (int32_t[]){INT32_MIN, -3});
    two(&t, "Mod", 13, SPACC_U8, 1, (uint8_t[]){1}, (uint8_t[]){0});
    fails_with(&t, 1, SPACC_EINVAL, "integer division by zero: element 0 of input 1 is 0");
    two(&t, "Mod", 13, SPACC_F32, 1, (float[]){1}, (float[]){2});
    fails_with(&t, 1, SPACC_EINVAL, "type float32 needs fmod 1");
}

static void large_unsigned_numbers_stay_above_small_ones(void **unused)
{
    (void)unused;
    const uint64_t big[] = {UINT64_MAX, 1}, small[] = {1, UINT64_MAX};
    struct op_call t;
    two(&t, "Less", 13, SPACC_U64, 2, big, small);
    gives(&t, SPACC_BOOL, 1, D(2), (uint8_t[]){0, 1});
    two(&t, "Max", 13, SPACC_U64, 2, big, small);
    gives(&t, SPACC_U64, 1, D(2), (uint64_t[]){UINT64_MAX, UINT64_MAX});
    one(&t, "ArgMax", 13, SPACC_U64, 2, big);
    gives(&t, SPACC_I64, 1, D(1), (int64_t[]){0});
    one(&t, "ReduceMin", 18, SPACC_U64, 2, big);
    gives(&t, SPACC_U64, 1, D(1), (uint64_t[]){1});
}

static void a_nan_wins_in_max_and_is_never_less(void **unused)
{
    (void)unused;
    struct op_call t;
    two(&t, "Max", 13, SPACC_F32, 2, (float[]){NAN, 1}, (float[]){1, NAN});
    assert_int_equal(op_run(&t, 1), SPACC_OK);
    for (int i = 0; i < 2; i++)
        assert_true(isnan(((float *)t.out[0]->data)[i]));
    op_end(&t);
    two(&t, "GreaterOrEqual", 16, SPACC_F32, 2, (float[]){NAN, 1}, (float[]){NAN, 1});
    gives(&t, SPACC_BOOL, 1, D(2), (uint8_t[]){0, 1});
    one(&t, "ReduceMin", 13, SPACC_F32, 3, (float[]){1, NAN, 0});
    assert_int_equal(op_run(&t, 1), SPACC_OK);
    assert_true(isnan(*(float *)t.out[0]->data));
    op_end(&t);
    one(&t, "Sign", 13, SPACC_F64, 3, (double[]){-2, 0, 5});
    gives(&t, SPACC_F64, 1, D(3), (double[]){-1, 0, 1});
}

static void shifts_by_the_width_leave_nothing(void **unused)
{
    (void)unused;
    struct op_call t;
    two(&t, "BitShift", 11, SPACC_U8, 3, (uint8_t[]){255, 255, 255}, (uint8_t[]){7, 8, 255});
    op_attr_string(&t, "direction", "RIGHT");
    gives(&t, SPACC_U8, 1, D(3), (uint8_t[]){1, 0, 0});
    two(&t, "BitShift", 11, SPACC_U64, 2, (uint64_t[]){1, 1}, (uint64_t[]){63, 64});
    op_attr_string(&t, "direction", "LEFT");
    gives(&t, SPACC_U64, 1, D(2), (uint64_t[]){UINT64_C(1) << 63, 0});
    two(&t, "BitShift", 11, SPACC_U8, 1, NULL, NULL);
    fails_with(&t, 1, SPACC_EFORMAT, "direction '' is not LEFT or RIGHT");
    two(&t, "BitwiseXor", 18, SPACC_I16, 1, (int16_t[]){-1}, (int16_t[]){0x0f0f});
    gives(&t, SPACC_I16, 1, D(1), (int16_t[]){(int16_t)0xf0f0});
    one(&t, "BitwiseNot", 18, SPACC_U32, 1, (uint32_t[]){1});
    gives(&t, SPACC_U32, 1, D(1), (uint32_t[]){UINT32_MAX - 1});
}

static void variadic_operators_broadcast_any_number_of_inputs(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "Mean", 13);
    op_input(&t, SPACC_F32, 1, D(3), (float[]){1, 2, 3});
    op_input(&t, SPACC_F32, 2, D(2, 1), (float[]){10, 20});
    scalar(&t, SPACC_F32, (float[]){4});
    gives(&t, SPACC_F32, 2, D(2, 3),
          (float[]){5, 16.0f / 3, 17.0f / 3, 25.0f / 3, 26.0f / 3, 9});
    op_begin(&t, "Sum", 13);
    op_input(&t, SPACC_I32, 1, D(1), NULL);
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "type int32 of input 0 is not supported by Sum");
    op_begin(&t, "Min", 13);
    op_input(&t, SPACC_F32, 2, D(0, 2), NULL);
    op_input(&t, SPACC_F32, 1, D(2), NULL);
    gives(&t, SPACC_F32, 2, D(0, 2), NULL);
}

static void activations_do_not_overflow(void **unused)
{
    (void)unused;
    static const struct {
        const char *op;
        int opset;
        float x, want;
    } cases[] = {
        {"Softplus", 1, 1000, 1000},
        {"Softplus", 1, -1000, 0},
        {"Softsign", 1, -INFINITY, -1},
        {"HardSigmoid", 6, 1e30f, 1},
        {"HardSwish", 14, -4, 0},
        {"Elu", 6, -1000, -1},
        {"ThresholdedRelu", 10, 1, 0},
        {"Shrink", 9, 0.5f, 0},
        {"Mish", 18, 1000, 1000},
        {"Gelu", 20, -40, 0},
        {"Celu", 12, 2, 2},
        {"Round", 11, 2.5f, 2},
        {"Round", 11, -1.5f, -2},
        {"Erf", 9, 100, 1},
        {"Reciprocal", 13, 4, 0.25f},
        {"Selu", 6, 1, 1.05070102f},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct op_call t;
        one(&t, cases[i].op, cases[i].opset, SPACC_F32, 1, &cases[i].x);
        if (op_run(&t, 1) != SPACC_OK)
            fail_msg("%s", t.err.text);
        near((double)*(float *)t.out[0]->data, (double)cases[i].want);
        op_end(&t);
    }
    struct op_call t;
    one(&t, "Shrink", 9, SPACC_U8, 3, (uint8_t[]){0, 3, 200});
    op_attr_float(&t, "bias", 2);
    gives(&t, SPACC_U8, 1, D(3), (uint8_t[]){0, 1, 198});
    one(&t, "Gelu", 20, SPACC_F64, 1, (double[]){1});
    op_attr_string(&t, "approximate", "tanh");
    assert_int_equal(op_run(&t, 1), SPACC_OK);
    near(*(double *)t.out[0]->data, 0.8411919906082768);
    op_end(&t);
    one(&t, "Gelu", 20, SPACC_F64, 1, NULL);
    op_attr_string(&t, "approximate", "erf");
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "approximate 'erf' is not none or tanh");
}

static void types_that_an_operator_does_not_have_are_named(void **unused)
{
    (void)unused;
    static const struct {
        const char *op;
        enum spacc_dtype dtype;
        int ins;
        const char *want;
    } cases[] = {
        {"And", SPACC_F32, 2, "type float32 of input 0 is not supported by And"},
        {"BitShift", SPACC_I32, 2, "type int32 of input 0 is not supported by BitShift"},
        {"Neg", SPACC_U8, 1, "type uint8 of input 0 is not supported by Neg"},
        {"Sin", SPACC_I64, 1, "type int64 of input 0 is not supported by Sin"},
        {"Less", SPACC_BOOL, 2, "type bool of input 0 is not supported by Less"},
        {"ReduceMax", SPACC_BOOL, 1, "type bool of input 0 is not supported by ReduceMax"},
        {"ReduceLogSumExp", SPACC_U8, 1, "type uint8 of input 0 is not supported by"},
        {"CumSum", SPACC_U8, 2, "type uint8 of input 0 is not supported by CumSum"},
        {"Det", SPACC_I32, 1, "type int32 of input 0 is not supported by Det"},
        {"Range", SPACC_U8, 3, "type uint8 of input 0 is not supported by Range"},
        {"Dropout", SPACC_I32, 1, "type int32 of input 0 is not supported by Dropout"},
        {"Einsum", SPACC_BOOL, 1, "type bool of input 0 is not supported by Einsum"},
        {"DFT", SPACC_I32, 1, "type int32 of input 0 is not supported by DFT"},
        {"TopK", SPACC_BOOL, 1, "type bool of input 0 is not supported by TopK"},
        {"IsInf", SPACC_I32, 1, "type int32 of input 0 is not supported by IsInf"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct op_call t;
        op_begin(&t, cases[i].op, 18);
        for (int k = 0; k < cases[i].ins; k++)
            op_input(&t, cases[i].dtype, 2, D(1, 1), NULL);
        fails_with(&t, 1, SPACC_EUNSUPPORTED, cases[i].want);
    }
}

/* ---- along axes ------------------------------------------------------------------- */

static void reductions_of_nothing_leave_every_other_number_as_it_is(void **unused)
{
    (void)unused;
    struct op_call t;
    one(&t, "ReduceMax", 18, SPACC_F32, 0, NULL);
    gives(&t, SPACC_F32, 1, D(1), (float[]){-INFINITY});
    one(&t, "ReduceMax", 18, SPACC_I8, 0, NULL);
    gives(&t, SPACC_I8, 1, D(1), (int8_t[]){INT8_MIN});
    one(&t, "ReduceMin", 18, SPACC_U64, 0, NULL);
    gives(&t, SPACC_U64, 1, D(1), (uint64_t[]){UINT64_MAX});
    one(&t, "ReduceProd", 18, SPACC_I32, 0, NULL);
    gives(&t, SPACC_I32, 1, D(1), (int32_t[]){1});
    one(&t, "ReduceLogSumExp", 18, SPACC_F32, 0, NULL);
    gives(&t, SPACC_F32, 1, D(1), (float[]){-INFINITY});
    one(&t, "ReduceMean", 18, SPACC_I32, 0, NULL);
    fails_with(&t, 1, SPACC_EINVAL, "integer mean of no elements");
    op_begin(&t, "ReduceMean", 13); /* no outputs: nothing to divide */
    op_input(&t, SPACC_I32, 2, D(0, 2), NULL);
    op_attr_ints(&t, "axes", 1, (int64_t[]){1});
    gives(&t, SPACC_I32, 2, D(0, 1), NULL);
}

static void reductions_are_exact_and_do_not_overflow(void **unused)
{
    (void)unused;
    struct op_call t;
    one(&t, "ReduceLogSumExp", 13, SPACC_F32, 2, (float[]){1000, 1000});
    gives(&t, SPACC_F32, 1, D(1), (float[]){1000.69314718f});
    one(&t, "ReduceLogSumExp", 13, SPACC_F32, 2, (float[]){INFINITY, 1});
    gives(&t, SPACC_F32, 1, D(1), (float[]){INFINITY});
    one(&t, "ReduceLogSumExp", 13, SPACC_I32, 2, (int32_t[]){-7, -7}); /* -6.3 */
    gives(&t, SPACC_I32, 1, D(1), (int32_t[]){-6});
    one(&t, "ReduceL1", 13, SPACC_I32, 3, (int32_t[]){-5, 3, INT32_MIN});
    gives(&t, SPACC_I32, 1, D(1), (int32_t[]){INT32_MIN + 8});
    one(&t, "ReduceL2", 13, SPACC_I64, 2, (int64_t[]){3, -4});
    gives(&t, SPACC_I64, 1, D(1), (int64_t[]){5});
    one(&t, "ReduceProd", 13, SPACC_I64, 2, (int64_t[]){INT64_MAX, 2});
    gives(&t, SPACC_I64, 1, D(1), (int64_t[]){-2});
    one(&t, "ReduceSumSquare", 13, SPACC_F32, 2, (float[]){1e20f, 0});
    gives(&t, SPACC_F32, 1, D(1), (float[]){INFINITY});
    one(&t, "ReduceMax", 20, SPACC_BOOL, 2, (uint8_t[]){0, 1});
    gives(&t, SPACC_BOOL, 1, D(1), (uint8_t[]){1});
    op_begin(&t, "ReduceMax", 13); /* the middle axis */
    op_input(&t, SPACC_I8, 3, D(2, 3, 2),
             (int8_t[]){1, 2, 5, 0, -1, 9, -1, -2, -3, -4, -5, -6});
    op_attr_ints(&t, "axes", 1, (int64_t[]){-2});
    op_attr_int(&t, "keepdims", 0);
    gives(&t, SPACC_I8, 2, D(2, 2), (int8_t[]){5, 9, -1, -2});
}

static void axes_of_reductions_become_an_input_at_opset_18(void **unused)
{
    (void)unused;
    struct op_call t;
    one(&t, "ReduceMax", 18, SPACC_F32, 2, (float[]){1, 2});
    op_attr_ints(&t, "axes", 1, (int64_t[]){0});
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "attribute axes exists up to opset 17");
    one(&t, "ReduceMax", 17, SPACC_F32, 2, (float[]){1, 2});
    list(&t, 1, D(0));
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "input 1 exists from opset 18 on");
    one(&t, "ReduceMax", 18, SPACC_F32, 2, (float[]){1, 2});
    list(&t, 1, D(1));
    fails_with(&t, 1, SPACC_ESHAPE, "axis 1 is outside -1..0 of a tensor of rank 1");
    one(&t, "ReduceProd", 18, SPACC_F32, 2, (float[]){3, 2});
    list(&t, 0, NULL);
    op_attr_int(&t, "noop_with_empty_axes", 1);
    gives(&t, SPACC_F32, 1, D(2), (float[]){3, 2});
}

static void hardmax_and_log_softmax_join_axes_before_opset_13(void **unused)
{
    (void)unused;
    const float x[] = {1, 3, 3, 2};
    for (int opset = 12; opset <= 13; opset++) {
        struct op_call t;
        op_begin(&t, "Hardmax", opset);
        op_input(&t, SPACC_F32, 3, D(1, 2, 2), x);
        op_attr_int(&t, "axis", 1);
        gives(&t, SPACC_F32, 3, D(1, 2, 2),
              opset < 13 ? (float[]){0, 1, 0, 0} : (float[]){0, 1, 1, 0});
        op_begin(&t, "LogSoftmax", opset);
        op_input(&t, SPACC_F64, 3, D(1, 2, 1), (double[]){1000, 1000});
        op_attr_int(&t, "axis", opset < 13 ? 1 : -1);
        assert_int_equal(op_run(&t, 1), SPACC_OK);
        near(*(double *)t.out[0]->data, opset < 13 ? -0.69314718055994531 : 0.0);
        op_end(&t);
    }
}

static void cumulative_sums_run_both_ways(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "CumSum", 14);
    op_input(&t, SPACC_I32, 2, D(2, 3), (int32_t[]){1, 2, 3, INT32_MAX, 1, 1});
    scalar(&t, SPACC_I32, (int32_t[]){-1});
    op_attr_int(&t, "reverse", 1);
    gives(&t, SPACC_I32, 2, D(2, 3), (int32_t[]){6, 5, 3, INT32_MIN + 1, 2, 1});
    op_begin(&t, "CumSum", 14);
    op_input(&t, SPACC_U64, 2, D(2, 2), (uint64_t[]){1, 2, 3, 4});
    scalar(&t, SPACC_I64, (int64_t[]){0});
    op_attr_int(&t, "exclusive", 1);
    gives(&t, SPACC_U64, 2, D(2, 2), (uint64_t[]){0, 0, 1, 2});
    one(&t, "CumSum", 14, SPACC_F32, 0, NULL);
    scalar(&t, SPACC_I64, NULL);
    gives(&t, SPACC_F32, 1, D(0), NULL);
    one(&t, "CumSum", 14, SPACC_F32, 2, NULL);
    scalar(&t, SPACC_I64, (int64_t[]){1});
    fails_with(&t, 1, SPACC_ESHAPE, "axis 1 is outside -1..0 of a tensor of rank 1");
}

/* ---- order ------------------------------------------------------------------------ */

static void top_k_is_stable_and_puts_nan_above_numbers(void **unused)
{
    (void)unused;
    struct op_call t;
    one(&t, "TopK", 11, SPACC_F32, 5, (float[]){1, NAN, 3, 3, -INFINITY});
    list(&t, 1, D(3));
    assert_int_equal(op_run(&t, 2), SPACC_OK);
    is_tensor(&t, 1, SPACC_I64, 1, D(3), (int64_t[]){1, 2, 3});
    op_end(&t);
    op_begin(&t, "TopK", 11); /* along the first axis, only the places */
    op_input(&t, SPACC_I8, 2, D(3, 2), (int8_t[]){5, 1, 5, 0, 4, -1});
    list(&t, 1, D(2));
    op_attr_int(&t, "axis", 0);
    op_attr_int(&t, "largest", 0);
    t.wanted[0] = false;
    assert_int_equal(op_run(&t, 2), SPACC_OK);
    assert_null(t.out[0]);
    is_tensor(&t, 1, SPACC_I64, 2, D(2, 2), (int64_t[]){2, 2, 0, 1});
    op_end(&t);
    one(&t, "TopK", 9, SPACC_F32, 2, (float[]){1, 2});
    op_attr_int(&t, "k", 1);
    gives(&t, SPACC_F32, 1, D(1), (float[]){2});
    one(&t, "TopK", 10, SPACC_F32, 2, NULL);
    op_attr_int(&t, "k", 1);
    fails_with(&t, 2, SPACC_EUNSUPPORTED, "attribute k exists up to opset 9");
    one(&t, "TopK", 11, SPACC_F32, 2, NULL);
    list(&t, 1, D(3));
    fails_with(&t, 2, SPACC_ESHAPE, "k is 3, axis 0 has 2");
}

/* Against the plain definition, on lists with many equal numbers. */
static void top_k_matches_the_definition(void **unused)
{
    (void)unused;
    uint32_t state = 1;
    for (int64_t n = 1; n < 40; n++) {
        struct op_call t;
        int64_t x[40];
        for (int64_t i = 0; i < n; i++)
            x[i] = (int64_t)((state = state * 1664525u + 1013904223u) >> 28);
        one(&t, "TopK", 11, SPACC_I64, n, x);
        list(&t, 1, &n);
        assert_int_equal(op_run(&t, 2), SPACC_OK);
        const int64_t *place = t.out[1]->data;
        for (int64_t i = 1; i < n; i++)
            assert_true(x[place[i - 1]] > x[place[i]] ||
                        (x[place[i - 1]] == x[place[i]] && place[i - 1] < place[i]));
        op_end(&t);
    }
}

static void unique_counts_and_finds_back(void **unused)
{
    (void)unused;
    struct op_call t;
    one(&t, "Unique", 11, SPACC_I32, 6, (int32_t[]){7, -1, 7, 3, -1, 7});
    assert_int_equal(op_run(&t, 4), SPACC_OK);
    is_tensor(&t, 0, SPACC_I32, 1, D(3), (int32_t[]){-1, 3, 7});
    is_tensor(&t, 1, SPACC_I64, 1, D(3), (int64_t[]){1, 3, 0});
    is_tensor(&t, 2, SPACC_I64, 1, D(6), (int64_t[]){2, 0, 2, 1, 0, 2});
    is_tensor(&t, 3, SPACC_I64, 1, D(3), (int64_t[]){2, 1, 3});
    op_attr_int(&t, "sorted", 0);
    assert_int_equal(op_run(&t, 4), SPACC_OK);
    is_tensor(&t, 0, SPACC_I32, 1, D(3), (int32_t[]){7, -1, 3});
    is_tensor(&t, 1, SPACC_I64, 1, D(3), (int64_t[]){0, 1, 3});
    is_tensor(&t, 2, SPACC_I64, 1, D(6), (int64_t[]){0, 1, 0, 2, 1, 0});
    is_tensor(&t, 3, SPACC_I64, 1, D(3), (int64_t[]){3, 2, 1});
    op_end(&t);
    op_begin(&t, "Unique", 11);
    op_input(&t, SPACC_BOOL, 2, D(2, 3), (uint8_t[]){1, 0, 1, 1, 0, 1});
    op_attr_int(&t, "axis", -1);
    gives(&t, SPACC_BOOL, 2, D(2, 2), (uint8_t[]){0, 1, 0, 1});
    one(&t, "Unique", 11, SPACC_F32, 0, NULL);
    gives(&t, SPACC_F32, 1, D(0), NULL);
}

static void arg_max_picks_the_first_or_the_last(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "ArgMax", 12);
    op_input(&t, SPACC_I32, 2, D(3, 2), (int32_t[]){1, 9, 4, 9, 4, 2});
    op_attr_int(&t, "select_last_index", 1);
    op_attr_int(&t, "keepdims", 0);
    gives(&t, SPACC_I64, 1, D(2), (int64_t[]){2, 1});
    one(&t, "ArgMin", 11, SPACC_F32, 1, NULL);
    op_attr_int(&t, "select_last_index", 0);
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "attribute select_last_index exists from opset 12");
    one(&t, "ArgMin", 13, SPACC_F32, 0, NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "axis 0 has no elements");
}

static void boxes_are_suppressed_by_score_and_overlap(void **unused)
{
    (void)unused;
    const float boxes[] = {0, 0, 1, 1, 0, 0, 1, 0.9f, 5, 5, 6, 6, 0, 0, 0, 0};
    struct op_call t;
    op_begin(&t, "NonMaxSuppression", 10);
    op_input(&t, SPACC_F32, 3, D(1, 4, 4), boxes);
    op_input(&t, SPACC_F32, 3, D(1, 1, 4), (float[]){0.5f, 0.9f, 0.7f, NAN});
    scalar(&t, SPACC_I64, (int64_t[]){10});
    scalar(&t, SPACC_F32, (float[]){0.5f});
    gives(&t, SPACC_I64, 2, D(2, 3), (int64_t[]){0, 0, 1, 0, 0, 2});
    op_begin(&t, "NonMaxSuppression", 10); /* no limit given: none */
    op_input(&t, SPACC_F32, 3, D(1, 4, 4), boxes);
    op_input(&t, SPACC_F32, 3, D(1, 1, 4), NULL);
    gives(&t, SPACC_I64, 2, D(0, 3), NULL);
    op_begin(&t, "NonMaxSuppression", 10);
    op_input(&t, SPACC_F32, 3, D(1, 4, 4), boxes);
    op_input(&t, SPACC_F32, 3, D(1, 1, 3), NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "boxes [1,4,4] and scores [1,1,3] are not");
}

/* ---- picking and generating ------------------------------------------------------- */

static void non_zero_lists_indices_by_axis(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "NonZero", 13);
    op_input(&t, SPACC_F16, 2, D(2, 2), (uint16_t[]){0x8000, 1, 0x3c00, 0}); /* -0 is zero */
    gives(&t, SPACC_I64, 2, D(2, 2), (int64_t[]){0, 1, 1, 0});
    op_begin(&t, "NonZero", 13);
    scalar(&t, SPACC_I32, (int32_t[]){5});
    gives(&t, SPACC_I64, 2, D(1, 1), (int64_t[]){0});
    one(&t, "NonZero", 13, SPACC_U64, 0, NULL);
    gives(&t, SPACC_I64, 2, D(1, 0), NULL);
}

static void compress_checks_what_is_picked(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "Compress", 11);
    op_input(&t, SPACC_I16, 2, D(2, 3), (int16_t[]){1, 2, 3, 4, 5, 6});
    op_input(&t, SPACC_BOOL, 1, D(2), (uint8_t[]){0, 1}); /* shorter than the axis */
    op_attr_int(&t, "axis", 1);
    gives(&t, SPACC_I16, 2, D(2, 1), (int16_t[]){2, 5});
    op_begin(&t, "Compress", 11);
    op_input(&t, SPACC_I16, 1, D(2), NULL);
    op_input(&t, SPACC_BOOL, 1, D(4), (uint8_t[]){1, 0, 0, 1});
    fails_with(&t, 1, SPACC_ESHAPE, "element 3 is picked of 2");
}

static void tiles_repeat_every_axis(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "Tile", 13);
    op_input(&t, SPACC_I8, 2, D(2, 2), (int8_t[]){1, 2, 3, 4});
    list(&t, 2, D(2, 2));
    gives(&t, SPACC_I8, 2, D(4, 4), (int8_t[]){1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4});
    one(&t, "Tile", 13, SPACC_F64, 3, NULL);
    list(&t, 1, D(0));
    gives(&t, SPACC_F64, 1, D(0), NULL);
    op_begin(&t, "Tile", 13);
    scalar(&t, SPACC_I8, (int8_t[]){7});
    list(&t, 0, NULL);
    gives(&t, SPACC_I8, 0, NULL, (int8_t[]){7});
    one(&t, "Tile", 13, SPACC_F64, 3, NULL);
    list(&t, 1, D(-1));
    fails_with(&t, 1, SPACC_ESHAPE, "axis 0 of 3 times -1");
    one(&t, "Tile", 13, SPACC_F64, 3, NULL);
    list(&t, 1, D(INT64_MAX));
    fails_with(&t, 1, SPACC_ESHAPE, "axis 0 of 3 times");
}

static void triangles_take_any_diagonal(void **unused)
{
    (void)unused;
    const uint8_t x[] = {1, 2, 3, 4, 5, 6}, none[6] = {0};
    const int64_t far[] = {INT64_MAX, INT64_MIN};
    for (int i = 0; i < 4; i++) {
        struct op_call t;
        op_begin(&t, "Trilu", 14);
        op_input(&t, SPACC_U8, 2, D(2, 3), x);
        scalar(&t, SPACC_I64, &far[i % 2]);
        op_attr_int(&t, "upper", i / 2);
        gives(&t, SPACC_U8, 2, D(2, 3), i % 2 == i / 2 ? x : none);
    }
    struct op_call t;
    one(&t, "Trilu", 14, SPACC_U8, 3, NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "rank 1 has no matrices");
}

static void ranges_count_exactly(void **unused)
{
    (void)unused;
    static const struct {
        int64_t start, limit, delta, count;
    } cases[] = {
        {0, 10, 3, 4},
        {10, 0, -3, 4},
        {0, 9, 3, 3},
        {5, 5, 1, 0},
        {0, -1, 1, 0},
        {INT64_MIN, INT64_MAX, INT64_MAX, 3},
        {INT64_MAX, INT64_MIN, INT64_MIN, 2},
    };
    struct op_call t;
    for (size_t i = 0; i < COUNT(cases); i++) {
        op_begin(&t, "Range", 11);
        scalar(&t, SPACC_I64, &cases[i].start);
        scalar(&t, SPACC_I64, &cases[i].limit);
        scalar(&t, SPACC_I64, &cases[i].delta);
        if (op_run(&t, 1) != SPACC_OK)
            fail_msg("%s", t.err.text);
        assert_int_equal(t.out[0]->count, cases[i].count);
        for (uint64_t k = 0; k < t.out[0]->count; k++)
            assert_int_equal(((uint64_t *)t.out[0]->data)[k],
                             (uint64_t)cases[i].start + k * (uint64_t)cases[i].delta);
        op_end(&t);
    }
    op_begin(&t, "Range", 11);
    for (int i = 0; i < 3; i++)
        scalar(&t, SPACC_I32, (int32_t[]){i == 1});
    fails_with(&t, 1, SPACC_EINVAL, "no range from 0 to 1 by 0");
    op_begin(&t, "Range", 11);
    for (int i = 0; i < 3; i++)
        scalar(&t, SPACC_F32, (float[]){i == 1 ? NAN : 1});
    fails_with(&t, 1, SPACC_EINVAL, "no range from 1 to nan by 1");
    op_begin(&t, "Range", 11);
    for (int i = 0; i < 3; i++)
        scalar(&t, SPACC_I64, (int64_t[]){i == 0 ? INT64_MIN : i == 1 ? INT64_MAX : 1});
    fails_with(&t, 1, SPACC_EINVAL, "no range");
}

static void one_hot_leaves_indices_outside_off(void **unused)
{
    (void)unused;
    struct op_call t;
    one(&t, "OneHot", 11, SPACC_F32, 4, (float[]){-1, 1, 3, NAN});
    scalar(&t, SPACC_I64, (int64_t[]){3});
    op_input(&t, SPACC_I8, 1, D(2), (int8_t[]){-5, 5});
    op_attr_int(&t, "axis", 0);
    gives(&t, SPACC_I8, 2, D(3, 4), (int8_t[]){-5, -5, -5, -5, -5, 5, -5, -5, 5, -5, -5, -5});
    one(&t, "OneHot", 11, SPACC_I64, 1, NULL);
    scalar(&t, SPACC_F32, (float[]){-1});
    op_input(&t, SPACC_I8, 1, D(2), NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "depth is -1");
    one(&t, "OneHot", 11, SPACC_I64, 1, NULL);
    scalar(&t, SPACC_I64, (int64_t[]){2});
    op_input(&t, SPACC_I8, 1, D(3), NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "3 values, they are off and on");
}

static void generators_follow_their_attributes(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "EyeLike", 9);
    op_input(&t, SPACC_F32, 2, D(2, 3), NULL);
    op_attr_int(&t, "dtype", SPACC_BOOL);
    op_attr_int(&t, "k", -1);
    gives(&t, SPACC_BOOL, 2, D(2, 3), (uint8_t[]){0, 0, 0, 1, 0, 0});
    op_begin(&t, "EyeLike", 9);
    op_input(&t, SPACC_F32, 2, D(1, 1), NULL);
    op_attr_int(&t, "dtype", 8);
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "dtype string is not supported");
    op_begin(&t, "HannWindow", 17);
    scalar(&t, SPACC_I64, (int64_t[]){1});
    op_attr_int(&t, "periodic", 0);
    op_attr_int(&t, "output_datatype", SPACC_F64);
    gives(&t, SPACC_F64, 1, D(1), (double[]){1});
    op_begin(&t, "BlackmanWindow", 17);
    scalar(&t, SPACC_I64, (int64_t[]){-1});
    fails_with(&t, 1, SPACC_ESHAPE, "output 0 would be float32[-1]: impossible");
}

/* ---- losses, Dropout -------------------------------------------------------------- */

static void begin_loss(struct op_call *t, const char *op, enum spacc_dtype dtype,
                       const void *targets)
{
    op_begin(t, op, 13);
    op_input(t, SPACC_F32, 2, D(2, 3), (float[]){1, 2, 3, 4, 5, 6});
    op_input(t, dtype, 1, D(2), targets);
}

static void losses_check_their_targets(void **unused)
{
    (void)unused;
    struct op_call t;
    begin_loss(&t, "NegativeLogLikelihoodLoss", SPACC_I32, (int32_t[]){2, 0});
    op_input(&t, SPACC_F32, 1, D(3), (float[]){2, 1, 1});
    gives(&t, SPACC_F32, 0, NULL, (float[]){-11.0f / 3});
    begin_loss(&t, "NegativeLogLikelihoodLoss", SPACC_I64, (int64_t[]){2, -100});
    op_attr_int(&t, "ignore_index", -100);
    op_attr_string(&t, "reduction", "none");
    gives(&t, SPACC_F32, 1, D(2), (float[]){-3, 0});
    begin_loss(&t, "NegativeLogLikelihoodLoss", SPACC_I64, (int64_t[]){2, 3});
    fails_with(&t, 1, SPACC_ESHAPE, "target 3 at element 1 is outside 3 classes");
    begin_loss(&t, "SoftmaxCrossEntropyLoss", SPACC_I64, (int64_t[]){-1, 0});
    fails_with(&t, 2, SPACC_ESHAPE, "target -1 at element 0 is outside 3 classes");
    begin_loss(&t, "SoftmaxCrossEntropyLoss", SPACC_I64, NULL);
    op_input(&t, SPACC_F32, 1, D(2), NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "weights of shape [2] for 3 classes");
    begin_loss(&t, "SoftmaxCrossEntropyLoss", SPACC_I64, NULL);
    op_attr_string(&t, "reduction", "max");
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "reduction 'max' is not none, sum or mean");
    op_begin(&t, "SoftmaxCrossEntropyLoss", 13);
    op_input(&t, SPACC_F32, 3, D(2, 3, 4), NULL);
    op_input(&t, SPACC_I64, 2, D(2, 3), NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "the target has shape [2,3], the input [2,3,4]");
    op_begin(&t, "SoftmaxCrossEntropyLoss", 13); /* large scores do not overflow */
    op_input(&t, SPACC_F32, 2, D(1, 2), (float[]){1e30f, 0});
    op_input(&t, SPACC_I64, 1, D(1), (int64_t[]){0});
    gives(&t, SPACC_F32, 0, NULL, (float[]){0});
}

static void dropout_is_inference_only(void **unused)
{
    (void)unused;
    struct op_call t;
    one(&t, "Dropout", 7, SPACC_F32, 2, (float[]){1, 2});
    op_attr_float(&t, "ratio", 0.9f);
    assert_int_equal(op_run(&t, 2), SPACC_OK);
    is_tensor(&t, 0, SPACC_F32, 1, D(2), (float[]){1, 2});
    is_tensor(&t, 1, SPACC_F32, 1, D(2), (float[]){1, 1});
    op_end(&t);
    one(&t, "Dropout", 13, SPACC_F16, 1, (uint16_t[]){half(3)});
    scalar(&t, SPACC_F32, (float[]){0});
    scalar(&t, SPACC_BOOL, (uint8_t[]){1});
    assert_int_equal(op_run(&t, 2), SPACC_OK);
    is_tensor(&t, 0, SPACC_F16, 1, D(1), (uint16_t[]){half(3)});
    is_tensor(&t, 1, SPACC_BOOL, 1, D(1), (uint8_t[]){1});
    op_end(&t);
    one(&t, "Dropout", 13, SPACC_F32, 1, NULL);
    op_no_input(&t);
    scalar(&t, SPACC_BOOL, (uint8_t[]){1});
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "training_mode with a ratio above 0");
    one(&t, "Dropout", 12, SPACC_F32, 1, NULL);
    op_attr_float(&t, "ratio", 0.5f);
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "attribute ratio exists up to opset 11");
}

/* ---- Einsum, Det, DFT ------------------------------------------------------------- */

static void einsum(struct op_call *t, const char *equation)
{
    op_begin(t, "Einsum", 12);
    op_attr_string(t, "equation", equation);
}

static void einsum_reads_every_kind_of_equation(void **unused)
{
    (void)unused;
    const int32_t m[] = {1, 2, 3, 4};
    struct op_call t;
    einsum(&t, "ii"); /* the trace: nothing is left */
    op_input(&t, SPACC_I32, 2, D(2, 2), m);
    gives(&t, SPACC_I32, 0, NULL, (int32_t[]){5});
    einsum(&t, " b a "); /* implicit: in order of the alphabet */
    op_input(&t, SPACC_I32, 2, D(2, 2), m);
    gives(&t, SPACC_I32, 2, D(2, 2), (int32_t[]){1, 3, 2, 4});
    einsum(&t, "...i,...i->...");
    op_input(&t, SPACC_F32, 3, D(2, 1, 2), (float[]){1, 2, 3, 4});
    op_input(&t, SPACC_F32, 2, D(3, 2), (float[]){1, 0, 0, 1, 1, 1});
    gives(&t, SPACC_F32, 2, D(2, 3), (float[]){1, 2, 3, 3, 4, 7});
    einsum(&t, "i,j,k->kj");
    for (int k = 0; k < 3; k++)
        op_input(&t, SPACC_I32, 1, D(2), m + k / 2 * 2);
    gives(&t, SPACC_I32, 2, D(2, 2), (int32_t[]){9, 18, 12, 24});
    einsum(&t, "ij->i"); /* sums of nothing */
    op_input(&t, SPACC_F32, 2, D(2, 0), NULL);
    gives(&t, SPACC_F32, 1, D(2), (float[]){0, 0});
}

static void einsum_names_what_is_wrong(void **unused)
{
    (void)unused;
    static const struct {
        const char *equation;
        int inputs;
        enum spacc_status status;
        const char *want;
    } cases[] = {
        {"ij,jk", 1, SPACC_EFORMAT, "more or fewer terms than the node has inputs"},
        {"ij", 2, SPACC_EFORMAT, "fewer terms than the node has inputs"},
        {"i", 1, SPACC_ESHAPE, "input 0 has rank 2, its term 1 labels"},
        {"ij->ik", 1, SPACC_EFORMAT, "the output has a label that no input has"},
        {"ij->ii", 1, SPACC_EFORMAT, "the output has a label twice"},
        {"i3->i", 1, SPACC_EFORMAT, "a term is not made of letters"},
        {"ii", 1, SPACC_ESHAPE, "a label is 3 in input 0 and 2 before"},
        {"ij->i->", 1, SPACC_EFORMAT, "the output is not made of letters"},
        {"abcdefghijk", 1, SPACC_EFORMAT, "a term is not made of letters"},
        {"ij-", 1, SPACC_EFORMAT, "more or fewer terms"},
        {"..", 1, SPACC_EFORMAT, "a term is not made of letters"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct op_call t;
        einsum(&t, cases[i].equation);
        for (int k = 0; k < cases[i].inputs; k++)
            op_input(&t, SPACC_F32, 2, D(2, 3), NULL);
        fails_with(&t, 1, cases[i].status, cases[i].want);
    }
}

static void determinants_change_sign_with_their_rows(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "Det", 11);
    op_input(&t, SPACC_F64, 3, D(3, 2, 2), (double[]){0, 1, 1, 0, 1, 2, 2, 4, 3, 0, 0, 2});
    gives(&t, SPACC_F64, 1, D(3), (double[]){-1, 0, 6});
    op_begin(&t, "Det", 11);
    op_input(&t, SPACC_F32, 3, D(2, 0, 0), NULL);
    gives(&t, SPACC_F32, 1, D(2), (float[]){1, 1});
    op_begin(&t, "Det", 11);
    op_input(&t, SPACC_F32, 2, D(2, 3), NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "shape [2,3] holds no square matrices");
}

/* The transform of every length up to 33 against its definition, and back. */
static void dft_matches_the_definition_and_its_inverse(void **unused)
{
    (void)unused;
    for (int64_t n = 1; n <= 33; n++) {
        struct op_call t, back;
        double x[33 * 2];
        for (int64_t i = 0; i < 2 * n; i++)
            x[i] = (double)(i * 7 % 11) - 5.0;
        op_begin(&t, "DFT", 20);
        op_input(&t, SPACC_F64, 2, D(n, 2), x);
        assert_int_equal(op_run(&t, 1), SPACC_OK);
        for (int64_t k = 0; k < n; k++) {
            double re = 0.0, im = 0.0;
            for (int64_t j = 0; j < n; j++) {
                const double angle = -6.28318530717958647693 * (double)(j * k) / (double)n;
                re += x[2 * j] * cos(angle) - x[2 * j + 1] * sin(angle);
                im += x[2 * j] * sin(angle) + x[2 * j + 1] * cos(angle);
            }
            assert_true(fabs(((double *)t.out[0]->data)[2 * k] - re) < 1e-9);
            assert_true(fabs(((double *)t.out[0]->data)[2 * k + 1] - im) < 1e-9);
        }
        op_begin(&back, "DFT", 17);
        op_input(&back, SPACC_F64, 2, D(n, 2), t.out[0]->data);
        op_attr_int(&back, "axis", 0);
        op_attr_int(&back, "inverse", 1);
        assert_int_equal(op_run(&back, 1), SPACC_OK);
        for (int64_t i = 0; i < 2 * n; i++)
            assert_true(fabs(((double *)back.out[0]->data)[i] - x[i]) < 1e-9);
        op_end(&back);
        op_end(&t);
    }
}

static void dft_pads_cuts_and_keeps_one_side(void **unused)
{
    (void)unused;
    struct op_call t;
    op_begin(&t, "DFT", 20);
    op_input(&t, SPACC_F32, 2, D(3, 1), (float[]){1, 2, 100});
    scalar(&t, SPACC_I64, (int64_t[]){2}); /* 100 is cut off */
    op_attr_int(&t, "onesided", 1);
    gives(&t, SPACC_F32, 2, D(2, 2), (float[]){3, 0, -1, 0});
    op_begin(&t, "DFT", 20);
    op_input(&t, SPACC_F32, 2, D(3, 2), NULL);
    op_attr_int(&t, "onesided", 1);
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "onesided is supported for real input");
    op_begin(&t, "DFT", 20);
    op_input(&t, SPACC_F32, 2, D(3, 2), NULL);
    op_attr_int(&t, "axis", 0);
    fails_with(&t, 1, SPACC_EUNSUPPORTED, "attribute axis exists up to opset 19");
    op_begin(&t, "DFT", 17);
    op_input(&t, SPACC_F32, 2, D(3, 2), NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "axis 1 holds the parts of the numbers");
    op_begin(&t, "STFT", 17);
    op_input(&t, SPACC_F32, 3, D(1, 5, 1), (float[]){1, 2, 3, 4, 5});
    scalar(&t, SPACC_I64, (int64_t[]){2});
    op_input(&t, SPACC_F32, 1, D(2), (float[]){1, 2});
    gives(&t, SPACC_F32, 4, D(1, 2, 2, 2), (float[]){5, 0, -3, 0, 11, 0, -5, 0});
    op_begin(&t, "STFT", 17);
    op_input(&t, SPACC_F32, 3, D(1, 5, 1), NULL);
    scalar(&t, SPACC_I64, (int64_t[]){0});
    op_input(&t, SPACC_F32, 1, D(2), NULL);
    fails_with(&t, 1, SPACC_ESHAPE, "a length of 0");
}

/* ---- anything at all -------------------------------------------------------------- */

/* Indices, sizes and attributes out of any range: a result or a line, never a crash. */
static void every_operator_survives_random_contents(void **unused)
{
    (void)unused;
    int ran = 0;
    random_state = 1;
    for (size_t op = 0; op < spacc_op_count; op++)
        for (int round = 0; round < 3000; round++) {
            struct op_call t;
            struct random_attrs room;
            random_call(&t, &spacc_ops[op], &room);
            ran += op_run(&t, 1 + (int)random_below(2)) == SPACC_OK;
            op_end(&t);
        }
    assert_true(ran > 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_float16_result_is_rounded_once),
        cmocka_unit_test(the_first_float_input_gives_the_type),
        cmocka_unit_test(float16_moves_as_it_is),
        cmocka_unit_test(shapes_of_float16_calls_are_known_without_contents),
        cmocka_unit_test(casts_round_once_and_saturate_in_every_type),
        cmocka_unit_test(integers_wrap_in_abs_neg_and_mod),
        cmocka_unit_test(large_unsigned_numbers_stay_above_small_ones),
        cmocka_unit_test(a_nan_wins_in_max_and_is_never_less),
        cmocka_unit_test(shifts_by_the_width_leave_nothing),
        cmocka_unit_test(variadic_operators_broadcast_any_number_of_inputs),
        cmocka_unit_test(activations_do_not_overflow),
        cmocka_unit_test(types_that_an_operator_does_not_have_are_named),
        cmocka_unit_test(reductions_of_nothing_leave_every_other_number_as_it_is),
        cmocka_unit_test(reductions_are_exact_and_do_not_overflow),
        cmocka_unit_test(axes_of_reductions_become_an_input_at_opset_18),
        cmocka_unit_test(hardmax_and_log_softmax_join_axes_before_opset_13),
        cmocka_unit_test(cumulative_sums_run_both_ways),
        cmocka_unit_test(top_k_is_stable_and_puts_nan_above_numbers),
        cmocka_unit_test(top_k_matches_the_definition),
        cmocka_unit_test(unique_counts_and_finds_back),
        cmocka_unit_test(arg_max_picks_the_first_or_the_last),
        cmocka_unit_test(boxes_are_suppressed_by_score_and_overlap),
        cmocka_unit_test(non_zero_lists_indices_by_axis),
        cmocka_unit_test(compress_checks_what_is_picked),
        cmocka_unit_test(tiles_repeat_every_axis),
        cmocka_unit_test(triangles_take_any_diagonal),
        cmocka_unit_test(ranges_count_exactly),
        cmocka_unit_test(one_hot_leaves_indices_outside_off),
        cmocka_unit_test(generators_follow_their_attributes),
        cmocka_unit_test(losses_check_their_targets),
        cmocka_unit_test(dropout_is_inference_only),
        cmocka_unit_test(einsum_reads_every_kind_of_equation),
        cmocka_unit_test(einsum_names_what_is_wrong),
        cmocka_unit_test(determinants_change_sign_with_their_rows),
        cmocka_unit_test(dft_matches_the_definition_and_its_inverse),
        cmocka_unit_test(dft_pads_cuts_and_keeps_one_side),
        cmocka_unit_test(every_operator_survives_random_contents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
