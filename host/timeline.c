#include "host/timeline.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRACKS_MAX = 300, NAME_MAX_BYTES = 48 };

struct spacc_timeline {
    int tracks;
    char track[TRACKS_MAX][NAME_MAX_BYTES];
    size_t room;
    atomic_size_t taken; /* more than room when slices were dropped */
    struct spacc_slice slice[];
};

enum spacc_status spacc_timeline_new(struct spacc_timeline **out, size_t slices,
                                     struct spacc_error *err)
{
    struct spacc_timeline *t = NULL;

    if (slices < SIZE_MAX / (2 * sizeof(t->slice[0])))
        t = calloc(1, sizeof(*t) + slices * sizeof(t->slice[0]));
    *out = t;
    if (!t)
        return spacc_fail(err, SPACC_ENOMEM, "no memory for a time line of %zu slices", slices);
    t->room = slices;
    return SPACC_OK;
}

void spacc_timeline_free(struct spacc_timeline *t)
{
    free(t);
}

int spacc_timeline_track(struct spacc_timeline *t, const char *name)
{
    for (int i = 0; i < t->tracks; i++)
        if (strncmp(t->track[i], name, NAME_MAX_BYTES - 1) == 0)
            return i;
    if (t->tracks == TRACKS_MAX)
        return -1;
    snprintf(t->track[t->tracks], NAME_MAX_BYTES, "%s", name);
    return t->tracks++;
}

const char *spacc_timeline_track_name(const struct spacc_timeline *t, int track)
{
    return track >= 0 && track < t->tracks ? t->track[track] : NULL;
}

int spacc_timeline_tracks(const struct spacc_timeline *t)
{
    return t->tracks;
}

void spacc_timeline_add(struct spacc_timeline *t, const struct spacc_slice *s)
{
    if (!t || s->track < 0)
        return;
    const size_t at = atomic_fetch_add(&t->taken, 1);
    if (at < t->room)
        t->slice[at] = *s;
}

void spacc_timeline_forget(struct spacc_timeline *t)
{
    if (t)
        atomic_store(&t->taken, 0);
}

size_t spacc_timeline_slices(const struct spacc_timeline *t)
{
    const size_t taken = atomic_load(&t->taken);

    return taken < t->room ? taken : t->room;
}

struct spacc_slice spacc_timeline_slice(const struct spacc_timeline *t, size_t i)
{
    return t->slice[i];
}

size_t spacc_timeline_dropped(const struct spacc_timeline *t)
{
    const size_t taken = atomic_load(&t->taken);

    return taken > t->room ? taken - t->room : 0;
}
