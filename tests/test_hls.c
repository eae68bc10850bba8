/* The kernels of hls/ as cards: whole programs of the compiler on them, random layers of every
 * cell on every configuration and real models, equal the C model bit for bit: outputs, states,
 * saturation counts and bytes. The C kernel is compiled by a plain C compiler here, which is
 * what Vitis HLS calls C simulation; the OpenCL C one is built from its source on the first
 * OpenCL device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "hls/spacc_kernel.h"
#include "host/session.h"
#include "models/io.h"
#include "sim/kernel_card.h"
#include "tests/layer_maker.h"

#if SPACC_OPENCL
#include "tests/kernel_opencl.h"
#endif

enum { LAYERS = 5, JOBS = 7, LIMIT_US = 1000000 };

/* ---- the kernels ------------------------------------------------------------- */

#define X(token, ...) kernel_fn spacc_hls_##token;
SPACC_CARD_CONFIG_MAP(X)
#undef X

/* A kernel: C, or OpenCL C with so many work-items. */
struct kernel {
    const char *config;
    kernel_fn *c;
    size_t items;
};

static const struct kernel c_kernels[] = {
#define X(token, name, ...) {name, spacc_hls_##token, 0},
    SPACC_CARD_CONFIG_MAP(X)
#undef X
};
enum { CONFIGS = sizeof(c_kernels) / sizeof(c_kernels[0]) };

static const struct kernel *c_kernel(const char *config)
{
    for (size_t i = 0; i < CONFIGS; i++)
        if (strcmp(c_kernels[i].config, config) == 0)
            return &c_kernels[i];
    fail_msg("rtl/card.toml has no %s", config);
    return NULL;
}

static struct kernel_card *new_kernel(const struct kernel *kernel)
{
    struct kernel_card *k;

    if (kernel->items) {
#if SPACC_OPENCL
        return opencl_new(kernel->config,
                          strcmp(kernel->config, "16x16") ? OPENCL_STATE_BYTES
                                                          : SPACC_KERNEL_STATE_BYTES,
                          kernel->items);
#else
        return NULL;
#endif
    }
    k = calloc(1, sizeof(*k));
    assert_non_null(k);
    *k = (struct kernel_card){.run = kernel_run_c, .kernel = kernel->c};
    return k;
}

static void need_opencl(void)
{
#if SPACC_OPENCL
    if (opencl_device())
        return;
#endif
    printf("skipped: no OpenCL device\n");
    skip();
}

/* ---- a kernel and the same layers on the CPU --------------------------------- */

struct pair {
    struct kernel_card *kernel;
    struct spacc_device *card, *cpu;
    const struct spacc_card_info *info;
    size_t layers;
    struct spacc_fixed_layer *layer[LAYERS];
};

static uint64_t gate_cuts, state_cuts;

static void open_pair(struct pair *p, const struct kernel *kernel)
{
    struct spacc_card *card;
    struct spacc_error err = {0};

    memset(p, 0, sizeof(*p));
    p->kernel = new_kernel(kernel);
    assert_non_null(p->kernel);
    ok(kernel_attach(&card, p->kernel, &err), &err);
    ok(spacc_card_device_new(&p->card, card, LIMIT_US, &err), &err);
    ok(spacc_cpu_device_new(&p->cpu, &err), &err);
    p->info = spacc_card_device_info(p->card);
}

static void close_pair(struct pair *p)
{
    assert_int_equal(p->kernel->resets, 0);
    spacc_device_free(p->card);
    spacc_device_free(p->cpu);
    for (size_t i = 0; i < p->layers; i++)
        spacc_fixed_free(p->layer[i]);
}

static void add_layer(struct pair *p, const struct shape *shape)
{
    struct spacc_fixed_layer *layer = make_layer(shape, p->info);
    struct spacc_error err = {0};
    size_t number;

    ok(spacc_device_add(p->card, "layer", layer, &number, &err), &err);
    ok(spacc_device_add(p->cpu, "layer", layer, &number, &err), &err);
    p->layer[p->layers++] = layer;
}

