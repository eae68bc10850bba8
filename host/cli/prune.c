/* prune.c - spacc prune: an ONNX file with bank-balanced weights from another. */
#include "host/cli/prune.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/prune/contest.h"
#include "host/prune/sensitivity.h"
#include "host/session.h"
#include "models/metadata.h"
#include "models/onnx.h"
#include "sparse/prune.h"

enum {
    OUT,
    SPARSITY,
    SPARSITY_H,
    BANK_SIZE,
    METHOD,
    CALIBRATE,
    ALLOCATE,
    PERMUTE,
    PRECISION,
    PACK,
    STATE,
    FRAMES,
    DIM,
    SEED,
    JSON,
    QUIET
};

static const struct cli_option options[] = {
    [OUT] = {"output", 'o', "FILE", "the pruned model, ONNX (needed)"},
    [SPARSITY] = {"sparsity", 0, "S", "share of zeros in every bank, as 0.875 (needed)"},
    [SPARSITY_H] = {"sparsity-h", 0, "S", "of R, times h, of LSTM and GRU (default: the same)"},
    [BANK_SIZE] = {"bank-size", 0, "B", "columns a bank (default 16)"},
    [METHOD] = {"method", 0, "M", "magnitude (default), wanda or obs"},
    [CALIBRATE] = {"calibrate", 0, "[NAME=]FILE", "what typical inputs look like; repeatable"},
    [ALLOCATE] = {"allocate", 0, "HOW", "uniform (default), or sensitivity: S over all"},
    [PERMUTE] = {"permute", 0, NULL, "renumber hidden units first, where that is free"},
    [PRECISION] = {"precision", 0, "P", "obs: int8 or int16, weights on the grid of a card"},
    [PACK] = {"pack", 0, "FILE", "write the packed model as well, .safetensors"},
    [STATE] = {"state", 0, "IN=OUT", "input IN takes output OUT of the frame before"},
    [FRAMES] = {"frames", 0, "N", "calibrate by at most N frames of a stream"},
    [DIM] = {"dim", 0, "NAME=N", "size of a dynamic dimension of inputs not given (default 1)"},
    [SEED] = {"seed", 0, "N", "of inputs not given (default 1)"},
    [JSON] = {"json", 0, NULL, "the report as JSON"},
    [QUIET] = {"quiet", 'q', NULL, "no remarks on stderr; errors still"},
    {0}};

static const char *const methods[] = {[SPACC_PRUNE_MAGNITUDE] = "magnitude",
                                      [SPACC_PRUNE_WANDA] = "wanda",
                                      [SPACC_PRUNE_OBS] = "obs"};

struct settings {
    const char *out, *pack, *precision;
    double sparsity, sparsity_h; /* negative: not given */
    const char *sparsity_text;
    struct spacc_prune_how how;
    bool allocate, permute, json;
    struct cli_inputs in;
    size_t states;
    const char **state;
};

/* The model and everything made for it. */
struct job {
    struct spacc_graph *g;
    struct spacc_model *model; /* for its states; NULL without calibration */
    struct spacc_prune_matrix *m;
    size_t matrices;
    struct spacc_pruned *result;
    bool *changed; /* by value */
    struct cli_states states;
    struct spacc_requests requests; /* count 0: none */
    double outputs_error;
    bool compared, alike; /* allocation: see struct cli_pruned */
    double loss[2];
    struct spacc_permuted *order;
    size_t permuted;
};

/* ---- options ----------------------------------------------------------------- */

static int take_method(struct settings *set, const char *value)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
        if (!strcmp(value, methods[i])) {
            set->how.method = (enum spacc_prune_method)i;
            return CLI_OK;
        }
    return cli_usage(&cli_prune, "--method %s: magnitude, wanda or obs", value);
}

static int take_allocate(struct settings *set, const char *value)
{
    set->allocate = !strcmp(value, "sensitivity");
    if (set->allocate || !strcmp(value, "uniform"))
        return CLI_OK;
    return cli_usage(&cli_prune, "--allocate %s: uniform or sensitivity", value);
}

static int take_precision(struct settings *set, const char *value)
{
    enum spacc_precision precision = SPACC_PRECISION_DEFAULT;
    const int status = cli_precision(&precision, &cli_prune, value);

    if (status != CLI_OK)
        return status;
    if (precision != SPACC_PRECISION_INT8 && precision != SPACC_PRECISION_INT16)
        return cli_usage(&cli_prune, "--precision %s: int8 or int16", value);
    set->how.weight_bits = precision == SPACC_PRECISION_INT8 ? 8 : 16;
    set->precision = value;
    return CLI_OK;
}

