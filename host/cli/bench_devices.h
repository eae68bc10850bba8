/* bench_devices.h - a model on each device alone, as planned, and in batches over all. */
#ifndef SPACC_CLI_BENCH_DEVICES_H
#define SPACC_CLI_BENCH_DEVICES_H

#include "host/cli/cli.h"

struct cli_bench_devices {
    const char *file;
    struct spacc_model *model;
    const struct spacc_tensor *const *input;
    const char *gpu, *fpga; /* or NULL */
    const char *profiles;   /* or NULL */
    int threads;
    size_t runs; /* 0: as many as take two seconds */
    bool json;
};

/* Measure and print. Returns the exit status. */
int cli_bench_devices(const struct cli_bench_devices *ask);

#endif
