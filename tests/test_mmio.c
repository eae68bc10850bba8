/* Cards that are mapped. Names and files that are wrong; the driver's single accesses, against
 * the Verilated registers with all their side effects (polled, and with an interrupt as
 * /dev/uioN gives it); the card behind files that spacc_mmiosim serves, and its end. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "host/board.h"
#include "host/card/mmio.h"
#include "host/selftest/selftest.h"
#include "rtl/card_map.h"
#include "tests/failing_alloc.h"

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

/* ---- names and files ---------------------------------------------------------------- */

static char root[] = "/tmp/spacc_mmio_XXXXXX";

static void refused(const char *name, enum spacc_status status, const char *part)
{
    struct spacc_card *card = (struct spacc_card *)root;
    struct spacc_error err = {0};

    if (spacc_card_open(&card, name, &err) != status)
        fail_msg("%s: %s: %s", name, spacc_status_name(err.status), err.text);
    assert_null(card);
    says(&err, part);
}

static void names_that_say_nothing_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {
        "mmio:",
        "mmio:@100",
        "mmio:0x43c00001",
        "mmio:0x43c00000@",
        "mmio:uio0@0",
        "mmio:uio0@-5",
        "mmio:uio0@100MHz",
        "mmio:uio0,",
        "mmio:../mem",
        "mmio:uio0,a/b",
        "mmio:uio0,0x1000",
        "mmio:uio0,0x1000+",
        "mmio:uio0,0+0",
        "mmio:uio0,0x10+64",
        "mmio:uio0,0x1000+1x",
        "mmio:99999999999999999999",
        "mmio:uio0,udmabuf0,udmabuf1",
        "mmio:uio0,0xfffffffffffff000+0x2000",
        "mmio:uio01234567890123456789012345678",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        refused(names[i], SPACC_EINVAL, names[i]);
}

/* A file below the root with these bytes, made as long as `length` at least. */
static void put_file(const char *name, const void *bytes, size_t count, uint64_t length)
{
    char path[200], command[240];

    snprintf(path, sizeof(path), "%s/%s", root, name);
    snprintf(command, sizeof(command), "mkdir -p $(dirname %s)", path);
    assert_int_equal(system(command), 0);
    const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, count), count);
    if (length > count)
        assert_int_equal(ftruncate(fd, (off_t)length), 0);
    close(fd);
}

static void put_text(const char *name, const char *text)
{
    put_file(name, text, strlen(text), 0);
}

static void devices_that_are_not_there_are_named(void **state)
{
    (void)state;
    refused("mmio:0x43c00000", SPACC_EIO, "/dev/mem: cannot be opened: No such file");
    refused("mmio:uio7", SPACC_EIO, "/sys/class/uio/uio7/maps/map0/size: cannot be read");
    put_text("sys/class/uio/uio7/maps/map0/size", "0x800\n");
    refused("mmio:uio7", SPACC_EIO, "2048 bytes, a card has 4096");
    put_text("sys/class/uio/uio7/maps/map0/size", "big\n");
    refused("mmio:uio7", SPACC_EIO, "no number: 'big'");
    put_text("sys/class/uio/uio7/maps/map0/size", "0x00010000\n");
    refused("mmio:uio7", SPACC_EIO, "/dev/uio7: cannot be opened");

    put_file("dev/mem", "", 0, 0x2000);
    refused("mmio:0x2000", SPACC_EIO, "/dev/mem: ends at 0x2000, 0x3000 is wanted");
    refused("mmio:0x1000", SPACC_EIO, "/sys/class/u-dma-buf/udmabuf0/size: cannot be read");
    put_text("sys/class/u-dma-buf/udmabuf0/size", "8192\n");
    put_text("sys/class/u-dma-buf/udmabuf0/phys_addr", "0x0000000012345678\n");
    refused("mmio:0x1000", SPACC_EIO, "0x12345678, size 8192: no buffer for a card");
    put_text("sys/class/u-dma-buf/udmabuf0/phys_addr", "0x0000000012345000\n");
    put_file("dev/udmabuf0", "", 0, 4096);
    refused("mmio:0x1000", SPACC_EIO, "/dev/udmabuf0: ends at 0x1000, 0x2000 is wanted");
    refused("mmio:0x1000,0x0+0x4000", SPACC_EIO, "ends at 0x2000, 0x4000 is wanted");
    refused("mmio:0x1000,0x0+0x7fffffffffffffff", SPACC_EIO, "ends at 0x2000");
    refused("mmio:0x1000,0x8000000000000000+0x1000", SPACC_EINVAL, "beyond this machine");
}

