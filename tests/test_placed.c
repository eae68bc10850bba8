/* Sessions whose nodes are placed: results, devices that fail, splits that do not keep their
 * promise, pruned and packed models. */
#include <sys/stat.h>
#include <unistd.h>

#include "host/profiles.h"
#include "host/session_parts.h"
#include "models/io.h"
#include "tests/gpu_maker.h"
#include "tests/placing_maker.h"
#include "tests/rnn_maker.h"

static char folder[] = "/tmp/spacc-placed-XXXXXX";
static char slow[64], fast[64]; /* folders of profiles: what the CPU is said to be */

static const char *path(const char *name)
{
    static char text[4][256];
    static int turn;

    turn = (turn + 1) % 4;
    snprintf(text[turn], sizeof(text[turn]), "%s/%s", folder, name);
    return text[turn];
}

static void ok(enum spacc_status s, const struct spacc_error *err)
{
    if (s != SPACC_OK)
        fail_msg("%s: %s", spacc_status_name(s), err->text);
}

/* ---- profiles ---------------------------------------------------------------------- */

/* As a profile calls it: "cpu", or number and name of an OpenCL device. */
static void name_device(char text[SPACC_PROFILES_DEVICE], const char *device)
{
    struct spacc_gpu_info info[8];
    const size_t count = spacc_gpu_list(info, 8);

    snprintf(text, SPACC_PROFILES_DEVICE, "%s", device);
    for (size_t i = 0; i < count && i < 8; i++)
        if (strcmp(info[i].which, device) == 0)
            snprintf(text, SPACC_PROFILES_DEVICE, "%s %.40s", device, info[i].name);
}

/* One of this machine, with a sample of no kernel that there is: prices are the roofline. */
static void write_profile(const char *in, const char *device, double peak)
{
    struct spacc_profile *p = made_up_profile(peak, peak);
    struct spacc_sample s = {.work = {.family = SPACC_WORK_OTHER,
                                      .kernel = "made up",
                                      .size = {8, 8},
                                      .macs = 512,
                                      .in_bytes = 256,
                                      .weight_bytes = 256,
                                      .out_bytes = 256,
                                      .threads = 1},
                             .us = 5.0,
                             .joules = NAN,
                             .runs = 3};
    struct spacc_error err = {.text = ""};
    char file[320];

    name_device(p->device, device);
    p->complete = true;
    ok(spacc_machine_read(&p->machine, &err), &err);
    for (int i = 1; i <= 4; i++) {
        s.work.size[0] = 8 * i;
        s.work.macs = 512 * i;
        s.us = 5.0 * i;
        ok(spacc_profile_add(p, &s, &err), &err);
    }
    snprintf(file, sizeof(file), "%s/profile-%s.json", in, device);
    ok(spacc_profile_save(p, file, &err), &err);
    spacc_profile_free(p);
}

/* The GPU is the other way round. */
static void write_profiles(void)
{
    struct spacc_gpu_info info;
    const bool has_gpu = spacc_gpu_list(&info, 1) > 0;

    snprintf(slow, sizeof(slow), "%s", path("slow"));
    snprintf(fast, sizeof(fast), "%s", path("fast"));
    assert_int_equal(mkdir(slow, 0700), 0);
    assert_int_equal(mkdir(fast, 0700), 0);
    write_profile(slow, "cpu", 1.0);
    write_profile(fast, "cpu", 1e7);
    if (has_gpu) {
        write_profile(slow, info.which, 1e7);
        write_profile(fast, info.which, 1.0);
    }
}

/* ---- a model with inputs ----------------------------------------------------------- */

struct work {
    struct spacc_model *model;
    struct spacc_session *session;
    struct spacc_tensor *in[2], *out[2], *want[2];
    struct spacc_error err;
};

static const struct spacc_tensor *const *in_of(const struct work *w)
{
    return (const struct spacc_tensor *const *)w->in;
}

/* Takes `graph` over. Its only input is x. */
static void begin(struct work *w, struct maker graph, int rank, const int64_t *dims)
{
    struct maker m = make_model(graph, 8, 13);

    *w = (struct work){0};
    ok(spacc_file_write(path("m.onnx"), m.bytes, m.used, &w->err), &w->err);
    free(m.bytes);
    ok(spacc_model_load(&w->model, path("m.onnx"), &w->err), &w->err);
    w->in[0] = rnn_tensor(rank, dims, 1.0f);
    ok(spacc_graph_run(spacc_model_graph(w->model), in_of(w), w->want, NULL, &w->err), &w->err);
}

