/* inspect.c - spacc inspect: what is in a model, and how sparse its weights are. */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/cli/board.h"
#include "host/cli/cli.h"
#include "host/cli/quality.h"
#include "host/prune/matrix.h"
#include "models/io.h"
#include "models/onnx.h"
#include "models/op.h"
#include "sparse/csb.h"

enum { BANK_SIZE, JSON, AGAINST, BOARD, SPARSITY, DIM };
enum { BANKS = 4 };

static const size_t bank_sizes[BANKS] = {8, 16, 32, 64};

static const struct cli_option options[] = {
    [BANK_SIZE] = {"bank-size", 0, "B", "bank of the CSB sizes (default 16)"},
    [JSON] = {"json", 0, NULL, "as JSON"},
    [AGAINST] = {"against", 0, "DENSE", "the model before pruning: energy kept, exactly"},
    [BOARD] = {"board", 0, "BOARD", "does it fit, at which clock, and how long is a run"},
    [SPARSITY] = {"sparsity", 0, "S", "with --board: prune to this share of zeros first"},
    [DIM] = {"dim", 0, "NAME=N", "with --board: size of a dynamic dimension (default 1)"},
    {0}};

struct settings {
    size_t bank_size;
    bool json;
    const char *against;
    struct cli_board on; /* of --board, and options with it */
};

/* How a matrix lies in banks of one size. */
struct banks {
    size_t k;      /* most weights in a bank */
    bool balanced; /* every bank has k, a short last one as many as it can */
};

struct weights {
    size_t nonzeros;
    bool finite;
    struct banks bank[BANKS], csb; /* csb: of --bank-size */
    struct cli_quality quality;
};

/* A model and its weight matrices; all zero: none. */
struct model {
    struct spacc_graph *g;
    struct spacc_prune_matrix *m; /* [matrices] */
    struct weights *w;            /* [matrices] */
    size_t matrices;
};

static int take_dim(struct settings *set, const char *value)
{
    if (cli_dim(&set->on.in, value))
        return CLI_OK;
    return cli_usage(&cli_inspect, "--dim %s: wants NAME=N", value);
}

static int take(void *to, int option, const char *value)
{
    struct settings *set = to;

    switch (option) {
    case BANK_SIZE: return cli_bank_size(&set->bank_size, &cli_inspect, value);
    case AGAINST: set->against = value; return CLI_OK;
    case BOARD: set->on.board = value; return CLI_OK;
    case SPARSITY: return cli_sparsity(&set->on.sparsity, &cli_inspect, value);
    case DIM: return take_dim(set, value);
    default: set->json = true; return CLI_OK;
    }
}

/* ---- weights ---- */

static size_t count(const float *w, size_t n)
{
    size_t some = 0;

    for (size_t i = 0; i < n; i++)
        some += w[i] != 0.0f;
    return some;
}

static struct banks look_banks(const float *dense, size_t rows, size_t cols, size_t size)
{
    struct banks b = {0, true};

    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c += size) {
            const size_t n = count(dense + r * cols + c, c + size > cols ? cols - c : size);
            b.k = n > b.k ? n : b.k;
        }
    for (size_t r = 0; r < rows && b.balanced; r++)
        for (size_t c = 0; c < cols && b.balanced; c += size) {
            const size_t width = c + size > cols ? cols - c : size;
            b.balanced = count(dense + r * cols + c, width) == (b.k < width ? b.k : width);
        }
    return b;
}

static void look(struct weights *w, const struct spacc_prune_matrix *m, const float *dense,
                 size_t bank_size)
{
    w->nonzeros = count(dense, m->rows * m->cols);
    w->finite = true;
    for (size_t i = 0; i < m->rows * m->cols; i++)
        w->finite = w->finite && isfinite(dense[i]);
    for (int b = 0; b < BANKS; b++)
        w->bank[b] = look_banks(dense, m->rows, m->cols, bank_sizes[b]);
    w->csb = look_banks(dense, m->rows, m->cols, bank_size);
    w->quality = cli_quality_of(dense, m->rows, m->cols);
}

static size_t csb_bytes(const struct spacc_prune_matrix *m, const struct weights *w,
                        size_t bank_size, enum spacc_csb_type type)
{
    float scale; /* one a row: counted, not read */
    const struct spacc_csb shape = {.rows = m->rows,
                                    .cols = m->cols,
                                    .bank_size = bank_size,
                                    .banks = (m->cols + bank_size - 1) / bank_size,
                                    .k = w->csb.k,
                                    .nonzeros = w->nonzeros,
                                    .type = type,
                                    .scale = &scale};

    return spacc_csb_bytes(&shape);
}

static double sparsity(const struct spacc_prune_matrix *m, const struct weights *w)
{
    return 1.0 - (double)w->nonzeros / (double)(m->rows * m->cols);
}

