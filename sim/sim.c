#include "sim/sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rtl/card_map.h"
#include "sim/memory.h"
#include "sim/model.h"

enum {
    RESET_CYCLES = 16,
    LITE_CYCLES = 20000, /* an AXI4-Lite access not answered by then never will be */
    CHECK_CYCLES = 1024  /* how often a long wait looks for failed assertions */
};

static const double CLOCK_HZ_DEFAULT = 200e6; /* the clock that sim.h states */

struct spacc_sim {
    const struct spacc_model_ops *ops;
    void *model;
    struct spacc_memory *memory;
    struct spacc_pins_in in;
    struct spacc_pins_out out;
    uint64_t cycle;
    uint64_t random; /* of the AXI4-Lite stalls */
    double clock_hz;
    int64_t period_ps;
    struct spacc_sim_options options; /* config and trace_file are not used after open */
};

/* --- a clock cycle --------------------------------------------------------- */

/* The time stamp of this cycle in the trace, or -1 outside of its window. */
static int64_t trace_time(const struct spacc_sim *sim)
{
    if (!sim->ops->traces || sim->cycle < sim->options.trace_from_cycle)
        return -1;
    const uint64_t into = sim->cycle - sim->options.trace_from_cycle;
    if (sim->options.trace_cycles && into >= sim->options.trace_cycles)
        return -1;
    return (int64_t)sim->cycle * sim->period_ps;
}

static void tick(struct spacc_sim *sim)
{
    sim->ops->tick(sim->model, &sim->in, &sim->out, trace_time(sim), sim->period_ps);
    spacc_memory_step(sim->memory, &sim->in, &sim->out);
    sim->cycle++;
}

/* SPACC_EDEVICE when an assertion of the RTL failed or the card broke an AXI rule. */
static enum spacc_status check(const struct spacc_sim *sim, struct spacc_error *err)
{
    const char *failure = sim->ops->failure(sim->model);
    const char *violation = spacc_memory_violation(sim->memory);
    if (failure)
        return spacc_fail(err, SPACC_EDEVICE, "simulated card %s: %s", sim->ops->config,
                          failure);
    if (violation)
        return spacc_fail(err, SPACC_EDEVICE, "simulated card %s: %s", sim->ops->config,
                          violation);
    return SPACC_OK;
}

static void idle_lite(struct spacc_sim *sim)
{
    sim->in.lite_awvalid = sim->in.lite_wvalid = sim->in.lite_bready = 0;
    sim->in.lite_arvalid = sim->in.lite_rready = 0;
}

static enum spacc_status reset(void *self, struct spacc_error *err)
{
    struct spacc_sim *sim = self;
    idle_lite(sim);
    sim->ops->clear(sim->model);
    for (int i = 0; i < RESET_CYCLES; i++) {
        spacc_memory_reset(sim->memory, &sim->in);
        sim->in.rst_n = 0;
        sim->ops->tick(sim->model, &sim->in, &sim->out, trace_time(sim), sim->period_ps);
        sim->cycle++;
    }
    sim->in.rst_n = 1;
    tick(sim);
    return check(sim, err);
}

/* --- AXI4-Lite ------------------------------------------------------------- */

/* Whether AXI4-Lite is held back in this cycle. */
static bool lite_stalls(struct spacc_sim *sim)
{
    if (!sim->options.stall_per_1024)
        return false;
    uint64_t r = sim->random;
    r ^= r << 13;
    r ^= r >> 7;
    r ^= r << 17;
    sim->random = r;
    return (r >> 20 & 1023) < sim->options.stall_per_1024;
}

static enum spacc_status no_answer(struct spacc_sim *sim, const char *what, uint32_t offset,
                                   struct spacc_error *err)
{
    idle_lite(sim);
    return spacc_fail(err, SPACC_ETIMEOUT,
                      "simulated card %s: no answer to a %s of register 0x%03x in %d cycles",
                      sim->ops->config, what, offset, LITE_CYCLES);
}

static enum spacc_status lite_response(struct spacc_sim *sim, const char *what, uint32_t offset,
                                       unsigned resp, struct spacc_error *err)
{
    idle_lite(sim);
    if (resp != 0)
        return spacc_fail(err, SPACC_EDEVICE,
                          "simulated card %s: %s of register 0x%03x was answered with %u",
                          sim->ops->config, what, offset, resp);
    return check(sim, err);
}

static enum spacc_status reg_write(void *self, uint32_t offset, uint32_t value,
                                   struct spacc_error *err)
{
    struct spacc_sim *sim = self;
    struct spacc_pins_in *in = &sim->in;
    bool address_left = !sim->options.fault_no_lite, data_left = address_left;

