/* ort.h - ONNX Runtime through the few entries of its C interface that a benchmark needs. The
 * library comes from PyPI (onnxruntime) and is loaded at run time; nothing else uses it. */
#ifndef SPACC_BENCH_ORT_H
#define SPACC_BENCH_ORT_H

#include "models/graph.h"

struct ort_session;

/* Load the library (a path to libonnxruntime.so.*). False with a line on stderr. */
bool ort_open(const char *library);
/* "1.31.1" */
const char *ort_version(void);

/* A session with all its optimisations on `threads` threads, its inputs and outputs bound to
 * the memory of these tensors; the graph lives as long, for its names. Its threads stop
 * spinning when a run ends, so that they do not take time from what is measured next. NULL with
 * a line on stderr. */
struct ort_session *ort_new(const char *model, int threads, const struct spacc_graph *g,
                            struct spacc_tensor *const *input,
                            struct spacc_tensor *const *output);
/* Run once. False with a line on stderr. */
bool ort_run(struct ort_session *s);

#endif
