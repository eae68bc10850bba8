/* setup.c - the options about a run that commands share. */
#include <stdlib.h>
#include <string.h>

#include "host/cli/execute.h"

enum {
    INPUT,
    FPGA,
    PRECISION,
    SPARSITY,
    BANK_SIZE,
    STATE,
    FRAMES,
    DIM,
    SEED,
    QUIET,
    CPU_THREADS,
    GPU,
    OBJECTIVE,
    PLAN,
    DEVICE,
    PROFILES,
    SEERNET
};

const struct cli_option cli_setup_options[] = {
    [INPUT] = {"input", 'i', "[NAME=]FILE",
               ".npy, .npz, .pb or .wav; in model order or by name"},
    [FPGA] = {"fpga", 0, "CARD",
              "sim, sim:4x4, model:4x4, uart:DEVICE, mmio:uioN, xrt:N=FILE, opencl:P.D or off"},
    [PRECISION] = {"precision", 0, "P",
                   "f32 (default on the CPU) or f16, int16 (default on a card), int8 (both)"},
    [SPARSITY] = {"sparsity", 0, "S", "prune weights to this share of zeros first"},
    [BANK_SIZE] = {"bank-size", 0, "B", "columns a bank when pruning (default: the card's)"},
    [STATE] = {"state", 0, "IN=OUT", "input IN takes output OUT of the frame before"},
    [FRAMES] = {"frames", 0, "N", "at most N frames of a stream; N random ones without input"},
    [DIM] = {"dim", 0, "NAME=N", "size of a dynamic dimension of inputs not given (default 1)"},
    [SEED] = {"seed", 0, "N", "of inputs not given (default 1)"},
    [QUIET] = {"quiet", 'q', NULL, "no remarks on stderr; errors still"},
    [CPU_THREADS] = {"cpu-threads", 0, "N", "threads for the CPU's part (default 1)"},
    [GPU] = {"gpu", 0, "P.D",
             "auto, off, or an OpenCL platform and device as spacc devices has it"},
    [OBJECTIVE] = {"objective", 0, "O",
                   "place nodes for latency, throughput or energy (default: a card that is "
                   "named runs all it can)"},
    [PLAN] = {"plan", 0, "F.json", "run as this plan of spacc plan --save says"},
    [DEVICE] = {"device", 0, "NODE=D", "run this node on the cpu, gpu or card"},
    [PROFILES] = {"profiles", 0, "FOLDER", "of spacc profile (default: the cache)"},
    [SEERNET] = {"seernet", 0, "BITS",
                 "2 to 8, or exact: predict zeros of convolutions, skip them where that pays; "
                 "4,always: wherever it fits"},
    {0}};

bool cli_setup_init(struct cli_setup *set, int argc)
{
    /* No list can be longer than the command line. */
    const size_t words = (size_t)argc;

    *set = (struct cli_setup){.in.seed = 1};
    set->in.spec = calloc(words, sizeof(char *));
    set->in.dim = calloc(words, sizeof(*set->in.dim));
    set->state = calloc(words, sizeof(char *));
    set->session.pin = set->pin = calloc(words, sizeof(*set->pin));
    return set->in.spec && set->in.dim && set->state && set->pin;
}

void cli_setup_release(struct cli_setup *set)
{
    free(set->in.spec);
    free(set->in.dim);
    free(set->state);
    for (size_t i = 0; i < set->session.pins; i++)
        free((char *)(uintptr_t)set->pin[i].node);
    free(set->pin);
}

static int take_count(const struct cli_command *command, int option, const char *value,
                      uint64_t least, uint64_t most, uint64_t *to)
{
    if (cli_count(to, value) && *to >= least && *to <= most)
        return CLI_OK;
    return cli_usage(command, "--%s %s: not a number in range", cli_setup_options[option].name,
                     value);
}

static int take_dim(struct cli_setup *set, const struct cli_command *command, const char *value)
{
    if (cli_dim(&set->in, value))
        return CLI_OK;
    return cli_usage(command, "--dim %s: wants NAME=N", value);
}

static int take_fpga(struct cli_setup *set, const struct cli_command *command,
                     const char *value)
{
    set->session.fpga = strcmp(value, "off") ? value : NULL;
    return cli_fpga(command, value);
}

static int take_threads(struct cli_setup *set, const struct cli_command *command,
                        const char *value)
{
    uint64_t threads = 0;
    const int status = take_count(command, CPU_THREADS, value, 1, 256, &threads);

    set->session.cpu_threads = (int)threads;
    return status;
}

int cli_setup_take(struct cli_setup *set, const struct cli_command *command, int option,
                   const char *value)
{
    struct spacc_options *to = &set->session;

    switch (option - CLI_SHARED) {
    case INPUT: set->in.spec[set->in.specs++] = value; return CLI_OK;
    case FPGA: return take_fpga(set, command, value);
    case PRECISION: return cli_precision(&to->precision, command, value);
    case SPARSITY: return cli_sparsity(&to->sparsity, command, value);
    case BANK_SIZE: return cli_bank_size(&to->bank_size, command, value);
    case STATE: set->state[set->states++] = value; return CLI_OK;
    case FRAMES: return take_count(command, FRAMES, value, 1, INT32_MAX, &set->in.frames);
    case DIM: return take_dim(set, command, value);
    case SEED: return take_count(command, SEED, value, 0, UINT64_MAX, &set->in.seed);
    case QUIET: set->quiet = set->in.quiet = true; return CLI_OK;
    case CPU_THREADS: return take_threads(set, command, value);
    case GPU: to->gpu = value; return CLI_OK;
    case OBJECTIVE: return cli_goal(&to->goal, command, value);
    case PLAN: to->plan_file = value; return CLI_OK;
    case DEVICE: return cli_pin(set->pin, &to->pins, command, value);
    case PROFILES: to->profiles = value; return CLI_OK;
    case SEERNET: return cli_seernet(&to->seernet, &to->seernet_always, command, value);
    default: return CLI_USAGE;
    }
}

int cli_setup_check(const struct cli_setup *set, const struct cli_command *command)
{
    const struct spacc_options *o = &set->session;

    if (o->bank_size && o->sparsity == 0.0)
        return cli_usage(command, "--bank-size needs --sparsity");
    if (o->goal && !o->gpu && !o->fpga)
        return cli_usage(command, "--objective needs --gpu or --fpga: there is one device");
    return CLI_OK;
}
