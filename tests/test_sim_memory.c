/* The memory behind the simulated card, driven by hand: what it answers, when, and which
 * broken AXI rules it notices; with a bus of every width. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sim/memory.h"

struct bench {
    unsigned beat; /* bytes */
    struct spacc_memory *memory;
    struct spacc_pins_in in;
    struct spacc_pins_out out;
    uint64_t address;
};

static void begin(struct bench *b, void **state, const struct spacc_memory_knobs *knobs)
{
    struct spacc_error err;
    memset(b, 0, sizeof(*b));
    b->beat = *(const unsigned *)*state;
    b->memory = spacc_memory_new(7, b->beat);
    assert_non_null(b->memory);
    if (knobs)
        spacc_memory_set(b->memory, knobs);
    assert_int_equal(spacc_memory_alloc(b->memory, 8192, &b->address, &err), SPACC_OK);
    while (1u << b->out.arsize < b->beat)
        b->out.arsize = ++b->out.awsize;
    b->out.arburst = b->out.awburst = 1;
    b->out.rready = b->out.bready = 1;
    b->out.wstrb = UINT64_MAX >> (64 - b->beat);
    spacc_memory_reset(b->memory, &b->in);
    spacc_memory_step(b->memory, &b->in, &b->out);
}

static void end(struct bench *b)
{
    spacc_memory_free(b->memory);
}

static void step(struct bench *b)
{
    spacc_memory_step(b->memory, &b->in, &b->out);
}

static void ask(struct bench *b, uint64_t address, unsigned beats)
{
    b->out.arvalid = 1;
    b->out.araddr = address;
    b->out.arlen = (uint8_t)(beats - 1);
    step(b);
    b->out.arvalid = 0;
}

static void announce(struct bench *b, uint64_t address, unsigned beats)
{
    b->out.awvalid = 1;
    b->out.awaddr = address;
    b->out.awlen = (uint8_t)(beats - 1);
    step(b);
    b->out.awvalid = 0;
}

/* Word w of the beat is data + w. */
static void send(struct bench *b, uint64_t data, int last)
{
    b->out.wvalid = 1;
    for (unsigned w = 0; w < b->beat / 8; w++)
        b->out.wdata[w] = data + w;
    b->out.wlast = last != 0;
    step(b);
    b->out.wvalid = 0;
}

static void broke(const struct bench *b, const char *rule)
{
    const char *violation = spacc_memory_violation(b->memory);
    if (!violation || !strstr(violation, rule))
        fail_msg("want '%s', got '%s'", rule, violation ? violation : "nothing");
}

static void a_read_comes_after_its_latency_and_then_every_cycle(void **state)
{
    struct bench b;
    uint64_t words[4 * SPACC_PINS_WORDS];
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        words[i] = UINT64_C(0x0123456789abcdef) * (i + 1);
    begin(&b, state, &(struct spacc_memory_knobs){.latency_cycles = 9});
    assert_int_equal(spacc_memory_write(b.memory, b.address, words, sizeof(words), NULL),
                     SPACC_OK);
    ask(&b, b.address, 4);
    for (int i = 1; i < 9; i++) {
        assert_false(b.in.rvalid);
        step(&b);
    }
    for (int i = 0; i < 4; i++) {
        assert_true(b.in.rvalid);
        assert_memory_equal(b.in.rdata, (unsigned char *)words + (unsigned)i * b.beat, b.beat);
        assert_int_equal(b.in.rlast, i == 3);
        assert_int_equal(b.in.rresp, 0);
        step(&b);
    }
    assert_false(b.in.rvalid);
    assert_null(spacc_memory_violation(b.memory));
    end(&b);
}

static void bandwidth_limits_the_beats(void **state)
{
    struct bench b;
    begin(&b, state, &(struct spacc_memory_knobs){.latency_cycles = 1, .beats_per_1024 = 256});
    int cycles = 0;
    for (unsigned burst = 0; burst < 4; burst++) { /* of 50 beats, none across a line */
        ask(&b, b.address + 4096u * (burst % 2), 50);
        for (int beats = 0; beats < 50; cycles++) {
            beats += b.in.rvalid;
            step(&b);
        }
    }
    assert_in_range(cycles, 780, 810); /* four cycles a beat */
    assert_null(spacc_memory_violation(b.memory));
    end(&b);
}

