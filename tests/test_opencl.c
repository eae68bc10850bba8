/* The card behind OpenCL on the first device that builds source: the contract of a card, whole
 * models with the bits of the card's arithmetic in C, the same kernel as a binary, and binaries
 * that are refused. Accelerators are another test: tests/cli/opencl.sh, over Debian's XRT. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/card/opencl.h"

/* PoCL's compiler is C++ and leaks now and then; ours, and what PoCL allocates for us, is C. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:operator new\n";
}

#if !SPACC_OPENCL

static void a_build_without_opencl_says_so(void **state)
{
    (void)state;
    struct spacc_error err = {0};
    struct spacc_card *card;

    assert_int_equal(spacc_card_open(&card, "opencl:0.0", &err), SPACC_EUNSUPPORTED);
    assert_null(card);
    assert_non_null(strstr(err.text, "no OpenCL"));
    printf("skipped: this build has no OpenCL\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_build_without_opencl_says_so)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

#include "hls/spacc_kernel.h"
#include "host/card/list.h"
#include "host/gpu/devices.h"
#include "host/session.h"
#include "models/io.h"

enum { STATES = 256, LIMIT_US = 20000000, WORDS = SPACC_INSTRUCTION_WORDS, TENSORS_MAX = 8 };

extern const char spacc_kernel_source[];

#define CL12 "-cl-std=CL1.2"

static struct spacc_error err;
static char folder[] = "/tmp/spacc_opencl_XXXXXX";
static struct spacc_gpu_info device; /* name empty: there is none */
static cl_device_id device_id;

static void ok(enum spacc_status s)
{
    if (s != SPACC_OK)
        fail_msg("%s: %s", spacc_status_name(s), err.text);
}

static void says(const char *text)
{
    if (!strstr(err.text, text))
        fail_msg("'%s' does not say '%s'", err.text, text);
}

static bool builds_source(void *user, const struct spacc_gpu_info *info)
{
    (void)user;
    return strcmp(info->kind, "accelerator") != 0;
}

static void need_device(void)
{
    if (device_id)
        return;
    printf("skipped: no OpenCL device that builds source\n");
    skip();
}

/* "opencl:0.0", or with "=FILE" of the test's folder. */
static const char *card_name(const char *file)
{
    static char text[128];

    need_device();
    if (file)
        snprintf(text, sizeof(text), "opencl:%s=%s/%s", device.which, folder, file);
    else
        snprintf(text, sizeof(text), "opencl:%s", device.which);
    return text;
}

/* ---- a card with its memory ------------------------------------------------------- */

struct setup {
    struct spacc_card *card;
    uint64_t program, weights, input, output;
    uint32_t weights_bytes;
    struct spacc_card_counters counters;
};

enum { REGION_BYTES = 4096 };

static uint64_t buffer(struct setup *s, size_t size_bytes)
{
    uint64_t address;

    ok(spacc_card_alloc(s->card, size_bytes, &address, &err));
    return address;
}

static void open_card(struct setup *s, const char *name)
{
    memset(s, 0, sizeof(*s));
    ok(spacc_card_open(&s->card, name, &err));
    s->program = buffer(s, REGION_BYTES);
    s->weights = buffer(s, REGION_BYTES);
    s->weights_bytes = REGION_BYTES;
    s->input = buffer(s, REGION_BYTES);
    s->output = buffer(s, REGION_BYTES);
}

struct program {
    uint32_t word[SPACC_KERNEL_INSTRUCTIONS][WORDS];
    uint32_t count;
};

