/* A card behind a serial line: first the host's end against boards that misbehave (a
 * process each, at the other end of a socket), then all of it: the Verilated board of
 * spacc_board_sim on a pseudo-terminal, also with a line that damages and loses bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/card/card.h"
#include "host/card/uart.h"
#include "rtl/card_map.h"

static void ok(enum spacc_status status, const struct spacc_error *err)
{
    if (status != SPACC_OK)
        fail_msg("%s: %s", spacc_status_name(status), err->text);
}

static void says(const struct spacc_error *err, const char *part)
{
    if (!strstr(err->text, part))
        fail_msg("'%s' does not say '%s'", err->text, part);
}

/* ---- boards that misbehave --------------------------------------------------- */

enum { MEMORY = 16384, PAYLOAD = 512, START = 0xa5, ANSWER = 0x5a };
enum { IDENTIFY, POLL, REG_READ, REG_WRITE, MEM_READ, MEM_WRITE, CARD_RESET };
enum { OK, NAK, BUS, TIMEOUT, RANGE, COMMAND };

static const uint32_t BASE = 0x80000000;

/* A request as the board got it. */
struct request {
    uint8_t tag, command;
    uint32_t address, length;
    uint8_t payload[PAYLOAD];
};

/* Bit by bit, unlike the driver's. */
static uint16_t crc(const uint8_t *data, size_t count)
{
    unsigned c = 0xffff;
    for (size_t i = 0; i < 8 * count; i++) {
        const unsigned top = (c >> 15 ^ (unsigned)data[i / 8] >> (7 - i % 8)) & 1u;
        c = (c << 1 & 0xffff) ^ (top ? 0x1021u : 0u);
    }
    return (uint16_t)c;
}

static void take_bytes(int fd, uint8_t *to, size_t count)
{
    for (size_t done = 0; done < count;) {
        const ssize_t n = read(fd, to + done, count - done);
        if (n <= 0)
            _exit(0); /* the host has closed */
        done += (size_t)n;
    }
}

static void give_bytes(int fd, const uint8_t *from, size_t count)
{
    if (write(fd, from, count) != (ssize_t)count)
        _exit(0);
}

static uint32_t number(const uint8_t *from, int bytes)
{
    return bytes ? from[0] | number(from + 1, bytes - 1) << 8 : 0;
}

/* What comes must be whole: the socket loses nothing. */
static struct request get_request(int fd)
{
    uint8_t f[9 + PAYLOAD + 2];
    struct request r = {0};
    take_bytes(fd, f, 9);
    r.tag = f[1];
    r.command = f[2];
    r.address = number(f + 3, 4);
    r.length = number(f + 7, 2);
    const size_t payload = r.command == REG_WRITE || r.command == MEM_WRITE ? r.length : 0;
    if (f[0] != START || payload > PAYLOAD)
        _exit(3);
    take_bytes(fd, f + 9, payload + 2);
    if (crc(f + 1, 8 + payload + 2) != 0)
        _exit(4);
    memcpy(r.payload, f + 9, payload);
    return r;
}

static void put_answer(int fd, uint8_t tag, uint8_t status, const uint8_t *payload,
                       size_t count)
{
    uint8_t f[5 + PAYLOAD + 2] = {ANSWER, tag, status, (uint8_t)count, (uint8_t)(count >> 8)};
    if (count)
        memcpy(f + 5, payload, count);
    const uint16_t c = crc(f + 1, 4 + count);
    f[5 + count] = (uint8_t)(c >> 8);
    f[6 + count] = (uint8_t)c;
    give_bytes(fd, f, 7 + count);
}

static const uint8_t identity[16] = {
    1, 0, PAYLOAD & 255, PAYLOAD >> 8, 0, 0, 0, 0x80, 0, MEMORY >> 8, 0, 0, 0, 0xe1, 0xf5, 5};

