#include "models/metadata.h"

#include <string.h>

/* A version is a number of one to nine digits; 0: it is none. */
static int version_of(const char *text)
{
    int version = 0;

    if (strlen(text) > 9 || strspn(text, "0123456789") != strlen(text))
        return 0;
    for (; *text; text++)
        version = 10 * version + (*text - '0');
    return version;
}

enum spacc_status spacc_metadata_check(const struct spacc_graph *g, struct spacc_error *err)
{
    const char *text = spacc_graph_metadata(g, "spacc.metadata");
    const int version = text ? version_of(text) : SPACC_METADATA_VERSION;

    if (version == SPACC_METADATA_VERSION)
        return SPACC_OK;
    if (version < 1)
        return spacc_fail(err, SPACC_EFORMAT,
                          "%s: metadata spacc.metadata is '%.40s', not a version", g->file,
                          text);
    return spacc_fail(err, SPACC_EUNSUPPORTED, "%s: metadata version %d, this program knows %d",
                      g->file, version, SPACC_METADATA_VERSION);
}
