/* Profiles: written and read back to the same bits; what is wrong with a file is said. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "scheduler/profile.h"
#include "scheduler/profile_parts.h"
#include "tests/failing_alloc.h"

static char file[] = "/tmp/spacc_profile_XXXXXX";

static void same_bits(double a, double b)
{
    assert_memory_equal(&a, &b, sizeof(a));
}

static struct spacc_sample sample(size_t i)
{
    struct spacc_sample s = {.us = 1.0 / 3.0 + (double)i * 0.1,
                             .spread = 0.01 / 7.0,
                             .joules = i % 2 ? (double)NAN : 1e-7 * (double)i,
                             .runs = 9};
    s.work.family = (enum spacc_work_family)(i % SPACC_WORK_FAMILIES);
    snprintf(s.work.kernel, sizeof(s.work.kernel), "kernel \"%zu\"", i % 3);
    for (size_t k = 0; k < spacc_work_sizes(s.work.family); k++)
        s.work.size[k] = (double)(i + k) / 3.0;
    s.work.macs = 1e9 / 7.0;
    s.work.in_bytes = 4096.0;
    s.work.weight_bytes = (double)i;
    s.work.out_bytes = 12.0;
    s.work.threads = (int)(i % 4) + 1;
    s.work.cold = i % 5 == 0;
    return s;
}

static struct spacc_profile *make(size_t samples)
{
    struct spacc_profile *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    p->machine =
        (struct spacc_machine){"CPU of the test", "avx2", 2, 1 << 19, 1 << 25, 1 << 30};
    strcpy(p->device, "cpu");
    p->complete = true;
    p->seed = UINT64_MAX - 5;
    p->link = (struct spacc_link){0.1, 0.2, 3.0, 4.0, 5e3, 6e3, 0.7, 0.0};
    p->power = (struct spacc_power){4.5, 12.0, false, "stated: 12 W a core"};
    for (size_t i = 0; i < samples; i++) {
        const struct spacc_sample s = sample(i);
        assert_int_equal(spacc_profile_add(p, &s, NULL), SPACC_OK);
    }
    return p;
}

/* ---------------------------------------------------------------- work */

static void families_have_names_and_sizes(void **state)
{
    (void)state;
    char text[8];
    assert_string_equal(spacc_work_family_name(SPACC_WORK_CONV), "conv");
    assert_null(spacc_work_family_name(SPACC_WORK_FAMILIES));
    for (int f = 0; f < SPACC_WORK_FAMILIES; f++) {
        const enum spacc_work_family family = (enum spacc_work_family)f;
        assert_int_equal(spacc_work_family_find(spacc_work_family_name(family)), family);
        assert_in_range(spacc_work_sizes(family), 1, SPACC_WORK_SIZES);
    }
    assert_int_equal(spacc_work_family_find("con"), SPACC_WORK_FAMILIES);
    assert_int_equal(spacc_work_sizes(SPACC_WORK_CONV), 13);
    assert_int_equal(spacc_work_sizes(SPACC_WORK_FAMILIES), 0);
    assert_string_equal(spacc_work_size_name(SPACC_WORK_CONV, 0, text, 8), "n");
    assert_string_equal(spacc_work_size_name(SPACC_WORK_CONV, 5, text, 8), "kh");
    assert_string_equal(spacc_work_size_name(SPACC_WORK_CONV, 11, text, 8), "joined");
    assert_string_equal(spacc_work_size_name(SPACC_WORK_CONV, 11, text, 4), "joi");
    assert_string_equal(spacc_work_size_name(SPACC_WORK_CONV, 13, text, 8), "");
}

static void works_differ_in_any_size(void **state)
{
    (void)state;
    const struct spacc_work w = sample(8).work;
    struct spacc_work other = w;
    other.macs = 3.0; /* follows from the sizes */
    assert_true(spacc_work_same(&w, &other));
    other.size[3] += 1.0;
    assert_false(spacc_work_same(&w, &other));
    other = w;
    other.threads++;
    assert_false(spacc_work_same(&w, &other));
    other = w;
    other.cold = !other.cold;
    assert_false(spacc_work_same(&w, &other));
    other = w;
    strcpy(other.kernel, "another");
    assert_false(spacc_work_same(&w, &other));
}

