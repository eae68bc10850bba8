/* ops_random.h - calls of operators with random types, shapes, contents and attributes. */
#ifndef SPACC_TESTS_OPS_RANDOM_H
#define SPACC_TESTS_OPS_RANDOM_H

#include <stdio.h>

#include "ops_call.h"

static uint32_t random_state;

static inline int64_t random_below(int64_t limit)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (int64_t)(random_state >> 8) % limit;
}

/* Where the attributes of a random call live. */
struct random_attrs {
    char names[OP_CALL_ATTRS][32];
    int64_t lists[OP_CALL_ATTRS][4];
};

/* An attribute of every kind that the operator lists, small numbers in it. */
static inline void random_attrs(struct op_call *t, struct random_attrs *room)
{
    int count = 0;
    for (const char *at = t->node.op->attrs; *at && count < OP_CALL_ATTRS; count++) {
        const size_t length = strcspn(at, ":");
        char *name = room->names[count];
        int64_t *list_of = room->lists[count];
        snprintf(name, sizeof(room->names[count]), "%.*s", (int)length, at);
        for (int i = 0; i < 4; i++)
            list_of[i] = random_below(8) - 2;
        const char kind = random_below(3) == 0 ? at[length + 1] : ' ';
        if (kind == 'i')
            op_attr_int(t, name, random_below(20) - 3);
        else if (kind == 'f')
            op_attr_float(t, name, (float)random_below(5) - 2);
        else if (kind == 'I')
            op_attr_ints(t, name, (size_t)random_below(5), list_of);
        at += length + 2;
        at += strspn(at, " ");
    }
}

static inline void random_input(struct op_call *t)
{
    static const enum spacc_dtype types[] = {SPACC_F32, SPACC_F32,  SPACC_I64, SPACC_I64,
                                             SPACC_F16, SPACC_BOOL, SPACC_U8,  SPACC_I32};
    int64_t dims[4];
    const int rank = (int)random_below(5);
    if (random_below(12) == 0) {
        op_no_input(t);
        return;
    }
    for (int i = 0; i < rank; i++)
        dims[i] = random_below(4);
    struct spacc_tensor *x = op_input(t, types[random_below(8)], rank, dims, NULL);
    for (size_t i = 0; i < x->count; i++) {
        const int64_t v = x->dtype == SPACC_BOOL ? random_below(2) : random_below(7) - 2;
        if (x->dtype == SPACC_F32)
            ((float *)x->data)[i] = (float)v;
        else /* little endian; any bits are a float16 */
            memcpy((char *)x->data + i * spacc_dtype_bytes(x->dtype), &v,
                   spacc_dtype_bytes(x->dtype));
    }
}

/* `room` holds what the call points at until op_end(). */
static inline void random_call(struct op_call *t, const struct spacc_op *op,
                               struct random_attrs *room)
{
    const int most = op->ins_max < 0 ? 4 : op->ins_max;
    op_begin(t, op->name, 7 + (int)random_below(15));
    random_attrs(t, room);
    for (int i = 0; i < most && i < OP_CALL_INS && (i < op->ins_min || random_below(2)); i++)
        random_input(t);
}

#endif
