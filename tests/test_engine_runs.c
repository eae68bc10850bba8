/* Runs of every model: once warm they allocate nothing, and they give the same bits whatever
 * the number of threads. Allocations are counted by standing in front of the C library's, so
 * that those of oneDNN, OpenBLAS and OpenMP count too. */
#include <stdatomic.h>
#include <stdlib.h>

#include "host/cpu/engine_parts.h"
#include "models/clean.h"
#include "scheduler/pool.h"
#include "sparse/cpu.h"
#include "tests/golden_model.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifndef HAS_ASAN
#define HAS_ASAN 0
#endif

/* ---- counting ---------------------------------------------------------------------- */

static atomic_bool counting;
static atomic_size_t allocations, allocated_bytes;

#if !HAS_ASAN
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);

static void count(size_t bytes)
{
    if (!atomic_load(&counting))
        return;
    atomic_fetch_add(&allocations, 1);
    atomic_fetch_add(&allocated_bytes, bytes);
}

void *malloc(size_t bytes)
{
    count(bytes);
    return __libc_malloc(bytes);
}

void *calloc(size_t n, size_t bytes)
{
    count(n * bytes);
    return __libc_calloc(n, bytes);
}

void *realloc(void *old, size_t bytes)
{
    count(bytes);
    return __libc_realloc(old, bytes);
}

void *aligned_alloc(size_t align, size_t bytes)
{
    count(bytes);
    return __libc_memalign(align, bytes);
}

int posix_memalign(void **out, size_t align, size_t bytes)
{
    count(bytes);
    *out = __libc_memalign(align, bytes);
    return *out ? 0 : 12; /* ENOMEM */
}
#endif

/* Every step runs behind this kernel, which counts by step. */
enum { STEPS_MAX = 4096 };
static struct spacc_cpu_kernel counted;
static const struct spacc_cpu_kernel *behind[STEPS_MAX];
static size_t by_step[STEPS_MAX], bytes_by_step[STEPS_MAX];

static enum spacc_status run_counted(struct spacc_engine *e, struct spacc_cpu_step *s,
                                     struct spacc_error *err)
{
    const size_t i = (size_t)(s - e->step);

    atomic_store(&allocations, 0);
    atomic_store(&allocated_bytes, 0);
    atomic_store(&counting, true);
    const enum spacc_status status = behind[i]->run(e, s, err);
    atomic_store(&counting, false);
    by_step[i] = atomic_load(&allocations);
    bytes_by_step[i] = atomic_load(&allocated_bytes);
    return status;
}

static void count_steps(struct spacc_engine *e)
{
    assert_true(e->steps <= STEPS_MAX);
    counted.run = run_counted;
    for (int i = 0; i < e->steps; i++) {
        behind[i] = e->step[i].kernel;
        e->step[i].kernel = &counted;
    }
}

static void stop_counting(struct spacc_engine *e)
{
    for (int i = 0; i < e->steps; i++)
        e->step[i].kernel = behind[i];
}

/* ---- engines ------------------------------------------------------------------------- */

static struct spacc_engine *new_engine(const struct golden *c, const struct spacc_parallel *p)
{
    const struct spacc_engine_options options = {.parallel = p, .cpu = spacc_cpu_features()};
    struct spacc_error err = {.text = ""};
    struct spacc_engine *e;

    if (spacc_engine_new(&e, c->g, (const struct spacc_tensor *const *)c->input, &options,
                         &err))
        fail_msg("%s", err.text);
    return e;
}

static void run_new(struct spacc_engine *e, const struct golden *c, struct spacc_tensor **out)
{
    struct spacc_error err = {.text = ""};

    if (spacc_engine_run(e, (const struct spacc_tensor *const *)c->input, out, NULL, &err))
        fail_msg("%s", err.text);
}

static void run_into(struct spacc_engine *e, const struct golden *c, struct spacc_tensor **out)
{
    struct spacc_error err = {.text = ""};

    if (spacc_engine_run_into(e, (const struct spacc_tensor *const *)c->input,
                              (struct spacc_tensor *const *)out, NULL, &err))
        fail_msg("%s", err.text);
}

static void free_outputs(const struct golden *c, struct spacc_tensor **out)
{
    for (int o = 0; o < c->g->outputs; o++)
        spacc_tensor_free(out[o]);
}

static void clean(struct golden *c)
{
    struct spacc_error err = {.text = ""};

    if (spacc_graph_clean(c->g, NULL, &err))
        fail_msg("%s", err.text);
}

/* ---- nothing is allocated ---------------------------------------------------------------- */

/* Operators that take room of their own in a run on the reference. */
static const struct {
    const char *op;
    bool onednn_takes_it; /* in a build with it */
} may_allocate[] = {{"GRU", false},         {"If", false},        {"LSTM", false},
                    {"Multinomial", false}, {"RNN", false},       {"ReduceMax", false},
                    {"ReduceMean", false},  {"ReduceMin", false}, {"ReduceSum", false},
                    {"Resize", true},       {"Scan", false}};
static bool seen[sizeof(may_allocate) / sizeof(may_allocate[0])];

/* oneDNN's C interface makes a table of the arguments in every call. Its product, which some
 * ConvTranspose are, packs into memory of its own where there is AVX-512. */
enum { ONEDNN_BYTES_MAX = 2048 };

