/* engine.h - a graph made ready for CPU cores, for inputs of one shape.
 *
 *     spacc_engine_new()   choose a kernel for every node, join nodes that one kernel runs
 *                          together, pack weights, plan memory
 *     spacc_engine_run()   run the steps; nothing is allocated but what is handed out
 *
 * Every tensor of a run has its place from the start: constants where they are, inputs and
 * outputs at the caller, the rest in one arena in which tensors that are not alive at the same
 * time share bytes (arena.h). A value that only looks at another (Reshape, Squeeze ...) has
 * that one's place. Values whose shape hangs on contents live on the heap, made anew in every
 * run, and nodes with branches run on the reference; spacc_engine_describe() tells. */
#ifndef SPACC_ENGINE_H
#define SPACC_ENGINE_H

#include "models/run.h"
#include "scheduler/work.h"
#include "sparse/kernels.h"
#include "sparse/parallel.h"
#include "sparse/seernet.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_engine;
struct spacc_gpu;      /* host/gpu/gpu.h */
struct spacc_timeline; /* host/timeline.h */

/* How one convolution predicts its zeros. */
struct spacc_seernet_how {
    bool taken;
};

struct spacc_engine_options {
    const struct spacc_parallel *parallel; /* NULL: one thread; lives as long as the engine */
    unsigned cpu;                          /* spacc_cpu_features() */
    enum spacc_tile_type precision;        /* of constant weights of LSTM, GRU and products of
                                              few vectors; all zero is float */
    /* Nodes that somebody else runs (NULL: none): asked once a node when the engine is made;
     * in a run hooks->node is called for these and must do them, maybe on another thread,
     * one at a time. hooks->value is called for
     * every value that a step has made and that `sees` says yes to (NULL: none). */
    bool (*foreign)(void *user, const struct spacc_graph *g, int node);
    bool (*sees)(void *user, const struct spacc_graph *g, int value);
    /* Other contents for constant input `input` of a node (pruned weights), of the same type
     * and shape and alive as long as the engine, or NULL for those in in[]; NULL: never.
     * SPACC_ENOMEM ends the making. */
    enum spacc_status (*weights)(void *user, const struct spacc_graph *g, int node, int input,
                                 const struct spacc_tensor *const *in,
                                 const struct spacc_tensor **instead, struct spacc_error *err);
    /* A foreign node has ended (NULL: nobody wants to know): meanwhile the engine did other
     * things for overlap_us, and then waited for blocked_us. On the thread of the run. */
    void (*waited)(void *user, const struct spacc_graph *g, int node, double overlap_us,
                   double blocked_us);
    /* Nodes that `gpu` runs (NULL: none). It outlives the engine; one engine at a time runs on
     * it. A node that it cannot run is SPACC_EUNSUPPORTED with the reason. */
    struct spacc_gpu *gpu;
    bool (*on_gpu)(void *user, const struct spacc_graph *g, int node);
    void *user;
    /* Numbers of all nodes in the order in which they are to run (NULL: as the graph has them):
     * producers first. What one device waits for can come before work of another. */
    const int *order;
    struct spacc_timeline *timeline; /* gets a slice a step (NULL: none) */
    /* Convolutions predict their zeros and skip them (sparse/seernet.h): 2 to 8 bits, one of
     * enum spacc_engine_seernet_bits, or 0: none. [nodes]: which ones, of those that it fits,
     * and how; NULL: all, untuned. Read while the engine is made. */
    int seernet;
    const struct spacc_seernet_how *seernet_how;
};

enum spacc_engine_seernet_bits {
    SPACC_ENGINE_SEERNET_EXACT = 1, /* predicted in full: the bits of ..._FULL */
    SPACC_ENGINE_SEERNET_FULL = -1  /* its kernels, and nothing skipped */
};

/* What became of one node. */
struct spacc_engine_node {
    const char *kernel; /* "onednn", "openblas", "view", "reference", "f32/avx2/8" (a tile
                           kernel of sparse/kernels.h) ...; "constant", "dead" */
    int joined;         /* the node with which it runs, or itself */
};

struct spacc_engine_totals {
    size_t steps;
    size_t arena_bytes;  /* one arena */
    size_t values_bytes; /* what its tensors would take side by side */
    size_t weight_bytes; /* packed copies of constants */
    size_t heap_values;  /* made on the heap in every run */
};

