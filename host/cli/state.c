/* state.c - which outputs of a frame are inputs of the next. */
#include <stdlib.h>
#include <string.h>

#include "host/cli/cli.h"

static int find(const struct spacc_graph *g, const int *list, int count, const char *name,
                size_t length)
{
    for (int i = 0; i < count; i++)
        if (strlen(g->value[list[i]].name) == length &&
            !memcmp(g->value[list[i]].name, name, length))
            return i;
    return -1;
}

/* Names may hold a '=' themselves: try each. */
static enum spacc_status parse(struct spacc_state *to, const struct spacc_graph *g,
                               const char *text, struct spacc_error *err)
{
    for (const char *at = strchr(text, '='); at; at = strchr(at + 1, '=')) {
        const int in = find(g, g->input, g->inputs, text, (size_t)(at - text));
        const int out = find(g, g->output, g->outputs, at + 1, strlen(at + 1));
        if (in >= 0 && out >= 0) {
            *to = (struct spacc_state){(size_t)in, (size_t)out};
            return SPACC_OK;
        }
    }
    return spacc_fail(err, SPACC_EINVAL, "--state %s: %s has no such input and output", text,
                      g->file);
}

static enum spacc_status take(struct cli_states *s, struct spacc_state pair, const char *text,
                              const struct spacc_graph *g, struct spacc_error *err)
{
    if (s->is_state[pair.input])
        return spacc_fail(err, SPACC_EINVAL,
                          "--state %s: %s already has a state for this input", text, g->file);
    s->is_state[pair.input] = true;
    s->pair[s->count++] = pair;
    return SPACC_OK;
}

enum spacc_status cli_states_find(struct cli_states *s, const struct spacc_model *model,
                                  const struct spacc_graph *g, size_t texts,
                                  const char *const *text, struct spacc_error *err)
{
    const size_t inputs = (size_t)g->inputs;

    s->guessed = texts == 0;
    s->pair = calloc(inputs + 1, sizeof(*s->pair));
    s->is_state = calloc(inputs + 1, sizeof(*s->is_state));
    if (!s->pair || !s->is_state)
        return spacc_fail(err, SPACC_ENOMEM, "%s: out of memory", g->file);
    for (size_t i = 0; i < texts; i++) {
        struct spacc_state pair = {0, 0};
        enum spacc_status status = parse(&pair, g, text[i], err);
        if (status == SPACC_OK)
            status = take(s, pair, text[i], g, err);
        if (status != SPACC_OK)
            return status;
    }
    if (s->guessed)
        s->count = spacc_model_guess_states(model, s->pair, inputs);
    for (size_t i = 0; i < s->count; i++)
        s->is_state[s->pair[i].input] = true;
    return SPACC_OK;
}

void cli_states_tell(const struct cli_states *s, const struct spacc_model *model, bool quiet)
{
    for (size_t i = 0; i < s->count; i++)
        cli_log(quiet, "state %s takes %s of the frame before%s",
                spacc_model_input_name(model, s->pair[i].input),
                spacc_model_output_name(model, s->pair[i].output),
                s->guessed ? " (guessed; --state says otherwise)" : "");
}

void cli_states_release(struct cli_states *s)
{
    free(s->pair);
    free(s->is_state);
    *s = (struct cli_states){0};
}
