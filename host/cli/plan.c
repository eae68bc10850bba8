/* plan.c - spacc plan: what would run where, what it would take, and why. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/cli/cli.h"
#include "host/placing.h"
#include "host/report.h"
#include "host/session.h"
#include "models/io.h"
#include "scheduler/gantt.h"

enum {
    INPUT,
    DIM,
    SEED,
    FPGA,
    GPU,
    CPU_THREADS,
    PRECISION,
    SPARSITY,
    BANK_SIZE,
    OBJECTIVE,
    DEVICE,
    PLAN,
    PROFILES,
    SEERNET,
    SAVE,
    SVG,
    JSON,
    QUIET
};

static const struct cli_option options[] = {
    [INPUT] = {"input", 'i', "[NAME=]FILE",
               ".npy, .npz, .pb or .wav; in model order or by name"},
    [DIM] = {"dim", 0, "NAME=N", "size of a dynamic dimension of inputs not given (default 1)"},
    [SEED] = {"seed", 0, "N", "of inputs not given (default 1)"},
    [FPGA] =
        {"fpga", 0, "CARD",
         "sim, sim:4x4, model:128x32, uart:DEVICE, mmio:uioN, xrt:N=FILE, opencl:P.D or off"},
    [GPU] = {"gpu", 0, "P.D",
             "auto, off, or an OpenCL platform and device as spacc devices has it"},
    [CPU_THREADS] = {"cpu-threads", 0, "N", "threads for the CPU's part (default 1)"},
    [PRECISION] = {"precision", 0, "P", "of the card's weights: int16 (default) or int8"},
    [SPARSITY] = {"sparsity", 0, "S", "prune weights to this share of zeros first"},
    [BANK_SIZE] = {"bank-size", 0, "B", "columns a bank when pruning (default: the card's)"},
    [OBJECTIVE] = {"objective", 0, "O", "latency (default), throughput or energy"},
    [DEVICE] = {"device", 0, "NODE=D", "this node on the cpu, gpu or card"},
    [PLAN] = {"plan", 0, "F.json", "price the plan in this file"},
    [PROFILES] = {"profiles", 0, "FOLDER", "of spacc profile (default: the cache)"},
    [SEERNET] = {"seernet", 0, "BITS",
                 "2 to 8, or exact: which convolutions predict their zeros and skip them"},
    [SAVE] = {"save", 0, "F.json", "write the plan, for spacc run --plan"},
    [SVG] = {"svg", 0, "F.svg", "draw it as a Gantt chart"},
    [JSON] = {"json", 0, NULL, "as JSON"},
    [QUIET] = {"quiet", 'q', NULL, "no remarks on stderr; errors still"},
    {0}};

struct settings {
    struct cli_inputs in;
    struct spacc_options session;
    struct spacc_pin *pin;
    const char *save, *svg;
    bool json;
};

struct work {
    struct settings *set;
    struct spacc_model *model;
    struct spacc_session *session;
    struct cli_states states;
};

static int take_threads(struct settings *set, const char *value)
{
    uint64_t threads;

    if (!cli_count(&threads, value) || threads < 1 || threads > 256)
        return cli_usage(&cli_plan, "--cpu-threads %s: not a number in range", value);
    set->session.cpu_threads = (int)threads;
    return CLI_OK;
}

static int take_fpga(struct settings *set, const char *value)
{
    const int status = cli_fpga(&cli_plan, value);

    set->session.fpga = strcmp(value, "off") ? value : NULL;
    return status;
}

static int take(void *to, int option, const char *value)
{
    struct settings *set = to;

    switch (option) {
    case INPUT: set->in.spec[set->in.specs++] = value; return CLI_OK;
    case DIM:
        return cli_dim(&set->in, value) ? CLI_OK
                                        : cli_usage(&cli_plan, "--dim %s: wants NAME=N", value);
    case SEED:
        return cli_count(&set->in.seed, value)
                   ? CLI_OK
                   : cli_usage(&cli_plan, "--seed %s: not a number", value);
    case FPGA: return take_fpga(set, value);
    case GPU: set->session.gpu = value; return CLI_OK;
    case CPU_THREADS: return take_threads(set, value);
    case PRECISION: return cli_precision(&set->session.precision, &cli_plan, value);
    case SPARSITY: return cli_sparsity(&set->session.sparsity, &cli_plan, value);
    case BANK_SIZE: return cli_bank_size(&set->session.bank_size, &cli_plan, value);
    case OBJECTIVE: return cli_goal(&set->session.goal, &cli_plan, value);
    case DEVICE: return cli_pin(set->pin, &set->session.pins, &cli_plan, value);
    case PLAN: set->session.plan_file = value; return CLI_OK;
    case PROFILES: set->session.profiles = value; return CLI_OK;
    case SEERNET:
        return cli_seernet(&set->session.seernet, &set->session.seernet_always, &cli_plan,
                           value);
    case SAVE: set->save = value; return CLI_OK;
    case SVG: set->svg = value; return CLI_OK;
    case JSON: set->json = true; return CLI_OK;
    case QUIET: set->in.quiet = true; return CLI_OK;
    default: return CLI_USAGE;
    }
}

/* ---- text ----------------------------------------------------------------------- */

