#include <stdlib.h>
#include <string.h>

#include "models/onnx_parts.h"

/* The letter of each kind in ops.def, and the ONNX number of its type. */
static const struct {
    char letter;
    enum spacc_attr_kind kind;
    int type;
    const char *name;
} kinds[] = {
    {'f', SPACC_ATTR_FLOAT, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT, "float"},
    {'i', SPACC_ATTR_INT, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT, "int"},
    {'s', SPACC_ATTR_STRING, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING, "string"},
    {'t', SPACC_ATTR_TENSOR, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR, "tensor"},
    {'g', SPACC_ATTR_GRAPH, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH, "graph"},
    {'F', SPACC_ATTR_FLOATS, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS, "floats"},
    {'I', SPACC_ATTR_INTS, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS, "ints"},
    {'S', SPACC_ATTR_STRINGS, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS, "strings"},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* Row of `kinds` that ops.def lists for attribute `name`, or -1. */
static int listed_kind(const char *attrs, const char *name)
{
    const size_t length = strlen(name);

    for (const char *at = attrs; *at;) {
        const size_t word = strcspn(at, " ");
        if (word == length + 2 && strncmp(at, name, length) == 0 && at[length] == ':')
            for (int k = 0; k < KINDS; k++)
                if (kinds[k].letter == at[length + 1])
                    return k;
        at += word;
        at += strspn(at, " ");
    }
    return -1;
}

/* Old files leave the type out: it shows in the field that is filled. 0 if none. */
static int given_type(const Onnx__AttributeProto *p)
{
    if (p->has_type && p->type != ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED)
        return (int)p->type;
    return p->has_f       ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT
           : p->has_i     ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT
           : p->has_s     ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING
           : p->t         ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR
           : p->g         ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH
           : p->n_floats  ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS
           : p->n_ints    ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS
           : p->n_strings ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS
                          : ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED;
}

static const char *type_name(int type)
{
    for (int k = 0; k < KINDS; k++)
        if (kinds[k].type == type)
            return kinds[k].name;
    return "another kind";
}

static enum spacc_status copy_text(char **out, const ProtobufCBinaryData *from)
{
    *out = NULL;
    if (from->len > 0 && memchr(from->data, 0, from->len))
        return SPACC_EFORMAT;
    *out = calloc(from->len + 1, 1);
    if (!*out)
        return SPACC_ENOMEM;
    if (from->len > 0)
        memcpy(*out, from->data, from->len);
    return SPACC_OK;
}

/* malloc'ed copy of `count` elements; not NULL for 0 elements. */
static void *copy_list(const void *from, size_t count, size_t bytes)
{
    void *to = calloc(count ? count : 1, bytes);
    if (to && count > 0)
        memcpy(to, from, count * bytes);
    return to;
}

static enum spacc_status copy_strings(struct spacc_attr *a, const Onnx__AttributeProto *p)
{
    a->strings = calloc(p->n_strings + 1, sizeof(*a->strings));
    if (!a->strings)
        return SPACC_ENOMEM;
    a->count = p->n_strings;
    for (size_t i = 0; i < p->n_strings; i++) {
        const enum spacc_status status = copy_text(&a->strings[i], &p->strings[i]);
        if (status != SPACC_OK)
            return status;
    }
    return SPACC_OK;
}

/* The contents of an attribute whose kind is settled. */
static enum spacc_status copy_contents(struct spacc_attr *a, const Onnx__AttributeProto *p,
                                       struct spacc_error *err)
{
    switch (a->kind) {
    case SPACC_ATTR_FLOAT: a->f = p->f; return SPACC_OK;
    case SPACC_ATTR_INT: a->i = p->i; return SPACC_OK;
    case SPACC_ATTR_STRING: return copy_text(&a->s, &p->s);
    case SPACC_ATTR_TENSOR:
        return p->t ? spacc_onnx_tensor_read(&a->tensor, p->t, err) : SPACC_EFORMAT;
    case SPACC_ATTR_GRAPH: return p->g ? SPACC_OK : SPACC_EFORMAT;
    case SPACC_ATTR_FLOATS:
        a->count = p->n_floats;
        a->floats = copy_list(p->floats, p->n_floats, sizeof(*a->floats));
        return a->floats ? SPACC_OK : SPACC_ENOMEM;
    case SPACC_ATTR_INTS:
        a->count = p->n_ints;
        a->ints = copy_list(p->ints, p->n_ints, sizeof(*a->ints));
        return a->ints ? SPACC_OK : SPACC_ENOMEM;
    case SPACC_ATTR_STRINGS: return copy_strings(a, p);
    }
    return SPACC_EFORMAT;
}

static enum spacc_status read_attr(struct spacc_attr *a, const struct spacc_node *node,
                                   const Onnx__AttributeProto *p, struct spacc_error *err)
{
    enum spacc_status status = spacc_onnx_name_copy(&a->name, p->name, err);
    if (status != SPACC_OK)
        return status;
    const int kind = listed_kind(node->op->attrs, a->name);
    if (kind < 0 || (p->ref_attr_name && p->ref_attr_name[0]))
        return spacc_fail(err, SPACC_EUNSUPPORTED, "attribute '%s' is not supported", a->name);
    if (spacc_node_attr(node, a->name) != a)
        return spacc_fail(err, SPACC_EFORMAT, "attribute '%s' is given twice", a->name);
    const int type = given_type(p);
    if (type != ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED && type != kinds[kind].type)
        return spacc_fail(err, SPACC_EFORMAT, "attribute '%s' is a %s, the operator has a %s",
                          a->name, type_name(type), kinds[kind].name);
    a->kind = kinds[kind].kind;
    spacc_fail(err, SPACC_EFORMAT, "damaged");
    status = copy_contents(a, p, err);
    if (status == SPACC_ENOMEM)
        return spacc_fail(err, status, "%s", spacc_status_text(status));
    return status == SPACC_OK ? status : spacc_fail_in(err, status, "attribute '%s'", a->name);
}

enum spacc_status spacc_onnx_attrs_read(struct spacc_node *node, const Onnx__NodeProto *proto,
                                        struct spacc_error *err)
{
    if (proto->n_attribute == 0)
        return SPACC_OK;
    node->attr = calloc(proto->n_attribute, sizeof(*node->attr));
    if (!node->attr)
        return spacc_fail(err, SPACC_ENOMEM, "%s", spacc_status_text(SPACC_ENOMEM));
    for (size_t i = 0; i < proto->n_attribute; i++) {
        node->attrs = i + 1; /* so that spacc_graph_free() sees it */
        const enum spacc_status status =
            read_attr(&node->attr[i], node, proto->attribute[i], err);
        if (status != SPACC_OK)
            return status;
    }
    return SPACC_OK;
}

/* A list or single number as a tensor of rank 1 or 0. */
static enum spacc_status constant_numbers(struct spacc_tensor **out, enum spacc_dtype dtype,
                                          int rank, size_t count, const void *from)
{
    const int64_t dims[1] = {(int64_t)count};
    const enum spacc_status status = spacc_tensor_new(out, dtype, rank, dims);
    if (status == SPACC_OK && count > 0)
        memcpy((*out)->data, from, count * spacc_dtype_bytes(dtype));
    return status;
}

enum spacc_status spacc_onnx_constant_read(struct spacc_tensor **out,
                                           const Onnx__NodeProto *proto,
                                           struct spacc_error *err)
{
    *out = NULL;
    if (proto->n_attribute != 1)
        return spacc_fail(err, SPACC_EFORMAT, "has %zu attributes, a constant has one",
                          proto->n_attribute);
    const Onnx__AttributeProto *p = proto->attribute[0];
    const char *name = p->name ? p->name : "";
    enum spacc_status status;

    if (strcmp(name, "value") == 0 && p->t)
        return spacc_onnx_tensor_read(out, p->t, err);
    if (strcmp(name, "value_float") == 0)
        status = constant_numbers(out, SPACC_F32, 0, 1, &p->f);
    else if (strcmp(name, "value_int") == 0)
        status = constant_numbers(out, SPACC_I64, 0, 1, &p->i);
    else if (strcmp(name, "value_floats") == 0)
        status = constant_numbers(out, SPACC_F32, 1, p->n_floats, p->floats);
    else if (strcmp(name, "value_ints") == 0)
        status = constant_numbers(out, SPACC_I64, 1, p->n_ints, p->ints);
    else {
        char *shown;
        status = spacc_onnx_name_copy(&shown, p->name, err);
        if (status == SPACC_OK)
            status =
                spacc_fail(err, SPACC_EUNSUPPORTED, "attribute '%s' is not supported", shown);
        free(shown);
        return status;
    }
    return status == SPACC_OK ? status
                              : spacc_fail(err, status, "%s", spacc_status_text(status));
}
