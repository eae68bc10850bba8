#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <zlib.h>

#include "sparse/pack_parts.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "packed models are little-endian and read straight into memory"
#endif

/* Members of a JSON object by name: cJSON itself looks them up one after the other. */
struct table {
    const cJSON **item;
    size_t count;
};

struct reader {
    const uint8_t *data; /* behind the header */
    size_t data_bytes;
    struct table tensors, metadata;
    size_t cells; /* that the file's format knows */
    struct spacc_error *err;
};

/* A tensor whose range and checksum are checked. */
struct view {
    const void *data;
    size_t bytes;
};

static int by_name(const void *a, const void *b)
{
    const cJSON *const *left = a, *const *right = b;

    return strcmp((*left)->string, (*right)->string);
}

static enum spacc_status table_init(struct table *t, const cJSON *object,
                                    struct spacc_error *err)
{
    const cJSON *item;
    size_t count = 0;

    if (!cJSON_IsObject(object)) /* members of anything else have no names */
        object = NULL;
    cJSON_ArrayForEach(item, object) count++;
    t->item = calloc(count + 1, sizeof(*t->item));
    if (!t->item)
        return spacc_fail(err, SPACC_ENOMEM, "out of memory for a header of %zu names", count);
    cJSON_ArrayForEach(item, object) t->item[t->count++] = item;
    qsort(t->item, t->count, sizeof(*t->item), by_name);
    for (size_t i = 1; i < t->count; i++)
        if (by_name(&t->item[i - 1], &t->item[i]) == 0)
            return spacc_fail(err, SPACC_EFORMAT, "header has '%.64s' twice",
                              t->item[i]->string);
    return SPACC_OK;
}

