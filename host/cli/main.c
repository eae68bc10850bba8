/* main.c - picks the subcommand. */
#include <string.h>

#include "host/cli/cli.h"
#include "sparse/cpu.h"

static const struct cli_command *const commands[] = {
    &cli_run,     &cli_predict, &cli_eval, &cli_bench,   &cli_prune, &cli_pack,
    &cli_inspect, &cli_devices, &cli_ops,  &cli_profile, &cli_plan,  &cli_selftest};
enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void print_help(FILE *to)
{
    fprintf(
        to,
        "usage: spacc COMMAND [OPTION]...\n\n"
        "Runs ONNX models with bank-balanced sparse weights on a (simulated) FPGA card.\n\n");
    for (int i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(to, "\nspacc COMMAND --help tells more; spacc --version tells the version.\n");
}

static int unknown(const char *name)
{
    fprintf(stderr, "spacc: unknown command %s; see spacc --help\n", name);
    return CLI_USAGE;
}

static int finish(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    return cli_fail("standard output could not be written");
}

int main(int argc, char **argv)
{
    struct spacc_error err = {0};

    if (argc < 2) {
        print_help(stderr);
        return CLI_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help") || !strcmp(argv[1], "-h")) {
        print_help(stdout);
        return finish(CLI_OK);
    }
    if (!strcmp(argv[1], "--version")) {
        printf("spacc %s\n", spacc_version());
        return finish(CLI_OK);
    }
    if (spacc_cpu_check(&err))
        return cli_fail_err(&err);
    for (int i = 0; i < COMMANDS; i++)
        if (!strcmp(argv[1], commands[i]->name))
            return finish(commands[i]->run(argc - 1, argv + 1));
    return unknown(argv[1]);
}
