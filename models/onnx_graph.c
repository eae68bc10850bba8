#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/onnx_parts.h"

/* One graph in the making. `slot` is a hash table of value numbers by name. */
struct builder {
    struct spacc_onnx_import *im;
    const Onnx__GraphProto *proto;
    struct builder *parent;
    bool is_branch; /* of If: it takes no inputs */
    struct spacc_graph *g;
    int room;     /* values allocated */
    int *slot;    /* value number + 1; 0 is empty */
    size_t slots; /* a power of two */
};

static enum spacc_status build(struct spacc_graph **out, struct spacc_onnx_import *im,
                               const Onnx__GraphProto *proto, struct builder *parent,
                               bool is_branch);

static enum spacc_status no_memory(const struct builder *b)
{
    return spacc_fail(b->im->err, SPACC_ENOMEM, "%s: %s", b->im->file,
                      spacc_status_text(SPACC_ENOMEM));
}

enum spacc_status spacc_onnx_name_copy(char **out, const char *name, struct spacc_error *err)
{
    *out = NULL;
    if (!name || !name[0])
        return spacc_fail(err, SPACC_EFORMAT, "a name is missing");
    for (const char *at = name; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return spacc_fail(err, SPACC_EFORMAT, "a name holds a control character");
    const size_t bytes = strlen(name) + 1;
    *out = malloc(bytes);
    if (!*out)
        return spacc_fail(err, SPACC_ENOMEM, "%s", spacc_status_text(SPACC_ENOMEM));
    memcpy(*out, name, bytes);
    return SPACC_OK;
}

/* Put "FILE: " and what else the caller knows in front of a message. */
static enum spacc_status in_file(const struct builder *b, enum spacc_status status)
{
    return spacc_fail_in(b->im->err, status, "%s", b->im->file);
}

static enum spacc_status in_node(const struct builder *b, const struct spacc_node *n,
                                 enum spacc_status status)
{
    return spacc_fail_in(b->im->err, status, "%s: node %s (%s)", b->im->file, n->name,
                         n->op->name);
}

/* ---- values by name ---- */

static size_t hash(const char *name)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a, 64 bits */
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 1099511628211u;
    return (size_t)(h ^ (h >> 32));
}

/* Where `name` is or would be. */
static int *slot_of(const struct builder *b, const char *name)
{
    size_t at = hash(name) & (b->slots - 1);
    while (b->slot[at] && strcmp(b->g->value[b->slot[at] - 1].name, name) != 0)
        at = (at + 1) & (b->slots - 1);
    return &b->slot[at];
}

static int find(const struct builder *b, const char *name)
{
    return b->slots ? *slot_of(b, name) - 1 : -1;
}

/* Room for one more value, the table at most half full. */
static enum spacc_status grow(struct builder *b)
{
    if (b->g->values < b->room)
        return SPACC_OK;
    if (b->room > INT_MAX / 4)
        return spacc_fail(b->im->err, SPACC_EFORMAT, "too many values");
    const int room = b->room ? 2 * b->room : 64;
    struct spacc_value *value = realloc(b->g->value, (size_t)room * sizeof(*value));
    if (!value)
        return spacc_fail(b->im->err, SPACC_ENOMEM, "%s", spacc_status_text(SPACC_ENOMEM));
    b->g->value = value;
    int *slot = calloc((size_t)room * 2, sizeof(*slot));
    if (!slot)
        return spacc_fail(b->im->err, SPACC_ENOMEM, "%s", spacc_status_text(SPACC_ENOMEM));
    free(b->slot);
    b->slot = slot;
    b->slots = (size_t)room * 2;
    b->room = room;
    for (int v = 0; v < b->g->values; v++)
        *slot_of(b, b->g->value[v].name) = v + 1;
    return SPACC_OK;
}

/* A new value; its name must be new in this graph. Message without the file. */
static enum spacc_status add_value(struct builder *b, const char *name, int *number)
{
    struct spacc_value v = {.outer = -1, .producer = -1, .rank = -1};
    enum spacc_status status;