static void begin_towers(struct work *w)
{
    begin(w, two_towers(), DIMS(16, 32));
}

/* An LSTM (rnn0) and a MatMul (dense) behind it. */
static void begin_rnn(struct work *w, int64_t hidden, int64_t matmul)
{
    const struct rnn_model rnn = {
        .op = "LSTM", .layers = 1, .inputs = 16, .hidden = hidden, .matmul = matmul};

    *w = (struct work){0};
    rnn_write(path("m.onnx"), &rnn);
    ok(spacc_model_load(&w->model, path("m.onnx"), &w->err), &w->err);
    w->in[0] = rnn_tensor(DIMS(3, 1, 16), 1.0f);
    ok(spacc_graph_run(spacc_model_graph(w->model), in_of(w), w->want, NULL, &w->err), &w->err);
}

static void end_session(struct work *w)
{
    spacc_tensor_free(w->out[0]);
    w->out[0] = NULL;
    spacc_session_free(w->session);
    w->session = NULL;
}

static void end(struct work *w)
{
    end_session(w);
    spacc_tensor_free(w->in[0]);
    spacc_tensor_free(w->want[0]);
    spacc_model_free(w->model);
}

static enum spacc_status try_prepare(struct work *w, const struct spacc_options *o)
{
    ok(spacc_session_new(&w->session, w->model, o, &w->err), &w->err);
    w->session->as_priced = true;
    return spacc_session_prepare(w->session, 1, in_of(w), &w->err);
}

static void run_again(struct work *w)
{
    spacc_tensor_free(w->out[0]);
    w->out[0] = NULL;
    ok(spacc_session_run(w->session, in_of(w), w->out, &w->err), &w->err);
}

static void run(struct work *w, const struct spacc_options *o)
{
    ok(try_prepare(w, o), &w->err);
    run_again(w);
}

static double error_of(const struct work *w)
{
    double most = 0.0;

    assert_true(spacc_tensor_same_shape(w->out[0], w->want[0]));
    for (size_t i = 0; i < w->want[0]->count; i++)
        most = fmax(most, fabs(spacc_tensor_element(w->out[0], i) -
                               spacc_tensor_element(w->want[0], i)));
    return most;
}

static void check_results(const struct work *w)
{
    if (!(error_of(w) <= 1e-4))
        fail_msg("results are off by %g", error_of(w));
}

static const char *device_of(struct work *w, const char *node)
{
    const struct spacc_report *r = spacc_session_report(w->session);

    for (size_t i = 0; i < r->nodes; i++)
        if (strcmp(r->node[i].name, node) == 0)
            return r->node[i].device;
    fail_msg("no node %s", node);
    return NULL;
}

static bool has_note(struct work *w, const char *part)
{
    const struct spacc_report *r = spacc_session_report(w->session);

    for (size_t i = 0; i < r->notes; i++)
        if (strstr(r->note[i], part))
            return true;
    return false;
}

static void refuse(struct work *w, const struct spacc_options *o, enum spacc_status status,
                   const char *text)
{
    assert_int_equal(try_prepare(w, o), status);
    if (!strstr(w->err.text, text))
        fail_msg("'%s' is not in '%s'", text, w->err.text);
    end_session(w);
}

/* The first OpenCL device, of any kind. */
static const char *gpu_name(void)
{
    static struct spacc_gpu_info info;

    if (spacc_gpu_list(&info, 1) == 0) {
        printf("skipped: no OpenCL device\n");
        skip();
    }
    return info.which;
}

/* ---- profiles: what is wrong with them ---------------------------------------------- */

static void without_a_profile_prices_are_a_roofline_and_a_note_says_so(void **state)
{
    const struct spacc_options o = {.plan = true};
    struct work w;

    (void)state;
    setenv("XDG_CACHE_HOME", path("nobody"), 1);
    begin_towers(&w);
    run(&w, &o);
    check_results(&w);
    assert_true(has_note(&w, "cpu: no profile of this machine: prices are a roofline"));
    const struct spacc_placing *p = spacc_session_placing(w.session);
    assert_int_equal(p->tasks.tasks, 5);
    for (size_t t = 0; t < p->tasks.tasks; t++)
        assert_true(p->tasks.task[t].us[0] > 0.0);
    end(&w);
}

