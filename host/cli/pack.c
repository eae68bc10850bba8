/* pack.c - spacc pack: quantised layers of a model in one safetensors file. */
#include <stdlib.h>
#include <string.h>

#include "host/cli/cli.h"
#include "host/session.h"
#include "sparse/pack.h"

enum { OUT, INPUT, FPGA, PRECISION, SPARSITY, BANK_SIZE, STATE, DIM, SEED, QUIET };

static const struct cli_option options[] = {
    [OUT] = {"output", 'o', "FILE", "the packed model, .safetensors (needed)"},
    [INPUT] = {"input", 'i', "[NAME=]FILE", "calibration: what typical inputs look like"},
    [FPGA] = {"fpga", 0, "CARD", "lay out for this card: sim:4x4, ... (default off: 16 lanes)"},
    [PRECISION] = {"precision", 0, "P", "int16 (default) or int8 weights"},
    [SPARSITY] = {"sparsity", 0, "S", "prune to this share of zeros first"},
    [BANK_SIZE] = {"bank-size", 0, "B", "columns a bank when pruning (default: the card's)"},
    [STATE] = {"state", 0, "IN=OUT", "input IN takes output OUT of the frame before"},
    [DIM] = {"dim", 0, "NAME=N", "size of a dynamic dimension of inputs not given (default 1)"},
    [SEED] = {"seed", 0, "N", "of inputs not given (default 1)"},
    [QUIET] = {"quiet", 'q', NULL, "no remarks on stderr; errors still"},
    {0}};

struct settings {
    struct cli_inputs in;
    const char *out;
    size_t states;
    const char **state;
    struct spacc_options session;
};

static int take_dim(struct settings *set, const char *value)
{
    if (cli_dim(&set->in, value))
        return CLI_OK;
    return cli_usage(&cli_pack, "--dim %s: wants NAME=N", value);
}

static int take_seed(struct settings *set, const char *value)
{
    if (cli_count(&set->in.seed, value))
        return CLI_OK;
    return cli_usage(&cli_pack, "--seed %s: wants a number", value);
}

static int take_fpga(struct settings *set, const char *value)
{
    set->session.fpga = strcmp(value, "off") ? value : NULL;
    return cli_fpga(&cli_pack, value);
}

static int take(void *to, int option, const char *value)
{
    struct settings *set = to;

    switch (option) {
    case OUT: set->out = value; return CLI_OK;
    case INPUT: set->in.spec[set->in.specs++] = value; return CLI_OK;
    case FPGA: return take_fpga(set, value);
    case PRECISION: return cli_precision(&set->session.precision, &cli_pack, value);
    case SPARSITY: return cli_sparsity(&set->session.sparsity, &cli_pack, value);
    case BANK_SIZE: return cli_bank_size(&set->session.bank_size, &cli_pack, value);
    case STATE: set->state[set->states++] = value; return CLI_OK;
    case DIM: return take_dim(set, value);
    case SEED: return take_seed(set, value);
    case QUIET: set->in.quiet = true; return CLI_OK;
    default: return CLI_USAGE;
    }
}

static void free_outputs(struct spacc_tensor **output, const struct spacc_graph *g)
{
    for (int i = 0; output && i < g->outputs; i++)
        spacc_tensor_free(output[i]);
    free(output);
}

/* One set of inputs is calibrated by prepare alone; a stream has to run. */
static enum spacc_status calibrate(struct spacc_session *session, const struct cli_inputs *in,
                                   const struct spacc_graph *g, const struct cli_states *states,
                                   struct spacc_error *err)
{
    const struct spacc_tensor *const *input = (const struct spacc_tensor *const *)in->tensor;

    if (!in->stream)
        return spacc_session_prepare(session, 1, input, err);
    struct spacc_tensor **output = calloc((size_t)g->outputs + 1, sizeof(*output));
    enum spacc_status status =
        output ? spacc_session_stream(session, input, states->pair, states->count, output, err)
               : spacc_fail(err, SPACC_ENOMEM, "%s: out of memory", g->file);
    free_outputs(output, g);
    return status;
}