static int take_count(uint64_t *to, const char *name, const char *value, uint64_t least)
{
    if (cli_count(to, value) && *to >= least)
        return CLI_OK;
    return cli_usage(&cli_prune, "--%s %s: wants a number%s", name, value,
                     least ? " from 1" : "");
}

static int take_dim(struct settings *set, const char *value)
{
    if (cli_dim(&set->in, value))
        return CLI_OK;
    return cli_usage(&cli_prune, "--dim %s: wants NAME=N", value);
}

static int take(void *to, int option, const char *value)
{
    struct settings *set = to;

    switch (option) {
    case OUT: set->out = value; return CLI_OK;
    case SPARSITY:
        set->sparsity_text = value;
        return cli_sparsity(&set->sparsity, &cli_prune, value);
    case SPARSITY_H: return cli_sparsity(&set->sparsity_h, &cli_prune, value);
    case BANK_SIZE: return cli_bank_size(&set->how.bank_size, &cli_prune, value);
    case METHOD: return take_method(set, value);
    case CALIBRATE: set->in.spec[set->in.specs++] = value; return CLI_OK;
    case ALLOCATE: return take_allocate(set, value);
    case PERMUTE: set->permute = true; return CLI_OK;
    case PRECISION: return take_precision(set, value);
    case PACK: set->pack = value; return CLI_OK;
    case STATE: set->state[set->states++] = value; return CLI_OK;
    case FRAMES: return take_count(&set->in.frames, "frames", value, 1);
    case DIM: return take_dim(set, value);
    case SEED: return take_count(&set->in.seed, "seed", value, 0);
    case JSON: set->json = true; return CLI_OK;
    case QUIET: set->in.quiet = true; return CLI_OK;
    default: return CLI_USAGE;
    }
}

static int check(const struct settings *set)
{
    if (!set->out)
        return cli_usage(&cli_prune, "-o FILE is missing");
    if (set->sparsity < 0.0)
        return cli_usage(&cli_prune, "--sparsity is missing");
    if (set->how.method != SPACC_PRUNE_MAGNITUDE && !set->in.specs)
        return cli_usage(&cli_prune, "--method %s needs --calibrate", methods[set->how.method]);
    if (set->allocate && !set->in.specs)
        return cli_usage(&cli_prune, "--allocate sensitivity needs --calibrate");
    if (set->allocate && set->sparsity_h >= 0.0)
        return cli_usage(&cli_prune,
                         "--sparsity-h: --allocate sensitivity finds that of h by itself");
    if (set->precision && set->how.method != SPACC_PRUNE_OBS)
        return cli_usage(&cli_prune, "--precision %s is for --method obs", set->precision);
    if (set->pack && !cli_ends_with(set->pack, ".safetensors"))
        return cli_usage(&cli_prune, "--pack %s: the name must end in .safetensors", set->pack);
    return CLI_OK;
}

/* ---- the work ---------------------------------------------------------------- */

static void progress(void *user, int step, int steps, const char *what)
{
    (void)user;
    cli_progress(step, steps, what);
}

static enum spacc_status load(struct job *j, const struct settings *set, const char *file,
                              struct spacc_error *err)
{
    enum spacc_status s = spacc_onnx_load(&j->g, file, err);

    if (s)
        return s;
    s = spacc_prune_matrices(&j->m, &j->matrices, j->g);
    j->result = calloc(j->matrices + 1, sizeof(*j->result));
    j->changed = calloc((size_t)j->g->values + 1, sizeof(*j->changed));
    if (s || !j->result || !j->changed)
        return spacc_fail(err, SPACC_ENOMEM, "%s: out of memory", file);
    return spacc_prune_begin(j->result, j->g, j->m, j->matrices, set->how.bank_size, err);
}

/* Calibration data, cut into requests. */
static enum spacc_status calibrate(struct job *j, struct settings *set, const char *file,
                                   struct spacc_error *err)
{
    enum spacc_status s;

    if (!set->in.specs && !set->pack)
        return SPACC_OK;
    if ((s = spacc_model_load(&j->model, file, err)) ||
        (s = cli_states_find(&j->states, j->model, j->g, set->states, set->state, err)) ||
        (s = cli_inputs_load(&set->in, j->g, j->states.is_state, err)))
        return s;
    cli_states_tell(&j->states, j->model, set->in.quiet);
    if (!set->in.specs)
        return SPACC_OK;
    return spacc_requests_make(&j->requests, j->g,
                               (const struct spacc_tensor *const *)set->in.tensor,
                               j->states.pair, j->states.count, (size_t)set->in.frames, err);
}

/* NULL: none. */
static const struct spacc_requests *requests_of(const struct job *j)
{
    return j->requests.count ? &j->requests : NULL;
}