static bool is_allowed(const char *kernel, const char *op, size_t bytes)
{
    if (strcmp(kernel, "onednn") == 0)
        return bytes <= ONEDNN_BYTES_MAX || strcmp(op, "ConvTranspose") == 0;
    for (size_t i = 0; i < sizeof(may_allocate) / sizeof(may_allocate[0]); i++)
        if (strcmp(kernel, "reference") == 0 && strcmp(op, may_allocate[i].op) == 0)
            return seen[i] = true;
    return false;
}

static bool makes_heap_value(const struct spacc_engine *e, const struct spacc_cpu_step *s)
{
    for (int i = 0; i < s->ins; i++)
        if (s->in[i] >= 0 && e->slot[s->in[i]].home == SPACC_HOME_HEAP)
            return true;
    for (int o = 0; o < s->outs; o++)
        if (s->out[o] >= 0 && e->slot[s->out[o]].home == SPACC_HOME_HEAP)
            return true;
    return false;
}

static size_t judge(const struct golden *c, const struct spacc_engine *e)
{
    size_t bad = 0, most = 0;

    for (int i = 0; i < e->steps; i++) {
        const struct spacc_cpu_step *s = &e->step[i];
        const char *op = c->g->node[s->node].op->name, *kernel = s->kernel->name;
        const bool heap = makes_heap_value(e, s);
        if (by_step[i] == 0 || heap || is_allowed(kernel, op, bytes_by_step[i]))
            continue;
        printf("%s: %s on %s allocates %zu bytes in %zu pieces\n", c->set + sizeof(MODELS), op,
               kernel, bytes_by_step[i], by_step[i]);
        bad++;
    }
    for (int i = 0; i < e->steps; i++)
        most = bytes_by_step[i] > most ? bytes_by_step[i] : most;
    printf("%s: %d steps, at most %zu bytes in one\n", c->set + sizeof(MODELS), e->steps, most);
    return bad;
}

static size_t judged, bad_steps;

static void check_allocations(struct golden *c)
{
    struct spacc_tensor *out[TENSORS_MAX] = {NULL};

    clean(c);
    struct spacc_engine *e = new_engine(c, NULL);
    run_new(e, c, out);
    if (spacc_engine_totals(e).heap_values == 0) { /* outputs of planned shapes */
        run_into(e, c, out);
        count_steps(e);
        atomic_store(&allocations, 0);
        run_into(e, c, out);
        stop_counting(e);
        bad_steps += judge(c, e);
        judged++;
    }
    free_outputs(c, out);
    spacc_engine_free(e);
}

static void a_warm_run_allocates_nothing(void **state)
{
    (void)state;
    if (HAS_ASAN) {
        printf("skipped: AddressSanitizer has its own malloc\n");
        skip();
    }
    for_golden(true, check_allocations);
    assert_true(judged > 10);
    assert_int_equal(bad_steps, 0);
    for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++)
        if (!seen[i] && !may_allocate[i].onednn_takes_it)
            fail_msg("%s does not allocate any more: take it off the list", may_allocate[i].op);
}

/* ---- the same bits ------------------------------------------------------------------------
 */

static void expect_same_bits(const struct golden *c, struct spacc_tensor *const *a,
                             struct spacc_tensor *const *b, int parts)
{
    for (int o = 0; o < c->g->outputs; o++) {
        const size_t bytes = a[o]->count * spacc_dtype_bytes(a[o]->dtype);
        assert_true(spacc_tensor_same_shape(a[o], b[o]));
        if (bytes && memcmp(a[o]->data, b[o]->data, bytes) != 0)
            fail_msg("%s: output %d has other bits with %d parts", c->set, o, parts);
    }
}

static void check_parts(const struct golden *c, struct spacc_tensor *const *want, int parts)
{
    struct spacc_tensor *got[TENSORS_MAX] = {NULL}, *again[TENSORS_MAX] = {NULL};
    struct spacc_pool *pool;
    struct spacc_error err = {.text = ""};

    if (spacc_pool_new(&pool, parts, &err))
        fail_msg("%s", err.text);
    const struct spacc_parallel p = spacc_pool_parallel(pool);
    struct spacc_engine *e = new_engine(c, &p);
    run_new(e, c, got);
    run_new(e, c, again);
    expect_same_bits(c, want, got, parts);
    expect_same_bits(c, want, again, parts);
    free_outputs(c, got);
    free_outputs(c, again);
    spacc_engine_free(e);
    spacc_pool_free(pool);
}

/* Packing more weights than these takes seconds: one number of parts is enough. */
enum { LARGE_BYTES = 100 * 1024 * 1024 };

static void check_bits(struct golden *c)
{
    struct spacc_tensor *want[TENSORS_MAX] = {NULL};

    if (is_random(c->g))
        return;
    clean(c);
    struct spacc_engine *e = new_engine(c, NULL);
    run_new(e, c, want);
    const bool large = spacc_engine_totals(e).weight_bytes > LARGE_BYTES;
    for (int parts = large ? 3 : 1; parts <= (large ? 3 : 4); parts++)
        check_parts(c, want, parts);
    free_outputs(c, want);
    run_new(e, c, want); /* not made for the number of threads of the last one */
    free_outputs(c, want);
    spacc_engine_free(e);
}

static void any_number_of_parts_gives_the_same_bits(void **state)
{
    (void)state;
    for_golden(true, check_bits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_warm_run_allocates_nothing),
        cmocka_unit_test(any_number_of_parts_gives_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
