#include "host/card/model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/board.h"
#include "rtl/card_map.h"
#include "scheduler/card_cycles.h"
#include "scheduler/micro_cycles.h"

enum { REGISTERS = 0x200, PAGE = 4096, LATENCY = 20, MARK_BYTES = 128, DONE = 2 };
enum { PROGRAM_MOST = 64 * 64 };
#define CLOCK_HZ 200e6

static const char kind[] = "model";

static const struct config {
    const char *name;
    struct spacc_card_config card;
} configs[] = {
#define X(token, name, ...) {name, {__VA_ARGS__, .small_cell = 0, .micro = 0}},
    SPACC_CARD_CONFIG_MAP(X)
#undef X
};
enum { CONFIGS = sizeof(configs) / sizeof(*configs) };

struct buffer {
    uint64_t address;
    size_t size_bytes;
    unsigned char *bytes;
    struct buffer *next;
};

struct model {
    const struct spacc_card_config *config;
    uint32_t reg[REGISTERS / 4];
    uint8_t shift[SPACC_MICRO_UNITS][4]; /* of the row parameters of a micro card */
    size_t memory_bytes, used_bytes;     /* memory_bytes 0: without end */
    uint64_t next_address;
    struct buffer *buffer;
};

bool spacc_card_only_counts(const struct spacc_card_info *info)
{
    return info->kind == kind || strcmp(info->kind, kind) == 0;
}

/* ---- memory ------------------------------------------------------------------ */

static void model_close(void *self)
{
    struct model *m = self;

    while (m->buffer) {
        struct buffer *b = m->buffer;
        m->buffer = b->next;
        free(b->bytes);
        free(b);
    }
    free(m);
}

static size_t pages_of(size_t size_bytes)
{
    return (size_bytes + PAGE - 1) / PAGE * PAGE;
}

static enum spacc_status model_alloc(void *self, size_t size_bytes, uint64_t *address,
                                     struct spacc_error *err)
{
    struct model *m = self;
    struct buffer *b;

    if (size_bytes == 0)
        return spacc_fail(err, SPACC_EINVAL, "no card buffer of 0 bytes");
    if (m->memory_bytes && (size_bytes > m->memory_bytes ||
                            pages_of(size_bytes) > m->memory_bytes - m->used_bytes))
        return spacc_fail(err, SPACC_ENOFIT,
                          "memory of the card: %zu bytes are needed, %zu of %zu are free",
                          size_bytes, m->memory_bytes - m->used_bytes, m->memory_bytes);
    b = calloc(1, sizeof(*b));
    if (!b || !(b->bytes = calloc(1, size_bytes))) {
        free(b);
        return spacc_fail(err, SPACC_ENOMEM, "no card buffer of %zu bytes", size_bytes);
    }
    b->size_bytes = size_bytes;
    b->address = m->next_address;
    m->next_address += pages_of(size_bytes) + PAGE;
    m->used_bytes += pages_of(size_bytes);
    b->next = m->buffer;
    m->buffer = b;
    *address = b->address;
    return SPACC_OK;
}

static void model_release(void *self, uint64_t address)
{
    struct model *m = self;

    for (struct buffer **at = &m->buffer; *at; at = &(*at)->next)
        if ((*at)->address == address) {
            struct buffer *b = *at;
            *at = b->next;
            m->used_bytes -= pages_of(b->size_bytes);
            free(b->bytes);
            free(b);
            return;
        }
}

static unsigned char *range(struct model *m, uint64_t address, size_t size_bytes,
                            struct spacc_error *err)
{
    for (struct buffer *b = m->buffer; b; b = b->next)
        if (address >= b->address && address - b->address < b->size_bytes &&
            size_bytes <= b->size_bytes - (size_t)(address - b->address))
            return b->bytes + (address - b->address);
    spacc_fail(err, SPACC_EINVAL, "no card buffer has %zu bytes at address 0x%" PRIx64,
               size_bytes, address);
    return NULL;
}

