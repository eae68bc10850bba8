/* parts.h - what the files of the GPU device share.
 *
 * A step on the GPU is a job: a list of commands, made with the engine and handed to the queue
 * in every run. An argument of a command names a slot of the engine; where that is on the
 * device is looked up when the command is queued. Operators come in families: one file each
 * says what it does not take, and makes the job. */
#ifndef SPACC_GPU_PARTS_H
#define SPACC_GPU_PARTS_H

#include <stdint.h>

#include "host/cpu/window.h"
#include "host/gpu/devices.h"
#include "host/gpu/ops.h"
#include "host/gpu/slots.h"

extern const char spacc_gpu_source[]; /* ops.h and all *.cl (host/embed.py) */

/* ---- the device (open.c) ------------------------------------------------------------ */

#define SPACC_GPU_KERNELS(X) \
    X(unary)                 \
    X(binary)                \
    X(finish)                \
    X(gather)                \
    X(copy)                  \
    X(stretch)               \
    X(columns)               \
    X(direct)                \
    X(transposed)            \
    X(pool)                  \
    X(few)                   \
    X(lstm)                  \
    X(gru)                   \
    X(softmax)               \
    X(reduce)                \
    X(normalise)             \
    X(neighbours)            \
    X(peak_macs)

enum spacc_gpu_function {
#define X(name) SPACC_GPU_##name,
    SPACC_GPU_KERNELS(X)
#undef X
        SPACC_GPU_FUNCTIONS
};

struct spacc_gpu {
    struct spacc_gpu_info info;
    cl_device_id device;
    cl_context context;
    cl_command_queue queue; /* in order, with times */
    cl_program program;
    cl_kernel function[SPACC_GPU_FUNCTIONS];
    size_t until_failure; /* spacc_gpu_fail_at(); 0: none */
};

/* SPACC_EDEVICE with the GPU's name, what was done and OpenCL's words for `code`. */
enum spacc_status spacc_gpu_error(const struct spacc_gpu *gpu, cl_int code, const char *what,
                                  struct spacc_error *err);

/* What the next command starts with: CL_SUCCESS, or the failure that a test wants. */
cl_int spacc_gpu_next(struct spacc_gpu *gpu);

/* Nanoseconds from an event: `what` is CL_PROFILING_COMMAND_START .. ; 0 when not known. */
uint64_t spacc_gpu_time(cl_event event, cl_profiling_info what);

/* ---- jobs (job.c) ------------------------------------------------------------------- */

enum { SPACC_GPU_ARGS = 32 };

struct spacc_gpu_arg {
    enum { SPACC_GPU_SLOT, SPACC_GPU_INT, SPACC_GPU_FLOAT } kind;
    int i; /* slot (-1: none) or number */
    float f;
    size_t skip; /* elements from the start of the slot */
};

struct spacc_gpu_command {
    enum { SPACC_GPU_CALL, SPACC_GPU_GEMM, SPACC_GPU_UPLOAD, SPACC_GPU_DOWNLOAD } kind;
    enum spacc_gpu_function function;
    int args; /* of a product: y, a, b; of a transfer: to, from */
    struct spacc_gpu_arg arg[SPACC_GPU_ARGS];
    size_t global[3], local[3];
    size_t m, n, k, a_row, b_row, y_row;  /* y[m][n] = a[m][k] b[k][n]; elements in a row */
    bool a_turned, b_turned;              /* stored [k][m], [n][k] */
    size_t batch, a_next, b_next, y_next; /* elements from one product to the next */
};

struct spacc_gpu_job {
    int commands, room;
    struct spacc_gpu_command *command;
};

void spacc_gpu_job_free(void *job);

/* Runs of steps: every one of a GPU kernel has it. */
enum spacc_status spacc_gpu_run(struct spacc_engine *e, struct spacc_cpu_step *s,
                                struct spacc_error *err);

/* Queue one command; `event` is its last one (NULL: not wanted). OpenCL's code. */
cl_int spacc_gpu_queue(struct spacc_engine *e, const struct spacc_gpu_command *c,
                       cl_event *event);

