/* mmio_open.c - the names of mapped cards, and the devices behind them. */
#define _GNU_SOURCE       /* locks of an open file, which closing another descriptor does not drop \
                           */
#define _FILE_OFFSET_BITS 64
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/card/mmio.h"

enum { PAGE = 4096, NAME_BYTES = 32, PATH_BYTES = 512, CLOCK_MHZ = 100 };

/* One side of a name: a device of its own, or a range of /dev/mem. */
struct place {
    char device[NAME_BYTES]; /* "uio0"; "" for an address */
    uint64_t address, bytes;
};

struct spec {
    struct place registers, memory;
    double clock_hz; /* 0: not said */
};

/* What is open and mapped; unmapped behind the card. */
struct range {
    int fd;
    void *at;
    size_t bytes;
};

/* ---- names ------------------------------------------------------------------------ */

static enum spacc_status bad_name(const char *which, const char *why, struct spacc_error *err)
{
    return spacc_fail(
        err, SPACC_EINVAL,
        "card 'mmio:%s': %s; wants uioN or ADDRESS, maybe @MHZ, maybe ,udmabufN or "
        ",ADDRESS+BYTES",
        which, why);
}

/* A number of digits at *text, moved behind it. */
static bool number(const char **text, uint64_t *value)
{
    char *end;

    if (!isdigit((unsigned char)**text))
        return false;
    errno = 0;
    *value = strtoull(*text, &end, 0);
    *text = end;
    return errno == 0;
}

/* "uio0" or "0x43c00000", up to one of `ends` or the end of the text. */
static bool place(const char **text, const char *ends, struct place *to)
{
    const size_t length = strcspn(*text, ends);

    if (isdigit((unsigned char)**text))
        return number(text, &to->address) && to->address % PAGE == 0;
    if (length == 0 || length >= sizeof(to->device) || memchr(*text, '/', length) ||
        **text == '.')
        return false;
    memcpy(to->device, *text, length);
    *text += length;
    return true;
}

static bool clock_of_name(const char **text, double *clock_hz)
{
    char *end;
    const double mhz = strtod(*text, &end);

    if (!isdigit((unsigned char)**text) || !(mhz > 0.0 && mhz <= 2000.0))
        return false;
    *text = end;
    *clock_hz = mhz * 1e6;
    return true;
}

static enum spacc_status parse(const char *which, struct spec *s, struct spacc_error *err)
{
    const char *text = which;

    *s = (struct spec){.memory.device = "udmabuf0"};
    if (!place(&text, "@,", &s->registers))
        return bad_name(which, "no registers, or not at a multiple of 4096", err);
    if (*text == '@' && (text++, !clock_of_name(&text, &s->clock_hz)))
        return bad_name(which, "no clock behind '@'", err);
    if (*text == ',') {
        text++;
        s->memory = (struct place){0};
        if (!place(&text, ",+", &s->memory))
            return bad_name(which, "no memory behind ',', or not at a multiple of 4096", err);
        if (!s->memory.device[0] &&
            (*text != '+' || (text++, !number(&text, &s->memory.bytes)) || !s->memory.bytes ||
             s->memory.bytes > UINT64_MAX - s->memory.address))
            return bad_name(which, "memory at an address needs its +BYTES", err);
    }
    return *text ? bad_name(which, "more than a name", err) : SPACC_OK;
}

/* ---- files ------------------------------------------------------------------------ */

static void path_of(char path[PATH_BYTES], const char *folder, const char *device,
                    const char *file)
{
    const char *root = getenv("SPACC_MMIO_ROOT");

    snprintf(path, PATH_BYTES, "%.200s%s%s%s", root ? root : "", folder, device, file);
}

/* One line of a file of sysfs. */
static enum spacc_status read_line(const char *path, char *text, size_t size,
                                   struct spacc_error *err)
{
    FILE *f = fopen(path, "r");
    const bool got = f && fgets(text, (int)size, f);

    if (f)
        fclose(f);
    if (!got)
        return spacc_fail(err, SPACC_EIO, "%s: cannot be read: %s", path,
                          f ? "empty" : strerror(errno));
    text[strcspn(text, "\n")] = '\0';
    return SPACC_OK;
}

static enum spacc_status read_number(const char *path, uint64_t *value, struct spacc_error *err)
{
    char line[64];
    const char *text = line;
    const enum spacc_status status = read_line(path, line, sizeof(line), err);

    if (status != SPACC_OK)
        return status;
    return number(&text, value) && !*text
               ? SPACC_OK
               : spacc_fail(err, SPACC_EIO, "%s: no number: '%s'", path, line);
}

