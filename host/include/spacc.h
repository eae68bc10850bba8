/* spacc.h - the public interface: load a model, prepare it for the devices at hand,
 * run it, read the report.
 *
 *     struct spacc_model *model;
 *     struct spacc_session *session;
 *     struct spacc_error err;
 *     struct spacc_options options = {.fpga = "sim"};
 *
 *     if (spacc_model_load(&model, "lstm.onnx", &err) ||
 *         spacc_session_new(&session, model, &options, &err) ||
 *         spacc_session_prepare(session, 1, inputs, &err) ||
 *         spacc_session_run(session, inputs, outputs, &err))
 *         fprintf(stderr, "%s\n", err.text);
 *
 * Calls return SPACC_OK or fill `err` (NULL is allowed). Results leave through out
 * pointers, NULL on failure. One session is used by one thread at a time. */
#ifndef SPACC_H
#define SPACC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "models/tensor.h"
#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_model;
struct spacc_session;

/* Read an ONNX file, or a packed file made by `spacc pack` (it names its ONNX model,
 * which must stand beside it with the same SHA-256). Errors as in spacc_onnx_load() and
 * spacc_pack_load(). */
enum spacc_status spacc_model_load(struct spacc_model **out, const char *file,
                                   struct spacc_error *err);
void spacc_model_free(struct spacc_model *model);

size_t spacc_model_inputs(const struct spacc_model *model);
size_t spacc_model_outputs(const struct spacc_model *model);
/* Names live as long as the model; NULL out of range. */
const char *spacc_model_input_name(const struct spacc_model *model, size_t i);
const char *spacc_model_output_name(const struct spacc_model *model, size_t i);
/* "float32[1,T,257]" into text, as the file declares it. Returns text. */
char *spacc_model_input_describe(const struct spacc_model *model, size_t i, char *text,
                                 size_t text_bytes);

enum spacc_precision {
    SPACC_PRECISION_DEFAULT, /* f32 on the CPU, int16 weights on the card */
    SPACC_PRECISION_F32,     /* CPU only; SPACC_EUNSUPPORTED together with a card */
    SPACC_PRECISION_F16,     /* the same; weights of LSTM, GRU and products as halves */
    SPACC_PRECISION_INT8,    /* int8 weights: on the card; without one in the CPU's kernels,
                                with x and h quantised in every step */
    SPACC_PRECISION_INT16    /* int16 weights on the card; without one the card's arithmetic
                                in C. (Its int8 without a card: fpga "model".) */
};

/* What devices are chosen for. */
enum spacc_goal {
    SPACC_GOAL_DEFAULT,    /* a card that is named runs every layer that it can, because it was
                              asked    for; CPU and GPU share the rest for latency */
    SPACC_GOAL_LATENCY,    /* time of a run */
    SPACC_GOAL_THROUGHPUT, /* time between runs that follow each other */
    SPACC_GOAL_ENERGY
};

/* A node that has to run on a device. */
struct spacc_pin {
    const char *node;   /* its name, as the report has it */
    const char *device; /* "cpu", "gpu" or "card" */
};

/* All zero is the CPU alone, weights as they are. Strings are copied. */
struct spacc_options {
    const char *fpga; /* NULL or "off"; "sim", "sim:4x4": see spacc_card_open() */
    const char *gpu;  /* NULL or "off"; "auto": the first OpenCL GPU, or none (a note says so);
                         "P.D": platform and device, of any kind. See spacc_gpu_open() */
    enum spacc_goal goal;
    const char *all_on;    /* "cpu", "gpu" or "card": it runs every node that it can; NULL */
    const char *plan_file; /* run as it says: of spacc_session_save_plan(); NULL */
    size_t pins;
    const struct spacc_pin *pin;
    const char *profiles; /* folder with the profiles that spacc profile writes; NULL: the
                             cache. Without one prices are a roofline (a note says so) */
    bool plan;            /* price and place also where there is the CPU only */
    enum spacc_precision precision;
    double sparsity;  /* prune card layers to this, 0: leave the weights as they are */
    size_t bank_size; /* columns a bank when pruning; 0: the card's own (columns / lanes) */
    bool verify;      /* run the float reference beside; fills the errors of the report */
    const char *waveform_file;             /* FST of the simulated card, or NULL */
    uint64_t time_limit_us;                /* of one card run, in card time; 0: 10 seconds */
    uint64_t sim_stall_per_1024, sim_seed; /* random AXI stalls of the simulated card */
    int cpu_threads; /* for the CPU's part, 1 to 256; 0: one. The same bits for any number */
    bool trace;      /* keep a time line: spacc_session_trace() */
    int seernet;     /* predict which results of convolutions are zero, and skip them, where
                        that pays: with so many bits, 2 to 8, or SPACC_SEERNET_EXACT. 0: off.
                        With a card: on it, all convolutions that fit and that a Relu reads */
    bool seernet_always; /* in every convolution that it fits, whatever it costs */
};

