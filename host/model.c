/* A model: the graph of an ONNX file, and layers of a packed file. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "host/session_parts.h"
#include "models/clean.h"
#include "models/onnx.h"

const char *spacc_version(void)
{
    return SPACC_VERSION;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

/* `name` in the folder of `file`; a path in the packed file is not followed. */
static char *beside(const char *file, const char *name)
{
    const char *slash = strrchr(file, '/');
    const size_t folder = slash ? (size_t)(slash - file) + 1 : 0;
    char *path = malloc(folder + strlen(name) + 1);

    if (!path)
        return NULL;
    memcpy(path, file, folder);
    memcpy(path + folder, name, strlen(name) + 1);
    return path;
}

static enum spacc_status load_pack(struct spacc_model *m, const char *file, char **onnx,
                                   struct spacc_error *err)
{
    enum spacc_status s = spacc_pack_load(&m->pack, file, err);

    if (s)
        return s;
    if (!m->pack->source || !m->pack->source[0] || strchr(m->pack->source, '/'))
        return spacc_fail(err, SPACC_EFORMAT, "%s: source model '%s' is not a file name", file,
                          m->pack->source ? m->pack->source : "");
    if (!(*onnx = beside(file, m->pack->source)))
        return spacc_fail(err, SPACC_ENOMEM, "%s: no memory", file);
    return SPACC_OK;
}

/* How a file is told from a later one of its name. */
static enum spacc_status stamp_of(struct spacc_stamp *out, const char *file,
                                  struct spacc_error *err)
{
    struct stat info;

    if (stat(file, &info) != 0)
        return spacc_fail(err, SPACC_EIO, "%s: %s", file, strerror(errno));
    *out = (struct spacc_stamp){info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
    return SPACC_OK;
}

enum spacc_status spacc_model_sha256(struct spacc_model *m, struct spacc_error *err)
{
    const char *file = m->graph->file;
    struct spacc_stamp now;
    enum spacc_status s;

    if (m->sha256[0])
        return SPACC_OK;
    if ((s = stamp_of(&now, file, err)))
        return s;
    if (now.size_bytes != m->stamp.size_bytes || now.s != m->stamp.s || now.ns != m->stamp.ns)
        return spacc_fail(err, SPACC_EIO, "%s: the file is another one than was loaded", file);
    return spacc_sha256_file(m->sha256, file, err);
}

static enum spacc_status check_source(struct spacc_model *m, const char *file, const char *onnx,
                                      struct spacc_error *err)
{
    enum spacc_status s;

    if (!m->pack || !m->pack->source_sha256[0])
        return SPACC_OK;
    if ((s = spacc_sha256_file(m->sha256, onnx, err)))
        return s;
    if (strcmp(m->pack->source_sha256, m->sha256) != 0)
        return spacc_fail(err, SPACC_EFORMAT,
                          "%s: packed from a %s with SHA-256 %s, this one has %s", file, onnx,
                          m->pack->source_sha256, m->sha256);
    return SPACC_OK;
}

static enum spacc_status load_model(struct spacc_model *m, const char *file, char **onnx,
                                    struct spacc_error *err)
{
    enum spacc_status s;

    if (ends_with(file, ".safetensors"))
        s = load_pack(m, file, onnx, err);
    else
        s = (*onnx = strdup(file)) ? SPACC_OK
                                   : spacc_fail(err, SPACC_ENOMEM, "%s: no memory", file);
    if (s || (s = stamp_of(&m->stamp, *onnx, err)) || (s = check_source(m, file, *onnx, err)))
        return s;
    if ((s = spacc_onnx_load(&m->graph, *onnx, err)))
        return s;
    if (!(m->file = strdup(file)))
        return spacc_fail(err, SPACC_ENOMEM, "%s: no memory", file);
    if ((s = spacc_graph_clean(m->graph, NULL, err)))
        return s;
    return spacc_graph_order_chains(m->graph, err);
}

enum spacc_status spacc_model_load(struct spacc_model **out, const char *file,
                                   struct spacc_error *err)
{
    struct spacc_model *m = calloc(1, sizeof(*m));
    char *onnx = NULL;
    enum spacc_status s = m ? load_model(m, file, &onnx, err)
                            : spacc_fail(err, SPACC_ENOMEM, "%s: no memory", file);

