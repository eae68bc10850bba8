/* Weights of the plan's layers: pruned, quantised, taken from a packed file, masked. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/compile.h"
#include "host/plan_parts.h"
#include "sparse/prune.h"

static bool linear(const struct spacc_plan_layer *l)
{
    return l->weights.cell == SPACC_CELL_LINEAR;
}

/* Rows of the ONNX matrices. */
static size_t weight_rows(const struct spacc_fixed_weights *w)
{
    return w->units * (w->cell == SPACC_CELL_LINEAR ? 1 : w->cell == SPACC_CELL_LSTM ? 4 : 3);
}

/* ---- prune ------------------------------------------------------------------- */

struct pruning {
    double sparsity;
    size_t bank_size;
    const struct spacc_plan_array *array;
    spacc_note_fn note;
    void *user;
};

static void say(const struct pruning *p, const char *text)
{
    if (p->note)
        p->note(p->user, text);
}

/* What one part is pruned by: the user's bank strictly, the card's own rounded. */
static enum spacc_status choose_bank(const struct pruning *p, const char *name,
                                     const char *part, size_t cols, size_t *bank, size_t *k,
                                     struct spacc_error *err)
{
    const size_t own = spacc_card_bank(cols, p->array->lanes);
    char text[256];

    *bank = p->bank_size ? p->bank_size : own;
    if (!p->bank_size) {
        const double zeros = floor(p->sparsity * (double)own + 1e-9);
        if (fabs(zeros - p->sparsity * (double)own) > 1e-6) {
            snprintf(text, sizeof(text),
                     "%s: %s part: sparsity %g of the card's banks of %zu is %g weights: %g "
                     "used (%.4f)",
                     name, part, p->sparsity, own, p->sparsity * (double)own, zeros,
                     zeros / (double)own);
            say(p, text);
        }
        return spacc_prune_kept(k, zeros / (double)own, own, err);
    }
    if (cols % *bank) {
        snprintf(text, sizeof(text),
                 "%s: %s part: %zu columns are padded to %zu, %zu banks of %zu", name, part,
                 cols, (cols + *bank - 1) / *bank * *bank, (cols + *bank - 1) / *bank, *bank);
        say(p, text);
    }
    if (*bank != own) {
        snprintf(text, sizeof(text),
                 "%s: %s part: pruned in banks of %zu, packed in the card's banks of %zu", name,
                 part, *bank, own);
        say(p, text);
    }
    return spacc_prune_kept(k, p->sparsity, *bank, err);
}

/* Rows that keep the same columns stand `stride` apart; `shared` 1: none do. */
struct quads {
    size_t stride, shared;
};

/* The rows of a unit's gates, or four rows of a LINEAR layer one behind the other. */
static struct quads quads_of(const struct pruning *p, const struct spacc_plan_layer *l)
{
    const size_t units = l->weights.units;

    if (p->array->shared_rows == 1)
        return (struct quads){1, 1};
    return linear(l) ? (struct quads){1, 4}
                     : (struct quads){units, weight_rows(&l->weights) / units};
}

static enum spacc_status prune_part(const struct pruning *p, const struct spacc_plan_layer *l,
                                    const char *part, float *w, size_t cols,
                                    struct spacc_error *err)
{
    const struct quads q = quads_of(p, l);
    size_t bank, k;
    enum spacc_status s;

    if ((s = choose_bank(p, l->name, part, cols, &bank, &k, err)) ||
        (s = spacc_prune_shared(w, weight_rows(&l->weights), cols, q.stride, q.shared, bank, k,
                                NULL, err)))
        return spacc_fail_in(err, s, "node %s: %s part", l->name, part);
    return SPACC_OK;
}

static enum spacc_status prune_layer(const struct pruning *p, struct spacc_plan_layer *l,
                                     struct spacc_error *err)
{
    enum spacc_status s = prune_part(p, l, "input", l->w, l->weights.x_cols, err);

    if (!s && l->r)
        s = prune_part(p, l, "recurrent", l->r, l->weights.units, err);
    return s;
}