/* The prediction is the full convolution: the same bits as without skipping, for tests. */
enum { SPACC_SEERNET_EXACT = 1, SPACC_SEERNET_BITS_MIN = 2, SPACC_SEERNET_BITS_MAX = 8 };

enum spacc_status spacc_session_new(struct spacc_session **out, struct spacc_model *model,
                                    const struct spacc_options *options,
                                    struct spacc_error *err);
void spacc_session_free(struct spacc_session *session);

/* Bind shapes to the inputs; where weights are quantised or pruned run the float reference over
 * `frames` sets of inputs (input[f * inputs + i]) to learn the range of every card layer's
 * input; choose devices and kernels, prune, quantise, pack, compile, load weights onto the
 * card. frames >= 1; other frames may follow in runs: a value beyond twice the range seen here
 * is cut and counted. SPACC_ESHAPE,
 * SPACC_ENOFIT (what is needed, what there is, what would fit), SPACC_EUNSUPPORTED,
 * SPACC_EINVAL (weights that are not finite, sparsity that does not fit the bank),
 * SPACC_EDEVICE, SPACC_ETIMEOUT, SPACC_ENOMEM. */
enum spacc_status spacc_session_prepare(struct spacc_session *session, size_t frames,
                                        const struct spacc_tensor *const *input,
                                        struct spacc_error *err);

/* Run once: input[i] and output[i] in the model's order; outputs are new, freed by the
 * caller with spacc_tensor_free(). Shapes must be those of prepare. After a card time-out
 * or error the session stays usable. */
enum spacc_status spacc_session_run(struct spacc_session *session,
                                    const struct spacc_tensor *const *input,
                                    struct spacc_tensor **output, struct spacc_error *err);

/* A state: model input `input` takes model output `output` of the frame before. */
struct spacc_state {
    size_t input, output;
};

/* Guess states of a model: an input and an output of the same declared type and shape whose
 * names say so, or a single pair that fits. Writes at most `limit` pairs; returns their number.
 */
size_t spacc_model_guess_states(const struct spacc_model *model, struct spacc_state *state,
                                size_t limit);

/* Stream: at least one input[i] has one more leading dimension (frames) than the model
 * declares; an input of the declared rank is the same in every frame; a state input gives its
 * first contents (NULL: zeros). SPACC_ESHAPE when frame counts differ. Prepares (over the first
 * 64 frames at most), runs frame by frame with states fed back. output[o]: [frames, ...]
 * stacked; a state output holds the last. */
enum spacc_status spacc_session_stream(struct spacc_session *session,
                                       const struct spacc_tensor *const *input,
                                       const struct spacc_state *state, size_t states,
                                       struct spacc_tensor **output, struct spacc_error *err);

/* Write which node runs where as JSON (a temporary file, then renamed), for plan_file.
 * SPACC_EINVAL when the session is not prepared, or has one device only. SPACC_EIO,
 * SPACC_ENOMEM.
 */
enum spacc_status spacc_session_save_plan(struct spacc_session *session, const char *file,
                                          struct spacc_error *err);

/* Write what ran where and when as Chrome trace events, which Perfetto opens: CPU threads, GPU
 * queue and card on one clock. SPACC_EINVAL without options.trace; SPACC_EIO, SPACC_ENOMEM. */
enum spacc_status spacc_session_trace(struct spacc_session *session, const char *file,
                                      struct spacc_error *err);

/* ---- the report ---- */

enum { SPACC_CAUSES = 8 }; /* issue, load, x_wait, drain, cell, out, control, weights */

