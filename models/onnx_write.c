#include <stdlib.h>
#include <string.h>

#include "models/io.h"
#include "models/onnx.h"
#include "models/onnx_parts.h"

/* Where the contents of a value are kept in the file: one of the two. */
struct place {
    Onnx__TensorProto *tensor;
    Onnx__AttributeProto *attr; /* value_float(s) of a Constant */
    int found;                  /* how many places carry the name */
};

static bool same(const char *a, const char *b)
{
    return a && strcmp(a, b) == 0;
}

static void look_in_constant(struct place *at, const Onnx__NodeProto *n)
{
    Onnx__AttributeProto *a = n->n_attribute == 1 ? n->attribute[0] : NULL;

    if (!a)
        return;
    at->found++;
    at->tensor = same(a->name, "value") ? a->t : NULL;
    at->attr = at->tensor ? NULL : a;
}

/* Look for value `name` in this graph only. */
static void look_here(struct place *at, const Onnx__GraphProto *g, const char *name)
{
    for (size_t i = 0; i < g->n_initializer; i++) {
        if (same(g->initializer[i]->name, name)) {
            *at = (struct place){.tensor = g->initializer[i], .found = at->found + 1};
        }
    }
    for (size_t i = 0; i < g->n_node; i++) {
        const Onnx__NodeProto *n = g->node[i];
        if (same(n->op_type, "Constant") && n->n_output == 1 && same(n->output[0], name))
            look_in_constant(at, n);
    }
}

/* Look in the branches below `g`; the nesting was bounded by the scan. */
static void look_below(struct place *at, const Onnx__GraphProto *g, const char *name)
{
    for (size_t i = 0; i < g->n_node; i++) {
        const Onnx__NodeProto *n = g->node[i];
        for (size_t a = 0; a < n->n_attribute; a++) {
            if (!n->attribute[a]->g)
                continue;
            look_here(at, n->attribute[a]->g, name);
            look_below(at, n->attribute[a]->g, name);
        }
    }
}

static enum spacc_status put_in_attr(Onnx__AttributeProto *a, const struct spacc_tensor *t)
{
    if (t->count == 0)
        return SPACC_OK;
    if (same(a->name, "value_float")) {
        a->has_f = 1;
        memcpy(&a->f, t->data, sizeof(a->f));
    } else {
        memcpy(a->floats, t->data, t->count * sizeof(*a->floats));
    }
    return SPACC_OK;
}

/* The contents as they are now: their shape must be the new one's. */
static enum spacc_status read_place(struct spacc_tensor **out, const struct place *at,
                                    struct spacc_error *err)
{
    if (at->tensor)
        return spacc_onnx_tensor_read(out, at->tensor, err);
    Onnx__AttributeProto *attrs[1] = {at->attr};
    Onnx__NodeProto node = ONNX__NODE_PROTO__INIT;
    node.n_attribute = 1;
    node.attribute = attrs;
    return spacc_onnx_constant_read(out, &node, err);
}

static enum spacc_status change(Onnx__ModelProto *m, const char *name,
                                const struct spacc_tensor *contents, struct spacc_error *err)
{
    struct place at = {0};
    struct spacc_tensor *now = NULL;
    char has[128], wants[128];

    look_here(&at, m->graph, name);
    if (at.found == 0)
        look_below(&at, m->graph, name);
    if (at.found != 1)
        return spacc_fail(err, SPACC_EFORMAT,
                          at.found ? "constant '%s' exists more than once"
                                   : "there is no constant '%s' to change",
                          name);
    enum spacc_status status = read_place(&now, &at, err);
    if (status != SPACC_OK)
        return spacc_fail_in(err, status, "tensor %s", name);
    if (contents->dtype != SPACC_F32 || !spacc_tensor_same_shape(now, contents))
        status = spacc_fail(err, SPACC_ESHAPE, "tensor %s is %s in the file, the new one is %s",
                            name, spacc_tensor_describe(now, has, sizeof(has)),
                            spacc_tensor_describe(contents, wants, sizeof(wants)));
    else
        status = at.tensor ? spacc_onnx_tensor_put(at.tensor, contents)
                           : put_in_attr(at.attr, contents);
    if (status == SPACC_ENOMEM)
        spacc_fail(err, status, "%s", spacc_status_text(status));
    spacc_tensor_free(now);
    return status;
}

static char *copy(const char *text)
{
    const size_t bytes = strlen(text) + 1;
    char *to = malloc(bytes);
    if (to)
        memcpy(to, text, bytes);
    return to;
}

