#include "host/compile.h"

#include <string.h>

/* ---- layout ------------------------------------------------------------------ */

static size_t ceil_div(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

size_t spacc_card_bank(size_t columns, size_t lanes)
{
    return ceil_div(columns, lanes);
}

size_t spacc_card_position(size_t c, size_t bank, size_t lanes)
{
    return c % bank * lanes + c / bank;
}

static enum spacc_status check_part(const struct spacc_csb *m, size_t lanes,
                                    const struct spacc_card_info *card, const char *name,
                                    const char *part, struct spacc_error *err)
{
    if (m->bank_size > (size_t)1 << card->index_bits)
        return spacc_fail(err, SPACC_EUNSUPPORTED,
                          "node %s: %s part has %zu columns, banks of %zu on %zu lanes; an "
                          "index of the card reaches %zu",
                          name, part, m->cols, m->bank_size, lanes,
                          (size_t)1 << card->index_bits);
    if (m->bank_size != spacc_card_bank(m->cols, lanes))
        return spacc_fail(err, SPACC_EINVAL,
                          "node %s: %s part is packed in banks of %zu, the card wants %zu",
                          name, part, m->bank_size, spacc_card_bank(m->cols, lanes));
    return SPACC_OK;
}

static size_t words_for(size_t groups, size_t k_x, size_t k_h, bool two_passes)
{
    return groups * (k_x + k_h * (two_passes ? 2 : 1));
}

/* Lowest sparsity, in thousandths, at which the weights fit; -1 when none does. */
static double sparsity_that_fits(const struct spacc_layout *l, bool two_passes, size_t have)
{
    for (int i = 0; i < 1000; i++) {
        const double s = i / 1000.0;
        const size_t k_x = l->x_words - (size_t)(s * (double)l->x_words + 1e-9);
        const size_t k_h = l->h_words - (size_t)(s * (double)l->h_words + 1e-9);
        if (words_for(l->groups, k_x, k_h, two_passes) <= have)
            return s;
    }
    return -1.0;
}

static enum spacc_status fail_weights(const struct spacc_layout *l, bool two_passes,
                                      size_t have, const char *name, struct spacc_error *err)
{
    const double s = sparsity_that_fits(l, two_passes, have);
    char advice[96] = "no sparsity makes it fit";

    if (s >= 0.0)
        snprintf(advice, sizeof(advice), "sparsity %.3f or more fits (banks of %zu and %zu)", s,
                 l->x_words, l->h_words);
    return spacc_fail(err, SPACC_ENOFIT,
                      "node %s: needs %zu weight words a PE, the card has %zu; %s", name,
                      l->weight_words, have, advice);
}

static enum spacc_status check_fit(const struct spacc_layout *l, bool two_passes,
                                   const struct spacc_card_info *card, const char *name,
                                   struct spacc_error *err)
{
    if (l->param_units > card->units)
        return spacc_fail(err, SPACC_ENOFIT,
                          "node %s: needs %zu row parameters (quads of rows), the card has %u",
                          name, l->param_units, card->units);
    if (l->vector_words > card->vector_words)
        return spacc_fail(err, SPACC_ENOFIT,
                          "node %s: needs %zu vector words a lane, the card has %u", name,
                          l->vector_words, card->vector_words);
    if (l->weight_words > card->weight_words)
        return fail_weights(l, two_passes, card->weight_words, name, err);
    return SPACC_OK;
}

static void lay_linear(struct spacc_layout *l, const struct spacc_fixed_layer *layer)
{
    l->groups = ceil_div(4 * layer->units, l->pes);
    l->units = l->groups * l->pes / 4;
    l->k_x = max_size(layer->w_x->k, 1); /* a row has at least one position */
    l->param_units = l->units;
    l->vector_words = 2 * l->x_words;
}

static void lay_cell(struct spacc_layout *l, const struct spacc_fixed_layer *layer)
{
    const size_t step = max_size(max_size(l->lanes, l->pes / 4), 4);
    const size_t bank = spacc_card_bank(layer->units, l->lanes);
    const bool two_passes = layer->cell == SPACC_CELL_GRU_RESET;

    l->units = ceil_div(bank * l->lanes, step) * step;
    l->h_words = l->units / l->lanes;
    l->groups = l->units * 4 / l->pes;
    l->k_x = max_size(layer->w_x->k, 1);
    l->k_h = max_size(layer->w_h->k, 1);
    if (two_passes)
        l->k_h = max_size(l->k_h, layer->w_b->k);
    l->param_units = l->units * (two_passes ? 2 : 1);
    l->vector_words = 2 * l->x_words + (two_passes ? 3 : 2) * l->h_words;
}

enum spacc_status spacc_layout_make(struct spacc_layout *out,
                                    const struct spacc_fixed_layer *layer,
                                    const struct spacc_card_info *card, const char *name,
                                    struct spacc_error *err)
{
    const bool two_passes = layer->cell == SPACC_CELL_GRU_RESET;
    struct spacc_layout l = {.lanes = card->lanes, .pes = card->pes};
    enum spacc_status s;

    memset(out, 0, sizeof(*out));
    if (layer->weight_bits > (int)card->weight_bits)
        return spacc_fail(err, SPACC_EUNSUPPORTED,
                          "node %s: weights have %d bits, the card multiplies %u bits", name,
                          layer->weight_bits, card->weight_bits);
    if ((s = check_part(layer->w_x, l.lanes, card, name, "input", err)) ||
        (layer->w_h && (s = check_part(layer->w_h, l.lanes, card, name, "recurrent", err))))
        return s;
    l.x_words = spacc_card_bank(layer->x_cols, l.lanes);
    if (layer->cell == SPACC_CELL_LINEAR)
        lay_linear(&l, layer);
    else
        lay_cell(&l, layer);
    l.weight_words = words_for(l.groups, l.k_x, l.k_h, two_passes);
    l.weight_bits = layer->weight_bits;
    l.weight_bytes = l.weight_words * l.pes * l.lanes * (l.weight_bits == 8 ? 2 : 4);
    l.param_bytes = l.param_units * 4 * 8;
    if ((s = check_fit(&l, two_passes, card, name, err)))
        return s;
    *out = l;
    return SPACC_OK;
}

size_t spacc_layout_y_bytes(const struct spacc_layout *l, const struct spacc_fixed_layer *layer)
{
    return layer->cell == SPACC_CELL_LINEAR ? l->units * 4 * 4 : l->units * 2;
}

/* ---- memory images ----------------------------------------------------------- */

static void put16(uint8_t *to, uint16_t v)
{
    to[0] = (uint8_t)v;
    to[1] = (uint8_t)(v >> 8);
}

static void put32(uint8_t *to, uint32_t v)
{
    put16(to, (uint16_t)v);
    put16(to + 2, (uint16_t)(v >> 16));
}

static void put_entry(uint8_t *to, int bits, int weight, unsigned index)
{
    if (bits == 8)
        put16(to, (uint16_t)(index << 8 | ((unsigned)weight & 0xffu)));
    else
        put32(to, (uint32_t)index << 16 | ((uint32_t)weight & 0xffffu));
}

static int csb_weight(const struct spacc_csb *m, size_t at)
{
    return m->type == SPACC_CSB_I8 ? ((const int8_t *)m->value)[at]
                                   : ((const int16_t *)m->value)[at];
}

/* Entries of one part of a PE's row `row`: positions first.. of group words at `word`. */
static void put_row(const struct spacc_layout *l, const struct spacc_csb *m, size_t row,
                    size_t word, size_t pe, uint8_t *image)
{
    const size_t entry = l->weight_bits == 8 ? 2 : 4;

    for (size_t j = 0; j < m->k; j++)
        for (size_t bank = 0; bank < m->banks; bank++) {
            const size_t from = (row * m->k + j) * m->banks + bank;
            const size_t to = ((word + j) * l->pes + pe) * l->lanes + bank;
            put_entry(image + to * entry, l->weight_bits, csb_weight(m, from), m->index[from]);
        }
}

/* Quad of the array where unit u of the layer stands. */
static size_t quad_of(const struct spacc_layout *l, const struct spacc_fixed_layer *layer,
                      size_t u)
{
    return layer->cell == SPACC_CELL_LINEAR
               ? u
               : spacc_card_position(u, spacc_card_bank(layer->units, l->lanes), l->lanes);
}

static void put_unit(const struct spacc_layout *l, const struct spacc_fixed_layer *layer,
                     size_t u, uint8_t *image)
{
    const size_t quad = quad_of(l, layer, u), quads = l->pes / 4;
    const size_t group = quad / quads, pass_b = l->groups * (l->k_x + l->k_h);

    for (size_t i = 0; i < 4; i++) {
        const size_t row = 4 * u + i, pe = quad % quads * 4 + i;
        const size_t word = group * (l->k_x + l->k_h);
        put_row(l, layer->w_x, row, word, pe, image);
        if (layer->w_h)
            put_row(l, layer->w_h, row, word + l->k_x, pe, image);
        if (layer->w_b)
            put_row(l, layer->w_b, row, pass_b + group * l->k_h, pe, image);
    }
}

void spacc_layout_weights(const struct spacc_layout *l, const struct spacc_fixed_layer *layer,
                          uint8_t *image)
{
    memset(image, 0, l->weight_bytes);
    for (size_t u = 0; u < layer->units; u++)
        put_unit(l, layer, u, image);
}

static void put_param(uint8_t *to, const struct spacc_fixed_row *row)
{
    put32(to, (uint32_t)row->bias);
    put16(to + 4, row->mult);
    to[6] = row->shift;
    to[7] = 0;
}

static void put_params(const struct spacc_layout *l, const struct spacc_fixed_layer *layer,
                       const struct spacc_fixed_row *row, uint8_t *image)
{
    const struct spacc_fixed_row none = {.bias = 0, .mult = 0, .shift = 1};

    for (size_t i = 0; i < 4 * l->units; i++)
        put_param(image + i * 8, &none);
    for (size_t u = 0; u < layer->units; u++)
        for (size_t i = 0; i < 4; i++)
            put_param(image + (quad_of(l, layer, u) * 4 + i) * 8, &row[4 * u + i]);
}

void spacc_layout_params(const struct spacc_layout *l, const struct spacc_fixed_layer *layer,
                         uint8_t *image)
{
    put_params(l, layer, layer->row, image);
    if (layer->row_b)
        put_params(l, layer, layer->row_b, image + l->units * 4 * 8);
}

/* ---- vectors ----------------------------------------------------------------- */

void spacc_to_card16(const int16_t *from, size_t count, size_t bank, size_t lanes, size_t words,
                     int16_t *to)
{
    memset(to, 0, words * lanes * sizeof(*to));
    for (size_t c = 0; c < count; c++)
        to[spacc_card_position(c, bank, lanes)] = from[c];
}

void spacc_to_card32(const int32_t *from, size_t count, size_t bank, size_t lanes, size_t words,
                     int32_t *to)
{
    memset(to, 0, words * lanes * sizeof(*to));
    for (size_t c = 0; c < count; c++)
        to[spacc_card_position(c, bank, lanes)] = from[c];
}

void spacc_from_card16(const int16_t *from, size_t count, size_t bank, size_t lanes,
                       int16_t *to)
{
    for (size_t c = 0; c < count; c++)
        to[c] = from[spacc_card_position(c, bank, lanes)];
}

void spacc_from_card32(const int32_t *from, size_t count, size_t bank, size_t lanes,
                       int32_t *to)
{
    for (size_t c = 0; c < count; c++)
        to[c] = from[spacc_card_position(c, bank, lanes)];
}
