// verilator: -GPes=32 -GLanes=16 -GCells=2 -GAxiBits=128 -GXWords=256 -GPsumWords=48
// The register block against a model of what Vitis' ap_ctrl_hs promises: each rule by
// hand, then random accesses with random delays on every channel.
// Replay a failure: ./tb_axi_lite <seed>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>

#include "Vspacc_axi_lite.h"
#include "rtl/card_map.h"
#include "verilated.h"

namespace
{

struct bench {
    VerilatedContext ctx;
    Vspacc_axi_lite dut{&ctx};
    std::mt19937 rng;
    int errors = 0, checks = 0, starts = 0, stalls = 0;
    bool lazy = false; // random delays

    explicit bench(unsigned seed) : rng(seed)
    {
    }

    void check(uint64_t got, uint64_t want, const char *what)
    {
        checks++;
        if (got != want && errors++ < 10)
            std::printf("%s: got 0x%" PRIx64 ", want 0x%" PRIx64 "\n", what, got, want);
    }

    void edge()
    {
        dut.eval();
        starts += dut.start_o;
        dut.clk_i = 1;
        dut.eval();
        dut.clk_i = 0;
        dut.eval();
    }

    void reset()
    {
        dut.rst_ni = 0;
        edge();
        edge();
        dut.rst_ni = 1;
        starts = 0;
    }

    bool pause()
    {
        const bool p = lazy && rng() % 2;
        stalls += p;
        return p;
    }

    void write(uint32_t offset, uint32_t value, unsigned strobes = 0xf)
    {
        bool address = true, data = true;
        for (int i = 0; i < 1000; i++) {
            if (address && !dut.s_axi_awvalid_i && !pause()) {
                dut.s_axi_awvalid_i = 1;
                dut.s_axi_awaddr_i = static_cast<uint16_t>(offset);
            }
            if (data && !dut.s_axi_wvalid_i && !pause()) {
                dut.s_axi_wvalid_i = 1;
                dut.s_axi_wdata_i = value;
                dut.s_axi_wstrb_i = static_cast<uint8_t>(strobes);
            }
            dut.s_axi_bready_i = !pause();
            dut.eval();
            const bool aw = dut.s_axi_awvalid_i && dut.s_axi_awready_o;
            const bool w = dut.s_axi_wvalid_i && dut.s_axi_wready_o;
            const bool b = dut.s_axi_bvalid_o && dut.s_axi_bready_i;
            if (b) {
                check(dut.s_axi_bresp_o, 0, "BRESP");
                check(address || data, 0, "B before the write was there");
            }
            edge();
            if (aw)
                dut.s_axi_awvalid_i = address = false;
            if (w)
                dut.s_axi_wvalid_i = data = false;
            if (b) {
                dut.s_axi_bready_i = 0;
                return;
            }
        }
        check(0, 1, "write never answered");
    }

    uint32_t read(uint32_t offset)
    {
        bool address = true;
        for (int i = 0; i < 1000; i++) {
            if (address && !dut.s_axi_arvalid_i && !pause()) {
                dut.s_axi_arvalid_i = 1;
                dut.s_axi_araddr_i = static_cast<uint16_t>(offset);
            }
            dut.s_axi_rready_i = !pause();
            dut.eval();
            const bool ar = dut.s_axi_arvalid_i && dut.s_axi_arready_o;
            const bool r = dut.s_axi_rvalid_o && dut.s_axi_rready_i;
            const uint32_t value = dut.s_axi_rdata_o;
            if (r)
                check(dut.s_axi_rresp_o, 0, "RRESP");
            edge();
            if (ar)
                dut.s_axi_arvalid_i = address = false;
            if (r) {
                dut.s_axi_rready_i = 0;
                return value;
            }
        }
        check(0, 1, "read never answered");
        return 0;
    }

    void done()
    {
        dut.done_i = 1;
        edge();
        dut.done_i = 0;
    }

