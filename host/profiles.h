/* profiles.h - the profiles of this machine's devices: from their files, or as good as nothing.
 */
#ifndef SPACC_PROFILES_H
#define SPACC_PROFILES_H

#include "host/gpu/gpu.h"
#include "scheduler/cost.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where the profile of a device ("cpu", "0.0") is: FOLDER/profile-DEVICE.json; folder NULL:
 * $XDG_CACHE_HOME/spacc, or ~/.cache/spacc. SPACC_EIO: no HOME either; SPACC_ENOMEM. `*path` is
 * free()d by the caller. */
enum spacc_status spacc_profiles_path(char **path, const char *folder, const char *device,
                                      struct spacc_error *err);

/* What a profile calls its device: "cpu" (gpu NULL), or "0.0 NAME": its number alone may be
 * another GPU's one day. Returns text. */
enum { SPACC_PROFILES_DEVICE = 64 };
char *spacc_profiles_device(const struct spacc_gpu *gpu, char text[SPACC_PROFILES_DEVICE]);

/* The profile, fitted. Where there is no file launch, transfers and peaks are measured now
 * (under a second), and `note` says that prices are a roofline; the same in the cache for a
 * file of another machine or version. In a folder that was asked for such a file is an error,
 * as is a damaged one anywhere. SPACC_EINVAL: a file of another device.
 * Errors of spacc_profile_load(), spacc_costs_fit(). */
enum spacc_status spacc_profiles_cpu(struct spacc_profile **out, const char *folder, char *note,
                                     size_t note_bytes, struct spacc_error *err);
enum spacc_status spacc_profiles_gpu(struct spacc_profile **out, const char *folder,
                                     struct spacc_gpu *gpu, char *note, size_t note_bytes,
                                     struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
