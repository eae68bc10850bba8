#include "sim/memory.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BURSTS = 16, /* bursts a direction that wait inside the memory */
    BEATS = 64,  /* W beats that may run ahead of their AW */
    WORD = 8,    /* bytes of a word of pins.h, of which a beat has one or more */
    LINE = 4096, /* no burst crosses a multiple of this */
    OKAY = 0,
    SLVERR = 2,
    DECERR = 3,
    LATENCY_DEFAULT = 20
};

static const uint64_t FIRST_ADDRESS = UINT64_C(0x1000000000);

struct buffer {
    uint64_t address;
    size_t size;          /* as asked for, rounded up to a word */
    unsigned char *bytes; /* as many, rounded up to a beat */
    bool theirs;          /* whoever mapped it keeps the bytes */
};

struct burst {
    uint64_t address;
    uint32_t beats, beat; /* all, done */
    uint64_t due;         /* cycle of the first R, or of the B */
    uint8_t resp;
};

/* A ring of bursts, oldest at first. */
struct ring {
    struct burst burst[BURSTS];
    unsigned first, count;
};

struct beat {
    uint64_t data[SPACC_PINS_WORDS], strb;
    bool last;
};

/* What the card offered in the cycle before and the memory did not take. */
struct waiting {
    bool ar, aw, w;
    uint64_t araddr, awaddr;
    uint8_t arlen, awlen;
    struct beat beat;
};

struct spacc_memory {
    struct buffer *buffer;      /* sorted by address: addresses only grow */
    size_t buffers, room, near; /* near: where the last look-up ended */
    uint64_t next_address;
    unsigned beat_bytes, beat_words, beat_size; /* 2 to the power of beat_size bytes */

    struct spacc_memory_knobs knobs;
    uint64_t random, cycle;
    uint64_t read_credit, write_credit; /* in 1/1024 beats */
    struct ring reads, writes, answers;
    struct beat beat[BEATS]; /* W beats whose burst has not come */
    unsigned beats_first, beats;
    bool held[5]; /* this channel is held back in the cycle to come */
    uint64_t stalls[5];

    struct waiting waiting;
    char violation[200];
};

/* --- buffers --------------------------------------------------------------- */

struct spacc_memory *spacc_memory_new(uint64_t seed, unsigned beat_bytes)
{
    assert(beat_bytes == 8 || beat_bytes == 16 || beat_bytes == 32 || beat_bytes == 64);
    struct spacc_memory *memory = calloc(1, sizeof(*memory));
    if (!memory)
        return NULL;
    memory->beat_bytes = beat_bytes;
    memory->beat_words = beat_bytes / WORD;
    while (1u << memory->beat_size < beat_bytes)
        memory->beat_size++;
    memory->next_address = FIRST_ADDRESS;
    memory->random = seed * UINT64_C(0x9e3779b97f4a7c15) + UINT64_C(0x2545f4914f6cdd1d);
    if (memory->random == 0) /* xorshift would stay there */
        memory->random = 1;
    spacc_memory_set(memory, &(struct spacc_memory_knobs){0});
    return memory;
}

void spacc_memory_free(struct spacc_memory *memory)
{
    if (!memory)
        return;
    for (size_t i = 0; i < memory->buffers; i++)
        if (!memory->buffer[i].theirs)
            free(memory->buffer[i].bytes);
    free(memory->buffer);
    free(memory);
}

static bool holds(const struct buffer *buffer, uint64_t address)
{
    return address >= buffer->address && address - buffer->address < buffer->size;
}

