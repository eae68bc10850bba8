/* Products with bank-balanced matrices: every kernel of the table that this CPU has, beside
 * OpenBLAS, CSR, and a plain read of the same bytes (the roofline). All of a matrix run in
 * turn in every round; printed are medians, and medians of the ratios within a round.
 *
 *     bench_spmxv [rounds] [warm|cold|threads|rnn] */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cblas.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "host/clock.h"
#include "scheduler/pool.h"
#include "sparse/cpu.h"
#include "sparse/prune.h"
#include "sparse/rnn.h"
#include "sparse/tile.h"
#include "tests/bench/measure.h"

enum { ROUNDS_MAX = 101, ENTRIES_MAX = 48, FLUSH_BYTES = 4 << 20, SLICE_NS = 400000 };

static uint32_t seed = 1;
static int rounds = 21;
static volatile float sink;

static double now_ns(void)
{
    return spacc_now_us() * 1e3;
}

static void *aligned(size_t bytes)
{
    void *p = aligned_alloc(4096, (bytes + 8191) / 4096 * 4096);
    if (!p)
        abort();
    memset(p, 0, bytes);
    return p;
}

/* Nearly normal: the sum of four uniform numbers. */
static float normal(void)
{
    float sum = -2.0f;
    for (int i = 0; i < 4; i++) {
        seed = seed * 1664525u + 1013904223u;
        sum += (float)(seed >> 8) / 16777216.0f;
    }
    return sum;
}

/* ---- what is timed ----------------------------------------------------------- */

struct matrix {
    size_t rows, cols;
    float *dense;
};

struct csr {
    uint32_t *start;  /* [rows + 1] */
    uint16_t *column; /* 2 bytes: the least that CSR can do */
    float *value;
};

struct entry {
    char name[40];
    struct matrix a;      /* what it multiplies with */
    struct spacc_tile *m; /* NULL: not a kernel of the table */
    struct csr csr;
    size_t bytes;
    int read; /* entry that reads its bytes, or -1 */
    void *prepared;
    float *y;
    bool backward;
    void (*run)(struct entry *e);
    double ns[ROUNDS_MAX];
};

static float x[65536];
static struct entry entries[ENTRIES_MAX];
static int entry_count;

static void run_kernel(struct entry *e)
{
    const struct spacc_kernel *k = e->m->kernel;
    k->prepare(e->m, x, e->prepared);
    memset(e->y, 0, e->m->blocks * e->m->block_rows * sizeof(float));
    k->product(e->m, e->prepared, 1, e->y, 0,
               (struct spacc_blocks){0, e->m->blocks, e->backward});
    e->backward = !e->backward;
}

static void run_blas(struct entry *e)
{
    cblas_sgemv(CblasRowMajor, CblasNoTrans, (int)e->a.rows, (int)e->a.cols, 1.0f, e->a.dense,
                (int)e->a.cols, x, 1, 0.0f, e->y, 1);
}