/* ---------------------------------------------------------------- samples */

static void every_sample_is_found_and_a_second_one_replaces_it(void **state)
{
    (void)state;
    struct spacc_profile *p = make(1000);
    struct spacc_sample s = sample(777);
    assert_int_equal(p->samples, 1000);
    for (size_t i = 0; i < 1000; i++) {
        const struct spacc_work w = sample(i).work;
        assert_ptr_equal(spacc_profile_find(p, &w), &p->sample[i]);
    }
    s.us = 5.0;
    assert_int_equal(spacc_profile_add(p, &s, NULL), SPACC_OK);
    assert_int_equal(p->samples, 1000);
    same_bits(p->sample[777].us, 5.0);
    s.work.size[0] = 1e6;
    assert_null(spacc_profile_find(p, &s.work));
    spacc_profile_free(p);
}

static void samples_put_in_by_hand_are_found(void **state)
{
    (void)state;
    struct spacc_profile *p = make(3);
    p->sample[p->samples++] = sample(100);
    const struct spacc_work w = sample(100).work;
    assert_ptr_equal(spacc_profile_find(p, &w), &p->sample[3]);
    const struct spacc_sample next = sample(101);
    assert_int_equal(spacc_profile_add(p, &next, NULL), SPACC_OK);
    assert_ptr_equal(spacc_profile_find(p, &w), &p->sample[3]);
    assert_ptr_equal(spacc_profile_find(p, &next.work), &p->sample[4]);
    spacc_profile_free(p);
}

static void a_sample_that_cannot_be_is_refused(void **state)
{
    (void)state;
    struct spacc_profile *p = make(2);
    struct spacc_error err;
    struct spacc_sample s = sample(3);
    s.us = 0.0;
    assert_int_equal(spacc_profile_add(p, &s, &err), SPACC_EINVAL);
    assert_non_null(strstr(err.text, "us is not"));
    s.us = (double)NAN;
    assert_int_equal(spacc_profile_add(p, &s, &err), SPACC_EINVAL);
    s = sample(3);
    s.work.size[2] = -1.0;
    assert_int_equal(spacc_profile_add(p, &s, &err), SPACC_EINVAL);
    s = sample(3);
    s.work.threads = 0;
    assert_int_equal(spacc_profile_add(p, &s, &err), SPACC_EINVAL);
    s = sample(3);
    s.work.macs = HUGE_VAL;
    assert_int_equal(spacc_profile_add(p, &s, &err), SPACC_EINVAL);
    assert_int_equal(p->samples, 2);
    spacc_profile_free(p);
}

/* ---------------------------------------------------------------- files */

static void what_is_saved_is_loaded_to_the_same_bits(void **state)
{
    (void)state;
    struct spacc_profile *p = make(100), *q;
    struct spacc_error err;
    assert_int_equal(spacc_profile_save(p, file, &err), SPACC_OK);
    assert_int_equal(spacc_profile_load(&q, file, &p->machine, &err), SPACC_OK);
    assert_int_equal(q->samples, 100);
    assert_true(q->complete);
    assert_true(q->seed == p->seed);
    assert_string_equal(q->device, "cpu");
    assert_string_equal(q->power.source, p->power.source);
    assert_memory_equal(&q->link, &p->link, sizeof(p->link));
    for (size_t i = 0; i < 100; i++) {
        const struct spacc_sample *a = &p->sample[i], *b = &q->sample[i];
        assert_true(spacc_work_same(&a->work, &b->work));
        same_bits(a->us, b->us);
        same_bits(a->spread, b->spread);
        assert_true(isnan(a->joules) == isnan(b->joules));
        if (!isnan(a->joules))
            same_bits(a->joules, b->joules);
        same_bits(a->work.macs, b->work.macs);
        same_bits(a->work.size[1], b->work.size[1]);
        same_bits(a->work.weight_bytes, b->work.weight_bytes);
        assert_int_equal(a->runs, b->runs);
    }
    spacc_profile_free(p);
    spacc_profile_free(q);
}

