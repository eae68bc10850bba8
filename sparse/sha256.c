/* SHA-256 as FIPS 180-4 defines it. */
#include "sparse/pack.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* First 32 fraction bits of the cube roots of the first 64 primes. */
static const uint32_t round_key[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
    0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
    0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
    0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
    0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
    0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
    0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
    0xc67178f2,
};

/* The same of the square roots of the first 8. */
static const uint32_t start[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

struct sha256 {
    uint32_t state[8];
    uint64_t size_bytes;
    uint8_t block[64]; /* size_bytes % 64 are filled */
};

static uint32_t ror(uint32_t v, int bits)
{
    return v >> bits | v << (32 - bits);
}

static void schedule(uint32_t w[64], const uint8_t block[64])
{
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        const uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (ror(a, 7) ^ ror(a, 18) ^ a >> 3) + w[i - 7] +
               (ror(b, 17) ^ ror(b, 19) ^ b >> 10);
    }
}

/* Round i. The letters of FIPS 180-4 take turns instead of the values moving. */
#define ROUND(a, b, c, d, e, f, g, h, i)                                                       \
    do {                                                                                       \
        const uint32_t t1 = (h) + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) +                      \
                            (((e) & (f)) ^ (~(e) & (g))) + round_key[i] + w[i];                \
        const uint32_t t2 =                                                                    \
            (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22)) + (((a) & (b)) ^ ((a) & (c)) ^ ((b) & (c))); \
        (d) += t1;                                                                             \
        (h) = t1 + t2;                                                                         \
    } while (0)

static void compress(uint32_t state[8], const uint8_t block[64])
{
    uint32_t w[64];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];

    schedule(w, block);
    for (int i = 0; i < 64; i += 8) {
        ROUND(a, b, c, d, e, f, g, h, i);
        ROUND(h, a, b, c, d, e, f, g, i + 1);
        ROUND(g, h, a, b, c, d, e, f, i + 2);
        ROUND(f, g, h, a, b, c, d, e, i + 3);
        ROUND(e, f, g, h, a, b, c, d, i + 4);
        ROUND(d, e, f, g, h, a, b, c, i + 5);
        ROUND(c, d, e, f, g, h, a, b, i + 6);
        ROUND(b, c, d, e, f, g, h, a, i + 7);
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

static void add(struct sha256 *s, const uint8_t *bytes, size_t size_bytes)
{
    while (size_bytes > 0) {
        const size_t filled = s->size_bytes % 64;
        const size_t more = size_bytes < 64 - filled ? size_bytes : 64 - filled;
        memcpy(s->block + filled, bytes, more);
        s->size_bytes += more;
        bytes += more;
        size_bytes -= more;
        if (s->size_bytes % 64 == 0)
            compress(s->state, s->block);
    }
}

static void begin(struct sha256 *s)
{
    memcpy(s->state, start, sizeof(start));
    s->size_bytes = 0;
}

static void finish(struct sha256 *s, char hex[65])
{
    const uint64_t bits = s->size_bytes * 8;
    const uint8_t one = 0x80, zero = 0;
    uint8_t length[8];

    add(s, &one, 1);
    while (s->size_bytes % 64 != 56)
        add(s, &zero, 1);
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)(bits >> (56 - 8 * i));
    add(s, length, sizeof(length));
    for (int i = 0; i < 8; i++)
        snprintf(hex + 8 * i, 9, "%08lx", (unsigned long)s->state[i]);
}

void spacc_sha256(char hex[65], const void *bytes, size_t size_bytes)
{
    struct sha256 s;

    begin(&s);
    add(&s, bytes, size_bytes);
    finish(&s, hex);
}

enum spacc_status spacc_sha256_file(char hex[65], const char *file, struct spacc_error *err)
{
    struct sha256 s;
    uint8_t buffer[16384];
    size_t got;

    hex[0] = '\0';
    FILE *in = fopen(file, "rb");
    if (!in)
        return spacc_fail(err, SPACC_EIO, "%s: %s", file, strerror(errno));
    begin(&s);
    while ((got = fread(buffer, 1, sizeof(buffer), in)) > 0)
        add(&s, buffer, got);
    const int failed = ferror(in), reason = errno;
    fclose(in);
    if (failed)
        return spacc_fail(err, SPACC_EIO, "%s: %s", file, strerror(reason));
    finish(&s, hex);
    return SPACC_OK;
}
