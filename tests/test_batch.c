/* Independent requests over all devices: who gets how many, and that everyone gets the result
 * of what they asked. */
#include <unistd.h>

#include "host/batch.h"
#include "host/session_parts.h"
#include "models/io.h"
#include "tests/placing_maker.h"
#include "tests/rnn_maker.h"

enum { REQUESTS = 24, SIDES = SPACC_BATCH_DEVICES };

static char file[64];

/* ---- shares ------------------------------------------------------------------------- */

static size_t sum(size_t devices, const size_t *share)
{
    size_t all = 0;

    for (size_t d = 0; d < devices; d++)
        all += share[d];
    return all;
}

static void shares_are_in_proportion_to_speed(void **state)
{
    const double speed[] = {1.0, 2.0, 5.0};
    size_t share[3];

    (void)state;
    spacc_batch_split(80, 3, speed, share);
    assert_int_equal(share[0], 10);
    assert_int_equal(share[1], 20);
    assert_int_equal(share[2], 50);
    spacc_batch_split(0, 3, speed, share);
    assert_int_equal(sum(3, share), 0);
    spacc_batch_split(1, 3, speed, share); /* the fastest */
    assert_int_equal(share[2], 1);
    spacc_batch_split(7, 1, speed, share);
    assert_int_equal(share[0], 7);
}

static void a_device_without_speed_gets_nothing(void **state)
{
    const double one[] = {0.0, 3.0}, none[] = {0.0, 0.0}, odd[] = {NAN, 1.0};
    size_t share[2];

    (void)state;
    spacc_batch_split(9, 2, one, share);
    assert_int_equal(share[0], 0);
    assert_int_equal(share[1], 9);
    spacc_batch_split(9, 2, none, share); /* somebody has to */
    assert_int_equal(share[0], 9);
    spacc_batch_split(9, 2, odd, share);
    assert_int_equal(share[1], 9);
}

static double last_end(size_t devices, const double *speed, const size_t *share)
{
    double last = 0.0;

    for (size_t d = 0; d < devices; d++)
        last = share[d] ? fmax(last, (double)share[d] / speed[d]) : last;
    return last;
}

/* Against all splits of up to 14 over two, with the remainder wherever it is best. */
static void no_other_split_ends_earlier(void **state)
{
    (void)state;
    for (size_t count = 1; count <= 14; count++)
        for (int fast = 1; fast <= 40; fast++) {
            const double speed[] = {1.0, fast / 7.0};
            size_t share[2];
            spacc_batch_split(count, 2, speed, share);
            assert_int_equal(sum(2, share), count);
            for (size_t other = 0; other <= count; other++)
                assert_true(last_end(2, speed, share) <=
                            last_end(2, speed, (size_t[]){other, count - other}) + 1e-9);
        }
}

/* ---- runs --------------------------------------------------------------------------- */

struct work {
    struct spacc_model *model;
    struct spacc_batch *batch;
    size_t requests;
    struct spacc_tensor *in[REQUESTS], *out[REQUESTS], *want[REQUESTS];
    struct spacc_error err;
};

static void ok(const struct work *w, enum spacc_status s)
{
    if (s)
        fail_msg("%s: %s", spacc_status_name(s), w->err.text);
}

static const struct spacc_tensor *const *in_of(const struct work *w)
{
    return (const struct spacc_tensor *const *)w->in;
}

/* A GRU and a product behind: every request has other inputs. */
static void begin(struct work *w)
{
    const struct rnn_model rnn = {
        .op = "GRU", .layers = 1, .inputs = 12, .hidden = 16, .matmul = 4};

    *w = (struct work){.requests = REQUESTS};
    rnn_write(file, &rnn);
    ok(w, spacc_model_load(&w->model, file, &w->err));
    for (size_t r = 0; r < REQUESTS; r++) {
        w->in[r] = rnn_tensor(DIMS(3, 1, 12), 1.0f);
        ok(w, spacc_graph_run(spacc_model_graph(w->model), in_of(w) + r, &w->want[r], NULL,
                              &w->err));
    }
}

static void free_outputs(struct work *w)
{
    for (size_t r = 0; r < REQUESTS; r++) {
        spacc_tensor_free(w->out[r]);
        w->out[r] = NULL;
    }
}

static void end(struct work *w)
{
    free_outputs(w);
    for (size_t r = 0; r < REQUESTS; r++) {
        spacc_tensor_free(w->in[r]);
        spacc_tensor_free(w->want[r]);
    }
    spacc_batch_free(w->batch);
    spacc_model_free(w->model);
}

