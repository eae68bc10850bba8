#include "scheduler/energy.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PACKAGES_MAX = 16, PATH_BYTES = 512, NAME_BYTES = 32 };

struct package {
    char counter[PATH_BYTES + 64];
    uint64_t range_uj; /* the counter starts anew behind it */
    uint64_t last_uj;
    double joules;
};

struct spacc_energy {
    int packages;
    struct package package[PACKAGES_MAX];
    char source[NAME_BYTES + 32];
};

/* The first line of a file, without its end; false when there is none. */
static bool read_line(const char *file, char *text, size_t bytes)
{
    FILE *f = fopen(file, "r");
    const bool ok = f && fgets(text, (int)bytes, f);

    if (f)
        fclose(f);
    if (ok)
        text[strcspn(text, "\n")] = '\0';
    return ok;
}

static bool read_number(const char *file, uint64_t *to)
{
    char text[32], *end;

    if (!read_line(file, text, sizeof(text)) || text[0] < '0' || text[0] > '9')
        return false;
    *to = strtoull(text, &end, 10);
    return *end == '\0';
}

/* Package number `number`; its domains (cores, memory) are parts of it and left out. */
static bool open_package(struct package *p, const char *directory, int number, char *name)
{
    char file[PATH_BYTES + 64];

    snprintf(file, sizeof(file), "%s/intel-rapl:%d/name", directory, number);
    if (!read_line(file, name, NAME_BYTES) || strncmp(name, "package", 7) != 0)
        return false;
    snprintf(file, sizeof(file), "%s/intel-rapl:%d/max_energy_range_uj", directory, number);
    if (!read_number(file, &p->range_uj) || p->range_uj == 0)
        return false;
    snprintf(p->counter, sizeof(p->counter), "%s/intel-rapl:%d/energy_uj", directory, number);
    return read_number(p->counter, &p->last_uj) && p->last_uj <= p->range_uj;
}

static void find_packages(struct spacc_energy *e, const char *directory)
{
    char name[NAME_BYTES], first[NAME_BYTES] = "";

    for (int i = 0; i < PACKAGES_MAX; i++) {
        struct package *p = &e->package[e->packages];
        *p = (struct package){.range_uj = 0};
        if (!open_package(p, directory, i, name))
            continue;
        if (e->packages++ == 0)
            memcpy(first, name, sizeof(first));
    }
    if (e->packages > 1)
        snprintf(e->source, sizeof(e->source), "RAPL %s and %d more", first, e->packages - 1);
    else
        snprintf(e->source, sizeof(e->source), "RAPL %s", first);
}

enum spacc_status spacc_energy_open(struct spacc_energy **out, const char *directory,
                                    struct spacc_error *err)
{
    struct spacc_energy *e = calloc(1, sizeof(*e));

    *out = NULL;
    if (!directory)
        directory = "/sys/class/powercap";
    if (!e)
        return spacc_fail(err, SPACC_ENOMEM, "no memory for energy counters");
    if (strlen(directory) < PATH_BYTES)
        find_packages(e, directory);
    if (e->packages == 0) {
        free(e);
        return spacc_fail(err, SPACC_EUNSUPPORTED, "%s: no energy counter can be read",
                          directory);
    }
    *out = e;
    return SPACC_OK;
}

void spacc_energy_close(struct spacc_energy *e)
{
    free(e);
}

/* Counters go from 0 to range and start again. */
static uint64_t gone_by(const struct package *p, uint64_t now_uj)
{
    return now_uj >= p->last_uj ? now_uj - p->last_uj : p->range_uj - p->last_uj + now_uj;
}

enum spacc_status spacc_energy_read(struct spacc_energy *e, double *joules,
                                    struct spacc_error *err)
{
    *joules = 0.0;
    for (int i = 0; i < e->packages; i++) {
        struct package *p = &e->package[i];
        uint64_t now_uj;
        if (!read_number(p->counter, &now_uj) || now_uj > p->range_uj)
            return spacc_fail(err, SPACC_EIO, "%s: the energy counter cannot be read",
                              p->counter);
        p->joules += (double)gone_by(p, now_uj) * 1e-6;
        p->last_uj = now_uj;
        *joules += p->joules;
    }
    return SPACC_OK;
}

const char *spacc_energy_source(const struct spacc_energy *e)
{
    return e->source;
}
