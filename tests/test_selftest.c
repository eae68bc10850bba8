/* The bring-up of a card: every simulated card passes; one that is broken fails at the step
 * that is about what broke, and says what. The seed of the data is printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/selftest/selftest.h"
#include "rtl/card_map.h"

enum { SEED = 20261122 };

#if !SPACC_SIM

static void there_is_no_simulator_in_this_build(void **state)
{
    (void)state;
    printf("skipped: this build has no simulator\n");
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(there_is_no_simulator_in_this_build)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

#include "sim/sim.h"

enum { STEPS = 8, EVER = 1000000 };

enum fault {
    HEALTHY,
    OTHER_IDENTITY,
    ADDRESS_LINE, /* a write to WEIGHTS_BYTES reaches PROGRAM_BYTES as well */
    STUCK_BIT,    /* in the host's writes to memory */
    OTHER_BANK,   /* the card's reads of vectors go elsewhere */
    WRONG_BITS,   /* in what is read back, from some run on */
    NO_LIMIT,     /* waits until the end, however long */
};

/* A simulated card with one fault between it and the driver. */
struct patient {
    const char *config;
    enum fault fault;
    int from;                 /* WRONG_BITS: from this start on */
    int starts;               /* of all cards so far */
    int starts_behind[STEPS]; /* at the end of each step */
    int told;
    const char *failed; /* the step, or NULL */
    struct spacc_sim *sim;
};

static const struct spacc_card_ops *sim_ops(void)
{
    return spacc_sim_card_ops();
}

static void sick_close(void *self)
{
    sim_ops()->close(((struct patient *)self)->sim);
}

static enum spacc_status sick_alloc(void *self, size_t size_bytes, uint64_t *address,
                                    struct spacc_error *err)
{
    return sim_ops()->alloc(((struct patient *)self)->sim, size_bytes, address, err);
}

static void sick_release(void *self, uint64_t address)
{
    sim_ops()->release(((struct patient *)self)->sim, address);
}

static enum spacc_status sick_write(void *self, uint64_t address, const void *from,
                                    size_t size_bytes, struct spacc_error *err)
{
    const struct patient *p = self;
    uint8_t *copy = malloc(size_bytes);

    assert_non_null(copy);
    memcpy(copy, from, size_bytes);
    if (p->fault == STUCK_BIT && size_bytes > 100)
        copy[100] |= 8;
    const enum spacc_status status = sim_ops()->write(p->sim, address, copy, size_bytes, err);
    free(copy);
    return status;
}

static enum spacc_status sick_read(void *self, uint64_t address, void *to, size_t size_bytes,
                                   struct spacc_error *err)
{
    const struct patient *p = self;
    const enum spacc_status status = sim_ops()->read(p->sim, address, to, size_bytes, err);

    if (status == SPACC_OK && p->fault == WRONG_BITS && p->starts > p->from)
        ((uint8_t *)to)[0] ^= 1;
    return status;
}

static enum spacc_status sick_reg_write(void *self, uint32_t offset, uint32_t value,
                                        struct spacc_error *err)
{
    struct patient *p = self;

    if (offset == SPACC_REG_AP_CTRL && (value & 1))
        p->starts++;
    if (p->fault == ADDRESS_LINE && offset == SPACC_REG_WEIGHTS_BYTES)
        sim_ops()->reg_write(p->sim, SPACC_REG_PROGRAM_BYTES, value, err);
    if (p->fault == OTHER_BANK && offset == SPACC_REG_INPUT_PTR)
        value ^= 0x40000000;
    return sim_ops()->reg_write(p->sim, offset, value, err);
}

static enum spacc_status sick_reg_read(void *self, uint32_t offset, uint32_t *value,
                                       struct spacc_error *err)
{
    const struct patient *p = self;
    const enum spacc_status status = sim_ops()->reg_read(p->sim, offset, value, err);

    if (p->fault == OTHER_IDENTITY && offset == SPACC_REG_IDENTITY)
        *value ^= 1;
    if (p->fault == OTHER_BANK && offset == SPACC_REG_INPUT_PTR)
        *value ^= 0x40000000;
    return status;
}

