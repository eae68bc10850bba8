/* Every operator of the table on random inputs and attributes, mostly wrong ones: none may
 * read or write outside of its arrays (the sanitizer build sees that), each failure has a
 * line, and what the shape-only call foretells is what the run makes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "models/ops_util.h"
#include "ops_call.h"

enum { SEED = 20240607, ROUNDS = 6000, LIST_MAX = 6, RANK_DRAWN = 5, NEVER_MAX = 8 };

static uint64_t state = SEED;

/* xorshift64*: 0..below-1 */
static uint32_t draw(uint32_t below)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 2685821657736338717u) >> 33) % below;
}

/* ---- inputs ------------------------------------------------------------------------- */

static enum spacc_dtype draw_type(void)
{
    static const enum spacc_dtype types[] = {SPACC_F32, SPACC_F32,  SPACC_F32, SPACC_F32,
                                             SPACC_I64, SPACC_I64,  SPACC_U8,  SPACC_I8,
                                             SPACC_I32, SPACC_BOOL, SPACC_F64, SPACC_F16};
    return types[draw(sizeof(types) / sizeof(types[0]))];
}

static void fill(struct spacc_tensor *t)
{
    for (size_t i = 0; i < t->count; i++) {
        const int v = (int)draw(8) - 2;
        switch (t->dtype) {
        case SPACC_F32: ((float *)t->data)[i] = (float)v * 0.75f; break;
        case SPACC_F64: ((double *)t->data)[i] = v * 0.75; break;
        case SPACC_I64: ((int64_t *)t->data)[i] = v; break;
        case SPACC_I32: ((int32_t *)t->data)[i] = v; break;
        case SPACC_BOOL: ((uint8_t *)t->data)[i] = (uint8_t)(v & 1); break;
        case SPACC_F16: ((uint16_t *)t->data)[i] = (uint16_t)(0x3c00 + v); break;
        default: ((uint8_t *)t->data)[i] = (uint8_t)v;
        }
    }
}

/* Sound inputs of operators that random shapes would never suit; changed here and there. */
static const struct sample {
    const char *op;
    struct {
        enum spacc_dtype dtype;
        int rank;
        int64_t dims[4];
    } in[OP_CALL_INS];
} samples[] = {
    {"Conv", {{SPACC_F32, 4, {1, 2, 4, 3}}, {SPACC_F32, 4, {2, 2, 2, 1}}, {SPACC_F32, 1, {2}}}},
    {"ConvTranspose",
     {{SPACC_F32, 4, {1, 2, 3, 3}}, {SPACC_F32, 4, {2, 1, 2, 2}}, {SPACC_F32, 1, {1}}}},
    {"ConvInteger",
     {{SPACC_U8, 3, {1, 2, 4}},
      {SPACC_I8, 3, {3, 2, 2}},
      {SPACC_U8, 0, {0}},
      {SPACC_I8, 1, {3}}}},
    {"QLinearConv",
     {{SPACC_U8, 3, {1, 2, 4}},
      {SPACC_F32, 0, {0}},
      {SPACC_U8, 0, {0}},
      {SPACC_I8, 3, {3, 2, 2}},
      {SPACC_F32, 1, {3}},
      {SPACC_I8, 1, {3}},
      {SPACC_F32, 0, {0}},
      {SPACC_I8, 0, {0}},
      {SPACC_I32, 1, {3}}}},
    {"QLinearMatMul",
     {{SPACC_U8, 3, {2, 2, 3}},
      {SPACC_F32, 1, {2}},
      {SPACC_U8, 0, {0}},
      {SPACC_I8, 2, {3, 4}},
      {SPACC_F32, 1, {4}},
      {SPACC_I8, 1, {4}},
      {SPACC_F32, 0, {0}},
      {SPACC_U8, 0, {0}}}},
    {"BatchNormalization",
     {{SPACC_F32, 3, {2, 3, 2}},
      {SPACC_F32, 1, {3}},
      {SPACC_F32, 1, {3}},
      {SPACC_F32, 1, {3}},
      {SPACC_F32, 1, {3}}}},
    {"GroupNormalization",
     {{SPACC_F32, 3, {2, 2, 2}}, {SPACC_F32, 1, {2}}, {SPACC_F32, 1, {2}}}},
    {"Resize",
     {{SPACC_F32, 2, {2, 3}}, {SPACC_F32, 1, {4}}, {SPACC_F32, 1, {0}}, {SPACC_I64, 1, {2}}}},
    {"Upsample", {{SPACC_F32, 2, {2, 3}}, {SPACC_F32, 1, {2}}}},
    {"RoiAlign", {{SPACC_F32, 4, {1, 2, 3, 4}}, {SPACC_F32, 2, {2, 4}}, {SPACC_I64, 1, {2}}}},
    {"GridSample", {{SPACC_F32, 4, {1, 2, 3, 4}}, {SPACC_F32, 4, {1, 2, 2, 2}}}},
    {"MaxUnpool", {{SPACC_F32, 3, {1, 2, 2}}, {SPACC_I64, 3, {1, 2, 2}}}},
    {"LSTM",
     {{SPACC_F32, 3, {2, 2, 3}},
      {SPACC_F32, 3, {1, 8, 3}},
      {SPACC_F32, 3, {1, 8, 2}},
      {SPACC_F32, 2, {1, 16}},
      {SPACC_I32, 1, {2}}}},
    {"com.microsoft.DynamicQuantizeLSTM",
     {{SPACC_F32, 3, {2, 1, 3}},
      {SPACC_I8, 3, {1, 3, 8}},
      {SPACC_I8, 3, {1, 2, 8}},
      {SPACC_F32, 2, {1, 16}},
      {SPACC_I32, 1, {1}},
      {SPACC_F32, 3, {1, 1, 2}},
      {SPACC_F32, 3, {1, 1, 2}},
      {SPACC_F32, 2, {1, 6}},
      {SPACC_F32, 1, {1}},
      {SPACC_I8, 1, {1}},
      {SPACC_F32, 2, {1, 8}},
      {SPACC_I8, 2, {1, 8}}}},
};

