#include "host/profiles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/profile/link.h"
#include "sparse/cpu.h"

enum spacc_status spacc_profiles_path(char **path, const char *folder, const char *device,
                                      struct spacc_error *err)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    const char *base = folder ? folder : cache && *cache ? cache : home && *home ? home : NULL;
    const char *inner = folder ? "" : cache && *cache ? "/spacc" : "/.cache/spacc";

    *path = NULL;
    if (!base)
        return spacc_fail(err, SPACC_EIO, "no place for profiles: HOME is not set");
    const size_t size = strlen(base) + strlen(inner) + strlen(device) + 32;
    if (!(*path = malloc(size)))
        return spacc_fail(err, SPACC_ENOMEM, "no memory for the name of a profile");
    snprintf(*path, size, "%s%s/profile-%s.json", base, inner, device);
    return SPACC_OK;
}

/* A profile of "0.0", or "0.0 NAME", for 0.0. */
char *spacc_profiles_device(const struct spacc_gpu *gpu, char text[SPACC_PROFILES_DEVICE])
{
    if (gpu)
        snprintf(text, SPACC_PROFILES_DEVICE, "%s %.40s", spacc_gpu_info(gpu)->which,
                 spacc_gpu_info(gpu)->name);
    else
        snprintf(text, SPACC_PROFILES_DEVICE, "cpu");
    return text;
}

static enum spacc_status check_device(const struct spacc_profile *p, const char *path,
                                      const char *device, struct spacc_error *err)
{
    return strcmp(p->device, device) == 0
               ? SPACC_OK
               : spacc_fail(err, SPACC_EINVAL, "%s: profile of device %s, not of %s", path,
                            p->device, device);
}

/* In a cache a profile that is not there, or not this machine's, is none. */
static enum spacc_status load(struct spacc_profile **out, const char *folder, const char *which,
                              const char *device, char *why, size_t why_bytes,
                              struct spacc_error *err)
{
    struct spacc_machine machine;
    struct spacc_error own = {0};
    char *path;
    enum spacc_status status = spacc_profiles_path(&path, folder, which, err);

    *out = NULL;
    if (status || (status = spacc_machine_read(&machine, err))) {
        free(path);
        return status;
    }
    const bool is_there = access(path, F_OK) == 0;
    if (is_there)
        status = spacc_profile_load(out, path, &machine, &own);
    snprintf(why, why_bytes, "%s", is_there ? own.text : "no profile of this machine");
    if (status == SPACC_EUNSUPPORTED && !folder)
        status = SPACC_OK;
    else if (status && err)
        *err = own;
    if (!status && *out)
        status = check_device(*out, path, device, err);
    if (!status && *out && !(*out)->costs)
        status = spacc_costs_fit(*out, err);
    if (status) {
        spacc_profile_free(*out);
        *out = NULL;
    }
    free(path);
    return status;
}

/* One without samples: whatever is asked for is priced by the roofline. */
static enum spacc_status bare(struct spacc_profile **out, const char *device,
                              const struct spacc_link *link, struct spacc_error *err)
{
    struct spacc_profile *p = calloc(1, sizeof(*p));

    if (!p)
        return spacc_fail(err, SPACC_ENOMEM, "no memory for a profile");
    snprintf(p->device, sizeof(p->device), "%s", device);
    p->link = *link;
    spacc_power_cpu(&p->power, NULL);
    *out = p;
    return spacc_machine_read(&p->machine, err);
}

static enum spacc_status measure_cpu(struct spacc_link *link, struct spacc_error *err)
{
    const struct spacc_engine_options options = {.cpu = spacc_cpu_features()};
    struct spacc_ruler ruler;
    enum spacc_status status = spacc_ruler_new(&ruler, &options, err);

    if (status)
        return status;
    status = spacc_link_cpu(link, &ruler, &options, err);
    spacc_ruler_free(&ruler);
    return status;
}

enum spacc_status spacc_profiles_cpu(struct spacc_profile **out, const char *folder, char *note,
                                     size_t note_bytes, struct spacc_error *err)
{
    struct spacc_link link;
    char why[512];
    enum spacc_status status = load(out, folder, "cpu", "cpu", why, sizeof(why), err);

    if (status || *out)
        return status;
    snprintf(note, note_bytes, "cpu: %s: prices are a roofline; see spacc profile", why);
    return (status = measure_cpu(&link, err)) ? status : bare(out, "cpu", &link, err);
}

enum spacc_status spacc_profiles_gpu(struct spacc_profile **out, const char *folder,
                                     struct spacc_gpu *gpu, char *note, size_t note_bytes,
                                     struct spacc_error *err)
{
    const char *which = spacc_gpu_info(gpu)->which;
    char device[SPACC_PROFILES_DEVICE];
    struct spacc_link link;
    char why[512];
    enum spacc_status status =
        load(out, folder, which, spacc_profiles_device(gpu, device), why, sizeof(why), err);

    if (status || *out)
        return status;
    snprintf(note, note_bytes, "gpu %s: %s: prices are a roofline; see spacc profile", which,
             why);
    if ((status = spacc_gpu_measure(gpu, &link, err)))
        return status;
    return bare(out, device, &link, err);
}
