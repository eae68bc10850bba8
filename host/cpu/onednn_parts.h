/* onednn_parts.h - what the files of oneDNN kernels share. */
#ifndef SPACC_CPU_ONEDNN_PARTS_H
#define SPACC_CPU_ONEDNN_PARTS_H

#include <oneapi/dnnl/dnnl.h>

#include "host/cpu/kernels.h"
#include "host/cpu/onednn.h"
#include "host/cpu/window.h"

enum { SPACC_ONEDNN_ARGS = 40 };

/* A primitive with its arguments: slots of the engine, or buffers of its own. */
struct spacc_onednn_op {
    dnnl_primitive_t primitive;
    int args;
    dnnl_exec_arg_t arg[SPACC_ONEDNN_ARGS];
    int slot[SPACC_ONEDNN_ARGS]; /* -1: a buffer of its own */
    void *own[2];                /* weights, bias */
};

dnnl_engine_t spacc_onednn_engine(const struct spacc_engine *e);
dnnl_stream_t spacc_onednn_stream(const struct spacc_engine *e);

/* oneDNN's status as ours, with a line that names the node. */
enum spacc_status spacc_onednn_check(struct spacc_cpu_build *b, int n, dnnl_status_t s);

/* Float, row-major, of the shape of t (rank 1 to 8). */
void spacc_onednn_rows(dnnl_memory_desc_t *md, const struct spacc_tensor *t);
/* The same shape, layout left to a primitive. */
void spacc_onednn_any(dnnl_memory_desc_t *md, const struct spacc_tensor *t);

/* Float [count]. */
void spacc_onednn_vector(dnnl_memory_desc_t *md, int64_t count);

/* Layout in which value v is. */
void spacc_onednn_layout(dnnl_memory_desc_t *md, const struct spacc_cpu_build *b, int v);
bool spacc_onednn_is_blocked(const struct spacc_cpu_build *b, int v);

/* The slot with value v in this layout: its own, or a copy. -1 with b->err filled. */
int spacc_onednn_in(struct spacc_cpu_build *b, int v, const dnnl_memory_desc_t *md);

/* Value v is made in this layout from now on. SPACC_ENOMEM. */
enum spacc_status spacc_onednn_made(struct spacc_cpu_build *b, int v,
                                    const dnnl_memory_desc_t *md);

/* When value v is read by one Concat only, in which it has a place of whole blocks: its layout
 * there in *md; the value of the result is returned. Else -1. (onednn_concat.c) */
int spacc_onednn_slice(struct spacc_cpu_build *b, int v, dnnl_memory_desc_t *md);
/* Value v is made there, with layout `md`. SPACC_ENOMEM. */
enum spacc_status spacc_onednn_made_slice(struct spacc_cpu_build *b, int v, int whole,
                                          const dnnl_memory_desc_t *md);
/* As spacc_onednn_reorder(), into the place of value `whole` that starts at `skip_bytes`. */
int spacc_onednn_reorder_into(struct spacc_cpu_build *b, int v, const dnnl_memory_desc_t *md,
                              int whole, size_t skip_bytes);

/* A new op from a primitive descriptor (which stays the caller's), or NULL. */
struct spacc_onednn_op *spacc_onednn_op_new(const_dnnl_primitive_desc_t pd);
void spacc_onednn_op_free(void *op);

/* Give it an argument that lives in a slot, or (slot -1) in `own`. False when it fails. */
bool spacc_onednn_arg(struct spacc_cpu_build *b, struct spacc_onednn_op *op, int arg,
                      const dnnl_memory_desc_t *md, int slot, void *own);

/* Constant contents in layout md as a buffer of op, at own[which]; reordered now. */
bool spacc_onednn_weights(struct spacc_cpu_build *b, struct spacc_onednn_op *op, int arg,
                          int which, const dnnl_memory_desc_t *from, const void *data,
                          const dnnl_memory_desc_t *md);

/* Add the step that runs op: ins slots in[], result in slot out; scratch as pd asks. Takes op
 * over, also when it fails. */
enum spacc_status spacc_onednn_step(struct spacc_cpu_build *b, int n,
                                    const struct spacc_cpu_kernel *kernel,
                                    struct spacc_onednn_op *op, const_dnnl_primitive_desc_t pd,
                                    const int *in, int ins, int out);

/* A primitive with one input, value v, and the node's first output. */
enum spacc_status spacc_onednn_one(struct spacc_cpu_build *b, int n,
                                   const struct spacc_cpu_kernel *kernel,
                                   const_dnnl_primitive_desc_t pd, int v);

enum spacc_status spacc_onednn_run(struct spacc_engine *e, struct spacc_cpu_step *s,
                                   struct spacc_error *err);

/* Add a step that copies value v into a tensor of `shape`, zeros around it as w->begin and the
 * shape say, in `layout`. The slot, or -1 with b->err filled. */
int spacc_onednn_padded(struct spacc_cpu_build *b, int n, int v, const struct spacc_window *w,
                        const struct spacc_tensor *shape, const dnnl_memory_desc_t *layout);
extern const struct spacc_cpu_kernel spacc_cpu_onednn_pad;

/* The primitive descriptor of an operation descriptor whose making returned `made`, with
 * scratch memory given by us. */
enum spacc_status spacc_onednn_describe(struct spacc_cpu_build *b, int n, dnnl_status_t made,
                                        const_dnnl_op_desc_t d, dnnl_primitive_desc_t *pd);

/* Attributes with scratch memory given by us. NULL without memory. */
dnnl_primitive_attr_t spacc_onednn_attr(void);

/* How an element-wise operator is called there: false when it is none, or its parameters are
 * not constant. Results agree with the reference to 1e-6 relative to max(1, |y|). */
struct spacc_onednn_eltwise {
    dnnl_alg_kind_t kind;
    float alpha, beta;
};
bool spacc_onednn_eltwise_of(struct spacc_onednn_eltwise *to, const struct spacc_cpu_build *b,
                             const struct spacc_node *node);

extern const struct spacc_cpu_kernel spacc_cpu_onednn_reorder;

#endif