/* ---- ONNX ---- */

static const char *value_text(const struct spacc_value *v, char *text, size_t bytes)
{
    size_t used = (size_t)snprintf(text, bytes, "%s", spacc_dtype_name((int)v->dtype));

    if (v->dtype == SPACC_DTYPE_NONE)
        used = (size_t)snprintf(text, bytes, "any type");
    if (v->rank < 0) {
        snprintf(text + used, bytes - used, ", any shape");
        return text;
    }
    for (int d = 0; d < v->rank && used < bytes; d++) {
        const char *before = d ? "," : "[";
        if (v->dims[d] >= 0)
            used +=
                (size_t)snprintf(text + used, bytes - used, "%s%" PRId64, before, v->dims[d]);
        else
            used += (size_t)snprintf(text + used, bytes - used, "%s%.40s", before,
                                     v->dim_names[d] ? v->dim_names[d] : "?");
    }
    if (used < bytes)
        snprintf(text + used, bytes - used, "%s", v->rank ? "]" : "[]");
    return text;
}

static void print_values(const char *what, const struct spacc_graph *g, const int *list, int n)
{
    char text[128];

    for (int i = 0; i < n; i++)
        printf("  %-8s %-36s %s\n", i ? "" : what, g->value[list[i]].name,
               value_text(&g->value[list[i]], text, sizeof(text)));
}

/* Operators in the order of the list, with how many nodes use them. */
static void print_operators(const struct spacc_graph *g)
{
    int column = printf("  %-8s", "nodes");

    column += printf(" %d:", g->nodes);
    for (size_t o = 0; o < spacc_op_count; o++) {
        int uses = 0;
        for (int i = 0; i < g->nodes; i++)
            uses += g->node[i].op == &spacc_ops[o];
        if (!uses)
            continue;
        if (column > 84)
            column = printf("\n  %-8s", "") - 1;
        column += printf(" %s %d", spacc_ops[o].name, uses);
    }
    putchar('\n');
}

static void print_matrix(const struct spacc_prune_matrix *m, const struct weights *w,
                         size_t bank_size)
{
    printf("%-24.24s %-10s", m->node->name, m->label);
    if (m->why) {
        printf(" %s\n", m->why);
        return;
    }
    printf(" %6zu %7zu %7.2f %%", m->rows, m->cols, 100.0 * sparsity(m, w));
    for (int b = 0; b < BANKS; b++) {
        char k[24];
        snprintf(k, sizeof(k), "%s%zu", w->bank[b].balanced ? "=" : "<", w->bank[b].k);
        printf(" %4s", k);
    }
    printf(" %10zu %9zu %9zu%s\n", m->rows * m->cols * sizeof(float),
           csb_bytes(m, w, bank_size, SPACC_CSB_I8), csb_bytes(m, w, bank_size, SPACC_CSB_I16),
           w->finite ? "" : "  not finite");
}

static void print_onnx(const struct spacc_graph *g, const struct spacc_prune_matrix *m,
                       const struct weights *w, size_t matrices, size_t bank_size)
{
    printf("%s: ONNX, opset %d, IR version %d\n", g->file, g->opset, g->ir_version);
    print_values("inputs", g, g->input, g->inputs);
    print_values("outputs", g, g->output, g->outputs);
    print_operators(g);
    for (size_t i = 0; i < g->metadata; i++)
        printf("  %-8s %s = %.80s\n", i ? "" : "metadata", g->metadata_key[i],
               g->metadata_text[i]);
    if (matrices == 0)
        return;
    printf("\n%-24s %-10s %6s %7s %9s %4s %4s %4s %4s %10s %9s %9s\n", "", "", "", "", "",
           "k at", "bank", "of", "", "bytes", "CSB", "CSB");
    printf("%-24s %-10s %6s %7s %9s %4zu %4zu %4zu %4zu %10s %9s %9s\n", "node", "weights",
           "rows", "columns", "sparsity", bank_sizes[0], bank_sizes[1], bank_sizes[2],
           bank_sizes[3], "float32", "int8", "int16");
    for (size_t i = 0; i < matrices; i++)
        print_matrix(&m[i], &w[i], bank_size);
    printf("\n=k: every bank keeps k weights (balanced); <k: at most k. CSB bytes at banks of "
           "%zu.\n",
           bank_size);
    cli_quality_print_head();
    for (size_t i = 0; i < matrices; i++)
        if (!m[i].why)
            cli_quality_print(&w[i].quality, m[i].node->name, m[i].label);
    printf("\npattern N:M: at most N of M weights; energy kept, error: as spacc prune wrote, "
           "or of "
           "--against;\ndB: squares of the weights over those of their rounding, a scale a "
           "row.\n");
}

