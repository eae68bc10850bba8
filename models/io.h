/* io.h - tensors in files: .npy (version 1..3), .npz (stored or deflated), ONNX .pb,
 * and .wav (PCM 8/16/24/32 bit, float32) as float32 [channels, samples] in -1..1.
 * The ending of the name decides. Nothing is half written: a temporary file is
 * renamed when complete. */
#ifndef SPACC_IO_H
#define SPACC_IO_H

#include <stddef.h>
#include <stdint.h>

#include "models/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Read one tensor. "file.npz:name" picks a member; a .npz with one member needs
 * no name. Fortran order, big-endian and object arrays are refused by name.
 * SPACC_EIO, SPACC_EFORMAT, SPACC_EUNSUPPORTED, SPACC_ENOMEM. */
enum spacc_status spacc_tensor_load(struct spacc_tensor **out, const char *file,
                                    struct spacc_error *err);

/* Write one tensor (.npy, .pb; .npz with one member "arr_0"; .wav with its sample
 * rate in Hz after the name: "out.wav:16000"). SPACC_EIO, SPACC_EINVAL (no rate),
 * SPACC_EUNSUPPORTED, SPACC_ENOMEM. */
enum spacc_status spacc_tensor_save(const struct spacc_tensor *t, const char *file,
                                    struct spacc_error *err);

/* Members of a .npz: names[i] and tensors[i], both owned by the caller. */
enum spacc_status spacc_npz_load(char ***names, struct spacc_tensor ***tensors, size_t *count,
                                 const char *file, struct spacc_error *err);
enum spacc_status spacc_npz_save(const char *const *names,
                                 const struct spacc_tensor *const *tensors, size_t count,
                                 const char *file, struct spacc_error *err);

/* sample_hz of a .wav; 16000 in doubt is never assumed: SPACC_EFORMAT. */
enum spacc_status spacc_wav_rate(uint32_t *sample_hz, const char *file,
                                 struct spacc_error *err);

/* Write float32 [samples] or [channels, samples] as a .wav of 32-bit floats.
 * SPACC_EINVAL for another type or shape. */
enum spacc_status spacc_wav_save(const struct spacc_tensor *t, uint32_t sample_hz,
                                 const char *file, struct spacc_error *err);

/* Read a whole file, at most limit_bytes. *bytes is malloc'ed. A shared helper of
 * every parser. */
enum spacc_status spacc_file_read(void **bytes, size_t *size_bytes, const char *file,
                                  size_t limit_bytes, struct spacc_error *err);
/* Write a whole file by way of a temporary one and rename. */
enum spacc_status spacc_file_write(const char *file, const void *bytes, size_t size_bytes,
                                   struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