static void run_csr(struct entry *e)
{
    for (size_t r = 0; r < e->a.rows; r++) {
        float sum = 0.0f;
        for (uint32_t i = e->csr.start[r]; i < e->csr.start[r + 1]; i++)
            sum += e->csr.value[i] * x[e->csr.column[i]];
        e->y[r] = sum;
    }
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static void run_csr_gather(struct entry *e)
{
    for (size_t r = 0; r < e->a.rows; r++) {
        __m256 sums = _mm256_setzero_ps();
        uint32_t i = e->csr.start[r];
        float each[8], sum = 0.0f;
        for (; i + 8 <= e->csr.start[r + 1]; i += 8) {
            const __m256i c = _mm256_cvtepu16_epi32(
                _mm_loadu_si128((const __m128i *)(const void *)(e->csr.column + i)));
            sums = _mm256_fmadd_ps(_mm256_loadu_ps(e->csr.value + i),
                                   _mm256_i32gather_ps(x, c, 4), sums);
        }
        _mm256_storeu_ps(each, sums);
        for (int lane = 0; lane < 8; lane++)
            sum += each[lane];
        for (; i < e->csr.start[r + 1]; i++)
            sum += e->csr.value[i] * x[e->csr.column[i]];
        e->y[r] = sum;
    }
}

/* Reads its kernel's bytes, in the same alternating direction, and nothing else. */
__attribute__((target("avx2"))) static void run_read(struct entry *e)
{
    const __m256i *p = (const __m256i *)(const void *)e->m->data;
    const size_t blocks = e->bytes / 4096, rest = e->bytes % 4096 / 32;
    __m256i s[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                    _mm256_setzero_si256()};

    for (size_t i = 0; i < blocks; i++) {
        const __m256i *b = p + (e->backward ? blocks - 1 - i : i) * 128;
        for (size_t k = 0; k < 128; k += 4)
            for (size_t j = 0; j < 4; j++)
                s[j] = _mm256_add_epi32(s[j], _mm256_load_si256(b + k + j));
    }
    for (size_t i = 0; i < rest; i++)
        s[0] = _mm256_add_epi32(s[0], _mm256_load_si256(p + blocks * 128 + i));
    s[0] = _mm256_add_epi32(_mm256_add_epi32(s[0], s[1]), _mm256_add_epi32(s[2], s[3]));
    sink = (float)_mm256_extract_epi32(s[0], 0);
    e->backward = !e->backward;
}
#else
static void run_read(struct entry *e)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < e->bytes / 8; i++)
        sum += ((const uint64_t *)(const void *)e->m->data)[i];
    sink = (float)sum;
}
#endif

/* ---- making ------------------------------------------------------------------ */

static struct entry *new_entry(const char *name, struct matrix a, void (*run)(struct entry *e))
{
    if (entry_count == ENTRIES_MAX)
        abort();
    struct entry *e = &entries[entry_count++];
    *e = (struct entry){.a = a, .run = run, .read = -1};
    snprintf(e->name, sizeof(e->name), "%s", name);
    e->bytes = a.rows * a.cols * sizeof(float);
    e->y = aligned((a.rows + 256) * sizeof(float));
    return e;
}

static void make_csr(struct entry *e)
{
    size_t kept = 0;
    for (size_t i = 0; i < e->a.rows * e->a.cols; i++)
        kept += e->a.dense[i] != 0.0f;
    e->csr = (struct csr){aligned((e->a.rows + 1) * 4), aligned(kept * 2), aligned(kept * 4)};
    e->bytes = kept * 6 + e->a.rows * 4;
    kept = 0;
    for (size_t i = 0; i < e->a.rows * e->a.cols; i++) {
        if (e->a.dense[i] != 0.0f) {
            e->csr.column[kept] = (uint16_t)(i % e->a.cols);
            e->csr.value[kept++] = e->a.dense[i];
        }
        e->csr.start[i / e->a.cols + 1] = (uint32_t)kept;
    }
}

static void add_kernel(const struct spacc_kernel *k, struct matrix a, const char *note)
{
    char name[40];
    snprintf(name, sizeof(name), "%s%s", k->name, note);
    struct entry *e = new_entry(name, a, run_kernel);
    const struct spacc_matrix m = {a.dense, a.rows, a.cols, NULL, 0};
    if (spacc_tile_new(&e->m, k, &m, NULL, NULL) != SPACC_OK)
        abort();
    e->prepared = aligned(spacc_tile_x_bytes(e->m));
    e->bytes = spacc_tile_bytes(e->m);
    e->read = entry_count;
    struct entry *read = new_entry("read", a, run_read);
    read->m = e->m;
    read->bytes = e->m->slots / e->m->record_slots * e->m->record_bytes / 32 * 32;
}

static struct matrix pruned(struct matrix a, size_t bank, size_t k)
{
    const size_t bytes = a.rows * a.cols * sizeof(float);
    struct matrix out = {a.rows, a.cols, aligned(bytes)};
    memcpy(out.dense, a.dense, bytes);
    if (spacc_prune_magnitude(out.dense, a.rows, a.cols, bank, k, NULL, NULL) != SPACC_OK)
        abort();
    return out;
}

/* Kernels that look columns up, on a matrix pruned in their own banks where such a share of
 * them can be kept, and on banks of 16 where not. */
