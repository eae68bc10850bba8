/* costs_parts.h - what the files of the cost models share.
 *
 *     terms.c       sizes -> terms of the closed form           closed.c      fits, sums them
 *     features.c    sizes -> bytes that trees look at           boosted.c     grows trees
 *     monomials.c   sizes -> products of sizes                  polynomial.c  Lasso over them
 *     blob.c        models as bytes and back                    costs.c       asks them
 *
 * Numbers of a model have the few bits with which they are stored from the moment they are
 * fitted: what is read back predicts the same bits. */
#ifndef SPACC_COSTS_PARTS_H
#define SPACC_COSTS_PARTS_H

#include <stdint.h>

#include <cjson/cJSON.h>

#include "scheduler/cost.h"

/* ---- the closed form ---- */

enum { TERMS_MAX = 32 };

struct closed {
    uint32_t mask;         /* terms of the family that are in it; 0: there is none */
    float each[TERMS_MAX]; /* us a unit, above 0, in the order of the mask's bits */
};

/* Terms that the family has. */
size_t spacc_terms(enum spacc_work_family f);
/* Terms of w, 0 or more and finite; returns how many. */
size_t spacc_terms_of(const struct spacc_work *w, const struct spacc_machine *m,
                      double term[TERMS_MAX]);
/* 0: w has none of the terms. */
double spacc_closed_us(const struct closed *c, const struct spacc_work *w,
                       const struct spacc_machine *m);

/* Rows of terms and their times. */
struct closed_data {
    size_t samples, terms;
    const double *term;  /* [samples][terms] */
    const double *us;    /* [samples] */
    const double *trust; /* [samples]: weight, 0 to 1 */
    const uint8_t *fold; /* [samples] */
};
/* Fit to all samples but those of fold `without` (-1: to all). At most one term a
 * three samples. SPACC_ENOMEM. */
enum spacc_status spacc_closed_fit(struct closed *out, const struct closed_data *d,
                                   int without);

/* A positive number with 9 bits of precision: stored as 16. */
float spacc_short_float(double value);

/* ---- the boosted residual ---- */

enum { FEATURES_MAX = 32, DEPTH_MAX = 3, TREES_MAX = 48 };

struct tree { /* oblivious: one question a level, as bits of the leaf's number */
    uint8_t depth;
    uint8_t feature[DEPTH_MAX], least[DEPTH_MAX]; /* set when feature >= least */
    int8_t leaf[1 << DEPTH_MAX];                  /* of log(us / closed) in 1/160 */
};

struct boosted {
    size_t trees;
    struct tree *tree;
};

size_t spacc_features(enum spacc_work_family f);
size_t spacc_features_of(const struct spacc_work *w, uint8_t feature[FEATURES_MAX]);
/* log(us / closed), -2 to 2: beyond what was sampled nothing explodes. */
double spacc_boosted_log(const struct boosted *b, const struct spacc_work *w);
size_t spacc_tree_bytes(const struct tree *t);

struct boosted_data {
    size_t samples, features;
    const uint8_t *feature; /* [samples][features] */
    const double *residual; /* log(us / closed) */
    const double *trust;    /* [samples]: weight, 0 to 1 */
    const uint8_t *fold;    /* [samples] */
    double *left;           /* NULL, or [trees + 1][samples]: of fold `without`, what is left
                               after so many trees */
};
/* Grow `trees` trees into tree[] on all samples but those of fold `without` (-1: on all).
 * SPACC_ENOMEM. */
enum spacc_status spacc_boosted_fit(struct tree *tree, size_t trees,
                                    const struct boosted_data *d, int without);

/* What a residual counts, 0 to 1: half at 8 %. Trees are chosen by how many samples come near,
 * not by how far off the worst are. */
double spacc_residual_loss(double residual);

/* ---- the sparse polynomial ---- */

enum { MONOMIALS_MAX = 128, MONOMIALS_KEPT = 16 };

struct polynomial {
    size_t terms; /* 0: there is none */
    float least;  /* half the smallest that was measured: no prediction is less */
    uint8_t monomial[MONOMIALS_KEPT];
    float each[MONOMIALS_KEPT];
};

size_t spacc_monomials(enum spacc_work_family f);
size_t spacc_monomials_of(const struct spacc_work *w, double monomial[MONOMIALS_MAX]);
double spacc_polynomial_of(const struct polynomial *p, const struct spacc_work *w);

struct polynomial_data {
    size_t samples;
    const struct spacc_sample *const *sample;
    const double *value; /* above 0, or NAN: not measured */
    const uint8_t *fold;
};
/* *sigma: relative, held out. No terms when less than 8 values are there. SPACC_ENOMEM. */
enum spacc_status spacc_polynomial_fit(struct polynomial *out, double *sigma,
                                       const struct polynomial_data *d);

/* Samples are held out by folds of this many. */
enum { FOLDS = 5, FOLDS_MAX = 20 };

/* Folds 0 to `folds` - 1 (at most FOLDS_MAX) of nearly equal size, by chance; samples that
 * differ in threads or cold only are in the same one. */
void spacc_folds(uint8_t *fold, const struct spacc_sample *const *sample, size_t samples,
                 unsigned folds, uint64_t seed);

/* ---- all of a device ---- */

struct kernel_costs {
    enum spacc_work_family family;
    uint32_t hash; /* of family and kernel */
    struct closed closed;
    struct boosted boosted;
    struct polynomial latency, power; /* us; watts */
    float closed_sigma, boosted_sigma, latency_sigma;
};

struct spacc_costs {
    size_t kernels;
    struct kernel_costs *kernel; /* by hash, ascending */
};

enum {
    KERNELS_MAX = 4096,
    FIT_BYTES_MAX = 4096, /* closed forms and trees of a device: trees are given out up to it */
    FIT_HEAD_BYTES = 4,
    FIT_KERNEL_BYTES = 12
};

uint32_t spacc_kernel_hash(const struct spacc_work *w);
/* As stored: 8 bits, 4 % apart, 0.001 to 20. */
float spacc_short_sigma(double sigma);

/* Roofline of w, us; 0: the link has no peaks. */
double spacc_roofline_us(const struct spacc_link *l, const struct spacc_work *w);

/* ---- stored ---- */

/* "fit" is closed forms and trees; "polynomial" those of latency and power. */
enum costs_part { COSTS_FIT, COSTS_POLYNOMIAL, COSTS_PARTS };

/* Bytes of a part; of the fit without its trees when `closed_only`. */
size_t spacc_costs_part_bytes(const struct spacc_costs *c, enum costs_part part,
                              bool closed_only);

/* The list "models" of a profile; NULL: out of memory. `c` NULL gives an empty list. */
cJSON *spacc_costs_json(const struct spacc_costs *c);
/* The reverse; *out is NULL for an empty list. SPACC_EFORMAT, SPACC_ENOMEM. */
enum spacc_status spacc_costs_parse(struct spacc_costs **out, const cJSON *list,
                                    struct spacc_error *err);

#endif
