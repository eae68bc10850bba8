#include "host/fpga/card_batches.h"

#include <stdlib.h>

/* Whether jobs i and i + 1 are alike, their sources aside. */
static bool alike(const struct spacc_job *job, size_t jobs, size_t i)
{
    if (i + 1 >= jobs)
        return false;
    const struct spacc_job *a = &job[i], *b = &job[i + 1];
    return a->layer == b->layer && a->steps == b->steps && a->reverse == b->reverse &&
           (a->x_job < 0 ? b->x_job < 0 : b->x_job == a->x_job + 1);
}

/* Clear what `of` has when `with` has not. */
static bool narrow(bool *of, bool with)
{
    const bool change = *of && !with;

    *of = *of && with;
    return change;
}

/* A pair of jobs stands together when their sources do, and their readers: whoever reads one of
 * them has a neighbour that reads the other. joined[i] says it of i and i + 1. */
static bool narrow_by_readers(const struct spacc_job *job, size_t jobs, bool *joined)
{
    bool change = false;

    for (size_t i = 0; i < jobs; i++) {
        if (job[i].x_job < 0)
            continue;
        const size_t source = (size_t)job[i].x_job;
        change |= narrow(&joined[i], joined[source]);
        change |= narrow(&joined[source], joined[i]);
        if (source > 0)
            change |= narrow(&joined[source - 1], i > 0 && joined[i - 1]);
    }
    return change;
}

static size_t batch_at(const struct spacc_job *job, size_t jobs, size_t first,
                       const bool *joined, const size_t *most, const size_t *size)
{
    size_t n = 1;

    if (job[first].x_job >= 0)
        return size[job[first].x_job]; /* a reader is cut where its source is */
    for (size_t room = most[first]; first + n < jobs && joined[first + n - 1]; n++) {
        room = most[first + n] < room ? most[first + n] : room;
        if (n + 1 > room)
            break;
    }
    return n;
}

enum spacc_status spacc_card_batches(const struct spacc_job *job, size_t jobs, size_t *most,
                                     size_t *size)
{
    bool *joined = calloc(jobs + 1, sizeof(*joined));

    if (!joined)
        return SPACC_ENOMEM;
    for (size_t i = 0; i < jobs; i++) {
        joined[i] = alike(job, jobs, i);
        size[i] = 0;
    }
    while (narrow_by_readers(job, jobs, joined)) {
    }
    for (size_t i = jobs; i-- > 0;)
        if (job[i].x_job >= 0 && most[i] < most[job[i].x_job])
            most[job[i].x_job] = most[i];
    for (size_t i = 0; i < jobs; i += size[i])
        size[i] = batch_at(job, jobs, i, joined, most, size);
    free(joined);
    return SPACC_OK;
}