/* k of every matrix, all alike. */
static enum spacc_status choose(struct job *j, const struct settings *set,
                                struct spacc_error *err)
{
    const double sparsity_h = set->sparsity_h < 0.0 ? set->sparsity : set->sparsity_h;
    const size_t bank = set->how.bank_size;
    size_t k = bank, k_h = bank;
    enum spacc_status s;

    if (set->allocate) /* for the order of columns, until it is known */
        k = k_h = 1 + (size_t)((1.0 - set->sparsity) * (double)(bank - 1));
    else if ((s = spacc_prune_kept(&k, set->sparsity, bank, err)) ||
             (s = spacc_prune_kept(&k_h, sparsity_h, bank, err)))
        return s;
    for (size_t i = 0; i < j->matrices; i++)
        j->result[i].k = j->m[i].kind == SPACC_KIND_H ? k_h : k;
    return SPACC_OK;
}

/* Order of columns, then k by sensitivity. */
static enum spacc_status arrange(struct job *j, const struct settings *set,
                                 struct spacc_error *err)
{
    enum spacc_status s = choose(j, set, err);

    if (!s && set->permute)
        s = spacc_prune_permute(&j->order, &j->permuted, j->g, j->m, j->matrices, j->result,
                                set->how.bank_size, requests_of(j), j->changed, err);
    if (!s && set->allocate)
        s = spacc_prune_allocate(j->result, j->g, j->m, j->matrices, &set->how, set->sparsity,
                                 requests_of(j), err);
    return s;
}

static enum spacc_status write_model(const struct job *j, const struct cli_pruned *told,
                                     const struct settings *set, struct spacc_error *err)
{
    const char **name = calloc((size_t)j->g->values + 1, sizeof(*name));
    const struct spacc_tensor **tensor = calloc((size_t)j->g->values + 1, sizeof(*tensor));
    char *pruned = cli_prune_metadata(told), bank[24], version[24];
    const char *const keys[] = {"spacc.metadata", "spacc.sparsity", "spacc.bank_size",
                                "spacc.method", "spacc.pruned"};
    const char *const texts[] = {version, set->sparsity_text, bank, told->method, pruned};
    enum spacc_status s = SPACC_ENOMEM;
    size_t changes = 0;

    snprintf(version, sizeof(version), "%d", SPACC_METADATA_VERSION);
    snprintf(bank, sizeof(bank), "%zu", set->how.bank_size);
    for (int v = 0; v < j->g->values && name && tensor; v++)
        if (j->changed[v]) {
            name[changes] = j->g->value[v].name;
            tensor[changes++] = spacc_prune_constant(j->g, v);
        }
    if (name && tensor && pruned)
        s = spacc_onnx_rewrite(j->g->file, set->out, changes, name, tensor, 5, keys, texts,
                               err);
    else
        spacc_fail(err, s, "%s: out of memory", j->g->file);
    free(name);
    free(tensor);
    free(pruned);
    return s;
}

/* The file that was just written, packed; it goes away when that fails. */
static enum spacc_status pack(const struct job *j, const struct settings *set,
                              struct spacc_error *err)
{
    const struct spacc_options session = {
        .precision = set->how.weight_bits == 8 ? SPACC_PRECISION_INT8 : SPACC_PRECISION_INT16};
    struct spacc_model *model = NULL;
    enum spacc_status s;

    if (!set->pack)
        return SPACC_OK;
    s = spacc_model_load(&model, set->out, err);
    if (!s)
        s = cli_pack_model(model, &session, &set->in, &j->states, set->pack, err);
    if (s)
        unlink(set->out);
    spacc_model_free(model);
    return s;
}

static struct cli_pruned tell(const struct job *j, const struct settings *set)
{
    return (struct cli_pruned){.g = j->g,
                               .out = set->out,
                               .pack = set->pack,
                               .method = methods[set->how.method],
                               .precision = set->precision,
                               .sparsity = set->sparsity,
                               .sparsity_h = set->sparsity_h,
                               .allocate = set->allocate,
                               .compared = j->compared,
                               .alike = j->alike,
                               .loss = {j->loss[0], j->loss[1]},
                               .bank_size = set->how.bank_size,
                               .matrices = j->matrices,
                               .requests = j->requests.count,
                               .m = j->m,
                               .result = j->result,
                               .outputs_error = j->outputs_error,
                               .permute = set->permute,
                               .permuted = j->permuted,
                               .order = j->order};
}

/* By sensitivity, unless all alike lose less: where the bank has that sparsity exactly. */
static enum spacc_status contest(struct job *j, const struct settings *set,
                                 struct spacc_error *err)
{
    struct spacc_pruned *alike = malloc((j->matrices + 1) * sizeof(*alike));
    size_t k;
    enum spacc_status s;