/* A 9 before the number of this key; NULL: half the file is gone. */
static void edit_profile(const char *key)
{
    struct spacc_error err = {.text = ""};
    void *text;
    size_t bytes;

    ok(spacc_file_read(&text, &bytes, path("slow/profile-cpu.json"), 1 << 20, &err), &err);
    char *json = calloc(bytes + 2, 1), *at;
    assert_non_null(json);
    memcpy(json, text, bytes);
    if (key) {
        assert_non_null(at = strstr(json, key));
        at += strcspn(at, "0123456789");
        memmove(at + 1, at, strlen(at) + 1);
        *at = '9';
    } else {
        json[bytes / 2] = '\0';
    }
    if (access(path("odd"), F_OK) != 0)
        assert_int_equal(mkdir(path("odd"), 0700), 0);
    ok(spacc_file_write(path("odd/profile-cpu.json"), json, strlen(json), &err), &err);
    free(json);
    free(text);
}

static void profiles_of_others_are_refused(void **state)
{
    char odd[256];
    const struct spacc_options o = {.plan = true, .profiles = odd};
    const struct spacc_options cached = {.plan = true};
    struct work w;

    (void)state;
    snprintf(odd, sizeof(odd), "%s", path("odd"));
    begin_towers(&w);
    run(&w, &o); /* there is none */
    assert_true(has_note(&w, "cpu: no profile of this machine: prices are a roofline"));
    end_session(&w);
    edit_profile("\"cores\"");
    refuse(&w, &o, SPACC_EUNSUPPORTED, "measured on another machine");
    assert_non_null(strstr(w.err.text, "odd/profile-cpu.json"));
    edit_profile("\"spacc_profile\"");
    refuse(&w, &o, SPACC_EUNSUPPORTED, "odd/profile-cpu.json");
    edit_profile(NULL);
    refuse(&w, &o, SPACC_EFORMAT, "odd/profile-cpu.json");
    write_profile(odd, "cpus", 1.0);
    assert_int_equal(rename(path("odd/profile-cpus.json"), path("odd/profile-cpu.json")), 0);
    refuse(&w, &o, SPACC_EINVAL, "odd/profile-cpu.json: profile of device cpus, not of cpu");
    /* in the cache another machine's is as good as none, a damaged one is not */
    setenv("XDG_CACHE_HOME", path("cache"), 1);
    assert_int_equal(mkdir(path("cache"), 0700), 0);
    assert_int_equal(mkdir(path("cache/spacc"), 0700), 0);
    edit_profile("\"cores\"");
    assert_int_equal(rename(path("odd/profile-cpu.json"), path("cache/spacc/profile-cpu.json")),
                     0);
    run(&w, &cached);
    assert_true(has_note(&w, "measured on another machine"));
    end_session(&w);
    edit_profile(NULL);
    assert_int_equal(rename(path("odd/profile-cpu.json"), path("cache/spacc/profile-cpu.json")),
                     0);
    refuse(&w, &cached, SPACC_EFORMAT, "cache/spacc/profile-cpu.json");
    end(&w);
}

/* ---- a GPU -------------------------------------------------------------------------- */

static void on_a_gpu_results_are_those_of_the_reference(void **state)
{
    const struct spacc_pin pin[] = {{"left", "gpu"}, {"soft", "gpu"}, {"right", "cpu"}};
    struct spacc_options o = {
        .gpu = gpu_name(), .all_on = "gpu", .cpu_threads = 2, .profiles = fast};
    struct work w;

    (void)state;
    begin_towers(&w);
    run(&w, &o);
    check_results(&w);
    assert_string_equal(device_of(&w, "left"), "gpu");
    assert_string_equal(device_of(&w, "sum"), "gpu");
    assert_true(strlen(spacc_session_report(w.session)->gpu) > 0);
    end_session(&w);
    o.all_on = NULL;
    o.pins = 3;
    o.pin = pin;
    run(&w, &o); /* two towers at once */
    check_results(&w);
    assert_string_equal(device_of(&w, "left"), "gpu");
    assert_string_equal(device_of(&w, "soft"), "gpu");
    assert_string_equal(device_of(&w, "right"), "cpu");
    run_again(&w);
    check_results(&w);
    end(&w);
}

static void objectives_change_no_result(void **state)
{
    static const enum spacc_goal goal[] = {SPACC_GOAL_LATENCY, SPACC_GOAL_THROUGHPUT,
                                           SPACC_GOAL_ENERGY};
    struct work w;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const struct spacc_options o = {
            .gpu = gpu_name(), .goal = goal[i], .profiles = slow, .plan = true};
        begin_towers(&w);
        run(&w, &o);
        check_results(&w);
        const struct spacc_placement *c = &spacc_session_placing(w.session)->chosen;
        assert_true(c->us > 0.0 && c->interval_us > 0.0 && c->joules > 0.0);
        end(&w);
    }
}