#define SET(word, op, field, value) \
    ((word)[SPACC_F_##op##_##field##_WORD] |= (uint32_t)(value) << SPACC_F_##op##_##field##_LOW)

static uint32_t *add(struct program *p, uint32_t opcode)
{
    uint32_t *word = p->word[p->count++];

    assert_true(p->count <= SPACC_KERNEL_INSTRUCTIONS);
    memset(word, 0, sizeof(p->word[0]));
    word[0] = opcode;
    return word;
}

static void add_load(struct program *p, uint32_t offset)
{
    uint32_t *word = add(p, SPACC_OP_LOAD_STATE);

    SET(word, LOAD_STATE, REGION, SPACC_REGION_INPUT);
    SET(word, LOAD_STATE, OFFSET, offset);
    SET(word, LOAD_STATE, UNITS, STATES);
}

static void add_store(struct program *p, uint32_t offset)
{
    uint32_t *word = add(p, SPACC_OP_STORE_STATE);

    SET(word, STORE_STATE, REGION, SPACC_REGION_OUTPUT);
    SET(word, STORE_STATE, OFFSET, offset);
    SET(word, STORE_STATE, UNITS, STATES);
}

static enum spacc_status run_within(struct setup *s, const struct program *p, uint64_t limit_us)
{
    const uint32_t bytes = p->count * SPACC_INSTRUCTION_BYTES;
    const struct spacc_card_run run = {.program = s->program,
                                       .weights = s->weights,
                                       .input = s->input,
                                       .output = s->output,
                                       .program_bytes = bytes,
                                       .weights_bytes = s->weights_bytes,
                                       .input_bytes = REGION_BYTES,
                                       .output_bytes = REGION_BYTES};

    ok(spacc_card_write(s->card, s->program, p->word, bytes, &err));
    return spacc_card_run(s->card, &run, limit_us, &s->counters, &err);
}

static enum spacc_status run(struct setup *s, const struct program *p)
{
    return run_within(s, p, LIMIT_US);
}

/* Different for every salt, 24 bits with both ends. */
static void make_states(int32_t states[STATES], uint32_t salt)
{
    for (uint32_t i = 0; i < STATES; i++)
        states[i] = (int32_t)((i + 1) * 2654435761u * (2 * salt + 1)) >> 8;
    states[0] = -(1 << 23);
    states[1] = (1 << 23) - 1;
}

/* Into the card, and out again by a run of its own: what is on the chip stays there. */
static void check_round_trip(struct setup *s, uint32_t salt)
{
    int32_t sent[STATES], got[STATES];
    struct program in = {.count = 0}, out = {.count = 0};

    make_states(sent, salt);
    ok(spacc_card_write(s->card, s->input, sent, sizeof(sent), &err));
    add_load(&in, 0);
    add(&in, SPACC_OP_END);
    ok(run(s, &in));
    add_store(&out, 64);
    add(&out, SPACC_OP_END);
    ok(run(s, &out));
    ok(spacc_card_read(s->card, s->output + 64, got, sizeof(got), &err));
    assert_memory_equal(got, sent, sizeof(sent));
}

/* ---- the contract ----------------------------------------------------------------- */

/* Of the list the card on our device. */
static void keep_ours(void *user, const struct spacc_card_entry *e)
{
    struct spacc_card_info *ours = user;

    if (e->info && strcmp(e->name, card_name(NULL)) == 0)
        *ours = *e->info;
}

/* The list says of a kernel that is not built yet what it will say of itself. */
static void the_list_knows_what_will_be_built(void **state)
{
    (void)state;
    struct spacc_card_info listed = {.pes = 0};
    struct setup s;

    open_card(&s, card_name(NULL));
    spacc_opencl_card_list(keep_ours, &listed);
    const struct spacc_card_info *got = spacc_card_info(s.card);
    const uint32_t pairs[][2] = {
        {listed.version, got->version},
        {listed.pes, got->pes},
        {listed.lanes, got->lanes},
        {listed.cells, got->cells},
        {listed.batch_max, got->batch_max},
        {listed.weight_bits, got->weight_bits},
        {listed.index_bits, got->index_bits},
        {listed.axi_bits, got->axi_bits},
        {listed.act_bits, got->act_bits},
        {listed.shared_rows, got->shared_rows},
        {listed.weight_words, got->weight_words},
        {listed.x_words, got->x_words},
        {listed.h_words, got->h_words},
        {listed.units, got->units},
        {listed.psum_words, got->psum_words},
        {listed.instructions, got->instructions},
        {listed.queue, got->queue},
        {listed.mask_beats, got->mask_beats},
        {listed.keeps_arguments, got->keeps_arguments},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        assert_int_equal(pairs[i][0], pairs[i][1]);
    assert_string_equal(listed.kind, got->kind);
    assert_true(listed.memory_bytes == got->memory_bytes && listed.clock_hz == 0.0);
    spacc_card_close(s.card);
}

static void says_what_the_kernel_is(void **state)
{
    (void)state;
    struct setup s;

    open_card(&s, card_name(NULL));
    const struct spacc_card_info *i = spacc_card_info(s.card);
    assert_string_equal(i->kind, "opencl");
    assert_int_equal(i->version, SPACC_CARD_VERSION);
    assert_int_equal(i->pes, SPACC_KERNEL_PES);
    assert_int_equal(i->lanes, SPACC_KERNEL_LANES);
    assert_int_equal(i->weight_bits, SPACC_KERNEL_WEIGHT_BITS);
    assert_int_equal(i->weight_words, SPACC_KERNEL_WEIGHT_WORDS);
    assert_int_equal(i->x_words, SPACC_KERNEL_X_WORDS);
    assert_int_equal(i->h_words, SPACC_KERNEL_H_WORDS);
    assert_int_equal(i->units, SPACC_KERNEL_UNITS);
    assert_int_equal(i->instructions, SPACC_KERNEL_INSTRUCTIONS);
    assert_int_equal(i->queue, 0);
    assert_true(i->keeps_arguments && i->clock_hz == 0.0);
    spacc_card_close(s.card);
}

static void memory_is_bounded_by_its_buffers(void **state)
{
    (void)state;
    struct setup s;
    uint8_t bytes[64] = {1, 2, 3}, got[64];
    uint64_t address;

    open_card(&s, card_name(NULL));
    assert_int_equal(s.input % 4096, 0);
    ok(spacc_card_write(s.card, s.input + 4096 - 64, bytes, 64, &err));
    ok(spacc_card_read(s.card, s.input + 4096 - 64, got, 64, &err));
    assert_memory_equal(got, bytes, 64);
    ok(spacc_card_read(s.card, s.input + 4096, got, 0, &err));
    assert_int_equal(spacc_card_write(s.card, s.input + 4096 - 63, bytes, 64, &err),
                     SPACC_EINVAL);
    assert_int_equal(spacc_card_read(s.card, s.input + 4096, got, 1, &err), SPACC_EINVAL);
    assert_int_equal(spacc_card_read(s.card, 0, got, 1, &err), SPACC_EINVAL);
    assert_int_equal(spacc_card_read(s.card, s.input, got, SIZE_MAX, &err), SPACC_EINVAL);
    spacc_card_release(s.card, s.input);
    assert_int_equal(spacc_card_read(s.card, s.input, got, 1, &err), SPACC_EINVAL);
    says("in no buffer");
    assert_int_equal(spacc_card_alloc(s.card, 0, &address, &err), SPACC_EINVAL);
    assert_int_equal(spacc_card_alloc(s.card, SIZE_MAX / 2, &address, &err), SPACC_ENOMEM);
    says(device.which);
    spacc_card_close(s.card);
}

static void what_is_on_the_chip_stays_from_run_to_run(void **state)
{
    (void)state;
    struct setup s;

    open_card(&s, card_name(NULL));
    check_round_trip(&s, 1);
    check_round_trip(&s, 2);
    assert_int_equal(s.counters.value[SPACC_COUNTER_CYCLES], 0);
    assert_int_equal(s.counters.value[SPACC_COUNTER_BYTES_WRITTEN], STATES * 4);
    assert_int_equal(spacc_card_generation(s.card), 0);
    spacc_card_close(s.card);
}

/* Two cards on one device have memories of their own. */
static void cards_do_not_share_a_chip(void **state)
{
    (void)state;
    struct setup a, b;
    int32_t got[STATES], zeros[STATES] = {0};
    struct program p = {.count = 0};

    open_card(&a, card_name(NULL));
    check_round_trip(&a, 3);
    open_card(&b, card_name(NULL));
    add_store(&p, 0);
    add(&p, SPACC_OP_END);
    ok(run(&b, &p));
    ok(spacc_card_read(b.card, b.output, got, sizeof(got), &err));
    assert_memory_equal(got, zeros, sizeof(got));
    spacc_card_close(b.card);
    check_round_trip(&a, 4);
    spacc_card_close(a.card);
}

static void check_error(struct setup *s, const struct program *p, uint32_t code, uint32_t pc)
{
    char want[64];

    assert_int_equal(run(s, p), SPACC_EDEVICE);
    snprintf(want, sizeof(want), "error %u at instruction %u,", code, pc);
    says(want);
    assert_int_equal(spacc_card_generation(s->card), 0);
    check_round_trip(s, code);
}

static void errors_say_where_and_the_card_goes_on(void **state)
{
    (void)state;
    struct setup s;
    struct program p = {.count = 0};
    char address[32];

    open_card(&s, card_name(NULL));
    check_error(&s, &p, SPACC_ERROR_NO_END, 0);
    add_store(&p, 0);
    check_error(&s, &p, SPACC_ERROR_NO_END, 1);
    add(&p, 99);
    check_error(&s, &p, SPACC_ERROR_BAD_OPCODE, 1);
    p.count = 1;
    add_store(&p, REGION_BYTES - 4 * STATES + 64);
    add(&p, SPACC_OP_END);
    assert_int_equal(run(&s, &p), SPACC_EDEVICE);
    snprintf(address, sizeof(address), "address 0x%llx",
             (unsigned long long)(s.output + REGION_BYTES - 4 * STATES + 64));
    says(address);
    check_error(&s, &p, SPACC_ERROR_BAD_ADDRESS, 1);
    spacc_card_close(s.card);
}

static void pointers_are_starts_of_buffers(void **state)
{
    (void)state;
    struct setup s;
    struct program p = {.count = 0};

    open_card(&s, card_name(NULL));
    add(&p, SPACC_OP_END);
    s.input += 64;
    assert_int_equal(run(&s, &p), SPACC_EINVAL);
    says("argument 2 is 0x");
    s.input = 0; /* nobody reads there */
    ok(run(&s, &p));
    spacc_card_close(s.card);
}

/* A run of as many steps as take about a second: whoever looks at the card in that time,
 * however late, finds it at work. */
static void a_run_that_takes_too_long_is_waited_for(void **state)
{
    (void)state;
    struct setup s;
    struct program p = {.count = 0};
    int32_t got[STATES], zeros[STATES] = {0};

    open_card(&s, card_name(NULL));
    check_round_trip(&s, 5);
    uint32_t *word = add(&p, SPACC_OP_RUN);
    SET(word, RUN, X_REGION, SPACC_REGION_INPUT);
    SET(word, RUN, Y_REGION, SPACC_REGION_OUTPUT);
    SET(word, RUN, BATCH, 1);
    SET(word, RUN, STEPS, 1000000);
    SET(word, RUN, GROUPS, 1);
    SET(word, RUN, K_X, 1);
    SET(word, RUN, X_WORDS, 1);
    SET(word, RUN, X_SLOTS, 2);
    add(&p, SPACC_OP_END);
    assert_int_equal(run_within(&s, &p, 1), SPACC_ETIMEOUT);
    says("not done after 1 us");
    assert_int_equal(spacc_card_generation(s.card), 1);

    p.count = 0; /* the chip is as after a reset */
    add_store(&p, 0);
    add(&p, SPACC_OP_END);
    ok(run(&s, &p));
    ok(spacc_card_read(s.card, s.output, got, sizeof(got), &err));
    assert_memory_equal(got, zeros, sizeof(got));
    check_round_trip(&s, 6);
    spacc_card_close(s.card);
}

/* ---- names ------------------------------------------------------------------------ */

static void names_that_are_wrong_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "opencl:",    "opencl:0",    "opencl:0.", "opencl:.0",    "opencl:0.0x",
        "opencl:a.b", "opencl:0.0=", "opencl=",   "opencl:0.0.0", "opencl:00000000000000000.0"};
    struct spacc_card *card;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(spacc_card_open(&card, wrong[i], &err), SPACC_EINVAL);
        assert_null(card);
        says(wrong[i]);
    }
    need_device();
    assert_int_equal(spacc_card_open(&card, "opencl:9.9", &err), SPACC_EUNSUPPORTED);
    says("no OpenCL device 9.9 here, but");
}

