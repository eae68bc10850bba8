/* engine_parts.h - the insides of an engine, for the files it is made of and for kernels.
 *
 * A slot is where one tensor lives during a run; slot v is graph value v, slots behind them
 * are copies in another layout and scratch. A step is one call of a kernel on slots. Making
 * an engine walks the nodes in order and asks the kernels of spacc_cpu_kernels[], first to
 * last, to take each; the last one (the reference) takes everything. */
#ifndef SPACC_ENGINE_PARTS_H
#define SPACC_ENGINE_PARTS_H

#include "host/cpu/engine.h"
#include "models/op.h"

enum spacc_cpu_home {
    SPACC_HOME_ARENA,
    SPACC_HOME_CONSTANT, /* of the graph, the binding or a kernel */
    SPACC_HOME_INPUT,    /* the caller's, set in every run */
    SPACC_HOME_OUTPUT,   /* likewise */
    SPACC_HOME_HEAP,     /* made by its step, freed at the end of the run */
    SPACC_HOME_GPU       /* memory of the GPU: no data here (host/gpu/slots.h) */
};

struct spacc_cpu_slot {
    struct spacc_tensor t; /* what kernels see; no data before it has a place */
    enum spacc_cpu_home home;
    int root;          /* slot whose memory this is a view of, or itself */
    size_t skip_bytes; /* where it starts in the root's memory */
    size_t bytes;      /* of the memory; 0: count elements */
    int first, last;
    size_t offset;
    void *layout; /* oneDNN memory descriptor when not row-major (onednn.h), or NULL; owned */
    int copy_of;  /* a copy in another layout: of this value, or -1 */
    int plain;    /* slot with the same contents, row-major, or -1 */
    int gpu;      /* slot with the same contents on the GPU, or -1 */
    bool kept;    /* an upload reads it at some time before the end of the run */
    void *memory; /* of a constant on the GPU, or NULL; owned */
    bool made;    /* some earlier step makes it, or nobody has to */
    int begun_by; /* step that began a node whose result this is, not waited for yet; or -1 */
    int held_by;  /* the same, of a root that such a node reads */
    struct spacc_tensor *heap;
};

struct spacc_cpu_kernel;

struct spacc_cpu_step {
    const struct spacc_cpu_kernel *kernel;
    int node; /* of the graph */
    int ins, outs;
    int *in, *out; /* slots; -1 where left out */
    int scratch;   /* slot, or -1 */
    void *state;   /* the kernel's own */
    double us;
};

struct spacc_engine {
    const struct spacc_graph *g;
    struct spacc_binding *shape;
    struct spacc_engine_options options;
    struct spacc_cpu_slot *slot;
    int slots, slots_room;
    struct spacc_cpu_step *step;
    int steps, steps_room;
    struct spacc_engine_node *about; /* by node */
    int *output;                     /* by graph output: slot with its contents, row-major */
    bool *direct;                    /* by graph output: made in the caller's tensor */
    char *arena;
    size_t arena_bytes, values_bytes, weight_bytes, heap_values;
    struct spacc_aside *aside;           /* thread for foreign nodes (aside.h), or NULL */
    const struct spacc_run_hooks *hooks; /* of this run */
    const struct spacc_cpu_step *now;    /* that runs */
    int host_track;                      /* of the time line */
    bool watch_seernet;
    void *onednn; /* engine and stream (onednn.h), or NULL */
    void *gpu;    /* memory and times on the GPU (slots.h), or NULL */
};

/* An engine being made. */
struct spacc_cpu_build {
    struct spacc_engine *e;
    const struct spacc_graph *g;
    int *readers; /* by value: nodes not yet taken that read it, graph outputs */
    int *reader;  /* by value: the last node that reads it, or -1 */
    int *reads;   /* room for the reads of a node */
    bool *needed; /* by node */
    bool *taken;  /* by node */
    bool *on_gpu; /* by node */
    struct spacc_error *err;
};

/* Take node n: add the steps that run it and spacc_cpu_taken() for it and for each node
 * joined to it; or leave it (*taken stays false). */
typedef enum spacc_status (*spacc_cpu_take_fn)(struct spacc_cpu_build *b, int n, bool *taken);

struct spacc_cpu_kernel {
    const char *name;
    spacc_cpu_take_fn take; /* NULL: used by other kernels only (a reorder) */
    enum spacc_status (*run)(struct spacc_engine *e, struct spacc_cpu_step *s,
                             struct spacc_error *err);
    void (*release)(void *state); /* NULL: state is free()d */
    bool on_gpu;                  /* run() only queues; its time comes later */
};

/* In the order in which they are asked; kernels.c. */
extern const struct spacc_cpu_kernel *const spacc_cpu_kernels[];
extern const size_t spacc_cpu_kernel_count;