static enum spacc_status add_metadata(Onnx__ModelProto *m, const char *key, const char *text)
{
    Onnx__StringStringEntryProto **list =
        realloc(m->metadata_props, (m->n_metadata_props + 1) * sizeof(*list));
    if (!list)
        return SPACC_ENOMEM;
    m->metadata_props = list;
    Onnx__StringStringEntryProto *entry = malloc(sizeof(*entry));
    if (!entry)
        return SPACC_ENOMEM;
    onnx__string_string_entry_proto__init(entry);
    list[m->n_metadata_props++] = entry; /* freed with the model from here on */
    entry->key = copy(key);
    entry->value = copy(text);
    return entry->key && entry->value ? SPACC_OK : SPACC_ENOMEM;
}

static enum spacc_status set_metadata(Onnx__ModelProto *m, const char *key, const char *text)
{
    for (size_t i = 0; i < m->n_metadata_props; i++) {
        Onnx__StringStringEntryProto *entry = m->metadata_props[i];
        if (!same(entry->key, key))
            continue;
        char *value = copy(text);
        if (!value)
            return SPACC_ENOMEM;
        free(entry->value);
        entry->value = value;
        return SPACC_OK;
    }
    return add_metadata(m, key, text);
}

static enum spacc_status write_model(const Onnx__ModelProto *m, const char *to,
                                     struct spacc_error *err)
{
    const size_t size_bytes = onnx__model_proto__get_packed_size(m);
    if (size_bytes > SPACC_ONNX_BYTES_MAX)
        return spacc_fail(err, SPACC_EFORMAT, "%s: %zu bytes, an ONNX file has at most %zu", to,
                          size_bytes, SPACC_ONNX_BYTES_MAX);
    uint8_t *bytes = malloc(size_bytes ? size_bytes : 1);
    if (!bytes)
        return spacc_fail(err, SPACC_ENOMEM, "%s: %s", to, spacc_status_text(SPACC_ENOMEM));
    onnx__model_proto__pack(m, bytes);
    const enum spacc_status status = spacc_file_write(to, bytes, size_bytes, err);
    free(bytes);
    return status;
}

enum spacc_status spacc_onnx_rewrite(const char *from, const char *to, size_t changes,
                                     const char *const *names,
                                     const struct spacc_tensor *const *contents,
                                     size_t metadata, const char *const *keys,
                                     const char *const *texts, struct spacc_error *err)
{
    Onnx__ModelProto *m = NULL;
    void *bytes = NULL;
    size_t size_bytes = 0;

    enum spacc_status status =
        spacc_file_read(&bytes, &size_bytes, from, SPACC_ONNX_BYTES_MAX, err);
    if (status != SPACC_OK)
        return status;
    status = spacc_onnx_unpack(&m, bytes, size_bytes, from, err);
    free(bytes);
    if (status != SPACC_OK)
        return status;

    for (size_t i = 0; i < changes && status == SPACC_OK; i++)
        if ((status = change(m, names[i], contents[i], err)) != SPACC_OK)
            spacc_fail_in(err, status, "%s", from);
    for (size_t i = 0; i < metadata && status == SPACC_OK; i++)
        if ((status = set_metadata(m, keys[i], texts[i])) != SPACC_OK)
            spacc_fail(err, status, "%s: %s", from, spacc_status_text(status));
    if (status == SPACC_OK)
        status = write_model(m, to, err);
    onnx__model_proto__free_unpacked(m, NULL);
    return status;
}

enum spacc_status spacc_onnx_tensor_save(const struct spacc_tensor *t, const char *name,
                                         const char *file, struct spacc_error *err)
{
    Onnx__TensorProto proto = ONNX__TENSOR_PROTO__INIT;
    char *own_name = copy(name);
    uint8_t *bytes = NULL;
    enum spacc_status status = SPACC_ENOMEM;

    proto.name = own_name;
    proto.n_dims = (size_t)t->rank;
    proto.dims = (int64_t *)(uintptr_t)t->dims; /* packing only reads them */
    proto.has_data_type = 1;
    proto.data_type = (int32_t)t->dtype;
    proto.has_raw_data = 1;
    proto.raw_data.data = t->data;
    proto.raw_data.len = t->count * spacc_dtype_bytes(t->dtype);

    const size_t size_bytes = onnx__tensor_proto__get_packed_size(&proto);
    if (own_name && size_bytes <= SPACC_ONNX_BYTES_MAX)
        bytes = malloc(size_bytes);
    if (bytes) {
        onnx__tensor_proto__pack(&proto, bytes);
        status = spacc_file_write(file, bytes, size_bytes, err);
    } else {
        spacc_fail(err, status, "%s: %s", file, spacc_status_text(status));
    }
    free(own_name);
    free(bytes);
    return status;
}
