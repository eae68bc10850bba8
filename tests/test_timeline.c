/* What ran where and when: slices and tracks, the file, and who adds them. */
#include <pthread.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "host/session_parts.h"
#include "models/io.h"
#include "tests/placing_maker.h"
#include "tests/rnn_maker.h"

static char file[64];

static struct spacc_timeline *new_timeline(size_t slices)
{
    struct spacc_error err = {.text = ""};
    struct spacc_timeline *t;

    if (spacc_timeline_new(&t, slices, &err))
        fail_msg("%s", err.text);
    return t;
}

static void add_slice(struct spacc_timeline *t, int track, double start_us, double cycles)
{
    spacc_timeline_add(
        t, &(struct spacc_slice){track, "node", "Conv", start_us, start_us + 5.0, cycles});
}

/* ---- tracks and slices -------------------------------------------------------------- */

static void tracks_are_known_by_their_names(void **state)
{
    struct spacc_timeline *t = new_timeline(1);
    char name[32];
    int track = 0;

    (void)state;
    assert_int_equal(spacc_timeline_tracks(t), 0);
    assert_int_equal(spacc_timeline_track(t, "cpu 0"), 0);
    assert_int_equal(spacc_timeline_track(t, "card"), 1);
    assert_int_equal(spacc_timeline_track(t, "cpu 0"), 0);
    assert_int_equal(spacc_timeline_track(t, "cpu"), 2); /* not the start of another */
    assert_int_equal(spacc_timeline_tracks(t), 3);
    assert_string_equal(spacc_timeline_track_name(t, 1), "card");
    assert_null(spacc_timeline_track_name(t, -1));
    assert_null(spacc_timeline_track_name(t, 3));
    for (int i = 0; i < 1000 && track >= 0; i++) {
        snprintf(name, sizeof(name), "track %d", i);
        track = spacc_timeline_track(t, name);
    }
    assert_int_equal(track, -1); /* there is an end */
    assert_true(spacc_timeline_tracks(t) > 256);
    add_slice(t, -1, 0.0, 0.0); /* on a track that there is no room for */
    assert_int_equal(spacc_timeline_slices(t), 0);
    spacc_timeline_free(t);
}

static void slices_beyond_the_room_are_dropped_and_counted(void **state)
{
    struct spacc_timeline *t = new_timeline(3);

    (void)state;
    const int track = spacc_timeline_track(t, "cpu 0");
    for (int i = 0; i < 5; i++)
        add_slice(t, track, i, 0.0);
    assert_int_equal(spacc_timeline_slices(t), 3);
    assert_int_equal(spacc_timeline_dropped(t), 2);
    assert_true(spacc_timeline_slice(t, 2).start_us == 2.0);
    spacc_timeline_forget(t);
    assert_int_equal(spacc_timeline_slices(t), 0);
    assert_int_equal(spacc_timeline_dropped(t), 0);
    assert_int_equal(spacc_timeline_tracks(t), 1);
    add_slice(t, track, 7.0, 0.0);
    assert_true(spacc_timeline_slice(t, 0).start_us == 7.0);
    spacc_timeline_free(t);
    spacc_timeline_add(NULL, &(struct spacc_slice){0});
    spacc_timeline_forget(NULL);
    spacc_timeline_free(NULL);
}

static void a_size_that_cannot_be_is_no_memory(void **state)
{
    struct spacc_error err = {.text = ""};
    struct spacc_timeline *t;

    (void)state;
    assert_int_equal(spacc_timeline_new(&t, SIZE_MAX / 8, &err), SPACC_ENOMEM);
    assert_null(t);
}

enum { THREADS = 4, EACH = 2000 };

struct adder {
    struct spacc_timeline *t;
    int track;
};

static void *add_many(void *user)
{
    const struct adder *a = user;

    for (int i = 0; i < EACH; i++)
        add_slice(a->t, a->track, i, 0.0);
    return NULL;
}

static void threads_add_without_losing_any(void **state)
{
    struct spacc_timeline *t = new_timeline(THREADS * EACH - 100);
    struct adder adder[THREADS];
    pthread_t thread[THREADS];
    char name[16];

    (void)state;
    for (int i = 0; i < THREADS; i++) {
        snprintf(name, sizeof(name), "cpu %d", i);
        adder[i] = (struct adder){t, spacc_timeline_track(t, name)};
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, add_many, &adder[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(spacc_timeline_slices(t), THREADS * EACH - 100);
    assert_int_equal(spacc_timeline_dropped(t), 100);
    for (size_t i = 0; i < spacc_timeline_slices(t); i++)
        assert_string_equal(spacc_timeline_slice(t, i).name, "node");
    spacc_timeline_free(t);
}

/* ---- files -------------------------------------------------------------------------- */

static cJSON *read_trace(void)
{
    struct spacc_error err = {.text = ""};
    void *text;
    size_t bytes;

    if (spacc_file_read(&text, &bytes, file, 1 << 26, &err))
        fail_msg("%s", err.text);
    cJSON *root = cJSON_ParseWithLength(text, bytes);
    free(text);
    assert_non_null(root);
    return root;
}

static const char *text_of(const cJSON *o, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));

    assert_non_null(text);
    return text;
}

