/* cpu.h - what this CPU's instruction set has, read once.
 *
 * The environment variable SPACC_CPU limits it to the named levels and what they build on:
 * a list of scalar, avx2, avx512, vnni, fp16, amx, neon, separated by commas. */
#ifndef SPACC_CPU_H
#define SPACC_CPU_H

#include <stddef.h>

#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SPACC_CPU_AVX2 = 1,      /* with FMA and F16C */
    SPACC_CPU_AVX512 = 2,    /* F, BW, DQ and VL */
    SPACC_CPU_VBMI_VNNI = 4, /* AVX-512 VBMI and VNNI */
    SPACC_CPU_FP16 = 8,      /* AVX-512 FP16 */
    SPACC_CPU_NEON = 16,     /* AArch64 Advanced SIMD */
    SPACC_CPU_AMX = 32,      /* tiles of int8, and the system's leave to use them */
    SPACC_CPU_ALL = 63,
};

/* Features the CPU and its system have and SPACC_CPU allows; 0 when SPACC_CPU has a name
 * that is not known. */
unsigned spacc_cpu_features(void);

/* SPACC_EINVAL, naming the word, when SPACC_CPU has a name that is not known. Programs call
 * it once at their start. */
enum spacc_status spacc_cpu_check(struct spacc_error *err);

/* What a list such as SPACC_CPU allows of `have`; NULL allows all. *allowed is 0 on failure. */
enum spacc_status spacc_cpu_parse(const char *list, unsigned have, unsigned *allowed,
                                  struct spacc_error *err);

/* The names of `features` in order, "avx2 avx512"; "scalar" for none. Cut at `bytes`. */
const char *spacc_cpu_text(unsigned features, char *text, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
