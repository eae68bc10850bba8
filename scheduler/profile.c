#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/cost.h"
#include "scheduler/profile_parts.h"

/* ---------------------------------------------------------------- samples */

bool spacc_profile_number(double value)
{
    return value >= 0.0 && value <= PROFILE_NUMBER_MAX;
}

static const char *work_problem(const struct spacc_work *w)
{
    const double number[] = {w->macs, w->in_bytes, w->weight_bytes, w->out_bytes};

    if ((unsigned)w->family >= SPACC_WORK_FAMILIES)
        return "family is not known";
    if (w->kernel[0] == '\0' || !memchr(w->kernel, 0, sizeof(w->kernel)))
        return "kernel has no name, or too long a one";
    for (size_t i = 0; i < SPACC_WORK_SIZES; i++)
        if (!spacc_profile_number(w->size[i]))
            return "a size is out of range";
    for (size_t i = 0; i < sizeof(number) / sizeof(number[0]); i++)
        if (!spacc_profile_number(number[i]))
            return "macs or bytes are out of range";
    if (w->threads < 1 || w->threads > PROFILE_THREADS_MAX)
        return "threads are out of range";
    return NULL;
}

const char *spacc_sample_problem(const struct spacc_sample *s)
{
    if (!spacc_profile_number(s->us) || !(s->us > 0.0))
        return "us is not a number above 0";
    if (!spacc_profile_number(s->spread))
        return "spread is out of range";
    if (!isnan(s->joules) && !spacc_profile_number(s->joules))
        return "joules are out of range";
    if (s->runs < 1)
        return "it has no runs";
    return work_problem(&s->work);
}

/* ---------------------------------------------------------------- table of them
 *
 * slot[] is an open hash of sample numbers + 1; the first `indexed` samples are in it. */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15U;
    return hash ^ (hash >> 29);
}

static uint64_t hash_of(const struct spacc_work *w)
{
    uint64_t hash = mix((uint64_t)w->family, (uint64_t)(w->threads * 2 + w->cold));

    for (const char *c = w->kernel; *c; c++)
        hash = mix(hash, (unsigned char)*c);
    for (size_t i = 0; i < SPACC_WORK_SIZES; i++) {
        const double value = w->size[i] + 0.0; /* -0 is 0 */
        uint64_t bits;
        memcpy(&bits, &value, sizeof(bits));
        hash = mix(hash, bits);
    }
    return hash ^ (hash >> 32);
}

/* The slot of this work, or the empty one where it belongs. */
static size_t slot_of(const struct spacc_profile *p, const struct spacc_work *w)
{
    size_t at = hash_of(w) & (p->slots - 1);

    while (p->slot[at] != 0 && !spacc_work_same(&p->sample[p->slot[at] - 1].work, w))
        at = (at + 1) & (p->slots - 1);
    return at;
}

/* Slots are kept at most half full. */
static bool widen(struct spacc_profile *p, size_t samples)
{
    size_t slots = p->slots > 0 ? p->slots : 64;

    while (slots < 2 * samples)
        slots *= 2;
    if (slots == p->slots)
        return true;
    uint32_t *wider = calloc(slots, sizeof(*wider));
    if (!wider)
        return false;
    free(p->slot);
    p->slot = wider;
    p->slots = slots;
    p->indexed = 0;
    return true;
}

/* Put in what is not there yet; of samples of the same work the first counts. */
static void index_samples(struct spacc_profile *p)
{
    for (; p->indexed < p->samples; p->indexed++) {
        const size_t at = slot_of(p, &p->sample[p->indexed].work);
        if (p->slot[at] == 0)
            p->slot[at] = (uint32_t)(p->indexed + 1);
    }
}

const struct spacc_sample *spacc_profile_find(const struct spacc_profile *p,
                                              const struct spacc_work *w)
{
    if (p->slots > 0) {
        const uint32_t number = p->slot[slot_of(p, w)];
        if (number > 0)
            return &p->sample[number - 1];
    }
    for (size_t i = p->indexed; i < p->samples; i++) /* somebody put them there by hand */
        if (spacc_work_same(&p->sample[i].work, w))
            return &p->sample[i];
    return NULL;
}

/* ---------------------------------------------------------------- changes */

static bool make_room(struct spacc_profile *p)
{
    if (!widen(p, p->samples + 1))
        return false;
    index_samples(p);
    if (p->samples < p->room)
        return true;
    const size_t room = p->room > 0 ? 2 * p->room : 64;
    struct spacc_sample *more = realloc(p->sample, room * sizeof(*more));
    if (!more)
        return false;
    p->sample = more;
    p->room = room;
    return true;
}

enum spacc_status spacc_profile_add(struct spacc_profile *p, const struct spacc_sample *s,
                                    struct spacc_error *err)
{
    const char *problem = spacc_sample_problem(s);

    if (problem)
        return spacc_fail(err, SPACC_EINVAL, "sample of kernel '%.39s': %s", s->work.kernel,
                          problem);
    const struct spacc_sample *old = spacc_profile_find(p, &s->work);
    if (old) {
        p->sample[old - p->sample] = *s;
        return SPACC_OK;
    }
    if (p->samples >= PROFILE_SAMPLES_MAX)
        return spacc_fail(err, SPACC_EINVAL, "a profile has at most %d samples",
                          PROFILE_SAMPLES_MAX);
    if (!make_room(p))
        return spacc_fail(err, SPACC_ENOMEM, "out of memory for %zu samples", p->samples + 1);
    p->sample[p->samples++] = *s;
    index_samples(p);
    return SPACC_OK;
}

void spacc_profile_free(struct spacc_profile *p)
{
    if (!p)
        return;
    spacc_costs_free(p->costs);
    free(p->sample);
    free(p->slot);
    free(p);
}