enum spacc_status cli_pack_model(struct spacc_model *model, const struct spacc_options *how,
                                 const struct cli_inputs *in, const struct cli_states *states,
                                 const char *to, struct spacc_error *err)
{
    const struct spacc_graph *g = spacc_model_graph(model);
    struct spacc_session *session = NULL;
    enum spacc_status status = spacc_session_new(&session, model, how, err);

    cli_progress(1, 3, "calibrating and quantising");
    if (status == SPACC_OK && calibrate(session, in, g, states, err) != SPACC_OK)
        status = cli_name_file(err, g->file);
    if (status == SPACC_OK)
        status = spacc_session_pack(session, to, err);
    spacc_session_free(session);
    return status;
}

static enum spacc_status prepare(struct spacc_model *model, struct settings *set,
                                 struct cli_states *states, struct spacc_error *err)
{
    const struct spacc_graph *g = spacc_model_graph(model);
    enum spacc_status status = cli_states_find(states, model, g, set->states, set->state, err);

    if (status == SPACC_OK)
        status = cli_inputs_load(&set->in, g, states->is_state, err);
    return status;
}

/* Rows, banks and bytes of what was written, read back from the file. */
static int print_packed(const char *file)
{
    struct spacc_pack *pack;
    struct spacc_error err = {0};

    if (spacc_pack_load(&pack, file, &err) != SPACC_OK)
        return cli_fail_err(&err);
    cli_print_pack(pack, file);
    spacc_pack_free(pack);
    return CLI_OK;
}

static int work(struct settings *set, const char *file)
{
    struct spacc_model *model = NULL;
    struct cli_states states = {0};
    struct spacc_error err = {0};
    int status;

    cli_progress(0, 3, "reading the model");
    if (spacc_model_load(&model, file, &err) || prepare(model, set, &states, &err) ||
        cli_pack_model(model, &set->session, &set->in, &states, set->out, &err)) {
        status = cli_fail_err(&err);
    } else {
        cli_progress(0, 0, NULL);
        status = print_packed(set->out);
    }
    cli_states_release(&states);
    cli_inputs_release(&set->in);
    spacc_model_free(model);
    return status;
}

static int check(const struct settings *set)
{
    if (!set->out)
        return cli_usage(&cli_pack, "-o FILE is missing");
    if (!cli_ends_with(set->out, ".safetensors"))
        return cli_usage(&cli_pack, "-o %s: the name must end in .safetensors", set->out);
    if (set->session.precision == SPACC_PRECISION_F32 ||
        set->session.precision == SPACC_PRECISION_F16)
        return cli_usage(&cli_pack, "--precision %s: a packed model is int8 or int16",
                         set->session.precision == SPACC_PRECISION_F32 ? "f32" : "f16");
    if (set->session.bank_size && set->session.sparsity == 0.0)
        return cli_usage(&cli_pack, "--bank-size needs --sparsity");
    return CLI_OK;
}

static int run(int argc, char **argv)
{
    struct settings set = {.in.seed = 1, .session.precision = SPACC_PRECISION_INT16};
    const char *file;
    int status;

    set.in.spec = calloc((size_t)argc, sizeof(char *));
    set.in.dim = calloc((size_t)argc, sizeof(*set.in.dim));
    set.state = calloc((size_t)argc, sizeof(char *));
    if (!set.in.spec || !set.in.dim || !set.state)
        status = cli_fail("out of memory");
    else if (cli_parse(&cli_pack, argc, argv, take, &set, &file, &status) &&
             (status = check(&set)) == CLI_OK)
        status = work(&set, file);
    free(set.in.spec);
    free(set.in.dim);
    free(set.state);
    return status;
}

const struct cli_command cli_pack = {
    .name = "pack",
    .arguments = "MODEL",
    .summary = "Quantise and pack what a card can run into one file that loads at once.",
    .more =
        "The packed file names its ONNX model, which must stand beside it: spacc run takes\n"
        "the packed one and runs the rest of the model on the CPU.\n",
    .example = "spacc pack models/demo/charlm.onnx -o charlm.safetensors "
               "--input models/demo/heldout.npy",
    .option = options,
    .run = run};
