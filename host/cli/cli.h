/* cli.h - what the subcommands of `spacc` share: one table of options that makes both
 * the parser and the help, inputs and outputs by file, errors by exit status.
 *
 * Results go to stdout; progress, logs and errors to stderr. Exit status 0 ok, 1
 * failed, 2 wrong usage. */
#ifndef SPACC_CLI_H
#define SPACC_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "host/include/spacc.h"
#include "host/prune/matrix.h"
#include "models/graph.h"

struct cJSON;

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

enum { CLI_SHARED = 1000 }; /* number of the first option that commands share */

struct cli_option {
    const char *name;  /* long name without "--" */
    char letter;       /* short name, or 0 */
    const char *value; /* what the help calls its value; NULL: takes none */
    const char *text;
};

struct cli_command {
    const char *name, *arguments, *summary;
    const char *more; /* lines of help below the options, or NULL */
    const char *example;
    const struct cli_option *option; /* ends with a NULL name */
    const struct cli_option *shared; /* more of them: number CLI_SHARED + i; or NULL */
    void (*explain)(void);           /* prints more of them, after `more`; or NULL */
    int (*run)(int argc,
               char **argv); /* argv[0] is the subcommand; NULL: not in this version */
};

extern const struct cli_command cli_run, cli_predict, cli_bench, cli_prune, cli_pack,
    cli_inspect, cli_devices, cli_ops, cli_plan, cli_profile, cli_eval, cli_selftest;

/* Takes option number `option` of the table. Returns CLI_OK or the exit status. */
typedef int (*cli_take_fn)(void *to, int option, const char *value);

/* Parse. False: *status is the exit status (0 after --help). True: *file is the one
 * plain argument (NULL where `arguments` is ""). Of any number ("[FILE]...") they are
 * argv[optind] to argv[argc - 1]. */
bool cli_parse(const struct cli_command *command, int argc, char **argv, cli_take_fn take,
               void *to, const char **file, int *status);

