/* session_parts.h - the insides of a session, for the files it is made of. */
#ifndef SPACC_SESSION_PARTS_H
#define SPACC_SESSION_PARTS_H

#include "host/executor.h"
#include "host/session.h"
#include "scheduler/pool.h"
#include "sparse/pack.h"

enum { SPACC_LANES_DEFAULT = 16 }; /* of a pack without a card */

/* Size and time of last change of a file. */
struct spacc_stamp {
    int64_t size_bytes, s, ns;
};

struct spacc_model {
    struct spacc_graph *graph;
    char *file;
    struct spacc_stamp stamp; /* of the ONNX file when it was loaded */
    char sha256[65];          /* of the ONNX file; "" until somebody asked */
    struct spacc_pack *pack;  /* NULL for a plain ONNX file */
};

struct spacc_session {
    struct spacc_model *model;    /* not owned */
    struct spacc_options options; /* strings owned */
    struct spacc_plan *plan;
    struct spacc_executor executor;
    struct spacc_device *device; /* card or fixed point on the CPU, or NULL */
    bool device_used;            /* layers are on it: a new prepare needs a new one */
    bool on_card;
    struct spacc_pool *pool; /* NULL: one thread */
    struct spacc_parallel parallel;
    struct spacc_plan_array array;
    int weight_bits;
    bool prepared;
    struct spacc_tensor *shapes;   /* [inputs] of prepare, without data */
    struct spacc_error_sum *error; /* [outputs] */
    uint64_t runs;
    double prepare_us, run_us;
    char **note;
    size_t notes;
    char card[64];
    struct spacc_report report; /* made by spacc_session_report() */
};

/* Fill m->sha256: most runs never need it. SPACC_EIO when the file cannot be read, or has
 * changed since it was loaded. */
enum spacc_status spacc_model_sha256(struct spacc_model *m, struct spacc_error *err);

/* Add a remark, once. Best effort: a remark that has no memory is lost. */
void spacc_session_note(struct spacc_session *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Prepare over frames of which states are fed back between them; state[] as in
 * spacc_session_stream(). */
enum spacc_status spacc_session_learn(struct spacc_session *s, size_t frames,
                                      const struct spacc_tensor *const *input,
                                      const struct spacc_state *state, size_t states,
                                      struct spacc_error *err);

/* One run; with verify the reference runs on `reference_input` (its own states in a
 * stream) and leaves reference_output, new tensors like output[]; both NULL pointers otherwise.
 */
enum spacc_status spacc_session_step(struct spacc_session *s,
                                     const struct spacc_tensor *const *input,
                                     struct spacc_tensor **output,
                                     const struct spacc_tensor *const *reference_input,
                                     struct spacc_tensor **reference_output,
                                     struct spacc_error *err);

/* Free n tensors and set them to NULL. */
void spacc_tensors_free(struct spacc_tensor **t, size_t n);

void spacc_session_report_release(struct spacc_session *s);

#endif
