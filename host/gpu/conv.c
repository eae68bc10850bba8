/* Conv: columns and a product where it is large, else one kernel; ConvTranspose; pools. */
#include <string.h>

#include "host/gpu/parts.h"

enum {
    PANEL_FLOATS = 8 << 20, /* of columns: 32 MiB */
    FEW_RESULTS = 16,       /* channels of a group that are too few for a product: tiles of
                               CLBlast have 32 rows and more */
    SMALL_MACS = 1 << 16    /* in all: not worth three commands */
};

struct conv {
    struct spacc_volume v;
    size_t images, ic, oc, groups;
    size_t depth; /* products a result */
};

static const char *refuses_shape(const struct spacc_gpu_node *q)
{
    const struct spacc_tensor *x = spacc_gpu_input(q, 0);

    if (x->rank < 3 || x->rank > SPACC_VOLUME_AXES + 2 || !spacc_gpu_output(q, 0))
        return "one to three axes only";
    if (!spacc_gpu_constant(q, 1) || !spacc_gpu_is_weights(q, 1) || !spacc_gpu_is_weights(q, 2))
        return "weights are not constant";
    return NULL;
}

static bool conv_of(struct conv *c, const struct spacc_gpu_node *q)
{
    const struct spacc_tensor *x = spacc_gpu_input(q, 0), *y = spacc_gpu_output(q, 0);
    const struct spacc_tensor *w = spacc_gpu_constant(q, 1);
    struct spacc_window window;

    *c = (struct conv){.images = (size_t)x->dims[0],
                       .ic = (size_t)x->dims[1],
                       .oc = (size_t)y->dims[1],
                       .groups = (size_t)spacc_node_int(q->node, "group", 1)};
    if (c->groups < 1 || !spacc_window_of(&window, q->node, x, y, w->dims + 2) ||
        !spacc_volume_of(&c->v, &window, x, y))
        return false;
    c->depth = c->ic / c->groups * c->v.taps;
    return true;
}

static const char *refuses_conv(const struct spacc_gpu_node *q)
{
    const char *why = refuses_shape(q);
    struct conv c;

    return why ? why : conv_of(&c, q) ? NULL : "a window that is not known";
}

/* Whether a column is a pixel. */
static bool is_pointwise(const struct conv *c)
{
    for (int i = 0; i < SPACC_VOLUME_AXES; i++)
        if (c->v.kernel[i] != 1 || c->v.stride[i] != 1 || c->v.begin[i] != 0 ||
            c->v.in[i] != c->v.out[i])
            return false;
    return true;
}

static void make_direct(struct spacc_gpu_make *m, enum spacc_gpu_function f,
                        const struct conv *c, int y, const struct spacc_gpu_post *p)
{
    const size_t count = c->images * c->oc * c->v.out_plane;
    const int x = spacc_gpu_in(m, 0), w = spacc_gpu_in(m, 1), v = spacc_gpu_window(m, &c->v);

    spacc_gpu_call(m, f, count, "ssssiiii", y, x, w, v, (int)count, (int)c->ic, (int)c->oc,
                   (int)c->groups);
    spacc_gpu_put_post(m, p);
}

/* Group g of one image, pixels of the result a panel at a time. */
static void make_panels(struct spacc_gpu_make *m, const struct conv *c, size_t image, size_t g,
                        int y, int columns, int v, size_t panel)
{
    const size_t plane = c->v.out_plane, each = c->oc / c->groups;
    const size_t x_at = (image * c->ic + g * (c->ic / c->groups)) * c->v.in_plane;
    const size_t y_at = (image * c->oc + g * each) * plane;
    const int x = spacc_gpu_in(m, 0), w = spacc_gpu_in(m, 1);

    for (size_t first = 0; first < plane && !m->status; first += panel) {
        const size_t pixels = plane - first < panel ? plane - first : panel;
        const struct spacc_gpu_command product = {.m = each,
                                                  .n = pixels,
                                                  .k = c->depth,
                                                  .a_row = c->depth,
                                                  .b_row = columns < 0 ? plane : pixels,
                                                  .y_row = plane};
        if (columns >= 0)
            spacc_gpu_call(m, SPACC_GPU_columns, c->depth * pixels, "sasiii", columns, x, x_at,
                           v, (int)(c->depth * pixels), (int)first, (int)pixels);
        spacc_gpu_gemm(m, &product, y, y_at + first, w, g * each * c->depth,
                       columns < 0 ? x : columns, columns < 0 ? x_at + first : 0);
    }
}