/* Nothing but the identity is read of what turns out to be another device, and nothing is
 * written. */
static void a_page_without_a_card_is_refused_and_left_alone(void **state)
{
    (void)state;
    uint32_t page[1024], after[1024] = {0};
    char path[200];

    for (uint32_t i = 0; i < 1024; i++)
        page[i] = i * 2654435761u;
    put_file("dev/mem", page, sizeof(page), 0x4000);
    refused("mmio:0x0,0x1000+0x1000", SPACC_EDEVICE, "a spacc card has 0x43415053");
    snprintf(path, sizeof(path), "%s/dev/mem", root);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fread(after, 1, sizeof(after), f), sizeof(after));
    fclose(f);
    assert_memory_equal(page, after, sizeof(page));
}

/* A page of registers as they stand when the card rests, as files of a UIO device and a buffer.
 */
static void put_still_card(const char *uio)
{
    uint32_t page[1024] = {0};
    char name[100];

    page[SPACC_REG_AP_CTRL / 4] = 4;
    page[SPACC_REG_IDENTITY / 4] = SPACC_CARD_MAGIC;
    page[SPACC_REG_VERSION / 4] = SPACC_CARD_VERSION;
    page[SPACC_REG_CONFIG_ARRAY / 4] = 4u << 16 | 4;
    page[SPACC_REG_CONFIG_WIDTHS / 4] = 8u << 24 | 8 << 16 | 16 << 8 | 16;
    page[SPACC_REG_CONFIG_WEIGHT_WORDS / 4] = 64;
    page[SPACC_REG_CONFIG_VECTOR_WORDS / 4] = 64u << 16 | 64;
    page[SPACC_REG_CONFIG_UNITS / 4] = 64;
    page[SPACC_REG_CONFIG_INSTRUCTIONS / 4] = 64;
    page[SPACC_REG_CONFIG_CELLS / 4] = 32u << 16 | 1 << 8 | 1;
    snprintf(name, sizeof(name), "dev/%s", uio);
    put_file(name, page, sizeof(page), 0);
    snprintf(name, sizeof(name), "sys/class/uio/%s/maps/map0/size", uio);
    put_text(name, "0x0000000000010000\n");
    put_file("dev/udmabuf0", "", 0, 8192);
    put_text("sys/class/u-dma-buf/udmabuf0/size", "8192\n");
    put_text("sys/class/u-dma-buf/udmabuf0/phys_addr", "0x0000000012345000\n");
}

static double clock_of(const char *name)
{
    struct spacc_card *card;
    struct spacc_error err = {0};

    ok(spacc_card_open(&card, name, &err), &err);
    const double clock_hz = spacc_card_info(card)->clock_hz;
    assert_string_equal(spacc_card_info(card)->kind, "mmio");
    spacc_card_close(card);
    return clock_hz;
}

static void the_clock_is_said_or_in_the_tree_or_that_of_the_boards(void **state)
{
    (void)state;
    static const unsigned char tree[] = {0x07, 0x73, 0x59, 0x40}; /* 125 MHz */

    put_still_card("uio0");
    assert_true(clock_of("mmio:uio0") == spacc_board_find("pynq-z2")->clock_mhz * 1e6);
    put_file("sys/class/uio/uio0/device/of_node/clock-frequency", tree, sizeof(tree), 0);
    assert_true(clock_of("mmio:uio0") == 125e6);
    assert_true(clock_of("mmio:uio0@66.5") == 66.5e6);
}

