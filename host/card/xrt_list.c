/* Boards behind XRT, listed. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/card/list.h"
#include "host/card/xrt_api.h"

enum { BOARDS_MAX = 16 };

/* The C interface has no count: device after device is opened until one is not there, of which
 * XRT tells on stderr itself. An emulation has any number of them. */
static unsigned count_boards(const struct spacc_xrt_api *api)
{
    const unsigned most = getenv("XCL_EMULATION_MODE") ? 1 : BOARDS_MAX;
    const int kept = dup(STDERR_FILENO), none = open("/dev/null", O_WRONLY);
    unsigned count = 0;
    void *device;

    fflush(stderr);
    if (none >= 0)
        dup2(none, STDERR_FILENO);
    while (count < most && (device = api->DeviceOpen(count))) {
        api->DeviceClose(device);
        count++;
    }
    if (kept >= 0)
        dup2(kept, STDERR_FILENO);
    close(kept);
    close(none);
    return count;
}

static void list_board(unsigned index, spacc_card_tell tell, void *user)
{
    const char *file = getenv("SPACC_XCLBIN");
    char name[24];

    snprintf(name, sizeof(name), "xrt:%u", index);
    if (file && file[0])
        spacc_card_list_opened(name, file, tell, user);
    else
        tell(user, &(struct spacc_card_entry){
                       .name = name, .note = "no .xclbin loaded; SPACC_XCLBIN names no file"});
}

void spacc_xrt_card_list(spacc_card_tell tell, void *user)
{
    struct spacc_card_entry missing = {.name = "xrt", .note = "no board"};
    struct spacc_error err = {.text = ""};
    struct spacc_xrt_api api;
    unsigned count = 0;

    if (spacc_xrt_api_load(&api, &err) == SPACC_OK) {
        count = count_boards(&api);
        spacc_xrt_api_unload(&api);
    } else {
        missing.note = err.text;
    }
    for (unsigned i = 0; i < count; i++)
        list_board(i, tell, user);
    if (count == 0)
        tell(user, &missing);
}
