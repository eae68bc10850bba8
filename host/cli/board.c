/* board.c - spacc inspect --board B MODEL. */
#include "host/cli/board.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/session.h"

/* What is to be told of one board. */
struct view {
    const struct cli_board *ask;
    const struct spacc_board *board;
    struct spacc_board_use use; /* estimated: the card and what is around it */
    bool card_fits;
    char why_not[512]; /* the model does not run on the card; else "" */
    struct spacc_model *model;
    struct spacc_session *session;
    const struct spacc_report *report; /* of one run, or NULL */
};

static const struct resource {
    const char *name;
    size_t offset;
} resources[] = {
    {"lut", offsetof(struct spacc_board_use, lut)},
    {"ff", offsetof(struct spacc_board_use, ff)},
    {"dsp", offsetof(struct spacc_board_use, dsp)},
    {"bram", offsetof(struct spacc_board_use, bram)},
    {"uram", offsetof(struct spacc_board_use, uram)},
};
enum { RESOURCES = sizeof(resources) / sizeof(resources[0]) };

static const char *const stages[] = {
    [SPACC_BOARD_ESTIMATED] = "estimated only",
    [SPACC_BOARD_SYNTHESISED] = "synthesised with yosys, not placed",
    [SPACC_BOARD_ROUTED] = "placed and routed",
};

static double amount(const struct spacc_board_use *use, int resource)
{
    double v;

    memcpy(&v, (const char *)use + resources[resource].offset, sizeof(v));
    return v;
}

static const char *resource_title(const struct spacc_board *board, int resource)
{
    if (!strcmp(resources[resource].name, "lut"))
        return spacc_family_lut(board->family);
    if (!strcmp(resources[resource].name, "dsp"))
        return spacc_family_dsp(board->family);
    if (!strcmp(resources[resource].name, "bram"))
        return spacc_family_bram(board->family);
    return !strcmp(resources[resource].name, "ff") ? "flip-flop" : "large memory";
}

static void estimate(struct view *v)
{
    const struct spacc_board *board = v->board;
    struct spacc_board_use around;

    spacc_card_estimate(&v->use, board->family, &board->card);
    spacc_board_around(&around, board);
    v->use.lut += around.lut;
    v->use.ff += around.ff;
    v->use.dsp += around.dsp;
    v->use.bram += around.bram;
    v->use.uram += around.uram;
    v->card_fits = spacc_board_holds(board, &v->use);
}

/* ---- one run ---- */

static double run_us(const struct view *v)
{
    return (double)v->report->run_cycles / v->board->clock_mhz;
}

static size_t layers_on_card(const struct spacc_report *report)
{
    size_t layers = 0;

    for (size_t i = 0; i < report->nodes; i++)
        layers += report->node[i].on_card;
    return layers;
}

/* The model on the board's card, which only counts. */
static enum spacc_status run_model(struct view *v, const struct spacc_tensor *const *input,
                                   struct spacc_error *err)
{
    const size_t outputs = (size_t)spacc_model_graph(v->model)->outputs;
    char card[64];
    struct spacc_options options = {.fpga = card, .sparsity = v->ask->sparsity};
    struct spacc_tensor **output = calloc(outputs + 1, sizeof(*output));
    enum spacc_status status = SPACC_OK;

    snprintf(card, sizeof(card), "model:%s", v->board->name);
    if (!output)
        return spacc_fail(err, SPACC_ENOMEM, "out of memory");
    if (!(status = spacc_session_new(&v->session, v->model, &options, err)) &&
        !(status = spacc_session_prepare(v->session, 1, input, err)))
        status = spacc_session_run(v->session, input, output, err);
    for (size_t i = 0; i < outputs; i++)
        spacc_tensor_free(output[i]);
    free(output);
    return status;
}

/* Answers, not failures: the model is sound, the card is too small or knows no such thing. */
static bool no_fit(enum spacc_status status)
{
    return status == SPACC_ENOFIT || status == SPACC_EUNSUPPORTED;
}

static enum spacc_status count(struct view *v, struct cli_inputs *in, struct spacc_error *err)
{
    struct cli_states states = {0};
    const struct spacc_graph *g = spacc_model_graph(v->model);
    enum spacc_status status = cli_states_find(&states, v->model, g, 0, NULL, err);