    free(onnx);
    *out = NULL;
    if (s)
        spacc_model_free(m);
    else
        *out = m;
    return s;
}

void spacc_model_free(struct spacc_model *m)
{
    if (!m)
        return;
    spacc_graph_free(m->graph);
    spacc_pack_free(m->pack);
    free(m->file);
    free(m);
}

const struct spacc_graph *spacc_model_graph(const struct spacc_model *m)
{
    return m->graph;
}

size_t spacc_model_inputs(const struct spacc_model *m)
{
    return (size_t)m->graph->inputs;
}

size_t spacc_model_outputs(const struct spacc_model *m)
{
    return (size_t)m->graph->outputs;
}

const char *spacc_model_input_name(const struct spacc_model *m, size_t i)
{
    const struct spacc_graph *g = m->graph;

    return i < (size_t)g->inputs ? g->value[g->input[i]].name : NULL;
}

const char *spacc_model_output_name(const struct spacc_model *m, size_t i)
{
    const struct spacc_graph *g = m->graph;

    return i < (size_t)g->outputs ? g->value[g->output[i]].name : NULL;
}

char *spacc_model_input_describe(const struct spacc_model *m, size_t i, char *text,
                                 size_t text_bytes)
{
    const struct spacc_graph *g = m->graph;
    const struct spacc_value *v = i < (size_t)g->inputs ? &g->value[g->input[i]] : NULL;
    size_t used;

    if (!v || v->rank < 0) {
        snprintf(text, text_bytes, "%s", v ? spacc_dtype_name((int)v->dtype) : "");
        return text;
    }
    used = (size_t)snprintf(text, text_bytes, "%s[", spacc_dtype_name((int)v->dtype));
    for (int d = 0; d < v->rank && used < text_bytes; d++) {
        const char *comma = d ? "," : "";
        const char *name = v->dim_names[d] ? v->dim_names[d] : "?";
        used += (size_t)(v->dims[d] >= 0
                             ? snprintf(text + used, text_bytes - used, "%s%lld", comma,
                                        (long long)v->dims[d])
                             : snprintf(text + used, text_bytes - used, "%s%s", comma, name));
    }
    if (used < text_bytes)
        snprintf(text + used, text_bytes - used, "]");
    return text;
}

/* ---- states ------------------------------------------------------------------ */

/* Words at the end (or start) of a name that say which side of a step it is. */
static bool drop_end(char *name)
{
    static const char *const ends[] = {"_in", "_out", "_input", "_output", "_h0",   "_hn",
                                       "_c0", "_cn",  "_next",  "_new",    "_prev", "_old",
                                       "_n",  "_0",   "N",      ".in",     ".out"};
    const size_t n = strlen(name);

    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
        const size_t m = strlen(ends[i]);
        if (n > m && strcmp(name + n - m, ends[i]) == 0) {
            name[n - m] = '\0';
            return true;
        }
    }
    return false;
}

/* The name without the side: "vad_gru_hn" -> "vad_gru_h", "stateN" -> "state",
 * "h0_1" -> "h_1". */
static void plain_name(char *to, size_t room, const char *name)
{
    size_t n = 0;

    for (const char *p = name; *p && n + 1 < room; p++) {
        const bool side = p > name && (*p == '0' || *p == 'n') &&
                          (p[-1] == 'h' || p[-1] == 'c') && (p[1] == '_' || p[1] == '\0') &&
                          (p - 1 == name || !isalnum((unsigned char)p[-2]));
        if (!side)
            to[n++] = *p;
    }
    to[n] = '\0';
    while (drop_end(to))
        ;
}

static bool names_agree(const char *in, const char *out)
{
    char a[256], b[256];

    plain_name(a, sizeof(a), in);
    plain_name(b, sizeof(b), out);
    return a[0] && strcmp(a, b) == 0;
}

/* Same type and shape as far as the file says. */
static bool same_declared(const struct spacc_value *a, const struct spacc_value *b)
{
    if (a->dtype != b->dtype || a->rank < 1 || a->rank != b->rank)
        return false;
    for (int d = 0; d < a->rank; d++)
        if (a->dims[d] >= 0 && b->dims[d] >= 0 && a->dims[d] != b->dims[d])
            return false;
    return true;
}

static const struct spacc_value *in_value(const struct spacc_graph *g, int i)
{
    return &g->value[g->input[i]];
}

static const struct spacc_value *out_value(const struct spacc_graph *g, int o)
{
    return &g->value[g->output[o]];
}

/* The single output of the same shape that takes this input as its single one. The first
 * input and output are the data by custom and take no part. */
static int only_fit(const struct spacc_graph *g, int i)
{
    int found = -1;

    for (int o = 1; o < g->outputs; o++)
        if (same_declared(in_value(g, i), out_value(g, o))) {
            if (found >= 0)
                return -1;
            found = o;
        }
    for (int k = 1; k < g->inputs && found >= 0; k++)
        if (k != i && same_declared(in_value(g, k), out_value(g, found)))
            return -1;
    return found;
}

static int guess_output(const struct spacc_graph *g, int i)
{
    for (int o = 0; o < g->outputs; o++)
        if (same_declared(in_value(g, i), out_value(g, o)) &&
            names_agree(in_value(g, i)->name, out_value(g, o)->name))
            return o;
    return i > 0 ? only_fit(g, i) : -1;
}

static bool output_taken(const struct spacc_state *state, size_t states, int output)
{
    for (size_t k = 0; k < states; k++)
        if (state[k].output == (size_t)output)
            return true;
    return false;
}

size_t spacc_model_guess_states(const struct spacc_model *m, struct spacc_state *state,
                                size_t limit)
{
    const struct spacc_graph *g = m->graph;
    size_t states = 0;

    for (int i = 0; i < g->inputs && states < limit; i++) {
        const int o = guess_output(g, i);
        if (o >= 0 && !output_taken(state, states, o))
            state[states++] = (struct spacc_state){(size_t)i, (size_t)o};
    }
    return states;
}
