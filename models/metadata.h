/* metadata.h - what `spacc prune` writes about its work into a model's metadata_props:
 *
 *   spacc.metadata    "1": version of what follows
 *   spacc.sparsity    share of zeros that was asked for, "0.875"
 *   spacc.bank_size   columns a bank, "16"
 *   spacc.method      "magnitude", "wanda" or "obs"
 *   spacc.pruned      JSON, a list with an object a matrix: node, weights, rows, cols, bank, k,
 *                     sparsity, energy_kept, error
 *
 * Version 1 may miss (models of before it); other keys are nobody's business here. */
#ifndef SPACC_METADATA_H
#define SPACC_METADATA_H

#include "models/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPACC_METADATA_VERSION = 1 };

/* Whether this program knows the metadata of a model. spacc_onnx_load() has asked already, so
 * that nothing is read by rules of another version.
 * SPACC_EUNSUPPORTED "FILE: metadata version 2, this program knows 1"; SPACC_EFORMAT for what
 * is no version. */
enum spacc_status spacc_metadata_check(const struct spacc_graph *g, struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
