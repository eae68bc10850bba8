/* prune_report.c - what spacc prune did, for a person, as JSON, and as metadata. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "host/cli/prune.h"
#include "models/op.h"

/* Damping that every Hessian gets, and a little. */
#define DAMP_USUAL 0.011

/* ---- text -------------------------------------------------------------------- */

static void print_head(const struct cli_pruned *p)
{
    printf("%s: bank-balanced by %s, ", p->g->file, p->method);
    if (p->allocate)
        printf("%g %% zeros over all in banks of %zu", 100.0 * p->sparsity, p->bank_size);
    else
        printf("%g of every %zu columns are zero", p->sparsity * (double)p->bank_size,
               p->bank_size);
    if (p->sparsity_h >= 0.0)
        printf(" (h: %g)", p->sparsity_h * (double)p->bank_size);
    if (p->precision)
        printf(", on the grid of %s", p->precision);
    printf(", written to %s%s%s\n\n", p->out, p->pack ? " and " : "", p->pack ? p->pack : "");
}

/* "12.3 %", or "-" for what was not measured. */
static void print_share(int width, double share)
{
    if (share < 0.0)
        printf(" %*s", width + 2, "-");
    else
        printf(" %*.2f %%", width, 100.0 * share);
}

static void print_matrix(const struct cli_pruned *p, size_t i)
{
    const struct spacc_prune_matrix *m = &p->m[i];
    const struct spacc_pruned *r = &p->result[i];

    printf("%-28s %-7s %-11s", m->node->name, m->node->op->name, m->label);
    if (r->why[0]) {
        printf(" skipped: %s\n", r->why);
        return;
    }
    printf(" %7zu %7zu %7.2f %% %3zu %8zu %10.1f %%", m->rows, m->cols, 100.0 * r->sparsity,
           r->k, r->padding, 100.0 * r->energy_kept);
    print_share(9, r->error);
    if (p->allocate)
        print_share(7, r->loss);
    putchar('\n');
}

static void print_note(const struct cli_pruned *p, size_t i)
{
    const struct spacc_prune_matrix *m = &p->m[i];
    const struct spacc_pruned *r = &p->result[i];
    const bool few = r->samples < m->cols, obs = !strcmp(p->method, "obs");

    if (obs && (few || r->damp > DAMP_USUAL))
        printf(
            "note: %s %s: %zu samples for %zu columns: the Hessian is singular, damped by %g "
            "of its mean\n",
            m->node->name, m->label, r->samples, m->cols, r->damp);
    else if (few)
        printf("note: %s %s: %zu samples for %zu columns\n", m->node->name, m->label,
               r->samples, m->cols);
    if (4 * r->silent > m->cols)
        printf("note: %s %s: %zu of %zu columns were zero in every sample\n", m->node->name,
               m->label, r->silent, m->cols);
}

static void print_notes(const struct cli_pruned *p)
{
    for (size_t i = 0; i < p->matrices; i++)
        if (!p->result[i].why[0] && strcmp(p->method, "magnitude"))
            print_note(p, i);
}

static void print_order(const struct cli_pruned *p)
{
    for (size_t i = 0; i < p->permuted; i++) {
        const struct spacc_permuted *o = &p->order[i];
        if (o->why[0])
            printf("%s%s %s: not renumbered: %s\n", i ? "" : "\n", o->node->op->name,
                   o->node->name, o->why);
        else
            printf("%s%s %s: %zu units renumbered: banks keep %.2f %%, %.2f %% before\n",
                   i ? "" : "\n", o->node->op->name, o->node->name, o->units, 100.0 * o->after,
                   100.0 * o->before);
    }
    if (p->permute && !p->permuted)
        printf("\nno layer to renumber: none hands its features to a matrix that is pruned\n");
}

void cli_prune_text(const struct cli_pruned *p)
{
    print_head(p);
    printf("%-28s %-7s %-11s %7s %7s %9s %3s %8s %12s %11s%s\n", "node", "op", "weights",
           "rows", "columns", "sparsity", "k", "padding", "energy kept", "error",
           p->allocate ? "      loss" : "");
    for (size_t i = 0; i < p->matrices; i++)
        print_matrix(p, i);
    print_order(p);
    if (!p->requests)
        return;
    printf("\n%zu request%s to calibrate by", p->requests, p->requests == 1 ? "" : "s");
    if (p->outputs_error >= 0.0)
        printf("; mean square error of the outputs: %.4g %% of their mean square",
               100.0 * p->outputs_error);
    putchar('\n');
    if (p->compared)
        printf(
            "by sensitivity the outputs lose %.4g %%, with the same share everywhere %.4g %%: "
            "%s\n",
            100.0 * p->loss[0], 100.0 * p->loss[1],
            p->alike ? "the same share is taken" : "sensitivity is taken");
    print_notes(p);
}

/* ---- JSON -------------------------------------------------------------------- */

static bool add_text(cJSON *o, const char *key, const char *text)
{
    return cJSON_AddStringToObject(o, key, text) != NULL;
}

static bool add_number(cJSON *o, const char *key, double value)
{
    return cJSON_AddNumberToObject(o, key, value) != NULL;
}

