#define _GNU_SOURCE /* syscall() */
#include "sparse/cpu.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum {
    AVX512_ALL = SPACC_CPU_AVX2 | SPACC_CPU_AVX512,
    VNNI_ALL = AVX512_ALL | SPACC_CPU_VBMI_VNNI,
};

static const struct {
    const char *name;
    unsigned feature, with; /* `with`: what the name allows, itself and what it builds on */
} levels[] = {
    {"scalar", 0, 0},
    {"avx2", SPACC_CPU_AVX2, SPACC_CPU_AVX2},
    {"avx512", SPACC_CPU_AVX512, AVX512_ALL},
    {"vnni", SPACC_CPU_VBMI_VNNI, VNNI_ALL},
    {"fp16", SPACC_CPU_FP16, AVX512_ALL | SPACC_CPU_FP16},
    {"amx", SPACC_CPU_AMX, VNNI_ALL | SPACC_CPU_AMX},
    {"neon", SPACC_CPU_NEON, SPACC_CPU_NEON},
};

enum { LEVELS = sizeof(levels) / sizeof(levels[0]) };

#if defined(__x86_64__)
static bool all(uint32_t value, uint32_t bits)
{
    return (value & bits) == bits;
}

/* Which register files the system saves, XCR0. */
static uint32_t saved_state(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static unsigned read_avx512(uint32_t ebx, uint32_t ecx, uint32_t edx)
{
    const uint32_t f_dq_bw_vl = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;
    const uint32_t vbmi_vnni = 1u << 1 | 1u << 11, fp16 = 1u << 23;
    if (!all(ebx, f_dq_bw_vl))
        return 0;
    return SPACC_CPU_AVX512 | (all(ecx, vbmi_vnni) ? SPACC_CPU_VBMI_VNNI : 0u) |
           (all(edx, fp16) ? SPACC_CPU_FP16 : 0u);
}

static unsigned read_amx(uint32_t edx)
{
    const uint32_t tile_int8 = 1u << 24 | 1u << 25, tiles = 3u << 17;
    return all(edx, tile_int8) && all(saved_state(), tiles) ? SPACC_CPU_AMX : 0u;
}

/* Linux saves a thread's tiles only for processes that asked; it says no by an error. */
static bool tiles_allowed(void)
{
#if defined(__linux__) && defined(SYS_arch_prctl)
    const long request_permission = 0x1023, tile_data = 18;
    return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
    return false;
#endif
}

static unsigned read_features(void)
{
    const uint32_t fma_osxsave_avx_f16c = 1u << 12 | 1u << 27 | 1u << 28 | 1u << 29;
    const uint32_t ymm = 0x6, zmm = 0xe6, avx2 = 1u << 5;
    uint32_t a, b, c, d;

    if (!__get_cpuid(1, &a, &b, &c, &d) || !all(c, fma_osxsave_avx_f16c) ||
        !all(saved_state(), ymm))
        return 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !all(b, avx2))
        return 0;
    return SPACC_CPU_AVX2 | (all(saved_state(), zmm) ? read_avx512(b, c, d) | read_amx(d) : 0u);
}
#elif defined(__aarch64__)
static bool tiles_allowed(void)
{
    return false;
}

static unsigned read_features(void)
{
    return SPACC_CPU_NEON; /* part of the architecture */
}
#else
static bool tiles_allowed(void)
{
    return false;
}

static unsigned read_features(void)
{
    return 0;
}
#endif

static enum spacc_status find_level(const char *word, size_t length, unsigned *with,
                                    struct spacc_error *err)
{
    for (size_t i = 0; i < LEVELS; i++)
        if (strlen(levels[i].name) == length && memcmp(levels[i].name, word, length) == 0) {
            *with |= levels[i].with;
            return SPACC_OK;
        }
    return spacc_fail(err, SPACC_EINVAL,
                      "SPACC_CPU: '%.*s' is not known; names are scalar, avx2, avx512, vnni, "
                      "fp16, amx, neon",
                      (int)(length < 40 ? length : 40), word);
}

enum spacc_status spacc_cpu_parse(const char *list, unsigned have, unsigned *allowed,
                                  struct spacc_error *err)
{
    unsigned with = 0;

    *allowed = 0;
    for (const char *at = list; at;) {
        const size_t length = strcspn(at, ",");
        const enum spacc_status status = find_level(at, length, &with, err);
        if (status != SPACC_OK)
            return status;
        at = at[length] ? at + length + 1 : NULL;
    }
    *allowed = list ? have & with : have;
    return SPACC_OK;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static unsigned features;
static enum spacc_status status_of_mask;
static struct spacc_error mask_error;

static void read_once(void)
{
    status_of_mask =
        spacc_cpu_parse(getenv("SPACC_CPU"), read_features(), &features, &mask_error);
    if ((features & SPACC_CPU_AMX) && !tiles_allowed())
        features &= ~(unsigned)SPACC_CPU_AMX;
}

unsigned spacc_cpu_features(void)
{
    pthread_once(&once, read_once);
    return features;
}

enum spacc_status spacc_cpu_check(struct spacc_error *err)
{
    pthread_once(&once, read_once);
    if (err && status_of_mask != SPACC_OK)
        *err = mask_error;
    return status_of_mask;
}

const char *spacc_cpu_text(unsigned set, char *text, size_t bytes)
{
    size_t used = 0;

    snprintf(text, bytes, "scalar");
    for (size_t i = 0; i < LEVELS; i++)
        if (levels[i].feature & set && used < bytes) {
            const int wrote =
                snprintf(text + used, bytes - used, "%s%s", used ? " " : "", levels[i].name);
            used += wrote > 0 ? (size_t)wrote : 0;
        }
    return text;
}