static double number_of(const cJSON *o, const char *key)
{
    const cJSON *n = cJSON_GetObjectItemCaseSensitive(o, key);

    assert_true(cJSON_IsNumber(n));
    return n->valuedouble;
}

static void the_file_begins_with_the_first_slice(void **state)
{
    struct spacc_timeline *t = new_timeline(2);
    struct spacc_error err = {.text = ""};

    (void)state;
    const int cpu = spacc_timeline_track(t, "cpu 0"),
              card = spacc_timeline_track(t, "a \"card\"\n");
    add_slice(t, card, 1e9 + 20.0, 77.0);
    add_slice(t, cpu, 1e9, 0.0); /* was there earlier */
    add_slice(t, cpu, 1e9 + 50.0, 0.0);
    assert_int_equal(spacc_timeline_save(t, file, &err), SPACC_OK);
    cJSON *root = read_trace();
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "traceEvents");
    assert_int_equal(cJSON_GetArraySize(list), 4);
    const cJSON *name = cJSON_GetArrayItem(list, 1), *first = cJSON_GetArrayItem(list, 2),
                *second = cJSON_GetArrayItem(list, 3);
    assert_string_equal(text_of(name, "ph"), "M");
    assert_string_equal(text_of(name, "name"), "thread_name");
    assert_string_equal(text_of(cJSON_GetObjectItem(name, "args"), "name"), "a \"card\"\n");
    assert_int_equal((int)number_of(name, "tid"), card);
    assert_string_equal(text_of(first, "ph"), "X");
    assert_string_equal(text_of(first, "name"), "node");
    assert_string_equal(text_of(first, "cat"), "Conv");
    assert_int_equal((int)number_of(first, "tid"), card);
    assert_true(number_of(first, "ts") == 20.0 && number_of(first, "dur") == 5.0);
    assert_true(number_of(cJSON_GetObjectItem(first, "args"), "cycles") == 77.0);
    assert_true(number_of(second, "ts") == 0.0);
    assert_null(cJSON_GetObjectItem(cJSON_GetObjectItem(second, "args"), "cycles"));
    assert_true(number_of(root, "dropped") == 1.0);
    cJSON_Delete(root);
    spacc_timeline_forget(t);
    assert_int_equal(spacc_timeline_save(t, file, &err), SPACC_OK); /* an empty one */
    cJSON_Delete(read_trace());
    assert_int_equal(spacc_timeline_save(t, "/nowhere/t.json", &err), SPACC_EIO);
    assert_non_null(strstr(err.text, "/nowhere/t.json"));
    spacc_timeline_free(t);
}

/* ---- who adds them ------------------------------------------------------------------- */

struct traced {
    struct spacc_model *model;
    struct spacc_session *session;
    struct spacc_tensor *in[1], *out[1];
    struct spacc_error err;
};

static void ok(const struct traced *w, enum spacc_status s)
{
    if (s)
        fail_msg("%s", w->err.text);
}

static void run_model(struct traced *w, const struct spacc_options *o, int rank,
                      const int64_t *dims, int runs)
{
    ok(w, spacc_model_load(&w->model, file, &w->err));
    w->in[0] = rnn_tensor(rank, dims, 1.0f);
    ok(w, spacc_session_new(&w->session, w->model, o, &w->err));
    ok(w, spacc_session_prepare(w->session, 1, (const struct spacc_tensor *const *)w->in,
                                &w->err));
    for (int r = 0; r < runs; r++) {
        ok(w, spacc_session_run(w->session, (const struct spacc_tensor *const *)w->in, w->out,
                                &w->err));
        spacc_tensor_free(w->out[0]);
    }
}

static void traced_free(struct traced *w)
{
    spacc_tensor_free(w->in[0]);
    spacc_session_free(w->session);
    spacc_model_free(w->model);
}

static void write_graph(struct maker graph)
{
    struct maker m = make_model(graph, 8, 13);
    struct spacc_error err = {.text = ""};

    if (spacc_file_write(file, m.bytes, m.used, &err))
        fail_msg("%s", err.text);
    free(m.bytes);
}

/* Slices of this node on this track; each ends behind its start. */
static size_t slices_on(const struct traced *w, const char *track, const char *node)
{
    const struct spacc_timeline *t = w->session->timeline;
    size_t count = 0;

    for (size_t i = 0; i < spacc_timeline_slices(t); i++) {
        const struct spacc_slice s = spacc_timeline_slice(t, i);
        assert_true(s.end_us >= s.start_us && s.start_us > 0.0);
        count += strcmp(spacc_timeline_track_name(t, s.track), track) == 0 &&
                 (!node || strcmp(s.name, node) == 0);
    }
    return count;
}

