#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <zlib.h>

#include "sparse/pack_parts.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "packed models are little-endian and written straight from memory"
#endif

/* One tensor to write. */
struct blob {
    char name[PACK_NAME_BYTES];
    const char *dtype;
    size_t shape[3], rank, bytes;
    const void *data;
    void *owned; /* data, when it is a copy in another type */
};

struct blobs {
    struct blob *blob;
    size_t count;
};

/* 3 matrices of 3 tensors, 2 sets of row parameters of 3, y_scale. */
enum { BLOBS_A_LAYER = 16 };

static void blobs_release(struct blobs *b)
{
    for (size_t i = 0; b->blob && i < b->count; i++)
        free(b->blob[i].owned);
    free(b->blob);
}

static struct blob *add_blob(struct blobs *b, size_t layer, const char *part, const char *field,
                             const char *dtype, size_t bytes, const void *data)
{
    struct blob *blob = &b->blob[b->count++];

    snprintf(blob->name, sizeof(blob->name), "%zu.%s%s%s", layer, part, *field ? "." : "",
             field);
    blob->dtype = dtype;
    blob->rank = 1;
    blob->bytes = bytes;
    blob->data = data;
    return blob;
}

static bool add_index(struct blobs *b, size_t layer, const char *part,
                      const struct spacc_csb *m)
{
    const size_t slots = m->rows * m->k * m->banks, shape[3] = {m->rows, m->k, m->banks};
    uint8_t *narrow = NULL;
    struct blob *blob;

    if (m->bank_size <= 256) {
        narrow = malloc(slots + 1);
        if (!narrow)
            return false;
        for (size_t i = 0; i < slots; i++)
            narrow[i] = (uint8_t)m->index[i];
        blob = add_blob(b, layer, part, "index", "U8", slots, narrow);
    } else {
        blob = add_blob(b, layer, part, "index", "U16", slots * 2, m->index);
    }
    blob->owned = narrow;
    blob->rank = 3;
    memcpy(blob->shape, shape, sizeof(shape));
    return true;
}

static bool add_matrix(struct blobs *b, size_t layer, const char *part,
                       const struct spacc_csb *m)
{
    if (!m)
        return true;
    const bool wide = m->type == SPACC_CSB_I16;
    const size_t slots = m->rows * m->k * m->banks, shape[3] = {m->rows, m->k, m->banks};
    struct blob *blob = add_blob(b, layer, part, "value", wide ? "I16" : "I8",
                                 wide ? 2 * slots : slots, m->value);
    blob->rank = 3;
    memcpy(blob->shape, shape, sizeof(shape));
    blob = add_blob(b, layer, part, "scale", "F32", m->rows * sizeof(float), m->scale);
    blob->shape[0] = m->rows;
    return add_index(b, layer, part, m);
}

static bool add_rows(struct blobs *b, size_t layer, const char *part,
                     const struct spacc_fixed_row *row, size_t rows)
{
    if (!row)
        return true;
    int32_t *bias = malloc(rows * sizeof(*bias));
    uint16_t *mult = malloc(rows * sizeof(*mult));
    uint8_t *shift = malloc(rows * sizeof(*shift));
    if (!bias || !mult || !shift) {
        free(bias);
        free(mult);
        free(shift);
        return false;
    }
    for (size_t i = 0; i < rows; i++) {
        bias[i] = row[i].bias;
        mult[i] = row[i].mult;
        shift[i] = row[i].shift;
    }
    struct blob *blob = add_blob(b, layer, part, "bias", "I32", rows * sizeof(*bias), bias);
    blob->shape[0] = rows;
    blob->owned = bias;
    blob = add_blob(b, layer, part, "mult", "U16", rows * sizeof(*mult), mult);
    blob->shape[0] = rows;
    blob->owned = mult;
    blob = add_blob(b, layer, part, "shift", "U8", rows, shift);
    blob->shape[0] = rows;
    blob->owned = shift;
    return true;
}

static bool add_layer(struct blobs *b, size_t i, const struct spacc_fixed_layer *l)
{
    const size_t rows = 4 * l->units, rows_b = 4 * spacc_fixed_quads_b(l);

    if (!add_matrix(b, i, pack_matrix_names[0], l->w_x) ||
        !add_matrix(b, i, pack_matrix_names[1], l->w_h) ||
        !add_matrix(b, i, pack_matrix_names[2], l->w_b) ||
        !add_rows(b, i, pack_row_names[0], l->row, rows) ||
        !add_rows(b, i, pack_row_names[1], l->row_b, rows_b))
        return false;
    if (l->y_scale)
        add_blob(b, i, "y_scale", "", "F32", rows * sizeof(float), l->y_scale)->shape[0] = rows;
    return true;
}

/* ---------------------------------------------------------------- header */

static uint32_t crc_of(const void *data, size_t bytes)
{
    return (uint32_t)crc32_z(crc32_z(0, NULL, 0), data, bytes);
}

static bool add_text(cJSON *to, const char *key, const char *text)
{
    return cJSON_AddStringToObject(to, key, text) != NULL;
}

