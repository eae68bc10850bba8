/* timeline.h - what ran where and when, on one clock (spacc_now_us()), for traces.
 *
 * Tracks are made once; slices are added while a model runs, from any thread. */
#ifndef SPACC_TIMELINE_H
#define SPACC_TIMELINE_H

#include <stddef.h>

#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_timeline;

struct spacc_slice {
    int track;
    const char *name; /* not owned: lives as long as the timeline */
    const char *kind; /* operator, "upload", "download", "wait"; likewise */
    double start_us, end_us;
    double cycles; /* of a card, or 0 */
};

/* Room for `slices`; more are dropped and counted. SPACC_ENOMEM. */
enum spacc_status spacc_timeline_new(struct spacc_timeline **out, size_t slices,
                                     struct spacc_error *err);
void spacc_timeline_free(struct spacc_timeline *t);

/* Write it as Chrome trace events; times from the first slice on. SPACC_EIO, SPACC_ENOMEM. */
enum spacc_status spacc_timeline_save(const struct spacc_timeline *t, const char *file,
                                      struct spacc_error *err);

/* The track with this name ("cpu 0", "gpu queue", "card"), made when there is none; -1 when
 * there is no room for one more. Before threads add slices. */
int spacc_timeline_track(struct spacc_timeline *t, const char *name);
const char *spacc_timeline_track_name(const struct spacc_timeline *t, int track);
int spacc_timeline_tracks(const struct spacc_timeline *t);

/* NULL is allowed: nothing happens. */
void spacc_timeline_add(struct spacc_timeline *t, const struct spacc_slice *s);

/* The slices so far are gone, tracks stay. While nobody adds. NULL is allowed. */
void spacc_timeline_forget(struct spacc_timeline *t);

size_t spacc_timeline_slices(const struct spacc_timeline *t);
struct spacc_slice spacc_timeline_slice(const struct spacc_timeline *t, size_t i);
size_t spacc_timeline_dropped(const struct spacc_timeline *t);

#ifdef __cplusplus
}
#endif

#endif