/* Where slot s is. */
cl_mem spacc_gpu_memory(const struct spacc_engine *e, int s, size_t *first_byte);

/* ---- families ----------------------------------------------------------------------- */

/* A node with the shapes of its values. */
struct spacc_gpu_node {
    const struct spacc_graph *g;
    const struct spacc_binding *shape;
    const struct spacc_node *node;
};

/* Shape of input or output i (contents where constant), or NULL when it is left out. */
const struct spacc_tensor *spacc_gpu_input(const struct spacc_gpu_node *q, int i);
const struct spacc_tensor *spacc_gpu_output(const struct spacc_gpu_node *q, int i);
/* Input i when it is constant, else NULL. */
const struct spacc_tensor *spacc_gpu_constant(const struct spacc_gpu_node *q, int i);
bool spacc_gpu_is_op(const struct spacc_gpu_node *q, const char *op);
/* Input i is constant float, or left out. */
bool spacc_gpu_is_weights(const struct spacc_gpu_node *q, int i);
/* `axis` of a tensor of this rank, from the end when negative. */
int spacc_gpu_axis(int64_t axis, int rank);
/* Product of dims first .. last - 1. */
size_t spacc_gpu_size(const struct spacc_tensor *t, int first, int last);

/* A job being made. Calls on one that failed do nothing: ask for the status at the end. */
struct spacc_gpu_make {
    struct spacc_gpu_node q;
    struct spacc_cpu_build *b;
    const struct spacc_cpu_kernel *kernel;
    int n;
    struct spacc_gpu_job *job;
    enum spacc_status status;
    int out[4], outs;      /* slots that the job makes */
    int joined[4], joints; /* nodes that run with it */
};

struct spacc_gpu_family {
    struct spacc_cpu_kernel kernel; /* name, for reports and costs */
    const char *const *ops;         /* ends with NULL */
    /* Why the node cannot run there, or NULL. Its values have known shapes and elements, its
     * first input and all outputs are float. */
    const char *(*refuses)(const struct spacc_gpu_node *q);
    /* Put its commands into m->job; none: the result is there already. */
    void (*make)(struct spacc_gpu_make *m);
};

#define SPACC_GPU_KERNEL(title)                                                            \
    {                                                                                      \
        .name = title, .run = spacc_gpu_run, .release = spacc_gpu_job_free, .on_gpu = true \
    }

extern const struct spacc_gpu_family spacc_gpu_view, spacc_gpu_points, spacc_gpu_move,
    spacc_gpu_resize, spacc_gpu_conv, spacc_gpu_deconv, spacc_gpu_pool, spacc_gpu_product,
    spacc_gpu_rnn, spacc_gpu_rows, spacc_gpu_norm;

/* ---- making a job (make.c): slots are on the GPU; -1 is none ---------------------------- */

/* Input i of the node: brought there when it is not. */
int spacc_gpu_in(struct spacc_gpu_make *m, int i);
int spacc_gpu_value(struct spacc_gpu_make *m, int v);
/* Output o, made by this job; -1 when nobody asks for it. */
int spacc_gpu_out(struct spacc_gpu_make *m, int o);
/* The same for any value. */
int spacc_gpu_makes(struct spacc_gpu_make *m, int v);
/* Room for the job alone. */
int spacc_gpu_scratch(struct spacc_gpu_make *m, size_t floats);
/* A copy of constant data: 4-byte elements. */
int spacc_gpu_data(struct spacc_gpu_make *m, const void *data, size_t count);
/* Room for count elements of 4 bytes, all zero, to be freed; NULL fails the job. */
void *spacc_gpu_room(struct spacc_gpu_make *m, size_t count);
/* to[cols][rows] is from[rows][cols] times factor. */
void spacc_gpu_turn(float *to, const float *from, size_t rows, size_t cols, float factor);
/* Output o is input i from element `skip` on: no command. */
void spacc_gpu_look(struct spacc_gpu_make *m, int o, int i, size_t skip);

