/* devices.c - spacc devices: what a model can run on here. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/card/list.h"
#include "host/cli/cli.h"
#include "host/gpu/gpu.h"
#include "rtl/card_map.h"
#include "sparse/cpu.h"

enum { JSON };
enum { GPUS_MAX = 32 };

static const struct cli_option options[] = {[JSON] = {"json", 0, NULL, "as JSON"}, {0}};

static int take(void *to, int option, const char *value)
{
    (void)option;
    (void)value;
    *(bool *)to = true;
    return CLI_OK;
}

/* "model name : ..." of the first processor, or "unknown CPU". */
static const char *cpu_name(char *text, size_t bytes)
{
    FILE *f = fopen("/proc/cpuinfo", "r");
    char line[256];

    snprintf(text, bytes, "unknown CPU");
    while (f && fgets(line, sizeof(line), f)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) || !colon)
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(text, bytes, "%s", colon + 2);
        break;
    }
    if (f)
        fclose(f);
    return text;
}

/* ---- cards ---------------------------------------------------------------------------- */

static bool json_info(cJSON *o, const struct spacc_card_info *c)
{
    return cJSON_AddStringToObject(o, "kind", c->kind) &&
           cJSON_AddNumberToObject(o, "identity", SPACC_CARD_MAGIC) &&
           cJSON_AddNumberToObject(o, "version", c->version) &&
           cJSON_AddNumberToObject(o, "pes", c->pes) &&
           cJSON_AddNumberToObject(o, "lanes", c->lanes) &&
           cJSON_AddNumberToObject(o, "cells", c->cells) &&
           cJSON_AddNumberToObject(o, "batch_max", c->batch_max) &&
           cJSON_AddNumberToObject(o, "weight_bits", c->weight_bits) &&
           cJSON_AddNumberToObject(o, "act_bits", c->act_bits) &&
           cJSON_AddNumberToObject(o, "shared_rows", c->shared_rows) &&
           cJSON_AddNumberToObject(o, "weight_words", c->weight_words) &&
           cJSON_AddNumberToObject(o, "x_words", c->x_words) &&
           cJSON_AddNumberToObject(o, "h_words", c->h_words) &&
           cJSON_AddNumberToObject(o, "units", c->units) &&
           cJSON_AddNumberToObject(o, "psum_words", c->psum_words) &&
           cJSON_AddNumberToObject(o, "instructions", c->instructions) &&
           cJSON_AddNumberToObject(o, "axi_bits", c->axi_bits) &&
           cJSON_AddNumberToObject(o, "memory_bytes", (double)c->memory_bytes) &&
           cJSON_AddNumberToObject(o, "clock_hz", c->clock_hz);
}

struct cards {
    cJSON *list; /* of those that say what they are */
    cJSON *none; /* of the others: name and reason */
    bool failed;
};

static void json_card(void *user, const struct spacc_card_entry *e)
{
    struct cards *cards = user;
    cJSON *o = cJSON_CreateObject();

    if (!o || !cJSON_AddItemToArray(e->info ? cards->list : cards->none, o) ||
        !cJSON_AddStringToObject(o, "name", e->name) ||
        !cJSON_AddStringToObject(o, "note", e->note) || (e->info && !json_info(o, e->info)))
        cards->failed = true;
}

/* A number, or a dash for 0. */
static const char *or_dash(double value, char *text, size_t bytes)
{
    snprintf(text, bytes, "%.0f", value);
    return value > 0.0 ? text : "-";
}

static void print_card(void *user, const struct spacc_card_entry *e)
{
    const struct spacc_card_info *c = e->info;
    char mhz[24], mib[24];

    (void)user;
    if (!c) {
        printf("%-11s %s\n", e->name, e->note);
        return;
    }
    printf("%-11s %3u.%-3u %4u %5u %5u %5u %8u %12llu %7llu %7llu %6u %4u %9s %6s%s%s\n",
           e->name, c->version >> 16, c->version & 0xffff, c->pes, c->lanes, c->cells,
           c->batch_max, c->weight_bits,
           (unsigned long long)c->pes * c->lanes * c->weight_words,
           (unsigned long long)c->lanes * c->x_words, (unsigned long long)c->lanes * c->h_words,
           c->units, c->axi_bits, or_dash(c->clock_hz / 1e6, mhz, sizeof(mhz)),
           or_dash((double)(c->memory_bytes >> 20), mib, sizeof(mib)), e->note[0] ? "  " : "",
           e->note);
}

