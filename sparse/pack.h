/* pack.h - packed models on disk: one safetensors file (8-byte little-endian header
 * length, JSON header, raw tensors, each at a multiple of 64 bytes).
 *
 * __metadata__ holds: "spacc.format" = "1" or, with an LSTMP layer, "2", "spacc.source" (file
 * name), "spacc.source_sha256", and per layer i "spacc.layer.<i>" = one JSON text with name,
 * cell, activations, sizes, fractions, geometry; tensors are "<i>.w_x.value", "<i>.w_x.index",
 * "<i>.w_x.scale", "<i>.row.bias", ...; every tensor has a checksum
 * "spacc.crc32.<tensor>" (zlib), every layer text "spacc.crc32.layer.<i>"; "spacc.layers" says
 * how many there are. Gaps before an aligned tensor are tensors "pad.<n>". Unknown keys are
 * ignored; another format is refused. */
#ifndef SPACC_PACK_H
#define SPACC_PACK_H

#include "sparse/fixed.h"
#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_pack_layer {
    char *name; /* node name in the source model */
    struct spacc_fixed_layer *layer;
};

struct spacc_pack {
    char *source;           /* file name of the source model */
    char source_sha256[65]; /* hex, "" when unknown */
    size_t layers;
    struct spacc_pack_layer *layer;
};

/* Write to a temporary file beside `file`, then rename. SPACC_EIO, SPACC_ENOMEM,
 * SPACC_EINVAL for a layer that spacc_fixed_check() refuses or more than 1024 of them,
 * SPACC_EUNSUPPORTED for one with act_bits other than 16. */
enum spacc_status spacc_pack_save(const struct spacc_pack *pack, const char *file,
                                  struct spacc_error *err);

/* Read; trusts no length, offset, shape or index of the file. SPACC_EIO, SPACC_EFORMAT
 * (what and where), SPACC_EUNSUPPORTED (format version), SPACC_ENOMEM. */
enum spacc_status spacc_pack_load(struct spacc_pack **out, const char *file,
                                  struct spacc_error *err);

/* The same from the bytes of a file; name goes in front of messages. */
enum spacc_status spacc_pack_parse(struct spacc_pack **out, const void *bytes,
                                   size_t size_bytes, const char *name,
                                   struct spacc_error *err);

/* Free a pack and its layers. NULL is allowed. */
void spacc_pack_free(struct spacc_pack *pack);

/* SHA-256 of bytes or of a file, as 64 hex digits. */
void spacc_sha256(char hex[65], const void *bytes, size_t size_bytes);
enum spacc_status spacc_sha256_file(char hex[65], const char *file, struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