    in->lite_awaddr = (uint16_t)(offset & 0xfff);
    in->lite_wdata = value;
    in->lite_wstrb = 0xf;
    for (int i = 0; i < LITE_CYCLES; i++) {
        if (address_left && !in->lite_awvalid)
            in->lite_awvalid = !lite_stalls(sim);
        if (data_left && !in->lite_wvalid)
            in->lite_wvalid = !lite_stalls(sim);
        in->lite_bready = !lite_stalls(sim);
        tick(sim);
        if (in->lite_awvalid && sim->out.lite_awready)
            in->lite_awvalid = address_left = false;
        if (in->lite_wvalid && sim->out.lite_wready)
            in->lite_wvalid = data_left = false;
        if (in->lite_bready && sim->out.lite_bvalid)
            return lite_response(sim, "write", offset, sim->out.lite_bresp, err);
    }
    return no_answer(sim, "write", offset, err);
}

static enum spacc_status reg_read(void *self, uint32_t offset, uint32_t *value,
                                  struct spacc_error *err)
{
    struct spacc_sim *sim = self;
    struct spacc_pins_in *in = &sim->in;
    bool address_left = !sim->options.fault_no_lite;

    *value = 0;
    in->lite_araddr = (uint16_t)(offset & 0xfff);
    for (int i = 0; i < LITE_CYCLES; i++) {
        if (address_left && !in->lite_arvalid)
            in->lite_arvalid = !lite_stalls(sim);
        in->lite_rready = !lite_stalls(sim);
        tick(sim);
        if (in->lite_arvalid && sim->out.lite_arready)
            in->lite_arvalid = address_left = false;
        if (in->lite_rready && sim->out.lite_rvalid) {
            *value = sim->out.lite_rdata;
            if (sim->options.fault_identity && offset == SPACC_REG_IDENTITY)
                *value = 0xdeadbeef;
            return lite_response(sim, "read", offset, sim->out.lite_rresp, err);
        }
    }
    return no_answer(sim, "read", offset, err);
}

/* --- the card interface ---------------------------------------------------- */

static enum spacc_status wait_interrupt(void *self, uint64_t limit_us, bool *interrupted,
                                        struct spacc_error *err)
{
    struct spacc_sim *sim = self;
    const double limit = (double)limit_us * 1e-6 * sim->clock_hz;
    const uint64_t cycles = limit < 1e18 ? (uint64_t)limit : UINT64_C(1000000000000000000);
    enum spacc_status status = check(sim, err);

    *interrupted = sim->out.interrupt;
    for (uint64_t i = 0; status == SPACC_OK && i < cycles && !sim->out.interrupt; i++) {
        tick(sim);
        if (i % CHECK_CYCLES == 0)
            status = check(sim, err);
    }
    if (status == SPACC_OK)
        status = check(sim, err);
    *interrupted = sim->out.interrupt;
    return status;
}

static enum spacc_status alloc(void *self, size_t size_bytes, uint64_t *address,
                               struct spacc_error *err)
{
    struct spacc_sim *sim = self;
    return spacc_memory_alloc(sim->memory, size_bytes, address, err);
}

static void release(void *self, uint64_t address)
{
    struct spacc_sim *sim = self;
    spacc_memory_release(sim->memory, address);
}

static enum spacc_status write_memory(void *self, uint64_t address, const void *from,
                                      size_t size_bytes, struct spacc_error *err)
{
    struct spacc_sim *sim = self;
    return spacc_memory_write(sim->memory, address, from, size_bytes, err);
}

static enum spacc_status read_memory(void *self, uint64_t address, void *to, size_t size_bytes,
                                     struct spacc_error *err)
{
    struct spacc_sim *sim = self;
    return spacc_memory_read(sim->memory, address, to, size_bytes, err);
}

static void close_sim(void *self)
{
    spacc_sim_close(self);
}

const struct spacc_card_ops *spacc_sim_card_ops(void)
{
    static const struct spacc_card_ops ops = {
        .kind = "sim",
        .close = close_sim,
        .alloc = alloc,
        .release = release,
        .write = write_memory,
        .read = read_memory,
        .reg_write = reg_write,
        .reg_read = reg_read,
        .wait = wait_interrupt,
        .reset = reset,
    };
    return &ops;
}

/* --- open, close, knobs ---------------------------------------------------- */

const char *const *spacc_sim_configs(void)
{
    static const char *const configs[] = {
#define X(token, name, ...) name,
        SPACC_CARD_CONFIG_MAP(X)
#undef X
            NULL};
    return configs;
}

/* "4x4, 16x16, 8x8" of the models that can trace, or of all. */
static void list_configs(bool traces, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; spacc_models[i] && used < size; i++)
        if ((spacc_models[i]->traces != 0) == traces) {
            const int n = snprintf(text + used, size - used, "%s%s", used ? ", " : "",
                                   spacc_models[i]->config);
            used += n > 0 ? (size_t)n : 0;
        }
}

