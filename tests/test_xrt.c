/* Boards behind XRT. .xclbin files that are not what they should be; the calls that a card
 * makes, against Debian's libxrt1 and its noop device, which takes them and computes nothing.
 * What results are right is another test: tests/cli/xrt.sh, over the simulated card. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/card/arguments.h"
#include "host/card/xclbin.h"
#include "host/card/xrt.h"
#include "host/card/xrt_api.h"

enum { BYTES = 8192 };

static char folder[] = "/tmp/spacc_xrt_XXXXXX";
static char xclbin[64];

static void make(const char *options)
{
    char command[512];

    snprintf(command, sizeof(command), "python3 %s/tests/make_xclbin.py %s %s", SPACC_SOURCE,
             xclbin, options);
    assert_int_equal(system(command), 0);
}

/* ---- the container ------------------------------------------------------------- */

static unsigned arguments;

static void clock_and_arguments_come_from_the_file(void **state)
{
    (void)state;
    double clock_hz = 0.0;
    struct spacc_error err = {0};

    make("--mhz 267");
    assert_int_equal(spacc_xclbin_kernel(xclbin, "spacc_card", &arguments, &clock_hz, &err),
                     SPACC_OK);
    assert_true(clock_hz == 267e6);
    assert_int_equal(arguments, SPACC_ARGUMENTS);
    make("--state");
    assert_int_equal(spacc_xclbin_kernel(xclbin, "spacc_card", &arguments, &clock_hz, &err),
                     SPACC_OK);
    assert_int_equal(arguments, SPACC_ARGUMENTS + 1);
}

static void banks_of_memory_have_their_sizes(void **state)
{
    (void)state;
    uint64_t bytes = 1;
    struct spacc_error err = {0};

    make("");
    assert_int_equal(spacc_xclbin_bank(xclbin, 1, &bytes, &err), SPACC_OK);
    assert_true(bytes == 1u << 30);
    assert_int_equal(spacc_xclbin_bank(xclbin, 2, &bytes, &err), SPACC_OK); /* a group, say */
    assert_true(bytes == 0);
    assert_int_equal(spacc_xclbin_bank(xclbin, UINT32_MAX, &bytes, &err), SPACC_OK);
    assert_true(bytes == 0);
    assert_int_equal(spacc_xclbin_bank("/nowhere.xclbin", 0, &bytes, &err), SPACC_EIO);
}

static void refused(const char *options, enum spacc_status status, const char *text)
{
    double clock_hz;
    struct spacc_error err = {0};

    make(options);
    assert_int_equal(spacc_xclbin_kernel(xclbin, "spacc_card", &arguments, &clock_hz, &err),
                     status);
    if (!strstr(err.text, text) || !strstr(err.text, xclbin))
        fail_msg("'%s' does not say '%s' and the file", err.text, text);
}

static void files_that_are_wrong_are_refused_by_name(void **state)
{
    (void)state;
    struct spacc_error err = {0};
    double clock_hz;

    refused("--kernel vadd", SPACC_EFORMAT, "no kernel 'spacc_card' in it, but: vadd");
    refused("--mhz 0", SPACC_EFORMAT, "names no data clock");
    refused("--cut 1", SPACC_EFORMAT, "its header says");
    refused("--cut 2900", SPACC_EFORMAT, "not an .xclbin");
    assert_int_equal(
        spacc_xclbin_kernel("/nowhere.xclbin", "spacc_card", &arguments, &clock_hz, &err),
        SPACC_EIO);
}

/* Every byte of header and section table damaged in turn: refused or read, never outside. */
static void damaged_headers_do_no_harm(void **state)
{
    (void)state;
    struct spacc_error err = {0};
    uint64_t bank_bytes;
    uint8_t bytes[4096];
    double clock_hz;

    make("");
    FILE *f = fopen(xclbin, "rb");
    assert_non_null(f);
    const size_t size = fread(bytes, 1, sizeof(bytes), f);
    fclose(f);
    for (size_t i = 296; i < 456 + 6 * 40; i++) {
        const uint8_t kept = bytes[i];
        bytes[i] = (uint8_t)~kept;
        f = fopen(xclbin, "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(bytes, 1, size, f), size);
        fclose(f);
        bytes[i] = kept;
        (void)spacc_xclbin_kernel(xclbin, "spacc_card", &arguments, &clock_hz, &err);
        (void)spacc_xclbin_bank(xclbin, 1, &bank_bytes, &err);
    }
}

/* ---- names --------------------------------------------------------------------- */

static void a_board_is_named_with_its_file(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", ":", ":x", ":1x", ":0", ":0="};
    struct spacc_error err = {0};
    struct spacc_card *card;

    unsetenv("SPACC_XCLBIN");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(spacc_xrt_card_open(&card, wrong[i], &err), SPACC_EINVAL);
        assert_null(card);
    }
}

/* It would write its registers to wherever an argument that nobody gave points. */
static void a_kernel_of_hls_is_refused(void **state)
{
    (void)state;
    char name[80];
    struct spacc_error err = {0};
    struct spacc_card *card;

    make("--state");
    snprintf(name, sizeof(name), ":0=%s", xclbin);
    assert_int_equal(spacc_xrt_card_open(&card, name, &err), SPACC_EUNSUPPORTED);
    assert_null(card);
    assert_non_null(strstr(err.text, "has 10 arguments, the card of rtl/ has 9"));
    assert_non_null(strstr(err.text, "for --fpga opencl:P.D="));
}

