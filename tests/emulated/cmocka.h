/* cmocka.h - the few words of CMocka that test_kernels.c uses, for builds for other CPUs,
 * where no CMocka is installed. A failure ends the program. */
#ifndef SPACC_TESTS_CMOCKA_H
#define SPACC_TESTS_CMOCKA_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
};

#define cmocka_unit_test(f) \
    {                       \
#f, f               \
    }
#define print_message(...)               printf(__VA_ARGS__)
#define fail_msg(...)                    (printf(__VA_ARGS__), printf("\n"), exit(1))
#define assert_true(c)                   ((c) ? (void)0 : fail_msg("%s:%d: %s", __FILE__, __LINE__, #c))
#define assert_null(p)                   assert_true((p) == NULL)
#define assert_int_equal(a, b)           assert_true((long long)(a) == (long long)(b))
#define assert_string_equal(a, b)        assert_true(strcmp(a, b) == 0)
#define assert_memory_equal(a, b, bytes) assert_true(memcmp(a, b, bytes) == 0)
#define cmocka_run_group_tests(tests, set_up, tear_down) \
    run_tests(tests, sizeof(tests) / sizeof((tests)[0]))

static inline int run_tests(const struct CMUnitTest *tests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        printf("%s\n", tests[i].name);
        tests[i].run(NULL);
    }
    printf("%zu tests passed\n", count);
    return 0;
}

#endif