static void load_pair(struct pair *p)
{
    struct spacc_error err = {0};

    ok(spacc_device_load(p->card, &err), &err);
    ok(spacc_device_load(p->cpu, &err), &err);
}

static void compare(struct pair *p, struct spacc_job *got, struct spacc_job *want, size_t jobs)
{
    uint64_t gates[2] = {0, 0}, states[2] = {0, 0};
    struct spacc_error err = {0};

    ok(spacc_device_run(p->card, got, jobs, &err), &err);
    ok(spacc_device_run(p->cpu, want, jobs, &err), &err);
    for (size_t i = 0; i < jobs; i++) {
        if (!same_results(p->layer[got[i].layer], &got[i], &want[i])) {
            print_layer(p->layer[got[i].layer], &got[i]);
            fail_msg("job %zu: other bits than on the CPU", i);
        }
        gates[0] += got[i].counts.gate_saturations;
        gates[1] += want[i].counts.gate_saturations;
        states[0] += got[i].counts.state_saturations;
        states[1] += want[i].counts.state_saturations;
        assert_int_equal(got[i].counts.cycles, 0);
    }
    assert_int_equal(gates[0], gates[1]);
    assert_int_equal(states[0], states[1]);
    gate_cuts += gates[1];
    state_cuts += states[1];
}

/* Run jobs, which are left as they ended. */
static void run_jobs(struct pair *p, struct spacc_job *got, size_t jobs)
{
    struct spacc_job want[JOBS * 4];

    for (size_t i = 0; i < jobs; i++)
        want[i] = copy_job(&got[i], p->layer[got[i].layer]);
    compare(p, got, want, jobs);
    for (size_t i = 0; i < jobs; i++)
        free_job(&want[i], false);
}

static void run_random_jobs(struct pair *p, size_t jobs)
{
    struct spacc_job job[JOBS * 4];

    for (size_t i = 0; i < jobs; i++) {
        const size_t number = i < p->layers ? i : draw((uint32_t)p->layers);
        random_job(&job[i], number, p->layer[number]);
    }
    run_jobs(p, job, jobs);
    for (size_t i = 0; i < jobs; i++)
        free_job(&job[i], true);
}

/* ---- what every kernel does -------------------------------------------------- */

static void every_cell(const struct kernel *kernel, int rounds)
{
    for (int round = 0; round < rounds; round++) {
        struct pair p;
        open_pair(&p, kernel);
        for (int cell = 0; cell < LAYERS; cell++) {
            struct shape s = random_shape((int)p.info->weight_bits, (enum spacc_cell)cell, 40);
            if (round == 0) /* one that does not divide in any way */
                s.units = 13, s.x_cols = 7, s.outputs = s.outputs ? 9 : 0, s.density = 1.0;
            add_layer(&p, &s);
        }
        load_pair(&p);
        run_random_jobs(&p, JOBS);
        run_random_jobs(&p, JOBS); /* some states have stayed */
        close_pair(&p);
    }
}

/* y of one layer is x of the next, `batch` sequences. */
static void chain(const struct kernel *kernel, size_t batch)
{
    static const enum spacc_cell cells[] = {SPACC_CELL_LSTM, SPACC_CELL_LSTMP, SPACC_CELL_GRU,
                                            SPACC_CELL_LINEAR};
    struct shape s = {.units = 19, .x_cols = 11, .density = 0.7, .scale = 0.8f};
    struct spacc_job job[4 * 4];
    struct pair p;

    open_pair(&p, kernel);
    s.bits = (int)p.info->weight_bits;
    for (size_t i = 0; i < 4; i++) {
        s.cell = cells[i];
        s.outputs = cells[i] == SPACC_CELL_LSTMP ? 13 : 0;
        add_layer(&p, &s);
        s.x_cols = cells[i] == SPACC_CELL_LSTMP ? 13 : 19;
    }
    load_pair(&p);
    for (size_t i = 0; i < 4 * batch; i++) {
        long_job(&job[i], i / batch, p.layer[i / batch], 5, i / batch % 2);
        if (i < batch)
            continue;
        free((void *)(uintptr_t)job[i].x);
        job[i].x = NULL;
        job[i].x_job = (int)(i - batch);
    }
    run_jobs(&p, job, 4 * batch);
    for (size_t i = 0; i < 4 * batch; i++)
        free_job(&job[i], true);
    close_pair(&p);
}