static enum spacc_status model_write(void *self, uint64_t address, const void *from,
                                     size_t size_bytes, struct spacc_error *err)
{
    unsigned char *to = size_bytes ? range(self, address, size_bytes, err) : NULL;

    if (!to)
        return size_bytes ? SPACC_EINVAL : SPACC_OK;
    memcpy(to, from, size_bytes);
    return SPACC_OK;
}

static enum spacc_status model_read(void *self, uint64_t address, void *to, size_t size_bytes,
                                    struct spacc_error *err)
{
    const unsigned char *from = size_bytes ? range(self, address, size_bytes, err) : NULL;

    if (!from)
        return size_bytes ? SPACC_EINVAL : SPACC_OK;
    memcpy(to, from, size_bytes);
    return SPACC_OK;
}

/* ---- a run ------------------------------------------------------------------- */

static uint64_t pointer(const struct model *m, uint32_t offset)
{
    return m->reg[offset / 4] | (uint64_t)m->reg[offset / 4 + 1] << 32;
}

static void to_counters(const struct spacc_card_count *c, uint64_t *value)
{
    memset(value, 0, MARK_BYTES);
    value[SPACC_COUNTER_CYCLES] = c->cycles;
    for (int i = 0; i < SPACC_CYCLE_CAUSES; i++)
        value[SPACC_COUNTER_ISSUE + i] = c->cause[i];
    value[SPACC_COUNTER_BYTES_READ] = c->bytes_read;
    value[SPACC_COUNTER_BYTES_WRITTEN] = c->bytes_written;
    value[SPACC_COUNTER_ROWS_SKIPPED] = c->rows_skipped;
    value[SPACC_COUNTER_ISSUE_SAVED] = c->issue_saved;
}

static enum spacc_status write_marks(struct model *m, const uint32_t (*word)[16],
                                     size_t instructions, const struct spacc_card_count *mark,
                                     struct spacc_error *err)
{
    const uint64_t output = pointer(m, SPACC_REG_OUTPUT_PTR);
    uint64_t value[MARK_BYTES / 8];
    size_t at = 0;
    enum spacc_status s = SPACC_OK;

    for (size_t i = 0; i < instructions && !s; i++)
        if ((word[i][0] & 0xff) == SPACC_OP_MARK) {
            to_counters(&mark[at++], value);
            s = model_write(m, output + word[i][SPACC_F_MARK_OFFSET_WORD], value, MARK_BYTES,
                            err);
        }
    return s;
}

static const uint8_t *region_bytes(void *user, unsigned region, uint32_t offset,
                                   size_t size_bytes)
{
    static const uint32_t pointers[] = {SPACC_REG_PROGRAM_PTR, SPACC_REG_WEIGHTS_PTR,
                                        SPACC_REG_INPUT_PTR, SPACC_REG_OUTPUT_PTR};
    struct model *m = user;

    return region < 4 ? range(m, pointer(m, pointers[region]) + offset, size_bytes, NULL)
                      : NULL;
}

static enum spacc_status count_cycles(struct model *m, const uint32_t (*word)[16],
                                      size_t instructions, struct spacc_card_count *mark,
                                      struct spacc_card_count *total, struct spacc_error *err)
{
    const struct spacc_card_config *c = m->config;
    const struct spacc_card_shape shape = {c->pes,      c->lanes, c->cells,
                                           c->axi_bits, LATENCY,  c->queue};
    const uint64_t pointers[4] = {
        pointer(m, SPACC_REG_PROGRAM_PTR), pointer(m, SPACC_REG_WEIGHTS_PTR),
        pointer(m, SPACC_REG_INPUT_PTR), pointer(m, SPACC_REG_OUTPUT_PTR)};

    if (c->micro)
        return spacc_micro_cycles(word, instructions, region_bytes, m, m->shift, mark,
                                  PROGRAM_MOST / 64, total, err);
    return spacc_card_cycles(&shape, word, instructions, pointers, region_bytes, m, mark,
                             PROGRAM_MOST / 64, total, err);
}

