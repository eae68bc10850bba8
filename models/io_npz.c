#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "models/io.h"
#include "models/io_parts.h"

/* A .npz is a zip archive of .npy files:
 *
 *   [local header, name, extra, data] ... [central entry, name, extra] ... [end]
 *
 * The central entries are what is trusted; local headers only say where their
 * data starts. */
enum {
    END_BYTES = 22,
    CENTRAL_BYTES = 46,
    LOCAL_BYTES = 30,
    COMMENT_MAX = 65535,
    STORED = 0,
    DEFLATED = 8
};
#define END_MARK     0x06054b50u
#define CENTRAL_MARK 0x02014b50u
#define LOCAL_MARK   0x04034b50u

struct archive {
    const uint8_t *bytes;
    size_t size_bytes;
    const char *name;
    struct spacc_error *err;
    size_t packed_bytes; /* of the members so far: they must not share bytes */
};

struct member {
    char *name; /* ".npy" taken off */
    uint32_t method, crc, packed_bytes, full_bytes, offset;
};

static enum spacc_status bad(const struct archive *a, const char *what)
{
    return spacc_fail(a->err, SPACC_EFORMAT, "%s: not a sound .npz file: %s", a->name, what);
}

/* The end record: the last one in the file whose comment fits. */
static const uint8_t *find_end(const struct archive *a)
{
    if (a->size_bytes < END_BYTES)
        return NULL;
    const size_t last = a->size_bytes - END_BYTES;
    for (size_t back = 0; back <= last && back <= COMMENT_MAX; back++) {
        const uint8_t *at = a->bytes + (last - back);
        if (spacc_get_u32(at) == END_MARK && spacc_get_u16(at + 20) == back)
            return at;
    }
    return NULL;
}

static enum spacc_status member_name(struct member *m, const struct archive *a,
                                     const uint8_t *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] < 0x20 || text[i] == 0x7f)
            return bad(a, "a member's name holds a control character");
    if (length > 4 && memcmp(text + length - 4, ".npy", 4) == 0)
        length -= 4;
    else
        return bad(a, "a member's name does not end in .npy");
    m->name = malloc(length + 1);
    if (!m->name)
        return spacc_fail(a->err, SPACC_ENOMEM, "%s: %s", a->name,
                          spacc_status_text(SPACC_ENOMEM));
    memcpy(m->name, text, length);
    m->name[length] = '\0';
    return SPACC_OK;
}

/* One central entry at *at, which moves on. */
static enum spacc_status read_entry(struct member *m, const struct archive *a, size_t *at)
{
    if (a->size_bytes - *at < CENTRAL_BYTES || spacc_get_u32(a->bytes + *at) != CENTRAL_MARK)
        return bad(a, "its directory is damaged");
    const uint8_t *e = a->bytes + *at;
    const size_t name = spacc_get_u16(e + 28);
    const size_t entry = CENTRAL_BYTES + name + spacc_get_u16(e + 30) + spacc_get_u16(e + 32);
    if (a->size_bytes - *at < entry)
        return bad(a, "its directory is cut off");
    if (spacc_get_u16(e + 8) & 1)
        return spacc_fail(a->err, SPACC_EUNSUPPORTED,
                          "%s: an encrypted member is not supported", a->name);
    m->method = spacc_get_u16(e + 10);
    m->crc = spacc_get_u32(e + 16);
    m->packed_bytes = spacc_get_u32(e + 20);
    m->full_bytes = spacc_get_u32(e + 24);
    m->offset = spacc_get_u32(e + 42);
    if (m->packed_bytes == UINT32_MAX || m->full_bytes == UINT32_MAX || m->offset == UINT32_MAX)
        return spacc_fail(a->err, SPACC_EUNSUPPORTED, "%s: members of 4 GiB are not supported",
                          a->name);
    *at += entry;
    return member_name(m, a, e + CENTRAL_BYTES, name);
}

/* Where the data of a member starts, all of it inside the file. */
static enum spacc_status find_data(const uint8_t **data, const struct member *m,
                                   const struct archive *a)
{
    if (a->size_bytes < LOCAL_BYTES || m->offset > a->size_bytes - LOCAL_BYTES ||
        spacc_get_u32(a->bytes + m->offset) != LOCAL_MARK)
        return bad(a, "a member's header is damaged");
    const uint8_t *local = a->bytes + m->offset;
    const size_t skip = LOCAL_BYTES + spacc_get_u16(local + 26) + spacc_get_u16(local + 28);
    const size_t left = a->size_bytes - m->offset;
    if (skip > left || m->packed_bytes > left - skip)
        return bad(a, "a member is cut off");
    *data = local + skip;
    return SPACC_OK;
}