static void without_xrt_the_reason_is_told(void **state)
{
    (void)state;
    char name[80];
    struct spacc_error err = {0};
    struct spacc_card *card;

    make("");
    snprintf(name, sizeof(name), ":0=%s", xclbin);
    setenv("SPACC_XRT_LIB", "/nowhere/libxrt.so", 1);
    assert_int_equal(spacc_xrt_card_open(&card, name, &err), SPACC_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "/nowhere/libxrt.so"));
    setenv("SPACC_XRT_LIB", "libm.so.6", 1);
    assert_int_equal(spacc_xrt_card_open(&card, name, &err), SPACC_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "libm.so.6 has no xrtDeviceOpen"));
    unsetenv("SPACC_XRT_LIB");
    unsetenv("XILINX_XRT");
    assert_int_equal(spacc_xrt_card_open(&card, name, &err), SPACC_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "XILINX_XRT is not set"));
}

/* ---- the calls, against Debian's XRT ------------------------------------------- */

/* Its libraries are looked for below $XILINX_XRT/lib. */
static bool find_noop(void)
{
    char link[80];

    if (access("/usr/lib/x86_64-linux-gnu/libxrt_noop.so.2", R_OK))
        return false;
    snprintf(link, sizeof(link), "%s/lib", folder);
    assert_int_equal(symlink("/usr/lib/x86_64-linux-gnu", link), 0);
    setenv("XILINX_XRT", folder, 1);
    setenv("XCL_EMULATION_MODE", "noop", 1);
    return true;
}

static void move_bytes(const struct spacc_xrt_api *x, void *buffer)
{
    static uint8_t out[BYTES], in[BYTES];

    for (int i = 0; i < BYTES; i++)
        out[i] = (uint8_t)(i * 7);
    assert_int_equal(x->BOWrite(buffer, out, BYTES, 0), 0);
    assert_int_equal(x->BOSync(buffer, SPACC_XRT_TO_DEVICE, BYTES, 0), 0);
    assert_int_equal(x->BORead(buffer, in, BYTES, 0), 0);
    assert_memory_equal(in, out, BYTES);
    assert_int_equal(x->BOSync(buffer, SPACC_XRT_FROM_DEVICE, BYTES, 0), 0);
}

static void run_once(const struct spacc_xrt_api *x, void *kernel,
                     void *const buffer[SPACC_POINTERS])
{
    void *run = x->RunOpen(kernel);

    assert_non_null(run);
    for (int i = 0; i < SPACC_POINTERS; i++)
        assert_int_equal(x->RunSetArg(run, i, buffer[i]), 0);
    for (int i = SPACC_POINTERS; i < SPACC_ARGUMENTS; i++)
        assert_int_equal(x->RunSetArg(run, i, (uint32_t)64), 0);
    assert_int_equal(x->RunStart(run), 0);
    assert_int_equal(x->RunWaitFor(run, 2000), SPACC_XRT_COMPLETED);
    assert_int_equal(x->RunClose(run), 0);
}

static void xrt_accepts_the_file_and_every_call(void **state)
{
    (void)state;
    struct spacc_xrt_api x;
    struct spacc_error err = {0};
    unsigned char uuid[16];
    void *buffer[SPACC_POINTERS];

    if (!find_noop()) {
        printf("skipped: no XRT with a noop device here (libxrt1)\n");
        skip();
    }
    make("");
    if (spacc_xrt_api_load(&x, &err))
        fail_msg("%s", err.text);
    void *device = x.DeviceOpen(0);
    assert_non_null(device);
    assert_int_equal(x.DeviceLoadXclbinFile(device, xclbin), 0);
    assert_int_equal(x.DeviceGetXclbinUUID(device, uuid), 0);
    void *kernel = x.PLKernelOpenExclusive(device, uuid, SPACC_KERNEL_NAME);
    assert_non_null(kernel);
    for (int i = 0; i < SPACC_POINTERS; i++) {
        assert_int_equal(x.KernelArgGroupId(kernel, i), x.KernelArgGroupId(kernel, 0));
        buffer[i] = x.BOAlloc(device, BYTES, 0, (uint32_t)x.KernelArgGroupId(kernel, i));
        assert_non_null(buffer[i]);
        move_bytes(&x, buffer[i]);
    }
    run_once(&x, kernel, buffer);
    for (int i = 0; i < SPACC_POINTERS; i++)
        assert_int_equal(x.BOFree(buffer[i]), 0);
    assert_int_equal(x.KernelClose(kernel), 0);
    assert_int_equal(x.DeviceClose(device), 0);
}

/* noop has no registers, so the card that XRT opens is refused at the first one, by name. */
static void a_board_without_registers_is_refused(void **state)
{
    (void)state;
    char name[80];
    struct spacc_error err = {0};
    struct spacc_card *card;

    if (!getenv("XCL_EMULATION_MODE")) {
        printf("skipped: no XRT with a noop device here (libxrt1)\n");
        skip();
    }
    snprintf(name, sizeof(name), ":0=%s", xclbin);
    assert_int_equal(spacc_xrt_card_open(&card, name, &err), SPACC_EDEVICE);
    assert_null(card);
    assert_non_null(strstr(err.text, "register 0x"));
}

static int begin(void **state)
{
    (void)state;
    snprintf(xclbin, sizeof(xclbin), "%s/card.xclbin", mkdtemp(folder) ? folder : ".");
    return 0;
}

static int end(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock_and_arguments_come_from_the_file),
        cmocka_unit_test(banks_of_memory_have_their_sizes),
        cmocka_unit_test(files_that_are_wrong_are_refused_by_name),
        cmocka_unit_test(damaged_headers_do_no_harm),
        cmocka_unit_test(a_board_is_named_with_its_file),
        cmocka_unit_test(a_kernel_of_hls_is_refused),
        cmocka_unit_test(without_xrt_the_reason_is_told),
        cmocka_unit_test(xrt_accepts_the_file_and_every_call),
        cmocka_unit_test(a_board_without_registers_is_refused),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