static void memory_is_the_buffers_and_no_more(void **state)
{
    (void)state;
    struct spacc_card *card;
    struct spacc_error err = {0};
    uint64_t a, b;

    put_still_card("uio0");
    ok(spacc_card_open(&card, "mmio:uio0", &err), &err);
    ok(spacc_card_alloc(card, 4097, &a, &err), &err);
    assert_int_equal(a, 0x12345000);
    assert_int_equal(spacc_card_alloc(card, 1, &b, &err), SPACC_ENOMEM);
    says(&err, "mmio:uio0: no room for 1 bytes on the board: largest gap is 0 of 8192");
    assert_int_equal(spacc_card_write(card, a + 4097, &a, 1, &err), SPACC_EINVAL);
    assert_int_equal(spacc_card_reg_write(card, 4096, 0, &err), SPACC_EINVAL);
    says(&err, "no register at 0x1000");
    spacc_card_close(card);
}

/* The locks are those of an open file, so that a second card of this process meets them, too.
 */
static void a_card_in_use_is_refused(void **state)
{
    (void)state;
    struct spacc_card *card;
    struct spacc_error err = {0};

    put_still_card("uio0");
    put_still_card("uio1");
    ok(spacc_card_open(&card, "mmio:uio0", &err), &err);
    refused("mmio:uio0", SPACC_EIO,
            "/dev/uio0: cannot be locked at 0x0: another process has it");
    refused("mmio:uio1", SPACC_EIO, "/dev/udmabuf0: cannot be locked");
    spacc_card_close(card);
    assert_true(clock_of("mmio:uio0") > 0.0);
}

static void devices_that_call_themselves_spacc_are_listed(void **state)
{
    (void)state;
    char names[4][SPACC_MMIO_NAME_BYTES];

    assert_int_equal(spacc_mmio_card_list(names, 4), 0);
    put_text("sys/class/uio/uio10/name", "spacc\n");
    put_text("sys/class/uio/uio2/name", "spacc\n");
    put_text("sys/class/uio/uio3/name", "axi-gpio\n");
    put_text("sys/class/uio/uio4/name", "spacc2\n");
    assert_int_equal(spacc_mmio_card_list(names, 4), 2);
    assert_string_equal(names[0], "mmio:uio2");
    assert_string_equal(names[1], "mmio:uio10");
    assert_int_equal(spacc_mmio_card_list(names, 1), 1);
}

/* Each allocation fails in turn: an error, and neither a lock nor a mapping is left. */
static void opening_survives_every_failed_allocation(void **state)
{
    (void)state;
    enum spacc_status status = SPACC_ENOMEM;

    put_still_card("uio0");
    for (fail_at = 0; status != SPACC_OK; fail_at++) {
        struct spacc_card *card;
        struct spacc_error err = {0};
        calls = 0;
        status = spacc_card_open(&card, "mmio:uio0", &err);
        assert_true((status == SPACC_OK) == (card != NULL));
        if (status != SPACC_OK && status != SPACC_ENOMEM)
            says(&err, "cannot be opened"); /* fopen() had no memory */
        spacc_card_close(card);
        assert_true(fail_at < 20);
    }
    assert_true(fail_at > 3); /* what is mapped, the driver's state, the card */
    fail_at = -1;
}

#if SPACC_SIM

#include "sim/sim.h"

/* ---- programs ----------------------------------------------------------------------- */

enum { LIMIT_US = 10000000, WORDS = SPACC_INSTRUCTION_WORDS, REGION = 8192 };
static const double CLOCK_HZ = 200e6;

struct job {
    struct spacc_card *card;
    uint64_t program, weights, input, output;
    uint32_t program_bytes;
    struct spacc_error err;
};

static void begin(struct job *j, struct spacc_card *card)
{
    *j = (struct job){.card = card};
    uint64_t *const to[] = {&j->program, &j->weights, &j->input, &j->output};
    for (size_t i = 0; i < 4; i++)
        ok(spacc_card_alloc(card, REGION, to[i], &j->err), &j->err);
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
    return spacc_card_run(j->card, &run, limit_us, NULL, &j->err);
}