/* Inflate raw deflate data whose full size is known. */
static bool inflate_all(uint8_t *to, size_t full_bytes, const uint8_t *from,
                        size_t packed_bytes)
{
    z_stream z = {0};

    if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
        return false;
    z.next_in = (Bytef *)(uintptr_t)from; /* zlib only reads it */
    z.avail_in = (uInt)packed_bytes;
    z.next_out = to;
    z.avail_out = (uInt)full_bytes;
    const int result = inflate(&z, Z_FINISH);
    const bool done = result == Z_STREAM_END && z.total_out == full_bytes;
    inflateEnd(&z);
    return done;
}

static enum spacc_status unpack(uint8_t **out, const struct member *m, const struct archive *a)
{
    const uint8_t *data = NULL;
    enum spacc_status status = find_data(&data, m, a);

    *out = NULL;
    if (status != SPACC_OK)
        return status;
    if (m->method != STORED && m->method != DEFLATED)
        return spacc_fail(a->err, SPACC_EUNSUPPORTED,
                          "%s: member %s: compression method %u is not supported", a->name,
                          m->name, m->method);
    /* deflate gains at most 1032 : 1; a larger claim is a lie */
    if (m->method == STORED ? m->packed_bytes != m->full_bytes
                            : m->full_bytes / 1040 > m->packed_bytes)
        return bad(a, "a member's size is wrong");
    uint8_t *full = malloc(m->full_bytes + (size_t)1);
    if (!full)
        return spacc_fail(a->err, SPACC_ENOMEM, "%s: %s", a->name,
                          spacc_status_text(SPACC_ENOMEM));
    if (m->method == STORED)
        memcpy(full, data, m->full_bytes);
    else if (!inflate_all(full, m->full_bytes, data, m->packed_bytes))
        status = bad(a, "a member does not inflate to its size");
    if (status == SPACC_OK &&
        crc32_z(crc32_z(0, NULL, 0), full, m->full_bytes) != (uLong)m->crc)
        status = bad(a, "a member's checksum is wrong");
    if (status != SPACC_OK)
        free(full);
    else
        *out = full;
    return status;
}

static enum spacc_status read_member(char **name, struct spacc_tensor **tensor,
                                     struct archive *a, size_t *at)
{
    struct member m = {0};
    uint8_t *full = NULL;
    enum spacc_status status = read_entry(&m, a, at);

    a->packed_bytes += m.packed_bytes;
    if (status == SPACC_OK && a->packed_bytes > a->size_bytes)
        status = bad(a, "its members overlap");
    if (status == SPACC_OK)
        status = unpack(&full, &m, a);
    if (status == SPACC_OK) {
        status = spacc_npy_parse(tensor, full, m.full_bytes, m.name, a->err);
        if (status != SPACC_OK)
            spacc_fail_in(a->err, status, "%s: member", a->name);
    }
    if (status == SPACC_OK) {
        *name = m.name;
        m.name = NULL;
    }
    free(m.name);
    free(full);
    return status;
}

enum spacc_status spacc_npz_parse(char ***names, struct spacc_tensor ***tensors, size_t *count,
                                  const void *bytes, size_t size_bytes, const char *name,
                                  struct spacc_error *err)
{
    struct archive a = {bytes, size_bytes, name, err, 0};
    enum spacc_status status = SPACC_OK;

    *names = NULL;
    *tensors = NULL;
    *count = 0;
    const uint8_t *end = find_end(&a);
    if (!end)
        return bad(&a, "it has no end record");
    const size_t members = spacc_get_u16(end + 10);
    size_t at = spacc_get_u32(end + 16);
    if (at > size_bytes || members * CENTRAL_BYTES > size_bytes - at)
        return bad(&a, "its directory is cut off");

    char **list = calloc(members + 1, sizeof(*list));
    struct spacc_tensor **found = calloc(members + 1, sizeof(*found));
    if (!list || !found)
        status = spacc_fail(err, SPACC_ENOMEM, "%s: %s", name, spacc_status_text(SPACC_ENOMEM));
    for (size_t i = 0; i < members && status == SPACC_OK; i++)
        status = read_member(&list[i], &found[i], &a, &at);
    if (status != SPACC_OK) {
        for (size_t i = 0; list && found && i < members; i++) {
            free(list[i]);
            spacc_tensor_free(found[i]);
        }
        free(list);
        free(found);
        return status;
    }
    *names = list;
    *tensors = found;
    *count = members;
    return SPACC_OK;
}

enum spacc_status spacc_npz_load(char ***names, struct spacc_tensor ***tensors, size_t *count,
                                 const char *file, struct spacc_error *err)
{
    void *bytes = NULL;
    size_t size_bytes = 0;

    *names = NULL;
    *tensors = NULL;
    *count = 0;
    enum spacc_status status =
        spacc_file_read(&bytes, &size_bytes, file, SPACC_FILE_BYTES_MAX, err);
    if (status == SPACC_OK)
        status = spacc_npz_parse(names, tensors, count, bytes, size_bytes, file, err);
    free(bytes);
    return status;
}

/* ---- writing: members stored as they are ---- */

struct output {
    uint8_t *bytes;
    size_t used, room;
};