    if (!alike)
        return spacc_fail(err, SPACC_ENOMEM, "%s: out of memory", j->g->file);
    j->compared = !spacc_prune_kept(&k, set->sparsity, set->how.bank_size, NULL);
    memcpy(alike, j->result, j->matrices * sizeof(*alike));
    for (size_t i = 0; i < j->matrices && j->compared; i++) {
        alike[i].k = k;
        alike[i].loss = -1.0;
    }
    s = j->compared ? spacc_prune_contest(j->result, alike, j->changed, j->g, j->m, j->matrices,
                                          &set->how, requests_of(j), &j->outputs_error, j->loss,
                                          &j->alike, err)
                    : spacc_prune_model(j->result, j->changed, j->g, j->m, j->matrices,
                                        &set->how, requests_of(j), &j->outputs_error, err);
    free(alike);
    return s;
}

static enum spacc_status prune(struct job *j, struct settings *set, const char *file,
                               struct spacc_error *err)
{
    enum spacc_status s;

    if ((s = load(j, set, file, err)) || (s = calibrate(j, set, file, err)) ||
        (s = arrange(j, set, err)))
        return s;
    if (set->allocate)
        return contest(j, set, err);
    return spacc_prune_model(j->result, j->changed, j->g, j->m, j->matrices, &set->how,
                             requests_of(j), &j->outputs_error, err);
}

static int work(struct settings *set, const char *file)
{
    struct job j = {0};
    struct spacc_error err = {0};
    int status;

    cli_progress(0, 2, "reading the model");
    enum spacc_status s = prune(&j, set, file, &err);
    const struct cli_pruned told = tell(&j, set);
    if (!s)
        s = write_model(&j, &told, set, &err);
    if (!s)
        s = pack(&j, set, &err);
    cli_progress(0, 0, NULL);
    if (s)
        status = cli_fail_err(&err);
    else if (set->json)
        status = cli_prune_json(&told);
    else
        cli_prune_text(&told), status = CLI_OK;
    spacc_requests_release(&j.requests);
    cli_states_release(&j.states);
    cli_inputs_release(&set->in);
    spacc_model_free(j.model);
    free(j.order);
    free(j.changed);
    free(j.result);
    free(j.m);
    spacc_graph_free(j.g);
    return status;
}

static int run(int argc, char **argv)
{
    struct settings set = {.sparsity = -1.0,
                           .sparsity_h = -1.0,
                           .how = {.bank_size = 16, .progress = progress},
                           .in.seed = 1};
    const char *file;
    int status;

    set.in.spec = calloc((size_t)argc, sizeof(char *));
    set.in.dim = calloc((size_t)argc, sizeof(*set.in.dim));
    set.state = calloc((size_t)argc, sizeof(char *));
    if (!set.in.spec || !set.in.dim || !set.state)
        status = cli_fail("out of memory");
    else if (cli_parse(&cli_prune, argc, argv, take, &set, &file, &status) &&
             (status = check(&set)) == CLI_OK)
        status = work(&set, file);
    free(set.in.spec);
    free(set.in.dim);
    free(set.state);
    return status;
}

const struct cli_command cli_prune = {
    .name = "prune",
    .arguments = "MODEL",
    .summary = "Zero weights, the same number in every bank of columns.",
    .more =
        "Constant weights of LSTM and GRU (W and R apart), MatMul, Gemm and Conv; a matrix "
        "with\n"
        "fewer columns than a bank stays as it is. The result is plain ONNX.\n"
        "\n"
        "  magnitude  the largest |w| stay\n"
        "  wanda      the largest |w| times the root mean square of its input stay\n"
        "  obs        weights go one by one, the others of a row take up what is lost\n"
        "             (SparseGPT); biases as well\n"
        "\n"
        "wanda and obs measure inputs on --calibrate data; one with one more leading "
        "dimension\n"
        "than declared is a sequence of requests, with states fed back as the dense model has\n"
        "them. All requests go through the model together, so their values have to fit in\n"
        "memory; a matrix is measured behind the matrices pruned before it.\n"
        "--allocate sensitivity prunes each matrix alone to ten levels on eight requests "
        "(with\n"
        "obs by wanda's scores) and takes those by which the outputs lose least together; then "
        "it\n"
        "prunes by them and with the same share everywhere, and keeps what loses less.\n"
        "--permute puts columns in another order before they are cut in banks, where the "
        "layers\n"
        "around can be renumbered with them, and says where not.\n"
        "Training that goes on from here is in models/recipes.\n",
    .example = "spacc prune lstm.onnx -o lstm_87.onnx --sparsity 0.875 --bank-size 16 "
               "--method obs --calibrate frames.npy",
    .option = options,
    .run = run};