static void print_us(double us)
{
    if (us < HUGE_VAL)
        printf(" %10.1f", us);
    else
        printf(" %10s", "-");
}

static void print_task(const struct spacc_placing *p, size_t t)
{
    const struct spacc_task *task = &p->tasks.task[t];
    const struct spacc_placing_task *about = &p->about[t];

    printf("%-28.28s %-16.16s %5zu %8.5g  %-5s%s", about->name, about->op, about->nodes,
           task->rate, p->tasks.device[p->chosen.device[t]].name, task->pin < 0 ? " " : "*");
    for (size_t d = 0; d < p->tasks.devices; d++)
        print_us(task->us[d]);
    printf("  %s\n", about->source);
}

static void print_tasks(const struct spacc_placing *p)
{
    printf("\n%-28s %-16s %5s %8s  %-6s", "task", "op", "nodes", "rate", "device");
    for (size_t d = 0; d < p->tasks.devices; d++) {
        char head[64];
        snprintf(head, sizeof(head), "%s us", p->tasks.device[d].name);
        printf(" %10s", head);
    }
    printf("  %s\n", "price");
    for (size_t t = 0; t < p->tasks.tasks; t++)
        print_task(p, t);
}

static void print_transfers(const struct spacc_placing *p)
{
    double us = 0.0, bytes = 0.0;
    size_t count = 0;

    for (size_t i = 0; i < p->chosen.bars; i++) {
        const struct spacc_place_bar *b = &p->chosen.bar[i];
        if (b->task >= 0)
            continue;
        count++;
        us += b->end_us - b->start_us;
        bytes += (double)p->tasks.tensor[b->tensor].bytes;
    }
    printf("  transfers   %zu, %.1f KiB, %.1f us\n", count, bytes / 1024.0, us);
}

static void print_head(const struct spacc_placing *p, const struct spacc_report *r)
{
    const struct spacc_placement *c = &p->chosen;

    printf("%s: %s", r->model, "cpu");
    if (r->gpu[0])
        printf(", gpu (%s)", r->gpu);
    if (r->card[0])
        printf(r->clock_hz > 0 ? ", card (%s at %.0f MHz)" : ", card (%s)", r->card,
               r->clock_hz / 1e6);
    printf("\n  a run       %.1f us, give or take %.1f (%s); %.1f us between runs; %.3g mJ\n",
           c->us, c->sigma_us, c->method, c->interval_us, c->joules * 1e3);
    printf("  %-4s alone  %.1f us, %.1f us between runs, %.3g mJ\n",
           p->tasks.device[c->single].name, c->single_us, c->single_interval_us,
           c->single_joules * 1e3);
    print_transfers(p);
}

static int print_text(const struct work *w)
{
    const struct spacc_placing *p = spacc_session_placing(w->session);
    const struct spacc_report *r = spacc_session_report(w->session);

    print_head(p, r);
    print_tasks(p);
    printf("(* asked for)\n");
    if (r->seernet)
        spacc_seernet_print(r->seernet, stdout);
    for (size_t i = 0; i < r->notes; i++)
        printf("note: %s\n", r->note[i]);
    return CLI_OK;
}

/* ---- JSON ----------------------------------------------------------------------- */

static bool add_us(cJSON *o, const char *key, double us)
{
    return us < HUGE_VAL ? cJSON_AddNumberToObject(o, key, us) != NULL
                         : cJSON_AddNullToObject(o, key) != NULL;
}

static const char *const power_names[] = {[SPACC_POWER_BUSY] = "busy",
                                          [SPACC_POWER_FITTED] = "fit",
                                          [SPACC_POWER_MEASURED] = "measured"};

static bool add_task(cJSON *list, const struct spacc_placing *p, size_t t)
{
    const struct spacc_task *task = &p->tasks.task[t];
    cJSON *o = cJSON_CreateObject();
    cJSON *us = o && cJSON_AddItemToArray(list, o) ? cJSON_AddObjectToObject(o, "us") : NULL;
    bool good =
        us && cJSON_AddStringToObject(o, "task", p->about[t].name) &&
        cJSON_AddStringToObject(o, "op", p->about[t].op) &&
        cJSON_AddNumberToObject(o, "nodes", (double)p->about[t].nodes) &&
        cJSON_AddNumberToObject(o, "rate", task->rate) &&
        cJSON_AddStringToObject(o, "device", p->tasks.device[p->chosen.device[t]].name) &&
        cJSON_AddBoolToObject(o, "pinned", task->pin >= 0) &&
        cJSON_AddStringToObject(o, "price", p->about[t].source) &&
        cJSON_AddStringToObject(o, "power", power_names[p->about[t].power]);

    for (size_t d = 0; good && d < p->tasks.devices; d++)
        good = add_us(us, p->tasks.device[d].name, task->us[d]);
    return good;
}

static bool add_totals(cJSON *o, const char *key, double us, double interval_us, double joules)
{
    cJSON *to = cJSON_AddObjectToObject(o, key);

    return to && cJSON_AddNumberToObject(to, "us", us) &&
           cJSON_AddNumberToObject(to, "interval_us", interval_us) &&
           cJSON_AddNumberToObject(to, "joules", joules);
}