static const cJSON *find(const struct table *t, const char *name)
{
    size_t low = 0, high = t->count;

    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        const int order = strcmp(name, t->item[mid]->string);
        if (order == 0)
            return t->item[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

/* ---------------------------------------------------------------- values */

static bool whole_number(size_t *to, const cJSON *item, double max)
{
    if (!cJSON_IsNumber(item))
        return false;
    const double value = item->valuedouble;
    if (!(value >= 0.0 && value <= max) || floor(value) < value)
        return false;
    *to = (size_t)value;
    return true;
}

static enum spacc_status get_size(size_t *to, const cJSON *object, const char *key, size_t max,
                                  struct spacc_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    if (!whole_number(to, item, (double)max))
        return spacc_fail(err, SPACC_EFORMAT, "%s is %s, not a whole number of 0 to %zu", key,
                          item ? "out of range" : "missing", max);
    return SPACC_OK;
}

static enum spacc_status get_int(int *to, const cJSON *object, const char *key,
                                 struct spacc_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    const double value = cJSON_IsNumber(item) ? item->valuedouble : 1e9;

    if (!(fabs(value) <= 1000.0) || floor(value) < value)
        return spacc_fail(err, SPACC_EFORMAT, "%s is not a small whole number", key);
    *to = (int)value;
    return SPACC_OK;
}

/* The number of a word in a list. */
static enum spacc_status get_word(int *to, const cJSON *object, const char *key,
                                  const char *const *words, size_t count,
                                  struct spacc_error *err)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

    for (size_t i = 0; text && i < count; i++) {
        if (strcmp(text, words[i]) == 0) {
            *to = (int)i;
            return SPACC_OK;
        }
    }
    return spacc_fail(err, SPACC_EFORMAT, "%s '%.32s' is not known", key, text ? text : "");
}

static const char *metadata(const struct reader *r, const char *key)
{
    return cJSON_GetStringValue(find(&r->metadata, key));
}

static enum spacc_status check_crc(const struct reader *r, const char *of, const void *data,
                                   size_t bytes)
{
    char key[PACK_NAME_BYTES + 16], hex[9];
    const uint32_t crc = (uint32_t)crc32_z(crc32_z(0, NULL, 0), data, bytes);

    snprintf(key, sizeof(key), "spacc.crc32.%s", of);
    snprintf(hex, sizeof(hex), "%08lx", (unsigned long)crc);
    const char *want = metadata(r, key);
    if (!want)
        return spacc_fail(r->err, SPACC_EFORMAT, "%s has no checksum", of);
    if (strcmp(want, hex) != 0)
        return spacc_fail(r->err, SPACC_EFORMAT, "%s has checksum %s, the header says %.16s",
                          of, hex, want);
    return SPACC_OK;
}

/* ---------------------------------------------------------------- tensors */

static size_t dtype_bytes(const char *dtype)
{
    return strstr(dtype, "32") ? 4 : strstr(dtype, "16") ? 2 : 1;
}

static bool has_shape(const cJSON *entry, const size_t *shape, size_t rank)
{
    const cJSON *dims = cJSON_GetObjectItemCaseSensitive(entry, "shape"), *item;
    size_t d = 0, value;

    if (!cJSON_IsArray(dims))
        return false;
    cJSON_ArrayForEach(item, dims)
    {
        if (d == rank || !whole_number(&value, item, 0x1p52) || value != shape[d])
            return false;
        d++;
    }
    return d == rank;
}

static bool get_range(size_t *begin, size_t *end, const cJSON *entry, size_t data_bytes)
{
    const cJSON *range = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");

    return cJSON_IsArray(range) && cJSON_GetArraySize(range) == 2 &&
           whole_number(begin, range->child, (double)data_bytes) &&
           whole_number(end, range->child->next, (double)data_bytes) && *begin <= *end &&
           *end <= data_bytes;
}

/* Tensor "<layer>.<part>" of exactly this type and shape (up to 2^41 elements). */
static enum spacc_status get_tensor(struct view *v, const struct reader *r, size_t layer,
                                    const char *part, const char *dtype, const size_t *shape,
                                    size_t rank)
{
    char name[PACK_NAME_BYTES];
    size_t bytes = dtype_bytes(dtype), begin, end;

    snprintf(name, sizeof(name), "%zu.%.20s", layer, part); /* "0.row_b.shift" */
    for (size_t d = 0; d < rank; d++)
        bytes *= shape[d];
    const cJSON *entry = find(&r->tensors, name);
    if (!cJSON_IsObject(entry))
        return spacc_fail(r->err, SPACC_EFORMAT, "tensor %s is missing", name);
    const char *got = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "dtype"));
    if (!got || strcmp(got, dtype) != 0)
        return spacc_fail(r->err, SPACC_EFORMAT,
                          "tensor %s is of type %.16s, the layer needs %s", name,
                          got ? got : "none", dtype);
    if (!has_shape(entry, shape, rank))
        return spacc_fail(r->err, SPACC_EFORMAT,
                          "tensor %s has not the layer's shape (%zu, ...)", name, shape[0]);
    if (!get_range(&begin, &end, entry, r->data_bytes))
        return spacc_fail(r->err, SPACC_EFORMAT,
                          "tensor %s: data_offsets are not inside the "
                          "file's %zu data bytes",
                          name, r->data_bytes);
    if (end - begin != bytes)
        return spacc_fail(r->err, SPACC_EFORMAT, "tensor %s has %zu bytes, its shape needs %zu",
                          name, end - begin, bytes);
    *v = (struct view){r->data + begin, bytes};
    return check_crc(r, name, v->data, bytes);
}

/* A copy of a tensor; never NULL for an empty one. */
static enum spacc_status copy_tensor(void *out, const struct reader *r, size_t layer,
                                     const char *part, const char *dtype, const size_t *shape,
                                     size_t rank)
{
    struct view v = {0};
    const enum spacc_status status = get_tensor(&v, r, layer, part, dtype, shape, rank);

    if (status != SPACC_OK)
        return status;
    void *copy = malloc(v.bytes + 1);
    if (!copy)
        return spacc_fail(r->err, SPACC_ENOMEM, "out of memory for %zu bytes", v.bytes);
    if (v.bytes)
        memcpy(copy, v.data, v.bytes);
    memcpy(out, &copy, sizeof(copy));
    return SPACC_OK;
}

/* ---------------------------------------------------------------- matrices */