/* The next input after the sample; false when there is none. */
static bool draw_sample(struct op_call *t)
{
    const int i = t->call.ins;
    for (size_t k = 0; k < sizeof(samples) / sizeof(samples[0]); k++) {
        if (strcmp(samples[k].op, t->node.op->name) != 0 || !samples[k].in[i].dtype ||
            draw(24) == 0)
            continue;
        int64_t dims[4];
        memcpy(dims, samples[k].in[i].dims, sizeof(dims));
        if (draw(16) == 0)
            dims[draw(4)] = draw(4);
        fill(op_input(t, samples[k].in[i].dtype, samples[k].in[i].rank, dims, NULL));
        return true;
    }
    return false;
}

/* A new shape, or that of an input before with perhaps another dimension. */
static int draw_shape(const struct op_call *t, int64_t dims[RANK_DRAWN])
{
    int rank = draw(3) ? 3 + (int)draw(2) : (int)draw(RANK_DRAWN + 1);
    for (int d = 0; d < RANK_DRAWN; d++)
        dims[d] = draw(12) ? 1 + (int64_t)draw(4) : 0;
    if (t->call.ins > 0 && draw(2)) {
        const struct spacc_tensor *like = t->in[draw((uint32_t)t->call.ins)];
        for (int d = 0; like && d < like->rank && d < RANK_DRAWN; d++)
            dims[d] = like->dims[d];
        rank = like && like->rank <= RANK_DRAWN ? like->rank : rank;
    }
    return rank;
}

static void draw_input(struct op_call *t)
{
    int64_t dims[RANK_DRAWN];
    if (draw_sample(t))
        return;
    if (t->call.ins > 0 && draw(8) == 0) {
        op_no_input(t);
        return;
    }
    const int rank = draw_shape(t, dims);
    const bool same = t->call.ins > 0 && t->in[0] && draw(2);
    fill(op_input(t, same ? t->in[0]->dtype : draw_type(), draw(3) ? rank : (int)draw(2), dims,
                  NULL));
}

/* ---- attributes --------------------------------------------------------------------- */

static char names[OP_CALL_ATTRS][64];
static int64_t int_lists[OP_CALL_ATTRS][LIST_MAX];
static float float_lists[OP_CALL_ATTRS][LIST_MAX];

static const char *draw_word(void)
{
    static const char *const words[] = {"NOTSET",
                                        "SAME_UPPER",
                                        "SAME_LOWER",
                                        "VALID",
                                        "linear",
                                        "nearest",
                                        "cubic",
                                        "bilinear",
                                        "bicubic",
                                        "reflection",
                                        "border",
                                        "zeros",
                                        "add",
                                        "mul",
                                        "min",
                                        "max",
                                        "none",
                                        "DCR",
                                        "CRD",
                                        "avg",
                                        "half_pixel",
                                        "asymmetric",
                                        "align_corners",
                                        "tf_crop_and_resize",
                                        "pytorch_half_pixel",
                                        "reflect",
                                        "edge",
                                        "constant",
                                        "wrap",
                                        "sum",
                                        "mean",
                                        "LEFT",
                                        "RIGHT",
                                        "bidirectional",
                                        "reverse",
                                        "forward",
                                        "floor",
                                        "ceil",
                                        "not_larger",
                                        "not_smaller",
                                        "ij,jk->ik",
                                        "ii->i",
                                        "...i->...",
                                        "tanh",
                                        "nonsense",
                                        ""};
    return words[draw(sizeof(words) / sizeof(words[0]))];
}

/* Entries of a list: as many as axes, spatial axes, two for each of these, or any. */
static size_t draw_count(const struct op_call *t)
{
    const int rank = t->call.ins > 0 && t->in[0] ? t->in[0]->rank : 0;
    const int counts[] = {rank, rank - 2, rank - 2, 2 * (rank - 2), (int)draw(LIST_MAX + 1)};
    const int count = counts[draw(5)];
    return count < 0 ? 0 : count > LIST_MAX ? LIST_MAX : (size_t)count;
}