    *number = -1;
    if ((status = grow(b)) != SPACC_OK ||
        (status = spacc_onnx_name_copy(&v.name, name, b->im->err)) != SPACC_OK)
        return status;
    int *slot = slot_of(b, v.name);
    if (*slot) {
        status = spacc_fail(b->im->err, SPACC_EFORMAT, "value '%s' is defined twice", v.name);
        free(v.name);
        return status;
    }
    *number = b->g->values;
    b->g->value[b->g->values++] = v;
    *slot = b->g->values;
    return SPACC_OK;
}

/* A name as seen from this graph; what an outer graph defines gets a value here
 * that points outwards. *number is -1 when nobody defines it. */
static enum spacc_status resolve(struct builder *b, const char *name, int *number)
{
    *number = find(b, name);
    if (*number >= 0 || !b->parent)
        return SPACC_OK;
    int outer;
    enum spacc_status status = resolve(b->parent, name, &outer);
    if (status != SPACC_OK || outer < 0)
        return status;
    status = add_value(b, name, number);
    if (status != SPACC_OK)
        return status;
    const struct spacc_value *from = &b->parent->g->value[outer];
    struct spacc_value *v = &b->g->value[*number];
    v->outer = outer;
    v->dtype = from->dtype;
    v->rank = from->rank;
    for (int d = 0; d < from->rank; d++)
        v->dims[d] = from->dims[d];
    return SPACC_OK;
}

/* Constant contents say more about a value than any declaration. */
static void set_init(struct spacc_value *v, struct spacc_tensor *init)
{
    v->init = init;
    v->dtype = init->dtype;
    v->rank = init->rank;
    for (int d = 0; d < init->rank; d++)
        v->dims[d] = init->dims[d];
}

/* ---- declared types ---- */

static const char *other_type(const Onnx__TypeProto *type)
{
    switch (type->value_case) {
    case ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE: return "sequence";
    case ONNX__TYPE_PROTO__VALUE_MAP_TYPE: return "map";
    case ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE: return "optional";
    case ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE: return "sparse tensor";
    default: return "without a type";
    }
}

static enum spacc_status declare_dim(struct builder *b, struct spacc_value *v, int d,
                                     const Onnx__TensorShapeProto__Dimension *dim)
{
    v->dims[d] = -1;
    if (dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE &&
        dim->dim_value >= 0)
        v->dims[d] = dim->dim_value;
    if (dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM &&
        dim->dim_param && dim->dim_param[0])
        return spacc_onnx_name_copy(&v->dim_names[d], dim->dim_param, b->im->err);
    return SPACC_OK;
}

/* Take over a declared type and shape. `must` is "input" or "output" for what a
 * caller sees, where an unknown type is an error; NULL for a hint inside. */
static enum spacc_status declare(struct builder *b, int number,
                                 const Onnx__ValueInfoProto *info, const char *must)
{
    struct spacc_value *v = &b->g->value[number];
    const Onnx__TypeProto *type = info->type;

    if (!type || v->init || v->rank >= 0)
        return SPACC_OK;
    if (type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE || !type->tensor_type) {
        if (!must || type->value_case == ONNX__TYPE_PROTO__VALUE__NOT_SET)
            return SPACC_OK;
        return spacc_fail(b->im->err, SPACC_EUNSUPPORTED, "%s '%s' is a %s: not supported",
                          must, v->name, other_type(type));
    }
    const Onnx__TypeProto__Tensor *tensor = type->tensor_type;
    if (spacc_dtype_bytes((enum spacc_dtype)tensor->elem_type) == 0) {
        if (!must || tensor->elem_type == 0)
            return SPACC_OK;
        return spacc_fail(b->im->err, SPACC_EUNSUPPORTED, "%s '%s': type %s is not supported",
                          must, v->name, spacc_dtype_name(tensor->elem_type));
    }
    if (tensor->shape && tensor->shape->n_dim > SPACC_RANK_MAX) {
        if (!must)
            return SPACC_OK;
        return spacc_fail(b->im->err, SPACC_EUNSUPPORTED,
                          "%s '%s' has rank %zu, at most %d is supported", must, v->name,
                          tensor->shape->n_dim, SPACC_RANK_MAX);
    }
    v->dtype = (enum spacc_dtype)tensor->elem_type;
    if (!tensor->shape)
        return SPACC_OK;
    v->rank = (int)tensor->shape->n_dim;
    for (int d = 0; d < v->rank; d++) {
        const enum spacc_status status = declare_dim(b, v, d, tensor->shape->dim[d]);
        if (status != SPACC_OK)
            return status;
    }
    return SPACC_OK;
}

