#include "host/profile/target.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "host/profile/link.h"

/* A card of a desktop at work, and at rest. */
static const double stated_busy_w = 100.0, stated_idle_w = 10.0;

static bool is_number_pair(const char *text)
{
    const size_t first = strspn(text, "0123456789");

    return first > 0 && text[first] == '.' && isdigit((unsigned char)text[first + 1]) &&
           strspn(text + first + 1, "0123456789") == strlen(text + first + 1);
}

enum spacc_status spacc_target_open(struct spacc_target *t, const char *device,
                                    struct spacc_error *err)
{
    *t = (struct spacc_target){.gpu = NULL};
    if (strcmp(device, "cpu") == 0)
        return SPACC_OK;
    if (!is_number_pair(device))
        return spacc_fail(err, SPACC_EUNSUPPORTED,
                          "device %s: wants cpu, or an OpenCL device as P.D", device);
    return spacc_gpu_open(&t->gpu, device, err);
}

void spacc_target_close(struct spacc_target *t)
{
    if (t->gpu)
        spacc_gpu_close(t->gpu);
    t->gpu = NULL;
}

enum spacc_status spacc_target_link(struct spacc_target *t, const struct spacc_ruler *r,
                                    const struct spacc_engine_options *options,
                                    const char *powercap, struct spacc_link *link,
                                    struct spacc_power *power, struct spacc_error *err)
{
    if (!t->gpu || strcmp(spacc_gpu_info(t->gpu)->kind, "cpu") == 0)
        spacc_power_cpu(power, powercap);
    else
        *power = (struct spacc_power){.idle_w = stated_idle_w,
                                      .busy_w = stated_busy_w,
                                      .source = "stated: 100 W a busy GPU, 10 W idle"};
    return t->gpu ? spacc_gpu_measure(t->gpu, link, err)
                  : spacc_link_cpu(link, r, options, err);
}

/* ---- engines --------------------------------------------------------------------------- */

static bool on_gpu(void *user, const struct spacc_graph *g, int node)
{
    const struct spacc_target *t = user;
    char why[160];

    return spacc_gpu_can(t->gpu, g, t->shape, node, why, sizeof(why));
}

static struct spacc_engine_options options_on(struct spacc_target *t,
                                              const struct spacc_engine_options *options)
{
    struct spacc_engine_options o = *options;

    o.gpu = t->gpu;
    o.on_gpu = on_gpu;
    o.user = t;
    return o;
}

enum spacc_status spacc_target_probe_of(struct spacc_target *t, struct spacc_probe **out,
                                        const struct spacc_graph *g,
                                        const struct spacc_tensor *const *input,
                                        const struct spacc_engine_options *options,
                                        struct spacc_error *err)
{
    const struct spacc_engine_options there = options_on(t, options);
    struct spacc_binding *shape = NULL;

    *out = NULL;
    if (!t->gpu)
        return spacc_probe_of(out, g, input, options, err);
    enum spacc_status s = spacc_graph_bind(&shape, g, input, err);
    t->shape = shape;
    if (!s)
        s = spacc_probe_of(out, g, input, &there, err);
    t->shape = NULL;
    spacc_binding_free(shape);
    return s;
}

enum spacc_status spacc_target_probe(struct spacc_target *t, struct spacc_probe **out,
                                     struct spacc_graph *g, struct spacc_tensor **input,
                                     const struct spacc_engine_options *options,
                                     struct spacc_error *err)
{
    const struct spacc_engine_options there = options_on(t, options);
    struct spacc_binding *shape = NULL;
    enum spacc_status s;

    *out = NULL;
    if (!t->gpu)
        return spacc_probe_new(out, g, input, options, err);
    s = spacc_graph_bind(&shape, g, (const struct spacc_tensor *const *)input, err);
    t->shape = shape;
    if (!s) {
        s = spacc_probe_new(out, g, input, &there, err);
    } else {
        spacc_probe_inputs_free(input, g->inputs);
        spacc_graph_free(g);
    }
    t->shape = NULL;
    spacc_binding_free(shape);
    return s;
}

bool spacc_target_has(const struct spacc_target *t, const struct spacc_engine_step *step)
{
    return step->has_work && step->on_gpu == (t->gpu != NULL);
}