/* Whichever command it is that fails, the run that it fails in ends well, and so do others. */
static void a_gpu_that_fails_is_gone_on_without(void **state)
{
    const struct spacc_options o = {.gpu = gpu_name(), .all_on = "gpu", .profiles = fast};
    struct work w;

    (void)state;
    for (size_t at = 1; at <= 6; at++) {
        begin_towers(&w);
        ok(try_prepare(&w, &o), &w.err);
        spacc_gpu_fail_at(w.session->gpu, at);
        for (int r = 0; r < 3; r++) {
            run_again(&w);
            check_results(&w);
        }
        assert_true(has_note(&w, "the GPU failed ("));
        assert_true(has_note(&w, "the rest runs without it"));
        assert_string_equal(device_of(&w, "left"), "cpu");
        /* prepared again, it still is without */
        ok(spacc_session_prepare(w.session, 1, in_of(&w), &w.err), &w.err);
        run_again(&w);
        check_results(&w);
        end(&w);
    }
}

static void threads_that_were_never_measured_are_told(void **state)
{
    const struct spacc_options one = {.plan = true, .profiles = fast};
    const struct spacc_options two = {.plan = true, .profiles = fast, .cpu_threads = 2};
    struct work w;

    (void)state;
    begin_towers(&w);
    ok(spacc_session_new(&w.session, w.model, &one, &w.err), &w.err);
    ok(spacc_session_prepare(w.session, 1, in_of(&w), &w.err), &w.err);
    assert_false(has_note(&w, "nothing was measured with"));
    spacc_session_free(w.session);
    ok(spacc_session_new(&w.session, w.model, &two, &w.err), &w.err);
    ok(spacc_session_prepare(w.session, 1, in_of(&w), &w.err), &w.err);
    assert_true(has_note(&w, "nothing was measured with 2 threads"));
    end(&w);
}

/* Prices that are wrong by a factor of thousands are found out by runs before anything is
 * placed. */
static void prices_are_held_to_runs(void **state)
{
    const struct spacc_options o = {.gpu = gpu_name(), .profiles = slow};
    struct work w;

    (void)state;
    begin_towers(&w);
    ok(spacc_session_new(&w.session, w.model, &o, &w.err), &w.err);
    ok(spacc_session_prepare(w.session, 1, in_of(&w), &w.err), &w.err);
    assert_true(w.session->placing->factor[SPACC_ON_CPU] < 0.5);
    assert_true(has_note(&w, "prices of the cpu times 0."));
    run_again(&w);
    check_results(&w);
    end(&w);
}

static void a_gpu_that_fails_when_it_is_priced_gets_nothing(void **state)
{
    const struct spacc_options o = {.gpu = gpu_name(), .profiles = slow};
    struct work w;

    (void)state;
    begin_towers(&w);
    ok(spacc_session_new(&w.session, w.model, &o, &w.err), &w.err);
    spacc_gpu_fail_at(w.session->gpu, 3);
    ok(spacc_session_prepare(w.session, 1, in_of(&w), &w.err), &w.err);
    run_again(&w);
    check_results(&w);
    assert_true(has_note(&w, "nothing is placed on it"));
    end(&w);
}

static void a_gpu_that_fails_in_its_trial_is_gone_on_without(void **state)
{
    const struct spacc_options o = {.gpu = gpu_name(), .profiles = slow};
    struct work w;

    (void)state;
    begin_towers(&w);
    ok(spacc_session_new(&w.session, w.model, &o, &w.err), &w.err);
    w.session->as_priced = true;
    spacc_gpu_fail_at(w.session->gpu, 3);
    ok(spacc_session_prepare(w.session, 1, in_of(&w), &w.err), &w.err);
    run_again(&w);
    check_results(&w);
    assert_true(has_note(&w, "the rest runs without it"));
    end(&w);
}

static void pruned_weights_are_pruned_on_a_gpu(void **state)
{
    struct spacc_options o = {.sparsity = 0.5, .bank_size = 8, .profiles = fast};
    struct work w;

    (void)state;
    begin_rnn(&w, 16, 8);
    run(&w, &o);
    assert_true(error_of(&w) > 1e-3); /* the weights are not those of the file */
    spacc_tensor_free(w.want[0]);
    w.want[0] = w.out[0];
    w.out[0] = NULL;
    end_session(&w);
    o.gpu = gpu_name();
    o.all_on = "gpu";
    run(&w, &o);
    check_results(&w);
    assert_string_equal(device_of(&w, "rnn0"), "gpu");
    assert_string_equal(device_of(&w, "dense"), "gpu");
    end(&w);
}