/* A board whose card has the registers of card_map.h, as far as attach() reads them. */
static uint32_t card_register(uint32_t offset)
{
    switch (offset) {
    case SPACC_REG_IDENTITY: return SPACC_CARD_MAGIC;
    case SPACC_REG_VERSION: return SPACC_CARD_VERSION;
    case SPACC_REG_CONFIG_ARRAY: return 4u << 16 | 4;
    case SPACC_REG_CONFIG_WIDTHS: return 8u << 24 | 8 << 16 | 16 << 8 | 16;
    case SPACC_REG_CONFIG_VECTOR_WORDS: return 64u << 16 | 64;
    case SPACC_REG_CONFIG_CELLS: return 32u << 16 | 1 << 8 | 1;
    case SPACC_REG_CONFIG_MASKS: return 0;
    default: return 64;
    }
}

static void serve(int fd, const struct request *r)
{
    static uint8_t memory[MEMORY];
    const uint32_t value = card_register(r->address);
    const uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                              (uint8_t)(value >> 24)};
    switch (r->command) {
    case IDENTIFY: put_answer(fd, r->tag, OK, identity, sizeof(identity)); break;
    case POLL:
    case REG_READ: put_answer(fd, r->tag, OK, bytes, 4); break;
    case MEM_WRITE:
        memcpy(memory + (r->address - BASE), r->payload, r->length);
        put_answer(fd, r->tag, OK, NULL, 0);
        break;
    case MEM_READ: put_answer(fd, r->tag, OK, memory + (r->address - BASE), r->length); break;
    default: put_answer(fd, r->tag, OK, NULL, 0); break;
    }
}

/* The boards: each takes one end of a socket and never returns. */

static void polite(int fd)
{
    for (;;) {
        const struct request r = get_request(fd);
        serve(fd, &r);
    }
}

static void silent(int fd)
{
    uint8_t byte;
    for (;;)
        take_bytes(fd, &byte, 1);
}

static void gone(int fd)
{
    (void)get_request(fd);
    _exit(0);
}

static void babbling(int fd)
{
    for (unsigned i = 1;; i = i * 1103515245u + 12345u) {
        const uint8_t byte = (uint8_t)(i >> 16);
        give_bytes(fd, &byte, 1);
    }
}

static void of_version_2(int fd)
{
    uint8_t other[sizeof(identity)];
    memcpy(other, identity, sizeof(other));
    other[0] = 2;
    const struct request r = get_request(fd);
    put_answer(fd, r.tag, OK, other, sizeof(other));
    silent(fd);
}

static void without_a_clock(int fd)
{
    uint8_t other[sizeof(identity)];
    memcpy(other, identity, sizeof(other));
    memset(other + 12, 0, 4);
    const struct request r = get_request(fd);
    put_answer(fd, r.tag, OK, other, sizeof(other));
    silent(fd);
}

/* Every request is answered in a wrong way first: NAK, a damaged answer, nothing, an
 * answer to an older request, noise in front. The tag of a repetition is the same. */
static void clumsy(int fd)
{
    static const uint8_t noise[] = {1, 2, 3, 0}, damaged[] = {ANSWER, 1, 0, 0, 0, 9, 9};
    for (unsigned i = 0;; i++) {
        struct request r = get_request(fd);
        const uint8_t tag = r.tag;
        if (i % 5 == 0)
            put_answer(fd, 77, NAK, NULL, 0);
        else if (i % 5 == 1)
            give_bytes(fd, damaged, sizeof(damaged));
        if (i % 5 < 3) {
            r = get_request(fd);
            if (r.tag != tag)
                _exit(5);
        }
        if (i % 5 == 3)
            put_answer(fd, (uint8_t)(tag - 1), OK, noise, 4);
        if (i % 5 == 4)
            give_bytes(fd, noise, 3);
        serve(fd, &r);
    }
}

