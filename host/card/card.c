#include "host/card/card.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/card/arguments.h"
#include "rtl/card_map.h"

enum {
    CTRL_START = 1,
    CTRL_DONE = 2,
    EVENT_DONE = 1, /* in GIER, IER and ISR */
    /* What sizes derived from these cannot overflow with; no device is near. */
    WEIGHT_WORDS_MAX = 1 << 24,
    UNITS_MAX = 1 << 24,
    INSTRUCTIONS_MAX = (1 << 16) - 1,
    MASK_QUEUE_MAX = 64
};

_Static_assert(SPACC_CARD_COUNTERS <= SPACC_CARD_COUNTERS_MAX, "counters do not fit");

struct spacc_card {
    const struct spacc_card_ops *ops;
    void *self;
    struct spacc_card_info info;
    uint32_t generation;
};

/* --- registers ------------------------------------------------------------- */

enum spacc_status spacc_card_reg_read(struct spacc_card *card, uint32_t offset, uint32_t *value,
                                      struct spacc_error *err)
{
    return card->ops->reg_read(card->self, offset, value, err);
}

enum spacc_status spacc_card_reg_write(struct spacc_card *card, uint32_t offset, uint32_t value,
                                       struct spacc_error *err)
{
    return card->ops->reg_write(card->self, offset, value, err);
}

/* Low word first: the card keeps the high word of a counter at that moment. */
static enum spacc_status read64(struct spacc_card *card, uint32_t offset, uint64_t *value,
                                struct spacc_error *err)
{
    uint32_t low = 0, high = 0;
    enum spacc_status status = spacc_card_reg_read(card, offset, &low, err);
    if (status == SPACC_OK)
        status = spacc_card_reg_read(card, offset + 4, &high, err);
    *value = (uint64_t)high << 32 | low;
    return status;
}

static enum spacc_status write64(struct spacc_card *card, uint32_t offset, uint64_t value,
                                 struct spacc_error *err)
{
    const enum spacc_status status = spacc_card_reg_write(card, offset, (uint32_t)value, err);
    if (status != SPACC_OK)
        return status;
    return spacc_card_reg_write(card, offset + 4, (uint32_t)(value >> 32), err);
}

/* --- attach ---------------------------------------------------------------- */

/* Why registers read 0. */
#define NOTHING_THERE                                                                     \
    " (no card at this place, or a kernel made from C, whose registers are empty before " \
    "its first run: it needs an .xclbin that names its argument " SPACC_STATE_NAME        \
    " and --fpga xrt)"

static enum spacc_status check_identity(struct spacc_card *card, struct spacc_error *err)
{
    uint32_t magic = 0, version = 0;
    enum spacc_status status = spacc_card_reg_read(card, SPACC_REG_IDENTITY, &magic, err);
    if (status != SPACC_OK)
        return status;
    if (magic != SPACC_CARD_MAGIC)
        return spacc_fail(err, SPACC_EDEVICE,
                          "%s card: identity register reads 0x%08x, a spacc card has 0x%08x%s",
                          card->ops->kind, magic, SPACC_CARD_MAGIC, magic ? "" : NOTHING_THERE);
    status = spacc_card_reg_read(card, SPACC_REG_VERSION, &version, err);
    if (status != SPACC_OK)
        return status;
    if (SPACC_CARD_VERSION_MAJOR(version) != SPACC_CARD_VERSION_MAJOR(SPACC_CARD_VERSION))
        return spacc_fail(err, SPACC_EDEVICE,
                          "%s card: version register reads 0x%08x, this driver is for 0x%08x "
                          "and the same major",
                          card->ops->kind, version, SPACC_CARD_VERSION);
    card->info.version = version;
    return SPACC_OK;
}