    void set_counter(unsigned i, uint64_t value)
    {
        dut.counters_i[2 * i] = static_cast<uint32_t>(value);
        dut.counters_i[2 * i + 1] = static_cast<uint32_t>(value >> 32);
    }
};

void identity_and_configuration_read_back(bench &b)
{
    b.check(b.read(SPACC_REG_IDENTITY), SPACC_CARD_MAGIC, "IDENTITY");
    b.check(b.read(SPACC_REG_VERSION), SPACC_CARD_VERSION, "VERSION");
    b.check(b.read(SPACC_REG_CONFIG_ARRAY), 32 | 16 << 16, "CONFIG_ARRAY");
    b.check(b.read(SPACC_REG_CONFIG_WIDTHS), 16 | 16 << 8 | 8 << 16 | 16 << 24,
            "CONFIG_WIDTHS");
    b.check(b.read(SPACC_REG_CONFIG_WEIGHT_WORDS), 4096, "CONFIG_WEIGHT_WORDS");
    b.check(b.read(SPACC_REG_CONFIG_VECTOR_WORDS), 256 | 512 << 16, "CONFIG_VECTOR_WORDS");
    b.check(b.read(SPACC_REG_CONFIG_UNITS), 512, "CONFIG_UNITS");
    b.check(b.read(SPACC_REG_CONFIG_INSTRUCTIONS), 64, "CONFIG_INSTRUCTIONS");
    b.check(b.read(SPACC_REG_CONFIG_CELLS), 2 | 255 << 8 | 48 << 16, "CONFIG_CELLS");
    b.check(b.read(SPACC_REG_WATCHDOG_CYCLES), SPACC_RESET_WATCHDOG_CYCLES, "WATCHDOG_CYCLES");
    b.write(SPACC_REG_IDENTITY, 0);
    b.check(b.read(SPACC_REG_IDENTITY), SPACC_CARD_MAGIC, "IDENTITY after a write");
}

void a_start_runs_once_and_done_clears_on_read(bench &b)
{
    b.check(b.read(SPACC_REG_AP_CTRL), 4, "idle");
    const int before = b.starts;
    b.write(SPACC_REG_AP_CTRL, 1);
    b.edge();
    b.check(static_cast<uint64_t>(b.starts - before), 1, "one start pulse");
    b.check(b.read(SPACC_REG_AP_CTRL), 1, "running: start, not idle");
    b.write(SPACC_REG_AP_CTRL, 1); // the bit is already set
    b.done();
    b.edge();
    b.edge();
    b.check(static_cast<uint64_t>(b.starts - before), 1, "still one start pulse");
    b.check(b.read(SPACC_REG_AP_CTRL), 2 | 4 | 8, "done, idle, ready");
    b.check(b.read(SPACC_REG_AP_CTRL), 4, "done and ready cleared by the read");
    b.write(SPACC_REG_AP_CTRL, 1, 0xe); // the strobe of byte 0 is off
    b.check(b.read(SPACC_REG_AP_CTRL), 4, "no start without its strobe");
}

void auto_restart_starts_again_until_cleared(bench &b)
{
    const int before = b.starts;
    b.write(SPACC_REG_AP_CTRL, 0x81);
    b.edge();
    for (int i = 0; i < 3; i++) {
        b.done();
        b.edge();
    }
    b.check(static_cast<uint64_t>(b.starts - before), 4, "starts with auto-restart");
    b.check(b.read(SPACC_REG_AP_CTRL), 0x80 | 1 | 2 | 8, "running again, done and ready");
    b.write(SPACC_REG_AP_CTRL, 0);
    b.done();
    b.edge();
    b.edge();
    b.check(static_cast<uint64_t>(b.starts - before), 4, "no start after auto-restart");
    b.check(b.read(SPACC_REG_AP_CTRL), 2 | 4 | 8, "idle after auto-restart");
}

void run(bench &b)
{
    b.write(SPACC_REG_AP_CTRL, 1);
    b.edge();
    b.done();
    b.edge();
}

void interrupts_need_both_enables_and_toggle_off(bench &b)
{
    b.check(b.dut.interrupt_o, 0, "no interrupt");
    run(b);
    b.check(b.read(SPACC_REG_IP_ISR), 0, "no status without its enable");
    b.write(SPACC_REG_IP_IER, 1);
    run(b);
    b.check(b.read(SPACC_REG_IP_ISR), 1, "status of done");
    b.check(b.dut.interrupt_o, 0, "no interrupt without the global enable");
    b.write(SPACC_REG_GIER, 1);
    b.check(b.dut.interrupt_o, 1, "interrupt");
    b.read(SPACC_REG_AP_CTRL);
    b.check(b.dut.interrupt_o, 1, "interrupt stays when done is read");
    b.write(SPACC_REG_IP_ISR, 1);
    b.check(b.dut.interrupt_o, 0, "interrupt toggled off");
    b.check(b.read(SPACC_REG_IP_ISR), 0, "status toggled off");
    b.write(SPACC_REG_IP_IER, 3);
    run(b);
    b.check(b.read(SPACC_REG_IP_ISR), 3, "status of done and ready");
    b.write(SPACC_REG_IP_ISR, 3);
    b.write(SPACC_REG_IP_ISR, 2);
    b.check(b.dut.interrupt_o, 1, "a write of one also toggles on");
    b.write(SPACC_REG_IP_ISR, 2);
    b.read(SPACC_REG_AP_CTRL);
}

void counters_are_read_without_tearing(bench &b)
{
    for (unsigned i = 0; i < SPACC_CARD_COUNTERS; i++) {
        b.set_counter(i, UINT64_C(0x100000001) * (i + 1) + 0xffff0000u);
        const uint64_t want = UINT64_C(0x100000001) * (i + 1) + 0xffff0000u;
        b.check(b.read(SPACC_REG_COUNTER(i)), static_cast<uint32_t>(want), "counter, low");
        b.set_counter(i, ~UINT64_C(0)); // it moves on between the two reads
        b.check(b.read(SPACC_REG_COUNTER(i) + 4), want >> 32, "counter, high");
    }
    b.check(b.read(SPACC_REG_COUNTER(SPACC_CARD_COUNTERS)), 0, "behind the counters");
    b.dut.error_code_i = 4;
    b.dut.error_pc_i = 17;
    b.dut.error_address_i = UINT64_C(0x123456789abcdef0);
    b.check(b.read(SPACC_REG_ERROR_CODE), 4, "ERROR_CODE");
    b.check(b.read(SPACC_REG_ERROR_PC), 17, "ERROR_PC");
    b.check(b.read(SPACC_REG_ERROR_ADDRESS), 0x9abcdef0, "ERROR_ADDRESS low");
    b.check(b.read(SPACC_REG_ERROR_ADDRESS + 4), 0x12345678, "ERROR_ADDRESS high");
}

void random_writes_with_strobes_read_back(bench &b)
{
    static const uint32_t arguments[] = {0x010, 0x014, 0x01c, 0x020, 0x028, 0x02c, 0x034,
                                         0x038, 0x040, 0x048, 0x050, 0x058, 0x060};
    std::map<uint32_t, uint32_t> want;
    for (uint32_t offset : arguments)
        want[offset] = b.read(offset);
    b.lazy = true;
    for (int i = 0; i < 20000; i++) {
        // Anything behind the control words and in front of the identity.
        const uint32_t offset = 0x10 + (b.rng() % 0xf0);
        if (b.rng() % 2) {
            const uint32_t value = b.rng();
            const unsigned strobes = b.rng() % 16;
            b.write(offset, value, strobes);
            if (want.count(offset & ~3u))
                for (int byte = 0; byte < 4; byte++)
                    if (strobes >> byte & 1) {
                        uint32_t &w = want[offset & ~3u];
                        w = (w & ~(0xffu << 8 * byte)) | (value & 0xffu << 8 * byte);
                    }
        } else {
            const auto it = want.find(offset & ~3u);
            b.check(b.read(offset), it == want.end() ? 0 : it->second, "random read");
        }
    }
    b.lazy = false;
    const auto both = [&](uint32_t o) {
        return static_cast<uint64_t>(want[o + 4]) << 32 | want[o];
    };
    b.check(b.dut.program_ptr_o, both(SPACC_REG_PROGRAM_PTR), "program_ptr_o");
    b.check(b.dut.weights_ptr_o, both(SPACC_REG_WEIGHTS_PTR), "weights_ptr_o");
    b.check(b.dut.input_ptr_o, both(SPACC_REG_INPUT_PTR), "input_ptr_o");
    b.check(b.dut.output_ptr_o, both(SPACC_REG_OUTPUT_PTR), "output_ptr_o");
    b.check(b.dut.program_bytes_o, want[SPACC_REG_PROGRAM_BYTES], "program_bytes_o");
    b.check(b.dut.weights_bytes_o, want[SPACC_REG_WEIGHTS_BYTES], "weights_bytes_o");
    b.check(b.dut.input_bytes_o, want[SPACC_REG_INPUT_BYTES], "input_bytes_o");
    b.check(b.dut.output_bytes_o, want[SPACC_REG_OUTPUT_BYTES], "output_bytes_o");
    b.check(b.dut.watchdog_cycles_o, want[SPACC_REG_WATCHDOG_CYCLES], "watchdog_cycles_o");
}

// Done and the host's accesses in the same cycle, at every distance.
void done_is_never_lost_to_an_access(bench &b)
{
    b.write(SPACC_REG_GIER, 1);
    b.write(SPACC_REG_IP_IER, 1);
    for (int distance = 0; distance < 8; distance++) {
        b.write(SPACC_REG_AP_CTRL, 1);
        b.edge();
        b.dut.s_axi_arvalid_i = 1;
        b.dut.s_axi_araddr_i = SPACC_REG_AP_CTRL;
        b.dut.s_axi_rready_i = 1;
        uint32_t seen = 0;
        for (int i = 0; i < 10; i++) {
            b.dut.done_i = i == distance;
            b.dut.eval();
            const bool ar = b.dut.s_axi_arvalid_i && b.dut.s_axi_arready_o;
            if (b.dut.s_axi_rvalid_o)
                seen |= b.dut.s_axi_rdata_o;
            b.edge();
            if (ar)
                b.dut.s_axi_arvalid_i = 0;
        }
        b.dut.s_axi_rready_i = 0;
        seen |= b.read(SPACC_REG_AP_CTRL);
        b.check(seen & 2, 2, "done seen by one of two reads");
        b.check(b.read(SPACC_REG_AP_CTRL) & 2, 0, "done cleared");
        b.check(b.dut.interrupt_o, 1, "interrupt of every run");
        b.write(SPACC_REG_IP_ISR, b.read(SPACC_REG_IP_ISR));
        b.check(b.dut.interrupt_o, 0, "interrupt taken back");
    }
}

} // namespace

int main(int argc, char **argv)
{
    const unsigned seed = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 1;
    bench b(seed);
    b.reset();
    for (b.lazy = false;; b.lazy = true) {
        identity_and_configuration_read_back(b);
        a_start_runs_once_and_done_clears_on_read(b);
        if (b.lazy)
            break;
        auto_restart_starts_again_until_cleared(b);
        interrupts_need_both_enables_and_toggle_off(b);
        counters_are_read_without_tearing(b);
        random_writes_with_strobes_read_back(b);
        done_is_never_lost_to_an_access(b);
        b.reset();
    }
    const bool exercised = b.checks > 20000 && b.stalls > 10000;
    std::printf("%s seed=%u checks=%d stalls=%d errors=%d\n",
                b.errors == 0 && exercised ? "PASS" : "FAIL", seed, b.checks, b.stalls,
                b.errors);
    return b.errors == 0 && exercised ? 0 : 1;
}
