#include "tests/bench/ort.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

/* Places in OrtApi (onnxruntime_c_api.h), which only ever grows at its end. */
enum {
    GET_ERROR_MESSAGE = 2,
    CREATE_ENV = 3,
    CREATE_SESSION = 7,
    RUN = 9,
    CREATE_SESSION_OPTIONS = 10,
    SET_GRAPH_OPTIMIZATION_LEVEL = 23,
    SET_INTRA_OP_THREADS = 24,
    CREATE_TENSOR_WITH_DATA = 49,
    CREATE_CPU_MEMORY_INFO = 69,
    ADD_SESSION_CONFIG_ENTRY = 130,
    API_VERSION = 12,
    LOG_ERRORS = 3,
    ALL_OPTIMISATIONS = 99,
    TENSORS_MAX = 32
};

struct api_base {
    const void *const *(*get_api)(uint32_t version);
    const char *(*get_version)(void);
};

struct ort_session {
    void *session;
    size_t inputs, outputs;
    const char *input_name[TENSORS_MAX], *output_name[TENSORS_MAX];
    const void *input[TENSORS_MAX];
    void *output[TENSORS_MAX];
};

static const void *const *api;
static const char *version = "";
static void *environment, *cpu_memory;

/* An entry as a function of type `type`. */
#define ENTRY(type, index) ((type)(uintptr_t)api[index])

static bool ok(void *status)
{
    typedef const char *(*message_fn)(const void *);

    if (status)
        fprintf(stderr, "onnxruntime: %s\n", ENTRY(message_fn, GET_ERROR_MESSAGE)(status));
    return !status;
}

bool ort_open(const char *library)
{
    typedef const struct api_base *(*base_fn)(void);
    typedef void *(*env_fn)(int, const char *, void **);
    typedef void *(*memory_fn)(int, int, void **);
    void *handle = dlopen(library, RTLD_NOW);
    void *symbol = handle ? dlsym(handle, "OrtGetApiBase") : NULL;

    if (!symbol) {
        fprintf(stderr, "%s\n", dlerror());
        return false;
    }
    const struct api_base *base = ((base_fn)(uintptr_t)symbol)();
    version = base->get_version();
    api = base->get_api(API_VERSION);
    return api && ok(ENTRY(env_fn, CREATE_ENV)(LOG_ERRORS, "bench", &environment)) &&
           ok(ENTRY(memory_fn, CREATE_CPU_MEMORY_INFO)(1, 0, &cpu_memory));
}

const char *ort_version(void)
{
    return version;
}

static bool bind(const struct spacc_tensor *t, void **value)
{
    typedef void *(*tensor_fn)(const void *, void *, size_t, const int64_t *, size_t, int,
                               void **);

    return ok(ENTRY(tensor_fn, CREATE_TENSOR_WITH_DATA)(
        cpu_memory, t->data, t->count * spacc_dtype_bytes(t->dtype), t->dims, (size_t)t->rank,
        (int)t->dtype, value));
}

static bool make_session(const char *model, int threads, void **session)
{
    typedef void *(*options_fn)(void **);
    typedef void *(*int_fn)(void *, int);
    typedef void *(*entry_fn)(void *, const char *, const char *);
    typedef void *(*session_fn)(void *, const char *, void *, void **);
    void *options;

    return ok(ENTRY(options_fn, CREATE_SESSION_OPTIONS)(&options)) &&
           ok(ENTRY(int_fn, SET_INTRA_OP_THREADS)(options, threads)) &&
           ok(ENTRY(int_fn, SET_GRAPH_OPTIMIZATION_LEVEL)(options, ALL_OPTIMISATIONS)) &&
           ok(ENTRY(entry_fn, ADD_SESSION_CONFIG_ENTRY)(options, "session.force_spinning_stop",
                                                        "1")) &&
           ok(ENTRY(session_fn, CREATE_SESSION)(environment, model, options, session));
}

struct ort_session *ort_new(const char *model, int threads, const struct spacc_graph *g,
                            struct spacc_tensor *const *input,
                            struct spacc_tensor *const *output)
{
    struct ort_session *s = calloc(1, sizeof(*s));
    bool fine = s && make_session(model, threads, &s->session);

    for (int i = 0; i < g->inputs && fine; i++) {
        void *value = NULL;
        fine = bind(input[i], &value);
        s->input[s->inputs] = value;
        s->input_name[s->inputs++] = g->value[g->input[i]].name;
    }
    for (int o = 0; o < g->outputs && fine; o++) {
        fine = bind(output[o], &s->output[s->outputs]);
        s->output_name[s->outputs++] = g->value[g->output[o]].name;
    }
    if (!fine) {
        free(s);
        return NULL;
    }
    return s;
}

bool ort_run(struct ort_session *s)
{
    typedef void *(*run_fn)(void *, const void *, const char *const *, const void *const *,
                            size_t, const char *const *, size_t, void **);

    return ok(ENTRY(run_fn, RUN)(s->session, NULL, s->input_name, s->input, s->inputs,
                                 s->output_name, s->outputs, s->output));
}