/* ---- binaries --------------------------------------------------------------------- */

static void write_file(const char *name, const void *bytes, size_t size)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

/* What the device's compiler makes of this source, as a file. Large ones are not optimised
 * here: that would be most of the test's time. */
static void compile_to(const char *name, const char *source, const char *options)
{
    cl_context context = clCreateContext(NULL, 1, &device_id, NULL, NULL, NULL);
    cl_program program = clCreateProgramWithSource(context, 1, &source, NULL, NULL);
    size_t size = 0;

    assert_int_equal(clBuildProgram(program, 1, &device_id, options, NULL, NULL), 0);
    assert_int_equal(
        clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof(size), &size, NULL), 0);
    unsigned char *binary = malloc(size);
    assert_non_null(binary);
    assert_int_equal(
        clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof(binary), &binary, NULL), 0);
    write_file(name, binary, size);
    free(binary);
    clReleaseProgram(program);
    clReleaseContext(context);
}

static void the_kernel_as_a_binary_is_the_same_card(void **state)
{
    (void)state;
    struct setup s;

    need_device();
    compile_to("card.bin", spacc_kernel_source, CL12 " -cl-opt-disable");
    open_card(&s, card_name("card.bin"));
    assert_int_equal(spacc_card_info(s.card)->pes, SPACC_KERNEL_PES);
    check_round_trip(&s, 7);
    spacc_card_close(s.card);
}

