/* The ONNX project's cases of more than one operator, and those that PyTorch exported: each
 * passes or is refused by name. */
#include <dirent.h>

#include "tests/conformance_case.h"

#define SUITE SPACC_SHARED "/onnx-conformance"

static const struct folder {
    const char *name;
    int cases, passed_min; /* stored; of which at least so many pass */
} folders[] = {
    {"simple", 23, 7},
    {"pytorch-operator", 34, 30},
    {"pytorch-converted", 80, 80},
};

/* Refused with what it is that is not supported. */
static bool is_named(const char *line)
{
    static const char *const words[] = {"operator ", "attribute '", "type string", "sequence",
                                        "domain "};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strstr(line, words[i]))
            return true;
    return false;
}

struct totals {
    int cases, passed, refused, failed;
};

static void judge(struct totals *t, const char *folder, const char *name)
{
    char path[PATH_BYTES - 64];
    struct spacc_error err = {.text = ""};

    snprintf(path, sizeof(path), "%s/%s/%s", SUITE, folder, name);
    const enum spacc_status status = run_case(path, &err);
    const bool starts = strncmp(err.text, path, strlen(path)) == 0;
    const char *line = starts ? err.text + strlen(path) + 1 : err.text;
    const bool refused = status == SPACC_EUNSUPPORTED && is_named(line);
    t->cases++;
    t->passed += status == SPACC_OK;
    t->refused += refused;
    t->failed += status != SPACC_OK && !refused;
    if (status != SPACC_OK)
        printf("%s: %s: %s\n", refused ? "refused" : "FAILED", name, line);
}

static int visible(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static void judge_folder(const struct folder *f)
{
    char path[PATH_BYTES];
    struct dirent **names = NULL;
    struct totals t = {0};

    snprintf(path, sizeof(path), "%s/%s", SUITE, f->name);
    const int count = scandir(path, &names, visible, alphasort);
    if (count < 0) {
        printf("skipped: %s is not here\n", path);
        skip();
    }
    for (int i = 0; i < count; i++) {
        judge(&t, f->name, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    printf("%s: %d cases: %d passed, %d refused by name, %d failed\n", f->name, t.cases,
           t.passed, t.refused, t.failed);
    assert_int_equal(t.failed, 0);
    assert_int_equal(t.cases, f->cases);
    assert_true(t.passed >= f->passed_min);
}

static void every_case_of_more_operators_passes_or_is_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        judge_folder(&folders[i]);
    printf("skipped: real: its models are addresses only, nothing of them is stored\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_of_more_operators_passes_or_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