static bool power_of_two(uint32_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

/* Nothing here relies on more than is checked; a board's registers may read as anything. */
static enum spacc_status check_info(const struct spacc_card *card, struct spacc_error *err)
{
    const struct spacc_card_info *i = &card->info;
    const struct {
        bool right;
        const char *what;
        uint32_t value;
        const char *range;
    } rules[] = {
        {i->pes != 0 && i->pes % 4 == 0, "PEs", i->pes, "a multiple of 4"},
        {i->lanes >= 4 && power_of_two(i->lanes), "lanes", i->lanes,
         "a power of two, 4 or more"},
        {power_of_two(i->cells) && i->cells <= i->pes / 4, "cell lanes", i->cells,
         "a power of two, up to a quarter of the PEs"},
        {i->batch_max != 0, "sequences at once", i->batch_max, "1 or more"},
        {i->weight_bits == 8 || i->weight_bits == 16, "weight bits", i->weight_bits, "8 or 16"},
        {i->act_bits == 16 || (i->act_bits >= 10 && i->act_bits <= 12), "bits of x and h",
         i->act_bits, "16, or 10 to 12"},
        {i->index_bits >= 1 && i->index_bits <= 16, "index bits", i->index_bits, "1..16"},
        {i->axi_bits >= 64 && i->axi_bits <= 512 && power_of_two(i->axi_bits), "AXI data bits",
         i->axi_bits, "64, 128, 256 or 512"},
        {i->weight_words != 0 && i->weight_words <= WEIGHT_WORDS_MAX, "weight words a PE",
         i->weight_words, "1..2^24"},
        {i->x_words != 0, "x words a bank", i->x_words, "1 or more"},
        {i->h_words != 0, "h words a bank", i->h_words, "1 or more"},
        {i->units != 0 && i->units <= UNITS_MAX, "units", i->units, "1..2^24"},
        {i->psum_words != 0, "partial sums a PE", i->psum_words, "1 or more"},
        {i->instructions != 0 && i->instructions <= INSTRUCTIONS_MAX, "instructions",
         i->instructions, "1..65535"},
        {i->queue == 0 || (i->queue <= MASK_QUEUE_MAX && i->axi_bits % i->pes == 0 &&
                           i->mask_beats != 0 && i->shared_rows == 1),
         "rows of a masked run that a PE queues", i->queue,
         "0, or 1..64 with PEs that divide the bits of the bus"},
    };
    for (size_t r = 0; r < sizeof(rules) / sizeof(rules[0]); r++)
        if (!rules[r].right)
            return spacc_fail(err, SPACC_EDEVICE,
                              "%s card: says it has %u %s, which must be %s", card->ops->kind,
                              rules[r].value, rules[r].what, rules[r].range);
    return SPACC_OK;
}

static enum spacc_status read_info(struct spacc_card *card, struct spacc_error *err)
{
    struct spacc_card_info *info = &card->info;
    uint32_t array = 0, widths = 0, vectors = 0, cells = 0, instructions = 0, masks = 0;
    const struct {
        uint32_t offset, *value;
    } words[] = {
        {SPACC_REG_CONFIG_ARRAY, &array},
        {SPACC_REG_CONFIG_WIDTHS, &widths},
        {SPACC_REG_CONFIG_WEIGHT_WORDS, &info->weight_words},
        {SPACC_REG_CONFIG_VECTOR_WORDS, &vectors},
        {SPACC_REG_CONFIG_UNITS, &info->units},
        {SPACC_REG_CONFIG_INSTRUCTIONS, &instructions},
        {SPACC_REG_CONFIG_CELLS, &cells},
        {SPACC_REG_CONFIG_MASKS, &masks},
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        const enum spacc_status status =
            spacc_card_reg_read(card, words[i].offset, words[i].value, err);
        if (status != SPACC_OK)
            return status;
    }
    info->pes = array & 0xffff;
    info->lanes = array >> 16;
    info->weight_bits = widths & 0xff;
    info->act_bits = widths >> 8 & 0xff;
    info->shared_rows = instructions >> 16 & 1 ? 4 : 1;
    info->instructions = instructions & 0xffff;
    info->index_bits = widths >> 16 & 0xff;
    info->axi_bits = 8 * (widths >> 24); /* the register says bytes */
    info->x_words = vectors & 0xffff;
    info->h_words = vectors >> 16;
    info->cells = cells & 0xff;
    info->batch_max = cells >> 8 & 0xff;
    info->psum_words = cells >> 16;
    info->queue = masks & 0xff;
    info->mask_beats = masks >> 16;
    return check_info(card, err);
}

enum spacc_status spacc_card_attach(struct spacc_card **out, const struct spacc_card_ops *ops,
                                    void *self, double clock_hz, struct spacc_error *err)
{
    enum spacc_status status;
    struct spacc_card *card = calloc(1, sizeof(*card));

    *out = NULL;
    if (!card) {
        ops->close(self);
        return spacc_fail(err, SPACC_ENOMEM, "no memory for a card");
    }
    card->ops = ops;
    card->self = self;
    card->info.kind = ops->kind;
    card->info.keeps_arguments = ops->keeps_arguments;
    card->info.memory_bytes = ops->memory_bytes ? ops->memory_bytes(self) : 0;
    card->info.clock_hz = clock_hz;
    status = check_identity(card, err);
    if (status != SPACC_OK)
        goto out;
    status = read_info(card, err);
    if (status != SPACC_OK)
        goto out;
    *out = card;
    card = NULL;
out:
    spacc_card_close(card);
    return status;
}

void spacc_card_close(struct spacc_card *card)
{
    if (!card)
        return;
    card->ops->close(card->self);
    free(card);
}

const struct spacc_card_info *spacc_card_info(const struct spacc_card *card)
{
    return &card->info;
}

uint32_t spacc_card_generation(const struct spacc_card *card)
{
    return card->generation;
}

/* --- memory ---------------------------------------------------------------- */

enum spacc_status spacc_card_alloc(struct spacc_card *card, size_t size_bytes,
                                   uint64_t *address, struct spacc_error *err)
{
    return card->ops->alloc(card->self, size_bytes, address, err);
}

void spacc_card_release(struct spacc_card *card, uint64_t address)
{
    card->ops->release(card->self, address);
}

enum spacc_status spacc_card_write(struct spacc_card *card, uint64_t address, const void *from,
                                   size_t size_bytes, struct spacc_error *err)
{
    return card->ops->write(card->self, address, from, size_bytes, err);
}

enum spacc_status spacc_card_read(struct spacc_card *card, uint64_t address, void *to,
                                  size_t size_bytes, struct spacc_error *err)
{
    return card->ops->read(card->self, address, to, size_bytes, err);
}

/* --- a run ----------------------------------------------------------------- */

static enum spacc_status write_arguments(struct spacc_card *card,
                                         const struct spacc_card_run *run,
                                         struct spacc_error *err)
{
    const struct {
        uint32_t offset;
        uint64_t value;
    } pointers[] = {
        {SPACC_REG_PROGRAM_PTR, run->program},
        {SPACC_REG_WEIGHTS_PTR, run->weights},
        {SPACC_REG_INPUT_PTR, run->input},
        {SPACC_REG_OUTPUT_PTR, run->output},
    };
    const struct {
        uint32_t offset, value;
    } sizes[] = {
        {SPACC_REG_PROGRAM_BYTES, run->program_bytes},
        {SPACC_REG_WEIGHTS_BYTES, run->weights_bytes},
        {SPACC_REG_INPUT_BYTES, run->input_bytes},
        {SPACC_REG_OUTPUT_BYTES, run->output_bytes},
    };
    enum spacc_status status = SPACC_OK;
    for (size_t i = 0; i < 4 && status == SPACC_OK; i++)
        status = write64(card, pointers[i].offset, pointers[i].value, err);
    for (size_t i = 0; i < 4 && status == SPACC_OK; i++)
        status = spacc_card_reg_write(card, sizes[i].offset, sizes[i].value, err);
    return status;
}

/* Take back the interrupt: the status bits toggle where a one is written. */
static enum spacc_status clear_interrupt(struct spacc_card *card, struct spacc_error *err)
{
    uint32_t pending = 0;
    const enum spacc_status status = spacc_card_reg_read(card, SPACC_REG_IP_ISR, &pending, err);
    if (status != SPACC_OK || pending == 0)
        return status;
    return spacc_card_reg_write(card, SPACC_REG_IP_ISR, pending, err);
}

/* The order of the vendor's driver: arguments, interrupt enables, then start. */
static enum spacc_status start(struct spacc_card *card, const struct spacc_card_run *run,
                               struct spacc_error *err)
{
    enum spacc_status status = write_arguments(card, run, err);
    if (status == SPACC_OK)
        status = clear_interrupt(card, err);
    if (status == SPACC_OK)
        status = spacc_card_reg_write(card, SPACC_REG_GIER, EVENT_DONE, err);
    if (status == SPACC_OK)
        status = spacc_card_reg_write(card, SPACC_REG_IP_IER, EVENT_DONE, err);
    if (status == SPACC_OK)
        status = spacc_card_reg_write(card, SPACC_REG_AP_CTRL, CTRL_START, err);
    return status;
}

static enum spacc_status finish(struct spacc_card *card, uint64_t limit_us,
                                struct spacc_error *err)
{
    bool interrupted = false;
    uint32_t control = 0;
    enum spacc_status status = card->ops->wait(card->self, limit_us, &interrupted, err);
    if (status != SPACC_OK)
        return status;
    status = spacc_card_reg_read(card, SPACC_REG_AP_CTRL, &control, err); /* clears done */
    if (status != SPACC_OK)
        return status;
    if (!(control & CTRL_DONE))
        return interrupted
                   ? spacc_fail(err, SPACC_EDEVICE,
                                "%s card: interrupt, but control reads 0x%x without done",
                                card->ops->kind, control)
                   : spacc_fail(err, SPACC_ETIMEOUT,
                                "%s card: not done after %" PRIu64 " us, control reads 0x%x",
                                card->ops->kind, limit_us, control);
    return clear_interrupt(card, err);
}

static const char *error_text(uint32_t code)
{
    switch (code) {
#define X(name, number, text) \
    case number: return text;
        SPACC_CARD_ERROR_MAP(X)
#undef X
    }
    return "unknown error";
}

static enum spacc_status read_error(struct spacc_card *card, uint32_t *code,
                                    struct spacc_error *err)
{
    uint32_t pc = 0;
    uint64_t address = 0;
    enum spacc_status status = spacc_card_reg_read(card, SPACC_REG_ERROR_CODE, code, err);
    if (status != SPACC_OK || *code == SPACC_ERROR_NONE)
        return status;
    status = spacc_card_reg_read(card, SPACC_REG_ERROR_PC, &pc, err);
    if (status == SPACC_OK)
        status = read64(card, SPACC_REG_ERROR_ADDRESS, &address, err);
    if (status != SPACC_OK)
        return status;
    return spacc_fail(err, SPACC_EDEVICE,
                      "%s card: error %u at instruction %u, address 0x%" PRIx64 ": %s",
                      card->ops->kind, *code, pc, address, error_text(*code));
}

static enum spacc_status read_counters(struct spacc_card *card,
                                       struct spacc_card_counters *counters,
                                       struct spacc_error *err)
{
    enum spacc_status status = SPACC_OK;
    memset(counters, 0, sizeof(*counters));
    for (uint32_t i = 0; i < SPACC_CARD_COUNTERS && status == SPACC_OK; i++)
        status = read64(card, SPACC_REG_COUNTER(i), &counters->value[i], err);
    return status;
}

/* What it was doing is unknown: only a reset makes the next run correct. The first
 * error is the one to report. */
static enum spacc_status start_over(struct spacc_card *card, enum spacc_status status,
                                    struct spacc_error *err)
{
    struct spacc_error reset_error = {SPACC_OK, ""};
    card->generation++;
    if (card->ops->reset(card->self, &reset_error) != SPACC_OK && err) {
        const size_t used = strlen(err->text);
        snprintf(err->text + used, sizeof(err->text) - used, "; the reset failed: %.200s",
                 reset_error.text);
    }
    return status;
}

enum spacc_status spacc_card_run(struct spacc_card *card, const struct spacc_card_run *run,
                                 uint64_t limit_us, struct spacc_card_counters *counters,
                                 struct spacc_error *err)
{
    struct spacc_card_counters unused;
    uint32_t code = SPACC_ERROR_NONE;

    if (!counters)
        counters = &unused;
    memset(counters, 0, sizeof(*counters));
    enum spacc_status status = start(card, run, err);
    if (status == SPACC_OK)
        status = finish(card, limit_us, err);
    if (status != SPACC_OK)
        return start_over(card, status, err);

    const enum spacc_status counted = read_counters(card, counters, err);
    status = read_error(card, &code, err);
    if (status == SPACC_OK)
        return counted == SPACC_OK ? SPACC_OK : start_over(card, counted, err);
    /* After a watchdog the bus may still owe answers; anything else left it idle. */
    if (code == SPACC_ERROR_NONE || code == SPACC_ERROR_WATCHDOG)
        return start_over(card, status, err);
    return status;
}