/* The states of a larger card lie behind all that the kernel of this build keeps. */
static void a_binary_may_be_a_larger_card(void **state)
{
    (void)state;
    struct setup s;

    need_device();
    compile_to("large.bin", spacc_kernel_source,
               CL12 " -cl-opt-disable -DSPACC_KERNEL_CONFIG=128x32");
    open_card(&s, card_name("large.bin"));
    assert_int_equal(spacc_card_info(s.card)->pes, 128);
    assert_int_equal(spacc_card_info(s.card)->lanes, 32);
    check_round_trip(&s, 8);
    spacc_card_close(s.card);
}

static void refused(const char *file, enum spacc_status status, const char *text)
{
    struct spacc_card *card;

    assert_int_equal(spacc_card_open(&card, card_name(file), &err), status);
    assert_null(card);
    says(text);
    says(status == SPACC_EDEVICE ? "opencl" : file);
}

#define POINTER_ARGS "global uint *p, global uint *w, global uint *i, global uint *o"
#define SIZE_ARGS    "uint pb, uint wb, uint ib, uint ob, uint watchdog"

static void binaries_of_something_else_are_refused(void **state)
{
    (void)state;
    need_device();
    write_file("not.bin", "not a binary", 12);
    refused("not.bin", SPACC_EDEVICE, "not.bin");
    refused("missing.bin", SPACC_EIO, "No such file");
    compile_to("vadd.bin", "kernel void vadd(global uint *a) { a[0] = 0; }", CL12);
    refused("vadd.bin", SPACC_EUNSUPPORTED, "no kernel 'spacc_card' in it");
    compile_to("few.bin", "kernel void spacc_card(global uint *a) { a[0] = 0; }", CL12);
    refused("few.bin", SPACC_EUNSUPPORTED, "has 1 arguments, that of hls/ has 10");
    compile_to("rtl.bin",
               "kernel void spacc_card(" POINTER_ARGS ", " SIZE_ARGS ") { o[0] = 0; }", CL12);
    refused("rtl.bin", SPACC_EUNSUPPORTED, "use --fpga xrt:N=");
    compile_to("greedy.bin",
               "kernel void spacc_card(" POINTER_ARGS ", " SIZE_ARGS
               ", global uint *state) { state[63] = 0xffffffff; }",
               CL12);
    refused("greedy.bin", SPACC_EDEVICE, "needs 4294967295 bytes");
    compile_to("mute.bin",
               "kernel void spacc_card(" POINTER_ARGS ", " SIZE_ARGS
               ", global uint *state) { state[64] = 1; }",
               CL12);
    refused("mute.bin", SPACC_EDEVICE, "identity register reads 0x00000000");
}

