/* golden_model.h - the models of ../shared that come with inputs and the outputs of ONNX
 * Runtime: .../models/FOLDER/golden/MODEL/SET/in_0.npy, out_0.npy ... */
#ifndef SPACC_TESTS_GOLDEN_MODEL_H
#define SPACC_TESTS_GOLDEN_MODEL_H

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "models/io.h"
#include "models/onnx.h"
#include "models/op.h"

#define MODELS SPACC_SHARED "/models"
enum { PATH_BYTES = 1024, TENSORS_MAX = 16 };

struct golden {
    char model[2 * PATH_BYTES], set[PATH_BYTES];
    struct spacc_graph *g;
    struct spacc_tensor *input[TENSORS_MAX], *want[TENSORS_MAX]; /* want: NULL if not stored */
};

static inline bool load_golden(struct golden *c, const char *first_output)
{
    char folder[PATH_BYTES], path[PATH_BYTES + 64];
    char *model, *set;
    struct spacc_error err = {.text = ""};

    memset(c, 0, sizeof(*c));
    snprintf(folder, sizeof(folder), "%s", first_output);
    *strrchr(folder, '/') = 0;
    snprintf(c->set, sizeof(c->set), "%s", folder);
    set = strrchr(folder, '/');
    *set = 0;
    model = strrchr(folder, '/');
    *strstr(folder, "/golden/") = 0;
    snprintf(c->model, sizeof(c->model), "%s/%s.onnx", folder, model + 1);
    if (spacc_onnx_load(&c->g, c->model, &err)) {
        printf("skipped: %s\n", err.text);
        return false;
    }
    for (int i = 0; i < c->g->inputs; i++) {
        snprintf(path, sizeof(path), "%s/in_%d.npy", c->set, i);
        if (access(path, R_OK) != 0) /* one image for all the light models */
            snprintf(path, sizeof(path), "%s/golden/in_1x3x224x224.npy", folder);
        if (spacc_tensor_load(&c->input[i], path, &err))
            fail_msg("%s", err.text);
    }
    for (int o = 0; o < c->g->outputs; o++) {
        snprintf(path, sizeof(path), "%s/out_%d.npy", c->set, o);
        if (spacc_tensor_load(&c->want[o], path, &err))
            c->want[o] = NULL; /* of a random operator */
    }
    return true;
}

static inline void free_golden(struct golden *c)
{
    for (int i = 0; i < TENSORS_MAX; i++) {
        spacc_tensor_free(c->input[i]);
        spacc_tensor_free(c->want[i]);
    }
    spacc_graph_free(c->g);
}

/* Call f for every set; or for one set of each model. Skips the test without models. */
static inline void for_golden(bool one_set, void (*f)(struct golden *c))
{
    char before[2 * PATH_BYTES] = "";
    glob_t found;

    if (glob(MODELS "/*/golden/*/*/out_0.npy", 0, NULL, &found) != 0) {
        printf("skipped: %s is not here\n", MODELS);
        skip();
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct golden c;
        if (load_golden(&c, found.gl_pathv[i]) && !(one_set && strcmp(c.model, before) == 0))
            f(&c);
        snprintf(before, sizeof(before), "%s", c.model);
        free_golden(&c);
    }
    globfree(&found);
}

static inline bool is_random(const struct spacc_graph *g)
{
    for (int n = 0; n < g->nodes; n++)
        if (g->node[n].op->random)
            return true;
    return false;
}

#endif