static bool add_crc(cJSON *metadata, const char *of, const void *data, size_t bytes)
{
    char key[PACK_NAME_BYTES + 16], hex[9];

    snprintf(key, sizeof(key), "spacc.crc32.%s", of);
    snprintf(hex, sizeof(hex), "%08lx", (unsigned long)crc_of(data, bytes));
    return add_text(metadata, key, hex);
}

static bool add_number(cJSON *to, const char *key, double value)
{
    return cJSON_AddNumberToObject(to, key, value) != NULL;
}

static bool add_geometry(cJSON *to, const char *part, const struct spacc_csb *m)
{
    if (!m)
        return true;
    cJSON *geometry = cJSON_AddObjectToObject(to, part);
    return geometry && add_number(geometry, "bank_size", (double)m->bank_size) &&
           add_number(geometry, "k", (double)m->k);
}

/* The layer's JSON text; free with cJSON_free(). NULL: out of memory. */
static char *layer_text(const struct spacc_pack_layer *p)
{
    const struct spacc_fixed_layer *l = p->layer;
    cJSON *o = cJSON_CreateObject();
    char *text = NULL;

    if (o && add_text(o, "name", p->name) && add_text(o, "cell", pack_cell_names[l->cell]) &&
        add_text(o, "act_g", pack_act_names[l->act_g]) &&
        add_text(o, "act_h", pack_act_names[l->act_h]) &&
        add_number(o, "units", (double)l->units) &&
        add_number(o, "outputs", (double)l->outputs) &&
        add_number(o, "x_cols", (double)l->x_cols) && add_number(o, "x_frac", l->x_frac) &&
        add_number(o, "h_frac", l->h_frac) && add_number(o, "weight_bits", l->weight_bits) &&
        add_geometry(o, pack_matrix_names[0], l->w_x) &&
        add_geometry(o, pack_matrix_names[1], l->w_h) &&
        add_geometry(o, pack_matrix_names[2], l->w_b))
        text = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    return text;
}

static bool add_layer_text(cJSON *metadata, size_t i, const struct spacc_pack_layer *layer)
{
    char key[PACK_NAME_BYTES], part[PACK_NAME_BYTES];
    char *text = layer_text(layer);

    snprintf(key, sizeof(key), "spacc.layer.%zu", i);
    snprintf(part, sizeof(part), "layer.%zu", i);
    const bool ok =
        text && add_text(metadata, key, text) && add_crc(metadata, part, text, strlen(text));
    cJSON_free(text);
    return ok;
}

/* The oldest format that knows every cell. */
static const char *format_of(const struct spacc_pack *pack)
{
    size_t format = 0;

    for (size_t i = 0; i < pack->layers; i++)
        while ((size_t)pack->layer[i].layer->cell >= pack_format_cells[format])
            format++;
    return pack_format_names[format];
}

static bool add_metadata(cJSON *root, const struct spacc_pack *pack, const struct blobs *b)
{
    cJSON *metadata = cJSON_AddObjectToObject(root, "__metadata__");
    char layers[24];

    snprintf(layers, sizeof(layers), "%zu", pack->layers);
    if (!metadata || !add_text(metadata, "spacc.format", format_of(pack)) ||
        !add_text(metadata, "spacc.source", pack->source ? pack->source : "") ||
        !add_text(metadata, "spacc.source_sha256", pack->source_sha256) ||
        !add_text(metadata, "spacc.layers", layers))
        return false;
    for (size_t i = 0; i < pack->layers; i++)
        if (!add_layer_text(metadata, i, &pack->layer[i]))
            return false;
    for (size_t i = 0; i < b->count; i++)
        if (!add_crc(metadata, b->blob[i].name, b->blob[i].data, b->blob[i].bytes))
            return false;
    return true;
}

static bool add_tensor(cJSON *root, const struct blob *b, size_t begin)
{
    const double offsets[2] = {(double)begin, (double)(begin + b->bytes)};
    cJSON *entry = cJSON_AddObjectToObject(root, b->name);

    if (!entry || !add_text(entry, "dtype", b->dtype))
        return false;
    cJSON *shape = cJSON_AddArrayToObject(entry, "shape");
    for (size_t d = 0; shape && d < b->rank; d++)
        if (!cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)b->shape[d])))
            return false;
    cJSON *range = cJSON_CreateDoubleArray(offsets, 2);
    if (!shape || !cJSON_AddItemToObject(entry, "data_offsets", range)) {
        cJSON_Delete(range);
        return false;
    }
    return true;
}

static size_t gap_after(size_t bytes)
{
    return (PACK_ALIGN - bytes % PACK_ALIGN) % PACK_ALIGN;
}

/* Strict readers refuse a byte that belongs to no tensor, so gaps are tensors, too. */
static bool add_gap(cJSON *root, size_t number, size_t begin, size_t bytes)
{
    struct blob gap = {.dtype = "U8", .shape = {bytes}, .rank = 1, .bytes = bytes};

    snprintf(gap.name, sizeof(gap.name), "pad.%zu", number);
    return bytes == 0 || add_tensor(root, &gap, begin);
}

