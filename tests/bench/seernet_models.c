/* Whole models with --seernet 4 and without, in turn: seernet_models MODEL=FOLDER...
 *
 * FOLDER has in_K.npy. Each session is prepared on these inputs, so that the one with SeerNet
 * has chosen its layers by what it measured there. In every round both run twice, the second
 * time measured, on one thread. Times are the thread's own and lower quartiles over rounds; the
 * ratio is the median of those within a round. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/include/spacc.h"
#include "models/io.h"
#include "tests/bench/measure.h"

enum { ROUNDS_LEAST = 15, ROUNDS_MOST = 101, SIDES = 2, TENSORS_MAX = 32, PATH_BYTES = 1024 };
static const double budget_us = 6e6; /* of a model */

struct pair {
    struct spacc_model *model;
    struct spacc_session *session[SIDES]; /* without, with */
    struct spacc_tensor *input[TENSORS_MAX];
};

static void must(enum spacc_status s, const struct spacc_error *err)
{
    if (s == SPACC_OK)
        return;
    fprintf(stderr, "seernet_models: %s\n", err->text[0] ? err->text : spacc_status_name(s));
    exit(1);
}

static const struct spacc_tensor *const *inputs(const struct pair *p)
{
    return (const struct spacc_tensor *const *)p->input;
}

static void load(struct pair *p, const char *model, const char *folder)
{
    struct spacc_error err = {.text = ""};
    char path[PATH_BYTES];

    must(spacc_model_load(&p->model, model, &err), &err);
    for (size_t i = 0; i < spacc_model_inputs(p->model) && i < TENSORS_MAX; i++) {
        snprintf(path, sizeof(path), "%s/in_%zu.npy", folder, i);
        if (access(path, R_OK) != 0) /* one image for several models */
            snprintf(path, sizeof(path), "%s/in_1x3x224x224.npy", folder);
        must(spacc_tensor_load(&p->input[i], path, &err), &err);
    }
    for (int side = 0; side < SIDES; side++) {
        const struct spacc_options options = {.seernet = side ? 4 : 0};
        must(spacc_session_new(&p->session[side], p->model, &options, &err), &err);
        must(spacc_session_prepare(p->session[side], 1, inputs(p), &err), &err);
    }
}

static void run(struct pair *p, int side)
{
    struct spacc_tensor *out[TENSORS_MAX] = {NULL};
    struct spacc_error err = {.text = ""};

    must(spacc_session_run(p->session[side], inputs(p), out, &err), &err);
    for (size_t o = 0; o < spacc_model_outputs(p->model); o++)
        spacc_tensor_free(out[o]);
}

static double time_of(struct pair *p, int side)
{
    struct timespec from, to;

    run(p, side);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    run(p, side);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    return (double)(to.tv_sec - from.tv_sec) * 1e6 + (double)(to.tv_nsec - from.tv_nsec) / 1e3;
}

static double quartile(double *v, size_t count)
{
    (void)measure_median(v, count); /* sorts */
    return v[count / 4];
}

static void bench(struct pair *p, const char *name)
{
    static double us[SIDES][ROUNDS_MOST], ratio[ROUNDS_MOST];
    const struct spacc_report_seernet *r = spacc_session_report(p->session[1])->seernet;
    double spent = 0.0;
    size_t i = 0;

    for (; i < ROUNDS_MOST && (i < ROUNDS_LEAST || spent < budget_us); i++) {
        for (int side = 0; side < SIDES; side++)
            us[side][i] = time_of(p, side);
        ratio[i] = us[1][i] / us[0][i];
        spent += 2.0 * (us[0][i] + us[1][i]);
    }
    const double without = quartile(us[0], i), with = quartile(us[1], i);
    printf("%-28s %3zu of %2zu  %10.1f %10.1f   %6.3f\n", name, r->taken, r->layers, without,
           with, measure_median(ratio, i));
    fflush(stdout);
}

static void release(struct pair *p)
{
    for (int side = 0; side < SIDES; side++)
        spacc_session_free(p->session[side]);
    for (int i = 0; i < TENSORS_MAX; i++)
        spacc_tensor_free(p->input[i]);
    spacc_model_free(p->model);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: seernet_models MODEL=FOLDER...\n");
        return 1;
    }
    printf("whole models, one thread, us; x: with --seernet 4 over without\n"
           "model                          layers     without       with        x\n");
    for (int i = 1; i < argc; i++) {
        char *folder = strchr(argv[i], '='), *name;
        struct pair p = {.model = NULL};
        if (!folder) {
            fprintf(stderr, "seernet_models: %s: MODEL=FOLDER is wanted\n", argv[i]);
            return 1;
        }
        *folder++ = '\0';
        name = strrchr(argv[i], '/');
        load(&p, argv[i], folder);
        bench(&p, name ? name + 1 : argv[i]);
        release(&p);
    }
    return 0;
}