static void add_sparse(struct matrix a, double kept, unsigned cpu)
{
    for (size_t i = 0; i < spacc_kernel_count; i++) {
        const struct spacc_kernel *k = &spacc_kernels[i];
        const double own = k->bank * kept;
        char note[24] = "";
        if (k->needs & ~cpu)
            continue;
        if (k->dense) {
            if (k->needs) /* a dense scalar kernel says nothing */
                add_kernel(k, a, "");
            continue;
        }
        const size_t bank = own == floor(own) ? k->bank : 16;
        if (bank != k->bank)
            snprintf(note, sizeof(note), " of banks of %zu", bank);
        add_kernel(k, pruned(a, bank, (size_t)((double)bank * kept)), note);
    }
}

static void add_all(struct matrix a, double kept, unsigned cpu)
{
    new_entry("OpenBLAS sgemv", a, run_blas);
    const struct matrix sparse = pruned(a, 16, (size_t)(16.0 * kept));
    make_csr(new_entry("CSR scalar", sparse, run_csr));
#if defined(__x86_64__)
    if (cpu & SPACC_CPU_AVX2)
        make_csr(new_entry("CSR AVX2 gather", sparse, run_csr_gather));
#endif
    add_sparse(a, kept, cpu);
}

static void free_all(void)
{
    for (int i = 0; i < entry_count; i++) {
        struct entry *e = &entries[i];
        if (e->run == run_kernel)
            spacc_tile_free(e->m);
        free(e->prepared);
        free(e->y);
        free(e->csr.start);
        free(e->csr.column);
        free(e->csr.value);
    }
    entry_count = 0; /* pruned matrices stay: a few hundred MB at most */
}

/* Rows against doubles; the largest error over the largest value. */
static double error_of(struct entry *e)
{
    double most = 0.0, largest = 0.0;

    e->run(e);
    for (size_t r = 0; r < e->a.rows; r++) {
        double want = 0.0;
        for (size_t c = 0; c < e->a.cols; c++)
            want += (double)e->a.dense[r * e->a.cols + c] * (double)x[c];
        most = fmax(most, fabs(want - (double)e->y[r]));
        largest = fmax(largest, fabs(want));
    }
    return most / largest;
}

/* ---- timing ------------------------------------------------------------------ */

static unsigned char *flush_buffer;

static void flush_l2(void)
{
    unsigned sum = 0;
    for (size_t i = 0; i < FLUSH_BYTES; i += 64)
        sum += flush_buffer[i];
    sink = (float)sum;
}

static double time_warm(struct entry *e)
{
    e->run(e);
    e->run(e);
    double begin = now_ns(), end = begin;
    int count = 0;
    while (end - begin < SLICE_NS || count < 2) {
        for (int i = 0; i < 2; i++)
            e->run(e);
        count += 2;
        end = now_ns();
    }
    return (end - begin) / count;
}

static double time_cold(struct entry *e)
{
    double sum = 0.0;
    const int count = 3;
    e->run(e); /* what it reads is in L3 then */
    for (int i = 0; i < count; i++) {
        flush_l2();
        const double begin = now_ns();
        e->run(e);
        sum += now_ns() - begin;
    }
    return sum / count;
}

static double median(const double *v)
{
    double sorted[ROUNDS_MAX];
    memcpy(sorted, v, (size_t)rounds * sizeof(*v));
    return measure_median(sorted, (size_t)rounds);
}

/* Median over rounds of a's time over b's. */
static double ratio(const struct entry *a, const struct entry *b)
{
    double each[ROUNDS_MAX];
    for (int i = 0; i < rounds; i++)
        each[i] = a->ns[i] / b->ns[i];
    return median(each);
}

static void print_row(struct entry *e)
{
    const double us = median(e->ns) / 1e3;
    printf("  %-30s %9.2f us %7.2fx %7.2f MiB %6.1f GB/s", e->name, us, ratio(&entries[0], e),
           (double)e->bytes / 1048576.0, (double)e->bytes / us / 1e3);
    if (e->read >= 0)
        printf("  %3.0f %% of %.1f", 100.0 * ratio(&entries[e->read], e),
               (double)entries[e->read].bytes / median(entries[e->read].ns));
    printf("   error %.1g\n", error_of(e));
}

