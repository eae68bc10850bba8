#include "tests/bench/seernet_dense.h"

#include <stdio.h>
#include <stdlib.h>

#if SPACC_BENCH_ONEDNN
#include <oneapi/dnnl/dnnl.h>
#include <omp.h>

struct seer_dense {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t conv;
    dnnl_memory_t memory[4]; /* x, weights, bias, y */
};

static const int args[4] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS, DNNL_ARG_DST};

static void must(dnnl_status_t s)
{
    if (s == dnnl_success)
        return;
    fprintf(stderr, "bench_seernet: oneDNN says %d\n", (int)s);
    exit(1);
}

const char *seer_dense_name(void)
{
    static char name[64];
    const dnnl_version_t *v = dnnl_version();

    snprintf(name, sizeof(name), "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
    return name;
}

/* A memory in the primitive's own layout, filled from `from` in a plain one. */
static dnnl_memory_t fill(struct seer_dense *d, const dnnl_memory_desc_t *like,
                          const dnnl_memory_desc_t *plain, const float *from)
{
    dnnl_memory_t to, source;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t reorder;

    must(dnnl_memory_create(&to, like, d->engine, DNNL_MEMORY_ALLOCATE));
    if (!from)
        return to;
    must(dnnl_memory_create(&source, plain, d->engine, (void *)(uintptr_t)from));
    must(dnnl_reorder_primitive_desc_create(&pd, plain, d->engine, like, d->engine, NULL));
    must(dnnl_primitive_create(&reorder, pd));
    const dnnl_exec_arg_t both[2] = {{DNNL_ARG_FROM, source}, {DNNL_ARG_TO, to}};
    must(dnnl_primitive_execute(reorder, d->stream, 2, both));
    must(dnnl_stream_wait(d->stream));
    dnnl_primitive_destroy(reorder);
    dnnl_primitive_desc_destroy(pd);
    dnnl_memory_destroy(source);
    return to;
}

static void describe(dnnl_memory_desc_t md[2], int rank, const size_t *size,
                     dnnl_format_tag_t tag)
{
    dnnl_dims_t dims = {0};

    for (int i = 0; i < rank; i++)
        dims[i] = (dnnl_dim_t)size[i];
    must(dnnl_memory_desc_init_by_tag(md, rank, dims, dnnl_f32, tag));
    must(dnnl_memory_desc_init_by_tag(md + 1, rank, dims, dnnl_f32,
                                      rank > 1 ? dnnl_format_tag_any : tag));
}

static dnnl_primitive_desc_t choose(struct seer_dense *d, const struct spacc_seer_shape *h,
                                    const dnnl_memory_desc_t md[4][2])
{
    dnnl_dims_t stride, dilation, begin, end;
    dnnl_convolution_desc_t c;
    dnnl_primitive_attr_t attr;
    dnnl_primitive_desc_t pd;
    dnnl_post_ops_t post;

    for (int i = 0; i < 2; i++) {
        stride[i] = (dnnl_dim_t)h->stride[i];
        dilation[i] = (dnnl_dim_t)h->dilation[i] - 1;
        begin[i] = (dnnl_dim_t)h->pads[i];
        end[i] = (dnnl_dim_t)h->pads[i + 2];
    }
    must(dnnl_primitive_attr_create(&attr));
    must(dnnl_post_ops_create(&post));
    must(dnnl_post_ops_append_eltwise(post, 1.0F, dnnl_eltwise_relu, 0.0F, 0.0F));
    must(dnnl_primitive_attr_set_post_ops(attr, post));
    must(dnnl_dilated_convolution_forward_desc_init(
        &c, dnnl_forward_inference, dnnl_convolution_direct, &md[0][1], &md[1][1], &md[2][1],
        &md[3][1], stride, dilation, begin, end));
    must(dnnl_primitive_desc_create(&pd, &c, attr, d->engine, NULL));
    dnnl_post_ops_destroy(post);
    dnnl_primitive_attr_destroy(attr);
    return pd;
}

struct seer_dense *seer_dense_new(const struct spacc_seer_shape *h, const float *x,
                                  const float *weights, const float *bias)
{
    const size_t rows =
        h->height + h->pads[0] + h->pads[2] - (h->kernel[0] - 1) * h->dilation[0];
    const size_t cols =
        h->width + h->pads[1] + h->pads[3] - (h->kernel[1] - 1) * h->dilation[1];
    const size_t size[4][4] = {
        {1, h->channels, h->height, h->width},
        {h->outputs, h->channels, h->kernel[0], h->kernel[1]},
        {h->outputs},
        {1, h->outputs, (rows - 1) / h->stride[0] + 1, (cols - 1) / h->stride[1] + 1}};
    static const dnnl_format_tag_t tag[4] = {dnnl_nhwc, dnnl_oihw, dnnl_a, dnnl_nhwc};
    static const dnnl_query_t query[4] = {dnnl_query_src_md, dnnl_query_weights_md,
                                          dnnl_query_weights_md, dnnl_query_dst_md};
    const float *from[4] = {x, weights, bias, NULL};
    dnnl_memory_desc_t md[4][2];
    struct seer_dense *d = calloc(1, sizeof(*d));

    if (!d)
        abort();
    omp_set_num_threads(1);
    must(dnnl_engine_create(&d->engine, dnnl_cpu, 0));
    must(dnnl_stream_create(&d->stream, d->engine, dnnl_stream_default_flags));
    for (int i = 0; i < 4; i++)
        describe(md[i], i == 2 ? 1 : 4, size[i], tag[i]);
    dnnl_primitive_desc_t pd = choose(d, h, (const dnnl_memory_desc_t(*)[2])(const void *)md);
    for (int i = 0; i < 4; i++)
        d->memory[i] =
            fill(d, dnnl_primitive_desc_query_md(pd, query[i], i == 2), md[i], from[i]);
    must(dnnl_primitive_create(&d->conv, pd));
    dnnl_primitive_desc_destroy(pd);
    return d;
}

void seer_dense_run(struct seer_dense *d)
{
    dnnl_exec_arg_t arg[4];

    for (int i = 0; i < 4; i++)
        arg[i] = (dnnl_exec_arg_t){args[i], d->memory[i]};
    must(dnnl_primitive_execute(d->conv, d->stream, 4, arg));
    must(dnnl_stream_wait(d->stream));
}

void seer_dense_free(struct seer_dense *d)
{
    if (!d)
        return;
    for (int i = 0; i < 4; i++)
        dnnl_memory_destroy(d->memory[i]);
    dnnl_primitive_destroy(d->conv);
    dnnl_stream_destroy(d->stream);
    dnnl_engine_destroy(d->engine);
    free(d);
}
#else
const char *seer_dense_name(void)
{
    return "no oneDNN when this was built";
}

struct seer_dense *seer_dense_new(const struct spacc_seer_shape *h, const float *x,
                                  const float *weights, const float *bias)
{
    (void)h, (void)x, (void)weights, (void)bias;
    return NULL;
}

void seer_dense_run(struct seer_dense *d)
{
    (void)d;
}

void seer_dense_free(struct seer_dense *d)
{
    (void)d;
}
#endif
