/* Devices of OpenCL as cards. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hls/spacc_kernel.h"
#include "host/card/list.h"
#include "host/gpu/gpu.h"

enum { DEVICES_MAX = 32 };

/* What a kernel that is built from the source says of itself. */
static struct spacc_card_info built_info(const struct spacc_gpu_info *device)
{
    return (struct spacc_card_info){
        .kind = "opencl",
        .version = SPACC_CARD_VERSION,
        .pes = SPACC_KERNEL_PES,
        .lanes = SPACC_KERNEL_LANES,
        .cells = SPACC_KERNEL_CELLS,
        .batch_max = SPACC_KERNEL_BATCH,
        .weight_bits = SPACC_KERNEL_WEIGHT_BITS,
        .index_bits = SPACC_CARD_INDEX_BITS,
        .axi_bits = 8 * SPACC_KERNEL_BEAT_BYTES,
        .act_bits = SPACC_KERNEL_ACT_BITS,
        .shared_rows = SPACC_KERNEL_SHARED_ROWS,
        .weight_words = SPACC_KERNEL_WEIGHT_WORDS,
        .x_words = SPACC_KERNEL_X_WORDS,
        .h_words = SPACC_KERNEL_H_WORDS,
        .units = SPACC_KERNEL_UNITS,
        .psum_words = SPACC_KERNEL_PSUM_WORDS,
        .instructions = SPACC_KERNEL_INSTRUCTIONS,
        .keeps_arguments = true,
        .memory_bytes = device->memory_bytes,
    };
}

static void list_accelerator(const struct spacc_gpu_info *d, const char *name,
                             spacc_card_tell tell, void *user)
{
    const char *file = getenv("SPACC_XCLBIN");

    if (file && file[0])
        spacc_card_list_opened(name, d->name, tell, user);
    else
        tell(user, &(struct spacc_card_entry){
                       .name = name, .note = "an accelerator; SPACC_XCLBIN names no file"});
}

static void list_builder(const struct spacc_gpu_info *d, const char *name, spacc_card_tell tell,
                         void *user)
{
    const struct spacc_card_info info = built_info(d);
    char note[200];

    snprintf(note, sizeof(note), "built from source for the %s %.120s", d->kind, d->name);
    tell(user, &(struct spacc_card_entry){.name = name, .info = &info, .note = note});
}

void spacc_opencl_card_list(spacc_card_tell tell, void *user)
{
    struct spacc_gpu_info device[DEVICES_MAX];
    const size_t count = spacc_gpu_list(device, DEVICES_MAX);

    for (size_t i = 0; i < count && i < DEVICES_MAX; i++) {
        char name[32];
        snprintf(name, sizeof(name), "opencl:%s", device[i].which);
        if (strcmp(device[i].kind, "accelerator") == 0)
            list_accelerator(&device[i], name, tell, user);
        else
            list_builder(&device[i], name, tell, user);
    }
    if (count == 0)
        tell(user,
             &(struct spacc_card_entry){.name = "opencl", .note = "no OpenCL device here"});
}
