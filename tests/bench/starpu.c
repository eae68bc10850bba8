/* What an executor adds to a node: bench_starpu [rounds].
 *
 * A chain of 60 products by OpenBLAS, each of the result of the one before, run
 *     plain   by calls in a loop
 *     engine  as a graph of 60 MatMul nodes, by spacc_engine_run_into()
 *     StarPU  as 60 tasks of StarPU 1.3 on dependent handles, scheduler dmda, with the time
 * that was measured as its model of costs in turn in every round, StarPU's workers paused while
 * others run. Two chains: nodes of about 20 us, and nodes that do next to nothing. Printed are
 * medians over rounds, of differences within a round where it says "over plain". */
#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <starpu.h>

#include "host/clock.h"
#include "host/cpu/engine.h"
#include "models/onnx.h"
#include "sparse/cpu.h"
#include "tests/bench/measure.h"
#include "tests/onnx_maker.h"

enum { NODES = 60, ROUNDS_MAX = 10001, ROWS_MAX = 4096, WARM = 20 };
static const double wanted_us = 20;

static double model_us; /* what StarPU is told a task takes */

struct chain {
    int rows, columns;
    float *weights;       /* [columns][columns] */
    float *x, *result[2]; /* [rows][columns] */
    struct spacc_graph *g;
    struct spacc_engine *engine;
    struct spacc_tensor *in, *out;
    starpu_data_handle_t x_handle, weights_handle, handle[2];
};

static void die(const char *text)
{
    fprintf(stderr, "bench_starpu: %s\n", text);
    exit(1);
}

static void *room(size_t count, size_t size)
{
    void *made = aligned_alloc(64, (count * size + 63) / 64 * 64);

    if (!made)
        die("no memory");
    return made;
}

static void product(int rows, int columns, const float *x, const float *weights, float *y)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, columns, columns, 1.0f, x,
                columns, weights, columns, 0.0f, y, columns);
}

/* ---- the chain ----------------------------------------------------------------------------
 */

/* A permutation with some change of sign: numbers neither grow nor vanish. */
static void fill(struct chain *c)
{
    for (int i = 0; i < c->columns * c->columns; i++)
        c->weights[i] = 0.0f;
    for (int i = 0; i < c->columns; i++)
        c->weights[i * c->columns + (i * 5 + 3) % c->columns] = i % 3 ? 1.0f : -1.0f;
    for (int i = 0; i < c->rows * c->columns; i++)
        c->x[i] = (float)(i % 17) - 8.0f;
}

static struct maker graph_of(const struct chain *c)
{
    const int64_t side[] = {c->columns, c->columns}, dims[] = {c->rows, c->columns};
    const size_t bytes = (size_t)(c->columns * c->columns) * sizeof(float);
    struct maker g = {0};
    char words[32], out[16], last[16];

    put_message(&g, GRAPH_INITIALISER, make_tensor("w", 1, 2, side, c->weights, bytes));
    put_message(&g, GRAPH_INPUT, make_info("y0", 1, 2, dims));
    for (int i = 0; i < NODES; i++) {
        snprintf(words, sizeof(words), "y%d w", i);
        snprintf(out, sizeof(out), "y%d", i + 1);
        put_message(&g, GRAPH_NODE, make_node("MatMul", "", words, out));
    }
    snprintf(last, sizeof(last), "y%d", NODES);
    put_message(&g, GRAPH_OUTPUT, make_info(last, 1, 2, dims));
    return g;
}

static void make_engine(struct chain *c)
{
    const struct spacc_engine_options options = {.cpu = spacc_cpu_features()};
    const int64_t dims[] = {c->rows, c->columns};
    struct maker m = make_model(graph_of(c), 8, 13);
    struct spacc_error err = {.text = ""};

    if (spacc_onnx_parse(&c->g, m.bytes, m.used, "chain", &err))
        die(err.text);
    free(m.bytes);
    if (spacc_tensor_new(&c->in, SPACC_F32, 2, dims) ||
        spacc_tensor_new(&c->out, SPACC_F32, 2, dims))
        die("no memory");
    memcpy(c->in->data, c->x, (size_t)(c->rows * c->columns) * sizeof(float));
    if (spacc_engine_new(&c->engine, c->g, (const struct spacc_tensor *const *)&c->in, &options,
                         &err))
        die(err.text);
    if (spacc_engine_totals(c->engine).steps != NODES ||
        strcmp(spacc_engine_describe(c->engine, NODES / 2).kernel, "openblas") != 0)
        die("the engine does not run 60 products on OpenBLAS: the kernels would differ");
}