/* ---- the steps, in order ---- */

static enum spacc_status read_initialisers(struct builder *b)
{
    if (b->proto->n_sparse_initializer > 0)
        return spacc_fail(b->im->err, SPACC_EUNSUPPORTED,
                          "a sparse initialiser is not supported");
    for (size_t i = 0; i < b->proto->n_initializer; i++) {
        Onnx__TensorProto *p = b->proto->initializer[i];
        struct spacc_tensor *t;
        int v;
        enum spacc_status status = add_value(b, p->name, &v);
        if (status != SPACC_OK)
            return status;
        status = spacc_onnx_tensor_take(&t, p, b->im->err);
        if (status != SPACC_OK)
            return spacc_fail_in(b->im->err, status, "tensor %s", b->g->value[v].name);
        set_init(&b->g->value[v], t);
    }
    return SPACC_OK;
}

static enum spacc_status read_inputs(struct builder *b)
{
    b->g->input = calloc(b->proto->n_input + 1, sizeof(*b->g->input));
    if (!b->g->input)
        return spacc_fail(b->im->err, SPACC_ENOMEM, "%s", spacc_status_text(SPACC_ENOMEM));
    for (size_t i = 0; i < b->proto->n_input; i++) {
        const Onnx__ValueInfoProto *info = b->proto->input[i];
        int v = info->name ? find(b, info->name) : -1;
        enum spacc_status status;

        if (v >= 0 && b->g->value[v].init) /* IR 3 lists initialisers as inputs too */
            continue;
        if ((status = add_value(b, info->name, &v)) != SPACC_OK ||
            (status = declare(b, v, info, "input")) != SPACC_OK)
            return status;
        b->g->input[b->g->inputs++] = v;
    }
    if (b->is_branch && b->g->inputs > 0)
        return spacc_fail(b->im->err, SPACC_EFORMAT, "a branch of If takes input '%s'",
                          b->g->value[b->g->input[0]].name);
    return SPACC_OK;
}

/* The operator of a domain of its own is listed as "domain.Type". */
static enum spacc_status find_foreign_op(struct builder *b, struct spacc_node *n,
                                         const char *type, const char *domain)
{
    const size_t bytes = strlen(domain) + strlen(type) + 2;
    char *shown, *full = malloc(bytes);
    enum spacc_status status = SPACC_OK;

    if (!full)
        return spacc_fail(b->im->err, SPACC_ENOMEM, "%s", spacc_status_text(SPACC_ENOMEM));
    snprintf(full, bytes, "%s.%s", domain, type);
    n->op = spacc_op_find(full);
    free(full);
    if (n->op)
        return SPACC_OK;
    status = spacc_onnx_name_copy(&shown, domain, b->im->err);
    if (status == SPACC_OK)
        status = spacc_fail(b->im->err, SPACC_EUNSUPPORTED,
                            "node %s: operator %s of domain %s is not supported", n->name, type,
                            shown);
    free(shown);
    return status;
}

/* Operator, domain and opset of one node; n->name is set. */
static enum spacc_status find_op(struct builder *b, struct spacc_node *n, const char *type,
                                 const char *domain)
{
    const struct spacc_onnx_import *im = b->im;

    if (domain && domain[0] && strcmp(domain, "ai.onnx") != 0) {
        const enum spacc_status status = find_foreign_op(b, n, type, domain);
        if (status != SPACC_OK)
            return status;
    } else {
        n->op = strchr(type, '.') ? NULL : spacc_op_find(type);
    }
    if (!n->op)
        return spacc_fail(im->err, SPACC_EUNSUPPORTED,
                          "node %s: operator %s is not supported (spacc ops lists what is)",
                          n->name, type);
    if (im->opset < n->op->opset_first || im->opset > n->op->opset_last)
        return spacc_fail(
            im->err, SPACC_EUNSUPPORTED,
            "node %s: operator %s is supported in opset %d to %d, the model has %d", n->name,
            type, n->op->opset_first, n->op->opset_last, im->opset);
    return SPACC_OK;
}

