#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "scheduler/predict/costs_parts.h"
#include "scheduler/profile_parts.h"

/* ---------------------------------------------------------------- values */

/* The shortest text that reads back to the same bits: cJSON's own may miss the last one. */
static cJSON *number(double value)
{
    char text[40];

    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        const double back = strtod(text, NULL);
        if (!(back < value) && !(back > value))
            break;
    }
    return cJSON_CreateRaw(text);
}

/* Hand `item` (NULL: out of memory) to `to`. */
static bool put(cJSON *to, const char *key, cJSON *item)
{
    if (item && cJSON_AddItemToObject(to, key, item))
        return true;
    cJSON_Delete(item);
    return false;
}

static bool put_number(cJSON *to, const char *key, double value)
{
    return put(to, key, isnan(value) ? cJSON_CreateNull() : number(value));
}

static bool put_text(cJSON *to, const char *key, const char *text)
{
    return put(to, key, cJSON_CreateString(text));
}

/* ---------------------------------------------------------------- parts */

typedef bool put_fn(cJSON *o, const void *what);

static bool put_machine(cJSON *o, const void *what)
{
    const struct spacc_machine *m = what;

    return put_text(o, "cpu", m->cpu) && put_text(o, "features", m->features) &&
           put_number(o, "cores", m->cores) && put_number(o, "l2_bytes", (double)m->l2_bytes) &&
           put_number(o, "l3_bytes", (double)m->l3_bytes) &&
           put_number(o, "memory_bytes", (double)m->memory_bytes);
}

static bool put_link(cJSON *o, const void *what)
{
    const struct spacc_link *l = what;

    return put_number(o, "launch_us", l->launch_us) && put_number(o, "sync_us", l->sync_us) &&
           put_number(o, "to_us", l->to_us) && put_number(o, "from_us", l->from_us) &&
           put_number(o, "to_bytes_per_us", l->to_bytes_per_us) &&
           put_number(o, "from_bytes_per_us", l->from_bytes_per_us) &&
           put_number(o, "peak_macs_per_us", l->peak_macs_per_us) &&
           put_number(o, "peak_bytes_per_us", l->peak_bytes_per_us);
}

static bool put_power(cJSON *o, const void *what)
{
    const struct spacc_power *p = what;

    return put_number(o, "idle_w", p->idle_w) && put_number(o, "busy_w", p->busy_w) &&
           put(o, "measured", cJSON_CreateBool(p->measured)) &&
           put_text(o, "source", p->source);
}

static cJSON *sizes_of(const struct spacc_work *w)
{
    const size_t count = spacc_work_sizes(w->family);
    cJSON *sizes = cJSON_CreateArray();

    for (size_t i = 0; sizes && i < count; i++) {
        cJSON *item = number(w->size[i]);
        if (!item || !cJSON_AddItemToArray(sizes, item)) {
            cJSON_Delete(item);
            cJSON_Delete(sizes);
            return NULL;
        }
    }
    return sizes;
}

static bool put_sample(cJSON *o, const void *what)
{
    const struct spacc_sample *s = what;
    const struct spacc_work *w = &s->work;

    return put_text(o, "family", spacc_work_family_name(w->family)) &&
           put_text(o, "kernel", w->kernel) && put(o, "sizes", sizes_of(w)) &&
           put_number(o, "macs", w->macs) && put_number(o, "in_bytes", w->in_bytes) &&
           put_number(o, "weight_bytes", w->weight_bytes) &&
           put_number(o, "out_bytes", w->out_bytes) && put_number(o, "threads", w->threads) &&
           put(o, "cold", cJSON_CreateBool(w->cold)) && put_number(o, "us", s->us) &&
           put_number(o, "spread", s->spread) && put_number(o, "joules", s->joules) &&
           put_number(o, "runs", s->runs);
}

static cJSON *object_of(put_fn *fill, const void *what)
{
    cJSON *o = cJSON_CreateObject();

    if (o && fill(o, what))
        return o;
    cJSON_Delete(o);
    return NULL;
}

/* ---------------------------------------------------------------- file */