/* clock-frequency of the device's tree node: 4 bytes, highest first. 0: it has none. */
static double clock_of_tree(const char *device)
{
    char path[PATH_BYTES];
    unsigned char b[4] = {0};

    path_of(path, "/sys/class/uio/", device, "/device/of_node/clock-frequency");
    FILE *f = fopen(path, "rb");
    const size_t got = f ? fread(b, 1, sizeof(b), f) : 0;
    if (f)
        fclose(f);
    return got == sizeof(b) ? (double)((uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
                                       (uint32_t)b[2] << 8 | b[3])
                            : 0.0;
}

/* ---- mapping ---------------------------------------------------------------------- */

static void let_go(struct range *r)
{
    if (r->at)
        munmap(r->at, r->bytes);
    if (r->fd >= 0)
        close(r->fd);
    *r = (struct range){.fd = -1};
}

/* Two processes on one card would write over each other's programs. */
static enum spacc_status lock(const struct range *r, const char *path, uint64_t offset,
                              struct spacc_error *err)
{
    struct flock whole = {.l_type = F_WRLCK,
                          .l_whence = SEEK_SET,
                          .l_start = (off_t)offset,
                          .l_len = (off_t)r->bytes};

    if (fcntl(r->fd, F_OFD_SETLK, &whole) == 0)
        return SPACC_OK;
    return spacc_fail(err, SPACC_EIO, "%s: cannot be locked at 0x%" PRIx64 ": %s", path, offset,
                      errno == EAGAIN || errno == EACCES ? "another process has it"
                                                         : strerror(errno));
}

/* A file that stands for a device ends somewhere; an access behind that ends the program. */
static enum spacc_status check_end(int fd, const char *path, uint64_t end,
                                   struct spacc_error *err)
{
    struct stat s;

    if (fstat(fd, &s))
        return spacc_fail(err, SPACC_EIO, "%s: %s", path, strerror(errno));
    if (S_ISREG(s.st_mode) && (uint64_t)s.st_size < end)
        return spacc_fail(err, SPACC_EIO, "%s: ends at 0x%" PRIx64 ", 0x%" PRIx64 " is wanted",
                          path, (uint64_t)s.st_size, end);
    return SPACC_OK;
}

/* O_SYNC is what makes /dev/mem and u-dma-buf map without the processor's caches. */
static enum spacc_status map(struct range *r, const char *path, uint64_t offset, uint64_t bytes,
                             struct spacc_error *err)
{
    if (bytes > SIZE_MAX || offset + bytes > INT64_MAX)
        return spacc_fail(err, SPACC_EINVAL,
                          "%s: %" PRIu64 " bytes at 0x%" PRIx64 " are beyond this machine",
                          path, bytes, offset);
    r->bytes = (size_t)bytes;
    r->fd = open(path, O_RDWR | O_SYNC | O_CLOEXEC);
    if (r->fd < 0)
        return spacc_fail(err, SPACC_EIO, "%s: cannot be opened: %s", path, strerror(errno));
    enum spacc_status status = check_end(r->fd, path, offset + bytes, err);
    if (status == SPACC_OK)
        status = lock(r, path, offset, err);
    if (status != SPACC_OK)
        return status;
    r->at = mmap(NULL, r->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, (off_t)offset);
    if (r->at != MAP_FAILED)
        return SPACC_OK;
    r->at = NULL;
    return spacc_fail(err, SPACC_EIO, "%s: cannot map %" PRIu64 " bytes at 0x%" PRIx64 ": %s",
                      path, bytes, offset, strerror(errno));
}

static enum spacc_status map_registers(struct range *r, const struct place *p,
                                       struct spacc_error *err)
{
    char path[PATH_BYTES];
    uint64_t bytes;

    if (!p->device[0]) {
        path_of(path, "/dev/", "mem", "");
        return map(r, path, p->address, PAGE, err);
    }
    path_of(path, "/sys/class/uio/", p->device, "/maps/map0/size");
    const enum spacc_status status = read_number(path, &bytes, err);
    if (status != SPACC_OK)
        return status;
    if (bytes < PAGE)
        return spacc_fail(err, SPACC_EIO, "%s: %" PRIu64 " bytes, a card has %d", path, bytes,
                          PAGE);
    path_of(path, "/dev/", p->device, "");
    return map(r, path, 0, PAGE, err);
}

/* Where the card sees a buffer of u-dma-buf, and its size. */
static enum spacc_status find_buffer(struct place *p, struct spacc_error *err)
{
    char path[PATH_BYTES];

    path_of(path, "/sys/class/u-dma-buf/", p->device, "/size");
    enum spacc_status status = read_number(path, &p->bytes, err);
    path_of(path, "/sys/class/u-dma-buf/", p->device, "/phys_addr");
    if (status == SPACC_OK)
        status = read_number(path, &p->address, err);
    if (status != SPACC_OK)
        return status;
    if (p->address % PAGE || p->bytes == 0 || p->bytes > UINT64_MAX - p->address)
        return spacc_fail(err, SPACC_EIO,
                          "%s: 0x%" PRIx64 ", size %" PRIu64 ": no buffer for a card", path,
                          p->address, p->bytes);
    return SPACC_OK;
}

static enum spacc_status map_memory(struct range *r, struct place *p, struct spacc_error *err)
{
    char path[PATH_BYTES];

    if (!p->device[0]) {
        path_of(path, "/dev/", "mem", "");
        return map(r, path, p->address, p->bytes, err);
    }
    const enum spacc_status status = find_buffer(p, err);
    path_of(path, "/dev/", p->device, "");
    return status == SPACC_OK ? map(r, path, 0, p->bytes, err) : status;
}

/* ---- the card --------------------------------------------------------------------- */

static double clock_of(const struct spec *s)
{
    const double tree =
        s->clock_hz > 0.0 || !s->registers.device[0] ? 0.0 : clock_of_tree(s->registers.device);

    return s->clock_hz > 0.0 ? s->clock_hz : tree > 0.0 ? tree : CLOCK_MHZ * 1e6;
}

/* Both mappings of a card. */
struct held {
    struct range registers, memory;
};

static void unmap(void *user)
{
    struct held *h = user;

    let_go(&h->registers);
    let_go(&h->memory);
    free(h);
}

enum spacc_status spacc_mmio_card_open(struct spacc_card **out, const char *which,
                                       struct spacc_error *err)
{
    char name[PATH_BYTES];
    struct spec s;
    struct held *h;

    *out = NULL;
    enum spacc_status status = parse(which, &s, err);
    if (status != SPACC_OK)
        return status;
    h = malloc(sizeof(*h));
    if (!h)
        return spacc_fail(err, SPACC_ENOMEM, "mmio: out of memory");
    *h = (struct held){.registers.fd = -1, .memory.fd = -1};
    status = map_registers(&h->registers, &s.registers, err);
    if (status == SPACC_OK)
        status = map_memory(&h->memory, &s.memory, err);
    if (status != SPACC_OK) {
        unmap(h);
        return spacc_fail_in(err, status, "card 'mmio:%s'", which);
    }
    snprintf(name, sizeof(name), "mmio:%s", which);
    const struct spacc_mmio_map m = {
        .name = name,
        .registers = h->registers.at,
        .memory = h->memory.at,
        .memory_base = s.memory.address,
        .memory_bytes = s.memory.bytes,
        .interrupt = s.registers.device[0] ? h->registers.fd : -1,
        .unmap = unmap,
        .user = h,
    };
    return spacc_mmio_card_attach(out, &m, clock_of(&s), err);
}

/* ---- what is there ---------------------------------------------------------------- */

static bool is_ours(const char *device)
{
    char path[PATH_BYTES], name[64];
    unsigned number_;
    int length = 0;

    path_of(path, "/sys/class/uio/", device, "/name");
    return sscanf(device, "uio%u%n", &number_, &length) == 1 && !device[length] &&
           length < 14 && read_line(path, name, sizeof(name), NULL) == SPACC_OK &&
           !strcmp(name, "spacc");
}

static int by_number(const void *a, const void *b)
{
    const size_t la = strlen(a), lb = strlen(b);

    return la != lb ? (la < lb ? -1 : 1) : strcmp(a, b);
}

size_t spacc_mmio_card_list(char (*names)[SPACC_MMIO_NAME_BYTES], size_t most)
{
    char path[PATH_BYTES];
    size_t count = 0;

    path_of(path, "/sys/class/uio", "", "");
    DIR *folder = opendir(path);
    for (struct dirent *e; folder && count < most && (e = readdir(folder));)
        if (is_ours(e->d_name))
            snprintf(names[count++], SPACC_MMIO_NAME_BYTES, "mmio:%.14s", e->d_name);
    if (folder)
        closedir(folder);
    if (count)
        qsort(names, count, sizeof(names[0]), by_number);
    return count;
}