static enum spacc_status read_index(struct spacc_csb *m, const struct reader *r, size_t layer,
                                    const char *part)
{
    const size_t shape[3] = {m->rows, m->k, m->banks}, slots = m->rows * m->k * m->banks;
    struct view v;

    if (m->bank_size > 256)
        return copy_tensor(&m->index, r, layer, part, "U16", shape, 3);
    const enum spacc_status status = get_tensor(&v, r, layer, part, "U8", shape, 3);
    if (status != SPACC_OK)
        return status;
    m->index = malloc((slots + 1) * sizeof(*m->index));
    if (!m->index)
        return spacc_fail(r->err, SPACC_ENOMEM, "out of memory for %zu indices", slots);
    for (size_t i = 0; i < slots; i++)
        m->index[i] = ((const uint8_t *)v.data)[i];
    return SPACC_OK;
}

static void count_nonzeros(struct spacc_csb *m)
{
    const size_t slots = m->rows * m->k * m->banks;

    for (size_t i = 0; i < slots; i++)
        m->nonzeros += m->type == SPACC_CSB_I8 ? ((const int8_t *)m->value)[i] != 0
                                               : ((const int16_t *)m->value)[i] != 0;
}

static enum spacc_status read_arrays(struct spacc_csb *m, const struct reader *r, size_t layer,
                                     const char *part)
{
    const size_t shape[3] = {m->rows, m->k, m->banks};
    char name[PACK_NAME_BYTES];

    snprintf(name, sizeof(name), "%s.value", part);
    enum spacc_status status = copy_tensor(&m->value, r, layer, name,
                                           m->type == SPACC_CSB_I8 ? "I8" : "I16", shape, 3);
    snprintf(name, sizeof(name), "%s.scale", part);
    if (status == SPACC_OK)
        status = copy_tensor(&m->scale, r, layer, name, "F32", shape, 1);
    snprintf(name, sizeof(name), "%s.index", part);
    return status == SPACC_OK ? read_index(m, r, layer, name) : status;
}

/* A matrix that the layer's JSON gives a geometry; *out stays NULL when it gives none. */
static enum spacc_status read_matrix(struct spacc_csb **out, const struct reader *r,
                                     size_t layer, const cJSON *json, const char *part,
                                     size_t rows, size_t cols, int weight_bits)
{
    const cJSON *geometry = cJSON_GetObjectItemCaseSensitive(json, part);

    if (!geometry)
        return SPACC_OK;
    if (rows == 0 || cols == 0)
        return spacc_fail(r->err, SPACC_EFORMAT, "%s is not expected", part);
    struct spacc_csb *m = *out = calloc(1, sizeof(*m)); /* freed with the layer */
    if (!m)
        return spacc_fail(r->err, SPACC_ENOMEM, "out of memory for a matrix");
    m->rows = rows;
    m->cols = cols;
    m->type = weight_bits == 8 ? SPACC_CSB_I8 : SPACC_CSB_I16;
    enum spacc_status status = get_size(&m->bank_size, geometry, "bank_size", 65536, r->err);
    if (status == SPACC_OK && m->bank_size == 0)
        status = spacc_fail(r->err, SPACC_EFORMAT, "%s: bank_size is 0", part);
    if (status == SPACC_OK)
        status = get_size(&m->k, geometry, "k", m->bank_size, r->err);
    if (status != SPACC_OK)
        return status;
    m->banks = (cols + m->bank_size - 1) / m->bank_size;
    status = read_arrays(m, r, layer, part);
    if (status == SPACC_OK)
        count_nonzeros(m);
    return status;
}

/* ---------------------------------------------------------------- layers */

static enum spacc_status read_rows(struct spacc_fixed_row **out, const struct reader *r,
                                   size_t layer, const char *part, size_t rows)
{
    static const struct {
        const char *name, *dtype;
    } fields[] = {{"bias", "I32"}, {"mult", "U16"}, {"shift", "U8"}};
    struct view v[3];

    for (size_t i = 0; i < 3; i++) {
        char name[PACK_NAME_BYTES];
        snprintf(name, sizeof(name), "%s.%s", part, fields[i].name);
        const enum spacc_status status =
            get_tensor(&v[i], r, layer, name, fields[i].dtype, &rows, 1);
        if (status != SPACC_OK)
            return status;
    }
    struct spacc_fixed_row *row = *out = calloc(rows, sizeof(*row));
    if (!row)
        return spacc_fail(r->err, SPACC_ENOMEM, "out of memory for %zu rows", rows);
    for (size_t i = 0; i < rows; i++) {
        memcpy(&row[i].bias, (const char *)v[0].data + 4 * i, 4);
        memcpy(&row[i].mult, (const char *)v[1].data + 2 * i, 2);
        row[i].shift = ((const uint8_t *)v[2].data)[i];
    }
    return SPACC_OK;
}