static void make_product(struct spacc_gpu_make *m, const struct conv *c, int y,
                         const struct spacc_gpu_post *p)
{
    const size_t plane = c->v.out_plane, fit = PANEL_FLOATS / c->depth + 1;
    const bool pointwise = is_pointwise(c);
    const size_t panel = pointwise || plane < fit ? plane : fit;
    const int columns = pointwise ? -1 : spacc_gpu_scratch(m, c->depth * panel);
    const int v = pointwise ? -1 : spacc_gpu_window(m, &c->v);

    for (size_t image = 0; image < c->images; image++)
        for (size_t g = 0; g < c->groups; g++)
            make_panels(m, c, image, g, y, columns, v, panel);
    if (spacc_gpu_has_post(p))
        spacc_gpu_finish_with(m, y, y, c->images * c->oc * plane, -1, p);
}

/* The bias, and what joins. Returns the slot of the result. */
static int begin(struct spacc_gpu_make *m, const struct conv *c, struct spacc_gpu_post *p)
{
    *p = spacc_gpu_no_post();
    spacc_gpu_in(m, 0); /* is there then for an Add */
    p->bias = spacc_gpu_in(m, 2);
    p->inner = (int)c->v.out_plane;
    p->channels = (int)c->oc;
    return m->status ? -1 : spacc_gpu_makes(m, spacc_gpu_join(m, m->q.node->output[0], p));
}

static void make_conv(struct spacc_gpu_make *m)
{
    struct spacc_gpu_post p;
    struct conv c;

    conv_of(&c, &m->q);
    const int y = begin(m, &c, &p);
    const size_t macs = c.images * c.oc * c.v.out_plane * c.depth;
    if (c.oc / c.groups < FEW_RESULTS || macs < SMALL_MACS)
        make_direct(m, SPACC_GPU_direct, &c, y, &p);
    else
        make_product(m, &c, y, &p);
}

static const char *const convs[] = {"Conv", NULL};

const struct spacc_gpu_family spacc_gpu_conv = {.kernel = SPACC_GPU_KERNEL("gpu conv"),
                                                .ops = convs,
                                                .refuses = refuses_conv,
                                                .make = make_conv};

/* ---- ConvTranspose ------------------------------------------------------------------------
 */

static const char *refuses_deconv(const struct spacc_gpu_node *q)
{
    const char *why = refuses_shape(q),
               *mode = spacc_node_string(q->node, "auto_pad", "NOTSET");
    struct conv c;

    if (why)
        return why;
    if ((strcmp(mode, "NOTSET") != 0 && strcmp(mode, "VALID") != 0) ||
        spacc_node_attr(q->node, "output_shape"))
        return "pads that follow from the shape";
    return conv_of(&c, q) ? NULL : "a window that is not known";
}

/* Pads are those of the attribute: the window's are for a convolution of these shapes. */
static void set_pads(struct conv *c, const struct spacc_gpu_node *q)
{
    const struct spacc_attr *pads = spacc_node_attr(q->node, "pads");
    const int axes = spacc_gpu_input(q, 0)->rank - 2;

    for (int i = 0; i < SPACC_VOLUME_AXES; i++) {
        const int own = i - (SPACC_VOLUME_AXES - axes);
        c->v.begin[i] = pads && own >= 0 ? pads->ints[own] : 0;
    }
}

static void make_deconv(struct spacc_gpu_make *m)
{
    struct spacc_gpu_post p;
    struct conv c;

    conv_of(&c, &m->q);
    set_pads(&c, &m->q);
    const int y = begin(m, &c, &p);
    make_direct(m, SPACC_GPU_transposed, &c, y, &p);
}

static const char *const deconvs[] = {"ConvTranspose", NULL};

const struct spacc_gpu_family spacc_gpu_deconv = {.kernel = SPACC_GPU_KERNEL("gpu deconv"),
                                                  .ops = deconvs,
                                                  .refuses = refuses_deconv,
                                                  .make = make_deconv};
