/* onnx_maker.h - writes ONNX files for tests, field by field, so that a test can
 * also write what no library would. Numbers are those of onnx.proto. */
#ifndef SPACC_TESTS_ONNX_MAKER_H
#define SPACC_TESTS_ONNX_MAKER_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Field numbers. */
enum {
    MODEL_IR = 1,
    MODEL_GRAPH = 7,
    MODEL_OPSET = 8,
    MODEL_METADATA = 14,
    MODEL_TRAINING = 20,
    MODEL_FUNCTION = 25,
    GRAPH_NODE = 1,
    GRAPH_NAME = 2,
    GRAPH_INITIALISER = 5,
    GRAPH_DOC = 10,
    GRAPH_INPUT = 11,
    GRAPH_OUTPUT = 12,
    GRAPH_VALUE_INFO = 13,
    GRAPH_SPARSE = 15,
    NODE_INPUT = 1,
    NODE_OUTPUT = 2,
    NODE_NAME = 3,
    NODE_OP = 4,
    NODE_ATTR = 5,
    NODE_DOMAIN = 7,
    ATTR_NAME = 1,
    ATTR_F = 2,
    ATTR_I = 3,
    ATTR_S = 4,
    ATTR_T = 5,
    ATTR_G = 6,
    ATTR_FLOATS = 7,
    ATTR_INTS = 8,
    ATTR_TYPE = 20,
    TENSOR_DIMS = 1,
    TENSOR_TYPE = 2,
    TENSOR_FLOATS = 4,
    TENSOR_INT32S = 5,
    TENSOR_INT64S = 7,
    TENSOR_NAME = 8,
    TENSOR_RAW = 9,
    TENSOR_EXTERNAL = 13,
    TENSOR_LOCATION = 14
};

/* A message being written; free(bytes) or hand it to put_message(). */
struct maker {
    uint8_t *bytes;
    size_t used, room;
};

static inline void put_raw(struct maker *m, const void *from, size_t count)
{
    if (m->used + count > m->room) {
        m->room = 2 * (m->used + count) + 64;
        m->bytes = realloc(m->bytes, m->room);
        if (!m->bytes)
            abort();
    }
    if (count > 0)
        memcpy(m->bytes + m->used, from, count);
    m->used += count;
}

static inline void put_varint(struct maker *m, uint64_t value)
{
    do {
        const uint8_t byte = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        put_raw(m, &byte, 1);
        value >>= 7;
    } while (value);
}

static inline void put_int(struct maker *m, int field, int64_t value)
{
    put_varint(m, (uint64_t)field << 3);
    put_varint(m, (uint64_t)value);
}

static inline void put_float(struct maker *m, int field, float value)
{
    put_varint(m, (uint64_t)field << 3 | 5);
    put_raw(m, &value, sizeof(value));
}

static inline void put_bytes(struct maker *m, int field, const void *from, size_t count)
{
    put_varint(m, (uint64_t)field << 3 | 2);
    put_varint(m, count);
    put_raw(m, from, count);
}

static inline void put_text(struct maker *m, int field, const char *text)
{
    put_bytes(m, field, text, strlen(text));
}

/* Takes `inner` over. */
static inline void put_message(struct maker *m, int field, struct maker inner)
{
    put_bytes(m, field, inner.bytes, inner.used);
    free(inner.bytes);
}

/* "a b c" as one field each; "-" is an empty name. */
static inline void put_words(struct maker *m, int field, const char *words)
{
    while (*words) {
        const size_t length = strcspn(words, " ");
        put_bytes(m, field, words, length == 1 && *words == '-' ? 0 : length);
        words += length;
        words += strspn(words, " ");
    }
}

static inline struct maker make_node(const char *op, const char *name, const char *inputs,
                                     const char *outputs)
{
    struct maker m = {0};
    put_words(&m, NODE_INPUT, inputs);
    put_words(&m, NODE_OUTPUT, outputs);
    if (name[0])
        put_text(&m, NODE_NAME, name);
    put_text(&m, NODE_OP, op);
    return m;
}

static inline struct maker make_attr_int(const char *name, int64_t value)
{
    struct maker m = {0};
    put_text(&m, ATTR_NAME, name);
    put_int(&m, ATTR_I, value);
    put_int(&m, ATTR_TYPE, 2);
    return m;
}

static inline struct maker make_attr_message(const char *name, int field, int type,
                                             struct maker inner)
{
    struct maker m = {0};
    put_text(&m, ATTR_NAME, name);
    put_message(&m, field, inner);
    put_int(&m, ATTR_TYPE, type);
    return m;
}

/* Raw contents; `name` may be "". */
static inline struct maker make_tensor(const char *name, int type, int rank,
                                       const int64_t *dims, const void *raw, size_t raw_bytes)
{
    struct maker m = {0};
    for (int d = 0; d < rank; d++)
        put_int(&m, TENSOR_DIMS, dims[d]);
    put_int(&m, TENSOR_TYPE, type);
    if (name[0])
        put_text(&m, TENSOR_NAME, name);
    put_bytes(&m, TENSOR_RAW, raw, raw_bytes);
    return m;
}

static inline struct maker make_floats(const char *name, int64_t count, const float *from)
{
    return make_tensor(name, 1, 1, &count, from, (size_t)count * sizeof(*from));
}

static inline struct maker make_ints(const char *name, int64_t count, const int64_t *from)
{
    return make_tensor(name, 7, 1, &count, from, (size_t)count * sizeof(*from));
}

/* A graph input or output. A dimension of -1 is called "n", -2 has no name; type 0
 * leaves the type out. */
static inline struct maker make_info(const char *name, int type, int rank, const int64_t *dims)
{
    struct maker m = {0}, shape = {0}, tensor = {0}, kind = {0};
    put_text(&m, 1, name);
    if (type == 0)
        return m;
    for (int d = 0; d < rank; d++) {
        struct maker dim = {0};
        if (dims[d] >= 0)
            put_int(&dim, 1, dims[d]);
        else if (dims[d] == -1)
            put_text(&dim, 2, "n");
        put_message(&shape, 1, dim);
    }
    put_int(&tensor, 1, type);
    put_message(&tensor, 2, shape);
    put_message(&kind, 1, tensor);
    put_message(&m, 2, kind);
    return m;
}

static inline struct maker make_opset(const char *domain, int64_t version)
{
    struct maker m = {0};
    put_text(&m, 1, domain);
    put_int(&m, 2, version);
    return m;
}

static inline struct maker make_entry(const char *key, const char *text)
{
    struct maker m = {0};
    put_text(&m, 1, key);
    put_text(&m, 2, text);
    return m;
}

/* Takes `graph` over. */
static inline struct maker make_model(struct maker graph, int64_t ir, int64_t opset)
{
    struct maker m = {0};
    put_int(&m, MODEL_IR, ir);
    put_message(&m, MODEL_GRAPH, graph);
    put_message(&m, MODEL_OPSET, make_opset("", opset));
    return m;
}

#endif