/* ---- OpenCL devices ------------------------------------------------------------------- */

static void print_gpus(void)
{
    struct spacc_gpu_info info[GPUS_MAX];
    const size_t count = spacc_gpu_list(info, GPUS_MAX);

    if (count == 0)
        printf("no OpenCL device\n");
    else
        printf("\n%-6s %-11s %-48s %-28s %5s %9s %9s %5s\n", "opencl", "kind", "name",
               "platform", "units", "MiB", "local KiB", "MHz");
    for (size_t i = 0; i < count && i < GPUS_MAX; i++)
        printf("%-6s %-11s %-48s %-28s %5u %9zu %9zu %5u\n", info[i].which, info[i].kind,
               info[i].name, info[i].platform, info[i].units, info[i].memory_bytes >> 20,
               info[i].local_bytes >> 10, info[i].clock_mhz);
}

static bool json_gpu(cJSON *list, const struct spacc_gpu_info *g)
{
    cJSON *o = cJSON_CreateObject();

    return o && cJSON_AddItemToArray(list, o) &&
           cJSON_AddStringToObject(o, "which", g->which) &&
           cJSON_AddStringToObject(o, "kind", g->kind) &&
           cJSON_AddStringToObject(o, "name", g->name) &&
           cJSON_AddStringToObject(o, "platform", g->platform) &&
           cJSON_AddNumberToObject(o, "units", g->units) &&
           cJSON_AddNumberToObject(o, "memory_bytes", (double)g->memory_bytes) &&
           cJSON_AddNumberToObject(o, "local_bytes", (double)g->local_bytes) &&
           cJSON_AddNumberToObject(o, "clock_mhz", g->clock_mhz);
}

static bool json_gpus(cJSON *list)
{
    struct spacc_gpu_info info[GPUS_MAX];
    const size_t count = spacc_gpu_list(info, GPUS_MAX);

    for (size_t i = 0; i < count && i < GPUS_MAX; i++)
        if (!json_gpu(list, &info[i]))
            return false;
    return true;
}

/* ---- all ------------------------------------------------------------------------------ */

static int print_text(void)
{
    char cpu[256], features[128];

    printf("cpu  %s, %ld cores, %s\n", cpu_name(cpu, sizeof(cpu)),
           sysconf(_SC_NPROCESSORS_ONLN),
           spacc_cpu_text(spacc_cpu_features(), features, sizeof(features)));
    print_gpus();
    printf("\n%-11s %7s %4s %5s %5s %5s %8s %12s %7s %7s %6s %4s %9s %6s\n", "card", "version",
           "PEs", "lanes", "cells", "batch", "int bits", "weights held", "x held", "h held",
           "units", "AXI", "clock MHz", "MiB");
    spacc_card_list(print_card, NULL);
    return CLI_OK;
}

static bool json_cpu(cJSON *o)
{
    char name[256], features[128];
    cJSON *cpu = cJSON_AddObjectToObject(o, "cpu");

    return cpu && cJSON_AddStringToObject(cpu, "name", cpu_name(name, sizeof(name))) &&
           cJSON_AddNumberToObject(cpu, "cores", (double)sysconf(_SC_NPROCESSORS_ONLN)) &&
           cJSON_AddStringToObject(
               cpu, "features",
               spacc_cpu_text(spacc_cpu_features(), features, sizeof(features)));
}

static int print_json(void)
{
    cJSON *o = cJSON_CreateObject();
    cJSON *gpus = o && json_cpu(o) ? cJSON_AddArrayToObject(o, "opencl") : NULL;
    struct cards cards = {.list = gpus ? cJSON_AddArrayToObject(o, "cards") : NULL};

    cards.none = cards.list ? cJSON_AddArrayToObject(o, "no_cards") : NULL;
    if (cards.none && json_gpus(gpus)) {
        spacc_card_list(json_card, &cards);
        if (!cards.failed)
            return cli_print_json(o);
    }
    cJSON_Delete(o);
    return cli_fail("out of memory");
}

static int run(int argc, char **argv)
{
    bool json = false;
    const char *file;
    int status;

    if (!cli_parse(&cli_devices, argc, argv, take, &json, &file, &status))
        return status;
    return json ? print_json() : print_text();
}

const struct cli_command cli_devices = {
    .name = "devices",
    .arguments = "",
    .summary = "List the CPU, OpenCL devices and every card, as they "
               "describe themselves.",
    .example = "spacc devices --json",
    .option = options,
    .run = run};