static void register_matrix(starpu_data_handle_t *handle, const float *data, int rows,
                            int columns)
{
    starpu_matrix_data_register(handle, STARPU_MAIN_RAM, (uintptr_t)data, (uint32_t)columns,
                                (uint32_t)columns, (uint32_t)rows, sizeof(*data));
}

static void make_chain(struct chain *c, int rows, int columns)
{
    const size_t count = (size_t)(rows * columns);

    *c = (struct chain){.rows = rows, .columns = columns};
    c->weights = room((size_t)(columns * columns), sizeof(float));
    c->x = room(count, sizeof(float));
    c->result[0] = room(count, sizeof(float));
    c->result[1] = room(count, sizeof(float));
    fill(c);
    make_engine(c);
    register_matrix(&c->x_handle, c->x, rows, columns);
    register_matrix(&c->weights_handle, c->weights, columns, columns);
    register_matrix(&c->handle[0], c->result[0], rows, columns);
    register_matrix(&c->handle[1], c->result[1], rows, columns);
}

static void release(struct chain *c)
{
    starpu_data_unregister(c->x_handle);
    starpu_data_unregister(c->weights_handle);
    starpu_data_unregister(c->handle[0]);
    starpu_data_unregister(c->handle[1]);
    spacc_engine_free(c->engine);
    spacc_graph_free(c->g);
    spacc_tensor_free(c->in);
    spacc_tensor_free(c->out);
    free(c->weights);
    free(c->x);
    free(c->result[0]);
    free(c->result[1]);
}

/* ---- three ways to run it -----------------------------------------------------------------
 */

static void run_plain(struct chain *c)
{
    const float *x = c->x;

    for (int i = 0; i < NODES; i++) {
        product(c->rows, c->columns, x, c->weights, c->result[i % 2]);
        x = c->result[i % 2];
    }
}

static void run_engine(struct chain *c)
{
    struct spacc_error err;

    if (spacc_engine_run_into(c->engine, (const struct spacc_tensor *const *)&c->in, &c->out,
                              NULL, &err))
        die(err.text);
}

static void run_codelet(void *buffers[], void *arg)
{
    (void)arg;
    product((int)STARPU_MATRIX_GET_NY(buffers[0]), (int)STARPU_MATRIX_GET_NX(buffers[0]),
            (const float *)STARPU_MATRIX_GET_PTR(buffers[0]),
            (const float *)STARPU_MATRIX_GET_PTR(buffers[1]),
            (float *)STARPU_MATRIX_GET_PTR(buffers[2]));
}

static double cost(struct starpu_task *task, struct starpu_perfmodel_arch *arch, unsigned nimpl)
{
    (void)task;
    (void)arch;
    (void)nimpl;
    return model_us;
}

static struct starpu_perfmodel model = {.type = STARPU_PER_ARCH, .arch_cost_function = cost};

static struct starpu_codelet codelet = {.cpu_funcs = {run_codelet},
                                        .nbuffers = 3,
                                        .modes = {STARPU_R, STARPU_R, STARPU_W},
                                        .model = &model,
                                        .name = "product"};

static void run_starpu(struct chain *c)
{
    starpu_data_handle_t x = c->x_handle;

    for (int i = 0; i < NODES; i++) {
        if (starpu_task_insert(&codelet, STARPU_R, x, STARPU_R, c->weights_handle, STARPU_W,
                               c->handle[i % 2], 0) != 0)
            die("StarPU took no task");
        x = c->handle[i % 2];
    }
    starpu_task_wait_for_all();
}

/* ---- measuring ----------------------------------------------------------------------------
 */

enum { PLAIN, ENGINE, STARPU, WAYS };

struct times {
    double us[WAYS][ROUNDS_MAX];   /* a node */
    double over[WAYS][ROUNDS_MAX]; /* plain, in the same round */
};

/* Of a node; the second run is measured, the first fills caches. */
static double time_of(struct chain *c, void (*run)(struct chain *))
{
    run(c);
    const double start = spacc_now_us();
    run(c);
    return (spacc_now_us() - start) / NODES;
}

static double time_of_starpu(struct chain *c)
{
    starpu_resume();
    const double us = time_of(c, run_starpu);
    starpu_pause();
    return us;
}

/* Who is first changes: after a pause a thread is left alone for longer. */
static void run_round(struct chain *c, struct times *t, int i)
{
    for (int k = 0; k < WAYS; k++) {
        const int way = (i + k) % WAYS;
        t->us[way][i] = way == PLAIN    ? time_of(c, run_plain)
                        : way == ENGINE ? time_of(c, run_engine)
                                        : time_of_starpu(c);
    }
    for (int way = 0; way < WAYS; way++)
        t->over[way][i] = t->us[way][i] - t->us[PLAIN][i];
}

