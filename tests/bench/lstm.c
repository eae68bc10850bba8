/* One LSTM layer, pruned in banks: our kernels and ONNX Runtime, in turn, in one process.
 *
 *   bench_lstm LIBONNXRUNTIME [-i INPUTS] [-n UNITS] [-s STEPS] [-z SPARSITY] [-b BANK]
 *                             [-t THREADS] [-r ROUNDS]
 *
 * Sequence: all steps in one call. Streaming: one step a call, the state passed on. In every
 * round each row runs once unmeasured, so that its weights are where its own last run left
 * them, and then for at least 3 ms. Printed are medians over rounds, and medians of the ratios
 * within a round. LIBONNXRUNTIME may be "none". README.md says what the columns are. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/clock.h"
#include "scheduler/pool.h"
#include "sparse/cpu.h"
#include "tests/bench/lstm.h"
#include "tests/bench/measure.h"
#include "tests/bench/ort.h"

enum { ROUNDS_MAX = 101, TYPES = 3, ENTRIES_MAX = 32, SIZES_MAX = 65536 };
static const double round_us = 3000.0;
static const char *const type_name[TYPES] = {
    [SPACC_TILE_F32] = "f32", [SPACC_TILE_F16] = "f16", [SPACC_TILE_I8] = "int8"};

enum kind {
    OURS, /* a product of ours */
    THEIRS /* ONNX Runtime: F32 or I8 */,
    READ /* reading as many bytes as a step of ours has weights */
};

/* What is measured: us a step, by round. */
struct entry {
    enum kind kind;
    enum spacc_tile_type type;
    bool streaming, wide; /* wide: on all threads */
    struct lstm_ort *ort;
    int repeats;
    double us[ROUNDS_MAX];
};

struct bench {
    struct lstm_layer layer;
    double sparsity;
    int threads, rounds;
    struct spacc_pool *pool;
    struct spacc_parallel parallel;
    struct lstm_ours ours[TYPES];
    void *bytes; /* to read */
    double error[2][TYPES];
    struct entry entry[ENTRIES_MAX];
    int entries;
};

/* ---- measuring ---- */

static void run(struct bench *b, struct entry *e)
{
    const struct spacc_parallel *pool = e->wide ? &b->parallel : NULL;

    if (e->kind == OURS)
        lstm_ours_run(&b->ours[e->type], e->streaming, pool);
    else if (e->kind == THEIRS)
        lstm_ort_run(e->ort);
    else
        measure_read(b->bytes, spacc_rnn_bytes(b->ours[e->type].rnn), pool);
}

static double time_of(struct bench *b, struct entry *e, int repeats)
{
    const double start = spacc_now_us();

    for (int i = 0; i < repeats; i++)
        run(b, e);
    return (spacc_now_us() - start) / repeats;
}

static void set_repeats(struct bench *b, struct entry *e)
{
    run(b, e);
    const double us = time_of(b, e, 1);
    e->repeats = us > round_us ? 1 : (int)(round_us / fmax(us, 0.1)) + 1;
}

static void measure(struct bench *b)
{
    for (int i = 0; i < b->entries; i++)
        set_repeats(b, &b->entry[i]);
    for (int r = 0; r < b->rounds; r++)
        for (int i = 0; i < b->entries; i++) {
            struct entry *e = &b->entry[i];
            const double steps = e->kind == READ ? 1.0 : (double)b->layer.steps;
            run(b, e);
            e->us[r] = time_of(b, e, e->repeats) / steps;
        }
}

/* Largest error of a type, over all ways to run it. What a run does not write is NaN. */
static void check(struct bench *b, struct entry *e)
{
    const size_t count = b->layer.steps * b->layer.units;

    if (e->kind == READ)
        return;
    double *error = &b->error[e->kind][e->type];
    float *y = e->kind == OURS ? b->ours[e->type].y : lstm_ort_y(e->ort);
    for (size_t i = 0; i < count; i++)
        y[i] = NAN;
    run(b, e);
    const double error_here = lstm_layer_error(&b->layer, y);
    if (!(error_here <= *error))
        *error = error_here;
}

/* ---- what there is to measure ---- */

static void add(struct bench *b, enum kind kind, enum spacc_tile_type type, bool streaming,
                bool wide)
{
    struct entry *e = &b->entry[b->entries++];

    *e = (struct entry){.kind = kind, .type = type, .streaming = streaming, .wide = wide};
    if (kind == THEIRS)
        e->ort =
            lstm_ort_new(&b->layer, type == SPACC_TILE_I8, streaming, wide ? b->threads : 1);
}

