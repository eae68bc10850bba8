/* Models as bytes, little-endian, and those in a JSON list:
 *
 *     "fit"         version 1, 0, kernels u16; a kernel: hash u32, family, mask of terms u32,
 *                   sigmas of closed form and of both, trees; terms u16 each (the upper half of
 *                   a float, moved by one bit); trees: a level is (128 on the last | feature),
 *                   least; then leaves
 *     "polynomial"  the same head; a kernel: sigma; polynomials of latency and power: terms;
 *                   where not 0: least f32; a term is its monomial and f32
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "scheduler/predict/costs_parts.h"

enum { BLOB_VERSION = 1, LAST_LEVEL = 128 };

static const char *const part_names[] = {"fit", "polynomial"};

/* ---------------------------------------------------------------- writing */

struct bytes {
    uint8_t *at; /* NULL: only counted */
    size_t count;
};

static void put(struct bytes *b, uint32_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (b->at)
            b->at[b->count] = (uint8_t)(value >> (8 * i));
        b->count++;
    }
}

static uint32_t bits_of(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

static uint8_t sigma_code(float sigma)
{
    return (uint8_t)lround(
        fmax(0.0, fmin(255.0, log(fmax((double)sigma, 1e-9) / 0.001) / 0.04)));
}

static float sigma_of(uint8_t code)
{
    return (float)(0.001 * exp(0.04 * code));
}

float spacc_short_sigma(double sigma)
{
    return sigma_of(sigma_code((float)sigma));
}

static size_t terms_in(uint32_t mask)
{
    size_t count = 0;

    for (; mask; mask &= mask - 1)
        count++;
    return count;
}

static void put_tree(struct bytes *b, const struct tree *t)
{
    for (unsigned i = 0; i < DEPTH_MAX && i < t->depth; i++) {
        put(b, t->feature[i] | (i + 1U == t->depth ? (unsigned)LAST_LEVEL : 0U), 1);
        put(b, t->least[i], 1);
    }
    for (size_t l = 0; l < (size_t)1 << t->depth; l++)
        put(b, (uint8_t)t->leaf[l], 1);
}

static void put_fit(struct bytes *b, const struct kernel_costs *k, bool closed_only)
{
    const size_t trees = closed_only ? 0 : k->boosted.trees;

    put(b, k->hash, 4);
    put(b, (uint32_t)k->family, 1);
    put(b, k->closed.mask, 4);
    put(b, sigma_code(k->closed_sigma), 1);
    put(b, sigma_code(k->boosted_sigma), 1);
    put(b, (uint32_t)trees, 1);
    for (size_t i = 0; i < terms_in(k->closed.mask); i++)
        put(b, bits_of(k->closed.each[i]) >> 15, 2);
    for (size_t i = 0; i < trees; i++)
        put_tree(b, &k->boosted.tree[i]);
}

static void put_polynomial(struct bytes *b, const struct polynomial *p)
{
    put(b, (uint32_t)p->terms, 1);
    if (p->terms > 0)
        put(b, bits_of(p->least), 4);
    for (size_t i = 0; i < p->terms; i++) {
        put(b, p->monomial[i], 1);
        put(b, bits_of(p->each[i]), 4);
    }
}

static void put_part(struct bytes *b, const struct spacc_costs *c, enum costs_part part,
                     bool closed_only)
{
    put(b, BLOB_VERSION, 2);
    put(b, (uint32_t)c->kernels, 2);
    for (size_t i = 0; i < c->kernels; i++) {
        const struct kernel_costs *k = &c->kernel[i];
        if (part == COSTS_FIT) {
            put_fit(b, k, closed_only);
            continue;
        }
        put(b, sigma_code(k->latency_sigma), 1);
        put_polynomial(b, &k->latency);
        put_polynomial(b, &k->power);
    }
}

size_t spacc_costs_part_bytes(const struct spacc_costs *c, enum costs_part part,
                              bool closed_only)
{
    struct bytes b = {NULL, 0};

    put_part(&b, c, part, closed_only);
    return b.count;
}

/* ---------------------------------------------------------------- reading */

struct source {
    const uint8_t *at;
    size_t left;
    bool damaged;
};

static uint32_t take(struct source *s, size_t bytes)
{
    uint32_t value = 0;

    if (s->left < bytes) {
        s->damaged = true;
        s->left = 0;
        return 0;
    }
    for (size_t i = 0; i < bytes; i++)
        value |= (uint32_t)s->at[i] << (8 * i);
    s->at += bytes;
    s->left -= bytes;
    return value;
}

static void expect(struct source *s, bool right)
{
    s->damaged = s->damaged || !right;
}

static void take_tree(struct source *s, struct tree *t, size_t features)
{
    bool last = false;

    while (!last && t->depth < DEPTH_MAX && !s->damaged) {
        const uint32_t level = take(s, 1);
        t->feature[t->depth] = (uint8_t)(level % LAST_LEVEL);
        t->least[t->depth] = (uint8_t)take(s, 1);
        expect(s, t->feature[t->depth] < features);
        last = level >= LAST_LEVEL;
        t->depth++;
    }
    expect(s, last);
    for (size_t l = 0; l < (size_t)1 << t->depth && !s->damaged; l++)
        t->leaf[l] = (int8_t)(uint8_t)take(s, 1);
}

static enum spacc_status take_trees(struct source *s, struct kernel_costs *k, size_t trees)
{
    expect(s, trees <= TREES_MAX);
    if (s->damaged || trees == 0)
        return SPACC_OK;
    k->boosted.tree = calloc(trees, sizeof(*k->boosted.tree));
    if (!k->boosted.tree)
        return SPACC_ENOMEM;
    k->boosted.trees = trees;
    for (size_t i = 0; i < trees; i++)
        take_tree(s, &k->boosted.tree[i], spacc_features(k->family));
    return SPACC_OK;
}

static enum spacc_status take_fit(struct source *s, struct kernel_costs *k)
{
    k->hash = take(s, 4);
    k->family = (enum spacc_work_family)take(s, 1);
    k->closed.mask = take(s, 4);
    k->closed_sigma = sigma_of((uint8_t)take(s, 1));
    k->boosted_sigma = sigma_of((uint8_t)take(s, 1));
    const size_t trees = take(s, 1);
    expect(s, (unsigned)k->family < SPACC_WORK_FAMILIES);
    if (s->damaged)
        return SPACC_OK;
    expect(s, (uint64_t)k->closed.mask >> spacc_terms(k->family) == 0);
    for (size_t i = 0; i < terms_in(k->closed.mask) && !s->damaged; i++) {
        k->closed.each[i] = float_of(take(s, 2) << 15);
        expect(s, k->closed.each[i] > 0.0F && isfinite(k->closed.each[i]));
    }
    return take_trees(s, k, trees);
}

static void take_polynomial(struct source *s, struct polynomial *p, size_t monomials)
{
    const size_t terms = take(s, 1);

    expect(s, terms <= MONOMIALS_KEPT);
    if (s->damaged || terms == 0)
        return;
    p->least = float_of(take(s, 4));
    expect(s, p->least > 0.0F && isfinite(p->least));
    for (; p->terms < terms && !s->damaged; p->terms++) {
        p->monomial[p->terms] = (uint8_t)take(s, 1);
        p->each[p->terms] = float_of(take(s, 4));
        expect(s, p->monomial[p->terms] < monomials && isfinite(p->each[p->terms]));
    }
}

static enum spacc_status take_head(struct source *s, struct spacc_costs *c)
{
    expect(s, take(s, 2) == BLOB_VERSION);
    const size_t kernels = take(s, 2);
    expect(s, kernels > 0 && kernels <= KERNELS_MAX && kernels <= s->left);
    if (s->damaged || c->kernel) {
        expect(s, kernels == c->kernels);
        return SPACC_OK;
    }
    c->kernel = calloc(kernels, sizeof(*c->kernel));
    if (!c->kernel)
        return SPACC_ENOMEM;
    c->kernels = kernels;
    return SPACC_OK;
}

/* Fits come first: they say which kernels there are. */
static enum spacc_status take_part(struct source *s, struct spacc_costs *c,
                                   enum costs_part part)
{
    enum spacc_status status = take_head(s, c);

    for (size_t i = 0; i < c->kernels && status == SPACC_OK && !s->damaged; i++) {
        struct kernel_costs *k = &c->kernel[i];
        if (part == COSTS_FIT) {
            status = take_fit(s, k);
            expect(s, i == 0 || c->kernel[i - 1].hash < k->hash);
            continue;
        }
        k->latency_sigma = sigma_of((uint8_t)take(s, 1));
        take_polynomial(s, &k->latency, spacc_monomials(k->family));
        take_polynomial(s, &k->power, spacc_monomials(k->family));
    }
    expect(s, s->left == 0);
    return status;
}

/* ---------------------------------------------------------------- base 64 */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* text[4 * ceil(bytes / 3) + 1] */
static void encode(char *text, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i += 3) {
        const uint32_t three = (uint32_t)bytes[i] << 16 |
                               (i + 1 < count ? (uint32_t)bytes[i + 1] << 8 : 0) |
                               (i + 2 < count ? bytes[i + 2] : 0);
        *text++ = digits[three >> 18];
        *text++ = digits[three >> 12 & 63];
        *text++ = i + 1 < count ? digits[three >> 6 & 63] : '=';
        *text++ = i + 2 < count ? digits[three & 63] : '=';
    }
    *text = '\0';
}