static enum spacc_status name_node(struct builder *b, struct spacc_node *n,
                                   const Onnx__NodeProto *p, size_t number)
{
    if (p->name && p->name[0])
        return spacc_onnx_name_copy(&n->name, p->name, b->im->err);
    const size_t bytes = strlen(p->op_type) + 24;
    n->name = malloc(bytes);
    if (!n->name)
        return spacc_fail(b->im->err, SPACC_ENOMEM, "%s", spacc_status_text(SPACC_ENOMEM));
    snprintf(n->name, bytes, "%s_%zu", p->op_type, number);
    return SPACC_OK;
}

static enum spacc_status check_counts(struct builder *b, const struct spacc_node *n,
                                      const Onnx__NodeProto *p)
{
    const struct spacc_op *op = n->op;
    const struct {
        const char *what;
        size_t count;
        int least, most;
    } sides[] = {
        {"inputs", p->n_input, op->ins_min, op->ins_max},
        {"outputs", p->n_output, op->outs_min, op->outs_max},
    };
    for (int s = 0; s < 2; s++) {
        if (sides[s].count > INT_MAX / 4 ||
            (sides[s].most >= 0 && sides[s].count > (size_t)sides[s].most))
            return spacc_fail(b->im->err, SPACC_EFORMAT, "has %zu %s, at most %d are possible",
                              sides[s].count, sides[s].what, sides[s].most);
        if (sides[s].least >= 0 && sides[s].count < (size_t)sides[s].least)
            return spacc_fail(b->im->err, SPACC_EFORMAT, "has %zu %s, at least %d are needed",
                              sides[s].count, sides[s].what, sides[s].least);
    }
    return SPACC_OK;
}

/* The values a node makes: known before any input is looked up, so that the order
 * of nodes in the file does not matter. */
static enum spacc_status read_outputs_of(struct builder *b, struct spacc_node *n, int number,
                                         const Onnx__NodeProto *p)
{
    n->output = calloc(p->n_output + 1, sizeof(*n->output));
    if (!n->output)
        return spacc_fail(b->im->err, SPACC_ENOMEM, "%s", spacc_status_text(SPACC_ENOMEM));
    for (size_t i = 0; i < p->n_output; i++) {
        int v = -1;
        if (p->output[i][0]) {
            const enum spacc_status status = add_value(b, p->output[i], &v);
            if (status != SPACC_OK)
                return status;
            b->g->value[v].producer = number;
        }
        n->output[n->outputs++] = v;
    }
    return SPACC_OK;
}

/* A Constant node becomes an initialised value; its node is dropped. */
static enum spacc_status read_constant(struct builder *b, const struct spacc_node *n,
                                       const Onnx__NodeProto *p)
{
    struct spacc_tensor *t;
    enum spacc_status status = spacc_onnx_constant_read(&t, p, b->im->err);

    if (status != SPACC_OK)
        return status;
    if (n->output[0] < 0) {
        spacc_tensor_free(t);
        return SPACC_OK;
    }
    struct spacc_value *v = &b->g->value[n->output[0]];
    v->producer = -1;
    set_init(v, t);
    return SPACC_OK;
}

/* A node with its outputs, in b->g->node[b->g->nodes]. *keep says whether the
 * node stays (a Constant does not). Messages are complete but for the file. */
static enum spacc_status read_node_head(struct builder *b, size_t i, bool *keep)
{
    const Onnx__NodeProto *p = b->proto->node[i];
    struct spacc_node *n = &b->g->node[b->g->nodes];
    enum spacc_status status;
    char *type = NULL;

    *keep = true;
    status = spacc_onnx_name_copy(&type, p->op_type, b->im->err);
    free(type);
    if (status != SPACC_OK)
        return spacc_fail_in(b->im->err, status, "node %zu: operator", i);
    if ((status = name_node(b, n, p, i)) != SPACC_OK)
        return spacc_fail_in(b->im->err, status, "node %zu", i);
    if ((status = find_op(b, n, p->op_type, p->domain)) != SPACC_OK)
        return status;
    if ((status = check_counts(b, n, p)) == SPACC_OK)
        status = read_outputs_of(b, n, b->g->nodes, p);
    if (status == SPACC_OK && strcmp(n->op->name, "Constant") == 0) {
        *keep = false;
        status = read_constant(b, n, p);
    }
    if (status != SPACC_OK)
        return spacc_fail_in(b->im->err, status, "node %s (%s)", n->name, n->op->name);
    return SPACC_OK;
}