/* Sequences that are alike become RUNs of as many as the card takes. */
static void alike(const struct kernel *kernel)
{
    enum { ALIKE = 3 };
    struct spacc_job job[LAYERS * ALIKE];
    struct pair p;

    open_pair(&p, kernel);
    for (int cell = 0; cell < LAYERS; cell++) {
        const struct shape s =
            random_shape((int)p.info->weight_bits, (enum spacc_cell)cell, 30);
        add_layer(&p, &s);
    }
    load_pair(&p);
    for (size_t i = 0; i < LAYERS * ALIKE; i++)
        long_job(&job[i], i / ALIKE, p.layer[i / ALIKE], 4, i / ALIKE % 2);
    run_jobs(&p, job, LAYERS * ALIKE);
    assert_int_equal(spacc_card_device_totals(p.card).batches,
                     p.info->batch_max > 1 ? LAYERS : LAYERS * ALIKE);
    for (size_t i = 0; i < LAYERS * ALIKE; i++)
        free_job(&job[i], true);
    close_pair(&p);
}

/* Layers whose weights pass the weight memory: a LINEAR of 8 and a cell of two passes of the
 * card's bits, both in batches too. */
static void streamed(const struct kernel *kernel)
{
    struct spacc_job job[4];
    struct pair p;

    open_pair(&p, kernel);
    const size_t words = p.info->weight_words, k = p.info->x_words / 4;
    struct shape linear = {.cell = SPACC_CELL_LINEAR,
                           .units = (words / k + 2) * p.info->pes,
                           .x_cols = p.info->lanes * k,
                           .density = 1.0,
                           .bits = 8,
                           .scale = 0.5f};
    struct shape reset = linear;
    reset.cell = SPACC_CELL_GRU_RESET;
    reset.bits = (int)p.info->weight_bits;
    reset.units = p.info->lanes * (p.info->h_words / 8) - 5;
    reset.x_cols = p.info->lanes * (p.info->x_words / 8);
    add_layer(&p, &linear);
    add_layer(&p, &reset);
    load_pair(&p);
    assert_true(spacc_card_device_layout(p.card, 0)->ring_words > 0);
    for (size_t i = 0; i < 4; i++)
        long_job(&job[i], i / 2, p.layer[i / 2], 1, false);
    run_jobs(&p, job, 4);
    printf("%s: ring of %u and %u words\n", kernel->config,
           (unsigned)spacc_card_device_layout(p.card, 0)->ring_words,
           (unsigned)spacc_card_device_layout(p.card, 1)->ring_words);
    for (size_t i = 0; i < 4; i++)
        free_job(&job[i], true);
    close_pair(&p);
}

static void begin_random(void)
{
    printf("seed %llu\n", (unsigned long long)seed());
    rng = seed();
    gate_cuts = state_cuts = 0;
}

/* ---- real models -------------------------------------------------------------- */

/* What "kernel" is for spacc_card_open() in this program. */
static const struct kernel *session_kernel;

enum spacc_status __real_spacc_card_open(struct spacc_card **out, const char *name,
                                         struct spacc_error *err);
enum spacc_status __wrap_spacc_card_open(struct spacc_card **out, const char *name,
                                         struct spacc_error *err);