/* The buffer that holds this byte, or NULL. */
static struct buffer *find(struct spacc_memory *memory, uint64_t address)
{
    if (memory->near < memory->buffers && holds(&memory->buffer[memory->near], address))
        return &memory->buffer[memory->near];
    size_t low = 0, high = memory->buffers;
    while (low < high) { /* the first buffer that begins after the address */
        const size_t middle = low + (high - low) / 2;
        if (memory->buffer[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || !holds(&memory->buffer[low - 1], address))
        return NULL;
    memory->near = low - 1;
    return &memory->buffer[low - 1];
}

static enum spacc_status grow(struct spacc_memory *memory)
{
    if (memory->buffers < memory->room)
        return SPACC_OK;
    const size_t room = memory->room ? 2 * memory->room : 16;
    struct buffer *bigger = realloc(memory->buffer, room * sizeof(*bigger));
    if (!bigger)
        return SPACC_ENOMEM;
    memory->buffer = bigger;
    memory->room = room;
    return SPACC_OK;
}

enum spacc_status spacc_memory_alloc(struct spacc_memory *memory, size_t size_bytes,
                                     uint64_t *address, struct spacc_error *err)
{
    *address = 0;
    if (size_bytes == 0 || size_bytes > SIZE_MAX / 2)
        return spacc_fail(err, SPACC_EINVAL, "card buffer of %zu bytes", size_bytes);
    const size_t size = (size_bytes + WORD - 1) / WORD * WORD;
    const size_t room =
        (size + memory->beat_bytes - 1) / memory->beat_bytes * memory->beat_bytes;
    if (grow(memory) != SPACC_OK)
        return spacc_fail(err, SPACC_ENOMEM, "no memory for another card buffer");
    unsigned char *bytes = malloc(room);
    if (!bytes)
        return spacc_fail(err, SPACC_ENOMEM, "no memory for a card buffer of %zu bytes", size);
    memset(bytes, 0xa5, room);
    *address = memory->next_address;
    memory->buffer[memory->buffers++] = (struct buffer){*address, size, bytes, false};
    /* One unmapped page or more behind each buffer. */
    memory->next_address += ((uint64_t)room + LINE - 1) / LINE * LINE + LINE;
    return SPACC_OK;
}

enum spacc_status spacc_memory_map(struct spacc_memory *memory, uint64_t address, void *bytes,
                                   size_t size_bytes, struct spacc_error *err)
{
    const struct buffer *last = memory->buffers ? &memory->buffer[memory->buffers - 1] : NULL;

    if (size_bytes == 0 || size_bytes % LINE || address % LINE || address >= FIRST_ADDRESS ||
        size_bytes > FIRST_ADDRESS - address || (last && address < last->address + last->size))
        return spacc_fail(err, SPACC_EINVAL,
                          "%zu bytes at 0x%" PRIx64 " cannot be mapped behind the card",
                          size_bytes, address);
    if (grow(memory) != SPACC_OK)
        return spacc_fail(err, SPACC_ENOMEM, "no memory for another card buffer");
    memory->buffer[memory->buffers++] = (struct buffer){address, size_bytes, bytes, true};
    return SPACC_OK;
}

void spacc_memory_release(struct spacc_memory *memory, uint64_t address)
{
    struct buffer *buffer = find(memory, address);
    if (!buffer || buffer->address != address)
        return;
    if (!buffer->theirs)
        free(buffer->bytes);
    const size_t i = (size_t)(buffer - memory->buffer);
    memmove(buffer, buffer + 1, (memory->buffers - i - 1) * sizeof(*buffer));
    memory->buffers--;
}

/* The bytes of a range inside one buffer; NULL, with err filled, when it is not. */
static unsigned char *range(struct spacc_memory *memory, uint64_t address, size_t size_bytes,
                            struct spacc_error *err)
{
    struct buffer *buffer = find(memory, address);
    if (!buffer) {
        spacc_fail(err, SPACC_EINVAL, "no card buffer at address 0x%" PRIx64, address);
        return NULL;
    }
    const size_t offset = (size_t)(address - buffer->address);
    if (size_bytes > buffer->size - offset) {
        spacc_fail(err, SPACC_EINVAL,
                   "%zu bytes at address 0x%" PRIx64 ", the card buffer has %zu left",
                   size_bytes, address, buffer->size - offset);
        return NULL;
    }
    return buffer->bytes + offset;
}

enum spacc_status spacc_memory_write(struct spacc_memory *memory, uint64_t address,
                                     const void *from, size_t size_bytes,
                                     struct spacc_error *err)
{
    if (size_bytes == 0)
        return SPACC_OK;
    unsigned char *bytes = range(memory, address, size_bytes, err);
    if (!bytes)
        return SPACC_EINVAL;
    memcpy(bytes, from, size_bytes);
    return SPACC_OK;
}

enum spacc_status spacc_memory_read(struct spacc_memory *memory, uint64_t address, void *to,
                                    size_t size_bytes, struct spacc_error *err)
{
    if (size_bytes == 0)
        return SPACC_OK;
    const unsigned char *bytes = range(memory, address, size_bytes, err);
    if (!bytes)
        return SPACC_EINVAL;
    memcpy(to, bytes, size_bytes);
    return SPACC_OK;
}

/* --- knobs ----------------------------------------------------------------- */

void spacc_memory_set(struct spacc_memory *memory, const struct spacc_memory_knobs *knobs)
{
    memory->knobs = *knobs;
    if (!memory->knobs.latency_cycles)
        memory->knobs.latency_cycles = LATENCY_DEFAULT;
    if (!memory->knobs.beats_per_1024 || memory->knobs.beats_per_1024 > 1024)
        memory->knobs.beats_per_1024 = 1024;
}

void spacc_memory_reset(struct spacc_memory *memory, struct spacc_pins_in *in)
{
    memory->reads = memory->writes = memory->answers = (struct ring){0};
    memory->beats = 0;
    memory->read_credit = memory->write_credit = 0;
    memset(memory->held, 0, sizeof(memory->held));
    memory->waiting.ar = memory->waiting.aw = memory->waiting.w = false;
    memory->violation[0] = '\0';
    in->arready = in->rvalid = in->rlast = in->rresp = 0;
    in->awready = in->wready = in->bvalid = in->bresp = 0;
}

const char *spacc_memory_violation(const struct spacc_memory *memory)
{
    return memory->violation[0] ? memory->violation : NULL;
}

void spacc_memory_stalls(const struct spacc_memory *memory, uint64_t stalls[5])
{
    memcpy(stalls, memory->stalls, sizeof(memory->stalls));
}

/* --- AXI rules ------------------------------------------------------------- */

static void violate(struct spacc_memory *memory, const char *channel, const char *rule,
                    uint64_t address)
{
    if (!memory->violation[0])
        snprintf(memory->violation, sizeof(memory->violation),
                 "AXI %s: %s (address 0x%" PRIx64 ", cycle %" PRIu64 ")", channel, rule,
                 address, memory->cycle);
}

/* As violate(), of a rule that names the width of the bus. */
static void violate_width(struct spacc_memory *memory, const char *channel, const char *rule,
                          uint64_t address)
{
    char text[60];
    snprintf(text, sizeof(text), "%s %u", rule, memory->beat_bytes);
    violate(memory, channel, text, address);
}

static void check_burst(struct spacc_memory *memory, const char *channel, uint64_t address,
                        uint32_t beats, unsigned size, unsigned kind)
{
    if (kind != 1)
        violate(memory, channel, "burst is not INCR", address);
    if (size != memory->beat_size)
        violate_width(memory, channel, "bytes a beat are not", address);
    if (address % memory->beat_bytes != 0)
        violate_width(memory, channel, "address is not a multiple of", address);
    if (address % LINE + (uint64_t)beats * memory->beat_bytes > LINE)
        violate(memory, channel, "burst crosses a 4096-byte line", address);
}

static bool same_beat(const struct spacc_memory *memory, const struct beat *was,
                      const struct spacc_pins_out *out)
{
    return was->strb == out->wstrb && was->last == (out->wlast != 0) &&
           memcmp(was->data, out->wdata, memory->beat_bytes) == 0;
}

/* A valid that was not taken must still be there, with the same payload. */
static void check_holds(struct spacc_memory *memory, const struct spacc_pins_out *out)
{
    const struct waiting *was = &memory->waiting;

    if (was->ar && (!out->arvalid || out->araddr != was->araddr || out->arlen != was->arlen))
        violate(memory, "AR", "changed before it was taken", was->araddr);
    if (was->aw && (!out->awvalid || out->awaddr != was->awaddr || out->awlen != was->awlen))
        violate(memory, "AW", "changed before it was taken", was->awaddr);
    if (was->w && (!out->wvalid || !same_beat(memory, &was->beat, out)))
        violate(memory, "W", "changed before it was taken", out->awaddr);
}

static void fill(const struct spacc_memory *memory, struct beat *beat,
                 const struct spacc_pins_out *out)
{
    for (unsigned i = 0; i < memory->beat_words; i++)
        beat->data[i] = out->wdata[i];
    beat->strb = out->wstrb;
    beat->last = out->wlast != 0;
}

/* Note what is not taken in this cycle, for check_holds() in the next. */
static void note_waiting(struct spacc_memory *memory, const struct spacc_pins_in *in,
                         const struct spacc_pins_out *out)
{
    struct waiting *waiting = &memory->waiting;

    waiting->ar = out->arvalid && !in->arready;
    waiting->aw = out->awvalid && !in->awready;
    waiting->w = out->wvalid && !in->wready;
    if (waiting->ar) {
        waiting->araddr = out->araddr;
        waiting->arlen = out->arlen;
    }
    if (waiting->aw) {
        waiting->awaddr = out->awaddr;
        waiting->awlen = out->awlen;
    }
    if (waiting->w)
        fill(memory, &waiting->beat, out);
}

/* --- a cycle --------------------------------------------------------------- */

static struct burst *oldest(struct ring *ring)
{
    return &ring->burst[ring->first];
}

static void push(struct ring *ring, struct burst burst)
{
    ring->burst[(ring->first + ring->count++) % BURSTS] = burst;
}

static void pop(struct ring *ring)
{
    ring->first = (ring->first + 1) % BURSTS;
    ring->count--;
}

static bool touches_fault(const struct spacc_memory *memory, uint64_t address)
{
    const uint64_t fault = memory->knobs.slverr_address;
    return fault != 0 && fault >= address && fault - address < memory->beat_bytes;
}

/* The response for a beat, and where its bytes are (NULL unless OKAY). An address inside a
 * beat, which has been reported, means the whole of it. */
static uint8_t locate(struct spacc_memory *memory, uint64_t address, unsigned char **bytes)
{
    address &= ~(uint64_t)(memory->beat_bytes - 1);
    struct buffer *buffer = find(memory, address);
    *bytes = NULL;
    if (touches_fault(memory, address))
        return SLVERR;
    if (!buffer)
        return DECERR;
    *bytes = buffer->bytes + (address - buffer->address);
    return OKAY;
}

static void take_read_side(struct spacc_memory *memory, struct spacc_pins_in *in,
                           const struct spacc_pins_out *out)
{
    if (out->arvalid && in->arready) {
        const uint32_t beats = out->arlen + 1u;
        check_burst(memory, "AR", out->araddr, beats, out->arsize, out->arburst);
        push(&memory->reads,
             (struct burst){.address = out->araddr,
                            .beats = beats,
                            .due = memory->cycle + memory->knobs.latency_cycles - 1});
    } else if (out->arvalid && memory->held[SPACC_AR]) {
        memory->stalls[SPACC_AR]++;
    }
    if (in->rvalid && out->rready) {
        struct burst *burst = oldest(&memory->reads);
        if (++burst->beat == burst->beats)
            pop(&memory->reads);
        in->rvalid = 0;
    }
}

static void store(unsigned char *bytes, const struct beat *beat, unsigned words)
{
    for (unsigned w = 0; w < words; w++, bytes += WORD) {
        const unsigned strb = beat->strb >> (WORD * w) & 0xff;
        for (unsigned i = 0; i < WORD; i++)
            if (strb >> i & 1)
                bytes[i] = (unsigned char)(beat->data[w] >> (8 * i));
    }
}

/* Put a beat into the oldest burst. */
static void store_beat(struct spacc_memory *memory, const struct beat *beat)
{
    struct burst *burst = oldest(&memory->writes);
    const uint64_t address = burst->address + (uint64_t)burst->beat * memory->beat_bytes;
    unsigned char *bytes;
    const uint8_t resp = locate(memory, address, &bytes);

    if (bytes)
        store(bytes, beat, memory->beat_words);
    if (resp > burst->resp)
        burst->resp = resp;
    burst->beat++;
    if (beat->last != (burst->beat == burst->beats))
        violate(memory, "W", "WLAST at the wrong beat", address);
    if (burst->beat == burst->beats) {
        burst->due = memory->cycle + memory->knobs.latency_cycles - 1;
        push(&memory->answers, *burst);
        pop(&memory->writes);
    }
}

/* Put the beats that have come into the bursts that have come. */
static void store_beats(struct spacc_memory *memory)
{
    while (memory->beats && memory->writes.count && memory->answers.count < BURSTS) {
        store_beat(memory, &memory->beat[memory->beats_first]);
        memory->beats_first = (memory->beats_first + 1) % BEATS;
        memory->beats--;
    }
}

static void take_write_side(struct spacc_memory *memory, struct spacc_pins_in *in,
                            const struct spacc_pins_out *out)
{
    if (out->awvalid && in->awready) {
        const uint32_t beats = out->awlen + 1u;
        check_burst(memory, "AW", out->awaddr, beats, out->awsize, out->awburst);
        push(&memory->writes, (struct burst){.address = out->awaddr, .beats = beats});
    } else if (out->awvalid && memory->held[SPACC_AW]) {
        memory->stalls[SPACC_AW]++;
    }
    if (out->wvalid && in->wready) {
        fill(memory, &memory->beat[(memory->beats_first + memory->beats++) % BEATS], out);
        memory->write_credit -= 1024;
    } else if (out->wvalid && memory->held[SPACC_W]) {
        memory->stalls[SPACC_W]++;
    }
    if (in->bvalid && out->bready) {
        pop(&memory->answers);
        in->bvalid = 0;
    }
}

/* Which channels to hold back in the next cycle. */
static void draw_stalls(struct spacc_memory *memory)
{
    uint64_t r = memory->random;
    r ^= r << 13;
    r ^= r >> 7;
    r ^= r << 17;
    memory->random = r;
    r >>= 8;
    for (int i = 0; i < 5; i++, r >>= 11)
        memory->held[i] = (r & 1023) < memory->knobs.stall_per_1024;
}

/* A word; what is not there (bytes is NULL) reads as a pattern that shows. */
static uint64_t load(const unsigned char *bytes)
{
    uint64_t data = 0;
    if (!bytes)
        return UINT64_C(0xbadbadbadbadbad0);
    for (int i = 0; i < WORD; i++)
        data |= (uint64_t)bytes[i] << (8 * i);
    return data;
}

static void offer_read(struct spacc_memory *memory, struct spacc_pins_in *in)
{
    if (in->rvalid || !memory->reads.count || memory->knobs.no_read ||
        memory->read_credit < 1024)
        return;
    const struct burst *burst = oldest(&memory->reads);
    if (memory->cycle < burst->due)
        return;
    if (memory->held[SPACC_R]) {
        memory->stalls[SPACC_R]++;
        return;
    }
    unsigned char *bytes;
    in->rresp =
        locate(memory, burst->address + (uint64_t)burst->beat * memory->beat_bytes, &bytes);
    for (unsigned w = 0; w < memory->beat_words; w++)
        in->rdata[w] = load(bytes ? bytes + w * WORD : NULL);
    in->rlast = burst->beat + 1 == burst->beats;
    in->rvalid = 1;
    memory->read_credit -= 1024;
}

static void offer_answer(struct spacc_memory *memory, struct spacc_pins_in *in)
{
    if (in->bvalid || !memory->answers.count || memory->knobs.no_write)
        return;
    const struct burst *burst = oldest(&memory->answers);
    if (memory->cycle < burst->due)
        return;
    if (memory->held[SPACC_B]) {
        memory->stalls[SPACC_B]++;
        return;
    }
    in->bresp = burst->resp;
    in->bvalid = 1;
}

static uint64_t earn(uint64_t credit, uint32_t beats_per_1024)
{
    credit += beats_per_1024;
    return credit > 2048 ? 2048 : credit;
}

void spacc_memory_step(struct spacc_memory *memory, struct spacc_pins_in *in,
                       const struct spacc_pins_out *out)
{
    memory->cycle++;
    check_holds(memory, out);
    note_waiting(memory, in, out);

    take_read_side(memory, in, out);
    take_write_side(memory, in, out);
    store_beats(memory);

    memory->read_credit = earn(memory->read_credit, memory->knobs.beats_per_1024);
    memory->write_credit = earn(memory->write_credit, memory->knobs.beats_per_1024);
    if (memory->knobs.stall_per_1024)
        draw_stalls(memory);
    else
        memset(memory->held, 0, sizeof(memory->held));
    offer_read(memory, in);
    offer_answer(memory, in);
    in->arready = memory->reads.count < BURSTS && !memory->held[SPACC_AR];
    in->awready = memory->writes.count < BURSTS && !memory->held[SPACC_AW];
    in->wready =
        memory->beats < BEATS && memory->write_credit >= 1024 && !memory->held[SPACC_W];
}
