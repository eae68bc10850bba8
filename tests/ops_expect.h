/* ops_expect.h - what a call of one operator must give, or fail with. Include it after
 * cmocka.h. */
#ifndef SPACC_TESTS_OPS_EXPECT_H
#define SPACC_TESTS_OPS_EXPECT_H

#include "ops_call.h"

#define D(...)   ((const int64_t[]){__VA_ARGS__})
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The run must give output `i` with this type, shape and these bytes. */
static inline void is_tensor(const struct op_call *t, int i, enum spacc_dtype dtype, int rank,
                             const int64_t *dims, const void *contents)
{
    const struct spacc_tensor *y = t->out[i];
    assert_non_null(y);
    assert_int_equal(y->dtype, dtype);
    assert_int_equal(y->rank, rank);
    for (int k = 0; k < rank; k++)
        assert_int_equal(y->dims[k], dims[k]);
    if (y->count > 0)
        assert_memory_equal(y->data, contents, y->count * spacc_dtype_bytes(dtype));
}

/* Run with one output, compare, end. */
static inline void gives(struct op_call *t, enum spacc_dtype dtype, int rank,
                         const int64_t *dims, const void *contents)
{
    if (op_run(t, 1) != SPACC_OK)
        fail_msg("%s", t->err.text);
    is_tensor(t, 0, dtype, rank, dims, contents);
    op_end(t);
}

/* Run with `outs` outputs; must fail with `want` in its line. Ends the call. */
static inline void fails_with(struct op_call *t, int outs, enum spacc_status status,
                              const char *want)
{
    const enum spacc_status got = op_run(t, outs);
    if (got != status || t->err.status != status || !strstr(t->err.text, want))
        fail_msg("status %s, \"%s\"; want \"%s\"", spacc_status_name(got), t->err.text, want);
    op_end(t);
}

/* The next input: a list of int64. */
static inline void list(struct op_call *t, int64_t count, const int64_t *values)
{
    op_input(t, SPACC_I64, 1, &count, values);
}

#endif
