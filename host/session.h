/* session.h - what the program `spacc` needs beyond the public interface. */
#ifndef SPACC_SESSION_H
#define SPACC_SESSION_H

#include "host/include/spacc.h"
#include "models/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The graph of a model; lives as long as the model. */
const struct spacc_graph *spacc_model_graph(const struct spacc_model *model);

/* timed_us of the report, without making one. */
double spacc_session_timed_us(const struct spacc_session *session);

struct spacc_placing;
/* What was placed where, of a prepared session; NULL where there is one device and options.plan
 * was not set. Lives until the session is prepared again. */
const struct spacc_placing *spacc_session_placing(const struct spacc_session *session);

/* Write the quantised layers of a prepared session (with or without a card: without one
 * they are packed for 16 lanes; any card repacks them when it loads the file). SPACC_EINVAL
 * when the session is not prepared, or for plain float on the CPU, SPACC_EUNSUPPORTED when no
 * layer of the model can be packed; errors of spacc_fixed_quantise(), spacc_pack_save(). */
enum spacc_status spacc_session_pack(struct spacc_session *session, const char *file,
                                     struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
