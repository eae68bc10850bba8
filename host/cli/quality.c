#include "host/cli/quality.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sparse/fixed_grid.h"

static double largest(const float *row, size_t cols)
{
    double most = 0.0;

    for (size_t c = 0; c < cols; c++)
        most = fmax(most, fabs((double)row[c]));
    return most;
}

/* A row has the scale that the card gives it when it has it to itself. */
static double ratio_db(const float *dense, size_t rows, size_t cols, int bits)
{
    double signal = 0.0, noise = 0.0;

    for (size_t r = 0; r < rows; r++) {
        const float *row = dense + r * cols;
        const double lsb = spacc_fixed_lsb(largest(row, cols), 0.0, bits);
        const double step = lsb > 0.0 ? spacc_fixed_lsb_raise(lsb) : 1.0;
        for (size_t c = 0; c < cols; c++) {
            const double off = (double)row[c] - round((double)row[c] / step) * step;
            signal += (double)row[c] * (double)row[c];
            noise += off * off;
        }
    }
    return noise == 0.0 ? INFINITY : 10.0 * log10(signal / noise);
}

struct cli_quality cli_quality_of(const float *dense, size_t rows, size_t cols)
{
    const struct spacc_nm nm = spacc_nm_find(dense, rows, cols);

    /* More of a group than there are columns is no pattern. */
    return (struct cli_quality){.nm = nm.m <= cols ? nm : (struct spacc_nm){0, 0},
                                .energy_kept = NAN,
                                .error = NAN,
                                .int8_db = ratio_db(dense, rows, cols, 8),
                                .int16_db = ratio_db(dense, rows, cols, 16)};
}

double cli_energy_kept(const float *before, const float *after, size_t count)
{
    double all = 0.0, kept = 0.0;

    for (size_t i = 0; i < count; i++) {
        const double energy = (double)before[i] * (double)before[i];
        all += energy;
        kept += after[i] != 0.0f ? energy : 0.0;
    }
    return all > 0.0 ? kept / all : 1.0;
}

/* ---- metadata ---- */

cJSON *cli_quality_metadata(const struct spacc_graph *g)
{
    const char *text = spacc_graph_metadata(g, "spacc.pruned");

    return text ? cJSON_Parse(text) : NULL;
}

static bool is_text(const cJSON *o, const char *key, const char *text)
{
    const char *have = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));

    return have && !strcmp(have, text);
}

/* NAN when it is not there or no number. */
static double number(const cJSON *o, const char *key)
{
    return cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(o, key));
}

void cli_quality_told(struct cli_quality *q, const cJSON *list, const char *node,
                      const char *label, size_t rows, size_t cols)
{
    for (const cJSON *o = list ? list->child : NULL; o; o = o->next)
        if (is_text(o, "node", node) && is_text(o, "weights", label) &&
            number(o, "rows") == (double)rows && number(o, "cols") == (double)cols) {
            q->energy_kept = number(o, "energy_kept");
            q->error = number(o, "error");
            return;
        }
}

/* ---- what is printed ---- */

static const char *db_text(double db, char *text, size_t bytes)
{
    if (isfinite(db))
        snprintf(text, bytes, "%.1f", db);
    else
        snprintf(text, bytes, "%s", db > 0.0 ? "exact" : "-");
    return text;
}

void cli_quality_print_head(void)
{
    printf("\n%-24s %-10s %8s %10s %10s %9s %9s\n", "", "", "", "energy", "error", "int8",
           "int16");
    printf("%-24s %-10s %8s %10s %10s %9s %9s\n", "node", "weights", "pattern", "kept",
           "of sums", "dB", "dB");
}

void cli_quality_print(const struct cli_quality *q, const char *node, const char *label)
{
    char nm[48] = "-", kept[24] = "-", error[24] = "-", a[24], b[24];

    if (q->nm.m)
        snprintf(nm, sizeof(nm), "%zu:%zu", q->nm.n, q->nm.m);
    if (!isnan(q->energy_kept))
        snprintf(kept, sizeof(kept), "%.2f %%", 100.0 * q->energy_kept);
    if (!isnan(q->error))
        snprintf(error, sizeof(error), "%.3g", q->error);
    printf("%-24.24s %-10s %8s %10s %10s %9s %9s\n", node, label, nm, kept, error,
           db_text(q->int8_db, a, sizeof(a)), db_text(q->int16_db, b, sizeof(b)));
}

/* null for what is not known, or infinite. */
static bool add(cJSON *to, const char *key, double value)
{
    return isfinite(value) ? cJSON_AddNumberToObject(to, key, value) != NULL
                           : cJSON_AddNullToObject(to, key) != NULL;
}

bool cli_quality_json(cJSON *to, const struct cli_quality *q)
{
    char nm[48];

    snprintf(nm, sizeof(nm), "%zu:%zu", q->nm.n, q->nm.m);
    return (q->nm.m ? cJSON_AddStringToObject(to, "pattern", nm)
                    : cJSON_AddNullToObject(to, "pattern")) &&
           add(to, "energy_kept", q->energy_kept) && add(to, "error", q->error) &&
           add(to, "sqnr_int8_db", q->int8_db) && add(to, "sqnr_int16_db", q->int16_db);
}
