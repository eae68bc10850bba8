/* Energy counters of a made-up tree: sums, packages, counters that go round, damaged files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "scheduler/energy.h"

enum { PATH_BYTES = 512 };

static char root[64];

static void put(const char *package, const char *file, const char *text)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof(path), "%s/%s", root, package);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/%s/%s", root, package, file);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void put_package(const char *package, const char *name, const char *range,
                        const char *energy)
{
    put(package, "name", name);
    put(package, "max_energy_range_uj", range);
    put(package, "energy_uj", energy);
}

static int start(void **state)
{
    (void)state;
    snprintf(root, sizeof(root), "/tmp/spacc-energy-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int end(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", root);
    return system(command);
}

static double joules(struct spacc_energy *e)
{
    double j = -1.0;

    assert_int_equal(spacc_energy_read(e, &j, NULL), SPACC_OK);
    return j;
}

static void joules_are_counted_from_the_start(void **state)
{
    (void)state;
    struct spacc_energy *e;

    put_package("intel-rapl:0", "package-0\n", "262143328850\n", "1000000\n");
    assert_int_equal(spacc_energy_open(&e, root, NULL), SPACC_OK);
    assert_string_equal(spacc_energy_source(e), "RAPL package-0");
    assert_float_equal(joules(e), 0.0, 0.0);
    put("intel-rapl:0", "energy_uj", "3500000\n");
    assert_float_equal(joules(e), 2.5, 1e-12);
    assert_float_equal(joules(e), 2.5, 1e-12);
    spacc_energy_close(e);
}

static void a_counter_that_goes_round_goes_on(void **state)
{
    (void)state;
    struct spacc_energy *e;

    put_package("intel-rapl:0", "package-0\n", "9000000\n", "8000000\n");
    assert_int_equal(spacc_energy_open(&e, root, NULL), SPACC_OK);
    put("intel-rapl:0", "energy_uj", "500000\n");
    assert_float_equal(joules(e), 1.5, 1e-12);
    put("intel-rapl:0", "energy_uj", "8500000\n");
    assert_float_equal(joules(e), 9.5, 1e-12);
    put("intel-rapl:0", "energy_uj", "0\n"); /* and a second time */
    assert_float_equal(joules(e), 10.0, 1e-12);
    spacc_energy_close(e);
}

static void packages_are_summed_and_their_parts_left_out(void **state)
{
    (void)state;
    struct spacc_energy *e;

    put_package("intel-rapl:0", "package-0\n", "9000000\n", "0\n");
    put_package("intel-rapl:1", "package-1\n", "9000000\n", "0\n");
    put_package("intel-rapl:2", "psys\n", "9000000\n", "0\n");
    put_package("intel-rapl:0:0", "core\n", "9000000\n", "0\n");
    assert_int_equal(spacc_energy_open(&e, root, NULL), SPACC_OK);
    assert_string_equal(spacc_energy_source(e), "RAPL package-0 and 1 more");
    put("intel-rapl:0", "energy_uj", "1000000\n");
    put("intel-rapl:1", "energy_uj", "2000000\n");
    put("intel-rapl:2", "energy_uj", "4000000\n");
    assert_float_equal(joules(e), 3.0, 1e-12);
    spacc_energy_close(e);
}

static void refuse(const char *name, const char *range, const char *energy)
{
    struct spacc_energy *e = (struct spacc_energy *)1;
    struct spacc_error err = {.text = ""};

    put_package("intel-rapl:0", name, range, energy);
    assert_int_equal(spacc_energy_open(&e, root, &err), SPACC_EUNSUPPORTED);
    assert_null(e);
    assert_non_null(strstr(err.text, root));
}

static void trees_without_a_counter_are_none(void **state)
{
    (void)state;
    struct spacc_energy *e;

    assert_int_equal(spacc_energy_open(&e, "/nowhere", NULL), SPACC_EUNSUPPORTED);
    assert_int_equal(spacc_energy_open(&e, root, NULL), SPACC_EUNSUPPORTED);
    refuse("package-0\n", "9000000\n", "much\n");
    refuse("package-0\n", "9000000\n", "-1\n");
    refuse("package-0\n", "0\n", "0\n");
    refuse("package-0\n", "9000000\n", "9000001\n");
    refuse("dram\n", "9000000\n", "0\n");
}

static void a_counter_that_is_gone_is_an_error(void **state)
{
    (void)state;
    struct spacc_energy *e;
    struct spacc_error err = {.text = ""};
    double j;

    put_package("intel-rapl:0", "package-0\n", "9000000\n", "0\n");
    assert_int_equal(spacc_energy_open(&e, root, NULL), SPACC_OK);
    put("intel-rapl:0", "energy_uj", "");
    assert_int_equal(spacc_energy_read(e, &j, &err), SPACC_EIO);
    assert_non_null(strstr(err.text, "energy_uj"));
    spacc_energy_close(e);
    spacc_energy_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(joules_are_counted_from_the_start, start, end),
        cmocka_unit_test_setup_teardown(a_counter_that_goes_round_goes_on, start, end),
        cmocka_unit_test_setup_teardown(packages_are_summed_and_their_parts_left_out, start,
                                        end),
        cmocka_unit_test_setup_teardown(trees_without_a_counter_are_none, start, end),
        cmocka_unit_test_setup_teardown(a_counter_that_is_gone_is_an_error, start, end)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
