#include "host/report.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 100, NAME_MAX_COLUMNS = 24 };

const char *const spacc_cause_names[SPACC_CAUSES] = {"issue", "load", "x_wait",  "drain",
                                                     "cell",  "out",  "control", "weights"};

struct text { /* one formatted cell; returned by value so that a row is one fprintf */
    char s[48];
};

/* 1234567 -> "1,234,567" */
static struct text grouped(uint64_t v)
{
    struct text t;
    char digits[24];
    const int n = snprintf(digits, sizeof(digits), "%" PRIu64, v);
    int at = 0;

    for (int i = 0; i < n; i++) {
        t.s[at++] = digits[i];
        if (i + 1 < n && (n - i - 1) % 3 == 0)
            t.s[at++] = ',';
    }
    t.s[at] = '\0';
    return t;
}

/* Host time in the unit that reads best. */
static struct text duration(double us)
{
    struct text t;

    if (us >= 1e6)
        snprintf(t.s, sizeof(t.s), "%.2f s", us / 1e6);
    else if (us >= 1e3)
        snprintf(t.s, sizeof(t.s), "%.2f ms", us / 1e3);
    else
        snprintf(t.s, sizeof(t.s), "%.1f us", us);
    return t;
}

/* "-" for what was not measured. */
static struct text real(const char *format, double v) __attribute__((format(printf, 1, 0)));
static struct text real(const char *format, double v)
{
    struct text t;

    if (isnan(v))
        snprintf(t.s, sizeof(t.s), "-");
    else if (isinf(v))
        snprintf(t.s, sizeof(t.s), "exact");
    else
        snprintf(t.s, sizeof(t.s), format, v);
    return t;
}

static struct text pair(size_t x, size_t h)
{
    struct text t;

    if (h > 0)
        snprintf(t.s, sizeof(t.s), "%zu/%zu", x, h);
    else
        snprintf(t.s, sizeof(t.s), "%zu", x);
    return t;
}

/* The end of a name says more than its start: "/net/encoder/lstm" -> "..coder/lstm". */
static struct text short_name(const char *name)
{
    struct text t;
    const size_t length = strlen(name);

    if (length <= NAME_MAX_COLUMNS)
        snprintf(t.s, sizeof(t.s), "%s", name);
    else
        snprintf(t.s, sizeof(t.s), "..%.*s", NAME_MAX_COLUMNS - 2,
                 name + length - (NAME_MAX_COLUMNS - 2));
    return t;
}

static double share(uint64_t part, uint64_t whole)
{
    return whole > 0 ? 100.0 * (double)part / (double)whole : 0.0;
}

static double per(double total, uint64_t count)
{
    return count > 0 ? total / (double)count : NAN;
}

/* Whether times of the card are wall time on this side, for want of cycles. */
static bool is_clocked_here(const struct spacc_report *r)
{
    return r->card && r->card[0] && !(r->clock_hz > 0);
}

static size_t card_layers(const struct spacc_report *r)
{
    size_t n = 0;

    for (size_t i = 0; i < r->nodes; i++)
        n += r->node[i].on_card;
    return n;
}

static int name_columns(const struct spacc_report *r)
{
    size_t width = 5;

    for (size_t i = 0; i < r->nodes; i++) {
        const size_t n = strlen(short_name(r->node[i].name).s);
        if (r->node[i].on_card && n > width)
            width = n;
    }
    return (int)width;
}

static void print_head(const struct spacc_report *r, FILE *to)
{
    if (is_clocked_here(r))
        fprintf(to, "%s on %s: %u PEs x %u lanes, beside the CPU\n", r->model, r->card,
                (unsigned)r->pes, (unsigned)r->lanes);
    else if (r->card && r->card[0])
        fprintf(to, "%s on %s: %u PEs x %u lanes at %.0f MHz, beside the CPU\n", r->model,
                r->card, (unsigned)r->pes, (unsigned)r->lanes, r->clock_hz / 1e6);
    else
        fprintf(to, "%s on the CPU\n", r->model);
    fprintf(to, "  host time   prepare %s, %s run%s %s\n", duration(r->prepare_us).s,
            grouped(r->runs).s, r->runs == 1 ? "" : "s", duration(r->run_us).s);
    if (r->card && r->card[0] && r->clock_hz > 0)
        fprintf(to, "  card time   loading %s cycles once, running %s cycles = %s\n",
                grouped(r->load_cycles).s, grouped(r->run_cycles).s,
                duration(r->card_run_us).s);
    if (is_clocked_here(r))
        fprintf(
            to,
            "  card time   loading %s once, running %s: wall time here, as this card counts "
            "no cycles\n",
            duration(r->card_load_us).s, duration(r->card_run_us).s);
}

