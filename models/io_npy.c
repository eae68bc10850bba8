#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/io_parts.h"

/* The letters of each type in a .npy header, without the byte order. */
static const struct {
    const char *letters;
    enum spacc_dtype dtype;
} types[] = {
    {"f4", SPACC_F32}, {"u1", SPACC_U8},   {"i1", SPACC_I8},  {"i4", SPACC_I32},
    {"i8", SPACC_I64}, {"b1", SPACC_BOOL}, {"f8", SPACC_F64}, {"f2", SPACC_F16},
    {"u2", SPACC_U16}, {"i2", SPACC_I16},  {"u4", SPACC_U32}, {"u8", SPACC_U64},
};
enum { TYPES = sizeof(types) / sizeof(types[0]), HEADER_ALIGN = 64 };

/* The header: a Python dictionary of three known keys. */
struct header {
    enum spacc_dtype dtype;
    int rank;
    int64_t dims[SPACC_RANK_MAX];
    bool has_descr, has_order, has_shape;
};

struct text {
    const char *at, *end;
    const char *name;
    struct spacc_error *err;
};

static enum spacc_status bad(const struct text *t, const char *what)
{
    return spacc_fail(t->err, SPACC_EFORMAT, "%s: not a sound .npy file: %s", t->name, what);
}

static void skip_space(struct text *t)
{
    while (t->at < t->end && (*t->at == ' ' || *t->at == '\n'))
        t->at++;
}

/* Take one character if it is next. */
static bool take(struct text *t, char c)
{
    skip_space(t);
    if (t->at == t->end || *t->at != c)
        return false;
    t->at++;
    return true;
}

static bool take_word(struct text *t, const char *word)
{
    const size_t length = strlen(word);
    skip_space(t);
    if ((size_t)(t->end - t->at) < length || memcmp(t->at, word, length) != 0)
        return false;
    t->at += length;
    return true;
}

/* A quoted word of at most room - 1 printable characters. */
static bool take_quoted(struct text *t, char *to, size_t room)
{
    size_t length = 0;

    skip_space(t);
    if (t->at == t->end || (*t->at != '\'' && *t->at != '"'))
        return false;
    const char quote = *t->at++;
    while (t->at < t->end && *t->at != quote) {
        if (length + 1 >= room || *t->at < 0x20 || *t->at > 0x7e)
            return false;
        to[length++] = *t->at++;
    }
    to[length] = '\0';
    return take(t, quote);
}

static bool take_number(struct text *t, int64_t *number)
{
    int digits = 0;

    skip_space(t);
    *number = 0;
    for (; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++, digits++) {
        if (*number > (INT64_MAX - 9) / 10)
            return false;
        *number = *number * 10 + (*t->at - '0');
    }
    return digits > 0;
}

static enum spacc_status take_descr(struct text *t, struct header *h)
{
    char descr[32];

    if (!take_quoted(t, descr, sizeof(descr)))
        return take(t, '[') ? spacc_fail(t->err, SPACC_EUNSUPPORTED,
                                         "%s: a record type is not supported", t->name)
                            : bad(t, "descr");
    if (descr[0] == '>')
        return spacc_fail(t->err, SPACC_EUNSUPPORTED, "%s: big-endian type %s is not supported",
                          t->name, descr);
    const char order = descr[0];
    const char *letters = order == '<' || order == '|' || order == '=' ? descr + 1 : descr;
    for (int i = 0; i < TYPES; i++)
        if (strcmp(letters, types[i].letters) == 0)
            h->dtype = types[i].dtype;
    if (h->dtype == SPACC_DTYPE_NONE)
        return spacc_fail(t->err, SPACC_EUNSUPPORTED, "%s: %s %s is not supported", t->name,
                          letters[0] == 'O' ? "object type" : "type", descr);
    h->has_descr = true;
    return SPACC_OK;
}

static enum spacc_status take_order(struct text *t, struct header *h)
{
    if (take_word(t, "True"))
        return spacc_fail(t->err, SPACC_EUNSUPPORTED, "%s: Fortran order is not supported",
                          t->name);
    if (!take_word(t, "False"))
        return bad(t, "fortran_order");
    h->has_order = true;
    return SPACC_OK;
}

static enum spacc_status take_shape(struct text *t, struct header *h)
{
    if (!take(t, '('))
        return bad(t, "shape");
    while (!take(t, ')')) {
        int64_t dim;
        if (h->rank == SPACC_RANK_MAX)
            return spacc_fail(t->err, SPACC_EUNSUPPORTED, "%s: rank above %d is not supported",
                              t->name, SPACC_RANK_MAX);
        if (!take_number(t, &dim))
            return bad(t, "shape");
        h->dims[h->rank++] = dim;
        if (!take(t, ',')) {
            if (!take(t, ')'))
                return bad(t, "shape");
            break;
        }
    }
    h->has_shape = true;
    return SPACC_OK;
}

static enum spacc_status take_entry(struct text *t, struct header *h)
{
    char key[32];

    if (!take_quoted(t, key, sizeof(key)) || !take(t, ':'))
        return bad(t, "header");
    if (strcmp(key, "descr") == 0 && !h->has_descr)
        return take_descr(t, h);
    if (strcmp(key, "fortran_order") == 0 && !h->has_order)
        return take_order(t, h);
    if (strcmp(key, "shape") == 0 && !h->has_shape)
        return take_shape(t, h);
    return bad(t, "header key");
}