/* `bytes` has room for 3/4 of the text. False: not base 64, or not `count` bytes. */
static bool decode(uint8_t *bytes, size_t count, const char *text)
{
    const size_t length = strlen(text);
    uint32_t bits = 0;
    size_t have = 0, made = 0;

    if (length % 4 != 0 || length / 4 != (count + 2) / 3)
        return false;
    for (size_t i = 0; i < length; i++) {
        const char *digit = strchr(digits, text[i]);
        if (!digit && text[i] == '=' && made == count && i + 2 >= length)
            continue;
        if (!digit)
            return false;
        bits = bits << 6 | (uint32_t)(digit - digits);
        have += 6;
        if (have < 8)
            continue;
        have -= 8;
        if (made < count)
            bytes[made++] = (uint8_t)(bits >> have);
        else
            return false;
    }
    return made == count;
}

/* ---------------------------------------------------------------- JSON */

static cJSON *part_json(const struct spacc_costs *c, enum costs_part part)
{
    const size_t count = spacc_costs_part_bytes(c, part, false);
    struct bytes b = {malloc(count), 0};
    char *text = malloc(4 * ((count + 2) / 3) + 1), crc[9];
    cJSON *o = cJSON_CreateObject();
    bool ok = b.at && text && o;

    if (ok) {
        put_part(&b, c, part, false);
        encode(text, b.at, count);
        snprintf(crc, sizeof(crc), "%08lx", crc32_z(0, b.at, count));
        ok = cJSON_AddStringToObject(o, "model", part_names[part]) &&
             cJSON_AddNumberToObject(o, "bytes", (double)count) &&
             cJSON_AddStringToObject(o, "crc32", crc) &&
             cJSON_AddStringToObject(o, "base64", text);
    }
    free(b.at);
    free(text);
    if (ok)
        return o;
    cJSON_Delete(o);
    return NULL;
}

