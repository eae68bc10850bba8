#include <stdlib.h>
#include <string.h>

#include "models/io.h"
#include "models/onnx.h"
#include "models/onnx_parts.h"

/* The typed field an element type is stored in when raw_data is not used. */
static size_t typed_count(const Onnx__TensorProto *p, enum spacc_dtype dtype)
{
    switch (dtype) {
    case SPACC_F32: return p->n_float_data;
    case SPACC_F64: return p->n_double_data;
    case SPACC_I64: return p->n_int64_data;
    case SPACC_U32:
    case SPACC_U64: return p->n_uint64_data;
    case SPACC_U8:
    case SPACC_I8:
    case SPACC_U16:
    case SPACC_I16:
    case SPACC_I32:
    case SPACC_F16:
    case SPACC_BF16:
    case SPACC_BOOL: return p->n_int32_data;
    case SPACC_DTYPE_NONE: break;
    }
    return 0;
}

/* What int32_data may hold of a narrow type; float16 and bfloat16 are bit patterns. */
struct range {
    int32_t least, most;
};

static struct range range_of(enum spacc_dtype dtype)
{
    switch (dtype) {
    case SPACC_I8: return (struct range){INT8_MIN, INT8_MAX};
    case SPACC_U8: return (struct range){0, UINT8_MAX};
    case SPACC_I16: return (struct range){INT16_MIN, INT16_MAX};
    case SPACC_BOOL: return (struct range){0, 1};
    default: return (struct range){0, UINT16_MAX};
    }
}

/* Narrow int32_data; false when a number does not fit the type. */
static bool copy_narrow(struct spacc_tensor *t, const int32_t *from)
{
    const struct range range = range_of(t->dtype);
    const size_t bytes = spacc_dtype_bytes(t->dtype);
    uint8_t *to = t->data;

    for (size_t i = 0; i < t->count; i++) {
        if (from[i] < range.least || from[i] > range.most)
            return false;
        memcpy(to + i * bytes, &from[i], bytes); /* little endian */
    }
    return true;
}

static bool copy_uint32(struct spacc_tensor *t, const uint64_t *from)
{
    uint32_t *to = t->data;

    for (size_t i = 0; i < t->count; i++) {
        if (from[i] > UINT32_MAX)
            return false;
        to[i] = (uint32_t)from[i];
    }
    return true;
}

static bool copy_typed(struct spacc_tensor *t, const Onnx__TensorProto *p)
{
    const size_t bytes = t->count * spacc_dtype_bytes(t->dtype);

    if (t->count == 0)
        return true;
    switch (t->dtype) {
    case SPACC_F32: memcpy(t->data, p->float_data, bytes); return true;
    case SPACC_F64: memcpy(t->data, p->double_data, bytes); return true;
    case SPACC_I64: memcpy(t->data, p->int64_data, bytes); return true;
    case SPACC_I32: memcpy(t->data, p->int32_data, bytes); return true;
    case SPACC_U64: memcpy(t->data, p->uint64_data, bytes); return true;
    case SPACC_U32: return copy_uint32(t, p->uint64_data);
    default: return copy_narrow(t, p->int32_data);
    }
}

static bool bools_are_sound(const struct spacc_tensor *t)
{
    const uint8_t *b = t->data;
    for (size_t i = 0; t->dtype == SPACC_BOOL && i < t->count; i++)
        if (b[i] > 1)
            return false;
    return true;
}

static enum spacc_status check_storage(const Onnx__TensorProto *p, struct spacc_error *err)
{
    if (p->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL ||
        p->n_external_data > 0) {
        const char *where = "?";
        for (size_t i = 0; i < p->n_external_data; i++)
            if (p->external_data[i]->key && p->external_data[i]->value &&
                strcmp(p->external_data[i]->key, "location") == 0)
                where = p->external_data[i]->value;
        return spacc_fail(err, SPACC_EUNSUPPORTED,
                          "external data '%s' is not supported: save the model in one file",
                          where);
    }
    if (p->segment)
        return spacc_fail(err, SPACC_EUNSUPPORTED, "a tensor in segments is not supported");
    if (spacc_dtype_bytes((enum spacc_dtype)p->data_type) == 0)
        return spacc_fail(err, SPACC_EUNSUPPORTED, "type %s is not supported",
                          spacc_dtype_name(p->data_type));
    return SPACC_OK;
}

/* Check the shape, and that the proto really holds that many elements: nothing is
 * allocated on the word of dims alone. */
static enum spacc_status check_size(const Onnx__TensorProto *p, struct spacc_error *err)
{
    const enum spacc_dtype dtype = (enum spacc_dtype)p->data_type;
    const size_t bytes = spacc_dtype_bytes(dtype);
    size_t count;

    if (p->n_dims > SPACC_RANK_MAX)
        return spacc_fail(err, SPACC_EUNSUPPORTED, "rank %zu, at most %d is supported",
                          p->n_dims, SPACC_RANK_MAX);
    if (spacc_shape_count(&count, (int)p->n_dims, p->dims) != SPACC_OK)
        return spacc_fail(err, SPACC_EFORMAT, "a dimension is negative or too large");
    if (p->has_raw_data && p->raw_data.len != count * bytes)
        return spacc_fail(err, SPACC_EFORMAT, "has %zu bytes, its shape needs %zu",
                          p->raw_data.len, count * bytes);
    if (!p->has_raw_data && typed_count(p, dtype) != count)
        return spacc_fail(err, SPACC_EFORMAT, "has %zu elements, its shape needs %zu",
                          typed_count(p, dtype), count);
    return SPACC_OK;
}