/* Room for `more` bytes, zeroed, at the end; NULL without memory. */
static uint8_t *append(struct output *o, size_t more)
{
    if (more > o->room - o->used) {
        const size_t room = 2 * (o->used + more);
        uint8_t *bytes = realloc(o->bytes, room);
        if (!bytes)
            return NULL;
        o->bytes = bytes;
        o->room = room;
    }
    uint8_t *at = o->bytes + o->used;
    memset(at, 0, more);
    o->used += more;
    return at;
}

/* The fields that a local header and a central entry share, from "version needed". */
static void put_common(uint8_t *at, const struct member *m, size_t name_length)
{
    spacc_put_u16(at, 20);       /* version needed: 2.0 */
    spacc_put_u16(at + 8, 0x21); /* date: 1 January 1980, so that output repeats */
    spacc_put_u32(at + 10, m->crc);
    spacc_put_u32(at + 14, m->full_bytes);
    spacc_put_u32(at + 18, m->full_bytes);
    spacc_put_u16(at + 22, (uint32_t)name_length);
}

static void put_name(uint8_t *at, const char *name)
{
    memcpy(at, name, strlen(name));
    memcpy(at + strlen(name), ".npy", 4);
}

static enum spacc_status write_member(struct output *o, struct member *m, const char *name,
                                      const struct spacc_tensor *t, const char *file,
                                      struct spacc_error *err)
{
    const size_t name_length = strlen(name) + 4;
    void *npy = NULL;
    size_t npy_bytes = 0;
    enum spacc_status status = spacc_npy_format(&npy, &npy_bytes, t, file, err);

    if (status != SPACC_OK)
        return status;
    if (name_length > UINT16_MAX || npy_bytes + o->used > SPACC_FILE_BYTES_MAX / 2) {
        free(npy);
        return spacc_fail(err, SPACC_EUNSUPPORTED, "%s: a .npz of 2 GiB is not supported",
                          file);
    }
    m->full_bytes = (uint32_t)npy_bytes;
    m->crc = (uint32_t)crc32_z(crc32_z(0, NULL, 0), npy, npy_bytes);
    m->offset = (uint32_t)o->used;
    uint8_t *at = append(o, LOCAL_BYTES + name_length + npy_bytes);
    if (at) {
        spacc_put_u32(at, LOCAL_MARK);
        put_common(at + 4, m, name_length);
        put_name(at + LOCAL_BYTES, name);
        memcpy(at + LOCAL_BYTES + name_length, npy, npy_bytes);
    } else {
        status = spacc_fail(err, SPACC_ENOMEM, "%s: %s", file, spacc_status_text(SPACC_ENOMEM));
    }
    free(npy);
    return status;
}

static bool write_directory(struct output *o, const struct member *m, const char *const *names,
                            size_t count)
{
    const size_t start = o->used;

    for (size_t i = 0; i < count; i++) {
        const size_t name_length = strlen(names[i]) + 4;
        uint8_t *at = append(o, CENTRAL_BYTES + name_length);
        if (!at)
            return false;
        spacc_put_u32(at, CENTRAL_MARK);
        spacc_put_u16(at + 4, 20);
        put_common(at + 6, &m[i], name_length);
        spacc_put_u32(at + 42, m[i].offset);
        put_name(at + CENTRAL_BYTES, names[i]);
    }
    const size_t directory = o->used - start;
    uint8_t *end = append(o, END_BYTES);
    if (!end)
        return false;
    spacc_put_u32(end, END_MARK);
    spacc_put_u16(end + 8, (uint32_t)count);
    spacc_put_u16(end + 10, (uint32_t)count);
    spacc_put_u32(end + 12, (uint32_t)directory);
    spacc_put_u32(end + 16, (uint32_t)start);
    return true;
}

enum spacc_status spacc_npz_save(const char *const *names,
                                 const struct spacc_tensor *const *tensors, size_t count,
                                 const char *file, struct spacc_error *err)
{
    struct output o = {0};
    enum spacc_status status = SPACC_OK;

    if (count > UINT16_MAX - 1)
        return spacc_fail(err, SPACC_EINVAL, "%s: %zu members, at most 65534 are possible",
                          file, count);
    struct member *m = calloc(count + 1, sizeof(*m));
    if (!m)
        return spacc_fail(err, SPACC_ENOMEM, "%s: %s", file, spacc_status_text(SPACC_ENOMEM));
    for (size_t i = 0; i < count && status == SPACC_OK; i++)
        status = write_member(&o, &m[i], names[i], tensors[i], file, err);
    if (status == SPACC_OK && !write_directory(&o, m, names, count))
        status = spacc_fail(err, SPACC_ENOMEM, "%s: %s", file, spacc_status_text(SPACC_ENOMEM));
    if (status == SPACC_OK)
        status = spacc_file_write(file, o.bytes, o.used, err);
    free(o.bytes);
    free(m);
    return status;
}