static enum spacc_status read_fields(struct spacc_fixed_layer *l, const cJSON *json,
                                     size_t cells, struct spacc_error *err)
{
    const struct {
        int *to;
        const char *key;
        const char *const *words;
        size_t count;
    } words[] = {{&(int){0}, "cell", pack_cell_names, cells},
                 {&(int){0}, "act_g", pack_act_names, 3},
                 {&(int){0}, "act_h", pack_act_names, 3}};
    const struct {
        size_t *to;
        const char *key;
    } sizes[] = {{&l->units, "units"}, {&l->outputs, "outputs"}, {&l->x_cols, "x_cols"}};
    const struct {
        int *to;
        const char *key;
    } ints[] = {
        {&l->x_frac, "x_frac"}, {&l->h_frac, "h_frac"}, {&l->weight_bits, "weight_bits"}};
    enum spacc_status status = SPACC_OK;

    for (size_t i = 0; i < 3 && status == SPACC_OK; i++)
        status = get_word(words[i].to, json, words[i].key, words[i].words, words[i].count, err);
    for (size_t i = 0; i < 3 && status == SPACC_OK; i++)
        status = get_size(sizes[i].to, json, sizes[i].key, 1 << 24, err);
    for (size_t i = 0; i < 3 && status == SPACC_OK; i++)
        status = get_int(ints[i].to, json, ints[i].key, err);
    if (status != SPACC_OK)
        return status;
    l->act_bits = 16;
    l->cell = (enum spacc_cell) * words[0].to;
    l->act_g = (enum spacc_act) * words[1].to;
    l->act_h = (enum spacc_act) * words[2].to;
    return spacc_fixed_check_sizes(l, err);
}

static enum spacc_status read_parts(struct spacc_fixed_layer *l, const struct reader *r,
                                    size_t i, const cJSON *json)
{
    const size_t rows = 4 * l->units, rows_b = 4 * spacc_fixed_quads_b(l);
    const struct {
        struct spacc_csb **to;
        size_t rows, cols;
    } matrices[] = {{&l->w_x, rows, l->x_cols},
                    {&l->w_h, rows, spacc_fixed_h_cols(l)},
                    {&l->w_b, rows_b, l->units}};
    enum spacc_status status = SPACC_OK;

    for (size_t m = 0; m < 3 && status == SPACC_OK; m++)
        status = read_matrix(matrices[m].to, r, i, json, pack_matrix_names[m], matrices[m].rows,
                             matrices[m].cols, l->weight_bits);
    if (status == SPACC_OK)
        status = read_rows(&l->row, r, i, pack_row_names[0], rows);
    if (status == SPACC_OK && rows_b)
        status = read_rows(&l->row_b, r, i, pack_row_names[1], rows_b);
    if (status == SPACC_OK && l->cell == SPACC_CELL_LINEAR)
        status = copy_tensor(&l->y_scale, r, i, "y_scale", "F32", &rows, 1);
    return status == SPACC_OK ? spacc_fixed_check(l, r->err) : status;
}