/* Good until a register is asked for at or above 0x200: then that status, offset / 256 - 1. */
static void refusing(int fd)
{
    for (;;) {
        const struct request r = get_request(fd);
        if (r.command == REG_READ && r.address >= 0x200)
            put_answer(fd, r.tag, (uint8_t)(r.address / 256), NULL, 0);
        else
            serve(fd, &r);
    }
}

struct peer {
    pid_t pid;
    int fd; /* ours */
};

static struct peer start(void (*board)(int fd))
{
    struct peer p;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    p.fd = ends[0];
    p.pid = fork();
    assert_true(p.pid >= 0);
    if (p.pid == 0) {
        signal(SIGPIPE, SIG_IGN);
        close(ends[0]);
        board(ends[1]);
        _exit(0);
    }
    close(ends[1]);
    return p;
}

/* It ends by itself when our end is closed, with 0. */
static void stop(const struct peer *p)
{
    int state = -1;
    assert_int_equal(waitpid(p->pid, &state, 0), p->pid);
    assert_int_equal(state, 0);
}

static const struct spacc_uart_options quick = {
    .device = "test line", .timeout_ms = 50, .attempts = 3};

static void refused(void (*board)(int fd), enum spacc_status want, const char *part)
{
    const struct peer p = start(board);
    struct spacc_uart *uart = (struct spacc_uart *)&quick;
    struct spacc_error err = {0};
    assert_int_equal(spacc_uart_attach(&uart, p.fd, &quick, &err), want);
    assert_null(uart);
    says(&err, "test line");
    says(&err, part);
    stop(&p);
}

static void boards_that_do_not_answer_are_refused(void **state)
{
    (void)state;
    refused(silent, SPACC_ETIMEOUT, "no answer to the request 'identify' (3 attempts");
    refused(babbling, SPACC_ETIMEOUT, "identify");
    refused(gone, SPACC_EIO, "gone");
    refused(of_version_2, SPACC_EDEVICE, "version 2");
    refused(without_a_clock, SPACC_EDEVICE, "0 Hz");
}

static void open_over(struct spacc_card **card, struct spacc_uart **uart, const struct peer *p)
{
    struct spacc_error err = {0};
    ok(spacc_uart_attach(uart, p->fd, &quick, &err), &err);
    ok(spacc_card_attach(card, spacc_uart_card_ops(), *uart, spacc_uart_clock_hz(*uart), &err),
       &err);
}

static void a_clumsy_board_is_asked_again(void **state)
{
    (void)state;
    const struct peer p = start(clumsy);
    struct spacc_uart *uart;
    struct spacc_card *card;
    struct spacc_error err = {0};
    uint8_t sent[3000], got[3000] = {0};
    uint64_t address;

    open_over(&card, &uart, &p);
    ok(spacc_card_alloc(card, sizeof(sent), &address, &err), &err);
    for (size_t i = 0; i < sizeof(sent); i++)
        sent[i] = (uint8_t)(i * 31 >> 2);
    ok(spacc_card_write(card, address, sent, sizeof(sent), &err), &err);
    ok(spacc_card_read(card, address + 1, got, sizeof(got) - 1, &err), &err);
    assert_memory_equal(got, sent + 1, sizeof(sent) - 1);
    assert_true(spacc_uart_repeats(uart) > 10);
    spacc_card_close(card);
    stop(&p);
}

static void a_refusal_is_an_error_and_not_repeated(void **state)
{
    (void)state;
    static const struct {
        uint32_t offset;
        enum spacc_status status;
        const char *part;
    } cases[] = {{0x200, SPACC_EDEVICE, "0x200: bus error"},
                 {0x300, SPACC_ETIMEOUT, "0x300: the card does not answer"},
                 {0x400, SPACC_EINVAL, "outside of the board's memory"},
                 {0x500, SPACC_EDEVICE, "status 5"}};
    const struct peer p = start(refusing);
    struct spacc_uart *uart;
    struct spacc_card *card;
    struct spacc_error err = {0};
    uint32_t value;

    open_over(&card, &uart, &p);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(spacc_card_reg_read(card, cases[i].offset, &value, &err),
                         cases[i].status);
        says(&err, cases[i].part);
        says(&err, "test line: register read");
    }
    assert_int_equal(spacc_uart_repeats(uart), 0);
    spacc_card_close(card);
    stop(&p);
}

