/* execute.h - a run of a model as `spacc run` and `spacc eval` do it: options from the
 * command line, inputs, a session, outputs. */
#ifndef SPACC_CLI_EXECUTE_H
#define SPACC_CLI_EXECUTE_H

#include "host/cli/cli.h"

struct spacc_batch;

/* What the command line says about a run. Texts are those of argv. */
struct cli_setup {
    struct cli_inputs in; /* only what says where they come from */
    size_t states;
    const char **state; /* "IN=OUT" */
    struct spacc_options session;
    struct spacc_pin *pin;
    bool quiet;
};

/* The options that fill it, for cli_command.shared. */
extern const struct cli_option cli_setup_options[];

/* Lists for a command line of argc words. False without memory; release in any case. */
bool cli_setup_init(struct cli_setup *set, int argc);
/* Takes option CLI_SHARED + i. Returns CLI_OK or the exit status. */
int cli_setup_take(struct cli_setup *set, const struct cli_command *command, int option,
                   const char *value);
/* Options that would do nothing are refused, not ignored. Returns as above. */
int cli_setup_check(const struct cli_setup *set, const struct cli_command *command);
void cli_setup_release(struct cli_setup *set);

/* A model and its run. cli_execution_init() starts it. */
struct cli_execution {
    const struct cli_setup *set;
    struct spacc_options options; /* those of `set` until the caller says otherwise */
    struct cli_inputs in;         /* .independent: guessed states are zero in every frame */
    struct spacc_model *model;
    const struct spacc_graph *graph;
    struct spacc_session *session;
    struct spacc_batch *batch; /* instead: independent frames over all devices */
    struct cli_states states;
    struct spacc_tensor **output; /* [outputs] */
};

/* Everything from `set`, which stays the caller's. */
void cli_execution_init(struct cli_execution *e, const struct cli_setup *set);
/* Read the model: model and graph are there. */
enum spacc_status cli_execution_load(struct cli_execution *e, const char *file,
                                     struct spacc_error *err);
/* Read the inputs and run. */
enum spacc_status cli_execution_run(struct cli_execution *e, const char *file,
                                    struct spacc_error *err);
void cli_execution_release(struct cli_execution *e);

#endif
