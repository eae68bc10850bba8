/* onnx_parts.h - what the ONNX files share among themselves; not for others.
 *
 * The order of work: onnx_scan.c walks the bytes before protobuf-c may, onnx.c
 * checks what the model as a whole asks for, onnx_graph.c turns nodes and names
 * into numbers, onnx_attr.c and onnx_tensor.c take over contents, onnx_sort.c
 * puts nodes in order, onnx_write.c goes the other way. */
#ifndef SPACC_ONNX_PARTS_H
#define SPACC_ONNX_PARTS_H

#include "models/graph.h"
#include "models/onnx.pb-c.h"
#include "models/op.h"

/* A file of 2 GiB or more is not a protobuf message. */
#define SPACC_ONNX_BYTES_MAX ((size_t)INT32_MAX)

/* What every step of one import needs. */
struct spacc_onnx_import {
    const char *file;
    int opset, ir_version;
    struct spacc_error *err;
};

/* Check the wire form of `bytes` against `type`: every length inside its parent,
 * nesting no deeper than 100, no singular message twice, no zero byte in text.
 * After this, unpacking needs neither unbounded stack nor quadratic time.
 * SPACC_EFORMAT with the position. */
enum spacc_status spacc_onnx_scan(const ProtobufCMessageDescriptor *type, const uint8_t *bytes,
                                  size_t size_bytes, const char *file, struct spacc_error *err);

/* Scan and unpack a model and check IR version, opset and what it holds as a
 * whole. Free with onnx__model_proto__free_unpacked(). Complete messages. */
enum spacc_status spacc_onnx_unpack(Onnx__ModelProto **out, const void *bytes,
                                    size_t size_bytes, const char *name,
                                    struct spacc_error *err);

/* A tensor from its ONNX form. The message starts with "type string ..." or the
 * like: the caller puts file and owner in front with spacc_fail_in(). */
enum spacc_status spacc_onnx_tensor_read(struct spacc_tensor **out,
                                         const Onnx__TensorProto *proto,
                                         struct spacc_error *err);

/* The same, taking raw contents out of `proto` over instead of copying them; what is left of
 * it is an empty tensor. For a proto unpacked without an allocator of its own. */
enum spacc_status spacc_onnx_tensor_take(struct spacc_tensor **out, Onnx__TensorProto *proto,
                                         struct spacc_error *err);

/* Replace the contents of `proto` by those of `t` (as raw_data). SPACC_ENOMEM. */
enum spacc_status spacc_onnx_tensor_put(Onnx__TensorProto *proto, const struct spacc_tensor *t);

/* The tensor a Constant node stands for. Message as above. */
enum spacc_status spacc_onnx_constant_read(struct spacc_tensor **out,
                                           const Onnx__NodeProto *proto,
                                           struct spacc_error *err);

/* Attributes of `proto` into `node` (whose op is set). A graph attribute leaves
 * attr->graph NULL: onnx_graph.c fills it. Message names the attribute only. */
enum spacc_status spacc_onnx_attrs_read(struct spacc_node *node, const Onnx__NodeProto *proto,
                                        struct spacc_error *err);

/* Build the top graph. */
enum spacc_status spacc_onnx_graph_read(struct spacc_graph **out, struct spacc_onnx_import *im,
                                        const Onnx__GraphProto *proto);

/* Put the nodes in an order in which producers come first, keeping the file's
 * order where that is already so. SPACC_EFORMAT (a cycle; `*stuck` is a node in
 * it), SPACC_ENOMEM. */
enum spacc_status spacc_onnx_sort(struct spacc_graph *g, int *stuck);

/* Copy of a name that may appear in a message: not NULL, no control characters.
 * SPACC_EFORMAT, SPACC_ENOMEM; *out is NULL then. */
enum spacc_status spacc_onnx_name_copy(char **out, const char *name, struct spacc_error *err);

#endif