static void the_boards_memory_is_shared_out_first_fit(void **state)
{
    (void)state;
    const struct peer p = start(polite);
    struct spacc_uart *uart;
    struct spacc_card *card;
    struct spacc_error err = {0};
    uint64_t a, b, c, d;
    uint8_t byte = 0;

    open_over(&card, &uart, &p);
    assert_int_equal(spacc_uart_memory_bytes(uart), MEMORY);
    ok(spacc_card_alloc(card, 1, &a, &err), &err);
    ok(spacc_card_alloc(card, 4097, &b, &err), &err);
    ok(spacc_card_alloc(card, 4096, &c, &err), &err);
    assert_int_equal(a, BASE);
    assert_int_equal(b, BASE + 4096);
    assert_int_equal(c, BASE + 3 * 4096);
    assert_int_equal(spacc_card_alloc(card, 1, &d, &err), SPACC_ENOMEM);
    says(&err, "no room for 1 bytes");
    spacc_card_release(card, b);
    spacc_card_release(card, b + 8); /* unknown: nothing happens */
    assert_int_equal(spacc_card_alloc(card, 8193, &d, &err), SPACC_ENOMEM);
    says(&err, "largest gap is 8192 of 16384");
    ok(spacc_card_alloc(card, 8192, &d, &err), &err);
    assert_int_equal(d, b);
    assert_int_equal(spacc_card_alloc(card, 0, &d, &err), SPACC_EINVAL);

    ok(spacc_card_write(card, a, &byte, 1, &err), &err);
    assert_int_equal(spacc_card_write(card, a + 1, &byte, 1, &err), SPACC_EINVAL);
    assert_int_equal(spacc_card_read(card, a - 1, &byte, 1, &err), SPACC_EINVAL);
    assert_int_equal(spacc_card_read(card, a + 1, &byte, SIZE_MAX, &err), SPACC_EINVAL);
    says(&err, "outside of every buffer");
    spacc_card_close(card);
    stop(&p);
}

static void names_that_are_no_serial_line_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum spacc_status status;
        const char *part;
    } cases[] = {
        {"uart:", SPACC_EINVAL, "no serial device"},
        {"uart:/dev/null", SPACC_EIO, "/dev/null: not a serial line"},
        {"uart:/no/such/tty@115200", SPACC_EIO, "/no/such/tty: cannot open"},
        {"uart:/dev/null@12345", SPACC_EINVAL, "/dev/null: 12345 baud"},
        {"uart:/dev/null@fast", SPACC_EINVAL, "'fast'"},
        {"uart:/dev/null@", SPACC_EINVAL, "no baud"},
        {"uart:/dev/null@-9600", SPACC_EINVAL, "'-9600'"},
        {"usart:/dev/null", SPACC_EUNSUPPORTED, "uart:DEVICE"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct spacc_card *card;
        struct spacc_error err = {0};
        assert_int_equal(spacc_card_open(&card, cases[i].name, &err), cases[i].status);
        assert_null(card);
        says(&err, cases[i].part);
    }
}

/* ---- the Verilated board -------------------------------------------------------- */

#ifdef SPACC_BOARD_SIM

#include "host/session.h"
#include "tests/rnn_maker.h"

enum { LIMIT_US = 20000, WORDS = SPACC_INSTRUCTION_WORDS, REGION = 8192 };

struct board {
    pid_t pid;
    int input, report;
    char name[160]; /* "uart:/dev/pts/7" */
};

/* One line of it; the far end has written it whole. */
static void read_line(int fd, char *to, size_t size)
{
    size_t used = 0;
    while (used + 1 < size && read(fd, to + used, 1) == 1 && to[used] != '\n')
        used++;
    to[used] = '\0';
}

