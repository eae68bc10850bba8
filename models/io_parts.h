/* io_parts.h - the file formats behind io.h, from memory; not for others but the
 * tests and fuzz targets. `name` stands for the file in messages. */
#ifndef SPACC_IO_PARTS_H
#define SPACC_IO_PARTS_H

#include "models/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* No input file may be larger: 4 GiB - 1. */
#define SPACC_FILE_BYTES_MAX ((size_t)UINT32_MAX)

enum spacc_status spacc_npy_parse(struct spacc_tensor **out, const void *bytes,
                                  size_t size_bytes, const char *name, struct spacc_error *err);
/* *bytes is malloc'ed. SPACC_EUNSUPPORTED, SPACC_ENOMEM. */
enum spacc_status spacc_npy_format(void **bytes, size_t *size_bytes,
                                   const struct spacc_tensor *t, const char *name,
                                   struct spacc_error *err);

/* Every member of a .npz; as spacc_npz_load(). */
enum spacc_status spacc_npz_parse(char ***names, struct spacc_tensor ***tensors, size_t *count,
                                  const void *bytes, size_t size_bytes, const char *name,
                                  struct spacc_error *err);

/* float32 [channels, samples]; sample_hz may be NULL. */
enum spacc_status spacc_wav_parse(struct spacc_tensor **out, uint32_t *sample_hz,
                                  const void *bytes, size_t size_bytes, const char *name,
                                  struct spacc_error *err);

/* Little-endian numbers in a file. */
static inline uint32_t spacc_get_u16(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static inline uint32_t spacc_get_u32(const uint8_t *at)
{
    return spacc_get_u16(at) | spacc_get_u16(at + 2) << 16;
}

static inline void spacc_put_u16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static inline void spacc_put_u32(uint8_t *at, uint32_t value)
{
    spacc_put_u16(at, value & 0xffff);
    spacc_put_u16(at + 2, value >> 16);
}

#ifdef __cplusplus
}
#endif

#endif
