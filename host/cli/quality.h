/* quality.h - of spacc inspect: what pruning took from a matrix, and what the card's numbers
 * would take. */
#ifndef SPACC_CLI_QUALITY_H
#define SPACC_CLI_QUALITY_H

#include "models/graph.h"
#include "sparse/nm.h"

struct cJSON;

/* Numbers that are not known are NAN. */
struct cli_quality {
    struct spacc_nm nm;
    double energy_kept;       /* share of the squares of the dense weights at the places kept */
    double error;             /* of the node's sums, as spacc prune measured it */
    double int8_db, int16_db; /* squares of the weights over those of their rounding */
};

/* Of dense [rows][cols], from the weights alone. */
struct cli_quality cli_quality_of(const float *dense, size_t rows, size_t cols);
/* Share of the squares of `before` where `after` is not zero; 1 when there are none. */
double cli_energy_kept(const float *before, const float *after, size_t count);

/* What the model's metadata say about a matrix of this node and label into energy_kept and
 * error; `list` is cli_quality_metadata()'s. Nothing changes when it is not in the list, or has
 * another shape. */
void cli_quality_told(struct cli_quality *q, const struct cJSON *list, const char *node,
                      const char *label, size_t rows, size_t cols);
/* spacc.pruned of a model, or NULL when there is none that can be read; cJSON_Delete() it. */
struct cJSON *cli_quality_metadata(const struct spacc_graph *g);

/* One line of a table, and its head. */
void cli_quality_print_head(void);
void cli_quality_print(const struct cli_quality *q, const char *node, const char *label);
bool cli_quality_json(struct cJSON *to, const struct cli_quality *q);

#endif
