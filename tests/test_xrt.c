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

static unsigned arguments_found;

static void clock_and_arguments_come_from_the_file(void **state)
{
    (void)state;
    double clock_hz = 0.0;
    struct spacc_error err = {0};

    make("--mhz 267");
    assert_int_equal(
        spacc_xclbin_kernel(xclbin, "spacc_card", &arguments_found, &clock_hz, &err), SPACC_OK);
    assert_true(clock_hz == 267e6);
    assert_int_equal(arguments_found, SPACC_ARGUMENTS);
    make("--state");
    assert_int_equal(
        spacc_xclbin_kernel(xclbin, "spacc_card", &arguments_found, &clock_hz, &err), SPACC_OK);
    assert_int_equal(arguments_found, SPACC_ARGUMENTS + 1);
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
    assert_int_equal(
        spacc_xclbin_kernel(xclbin, "spacc_card", &arguments_found, &clock_hz, &err), status);
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
        spacc_xclbin_kernel("/nowhere.xclbin", "spacc_card", &arguments_found, &clock_hz, &err),
        SPACC_EIO);
}

static void the_argument_of_kernels_from_c_is_found(void **state)
{
    (void)state;
    struct spacc_error err = {0};
    bool has = false;

    make("--state");
    assert_int_equal(spacc_xclbin_state(xclbin, "spacc_card", &has, &err), SPACC_OK);
    assert_true(has);
    assert_int_equal(spacc_xclbin_state(xclbin, "vadd", &has, &err), SPACC_EFORMAT);
    assert_false(has);
    make("");
    has = true;
    assert_int_equal(spacc_xclbin_state(xclbin, "spacc_card", &has, &err), SPACC_OK);
    assert_false(has);
    has = true;
    assert_int_equal(spacc_xclbin_state("/nowhere.xclbin", "spacc_card", &has, &err),
                     SPACC_EIO);
    assert_false(has);
}