/* Within what the device that computed it is allowed. */
static void check_results(const struct work *w, size_t count)
{
    size_t seen = 0;

    for (size_t i = 0; i < spacc_batch_shares(w->batch); i++) {
        const struct spacc_batch_share s = spacc_batch_share(w->batch, i);
        const double most = strcmp(s.device, "card") == 0 ? 5e-3 : 1e-4;
        assert_int_equal(s.first, seen);
        assert_true(s.count == 0 || s.us > 0.0);
        assert_true(s.us <= spacc_batch_us(w->batch) || s.count == 0);
        seen += s.count;
        for (size_t r = s.first; r < s.first + s.count; r++) {
            assert_true(spacc_tensor_same_shape(w->out[r], w->want[r]));
            for (size_t k = 0; k < w->want[r]->count; k++)
                if (!(fabs(spacc_tensor_element(w->out[r], k) -
                           spacc_tensor_element(w->want[r], k)) <= most))
                    fail_msg("request %zu on the %s differs", r, s.device);
        }
    }
    assert_int_equal(seen, count);
}

static void run(struct work *w, const struct spacc_options *o, size_t shares)
{
    ok(w, spacc_batch_new(&w->batch, w->model, o, &w->err));
    ok(w, spacc_batch_prepare(w->batch, REQUESTS, in_of(w), &w->err));
    assert_int_equal(spacc_batch_shares(w->batch), shares);
    for (int b = 0; b < 3; b++) {
        free_outputs(w);
        ok(w, spacc_batch_run(w->batch, REQUESTS, in_of(w), w->out, &w->err));
        check_results(w, REQUESTS);
    }
    free_outputs(w);
    ok(w, spacc_batch_run(w->batch, 1, in_of(w), w->out, &w->err));
    check_results(w, 1);
    ok(w, spacc_batch_run(w->batch, 0, in_of(w), w->out + 1, &w->err));
}

static const char *gpu_name(void)
{
    static struct spacc_gpu_info info;

    return spacc_gpu_list(&info, 1) > 0 ? info.which : NULL;
}

static void every_request_gets_its_result(void **state)
{
    struct spacc_options o = {.cpu_threads = 2};
    struct work w;

    (void)state;
    setenv("XDG_CACHE_HOME", "/nowhere", 1);
    begin(&w);
    run(&w, &o, 1);
    end(&w);
    o.cpu_threads = 1;
    o.fpga = "model:4x4";
    begin(&w);
    run(&w, &o, 2);
    assert_string_equal(spacc_batch_share(w.batch, 0).device, "cpu");
    assert_string_equal(spacc_batch_share(w.batch, 1).device, "card");
    end(&w);
    o.gpu = gpu_name();
    if (!o.gpu) {
        printf("skipped in part: no OpenCL device\n");
        return;
    }
    begin(&w);
    run(&w, &o, 3);
    assert_string_equal(spacc_batch_share(w.batch, 1).device, "gpu");
    assert_true(strlen(spacc_batch_report(w.batch, 1)->gpu) > 0);
    assert_true(spacc_batch_report(w.batch, 1)->notes > 0); /* no profile of it */
    end(&w);
}

static void without_a_gpu_auto_is_nobody(void **state)
{
    struct spacc_gpu_info info[8];
    const size_t devices = spacc_gpu_list(info, 8);
    const struct spacc_options o = {.gpu = "auto", .fpga = "off"};
    struct work w;

    (void)state;
    for (size_t i = 0; i < devices && i < 8; i++)
        if (strcmp(info[i].kind, "gpu") == 0) {
            printf("skipped: there is a GPU\n");
            skip();
        }
    begin(&w);
    run(&w, &o, 1);
    end(&w);
}

static void an_unprepared_batch_is_an_error(void **state)
{
    const struct spacc_options o = {.fpga = "model:4x4"}, odd = {.fpga = "nowhere"};
    struct work w;

    (void)state;
    begin(&w);
    assert_int_equal(spacc_batch_new(&w.batch, w.model, &odd, &w.err), SPACC_EUNSUPPORTED);
    assert_null(w.batch);
    ok(&w, spacc_batch_new(&w.batch, w.model, &o, &w.err));
    assert_int_equal(spacc_batch_run(w.batch, 3, in_of(&w), w.out, &w.err), SPACC_EINVAL);
    for (size_t r = 0; r < 3; r++)
        assert_null(w.out[r]);
    end(&w);
    spacc_batch_free(NULL);
}

/* One request of a share fails: all are given back. */
static void a_request_that_fails_fails_all(void **state)
{
    const struct spacc_options o = {.fpga = "model:4x4"};
    struct spacc_tensor *given;
    struct work w;

    (void)state;
    begin(&w);
    ok(&w, spacc_batch_new(&w.batch, w.model, &o, &w.err));
    ok(&w, spacc_batch_prepare(w.batch, 1, in_of(&w), &w.err));
    for (size_t r = 0; r < REQUESTS; r += REQUESTS - 1) {
        given = w.in[r];
        w.in[r] = rnn_tensor(DIMS(2, 1, 12), 1.0f);
        assert_int_equal(spacc_batch_run(w.batch, REQUESTS, in_of(&w), w.out, &w.err),
                         SPACC_ESHAPE);
        assert_non_null(strstr(w.err.text, "prepared for float32[3,1,12]"));
        for (size_t k = 0; k < REQUESTS; k++)
            assert_null(w.out[k]);
        spacc_tensor_free(w.in[r]);
        w.in[r] = given;
    }
    ok(&w, spacc_batch_run(w.batch, REQUESTS, in_of(&w), w.out, &w.err));
    check_results(&w, REQUESTS);
    end(&w);
}