static void drop_node(struct spacc_node *n)
{
    free(n->name);
    free(n->output);
    *n = (struct spacc_node){0};
}

/* `source[n]` becomes the file's number of node n. */
static enum spacc_status read_node_heads(struct builder *b, size_t *source)
{
    for (size_t i = 0; i < b->proto->n_node; i++) {
        bool keep;
        const enum spacc_status status = read_node_head(b, i, &keep);
        if (status == SPACC_OK && keep) {
            source[b->g->nodes++] = i;
            continue;
        }
        if (status != SPACC_OK) {
            drop_node(&b->g->node[b->g->nodes]);
            return status;
        }
        drop_node(&b->g->node[b->g->nodes]);
    }
    return SPACC_OK;
}

/* Loop and Scan have any number of inputs, with optional ones in front. */
static bool takes_gaps(const struct spacc_op *op)
{
    return op->ins_max < 0 && strstr(op->attrs, "body:g");
}

static enum spacc_status read_node_inputs(struct builder *b, struct spacc_node *n,
                                          const Onnx__NodeProto *p)
{
    n->input = calloc(p->n_input + 1, sizeof(*n->input));
    if (!n->input)
        return spacc_fail(b->im->err, SPACC_ENOMEM, "%s", spacc_status_text(SPACC_ENOMEM));
    for (size_t i = 0; i < p->n_input; i++) {
        int v = -1;
        if (p->input[i][0]) {
            char *name; /* checked before it may appear in a message */
            enum spacc_status status = spacc_onnx_name_copy(&name, p->input[i], b->im->err);
            if (status != SPACC_OK)
                return status;
            status = resolve(b, name, &v);
            if (status == SPACC_OK && v < 0)
                status =
                    spacc_fail(b->im->err, SPACC_EFORMAT,
                               "input '%s' is made by no node, initialiser or input", name);
            free(name);
            if (status != SPACC_OK)
                return status;
        } else if (!takes_gaps(n->op) && ((int)i < n->op->ins_min || n->op->ins_max < 0)) {
            return spacc_fail(b->im->err, SPACC_EFORMAT, "input %zu is missing", i);
        }
        n->input[n->inputs++] = v;
    }
    return SPACC_OK;
}

/* The graphs among a node's attributes. Complete messages, file included. */
static enum spacc_status read_branches(struct builder *b, struct spacc_node *n,
                                       const Onnx__NodeProto *p)
{
    const bool is_if = strcmp(n->op->name, "If") == 0;

    for (size_t i = 0; i < n->attrs; i++) {
        if (n->attr[i].kind != SPACC_ATTR_GRAPH)
            continue;
        const enum spacc_status status =
            build(&n->attr[i].graph, b->im, p->attribute[i]->g, b, is_if);
        if (status != SPACC_OK)
            return status;
    }
    return SPACC_OK;
}

static enum spacc_status read_node_body(struct builder *b, struct spacc_node *n,
                                        const Onnx__NodeProto *p)
{
    enum spacc_status status = read_node_inputs(b, n, p);
    if (status == SPACC_OK)
        status = spacc_onnx_attrs_read(n, p, b->im->err);
    if (status != SPACC_OK)
        return in_node(b, n, status);
    return read_branches(b, n, p);
}

static enum spacc_status read_outputs(struct builder *b)
{
    b->g->output = calloc(b->proto->n_output + 1, sizeof(*b->g->output));
    if (!b->g->output)
        return spacc_fail(b->im->err, SPACC_ENOMEM, "%s", spacc_status_text(SPACC_ENOMEM));
    for (size_t i = 0; i < b->proto->n_output; i++) {
        const Onnx__ValueInfoProto *info = b->proto->output[i];
        char *name;
        int v = -1;
        enum spacc_status status = spacc_onnx_name_copy(&name, info->name, b->im->err);
        if (status != SPACC_OK)
            return status;
        status = resolve(b, name, &v);
        if (status == SPACC_OK && v < 0)
            status =
                spacc_fail(b->im->err, SPACC_EFORMAT, "output '%s' is made by no node", name);
        free(name);
        if (status != SPACC_OK || (status = declare(b, v, info, "output")) != SPACC_OK)
            return status;
        b->g->output[b->g->outputs++] = v;
    }
    if (b->g->outputs == 0)
        return spacc_fail(b->im->err, SPACC_EFORMAT, "a graph has no outputs");
    return SPACC_OK;
}

