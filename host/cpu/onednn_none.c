/* A build without oneDNN. */
#include "host/cpu/onednn.h"

enum spacc_status spacc_onednn_open(struct spacc_engine *e, struct spacc_error *err)
{
    (void)e, (void)err;
    return SPACC_OK;
}

void spacc_onednn_close(struct spacc_engine *e)
{
    (void)e;
}

int spacc_onednn_reorder(struct spacc_cpu_build *b, int v, const void *layout)
{
    (void)v, (void)layout;
    spacc_fail(b->err, SPACC_EUNSUPPORTED, "%s: built without oneDNN", b->g->file);
    return -1;
}

const char *spacc_onednn_code(const struct spacc_cpu_step *s)
{
    (void)s;
    return NULL;
}