/* ---- whole models ----------------------------------------------------------------- */

struct outcome {
    struct spacc_tensor *out[TENSORS_MAX];
    size_t outputs, on_card;
};

/* Input i from its file; where there is none (states), zeros. */
static struct spacc_tensor *take_input(const struct spacc_model *m, const char *inputs,
                                       size_t i)
{
    struct spacc_tensor *t;
    char name[512];

    snprintf(name, sizeof(name), inputs, i);
    if (access(name, R_OK) == 0) {
        ok(spacc_tensor_load(&t, name, &err));
        return t;
    }
    const int64_t dims[] = {1, 1, 256}; /* of the demo, which alone has such inputs */
    assert_string_equal(spacc_model_input_name(m, i), i == 1 ? "h0" : "c0");
    ok(spacc_tensor_new(&t, SPACC_F32, 3, dims));
    return t;
}

/* A model on a card: its outputs, and how many nodes the card ran. */
static struct outcome run_model(const char *model, const char *inputs, const char *card)
{
    const struct spacc_options options = {.fpga = card, .precision = SPACC_PRECISION_INT16};
    struct outcome got = {.outputs = 0};
    struct spacc_tensor *in[TENSORS_MAX] = {NULL};
    struct spacc_model *m;
    struct spacc_session *session;

