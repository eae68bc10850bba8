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

size_t spacc_batch_position(size_t s, size_t b, size_t batch, size_t chunk)
{
    return (s / chunk * batch + b) * chunk + s % chunk;
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

static size_t log2_of(size_t v)
{
    size_t n = 0;
    while (v >>= 1)
        n++;
    return n;
}

static size_t moves(const struct spacc_layout *l)
{
    return l->pes / (4 * l->cells);
}

size_t spacc_layout_drain(const struct spacc_layout *l)
{
    return log2_of(l->lanes) + 8 + (moves(l) - 1) + 6 + 13;
}

/* Streamed weights come in chunks of 2 KiB, or of a word that is longer. */
static size_t chunk_words(const struct spacc_layout *l)
{
    return max_size(2048 / (l->pes * l->lanes * 2), 1);
}

static enum spacc_status check_fit(const struct spacc_layout *l,
                                   const struct spacc_card_info *card, const char *name,
                                   struct spacc_error *err)
{
    if (l->param_units > card->units)
        return spacc_fail(err, SPACC_ENOFIT,
                          "node %s: needs %zu row parameters (quads of rows), the card has %u",
                          name, l->param_units, card->units);
    if (2 * l->x_words > card->x_words)
        return spacc_fail(err, SPACC_ENOFIT,
                          "node %s: needs %zu words of x a lane, the card has %u", name,
                          2 * l->x_words, card->x_words);
    if (l->h_memory > card->h_words)
        return spacc_fail(err, SPACC_ENOFIT,
                          "node %s: needs %zu words of h a lane, the card has %u", name,
                          l->h_memory, card->h_words);
    return SPACC_OK;
}

/* Words of the ring that hold the longest part of a group, and a chunk of 2 KiB; of a batch
 * both at once, since it frees no word before its last sequence has read it. */
static size_t ring_for(const struct spacc_layout *l, bool batch)
{
    const size_t group = max_size(l->k_x + l->k_h, l->k_b), chunk = max_size(chunk_words(l), 2);

    return batch ? group + chunk - 1 : max_size(group, chunk);
}

/* Weights that the card cannot hold go through all of its weight memory as a ring. */
static enum spacc_status stream_weights(struct spacc_layout *l,
                                        const struct spacc_card_info *card, const char *name,
                                        struct spacc_error *err)
{
    const size_t least = ring_for(l, false), for_batch = ring_for(l, card->batch_max > 1);

    l->ring_least = for_batch <= card->weight_words ? for_batch : least;
    if (l->weight_words <= card->weight_words)
        return SPACC_OK;
    if (least > card->weight_words)
        return spacc_fail(err, SPACC_ENOFIT,
                          "node %s: needs %zu weight words a PE, the card has %u and cannot "
                          "stream them: that takes %zu",
                          name, l->weight_words, card->weight_words, least);
    l->ring_words = card->weight_words;
    return SPACC_OK;
}

static void lay_linear(struct spacc_layout *l, const struct spacc_fixed_layer *layer)
{
    l->groups = ceil_div(4 * layer->units, l->pes);
    l->units = l->groups * l->pes / 4;
    l->k_x = max_size(layer->w_x->k, 1); /* a row has at least one position */
    l->param_units = l->units;
}

/* Pass B: of GRU_RESET a row for every row of pass A, of LSTMP a row for every position of r,
 * which is the h of the layer. */
static void lay_pass_b(struct spacc_layout *l, const struct spacc_fixed_layer *layer)
{
    l->m_words = l->units / l->lanes;
    l->k_b = max_size(layer->w_b->k, 1);
    l->groups_b = l->groups;
    if (layer->cell == SPACC_CELL_LSTMP) {
        const size_t positions = spacc_card_bank(layer->outputs, l->lanes) * l->lanes;
        l->groups_b = ceil_div(positions, l->pes);
        l->h_words = ceil_div(l->groups_b * l->pes, l->lanes);
    }
}

/* Least multiple of both. */
static size_t multiple(size_t a, size_t b)
{
    size_t divisor = a, rest = b;

    while (rest > 0) {
        const size_t next = divisor % rest;
        divisor = rest;
        rest = next;
    }
    return a / divisor * b;
}

/* Units come in whole words of h, whole groups and whole beats of y. */
static void lay_cell(struct spacc_layout *l, const struct spacc_fixed_layer *layer)
{
    const size_t step = multiple(multiple(l->lanes, l->pes / 4), 4);
    const size_t bank = spacc_card_bank(layer->units, l->lanes);

    l->units = ceil_div(bank * l->lanes, step) * step;
    l->h_words = l->units / l->lanes;
    l->groups = l->units * 4 / l->pes;
    l->k_x = max_size(layer->w_x->k, 1);
    l->k_h = max_size(layer->w_h->k, 1);
    if (layer->w_b)
        lay_pass_b(l, layer);
    l->param_units = l->units + l->groups_b * l->pes / 4;
    l->h_memory = 2 * l->h_words + l->m_words;
}

/* ---- prologue: the x parts that run while the cells of the step before drain ------------ */

/* Cycles of a step, up to a constant, with P groups of prologue of which B before pass B.
 * Without prologue the first group's x part still runs during the drain. `last` is the drain
 * behind the last pass. */
static size_t step_cost(const struct spacc_layout *l, size_t last, size_t p, size_t b)
{
    const size_t drain = spacc_layout_drain(l), least = moves(l);
    const size_t after = p == 0 ? l->k_x : (p - b) * l->k_x;
    const size_t whole = max_size(l->k_x + l->k_h, least), head = max_size(l->k_h, least);
    const size_t body = p == 0 ? (l->groups - 1) * whole + l->k_h : (l->groups - p) * whole;

    return max_size(last, after) + p * head + body +
           (l->groups_b ? max_size(drain, b * l->k_x) : 0);
}

static void choose_prologue(struct spacc_layout *l, size_t last, size_t psum_words)
{
    size_t best = step_cost(l, last, 0, 0);
    const size_t most = l->groups < psum_words ? l->groups : psum_words;

    for (size_t p = 4; p <= most; p++) /* fewer would be read before they are written */
        for (size_t b = 0; b <= (l->groups_b ? p : 0); b++)
            if (step_cost(l, last, p, b) < best) {
                best = step_cost(l, last, p, b);
                l->prologue = p;
                l->prologue_b = b;
            }
}

size_t spacc_layout_slots(const struct spacc_layout *l, size_t batch)
{
    const size_t slots = l->x_room / (batch * l->x_words);
    return slots > 8 ? 8 : slots;
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Sequences for which every memory has room. */
static size_t choose_batch(const struct spacc_layout *l, const struct spacc_card_info *card)
{
    size_t most = min_size(card->batch_max, card->x_words / (2 * l->x_words));

    if (l->h_memory)
        most = min_size(most, min_size(card->h_words / l->h_memory, card->units / l->units));
    if (l->prologue)
        most = min_size(most, card->psum_words / l->prologue);
    if (l->ring_words && ring_for(l, true) > l->ring_words)
        most = 1;
    return max_size(most, 1);
}

enum spacc_status spacc_layout_make(struct spacc_layout *out,
                                    const struct spacc_fixed_layer *layer,
                                    const struct spacc_card_info *card, const char *name,
                                    struct spacc_error *err)
{
    struct spacc_layout l = {.lanes = card->lanes,
                             .pes = card->pes,
                             .cells = card->cells,
                             .beat_bytes = card->axi_bits / 8};
    enum spacc_status s;

    memset(out, 0, sizeof(*out));
    if (layer->weight_bits > (int)card->weight_bits)
        return spacc_fail(err, SPACC_EUNSUPPORTED,
                          "node %s: weights have %d bits, the card multiplies %u bits", name,
                          layer->weight_bits, card->weight_bits);
    if (layer->act_bits != (int)card->act_bits)
        return spacc_fail(err, SPACC_EUNSUPPORTED,
                          "node %s: made for x and h of %d bits, the card rounds them to %u",
                          name, layer->act_bits, card->act_bits);
    if ((s = check_part(layer->w_x, l.lanes, card, name, "input", err)) ||
        (layer->w_h && (s = check_part(layer->w_h, l.lanes, card, name, "recurrent", err))) ||
        (layer->w_b && (s = check_part(layer->w_b, l.lanes, card, name, "second", err))))
        return s;
    l.x_words = spacc_card_bank(layer->x_cols, l.lanes);
    if (layer->cell == SPACC_CELL_LINEAR)
        lay_linear(&l, layer);
    else
        lay_cell(&l, layer);
    l.weight_words = l.groups * (l.k_x + l.k_h) + l.groups_b * l.k_b;
    l.weight_bits = layer->weight_bits;
    l.weight_bytes = l.weight_words * l.pes * l.lanes * (l.weight_bits == 8 ? 2 : 4);
    l.param_bytes = l.param_units * 4 * 8;
    if ((s = check_fit(&l, card, name, err)) || (s = stream_weights(&l, card, name, err)))
        return s;
    l.x_room = card->x_words;
    l.x_slots = spacc_layout_slots(&l, 1);
    if (layer->w_h && !l.ring_words)
        choose_prologue(&l, spacc_layout_drain(&l) - (layer->cell == SPACC_CELL_LSTMP ? 13 : 0),
                        card->psum_words);
    l.batch_max = choose_batch(&l, card);
    *out = l;
    return SPACC_OK;
}

size_t spacc_layout_y_chunk(const struct spacc_layout *l, const struct spacc_fixed_layer *layer)
{
    return layer->cell == SPACC_CELL_LINEAR || layer->cell == SPACC_CELL_LSTMP ? l->pes
                                                                               : l->pes / 4;
}

size_t spacc_layout_y_bytes(const struct spacc_layout *l, const struct spacc_fixed_layer *layer,
                            size_t batch)
{
    const size_t bytes = layer->cell == SPACC_CELL_LINEAR  ? l->units * 4 * 4
                         : layer->cell == SPACC_CELL_LSTMP ? l->groups_b * l->pes * 2
                                                           : l->units * 2;
    return ceil_div(batch * bytes, l->beat_bytes) * l->beat_bytes;
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

/* Words in order of issue: x parts of the prologue, h parts of its groups, the other groups. */
static size_t x_word(const struct spacc_layout *l, size_t group)
{
    return group < l->prologue ? group * l->k_x : group * (l->k_x + l->k_h);
}

static size_t h_word(const struct spacc_layout *l, size_t group)
{
    return group < l->prologue ? l->prologue * l->k_x + group * l->k_h
                               : group * (l->k_x + l->k_h) + l->k_x;
}

static void put_unit(const struct spacc_layout *l, const struct spacc_fixed_layer *layer,
                     size_t u, uint8_t *image)
{
    const size_t quad = quad_of(l, layer, u), quads = l->pes / 4;
    const size_t group = quad / quads, pass_b = l->groups * (l->k_x + l->k_h);

    for (size_t i = 0; i < 4; i++) {
        const size_t row = 4 * u + i, pe = quad % quads * 4 + i;
        put_row(l, layer->w_x, row, x_word(l, group), pe, image);
        if (layer->w_h)
            put_row(l, layer->w_h, row, h_word(l, group), pe, image);
        if (layer->cell == SPACC_CELL_GRU_RESET)
            put_row(l, layer->w_b, row, pass_b + group * l->k_b, pe, image);
    }
}

/* Row of LSTMP's pass B that makes r[row]. */
static size_t r_row(const struct spacc_layout *l, const struct spacc_fixed_layer *layer,
                    size_t row)
{
    return spacc_card_position(row, spacc_card_bank(layer->outputs, l->lanes), l->lanes);
}

static void put_projection(const struct spacc_layout *l, const struct spacc_fixed_layer *layer,
                           uint8_t *image)
{
    const size_t pass_b = l->groups * (l->k_x + l->k_h);

    for (size_t row = 0; row < layer->outputs; row++) {
        const size_t to = r_row(l, layer, row);
        put_row(l, layer->w_b, row, pass_b + to / l->pes * l->k_b, to % l->pes, image);
    }
}

void spacc_layout_weights(const struct spacc_layout *l, const struct spacc_fixed_layer *layer,
                          uint8_t *image)
{
    memset(image, 0, l->weight_bytes);
    for (size_t u = 0; u < layer->units; u++)
        put_unit(l, layer, u, image);
    if (layer->cell == SPACC_CELL_LSTMP)
        put_projection(l, layer, image);
}

static void put_param(uint8_t *to, const struct spacc_fixed_row *row)
{
    put32(to, (uint32_t)row->bias);
    put16(to + 4, row->mult);
    to[6] = row->shift;
    to[7] = 0;
}

/* Row parameters of a quad a unit. */
static void put_params(const struct spacc_layout *l, const struct spacc_fixed_layer *layer,
                       const struct spacc_fixed_row *row, uint8_t *image)
{
    for (size_t u = 0; u < layer->units; u++)
        for (size_t i = 0; i < 4; i++)
            put_param(image + (quad_of(l, layer, u) * 4 + i) * 8, &row[4 * u + i]);
}

void spacc_layout_params(const struct spacc_layout *l, const struct spacc_fixed_layer *layer,
                         uint8_t *image)
{
    const struct spacc_fixed_row none = {.bias = 0, .mult = 0, .shift = 1};
    uint8_t *const pass_b = image + l->units * 4 * 8;

    for (size_t i = 0; i < 4 * l->param_units; i++)
        put_param(image + i * 8, &none);
    put_params(l, layer, layer->row, image);
    if (layer->cell == SPACC_CELL_GRU_RESET)
        put_params(l, layer, layer->row_b, pass_b);
    for (size_t row = 0; layer->cell == SPACC_CELL_LSTMP && row < layer->outputs; row++)
        put_param(pass_b + r_row(l, layer, row) * 8, &layer->row_b[row]);
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