/* The JSON header as one string; free with cJSON_free(). NULL: out of memory. */
static char *header_text(const struct spacc_pack *pack, const struct blobs *b)
{
    cJSON *root = cJSON_CreateObject();
    bool ok = root && add_metadata(root, pack, b);
    char *text = NULL;
    size_t at = 0;

    for (size_t i = 0; ok && i < b->count; i++) {
        const size_t bytes = b->blob[i].bytes, gap = gap_after(bytes);
        ok = add_tensor(root, &b->blob[i], at) && add_gap(root, i, at + bytes, gap);
        at += bytes + gap;
    }
    if (ok)
        text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    return text;
}

/* ---------------------------------------------------------------- file */

static bool put(FILE *out, const void *data, size_t bytes)
{
    return bytes == 0 || fwrite(data, 1, bytes, out) == bytes;
}

static bool put_file(FILE *out, const char *header, const struct blobs *b)
{
    static const char zeros[PACK_ALIGN] = {0};
    const size_t text_bytes = strlen(header);
    const size_t spaces = gap_after(8 + text_bytes);
    const uint64_t header_bytes = text_bytes + spaces;

    bool ok = put(out, &header_bytes, sizeof(header_bytes)) && put(out, header, text_bytes);
    for (size_t i = 0; ok && i < spaces; i++)
        ok = put(out, " ", 1);
    for (size_t i = 0; ok && i < b->count; i++)
        ok = put(out, b->blob[i].data, b->blob[i].bytes) &&
             put(out, zeros, gap_after(b->blob[i].bytes));
    return ok && fflush(out) == 0 && fsync(fileno(out)) == 0;
}

/* A new file beside `file`; its name is written to temp. NULL with errno set. */
static FILE *open_beside(const char *file, char *temp, size_t temp_bytes)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        snprintf(temp, temp_bytes, "%s.%ld.%d.tmp", file, (long)getpid(), attempt);
        const int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL, 0666);
        if (fd >= 0) {
            FILE *out = fdopen(fd, "wb");
            if (!out) {
                close(fd);
                unlink(temp);
            }
            return out;
        }
        if (errno != EEXIST)
            return NULL;
    }
    return NULL;
}

static enum spacc_status write_file(const char *file, const char *header, const struct blobs *b,
                                    struct spacc_error *err)
{
    const size_t temp_bytes = strlen(file) + 48;
    char *temp = malloc(temp_bytes);

    if (!temp)
        return spacc_fail(err, SPACC_ENOMEM, "%s: out of memory", file);
    errno = 0;
    FILE *out = open_beside(file, temp, temp_bytes);
    bool ok = out != NULL;
    if (out) {
        ok = put_file(out, header, b);
        ok = fclose(out) == 0 && ok;
        ok = ok && rename(temp, file) == 0;
        if (!ok) {
            const int reason = errno;
            unlink(temp);
            errno = reason;
        }
    }
    free(temp);
    return ok ? SPACC_OK
              : spacc_fail(err, SPACC_EIO, "%s: cannot write: %s", file, strerror(errno));
}

static enum spacc_status check(const struct spacc_pack *pack, struct spacc_error *err)
{
    if (pack->layers > PACK_LAYERS_MAX)
        return spacc_fail(err, SPACC_EINVAL, "%zu layers, a packed model has at most %d",
                          pack->layers, PACK_LAYERS_MAX);
    for (size_t i = 0; i < pack->layers; i++)
        if (spacc_fixed_check(pack->layer[i].layer, err) != SPACC_OK)
            return spacc_fail_in(err, SPACC_EINVAL, "layer %zu '%s'", i, pack->layer[i].name);
    return SPACC_OK;
}

enum spacc_status spacc_pack_save(const struct spacc_pack *pack, const char *file,
                                  struct spacc_error *err)
{
    struct blobs b = {NULL, 0};
    char *header = NULL;
    enum spacc_status status = check(pack, err);

    for (size_t i = 0; i < pack->layers && status == SPACC_OK; i++)
        if (pack->layer[i].layer->act_bits != 16)
            status = spacc_fail(err, SPACC_EUNSUPPORTED,
                                "layer %s: x and h of %d bits, the format knows 16",
                                pack->layer[i].name, pack->layer[i].layer->act_bits);

    if (status != SPACC_OK)
        return spacc_fail_in(err, status, "%s", file);
    status = SPACC_ENOMEM;
    b.blob = calloc(pack->layers + 1, BLOBS_A_LAYER * sizeof(*b.blob));
    if (!b.blob)
        goto out;
    for (size_t i = 0; i < pack->layers; i++)
        if (!add_layer(&b, i, pack->layer[i].layer))
            goto out;
    header = header_text(pack, &b);
    if (!header)
        goto out;
    if (strlen(header) > PACK_HEADER_MAX - PACK_ALIGN)
        status = spacc_fail(err, SPACC_EINVAL, "%s: header of %zu bytes is too large", file,
                            strlen(header));
    else
        status = write_file(file, header, &b, err);
out:
    cJSON_free(header);
    blobs_release(&b);
    return status == SPACC_ENOMEM ? spacc_fail(err, status, "%s: out of memory", file) : status;
}