    ok(spacc_model_load(&m, model, &err));
    ok(spacc_session_new(&session, m, &options, &err));
    for (size_t i = 0; i < spacc_model_inputs(m); i++)
        in[i] = take_input(m, inputs, i);
    ok(spacc_session_prepare(session, 1, (const struct spacc_tensor *const *)in, &err));
    for (int r = 0; r < 2; r++) { /* weights and states are there from the first run */
        for (size_t o = 0; o < TENSORS_MAX; o++)
            spacc_tensor_free(got.out[o]);
        memset(got.out, 0, sizeof(got.out));
        ok(spacc_session_run(session, (const struct spacc_tensor *const *)in, got.out, &err));
    }
    got.outputs = spacc_model_outputs(m);
    const struct spacc_report *r = spacc_session_report(session);
    for (size_t i = 0; i < r->nodes; i++)
        got.on_card += r->node[i].on_card;
    if (strncmp(card, "opencl", 6) == 0)
        assert_true(r->clock_hz == 0.0 && r->run_cycles == 0 && r->card_run_us > 0.0);
    for (size_t i = 0; i < TENSORS_MAX; i++)
        spacc_tensor_free(in[i]);
    spacc_session_free(session);
    spacc_model_free(m);
    return got;
}

static size_t bytes_of(const struct spacc_tensor *t)
{
    return t->count * (t->dtype == SPACC_I64 ? 8 : t->dtype == SPACC_BOOL ? 1 : 4);
}

