#include "host/card/opencl_kernel.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hls/spacc_kernel.h"
#include "models/io.h"
#include "host/card/arguments.h"
#include "host/card/xclbin.h"

enum { FILE_MAX = 1 << 30, ITEMS_MAX = 256, WITH_STATE = SPACC_ARGUMENT_STATE + 1 };

extern const char spacc_kernel_source[]; /* hls/spacc_card.cl and what it includes */

enum spacc_status spacc_opencl_failed(const struct spacc_opencl_kernel *k, cl_int code,
                                      const char *what, struct spacc_error *err)
{
    return spacc_gpu_failed("opencl", &k->info, code, what, err);
}

/* ---- which ------------------------------------------------------------------------ */

struct choice {
    char device[16];  /* "P.D", or "" */
    const char *file; /* named, or of SPACC_XCLBIN for an accelerator, or NULL */
};

/* Whether `text` is digits, a point and digits. */
static bool is_number_pair(const char *text)
{
    const size_t first = strspn(text, "0123456789");
    const size_t second = text[first] == '.' ? strspn(text + first + 1, "0123456789") : 0;

    return first && second && text[first + 1 + second] == '\0';
}

static enum spacc_status parse(struct choice *c, const char *which, struct spacc_error *err)
{
    const char *equals = strchr(which, '=');
    const size_t length = equals ? (size_t)(equals - which) : strlen(which);

    *c = (struct choice){.file = equals ? equals + 1 : NULL};
    if (length > 1 && length <= sizeof(c->device) && which[0] == ':')
        memcpy(c->device, which + 1, length - 1);
    if ((length > 0 && !is_number_pair(c->device)) || (c->file && !c->file[0]))
        return spacc_fail(err, SPACC_EINVAL,
                          "card 'opencl%s': opencl, opencl:P.D or opencl:P.D=FILE (spacc "
                          "devices has the numbers)",
                          which);
    return SPACC_OK;
}

static const char *default_file(void)
{
    const char *file = getenv("SPACC_XCLBIN");

    return file && file[0] ? file : NULL;
}

static bool is_accelerator(const struct spacc_gpu_info *info)
{
    return strcmp(info->kind, "accelerator") == 0;
}

static bool is_wanted(void *user, const struct spacc_gpu_info *info)
{
    const struct choice *c = user;

    if (c->device[0])
        return strcmp(c->device, info->which) == 0;
    return is_accelerator(info) == (c->file || default_file());
}

static enum spacc_status find(struct spacc_opencl_kernel *k, struct choice *c,
                              struct spacc_error *err)
{
    const enum spacc_status status =
        spacc_gpu_find(&k->device, &k->info, is_wanted, c,
                       c->device[0] ? c->device
                       : c->file || default_file()
                           ? "of kind accelerator (for a file)"
                           : "that builds source (an accelerator takes opencl:P.D=FILE)",
                       err);

    if (status)
        return status;
    if (!c->file && is_accelerator(&k->info))
        c->file = default_file();
    if (!c->file && is_accelerator(&k->info))
        return spacc_fail(err, SPACC_EINVAL,
                          "opencl %s (%s) is an accelerator, which takes a binary: "
                          "opencl:%s=FILE, or SPACC_XCLBIN",
                          k->info.which, k->info.name, k->info.which);
    return SPACC_OK;
}

/* ---- the program ------------------------------------------------------------------ */

static enum spacc_status from_source(struct spacc_opencl_kernel *k, struct spacc_error *err)
{
    const char *source = spacc_kernel_source;
    cl_int code;

    k->program = clCreateProgramWithSource(k->context, 1, &source, NULL, &code);
    if (!k->program)
        return spacc_opencl_failed(k, code, "program", err);
    return spacc_gpu_build("opencl", &k->info, k->device, k->program, "-cl-std=CL1.2",
                           "the card's kernel", err);
}

/* Xilinx's runtime trusts the file, and tells what it misses in lines of its own. */
static enum spacc_status check_file(const struct spacc_opencl_kernel *k, const char *file,
                                    struct spacc_error *err)
{
    unsigned arguments; /* OpenCL tells */
    double clock_hz;    /* not needed: the kernel counts no cycles */

    return strcmp(k->info.platform, "Xilinx") == 0
               ? spacc_xclbin_kernel(file, SPACC_KERNEL_NAME, &arguments, &clock_hz, err)
               : SPACC_OK;
}

static enum spacc_status from_file(struct spacc_opencl_kernel *k, const char *file,
                                   struct spacc_error *err)
{
    const unsigned char *binary;
    void *bytes = NULL;
    size_t size = 0;
    cl_int code, accepted;
    enum spacc_status status = check_file(k, file, err);

