/* Einsum: "ij,jk->ik" over any number of inputs. Every output element is a sum over all
 * labels that the output does not have, the last label fastest; floating-point types in
 * double, integers modulo 2^bits. */
#include "models/ops_util.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A label is a letter, or a place in the dimensions that "..." stands for, counted from
 * the last one. */
enum { LETTERS = 52, LABELS = LETTERS + SPACC_RANK_MAX };

struct einsum {
    int64_t dims[LABELS]; /* -1: not used */
    int uses[LABELS];     /* in all inputs */
    int ellipsis;         /* most dimensions that "..." stands for */
    int64_t (*stride)[LABELS];
    int64_t *at; /* by input: its element */
    int rank, out[SPACC_RANK_MAX];
    int sums, sum[LABELS];
};

static int letter(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? 26 + c - 'a' : -1;
}

static enum spacc_status bad_equation(struct spacc_op_call *c, const char *why)
{
    const struct spacc_attr *a = spacc_node_attr(c->node, "equation");
    return spacc_op_fail(c, SPACC_EFORMAT, "equation '%s': %s", a && a->s ? a->s : "", why);
}

/* The labels of a term up to ',', '-' or the end, spaces skipped; "..." becomes
 * `ellipsis` labels. Moves *at. A negative count says that the term is wrong. */
static int read_term(const char **at, int ellipsis, int labels[SPACC_RANK_MAX])
{
    int count = 0;
    for (; **at && **at != ',' && **at != '-'; (*at)++) {
        if (**at == ' ')
            continue;
        const bool dots = strncmp(*at, "...", 3) == 0;
        const int more = dots ? ellipsis : 1;
        if ((!dots && letter(**at) < 0) || more > SPACC_RANK_MAX - count)
            return -1;
        for (int i = 0; i < more; i++)
            labels[count++] = dots ? LETTERS + ellipsis - 1 - i : letter(**at);
        if (dots)
            *at += 2;
    }
    return count;
}

/* Characters of a term that are letters; *dots tells of a "...". */
static int count_letters(const char *at, bool *dots)
{
    int letters = 0;
    *dots = false;
    for (; *at && *at != ',' && *at != '-'; at++) {
        letters += letter(*at) >= 0;
        *dots = *dots || *at == '.';
    }
    return letters;
}

static enum spacc_status add_label(struct spacc_op_call *c, struct einsum *e, int input,
                                   int label, int64_t size, int64_t stride)
{
    int64_t *dim = &e->dims[label];
    if (*dim < 0 || (*dim == 1 && label >= LETTERS))
        *dim = size;
    if (*dim != size && !(size == 1 && label >= LETTERS))
        return spacc_op_fail(c, SPACC_ESHAPE,
                             "a label is %" PRId64 " in input %d and %" PRId64 " before", size,
                             input, *dim);
    e->uses[label]++;
    if (size != 1)
        e->stride[input][label] += stride; /* twice in a term: the diagonal */
    return SPACC_OK;
}

static enum spacc_status read_input(struct spacc_op_call *c, struct einsum *e, int k,
                                    const char **at)
{
    const struct spacc_tensor *t = c->in[k];
    int labels[SPACC_RANK_MAX];
    int64_t strides[SPACC_RANK_MAX];
    bool dots;
    const int letters = count_letters(*at, &dots);
    const int ellipsis = dots && t->rank > letters ? t->rank - letters : 0;
    const int count = read_term(at, ellipsis, labels);
    if (count < 0)
        return bad_equation(c, "a term is not made of letters and one \"...\"");
    if (count != t->rank)
        return spacc_op_fail(c, SPACC_ESHAPE, "input %d has rank %d, its term %d labels", k,
                             t->rank, count);
    e->ellipsis = ellipsis > e->ellipsis ? ellipsis : e->ellipsis;
    spacc_ops_strides(strides, t->rank, t->dims);
    for (int i = 0; i < count; i++)
        TRY(add_label(c, e, k, labels[i], t->dims[i], strides[i]));
    return SPACC_OK;
}

/* Without "->": what "..." stands for, then every letter that is used once, in order. */
static enum spacc_status implicit_output(struct spacc_op_call *c, struct einsum *e)
{
    for (int i = 0; i < e->ellipsis; i++)
        e->out[e->rank++] = LETTERS + e->ellipsis - 1 - i;
    for (int label = 0; label < LETTERS; label++) {
        if (e->uses[label] != 1)
            continue;
        if (e->rank == SPACC_RANK_MAX)
            return spacc_op_fail(c, SPACC_EUNSUPPORTED, "the output has more than %d axes",
                                 SPACC_RANK_MAX);
        e->out[e->rank++] = label;
    }
    return SPACC_OK;
}