static void check_model(const char *model, const char *inputs, const char *card,
                        const char *like)
{
    struct outcome want = run_model(model, inputs, like);
    struct outcome got = run_model(model, inputs, card);

    printf("%s: %zu nodes on the card\n", model, got.on_card);
    assert_int_equal(got.on_card, want.on_card);
    assert_true(got.on_card > 0);
    for (size_t o = 0; o < got.outputs; o++) {
        assert_int_equal(got.out[o]->count, want.out[o]->count);
        if (memcmp(got.out[o]->data, want.out[o]->data, bytes_of(got.out[o])))
            fail_msg("%s: output %zu has other bits than the model of the card", model, o);
        spacc_tensor_free(got.out[o]);
        spacc_tensor_free(want.out[o]);
    }
}

static void the_demo_has_the_bits_of_the_model(void **state)
{
    (void)state;
    static const char model[] = SPACC_SOURCE "/models/demo/charlm.onnx";
    static const char inputs[] = SPACC_SOURCE "/models/demo/heldout%.0zu.npy"; /* 0 is "" */

    check_model(model, inputs, card_name(NULL), "model:16x16");
    check_model(model, inputs, card_name("card.bin"), "model:16x16");
    check_model(model, inputs, card_name("large.bin"), "model:128x32");
}

static void real_models_have_the_bits_of_the_model(void **state)
{
    (void)state;
    static const struct {
        const char *model, *inputs;
    } models[] = {
        {"/models/rnnoise_v01/rnnoise.onnx",
         "/models/rnnoise_v01/golden/rnnoise/seed/in_%zu.npy"},
        {"/models/silero_vad/silero_vad_op18_ifless.onnx",
         "/models/silero_vad/golden/silero_vad_op18_ifless/seed/in_%zu.npy"},
        {"/models/g2p_en/encoder.onnx", "/models/g2p_en/golden/encoder/seed/in_%zu.npy"},
        {"/models/dtln/model_1.onnx", "/models/dtln/golden/model_1/seed/in_%zu.npy"},
        {"/models/plc_nsnet2/nsnetv2_converted.onnx",
         "/models/plc_nsnet2/golden/nsnetv2_converted/seed/in_%zu.npy"},
        {"/models/tract_byte_bilstm/model.onnx",
         "/models/tract_byte_bilstm/golden/model/seed/in_%zu.npy"},
    };
    size_t ran = 0;

    need_device();
    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
        char model[512], inputs[512];
        snprintf(model, sizeof(model), SPACC_SHARED "%s", models[i].model);
        snprintf(inputs, sizeof(inputs), SPACC_SHARED "%s", models[i].inputs);
        if (access(model, R_OK)) {
            printf("skipped: no %s\n", model);
            continue;
        }
        check_model(model, inputs, card_name(NULL), "model:16x16");
        ran++;
    }
    if (ran == 0)
        skip();
}

static int begin(void **state)
{
    (void)state;
    unsetenv("SPACC_XCLBIN");
    (void)spacc_gpu_find(&device_id, &device, builds_source, NULL, "", &err);
    return mkdtemp(folder) ? 0 : -1;
}

static int end(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_the_kernel_is),
        cmocka_unit_test(the_list_knows_what_will_be_built),
        cmocka_unit_test(memory_is_bounded_by_its_buffers),
        cmocka_unit_test(what_is_on_the_chip_stays_from_run_to_run),
        cmocka_unit_test(cards_do_not_share_a_chip),
        cmocka_unit_test(errors_say_where_and_the_card_goes_on),
        cmocka_unit_test(pointers_are_starts_of_buffers),
        cmocka_unit_test(a_run_that_takes_too_long_is_waited_for),
        cmocka_unit_test(names_that_are_wrong_are_refused),
        cmocka_unit_test(the_kernel_as_a_binary_is_the_same_card),
        cmocka_unit_test(a_binary_may_be_a_larger_card),
        cmocka_unit_test(binaries_of_something_else_are_refused),
        cmocka_unit_test(the_demo_has_the_bits_of_the_model),
        cmocka_unit_test(real_models_have_the_bits_of_the_model),
    };
    return cmocka_run_group_tests(tests, begin, end);
}

#endif
