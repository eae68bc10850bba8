/* profile_parts.h - what the files of the profile share. */
#ifndef SPACC_PROFILE_PARTS_H
#define SPACC_PROFILE_PARTS_H

#include "scheduler/profile.h"

enum {
    PROFILE_SAMPLES_MAX = 1 << 20,
    PROFILE_THREADS_MAX = 4096,
    PROFILE_FILE_MAX = 1 << 28, /* bytes */
};
#define PROFILE_NUMBER_MAX 1e18

/* Why it cannot be a sample ("us is not above 0"), or NULL. */
const char *spacc_sample_problem(const struct spacc_sample *s);
/* The same of one finite number, 0 to PROFILE_NUMBER_MAX. */
bool spacc_profile_number(double value);

/* spacc_profile_load() of bytes in memory; text[bytes] is 0. `file` is for messages. */
enum spacc_status spacc_profile_parse(struct spacc_profile **out, const char *text,
                                      size_t bytes, const char *file,
                                      const struct spacc_machine *machine,
                                      struct spacc_error *err);

#endif
