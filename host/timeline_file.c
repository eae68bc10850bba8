/* A time line as Chrome trace events: one process, one thread a track. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "host/timeline.h"
#include "models/io.h"

enum { PROCESS = 1 };

static cJSON *event(cJSON *list, const char *phase, const char *name, int track)
{
    cJSON *e = cJSON_CreateObject();

    if (!e || !cJSON_AddItemToArray(list, e) || !cJSON_AddStringToObject(e, "ph", phase) ||
        !cJSON_AddStringToObject(e, "name", name) ||
        !cJSON_AddNumberToObject(e, "pid", PROCESS) ||
        !cJSON_AddNumberToObject(e, "tid", track))
        return NULL;
    return cJSON_AddObjectToObject(e, "args") ? e : NULL;
}

static cJSON *args_of(const cJSON *e)
{
    return cJSON_GetObjectItemCaseSensitive(e, "args");
}

static bool add_track(cJSON *list, const struct spacc_timeline *t, int track)
{
    cJSON *e = event(list, "M", "thread_name", track);

    return e &&
           cJSON_AddStringToObject(args_of(e), "name", spacc_timeline_track_name(t, track));
}

static bool add_slice(cJSON *list, const struct spacc_slice *s, double origin_us)
{
    cJSON *e = event(list, "X", s->name, s->track);

    return e && cJSON_AddStringToObject(e, "cat", s->kind) &&
           cJSON_AddNumberToObject(e, "ts", s->start_us - origin_us) &&
           cJSON_AddNumberToObject(e, "dur", s->end_us - s->start_us) &&
           (s->cycles == 0.0 || cJSON_AddNumberToObject(args_of(e), "cycles", s->cycles));
}

static double first_start(const struct spacc_timeline *t)
{
    double first = 0.0;

    for (size_t i = 0; i < spacc_timeline_slices(t); i++) {
        const double start = spacc_timeline_slice(t, i).start_us;
        first = i == 0 || start < first ? start : first;
    }
    return first;
}

static bool fill(cJSON *root, const struct spacc_timeline *t)
{
    cJSON *list = cJSON_AddArrayToObject(root, "traceEvents");
    const double origin_us = first_start(t);
    bool good = list != NULL;

    for (int i = 0; i < spacc_timeline_tracks(t) && good; i++)
        good = add_track(list, t, i);
    for (size_t i = 0; i < spacc_timeline_slices(t) && good; i++) {
        const struct spacc_slice s = spacc_timeline_slice(t, i);
        good = add_slice(list, &s, origin_us);
    }
    return good &&
           cJSON_AddNumberToObject(root, "dropped", (double)spacc_timeline_dropped(t)) &&
           cJSON_AddStringToObject(root, "displayTimeUnit", "ns");
}

enum spacc_status spacc_timeline_save(const struct spacc_timeline *t, const char *file,
                                      struct spacc_error *err)
{
    cJSON *root = cJSON_CreateObject();
    char *text = root && fill(root, t) ? cJSON_PrintUnformatted(root) : NULL;
    const enum spacc_status status =
        text ? spacc_file_write(file, text, strlen(text), err)
             : spacc_fail(err, SPACC_ENOMEM, "%s: out of memory", file);

    free(text);
    cJSON_Delete(root);
    return status;
}