static struct board power_up(const char *flips, const char *drops)
{
    struct board b;
    int input[2], output[2], report[2];
    char device[128];

    assert_int_equal(pipe(input) | pipe(output) | pipe(report), 0);
    b.pid = fork();
    assert_true(b.pid >= 0);
    if (b.pid == 0) {
        if (dup2(input[0], 0) < 0 || dup2(output[1], 1) < 0 || dup2(report[1], 2) < 0)
            _exit(9);
        for (int i = 0; i < 2; i++) {
            close(input[i]);
            close(output[i]);
            close(report[i]);
        }
        execl(SPACC_BOARD_SIM, SPACC_BOARD_SIM, "--flip", flips, "--drop", drops, (char *)NULL);
        _exit(9);
    }
    close(input[0]);
    close(output[1]);
    close(report[1]);
    b.input = input[1];
    b.report = report[0];
    read_line(output[0], device, sizeof(device));
    close(output[0]);
    assert_true(device[0] == '/');
    snprintf(b.name, sizeof(b.name), "uart:%s", device);
    return b;
}

/* End it; how many bits were flipped and bytes lost. */
static unsigned long long power_down(const struct board *b)
{
    unsigned long long clocks = 0, in = 0, out = 0, flips = 0, drops = 0;
    char line[256];
    int state = -1;

    close(b->input);
    read_line(b->report, line, sizeof(line));
    close(b->report);
    assert_int_equal(waitpid(b->pid, &state, 0), b->pid);
    assert_int_equal(state, 0);
    printf("%s\n", line);
    assert_int_equal(sscanf(line,
                            "board: %llu clocks, %llu bytes in, %llu out, %llu bits flipped, "
                            "%llu bytes lost",
                            &clocks, &in, &out, &flips, &drops),
                     5);
    assert_true(clocks > 0 && in > 0 && out > 0);
    return flips + drops;
}

static struct spacc_card *open_card(const char *name)
{
    struct spacc_card *card;
    struct spacc_error err = {0};
    ok(spacc_card_open(&card, name, &err), &err);
    return card;
}

static void the_board_says_that_it_is_a_4x4_card(void **state)
{
    (void)state;
    const struct board b = power_up("0", "0");
    struct spacc_card *sim = open_card("sim:4x4"), *card = open_card(b.name);
    struct spacc_card_info want = *spacc_card_info(sim), got = *spacc_card_info(card);

    assert_string_equal(got.kind, "uart");
    assert_true(got.clock_hz == 200e6 && got.memory_bytes > 0 && want.memory_bytes == 0);
    assert_int_equal(got.version, want.version);
    want.kind = got.kind = NULL;
    want.queue = want.mask_beats = 0; /* boards have no queues */
    assert_memory_equal(&got, &want, offsetof(struct spacc_card_info, clock_hz));
    spacc_card_close(card);
    spacc_card_close(sim);
    power_down(&b);
}

/* A program and its memory on some card. */
struct job {
    struct spacc_card *card;
    uint64_t program, weights, input, output;
    uint32_t program_bytes;
    struct spacc_card_counters counters;
    struct spacc_error err;
};

static void begin(struct job *j, const char *name, const void *program, size_t size)
{
    memset(j, 0, sizeof(*j));
    j->card = open_card(name);
    uint64_t *const to[] = {&j->program, &j->weights, &j->input, &j->output};
    for (size_t i = 0; i < 4; i++)
        ok(spacc_card_alloc(j->card, REGION, to[i], &j->err), &j->err);
    j->program_bytes = (uint32_t)size;
    ok(spacc_card_write(j->card, j->program, program, size, &j->err), &j->err);
}