static void print_shapes(const struct spacc_report *r, int w, FILE *to)
{
    fprintf(to, "\n%-*s  %-6s %7s %7s %9s %9s %7s %5s %11s %8s\n", w, "layer", "op", "rows",
            "columns", "sparsity", "bank x/h", "k x/h", "bits", "bytes", "frac x/h");
    for (size_t i = 0; i < r->nodes; i++) {
        const struct spacc_report_node *n = &r->node[i];
        char frac[24];
        if (!n->on_card)
            continue;
        snprintf(frac, sizeof(frac), n->k_h ? "%d/%d" : "%d", n->x_frac, n->h_frac);
        fprintf(to, "%-*s  %-6s %7s %7s %7.1f %% %9s %7s %5d %11s %8s\n", w,
                short_name(n->name).s, n->op, grouped(n->rows).s, grouped(n->columns).s,
                100.0 * n->sparsity, pair(n->bank_size_x, n->bank_size_h).s,
                pair(n->k_x, n->k_h).s, n->weight_bits, grouped(n->weight_bytes).s, frac);
    }
}

/* What bounds a layer: the kind of cycle that it spends most of its time in, and its share. */
static const char *bound_of(const struct spacc_report_node *n, double *percent)
{
    enum { ISSUE, LOAD, X_WAIT, DRAIN, CELL, OUT, CONTROL, WEIGHTS };
    const struct {
        const char *name;
        uint64_t cycles;
    } bound[] = {
        {"array", n->cause[ISSUE] + n->cause[CELL]},
        {"memory", n->cause[LOAD] + n->cause[X_WAIT] + n->cause[OUT] + n->cause[WEIGHTS]},
        {"recurrence", n->cause[DRAIN]},
        {"control", n->cause[CONTROL]},
    };
    size_t most = 0;

    for (size_t i = 1; i < sizeof(bound) / sizeof(*bound); i++)
        if (bound[i].cycles > bound[most].cycles)
            most = i;
    *percent = share(bound[most].cycles, n->cycles);
    return bound[most].name;
}

/* Of a card that counts no cycles. */
static void print_wall_times(const struct spacc_report *r, int w, FILE *to)
{
    fprintf(to, "\n%-*s  %8s %11s %9s %13s %13s\n", w, "layer", "steps", "us", "us/step",
            "bytes read", "written");
    for (size_t i = 0; i < r->nodes; i++) {
        const struct spacc_report_node *n = &r->node[i];
        if (n->on_card)
            fprintf(to, "%-*s  %8s %11.1f %9s %13s %13s\n", w, short_name(n->name).s,
                    grouped(n->steps).s, n->card_us, real("%.3f", per(n->card_us, n->steps)).s,
                    grouped(n->bytes_read).s, grouped(n->bytes_written).s);
    }
}

/* "at best" is what an array that never waits would need: nonzeros / (M * N), of the rows that
 * are computed. */
static void print_times(const struct spacc_report *r, int w, FILE *to)
{
    const double array = (double)r->pes * (double)r->lanes;

    fprintf(to, "\n%-*s  %8s %13s %12s %9s %11s %9s %8s  %s\n", w, "layer", "steps", "cycles",
            "cycles/step", "at best", "us", "us/step", "PE use", "bound by");
    for (size_t i = 0; i < r->nodes; i++) {
        const struct spacc_report_node *n = &r->node[i];
        if (!n->on_card)
            continue;
        double percent;
        const char *bound = bound_of(n, &percent);
        fprintf(to, "%-*s  %8s %13s %12s %9s %11.1f %9s %6.1f %%  %s %.0f %%\n", w,
                short_name(n->name).s, grouped(n->steps).s, grouped(n->cycles).s,
                real("%.1f", per((double)n->cycles, n->steps)).s,
                real("%.1f", array > 0 ? (double)n->nonzeros * n->wanted / array : NAN).s,
                n->card_us, real("%.3f", per(n->card_us, n->steps)).s, 100.0 * n->utilisation,
                bound, percent);
    }
}

