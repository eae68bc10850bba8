#include "host/card/xclbin.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/card/arguments.h"
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

struct text {
    const char *at;
    size_t length;
};

/* Behind the '>' of the tag at `tag`, which may stand in an attribute, too; or at the end. */
static const char *tag_end(const char *tag)
{
    bool quoted = false;

    for (; *tag && (quoted || *tag != '>'); tag++)
        quoted = quoted != (*tag == '"');
    return tag;
}

/* The value behind `what` (' name="') in the tag at `tag`; its `at` is NULL without one. */
static struct text attribute(const char *tag, const char *what)
{
    const char *end = tag_end(tag);
    const char *at = strstr(tag, what);
    const char *quote = at ? strchr(at + strlen(what), '"') : NULL;

    if (!quote || quote > end)
        return (struct text){NULL, 0};
    at += strlen(what);
    return (struct text){at, (size_t)(quote - at)};
}

static bool equals(struct text t, const char *word)
{
    return t.at && t.length == strlen(word) && !memcmp(t.at, word, t.length);
}

/* Decimal, or hexadecimal behind 0x; UINT32_MAX: none. */
static uint32_t value(struct text t)
{
    char *end;

    if (!t.at || !isdigit((unsigned char)*t.at))
        return UINT32_MAX;
    const unsigned long long n = strtoull(t.at, &end, 0);
    return end == t.at + t.length && n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* `xml` is terminated. The kernel's tag, or NULL and the names that are not it in `others`. */
static const char *find_kernel(const char *xml, const char *kernel, char *others, size_t room)
{
    size_t used = 0;

    others[0] = '\0';
    for (const char *tag = xml; (tag = strstr(tag, "<kernel ")); tag += 8) {
        const struct text name = attribute(tag, " name=\"");
        if (equals(name, kernel))
            return tag;
        if (name.at && used < room)
            used += (size_t)snprintf(others + used, room - used, "%s%.*s", used ? ", " : "",
                                     (int)(name.length < 64 ? name.length : 64), name.at);
    }
    return NULL;
}

/* The metadata, terminated, from free(), and the kernel's tag in it. */
static enum spacc_status load_kernel(const struct file *f, const char *kernel, char **xml,
                                     const char **tag, struct spacc_error *err)
{
    const uint8_t *at;
    char others[200];
    size_t size;
    enum spacc_status status =
        section(f, EMBEDDED_METADATA, "EMBEDDED_METADATA", &at, &size, err);

    *xml = NULL;
    if (status != SPACC_OK)
        return status;
    *xml = malloc(size + 1);
    if (!*xml)
        return spacc_fail(err, SPACC_ENOMEM, "%s: out of memory", f->name);
    memcpy(*xml, at, size);
    (*xml)[size] = '\0';
    *tag = find_kernel(*xml, kernel, others, sizeof(others));
    if (*tag)
        return SPACC_OK;
    return spacc_fail(err, SPACC_EFORMAT, "%s: no kernel '%s' in it, but: %s", f->name, kernel,
                      others[0] ? others : "none");
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
    const char *tag;
    char *xml;
    const enum spacc_status status = load_kernel(f, kernel, &xml, &tag, err);

    *arguments = status == SPACC_OK ? count_arguments(tag) : 0;
    free(xml);
    return status;
}

/* The argument of that number of the kernel at `kernel`: its tag, or NULL. */
static const char *find_argument(const char *kernel, uint32_t number)
{
    const char *end = strstr(kernel, "</kernel>");

    for (const char *at = kernel; (at = strstr(at, "<arg ")) && (!end || at < end); at++)
        if (value(attribute(at, " id=\"")) == number)
            return at;
    return NULL;
}

static enum spacc_status check_state(const struct file *f, const char *kernel, bool *has,
                                     struct spacc_error *err)
{
    const char *tag = find_argument(kernel, SPACC_ARGUMENT_STATE);

    if (!tag)
        return SPACC_OK;
    const struct text name = attribute(tag, " name=\"");
    const uint32_t offset = value(attribute(tag, " offset=\""));
    *has = equals(name, SPACC_STATE_NAME) && offset == SPACC_KERNEL_REG_STATE_PTR;
    return *has ? SPACC_OK
                : spacc_fail(err, SPACC_EFORMAT,
                             "%s: argument %d is '%.*s' at 0x%03x, that of a spacc kernel is "
                             "'%s' at 0x%03x (made from OpenCL C? then --fpga opencl)",
                             f->name, SPACC_ARGUMENT_STATE,
                             (int)(name.length < 64 ? name.length : 64), name.at ? name.at : "",
                             (unsigned)offset, SPACC_STATE_NAME, SPACC_KERNEL_REG_STATE_PTR);
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

enum spacc_status spacc_xclbin_state(const char *file, const char *kernel, bool *has,
                                     struct spacc_error *err)
{
    struct file f;
    const char *tag;
    char *xml = NULL;
    enum spacc_status status = load(&f, file, err);

    *has = false;
    if (status == SPACC_OK)
        status = load_kernel(&f, kernel, &xml, &tag, err);
    if (status == SPACC_OK)
        status = check_state(&f, tag, has, err);
    free(xml);
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