enum spacc_status spacc_plan_prune(struct spacc_plan *p, double sparsity, size_t bank_size,
                                   const struct spacc_plan_array *array, spacc_note_fn note,
                                   void *user, struct spacc_error *err)
{
    const struct pruning how = {sparsity, bank_size, array, note, user};
    enum spacc_status s = SPACC_OK;

    for (size_t i = 0; i < p->nodes && !s; i++)
        for (size_t d = 0;
             d < p->node[i].layers && p->node[i].candidate && !p->node[i].conv && !s; d++)
            s = prune_layer(&how, &p->node[i].layer[d], err);
    return s;
}

/* ---- quantise ---------------------------------------------------------------- */

static enum spacc_status quantise_layer(struct spacc_plan_layer *l, int x_frac, int weight_bits,
                                        const struct spacc_plan_array *array,
                                        struct spacc_error *err)
{
    struct spacc_fixed_weights *w = &l->weights;
    const size_t h_cols = w->cell == SPACC_CELL_LSTMP ? w->outputs : w->units;
    const size_t lanes = array->lanes;

    w->act_bits = array->act_bits;
    const enum spacc_status s = spacc_fixed_quantise(
        &l->fixed, w, weight_bits, x_frac, spacc_card_bank(w->x_cols, lanes),
        spacc_card_bank(h_cols, lanes), spacc_card_bank(w->units, lanes), err);

    return s ? spacc_fail_in(err, s, "node %s", l->name) : SPACC_OK;
}

enum spacc_status spacc_plan_quantise(struct spacc_plan *p, int weight_bits,
                                      const struct spacc_plan_array *array,
                                      struct spacc_error *err)
{
    enum spacc_status s = SPACC_OK;

    for (size_t i = 0; i < p->nodes && !s; i++) {
        struct spacc_plan_node *n = &p->node[i];
        for (size_t d = 0; d < n->layers && n->candidate && !n->elsewhere && !s; d++)
            if (!n->layer[d].fixed)
                s = quantise_layer(&n->layer[d], n->x_frac, weight_bits, array, err);
    }
    return s;
}

/* ---- packed layers ----------------------------------------------------------- */

/* The same weights in other banks. */
static enum spacc_status repack(struct spacc_csb **m, size_t bank, struct spacc_error *err)
{
    const struct spacc_csb *old = *m;
    int16_t *dense = calloc(old->rows * old->cols + 1, sizeof(*dense));
    struct spacc_csb *new = NULL;
    enum spacc_status s = SPACC_ENOMEM;

    if (!dense)
        goto out;
    for (size_t row = 0; row < old->rows; row++)
        for (size_t at = row * old->k * old->banks; at < (row + 1) * old->k * old->banks;
             at++) {
            const int w = old->type == SPACC_CSB_I8 ? ((int8_t *)old->value)[at]
                                                    : ((int16_t *)old->value)[at];
            const size_t col = at % old->banks * old->bank_size + old->index[at];
            if (w) /* padding repeats an index with weight 0 */
                dense[row * old->cols + col] = (int16_t)w;
        }
    s = spacc_csb_pack_int(&new, old->type, dense, old->scale, old->rows, old->cols, bank, err);
    if (s)
        goto out;
    spacc_csb_free(*m);
    *m = new;
out:
    free(dense);
    return s == SPACC_ENOMEM ? spacc_fail(err, s, "no memory to repack a layer") : s;
}

static enum spacc_status repack_layer(struct spacc_fixed_layer *l, size_t lanes,
                                      struct spacc_error *err)
{
    struct spacc_csb **const part[] = {&l->w_x, &l->w_h, &l->w_b};
    enum spacc_status s = SPACC_OK;

    for (size_t i = 0; i < 3 && !s; i++)
        if (*part[i] && (*part[i])->bank_size != spacc_card_bank((*part[i])->cols, lanes))
            s = repack(part[i], spacc_card_bank((*part[i])->cols, lanes), err);
    return s;
}

static void *copy_bytes(const void *from, size_t size_bytes)
{
    void *to = malloc(size_bytes + 1);

    if (to)
        memcpy(to, from, size_bytes);
    return to;
}