static enum spacc_status take_header(struct text *t, struct header *h)
{
    if (!take(t, '{'))
        return bad(t, "header");
    while (!take(t, '}')) {
        const enum spacc_status status = take_entry(t, h);
        if (status != SPACC_OK)
            return status;
        if (!take(t, ',')) {
            if (!take(t, '}'))
                return bad(t, "header");
            break;
        }
    }
    skip_space(t);
    if (t->at != t->end || !h->has_descr || !h->has_order || !h->has_shape)
        return bad(t, "header");
    return SPACC_OK;
}

/* Where the header's text lies. */
static enum spacc_status find_header(struct text *t, const uint8_t *bytes, size_t size_bytes)
{
    static const uint8_t magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

    if (size_bytes < 10 || memcmp(bytes, magic, sizeof(magic)) != 0)
        return bad(t, "it does not start like one");
    if (bytes[6] < 1 || bytes[6] > 3)
        return spacc_fail(t->err, SPACC_EUNSUPPORTED, "%s: .npy version %u is not supported",
                          t->name, (unsigned)bytes[6]);
    const size_t start = bytes[6] == 1 ? 10 : 12;
    if (size_bytes < start)
        return bad(t, "cut off");
    const size_t length = bytes[6] == 1 ? spacc_get_u16(bytes + 8) : spacc_get_u32(bytes + 8);
    if (length > size_bytes - start)
        return bad(t, "cut off in the header");
    t->at = (const char *)bytes + start;
    t->end = t->at + length;
    return SPACC_OK;
}

enum spacc_status spacc_npy_parse(struct spacc_tensor **out, const void *bytes,
                                  size_t size_bytes, const char *name, struct spacc_error *err)
{
    struct text t = {.name = name, .err = err};
    struct header h = {0};
    enum spacc_status status;
    size_t count;

    *out = NULL;
    if ((status = find_header(&t, bytes, size_bytes)) != SPACC_OK ||
        (status = take_header(&t, &h)) != SPACC_OK)
        return status;
    if (spacc_shape_count(&count, h.rank, h.dims) != SPACC_OK)
        return bad(&t, "its shape is too large");
    const size_t left = size_bytes - (size_t)(t.end - (const char *)bytes);
    if (left != count * spacc_dtype_bytes(h.dtype))
        return spacc_fail(err, SPACC_EFORMAT, "%s: has %zu bytes of data, its shape needs %zu",
                          name, left, count * spacc_dtype_bytes(h.dtype));
    struct spacc_tensor *tensor;
    status = spacc_tensor_new(&tensor, h.dtype, h.rank, h.dims);
    if (status != SPACC_OK)
        return spacc_fail(err, status, "%s: %s", name, spacc_status_text(status));
    memcpy(tensor->data, t.end, left);
    for (size_t i = 0; h.dtype == SPACC_BOOL && i < count; i++) {
        if (((uint8_t *)tensor->data)[i] > 1) {
            spacc_tensor_free(tensor);
            return bad(&t, "a bool that is neither 0 nor 1");
        }
    }
    *out = tensor;
    return SPACC_OK;
}

static const char *letters_of(enum spacc_dtype dtype)
{
    for (int i = 0; i < TYPES; i++)
        if (types[i].dtype == dtype)
            return types[i].letters;
    return NULL;
}

/* The header's text, padded so that the data after it is aligned. */
static size_t format_header(char *to, size_t room, const struct spacc_tensor *t)
{
    const char order = spacc_dtype_bytes(t->dtype) == 1 ? '|' : '<';
    size_t used =
        (size_t)snprintf(to, room, "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                         order, letters_of(t->dtype));
    for (int d = 0; d < t->rank; d++)
        used +=
            (size_t)snprintf(to + used, room - used, "%s%" PRId64, d ? ", " : "", t->dims[d]);
    used += (size_t)snprintf(to + used, room - used, "%s), }", t->rank == 1 ? "," : "");
    while ((10 + used + 1) % HEADER_ALIGN != 0)
        to[used++] = ' ';
    to[used++] = '\n';
    return used;
}

enum spacc_status spacc_npy_format(void **bytes, size_t *size_bytes,
                                   const struct spacc_tensor *t, const char *name,
                                   struct spacc_error *err)
{
    char header[512];

    *bytes = NULL;
    *size_bytes = 0;
    if (!letters_of(t->dtype))
        return spacc_fail(err, SPACC_EUNSUPPORTED, "%s: type %s is not supported", name,
                          spacc_dtype_name((int)t->dtype));
    const size_t length = format_header(header, sizeof(header), t);
    const size_t data = t->count * spacc_dtype_bytes(t->dtype);
    uint8_t *to = malloc(10 + length + data);
    if (!to)
        return spacc_fail(err, SPACC_ENOMEM, "%s: %s", name, spacc_status_text(SPACC_ENOMEM));
    memcpy(to, "\x93NUMPY\x01\x00", 8);
    spacc_put_u16(to + 8, (uint32_t)length);
    memcpy(to + 10, header, length);
    memcpy(to + 10 + length, t->data, data);
    *bytes = to;
    *size_bytes = 10 + length + data;
    return SPACC_OK;
}