/* A call of `f` with `count` work-items. `format`, a letter an argument: s slot (int), a slot
 * and elements to skip (int, size_t), i int, f double. */
void spacc_gpu_call(struct spacc_gpu_make *m, enum spacc_gpu_function f, size_t count,
                    const char *format, ...);
/* The last call has these work-items instead, in groups of these. */
void spacc_gpu_groups(struct spacc_gpu_make *m, const size_t global[3], const size_t local[3]);
/* More arguments for the last call. */
void spacc_gpu_more(struct spacc_gpu_make *m, const char *format, ...);
/* Add a product: fields from m on are the caller's, y_at .. elements to skip. */
void spacc_gpu_gemm(struct spacc_gpu_make *m, const struct spacc_gpu_command *like, int y,
                    size_t y_at, int a, size_t a_at, int b, size_t b_at);

/* ---- what is done to results before they are written (post.c) -------------------------- */

struct spacc_gpu_post {
    int bias, other; /* slots or -1 */
    size_t bias_at;
    int inner, channels; /* bias[(i / inner) % channels] */
    int op;
    float alpha, beta;
};

/* The element-wise operator of a node as an activation; false when it is none. */
bool spacc_gpu_activation(const struct spacc_gpu_node *q, struct spacc_gpu_post *p);
/* Nodes that read value v, which nobody else does, and go with it: an Add of a tensor that is
 * there, an activation. The value that is made in the end. */
int spacc_gpu_join(struct spacc_gpu_make *m, int v, struct spacc_gpu_post *p);
/* No bias, no activation. */
struct spacc_gpu_post spacc_gpu_no_post(void);
bool spacc_gpu_has_post(const struct spacc_gpu_post *p);
/* POST_ARGS of the last call. */
void spacc_gpu_put_post(struct spacc_gpu_make *m, const struct spacc_gpu_post *p);
/* y = post(y * scale), in place. scale: slot or -1. */
void spacc_gpu_finish_with(struct spacc_gpu_make *m, int y, int x, size_t count, int scale,
                           const struct spacc_gpu_post *p);

/* ---- products (product.c) -------------------------------------------------------------- */

/* y[rows][n] = post(a[rows][k] b[k][n]); b is [n][k] when turned, which few rows want not. */
void spacc_gpu_multiply(struct spacc_gpu_make *m, int y, int a, int b, bool b_turned,
                        size_t rows, size_t n, size_t k, const struct spacc_gpu_post *p);
/* Whether so few rows are multiplied without CLBlast. */
bool spacc_gpu_is_few(size_t rows);

/* A window as a constant of the device, in the order of ops.h. */
int spacc_gpu_window(struct spacc_gpu_make *m, const struct spacc_volume *v);

/* ---- steps beside nodes (slots.c) ------------------------------------------------------- */

/* Value v there: its slot, or a step that uploads it (for node n); -1 with b->err filled. */
int spacc_gpu_upload(struct spacc_cpu_build *b, int v, int n);
/* A slot there with this constant. */
int spacc_gpu_keep(struct spacc_cpu_build *b, const void *data, size_t count);
/* The engine's memory and times there. */
enum spacc_status spacc_gpu_join_engine(struct spacc_cpu_build *b);
/* A job as a step of node n. Takes the job over. */
enum spacc_status spacc_gpu_add_step(struct spacc_cpu_build *b, int n,
                                     const struct spacc_cpu_kernel *kernel,
                                     struct spacc_gpu_job *job, const int *out, int outs);

struct spacc_gpu_ran {
    int step;
    cl_event first, last;
    double queued_us, handed_us; /* host clock: around its first command */
    bool blind; /* `first` is not its first command: CLBlast tells of the last one */
};

/* e->gpu */
struct spacc_gpu_state {
    cl_mem arena;
    size_t arena_bytes;
    struct spacc_gpu_ran *ran; /* of this run; room for all steps */
    int runs;
    double offset_us; /* host clock less device clock, of this run */
};

#endif