static void print_causes(const struct spacc_report *r, int w, FILE *to)
{
    fprintf(to, "\n%-*s ", w, "cycles, %");
    for (int c = 0; c < SPACC_CAUSES; c++)
        fprintf(to, " %7s", spacc_cause_names[c]);
    fprintf(to, " %13s %13s\n", "bytes read", "written");
    for (size_t i = 0; i < r->nodes; i++) {
        const struct spacc_report_node *n = &r->node[i];
        if (!n->on_card)
            continue;
        fprintf(to, "%-*s ", w, short_name(n->name).s);
        for (int c = 0; c < SPACC_CAUSES; c++)
            fprintf(to, " %7.1f", share(n->cause[c], n->cycles));
        fprintf(to, " %13s %13s\n", grouped(n->bytes_read).s, grouped(n->bytes_written).s);
    }
}

/* Convolutions whose zeros were predicted. */
static void print_skipped(const struct spacc_report *r, int w, FILE *to)
{
    bool any = false;

    for (size_t i = 0; i < r->nodes; i++) {
        const struct spacc_report_node *n = &r->node[i];
        const uint64_t issued = n->cause[0];
        if (!n->on_card || !n->rows_skipped)
            continue;
        if (!any)
            fprintf(to, "\n%-*s  %13s %13s %13s %8s\n", w, "layer", "rows skipped",
                    "ISSUE cycles", "saved", "saved %");
        any = true;
        fprintf(to, "%-*s  %13s %13s %13s %8.1f\n", w, short_name(n->name).s,
                grouped(n->rows_skipped).s, grouped(issued).s, grouped(n->issue_saved).s,
                share(n->issue_saved, issued + n->issue_saved));
    }
}

static void print_accuracy(const struct spacc_report *r, int w, FILE *to)
{
    fprintf(to, "\n%-*s  %11s %9s %12s %12s %12s\n", w, "layer", "max error", "SNR dB",
            "gates cut", "states cut", "inputs cut");
    for (size_t i = 0; i < r->nodes; i++) {
        const struct spacc_report_node *n = &r->node[i];
        if (!n->on_card)
            continue;
        fprintf(to, "%-*s  %11s %9s %12s %12s %12s\n", w, short_name(n->name).s,
                real("%.3g", n->max_error).s, real("%.1f", n->snr_db).s,
                grouped(n->gate_saturations).s, grouped(n->state_saturations).s,
                grouped(n->input_saturations).s);
    }
}

static void print_outputs(const struct spacc_report *r, FILE *to)
{
    bool measured = false;

    for (size_t i = 0; i < r->outputs; i++)
        measured = measured || !isnan(r->output[i].max_error);
    if (!measured)
        return;
    fprintf(to, "\n%-*s  %11s %9s   against the float reference\n", NAME_MAX_COLUMNS, "output",
            "max error", "SNR dB");
    for (size_t i = 0; i < r->outputs; i++)
        fprintf(to, "%-*s  %11s %9s\n", NAME_MAX_COLUMNS, short_name(r->output[i].name).s,
                real("%.3g", r->output[i].max_error).s, real("%.1f", r->output[i].snr_db).s);
}

/* "Slice is not on the card" and "Concat is not on the card" are one reason. */
static const char *reason_without_op(const struct spacc_report_node *n)
{
    const size_t length = strlen(n->op);

    return !strncmp(n->reason, n->op, length) && n->reason[length] == ' ' ? n->reason + length
                                                                          : n->reason;
}

static bool same_place(const struct spacc_report_node *a, const struct spacc_report_node *b)
{
    return a->on_card == b->on_card && !strcmp(a->device, b->device) &&
           !strcmp(a->kernel, b->kernel) && !strcmp(reason_without_op(a), reason_without_op(b));
}

static bool first_of_op(const struct spacc_report *r, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (same_place(&r->node[i], &r->node[j]) && !strcmp(r->node[i].op, r->node[j].op))
            return false;
    return true;
}