#define SET(word, op, field, value) \
    ((word)[SPACC_F_##op##_##field##_WORD] |= (uint32_t)(value) << SPACC_F_##op##_##field##_LOW)

static void put_program(struct job *j, const void *program, size_t bytes)
{
    j->program_bytes = (uint32_t)bytes;
    ok(spacc_card_write(j->card, j->program, program, bytes, &j->err), &j->err);
}

static void put_end(struct job *j)
{
    const uint32_t program[WORDS] = {SPACC_OP_END};
    put_program(j, program, sizeof(program));
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
    put_program(j, program, sizeof(program));
}

/* ---- every access as the card has it -------------------------------------------------- */

#if defined(__x86_64__) && defined(__linux__)

enum { PAGE = 4096, MEMORY_BYTES = 1 << 20, TICK_US = 20, STEP_FLAG = 0x100 };
static const uint64_t MEMORY_BASE = 0x18000000;

/* The page of registers cannot be touched. A load or store of it faults: the handler gives the
 * page what the card answers, lets the processor take one step, hands the card what was stored,
 * and closes the page again. So the driver's own instructions reach the Verilated registers,
 * one by one, with their side effects. */
static struct {
    struct spacc_sim *sim;
    volatile uint32_t *page;
    unsigned char *memory;
    uint32_t offset; /* of the access under way */
    bool stores;
    bool still; /* time passes elsewhere: a thread has the interrupt */
    pthread_mutex_t turn;
    atomic_int wants; /* accesses that wait for their turn: they come before time does */
    int line[2];      /* the driver's end, the kernel's */
    unsigned long enabled, raised;
} trap = {.turn = PTHREAD_MUTEX_INITIALIZER};

static void must(bool right, const char *what)
{
    if (right)
        return;
    fprintf(stderr, "test_mmio: %s\n", what);
    abort();
}

static void take_turn(void)
{
    trap.wants++;
    pthread_mutex_lock(&trap.turn);
    trap.wants--;
}

static uint32_t card_read(uint32_t offset)
{
    const struct spacc_card_ops *card = spacc_sim_card_ops();
    struct spacc_error err = {0};
    uint32_t value;
    bool rang;

    take_turn();
    if (!trap.still && (offset == SPACC_REG_AP_CTRL || offset == SPACC_REG_IP_ISR))
        must(card->wait(trap.sim, TICK_US, &rang, &err) == SPACC_OK, err.text);
    must(card->reg_read(trap.sim, offset, &value, &err) == SPACC_OK, err.text);
    pthread_mutex_unlock(&trap.turn);
    return value;
}

static void card_write(uint32_t offset, uint32_t value)
{
    struct spacc_error err = {0};

    take_turn();
    must(spacc_sim_card_ops()->reg_write(trap.sim, offset, value, &err) == SPACC_OK, err.text);
    pthread_mutex_unlock(&trap.turn);
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    const uintptr_t at = (uintptr_t)info->si_addr - (uintptr_t)trap.page;

    if (at >= PAGE) { /* a real fault: it comes again, and ends the program */
        signal(number, SIG_DFL);
        return;
    }
    must(at % 4 == 0, "an access that is not aligned");
    trap.offset = (uint32_t)at;
    trap.stores = u->uc_mcontext.gregs[REG_ERR] & 2;
    must(!mprotect((void *)(uintptr_t)trap.page, PAGE, PROT_READ | PROT_WRITE), "mprotect");
    if (!trap.stores)
        trap.page[at / 4] = card_read(trap.offset);
    u->uc_mcontext.gregs[REG_EFL] |= STEP_FLAG;
}

static void on_step(int number, siginfo_t *info, void *context)
{
    ucontext_t *u = context;

    (void)number;
    (void)info;
    u->uc_mcontext.gregs[REG_EFL] &= ~STEP_FLAG;
    if (trap.stores)
        card_write(trap.offset, trap.page[trap.offset / 4]);
    must(!mprotect((void *)(uintptr_t)trap.page, PAGE, PROT_NONE), "mprotect");
}

static void set_trap(const char *config)
{
    const struct spacc_sim_options options = {.config = config, .clock_hz = CLOCK_HZ};
    struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    struct sigaction step = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
    struct spacc_error err = {0};

    ok(spacc_sim_open(&trap.sim, &options, &err), &err);
    trap.page = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    trap.memory =
        mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(trap.page != MAP_FAILED && trap.memory != MAP_FAILED);
    ok(spacc_sim_map(trap.sim, MEMORY_BASE, trap.memory, MEMORY_BYTES, &err), &err);
    assert_int_equal(sigaction(SIGSEGV, &fault, NULL), 0);
    assert_int_equal(sigaction(SIGTRAP, &step, NULL), 0);
    trap.still = false;
    trap.line[0] = trap.line[1] = -1;
}

static void remove_trap(void)
{
    signal(SIGSEGV, SIG_DFL);
    signal(SIGTRAP, SIG_DFL);
    munmap((void *)(uintptr_t)trap.page, PAGE);
    munmap(trap.memory, MEMORY_BYTES);
    spacc_sim_close(trap.sim);
}

static enum spacc_status attach(void *user, struct spacc_card **out, struct spacc_error *err)
{
    const struct spacc_mmio_map map = {.name = "mmio:trap",
                                       .registers = trap.page,
                                       .memory = trap.memory,
                                       .memory_base = MEMORY_BASE,
                                       .memory_bytes = MEMORY_BYTES,
                                       .interrupt = trap.line[0]};
    (void)user;
    return spacc_mmio_card_attach(out, &map, CLOCK_HZ, err);
}

static void tell(void *user, const struct spacc_selftest_step *step)
{
    (void)user;
    printf("%-10s %s  %s\n", step->name, step->passed ? "ok" : "FAIL", step->found);
}

/* All that spacc selftest asks of a card; no result may hang on when it polls. */
static void a_polled_card_climbs_the_ladder(void **state)
{
    struct spacc_error err = {0};
    uint32_t value;

    set_trap(*state);
    ok(spacc_selftest_run(attach, tell, NULL, 3, &err), &err);
    for (uint32_t at = SPACC_REG_GIER; at <= SPACC_REG_IP_ISR; at += 4) {
        ok(spacc_sim_card_ops()->reg_read(trap.sim, at, &value, &err), &err);
        assert_int_equal(value, 0); /* nobody listens: the interrupt was never on */
    }
    remove_trap();
}

static void errors_of_the_card_come_through_and_leave_it_usable(void **state)
{
    struct spacc_card_run nowhere = {.program = 64, .program_bytes = 64};
    struct spacc_error err = {0};
    struct spacc_card *card;
    uint32_t wrong[WORDS];
    struct job j;

    set_trap(*state);
    ok(attach(NULL, &card, &err), &err);
    begin(&j, card);
    memset(wrong, 0xee, sizeof(wrong));
    put_program(&j, wrong, sizeof(wrong));
    assert_int_equal(run_job(&j, LIMIT_US), SPACC_EDEVICE);
    says(&j.err, "mmio card: error 1 at instruction 0");
    assert_int_equal(spacc_card_run(card, &nowhere, LIMIT_US, NULL, &err), SPACC_EDEVICE);
    says(&err, "address 0x40"); /* no memory there: the bus says so */
    put_end(&j);
    ok(run_job(&j, LIMIT_US), &j.err);
    assert_int_equal(spacc_card_generation(card), 0);
    spacc_card_close(card);
    remove_trap();
}

/* As the kernel has it for a UIO device: off behind every interrupt until 4 bytes come. */
static void *kernel(void *unused)
{
    const struct spacc_card_ops *card = spacc_sim_card_ops();
    struct spacc_error err = {0};
    uint32_t word;

    while (read(trap.line[1], &word, sizeof(word)) == sizeof(word)) {
        bool rang = false;
        must(word == 1, "something else than 1 was written to the interrupt");
        trap.enabled++;
        for (char next; !rang && recv(trap.line[1], &next, 1, MSG_PEEK | MSG_DONTWAIT) < 0;) {
            while (trap.wants) /* a mutex alone would go to whom had it last */
                sched_yield();
            pthread_mutex_lock(&trap.turn);
            must(card->wait(trap.sim, TICK_US, &rang, &err) == SPACC_OK, err.text);
            pthread_mutex_unlock(&trap.turn);
        }
        word = (uint32_t)++trap.raised;
        if (rang && write(trap.line[1], &word, sizeof(word)) != sizeof(word))
            break;
    }
    return unused;
}

static void a_card_that_interrupts_climbs_the_ladder(void **state)
{
    struct spacc_error err = {0};
    pthread_t thread;

    set_trap(*state);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, trap.line), 0);
    trap.still = true;
    trap.enabled = trap.raised = 0;
    assert_int_equal(pthread_create(&thread, NULL, kernel, NULL), 0);
    const enum spacc_status status = spacc_selftest_run(attach, tell, NULL, 4, &err);
    close(trap.line[0]);
    pthread_join(thread, NULL);
    close(trap.line[1]);
    ok(status, &err);
    printf("%lu enabled, %lu raised\n", trap.enabled, trap.raised);
    assert_true(trap.raised > 10);
    remove_trap();
}