/* "spacc run: <text>; see spacc run --help" on stderr. Returns CLI_USAGE. */
int cli_usage(const struct cli_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "spacc: <text>" on stderr, one line. Returns CLI_FAILED. */
int cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
int cli_fail_err(const struct spacc_error *err);
/* Put the model's file in front of a line that does not name it. Returns err->status. */
enum spacc_status cli_name_file(struct spacc_error *err, const char *file);

/* Whole text as a number; false when it is not one (also for "nan"). */
bool cli_real(double *to, const char *text);
bool cli_count(uint64_t *to, const char *text);
bool cli_ends_with(const char *text, const char *end);
/* "f32", "int8", "int16". CLI_OK, or the exit status after a message. */
int cli_precision(enum spacc_precision *to, const struct cli_command *command,
                  const char *text);
/* A share of zeros, 0 <= s < 1; columns of a bank, 1..65536. The same. */
int cli_sparsity(double *to, const struct cli_command *command, const char *text);
int cli_bank_size(size_t *to, const struct cli_command *command, const char *text);
/* Refuse cards of later versions by name. */
int cli_fpga(const struct cli_command *command, const char *text);
/* "exact", "4" or "4,always": bits (or SPACC_SEERNET_EXACT) and whether it is always. */
int cli_seernet(int *bits, bool *always, const struct cli_command *command, const char *text);
/* "latency", "throughput", "energy". */
int cli_goal(enum spacc_goal *to, const struct cli_command *command, const char *text);
/* "NODE=cpu", appended to pin[*pins]: its node is free()d by the caller, its device lies in
 * text. */
int cli_pin(struct spacc_pin *pin, size_t *pins, const struct cli_command *command,
            const char *text);

/* A line about what goes on, on stderr; nothing under `quiet`. */
void cli_log(bool quiet, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Progress bar on a terminal: step of steps done, what comes now. NULL clears it. */
void cli_progress(int step, int steps, const char *what);

/* Print an object to stdout and delete it. */
int cli_print_json(struct cJSON *object);

/* ---- inputs: input.c ---- */

struct cli_dim {
    const char *name; /* not terminated at the '=' */
    size_t name_length;
    int64_t size;
};

/* Where the inputs of a model come from. Texts are those of argv. */
struct cli_inputs {
    size_t specs, dims;
    const char **spec; /* "FILE" or "NAME=FILE" */
    struct cli_dim *dim;
    uint64_t seed, frames; /* frames 0: all there are */
    bool quiet;
    const char *what;  /* "input" where NULL: what messages call them */
    const char *extra; /* an array beside the inputs that may be given by name, or NULL */
    bool independent;  /* frames do not feed each other: a state may have frames too */
    bool keep;         /* other arrays of a .npz are passed over instead of refused */
    /* Made by cli_inputs_load() and cli_inputs_read(): */
    size_t count;
    struct spacc_tensor **tensor; /* [count], none NULL after cli_inputs_load() */
    struct spacc_tensor *extra_tensor;
    bool stream; /* an input has one more leading dimension than declared */
};

/* "NAME=N" into in->dim; false when it is not. */
bool cli_dim(struct cli_inputs *in, const char *text);
/* Read or make every input of the model. state[i] says that input i is a state, which
 * is zero unless given. The remarks a user must see go to stderr. */
enum spacc_status cli_inputs_load(struct cli_inputs *in, const struct spacc_graph *g,
                                  const bool *state, struct spacc_error *err);
/* Only read those that are given: tensor[i] of the others is NULL. */
enum spacc_status cli_inputs_read(struct cli_inputs *in, const struct spacc_graph *g,
                                  struct spacc_error *err);
void cli_inputs_release(struct cli_inputs *in);
/* Keep the first `frames` along the first dimension. SPACC_ENOMEM. */
enum spacc_status cli_limit_frames(struct spacc_tensor **t, uint64_t frames);
/* Of a stream keep the first frame of each input that has frames; says so. */
enum spacc_status cli_inputs_first_frame(struct cli_inputs *in, const struct spacc_graph *g,
                                         struct spacc_error *err);

/* ---- state.c ---- */

struct cli_states {
    size_t count;
    struct spacc_state *pair;
    bool *is_state; /* [inputs] */
    bool guessed;
};

/* States from "IN=OUT" texts, or guessed where there are none. Release also on failure. */
enum spacc_status cli_states_find(struct cli_states *s, const struct spacc_model *model,
                                  const struct spacc_graph *g, size_t texts,
                                  const char *const *text, struct spacc_error *err);
/* One line each on stderr. */
void cli_states_tell(const struct cli_states *s, const struct spacc_model *model, bool quiet);
void cli_states_release(struct cli_states *s);

/* ---- pack.c ---- */

/* Calibrate a model with the inputs and write its layers, quantised and packed, to a file. */
enum spacc_status cli_pack_model(struct spacc_model *model, const struct spacc_options *how,
                                 const struct cli_inputs *in, const struct cli_states *states,
                                 const char *to, struct spacc_error *err);

/* ---- outputs: output.c ---- */

/* Refuse what cannot be written, before any work is done. */
enum spacc_status cli_outputs_check(size_t files, const char *const *file, size_t outputs,
                                    struct spacc_error *err);
/* A .npz takes all outputs by name, other files one each, in order. */
enum spacc_status cli_outputs_save(size_t files, const char *const *file,
                                   const struct spacc_graph *g,
                                   struct spacc_tensor *const *output, struct spacc_error *err);

/* ---- inspect_pack.c ---- */

struct spacc_pack;
/* Layers of a packed model, for a person. */
void cli_print_pack(const struct spacc_pack *pack, const char *file);
/* The same from a file, on request as JSON. Returns the exit status. */
int cli_inspect_pack(const char *file, bool json);

#endif