struct writer {
    FILE *out;
    enum spacc_status status;
};

/* `before` and the text of `item` (NULL: out of memory), which goes. */
static void print(struct writer *w, const char *before, cJSON *item)
{
    char *text = item && w->status == SPACC_OK ? cJSON_PrintUnformatted(item) : NULL;

    if (w->status == SPACC_OK && !text)
        w->status = SPACC_ENOMEM;
    if (text && (fputs(before, w->out) < 0 || fputs(text, w->out) < 0))
        w->status = SPACC_EIO;
    cJSON_free(text);
    cJSON_Delete(item);
}

static cJSON *seed_of(const struct spacc_profile *p)
{
    char text[24];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)p->seed);
    return cJSON_CreateString(text); /* 64 bits are more than a number of JSON has */
}

static enum spacc_status print_all(FILE *out, const struct spacc_profile *p)
{
    struct writer w = {out, SPACC_OK};

    print(&w, "{\"spacc_profile\": ", number(SPACC_PROFILE_VERSION));
    print(&w, ",\n\"machine\": ", object_of(put_machine, &p->machine));
    print(&w, ",\n\"device\": ", cJSON_CreateString(p->device));
    print(&w, ",\n\"complete\": ", cJSON_CreateBool(p->complete));
    print(&w, ",\n\"seed\": ", seed_of(p));
    print(&w, ",\n\"link\": ", object_of(put_link, &p->link));
    print(&w, ",\n\"power\": ", object_of(put_power, &p->power));
    for (size_t i = 0; i < p->samples; i++)
        print(&w, i == 0 ? ",\n\"samples\": [\n" : ",\n", object_of(put_sample, &p->sample[i]));
    if (w.status == SPACC_OK && fputs(p->samples > 0 ? "\n]" : ",\n\"samples\": []", out) < 0)
        w.status = SPACC_EIO;
    print(&w, ",\n\"models\": ", spacc_costs_json(p->costs));
    if (w.status == SPACC_OK &&
        (fputs("}\n", out) < 0 || fflush(out) != 0 || fsync(fileno(out)) != 0))
        w.status = SPACC_EIO;
    return w.status;
}

/* A new file beside `file`; its name is written to temp. NULL with errno set. */
static FILE *open_beside(const char *file, char *temp, size_t temp_bytes)
{
    FILE *out;

    snprintf(temp, temp_bytes, "%s.%ld.tmp", file, (long)getpid());
    (void)unlink(temp); /* of a process of this number that died */
    const int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (fd < 0)
        return NULL;
    out = fdopen(fd, "wb");
    if (!out) {
        close(fd);
        unlink(temp);
    }
    return out;
}

static enum spacc_status write_beside(const struct spacc_profile *p, const char *file,
                                      char *temp, size_t temp_bytes)
{
    FILE *out = open_beside(file, temp, temp_bytes);

    if (!out)
        return errno == ENOMEM ? SPACC_ENOMEM : SPACC_EIO;
    enum spacc_status status = print_all(out, p);
    if (fclose(out) != 0 && status == SPACC_OK)
        status = SPACC_EIO;
    if (status == SPACC_OK && rename(temp, file) != 0)
        status = SPACC_EIO;
    if (status != SPACC_OK) {
        const int reason = errno;
        unlink(temp);
        errno = reason;
    }
    return status;
}

enum spacc_status spacc_profile_save(const struct spacc_profile *p, const char *file,
                                     struct spacc_error *err)
{
    const size_t temp_bytes = strlen(file) + 40;
    char *temp = malloc(temp_bytes);

    if (!temp)
        return spacc_fail(err, SPACC_ENOMEM, "%s: out of memory", file);
    errno = 0;
    const enum spacc_status status = write_beside(p, file, temp, temp_bytes);
    free(temp);
    if (status == SPACC_ENOMEM)
        return spacc_fail(err, status, "%s: out of memory", file);
    return status == SPACC_OK
               ? status
               : spacc_fail(err, status, "%s: cannot write: %s", file, strerror(errno));
}