static void an_interrupt_that_never_comes_is_told_from_a_hang(void **state)
{
    struct spacc_error err = {0};
    struct spacc_card *card;
    struct job j;

    set_trap(*state);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, trap.line), 0); /* nobody is there */
    ok(attach(NULL, &card, &err), &err);
    begin(&j, card);
    put_end(&j);
    assert_int_equal(run_job(&j, 1000), SPACC_EDEVICE);
    says(&j.err, "mmio:trap: the card is done, but its interrupt never came");
    put_endless(&j);
    assert_int_equal(run_job(&j, 1000), SPACC_ETIMEOUT);
    says(&j.err, "not done after 1000 us");
    close(trap.line[1]);
    assert_int_equal(run_job(&j, 1000), SPACC_EDEVICE);
    says(&j.err, "the interrupt cannot be enabled: Broken pipe");
    spacc_card_close(card);
    close(trap.line[0]);
    remove_trap();
}

/* A process that goes away in the middle of a run leaves the card busy, or done without anybody
 * who has seen it: the next one finds neither. */
static void what_another_process_left_is_ended_first(void **state)
{
    struct spacc_error err = {0};
    struct spacc_card *card;
    struct job j;

    set_trap(*state);
    for (int i = 0; i < 4; i++) {
        ok(attach(NULL, &card, &err), &err);
        begin(&j, card);
        put_end(&j);
        ok(run_job(&j, LIMIT_US), &j.err);
        if (i % 2)
            put_endless(&j);
        const uint32_t arguments[][2] = {{SPACC_REG_PROGRAM_PTR, (uint32_t)j.program},
                                         {SPACC_REG_PROGRAM_BYTES, j.program_bytes},
                                         {SPACC_REG_AP_CTRL, 1}};
        for (size_t a = 0; a < 3; a++)
            ok(spacc_card_reg_write(card, arguments[a][0], arguments[a][1], &err), &err);
        for (int r = 0; r < 5; r++) /* time passes */
            (void)trap.page[SPACC_REG_IP_ISR / 4];
        spacc_card_close(card);
    }
    remove_trap();
}

