#include "tests/bench/measure.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sparse/cpu.h"

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double measure_median(double *v, size_t count)
{
    qsort(v, count, sizeof(*v), ascending);
    return v[count / 2];
}

/* ---- reading ---- */

enum { CHUNK = 256 }; /* eight registers of 32 bytes, so that no chain of sums is waited for */
typedef uint64_t word __attribute__((vector_size(32), may_alias));

static volatile uint64_t sink; /* else nothing would be read */

#define READ_BODY                                                                \
    word a = {0}, b = {0}, c = {0}, d = {0}, e = {0}, f = {0}, g = {0}, h = {0}; \
    for (const word *w = from; chunks > 0; chunks--, w += 8) {                   \
        a |= w[0], b |= w[1], c |= w[2], d |= w[3];                              \
        e |= w[4], f |= w[5], g |= w[6], h |= w[7];                              \
    }                                                                            \
    a |= b | c | d | e | f | g | h;                                              \
    sink = a[0] | a[1] | a[2] | a[3];

static void read_plain(const void *from, size_t chunks)
{
    READ_BODY
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void read_avx2(const void *from, size_t chunks)
{
    READ_BODY
}
#else
#define read_avx2 read_plain
#endif

struct read_job {
    const unsigned char *from;
    size_t chunks;
    int parts;
    unsigned cpu;
};

static void read_part(void *arg, int part)
{
    const struct read_job *job = arg;
    const size_t first = spacc_parallel_first(job->chunks, job->parts, part);
    const size_t end = spacc_parallel_first(job->chunks, job->parts, part + 1);

    if (job->cpu & SPACC_CPU_AVX2)
        read_avx2(job->from + first * CHUNK, end - first);
    else
        read_plain(job->from + first * CHUNK, end - first);
}

void measure_read(const void *from, size_t bytes, const struct spacc_parallel *pool)
{
    static struct {
        bool known;
        unsigned features;
    } cpu;

    if (!cpu.known) {
        cpu.features = spacc_cpu_features();
        cpu.known = true;
    }
    struct read_job job = {from, bytes / CHUNK, spacc_parallel_parts(pool), cpu.features};
    spacc_parallel_run(pool, read_part, &job);
}
