/* Two products in one multiplication: every pair of weights, every activation, and the number
 * of products that the header promises, no more and no less. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sparse/dsp_pack.h"

enum { W = SPACC_DSP_WEIGHT_MAX, BITS = SPACC_DSP_X_BITS_MAX };

/* The whole space takes a second, and half a minute under sanitizers: they see every 61st
 * activation. */
#if defined(__SANITIZE_ADDRESS__)
enum { X_STEP = 61 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
enum { X_STEP = 61 };
#else
enum { X_STEP = 1 };
#endif
#else
enum { X_STEP = 1 };
#endif

static uint32_t seed = 11;

static uint32_t next_random(void)
{
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

/* `count` products, of x and then by turns of x and the other; 1 when both sums come back. */
static int comes_back(int low, int high, int x, int other, unsigned count)
{
    const int32_t a = spacc_dsp_pack((int8_t)low, (int8_t)high);
    int32_t got[2], sum = 0;
    int64_t p = 0;

    for (unsigned i = 0; i < count; i++) {
        const int v = i % 2 ? other : x;
        p = spacc_dsp_add(p, a, v);
        sum += v;
    }
    spacc_dsp_unpack(p, &got[0], &got[1]);
    return got[0] == low * sum && got[1] == high * sum;
}

static void every_product_of_every_pair_comes_back(void **state)
{
    (void)state;
    const int end = 1 << (BITS - 1);
    uint64_t tried = 0, wrong = 0;

    for (int low = -W; low <= W; low++) {
        for (int high = -W; high <= W; high++) {
            const int32_t a = spacc_dsp_pack((int8_t)low, (int8_t)high);
            for (int x = -end; x < end; x += X_STEP, tried++) {
                int32_t got[2];
                spacc_dsp_unpack(spacc_dsp_add(0, a, x), &got[0], &got[1]);
                wrong += (uint64_t)(got[0] != low * x || got[1] != high * x);
            }
        }
    }
    print_message("%llu products tried\n", (unsigned long long)tried);
    assert_true(tried >= (uint64_t)(2 * W + 1) * (2 * W + 1) * (unsigned)(2 * end / X_STEP));
    assert_true(wrong == 0);
}

/* Every pair of weights, and the activations at which sums are largest, smallest, or about to
 * change sign. */
static void as_many_products_as_promised_come_back(void **state)
{
    (void)state;
    static const unsigned promised[] = {16, 8, 4, 2, 1};

    for (int bits = 8; bits <= BITS; bits++) {
        const unsigned count = spacc_dsp_products(bits);
        const int end = 1 << (bits - 1), edges[] = {-end, 1 - end, -1, 0, 1, end - 1};
        uint64_t wrong = 0;
        assert_int_equal(count, promised[bits - 8]);
        for (int low = -W; low <= W; low++)
            for (int high = -W; high <= W; high++)
                for (int i = 0; i < 36; i++)
                    wrong += !comes_back(low, high, edges[i / 6], edges[i % 6], count);
        assert_true(wrong == 0);
    }
}

/* One more of the largest products runs over, in either direction of the high weight. */
static void one_product_more_does_not_come_back(void **state)
{
    (void)state;
    for (int bits = 2; bits <= BITS; bits++) {
        const unsigned count = spacc_dsp_products(bits);
        const int least = -(1 << (bits - 1));
        for (int high = -W; high <= W; high++) {
            assert_true(comes_back(-W, high, least, least, count));
            assert_false(comes_back(-W, high, least, least, count + 1));
        }
    }
    assert_int_equal(spacc_dsp_products(BITS + 1), 0);
    assert_false(comes_back(-W, 0, -(1 << BITS), 0, 1));
    assert_int_equal(spacc_dsp_products(16), 0);
}

/* Every low sum that its field holds, beside high sums at the ends of what can be: 16 products
 * at 8 bits, and what the upper field of 29 bits takes. */
static void every_low_sum_comes_back_beside_any_high_one(void **state)
{
    (void)state;
    const int64_t end = 1 << (SPACC_DSP_SHIFT - 1), top = (1 << 28) - 1;
    const int64_t highs[] = {-top - 1, -16 * W * 128, -1, 0, 1, 16 * W * 128, top};
    uint64_t wrong = 0;

    for (size_t i = 0; i < 7; i++) {
        for (int64_t low = -end; low < end; low++) {
            int32_t got[2];
            spacc_dsp_unpack(highs[i] * (1 << SPACC_DSP_SHIFT) + low, &got[0], &got[1]);
            wrong += (uint64_t)(got[0] != low || got[1] != highs[i]);
        }
    }
    assert_true(wrong == 0);
}

/* What the header says of -128: as high weight A wraps, as low one the product does. */
static void a_weight_of_minus_128_does_not_fit(void **state)
{
    (void)state;
    assert_true(comes_back(1, -128, 1, 0, 1));
    assert_false(comes_back(-1, -128, 1, 0, 1));
    assert_false(comes_back(-128, 1, -2048, 0, 1));
    assert_true(comes_back(-127, 1, -2048, 0, 1));
}

/* The ports have 27 and 18 bits and the accumulator 48; what is above them is lost. */
static void ports_are_as_narrow_as_those_of_the_dsp(void **state)
{
    (void)state;
    assert_true(spacc_dsp_add(0, (1 << 26) - 1, 1) == (1 << 26) - 1);
    assert_true(spacc_dsp_add(0, 1 << 26, 1) == -(1 << 26));
    assert_true(spacc_dsp_add(5, 1, (1 << 17) - 1) == (1 << 17) + 4);
    assert_true(spacc_dsp_add(0, 1, 1 << 17) == -(1 << 17));
    assert_true(spacc_dsp_add(((int64_t)1 << 47) - 1, 1, 1) == -((int64_t)1 << 47));
}

static void random_rows_equal_plain_sums(void **state)
{
    (void)state;
    enum { MOST = 300 };
    int8_t low[MOST], high[MOST];
    int16_t x[MOST];
    const uint32_t first = seed;
    size_t negative = 0;

    for (int round = 0; round < 20000; round++) {
        const int bits = 2 + (int)(next_random() % (BITS - 1));
        const size_t count = next_random() % (MOST + 1);
        const int hard = next_random() % 4 == 0; /* all at the ends */
        int64_t want[2] = {0, 0}, got[2];
        for (size_t i = 0; i < count; i++) {
            low[i] = (int8_t)(hard ? -W : (int)(next_random() % (2 * W + 1)) - W);
            high[i] = (int8_t)((int)(next_random() % (2 * W + 1)) - W);
            x[i] =
                (int16_t)((hard ? 0 : (int)(next_random() % (1u << bits))) - (1 << (bits - 1)));
            want[0] += low[i] * x[i];
            want[1] += high[i] * x[i];
        }
        spacc_dsp_rows(got, low, high, x, count, bits);
        negative += want[0] < 0;
        if (got[0] != want[0] || got[1] != want[1])
            fail_msg("seed %u, round %d: %zu products of %d bits", first, round, count, bits);
    }
    assert_true(negative > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_product_of_every_pair_comes_back),
        cmocka_unit_test(as_many_products_as_promised_come_back),
        cmocka_unit_test(one_product_more_does_not_come_back),
        cmocka_unit_test(every_low_sum_comes_back_beside_any_high_one),
        cmocka_unit_test(a_weight_of_minus_128_does_not_fit),
        cmocka_unit_test(ports_are_as_narrow_as_those_of_the_dsp),
        cmocka_unit_test(random_rows_equal_plain_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
