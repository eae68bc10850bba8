/* Plans as JSON: {"spacc_plan": 1, "model_sha256": "..", "us": .., "nodes": [{"node": "..",
 * "op": "..", "device": ".."}]}. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "host/placing.h"
#include "models/io.h"

enum { VERSION = 1, FILE_MAX_BYTES = 64 << 20 };

/* ---- write ---------------------------------------------------------------------- */

static bool add_node(cJSON *list, const struct spacc_plan_node *n, const char *device)
{
    cJSON *o = cJSON_CreateObject();

    return o && cJSON_AddItemToArray(list, o) && cJSON_AddStringToObject(o, "node", n->name) &&
           cJSON_AddStringToObject(o, "op", n->op) &&
           cJSON_AddStringToObject(o, "device", device);
}

static bool fill(cJSON *root, const struct spacc_placing *p, const struct spacc_plan *plan,
                 const char *sha256)
{
    cJSON *list;

    if (!cJSON_AddNumberToObject(root, "spacc_plan", VERSION) ||
        !cJSON_AddStringToObject(root, "model_sha256", sha256) ||
        !cJSON_AddStringToObject(root, "method", p->chosen.method) ||
        !cJSON_AddNumberToObject(root, "us", p->chosen.us) ||
        !(list = cJSON_AddArrayToObject(root, "nodes")))
        return false;
    for (size_t i = 0; i < plan->nodes; i++)
        if (p->task[i] >= 0 &&
            !add_node(list, &plan->node[i], spacc_where_name(spacc_placing_where(p, i))))
            return false;
    return true;
}

enum spacc_status spacc_placing_save(const struct spacc_placing *p,
                                     const struct spacc_plan *plan, const char *sha256,
                                     const char *file, struct spacc_error *err)
{
    cJSON *root = cJSON_CreateObject();
    char *text = root && fill(root, p, plan, sha256) ? cJSON_Print(root) : NULL;
    const enum spacc_status status =
        text ? spacc_file_write(file, text, strlen(text), err)
             : spacc_fail(err, SPACC_ENOMEM, "%s: out of memory", file);

    free(text);
    cJSON_Delete(root);
    return status;
}

/* ---- read ----------------------------------------------------------------------- */

static const char *string_of(const cJSON *o, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
}

static enum spacc_status check_head(const cJSON *root, const char *file, const char *sha256,
                                    struct spacc_error *err)
{
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(root, "spacc_plan");
    const char *sha = string_of(root, "model_sha256");

    if (!cJSON_IsNumber(version) || !sha ||
        !cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(root, "nodes")))
        return spacc_fail(err, SPACC_EFORMAT, "%s: not a plan of spacc, or cut short", file);
    if (version->valuedouble != VERSION)
        return spacc_fail(err, SPACC_EUNSUPPORTED, "%s: plan of version %g, this is for %d",
                          file, version->valuedouble, VERSION);
    if (strcmp(sha, sha256) != 0)
        return spacc_fail(err, SPACC_EINVAL,
                          "%s: plan for a model with SHA-256 %.16s.., this one has %.16s..",
                          file, sha, sha256);
    return SPACC_OK;
}

static enum spacc_status take_node(const cJSON *o, const char *file,
                                   const struct spacc_plan *plan, int *pin,
                                   struct spacc_error *err)
{
    const char *name = string_of(o, "node"), *device = string_of(o, "device");
    const enum spacc_where where = device ? spacc_where_find(device) : SPACC_WHERES;

    if (!name || where == SPACC_WHERES)
        return spacc_fail(err, SPACC_EFORMAT, "%s: a node without a name, or on device '%s'",
                          file, device ? device : "");
    for (size_t i = 0; i < plan->nodes; i++)
        if (strcmp(plan->node[i].name, name) == 0) {
            pin[i] = (int)where;
            return SPACC_OK;
        }
    return spacc_fail(err, SPACC_EINVAL, "%s: node %s is not in the model", file, name);
}

static enum spacc_status take(const cJSON *root, const char *file,
                              const struct spacc_plan *plan, const char *sha256, int *pin,
                              struct spacc_error *err)
{
    enum spacc_status status = check_head(root, file, sha256, err);
    const cJSON *node;

    if (status)
        return status;
    cJSON_ArrayForEach(node, cJSON_GetObjectItemCaseSensitive(
                                 root, "nodes")) if ((status = take_node(node, file, plan, pin,
                                                                         err))) return status;
    return SPACC_OK;
}

enum spacc_status spacc_placing_load(const char *file, const struct spacc_plan *plan,
                                     const char *sha256, int *pin, struct spacc_error *err)
{
    void *text = NULL;
    size_t bytes = 0;
    enum spacc_status status = spacc_file_read(&text, &bytes, file, FILE_MAX_BYTES, err);

    if (status)
        return status;
    cJSON *root = cJSON_ParseWithLength(text, bytes);
    status = root ? take(root, file, plan, sha256, pin, err)
                  : spacc_fail(err, SPACC_EFORMAT, "%s: not JSON, or cut short", file);
    cJSON_Delete(root);
    free(text);
    return status;
}