/* The attribute at `at` ("name:kind ..."), with a random value. */
static void draw_attr(struct op_call *t, const char *at)
{
    const size_t n = t->node.attrs, length = strcspn(at, ":");
    const size_t count = draw_count(t);
    snprintf(names[n], sizeof(names[n]), "%.*s", (int)length, at);
    for (size_t i = 0; i < LIST_MAX; i++) {
        int_lists[n][i] = draw(3) ? 1 + (int64_t)draw(2) : (int64_t)draw(6) - 2;
        float_lists[n][i] = (float)draw(8) * 0.5f - 1.0f;
    }
    switch (at[length + 1]) {
    case 'i':
        op_attr_int(t, names[n], draw(3) ? (int64_t)draw(3) : (int64_t)draw(30) - 5);
        break;
    case 'f': op_attr_float(t, names[n], float_lists[n][0]); break;
    case 's': op_attr_string(t, names[n], draw_word()); break;
    case 'I': op_attr_ints(t, names[n], count, int_lists[n]); break;
    case 'F': op_attr_floats(t, names[n], count, float_lists[n]); break;
    default: break; /* tensors, graphs and lists of words have tests of their own */
    }
}

static void draw_attrs(struct op_call *t)
{
    for (const char *at = t->node.op->attrs; *at;) {
        if (draw(2) && t->node.attrs < OP_CALL_ATTRS)
            draw_attr(t, at);
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
}

/* ---- calls -------------------------------------------------------------------------- */

static void must_have_a_line(const struct op_call *t, enum spacc_status status)
{
    if (status != SPACC_OK && !t->err.text[0])
        fail_msg("%s failed without a message", t->node.op->name);
}

/* Types and shapes of the outputs into `made`; contents freed. */
static void take(struct op_call *t, struct spacc_tensor made[OP_CALL_OUTS])
{
    for (int o = 0; o < OP_CALL_OUTS; o++) {
        made[o] = t->out[o] ? *t->out[o] : (struct spacc_tensor){0};
        made[o].data = NULL;
    }
}

static enum spacc_status call(struct op_call *t, int outs, bool shape_only)
{
    op_clear(t);
    for (int i = 0; i < OP_CALL_INS; i++)
        t->in_const[i] = t->in[i];
    memset(&t->err, 0, sizeof(t->err));
    t->call.graph = &t->graph;
    t->call.node = &t->node;
    t->call.outs = outs;
    t->call.in = t->in_const;
    t->call.out = t->out;
    t->call.wanted = t->wanted;
    t->call.err = &t->err;
    t->call.shape_only = shape_only;
    t->call.shape_unknown = false;
    const enum spacc_status status = spacc_op_run(&t->call);
    must_have_a_line(t, status);
    return status;
}

/* One random call; true when it ran. */
static bool try_operator(const struct spacc_op *op)
{
    struct spacc_tensor foretold[OP_CALL_OUTS], made[OP_CALL_OUTS];
    struct op_call t;
    const int most = op->ins_max < 0 || op->ins_max > OP_CALL_INS ? 4 : op->ins_max;
    const int span = most > op->ins_min ? most - op->ins_min : 0;
    const int outs = op->outs_max < 0 || op->outs_max > OP_CALL_OUTS ? 2 : op->outs_max;

    op_begin(&t, op->name,
             op->opset_first + (int)draw((uint32_t)(op->opset_last - op->opset_first + 1)));
    const int ins = op->ins_min + (int)draw((uint32_t)span + 1);
    for (int i = 0; i < ins; i++)
        draw_input(&t);
    draw_attrs(&t);
    const enum spacc_status before = call(&t, outs, true);
    take(&t, foretold);
    const enum spacc_status status = call(&t, outs, false);
    take(&t, made);
    for (int o = 0; o < outs && before == SPACC_OK && status == SPACC_OK; o++)
        if (!spacc_tensor_same_shape(&foretold[o], &made[o]))
            fail_msg("%s: output %d is foretold otherwise than made", op->name, o);
    op_end(&t);
    return status == SPACC_OK;
}

static void no_operator_is_harmed_by_random_calls(void **unused)
{
    (void)unused;
    int ran = 0, never = 0;
    printf("seed %d\n", SEED);
    for (size_t i = 0; i < spacc_op_count; i++) {
        int successes = 0;
        if (strstr(spacc_ops[i].attrs, ":g") || spacc_ops[i].ins_max == 0)
            continue; /* branches and constants: test_run.c, test_loop.c */
        for (int k = 0; k < ROUNDS; k++)
            successes += try_operator(&spacc_ops[i]);
        ran += successes;
        if (successes == 0) {
            never++;
            printf("no random call of %s was sound\n", spacc_ops[i].name);
        }
    }
    printf("%d calls ran\n", ran);
    assert_true(ran > 10000);
    assert_true(never < NEVER_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_operator_is_harmed_by_random_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