static struct spacc_csb *copy_csb(const struct spacc_csb *m)
{
    const size_t entries = m->rows * m->k * m->banks;
    const size_t width = m->type == SPACC_CSB_I8 ? 1 : 2;
    struct spacc_csb *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    *c = *m;
    c->value = calloc(entries + 1, width);
    c->index = calloc(entries + 1, sizeof(*c->index));
    c->scale = m->scale ? copy_bytes(m->scale, m->rows * sizeof(float)) : NULL;
    if (!c->value || !c->index || (m->scale && !c->scale)) {
        spacc_csb_free(c);
        return NULL;
    }
    memcpy(c->value, m->value, entries * width);
    memcpy(c->index, m->index, entries * sizeof(*c->index));
    return c;
}

/* A copy: the model's packed layers serve any number of sessions. */
static struct spacc_fixed_layer *copy_layer(const struct spacc_fixed_layer *from)
{
    const size_t rows = 4 * from->units;
    struct spacc_fixed_layer *l = calloc(1, sizeof(*l));

    if (!l)
        return NULL;
    *l = *from;
    l->w_x = copy_csb(from->w_x);
    l->w_h = from->w_h ? copy_csb(from->w_h) : NULL;
    l->w_b = from->w_b ? copy_csb(from->w_b) : NULL;
    l->row = copy_bytes(from->row, rows * sizeof(*l->row));
    l->row_b = from->row_b
                   ? copy_bytes(from->row_b, 4 * spacc_fixed_quads_b(from) * sizeof(*l->row_b))
                   : NULL;
    l->y_scale = from->y_scale ? copy_bytes(from->y_scale, rows * sizeof(float)) : NULL;
    if (!l->w_x || !l->row || (from->w_h && !l->w_h) || (from->w_b && !l->w_b) ||
        (from->row_b && !l->row_b) || (from->y_scale && !l->y_scale)) {
        spacc_fixed_free(l);
        return NULL;
    }
    return l;
}

static enum spacc_status take_packed(struct spacc_plan_layer *l,
                                     const struct spacc_fixed_layer *from, size_t lanes,
                                     struct spacc_error *err)
{
    const struct spacc_fixed_weights *w = &l->weights;
    enum spacc_status s;

    if (from->cell == SPACC_CELL_LSTMP)
        return spacc_fail(err, SPACC_EUNSUPPORTED,
                          "node %s: the packed layer is an LSTM with projection (LSTMP), which "
                          "no node of an ONNX model is",
                          l->name);
    if (from->cell != w->cell || from->outputs != w->units || from->x_cols != w->x_cols ||
        from->act_g != w->act_g || from->act_h != w->act_h)
        return spacc_fail(err, SPACC_EFORMAT,
                          "node %s: packed layer has cell %d, %zu units of %zu inputs, the "
                          "model cell %d, %zu units of %zu inputs",
                          l->name, (int)from->cell, from->outputs, from->x_cols, (int)w->cell,
                          w->units, w->x_cols);
    if (!(l->fixed = copy_layer(from)))
        return spacc_fail(err, SPACC_ENOMEM, "node %s: no memory for its layer", l->name);
    s = repack_layer(l->fixed, lanes, err);
    return s ? spacc_fail_in(err, s, "node %s", l->name) : SPACC_OK;
}

static const struct spacc_fixed_layer *find_packed(const struct spacc_pack *pack,
                                                   const char *name)
{
    for (size_t i = 0; i < pack->layers; i++)
        if (strcmp(pack->layer[i].name, name) == 0)
            return pack->layer[i].layer;
    return NULL;
}

static enum spacc_status take_node(struct spacc_plan_node *n, const struct spacc_pack *pack,
                                   size_t lanes, struct spacc_error *err)
{
    enum spacc_status s;

    for (size_t d = 0; d < n->layers && n->candidate; d++) {
        const struct spacc_fixed_layer *from =
            n->layer[d].name ? find_packed(pack, n->layer[d].name) : NULL;
        if (!from)
            spacc_plan_refuse(n, "not in the packed file");
        else if ((s = take_packed(&n->layer[d], from, lanes, err)))
            return s;
    }
    n->packed = n->candidate;
    return SPACC_OK;
}

static bool asked_for(const struct spacc_plan *p, const char *name)
{
    for (size_t i = 0; i < p->nodes; i++)
        for (size_t d = 0; d < p->node[i].layers; d++)
            if (p->node[i].layer[d].name && strcmp(p->node[i].layer[d].name, name) == 0)
                return true;
    return false;
}

