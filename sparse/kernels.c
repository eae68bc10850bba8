#include "sparse/kernels.h"

#include <string.h>

#include "sparse/cpu.h"
#include "sparse/kernels_parts.h"

#define F32    SPACC_TILE_F32
#define F16    SPACC_TILE_F16
#define I8     SPACC_TILE_I8
#define AVX2   SPACC_CPU_AVX2
#define AVX512 SPACC_CPU_AVX512
#define VNNI   (SPACC_CPU_AVX512 | SPACC_CPU_VBMI_VNNI)
#define FP16   (SPACC_CPU_AVX512 | SPACC_CPU_FP16)
#define NEON   SPACC_CPU_NEON

#define FLOAT       0x1p-22f /* tolerance of kernels with fused multiply-add */
#define HALF        0x1p-10f /* of half float sums */
#define PREPARE_F32 spacc_prepare_f32_scalar

/* Costs are picoseconds a weight in cache: AVX2 measured on a Zen 3 at 3.2 GHz, AVX-512 on a
 * Xeon with AMX at 3.4 GHz; those of NEON are guesses. Only their ratios within a CPU matter.
 */
const struct spacc_kernel spacc_kernels[] = {
    {"f32/scalar/1", F32, 0, 8, 8, 1, true, SPACC_LAYOUT_F32, 600, 0.0f, PREPARE_F32,
     spacc_product_f32_scalar},
    {"f32/scalar/16", F32, 0, 8, 8, 16, false, SPACC_LAYOUT_F32, 700, 0.0f, PREPARE_F32,
     spacc_product_f32_scalar},
    {"f16/scalar/1", F16, 0, 8, 8, 1, true, SPACC_LAYOUT_F16_DENSE, 1500, 0.0f, PREPARE_F32,
     spacc_product_f16_scalar},
    {"f16/scalar/16", F16, 0, 8, 8, 16, false, SPACC_LAYOUT_F16_PLANES_4, 2500, 0.0f,
     PREPARE_F32, spacc_product_f16_scalar},
    {"i8/scalar/dense", I8, 0, 32, 2, 4, true, SPACC_LAYOUT_I8_DENSE, 700, 0.0f,
     spacc_prepare_i8_scalar, spacc_product_i8_scalar},
    {"i8/scalar/16", I8, 0, 32, 2, 16, false, SPACC_LAYOUT_I8_ROWS, 1200, 0.0f,
     spacc_prepare_i8_scalar, spacc_product_i8_scalar},
#if defined(__x86_64__)
    {"f32/avx2/1", F32, AVX2, 8, 8, 1, true, SPACC_LAYOUT_F32, 60, FLOAT, PREPARE_F32,
     spacc_product_f32_avx2_1},
    {"f32/avx2/32", F32, AVX2, 8, 8, 32, false, SPACC_LAYOUT_F32_PLANES_8, 125, FLOAT,
     spacc_prepare_planes_avx2, spacc_product_f32_avx2_32},
    {"f32/avx2/8", F32, AVX2, 8, 8, 8, false, SPACC_LAYOUT_F32, 80, FLOAT, PREPARE_F32,
     spacc_product_f32_avx2_8},
    {"f32/avx2/16", F32, AVX2, 8, 8, 16, false, SPACC_LAYOUT_F32_PLANES_4, 90, FLOAT,
     spacc_prepare_planes_avx2, spacc_product_f32_avx2_16},
    {"f16/avx2/1", F16, AVX2, 8, 8, 1, true, SPACC_LAYOUT_F16_DENSE, 38, FLOAT, PREPARE_F32,
     spacc_product_f16_avx2_1},
    {"f16/avx2/32", F16, AVX2, 8, 8, 32, false, SPACC_LAYOUT_F16_PLANES_8, 120, FLOAT,
     spacc_prepare_planes_avx2, spacc_product_f16_avx2_32},
    {"f16/avx2/16", F16, AVX2, 8, 8, 16, false, SPACC_LAYOUT_F16_PLANES_4, 88, FLOAT,
     spacc_prepare_planes_avx2, spacc_product_f16_avx2_16},
    {"i8/avx2/dense", I8, AVX2, 32, 2, 4, true, SPACC_LAYOUT_I8_DENSE, 19, 0.0f,
     spacc_prepare_i8_avx2, spacc_product_i8_avx2_dense},
    {"i8/avx2/16", I8, AVX2, 32, 2, 16, false, SPACC_LAYOUT_I8_ROWS, 34, 0.0f,
     spacc_prepare_i8_avx2, spacc_product_i8_avx2_16},
    {"f32/avx512/1", F32, AVX512, 16, 4, 1, true, SPACC_LAYOUT_F32, 30, FLOAT, PREPARE_F32,
     spacc_product_f32_avx512_1},
    {"f32/avx512/32", F32, AVX512, 16, 4, 32, false, SPACC_LAYOUT_F32, 32, FLOAT, PREPARE_F32,
     spacc_product_f32_avx512_32},
    {"f32/avx512/16", F32, AVX512, 16, 4, 16, false, SPACC_LAYOUT_F32, 33, FLOAT, PREPARE_F32,
     spacc_product_f32_avx512_16},
    {"f16/avx512/1", F16, AVX512, 16, 4, 1, true, SPACC_LAYOUT_F16_DENSE, 25, FLOAT,
     PREPARE_F32, spacc_product_f16_avx512_1},
    {"f16/avx512/32", F16, AVX512, 16, 4, 32, false, SPACC_LAYOUT_F16_WORDS_32, 50, FLOAT,
     PREPARE_F32, spacc_product_f16_avx512_32},
    {"f16/fp16/1", F16, FP16, 32, 4, 1, true, SPACC_LAYOUT_F16_DENSE, 13, HALF,
     spacc_prepare_f16_fp16, spacc_product_f16_fp16_1},
    {"f16/fp16/32", F16, FP16, 32, 4, 32, false, SPACC_LAYOUT_F16_WORDS_16, 26, HALF,
     spacc_prepare_f16_fp16, spacc_product_f16_fp16_32},
    {"i8/vnni/dense", I8, VNNI, 16, 4, 4, true, SPACC_LAYOUT_I8_DENSE, 8, 0.0f,
     spacc_prepare_u8_vnni, spacc_product_i8_vnni_dense},
    {"i8/vnni/16", I8, VNNI, 16, 4, 16, false, SPACC_LAYOUT_I8_VNNI, 14, 0.0f,
     spacc_prepare_u8_vnni, spacc_product_i8_vnni_16},
#elif defined(__aarch64__)
    {"f32/neon/1", F32, NEON, 4, 16, 1, true, SPACC_LAYOUT_F32, 80, FLOAT, PREPARE_F32,
     spacc_product_f32_neon_1},
    {"f32/neon/16", F32, NEON, 4, 16, 16, false, SPACC_LAYOUT_F32, 160, FLOAT, PREPARE_F32,
     spacc_product_f32_neon_16},
    {"f16/neon/1", F16, NEON, 4, 16, 1, true, SPACC_LAYOUT_F16_DENSE, 90, FLOAT, PREPARE_F32,
     spacc_product_f16_neon_1},
    {"f16/neon/16", F16, NEON, 4, 16, 16, false, SPACC_LAYOUT_F16_WORDS_32, 190, FLOAT,
     PREPARE_F32, spacc_product_f16_neon_16},
    {"i8/neon/dense", I8, NEON, 16, 4, 4, true, SPACC_LAYOUT_I8_DENSE, 60, 0.0f,
     spacc_prepare_i8_neon, spacc_product_i8_neon_dense},
    {"i8/neon/16", I8, NEON, 16, 4, 16, false, SPACC_LAYOUT_I8_SLOTS, 60, 0.0f,
     spacc_prepare_i8_neon, spacc_product_i8_neon_16},
#endif
};
const size_t spacc_kernel_count = sizeof(spacc_kernels) / sizeof(spacc_kernels[0]);