    if (!status && !(status = cli_inputs_load(in, g, states.is_state, err))) {
        status = run_model(v, (const struct spacc_tensor *const *)in->tensor, err);
        if (no_fit(status)) {
            snprintf(v->why_not, sizeof(v->why_not), "%s", err->text);
            status = SPACC_OK;
        } else if (!status) {
            v->report = spacc_session_report(v->session);
        }
    }
    if (v->report && !layers_on_card(v->report))
        snprintf(v->why_not, sizeof(v->why_not), "no layer of the model runs on a card");
    cli_states_release(&states);
    return status;
}

/* ---- text ---- */

static void print_card(const struct spacc_board *b)
{
    const struct spacc_card_config *c = &b->card;

    printf("  card     %u PEs x %u lanes, %u cell lane%s, int%u weights, bus of %u bits\n",
           c->pes, c->lanes, c->cells, c->cells == 1 ? "" : "s", c->weight_bits, c->axi_bits);
    printf("  holds    %llu weights, x of %u and h of %u elements, %u units\n",
           (unsigned long long)c->pes * c->lanes * c->weight_words, c->x_words * c->lanes,
           c->h_words * c->lanes, c->units);
    if (b->memory_bytes)
        printf("  memory   %zu bytes, for weights, program, inputs and outputs\n",
               b->memory_bytes);
    putchar('\n');
}

static void print_resources(const struct view *v)
{
    const bool known = v->board->stage != SPACC_BOARD_ESTIMATED;

    printf("  %-26s %10s %10s %10s %8s\n", "", "estimate", "yosys", "there are", "share");
    for (int r = 0; r < RESOURCES; r++) {
        const double most = amount(&v->board->capacity, r);
        char measured[16] = "-";
        if (most <= 0)
            continue;
        if (known)
            snprintf(measured, sizeof(measured), "%.0f", amount(&v->board->design, r));
        printf("  %-26s %10.0f %10s %10.0f %6.1f %%\n", resource_title(v->board, r),
               ceil(amount(&v->use, r)), measured, most, 100.0 * amount(&v->use, r) / most);
    }
}

static void print_run(const struct view *v)
{
    const struct spacc_report *r = v->report;

    printf("\n  %-32s %8s %12s %12s %12s\n", "layer", "steps", "cycles", "us", "us a step");
    for (size_t i = 0; i < r->nodes; i++) {
        const struct spacc_report_node *n = &r->node[i];
        const double us = (double)n->cycles / v->board->clock_mhz;
        if (n->on_card)
            printf("  %-32.32s %8" PRIu64 " %12" PRIu64 " %12.1f %12.2f\n", n->name, n->steps,
                   n->cycles, us, us / (double)n->steps);
    }
    printf("\n  latency  %.1f us: %" PRIu64 " cycles of the card, one run\n", run_us(v),
           r->run_cycles);
    printf("  loading  %.1f us, once\n", (double)r->load_cycles / v->board->clock_mhz);
    printf("  not in it: %zu operators on the host, and its way to the card\n",
           r->nodes - layers_on_card(r));
    for (size_t i = 0; i < r->notes; i++)
        printf("  note: %s\n", r->note[i]);
}

static void print_view(const struct view *v)
{
    const struct spacc_board *b = v->board;

    printf("%s on %s (%s)\n\n", v->ask->file, b->title, b->part);
    print_card(b);
    print_resources(v);
    printf("\n  card     %s the part; %s\n", v->card_fits ? "fits" : "does not fit",
           stages[b->stage]);
    printf("  model    %s\n", v->why_not[0] ? v->why_not : "fits the card");
    printf("  clock    %g MHz, %s: %s\n", b->clock_mhz,
           b->clock_measured ? "the router reached it" : "assumed", b->clock_why);
    if (b->fmax_mhz > 0)
        printf("           the router found up to %g MHz\n", b->fmax_mhz);
    if (!v->why_not[0])
        print_run(v);
}

/* ---- JSON ---- */

