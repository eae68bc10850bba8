/* work.h - one kernel with its sizes: what a cost is asked for.
 *
 * A family says what the sizes are called (work.def); `kernel` is what runs it on a device
 * ("onednn", "f32/avx2/8", "reference/TopK", "gpu conv"): costs are learned by kernel. */
#ifndef SPACC_WORK_H
#define SPACC_WORK_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum spacc_work_family {
#define WORK(name, text, sizes) SPACC_WORK_##name,
#include "scheduler/work.def"
#undef WORK
    SPACC_WORK_FAMILIES
};

enum { SPACC_WORK_SIZES = 13, SPACC_WORK_NAME = 40 };

struct spacc_work {
    enum spacc_work_family family;
    char kernel[SPACC_WORK_NAME];
    double size[SPACC_WORK_SIZES]; /* finite, 0 or more; unused ones 0 */
    double macs;                   /* multiply-adds, of kept weights only */
    double in_bytes, weight_bytes, out_bytes;
    int threads; /* 1 or more */
    bool cold;   /* weights come from beyond the core's own caches: the model's weights
                    together are larger than its L2 */
};

/* "conv"; NULL out of range. */
const char *spacc_work_family_name(enum spacc_work_family f);
/* SPACC_WORK_FAMILIES when there is none. */
enum spacc_work_family spacc_work_family_find(const char *name);
/* Number of sizes that the family has. */
size_t spacc_work_sizes(enum spacc_work_family f);
/* Name of size i into text ("kh"); returns text. */
char *spacc_work_size_name(enum spacc_work_family f, size_t i, char *text, size_t text_bytes);

/* The same kernel, sizes, threads and cold: one entry of a table of measured times. */
bool spacc_work_same(const struct spacc_work *a, const struct spacc_work *b);

#ifdef __cplusplus
}
#endif

#endif