static void a_profile_without_samples_is_one(void **state)
{
    (void)state;
    struct spacc_profile *p = make(0), *q;
    assert_int_equal(spacc_profile_save(p, file, NULL), SPACC_OK);
    assert_int_equal(spacc_profile_load(&q, file, NULL, NULL), SPACC_OK);
    assert_int_equal(q->samples, 0);
    const struct spacc_work w = sample(0).work;
    assert_null(spacc_profile_find(q, &w));
    spacc_profile_free(p);
    spacc_profile_free(q);
}

static void another_machine_is_named_with_this_one(void **state)
{
    (void)state;
    struct spacc_profile *p = make(1), *q;
    struct spacc_machine here = p->machine;
    struct spacc_error err;
    here.cores = 8;
    assert_int_equal(spacc_profile_save(p, file, NULL), SPACC_OK);
    assert_int_equal(spacc_profile_load(&q, file, &here, &err), SPACC_EUNSUPPORTED);
    assert_null(q);
    assert_non_null(strstr(err.text, file));
    assert_non_null(strstr(err.text, "cores is '2'"));
    assert_non_null(strstr(err.text, "'8'"));
    here = p->machine;
    here.l2_bytes /= 2;
    assert_int_equal(spacc_profile_load(&q, file, &here, &err), SPACC_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "L2 is '512 KiB'"));
    here = p->machine;
    here.memory_bytes *= 3; /* that of a virtual machine changes */
    assert_int_equal(spacc_profile_load(&q, file, &here, &err), SPACC_OK);
    spacc_profile_free(q);
    spacc_profile_free(p);
}

/* A folder in the place of the file: the rename fails, and nothing is left beside it. */
static void a_save_that_fails_leaves_no_other_file(void **state)
{
    (void)state;
    char folder[64], command[200];
    struct spacc_profile *p = make(3);
    struct spacc_error err;
    snprintf(folder, sizeof(folder), "%s.d", file);
    snprintf(command, sizeof(command), "mkdir -p %s/p.json/x", folder);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof(command), "%s/p.json", folder);
    assert_int_equal(spacc_profile_save(p, command, &err), SPACC_EIO);
    assert_non_null(strstr(err.text, "p.json: cannot write"));
    snprintf(command, sizeof(command), "test \"$(ls %s)\" = p.json && rm -r %s", folder,
             folder);
    assert_int_equal(system(command), 0);
    spacc_profile_free(p);
}

static void a_folder_that_is_not_there_is_said(void **state)
{
    (void)state;
    struct spacc_profile *p = make(1), *q;
    struct spacc_error err;
    assert_int_equal(spacc_profile_save(p, "/nowhere/at/all.json", &err), SPACC_EIO);
    assert_non_null(strstr(err.text, "/nowhere/at/all.json"));
    assert_int_equal(spacc_profile_load(&q, "/nowhere/at/all.json", NULL, &err), SPACC_EIO);
    assert_null(q);
    spacc_profile_free(p);
}

/* The text of a profile of two samples. */
static char *text_of(size_t *bytes)
{
    struct spacc_profile *p = make(2);
    char *text = malloc(1 << 16);
    assert_non_null(text);
    assert_int_equal(spacc_profile_save(p, file, NULL), SPACC_OK);
    FILE *in = fopen(file, "rb");
    assert_non_null(in);
    *bytes = fread(text, 1, (1 << 16) - 1, in);
    text[*bytes] = '\0';
    fclose(in);
    spacc_profile_free(p);
    return text;
}

static void a_file_cut_short_anywhere_is_damaged(void **state)
{
    (void)state;
    size_t bytes;
    char *text = text_of(&bytes);
    struct spacc_profile *p;
    struct spacc_error err;
    for (size_t cut = 0; cut + 1 < bytes; cut++) { /* the last byte ends a line */
        char *part = malloc(cut + 1);
        assert_non_null(part);
        memcpy(part, text, cut);
        part[cut] = '\0';
        assert_int_equal(spacc_profile_parse(&p, part, cut, "p.json", NULL, &err),
                         SPACC_EFORMAT);
        assert_null(p);
        assert_non_null(strstr(err.text, "p.json"));
        free(part);
    }
    free(text);
}