static char small[] = "4x4", wide[] = "8x8";
#define TRAP_TESTS                                                                           \
    cmocka_unit_test_prestate(errors_of_the_card_come_through_and_leave_it_usable, small),   \
        cmocka_unit_test_prestate(a_polled_card_climbs_the_ladder, small),                   \
        cmocka_unit_test_prestate(a_card_that_interrupts_climbs_the_ladder, wide),           \
        cmocka_unit_test_prestate(an_interrupt_that_never_comes_is_told_from_a_hang, small), \
        cmocka_unit_test_prestate(what_another_process_left_is_ended_first, small)

#else

static void single_accesses_are_trapped_on_x86_64_only(void **state)
{
    (void)state;
    printf("skipped: single accesses are trapped on Linux with x86-64 only\n");
    skip();
}

#define TRAP_TESTS cmocka_unit_test(single_accesses_are_trapped_on_x86_64_only)
#endif

/* ---- the card behind files -------------------------------------------------------------- */

struct server {
    pid_t pid;
    int input;
    char name[80];
};

static struct server power_up(void)
{
    struct server s;
    int input[2], output[2];
    size_t used = 0;

    assert_int_equal(pipe(input) | pipe(output), 0);
    s.pid = fork();
    assert_true(s.pid >= 0);
    if (s.pid == 0) {
        if (dup2(input[0], 0) < 0 || dup2(output[1], 1) < 0)
            _exit(9);
        for (int i = 0; i < 2; i++) {
            close(input[i]);
            close(output[i]);
        }
        execl(SPACC_MMIOSIM, SPACC_MMIOSIM, root, "4x4", (char *)NULL);
        _exit(9);
    }
    close(input[0]);
    close(output[1]);
    while (used + 1 < sizeof(s.name) && read(output[0], s.name + used, 1) == 1 &&
           s.name[used] != '\n')
        used++;
    s.name[used] = '\0';
    close(output[0]);
    s.input = input[1];
    assert_memory_equal(s.name, "mmio:0x", 7);
    return s;
}

