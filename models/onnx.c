#include "models/onnx.h"

#include <stdlib.h>
#include <string.h>

#include "models/io.h"
#include "models/metadata.h"
#include "models/onnx_parts.h"

enum { IR_FIRST = 3, IR_LAST = 10, OPSET_FIRST = 1, OPSET_LAST = 21 };

static bool is_default_domain(const char *domain)
{
    return !domain || !domain[0] || strcmp(domain, "ai.onnx") == 0;
}

/* Version of the default domain, 0 when the model does not say. */
static int64_t opset_of(const Onnx__ModelProto *m)
{
    for (size_t i = 0; i < m->n_opset_import; i++)
        if (is_default_domain(m->opset_import[i]->domain))
            return m->opset_import[i]->version;
    return 0;
}

/* A model that imports other domains only. */
static enum spacc_status refuse_domain(const Onnx__ModelProto *m, const char *file,
                                       struct spacc_error *err)
{
    char *shown;
    enum spacc_status status = spacc_onnx_name_copy(&shown, m->opset_import[0]->domain, err);
    if (status == SPACC_OK)
        status = spacc_fail(err, SPACC_EUNSUPPORTED, "domain %s is not supported", shown);
    free(shown);
    return spacc_fail_in(err, status, "%s", file);
}

static enum spacc_status check_model(const Onnx__ModelProto *m, const char *file,
                                     struct spacc_error *err)
{
    const int64_t opset = opset_of(m);

    if (!m->graph)
        return spacc_fail(err, SPACC_EFORMAT, "%s: not an ONNX model: it holds no graph", file);
    if (m->ir_version < IR_FIRST || m->ir_version > IR_LAST)
        return spacc_fail(err, SPACC_EUNSUPPORTED,
                          "%s: IR version %lld is not supported, %d to %d are", file,
                          (long long)m->ir_version, IR_FIRST, IR_LAST);
    if (opset == 0 && m->n_opset_import > 0 && !is_default_domain(m->opset_import[0]->domain))
        return refuse_domain(m, file, err);
    if (opset < OPSET_FIRST || opset > OPSET_LAST)
        return spacc_fail(err, SPACC_EUNSUPPORTED,
                          "%s: opset %lld is not supported, %d to %d are", file,
                          (long long)opset, OPSET_FIRST, OPSET_LAST);
    if (m->n_functions > 0)
        return spacc_fail(err, SPACC_EUNSUPPORTED,
                          "%s: functions in a model are not supported: inline them", file);
    if (m->n_training_info > 0)
        return spacc_fail(err, SPACC_EUNSUPPORTED, "%s: training information is not supported",
                          file);
    return SPACC_OK;
}

static char *copy(const char *text)
{
    const size_t bytes = text ? strlen(text) + 1 : 1;
    char *to = calloc(bytes, 1);
    if (to && text)
        memcpy(to, text, bytes);
    return to;
}

static enum spacc_status copy_metadata(struct spacc_graph *g, const Onnx__ModelProto *m)
{
    const size_t count = m->n_metadata_props;

    g->metadata_key = calloc(count + 1, sizeof(*g->metadata_key));
    g->metadata_text = calloc(count + 1, sizeof(*g->metadata_text));
    if (!g->metadata_key || !g->metadata_text)
        return SPACC_ENOMEM;
    g->metadata = count;
    for (size_t i = 0; i < count; i++) {
        g->metadata_key[i] = copy(m->metadata_props[i]->key);
        g->metadata_text[i] = copy(m->metadata_props[i]->value);
        if (!g->metadata_key[i] || !g->metadata_text[i])
            return SPACC_ENOMEM;
    }
    return SPACC_OK;
}

enum spacc_status spacc_onnx_unpack(Onnx__ModelProto **out, const void *bytes,
                                    size_t size_bytes, const char *name,
                                    struct spacc_error *err)
{
    *out = NULL;
    enum spacc_status status =
        spacc_onnx_scan(&onnx__model_proto__descriptor, bytes, size_bytes, name, err);
    if (status != SPACC_OK)
        return status;
    Onnx__ModelProto *m = onnx__model_proto__unpack(NULL, size_bytes, bytes);
    if (!m)
        return spacc_fail(err, SPACC_EFORMAT, "%s: not a sound ONNX file", name);
    status = check_model(m, name, err);
    if (status != SPACC_OK)
        onnx__model_proto__free_unpacked(m, NULL);
    else
        *out = m;
    return status;
}

enum spacc_status spacc_onnx_parse(struct spacc_graph **out, const void *bytes,
                                   size_t size_bytes, const char *name, struct spacc_error *err)
{
    struct spacc_onnx_import im = {.file = name, .err = err};
    struct spacc_graph *g = NULL;
    Onnx__ModelProto *m;

    *out = NULL;
    enum spacc_status status = spacc_onnx_unpack(&m, bytes, size_bytes, name, err);
    if (status != SPACC_OK)
        return status;
    im.opset = (int)opset_of(m);
    im.ir_version = (int)m->ir_version;
    status = spacc_onnx_graph_read(&g, &im, m->graph);
    if (status == SPACC_OK) {
        status = copy_metadata(g, m);
        if (status != SPACC_OK)
            spacc_fail(err, status, "%s: %s", name, spacc_status_text(status));
        else
            status = spacc_metadata_check(g, err);
    }
    if (status == SPACC_OK) {
        *out = g;
        g = NULL;
    }
    spacc_graph_free(g);
    onnx__model_proto__free_unpacked(m, NULL);
    return status;
}

enum spacc_status spacc_onnx_load(struct spacc_graph **out, const char *file,
                                  struct spacc_error *err)
{
    void *bytes = NULL;
    size_t size_bytes = 0;

    *out = NULL;
    enum spacc_status status =
        spacc_file_read(&bytes, &size_bytes, file, SPACC_ONNX_BYTES_MAX, err);
    if (status != SPACC_OK)
        return status;
    status = spacc_onnx_parse(out, bytes, size_bytes, file, err);
    free(bytes);
    return status;
}
