/* Small calls of operators against outputs of ONNX Runtime, for what the ONNX project's cases
 * (test_conformance.c) leave out. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "ops_call.h"

enum { DIMS = 5, ATTRS = 8, INTS = 6 };

struct stored {
    enum spacc_dtype dtype; /* SPACC_DTYPE_NONE: left out */
    int rank;
    int64_t dims[DIMS];
    const void *contents;
};

struct attribute {
    const char *name;
    enum spacc_attr_kind kind;
    float f;
    int64_t i;
    const char *s;
    size_t count;
    int64_t ints[INTS];
};

static const struct call {
    const char *op;
    int opset, ins, attrs;
    struct stored in[OP_CALL_INS];
    struct attribute attr[ATTRS];
    struct stored want;
} calls[] = {
#include "ort_cases.inc"
};

static void give_attribute(struct op_call *t, const struct attribute *a)
{
    static int64_t ints[ATTRS][INTS];
    const size_t at = t->node.attrs;
    switch (a->kind) {
    case SPACC_ATTR_FLOAT: op_attr_float(t, a->name, a->f); break;
    case SPACC_ATTR_INT: op_attr_int(t, a->name, a->i); break;
    case SPACC_ATTR_STRING: op_attr_string(t, a->name, a->s); break;
    default:
        memcpy(ints[at], a->ints, sizeof(ints[at]));
        op_attr_ints(t, a->name, a->count, ints[at]);
    }
}

static void compare(const struct call *c, size_t number, const struct spacc_tensor *y)
{
    bool same = y->dtype == c->want.dtype && y->rank == c->want.rank;
    for (int d = 0; same && d < y->rank; d++)
        same = y->dims[d] == c->want.dims[d];
    if (!same)
        fail_msg("call %zu, %s: type or shape differs", number, c->op);
    for (size_t i = 0; i < y->count; i++) {
        const float got = ((const float *)y->data)[i];
        const float want = ((const float *)c->want.contents)[i];
        if (!(fabsf(got - want) <= 1e-5f * fmaxf(1.0f, fabsf(want))))
            fail_msg("call %zu, %s: element %zu is %g, ONNX Runtime has %g", number, c->op, i,
                     (double)got, (double)want);
    }
}

static void small_calls_give_what_onnx_runtime_gives(void **unused)
{
    (void)unused;
    for (size_t k = 0; k < sizeof(calls) / sizeof(calls[0]); k++) {
        const struct call *c = &calls[k];
        struct op_call t;
        op_begin(&t, c->op, c->opset);
        for (int i = 0; i < c->ins; i++) {
            const struct stored *in = &c->in[i];
            if (in->dtype == SPACC_DTYPE_NONE)
                op_no_input(&t);
            else
                op_input(&t, in->dtype, in->rank, in->dims, in->contents);
        }
        for (int a = 0; a < c->attrs; a++)
            give_attribute(&t, &c->attr[a]);
        if (op_run(&t, 1) != SPACC_OK)
            fail_msg("call %zu: %s", k, t.err.text);
        compare(c, k, t.out[0]);
        op_end(&t);
    }
    printf("%zu calls\n", sizeof(calls) / sizeof(calls[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_calls_give_what_onnx_runtime_gives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