/* " Gather, 3 Squeeze": the operators of the nodes that share node `first`'s place. */
static void print_ops(const struct spacc_report *r, size_t first, FILE *to)
{
    int column = WIDTH; /* starts a line */

    for (size_t i = first; i < r->nodes; i++) {
        char item[64];
        size_t count = 0;
        if (!same_place(&r->node[first], &r->node[i]) || !first_of_op(r, i))
            continue;
        for (size_t j = i; j < r->nodes; j++)
            count += same_place(&r->node[first], &r->node[j]) &&
                     !strcmp(r->node[i].op, r->node[j].op);
        if (r->node[first].on_card && count == 1)
            snprintf(item, sizeof(item), "%s %s", r->node[i].op, short_name(r->node[i].name).s);
        else if (count == 1)
            snprintf(item, sizeof(item), "%s", r->node[i].op);
        else
            snprintf(item, sizeof(item), "%zu %s", count, r->node[i].op);
        if (column + (int)strlen(item) + 2 > WIDTH)
            column = fprintf(to, "%s    ", i == first ? "" : ",\n") + 2;
        else
            column += fprintf(to, ", ");
        column += fprintf(to, "%s", item);
    }
    fputc('\n', to);
}

static void print_places(const struct spacc_report *r, FILE *to)
{
    fprintf(to, "\nwhich device ran what, and why\n");
    for (size_t i = 0; i < r->nodes; i++) {
        const struct spacc_report_node *n = &r->node[i];
        size_t count = 0;
        double us = 0;
        bool first = true;
        for (size_t j = 0; j < r->nodes; j++) {
            if (!same_place(n, &r->node[j]))
                continue;
            first = first && j >= i;
            us += r->node[j].host_us;
            count++;
        }
        if (!first)
            continue;
        const char *reason = reason_without_op(n);
        fprintf(to, "  %-5s %-11s %4zu node%s %10s   %s%s\n", n->device,
                n->on_card ? "" : n->kernel, count, count == 1 ? " " : "s", duration(us).s,
                reason == n->reason ? "" : "operator", reason);
        print_ops(r, i, to);
    }
}

enum spacc_status spacc_report_print(const struct spacc_report *report, FILE *to)
{
    const int w = name_columns(report);

    print_head(report, to);
    if (card_layers(report) > 0) {
        print_shapes(report, w, to);
        if (is_clocked_here(report)) {
            print_wall_times(report, w, to);
        } else {
            print_times(report, w, to);
            print_causes(report, w, to);
            print_skipped(report, w, to);
        }
        print_accuracy(report, w, to);
    }
    print_outputs(report, to);
    if (report->seernet)
        spacc_seernet_print(report->seernet, to);
    print_places(report, to);
    for (size_t i = 0; i < report->notes; i++)
        fprintf(to, "%snote: %s\n", i == 0 ? "\n" : "", report->note[i]);
    return ferror(to) ? SPACC_EIO : SPACC_OK;
}

/* ---- JSON ---- */

static bool put(cJSON *o, const char *key, double v)
{
    return isfinite(v) ? cJSON_AddNumberToObject(o, key, v) != NULL
                       : cJSON_AddNullToObject(o, key) != NULL;
}

static bool put_text(cJSON *o, const char *key, const char *text)
{
    return cJSON_AddStringToObject(o, key, text ? text : "") != NULL;
}

/* Cycles, or null where the card counts none. */
static double cycles(const struct spacc_report *r, uint64_t count)
{
    return is_clocked_here(r) ? NAN : (double)count;
}

static bool put_causes(cJSON *o, const struct spacc_report *r,
                       const struct spacc_report_node *n)
{
    cJSON *causes = cJSON_AddObjectToObject(o, "causes");
    bool ok = causes != NULL;

    for (int c = 0; ok && c < SPACC_CAUSES; c++)
        ok = put(causes, spacc_cause_names[c], cycles(r, n->cause[c]));
    return ok;
}