enum spacc_status __wrap_spacc_card_open(struct spacc_card **out, const char *name,
                                         struct spacc_error *err)
{
    if (strcmp(name, "kernel") != 0)
        return __real_spacc_card_open(out, name, err);
    return kernel_attach(out, new_kernel(session_kernel), err);
}

enum { TENSORS_MAX = 8 };

struct model_run {
    const char *model, *inputs; /* files: .onnx, and with %zu the input's number */
    size_t count;               /* of inputs */
    struct spacc_tensor *in[TENSORS_MAX];
};

static void run_model(const struct model_run *m, const char *fpga, struct spacc_tensor **out,
                      size_t *outputs, size_t *on_card)
{
    const struct spacc_options options = {.fpga = fpga};
    const struct spacc_tensor *const *in = (const struct spacc_tensor *const *)m->in;
    struct spacc_model *model;
    struct spacc_session *session;
    struct spacc_error err = {0};

    ok(spacc_model_load(&model, m->model, &err), &err);
    ok(spacc_session_new(&session, model, &options, &err), &err);
    ok(spacc_session_prepare(session, 1, in, &err), &err);
    ok(spacc_session_run(session, in, out, &err), &err);
    const struct spacc_report *r = spacc_session_report(session);
    *outputs = spacc_model_outputs(model);
    *on_card = 0;
    for (size_t i = 0; i < r->nodes; i++)
        *on_card += r->node[i].on_card;
    spacc_session_free(session);
    spacc_model_free(model);
}

static void load_inputs(struct model_run *m)
{
    struct spacc_error err = {0};
    struct spacc_model *model;

    ok(spacc_model_load(&model, m->model, &err), &err);
    m->count = spacc_model_inputs(model);
    assert_in_range(m->count, 1, TENSORS_MAX);
    spacc_model_free(model);
    for (size_t i = 0; i < m->count; i++) {
        char name[1024];
        snprintf(name, sizeof(name), "%s/in_%zu.npy", m->inputs, i);
        ok(spacc_tensor_load(&m->in[i], name, &err), &err);
    }
}

/* The same bits as on the card that counts and computes in C. */
static void compare_model(const struct model_run *m)
{
    struct spacc_tensor *got[TENSORS_MAX], *want[TENSORS_MAX];
    size_t outputs, got_on_card, want_on_card;

    run_model(m, "kernel", got, &outputs, &got_on_card);
    run_model(m, "model:16x16", want, &outputs, &want_on_card);
    printf("%s: %zu nodes on the card\n", m->model, got_on_card);
    assert_true(got_on_card > 0);
    assert_int_equal(got_on_card, want_on_card);
    for (size_t o = 0; o < outputs; o++) {
        assert_int_equal(got[o]->count, want[o]->count);
        assert_memory_equal(got[o]->data, want[o]->data,
                            want[o]->count * spacc_dtype_bytes(want[o]->dtype));
        spacc_tensor_free(got[o]);
        spacc_tensor_free(want[o]);
    }
}

static void shared_model(const char *model, const char *inputs)
{
    char file[512], folder[512];
    struct model_run m = {.model = file, .inputs = folder};

    snprintf(file, sizeof(file), SPACC_SHARED "/models/%s", model);
    snprintf(folder, sizeof(folder), SPACC_SHARED "/models/%s", inputs);
    if (access(file, R_OK) != 0) {
        printf("skipped: no %s\n", file);
        skip();
    }
    load_inputs(&m);
    compare_model(&m);
    for (size_t i = 0; i < m.count; i++)
        spacc_tensor_free(m.in[i]);
}

/* The LSTM of 256 units that comes with spacc, over 2000 characters. */
static void demo_model(const struct kernel *kernel)
{
    const int64_t dims[] = {1, 1, 256};
    struct model_run m = {.model = SPACC_SOURCE "/models/demo/charlm.onnx", .count = 3};
    struct spacc_error err = {0};

    session_kernel = kernel;
    ok(spacc_tensor_load(&m.in[0], SPACC_SOURCE "/models/demo/heldout.npy", &err), &err);
    for (size_t i = 1; i < 3; i++)
        assert_int_equal(spacc_tensor_new(&m.in[i], SPACC_F32, 3, dims), SPACC_OK);
    compare_model(&m);
    for (size_t i = 0; i < m.count; i++)
        spacc_tensor_free(m.in[i]);
}

