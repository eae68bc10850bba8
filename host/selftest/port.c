/* port.c - steps that need no array: identity, registers, memory. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/selftest/parts.h"
#include "rtl/card_map.h"

enum spacc_status spacc_ladder_identity(struct spacc_ladder *l, struct spacc_error *err)
{
    const enum spacc_status status =
        spacc_ladder_reopen(l, err); /* reads and checks them all */
    if (status != SPACC_OK)
        return status;
    const struct spacc_card_info *c = spacc_card_info(l->card);
    char clock[32] = "counts no cycles";

    if (c->clock_hz > 0.0)
        snprintf(clock, sizeof(clock), "%.0f MHz", c->clock_hz / 1e6);
    spacc_ladder_found(l, "%s, version %u.%u, %ux%u, %u-bit weights, %s", c->kind,
                       c->version >> 16, c->version & 0xffff, c->pes, c->lanes, c->weight_bits,
                       clock);
    return SPACC_OK;
}

/* ---- registers -------------------------------------------------------------------- */

/* Arguments: written by the host, never by the card. */
static const uint32_t argument[] = {
    SPACC_REG_PROGRAM_PTR,     SPACC_REG_PROGRAM_PTR + 4, SPACC_REG_WEIGHTS_PTR,
    SPACC_REG_WEIGHTS_PTR + 4, SPACC_REG_INPUT_PTR,       SPACC_REG_INPUT_PTR + 4,
    SPACC_REG_OUTPUT_PTR,      SPACC_REG_OUTPUT_PTR + 4,  SPACC_REG_PROGRAM_BYTES,
    SPACC_REG_WEIGHTS_BYTES,   SPACC_REG_INPUT_BYTES,     SPACC_REG_OUTPUT_BYTES,
};
enum { ARGUMENTS = sizeof(argument) / sizeof(argument[0]) };

/* Different in every register and pattern; patterns 0 and 1 are each other's complement. */
static uint32_t pattern(int number, int i)
{
    const uint32_t mix = (uint32_t)(i + 1) * 0x9e3779b9u;

    switch (number) {
    case 0: return mix;
    case 1: return ~mix;
    case 2: return 0xaaaaaaaau;
    case 3: return 0x55555555u;
    default: return 1u << ((number - 4 + i) % 32);
    }
}

/* All are written before any is read: one that answers for another is found. */
static enum spacc_status registers_hold(struct spacc_ladder *l, int number,
                                        struct spacc_error *err)
{
    enum spacc_status status = SPACC_OK;
    uint32_t value;

    for (int i = 0; i < ARGUMENTS && status == SPACC_OK; i++)
        status = spacc_card_reg_write(l->card, argument[i], pattern(number, i), err);
    for (int i = 0; i < ARGUMENTS && status == SPACC_OK; i++) {
        status = spacc_card_reg_read(l->card, argument[i], &value, err);
        if (status == SPACC_OK && value != pattern(number, i))
            return spacc_fail(err, SPACC_EDEVICE,
                              "register 0x%03" PRIx32 " is 0x%08" PRIx32 ", 0x%08" PRIx32
                              " was written",
                              argument[i], value, pattern(number, i));
    }
    return status;
}

enum spacc_status spacc_ladder_registers(struct spacc_ladder *l, struct spacc_error *err)
{
    enum { PATTERNS = 4 + 32 };

    if (spacc_card_info(l->card)->keeps_arguments) {
        spacc_ladder_skip(l, "arguments of this card are kept by the host and go with a run");
        return SPACC_OK;
    }
    for (int p = 0; p < PATTERNS; p++) {
        const enum spacc_status status = registers_hold(l, p, err);
        if (status != SPACC_OK)
            return status;
    }
    spacc_ladder_found(l, "%d registers, %d patterns", ARGUMENTS, PATTERNS);
    return SPACC_OK;
}

/* ---- memory ----------------------------------------------------------------------- */

enum { CHUNK = 4096, WORDS = CHUNK / 8, CHUNKS = 24, BUFFERS = 3 };

struct march {
    uint64_t address; /* of a buffer of CHUNKS chunks */
    uint64_t want[WORDS], got[WORDS];
};

/* What word w of the memory holds in one of two states that complement each other: its own
 * address, spread over all bits. */
static uint64_t word_at(uint64_t address, bool inverse)
{
    const uint64_t mix = address * 0x9e3779b97f4a7c15u;

    return inverse ? ~mix : mix;
}

static void fill(struct march *m, uint64_t at, bool inverse)
{
    for (size_t w = 0; w < WORDS; w++)
        m->want[w] = word_at(at + 8 * w, inverse);
}