static void bench(size_t rows, size_t cols, double kept, bool cold, unsigned cpu)
{
    struct matrix a = {rows, cols, aligned(rows * cols * sizeof(float))};

    for (size_t i = 0; i < rows * cols; i++)
        a.dense[i] = normal();
    add_all(a, kept, cpu);
    for (int i = 0; i < rounds; i++)
        for (int k = 0; k < entry_count; k++)
            entries[k].ns[i] = cold ? time_cold(&entries[k]) : time_warm(&entries[k]);
    printf("%zu x %zu, %.4g %% zeros, %s; time, over the first row, bytes, rate, share of "
           "reading alone\n",
           rows, cols, 100.0 * (1.0 - kept), cold ? "cold L2" : "warm");
    for (int i = 0; i < entry_count; i++)
        if (entries[i].run != run_read)
            print_row(&entries[i]);
    printf("\n");
    fflush(stdout);
    free_all();
    free(a.dense);
}

/* ---- threads ------------------------------------------------------------------ */

static struct spacc_parallel parts;

static void run_part(void *arg, int part)
{
    const struct entry *e = arg;
    const size_t n = (size_t)parts.parts, p = (size_t)part;
    const struct spacc_blocks blocks = {e->m->blocks * p / n, e->m->blocks * (p + 1) / n,
                                        e->backward};
    float *y = e->y + blocks.first * e->m->block_rows;

    memset(y, 0, (blocks.last - blocks.first) * e->m->block_rows * sizeof(*y));
    e->m->kernel->product(e->m, e->prepared, 1, y, 0, blocks);
}

static void run_parts(struct entry *e)
{
    e->m->kernel->prepare(e->m, x, e->prepared);
    parts.run(parts.pool, run_part, e);
    e->backward = !e->backward;
}

/* The kernel that would be taken, on one part and on several of the same pool. */
static void bench_parts(size_t rows, size_t cols, double kept, unsigned cpu)
{
    struct matrix a = {rows, cols, aligned(rows * cols * sizeof(float))};
    const struct spacc_matrix shape = {a.dense, rows, cols, NULL, 0};

    for (size_t i = 0; i < rows * cols; i++)
        a.dense[i] = normal();
    if (spacc_prune_magnitude(a.dense, rows, cols, 16, (size_t)(16.0 * kept), NULL, NULL))
        abort();
    for (int type = SPACC_TILE_F32; type <= SPACC_TILE_I8; type++) {
        const struct spacc_kernel *k =
            spacc_kernel_pick((enum spacc_tile_type)type, cpu, &shape, false, NULL);
        add_kernel(k, a, ", 1 part");
        add_kernel(k, a, ", parts");
        entries[entry_count - 2].run = run_parts; /* the last one reads */
    }
    for (int i = 0; i < rounds; i++)
        for (int k = 0; k < entry_count; k++)
            entries[k].ns[i] = time_warm(&entries[k]);
    printf("%zu x %zu, %.4g %% zeros, %d parts against 1, warm\n", rows, cols,
           100.0 * (1.0 - kept), parts.parts);
    for (int i = 0; i < entry_count; i += 4)
        printf("  %-30s %9.2f us %9.2f us %7.2fx\n", entries[i].m->kernel->name,
               median(entries[i].ns) / 1e3, median(entries[i + 2].ns) / 1e3,
               ratio(&entries[i], &entries[i + 2]));
    printf("\n");
    fflush(stdout);
    free_all();
    free(a.dense);
}

static void bench_threads(unsigned cpu)
{
    struct spacc_pool *pool;
    struct spacc_error err;

    if (spacc_pool_new(&pool, 2, &err)) {
        printf("left out: %s\n", err.text);
        return;
    }
    parts = spacc_pool_parallel(pool);
    bench_parts(4096, 2048, 0.125, cpu);
    bench_parts(4096, 1024, 0.125, cpu);
    spacc_pool_free(pool);
}

/* ---- fused layers ------------------------------------------------------------ */

static void fill(float *v, size_t count, float scale)
{
    for (size_t i = 0; i < count; i++)
        v[i] = scale * normal();
}

