#include "host/card/xclbin.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/io.h"

/* Layout: struct axlf of XRT's xclbin.h, its sizes asserted there; all little endian. */
enum {
    HEAD = 456,        /* magic, signature, key block, id, header */
    LENGTH_AT = 304,   /* u64, of the file */
    SECTIONS_AT = 448, /* u32, how many */
    ENTRY = 40,        /* u32 kind, char name[16], pad, u64 offset, u64 size */
    SECTIONS_MAX = 1024,
    FILE_MAX = 1 << 30,
    EMBEDDED_METADATA = 2,
    MEM_TOPOLOGY = 6,
    BANK =
        40, /* u8 type, u8 used, pad, u64 KiB, u64 base, char tag[16]; i32 count before them */
    CLOCK_FREQ_TOPOLOGY = 11,
    CLOCK = 136,    /* u16 MHz, u8 type, pad, char name[128] */
    CLOCK_DATA = 1, /* the clock that kernels get as ap_clk */
};

struct file {
    const char *name;
    uint8_t *bytes;
    size_t size;
};

static uint64_t number(const uint8_t *at, int bytes)
{
    uint64_t n = 0;

    for (int i = bytes; i-- > 0;)
        n = n << 8 | at[i];
    return n;
}

static enum spacc_status check(const struct file *f, struct spacc_error *err)
{
    if (f->size < HEAD || memcmp(f->bytes, "xclbin2", 8))
        return spacc_fail(err, SPACC_EFORMAT, "%s: not an .xclbin (no 'xclbin2' at its start)",
                          f->name);
    const uint64_t length = number(f->bytes + LENGTH_AT, 8);
    if (length != f->size)
        return spacc_fail(err, SPACC_EFORMAT, "%s: %zu bytes, its header says %llu", f->name,
                          f->size, (unsigned long long)length);
    const uint64_t sections = number(f->bytes + SECTIONS_AT, 4);
    if (sections > SECTIONS_MAX || HEAD + sections * ENTRY > f->size)
        return spacc_fail(err, SPACC_EFORMAT, "%s: %llu sections do not fit the file", f->name,
                          (unsigned long long)sections);
    return SPACC_OK;
}

/* The first section of a kind. SPACC_EFORMAT when there is none, or outside of the file. */
static enum spacc_status section(const struct file *f, uint32_t kind, const char *what,
                                 const uint8_t **at, size_t *size, struct spacc_error *err)
{
    const uint64_t sections = number(f->bytes + SECTIONS_AT, 4);

    for (uint64_t i = 0; i < sections; i++) {
        const uint8_t *entry = f->bytes + HEAD + i * ENTRY;
        const uint64_t offset = number(entry + 24, 8), bytes = number(entry + 32, 8);
        if (number(entry, 4) != kind)
            continue;
        if (offset > f->size || bytes > f->size - offset)
            return spacc_fail(err, SPACC_EFORMAT,
                              "%s: section %s is at %llu with %llu bytes, the file has %zu",
                              f->name, what, (unsigned long long)offset,
                              (unsigned long long)bytes, f->size);
        *at = f->bytes + offset;
        *size = (size_t)bytes;
        return SPACC_OK;
    }
    return spacc_fail(err, SPACC_EFORMAT, "%s: no section %s", f->name, what);
}

/* ---- kernels ---------------------------------------------------------------------- */

/* The value of name="..." in the <kernel ...> tag at `tag`, or NULL. */
static const char *kernel_name(const char *tag, size_t *length)
{
    const char *end = strchr(tag, '>');
    const char *at = strstr(tag, " name=\"");
    const char *quote = at ? strchr(at + 7, '"') : NULL;

    if (!end || !quote || quote > end)
        return NULL;
    *length = (size_t)(quote - (at + 7));
    return at + 7;
}

/* The tag of that kernel, or NULL. `xml` is terminated. Collects the names that are not it in
 * `others`. */
static const char *find_kernel(const char *xml, const char *kernel, char *others, size_t room)
{
    size_t used = 0, length;

    others[0] = '\0';
    for (const char *tag = xml; (tag = strstr(tag, "<kernel ")); tag += 8) {
        const char *name = kernel_name(tag, &length);
        if (!name)
            continue;
        if (length == strlen(kernel) && !memcmp(name, kernel, length))
            return tag;
        if (used < room)
            used += (size_t)snprintf(others + used, room - used, "%s%.*s", used ? ", " : "",
                                     (int)(length < 64 ? length : 64), name);
    }
    return NULL;
}

