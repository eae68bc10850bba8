/* session_parts.h - the insides of a session, for the files it is made of. */
#ifndef SPACC_SESSION_PARTS_H
#define SPACC_SESSION_PARTS_H

#include "host/executor.h"
#include "host/gpu/gpu.h"
#include "host/placing.h"
#include "host/seernet_choice.h"
#include "host/timeline.h"
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

/* Whether a split keeps its promise. */
enum { SPACC_WATCH_RUNS = 16 };
struct spacc_watch {
    struct spacc_engine *single; /* without a device, until the split has proved itself */
    enum spacc_where without;    /* which one */
    double split_us, single_us;  /* medians of a trial when the session was prepared */
    double us[SPACC_WATCH_RUNS];
    int runs, windows, slow;
};

struct spacc_session {
    struct spacc_model *model;    /* not owned */
    struct spacc_options options; /* strings owned */
    struct spacc_plan *plan;
    struct spacc_executor executor;
    struct spacc_device *device; /* card or fixed point on the CPU, or NULL */
    bool device_used;            /* layers are on it: a new prepare needs a new one */
    bool on_card;
    struct spacc_gpu *gpu; /* or NULL */
    bool gpu_failed;       /* goes on without it */
    bool as_priced;        /* for tests: prices are not held to runs */
    struct spacc_profile *cpu_profile, *gpu_profile; /* NULL until something is to be placed */
    struct spacc_placing *placing;                   /* NULL: one device */
    int *where; /* [plan nodes]: enum spacc_where; NULL: nothing is placed */
    struct spacc_watch watch;
    struct spacc_seernet_choice *seernet; /* or NULL */
    struct spacc_timeline *timeline;      /* or NULL */
    int cpu_track;                        /* of the first CPU thread */
    struct spacc_pin *pin;                /* [options.pins], with their strings */
    struct spacc_pool *pool;              /* NULL: one thread */
    struct spacc_parallel parallel;
    struct spacc_plan_array array;
    int weight_bits;
    bool prepared;
    struct spacc_tensor *shapes;   /* [inputs] of prepare, without data */
    struct spacc_error_sum *error; /* [outputs] */
    uint64_t runs;
    double prepare_us, run_us, timed_us;
    char **note;
    size_t notes;
    char card[64];
    struct spacc_report report; /* made by spacc_session_report() */
};

/* Fill m->sha256: most runs never need it. SPACC_EIO when the file cannot be read, or has
 * changed since it was loaded. */
enum spacc_status spacc_model_sha256(struct spacc_model *m, struct spacc_error *err);

/* ---- session_place.c ---- */

/* Whether nodes have to be given to devices. */
bool spacc_session_places(const struct spacc_session *s);

/* Price and place; candidates that the card is not given are refused. Before they are
 * quantised. frames, input, state: as in spacc_session_learn(). */
enum spacc_status spacc_session_place(struct spacc_session *s, size_t frames,
                                      const struct spacc_tensor *const *input,
                                      const struct spacc_state *state, size_t states,
                                      struct spacc_error *err);

/* ---- session_try.c ---- */

/* Make the engine by the placing; run a split against the best single device, and withdraw it
 * when it is slower. */
enum spacc_status spacc_session_ready(struct spacc_session *s,
                                      const struct spacc_tensor *const *input,
                                      struct spacc_error *err);

/* How engines are made now: by the placing, without a GPU that has failed. */
struct spacc_engine_options spacc_session_engine(struct spacc_session *s);

/* One run of `e`, which has the card's nodes or (with_device false) not. Output: as
 * spacc_engine_run(); *us: without what a simulated card took to simulate. */
enum spacc_status spacc_session_time(struct spacc_session *s, struct spacc_engine *e,
                                     bool with_device, const struct spacc_tensor *const *input,
                                     struct spacc_tensor **output, double *us,
                                     struct spacc_error *err);

/* What was run for a trial does not count. */
void spacc_session_forget_runs(struct spacc_session *s);

/* ---- session_seernet.c ---- */

/* Choose the layers that predict their zeros; after spacc_session_ready(). */
enum spacc_status spacc_session_seernet(struct spacc_session *s, size_t frames,
                                        const struct spacc_tensor *const *input,
                                        struct spacc_error *err);

/* After a run: withdraw them all when the inputs of the runs so far had fewer zeros than those
 * of prepare, and the model is slower for it. Errors of making another engine. */
enum spacc_status spacc_session_watch_seernet(struct spacc_session *s,
                                              const struct spacc_tensor *const *input,
                                              struct spacc_error *err);

/* Clock of a card that is simulated, or only counts: its time is its cycles. 0: no such card.
 */
double spacc_session_virtual_hz(const struct spacc_session *s);

/* What the CPU keeps weights in. */
enum spacc_tile_type spacc_session_precision(const struct spacc_session *s);

/* A run took so long, without what a simulated card took to simulate. */
void spacc_session_watch(struct spacc_session *s, double us);

/* The GPU has failed, as err says: go on without it. SPACC_EDEVICE when it was not the GPU. */
enum spacc_status spacc_session_drop_gpu(struct spacc_session *s,
                                         const struct spacc_tensor *const *input,
                                         struct spacc_error *err);

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

/* Frame f of a tensor, without copying. */
struct spacc_tensor spacc_frame_of(const struct spacc_tensor *t, size_t f);

/* Free n tensors and set them to NULL. */
void spacc_tensors_free(struct spacc_tensor **t, size_t n);

void spacc_session_report_release(struct spacc_session *s);

#endif