/* What was asked for in fixed point is not computed in float somewhere else. */
static void fixed_point_stays_on_the_cpu(void **state)
{
    const struct spacc_pin pin = {"rnn0", "gpu"};
    struct spacc_options o = {.precision = SPACC_PRECISION_INT16, .profiles = fast};
    struct work w;

    (void)state;
    begin_rnn(&w, 16, 8);
    run(&w, &o);
    spacc_tensor_free(w.want[0]);
    w.want[0] = w.out[0];
    w.out[0] = NULL;
    end_session(&w);
    o.gpu = gpu_name();
    o.all_on = "gpu";
    run(&w, &o);
    assert_memory_equal(w.out[0]->data, w.want[0]->data, w.want[0]->count * sizeof(float));
    assert_string_equal(device_of(&w, "rnn0"), "cpu");
    end_session(&w);
    o.pins = 1;
    o.pin = &pin;
    refuse(&w, &o, SPACC_EINVAL, "rnn0 is pinned to the gpu, but is fixed point on the CPU");
    end(&w);
}

static void a_gpu_that_is_not_there_is_an_error(void **state)
{
    const struct spacc_options o = {.gpu = "77.0"};
    struct work w;

    (void)state;
    begin_towers(&w);
    assert_int_equal(spacc_session_new(&w.session, w.model, &o, &w.err), SPACC_EUNSUPPORTED);
    assert_non_null(strstr(w.err.text, "no OpenCL device"));
    end(&w);
}

/* ---- a split that is watched --------------------------------------------------------- */

/* As a trial leaves it: an engine without the device beside. */
static void watch(struct work *w, double single_us)
{
    struct spacc_session *s = w->session;
    struct spacc_engine *split = s->executor.engine;
    struct spacc_gpu *gpu = s->executor.gpu;

    assert_null(s->watch.single);
    s->executor.gpu = NULL;
    ok(spacc_executor_ready(&s->executor, s->model->graph, in_of(w), NULL, SPACC_TILE_F32,
                            &w->err),
       &w->err);
    s->watch = (struct spacc_watch){.single = s->executor.engine,
                                    .without = SPACC_ON_GPU,
                                    .split_us = single_us,
                                    .single_us = single_us};
    s->executor.engine = split;
    s->executor.gpu = gpu;
}

static void a_split_that_becomes_slow_is_withdrawn(void **state)
{
    const struct spacc_options o = {.gpu = gpu_name(), .all_on = "gpu", .profiles = fast};
    struct work w;

    (void)state;
    begin_towers(&w);
    ok(try_prepare(&w, &o), &w.err);
    watch(&w, 100.0);
    for (int i = 0; i < SPACC_WATCH_RUNS; i++) /* one slow window is chance */
        spacc_session_watch(w.session, 130.0);
    for (int i = 0; i < SPACC_WATCH_RUNS; i++) /* a few slow runs are as well */
        spacc_session_watch(w.session, i < 5 ? 500.0 : 99.0);
    for (int i = 0; i < SPACC_WATCH_RUNS; i++)
        spacc_session_watch(w.session, 130.0);
    assert_non_null(w.session->watch.single);
    assert_string_equal(device_of(&w, "left"), "gpu");
    for (int i = 0; i < SPACC_WATCH_RUNS; i++)
        spacc_session_watch(w.session, 131.0);
    assert_null(w.session->watch.single);
    assert_true(has_note(&w, "the gpu is not used: a run took 131.0 us with it and 100.0 us"));
    assert_string_equal(device_of(&w, "left"), "cpu");
    run_again(&w);
    check_results(&w);
    end(&w);
}

static void a_split_that_proves_itself_is_watched_no_more(void **state)
{
    const struct spacc_options o = {.gpu = gpu_name(), .all_on = "gpu", .profiles = fast};
    int runs = 0;
    struct work w;

    (void)state;
    begin_towers(&w);
    ok(try_prepare(&w, &o), &w.err);
    watch(&w, 100.0);
    for (; w.session->watch.single && runs < 100000; runs++)
        spacc_session_watch(w.session, 90.0);
    assert_true(runs > SPACC_WATCH_RUNS && runs < 1000);
    for (int i = 0; i < 1000; i++)
        spacc_session_watch(w.session, 900.0);
    assert_string_equal(device_of(&w, "left"), "gpu");
    run_again(&w);
    check_results(&w);
    end(&w);
}

/* A GPU that was asked for beside a card that is on trial: what is kept in case the card is
 * slow needs the GPU as well. */