static bool fill_json(cJSON *o, const struct work *w)
{
    const struct spacc_placing *p = spacc_session_placing(w->session);
    const struct spacc_report *r = spacc_session_report(w->session);
    const struct spacc_placement *c = &p->chosen;
    cJSON *tasks, *notes;
    bool good = cJSON_AddStringToObject(o, "model", r->model) &&
                cJSON_AddStringToObject(o, "method", c->method) &&
                cJSON_AddNumberToObject(o, "sigma_us", c->sigma_us) &&
                cJSON_AddBoolToObject(o, "withdrawn", c->withdrawn) &&
                cJSON_AddStringToObject(o, "single", p->tasks.device[c->single].name) &&
                add_totals(o, "plan", c->us, c->interval_us, c->joules) &&
                add_totals(o, "alone", c->single_us, c->single_interval_us, c->single_joules) &&
                spacc_seernet_add_json(o, r->seernet) &&
                (tasks = cJSON_AddArrayToObject(o, "tasks")) &&
                (notes = cJSON_AddArrayToObject(o, "notes"));

    for (size_t t = 0; good && t < p->tasks.tasks; t++)
        good = add_task(tasks, p, t);
    for (size_t i = 0; good && i < r->notes; i++)
        good = cJSON_AddItemToArray(notes, cJSON_CreateString(r->note[i]));
    return good;
}

static int print_json(const struct work *w)
{
    cJSON *o = cJSON_CreateObject();

    if (o && fill_json(o, w))
        return cli_print_json(o);
    cJSON_Delete(o);
    return cli_fail("out of memory");
}

/* ---- the subcommand --------------------------------------------------------------- */

static enum spacc_status draw(const struct work *w, struct spacc_error *err)
{
    const struct spacc_placing *p = spacc_session_placing(w->session);
    char *text = NULL;
    enum spacc_status status =
        spacc_gantt_text(&text, &p->tasks, &p->chosen, spacc_model_graph(w->model)->file, err);

    if (!status)
        status = spacc_file_write(w->set->svg, text, strlen(text), err);
    free(text);
    return status;
}

static enum spacc_status prepare(struct work *w, const char *file, struct spacc_error *err)
{
    struct settings *set = w->set;
    const struct spacc_graph *g;
    enum spacc_status status = spacc_model_load(&w->model, file, err);

    if (status)
        return status;
    g = spacc_model_graph(w->model);
    if ((status = cli_states_find(&w->states, w->model, g, 0, NULL, err)) ||
        (status = cli_inputs_load(&set->in, g, w->states.is_state, err)) ||
        (status = cli_inputs_first_frame(&set->in, g, err)) ||
        (status = spacc_session_new(&w->session, w->model, &set->session, err)) ||
        (status = spacc_session_prepare(
             w->session, 1, (const struct spacc_tensor *const *)set->in.tensor, err)))
        return cli_name_file(err, file);
    if (set->save && (status = spacc_session_save_plan(w->session, set->save, err)))
        return status;
    return set->svg ? draw(w, err) : SPACC_OK;
}

static int work(struct settings *set, const char *file)
{
    struct work w = {.set = set};
    struct spacc_error err = {0};
    int status;

    if (prepare(&w, file, &err))
        status = cli_fail_err(&err);
    else
        status = set->json ? print_json(&w) : print_text(&w);
    cli_states_release(&w.states);
    spacc_session_free(w.session);
    spacc_model_free(w.model);
    cli_inputs_release(&set->in);
    return status;
}

static int run(int argc, char **argv)
{
    struct settings set = {
        .in.seed = 1, .session.plan = true, .session.goal = SPACC_GOAL_LATENCY};
    const char *file;
    int status;

    /* No list can be longer than the command line. */
    set.in.spec = calloc((size_t)argc, sizeof(char *));
    set.in.dim = calloc((size_t)argc, sizeof(*set.in.dim));
    set.pin = calloc((size_t)argc, sizeof(*set.pin));
    set.session.pin = set.pin;
    if (!set.in.spec || !set.in.dim || !set.pin)
        status = cli_fail("out of memory");
    else if (cli_parse(&cli_plan, argc, argv, take, &set, &file, &status))
        status = work(&set, file);
    for (size_t i = 0; i < set.session.pins; i++)
        free((char *)(uintptr_t)set.pin[i].node);
    free(set.in.spec);
    free(set.in.dim);
    free(set.pin);
    return status;
}

const struct cli_command cli_plan = {
    .name = "plan",
    .arguments = "MODEL",
    .summary = "Which device would run what, and what it would take.",
    .more = "Prices come from the profiles of spacc profile, else from a roofline of peaks "
            "that are\n"
            "measured now; cycles of a card are exact, at its stated clock. Devices are those "
            "named:\n"
            "the CPU, --gpu, --fpga. A split over devices is taken only when it beats the best "
            "single\n"
            "one by more than the prices may be wrong.\n",
    .example = "spacc plan models/demo/charlm.onnx --fpga model:16x16",
    .option = options,
    .run = run};
