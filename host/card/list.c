#include "host/card/list.h"

#include <stdio.h>

#include "host/card/mmio.h"
#if SPACC_SIM
#include "sim/sim.h"
#endif

enum { MAPPED_MAX = 32 };

void spacc_card_list_opened(const char *name, const char *note, spacc_card_tell tell,
                            void *user)
{
    struct spacc_error err = {.text = ""};
    struct spacc_card_entry e = {.name = name, .note = note};
    struct spacc_card *card;

    if (spacc_card_open(&card, name, &err) == SPACC_OK)
        e.info = spacc_card_info(card);
    else
        e.note = err.text;
    tell(user, &e);
    spacc_card_close(card);
}

#if SPACC_SIM
static void list_sim(spacc_card_tell tell, void *user)
{
    for (const char *const *config = spacc_sim_configs(); *config; config++) {
        char name[48];
        snprintf(name, sizeof(name), "sim:%s", *config);
        spacc_card_list_opened(name, "", tell, user);
    }
}
#else
static void list_sim(spacc_card_tell tell, void *user)
{
    tell(user, &(struct spacc_card_entry){
                   .name = "sim", .note = "this build has no simulator (SPACC_SIM=OFF)"});
}
#endif

static void list_mmio(spacc_card_tell tell, void *user)
{
    char names[MAPPED_MAX][SPACC_MMIO_NAME_BYTES];
    const size_t count = spacc_mmio_card_list(names, MAPPED_MAX);

    for (size_t i = 0; i < count; i++)
        spacc_card_list_opened(names[i], "", tell, user);
    if (count == 0)
        tell(user, &(struct spacc_card_entry){.name = "mmio",
                                              .note = "no UIO device is called spacc"});
}

void spacc_card_list(spacc_card_tell tell, void *user)
{
    list_sim(tell, user);
    spacc_xrt_card_list(tell, user);
    spacc_opencl_card_list(tell, user);
    list_mmio(tell, user);
}