/* What was not measured is not there. */
static bool add_measured(cJSON *o, const char *key, double value)
{
    return value < 0.0 || add_number(o, key, value);
}

/* Who won, and what both lose. */
static bool add_contest(cJSON *o, const struct cli_pruned *p)
{
    return !p->compared || (add_text(o, "taken", p->alike ? "uniform" : "sensitivity") &&
                            add_measured(o, "loss_by_sensitivity", p->loss[0]) &&
                            add_measured(o, "loss_uniform", p->loss[1]));
}

static bool add_matrix(cJSON *list, const struct cli_pruned *p, size_t i)
{
    const struct spacc_prune_matrix *m = &p->m[i];
    const struct spacc_pruned *r = &p->result[i];
    cJSON *o = cJSON_CreateObject();

    if (!o || !cJSON_AddItemToArray(list, o) || !add_text(o, "node", m->node->name) ||
        !add_text(o, "op", m->node->op->name) || !add_text(o, "weights", m->label))
        return false;
    if (r->why[0])
        return add_text(o, "skipped", r->why);
    return add_number(o, "rows", (double)m->rows) &&
           add_number(o, "columns", (double)m->cols) &&
           add_number(o, "bank_size", (double)p->bank_size) &&
           add_number(o, "k", (double)r->k) && add_number(o, "sparsity", r->sparsity) &&
           add_number(o, "padding", (double)r->padding) &&
           add_number(o, "energy_kept", r->energy_kept) && add_measured(o, "error", r->error) &&
           add_measured(o, "loss", r->loss) &&
           (!p->requests || (add_number(o, "samples", (double)r->samples) &&
                             add_number(o, "silent_columns", (double)r->silent))) &&
           (strcmp(p->method, "obs") || add_number(o, "damping", r->damp));
}

static bool add_order(cJSON *list, const struct spacc_permuted *p)
{
    cJSON *o = cJSON_CreateObject();

    if (!o || !cJSON_AddItemToArray(list, o) || !add_text(o, "node", p->node->name) ||
        !add_text(o, "op", p->node->op->name))
        return false;
    if (p->why[0])
        return add_text(o, "skipped", p->why);
    return add_number(o, "units", (double)p->units) && add_number(o, "before", p->before) &&
           add_number(o, "after", p->after);
}

static bool add_orders(cJSON *o, const struct cli_pruned *p)
{
    cJSON *list = p->permute ? cJSON_AddArrayToObject(o, "permuted") : NULL;
    bool ok = list || !p->permute;

    for (size_t i = 0; ok && i < p->permuted; i++)
        ok = add_order(list, &p->order[i]);
    return ok;
}

static bool add_all(cJSON *o, const struct cli_pruned *p)
{
    bool ok = add_text(o, "model", p->g->file) && add_text(o, "output", p->out) &&
              (!p->pack || add_text(o, "packed", p->pack)) &&
              add_text(o, "method", p->method) &&
              (!p->precision || add_text(o, "precision", p->precision)) &&
              add_number(o, "sparsity", p->sparsity) &&
              add_measured(o, "sparsity_h", p->sparsity_h) &&
              add_number(o, "bank_size", (double)p->bank_size) &&
              add_number(o, "requests", (double)p->requests) &&
              add_measured(o, "outputs_error", p->outputs_error) && add_contest(o, p);
    cJSON *list = ok ? cJSON_AddArrayToObject(o, "matrices") : NULL;

    ok = list != NULL;
    for (size_t i = 0; ok && i < p->matrices; i++)
        ok = add_matrix(list, p, i);
    return ok && add_orders(o, p);
}

int cli_prune_json(const struct cli_pruned *p)
{
    cJSON *o = cJSON_CreateObject();

    if (o && add_all(o, p))
        return cli_print_json(o);
    cJSON_Delete(o);
    return cli_fail("out of memory");
}

/* ---- metadata ---------------------------------------------------------------- */

static bool add_pruned(cJSON *list, const struct cli_pruned *p, size_t i)
{
    const struct spacc_prune_matrix *m = &p->m[i];
    const struct spacc_pruned *r = &p->result[i];
    cJSON *o = cJSON_CreateObject();

    return o && cJSON_AddItemToArray(list, o) && add_text(o, "node", m->node->name) &&
           add_text(o, "weights", m->label) && add_number(o, "rows", (double)m->rows) &&
           add_number(o, "cols", (double)m->cols) &&
           add_number(o, "bank", (double)p->bank_size) && add_number(o, "k", (double)r->k) &&
           add_number(o, "sparsity", r->sparsity) &&
           add_number(o, "energy_kept", r->energy_kept) && add_measured(o, "error", r->error);
}

char *cli_prune_metadata(const struct cli_pruned *p)
{
    cJSON *list = cJSON_CreateArray();
    bool ok = list != NULL;

    for (size_t i = 0; ok && i < p->matrices; i++)
        if (!p->result[i].why[0])
            ok = add_pruned(list, p, i);
    char *text = ok ? cJSON_PrintUnformatted(list) : NULL;
    cJSON_Delete(list);
    return text;
}