static void add_all(struct bench *b, bool with_ort)
{
    for (int wide = 0; wide < (b->threads > 1 ? 2 : 1); wide++)
        for (int type = 0; type < TYPES; type++) {
            add(b, READ, (enum spacc_tile_type)type, true, wide);
            for (int streaming = 0; streaming < 2; streaming++) {
                add(b, OURS, (enum spacc_tile_type)type, streaming, wide);
                if (with_ort && type != SPACC_TILE_F16)
                    add(b, THEIRS, (enum spacc_tile_type)type, streaming, wide);
            }
        }
}

static void make(struct bench *b, const char *library)
{
    const bool with_ort = strcmp(library, "none") != 0;
    struct spacc_error err;

    if (with_ort && !ort_open(library))
        exit(1);
    if (spacc_pool_new(&b->pool, b->threads, &err))
        die(err.text);
    b->parallel = spacc_pool_parallel(b->pool);
    lstm_layer_make(&b->layer, b->sparsity);
    for (int t = 0; t < TYPES; t++)
        lstm_ours_make(&b->ours[t], &b->layer, (enum spacc_tile_type)t);
    const size_t bytes = spacc_rnn_bytes(b->ours[SPACC_TILE_F32].rnn); /* the largest */
    b->bytes = must(aligned_alloc(64, (bytes + 63) / 64 * 64));
    memset(b->bytes, 1, bytes);
    if (with_ort)
        lstm_ort_models(&b->layer);
    add_all(b, with_ort);
    lstm_ort_release();
}

static void release(struct bench *b)
{
    for (int i = 0; i < b->entries; i++)
        lstm_ort_free(b->entry[i].ort);
    for (int t = 0; t < TYPES; t++)
        lstm_ours_release(&b->ours[t]);
    lstm_layer_release(&b->layer);
    free(b->bytes);
    spacc_pool_free(b->pool);
}

/* ---- the table ---- */

static const struct entry *find(const struct bench *b, enum kind kind,
                                enum spacc_tile_type type, bool streaming, bool wide)
{
    for (int i = 0; i < b->entries; i++) {
        const struct entry *e = &b->entry[i];
        if (e->kind == kind && e->type == type && e->streaming == streaming && e->wide == wide)
            return e;
    }
    return NULL;
}

static double us_of(const struct bench *b, const struct entry *e)
{
    double us[ROUNDS_MAX];

    memcpy(us, e->us, sizeof(us));
    return measure_median(us, (size_t)b->rounds);
}

/* Median of over / under within a round. */
static double ratio_of(const struct bench *b, const struct entry *over,
                       const struct entry *under)
{
    double ratio[ROUNDS_MAX];

    for (int r = 0; r < b->rounds; r++)
        ratio[r] = over->us[r] / under->us[r];
    return measure_median(ratio, (size_t)b->rounds);
}

static void print_ratio(const struct bench *b, const struct entry *over,
                        const struct entry *under)
{
    if (over)
        printf(" %9.2f", ratio_of(b, over, under));
    else
        printf(" %9s", "-");
}

static void print_row(const struct bench *b, const struct entry *e)
{
    const struct entry *read = find(b, READ, e->type, true, e->wide);
    const bool ours = e->kind == OURS, streaming = e->streaming;
    const double us = us_of(b, e);
    const double bytes = (double)spacc_rnn_bytes(b->ours[e->type].rnn);
    char name[32];

    snprintf(name, sizeof(name), "%s%s %s", ours ? "" : "ort ", type_name[e->type],
             streaming ? "streaming" : "sequence");
    printf("%-20s %7d %9.2f", name, e->wide ? b->threads : 1, us);
    print_ratio(b, find(b, THEIRS, SPACC_TILE_F32, streaming, e->wide), e);
    print_ratio(b, find(b, THEIRS, SPACC_TILE_I8, streaming, e->wide), e);
    print_ratio(b, e->wide ? find(b, e->kind, e->type, streaming, false) : NULL, e);
    if (ours)
        printf(" %7.2f %7.1f %8.0f", bytes / 1e6, bytes / us / 1e3,
               100.0 * ratio_of(b, read, e));
    else
        printf(" %7s %7s %8s", "-", "-", "-");
    printf("   %.1e\n", b->error[e->kind][e->type]);
}