cJSON *spacc_costs_json(const struct spacc_costs *c)
{
    cJSON *list = cJSON_CreateArray();

    for (int part = 0; list && c && part < COSTS_PARTS; part++) {
        cJSON *o = part_json(c, (enum costs_part)part);
        if (o && cJSON_AddItemToArray(list, o))
            continue;
        cJSON_Delete(o);
        cJSON_Delete(list);
        return NULL;
    }
    return list;
}

static const char *text_in(const cJSON *o, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));

    return text ? text : "";
}

static enum spacc_status parse_bytes(struct spacc_costs *c, const cJSON *o,
                                     enum costs_part part, uint8_t *bytes, size_t count,
                                     struct spacc_error *err)
{
    struct source s = {bytes, count, false};
    char crc[9];

    if (!decode(bytes, count, text_in(o, "base64")))
        return spacc_fail(err, SPACC_EFORMAT, "model %s is not %zu bytes of base 64",
                          part_names[part], count);
    snprintf(crc, sizeof(crc), "%08lx", crc32_z(0, bytes, count));
    if (strcmp(crc, text_in(o, "crc32")) != 0)
        return spacc_fail(err, SPACC_EFORMAT, "model %s has checksum %s, its file says '%.16s'",
                          part_names[part], crc, text_in(o, "crc32"));
    const enum spacc_status status = take_part(&s, c, part);
    if (status == SPACC_OK && s.damaged)
        return spacc_fail(err, SPACC_EFORMAT, "model %s is damaged", part_names[part]);
    return status;
}

static enum spacc_status parse_part(struct spacc_costs *c, const cJSON *o, enum costs_part part,
                                    struct spacc_error *err)
{
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(o, "bytes");
    const double bytes = cJSON_IsNumber(number) ? number->valuedouble : -1.0;

    if (!cJSON_IsObject(o) || strcmp(text_in(o, "model"), part_names[part]) != 0)
        return spacc_fail(err, SPACC_EFORMAT, "models has '%.16s' where '%s' belongs",
                          text_in(o, "model"), part_names[part]);
    if (!(bytes >= 1.0 && bytes <= 1e7) || floor(bytes) < bytes)
        return spacc_fail(err, SPACC_EFORMAT, "model %s: bytes are no number in range",
                          part_names[part]);
    uint8_t *data = malloc((size_t)bytes);
    if (!data)
        return spacc_fail(err, SPACC_ENOMEM, "out of memory");
    const enum spacc_status status = parse_bytes(c, o, part, data, (size_t)bytes, err);
    free(data);
    return status == SPACC_ENOMEM ? spacc_fail(err, status, "out of memory") : status;
}

enum spacc_status spacc_costs_parse(struct spacc_costs **out, const cJSON *list,
                                    struct spacc_error *err)
{
    enum spacc_status status = SPACC_OK;

    *out = NULL;
    if (!cJSON_IsArray(list) || (list->child && cJSON_GetArraySize(list) != (int)COSTS_PARTS))
        return spacc_fail(err, SPACC_EFORMAT, "models is not a list of none or %d",
                          (int)COSTS_PARTS);
    if (!list->child)
        return SPACC_OK;
    struct spacc_costs *c = calloc(1, sizeof(*c));
    if (!c)
        return spacc_fail(err, SPACC_ENOMEM, "out of memory");
    for (int part = 0; part < COSTS_PARTS && status == SPACC_OK; part++)
        status = parse_part(c, cJSON_GetArrayItem(list, part), (enum costs_part)part, err);
    if (status == SPACC_OK)
        *out = c;
    else
        spacc_costs_free(c);
    return status;
}
