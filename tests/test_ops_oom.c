/* Linked with --wrap: in random calls of every operator the Nth allocation fails, for
 * every N. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ops_random.h"
#include "tests/failing_alloc.h"

static enum spacc_status run_failing(struct op_call *t, long at)
{
    calls = 0;
    fail_at = at;
    const enum spacc_status status = op_run(t, 1);
    fail_at = -1;
    return status;
}

/* Every failed allocation is told; the sanitizers report what is left behind. */
static void every_operator_survives_every_failed_allocation(void **unused)
{
    (void)unused;
    int survived = 0;
    random_state = 7;
    for (size_t op = 0; op < spacc_op_count; op++)
        for (int round = 0; round < 150; round++) {
            struct op_call t;
            struct random_attrs room;
            random_call(&t, &spacc_ops[op], &room);
            const bool runs = run_failing(&t, -1) == SPACC_OK;
            const long allocations = calls;
            for (long at = 0; runs && at < allocations; at++, survived++) {
                const enum spacc_status status = run_failing(&t, at);
                if (status != SPACC_ENOMEM || !strstr(t.err.text, spacc_ops[op].name))
                    fail_msg("%s, allocation %ld: %s, \"%s\"", spacc_ops[op].name, at,
                             spacc_status_name(status), t.err.text);
            }
            op_end(&t);
        }
    assert_true(survived > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operator_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