/* One node and where it ran. Strings live as long as the session. */
struct spacc_report_node {
    const char *name, *op;
    const char *device; /* "cpu", "gpu" or "card" */
    const char *kernel; /* on the CPU: what runs it: "onednn", "openblas", "f32/avx2/8",
                           "view", "reference"; "constant" or "dead": nothing does; on the card:
                           "card" */
    const char *reason; /* why there: "weights constant, LSTM fits" or "peepholes are not on the
                           card" */
    uint64_t calls;
    double host_us; /* wall time on the host over all calls; on the gpu by its own clock */
    bool on_card;
    /* Card layers only, sums over all calls: */
    size_t rows, columns; /* of the whole matrix, x and h parts side by side */
    size_t bank_size_x, bank_size_h, k_x, k_h; /* as packed for the lanes */
    size_t nonzeros;                           /* kept weights */
    double sparsity;     /* 1 - nonzeros / (rows * columns), real rows and columns */
    size_t weight_bytes; /* in card memory format */
    int weight_bits, x_frac, h_frac;
    uint64_t steps; /* time steps (or vectors) over all calls and batches */
    uint64_t cycles, cause[SPACC_CAUSES];
    double card_us;     /* cycles at the stated clock; of a card that counts none, wall time on
                           this side: what ran as one is shared out by weights times steps */
    double utilisation; /* nonzeros * steps / (M * N * their cycles); NAN without cycles */
    uint64_t gate_saturations, state_saturations, input_saturations;
    uint64_t bytes_read, bytes_written;
    uint64_t rows_skipped; /* of convolutions with SeerNet: results predicted to be zero, rows
                              that fill the array included; 0 on a card that cannot skip */
    uint64_t issue_saved;  /* cycles of ISSUE that these would have taken */
    double wanted;         /* share of the results, those rows included, that were computed; 1
                              without SeerNet */
    double max_error,
        snr_db; /* against the float reference on the same inputs; verify only, else NAN */
};

struct spacc_report_output {
    const char *name;
    double max_error,
        snr_db; /* whole model, device against float reference; NAN without verify */
};

/* A convolution that SeerNet fits. Shares are of its outputs on the inputs of prepare; NAN
 * where there are none. "Live": above zero, below the end of a Clip, the largest of a pool's
 * window. */
struct spacc_report_seer {
    const char *name; /* of the Conv */
    const char *with; /* "Relu", "Clip", "Relu MaxPool", "MaxPool Relu"; of QLinearConv "MSB
                         first": `zeros` are then results with the lowest code */
    bool taken;
    double zeros;     /* not live */
    double predicted; /* not computed */
    double precision; /* of those computed: live */
    double recall;    /* of those live: computed */
    double accuracy;  /* computed and live, or neither */
    /* Of a run: lower quartiles, with the reorders around it. mask_us of it: predicting. */
    double dense_us, seernet_us, mask_us;
};

struct spacc_report_seernet {
    int bits; /* 2 to 8, or SPACC_SEERNET_EXACT */
    bool always;
    size_t frames; /* of inputs that were looked at */
    size_t layers, taken;
    const struct spacc_report_seer *layer;
    bool withdrawn;              /* layers pay, the whole model does not */
    double dense_us, seernet_us; /* a run of the model; NAN where no layer paid */
    double max_error, snr_db;    /* of its results, against those without; NAN likewise */
};

struct spacc_report {
    const char *model;
    const char *card; /* "sim 16x16" or "" */
    const char *gpu;  /* its name, or "" */
    uint32_t pes, lanes;
    double clock_hz; /* 0: no card, or one that counts no cycles: those of the report are 0 */
    uint64_t runs;
    double prepare_us, run_us; /* host wall time */
    double timed_us; /* of the runs, in which a simulated card takes its own time, not what
                        simulating takes */
    uint64_t load_cycles, run_cycles; /* card: loading weights once, and all runs */
    /* The same as times: cycles at clock_hz, or wall time on this side where that is 0. */
    double card_load_us, card_run_us;
    size_t notes; /* remarks a user must see: padding, states guessed, fallbacks */
    const char *const *note;
    size_t nodes;
    const struct spacc_report_node *node;
    size_t outputs;
    const struct spacc_report_output *output;
    const struct spacc_report_seernet *seernet; /* NULL: not asked for */
};

/* The report so far; lives until the next call on the session. */
const struct spacc_report *spacc_session_report(struct spacc_session *session);

/* Print it for a person, or as one JSON object. SPACC_EIO. */
enum spacc_status spacc_report_print(const struct spacc_report *report, FILE *to);
enum spacc_status spacc_report_print_json(const struct spacc_report *report, FILE *to);

/* "0.1.0" */
const char *spacc_version(void);

#ifdef __cplusplus
}
#endif

#endif