/* `input[i]`: type and shape of graph input i (contents are not used). Errors of
 * spacc_graph_bind(), SPACC_ENOMEM. The graph lives as long as the engine. OpenBLAS is set to
 * one thread for the whole process: the engine's own threads share its calls. */
enum spacc_status spacc_engine_new(struct spacc_engine **out, const struct spacc_graph *g,
                                   const struct spacc_tensor *const *input,
                                   const struct spacc_engine_options *options,
                                   struct spacc_error *err);
/* NULL is allowed. */
void spacc_engine_free(struct spacc_engine *e);

/* Run once. output[o] is new and handed to the caller; all NULL on failure. Inputs have the
 * shapes that the engine was made for (SPACC_ESHAPE). One run at a time. */
enum spacc_status spacc_engine_run(struct spacc_engine *e,
                                   const struct spacc_tensor *const *input,
                                   struct spacc_tensor **output,
                                   const struct spacc_run_hooks *hooks,
                                   struct spacc_error *err);

/* The same into tensors that the caller has: output[o] has the type and shape of graph
 * output o. Without heap values and foreign nodes, once warm, nothing is allocated but by
 * operators on the reference that need room, and inside oneDNN (hundreds of bytes a call). */
enum spacc_status spacc_engine_run_into(struct spacc_engine *e,
                                        const struct spacc_tensor *const *input,
                                        struct spacc_tensor *const *output,
                                        const struct spacc_run_hooks *hooks,
                                        struct spacc_error *err);

/* A thread of the engine's pool worked on the step that runs, from start to end: a slice of the
 * time line. For the pool's watcher (scheduler/pool.h). */
void spacc_engine_part(struct spacc_engine *e, int track, double start_us, double end_us);

struct spacc_engine_node spacc_engine_describe(const struct spacc_engine *e, int node);
struct spacc_engine_totals spacc_engine_totals(const struct spacc_engine *e);

/* Step i, in the order of a run. */
struct spacc_engine_step {
    int node;
    const char *kernel;
    bool on_gpu;
    double us;              /* of all runs so far; on the gpu by its own clock */
    struct spacc_work work; /* kernel, sizes: what a cost model is asked for */
    bool has_work;          /* false: somebody else's node, or nothing runs */
};
size_t spacc_engine_steps(const struct spacc_engine *e);
struct spacc_engine_step spacc_engine_step(const struct spacc_engine *e, size_t i);
/* Its `us` alone: cheap enough to be asked between runs. 0 for somebody else's node: how long
 * it takes here (to simulate a card, say) need not be its time. */
double spacc_engine_step_us(const struct spacc_engine *e, size_t i);

/* Layer i of those that predict their zeros, in the order of a run. */
struct spacc_engine_seernet {
    int node;         /* its Conv */
    int pool;         /* MaxPool that reads it, whose largest are predicted, or -1 */
    const char *with; /* what follows: "Relu", "Clip", "Relu MaxPool", "MaxPool Relu"; or
                         "MSB first": a QLinearConv */
    double mask_us;   /* of all runs so far: what predicting took */
    uint64_t outputs, computed;      /* over all runs so far */
    struct spacc_seer_counts counts; /* over the runs that were watched */
};
size_t spacc_engine_seernets(const struct spacc_engine *e);
struct spacc_engine_seernet spacc_engine_seernet(const struct spacc_engine *e, size_t i);

/* From now on such layers are also computed in full beside, and counted; slow. */
void spacc_engine_watch_seernet(struct spacc_engine *e, bool on);

/* To whom the time of each step belongs: owner[steps], of layer[nodes] (-1: of none). A step is
 * its node's; a reorder is the layer's that reads what it makes, else that of the one who made
 * what it reads. */
void spacc_engine_step_owners(const struct spacc_engine *e, const int *layer, int *owner);

/* The runs so far count no more. */
void spacc_engine_forget(struct spacc_engine *e);

/* Microseconds that node `node` (with those joined to it) took in all runs so far. */
double spacc_engine_us(const struct spacc_engine *e, int node);

#ifdef __cplusplus
}
#endif

#endif