static void shared_models(const struct kernel *kernel)
{
    session_kernel = kernel;
    shared_model("dtln/model_1.onnx", "dtln/golden/model_1/seed");
    shared_model("rnnoise_v01/rnnoise.onnx", "rnnoise_v01/golden/rnnoise/seed");
    shared_model("g2p_en/encoder.onnx", "g2p_en/golden/encoder/seed");
    shared_model("silero_vad/silero_vad_16k_op15.onnx",
                 "silero_vad/golden/silero_vad_16k_op15/seed");
    shared_model("plc_nsnet2/nsnetv2_converted.onnx",
                 "plc_nsnet2/golden/nsnetv2_converted/seed");
    shared_model("tract_byte_bilstm/model.onnx", "tract_byte_bilstm/golden/model/seed");
}

/* ---- tests of the C kernel --------------------------------------------------- */

static void every_cell_on_every_configuration_equals_the_model(void **state)
{
    (void)state;
    begin_random();
    for (size_t i = 0; i < CONFIGS; i++)
        every_cell(&c_kernels[i], 6);
    assert_true(gate_cuts > 0 && state_cuts > 0);
}

static void layers_read_each_other_and_sequences_run_together(void **state)
{
    (void)state;
    begin_random();
    for (size_t i = 0; i < CONFIGS; i++) {
        chain(&c_kernels[i], 1);
        chain(&c_kernels[i], 3);
        alike(&c_kernels[i]);
    }
}

static void layers_beyond_the_weight_memory_are_streamed(void **state)
{
    (void)state;
    begin_random();
    for (size_t i = 0; i < CONFIGS; i++)
        streamed(&c_kernels[i]);
}

static void the_demo_gives_the_same_bits(void **state)
{
    (void)state;
    demo_model(c_kernel("16x16"));
}

static void real_models_give_the_same_bits(void **state)
{
    (void)state;
    shared_models(c_kernel("16x16"));
}

/* ---- tests of the OpenCL C kernel -------------------------------------------- */

static void the_opencl_kernel_equals_the_model(void **state)
{
    (void)state;
    need_opencl();
    begin_random();
    for (size_t i = 0; i < CONFIGS; i++) {
        const struct kernel kernel = {c_kernels[i].config, NULL, i % 2 ? 1 : 24};
        every_cell(&kernel, 2);
        chain(&kernel, 1);
        alike(&kernel);
    }
    assert_true(gate_cuts > 0 && state_cuts > 0);
}

static void the_opencl_kernel_streams(void **state)
{
    (void)state;
    need_opencl();
    begin_random();
    streamed(&(struct kernel){"16x16", NULL, 1});
}

static void the_demo_gives_the_same_bits_on_opencl(void **state)
{
    (void)state;
    need_opencl();
    demo_model(&(struct kernel){"16x16", NULL, 1});
}

static void real_models_give_the_same_bits_on_opencl(void **state)
{
    (void)state;
    need_opencl();
    shared_models(&(struct kernel){"16x16", NULL, 1});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_on_every_configuration_equals_the_model),
        cmocka_unit_test(layers_read_each_other_and_sequences_run_together),
        cmocka_unit_test(layers_beyond_the_weight_memory_are_streamed),
        cmocka_unit_test(the_demo_gives_the_same_bits),
        cmocka_unit_test(real_models_give_the_same_bits),
        cmocka_unit_test(the_opencl_kernel_equals_the_model),
        cmocka_unit_test(the_opencl_kernel_streams),
        cmocka_unit_test(the_demo_gives_the_same_bits_on_opencl),
        cmocka_unit_test(real_models_give_the_same_bits_on_opencl),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