static enum spacc_status read_hints(struct builder *b)
{
    for (size_t i = 0; i < b->proto->n_value_info; i++) {
        const Onnx__ValueInfoProto *info = b->proto->value_info[i];
        const int v = info->name ? find(b, info->name) : -1;
        if (v < 0 || b->g->value[v].outer >= 0)
            continue;
        const enum spacc_status status = declare(b, v, info, NULL);
        if (status != SPACC_OK)
            return status;
    }
    return SPACC_OK;
}

/* Nodes with their inputs and attributes, then in order. Complete messages. */
static enum spacc_status read_nodes(struct builder *b)
{
    enum spacc_status status;
    int stuck;
    size_t *source = NULL;

    if (b->proto->n_node > INT_MAX / 4)
        return spacc_fail(b->im->err, SPACC_EFORMAT, "%s: too many nodes", b->im->file);
    source = calloc(b->proto->n_node + 1, sizeof(*source));
    b->g->node = calloc(b->proto->n_node + 1, sizeof(*b->g->node));
    if (!source || !b->g->node) {
        status = no_memory(b);
        goto out;
    }
    status = read_node_heads(b, source);
    if (status != SPACC_OK) {
        in_file(b, status);
        goto out;
    }
    for (int n = 0; n < b->g->nodes; n++)
        if ((status = read_node_body(b, &b->g->node[n], b->proto->node[source[n]])) != SPACC_OK)
            goto out;
    status = spacc_onnx_sort(b->g, &stuck);
    if (status == SPACC_EFORMAT) {
        spacc_fail(b->im->err, status, "the node waits for its own output (a cycle)");
        in_node(b, &b->g->node[stuck], status);
    } else if (status != SPACC_OK) {
        no_memory(b);
    }
out:
    free(source);
    return status;
}

static enum spacc_status copy_graph_name(struct builder *b)
{
    const char *name = b->proto->name && b->proto->name[0] ? b->proto->name : "graph";
    enum spacc_status status = spacc_onnx_name_copy(&b->g->name, name, b->im->err);
    const char *file = b->parent ? "" : b->im->file;

    if (status != SPACC_OK)
        return status;
    b->g->file = malloc(strlen(file) + 1);
    if (!b->g->file)
        return spacc_fail(b->im->err, SPACC_ENOMEM, "%s", spacc_status_text(SPACC_ENOMEM));
    memcpy(b->g->file, file, strlen(file) + 1);
    return SPACC_OK;
}

static enum spacc_status build(struct spacc_graph **out, struct spacc_onnx_import *im,
                               const Onnx__GraphProto *proto, struct builder *parent,
                               bool is_branch)
{
    struct builder b = {.im = im, .proto = proto, .parent = parent, .is_branch = is_branch};
    enum spacc_status status;

    *out = NULL;
    b.g = calloc(1, sizeof(*b.g));
    if (!b.g)
        return no_memory(&b);
    b.g->opset = im->opset;
    b.g->ir_version = im->ir_version;
    b.g->parent = parent ? parent->g : NULL;

    if ((status = copy_graph_name(&b)) != SPACC_OK ||
        (status = read_initialisers(&b)) != SPACC_OK ||
        (status = read_inputs(&b)) != SPACC_OK) {
        in_file(&b, status);
        goto out;
    }
    if ((status = read_nodes(&b)) != SPACC_OK)
        goto out;
    if ((status = read_outputs(&b)) != SPACC_OK || (status = read_hints(&b)) != SPACC_OK) {
        in_file(&b, status);
        goto out;
    }
    *out = b.g;
    b.g = NULL;
out:
    free(b.slot);
    spacc_graph_free(b.g);
    return status;
}

enum spacc_status spacc_onnx_graph_read(struct spacc_graph **out, struct spacc_onnx_import *im,
                                        const Onnx__GraphProto *proto)
{
    return build(out, im, proto, NULL, false);
}
