/* onednn.h - tensors in oneDNN's blocked layouts, and its primitives as steps.
 *
 * A slot whose `layout` is not NULL holds a dnnl_memory_desc_t there: the result of a
 * primitive that chose its layout. Readers that want rows get them through a reorder step. The
 * build without oneDNN has none of these. */
#ifndef SPACC_CPU_ONEDNN_H
#define SPACC_CPU_ONEDNN_H

#include "host/cpu/engine_parts.h"

/* SPACC_EDEVICE when oneDNN cannot be used. */
enum spacc_status spacc_onednn_open(struct spacc_engine *e, struct spacc_error *err);
void spacc_onednn_close(struct spacc_engine *e);

/* Add a step that gives value v in `layout` (dnnl_memory_desc_t; NULL: row-major). The slot,
 * or -1 with b->err filled. */
int spacc_onednn_reorder(struct spacc_cpu_build *b, int v, const void *layout);

/* Which code of oneDNN a step runs ("jit_1x1:avx2"), or NULL: none of its. */
const char *spacc_onednn_code(const struct spacc_cpu_step *s);

#endif