static bool put_card(cJSON *o, const struct spacc_report *r, const struct spacc_report_node *n)
{
    double percent;
    const char *bound = bound_of(n, &percent);

    if (is_clocked_here(r)) {
        bound = "";
        percent = NAN;
    }

    return put_text(o, "bound", bound) && put(o, "bound_percent", percent) &&
           put(o, "rows", (double)n->rows) && put(o, "columns", (double)n->columns) &&
           put(o, "bank_size_x", (double)n->bank_size_x) &&
           put(o, "bank_size_h", (double)n->bank_size_h) && put(o, "k_x", (double)n->k_x) &&
           put(o, "k_h", (double)n->k_h) && put(o, "nonzeros", (double)n->nonzeros) &&
           put(o, "sparsity", n->sparsity) && put(o, "weight_bytes", (double)n->weight_bytes) &&
           put(o, "weight_bits", n->weight_bits) && put(o, "x_frac", n->x_frac) &&
           put(o, "h_frac", n->h_frac) && put(o, "steps", (double)n->steps) &&
           put(o, "cycles", cycles(r, n->cycles)) && put_causes(o, r, n) &&
           put(o, "card_us", n->card_us) && put(o, "utilisation", n->utilisation) &&
           put(o, "gate_saturations", (double)n->gate_saturations) &&
           put(o, "state_saturations", (double)n->state_saturations) &&
           put(o, "input_saturations", (double)n->input_saturations) &&
           put(o, "rows_skipped", (double)n->rows_skipped) &&
           put(o, "issue_saved", cycles(r, n->issue_saved)) &&
           put(o, "bytes_read", (double)n->bytes_read) &&
           put(o, "bytes_written", (double)n->bytes_written) &&
           put(o, "max_error", n->max_error) && put(o, "snr_db", n->snr_db);
}

static bool put_nodes(cJSON *o, const struct spacc_report *r)
{
    cJSON *list = cJSON_AddArrayToObject(o, "nodes");

    for (size_t i = 0; list && i < r->nodes; i++) {
        const struct spacc_report_node *n = &r->node[i];
        cJSON *item = cJSON_CreateObject();
        if (!item || !cJSON_AddItemToArray(list, item) || !put_text(item, "name", n->name) ||
            !put_text(item, "op", n->op) || !put_text(item, "device", n->device) ||
            !put_text(item, "kernel", n->kernel) || !put_text(item, "reason", n->reason) ||
            !put(item, "calls", (double)n->calls) || !put(item, "host_us", n->host_us) ||
            (n->on_card && !put_card(item, r, n)))
            return false;
    }
    return list != NULL;
}

static bool put_outputs(cJSON *o, const struct spacc_report *r)
{
    cJSON *list = cJSON_AddArrayToObject(o, "outputs");

    for (size_t i = 0; list && i < r->outputs; i++) {
        cJSON *item = cJSON_CreateObject();
        if (!item || !cJSON_AddItemToArray(list, item) ||
            !put_text(item, "name", r->output[i].name) ||
            !put(item, "max_error", r->output[i].max_error) ||
            !put(item, "snr_db", r->output[i].snr_db))
            return false;
    }
    return list != NULL;
}

static bool put_notes(cJSON *o, const struct spacc_report *r)
{
    cJSON *list = cJSON_AddArrayToObject(o, "notes");

    for (size_t i = 0; list && i < r->notes; i++) {
        cJSON *item = cJSON_CreateString(r->note[i]);
        if (!item || !cJSON_AddItemToArray(list, item))
            return false;
    }
    return list != NULL;
}

struct cJSON *spacc_report_json(const struct spacc_report *r)
{
    cJSON *o = cJSON_CreateObject();

    if (o && put_text(o, "spacc", spacc_version()) && put_text(o, "model", r->model) &&
        put_text(o, "card", r->card) && put(o, "pes", r->pes) && put(o, "lanes", r->lanes) &&
        put(o, "clock_hz", r->clock_hz) && put(o, "runs", (double)r->runs) &&
        put(o, "prepare_us", r->prepare_us) && put(o, "run_us", r->run_us) &&
        put(o, "load_cycles", cycles(r, r->load_cycles)) &&
        put(o, "run_cycles", cycles(r, r->run_cycles)) &&
        put(o, "card_load_us", r->card_load_us) && put(o, "card_run_us", r->card_run_us) &&
        put_nodes(o, r) && put_outputs(o, r) && spacc_seernet_add_json(o, r->seernet) &&
        put_notes(o, r))
        return o;
    cJSON_Delete(o);
    return NULL;
}

enum spacc_status spacc_report_print_json(const struct spacc_report *report, FILE *to)
{
    cJSON *o = spacc_report_json(report);
    char *text = o ? cJSON_Print(o) : NULL;
    const bool ok = text && fprintf(to, "%s\n", text) >= 0;

    free(text);
    cJSON_Delete(o);
    return ok ? SPACC_OK : SPACC_EIO;
}