static enum spacc_status put(struct spacc_ladder *l, struct march *m, int chunk, bool inverse,
                             struct spacc_error *err)
{
    const uint64_t at = m->address + (uint64_t)chunk * CHUNK;

    fill(m, at, inverse);
    return spacc_card_write(l->card, at, m->want, CHUNK, err);
}

static enum spacc_status see(struct spacc_ladder *l, struct march *m, int chunk, bool inverse,
                             struct spacc_error *err)
{
    const uint64_t at = m->address + (uint64_t)chunk * CHUNK;
    const enum spacc_status status = spacc_card_read(l->card, at, m->got, CHUNK, err);

    fill(m, at, inverse);
    for (size_t w = 0; w < WORDS && status == SPACC_OK; w++)
        if (m->got[w] != m->want[w])
            return spacc_fail(err, SPACC_EDEVICE,
                              "memory at 0x%" PRIx64 " is 0x%016" PRIx64 ", 0x%016" PRIx64
                              " was written",
                              at + 8 * w, m->got[w], m->want[w]);
    return status;
}

/* One element of the march: up or down, read `from`, write the other. */
static enum spacc_status element(struct spacc_ladder *l, struct march *m, bool up, bool from,
                                 struct spacc_error *err)
{
    for (int i = 0; i < CHUNKS; i++) {
        const int chunk = up ? i : CHUNKS - 1 - i;
        enum spacc_status status = see(l, m, chunk, from, err);
        if (status == SPACC_OK)
            status = put(l, m, chunk, !from, err);
        if (status != SPACC_OK)
            return status;
    }
    return SPACC_OK;
}

/* March C- (Marinescu 1982), chunk by chunk: w0; up r0 w1; up r1 w0; down r0 w1; down r1 w0;
 * r0. */
static enum spacc_status march(struct spacc_ladder *l, struct march *m, struct spacc_error *err)
{
    enum spacc_status status = SPACC_OK;

    for (int i = 0; i < CHUNKS && status == SPACC_OK; i++)
        status = put(l, m, i, false, err);
    for (int e = 0; e < 4 && status == SPACC_OK; e++)
        status = element(l, m, e < 2, e % 2, err);
    for (int i = 0; i < CHUNKS && status == SPACC_OK; i++)
        status = see(l, m, i, false, err);
    return status;
}

/* Parts of a chunk at odd places: neighbours stay. */
static enum spacc_status ragged(struct spacc_ladder *l, struct march *m,
                                struct spacc_error *err)
{
    static const struct {
        size_t skip, bytes;
    } part[] = {{1, 1}, {3, 61}, {64, 64}, {127, 1000}, {4093, 3}};
    uint8_t *const want = (uint8_t *)m->want;
    enum spacc_status status = put(l, m, 0, false, err);

    for (size_t i = 0; i < sizeof(part) / sizeof(part[0]) && status == SPACC_OK; i++) {
        for (size_t b = 0; b < part[i].bytes; b++)
            want[part[i].skip + b] = (uint8_t)spacc_ladder_draw(l);
        status = spacc_card_write(l->card, m->address + part[i].skip, want + part[i].skip,
                                  part[i].bytes, err);
    }
    if (status == SPACC_OK)
        status = spacc_card_read(l->card, m->address, m->got, CHUNK, err);
    if (status == SPACC_OK && memcmp(m->got, m->want, CHUNK))
        return spacc_fail(err, SPACC_EDEVICE,
                          "memory at 0x%" PRIx64 ": parts written at odd addresses read back "
                          "wrong",
                          m->address);
    return status;
}

enum spacc_status spacc_ladder_memory(struct spacc_ladder *l, struct spacc_error *err)
{
    struct march *m = malloc(BUFFERS * sizeof(*m));
    enum spacc_status status = SPACC_OK;
    int buffers = 0;

    if (!m)
        return spacc_fail(err, SPACC_ENOMEM, "out of memory");
    for (; buffers < BUFFERS && status == SPACC_OK; buffers++)
        status = spacc_card_alloc(l->card, (size_t)CHUNKS * CHUNK, &m[buffers].address, err);
    if (status != SPACC_OK)
        buffers--;
    for (int i = 0; i < buffers && status == SPACC_OK; i++)
        status = march(l, &m[i], err);
    for (int i = 0; i < buffers && status == SPACC_OK; i++) /* nobody wrote to another's */
        status = see(l, &m[i], CHUNKS - 1, false, err);
    if (status == SPACC_OK)
        status = ragged(l, &m[0], err);
    for (int i = 0; i < buffers; i++)
        spacc_card_release(l->card, m[i].address);
    free(m);
    spacc_ladder_found(l, "%d buffers of %d KiB, March C-", BUFFERS, CHUNKS * CHUNK / 1024);
    return status;
}