/* The contents of a tensor without any; false when an element is out of range. */
static bool copy_contents(struct spacc_tensor *t, const Onnx__TensorProto *p)
{
    if (!p->has_raw_data)
        return copy_typed(t, p);
    if (p->raw_data.len > 0)
        memcpy(t->data, p->raw_data.data, p->raw_data.len);
    return true;
}

/* A tensor around the raw contents of `p`, whose shape has been checked. */
static enum spacc_status take_tensor(struct spacc_tensor **out, Onnx__TensorProto *p)
{
    struct spacc_tensor *t = calloc(1, sizeof(*t));

    *out = t;
    if (!t)
        return SPACC_ENOMEM;
    t->dtype = (enum spacc_dtype)p->data_type;
    t->rank = (int)p->n_dims;
    for (int d = 0; d < t->rank; d++)
        t->dims[d] = p->dims[d];
    t->count = p->raw_data.len / spacc_dtype_bytes(t->dtype);
    t->data = p->raw_data.data;
    p->raw_data = (ProtobufCBinaryData){0, NULL};
    return SPACC_OK;
}

/* With `from` the raw contents are taken out of it. */
static enum spacc_status read_tensor(struct spacc_tensor **out, const Onnx__TensorProto *proto,
                                     Onnx__TensorProto *from, struct spacc_error *err)
{
    struct spacc_tensor *t = NULL;
    enum spacc_status status;

    *out = NULL;
    if ((status = check_storage(proto, err)) != SPACC_OK ||
        (status = check_size(proto, err)) != SPACC_OK)
        return status;
    const bool take = from && proto->has_raw_data && proto->raw_data.len > 0;
    status = take ? take_tensor(&t, from)
                  : spacc_tensor_new(&t, (enum spacc_dtype)proto->data_type, (int)proto->n_dims,
                                     proto->dims);
    if (status != SPACC_OK)
        return spacc_fail(err, status, "%s", spacc_status_text(status));
    if ((!take && !copy_contents(t, proto)) || !bools_are_sound(t)) {
        spacc_tensor_free(t);
        return spacc_fail(err, SPACC_EFORMAT, "an element is outside the range of %s",
                          spacc_dtype_name(proto->data_type));
    }
    *out = t;
    return SPACC_OK;
}

enum spacc_status spacc_onnx_tensor_read(struct spacc_tensor **out,
                                         const Onnx__TensorProto *proto,
                                         struct spacc_error *err)
{
    return read_tensor(out, proto, NULL, err);
}

enum spacc_status spacc_onnx_tensor_take(struct spacc_tensor **out, Onnx__TensorProto *proto,
                                         struct spacc_error *err)
{
    return read_tensor(out, proto, proto, err);
}

enum spacc_status spacc_onnx_tensor_put(Onnx__TensorProto *proto, const struct spacc_tensor *t)
{
    const size_t bytes = t->count * spacc_dtype_bytes(t->dtype);
    uint8_t *raw = malloc(bytes ? bytes : 1);

    if (!raw)
        return SPACC_ENOMEM;
    memcpy(raw, t->data, bytes);
    free(proto->raw_data.data);
    proto->has_raw_data = 1;
    proto->raw_data.data = raw;
    proto->raw_data.len = bytes;

    free(proto->float_data);
    proto->float_data = NULL;
    proto->n_float_data = 0;
    free(proto->int32_data);
    proto->int32_data = NULL;
    proto->n_int32_data = 0;
    free(proto->int64_data);
    proto->int64_data = NULL;
    proto->n_int64_data = 0;
    free(proto->uint64_data);
    proto->uint64_data = NULL;
    proto->n_uint64_data = 0;
    free(proto->double_data);
    proto->double_data = NULL;
    proto->n_double_data = 0;
    return SPACC_OK;
}

enum spacc_status spacc_onnx_tensor_load(struct spacc_tensor **out, const char *file,
                                         struct spacc_error *err)
{
    void *bytes = NULL;
    size_t size_bytes = 0;

    *out = NULL;
    enum spacc_status status =
        spacc_file_read(&bytes, &size_bytes, file, SPACC_ONNX_BYTES_MAX, err);
    if (status != SPACC_OK)
        return status;
    status = spacc_onnx_tensor_parse(out, bytes, size_bytes, file, err);
    free(bytes);
    return status;
}

enum spacc_status spacc_onnx_tensor_parse(struct spacc_tensor **out, const void *bytes,
                                          size_t size_bytes, const char *name,
                                          struct spacc_error *err)
{
    *out = NULL;
    enum spacc_status status =
        spacc_onnx_scan(&onnx__tensor_proto__descriptor, bytes, size_bytes, name, err);
    if (status != SPACC_OK)
        return status;
    Onnx__TensorProto *proto = onnx__tensor_proto__unpack(NULL, size_bytes, bytes);
    if (!proto)
        return spacc_fail(err, SPACC_EFORMAT, "%s: not an ONNX tensor", name);
    status = spacc_onnx_tensor_read(out, proto, err);
    onnx__tensor_proto__free_unpacked(proto, NULL);
    return status == SPACC_OK ? status : spacc_fail_in(err, status, "%s", name);
}
