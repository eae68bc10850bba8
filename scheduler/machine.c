#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <hwloc.h>

#include "scheduler/profile.h"
#include "sparse/cpu.h"

/* The first object of this kind that says `key`. */
static const char *info_of(hwloc_topology_t t, hwloc_obj_type_t type, const char *key)
{
    const hwloc_obj_t object = hwloc_get_obj_by_type(t, type, 0);
    const char *text = object ? hwloc_obj_get_info_by_name(object, key) : NULL;

    return text && *text ? text : NULL;
}

static const char *cpu_name(hwloc_topology_t t)
{
    const char *text = info_of(t, HWLOC_OBJ_PACKAGE, "CPUModel");

    if (!text)
        text = info_of(t, HWLOC_OBJ_MACHINE, "CPUModel");
    if (!text)
        text = info_of(t, HWLOC_OBJ_MACHINE, "Architecture");
    return text ? text : "unknown";
}

static uint64_t cache_bytes(hwloc_topology_t t, hwloc_obj_type_t level, hwloc_cpuset_t allowed)
{
    hwloc_obj_t at = NULL;

    while ((at = hwloc_get_next_obj_by_type(t, level, at)))
        if (hwloc_bitmap_intersects(at->cpuset, allowed))
            return at->attr->cache.size;
    return 0;
}

static void fill(struct spacc_machine *m, hwloc_topology_t t, hwloc_cpuset_t allowed)
{
    snprintf(m->cpu, sizeof(m->cpu), "%s", cpu_name(t));
    m->cpu[strcspn(m->cpu, "\r\n")] = '\0';
    spacc_cpu_text(spacc_cpu_features(), m->features, sizeof(m->features));
    m->cores = hwloc_bitmap_weight(allowed);
    m->l2_bytes = cache_bytes(t, HWLOC_OBJ_L2CACHE, allowed);
    m->l3_bytes = cache_bytes(t, HWLOC_OBJ_L3CACHE, allowed);
    m->memory_bytes = hwloc_get_root_obj(t)->total_memory;
}

enum spacc_status spacc_machine_read(struct spacc_machine *out, struct spacc_error *err)
{
    enum spacc_status status = SPACC_ENOMEM;
    hwloc_topology_t t = NULL;
    hwloc_cpuset_t allowed = NULL;

    memset(out, 0, sizeof(*out));
    if (hwloc_topology_init(&t) != 0) {
        t = NULL;
        goto out;
    }
    status = SPACC_EIO;
    if (hwloc_topology_load(t) != 0)
        goto out;
    allowed = hwloc_bitmap_alloc();
    if (!allowed) {
        status = SPACC_ENOMEM;
        goto out;
    }
    if (hwloc_get_cpubind(t, allowed, HWLOC_CPUBIND_THREAD) != 0)
        hwloc_bitmap_copy(allowed, hwloc_topology_get_allowed_cpuset(t));
    fill(out, t, allowed);
    status = SPACC_OK;
out:
    hwloc_bitmap_free(allowed);
    if (t)
        hwloc_topology_destroy(t);
    return status == SPACC_OK ? status
                              : spacc_fail(err, status, "this machine cannot be read: %s",
                                           status == SPACC_ENOMEM ? "out of memory"
                                                                  : "hwloc finds no topology");
}