static enum spacc_status count(struct model *m, struct spacc_error *err)
{
    const size_t bytes = m->reg[SPACC_REG_PROGRAM_BYTES / 4];
    uint32_t word[PROGRAM_MOST / 64][16];
    const uint32_t(*code)[16] = (const uint32_t(*)[16])word;
    struct spacc_card_count mark[PROGRAM_MOST / 64], total;
    uint64_t value[MARK_BYTES / 8];
    enum spacc_status s;

    if (bytes > sizeof(word))
        return spacc_fail(err, SPACC_EINVAL, "a program of %zu bytes, at most %zu", bytes,
                          sizeof(word));
    if ((s = model_read(m, pointer(m, SPACC_REG_PROGRAM_PTR), word, bytes, err)) ||
        (s = count_cycles(m, code, bytes / 64, mark, &total, err)) ||
        (s = write_marks(m, code, bytes / 64, mark, err)))
        return s;
    to_counters(&total, value);
    memcpy(&m->reg[SPACC_REG_COUNTERS / 4], value, SPACC_CARD_COUNTERS * 8);
    return SPACC_OK;
}

static enum spacc_status model_reg_write(void *self, uint32_t offset, uint32_t value,
                                         struct spacc_error *err)
{
    struct model *m = self;
    enum spacc_status s = SPACC_OK;

    if (offset == SPACC_REG_AP_CTRL) {
        if ((value & 1) && !(s = count(m, err)))
            m->reg[offset / 4] = DONE;
    } else if (offset == SPACC_REG_IP_ISR) {
        m->reg[offset / 4] = 0;
    } else if (offset < SPACC_REG_IDENTITY && offset % 4 == 0) {
        m->reg[offset / 4] = value;
    }
    return s;
}

static enum spacc_status model_reg_read(void *self, uint32_t offset, uint32_t *value,
                                        struct spacc_error *err)
{
    struct model *m = self;

    if (offset >= REGISTERS || offset % 4 != 0)
        return spacc_fail(err, SPACC_EINVAL, "no register at 0x%x", offset);
    *value = m->reg[offset / 4];
    if (offset == SPACC_REG_AP_CTRL)
        m->reg[offset / 4] = 0;
    return SPACC_OK;
}

static enum spacc_status model_wait(void *self, uint64_t limit_us, bool *interrupted,
                                    struct spacc_error *err)
{
    (void)self;
    (void)limit_us;
    (void)err;
    *interrupted = true;
    return SPACC_OK;
}

static void describe(struct model *m)
{
    const struct spacc_card_config *c = m->config;
    const uint32_t batch = c->pes / 4 * 16 == c->axi_bits ? 255 : 1;

    memset(m->reg, 0, sizeof(m->reg));
    m->reg[SPACC_REG_IDENTITY / 4] = SPACC_CARD_MAGIC;
    m->reg[SPACC_REG_VERSION / 4] = SPACC_CARD_VERSION;
    m->reg[SPACC_REG_CONFIG_ARRAY / 4] = c->lanes << 16 | c->pes;
    m->reg[SPACC_REG_CONFIG_WIDTHS / 4] =
        c->axi_bits / 8 << 24 | c->index_bits << 16 | c->act_bits << 8 | c->weight_bits;
    m->reg[SPACC_REG_CONFIG_WEIGHT_WORDS / 4] = c->weight_words;
    m->reg[SPACC_REG_CONFIG_VECTOR_WORDS / 4] = c->h_words << 16 | c->x_words;
    m->reg[SPACC_REG_CONFIG_UNITS / 4] = c->units;
    m->reg[SPACC_REG_CONFIG_INSTRUCTIONS / 4] =
        (c->shared_rows == 4 ? 1u << 16 : 0) | c->instructions;
    m->reg[SPACC_REG_CONFIG_CELLS / 4] = c->psum_words << 16 | batch << 8 | c->cells;
    m->reg[SPACC_REG_CONFIG_MASKS / 4] = c->queue ? SPACC_CARD_MASK_BEATS << 16 | c->queue : 0;
}