static enum spacc_status sick_wait(void *self, uint64_t limit_us, bool *interrupted,
                                   struct spacc_error *err)
{
    const struct patient *p = self;

    return sim_ops()->wait(p->sim, p->fault == NO_LIMIT ? EVER : limit_us, interrupted, err);
}

static enum spacc_status sick_reset(void *self, struct spacc_error *err)
{
    return sim_ops()->reset(((struct patient *)self)->sim, err);
}

static const struct spacc_card_ops sick_ops = {
    .kind = "sick",
    .close = sick_close,
    .alloc = sick_alloc,
    .release = sick_release,
    .write = sick_write,
    .read = sick_read,
    .reg_write = sick_reg_write,
    .reg_read = sick_reg_read,
    .wait = sick_wait,
    .reset = sick_reset,
};

static enum spacc_status open_patient(void *user, struct spacc_card **out,
                                      struct spacc_error *err)
{
    struct patient *p = user;
    const struct spacc_sim_options options = {.config = p->config, .seed = SEED};
    const enum spacc_status status = spacc_sim_open(&p->sim, &options, err);

    return status == SPACC_OK ? spacc_card_attach(out, &sick_ops, p, 200e6, err) : status;
}

static void watch(void *user, const struct spacc_selftest_step *s)
{
    struct patient *p = user;

    printf("%s: %s\n", s->name, s->found);
    p->starts_behind[p->told++] = p->starts;
    if (!s->passed)
        p->failed = s->name;
    assert_true(s->proves[0] && s->means[0] && s->found[0]);
}

static enum spacc_status examine(struct patient *p, struct spacc_error *err)
{
    return spacc_selftest_run(open_patient, watch, p, SEED, err);
}

/* ---- tests -------------------------------------------------------------------- */

static void every_card_of_this_build_passes(void **state)
{
    (void)state;
    for (const char *const *config = spacc_sim_configs(); *config; config++) {
        struct patient p = {.config = *config};
        struct spacc_error err = {0};

        if (examine(&p, &err) != SPACC_OK)
            fail_msg("%s: %s", *config, err.text);
        assert_null(p.failed);
        assert_int_equal(p.told, spacc_selftest_steps());
    }
}

static void expect_failure(enum fault fault, int from, const char *step, const char *text)
{
    struct patient p = {.config = "4x4", .fault = fault, .from = from};
    struct spacc_error err = {0};

    assert_int_not_equal(examine(&p, &err), SPACC_OK);
    assert_string_equal(p.failed, step);
    if (!strstr(err.text, text))
        fail_msg("'%s' does not say '%s'", err.text, text);
}

static void what_is_broken_is_found_at_its_step(void **state)
{
    (void)state;
    expect_failure(OTHER_IDENTITY, 0, "identity", "0x43415052");
    expect_failure(ADDRESS_LINE, 0, "registers", "register 0x040 is ");
    expect_failure(STUCK_BIT, 0, "memory", "memory at 0x");
    expect_failure(OTHER_BANK, 0, "dma", "step dma: ");
    expect_failure(NO_LIMIT, 0, "timeout", "was not given up");
}

/* Wrong bits that begin with the first run of a step: it fails, the ones before pass. */
static void wrong_results_are_found_in_every_step_of_the_array(void **state)
{
    (void)state;
    static const char *const step[] = {"dma", "pes", "spmxv", "lstm", "timeout"};
    static const char *const text[] = {"row 0 (PE 0): ", "PE 0 alone: vector 0, row 0 (PE 0)",
                                       "vector 0, row 0 ", "step 0, unit ", "unit "};
    struct patient healthy = {.config = "4x4"};
    struct spacc_error err = {0};

    assert_int_equal(examine(&healthy, &err), SPACC_OK);
    for (int i = 0; i < 5; i++)
        expect_failure(WRONG_BITS, healthy.starts_behind[2 + i], step[i], text[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_card_of_this_build_passes),
        cmocka_unit_test(what_is_broken_is_found_at_its_step),
        cmocka_unit_test(wrong_results_are_found_in_every_step_of_the_array),
    };
    printf("seed %d\n", SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
