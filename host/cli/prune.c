/* prune.c - spacc prune: an ONNX file with bank-balanced weights from another. */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/cli/cli.h"
#include "models/onnx.h"
#include "models/op.h"
#include "sparse/prune.h"

enum { OUT, SPARSITY, BANK_SIZE, METHOD, JSON };

static const struct cli_option options[] = {
    [OUT] = {"output", 'o', "FILE", "the pruned model, ONNX (needed)"},
    [SPARSITY] = {"sparsity", 0, "S", "share of zeros in every bank, as 0.875 (needed)"},
    [BANK_SIZE] = {"bank-size", 0, "B", "columns a bank (default 16)"},
    [METHOD] = {"method", 0, "M", "magnitude (default): the largest |w| stay"},
    [JSON] = {"json", 0, NULL, "the report as JSON"},
    {"calibrate", 0, "DATA", NULL},
    {"finetune", 0, "DATA", NULL},
    {0}};

struct settings {
    const char *out;
    double sparsity; /* negative: not given */
    const char *sparsity_text;
    size_t bank_size;
    bool json;
};

/* What became of one matrix. */
struct result {
    bool done;
    double sparsity, energy;
    size_t padding; /* columns that the last bank lacks */
};

/* New contents of constants, for spacc_onnx_rewrite(); a constant that two nodes share
 * stands here once. */
struct changes {
    size_t count;
    const char **name;
    struct spacc_tensor **tensor;
};

static int take_method(const char *value)
{
    if (!strcmp(value, "magnitude"))
        return CLI_OK;
    if (!strcmp(value, "wanda") || !strcmp(value, "obs")) {
        char what[32];
        snprintf(what, sizeof(what), "--method %s", value);
        return cli_later(what);
    }
    return cli_usage(&cli_prune, "--method %s: magnitude", value);
}

static int take(void *to, int option, const char *value)
{
    struct settings *set = to;

    switch (option) {
    case OUT: set->out = value; return CLI_OK;
    case SPARSITY:
        set->sparsity_text = value;
        return cli_sparsity(&set->sparsity, &cli_prune, value);
    case BANK_SIZE: return cli_bank_size(&set->bank_size, &cli_prune, value);
    case METHOD: return take_method(value);
    case JSON: set->json = true; return CLI_OK;
    default: return CLI_USAGE;
    }
}

/* ---- the work ---- */

/* The copy of a constant that is being changed, made at its first use. */
static struct spacc_tensor *changed(struct changes *c, const struct spacc_graph *g,
                                    const struct cli_matrix *m)
{
    const char *name = g->value[m->value].name;

    for (size_t i = 0; i < c->count; i++)
        if (!strcmp(c->name[i], name))
            return c->tensor[i];
    if (spacc_tensor_copy(&c->tensor[c->count], m->init) != SPACC_OK)
        return NULL;
    c->name[c->count] = name;
    return c->tensor[c->count++];
}

static double zeros_of(const float *dense, size_t count)
{
    size_t zeros = 0;

    for (size_t i = 0; i < count; i++)
        zeros += dense[i] == 0.0f;
    return (double)zeros / (double)count;
}

static enum spacc_status prune_matrix(struct result *r, struct changes *c,
                                      const struct spacc_graph *g, const struct cli_matrix *m,
                                      size_t bank, size_t k, struct spacc_error *err)
{
    struct spacc_tensor *t = changed(c, g, m);
    float *dense = malloc(m->rows * m->cols * sizeof(*dense));
    enum spacc_status status = SPACC_ENOMEM;

    if (!t || !dense) {
        spacc_fail(err, status, "%s: node %s: out of memory", g->file, m->node->name);
        goto out;
    }
    cli_matrix_get(m, t->data, dense);
    status = spacc_prune_magnitude(dense, m->rows, m->cols, bank, k, &r->energy, err);
    if (status != SPACC_OK) {
        spacc_fail_in(err, status, "%s: node %s: %s", g->file, m->node->name, m->label);
        goto out;
    }
    cli_matrix_put(m, dense, t->data);
    r->done = true;
    r->sparsity = zeros_of(dense, m->rows * m->cols);
    r->padding = (bank - m->cols % bank) % bank;
out:
    free(dense);
    return status;
}

static enum spacc_status write(const struct changes *c, const char *from,
                               const struct settings *set, struct spacc_error *err)
{
    char bank[24];
    const char *const keys[] = {"spacc.sparsity", "spacc.bank_size", "spacc.method"};
    const char *const texts[] = {set->sparsity_text, bank, "magnitude"};

    snprintf(bank, sizeof(bank), "%zu", set->bank_size);
    return spacc_onnx_rewrite(from, set->out, c->count, c->name,
                              (const struct spacc_tensor *const *)c->tensor, 3, keys, texts,
                              err);
}

static enum spacc_status prune_all(struct result *results, struct changes *c,
                                   const struct spacc_graph *g, const struct cli_matrix *m,
                                   size_t matrices, const struct settings *set,
                                   struct spacc_error *err)
{
    size_t k, done = 0;
    enum spacc_status status = spacc_prune_kept(&k, set->sparsity, set->bank_size, err);

    for (size_t i = 0; i < matrices && status == SPACC_OK; i++) {
        if (m[i].why)
            continue;
        status = prune_matrix(&results[i], c, g, &m[i], set->bank_size, k, err);
        done++;
    }
    if (status == SPACC_OK && done == 0)
        status = spacc_fail(err, SPACC_EUNSUPPORTED,
                            "%s: no constant weights of LSTM, GRU, MatMul or Gemm to prune",
                            g->file);
    return status;
}

