/* trace.c - the report as Chrome trace events, one slice a node. The slices are sums
 * over all runs, laid end to end in execution order: the host on one track by wall time,
 * the card on another by its own clock. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "host/cli/cli.h"
#include "host/report.h"
#include "models/io.h"

enum { HOST = 1, CARD = 2 };

static cJSON *event(cJSON *list, const char *phase, const char *name, int track)
{
    cJSON *e = cJSON_CreateObject();

    if (!e || !cJSON_AddItemToArray(list, e) || !cJSON_AddStringToObject(e, "ph", phase) ||
        !cJSON_AddStringToObject(e, "name", name) || !cJSON_AddNumberToObject(e, "pid", 1) ||
        !cJSON_AddNumberToObject(e, "tid", track))
        return NULL;
    return e;
}

static bool name_track(cJSON *list, const char *name, int track)
{
    cJSON *e = event(list, "M", "thread_name", track);
    cJSON *args = e ? cJSON_AddObjectToObject(e, "args") : NULL;

    return args && cJSON_AddStringToObject(args, "name", name);
}

/* A slice of `us` at *at, which moves on. Returns its arguments. */
static cJSON *slice(cJSON *list, const struct spacc_report_node *n, int track, double us,
                    double *at)
{
    cJSON *e = event(list, "X", n->name, track);

    if (!e || !cJSON_AddStringToObject(e, "cat", n->op) ||
        !cJSON_AddNumberToObject(e, "ts", *at) || !cJSON_AddNumberToObject(e, "dur", us))
        return NULL;
    *at += us;
    return cJSON_AddObjectToObject(e, "args");
}

static bool card_slice(cJSON *list, const struct spacc_report_node *n, double *at)
{
    cJSON *args = slice(list, n, CARD, n->card_us, at);
    bool ok = args && cJSON_AddNumberToObject(args, "cycles", (double)n->cycles) &&
              cJSON_AddNumberToObject(args, "steps", (double)n->steps) &&
              cJSON_AddNumberToObject(args, "utilisation", n->utilisation);

    for (int c = 0; ok && c < SPACC_CAUSES; c++)
        ok = cJSON_AddNumberToObject(args, spacc_cause_names[c], (double)n->cause[c]) != NULL;
    return ok;
}

static bool host_slice(cJSON *list, const struct spacc_report_node *n, double *at)
{
    cJSON *args = slice(list, n, HOST, n->host_us, at);

    return args && cJSON_AddStringToObject(args, "op", n->op) &&
           cJSON_AddStringToObject(args, "device", n->device) &&
           cJSON_AddStringToObject(args, "reason", n->reason) &&
           cJSON_AddNumberToObject(args, "calls", (double)n->calls);
}

static bool build(cJSON *root, const struct spacc_report *r)
{
    cJSON *list = cJSON_AddArrayToObject(root, "traceEvents");
    double host_at = 0.0, card_at = 0.0;

    if (!list || !name_track(list, "host", HOST) || !name_track(list, "card", CARD))
        return false;
    for (size_t i = 0; i < r->nodes; i++)
        if (!host_slice(list, &r->node[i], &host_at) ||
            (r->node[i].on_card && !card_slice(list, &r->node[i], &card_at)))
            return false;
    return cJSON_AddStringToObject(root, "displayTimeUnit", "ns") != NULL;
}

enum spacc_status cli_trace_save(const struct spacc_report *report, const char *file,
                                 struct spacc_error *err)
{
    cJSON *root = cJSON_CreateObject();
    char *text = root && build(root, report) ? cJSON_PrintUnformatted(root) : NULL;
    enum spacc_status status;

    if (text)
        status = spacc_file_write(file, text, strlen(text), err);
    else
        status = spacc_fail(err, SPACC_ENOMEM, "%s: out of memory", file);
    free(text);
    cJSON_Delete(root);
    return status;
}
