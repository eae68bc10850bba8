/* profile.h - what was measured of one device of one machine, in a JSON file.
 *
 *     {"spacc_profile": 1, "machine": {...}, "device": "cpu", "complete": true,
 *      "samples": [{"family": "conv", "kernel": "onednn", "sizes": [..], ...}],
 *      "link": {...}, "power": {...}, "models": [...]}
 *
 * The reader trusts nothing: a file of a newer version, of another machine, cut short, or with
 * numbers out of range is an error that names the file and both sides. */
#ifndef SPACC_PROFILE_H
#define SPACC_PROFILE_H

#include <stdint.h>

#include "scheduler/work.h"
#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPACC_PROFILE_VERSION = 1 };

/* Whose costs they are. Two machines are the same when all fields but memory are: that of a
 * virtual machine grows and shrinks while it runs. */
struct spacc_machine {
    char cpu[128];      /* "AMD EPYC-Milan Processor" */
    char features[128]; /* spacc_cpu_text() */
    int cores;          /* processors that this process may use */
    uint64_t l2_bytes, l3_bytes, memory_bytes;
};

struct spacc_sample {
    struct spacc_work work;
    double us;     /* median of `runs` runs */
    double spread; /* half the distance of the quartiles, relative to us */
    double joules; /* a run; NAN where it was not measured */
    unsigned runs;
};

/* What a device costs besides its kernels. */
struct spacc_link {
    double launch_us;      /* to hand a kernel over */
    double sync_us;        /* until the host knows that the last one has ended */
    double to_us, from_us; /* a transfer of no bytes */
    double to_bytes_per_us, from_bytes_per_us;
    double peak_macs_per_us; /* of one thread, or of the device: for the roofline */
    double peak_bytes_per_us;
};

struct spacc_power {
    double idle_w, busy_w; /* of the device: doing nothing, and per busy thread (or in all) */
    bool measured;         /* else stated: the source says by whom */
    char source[64];       /* "RAPL package-0", "stated: 12 W a core" */
};

struct spacc_costs; /* fitted models: cost.h */

/* On the heap; zeros (calloc) are a profile without samples. */
struct spacc_profile {
    struct spacc_machine machine;
    char device[64]; /* "cpu", "gpu 0.0 pthread-haswell" */
    bool complete;   /* all samples of its plan are there */
    uint64_t seed;
    size_t samples, room;
    struct spacc_sample *sample;
    struct spacc_link link;
    struct spacc_power power;
    struct spacc_costs *costs; /* or NULL: not fitted yet; owned */
    uint32_t *slot;            /* private, as the next two: a hash of the samples */
    size_t slots, indexed;
};

/* This machine, by hwloc. SPACC_ENOMEM; SPACC_EIO: the system does not tell. */
enum spacc_status spacc_machine_read(struct spacc_machine *out, struct spacc_error *err);

/* Add a sample; one of the same work is replaced. SPACC_EINVAL names the number that is not
 * finite or out of range; SPACC_ENOMEM. p is as it was on failure. */
enum spacc_status spacc_profile_add(struct spacc_profile *p, const struct spacc_sample *s,
                                    struct spacc_error *err);
/* The sample of this work, or NULL. */
const struct spacc_sample *spacc_profile_find(const struct spacc_profile *p,
                                              const struct spacc_work *w);

/* Read a file. `machine` (NULL: any) is whose it has to be. SPACC_EIO, SPACC_EFORMAT (damaged,
 * cut short), SPACC_EUNSUPPORTED (a newer version, another machine: both named). */
enum spacc_status spacc_profile_load(struct spacc_profile **out, const char *file,
                                     const struct spacc_machine *machine,
                                     struct spacc_error *err);
/* Write a temporary file and rename it. SPACC_EIO, SPACC_ENOMEM. */
enum spacc_status spacc_profile_save(const struct spacc_profile *p, const char *file,
                                     struct spacc_error *err);
/* NULL is allowed. */
void spacc_profile_free(struct spacc_profile *p);

#ifdef __cplusplus
}
#endif

#endif