/* Everything of a run, over the files; then the other side goes away in the middle of one. */
static void a_card_that_dies_is_a_clear_error(void **state)
{
    (void)state;
    const struct server s = power_up();
    struct spacc_error err = {0};
    struct spacc_card *card;
    struct job j;
    int ended;

    ok(spacc_card_open(&card, s.name, &err), &err);
    begin(&j, card);
    put_end(&j);
    ok(run_job(&j, LIMIT_US), &j.err);
    put_endless(&j);
    assert_int_equal(run_job(&j, 100), SPACC_ETIMEOUT);
    says(&j.err, "mmio card: not done after 100 us");
    assert_null(strstr(j.err.text, "reset failed"));
    put_end(&j);
    ok(run_job(&j, LIMIT_US), &j.err);
    assert_int_equal(spacc_card_generation(card), 1);

    assert_int_equal(kill(s.pid, SIGKILL), 0);
    assert_int_equal(waitpid(s.pid, &ended, 0), s.pid);
    assert_int_equal(run_job(&j, 100), SPACC_ETIMEOUT);
    says(&j.err, "not done after 100 us");
    says(&j.err, "the reset failed: ");
    says(&j.err, "the card is still busy after 1 s: load its bitstream again");
    spacc_card_close(card);
    refused(s.name, SPACC_ETIMEOUT, "still busy");
    close(s.input);
}

#define SIM_TESTS TRAP_TESTS, cmocka_unit_test(a_card_that_dies_is_a_clear_error)
#else
static void there_is_no_simulated_card_in_this_build(void **state)
{
    (void)state;
    printf("skipped: this build has no simulated card (SPACC_SIM=OFF)\n");
    skip();
}

#define SIM_TESTS cmocka_unit_test(there_is_no_simulated_card_in_this_build)
#endif

static int begin_all(void **state)
{
    (void)state;
    return mkdtemp(root) && setenv("SPACC_MMIO_ROOT", root, 1) == 0 ? 0 : -1;
}

static int end_all(void **state)
{
    char command[64];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", root);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_say_nothing_are_refused),
        cmocka_unit_test(devices_that_are_not_there_are_named),
        cmocka_unit_test(a_page_without_a_card_is_refused_and_left_alone),
        cmocka_unit_test(devices_that_call_themselves_spacc_are_listed),
        cmocka_unit_test(the_clock_is_said_or_in_the_tree_or_that_of_the_boards),
        cmocka_unit_test(memory_is_the_buffers_and_no_more),
        cmocka_unit_test(a_card_in_use_is_refused),
        cmocka_unit_test(opening_survives_every_failed_allocation),
        SIM_TESTS,
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, begin_all, end_all);
}