static enum spacc_status read_output(struct spacc_op_call *c, struct einsum *e, const char *at)
{
    if (!*at)
        return implicit_output(c, e);
    if (strncmp(at, "->", 2) != 0)
        return bad_equation(c, "it has more or fewer terms than the node has inputs");
    at += 2;
    e->rank = read_term(&at, e->ellipsis, e->out);
    if (e->rank < 0 || *at)
        return bad_equation(c, "the output is not made of letters and one \"...\"");
    for (int i = 0; i < e->rank; i++) {
        if (e->dims[e->out[i]] < 0)
            return bad_equation(c, "the output has a label that no input has");
        for (int j = 0; j < i; j++)
            if (e->out[i] == e->out[j])
                return bad_equation(c, "the output has a label twice");
    }
    return SPACC_OK;
}

static bool in_output(const struct einsum *e, int label)
{
    for (int i = 0; i < e->rank; i++)
        if (e->out[i] == label)
            return true;
    return false;
}

static enum spacc_status read_equation(struct spacc_op_call *c, struct einsum *e)
{
    const struct spacc_attr *a = spacc_node_attr(c->node, "equation");
    const char *at = a && a->s ? a->s : "";
    for (int label = 0; label < LABELS; label++)
        e->dims[label] = -1;
    for (int k = 0; k < c->ins; k++) {
        TRY(read_input(c, e, k, &at));
        if (k + 1 < c->ins && *at++ != ',')
            return bad_equation(c, "it has fewer terms than the node has inputs");
    }
    TRY(read_output(c, e, at));
    for (int label = 0; label < LABELS; label++)
        if (e->dims[label] >= 0 && !in_output(e, label))
            e->sum[e->sums++] = label;
    return SPACC_OK;
}

/* One step of a counter over `labels`; false when it is back at the start. */
static bool next(struct einsum *e, int inputs, const int *labels, int count, int64_t *index)
{
    for (int i = count - 1; i >= 0; i--) {
        const int label = labels[i];
        const bool carry = ++index[i] == e->dims[label];
        for (int k = 0; k < inputs; k++)
            e->at[k] +=
                carry ? -e->stride[k][label] * (e->dims[label] - 1) : e->stride[k][label];
        if (!carry)
            return true;
        index[i] = 0;
    }
    return false;
}

static double real_product(const struct spacc_op_call *c, const struct einsum *e)
{
    double product = 1.0;
    for (int k = 0; k < c->ins; k++)
        product *= spacc_tensor_element(c->in[k], (size_t)e->at[k]);
    return product;
}

static uint64_t integer_product(const struct spacc_op_call *c, const struct einsum *e)
{
    uint64_t product = 1;
    for (int k = 0; k < c->ins; k++)
        product *= (uint64_t)spacc_ops_integer(c->in[k], (size_t)e->at[k]);
    return product;
}

/* One output element; the counter ends where it started. */
static void sum_up(const struct spacc_op_call *c, struct einsum *e, struct spacc_tensor *y,
                   size_t i)
{
    const bool real = (SPACC_TYPES_FLOAT & (1u << y->dtype)) != 0;
    const size_t bytes = spacc_dtype_bytes(y->dtype);
    int64_t index[LABELS] = {0};
    double sum = 0.0;
    uint64_t integer = 0;
    do {
        if (real)
            sum += real_product(c, e);
        else
            integer += integer_product(c, e);
    } while (next(e, c->ins, e->sum, e->sums, index));
    if (real)
        spacc_ops_put(y, i, sum);
    else /* little endian */
        memcpy((char *)y->data + i * bytes, &integer, bytes);
}

static enum spacc_status run_einsum(struct spacc_op_call *c, struct einsum *e)
{
    struct spacc_tensor *y;
    int64_t dims[SPACC_RANK_MAX] = {0}, index[SPACC_RANK_MAX] = {0};
    TRY(read_equation(c, e));
    for (int i = 0; i < e->rank; i++)
        dims[i] = e->dims[e->out[i]];
    TRY(spacc_op_output(c, 0, c->in[0]->dtype, e->rank, dims, &y));
    if (c->shape_only)
        return SPACC_OK;
    for (int i = 0; i < e->sums; i++)
        if (e->dims[e->sum[i]] == 0)
            return SPACC_OK; /* sums of nothing */
    for (size_t i = 0; i < y->count; i++) {
        sum_up(c, e, y, i);
        next(e, c->ins, e->out, e->rank, index);
    }
    return SPACC_OK;
}

enum spacc_status spacc_op_einsum(struct spacc_op_call *c)
{
    struct einsum e = {0};
    TRY(spacc_ops_check(c, c->ins > 0 ? c->ins : 1, SPACC_TYPES_NUMBER));
    for (int k = 1; k < c->ins; k++)
        TRY(spacc_ops_same_type(c, 0, k));
    e.stride = calloc((size_t)c->ins, sizeof(*e.stride));
    e.at = calloc((size_t)c->ins, sizeof(*e.at));
    const enum spacc_status status =
        e.stride && e.at ? run_einsum(c, &e) : spacc_op_fail(c, SPACC_ENOMEM, "no memory");
    free(e.stride);
    free(e.at);
    return status;
}