static void a_gpu_that_fails_takes_the_watched_engine_along(void **state)
{
    const struct spacc_options o = {.gpu = gpu_name(), .all_on = "gpu", .profiles = fast};
    struct work w;

    (void)state;
    begin_towers(&w);
    ok(try_prepare(&w, &o), &w.err);
    struct spacc_session *s = w.session;
    struct spacc_engine *split = s->executor.engine;
    ok(spacc_executor_ready(&s->executor, s->model->graph, in_of(&w), NULL, SPACC_TILE_F32,
                            &w.err),
       &w.err);
    s->watch = (struct spacc_watch){
        .single = s->executor.engine, .without = SPACC_ON_CARD, .single_us = 1.0};
    s->executor.engine = split;
    spacc_gpu_fail_at(s->gpu, 2);
    for (int i = 0; i < 3 * SPACC_WATCH_RUNS; i++) {
        run_again(&w);
        check_results(&w);
    }
    end(&w);
}

/* ---- a card ------------------------------------------------------------------------- */

static void a_card_that_is_named_runs_what_it_can(void **state)
{
    const struct spacc_options o = {.fpga = "model:4x4", .plan = true, .profiles = fast};
    struct work w;

    (void)state;
    begin_rnn(&w, 64, 2100); /* the product is too large for it */
    run(&w, &o);
    assert_string_equal(device_of(&w, "rnn0"), "card");
    assert_string_equal(device_of(&w, "dense"), "cpu");
    assert_true(error_of(&w) < 5e-3);
    const struct spacc_report *r = spacc_session_report(w.session);
    for (size_t i = 0; i < r->nodes; i++)
        if (strcmp(r->node[i].name, "rnn0") == 0)
            assert_in_range(r->run_cycles, r->node[i].cycles, 3 * r->node[i].cycles / 2);
    end(&w);
}

/* Both layers are larger than what the host rounds for them: by its cycles alone, 6.7 and
 * 16.3 us, the card is slower than a CPU of this profile, 2 us each, whatever rounding takes.
 */
static void for_latency_a_card_gets_what_it_does_faster(void **state)
{
    struct spacc_options o = {
        .fpga = "model:4x4", .goal = SPACC_GOAL_LATENCY, .profiles = fast};
    const struct spacc_pin pin = {"rnn0", "card"};
    struct work w;

    (void)state;
    begin_rnn(&w, 32, 512);
    run(&w, &o);
    assert_string_equal(device_of(&w, "rnn0"), "cpu");
    assert_string_equal(device_of(&w, "dense"), "cpu");
    check_results(&w); /* float, not fixed point */
    end_session(&w);
    o.pins = 1;
    o.pin = &pin;
    run(&w, &o);
    assert_string_equal(device_of(&w, "rnn0"), "card");
    assert_string_equal(device_of(&w, "dense"), "cpu");
    assert_true(error_of(&w) > 0.0 && error_of(&w) < 5e-3);
    end(&w);
}

/* Where the CPU is said to be slow both layers go to the card, and are tried there: whatever
 * comes out, the report says what runs, and counts the runs that were asked for. */
static void a_trial_of_a_card_does_not_count(void **state)
{
    const struct spacc_options o = {.fpga = "model:4x4",
                                    .goal = SPACC_GOAL_LATENCY,
                                    .profiles = slow,
                                    .verify = true,
                                    .trace = true};
    struct work w;

    (void)state;
    begin_rnn(&w, 16, 8);
    run(&w, &o);
    const struct spacc_report *r = spacc_session_report(w.session);
    uint64_t cycles = 0;
    assert_true(error_of(&w) < 5e-3);
    assert_true(w.session->watch.single_us > 0.0); /* there was a trial */
    for (size_t i = 0; i < r->nodes; i++) {
        assert_int_equal(r->node[i].calls <= 1, true);
        cycles += r->node[i].cycles;
    }
    assert_in_range(r->run_cycles, cycles, 3 * cycles / 2);
    size_t slices = 0;
    for (size_t i = 0; i < spacc_timeline_slices(w.session->timeline); i++)
        slices += strcmp(spacc_timeline_slice(w.session->timeline, i).name, "rnn0") == 0;
    assert_true(slices <= 3);
    end(&w);
}

/* A layer that the GPU cannot run, for the card, and a product for the GPU: when the GPU is not
 * worth it the card still has to be. */