enum spacc_status spacc_plan_take_pack(struct spacc_plan *p, const struct spacc_pack *pack,
                                       const struct spacc_plan_array *array,
                                       struct spacc_error *err)
{
    enum spacc_status s = SPACC_OK;

    for (size_t i = 0; i < pack->layers; i++)
        if (!asked_for(p, pack->layer[i].name))
            return spacc_fail(err, SPACC_EFORMAT,
                              "packed layer %s is not a layer of %s (or was not reached)",
                              pack->layer[i].name, pack->source);
    for (size_t i = 0; i < p->nodes && !s; i++)
        s = take_node(&p->node[i], pack, array->lanes, err);
    return s;
}

/* ---- masks ------------------------------------------------------------------- */

/* Weights of one packed part as [4 * units][cols]; owned by the caller. */
static float *dense_part(const struct spacc_csb *m)
{
    float *dense = m ? calloc(m->rows * m->cols + 1, sizeof(*dense)) : NULL;

    if (dense)
        spacc_csb_unpack(m, dense);
    return dense;
}

/* Zero in l->w and l->r what a packed layer does not have. */
static enum spacc_status drop_unpacked(struct spacc_plan_layer *l)
{
    const struct spacc_fixed_layer *f = l->fixed;
    const size_t units = l->weights.units, cols = l->weights.x_cols;
    const size_t gates = linear(l) ? 1 : weight_rows(&l->weights) / units;
    float *x = dense_part(f->w_x), *h = dense_part(f->w_h), *b = dense_part(f->w_b);
    const bool good = x && (!f->w_h || h) && (!f->w_b || b);

    for (size_t g = 0; g < gates && good; g++)
        for (size_t u = 0; u < units; u++) {
            const size_t row = g * units + u, quad = linear(l) ? u : 4 * u + g;
            for (size_t c = 0; c < cols; c++)
                if (x[quad * cols + c] == 0.0f)
                    l->w[row * cols + c] = 0.0f;
            /* the recurrent row of a GRU's candidate is the fourth of the quad */
            const size_t quad_h = gates == 3 && g == 2 ? 4 * u + 3 : 4 * u + g;
            const float *from = b && g == 2 ? b : h;
            for (size_t c = 0; c < units && from; c++)
                if (from[quad_h * units + c] == 0.0f)
                    l->r[row * units + c] = 0.0f;
        }
    free(x);
    free(h);
    free(b);
    return good ? SPACC_OK : SPACC_ENOMEM;
}

/* Zero where `kept` is zero; both [rows][cols], `turned` when `to` is [cols][rows]. */
static void mask(float *to, const float *kept, size_t rows, size_t cols, bool turned)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            if (kept[r * cols + c] == 0.0f)
                to[turned ? c * rows + r : r * cols + c] = 0.0f;
}

static void mask_layer(struct spacc_plan_node *n, size_t d)
{
    const struct spacc_plan_layer *l = &n->layer[d];
    const struct spacc_fixed_weights *w = &l->weights;
    const size_t rows = weight_rows(w);
    const bool turned = linear(l) && !(strcmp(n->op, "Gemm") == 0 &&
                                       spacc_node_int(&n->graph->node[n->node], "transB", 0));

    mask((float *)n->pruned[0]->data + d * rows * w->x_cols, l->w, rows, w->x_cols, turned);
    if (n->pruned[1])
        mask((float *)n->pruned[1]->data + d * rows * w->units, l->r, rows, w->units, false);
}

enum spacc_status spacc_plan_mask(struct spacc_plan_node *n,
                                  const struct spacc_tensor *const *in, struct spacc_error *err)
{
    enum spacc_status s = SPACC_OK;

    if (n->pruned[0])
        return SPACC_OK;
    for (size_t d = 0; d < n->layers && n->packed && !s; d++)
        s = drop_unpacked(&n->layer[d]);
    if (!s)
        s = spacc_tensor_copy(&n->pruned[0], in[1]);
    if (!s && n->layer[0].r)
        s = spacc_tensor_copy(&n->pruned[1], in[2]);
    if (s)
        return spacc_fail(err, s, "node %s: no memory for pruned weights", n->name);
    for (size_t d = 0; d < n->layers; d++)
        mask_layer(n, d);
    return SPACC_OK;
}
