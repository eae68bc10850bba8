#include <string.h>

#include "models/onnx_parts.h"

enum { DEPTH_MAX = 100, VARINT_MAX = 10, TAG_MAX = 5 };

struct cursor {
    const uint8_t *start, *at, *end;
    const char *file;
    struct spacc_error *err;
};

static enum spacc_status bad(const struct cursor *c, const char *what)
{
    return spacc_fail(c->err, SPACC_EFORMAT, "%s: not a sound ONNX file: %s at byte %zu",
                      c->file, what, (size_t)(c->at - c->start));
}

/* A base-128 number of at most `longest` bytes. */
static bool take_varint(struct cursor *c, int longest, uint64_t *value)
{
    *value = 0;
    for (int i = 0; i < longest && c->at < c->end; i++) {
        const uint8_t byte = *c->at++;
        *value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80)
            return true;
    }
    return false;
}

static enum spacc_status scan(struct cursor *c, const ProtobufCMessageDescriptor *type,
                              int depth);

/* The contents of one length-delimited field. */
static enum spacc_status scan_field(struct cursor *c, const ProtobufCFieldDescriptor *field,
                                    int depth)
{
    uint64_t length;
    if (!take_varint(c, TAG_MAX, &length))
        return bad(c, "a length is cut off");
    if (length > (uint64_t)(c->end - c->at))
        return bad(c, "a length runs past the end");

    const uint8_t *after = c->at + length;
    if (field && field->type == PROTOBUF_C_TYPE_STRING && memchr(c->at, 0, (size_t)length))
        return bad(c, "text with a zero byte");
    if (field && field->type == PROTOBUF_C_TYPE_MESSAGE) {
        struct cursor inner = *c;
        inner.end = after;
        const enum spacc_status status = scan(&inner, field->descriptor, depth + 1);
        if (status != SPACC_OK)
            return status;
    }
    c->at = after;
    return SPACC_OK;
}

/* A second singular message would be merged into the first, copying it again. */
static bool seen_before(uint64_t *seen, const ProtobufCMessageDescriptor *type,
                        const ProtobufCFieldDescriptor *field)
{
    if (!field || field->type != PROTOBUF_C_TYPE_MESSAGE ||
        field->label == PROTOBUF_C_LABEL_REPEATED)
        return false;
    const uint64_t bit = (uint64_t)1 << ((size_t)(field - type->fields) % 64);
    const bool before = (*seen & bit) != 0;
    *seen |= bit;
    return before;
}

static enum spacc_status scan(struct cursor *c, const ProtobufCMessageDescriptor *type,
                              int depth)
{
    uint64_t seen = 0;

    if (depth > DEPTH_MAX)
        return bad(c, "nesting deeper than 100");
    while (c->at < c->end) {
        uint64_t tag, skipped;
        if (!take_varint(c, TAG_MAX, &tag) || tag >> 3 == 0 || tag > UINT32_MAX)
            return bad(c, "a field tag is damaged");
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(type, (unsigned)(tag >> 3));
        const uint64_t fixed_bytes = (tag & 7) == 1 ? 8 : 4;
        enum spacc_status status;

        if (seen_before(&seen, type, field))
            return bad(c, "a field is given twice");
        switch (tag & 7) {
        case 0:
            if (!take_varint(c, VARINT_MAX, &skipped))
                return bad(c, "a number is cut off");
            break;
        case 1:
        case 5:
            if ((uint64_t)(c->end - c->at) < fixed_bytes)
                return bad(c, "a number is cut off");
            c->at += fixed_bytes;
            break;
        case 2:
            status = scan_field(c, field, depth);
            if (status != SPACC_OK)
                return status;
            break;
        default: return bad(c, "an unknown wire type");
        }
    }
    return SPACC_OK;
}

enum spacc_status spacc_onnx_scan(const ProtobufCMessageDescriptor *type, const uint8_t *bytes,
                                  size_t size_bytes, const char *file, struct spacc_error *err)
{
    if (size_bytes == 0)
        return spacc_fail(err, SPACC_EFORMAT, "%s: the file is empty", file);
    if (size_bytes > SPACC_ONNX_BYTES_MAX)
        return spacc_fail(err, SPACC_EFORMAT, "%s: %zu bytes, an ONNX file has at most %zu",
                          file, size_bytes, SPACC_ONNX_BYTES_MAX);
    struct cursor c = {bytes, bytes, bytes + size_bytes, file, err};
    return scan(&c, type, 0);
}