static enum spacc_status pick(const struct spacc_model_ops **out, const char *config,
                              bool traces, struct spacc_error *err)
{
    char names[120];
    for (size_t i = 0; spacc_models[i]; i++)
        if ((spacc_models[i]->traces != 0) == traces &&
            strcmp(spacc_models[i]->config, config) == 0) {
            *out = spacc_models[i];
            return SPACC_OK;
        }
    list_configs(traces, names, sizeof(names));
    return spacc_fail(err, SPACC_EUNSUPPORTED,
                      "no simulated card '%s'%s in this build; has: %s", config,
                      traces ? " with tracing" : "", names);
}

void spacc_sim_set(struct spacc_sim *sim, const struct spacc_sim_options *options)
{
    struct spacc_sim_options kept = sim->options;
    sim->options = *options;
    sim->options.config = NULL;
    sim->options.trace_file = NULL;
    sim->options.trace_from_cycle = kept.trace_from_cycle;
    sim->options.trace_cycles = kept.trace_cycles;
    const struct spacc_memory_knobs knobs = {
        .latency_cycles = options->latency_cycles,
        .beats_per_1024 = options->beats_per_1024,
        .stall_per_1024 = options->stall_per_1024,
        .no_read = options->fault_no_read,
        .no_write = options->fault_no_write,
        .slverr_address = options->fault_slverr_address,
    };
    spacc_memory_set(sim->memory, &knobs);
}

static enum spacc_status open_model(struct spacc_sim *sim,
                                    const struct spacc_sim_options *options,
                                    struct spacc_error *err)
{
    const uint64_t seed = options->seed * UINT64_C(0xd1342543de82ef95) + 12345;
    sim->model = sim->ops->open((uint32_t)(seed >> 32), options->trace_file);
    if (sim->model)
        return SPACC_OK;
    if (options->trace_file)
        return spacc_fail(err, SPACC_EIO, "%s: cannot write the waveform", options->trace_file);
    return spacc_fail(err, SPACC_ENOMEM, "no memory for simulated card %s", sim->ops->config);
}

enum spacc_status spacc_sim_open(struct spacc_sim **out,
                                 const struct spacc_sim_options *options,
                                 struct spacc_error *err)
{
    enum spacc_status status;
    struct spacc_sim *sim = NULL;

    *out = NULL;
    if (!(options->clock_hz >= 0 && options->clock_hz <= 1e12))
        return spacc_fail(err, SPACC_EINVAL, "clock of %g Hz", options->clock_hz);
    sim = calloc(1, sizeof(*sim));
    if (!sim)
        return spacc_fail(err, SPACC_ENOMEM, "no memory for a simulated card");
    status = pick(&sim->ops, options->config ? options->config : "16x16",
                  options->trace_file != NULL, err);
    if (status != SPACC_OK)
        goto out;
    sim->clock_hz = options->clock_hz > 0 ? options->clock_hz : CLOCK_HZ_DEFAULT;
    sim->period_ps = (int64_t)(1e12 / sim->clock_hz);
    if (sim->period_ps < 2)
        sim->period_ps = 2;
    sim->options.trace_from_cycle = options->trace_from_cycle;
    sim->options.trace_cycles = options->trace_cycles;
    sim->random = (options->seed ^ UINT64_C(0x6c696e6574786178)) | 1;
    sim->memory = spacc_memory_new(options->seed, sim->ops->axi_bytes);
    if (!sim->memory) {
        status = spacc_fail(err, SPACC_ENOMEM, "no memory for a simulated card");
        goto out;
    }
    spacc_sim_set(sim, options);
    status = open_model(sim, options, err);
    if (status != SPACC_OK)
        goto out;
    status = reset(sim, err);
    if (status != SPACC_OK)
        goto out;
    *out = sim;
    sim = NULL;
out:
    spacc_sim_close(sim);
    return status;
}

void spacc_sim_close(struct spacc_sim *sim)
{
    if (!sim)
        return;
    if (sim->model)
        sim->ops->close(sim->model);
    spacc_memory_free(sim->memory);
    free(sim);
}

enum spacc_status spacc_sim_map(struct spacc_sim *sim, uint64_t address, void *bytes,
                                size_t size_bytes, struct spacc_error *err)
{
    return spacc_memory_map(sim->memory, address, bytes, size_bytes, err);
}

uint64_t spacc_sim_cycles(const struct spacc_sim *sim)
{
    return sim->cycle;
}

void spacc_sim_stalls(const struct spacc_sim *sim, uint64_t stalls[5])
{
    spacc_memory_stalls(sim->memory, stalls);
}