static bool json_values(cJSON *o, const char *key, const struct spacc_graph *g, const int *list,
                        int n)
{
    cJSON *array = cJSON_AddArrayToObject(o, key);
    char text[128];

    for (int i = 0; array && i < n; i++) {
        cJSON *v = cJSON_CreateObject();
        if (!v || !cJSON_AddItemToArray(array, v) ||
            !cJSON_AddStringToObject(v, "name", g->value[list[i]].name) ||
            !cJSON_AddStringToObject(v, "type",
                                     value_text(&g->value[list[i]], text, sizeof(text))))
            return false;
    }
    return array != NULL;
}

static bool json_banks(cJSON *o, const struct weights *w)
{
    cJSON *array = cJSON_AddArrayToObject(o, "banks");

    for (int b = 0; array && b < BANKS; b++) {
        cJSON *v = cJSON_CreateObject();
        if (!v || !cJSON_AddItemToArray(array, v) ||
            !cJSON_AddNumberToObject(v, "bank_size", (double)bank_sizes[b]) ||
            !cJSON_AddNumberToObject(v, "k", (double)w->bank[b].k) ||
            !cJSON_AddBoolToObject(v, "balanced", w->bank[b].balanced))
            return false;
    }
    return array != NULL;
}

static bool json_matrix(cJSON *list, const struct spacc_prune_matrix *m,
                        const struct weights *w, size_t bank_size)
{
    cJSON *o = cJSON_CreateObject();

    if (!o || !cJSON_AddItemToArray(list, o) ||
        !cJSON_AddStringToObject(o, "node", m->node->name) ||
        !cJSON_AddStringToObject(o, "op", m->node->op->name) ||
        !cJSON_AddStringToObject(o, "weights", m->label))
        return false;
    if (m->why)
        return cJSON_AddStringToObject(o, "skipped", m->why) != NULL;
    return cJSON_AddNumberToObject(o, "rows", (double)m->rows) &&
           cJSON_AddNumberToObject(o, "columns", (double)m->cols) &&
           cJSON_AddNumberToObject(o, "nonzeros", (double)w->nonzeros) &&
           cJSON_AddNumberToObject(o, "sparsity", sparsity(m, w)) &&
           cJSON_AddBoolToObject(o, "finite", w->finite) && json_banks(o, w) &&
           cli_quality_json(o, &w->quality) &&
           cJSON_AddNumberToObject(o, "bytes_float32",
                                   (double)(m->rows * m->cols * sizeof(float))) &&
           cJSON_AddNumberToObject(o, "bytes_csb_int8",
                                   (double)csb_bytes(m, w, bank_size, SPACC_CSB_I8)) &&
           cJSON_AddNumberToObject(o, "bytes_csb_int16",
                                   (double)csb_bytes(m, w, bank_size, SPACC_CSB_I16));
}

static int json_onnx(const struct spacc_graph *g, const struct spacc_prune_matrix *m,
                     const struct weights *w, size_t matrices, size_t bank_size)
{
    cJSON *o = cJSON_CreateObject(), *list = NULL;
    bool ok = o && cJSON_AddStringToObject(o, "file", g->file) &&
              cJSON_AddNumberToObject(o, "opset", g->opset) &&
              cJSON_AddNumberToObject(o, "nodes", g->nodes) &&
              cJSON_AddNumberToObject(o, "bank_size", (double)bank_size) &&
              json_values(o, "inputs", g, g->input, g->inputs) &&
              json_values(o, "outputs", g, g->output, g->outputs) &&
              (list = cJSON_AddArrayToObject(o, "matrices"));

    for (size_t i = 0; ok && i < matrices; i++)
        ok = json_matrix(list, &m[i], &w[i], bank_size);
    if (ok)
        return cli_print_json(o);
    cJSON_Delete(o);
    return cli_fail("out of memory");
}

static enum spacc_status look_one(struct weights *w, const struct spacc_prune_matrix *m,
                                  const struct spacc_prune_matrix *before, size_t bank_size)
{
    const size_t count = m->rows * m->cols;
    float *dense = calloc(count, sizeof(*dense)), *old = NULL;
    enum spacc_status status = SPACC_ENOMEM;

    if (!dense)
        goto out;
    spacc_prune_matrix_get(m, m->init->data, dense);
    look(w, m, dense, bank_size);
    if (before) {
        old = calloc(count, sizeof(*old));
        if (!old)
            goto out;
        spacc_prune_matrix_get(before, before->init->data, old);
        w->quality.energy_kept = cli_energy_kept(old, dense, count);
    }
    status = SPACC_OK;
out:
    free(dense);
    free(old);
    return status;
}