static void behind_the_gpu_the_card_is_tried(void **state)
{
    const struct spacc_options o = {
        .gpu = gpu_name(), .fpga = "model:4x4", .goal = SPACC_GOAL_LATENCY, .profiles = slow};
    const struct rnn_model rnn = {
        .op = "LSTM", .layers = 1, .inputs = 16, .hidden = 64, .layout = 1, .matmul = 512};
    struct work w = {0};

    (void)state;
    rnn_write(path("m.onnx"), &rnn);
    ok(spacc_model_load(&w.model, path("m.onnx"), &w.err), &w.err);
    w.in[0] = rnn_tensor(DIMS(1, 3, 16), 1.0f);
    ok(spacc_graph_run(spacc_model_graph(w.model), in_of(&w), w.want, NULL, &w.err), &w.err);
    for (int fails = 0; fails < 2; fails++) {
        ok(spacc_session_new(&w.session, w.model, &o, &w.err), &w.err);
        w.session->as_priced = true;
        spacc_gpu_fail_at(w.session->gpu, fails ? 2 : 0);
        ok(spacc_session_prepare(w.session, 1, in_of(&w), &w.err), &w.err);
        const bool gpu_left = has_note(&w, "the gpu is not used") || fails;
        assert_int_equal(has_note(&w, "the rest runs without it"), fails);
        assert_int_equal(w.session->watch.without, gpu_left ? SPACC_ON_CARD : SPACC_ON_GPU);
        assert_true(w.session->watch.single_us > 0.0);
        run_again(&w);
        assert_true(error_of(&w) < 5e-3);
        assert_int_equal(spacc_session_report(w.session)->runs, 1);
        end_session(&w);
    }
    end(&w);
}

static void pruned_weights_are_pruned_wherever_they_are(void **state)
{
    const struct spacc_pin pin[] = {{"rnn0", "cpu"}, {"dense", "card"}};
    struct spacc_options o = {.sparsity = 0.5, .bank_size = 8, .profiles = fast};
    struct work w;

    (void)state;
    begin_rnn(&w, 16, 8);
    run(&w, &o);
    assert_true(error_of(&w) > 1e-3);
    spacc_tensor_free(w.want[0]);
    w.want[0] = w.out[0];
    w.out[0] = NULL;
    end_session(&w);
    o.fpga = "model:4x4";
    o.goal = SPACC_GOAL_LATENCY;
    o.profiles = fast;
    run(&w, &o); /* nothing is worth the card */
    assert_string_equal(device_of(&w, "rnn0"), "cpu");
    check_results(&w);
    end_session(&w);
    o.pins = 2;
    o.pin = pin;
    run(&w, &o); /* one on each */
    assert_string_equal(device_of(&w, "rnn0"), "cpu");
    assert_string_equal(device_of(&w, "dense"), "card");
    assert_true(error_of(&w) < 5e-3);
    end(&w);
}

static void a_packed_model_keeps_the_card(void **state)
{
    const struct spacc_options first = {.fpga = "model:4x4"};
    const struct spacc_options o = {
        .fpga = "model:4x4", .goal = SPACC_GOAL_LATENCY, .profiles = fast};
    struct spacc_model *packed;
    struct work w;

    (void)state;
    begin_rnn(&w, 16, 8);
    run(&w, &first);
    ok(spacc_session_pack(w.session, path("m.safetensors"), &w.err), &w.err);
    spacc_tensor_free(w.want[0]);
    w.want[0] = w.out[0];
    w.out[0] = NULL;
    end_session(&w);
    ok(spacc_model_load(&packed, path("m.safetensors"), &w.err), &w.err);
    spacc_model_free(w.model);
    w.model = packed;
    run(&w, &o);
    assert_string_equal(device_of(&w, "rnn0"), "card");
    assert_string_equal(device_of(&w, "dense"), "card");
    assert_memory_equal(w.out[0]->data, w.want[0]->data, w.want[0]->count * sizeof(float));
    end(&w);
}

static void a_placed_session_is_not_packed(void **state)
{
    const struct spacc_options o = {
        .fpga = "model:4x4", .goal = SPACC_GOAL_LATENCY, .profiles = fast};
    struct work w;

    (void)state;
    begin_rnn(&w, 16, 8);
    run(&w, &o);
    assert_int_equal(spacc_session_pack(w.session, path("n.safetensors"), &w.err),
                     SPACC_EINVAL);
    assert_non_null(strstr(w.err.text, "has given layers to devices"));
    assert_true(access(path("n.safetensors"), F_OK) != 0);
    end(&w);
}

/* ---- plans in files, pins ------------------------------------------------------------ */

