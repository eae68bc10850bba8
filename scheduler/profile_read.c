#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "scheduler/predict/costs_parts.h"
#include "scheduler/profile_parts.h"

/* ---------------------------------------------------------------- values */

/* Reading goes on after a failure, and does nothing. */
struct reader {
    enum spacc_status status;
    struct spacc_error *err;
};

static void damaged(struct reader *r, const char *key, const char *why)
{
    if (r->status == SPACC_OK)
        r->status = spacc_fail(r->err, SPACC_EFORMAT, "%s %s", key, why);
}

static const cJSON *get(struct reader *r, const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    if (!item)
        damaged(r, key, "is missing");
    return item;
}

static double get_number(struct reader *r, const cJSON *object, const char *key, double max)
{
    const cJSON *item = get(r, object, key);

    if (item && cJSON_IsNumber(item) && item->valuedouble >= 0.0 && item->valuedouble <= max)
        return item->valuedouble;
    damaged(r, key, "is not a number in range");
    return 0.0;
}

static double get_whole(struct reader *r, const cJSON *object, const char *key, double max)
{
    const double value = get_number(r, object, key, max);

    if (floor(value) < value)
        damaged(r, key, "is not a whole number");
    return value;
}

static bool get_bool(struct reader *r, const cJSON *object, const char *key)
{
    const cJSON *item = get(r, object, key);

    if (item && !cJSON_IsBool(item))
        damaged(r, key, "is neither true nor false");
    return cJSON_IsTrue(item);
}

static const char *get_string(struct reader *r, const cJSON *object, const char *key)
{
    const cJSON *item = get(r, object, key);

    if (item && !cJSON_IsString(item))
        damaged(r, key, "is not a text");
    const char *text = cJSON_GetStringValue(item);
    return text ? text : "";
}

static void get_text(struct reader *r, const cJSON *object, const char *key, char *to,
                     size_t bytes)
{
    const char *text = get_string(r, object, key);

    if (strlen(text) >= bytes)
        damaged(r, key, "is too long");
    snprintf(to, bytes, "%s", text);
}

/* Every member is one of `keys` (ends with NULL), once: what is not read is not guessed at. */
static void only(struct reader *r, const cJSON *object, const char *what,
                 const char *const *keys)
{
    unsigned seen = 0;
    const cJSON *item;

    if (!cJSON_IsObject(object)) {
        damaged(r, what, "is not an object");
        return;
    }
    cJSON_ArrayForEach(item, object)
    {
        unsigned bit = 0;
        while (keys[bit] && strcmp(keys[bit], item->string) != 0)
            bit++;
        if (!keys[bit] || (seen >> bit & 1U))
            damaged(r, what, keys[bit] ? "says something twice" : "says something unknown");
        seen |= 1U << bit;
    }
}

/* ---------------------------------------------------------------- parts */

static void read_machine(struct reader *r, const cJSON *o, struct spacc_machine *m)
{
    static const char *const keys[] = {"cpu",      "features",     "cores", "l2_bytes",
                                       "l3_bytes", "memory_bytes", NULL};

    only(r, o, "machine", keys);
    get_text(r, o, "cpu", m->cpu, sizeof(m->cpu));
    get_text(r, o, "features", m->features, sizeof(m->features));
    m->cores = (int)get_whole(r, o, "cores", 1 << 20);
    m->l2_bytes = (uint64_t)get_whole(r, o, "l2_bytes", PROFILE_NUMBER_MAX);
    m->l3_bytes = (uint64_t)get_whole(r, o, "l3_bytes", PROFILE_NUMBER_MAX);
    m->memory_bytes = (uint64_t)get_whole(r, o, "memory_bytes", PROFILE_NUMBER_MAX);
}

static void read_link(struct reader *r, const cJSON *o, struct spacc_link *l)
{
    static const char *const keys[] = {
        "launch_us",        "sync_us",           "to_us",
        "from_us",          "to_bytes_per_us",   "from_bytes_per_us",
        "peak_macs_per_us", "peak_bytes_per_us", NULL};
    double *const value[] = {&l->launch_us,        &l->sync_us,          &l->to_us,
                             &l->from_us,          &l->to_bytes_per_us,  &l->from_bytes_per_us,
                             &l->peak_macs_per_us, &l->peak_bytes_per_us};

    only(r, o, "link", keys);
    for (size_t i = 0; keys[i]; i++)
        *value[i] = get_number(r, o, keys[i], PROFILE_NUMBER_MAX);
}

static void read_power(struct reader *r, const cJSON *o, struct spacc_power *p)
{
    static const char *const keys[] = {"idle_w", "busy_w", "measured", "source", NULL};

    only(r, o, "power", keys);
    p->idle_w = get_number(r, o, "idle_w", 1e6);
    p->busy_w = get_number(r, o, "busy_w", 1e6);
    p->measured = get_bool(r, o, "measured");
    get_text(r, o, "source", p->source, sizeof(p->source));
}