static double read_gbps(const struct bench *b, const void *from, size_t bytes, bool wide)
{
    double us[5];
    const int repeats = (int)(5e7 / (double)bytes) + 1;

    for (int r = 0; r < 5; r++) {
        const double start = spacc_now_us();
        for (int i = 0; i < repeats; i++)
            measure_read(from, bytes, wide ? &b->parallel : NULL);
        us[r] = (spacc_now_us() - start) / repeats;
    }
    return (double)bytes / measure_median(us, 5) / 1e3;
}

static void print_bandwidth(const struct bench *b)
{
    static const size_t kib[] = {256, 1024, 4096, 16384};
    const size_t most = kib[3] * 1024;
    void *from = must(aligned_alloc(64, most));

    memset(from, 1, most);
    for (int wide = 0; wide < (b->threads > 1 ? 2 : 1); wide++) {
        printf("read GB/s, threads %d:", wide ? b->threads : 1);
        for (int i = 0; i < 4; i++)
            printf("  %zu KiB %.1f", kib[i], read_gbps(b, from, kib[i] * 1024, wide));
        putchar('\n');
    }
    free(from);
}

static void print_head(const struct bench *b)
{
    const struct lstm_layer *l = &b->layer;
    char cpu[64];

    printf("LSTM of %zu inputs and %zu units, %zu steps, %zu of %zu weights kept\n", l->inputs,
           l->units, l->steps, l->kept, l->bank);
    printf("features %s; kernels", spacc_cpu_text(spacc_cpu_features(), cpu, sizeof(cpu)));
    for (int t = 0; t < TYPES; t++)
        printf(" %s", spacc_rnn_kernel(b->ours[t].rnn));
    printf("; onnxruntime %s; %d rounds\n", *ort_version() ? ort_version() : "none", b->rounds);
}

static void print(const struct bench *b)
{
    printf("\n%-20s %7s %9s %9s %9s %9s %7s %7s %8s   %s\n", "", "threads", "us/step",
           "x ort f32", "x ort i8", "x 1 thr.", "MB/step", "GB/s", "% of rd.", "error");
    for (int kind = OURS; kind <= THEIRS; kind++)
        for (int wide = 0; wide < 2; wide++)
            for (int streaming = 0; streaming < 2; streaming++)
                for (int type = 0; type < TYPES; type++) {
                    const struct entry *e =
                        find(b, (enum kind)kind, (enum spacc_tile_type)type, streaming, wide);
                    if (e)
                        print_row(b, e);
                }
}

/* ---- options ---- */

static size_t count_of(const char *text, size_t most)
{
    char *end;
    const unsigned long n = strtoul(text, &end, 10);

    if (end == text || *end || n < 1 || n > most)
        die("a number is out of range");
    return (size_t)n;
}

static void take(struct bench *b, int option, const char *value)
{
    switch (option) {
    case 'i': b->layer.inputs = count_of(value, SIZES_MAX); break;
    case 'n': b->layer.units = count_of(value, SIZES_MAX); break;
    case 's': b->layer.steps = count_of(value, 1000000); break;
    case 'z': b->sparsity = atof(value); break;
    case 'b': b->layer.bank = count_of(value, SIZES_MAX); break;
    case 't': b->threads = (int)count_of(value, SPACC_POOL_PARTS_MAX); break;
    case 'r': b->rounds = (int)count_of(value, ROUNDS_MAX); break;
    default: die("an option is not known; usage is at the top of tests/bench/lstm.c");
    }
}

int main(int argc, char **argv)
{
    static struct bench b = {.layer = {.inputs = 153, .units = 1024, .steps = 100, .bank = 16},
                             .sparsity = 0.875,
                             .rounds = 21};

    b.threads =
        (int)fmin(fmax((double)sysconf(_SC_NPROCESSORS_ONLN), 1.0), SPACC_POOL_PARTS_MAX);
    if (argc < 2)
        die("usage: bench_lstm LIBONNXRUNTIME [-i INPUTS] [-n UNITS] [-s STEPS] [-z SPARSITY] "
            "[-b BANK] [-t THREADS] [-r ROUNDS]");
    optind = 2;
    for (int o; (o = getopt(argc, argv, "i:n:s:z:b:t:r:")) != -1;)
        take(&b, o, optarg);
    make(&b, argv[1]);
    print_head(&b);
    print_bandwidth(&b);
    measure(&b);
    for (int i = 0; i < b.entries; i++)
        check(&b, &b.entry[i]);
    print(&b);
    release(&b);
    return 0;
}