static void words_may_come_before_their_address(void **state)
{
    struct bench b;
    uint64_t got[2 * SPACC_PINS_WORDS];
    begin(&b, state, NULL);
    const unsigned words = b.beat / 8;
    send(&b, 5, 0);
    b.out.wstrb = UINT64_C(0x0f) << (b.beat - 8); /* half of the last word */
    send(&b, UINT64_C(0x1122334455667788), 1);
    announce(&b, b.address + 2 * b.beat, 2);
    for (int i = 0; i < 100 && !b.in.bvalid; i++)
        step(&b);
    assert_true(b.in.bvalid);
    assert_int_equal(b.in.bresp, 0);
    assert_int_equal(spacc_memory_read(b.memory, b.address + 2 * b.beat, got, 2 * b.beat, NULL),
                     SPACC_OK);
    for (unsigned w = 0; w < words; w++)
        assert_int_equal(got[w], 5 + w);
    for (unsigned w = 0; w < words; w++)
        assert_int_equal(got[words + w], w + 1 == words ? UINT64_C(0xa5a5a5a555667788) + w
                                                        : UINT64_C(0xa5a5a5a5a5a5a5a5));
    assert_null(spacc_memory_violation(b.memory));
    end(&b);
}

static void outside_of_buffers_is_a_decode_error(void **state)
{
    struct bench b;
    begin(&b, state, NULL);
    ask(&b, b.address + 8192, 1);
    for (int i = 0; i < 100 && !b.in.rvalid; i++)
        step(&b);
    assert_int_equal(b.in.rresp, 3);
    announce(&b, b.address + 8192, 1);
    send(&b, 1, 1);
    for (int i = 0; i < 100 && !b.in.bvalid; i++)
        step(&b);
    assert_int_equal(b.in.bresp, 3);
    end(&b);
}

static void broken_rules_are_noticed(void **state)
{
    struct bench b;
    char rule[40];

    begin(&b, state, NULL);
    ask(&b, b.address + 4096 - b.beat, 2);
    broke(&b, "crosses a 4096-byte line");
    end(&b);

    begin(&b, state, NULL);
    ask(&b, b.address + b.beat / 2, 1);
    snprintf(rule, sizeof(rule), "not a multiple of %u", b.beat);
    broke(&b, rule);
    end(&b);

    begin(&b, state, NULL);
    b.out.arburst = 2;
    ask(&b, b.address, 1);
    broke(&b, "not INCR");
    end(&b);

    begin(&b, state, NULL);
    b.out.awsize--; /* AXI allows it, this memory does not */
    announce(&b, b.address, 1);
    snprintf(rule, sizeof(rule), "bytes a beat are not %u", b.beat);
    broke(&b, rule);
    end(&b);

    begin(&b, state, NULL);
    announce(&b, b.address, 3);
    send(&b, 0, 0);
    assert_null(spacc_memory_violation(b.memory));
    send(&b, 0, 1);
    broke(&b, "WLAST");
    end(&b);

    begin(&b, state, NULL);
    announce(&b, b.address, 1);
    send(&b, 0, 0);
    broke(&b, "WLAST");
    end(&b);
}

/* Always stalled, so nothing is taken and everything must be held. */
static void a_valid_that_is_withdrawn_or_changed_is_noticed(void **state)
{
    (void)state;
    const struct spacc_memory_knobs closed = {.stall_per_1024 = 1024};
    struct bench b;

    begin(&b, state, &closed);
    ask(&b, b.address, 1);
    assert_null(spacc_memory_violation(b.memory));
    step(&b);
    broke(&b, "AR: changed");
    end(&b);

    begin(&b, state, &closed);
    announce(&b, b.address, 1);
    b.out.awvalid = 1;
    b.out.awaddr += b.beat;
    step(&b);
    broke(&b, "AW: changed");
    end(&b);

    begin(&b, state, &closed);
    send(&b, 1, 1);
    send(&b, 2, 1);
    broke(&b, "W: changed");
    end(&b);

    begin(&b, state, &closed); /* only the last word differs */
    send(&b, 1, 1);
    b.out.wvalid = 1;
    b.out.wdata[b.beat / 8 - 1]++;
    step(&b);
    broke(&b, "W: changed");
    spacc_memory_reset(b.memory, &b.in);
    assert_null(spacc_memory_violation(b.memory));
    end(&b);
}

/* The bus sees whole beats, the host the bytes it asked for, rounded up to 8. */
static void the_last_beat_of_a_buffer_can_be_read_whole(void **state)
{
    struct bench b;
    uint64_t address, word = 77, got[SPACC_PINS_WORDS];
    begin(&b, state, &(struct spacc_memory_knobs){.latency_cycles = 1});
    assert_int_equal(spacc_memory_alloc(b.memory, 5, &address, NULL), SPACC_OK);
    assert_int_equal(spacc_memory_write(b.memory, address, &word, 8, NULL), SPACC_OK);
    assert_int_equal(spacc_memory_read(b.memory, address, got, 9, NULL), SPACC_EINVAL);
    assert_int_equal(spacc_memory_read(b.memory, address + 8, got, 1, NULL), SPACC_EINVAL);
    ask(&b, address, 1);
    assert_true(b.in.rvalid);
    assert_int_equal(b.in.rresp, 0);
    assert_int_equal(b.in.rdata[0], 77);
    end(&b);
}