static enum spacc_status run_job(struct job *j, uint64_t limit_us)
{
    const struct spacc_card_run run = {.program = j->program,
                                       .weights = j->weights,
                                       .input = j->input,
                                       .output = j->output,
                                       .program_bytes = j->program_bytes,
                                       .weights_bytes = REGION,
                                       .input_bytes = REGION,
                                       .output_bytes = REGION};
    return spacc_card_run(j->card, &run, limit_us, &j->counters, &j->err);
}

#define SET(word, op, field, value) \
    ((word)[SPACC_F_##op##_##field##_WORD] |= (uint32_t)(value) << SPACC_F_##op##_##field##_LOW)

static void put_states(uint32_t *word, uint32_t opcode, uint32_t region, uint32_t offset,
                       uint32_t units)
{
    word[0] = opcode; /* both have their fields at the same places */
    SET(word, LOAD_STATE, REGION, region);
    SET(word, LOAD_STATE, OFFSET, offset);
    SET(word, LOAD_STATE, UNITS, units);
}

/* States through the card, `loads` times in, once out. */
static void check_states(struct job *j, uint32_t (*program)[WORDS], uint32_t loads)
{
    enum { UNITS = 258 };
    int32_t sent[UNITS], got[UNITS];
    const uint32_t ends[] = {0, loads, loads + 1};
    memset(program, 0, (size_t)ends[2] * sizeof(*program) + sizeof(*program));
    for (uint32_t i = 0; i < loads; i++)
        put_states(program[i], SPACC_OP_LOAD_STATE, SPACC_REGION_INPUT, 0, UNITS);
    put_states(program[loads], SPACC_OP_STORE_STATE, SPACC_REGION_OUTPUT, 4096 - 64, UNITS);
    program[loads + 1][0] = SPACC_OP_END;
    j->program_bytes = (loads + 2) * SPACC_INSTRUCTION_BYTES;
    for (int i = 0; i < UNITS; i++)
        sent[i] = (int32_t)((uint32_t)i * 2654435761u >> 8) - (1 << 23);
    ok(spacc_card_write(j->card, j->program, program, j->program_bytes, &j->err), &j->err);
    ok(spacc_card_write(j->card, j->input, sent, sizeof(sent), &j->err), &j->err);
    ok(run_job(j, LIMIT_US), &j->err);
    ok(spacc_card_read(j->card, j->output + 4096 - 64, got, sizeof(got), &j->err), &j->err);
    assert_memory_equal(got, sent, sizeof(sent));
    assert_int_equal(j->counters.value[SPACC_COUNTER_BYTES_WRITTEN], sizeof(sent));
}

/* A program of steps without end. */
static void put_endless(struct job *j)
{
    uint32_t program[2][WORDS] = {{SPACC_OP_RUN}, {SPACC_OP_END}};
    SET(program[0], RUN, X_REGION, SPACC_REGION_INPUT);
    SET(program[0], RUN, Y_REGION, SPACC_REGION_OUTPUT);
    SET(program[0], RUN, BATCH, 1);
    SET(program[0], RUN, STEPS, UINT32_MAX);
    SET(program[0], RUN, GROUPS, 1);
    SET(program[0], RUN, K_X, 1);
    SET(program[0], RUN, X_WORDS, 1);
    SET(program[0], RUN, X_SLOTS, 2);
    j->program_bytes = sizeof(program);
    ok(spacc_card_write(j->card, j->program, program, sizeof(program), &j->err), &j->err);
}

/* The contract of test_card_contract.c, as far as it can be asked through a line. */
static void the_board_keeps_the_contract_of_a_card(void **state)
{
    (void)state;
    const struct board b = power_up("0", "0");
    uint32_t program[16][WORDS] = {{0}};
    uint8_t before[64], behind[64];
    uint32_t value;
    struct job j;

    begin(&j, b.name, program, SPACC_INSTRUCTION_BYTES);
    memset(before, 0x3c, sizeof(before));
    ok(spacc_card_write(j.card, j.output + 4096 - 128, before, 64, &j.err), &j.err);
    check_states(&j, program, 1);
    ok(spacc_card_read(j.card, j.output + 4096 - 128, behind, 64, &j.err), &j.err);
    assert_memory_equal(before, behind, 64);

    ok(spacc_card_reg_write(j.card, SPACC_REG_INPUT_PTR + 4, 0x12345678, &j.err), &j.err);
    ok(spacc_card_reg_read(j.card, SPACC_REG_INPUT_PTR + 4, &value, &j.err), &j.err);
    assert_int_equal(value, 0x12345678);

    memset(program, 0xee, sizeof(program[0]));
    ok(spacc_card_write(j.card, j.program, program, sizeof(program[0]), &j.err), &j.err);
    assert_int_equal(run_job(&j, LIMIT_US), SPACC_EDEVICE);
    says(&j.err, "uart card: error 1 at instruction 0");

    struct spacc_card_run nowhere = {.program = 64, .program_bytes = 64};
    assert_int_equal(spacc_card_run(j.card, &nowhere, LIMIT_US, &j.counters, &j.err),
                     SPACC_EDEVICE);
    says(&j.err, "address 0x40");
    assert_int_equal(spacc_card_generation(j.card), 0);
    check_states(&j, program, 2);

    put_endless(&j);
    assert_int_equal(run_job(&j, 100), SPACC_ETIMEOUT);
    says(&j.err, "not done after 100 us");
    assert_int_equal(spacc_card_generation(j.card), 1);
    check_states(&j, program, 3);
    spacc_card_close(j.card);
    power_down(&b);
}

/* A second host finds the board as the first one found it. */
static void hosts_may_come_and_go(void **state)
{
    (void)state;
    const struct board b = power_up("0", "0");
    for (int i = 0; i < 3; i++) {
        uint32_t program[4][WORDS] = {{0}};
        struct job j;
        begin(&j, b.name, program, SPACC_INSTRUCTION_BYTES);
        check_states(&j, program, 1);
        put_endless(&j);
        ok(spacc_card_reg_write(j.card, SPACC_REG_PROGRAM_BYTES, j.program_bytes, &j.err),
           &j.err);
        ok(spacc_card_reg_write(j.card, SPACC_REG_AP_CTRL, 1, &j.err), &j.err); /* and away */
        spacc_card_close(j.card);
    }
    power_down(&b);
}

/* ---- an LSTM ------------------------------------------------------------------- */

static void write_model(const char *file)
{
    const struct rnn_model rnn = {
        .op = "LSTM", .layers = 1, .inputs = 12, .hidden = 16, .states = true};
    rnn_seed = 7;
    rnn_write(file, &rnn);
}

/* The model on a card: y, h, c of two runs in one piece of memory. */
static float *run_model(struct spacc_model *model, const char *fpga, size_t *count)
{
    const struct spacc_options options = {.fpga = fpga, .precision = SPACC_PRECISION_INT16};
    const int64_t x[] = {5, 1, 12}, h[] = {1, 1, 16};
    struct spacc_session *session;
    struct spacc_error err = {0};
    float *all = NULL;

    *count = 0;
    rnn_seed = 11;
    struct spacc_tensor *in[] = {rnn_tensor(3, x, 2.0f), rnn_tensor(3, h, 0.9f),
                                 rnn_tensor(3, h, 2.0f)};
    const struct spacc_tensor *const inputs[] = {in[0], in[1], in[2]};
    ok(spacc_session_new(&session, model, &options, &err), &err);
    ok(spacc_session_prepare(session, 1, inputs, &err), &err);
    for (int run = 0; run < 2; run++) {
        struct spacc_tensor *out[3] = {NULL};
        ok(spacc_session_run(session, inputs, out, &err), &err);
        for (int o = 0; o < 3; o++) {
            all = realloc(all, (*count + out[o]->count) * sizeof(*all));
            assert_non_null(all);
            memcpy(all + *count, out[o]->data, out[o]->count * sizeof(*all));
            *count += out[o]->count;
            spacc_tensor_free(out[o]);
        }
    }
    const struct spacc_report *report = spacc_session_report(session);
    assert_int_equal(report->nodes, 1);
    assert_true(report->node[0].on_card);
    spacc_session_free(session);
    for (int i = 0; i < 3; i++)
        spacc_tensor_free(in[i]);
    return all;
}

static void compare_with_sim(const struct board *b)
{
    static const char file[] = "uart_lstm.onnx";
    struct spacc_model *model;
    struct spacc_error err = {0};
    size_t wanted, count;

    write_model(file);
    ok(spacc_model_load(&model, file, &err), &err);
    float *want = run_model(model, "sim:4x4", &wanted);
    float *got = run_model(model, b->name, &count);
    assert_int_equal(count, wanted);
    assert_int_equal(count, 2 * (5 * 16 + 2 * 16));
    assert_memory_equal(got, want, count * sizeof(*got));
    free(got);
    free(want);
    spacc_model_free(model);
    remove(file);
}

static void an_lstm_gives_the_bits_of_the_simulated_card(void **state)
{
    (void)state;
    const struct board b = power_up("0", "0");
    compare_with_sim(&b);
    assert_int_equal(power_down(&b), 0);
}

static void a_noisy_line_changes_time_only(void **state)
{
    (void)state;
    const struct board b = power_up("20", "100");
    compare_with_sim(&b);
    assert_true(power_down(&b) > 0);
}

/* The driver sees the noise, and gets through. */
static void noise_is_met_with_repetitions(void **state)
{
    (void)state;
    const struct board b = power_up("30", "100");
    const struct spacc_uart_options options = {.device = b.name + 5, .attempts = 30};
    struct spacc_uart *uart;
    struct spacc_card *card;
    struct spacc_error err = {0};
    uint8_t sent[6000], got[6000];
    uint64_t address;

    ok(spacc_uart_open(&uart, &options, &err), &err);
    ok(spacc_card_attach(&card, spacc_uart_card_ops(), uart, 1e6, &err), &err);
    ok(spacc_card_alloc(card, sizeof(sent), &address, &err), &err);
    for (size_t i = 0; i < sizeof(sent); i++)
        sent[i] = (uint8_t)(i % 7 ? i * 37 : START);
    ok(spacc_card_write(card, address, sent, sizeof(sent), &err), &err);
    ok(spacc_card_read(card, address, got, sizeof(got), &err), &err);
    assert_memory_equal(got, sent, sizeof(sent));
    assert_true(spacc_uart_repeats(uart) > 0);
    spacc_card_close(card);
    assert_true(power_down(&b) > 3);
}

#define BOARD_TESTS                                                     \
    cmocka_unit_test(the_board_says_that_it_is_a_4x4_card),             \
        cmocka_unit_test(the_board_keeps_the_contract_of_a_card),       \
        cmocka_unit_test(hosts_may_come_and_go),                        \
        cmocka_unit_test(noise_is_met_with_repetitions),                \
        cmocka_unit_test(an_lstm_gives_the_bits_of_the_simulated_card), \
        cmocka_unit_test(a_noisy_line_changes_time_only)
#else
static void there_is_no_simulated_board_in_this_build(void **state)
{
    (void)state;
    printf("skipped: this build has no spacc_board_sim (SPACC_SIM=OFF)\n");
    skip();
}

#define BOARD_TESTS cmocka_unit_test(there_is_no_simulated_board_in_this_build)
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boards_that_do_not_answer_are_refused),
        cmocka_unit_test(a_clumsy_board_is_asked_again),
        cmocka_unit_test(a_refusal_is_an_error_and_not_repeated),
        cmocka_unit_test(the_boards_memory_is_shared_out_first_fit),
        cmocka_unit_test(names_that_are_no_serial_line_are_refused),
        BOARD_TESTS,
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