const struct spacc_kernel *spacc_kernel_find(const char *name)
{
    for (size_t i = 0; i < spacc_kernel_count; i++)
        if (strcmp(spacc_kernels[i].name, name) == 0)
            return &spacc_kernels[i];
    return NULL;
}

static bool fits(const struct spacc_kernel *k, enum spacc_tile_type type, unsigned features,
                 bool only_dense, const struct spacc_kernel *like)
{
    if (k->type != type || k->needs & ~features || (only_dense && !k->dense))
        return false;
    return !like || (k->lanes == like->lanes && k->groups == like->groups);
}

/* Time, in the table's unit. */
static double estimate(const struct spacc_kernel *k, const struct spacc_matrix *m)
{
    const double rows = (double)k->lanes * k->groups;
    return (double)spacc_tile_count_slots(k, m) * rows * k->cost;
}

const struct spacc_kernel *spacc_kernel_pick(enum spacc_tile_type type, unsigned cpu_features,
                                             const struct spacc_matrix *m, bool only_dense,
                                             const struct spacc_kernel *like)
{
    const struct spacc_kernel *best = NULL;
    double least = 0.0;

    for (size_t i = 0; i < spacc_kernel_count; i++) {
        const struct spacc_kernel *k = &spacc_kernels[i];
        if (!fits(k, type, cpu_features, only_dense, like))
            continue;
        const double time = estimate(k, m);
        if (!best || time <= least)
            best = k, least = time;
    }
    return best;
}
