/* prune.h - what the two files of `spacc prune` share. */
#ifndef SPACC_CLI_PRUNE_H
#define SPACC_CLI_PRUNE_H

#include "host/cli/cli.h"
#include "host/prune/permute.h"

/* All that is told of a pruned model. */
struct cli_pruned {
    const struct spacc_graph *g;
    const char *out, *pack, *method, *precision; /* pack, precision: NULL: not asked for */
    double sparsity, sparsity_h;                 /* h: negative: as the rest */
    bool allocate, compared,
        alike;      /* alike: compared with it, the same k everywhere lost less */
    double loss[2]; /* compared: by sensitivity, and all alike */
    size_t bank_size, matrices, requests; /* requests 0: without calibration */
    const struct spacc_prune_matrix *m;
    const struct spacc_pruned *result;
    double outputs_error;
    bool permute;
    size_t permuted;
    const struct spacc_permuted *order;
};

void cli_prune_text(const struct cli_pruned *p);
/* Returns the exit status. */
int cli_prune_json(const struct cli_pruned *p);

/* The text of spacc.pruned (models/metadata.h); free() it. NULL: no memory. */
char *cli_prune_metadata(const struct cli_pruned *p);

#endif