/* Parse the text with `from` made `to`; the message has to have `why`. */
static void damage(const char *from, const char *to, enum spacc_status want, const char *why)
{
    size_t bytes;
    char *text = text_of(&bytes), *bad = malloc((1 << 16) + strlen(to));
    struct spacc_profile *p;
    struct spacc_error err;
    const char *at = strstr(text, from);
    assert_non_null(bad);
    if (!at)
        fail_msg("no %s in %s", from, text);
    sprintf(bad, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    const enum spacc_status status =
        spacc_profile_parse(&p, bad, strlen(bad), "p.json", NULL, &err);
    if (status != want || !strstr(err.text, why))
        fail_msg("%s -> %s: %s, %s", from, to, spacc_status_name(status), err.text);
    assert_null(p);
    free(text);
    free(bad);
}

static void damaged_values_are_named(void **state)
{
    (void)state;
    damage("\"spacc_profile\": 1", "\"spacc_profile\": 2", SPACC_EUNSUPPORTED,
           "version 2, this program knows 1");
    damage("\"spacc_profile\": 1", "\"spacc_profile\": 0", SPACC_EFORMAT, "version 0");
    damage("\"cores\":2", "\"cores\":2.5", SPACC_EFORMAT, "cores is not a whole number");
    damage("\"cores\":2", "\"cores\":1e30", SPACC_EFORMAT, "cores is not a number in range");
    damage("\"us\":0.333", "\"us\":-0.333", SPACC_EFORMAT, "sample 0: us");
    damage("\"us\":0.333", "\"us\":NaN, \"x\":0.333", SPACC_EFORMAT, "no JSON from byte");
    damage("\"us\":0.333", "\"us\":1e999, \"x\":0.333", SPACC_EFORMAT, "sample 0");
    damage("\"us\":0.333", "\"us\":0, \"us\":0.333", SPACC_EFORMAT, "twice");
    damage("\"threads\":1", "\"threads\":1e9", SPACC_EFORMAT, "threads");
    damage("\"runs\":9", "\"runs\":0", SPACC_EFORMAT, "no runs");
    damage("\"runs\":9", "\"runs\":1e15", SPACC_EFORMAT, "runs");
    damage("\"sizes\":[0,", "\"sizes\":[0,1,", SPACC_EFORMAT, "not as many");
    damage("\"sizes\":[0,", "\"sizes\":[-1,", SPACC_EFORMAT, "a size is out of range");
    damage("\"sizes\":[0,", "\"sizes\":[\"0\",", SPACC_EFORMAT, "not all numbers");
    damage("\"family\":\"conv\"", "\"family\":\"con\"", SPACC_EFORMAT, "family is not known");
    damage("\"cold\":true", "\"cold\":1", SPACC_EFORMAT, "cold is neither");
    damage("\"joules\":0", "\"joules\":-1", SPACC_EFORMAT, "joules");
    damage("\"device\": \"cpu\"", "\"device\": 5", SPACC_EFORMAT, "device is not a text");
    damage("\"device\": \"cpu\"", "\"other\": \"cpu\"", SPACC_EFORMAT, "unknown");
    damage("\"samples\": [", "\"samples\": [5,", SPACC_EFORMAT, "not an object");
    damage("\"seed\": \"1", "\"seed\": \"999999999991", SPACC_EFORMAT, "seed");
    damage("\"models\": []", "\"models\": 3", SPACC_EFORMAT, "models");
    damage("}\n]", "},{}\n]", SPACC_EFORMAT, "sample 2");
    damage("\"idle_w\":4.5", "\"idle_w\":-4.5", SPACC_EFORMAT, "idle_w");
    damage("}\n", "}}\n", SPACC_EFORMAT, "no JSON from byte");
}

static void a_sample_that_is_there_twice_is_damage(void **state)
{
    (void)state;
    size_t bytes;
    char *text = text_of(&bytes), *bad = malloc(1 << 17), *end;
    struct spacc_profile *p;
    struct spacc_error err;
    assert_non_null(bad);
    char *from = strstr(text, "[\n") + 2;
    end = strstr(from, "},\n");
    sprintf(bad, "%.*s,%.*s%s", (int)(end + 1 - text), text, (int)(end + 1 - from), from,
            end + 1);
    assert_int_equal(spacc_profile_parse(&p, bad, strlen(bad), "p.json", NULL, &err),
                     SPACC_EFORMAT);
    assert_non_null(strstr(err.text, "sample 1: it is there twice"));
    free(text);
    free(bad);
}

/* ---------------------------------------------------------------- machine */

static void this_machine_is_itself(void **state)
{
    (void)state;
    struct spacc_machine a, b;
    assert_int_equal(spacc_machine_read(&a, NULL), SPACC_OK);
    assert_int_equal(spacc_machine_read(&b, NULL), SPACC_OK);
    assert_true(a.memory_bytes > 0 && b.memory_bytes > 0);
    b.memory_bytes = a.memory_bytes; /* a virtual machine's may have changed */
    assert_memory_equal(&a, &b, sizeof(a));
    assert_true(a.cores >= 1 && a.cores <= (int)sysconf(_SC_NPROCESSORS_CONF));
    assert_true(a.cpu[0] && a.features[0]);
    print_message("%s, %s, %d cores, L2 %llu, L3 %llu\n", a.cpu, a.features, a.cores,
                  (unsigned long long)a.l2_bytes, (unsigned long long)a.l3_bytes);
}

/* ---------------------------------------------------------------- out of memory */

static void save_and_load_survive_every_failed_allocation(void **state)
{
    (void)state;
    struct spacc_profile *p = make(3), *q = NULL;
    enum spacc_status status = SPACC_ENOMEM;
    long n;
    for (n = 0; status != SPACC_OK; n++) {
        calls = 0;
        fail_at = n;
        status = spacc_profile_save(p, file, NULL);
        fail_at = -1;
        assert_true(status == SPACC_OK || status == SPACC_ENOMEM);
    }
    assert_true(n > 50);
    status = SPACC_ENOMEM;
    for (n = 0; status != SPACC_OK; n++) {
        calls = 0;
        fail_at = n;
        status = spacc_profile_load(&q, file, NULL, NULL);
        fail_at = -1;
        assert_true((status == SPACC_OK) == (q != NULL));
        /* reading JSON, cJSON cannot tell want of memory from damage */
        assert_true(status == SPACC_OK || status == SPACC_ENOMEM || status == SPACC_EFORMAT);
    }
    assert_true(n > 50);
    assert_int_equal(q->samples, 3);
    spacc_profile_free(q);
    spacc_profile_free(p);
}

static void *hook_malloc(size_t size)
{
    return malloc(size);
}

static int set_up(void **state)
{
    (void)state;
    cJSON_Hooks hooks = {hook_malloc, free};
    cJSON_InitHooks(&hooks); /* its allocations are counted, too */
    const int fd = mkstemp(file);
    return fd < 0 || close(fd) != 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_have_names_and_sizes),
        cmocka_unit_test(works_differ_in_any_size),
        cmocka_unit_test(every_sample_is_found_and_a_second_one_replaces_it),
        cmocka_unit_test(samples_put_in_by_hand_are_found),
        cmocka_unit_test(a_sample_that_cannot_be_is_refused),
        cmocka_unit_test(what_is_saved_is_loaded_to_the_same_bits),
        cmocka_unit_test(a_profile_without_samples_is_one),
        cmocka_unit_test(another_machine_is_named_with_this_one),
        cmocka_unit_test(a_save_that_fails_leaves_no_other_file),
        cmocka_unit_test(a_folder_that_is_not_there_is_said),
        cmocka_unit_test(a_file_cut_short_anywhere_is_damaged),
        cmocka_unit_test(damaged_values_are_named),
        cmocka_unit_test(a_sample_that_is_there_twice_is_damage),
        cmocka_unit_test(this_machine_is_itself),
        cmocka_unit_test(save_and_load_survive_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
