/* mmiosim.c - spacc_mmiosim: the Verilated card behind files that stand for the devices of a
 * Zynq, so that the path of a mapped card runs without one:
 *
 *     spacc_mmiosim FOLDER [CONFIG]          prints the names of its card when it is there
 *     SPACC_MMIO_ROOT=FOLDER spacc run MODEL --fpga mmio:0x43c00000
 *
 * FOLDER/dev/mem has the registers at their physical address and a range of memory that a
 * kernel would have reserved; FOLDER/dev/udmabuf0 is a buffer with its facts in FOLDER/sys. The
 * card's AXI master reads and writes these files where they are mapped. It ends with its input.
 *
 * A file does not tell that it was read, nor that a word was written which it had before. So
 * what a client may rely on is what shows: arguments hold, start in control is a command, done
 * stands in control afterwards (and stays: it is not cleared by reading), and interrupts do not
 * exist. Side effects of single accesses are test_mmio.c's business. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rtl/card_map.h"
#include "sim/sim.h"

enum { PAGE = 4096, WORDS = PAGE / 4, CTRL_START = 1, EVENT_DONE = 1, SLICE_US = 20 };
static const uint64_t REGISTERS = 0x43c00000, RANGE = 0x18000000, BUFFER = 0x20000000;
static const size_t RANGE_BYTES = 64 << 20, BUFFER_BYTES = 64 << 20;

struct server {
    struct spacc_sim *sim;
    const struct spacc_card_ops *card;
    uint32_t *word; /* the page of registers, shared with the client */
    uint32_t seen[WORDS];
    bool running;
};