static void check_results(struct chain *c)
{
    const size_t bytes = (size_t)(c->rows * c->columns) * sizeof(float);
    float *plain = room(bytes, 1);

    run_plain(c);
    memcpy(plain, c->result[(NODES - 1) % 2], bytes);
    run_engine(c);
    if (memcmp(plain, c->out->data, bytes) != 0)
        die("the engine's result differs");
    memset(c->result[(NODES - 1) % 2], 0, bytes);
    starpu_resume();
    run_starpu(c);
    starpu_data_acquire(c->handle[(NODES - 1) % 2], STARPU_R);
    if (memcmp(plain, c->result[(NODES - 1) % 2], bytes) != 0)
        die("StarPU's result differs");
    starpu_data_release(c->handle[(NODES - 1) % 2]);
    starpu_pause();
    free(plain);
}

/* Medians, and the tenth part of the way from the least: what a busy machine leaves alone. */
static void print_rows(const struct chain *c, struct times *t, int rounds)
{
    const int tenth = rounds / 10;

    for (int way = 0; way < WAYS; way++) {
        (void)measure_median(t->us[way], (size_t)rounds); /* sorts */
        (void)measure_median(t->over[way], (size_t)rounds);
    }
    printf("| %d x %d by %d x %d, median | %.2f | %.2f | %.2f | %.3f | %.3f |\n", c->rows,
           c->columns, c->columns, c->columns, t->us[PLAIN][rounds / 2],
           t->us[ENGINE][rounds / 2], t->us[STARPU][rounds / 2], t->over[ENGINE][rounds / 2],
           t->over[STARPU][rounds / 2]);
    printf("| best tenth | %.2f | %.2f | %.2f | %.3f | %.3f |\n", t->us[PLAIN][tenth],
           t->us[ENGINE][tenth], t->us[STARPU][tenth],
           t->us[ENGINE][tenth] - t->us[PLAIN][tenth],
           t->us[STARPU][tenth] - t->us[PLAIN][tenth]);
    fflush(stdout);
}

static void bench(int rows, int columns, int rounds)
{
    static struct times t;
    struct chain c;

    make_chain(&c, rows, columns);
    model_us = time_of(&c, run_plain);
    check_results(&c);
    for (int i = 0; i < WARM; i++)
        run_round(&c, &t, 0);
    for (int i = 0; i < rounds; i++)
        run_round(&c, &t, i);
    print_rows(&c, &t, rounds);
    release(&c);
}

/* Rows with which a product takes about `wanted_us`. More than 8: fewer are not on OpenBLAS. */
static int rows_wanted(int columns)
{
    float *weights = room((size_t)(columns * columns), sizeof(float));
    float *x = room((size_t)(ROWS_MAX * columns), sizeof(float));
    float *y = room((size_t)(ROWS_MAX * columns), sizeof(float));
    int rows = 9;

    for (int i = 0; i < columns * columns; i++)
        weights[i] = 1.0f / (float)columns;
    for (int i = 0; i < ROWS_MAX * columns; i++)
        x[i] = 1.0f;
    for (double us = 0; us < wanted_us && rows < ROWS_MAX; rows += us < wanted_us) {
        double v[101];
        for (int i = 0; i < 101; i++) {
            const double start = spacc_now_us();
            product(rows, columns, x, weights, y);
            v[i] = spacc_now_us() - start;
        }
        us = measure_median(v, 101);
    }
    free(weights);
    free(x);
    free(y);
    return rows;
}

int main(int argc, char **argv)
{
    const int rounds = argc > 1 ? atoi(argv[1]) : 301;
    struct starpu_conf conf;

    if (rounds < 1 || rounds > ROUNDS_MAX)
        die("1 to 10001 rounds");
    starpu_conf_init(&conf);
    conf.sched_policy_name = "dmda";
    openblas_set_num_threads(1);
    if (starpu_init(&conf) != 0)
        die("StarPU did not start");
    starpu_pause();
    printf("%d nodes in a chain, %d rounds, StarPU %d.%d dmda with %u workers\n\n", NODES,
           rounds, STARPU_MAJOR_VERSION, STARPU_MINOR_VERSION, starpu_worker_get_count());
    printf(
        "| a node | plain, us | engine | StarPU | engine over plain | StarPU over plain |\n");
    printf("| --- | --- | --- | --- | --- | --- |\n");
    bench(rows_wanted(128), 128, rounds);
    bench(9, 4, rounds);
    starpu_resume();
    starpu_shutdown();
    return 0;
}