/* ---- the report ---- */

static void print_text(const struct spacc_graph *g, const struct cli_matrix *m,
                       const struct result *r, size_t matrices, const struct settings *set)
{
    printf(
        "%s: bank-balanced by magnitude, %g of every %zu columns are zero, written to %s\n\n",
        g->file, set->sparsity * (double)set->bank_size, set->bank_size, set->out);
    printf("%-28s %-7s %-11s %7s %7s %9s %8s %12s\n", "node", "op", "weights", "rows",
           "columns", "sparsity", "padding", "energy kept");
    for (size_t i = 0; i < matrices; i++) {
        printf("%-28s %-7s %-11s", m[i].node->name, m[i].node->op->name, m[i].label);
        if (r[i].done)
            printf(" %7zu %7zu %7.2f %% %8zu %10.1f %%\n", m[i].rows, m[i].cols,
                   100.0 * r[i].sparsity, r[i].padding, 100.0 * r[i].energy);
        else
            printf(" skipped: %s\n", m[i].why);
    }
}

static bool add_matrix(cJSON *list, const struct cli_matrix *m, const struct result *r)
{
    cJSON *o = cJSON_CreateObject();

    if (!o || !cJSON_AddItemToArray(list, o) ||
        !cJSON_AddStringToObject(o, "node", m->node->name) ||
        !cJSON_AddStringToObject(o, "op", m->node->op->name) ||
        !cJSON_AddStringToObject(o, "weights", m->label))
        return false;
    if (!r->done)
        return cJSON_AddStringToObject(o, "skipped", m->why) != NULL;
    return cJSON_AddNumberToObject(o, "rows", (double)m->rows) &&
           cJSON_AddNumberToObject(o, "columns", (double)m->cols) &&
           cJSON_AddNumberToObject(o, "sparsity", r->sparsity) &&
           cJSON_AddNumberToObject(o, "padding", (double)r->padding) &&
           cJSON_AddNumberToObject(o, "energy_kept", r->energy);
}

static int print_json(const struct spacc_graph *g, const struct cli_matrix *m,
                      const struct result *r, size_t matrices, const struct settings *set)
{
    cJSON *o = cJSON_CreateObject();
    bool ok = o && cJSON_AddStringToObject(o, "model", g->file) &&
              cJSON_AddStringToObject(o, "output", set->out) &&
              cJSON_AddStringToObject(o, "method", "magnitude") &&
              cJSON_AddNumberToObject(o, "sparsity", set->sparsity) &&
              cJSON_AddNumberToObject(o, "bank_size", (double)set->bank_size);
    cJSON *list = ok ? cJSON_AddArrayToObject(o, "matrices") : NULL;

    ok = list != NULL;
    for (size_t i = 0; ok && i < matrices; i++)
        ok = add_matrix(list, &m[i], &r[i]);
    if (ok)
        return cli_print_json(o);
    cJSON_Delete(o);
    return cli_fail("out of memory");
}

static int work(const struct settings *set, const char *file)
{
    struct spacc_graph *g = NULL;
    struct cli_matrix *m = NULL;
    struct result *results = NULL;
    struct changes c = {0};
    struct spacc_error err = {0};
    size_t matrices = 0;
    int status = CLI_FAILED;

    cli_progress(0, 2, "reading the model");
    if (spacc_onnx_load(&g, file, &err) != SPACC_OK)
        goto failed;
    if (cli_matrices(&m, &matrices, g) != SPACC_OK)
        goto no_memory;
    results = calloc(matrices + 1, sizeof(*results));
    c.name = calloc(matrices + 1, sizeof(*c.name));
    c.tensor = calloc(matrices + 1, sizeof(*c.tensor));
    if (!results || !c.name || !c.tensor)
        goto no_memory;
    cli_progress(1, 2, "pruning");
    if (prune_all(results, &c, g, m, matrices, set, &err) || write(&c, file, set, &err))
        goto failed;
    cli_progress(0, 0, NULL);
    status = CLI_OK;
    if (set->json)
        status = print_json(g, m, results, matrices, set);
    else
        print_text(g, m, results, matrices, set);
    goto out;
no_memory:
    spacc_fail(&err, SPACC_ENOMEM, "%s: out of memory", file);
failed:
    status = cli_fail_err(&err);
out:
    for (size_t i = 0; i < c.count; i++)
        spacc_tensor_free(c.tensor[i]);
    free(c.tensor);
    free(c.name);
    free(results);
    free(m);
    spacc_graph_free(g);
    return status;
}

static int run(int argc, char **argv)
{
    struct settings set = {.sparsity = -1.0, .bank_size = 16};
    const char *file;
    int status;

    if (!cli_parse(&cli_prune, argc, argv, take, &set, &file, &status))
        return status;
    if (!set.out)
        return cli_usage(&cli_prune, "-o FILE is missing");
    if (set.sparsity < 0.0)
        return cli_usage(&cli_prune, "--sparsity is missing");
    return work(&set, file);
}

const struct cli_command cli_prune = {
    .name = "prune",
    .arguments = "MODEL",
    .summary = "Zero the smallest weights, the same number in every bank of columns.",
    .more =
        "Constant weights of LSTM and GRU (W and R apart), MatMul and Gemm; the rest stays as\n"
        "it is. The result is plain ONNX that any runtime can run.\n",
    .example = "spacc prune lstm.onnx -o lstm_87.onnx --sparsity 0.875 --bank-size 16",
    .option = options,
    .run = run};
