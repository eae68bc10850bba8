/* What SeerNet was worth, layer by layer, as text and JSON. */
#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

#include "host/report.h"

enum { NAME_COLUMNS = 24, CELL_COLUMNS = 9 };

const char *spacc_seernet_name(int bits, char text[SPACC_SEERNET_NAME])
{
    if (bits == SPACC_SEERNET_EXACT)
        snprintf(text, SPACC_SEERNET_NAME, "exact");
    else
        snprintf(text, SPACC_SEERNET_NAME, "%d bits", bits);
    return text;
}

const char *spacc_seernet_reason(const struct spacc_report_seernet *r, size_t layer)
{
    const struct spacc_report_seer *l = &r->layer[layer];

    if (r->always)
        return "asked for";
    if (l->taken)
        return "seernet pays";
    return r->withdrawn && l->seernet_us < l->dense_us ? "withdrawn: the model gets no faster"
                                                       : "dense: seernet does not pay";
}

/* ---- text ----------------------------------------------------------------------- */

static void print_cell(FILE *to, double v, double scale)
{
    if (isnan(v))
        fprintf(to, " %*s", CELL_COLUMNS, "-");
    else
        fprintf(to, " %*.1f", CELL_COLUMNS, scale * v);
}

static void print_layer(const struct spacc_report_seernet *r, size_t i, FILE *to)
{
    const struct spacc_report_seer *l = &r->layer[i];
    const size_t length = strlen(l->name);
    const bool whole = length <= NAME_COLUMNS;

    fprintf(to, "%s%-*s %-12s", whole ? "" : "..", whole ? NAME_COLUMNS : NAME_COLUMNS - 2,
            whole ? l->name : l->name + length - (NAME_COLUMNS - 2), l->with);
    const double shares[] = {l->zeros, l->predicted, l->precision, l->recall, l->accuracy};
    for (size_t c = 0; c < sizeof(shares) / sizeof(*shares); c++)
        print_cell(to, shares[c], 100.0);
    print_cell(to, l->dense_us, 1.0);
    print_cell(to, l->seernet_us, 1.0);
    print_cell(to, l->mask_us, 1.0);
    fprintf(to, "  %s\n", spacc_seernet_reason(r, i));
}

static void print_head(const struct spacc_report_seernet *r, FILE *to)
{
    char name[SPACC_SEERNET_NAME];

    fprintf(to, "\nseernet, %s%s: %zu of %zu layers", spacc_seernet_name(r->bits, name),
            r->always ? ", always" : "", r->taken, r->layers);
    if (!isnan(r->seernet_us))
        fprintf(to, "; a run takes %.1f us with %s, %.1f us without", r->seernet_us,
                r->withdrawn ? "those that pay (withdrawn)" : "them", r->dense_us);
    if (r->taken > 0 && r->max_error == 0.0)
        fprintf(to, "; the same results");
    else if (r->taken > 0)
        fprintf(to, "; results differ by %.3g at most, SNR %.1f dB", r->max_error, r->snr_db);
    fputc('\n', to);
}

void spacc_seernet_print(const struct spacc_report_seernet *r, FILE *to)
{
    static const char *const head[] = {"zeros %",    "skipped %", "precision", "recall %",
                                       "accuracy %", "dense us",  "seer us",   "mask us"};

    print_head(r, to);
    if (r->layers == 0)
        return;
    fprintf(to, "%-*s %-12s", NAME_COLUMNS, "layer", "with");
    for (size_t c = 0; c < sizeof(head) / sizeof(*head); c++)
        fprintf(to, " %*s", CELL_COLUMNS, head[c]);
    fputc('\n', to);
    for (size_t i = 0; i < r->layers; i++)
        print_layer(r, i, to);
}

/* ---- JSON ---- */

static bool put(cJSON *o, const char *key, double v)
{
    return isfinite(v) ? cJSON_AddNumberToObject(o, key, v) != NULL
                       : cJSON_AddNullToObject(o, key) != NULL;
}

static bool put_layer(cJSON *o, const struct spacc_report_seernet *r, size_t i)
{
    const struct spacc_report_seer *l = &r->layer[i];

    return cJSON_AddStringToObject(o, "name", l->name) &&
           cJSON_AddStringToObject(o, "with", l->with) &&
           cJSON_AddBoolToObject(o, "taken", l->taken) &&
           cJSON_AddStringToObject(o, "reason", spacc_seernet_reason(r, i)) &&
           put(o, "zeros", l->zeros) && put(o, "predicted", l->predicted) &&
           put(o, "precision", l->precision) && put(o, "recall", l->recall) &&
           put(o, "accuracy", l->accuracy) && put(o, "dense_us", l->dense_us) &&
           put(o, "seernet_us", l->seernet_us) && put(o, "mask_us", l->mask_us);
}

static bool put_layers(cJSON *o, const struct spacc_report_seernet *r)
{
    cJSON *list = cJSON_AddArrayToObject(o, "layers");

    for (size_t i = 0; list && i < r->layers; i++) {
        cJSON *item = cJSON_CreateObject();
        if (!item || !cJSON_AddItemToArray(list, item) || !put_layer(item, r, i))
            return false;
    }
    return list != NULL;
}

bool spacc_seernet_add_json(struct cJSON *to, const struct spacc_report_seernet *r)
{
    cJSON *o = r ? cJSON_AddObjectToObject(to, "seernet") : NULL;
    char name[SPACC_SEERNET_NAME];

    if (!r)
        return true;
    return o && cJSON_AddStringToObject(o, "bits", spacc_seernet_name(r->bits, name)) &&
           cJSON_AddBoolToObject(o, "always", r->always) &&
           put(o, "frames", (double)r->frames) && put(o, "taken", (double)r->taken) &&
           cJSON_AddBoolToObject(o, "withdrawn", r->withdrawn) &&
           put(o, "dense_us", r->dense_us) && put(o, "seernet_us", r->seernet_us) &&
           put(o, "max_error", r->max_error) && put(o, "snr_db", r->snr_db) && put_layers(o, r);
}
