#include "host/card/xrt_api.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* Where each call goes, by its name. */
#define CALLS(X)             \
    X(DeviceOpen)            \
    X(DeviceClose)           \
    X(DeviceLoadXclbinFile)  \
    X(DeviceGetXclbinUUID)   \
    X(PLKernelOpenExclusive) \
    X(KernelClose)           \
    X(KernelArgGroupId)      \
    X(KernelReadRegister)    \
    X(KernelWriteRegister)   \
    X(BOAlloc)               \
    X(BOFree)                \
    X(BOAddress)             \
    X(BOWrite)               \
    X(BORead)                \
    X(BOSync)                \
    X(RunOpen)               \
    X(RunSetArg)             \
    X(RunStart)              \
    X(RunWaitFor)            \
    X(RunClose)

static const struct call {
    const char *name;
    size_t offset;
} calls[] = {
#define X(name) {"xrt" #name, offsetof(struct spacc_xrt_api, name)},
    CALLS(X)
#undef X
};

enum spacc_status spacc_xrt_api_load(struct spacc_xrt_api *api, struct spacc_error *err)
{
    const char *named = getenv("SPACC_XRT_LIB");
    const char *file = named && named[0] ? named : "libxrt_coreutil.so.2";

    memset(api, 0, sizeof(*api));
    if (!(named && named[0]) && !getenv("XILINX_XRT")) /* XRT throws when it misses it */
        return spacc_fail(err, SPACC_EUNSUPPORTED,
                          "XILINX_XRT is not set (source setup.sh of XRT's folder)");
    api->library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!api->library)
        return spacc_fail(err, SPACC_EUNSUPPORTED, "XRT is not here: %s", dlerror());
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        void *symbol = dlsym(api->library, calls[i].name);
        if (!symbol) {
            spacc_xrt_api_unload(api);
            return spacc_fail(err, SPACC_EUNSUPPORTED, "%s has no %s", file, calls[i].name);
        }
        /* POSIX: a function pointer has the size and form of a data pointer. */
        memcpy((char *)api + calls[i].offset, &symbol, sizeof(symbol));
    }
    return SPACC_OK;
}

void spacc_xrt_api_unload(struct spacc_xrt_api *api)
{
    if (api->library)
        dlclose(api->library);
    memset(api, 0, sizeof(*api));
}