/* ---- frames -------------------------------------------------------------------------- */

static void frames_are_stacked_in_order(void **state)
{
    const struct spacc_options o = {.fpga = "model:4x4"};
    struct spacc_tensor *all, *out[1];
    struct work w;

    (void)state;
    begin(&w);
    all = rnn_tensor(DIMS(REQUESTS, 3, 1, 12), 1.0f);
    for (size_t r = 0; r < REQUESTS; r++)
        memcpy((float *)all->data + r * 36, w.in[r]->data, 36 * sizeof(float));
    ok(&w, spacc_batch_new(&w.batch, w.model, &o, &w.err));
    ok(&w, spacc_batch_frames(w.batch, (const struct spacc_tensor *const[]){all}, out, &w.err));
    const size_t each = w.want[0]->count;
    assert_int_equal(out[0]->rank, w.want[0]->rank + 1);
    assert_int_equal(out[0]->dims[0], REQUESTS);
    assert_int_equal(out[0]->count, REQUESTS * each);
    for (size_t k = 0; k < out[0]->count; k++)
        assert_true(fabs(spacc_tensor_element(out[0], k) -
                         spacc_tensor_element(w.want[k / each], k % each)) <= 5e-3);
    spacc_tensor_free(out[0]);
    assert_int_equal(
        spacc_batch_frames(w.batch, (const struct spacc_tensor *const[]){w.in[0]}, out, &w.err),
        SPACC_ESHAPE);
    assert_null(out[0]);
    assert_non_null(strstr(w.err.text, "no input has frames"));
    spacc_tensor_free(all);
    end(&w);
}

/* x + y, of which frames come in numbers that differ; one may be the same in all. */
static void numbers_of_frames_have_to_agree(void **state)
{
    const struct spacc_options o = {.cpu_threads = 1};
    struct maker m = {0};
    struct work w = {0};

    (void)state;
    input(&m, "x", DIMS(4));
    input(&m, "y", DIMS(4));
    add(&m, make_node("Add", "sum", "x y", "z"));
    put_message(&m, GRAPH_OUTPUT, make_info("z", 1, DIMS(4)));
    m = make_model(m, 8, 13);
    ok(&w, spacc_file_write(file, m.bytes, m.used, &w.err));
    free(m.bytes);
    ok(&w, spacc_model_load(&w.model, file, &w.err));
    ok(&w, spacc_batch_new(&w.batch, w.model, &o, &w.err));
    struct spacc_tensor *in[] = {rnn_tensor(DIMS(5, 4), 1.0f), rnn_tensor(DIMS(3, 4), 1.0f)};
    struct spacc_tensor *out[1], *const same = rnn_tensor(DIMS(4), 1.0f);
    assert_int_equal(
        spacc_batch_frames(w.batch, (const struct spacc_tensor *const *)in, out, &w.err),
        SPACC_ESHAPE);
    assert_non_null(strstr(w.err.text, "input y: has 3 frames, others have 5"));
    spacc_tensor_free(in[1]);
    in[1] = same;
    ok(&w, spacc_batch_frames(w.batch, (const struct spacc_tensor *const *)in, out, &w.err));
    for (size_t k = 0; k < 20; k++)
        assert_true(((float *)out[0]->data)[k] ==
                    ((float *)in[0]->data)[k] + ((float *)same->data)[k % 4]);
    spacc_tensor_free(out[0]);
    /* no frame at all */
    struct spacc_tensor none = *in[0];
    none.dims[0] = 0;
    none.count = 0;
    in[1] = &none;
    struct spacc_tensor *const x = in[0];
    in[0] = same;
    assert_int_equal(
        spacc_batch_frames(w.batch, (const struct spacc_tensor *const *)in, out, &w.err),
        SPACC_ESHAPE);
    spacc_tensor_free(x);
    spacc_tensor_free(same);
    spacc_batch_free(w.batch);
    spacc_model_free(w.model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_in_proportion_to_speed),
        cmocka_unit_test(a_device_without_speed_gets_nothing),
        cmocka_unit_test(no_other_split_ends_earlier),
        cmocka_unit_test(every_request_gets_its_result),
        cmocka_unit_test(without_a_gpu_auto_is_nobody),
        cmocka_unit_test(an_unprepared_batch_is_an_error),
        cmocka_unit_test(a_request_that_fails_fails_all),
        cmocka_unit_test(frames_are_stacked_in_order),
        cmocka_unit_test(numbers_of_frames_have_to_agree),
    };

    snprintf(file, sizeof(file), "/tmp/spacc-batch-%d.onnx", (int)getpid());
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(file);
    return failed;
}
