/* float16 and bfloat16: every bit pattern, and every place where rounding turns. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sparse/half.h"

/* The definition: sign * fraction * 2^exponent. */
static double value_of(uint16_t half)
{
    const int exponent = half >> 10 & 31, fraction = half & 1023;
    const double size =
        exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
    return half >> 15 ? -size : size;
}

static int is_nan(uint16_t half)
{
    return (half & 0x7fff) > 0x7c00;
}

static void every_half_is_exact_as_a_float_and_back(void **unused)
{
    (void)unused;
    for (uint32_t h = 0; h < 65536; h++) {
        const float f = spacc_half_to_float((uint16_t)h);
        if (is_nan((uint16_t)h)) {
            assert_true(isnan(f) && is_nan(spacc_half_from_float(f)));
            continue;
        }
        if ((h & 0x7fff) == 0x7c00)
            assert_true(isinf(f) && (f < 0.0f) == (h >> 15 != 0));
        else
            assert_true((double)f == value_of((uint16_t)h));
        assert_int_equal(spacc_half_from_float(f), h);
    }
}

/* Between each half and the next: the middle goes to the even one, the floats on both
 * sides of it to the nearer one. */
static void a_float_between_two_halves_rounds_to_nearest_even(void **unused)
{
    (void)unused;
    for (uint32_t h = 0; h < 0x7c00; h++) {
        const double low = value_of((uint16_t)h), high = value_of((uint16_t)(h + 1));
        const float middle = (float)((low + high) / 2);
        assert_true((double)middle == (low + high) / 2);
        assert_int_equal(spacc_half_from_float(middle), h % 2 ? h + 1 : h);
        assert_int_equal(spacc_half_from_float(nextafterf(middle, 0.0f)), h);
        assert_int_equal(spacc_half_from_float(nextafterf(middle, INFINITY)), h + 1);
        assert_int_equal(spacc_half_from_float(-nextafterf(middle, INFINITY)),
                         (h + 1) | 0x8000);
    }
    assert_int_equal(spacc_half_from_float(1e30f), 0x7c00);
    assert_int_equal(spacc_half_from_float(-1e-30f), 0x8000);
}

static void bfloats_round_to_nearest_even(void **unused)
{
    (void)unused;
    for (uint32_t b = 0; b < 65536; b++) {
        const float f = spacc_bfloat_to_float((uint16_t)b);
        const uint16_t back = spacc_bfloat_from_float(f);
        if (isnan(f))
            assert_true(isnan(spacc_bfloat_to_float(back)));
        else
            assert_int_equal(back, b);
        if (b >= 0x7f80)
            continue;
        const float middle = spacc_float_of_bits(b << 16 | 0x8000u);
        assert_int_equal(spacc_bfloat_from_float(middle), b % 2 ? b + 1 : b);
        assert_int_equal(spacc_bfloat_from_float(nextafterf(middle, INFINITY)), b + 1);
        assert_int_equal(spacc_bfloat_from_float(nextafterf(middle, 0.0f)), b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_is_exact_as_a_float_and_back),
        cmocka_unit_test(a_float_between_two_halves_rounds_to_nearest_even),
        cmocka_unit_test(bfloats_round_to_nearest_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