static bool json_resources(cJSON *o, const struct view *v)
{
    cJSON *list = cJSON_AddObjectToObject(o, "resources");

    for (int r = 0; list && r < RESOURCES; r++) {
        cJSON *one = cJSON_AddObjectToObject(list, resources[r].name);
        if (!one || !cJSON_AddStringToObject(one, "unit", resource_title(v->board, r)) ||
            !cJSON_AddNumberToObject(one, "estimate", ceil(amount(&v->use, r))) ||
            !cJSON_AddNumberToObject(one, "capacity", amount(&v->board->capacity, r)))
            return false;
        if (v->board->stage != SPACC_BOARD_ESTIMATED &&
            !cJSON_AddNumberToObject(one, "yosys", amount(&v->board->design, r)))
            return false;
    }
    return list != NULL;
}

static bool json_layers(cJSON *o, const struct view *v)
{
    cJSON *list = cJSON_AddArrayToObject(o, "layers");

    for (size_t i = 0; list && i < v->report->nodes; i++) {
        const struct spacc_report_node *n = &v->report->node[i];
        cJSON *one = n->on_card ? cJSON_CreateObject() : NULL;
        if (!n->on_card)
            continue;
        if (!one || !cJSON_AddItemToArray(list, one) ||
            !cJSON_AddStringToObject(one, "name", n->name) ||
            !cJSON_AddNumberToObject(one, "steps", (double)n->steps) ||
            !cJSON_AddNumberToObject(one, "cycles", (double)n->cycles) ||
            !cJSON_AddNumberToObject(one, "us", (double)n->cycles / v->board->clock_mhz))
            return false;
    }
    return list != NULL;
}

static bool json_time(cJSON *o, const struct view *v)
{
    const struct spacc_board *b = v->board;

    if (!cJSON_AddNumberToObject(o, "clock_mhz", b->clock_mhz) ||
        !cJSON_AddStringToObject(o, "clock", b->clock_measured ? "routed" : "assumed") ||
        !cJSON_AddStringToObject(o, "clock_why", b->clock_why))
        return false;
    if (b->fmax_mhz > 0 && !cJSON_AddNumberToObject(o, "fmax_mhz", b->fmax_mhz))
        return false;
    if (v->why_not[0])
        return cJSON_AddStringToObject(o, "why_not", v->why_not) != NULL;
    return cJSON_AddNumberToObject(o, "cycles", (double)v->report->run_cycles) &&
           cJSON_AddNumberToObject(o, "latency_us", run_us(v)) &&
           cJSON_AddNumberToObject(o, "load_cycles", (double)v->report->load_cycles) &&
           json_layers(o, v);
}

static int json_view(const struct view *v)
{
    const struct spacc_board *b = v->board;
    const bool model_fits = !v->why_not[0];
    cJSON *o = cJSON_CreateObject();

    if (o && cJSON_AddStringToObject(o, "file", v->ask->file) &&
        cJSON_AddStringToObject(o, "board", b->name) &&
        cJSON_AddStringToObject(o, "part", b->part) &&
        cJSON_AddBoolToObject(o, "fits", v->card_fits && model_fits) &&
        cJSON_AddBoolToObject(o, "card_fits", v->card_fits) &&
        cJSON_AddBoolToObject(o, "model_fits", model_fits) &&
        cJSON_AddStringToObject(o, "stage", stages[b->stage]) && json_resources(o, v) &&
        json_time(o, v))
        return cli_print_json(o);
    cJSON_Delete(o);
    return cli_fail("out of memory");
}

/* ---- the call ---- */

static int no_board(const char *name)
{
    size_t count, used = 0;
    const struct spacc_board *boards = spacc_boards(&count);
    char names[256] = "";

    for (size_t b = 0; b < count && used < sizeof(names); b++)
        used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", b ? ", " : "",
                                 boards[b].name);
    return cli_usage(&cli_inspect, "--board %s: no such board; there are %s", name, names);
}

static void release(struct view *v, struct cli_inputs *in)
{
    spacc_session_free(v->session);
    spacc_model_free(v->model);
    cli_inputs_release(in);
}

int cli_board(struct cli_board *ask)
{
    struct view v = {.ask = ask, .board = spacc_board_find(ask->board)};
    struct spacc_error err = {0};
    int status = CLI_OK;

    if (!v.board)
        return no_board(ask->board);
    estimate(&v);
    if (spacc_model_load(&v.model, ask->file, &err) || count(&v, &ask->in, &err)) {
        cli_name_file(&err, ask->file);
        status = cli_fail_err(&err);
    } else if (ask->json) {
        status = json_view(&v);
    } else {
        print_view(&v);
    }
    release(&v, &ask->in);
    return status;
}