static void read_sizes(struct reader *r, const cJSON *list, struct spacc_work *w)
{
    const size_t want = spacc_work_sizes(w->family);
    const cJSON *item;
    size_t count = 0;

    if (!cJSON_IsArray(list) || (size_t)cJSON_GetArraySize(list) != want) {
        damaged(r, "sizes", "are not as many as the family has");
        return;
    }
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsNumber(item))
            damaged(r, "sizes", "are not all numbers");
        w->size[count++] = item->valuedouble;
    }
}

static void read_work(struct reader *r, const cJSON *o, struct spacc_work *w)
{
    w->family = spacc_work_family_find(get_string(r, o, "family"));
    if (w->family == SPACC_WORK_FAMILIES)
        damaged(r, "family", "is not known");
    get_text(r, o, "kernel", w->kernel, sizeof(w->kernel));
    read_sizes(r, get(r, o, "sizes"), w);
    w->macs = get_number(r, o, "macs", PROFILE_NUMBER_MAX);
    w->in_bytes = get_number(r, o, "in_bytes", PROFILE_NUMBER_MAX);
    w->weight_bytes = get_number(r, o, "weight_bytes", PROFILE_NUMBER_MAX);
    w->out_bytes = get_number(r, o, "out_bytes", PROFILE_NUMBER_MAX);
    w->threads = (int)get_whole(r, o, "threads", PROFILE_THREADS_MAX);
    w->cold = get_bool(r, o, "cold");
}

static void read_sample(struct reader *r, const cJSON *o, struct spacc_sample *s)
{
    static const char *const keys[] = {
        "family",  "kernel", "sizes", "macs",   "in_bytes", "weight_bytes", "out_bytes",
        "threads", "cold",   "us",    "spread", "joules",   "runs",         NULL};
    memset(s, 0, sizeof(*s));
    only(r, o, "it", keys);
    read_work(r, o, &s->work);
    s->us = get_number(r, o, "us", PROFILE_NUMBER_MAX);
    s->spread = get_number(r, o, "spread", PROFILE_NUMBER_MAX);
    s->joules = cJSON_IsNull(get(r, o, "joules"))
                    ? (double)NAN
                    : get_number(r, o, "joules", PROFILE_NUMBER_MAX);
    s->runs = (unsigned)get_whole(r, o, "runs", UINT_MAX);
    const char *problem = r->status == SPACC_OK ? spacc_sample_problem(s) : NULL;
    if (problem)
        damaged(r, "it", problem);
}

static void read_samples(struct reader *r, const cJSON *list, struct spacc_profile *p)
{
    const cJSON *item;
    struct spacc_sample s;

    if (r->status == SPACC_OK && !cJSON_IsArray(list))
        damaged(r, "samples", "is not a list");
    if (r->status != SPACC_OK)
        return;
    cJSON_ArrayForEach(item, list)
    {
        const size_t before = p->samples;
        read_sample(r, item, &s);
        if (r->status == SPACC_OK)
            r->status = spacc_profile_add(p, &s, r->err);
        if (r->status == SPACC_OK && p->samples == before)
            damaged(r, "it", "is there twice");
        if (r->status != SPACC_OK) {
            r->status = spacc_fail_in(r->err, r->status, "sample %zu", before);
            return;
        }
    }
}

static uint64_t read_seed(struct reader *r, const char *text)
{
    char *end;

    errno = 0;
    const unsigned long long seed = strtoull(text, &end, 10);
    if (errno != 0 || *text < '0' || *text > '9' || *end != '\0')
        damaged(r, "seed", "is not digits of a 64-bit number");
    return seed;
}

/* ---------------------------------------------------------------- whose it is */

/* Field number `i` as text; false behind the last. */
static bool field(const struct spacc_machine *m, size_t i, const char **name, char text[128])
{
    static const char *const names[] = {"cpu", "features", "cores", "L2", "L3"};
    const uint64_t bytes[] = {m->l2_bytes, m->l3_bytes};

    if (i >= sizeof(names) / sizeof(names[0]))
        return false;
    *name = names[i];
    if (i < 2)
        snprintf(text, 128, "%s", i == 0 ? m->cpu : m->features);
    else if (i == 2)
        snprintf(text, 128, "%d", m->cores);
    else
        snprintf(text, 128, "%llu KiB", (unsigned long long)bytes[i - 3] / 1024);
    return true;
}

static void check_machine(struct reader *r, const struct spacc_machine *there,
                          const struct spacc_machine *here)
{
    char text[2][128];
    const char *name;

    for (size_t i = 0; field(there, i, &name, text[0]) && field(here, i, &name, text[1]); i++) {
        if (strcmp(text[0], text[1]) == 0 || r->status != SPACC_OK)
            continue;
        r->status = spacc_fail(r->err, SPACC_EUNSUPPORTED,
                               "measured on another machine ('%.60s'): its %s is '%.100s', "
                               "here ('%.60s') it is '%.100s'",
                               there->cpu, name, text[0], here->cpu, text[1]);
    }
}

