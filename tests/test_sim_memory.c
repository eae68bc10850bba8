/* The memory behind the simulated card, driven by hand: what it answers, when, and which
 * broken AXI rules it notices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sim/memory.h"

struct bench {
    struct spacc_memory *memory;
    struct spacc_pins_in in;
    struct spacc_pins_out out;
    uint64_t address;
};

static void begin(struct bench *b, const struct spacc_memory_knobs *knobs)
{
    struct spacc_error err;
    memset(b, 0, sizeof(*b));
    b->memory = spacc_memory_new(7);
    assert_non_null(b->memory);
    if (knobs)
        spacc_memory_set(b->memory, knobs);
    assert_int_equal(spacc_memory_alloc(b->memory, 8192, &b->address, &err), SPACC_OK);
    b->out.arsize = b->out.awsize = 3;
    b->out.arburst = b->out.awburst = 1;
    b->out.rready = b->out.bready = 1;
    b->out.wstrb = 0xff;
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

static void send(struct bench *b, uint64_t data, int last)
{
    b->out.wvalid = 1;
    b->out.wdata = data;
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
    (void)state;
    struct bench b;
    uint64_t words[4] = {11, 22, 33, 44};
    begin(&b, &(struct spacc_memory_knobs){.latency_cycles = 9});
    assert_int_equal(spacc_memory_write(b.memory, b.address, words, sizeof(words), NULL),
                     SPACC_OK);
    ask(&b, b.address, 4);
    for (int i = 1; i < 9; i++) {
        assert_false(b.in.rvalid);
        step(&b);
    }
    for (int i = 0; i < 4; i++) {
        assert_true(b.in.rvalid);
        assert_int_equal(b.in.rdata, words[i]);
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
    (void)state;
    struct bench b;
    begin(&b, &(struct spacc_memory_knobs){.latency_cycles = 1, .beats_per_1024 = 256});
    ask(&b, b.address, 200);
    int cycles = 0;
    for (int beats = 0; beats < 200; cycles++) {
        beats += b.in.rvalid;
        step(&b);
    }
    assert_in_range(cycles, 780, 810); /* four cycles a beat */
    end(&b);
}

static void words_may_come_before_their_address(void **state)
{
    (void)state;
    struct bench b;
    uint64_t got[2];
    begin(&b, NULL);
    send(&b, 5, 0);
    b.out.wstrb = 0x0f;
    send(&b, UINT64_MAX, 1);
    announce(&b, b.address + 16, 2);
    for (int i = 0; i < 100 && !b.in.bvalid; i++)
        step(&b);
    assert_true(b.in.bvalid);
    assert_int_equal(b.in.bresp, 0);
    assert_int_equal(spacc_memory_read(b.memory, b.address + 16, got, sizeof(got), NULL),
                     SPACC_OK);
    assert_int_equal(got[0], 5);
    assert_int_equal(got[1], UINT64_C(0xa5a5a5a5ffffffff));
    assert_null(spacc_memory_violation(b.memory));
    end(&b);
}

static void outside_of_buffers_is_a_decode_error(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, NULL);
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
    (void)state;
    struct bench b;

    begin(&b, NULL);
    ask(&b, b.address + 4088, 2);
    broke(&b, "crosses a 4096-byte line");
    end(&b);

    begin(&b, NULL);
    ask(&b, b.address + 4, 1);
    broke(&b, "multiple of 8");
    end(&b);

    begin(&b, NULL);
    b.out.arburst = 2;
    ask(&b, b.address, 1);
    broke(&b, "not INCR");
    end(&b);

    begin(&b, NULL);
    b.out.awsize = 2;
    announce(&b, b.address, 1);
    broke(&b, "beat is not 8 bytes");
    end(&b);

    begin(&b, NULL);
    announce(&b, b.address, 3);
    send(&b, 0, 0);
    assert_null(spacc_memory_violation(b.memory));
    send(&b, 0, 1);
    broke(&b, "WLAST");
    end(&b);

    begin(&b, NULL);
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

    begin(&b, &closed);
    ask(&b, b.address, 1);
    assert_null(spacc_memory_violation(b.memory));
    step(&b);
    broke(&b, "AR: changed");
    end(&b);

    begin(&b, &closed);
    announce(&b, b.address, 1);
    b.out.awvalid = 1;
    b.out.awaddr += 8;
    step(&b);
    broke(&b, "AW: changed");
    end(&b);

    begin(&b, &closed);
    send(&b, 1, 1);
    send(&b, 2, 1);
    broke(&b, "W: changed");
    spacc_memory_reset(b.memory, &b.in);
    assert_null(spacc_memory_violation(b.memory));
    end(&b);
}

static void addresses_are_never_used_twice(void **state)
{
    (void)state;
    struct bench b;
    uint64_t address, last = 0;
    unsigned char byte;
    begin(&b, NULL);
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_comes_after_its_latency_and_then_every_cycle),
        cmocka_unit_test(bandwidth_limits_the_beats),
        cmocka_unit_test(words_may_come_before_their_address),
        cmocka_unit_test(outside_of_buffers_is_a_decode_error),
        cmocka_unit_test(broken_rules_are_noticed),
        cmocka_unit_test(a_valid_that_is_withdrawn_or_changed_is_noticed),
        cmocka_unit_test(addresses_are_never_used_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