static void write_file(const uint8_t *bytes, size_t size)
{
    FILE *f = fopen(xclbin, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    fclose(f);
}

/* Every byte of header and section table damaged in turn, and every third behind them, also to
 * the end of a string: refused or read, never outside. */
static void damaged_files_do_no_harm(void **state)
{
    (void)state;
    struct spacc_error err = {0};
    uint64_t bank_bytes;
    uint8_t bytes[BYTES];
    double clock_hz;
    bool has;
    int refusals = 0;

    make("--state");
    FILE *f = fopen(xclbin, "rb");
    assert_non_null(f);
    const size_t size = fread(bytes, 1, sizeof(bytes), f);
    fclose(f);
    assert_in_range(size, 3000, BYTES - 1);
    for (size_t i = 296; i < size; i += i < 456 + 6 * 40 ? 1 : 3) {
        const uint8_t kept = bytes[i];
        bytes[i] = i < 456 + 6 * 40 || i % 2 ? (uint8_t)~kept : 0;
        write_file(bytes, size);
        bytes[i] = kept;
        (void)spacc_xclbin_kernel(xclbin, "spacc_card", &arguments_found, &clock_hz, &err);
        (void)spacc_xclbin_bank(xclbin, 1, &bank_bytes, &err);
        refusals += spacc_xclbin_state(xclbin, "spacc_card", &has, &err) != SPACC_OK;
    }
    assert_in_range(refusals, 50, (int)size);
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

/* It would write to wherever an argument that nobody gave points. */
static void a_kernel_with_other_arguments_is_refused(void **state)
{
    (void)state;
    char name[80], command[512];
    struct spacc_error err = {0};
    struct spacc_card *card;

    make("--state");
    snprintf(command, sizeof(command),
             "sed -i 's/<arg name=\"input_ptr\"/<xyz name=\"input_ptr\"/' %s", xclbin);
    assert_int_equal(system(command), 0);
    snprintf(name, sizeof(name), ":0=%s", xclbin);
    assert_int_equal(spacc_xrt_card_open(&card, name, &err), SPACC_EUNSUPPORTED);
    assert_null(card);
    assert_non_null(
        strstr(err.text, "has 9 arguments, the card of rtl/ has 9, that of hls/ 10"));
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

/* `arguments`: those of the card, or one more, which has the first buffer. */
static void run_once(const struct spacc_xrt_api *x, void *kernel,
                     void *const buffer[SPACC_POINTERS], int arguments)
{
    void *run = x->RunOpen(kernel);

    assert_non_null(run);
    for (int i = 0; i < SPACC_POINTERS; i++)
        assert_int_equal(x->RunSetArg(run, i, buffer[i]), 0);
    for (int i = SPACC_POINTERS; i < SPACC_ARGUMENTS; i++)
        assert_int_equal(x->RunSetArg(run, i, (uint32_t)64), 0);
    for (int i = SPACC_ARGUMENTS; i < arguments; i++)
        assert_int_equal(x->RunSetArg(run, i, buffer[0]), 0);
    assert_int_equal(x->RunStart(run), 0);
    assert_int_equal(x->RunWaitFor(run, 2000), SPACC_XRT_COMPLETED);
    assert_int_equal(x->RunClose(run), 0);
}

static void call_everything(const char *options, int arguments)
{
    struct spacc_xrt_api x;
    struct spacc_error err = {0};
    unsigned char uuid[16];
    void *buffer[SPACC_POINTERS];

    make(options);
    if (spacc_xrt_api_load(&x, &err))
        fail_msg("%s", err.text);
    void *device = x.DeviceOpen(0);
    assert_non_null(device);
    assert_int_equal(x.DeviceLoadXclbinFile(device, xclbin), 0);
    assert_int_equal(x.DeviceGetXclbinUUID(device, uuid), 0);
    void *kernel = x.PLKernelOpenExclusive(device, uuid, SPACC_KERNEL_NAME);
    assert_non_null(kernel);
    const int bank = x.KernelArgGroupId(kernel, 0);
    for (int i = 0; i < SPACC_POINTERS; i++) {
        assert_int_equal(x.KernelArgGroupId(kernel, i), bank);
        buffer[i] = x.BOAlloc(device, BYTES, 0, (uint32_t)bank);
        assert_non_null(buffer[i]);
        move_bytes(&x, buffer[i]);
    }
    if (arguments > SPACC_ARGUMENT_STATE)
        assert_int_equal(x.KernelArgGroupId(kernel, SPACC_ARGUMENT_STATE), bank);
    run_once(&x, kernel, buffer, arguments);
    for (int i = 0; i < SPACC_POINTERS; i++)
        assert_int_equal(x.BOFree(buffer[i]), 0);
    assert_int_equal(x.KernelClose(kernel), 0);
    assert_int_equal(x.DeviceClose(device), 0);
}

static void xrt_accepts_the_file_and_every_call(void **state)
{
    (void)state;
    if (!find_noop()) {
        printf("skipped: no XRT with a noop device here (libxrt1)\n");
        skip();
    }
    call_everything("", SPACC_ARGUMENTS);
    call_everything("--state", SPACC_ARGUMENT_STATE + 1);
}

/* noop has no registers, so the card that XRT opens is refused at the first one, by name; a
 * kernel from C after its first run. */
static void a_board_without_registers_is_refused(void **state)
{
    (void)state;
    static const char *const options[] = {"", "--state"};
    char name[80];
    struct spacc_error err = {0};
    struct spacc_card *card;

    if (!getenv("XCL_EMULATION_MODE")) {
        printf("skipped: no XRT with a noop device here (libxrt1)\n");
        skip();
    }
    snprintf(name, sizeof(name), ":0=%s", xclbin);
    for (int i = 0; i < 2; i++) {
        make(options[i]);
        assert_int_equal(spacc_xrt_card_open(&card, name, &err), SPACC_EDEVICE);
        assert_null(card);
        assert_non_null(strstr(err.text, i ? "register 0x1fc" : "register 0x060"));
    }
}

/* ---- a kernel of hls/, behind the calls of libspacc_xrtsim ------------------------- */

static uint64_t region(struct spacc_card *card)
{
    struct spacc_error err = {0};
    uint64_t address;

    assert_int_equal(spacc_card_alloc(card, BYTES, &address, &err), SPACC_OK);
    return address;
}

/* One instruction that stores 16 states at `offset` of the output. */
static enum spacc_status store(struct spacc_card *card, uint64_t program, uint64_t output,
                               uint32_t offset, struct spacc_error *err)
{
    const uint32_t code[2][SPACC_INSTRUCTION_WORDS] = {
        {SPACC_OP_STORE_STATE | 3u << SPACC_F_STORE_STATE_REGION_LOW, offset, 16},
        {SPACC_OP_END}};
    const struct spacc_card_run run = {program, 0, 0, output, sizeof(code), 0, 0, BYTES};

    assert_int_equal(spacc_card_write(card, program, code, sizeof(code), err), SPACC_OK);
    return spacc_card_run(card, &run, 1000000, NULL, err);
}

static void an_error_of_a_kernel_has_an_address_of_the_card(void **state)
{
    (void)state;
    char name[80], address[40];
    struct spacc_error err = {0};
    struct spacc_card *card;

#if !SPACC_SIM
    printf("skipped: this build has no simulator\n");
    skip();
#else
    setenv("SPACC_XRT_LIB", SPACC_XRTSIM_LIB, 1);
#endif
    setenv("SPACC_XRTSIM", "hls:4x4", 1);
    make("--state");
    snprintf(name, sizeof(name), ":0=%s", xclbin);
    if (spacc_xrt_card_open(&card, name, &err))
        fail_msg("%s", err.text);
    const uint64_t program = region(card), output = region(card);
    assert_int_equal(store(card, program, output, BYTES, &err), SPACC_EDEVICE);
    snprintf(address, sizeof(address), "address 0x%llx", (unsigned long long)output + BYTES);
    if (!strstr(err.text, address))
        fail_msg("'%s' does not say '%s'", err.text, address);
    assert_int_equal(store(card, program, output, BYTES - 64, &err), SPACC_OK);
    spacc_card_close(card);
    unsetenv("SPACC_XRT_LIB");
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
        cmocka_unit_test(the_argument_of_kernels_from_c_is_found),
        cmocka_unit_test(damaged_files_do_no_harm),
        cmocka_unit_test(a_board_is_named_with_its_file),
        cmocka_unit_test(a_kernel_with_other_arguments_is_refused),
        cmocka_unit_test(without_xrt_the_reason_is_told),
        cmocka_unit_test(xrt_accepts_the_file_and_every_call),
        cmocka_unit_test(a_board_without_registers_is_refused),
        cmocka_unit_test(an_error_of_a_kernel_has_an_address_of_the_card),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
