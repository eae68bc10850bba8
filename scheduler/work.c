#include "scheduler/work.h"

#include <string.h>

struct family {
    const char *name, *sizes;
};

static const struct family families[] = {
#define WORK(name, text, sizes) {text, sizes},
#include "scheduler/work.def"
#undef WORK
};

/* The word behind `at`, its length in *length; NULL at the end. */
static const char *next_word(const char *at, size_t *length)
{
    at += strspn(at, " ");
    *length = strcspn(at, " ");
    return *length > 0 ? at : NULL;
}

const char *spacc_work_family_name(enum spacc_work_family f)
{
    return (unsigned)f < SPACC_WORK_FAMILIES ? families[f].name : NULL;
}

enum spacc_work_family spacc_work_family_find(const char *name)
{
    unsigned f = 0;

    while (f < SPACC_WORK_FAMILIES && strcmp(families[f].name, name) != 0)
        f++;
    return (enum spacc_work_family)f;
}

size_t spacc_work_sizes(enum spacc_work_family f)
{
    size_t count = 0, length;

    if ((unsigned)f >= SPACC_WORK_FAMILIES)
        return 0;
    for (const char *at = families[f].sizes; (at = next_word(at, &length)); at += length)
        count++;
    return count;
}

char *spacc_work_size_name(enum spacc_work_family f, size_t i, char *text, size_t text_bytes)
{
    const char *at = (unsigned)f < SPACC_WORK_FAMILIES ? families[f].sizes : "";
    size_t length = 0;

    if (text_bytes == 0)
        return text;
    for (size_t k = 0; (at = next_word(at, &length)) && k < i; k++)
        at += length;
    if (!at)
        length = 0;
    if (length >= text_bytes)
        length = text_bytes - 1;
    if (length > 0)
        memcpy(text, at, length);
    text[length] = '\0';
    return text;
}

static bool same_number(double a, double b)
{
    return !(a < b) && !(a > b); /* -0 is 0 */
}

bool spacc_work_same(const struct spacc_work *a, const struct spacc_work *b)
{
    if (a->family != b->family || a->threads != b->threads || a->cold != b->cold ||
        strcmp(a->kernel, b->kernel) != 0)
        return false;
    for (size_t i = 0; i < SPACC_WORK_SIZES; i++)
        if (!same_number(a->size[i], b->size[i]))
            return false;
    return true;
}