static void threads_of_a_run_have_tracks(void **state)
{
    const struct spacc_options o = {.trace = true, .cpu_threads = 2};
    struct traced w = {0};
    struct maker m = {0};

    (void)state;
    input(&m, "x", DIMS(128, 256));
    weights(&m, "w", 256, DIMS(256, 256));
    add(&m, make_node("MatMul", "heavy", "x w", "a"));
    add(&m, make_node("Softmax", "soft", "a", "y"));
    output(&m, "y");
    write_graph(m);
    run_model(&w, &o, DIMS(128, 256), 3);
    assert_int_equal(slices_on(&w, "cpu 0", "heavy"), 3);
    assert_int_equal(slices_on(&w, "cpu 1", "heavy"), 3);
    assert_true(slices_on(&w, "cpu 0", "soft") >= 3);
    assert_int_equal(slices_on(&w, "cpu 2", NULL), 0);
    /* prepared again, names of before are gone */
    ok(&w,
       spacc_session_prepare(w.session, 1, (const struct spacc_tensor *const *)w.in, &w.err));
    assert_int_equal(spacc_timeline_slices(w.session->timeline), 0);
    ok(&w, spacc_session_trace(w.session, file, &w.err));
    cJSON_Delete(read_trace());
    traced_free(&w);
}

static void a_gpu_has_a_track(void **state)
{
    struct spacc_gpu_info info;
    struct traced w = {0};

    (void)state;
    if (spacc_gpu_list(&info, 1) == 0) {
        printf("skipped: no OpenCL device\n");
        skip();
    }
    const struct spacc_options o = {.trace = true, .gpu = info.which, .all_on = "gpu"};
    write_graph(two_towers());
    run_model(&w, &o, DIMS(16, 32), 2);
    assert_int_equal(slices_on(&w, "gpu queue", "left"), 3 * 2 - 2); /* with x going there */
    assert_int_equal(slices_on(&w, "gpu queue", "soft"), 2);
    assert_true(slices_on(&w, "cpu 0", NULL) > 0); /* handing over and waiting */
    traced_free(&w);
}

static void a_card_has_a_track_with_cycles(void **state)
{
    const struct spacc_options o = {.trace = true, .fpga = "model:4x4"};
    const struct rnn_model rnn = {
        .op = "GRU", .layers = 2, .inputs = 6, .hidden = 8, .matmul = 3};
    struct traced w = {0};
    uint64_t cycles = 0;
    double traced = 0.0, last = 0.0;

    (void)state;
    rnn_write(file, &rnn);
    run_model(&w, &o, DIMS(4, 1, 6), 2);
    const struct spacc_report *r = spacc_session_report(w.session);
    for (size_t i = 0; i < r->nodes; i++)
        cycles += r->node[i].cycles;
    for (size_t i = 0; i < spacc_timeline_slices(w.session->timeline); i++) {
        const struct spacc_slice s = spacc_timeline_slice(w.session->timeline, i);
        if (strcmp(spacc_timeline_track_name(w.session->timeline, s.track), "card") != 0)
            continue;
        assert_true(s.start_us >= last - 1e-3); /* one after the other */
        assert_true(fabs((s.end_us - s.start_us) - s.cycles / r->clock_hz * 1e6) < 1e-3);
        traced += s.cycles;
        last = s.start_us;
    }
    assert_true(cycles > 0 && traced == (double)cycles);
    assert_int_equal(slices_on(&w, "card", "rnn0"), 2);
    assert_int_equal(slices_on(&w, "card", "rnn1"), 2); /* in one run with rnn0 */
    assert_int_equal(slices_on(&w, "card", "dense"), 2);
    traced_free(&w);
}

static void without_asking_there_is_no_time_line(void **state)
{
    const struct spacc_options o = {0};
    struct traced w = {0};

    (void)state;
    write_graph(two_towers());
    run_model(&w, &o, DIMS(16, 32), 1);
    assert_int_equal(spacc_session_trace(w.session, file, &w.err), SPACC_EINVAL);
    assert_non_null(strstr(w.err.text, "keeps no time line"));
    traced_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tracks_are_known_by_their_names),
        cmocka_unit_test(slices_beyond_the_room_are_dropped_and_counted),
        cmocka_unit_test(a_size_that_cannot_be_is_no_memory),
        cmocka_unit_test(threads_add_without_losing_any),
        cmocka_unit_test(the_file_begins_with_the_first_slice),
        cmocka_unit_test(threads_of_a_run_have_tracks),
        cmocka_unit_test(a_gpu_has_a_track),
        cmocka_unit_test(a_card_has_a_track_with_cycles),
        cmocka_unit_test(without_asking_there_is_no_time_line),
    };

    snprintf(file, sizeof(file), "/tmp/spacc-timeline-%d", (int)getpid());
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(file);
    return failed;
}
