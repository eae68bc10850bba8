/* failing_alloc.h - the Nth allocation fails. For programs linked with -Wl,--wrap of malloc,
 * calloc, realloc and aligned_alloc, or some of these: set `calls` to 0 and `fail_at` to N. */
#ifndef SPACC_TESTS_FAILING_ALLOC_H
#define SPACC_TESTS_FAILING_ALLOC_H

#include <stddef.h>

static long calls, fail_at = -1; /* -1: none fails */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);

void *__wrap_malloc(size_t size)
{
    return calls++ == fail_at ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return calls++ == fail_at ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return calls++ == fail_at ? NULL : __real_realloc(old, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
    return calls++ == fail_at ? NULL : __real_aligned_alloc(align, size);
}

#endif