/* Client and server are processors that share memory: no more than this is needed. */
static uint32_t load(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void store(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* ---- registers -------------------------------------------------------------------- */

/* What the card says, from `first` to the end of the counters. */
static enum spacc_status show(struct server *s, uint32_t first, struct spacc_error *err)
{
    const uint32_t end = SPACC_REG_COUNTER(SPACC_CARD_COUNTERS);
    enum spacc_status status = SPACC_OK;

    for (uint32_t at = first; at < end && status == SPACC_OK; at += 4) {
        uint32_t value;
        status = s->card->reg_read(s->sim, at, &value, err);
        s->seen[at / 4] = value;
        store(&s->word[at / 4], value);
    }
    for (uint32_t at = SPACC_REG_CONFIG_CELLS; at <= SPACC_REG_CONFIG_MASKS; at += 4)
        if (status == SPACC_OK) {
            status = s->card->reg_read(s->sim, at, &s->seen[at / 4], err);
            store(&s->word[at / 4], s->seen[at / 4]);
        }
    return status;
}

/* Arguments that the client has changed. */
static enum spacc_status take_arguments(struct server *s, struct spacc_error *err)
{
    enum spacc_status status = SPACC_OK;

    for (uint32_t at = SPACC_REG_PROGRAM_PTR;
         at <= SPACC_REG_WATCHDOG_CYCLES && status == SPACC_OK; at += 4) {
        const uint32_t value = load(&s->word[at / 4]);
        if (value == s->seen[at / 4])
            continue;
        s->seen[at / 4] = value;
        status = s->card->reg_write(s->sim, at, value, err);
    }
    return status;
}

/* The count of cycles goes on in the file as it does in the card: clients tell time by it. */
static enum spacc_status show_cycles(struct server *s, struct spacc_error *err)
{
    uint32_t half[2];
    enum spacc_status status = SPACC_OK;

    for (uint32_t i = 0; i < 2 && status == SPACC_OK; i++)
        status = s->card->reg_read(s->sim, SPACC_REG_COUNTER(SPACC_COUNTER_CYCLES) + 4 * i,
                                   &half[i], err);
    for (uint32_t i = 0; i < 2 && status == SPACC_OK; i++)
        store(&s->word[SPACC_REG_COUNTER(SPACC_COUNTER_CYCLES) / 4 + i], half[i]);
    return status;
}

static enum spacc_status finish(struct server *s, struct spacc_error *err)
{
    uint32_t control, pending;
    enum spacc_status status = s->card->reg_read(s->sim, SPACC_REG_AP_CTRL, &control, err);

    if (status == SPACC_OK)
        status = s->card->reg_read(s->sim, SPACC_REG_IP_ISR, &pending, err);
    if (status == SPACC_OK)
        status = s->card->reg_write(s->sim, SPACC_REG_IP_ISR, pending, err);
    if (status == SPACC_OK)
        status = show(s, SPACC_REG_IDENTITY, err);
    s->running = false;
    if (status == SPACC_OK)
        store(&s->word[SPACC_REG_AP_CTRL / 4], control);
    return status;
}

static enum spacc_status step(struct server *s, struct spacc_error *err)
{
    const bool start = load(&s->word[SPACC_REG_AP_CTRL / 4]) & CTRL_START;
    bool done = false;
    enum spacc_status status = take_arguments(s, err);

    if (status == SPACC_OK && start && !s->running) {
        status = s->card->reg_write(s->sim, SPACC_REG_AP_CTRL, CTRL_START, err);
        s->running = true;
    }
    if (status == SPACC_OK && s->running)
        status = s->card->wait(s->sim, SLICE_US, &done, err);
    if (status == SPACC_OK && s->running)
        status = show_cycles(s, err);
    return status == SPACC_OK && done ? finish(s, err) : status;
}

static enum spacc_status serve(struct server *s, struct spacc_error *err)
{
    enum spacc_status status = show(s, SPACC_REG_AP_CTRL, err);

    if (status == SPACC_OK)
        status = s->card->reg_write(s->sim, SPACC_REG_GIER, EVENT_DONE, err);
    if (status == SPACC_OK)
        status = s->card->reg_write(s->sim, SPACC_REG_IP_IER, EVENT_DONE, err);
    if (status != SPACC_OK)
        return status;
    printf("mmio:0x%" PRIx64 ",0x%" PRIx64 "+0x%zx\n", REGISTERS, RANGE, RANGE_BYTES);
    printf("mmio:0x%" PRIx64 "\n", REGISTERS);
    fflush(stdout);
    for (char byte; status == SPACC_OK;) {
        struct pollfd input = {.fd = 0, .events = POLLIN};
        if (poll(&input, 1, s->running ? 0 : 1) > 0 && read(0, &byte, 1) <= 0)
            break;
        status = step(s, err);
    }
    return status;
}

/* ---- files ------------------------------------------------------------------------ */

static int refuse(const char *what)
{
    fprintf(stderr, "spacc_mmiosim: %s: %s\n", what, strerror(errno));
    return 1;
}

/* Bytes of a sparse file that is made as long as it has to be; NULL: errno says why. */
static void *map_file(const char *name, uint64_t offset, size_t bytes, uint64_t length)
{
    const int fd = open(name, O_RDWR | O_CREAT, 0600);
    void *at = MAP_FAILED;

    if (fd >= 0 && ftruncate(fd, (off_t)length) == 0)
        at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
    if (fd >= 0)
        close(fd);
    return at == MAP_FAILED ? NULL : at;
}

static bool make_folders(void)
{
    static const char *const names[] = {"dev", "sys", "sys/class", "sys/class/u-dma-buf",
                                        "sys/class/u-dma-buf/udmabuf0"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (mkdir(names[i], 0700) && errno != EEXIST)
            return false;
    return true;
}

/* As u-dma-buf writes them: an address in sixteen hexadecimal digits, a size in decimal ones.
 */
static bool write_facts(void)
{
    FILE *address = fopen("sys/class/u-dma-buf/udmabuf0/phys_addr", "w");
    FILE *size = fopen("sys/class/u-dma-buf/udmabuf0/size", "w");
    bool right = address && fprintf(address, "0x%016" PRIx64 "\n", BUFFER) > 0 && size &&
                 fprintf(size, "%zu\n", BUFFER_BYTES) > 0;

    right = address && fclose(address) == 0 && right;
    return size && fclose(size) == 0 && right;
}

int main(int argc, char **argv)
{
    const struct spacc_sim_options options = {.config = argc > 2 ? argv[2] : NULL};
    struct server s = {.card = spacc_sim_card_ops()};
    struct spacc_error err = {0};

    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: spacc_mmiosim FOLDER [CONFIG]\n");
        return 2;
    }
    if (chdir(argv[1]) || !make_folders() || !write_facts())
        return refuse(argv[1]);
    void *range = map_file("dev/mem", RANGE, RANGE_BYTES, REGISTERS + PAGE);
    void *buffer = map_file("dev/udmabuf0", 0, BUFFER_BYTES, BUFFER_BYTES);
    s.word = map_file("dev/mem", REGISTERS, PAGE, REGISTERS + PAGE);
    if (!range || !buffer || !s.word)
        return refuse(argv[1]);
    enum spacc_status status = spacc_sim_open(&s.sim, &options, &err);
    if (status == SPACC_OK)
        status = spacc_sim_map(s.sim, RANGE, range, RANGE_BYTES, &err);
    if (status == SPACC_OK)
        status = spacc_sim_map(s.sim, BUFFER, buffer, BUFFER_BYTES, &err);
    if (status == SPACC_OK)
        status = serve(&s, &err);
    spacc_sim_close(s.sim);
    if (status != SPACC_OK)
        fprintf(stderr, "spacc_mmiosim: %s\n", err.text);
    return status == SPACC_OK ? 0 : 1;
}