static bool deep(const char *text, size_t bytes)
{
    bool quoted = false;
    int depth = 0;

    for (size_t i = 0; i < bytes; i++) {
        if (quoted && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            quoted = !quoted;
        else if (!quoted && (text[i] == '{' || text[i] == '['))
            depth++;
        else if (!quoted && (text[i] == '}' || text[i] == ']'))
            depth--;
        if (depth > PACK_DEPTH_MAX)
            return true;
    }
    return false;
}

/* cJSON walks down recursively, so depth is looked at first. Only spaces may follow. */
static enum spacc_status parse_object(cJSON **out, const char *text, size_t bytes,
                                      const char *what, struct spacc_error *err)
{
    const char *end = NULL;

    *out = NULL;
    if (deep(text, bytes))
        return spacc_fail(err, SPACC_EFORMAT, "%s is nested deeper than %d", what,
                          PACK_DEPTH_MAX);
    cJSON *json = cJSON_ParseWithLengthOpts(text, bytes, &end, 0);
    while (json && end < text + bytes && *end == ' ')
        end++;
    if (!json || !cJSON_IsObject(json) || end != text + bytes) {
        cJSON_Delete(json);
        return spacc_fail(err, SPACC_EFORMAT, "%s is not one JSON object", what);
    }
    *out = json;
    return SPACC_OK;
}

static enum spacc_status read_layer(struct spacc_pack_layer *layer, const struct reader *r,
                                    size_t i)
{
    char key[PACK_NAME_BYTES];
    cJSON *json = NULL;
    enum spacc_status status = SPACC_ENOMEM;

    snprintf(key, sizeof(key), "spacc.layer.%zu", i);
    const char *text = metadata(r, key);
    if (!text)
        return spacc_fail(r->err, SPACC_EFORMAT, "%s is missing", key);
    if ((status = check_crc(r, key + strlen("spacc."), text, strlen(text))) != SPACC_OK ||
        (status = parse_object(&json, text, strlen(text), key, r->err)) != SPACC_OK)
        goto out;
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "name"));
    if (!name) {
        status = spacc_fail(r->err, SPACC_EFORMAT, "%s has no name", key);
        goto out;
    }
    layer->name = strdup(name);
    layer->layer = calloc(1, sizeof(*layer->layer));
    if (!layer->name || !layer->layer) {
        status = spacc_fail(r->err, SPACC_ENOMEM, "out of memory for a layer");
        goto out;
    }
    status = read_fields(layer->layer, json, r->cells, r->err);
    if (status == SPACC_OK)
        status = read_parts(layer->layer, r, i, json);
    if (status != SPACC_OK)
        status = spacc_fail_in(r->err, status, "layer %zu '%.100s'", i, name);
out:
    cJSON_Delete(json);
    return status;
}

/* ---------------------------------------------------------------- pack */

static bool is_sha256(const char *text)
{
    return *text == '\0' || (strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64);
}

static enum spacc_status read_format(struct reader *r)
{
    const char *format = metadata(r, "spacc.format");

    if (!format)
        return spacc_fail(r->err, SPACC_EFORMAT, "not a packed model (no spacc.format)");
    for (size_t i = 0; i < PACK_FORMATS; i++) {
        if (strcmp(format, pack_format_names[i]) == 0) {
            r->cells = pack_format_cells[i];
            return SPACC_OK;
        }
    }
    return spacc_fail(r->err, SPACC_EUNSUPPORTED,
                      "packed format %.16s, this program reads up to %s", format,
                      pack_format_names[PACK_FORMATS - 1]);
}

static enum spacc_status read_about(struct spacc_pack *pack, const struct reader *r)
{
    const char *source = metadata(r, "spacc.source");
    const char *sha256 = metadata(r, "spacc.source_sha256"),
               *layers = metadata(r, "spacc.layers");
    char next[PACK_NAME_BYTES];

    if (!source || !sha256 || !is_sha256(sha256))
        return spacc_fail(r->err, SPACC_EFORMAT,
                          "spacc.source or spacc.source_sha256 is missing "
                          "or damaged");
    if (!layers || strspn(layers, "0123456789") != strlen(layers) || strlen(layers) - 1 > 3 ||
        strtoul(layers, NULL, 10) > PACK_LAYERS_MAX)
        return spacc_fail(r->err, SPACC_EFORMAT, "spacc.layers is not 0 to %d",
                          PACK_LAYERS_MAX);
    strcpy(pack->source_sha256, sha256); /* 64 digits or none */
    const size_t count = strtoul(layers, NULL, 10);
    snprintf(next, sizeof(next), "spacc.layer.%zu", count);
    if (find(&r->metadata, next))
        return spacc_fail(r->err, SPACC_EFORMAT, "%s is there, spacc.layers says %zu", next,
                          count);
    pack->source = strdup(source);
    pack->layer = calloc(count + 1, sizeof(*pack->layer));
    if (!pack->source || !pack->layer)
        return spacc_fail(r->err, SPACC_ENOMEM, "out of memory for %zu layers", count);
    pack->layers = count;
    return SPACC_OK;
}

