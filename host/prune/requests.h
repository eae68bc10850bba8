/* requests.h - calibration data as requests that do not wait for each other. */
#ifndef SPACC_PRUNE_REQUESTS_H
#define SPACC_PRUNE_REQUESTS_H

#include "host/include/spacc.h"
#include "models/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_requests {
    size_t count;
    const struct spacc_tensor **input; /* [count][inputs] */
    struct spacc_tensor **made;        /* states, owned */
    size_t states;
    struct spacc_tensor *view; /* [count][inputs]: frames of streams */
};

/* Requests of a model. input[i] with one more leading dimension than declared is a stream: one
 * request a frame, `limit` at most (0: all); others are the same in all. A state input starts
 * with input[i] and then takes its output of the frame before, as the model computes it now:
 * the frames are run one after the other for that. The inputs live longer than the requests.
 * SPACC_ESHAPE: streams of different lengths, or what the model does not declare; errors of a
 * run; SPACC_ENOMEM. Release in any case. */
enum spacc_status spacc_requests_make(struct spacc_requests *to, const struct spacc_graph *g,
                                      const struct spacc_tensor *const *input,
                                      const struct spacc_state *state, size_t states,
                                      size_t limit, struct spacc_error *err);
void spacc_requests_release(struct spacc_requests *r);

#ifdef __cplusplus
}
#endif

#endif
