/* onnx.h - read and write ONNX files (IR version 3..10, opset 1..21 of the default
 * domain). The schema comes from a Debian package at build time. */
#ifndef SPACC_ONNX_H
#define SPACC_ONNX_H

#include "models/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Read a model. Trusts no length, index or shape of the file.
 *
 *   SPACC_EIO           file cannot be read
 *   SPACC_EFORMAT       not ONNX, truncated, inconsistent (the line says where)
 *   SPACC_EUNSUPPORTED  an operator, attribute, opset, element type, or external
 *                       data: named with its node; newer spacc metadata (models/metadata.h)
 *   SPACC_ENOMEM
 * *out is NULL on failure; free with spacc_graph_free(). Large allocations are
 * bounded by the size of the file. */
enum spacc_status spacc_onnx_load(struct spacc_graph **out, const char *file,
                                  struct spacc_error *err);

/* The same from memory; `name` stands for the file in messages. */
enum spacc_status spacc_onnx_parse(struct spacc_graph **out, const void *bytes,
                                   size_t size_bytes, const char *name,
                                   struct spacc_error *err);

/* Rewrite a model with other float32 contents for some initialisers (and Constant
 * nodes' outputs) and extra metadata; all else stays as it was. Written to a
 * temporary file beside `to`, then renamed. `names[i]` is the value name,
 * `contents[i]` has its shape and type.
 * SPACC_EIO, SPACC_EFORMAT, SPACC_ESHAPE (both shapes), SPACC_ENOMEM. */
enum spacc_status spacc_onnx_rewrite(const char *from, const char *to, size_t changes,
                                     const char *const *names,
                                     const struct spacc_tensor *const *contents,
                                     size_t metadata, const char *const *keys,
                                     const char *const *texts, struct spacc_error *err);

/* One tensor in ONNX TensorProto form (a .pb of a backend test). Same errors. */
enum spacc_status spacc_onnx_tensor_load(struct spacc_tensor **out, const char *file,
                                         struct spacc_error *err);
enum spacc_status spacc_onnx_tensor_parse(struct spacc_tensor **out, const void *bytes,
                                          size_t size_bytes, const char *name,
                                          struct spacc_error *err);
enum spacc_status spacc_onnx_tensor_save(const struct spacc_tensor *t, const char *name,
                                         const char *file, struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