/* ---------------------------------------------------------------- file */

static void check_version(struct reader *r, const cJSON *root)
{
    const double version = get_whole(r, root, "spacc_profile", 1e9);

    if (r->status == SPACC_OK && version > SPACC_PROFILE_VERSION)
        r->status = spacc_fail(r->err, SPACC_EUNSUPPORTED,
                               "a profile of version %.0f, this program knows %d", version,
                               SPACC_PROFILE_VERSION);
    if (version < 1)
        damaged(r, "spacc_profile", "is version 0");
}

static void read_root(struct reader *r, const cJSON *root, struct spacc_profile *p,
                      const struct spacc_machine *machine)
{
    static const char *const keys[] = {"spacc_profile", "machine", "device", "complete",
                                       "seed",          "link",    "power",  "samples",
                                       "models",        NULL};

    if (!cJSON_IsObject(root))
        damaged(r, "it", "is not a profile");
    check_version(r, root);
    only(r, root, "profile", keys);
    read_machine(r, get(r, root, "machine"), &p->machine);
    if (machine)
        check_machine(r, &p->machine, machine);
    get_text(r, root, "device", p->device, sizeof(p->device));
    p->complete = get_bool(r, root, "complete");
    p->seed = read_seed(r, get_string(r, root, "seed"));
    read_link(r, get(r, root, "link"), &p->link);
    read_power(r, get(r, root, "power"), &p->power);
    read_samples(r, get(r, root, "samples"), p);
    const cJSON *models = get(r, root, "models");
    if (r->status == SPACC_OK)
        r->status = spacc_costs_parse(&p->costs, models, r->err);
}

static enum spacc_status not_json(const char *text, size_t bytes, const char *end,
                                  const char *file, struct spacc_error *err)
{
    const size_t at = end >= text && end <= text + bytes ? (size_t)(end - text) : bytes;

    return spacc_fail(err, SPACC_EFORMAT, "%s: no JSON from byte %zu of %zu on%s", file, at,
                      bytes, at >= bytes ? ": it is cut short" : "");
}

enum spacc_status spacc_profile_parse(struct spacc_profile **out, const char *text,
                                      size_t bytes, const char *file,
                                      const struct spacc_machine *machine,
                                      struct spacc_error *err)
{
    struct reader r = {SPACC_OK, err};
    const char *end = NULL;

    *out = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(text, bytes + 1, &end, true);
    if (!root)
        return not_json(text, bytes, end, file, err);
    struct spacc_profile *p = calloc(1, sizeof(*p));
    if (!p)
        r.status = spacc_fail(err, SPACC_ENOMEM, "out of memory");
    else
        read_root(&r, root, p, machine);
    cJSON_Delete(root);
    if (r.status != SPACC_OK) {
        spacc_profile_free(p);
        return spacc_fail_in(err, r.status, "%s", file);
    }
    *out = p;
    return SPACC_OK;
}

/* The whole file and a 0 behind it. */
static enum spacc_status read_file(char **out, size_t *bytes, const char *file,
                                   struct spacc_error *err)
{
    enum spacc_status status = SPACC_EIO;
    char *text = NULL;
    long size = -1;

    errno = 0;
    FILE *in = fopen(file, "rb");
    if (!in || fseek(in, 0, SEEK_END) != 0 || (size = ftell(in)) < 0 ||
        size > PROFILE_FILE_MAX || fseek(in, 0, SEEK_SET) != 0) {
        spacc_fail(err, status, "%s: %s", file,
                   size > PROFILE_FILE_MAX ? "too large for a profile" : strerror(errno));
        goto out;
    }
    text = malloc((size_t)size + 1);
    if (!text) {
        status = spacc_fail(err, SPACC_ENOMEM, "%s: out of memory for %ld bytes", file, size);
        goto out;
    }
    if (fread(text, 1, (size_t)size, in) != (size_t)size) {
        spacc_fail(err, status, "%s: %s", file, errno ? strerror(errno) : "became shorter");
        goto out;
    }
    text[size] = '\0';
    *bytes = (size_t)size;
    *out = text;
    text = NULL;
    status = SPACC_OK;
out:
    free(text);
    if (in)
        fclose(in);
    return status;
}

enum spacc_status spacc_profile_load(struct spacc_profile **out, const char *file,
                                     const struct spacc_machine *machine,
                                     struct spacc_error *err)
{
    char *text = NULL;
    size_t bytes = 0;

    *out = NULL;
    enum spacc_status status = read_file(&text, &bytes, file, err);
    if (status == SPACC_OK)
        status = spacc_profile_parse(out, text, bytes, file, machine, err);
    free(text);
    return status;
}