/* The matrix of the same node and label in the other model, with contents of the same shape. */
static enum spacc_status find_before(const struct spacc_prune_matrix **out,
                                     const struct model *before,
                                     const struct spacc_prune_matrix *m,
                                     struct spacc_error *err)
{
    *out = NULL;
    for (size_t i = 0; i < before->matrices && !*out; i++) {
        const struct spacc_prune_matrix *b = &before->m[i];
        if (!b->why && !strcmp(b->node->name, m->node->name) && !strcmp(b->label, m->label))
            *out = b;
    }
    if (!*out)
        return spacc_fail(err, SPACC_EINVAL, "--against %s: no weights %s of node %s there",
                          before->g->file, m->label, m->node->name);
    if ((*out)->rows == m->rows && (*out)->cols == m->cols)
        return SPACC_OK;
    return spacc_fail(err, SPACC_ESHAPE,
                      "--against %s: weights %s of node %s are %zu x %zu there, %zu x %zu here",
                      before->g->file, m->label, m->node->name, (*out)->rows, (*out)->cols,
                      m->rows, m->cols);
}

static enum spacc_status look_all(struct model *model, const struct model *before,
                                  size_t bank_size, struct spacc_error *err)
{
    cJSON *told = cli_quality_metadata(model->g);
    enum spacc_status status = SPACC_OK;

    for (size_t i = 0; i < model->matrices && status == SPACC_OK; i++) {
        const struct spacc_prune_matrix *m = &model->m[i], *old = NULL;
        struct weights *w = &model->w[i];
        if (m->why)
            continue;
        if (before->g && (status = find_before(&old, before, m, err)) != SPACC_OK)
            break;
        if ((status = look_one(w, m, old, bank_size)) != SPACC_OK)
            spacc_fail(err, status, "%s: out of memory", model->g->file);
        else if (!old)
            cli_quality_told(&w->quality, told, m->node->name, m->label, m->rows, m->cols);
    }
    cJSON_Delete(told);
    return status;
}

static enum spacc_status load(struct model *model, const char *file, struct spacc_error *err)
{
    const enum spacc_status status = spacc_onnx_load(&model->g, file, err);

    if (status != SPACC_OK)
        return status;
    if (spacc_prune_matrices(&model->m, &model->matrices, model->g) == SPACC_OK)
        model->w = calloc(model->matrices + 1, sizeof(*model->w));
    return model->w ? SPACC_OK : spacc_fail(err, SPACC_ENOMEM, "%s: out of memory", file);
}

static void release(struct model *model)
{
    free(model->w);
    free(model->m);
    spacc_graph_free(model->g);
}

static int inspect_onnx(const char *file, const struct settings *set)
{
    struct model model = {0}, before = {0};
    struct spacc_error err = {0};
    int status = CLI_OK;

    if (load(&model, file, &err) || (set->against && load(&before, set->against, &err)) ||
        look_all(&model, &before, set->bank_size, &err))
        status = cli_fail_err(&err);
    else if (set->json)
        status = json_onnx(model.g, model.m, model.w, model.matrices, set->bank_size);
    else
        print_onnx(model.g, model.m, model.w, model.matrices, set->bank_size);
    release(&model);
    release(&before);
    return status;
}

static int inspect(struct settings *set, const char *file)
{
    set->on.file = file;
    set->on.json = set->json;
    if (set->against && (set->on.board || cli_ends_with(file, ".safetensors")))
        return cli_usage(&cli_inspect, "--against is for ONNX files, without --board");
    if (set->on.board)
        return cli_board(&set->on);
    if (set->on.in.dims || set->on.sparsity > 0.0)
        return cli_usage(&cli_inspect, "--dim and --sparsity need --board");
    if (cli_ends_with(file, ".safetensors"))
        return cli_inspect_pack(file, set->json);
    return inspect_onnx(file, set);
}

static int run(int argc, char **argv)
{
    struct settings set = {.bank_size = 16, .on.in = {.seed = 1, .quiet = true}};
    const char *file;
    int status;

    /* No list can be longer than the command line. */
    set.on.in.dim = calloc((size_t)argc, sizeof(*set.on.in.dim));
    if (!set.on.in.dim)
        status = cli_fail("out of memory");
    else if (cli_parse(&cli_inspect, argc, argv, take, &set, &file, &status))
        status = inspect(&set, file);
    free(set.on.in.dim);
    return status;
}

const struct cli_command cli_inspect = {
    .name = "inspect",
    .arguments = "FILE",
    .summary = "Tell what is in an ONNX or packed model, and how balanced its weights are.",
    .more =
        "With --board: resources of the board's card, estimated before any synthesis, and the\n"
        "cycles of one run, counted exactly. boards/README.md lists the boards.\n",
    .example = "spacc inspect models/demo/charlm.onnx",
    .option = options,
    .run = run};
