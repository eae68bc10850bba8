/* AMX: a tile instruction multiplies the codes of 16 pixels, 64 bytes of a run each, by a block
 * of 16 channels. Pixels behind a row's end are multiplied as well and left alone: what is read
 * there belongs to the plane of codes or lies behind it (struct spacc_seer_kernel, pixels). */
#include "sparse/seernet_avx512.h"

#include "sparse/cpu.h"

enum { TILE_ROWS = 16, TILE_BYTES = 64, SUMS = 4 /* tiles 0 .. 3; 4: codes, 5: weights */ };

/* Palette 1, all tiles of full size. */
struct config {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
};

static void configure(void)
{
    _Alignas(64) struct config c = {.palette = 1};

    for (int i = 0; i < 6; i++) {
        c.bytes[i] = TILE_BYTES;
        c.rows[i] = TILE_ROWS;
    }
    _tile_loadconfig(&c);
}

static void clear(void)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

/* Tile numbers are part of the instruction. */
#define MULTIPLY(tile)                                                              \
    do {                                                                            \
        _tile_loadd(4, pixel + (tile)*TILE_ROWS * job->step + at, (long)job->step); \
        _tile_dpbusd(tile, 4, 5);                                                   \
    } while (0)

/* 16 pixels a tile, `tiles` of them side by side. */
static void run(const struct spacc_seer_sums *job, const uint8_t *pixel, int tiles)
{
    const int8_t *w = job->weights;

    for (size_t r = 0; r < job->runs; r++) {
        const size_t end = job->offset[r] + 4 * job->quads;
        for (size_t at = job->offset[r]; at < end; at += TILE_BYTES) {
            _tile_loadd(5, w, TILE_BYTES);
            w += TILE_ROWS * TILE_BYTES;
            MULTIPLY(0);
            if (tiles > 1)
                MULTIPLY(1);
            if (tiles > 2)
                MULTIPLY(2);
            if (tiles > 3)
                MULTIPLY(3);
        }
    }
}

static void store(int32_t *sums, int tiles)
{
    const size_t tile = TILE_ROWS * SPACC_SEER_BLOCK;

    _tile_stored(0, sums, TILE_BYTES);
    if (tiles > 1)
        _tile_stored(1, sums + tile, TILE_BYTES);
    if (tiles > 2)
        _tile_stored(2, sums + 2 * tile, TILE_BYTES);
    if (tiles > 3)
        _tile_stored(3, sums + 3 * tile, TILE_BYTES);
}

static void sums(const struct spacc_seer_sums *job)
{
    configure();
    for (size_t p = 0; p < job->pixels; p += SUMS * TILE_ROWS) {
        const size_t left = (job->pixels - p + TILE_ROWS - 1) / TILE_ROWS;
        const int tiles = left < SUMS ? (int)left : SUMS;
        clear();
        run(job, job->pixel + p * job->step, tiles);
        store(job->sums + p * SPACC_SEER_BLOCK, tiles);
    }
    _tile_release();
}

extern const struct spacc_seer_kernel spacc_seer_amx;
const struct spacc_seer_kernel spacc_seer_amx = {.name = "amx",
                                                 .needs = SPACC_CPU_AVX2 | SPACC_CPU_AVX512 |
                                                          SPACC_CPU_VBMI_VNNI | SPACC_CPU_AMX,
                                                 .blocks = 1,
                                                 .run_multiple = TILE_BYTES,
                                                 .pixels = TILE_ROWS,
                                                 .most_bits = 8,
                                                 .sums = sums,
                                                 .compare = seer_avx512_compare,
                                                 .window = seer_avx512_window,
                                                 .dots = seer_avx512_dots,
                                                 .pick = seer_avx512_pick,
                                                 .spread = seer_avx512_spread,
                                                 .turn = seer_avx512_turn,
                                                 .dot8 = seer_avx512_dot8,
                                                 .range = seer_avx512_range,
                                                 .quantise = seer_avx512_quantise};
