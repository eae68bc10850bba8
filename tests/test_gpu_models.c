/* Every model of ../shared with stored outputs, cleaned: all nodes that can on the GPU, and a
 * random half of them, so that values cross in both directions. */
#include "models/clean.h"
#include "tests/golden_model.h"
#include "tests/gpu_maker.h"

#include <math.h>

static const double tolerance = 1e-4; /* relative to max(1, |golden|) */
enum { LARGE_BYTES = 400 << 20 };

static int models;

static double distance(const struct spacc_tensor *got, const struct spacc_tensor *want)
{
    double worst = 0.0;

    if (!spacc_tensor_same_shape(got, want))
        return INFINITY;
    for (size_t i = 0; i < want->count; i++) {
        const double a = spacc_tensor_element(got, i), b = spacc_tensor_element(want, i);
        const double d = fabs(a - b) / fmax(1.0, fabs(b));
        if (isnan(d) && !(isnan(a) && isnan(b)))
            return INFINITY;
        worst = fmax(worst, d);
    }
    return worst;
}

/* Bytes of weights there. */
static size_t run_one(struct golden *c, uint32_t one_in)
{
    const struct spacc_tensor *const *in = (const struct spacc_tensor *const *)c->input;
    struct placing p = {.seed = 7, .one_in = one_in};
    struct spacc_tensor *got[TENSORS_MAX] = {NULL};
    struct spacc_error err = {.text = ""};
    struct spacc_engine *e;
    double worst = 0.0;

    if (engine_on_gpu(&e, c->g, in, &p, &err) || spacc_engine_run(e, in, got, NULL, &err))
        fail_msg("%s", err.text);
    for (int o = 0; o < c->g->outputs; o++) {
        if (c->want[o] && !is_random(c->g))
            worst = fmax(worst, distance(got[o], c->want[o]));
        spacc_tensor_free(got[o]);
    }
    printf("%s: %d of %d nodes on the GPU, largest error %.2g\n", c->set + sizeof(MODELS),
           p.placed, c->g->nodes, worst);
    assert_true(worst <= tolerance);
    const size_t bytes = spacc_engine_totals(e).weight_bytes;
    spacc_engine_free(e);
    return bytes;
}

static void check(struct golden *c)
{
    struct spacc_error err = {.text = ""};

    if (spacc_graph_clean(c->g, NULL, &err))
        fail_msg("%s", err.text);
    if (run_one(c, 1) < LARGE_BYTES) /* once is slow enough: vgg19 */
        run_one(c, 2);
    models++;
}

static void every_model_gives_its_golden_outputs(void **state)
{
    (void)state;
    need_gpu();
    for_golden(true, check);
    assert_true(models > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_model_gives_its_golden_outputs),
    };
    return cmocka_run_group_tests(tests, NULL, close_gpu);
}