/* How many <arg ...> stand in the element that begins at `tag`. */
static unsigned count_arguments(const char *tag)
{
    const char *end = strstr(tag, "</kernel>");
    unsigned count = 0;

    for (const char *at = tag; (at = strstr(at, "<arg ")) && (!end || at < end); at++)
        count++;
    return count;
}

static enum spacc_status check_kernel(const struct file *f, const char *kernel,
                                      unsigned *arguments, struct spacc_error *err)
{
    const uint8_t *at;
    char others[200];
    size_t size;
    enum spacc_status status =
        section(f, EMBEDDED_METADATA, "EMBEDDED_METADATA", &at, &size, err);
    if (status != SPACC_OK)
        return status;
    char *xml = malloc(size + 1);
    if (!xml)
        return spacc_fail(err, SPACC_ENOMEM, "%s: out of memory", f->name);
    memcpy(xml, at, size);
    xml[size] = '\0';
    const char *tag = find_kernel(xml, kernel, others, sizeof(others));
    if (tag)
        *arguments = count_arguments(tag);
    else
        status = spacc_fail(err, SPACC_EFORMAT, "%s: no kernel '%s' in it, but: %s", f->name,
                            kernel, others[0] ? others : "none");
    free(xml);
    return status;
}

/* ---- clock ------------------------------------------------------------------------ */

static enum spacc_status find_clock(const struct file *f, double *clock_hz,
                                    struct spacc_error *err)
{
    const uint8_t *at;
    size_t size;
    const enum spacc_status status =
        section(f, CLOCK_FREQ_TOPOLOGY, "CLOCK_FREQ_TOPOLOGY", &at, &size, err);

    if (status != SPACC_OK)
        return status;
    const size_t clocks = size >= 2 ? (size_t)number(at, 2) : 0;
    for (size_t i = 0; i < clocks && 2 + (i + 1) * CLOCK <= size; i++) {
        const uint8_t *clock = at + 2 + i * CLOCK;
        if (clock[2] != CLOCK_DATA || number(clock, 2) == 0)
            continue;
        *clock_hz = (double)number(clock, 2) * 1e6;
        return SPACC_OK;
    }
    return spacc_fail(err, SPACC_EFORMAT, "%s: CLOCK_FREQ_TOPOLOGY names no data clock",
                      f->name);
}

/* ---- memory ----------------------------------------------------------------------- */

/* Of MEM_TYPE: what has a size. */
static bool is_memory(unsigned type)
{
    enum { DDR3 = 0, DDR4 = 1, DRAM = 2, HBM = 6 };

    return type == DDR3 || type == DDR4 || type == DRAM || type == HBM;
}

static enum spacc_status find_bank(const struct file *f, uint32_t bank, uint64_t *bytes,
                                   struct spacc_error *err)
{
    const uint8_t *at;
    size_t size;
    const enum spacc_status status = section(f, MEM_TOPOLOGY, "MEM_TOPOLOGY", &at, &size, err);

    if (status != SPACC_OK)
        return status;
    const uint64_t banks = size >= 8 ? number(at, 4) : 0;
    if (bank >= banks || 8 + ((uint64_t)bank + 1) * BANK > size)
        return SPACC_OK;
    at += 8 + (size_t)bank * BANK;
    if (is_memory(at[0]) && number(at + 8, 8) <= UINT64_MAX >> 10)
        *bytes = number(at + 8, 8) << 10; /* it says KiB */
    return SPACC_OK;
}

/* ---- the file --------------------------------------------------------------------- */

static enum spacc_status load(struct file *f, const char *name, struct spacc_error *err)
{
    void *bytes = NULL;
    enum spacc_status status;

    *f = (struct file){.name = name};
    status = spacc_file_read(&bytes, &f->size, name, FILE_MAX, err);
    f->bytes = bytes;
    return status == SPACC_OK ? check(f, err) : status;
}

enum spacc_status spacc_xclbin_kernel(const char *file, const char *kernel, unsigned *arguments,
                                      double *clock_hz, struct spacc_error *err)
{
    struct file f;
    enum spacc_status status = load(&f, file, err);

    if (status == SPACC_OK)
        status = check_kernel(&f, kernel, arguments, err);
    if (status == SPACC_OK)
        status = find_clock(&f, clock_hz, err);
    free(f.bytes);
    return status;
}

enum spacc_status spacc_xclbin_bank(const char *file, uint32_t bank, uint64_t *bytes,
                                    struct spacc_error *err)
{
    struct file f;
    enum spacc_status status = load(&f, file, err);

    *bytes = 0;
    if (status == SPACC_OK)
        status = find_bank(&f, bank, bytes, err);
    free(f.bytes);
    return status;
}