static enum spacc_status model_reset(void *self, struct spacc_error *err)
{
    (void)err;
    describe(self);
    return SPACC_OK;
}

static const struct spacc_card_ops model_ops = {
    .kind = kind,
    .close = model_close,
    .alloc = model_alloc,
    .release = model_release,
    .write = model_write,
    .read = model_read,
    .reg_write = model_reg_write,
    .reg_read = model_reg_read,
    .wait = model_wait,
    .reset = model_reset,
};

/* The card of a configuration or of a board, its clock and its memory; false: the names that
 * there are. */
static bool find_config(struct model *m, const char *name, double *clock_hz, char *names,
                        size_t names_bytes)
{
    const struct spacc_board *board = spacc_board_find(name), *boards;
    size_t count, used = 0;

    *clock_hz = board ? board->clock_mhz * 1e6 : CLOCK_HZ;
    m->config = board ? &board->card : NULL;
    m->memory_bytes = board ? board->memory_bytes : 0;
    for (size_t i = 0; i < CONFIGS; i++)
        if (strcmp(configs[i].name, name) == 0)
            m->config = &configs[i].card;
    boards = spacc_boards(&count);
    for (size_t i = 0; i < CONFIGS + count && used < names_bytes; i++)
        used += (size_t)snprintf(names + used, names_bytes - used, " %s",
                                 i < CONFIGS ? configs[i].name : boards[i - CONFIGS].name);
    return m->config != NULL;
}

static bool is_like(const struct spacc_card_config *c, const struct spacc_card_info *i)
{
    return c->pes == i->pes && c->lanes == i->lanes && c->cells == i->cells &&
           c->weight_bits == i->weight_bits && c->act_bits == i->act_bits &&
           c->index_bits == i->index_bits && c->axi_bits == i->axi_bits &&
           c->shared_rows == i->shared_rows && c->weight_words == i->weight_words &&
           c->x_words == i->x_words && c->h_words == i->h_words && c->units == i->units &&
           c->psum_words == i->psum_words && c->instructions == i->instructions;
}

/* A queue changes the cycles of masked RUNs alone: one with the same is better, not needed. */
const char *spacc_model_card_like(const struct spacc_card_info *info)
{
    size_t count;
    const struct spacc_board *boards = spacc_boards(&count);
    const char *like = NULL;

    for (size_t i = 0; i < CONFIGS + count; i++) {
        const struct spacc_card_config *c =
            i < CONFIGS ? &configs[i].card : &boards[i - CONFIGS].card;
        const char *name = i < CONFIGS ? configs[i].name : boards[i - CONFIGS].name;
        if (is_like(c, info) && (!like || c->queue == info->queue))
            like = name;
    }
    return like;
}

enum spacc_status spacc_model_card_open(struct spacc_card **out, const char *config,
                                        struct spacc_error *err)
{
    const char *name = config ? config : "16x16";
    struct model *m = calloc(1, sizeof(*m));
    char names[256];
    double clock_hz;
    enum spacc_status s = SPACC_OK;

    *out = NULL;
    if (!m)
        return spacc_fail(err, SPACC_ENOMEM, "no memory for a card");
    if (!find_config(m, name, &clock_hz, names, sizeof(names)))
        s = spacc_fail(err, SPACC_EUNSUPPORTED, "no card 'model:%s'; there are:%s", name,
                       names);
    else if (m->config->small_cell && !m->config->micro)
        s = spacc_fail(err, SPACC_EUNSUPPORTED,
                       "card 'model:%s': cycles of its small cell unit are not modelled", name);
    if (s) {
        free(m);
        return s;
    }
    m->next_address = UINT64_C(1) << 36;
    describe(m);
    return spacc_card_attach(out, &model_ops, m, clock_hz, err);
}