/* ---- for take functions (build.c) ---- */

/* A new slot with the type and shape of `like`, in the arena. -1 without memory. */
int spacc_cpu_slot_new(struct spacc_cpu_build *b, const struct spacc_tensor *like,
                       size_t bytes);

/* A new step for node n with room for ins and outs, all -1; its slots are alive from the call
 * of spacc_cpu_step_done(), when they are filled in. NULL without memory. Valid until the
 * next step is added. */
struct spacc_cpu_step *spacc_cpu_step_new(struct spacc_cpu_build *b,
                                          const struct spacc_cpu_kernel *kernel, int n, int ins,
                                          int outs);
void spacc_cpu_step_done(struct spacc_cpu_build *b, struct spacc_cpu_step *s);

/* Node n runs with node `with`, by this kernel; its inputs have one reader fewer. */
void spacc_cpu_taken(struct spacc_cpu_build *b, int n, int with, const char *kernel);

/* The slot with value v row-major: its own, or one that a reorder step added here fills. -1
 * with b->err filled when that fails. */
int spacc_cpu_plain(struct spacc_cpu_build *b, int v);

/* The slot of input i of a node: spacc_cpu_plain(), or -1 with *status SPACC_OK when it is
 * left out. */
int spacc_cpu_input(struct spacc_cpu_build *b, const struct spacc_node *node, int i,
                    enum spacc_status *status);

/* Shape of value v, contents where constant; dtype NONE when not known. */
const struct spacc_tensor *spacc_cpu_shape(const struct spacc_cpu_build *b, int v);

/* Input i of a node: constant contents, or NULL. */
const struct spacc_tensor *spacc_cpu_constant(const struct spacc_cpu_build *b,
                                              const struct spacc_node *node, int i);

/* Whether the input and all outputs asked for have known shapes. */
bool spacc_cpu_known(const struct spacc_cpu_build *b, const struct spacc_node *node);

/* Whether value v has `type` and a known shape. */
bool spacc_cpu_is(const struct spacc_cpu_build *b, int v, enum spacc_dtype type);

/* The one node, not taken yet, that reads value v, when v is no graph output, nobody else does
 * and it is on the side (CPU, GPU) that makes v; else -1. */
int spacc_cpu_only_reader(const struct spacc_cpu_build *b, int v);

/* The Add of a constant vector, or number, over the last axis of `width` that is the only
 * reader of the node's result: its number, with the vector and whether it is one number. Else
 * -1. */
int spacc_cpu_vector_add(const struct spacc_cpu_build *b, const struct spacc_node *node,
                         size_t width, const float **vector, bool *is_scalar);

/* Make slot `to` share the memory of slot `from` (a view, or a result in place). */
void spacc_cpu_share(struct spacc_cpu_build *b, int to, int from);

/* Whether a step for the node being taken may write its result over slot s, which holds
 * value v: memory of the arena that nobody reads later. */
bool spacc_cpu_may_overwrite(const struct spacc_cpu_build *b, int v, int s);

enum spacc_status spacc_cpu_no_memory(struct spacc_cpu_build *b);

/* Set the data of slot s, a view. */
static inline void spacc_cpu_follow_root(struct spacc_engine *e, int s)
{
    char *data = e->slot[e->slot[s].root].t.data;

    e->slot[s].t.data = data ? data + e->slot[s].skip_bytes : NULL;
}

/* Results that a step was given as tensors of their own go where its slots are, or become the
 * slots' when those are on the heap; out[] is NULL then. (reference.c) */
enum spacc_status spacc_cpu_keep(struct spacc_engine *e, const struct spacc_cpu_step *s,
                                 struct spacc_tensor **out, struct spacc_error *err);

/* The same for results out[] in slots slot[], -1 where not asked for. */
enum spacc_status spacc_cpu_keep_in(struct spacc_engine *e, const int *slot, int slots,
                                    struct spacc_tensor **out, struct spacc_error *err);

/* The value is about to be read: when a foreign node is making it, add the step that waits. Of
 * all values that are left, behind the last node. (foreign.c) */
enum spacc_status spacc_cpu_settle(struct spacc_cpu_build *b, int v);
enum spacc_status spacc_cpu_settle_all(struct spacc_cpu_build *b);

/* Whether so many of the weights are zero that kernels with an index for each of the others
 * are faster. */
bool spacc_cpu_is_sparse(const float *w, size_t count);

/* Data of slot s; NULL for -1. */
static inline void *spacc_cpu_data(const struct spacc_engine *e, int s)
{
    return s < 0 ? NULL : e->slot[s].t.data;
}

#endif