static void a_plan_that_was_saved_is_run_again(void **state)
{
    const struct spacc_pin pin[] = {{"rnn0", "card"}, {"dense", "cpu"}};
    struct spacc_options o = {.fpga = "model:4x4",
                              .goal = SPACC_GOAL_LATENCY,
                              .profiles = fast,
                              .pins = 2,
                              .pin = pin};
    const struct spacc_options plain = {0};
    char file[256];
    struct work w;

    (void)state;
    snprintf(file, sizeof(file), "%s", path("plan.json"));
    begin_rnn(&w, 16, 8);
    run(&w, &o);
    ok(spacc_session_save_plan(w.session, file, &w.err), &w.err);
    spacc_tensor_free(w.want[0]);
    w.want[0] = w.out[0];
    w.out[0] = NULL;
    end_session(&w);
    o.pins = 0;
    o.plan_file = file;
    run(&w, &o);
    assert_string_equal(device_of(&w, "rnn0"), "card");
    assert_string_equal(device_of(&w, "dense"), "cpu");
    assert_memory_equal(w.out[0]->data, w.want[0]->data, w.want[0]->count * sizeof(float));
    end_session(&w);
    o.fpga = NULL;
    refuse(&w, &o, SPACC_EINVAL, "rnn0 is pinned to the card, which is not used");
    run(&w, &plain);
    assert_int_equal(spacc_session_save_plan(w.session, file, &w.err), SPACC_EINVAL);
    assert_non_null(strstr(w.err.text, "nothing was placed"));
    end(&w);
    begin_rnn(&w, 16, 9); /* another model */
    o.fpga = "model:4x4";
    refuse(&w, &o, SPACC_EINVAL, "plan for a model with SHA-256");
    end(&w);
}

static void pins_of_nobody_and_nowhere_are_refused(void **state)
{
    struct spacc_pin pin = {"nobody", "cpu"};
    const struct spacc_options o = {.pins = 1, .pin = &pin, .profiles = fast};
    const struct spacc_options all = {.all_on = "moon", .profiles = fast};
    struct work w;

    (void)state;
    begin_towers(&w);
    refuse(&w, &o, SPACC_EINVAL, "no node nobody to pin to the cpu");
    pin = (struct spacc_pin){"left", "toaster"};
    refuse(&w, &o, SPACC_EINVAL, "left is pinned to 'toaster': cpu, gpu or card");
    pin.device = "gpu";
    refuse(&w, &o, SPACC_EINVAL, "left is pinned to the gpu, which is not used");
    refuse(&w, &all, SPACC_EINVAL, "all on 'moon'");
    end(&w);
}

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return 1;
    write_profiles();
    return 0;
}

static int drop_folder(void **state)
{
    char command[320];

    (void)state;
    snprintf(command, sizeof(command), "rm -r '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_profile_prices_are_a_roofline_and_a_note_says_so),
        cmocka_unit_test(profiles_of_others_are_refused),
        cmocka_unit_test(on_a_gpu_results_are_those_of_the_reference),
        cmocka_unit_test(objectives_change_no_result),
        cmocka_unit_test(a_gpu_that_fails_is_gone_on_without),
        cmocka_unit_test(threads_that_were_never_measured_are_told),
        cmocka_unit_test(prices_are_held_to_runs),
        cmocka_unit_test(a_gpu_that_fails_when_it_is_priced_gets_nothing),
        cmocka_unit_test(a_gpu_that_fails_in_its_trial_is_gone_on_without),
        cmocka_unit_test(pruned_weights_are_pruned_on_a_gpu),
        cmocka_unit_test(fixed_point_stays_on_the_cpu),
        cmocka_unit_test(a_gpu_that_is_not_there_is_an_error),
        cmocka_unit_test(a_split_that_becomes_slow_is_withdrawn),
        cmocka_unit_test(a_split_that_proves_itself_is_watched_no_more),
        cmocka_unit_test(a_gpu_that_fails_takes_the_watched_engine_along),
        cmocka_unit_test(a_card_that_is_named_runs_what_it_can),
        cmocka_unit_test(for_latency_a_card_gets_what_it_does_faster),
        cmocka_unit_test(a_trial_of_a_card_does_not_count),
        cmocka_unit_test(behind_the_gpu_the_card_is_tried),
        cmocka_unit_test(pruned_weights_are_pruned_wherever_they_are),
        cmocka_unit_test(a_packed_model_keeps_the_card),
        cmocka_unit_test(a_placed_session_is_not_packed),
        cmocka_unit_test(a_plan_that_was_saved_is_run_again),
        cmocka_unit_test(pins_of_nobody_and_nowhere_are_refused),
    };

    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