/* A fault at any byte of a beat spoils it, and no other. */
static void a_fault_spoils_the_beat_that_holds_it(void **state)
{
    struct bench b;
    begin(&b, state, NULL);
    for (unsigned byte = 0; byte < b.beat; byte += 7) {
        spacc_memory_set(b.memory,
                         &(struct spacc_memory_knobs){
                             .latency_cycles = 1, .slverr_address = b.address + b.beat + byte});
        ask(&b, b.address, 3);
        for (int i = 0; i < 3; i++) {
            assert_true(b.in.rvalid);
            assert_int_equal(b.in.rresp, i == 1 ? 2 : 0);
            step(&b);
        }
    }
    end(&b);
}

/* The caller's bytes, where the caller wants them: the card reads what stands there now, and
 * the page behind is nobody's. */
static void mapped_bytes_are_the_callers(void **state)
{
    static unsigned char bytes[8192];
    static const struct {
        uint64_t address;
        size_t size_bytes;
    } wrong[] = {{0x1800, 4096}, {0x2000, 100},      {0x2000, 0},
                 {0x1000, 4096}, {1ull << 36, 4096}, {(1ull << 36) - 4096, 8192}};
    struct bench b;
    struct spacc_error err;
    unsigned char got[2];

    begin(&b, state, NULL);
    assert_int_equal(spacc_memory_map(b.memory, 0x2000, bytes, sizeof(bytes), &err),
                     SPACC_EINVAL); /* a buffer was allocated before */
    end(&b);
    b.memory = spacc_memory_new(7, b.beat);
    assert_non_null(b.memory);
    assert_int_equal(spacc_memory_map(b.memory, 0x1000, bytes, sizeof(bytes), &err), SPACC_OK);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(
            spacc_memory_map(b.memory, wrong[i].address, bytes, wrong[i].size_bytes, &err),
            SPACC_EINVAL);
    bytes[8190] = 0x5a;
    assert_int_equal(spacc_memory_read(b.memory, 0x2ffe, got, 2, &err), SPACC_OK);
    assert_int_equal(got[0], 0x5a);
    assert_int_equal(spacc_memory_write(b.memory, 0x1fff, "x", 1, &err), SPACC_OK);
    assert_int_equal(bytes[0xfff], 'x');
    assert_int_equal(spacc_memory_read(b.memory, 0x2fff, got, 2, &err), SPACC_EINVAL);
    spacc_memory_release(b.memory, 0x1000);
    assert_int_equal(bytes[0xfff], 'x');
    end(&b);
}

static void addresses_are_never_used_twice(void **state)
{
    struct bench b;
    uint64_t address, last = 0;
    unsigned char byte;
    begin(&b, state, NULL);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(spacc_memory_alloc(b.memory, 1 + (size_t)i * 7, &address, NULL),
                         SPACC_OK);
        assert_int_equal(address % 4096, 0);
        assert_true(address > last);
        last = address;
        assert_int_equal(spacc_memory_read(b.memory, address, &byte, 1, NULL), SPACC_OK);
        if (i % 3) {
            spacc_memory_release(b.memory, address);
            assert_int_equal(spacc_memory_read(b.memory, address, &byte, 1, NULL),
                             SPACC_EINVAL);
        }
    }
    end(&b);
}

int main(void)
{
    static const struct {
        const char *name;
        CMUnitTestFunction run;
    } all[] = {
#define T(test) {#test, test}
        T(a_read_comes_after_its_latency_and_then_every_cycle),
        T(bandwidth_limits_the_beats),
        T(words_may_come_before_their_address),
        T(outside_of_buffers_is_a_decode_error),
        T(broken_rules_are_noticed),
        T(a_valid_that_is_withdrawn_or_changed_is_noticed),
        T(the_last_beat_of_a_buffer_can_be_read_whole),
        T(a_fault_spoils_the_beat_that_holds_it),
        T(mapped_bytes_are_the_callers),
        T(addresses_are_never_used_twice),
#undef T
    };
    enum { TESTS = sizeof(all) / sizeof(all[0]) };
    int failed = 0;

    for (unsigned beat = 8; beat <= 64; beat *= 2) {
        struct CMUnitTest tests[TESTS];
        char group[40];
        for (int i = 0; i < TESTS; i++)
            tests[i] = (struct CMUnitTest){all[i].name, all[i].run, NULL, NULL, &beat};
        snprintf(group, sizeof(group), "a bus of %u bits", 8 * beat);
        failed += _cmocka_run_group_tests(group, tests, TESTS, NULL, NULL);
    }
    return failed;
}
