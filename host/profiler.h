/* profiler.h - measures the kernels of a device over many sizes, into a profile.
 *
 * Trials (host/profile/plan.h) are measured in groups, every group in several rounds; after
 * each group the file is written. A profile that was cut off is gone on with: what is in the
 * file is not measured again.
 *
 * Where the energy of CPU packages can be read, a trial of the full mode runs once more to find
 * its power (host/profile/meter.h): the step that is half of it or more gets joules. Steps of
 * models, GPUs and samples of the quick mode have none; nor has a work with cold caches, whose
 * power is not that of a kernel alone. */
#ifndef SPACC_PROFILER_H
#define SPACC_PROFILER_H

#include "host/cpu/engine.h"
#include "scheduler/profile.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A model, ready to run, and inputs for it. */
struct spacc_profiler_model {
    const struct spacc_graph *g;
    const struct spacc_tensor *const *input;
};

struct spacc_profiler_options {
    const char *device; /* "cpu", or an OpenCL device: "0.0" */
    const char *file;   /* where the profile is kept */
    bool quick;         /* fewer trials and rounds: below a minute */
    bool only_models;   /* no trials: the steps of the models as they run in them. Steps of one
                           work are one sample, their mean, and its `runs` is how many there
                           are in a run: the sum of us * runs is that of the steps */
    uint64_t seed;
    const struct spacc_parallel *parallel; /* NULL: one thread */
    size_t models;
    const struct spacc_profiler_model *model;
    size_t trials_most;   /* 0: as many as the plan has */
    const char *powercap; /* where the energy counters are; NULL: the system's */
    /* What goes on, every group of trials; NULL: nobody wants to know. */
    void (*tell)(void *user, size_t done, size_t all, const char *what);
    void *user;
};

struct spacc_profiler_report {
    size_t kept;    /* samples that the file had */
    size_t trials;  /* of the plan, refinement included */
    size_t skipped; /* trials that no engine can be made for */
    size_t refined; /* trials that refinement has added */
    bool on_time;   /* false: the time of the quick mode ran out; started again it goes on */
    double seconds;
    size_t joules;              /* samples of the profile that have joules */
    struct spacc_error no_more; /* text: why not more of them could get any; "": they could */
};

/* Measure what is not there yet. *out is the profile as it lies in the file; free it with
 * spacc_profile_free(). Of an OpenCL device the nodes that it can run are measured, by its own
 * clock. SPACC_EUNSUPPORTED: a device that is not here, a file of another machine or version;
 * SPACC_EINVAL: a file with another device or seed; errors of spacc_profile_load(),
 * spacc_profile_save() and spacc_engine_new() for a model. */
enum spacc_status spacc_profiler_run(struct spacc_profile **out,
                                     const struct spacc_profiler_options *options,
                                     struct spacc_profiler_report *report,
                                     struct spacc_error *err);

/* How often costs fitted without them are within 10 % of the samples of a kernel. */
struct spacc_accuracy {
    char kernel[SPACC_WORK_NAME];
    size_t samples, held_out; /* of these so many were held out, in one fold or another */
    double within;            /* share of those; NAN: none */
};
/* By kernel, in order of their names; `folds` of five fifths are held out, one fit each. *list
 * is freed by the caller. SPACC_ENOMEM. */
enum spacc_status spacc_profiler_accuracy(const struct spacc_profile *p, size_t folds,
                                          struct spacc_accuracy **list, size_t *count,
                                          struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
