/* selftest.c - spacc selftest: a card brought up step by step. */
#include <cjson/cJSON.h>
#include <string.h>

#include "host/cli/cli.h"
#include "host/selftest/selftest.h"

enum { FPGA, SEED, JSON };

static const struct cli_option options[] = {
    [FPGA] = {"fpga", 0, "CARD",
              "card to test: sim, sim:CONFIG, uart:DEVICE, mmio:uioN, xrt:N=FILE, opencl:P.D"},
    [SEED] = {"seed", 0, "N", "of the data (1)"},
    [JSON] = {"json", 0, NULL, "as JSON"},
    {0}};

struct settings {
    const char *fpga;
    uint64_t seed;
    bool json;
    cJSON *steps;
    int told, skipped;
};

static int take(void *to, int option, const char *value)
{
    struct settings *set = to;

    switch (option) {
    case FPGA: set->fpga = value; return cli_fpga(&cli_selftest, value);
    case SEED:
        return cli_count(&set->seed, value) && set->seed
                   ? CLI_OK
                   : cli_usage(&cli_selftest, "--seed %s: not a number above 0", value);
    default: set->json = true; return CLI_OK;
    }
}

static enum spacc_status open_card(void *user, struct spacc_card **out, struct spacc_error *err)
{
    return spacc_card_open(out, ((const struct settings *)user)->fpga, err);
}

static void print_step(struct settings *set, const struct spacc_selftest_step *s)
{
    printf("%d %-10s %-4s %9.1f ms  %s\n", ++set->told, s->name,
           s->skipped  ? "skip"
           : s->passed ? "ok"
                       : "FAIL",
           s->ms, s->passed && !s->skipped ? s->proves : s->found);
    if (s->skipped)
        return;
    if (s->passed)
        printf("%*s%s\n", 31, "", s->found);
    else
        printf("%*sshown so far works; look at: %s\n", 31, "", s->means);
}

static void tell(void *user, const struct spacc_selftest_step *s)
{
    struct settings *set = user;
    cJSON *o = set->json ? cJSON_CreateObject() : NULL;

    set->skipped += s->skipped;
    if (!set->json)
        print_step(set, s);
    if (o && cJSON_AddItemToArray(set->steps, o)) {
        cJSON_AddStringToObject(o, "step", s->name);
        cJSON_AddBoolToObject(o, "passed", s->passed && !s->skipped);
        cJSON_AddBoolToObject(o, "skipped", s->skipped);
        cJSON_AddStringToObject(o, "proves", s->proves);
        cJSON_AddStringToObject(o, "found", s->found);
        cJSON_AddStringToObject(o, "means", s->means);
        cJSON_AddNumberToObject(o, "ms", s->ms);
    }
}

static int report(struct settings *set, enum spacc_status status, const struct spacc_error *err)
{
    if (set->json) {
        cJSON *o = cJSON_CreateObject();
        if (!o || !cJSON_AddStringToObject(o, "card", set->fpga) ||
            !cJSON_AddBoolToObject(o, "passed", status == SPACC_OK) ||
            !cJSON_AddItemToObject(o, "steps", set->steps)) {
            cJSON_Delete(o);
            return cli_fail("out of memory");
        }
        const int printed = cli_print_json(o);
        if (printed != CLI_OK)
            return printed;
    } else if (status == SPACC_OK && set->skipped) {
        printf("card '%s' passes %d steps; %d skipped\n", set->fpga,
               spacc_selftest_steps() - set->skipped, set->skipped);
    } else if (status == SPACC_OK) {
        printf("card '%s' passes all %d steps\n", set->fpga, spacc_selftest_steps());
    }
    return status == SPACC_OK ? CLI_OK : cli_fail_err(err);
}

static int run(int argc, char **argv)
{
    struct settings set = {.seed = 1};
    struct spacc_error err = {0};
    const char *file;
    int status;

    if (!cli_parse(&cli_selftest, argc, argv, take, &set, &file, &status))
        return status;
    if (!set.fpga)
        return cli_usage(&cli_selftest, "--fpga CARD is missing");
    if (!strncmp(set.fpga, "model", 5))
        return cli_fail("card '%s' only counts cycles: there is nothing to test", set.fpga);
    if (set.json && !(set.steps = cJSON_CreateArray()))
        return cli_fail("out of memory");
    return report(&set, spacc_selftest_run(open_card, tell, &set, set.seed, &err), &err);
}

const struct cli_command cli_selftest = {
    .name = "selftest",
    .arguments = "",
    .summary =
        "Bring a card up step by step: registers, memory, DMA, each PE, layers, time-out.",
    .more =
        "Stops at the first step that fails and says where to look. Results are compared with\n"
        "the C definition of the card, bit for bit.\n",
    .example = "spacc selftest --fpga sim:4x4",
    .option = options,
    .run = run};