    if (!status)
        status = spacc_file_read(&bytes, &size, file, FILE_MAX, err);
    if (status)
        return status;
    binary = bytes;
    k->program =
        clCreateProgramWithBinary(k->context, 1, &k->device, &size, &binary, &accepted, &code);
    free(bytes);
    if (!k->program)
        return spacc_opencl_failed(k, code, file, err);
    return spacc_gpu_build("opencl", &k->info, k->device, k->program, "", file, err);
}

/* ---- the kernel ------------------------------------------------------------------- */

/* Without the argument behind those of the card nothing comes back but the output. */
static enum spacc_status check_arguments(const struct spacc_opencl_kernel *k, const char *from,
                                         struct spacc_error *err)
{
    cl_uint count = 0;
    const cl_int code =
        clGetKernelInfo(k->kernel, CL_KERNEL_NUM_ARGS, sizeof(count), &count, NULL);

    if (code)
        return spacc_opencl_failed(k, code, "number of arguments", err);
    if (count == WITH_STATE)
        return SPACC_OK;
    if (count == SPACC_ARGUMENTS)
        return spacc_fail(err, SPACC_EUNSUPPORTED,
                          "%s: kernel '%s' has %d arguments: the card of rtl/, whose registers "
                          "OpenCL cannot read; use --fpga xrt:N=%s",
                          from, SPACC_KERNEL_NAME, SPACC_ARGUMENTS, from);
    return spacc_fail(err, SPACC_EUNSUPPORTED,
                      "%s: kernel '%s' has %u arguments, that of hls/ has %d", from,
                      SPACC_KERNEL_NAME, (unsigned)count, WITH_STATE);
}

/* A CPU and an FPGA run one item best, a GPU many. */
static enum spacc_status choose_items(struct spacc_opencl_kernel *k, struct spacc_error *err)
{
    size_t most = 1;
    cl_int code;

    k->items = 1;
    if (strcmp(k->info.kind, "gpu"))
        return SPACC_OK;
    code = clGetKernelWorkGroupInfo(k->kernel, k->device, CL_KERNEL_WORK_GROUP_SIZE,
                                    sizeof(most), &most, NULL);
    if (code)
        return spacc_opencl_failed(k, code, "size of work-groups", err);
    k->items = most < ITEMS_MAX ? most : ITEMS_MAX;
    return SPACC_OK;
}

static enum spacc_status make_kernel(struct spacc_opencl_kernel *k, const char *file,
                                     struct spacc_error *err)
{
    const char *from = file ? file : "hls/spacc_card.cl";
    enum spacc_status status;
    cl_int code;

    k->kernel = clCreateKernel(k->program, SPACC_KERNEL_NAME, &code);
    if (!k->kernel && code == CL_INVALID_KERNEL_NAME)
        return spacc_fail(err, SPACC_EUNSUPPORTED, "%s: no kernel '%s' in it", from,
                          SPACC_KERNEL_NAME);
    if (!k->kernel)
        return spacc_opencl_failed(k, code, from, err);
    status = check_arguments(k, from, err);
    return status ? status : choose_items(k, err);
}

/* ---- opening and closing ---------------------------------------------------------- */

static enum spacc_status open_chosen(struct spacc_opencl_kernel *k, const char *file,
                                     struct spacc_error *err)
{
    enum spacc_status status;
    cl_int code;

    k->context = clCreateContext(NULL, 1, &k->device, NULL, NULL, &code);
    if (!k->context)
        return spacc_opencl_failed(k, code, "context", err);
    status = file ? from_file(k, file, err) : from_source(k, err);
    return status ? status : make_kernel(k, file, err);
}

enum spacc_status spacc_opencl_kernel_open(struct spacc_opencl_kernel *k, const char *which,
                                           struct spacc_error *err)
{
    struct choice c;
    enum spacc_status status;

    memset(k, 0, sizeof(*k));
    status = parse(&c, which, err);
    if (!status)
        status = find(k, &c, err);
    if (!status)
        status = open_chosen(k, c.file, err);
    if (status)
        spacc_opencl_kernel_release(k);
    return status;
}

void spacc_opencl_kernel_release(struct spacc_opencl_kernel *k)
{
    if (k->kernel)
        clReleaseKernel(k->kernel);
    if (k->program)
        clReleaseProgram(k->program);
    if (k->context)
        clReleaseContext(k->context);
    memset(k, 0, sizeof(*k));
}