static enum spacc_status read_header(struct reader *r, cJSON **root, const uint8_t *bytes,
                                     size_t size_bytes)
{
    uint64_t header_bytes;

    if (size_bytes < sizeof(header_bytes))
        return spacc_fail(r->err, SPACC_EFORMAT, "file of %zu bytes has no header", size_bytes);
    memcpy(&header_bytes, bytes, sizeof(header_bytes));
    if (header_bytes > size_bytes - 8 || header_bytes > PACK_HEADER_MAX)
        return spacc_fail(r->err, SPACC_EFORMAT,
                          "header of %llu bytes in a file of %zu (limit %d)",
                          (unsigned long long)header_bytes, size_bytes, PACK_HEADER_MAX);
    r->data = bytes + 8 + header_bytes;
    r->data_bytes = size_bytes - 8 - (size_t)header_bytes;
    enum spacc_status status =
        parse_object(root, (const char *)bytes + 8, (size_t)header_bytes, "header", r->err);
    if (status == SPACC_OK)
        status = table_init(&r->tensors, *root, r->err);
    if (status == SPACC_OK)
        status = table_init(&r->metadata, find(&r->tensors, "__metadata__"), r->err);
    return status;
}

enum spacc_status spacc_pack_parse(struct spacc_pack **out, const void *bytes,
                                   size_t size_bytes, const char *name, struct spacc_error *err)
{
    struct reader r = {.err = err};
    cJSON *root = NULL;
    enum spacc_status status = SPACC_ENOMEM;

    *out = NULL;
    struct spacc_pack *pack = calloc(1, sizeof(*pack));
    if (!pack)
        return spacc_fail(err, SPACC_ENOMEM, "%s: out of memory", name);
    if ((status = read_header(&r, &root, bytes, size_bytes)) != SPACC_OK ||
        (status = read_format(&r)) != SPACC_OK || (status = read_about(pack, &r)) != SPACC_OK)
        goto out;
    for (size_t i = 0; i < pack->layers; i++)
        if ((status = read_layer(&pack->layer[i], &r, i)) != SPACC_OK)
            goto out;
    *out = pack;
    pack = NULL;
out:
    spacc_pack_free(pack);
    free(r.tensors.item);
    free(r.metadata.item);
    cJSON_Delete(root);
    return status == SPACC_OK ? status : spacc_fail_in(err, status, "%s", name);
}

static enum spacc_status read_file(uint8_t **out, size_t *size_bytes, const char *file,
                                   struct spacc_error *err)
{
    uint8_t *bytes = NULL;
    long size = -1;
    enum spacc_status status = SPACC_EIO;

    FILE *in = fopen(file, "rb");
    if (!in || fseek(in, 0, SEEK_END) != 0 || (size = ftell(in)) < 0 || size == LONG_MAX ||
        fseek(in, 0, SEEK_SET) != 0) {
        spacc_fail(err, status, "%s: %s", file,
                   size == LONG_MAX ? "not a file" : strerror(errno));
        goto out;
    }
    bytes = malloc((size_t)size + 1);
    if (!bytes) {
        status = spacc_fail(err, SPACC_ENOMEM, "%s: out of memory for %ld bytes", file, size);
        goto out;
    }
    errno = 0;
    *size_bytes = fread(bytes, 1, (size_t)size, in);
    if (*size_bytes != (size_t)size) {
        spacc_fail(err, status, "%s: %s", file,
                   errno ? strerror(errno) : "file became shorter");
        goto out;
    }
    *out = bytes;
    bytes = NULL;
    status = SPACC_OK;
out:
    free(bytes);
    if (in)
        fclose(in);
    return status;
}

enum spacc_status spacc_pack_load(struct spacc_pack **out, const char *file,
                                  struct spacc_error *err)
{
    uint8_t *bytes = NULL;
    size_t size_bytes = 0;

    *out = NULL;
    enum spacc_status status = read_file(&bytes, &size_bytes, file, err);
    if (status == SPACC_OK)
        status = spacc_pack_parse(out, bytes, size_bytes, file, err);
    free(bytes);
    return status;
}

void spacc_pack_free(struct spacc_pack *pack)
{
    if (!pack)
        return;
    for (size_t i = 0; i < pack->layers; i++) {
        free(pack->layer[i].name);
        spacc_fixed_free(pack->layer[i].layer);
    }
    free(pack->layer);
    free(pack->source);
    free(pack);
}
