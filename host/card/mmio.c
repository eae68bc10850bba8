#include "host/card/mmio.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/card/pages.h"
#include "host/clock.h"
#include "rtl/card_map.h"

enum {
    REGISTERS_BYTES = 4096,
    CTRL_START = 1,
    CTRL_DONE = 2,
    CTRL_IDLE = 4,
    CTRL_READY = 8,
    EVENT_DONE = 1,
    SPIN_US = 200, /* as long as short runs take; then the processor is left to others */
    PAUSE_NS = 50000,
    LATE_MS = 100,      /* for an interrupt to come behind its status bit */
    STEP_MS = 10,       /* between looks at a card that has not come so far yet */
    STILL_US = 1000000, /* a counter that stands as long counts no more */
    RESET_LIMIT_US = 1000000,
};

struct spacc_mmio {
    struct spacc_mmio_map map;
    struct spacc_pages pages;
    double clock_hz;
    uint32_t control; /* done and ready as they were read, until somebody asks */
    bool running;
};

/* ---- order ------------------------------------------------------------------------ */

/* All accesses before are done as the card sees them before any after begins. The fences of
 * C11 order processors only; the card is behind another port of the memory. */
static void order(void)
{
#if defined(__aarch64__) || defined(__arm__)
    __asm__ volatile("dsb sy" ::: "memory");
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* ---- memory ----------------------------------------------------------------------- */

/* Uncached mappings may be of a kind that traps accesses which are not aligned, as memcpy()
 * makes them: whole aligned words, single bytes before and behind. */
static void put(volatile unsigned char *to, const unsigned char *from, size_t bytes)
{
    for (; bytes && (uintptr_t)to % 8; bytes--)
        *to++ = *from++;
    for (; bytes >= 8; bytes -= 8, to += 8, from += 8) {
        uint64_t word;
        memcpy(&word, from, 8);
        *(volatile uint64_t *)(volatile void *)to = word;
    }
    for (; bytes; bytes--)
        *to++ = *from++;
}

static void get(unsigned char *to, const volatile unsigned char *from, size_t bytes)
{
    for (; bytes && (uintptr_t)from % 8; bytes--)
        *to++ = *from++;
    for (; bytes >= 8; bytes -= 8, to += 8, from += 8) {
        const uint64_t word = *(const volatile uint64_t *)(const volatile void *)from;
        memcpy(to, &word, 8);
    }
    for (; bytes; bytes--)
        *to++ = *from++;
}

static enum spacc_status alloc(void *self, size_t size_bytes, uint64_t *address,
                               struct spacc_error *err)
{
    struct spacc_mmio *m = self;

    return spacc_pages_alloc(&m->pages, m->map.name, size_bytes, address, err);
}

static void release(void *self, uint64_t address)
{
    struct spacc_mmio *m = self;

    spacc_pages_free(&m->pages, address);
}

static enum spacc_status write_memory(void *self, uint64_t address, const void *from,
                                      size_t size_bytes, struct spacc_error *err)
{
    struct spacc_mmio *m = self;
    const enum spacc_status status =
        spacc_pages_check(&m->pages, m->map.name, "write", address, size_bytes, err);

    if (status != SPACC_OK || size_bytes == 0)
        return status;
    volatile unsigned char *const to = m->map.memory + (address - m->map.memory_base);
    put(to, from, size_bytes);
    (void)to[size_bytes - 1]; /* comes back only when buffers on the way have let go of it */
    return SPACC_OK;
}

static enum spacc_status read_memory(void *self, uint64_t address, void *to, size_t size_bytes,
                                     struct spacc_error *err)
{
    struct spacc_mmio *m = self;
    const enum spacc_status status =
        spacc_pages_check(&m->pages, m->map.name, "read", address, size_bytes, err);

    if (status == SPACC_OK)
        get(to, m->map.memory + (address - m->map.memory_base), size_bytes);
    return status;
}

/* ---- registers -------------------------------------------------------------------- */

static volatile uint32_t *at(const struct spacc_mmio *m, uint32_t offset)
{
    return m->map.registers + offset / 4;
}

static enum spacc_status check_offset(const struct spacc_mmio *m, uint32_t offset,
                                      struct spacc_error *err)
{
    return offset < REGISTERS_BYTES && offset % 4 == 0
               ? SPACC_OK
               : spacc_fail(err, SPACC_EINVAL, "%s: no register at 0x%03" PRIx32, m->map.name,
                            offset);
}

/* Reading clears done and ready: what was seen is kept until it is asked for. */
static uint32_t look(struct spacc_mmio *m)
{
    const uint32_t now = *at(m, SPACC_REG_AP_CTRL);

    m->control |= now & (CTRL_DONE | CTRL_READY);
    if (m->control & CTRL_DONE)
        m->running = false;
    return now | m->control;
}

static enum spacc_status reg_read(void *self, uint32_t offset, uint32_t *value,
                                  struct spacc_error *err)
{
    struct spacc_mmio *m = self;
    const enum spacc_status status = check_offset(m, offset, err);

    *value = 0;
    if (status != SPACC_OK)
        return status;
    if (offset != SPACC_REG_AP_CTRL) {
        *value = *at(m, offset);
        return SPACC_OK;
    }
    *value = look(m);
    m->control = 0;
    return SPACC_OK;
}

/* Without anybody who listens the interrupt stays off. */
static bool of_no_use(const struct spacc_mmio *m, uint32_t offset)
{
    return m->map.interrupt < 0 && (offset == SPACC_REG_GIER || offset == SPACC_REG_IP_IER);
}

static enum spacc_status reg_write(void *self, uint32_t offset, uint32_t value,
                                   struct spacc_error *err)
{
    struct spacc_mmio *m = self;
    const enum spacc_status status = check_offset(m, offset, err);

    if (status != SPACC_OK || of_no_use(m, offset))
        return status;
    if (offset == SPACC_REG_AP_CTRL && value & CTRL_START) {
        m->control = 0;
        m->running = true;
    }
    order(); /* memory and arguments first, then start */
    *at(m, offset) = value;
    return SPACC_OK;
}

/* ---- time ------------------------------------------------------------------------- */

/* A limit in the card's time: over when our clock says so and the card has counted as many
 * cycles, or counts no more. On a board both are one; a simulated card counts slowly. */
struct limit {
    double end, moved; /* us of our clock */
    double cycles;
    uint64_t from, last;
};

static uint64_t cycles_now(const struct spacc_mmio *m)
{
    const uint32_t low = *at(m, SPACC_REG_COUNTER(SPACC_COUNTER_CYCLES));

    return low | (uint64_t)*at(m, SPACC_REG_COUNTER(SPACC_COUNTER_CYCLES) + 4) << 32;
}

static struct limit limit_from_now(const struct spacc_mmio *m, uint64_t limit_us)
{
    const uint64_t cycles = cycles_now(m);
    const double end = spacc_now_us() + (double)limit_us;

    return (struct limit){.end = end,
                          .moved = end,
                          .cycles = (double)limit_us * 1e-6 * m->clock_hz,
                          .from = cycles,
                          .last = cycles};
}

static bool is_over(const struct spacc_mmio *m, struct limit *l)
{
    const double now = spacc_now_us();

    if (now < l->end)
        return false;
    const uint64_t cycles = cycles_now(m);
    if (cycles < l->from) /* the run began, and the count with it, behind our look */
        l->from = 0;
    if (cycles != l->last)
        l->moved = now;
    l->last = cycles;
    return (double)(cycles - l->from) >= l->cycles || now - l->moved >= STILL_US;
}

static enum spacc_status wait_polling(struct spacc_mmio *m, uint64_t limit_us, bool *done,
                                      struct spacc_error *err)
{
    const double begin = spacc_now_us();
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    struct limit limit = limit_from_now(m, limit_us);

    for (;;) {
        const bool over = is_over(m, &limit); /* and then a last look */
        const uint32_t control = look(m);
        if (control == UINT32_MAX)
            return spacc_fail(err, SPACC_EDEVICE,
                              "%s: control reads 0x%08" PRIx32 ": the card is gone",
                              m->map.name, control);
        *done = control & CTRL_DONE;
        if (*done || over)
            break;
        if (spacc_now_us() - begin > SPIN_US)
            nanosleep(&pause, NULL);
    }
    order(); /* done was read before anything that the card has written */
    return SPACC_OK;
}

/* Take one interrupt, if it comes until then. */
static enum spacc_status take_interrupt(const struct spacc_mmio *m, int limit_ms, bool *came,
                                        struct spacc_error *err)
{
    struct pollfd line = {.fd = m->map.interrupt, .events = POLLIN};
    const int n = poll(&line, 1, limit_ms);
    uint32_t count;

    *came = n > 0;
    if (n == 0 || (n < 0 && errno == EINTR))
        return SPACC_OK;
    if (n < 0 || read(m->map.interrupt, &count, sizeof(count)) != sizeof(count))
        return spacc_fail(err, SPACC_EDEVICE, "%s: no interrupt can be waited for: %s",
                          m->map.name, strerror(errno));
    return SPACC_OK;
}

/* Off since the last one: the kernel turns it off until its cause is gone. */
static enum spacc_status enable_interrupt(const struct spacc_mmio *m, struct spacc_error *err)
{
    const uint32_t on = 1;

    return write(m->map.interrupt, &on, sizeof(on)) == sizeof(on)
               ? SPACC_OK
               : spacc_fail(err, SPACC_EDEVICE,
                            "%s: the interrupt cannot be enabled: %s (has the device's tree "
                            "node one?)",
                            m->map.name, strerror(errno));
}

/* How long to wait for an interrupt before the limit is looked at again. */
static int patience_ms(const struct limit *l)
{
    const double left_ms = (l->end - spacc_now_us()) / 1e3;

    return left_ms < STEP_MS ? STEP_MS : left_ms > 1e6 ? 1000000 : (int)left_ms;
}

/* The interrupt may be an old one, of a run that was given up, or of a neighbour on the same
 * line: the card's status bit decides, and does not change by being read. */
static enum spacc_status wait_interrupted(struct spacc_mmio *m, uint64_t limit_us, bool *done,
                                          struct spacc_error *err)
{
    struct limit limit = limit_from_now(m, limit_us);
    enum spacc_status status = SPACC_OK;
    bool came = false, over = false;

    for (*done = false; status == SPACC_OK && !*done && !over;) {
        over = is_over(m, &limit);
        status = enable_interrupt(m, err);
        if (status == SPACC_OK)
            status = take_interrupt(m, over ? 0 : patience_ms(&limit), &came, err);
        *done = *at(m, SPACC_REG_IP_ISR) & EVENT_DONE;
    }
    if (status == SPACC_OK && *done && !came)
        status = take_interrupt(m, LATE_MS, &came, err);
    if (status == SPACC_OK && *done && !came)
        return spacc_fail(err, SPACC_EDEVICE,
                          "%s: the card is done, but its interrupt never came: is the line "
                          "connected, and the one of the device's tree node?",
                          m->map.name);
    order();
    return status;
}

static enum spacc_status wait_done(void *self, uint64_t limit_us, bool *interrupted,
                                   struct spacc_error *err)
{
    struct spacc_mmio *m = self;

    return m->map.interrupt < 0 ? wait_polling(m, limit_us, interrupted, err)
                                : wait_interrupted(m, limit_us, interrupted, err);
}

/* No register resets the card. A watchdog of one cycle makes it end the run itself at the first
 * cycle without progress. */
static enum spacc_status reset(void *self, struct spacc_error *err)
{
    struct spacc_mmio *m = self;
    volatile uint32_t *const watchdog = at(m, SPACC_REG_WATCHDOG_CYCLES);
    const uint32_t cycles = *watchdog;
    bool done = true;

    if (!m->running)
        return SPACC_OK;
    *watchdog = 1;
    const enum spacc_status status = wait_polling(m, RESET_LIMIT_US, &done, err);
    *watchdog = cycles;
    if (status != SPACC_OK)
        return status;
    m->control = 0;
    return done ? SPACC_OK
                : spacc_fail(err, SPACC_ETIMEOUT,
                             "%s: the card is still busy after %d s: load its bitstream again",
                             m->map.name, RESET_LIMIT_US / 1000000);
}

/* ---- opening and closing ---------------------------------------------------------- */

static void close_card(void *self)
{
    struct spacc_mmio *m = self;

    spacc_pages_release(&m->pages);
    if (m->map.unmap)
        m->map.unmap(m->map.user);
    free((char *)(uintptr_t)m->map.name);
    free(m);
}

static uint64_t memory_bytes(const void *self)
{
    return ((const struct spacc_mmio *)self)->map.memory_bytes;
}

static const struct spacc_card_ops ops = {
    .kind = "mmio",
    .close = close_card,
    .alloc = alloc,
    .release = release,
    .write = write_memory,
    .read = read_memory,
    .reg_write = reg_write,
    .reg_read = reg_read,
    .wait = wait_done,
    .memory_bytes = memory_bytes,
    .reset = reset,
};

/* Whatever an earlier process has left: a run that it did not wait for writes into memory that
 * is ours now; an interrupt that nobody takes. */
static enum spacc_status settle(struct spacc_mmio *m, struct spacc_error *err)
{
    if (m->map.interrupt < 0) {
        *at(m, SPACC_REG_GIER) = 0;
        *at(m, SPACC_REG_IP_IER) = 0;
    }
    m->running = !(*at(m, SPACC_REG_AP_CTRL) & CTRL_IDLE);
    return reset(m, err);
}

enum spacc_status spacc_mmio_card_attach(struct spacc_card **out,
                                         const struct spacc_mmio_map *map, double clock_hz,
                                         struct spacc_error *err)
{
    struct spacc_mmio *m = calloc(1, sizeof(*m));
    char *name = strdup(map->name);

    *out = NULL;
    if (!m || !name) {
        free(m);
        free(name);
        if (map->unmap)
            map->unmap(map->user);
        return spacc_fail(err, SPACC_ENOMEM, "%s: no memory for a card", map->name);
    }
    m->map = *map;
    m->map.name = name;
    m->clock_hz = clock_hz;
    spacc_pages_init(&m->pages, map->memory_base, map->memory_bytes);
    enum spacc_status status = spacc_card_attach(out, &ops, m, clock_hz, err);
    if (status == SPACC_OK) /* only now: nothing is written to what is not our card */
        status = settle(m, err);
    if (status != SPACC_OK && *out) {
        spacc_card_close(*out);
        *out = NULL;
    }
    return status;
}