static double time_layer(const struct spacc_rnn *m, size_t inputs, size_t each, void *scratch,
                         float *h, float *c)
{
    enum { STEPS = 64 };
    double ns[ROUNDS_MAX];

    for (int i = 0; i < rounds; i++) {
        const double begin = now_ns();
        for (size_t t = 0; t < STEPS; t += each)
            spacc_rnn_run(m, each, x, inputs / 4, NULL, 0, h, c, false, scratch, NULL);
        ns[i] = (now_ns() - begin) / STEPS;
    }
    return median(ns) / 1e3;
}

static void bench_layer(size_t inputs, size_t units, double kept, unsigned cpu)
{
    static const char *const names[] = {"f32", "f16", "int8"};
    float *w = aligned(4 * units * inputs * 4), *r = aligned(4 * units * units * 4);
    float *h = aligned(units * 4), *c = aligned(units * 4);

    fill(w, 4 * units * inputs, 0.1f);
    fill(r, 4 * units * units, 0.1f);
    spacc_prune_magnitude(w, 4 * units, inputs, 16, (size_t)(16.0 * kept), NULL, NULL);
    spacc_prune_magnitude(r, 4 * units, units, 16, (size_t)(16.0 * kept), NULL, NULL);
    printf("LSTM, %zu inputs, %zu units, %.4g %% zeros in banks of 16, us a step\n", inputs,
           units, 100.0 * (1.0 - kept));
    for (int type = 0; type < 3; type++) {
        const struct spacc_rnn_spec s = {.cell = SPACC_RNN_LSTM,
                                         .units = units,
                                         .x_cols = inputs,
                                         .w = w,
                                         .r = r,
                                         .precision = (enum spacc_tile_type)type,
                                         .bank_size = 16};
        struct spacc_rnn *m;
        if (spacc_rnn_new(&m, &s, cpu, NULL) != SPACC_OK)
            abort();
        void *scratch = aligned(spacc_rnn_scratch_bytes(m, 64));
        const double one = time_layer(m, inputs, 1, scratch, h, c);
        const double all = time_layer(m, inputs, 64, scratch, h, c);
        printf("  %-5s %-14s %6.2f MiB  streaming %7.2f  sequence %7.2f\n", names[type],
               spacc_rnn_kernel(m), (double)spacc_rnn_bytes(m) / 1048576.0, one, all);
        free(scratch);
        spacc_rnn_free(m);
    }
    printf("\n");
    fflush(stdout);
    free(w), free(r), free(h), free(c);
}

/* ---- the whole --------------------------------------------------------------- */

static void say_what_is_missing(unsigned cpu)
{
    char text[80];
    printf("cpu features: %s\n", spacc_cpu_text(cpu, text, sizeof(text)));
    for (size_t i = 0; i < spacc_kernel_count; i++)
        if (spacc_kernels[i].needs & ~cpu)
            printf("not measured: %s, this CPU lacks %s\n", spacc_kernels[i].name,
                   spacc_cpu_text(spacc_kernels[i].needs & ~cpu, text, sizeof(text)));
    printf("\n");
}

int main(int argc, char **argv)
{
    const unsigned cpu = spacc_cpu_features();
    const char *only = argc > 2 ? argv[2] : "";

    rounds = argc > 1 ? atoi(argv[1]) : rounds;
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    flush_buffer = aligned(FLUSH_BYTES);
    fill(x, sizeof(x) / sizeof(x[0]), 1.0f);
    openblas_set_num_threads(1);
    say_what_is_missing(cpu);
    if (!*only || strcmp(only, "warm") == 0) {
        bench(4096, 1024, 0.25, false, cpu);
        bench(4096, 1024, 0.125, false, cpu);
        bench(4096, 1024, 0.0625, false, cpu);
        bench(1024, 1024, 0.125, false, cpu);
    }
    if (!*only || strcmp(only, "cold") == 0) {
        bench(1024, 1024, 0.125, true, cpu);
        bench(4096, 1024, 0.125, true, cpu);
    }
    if (!*only || strcmp(only, "threads") == 0)
        bench_threads(cpu);
    if (!*only || strcmp(only, "rnn") == 0) {
        bench_layer(153, 1024, 0.125, cpu);
        bench_layer(512, 1024, 0.125, cpu);
        bench_layer(1024, 1024, 0.125, cpu);
    }
    return 0;
}
