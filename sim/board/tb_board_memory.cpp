// The board memory against an array of bytes: random AXI4 bursts with random stalls, the
// bridge's bytes in between, addresses outside and bursts it does not know.
// Replay a failure: ./tb_board_memory <seed>
// verilator: -GBytes=16384
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "Vspacc_board_memory.h"
#include "verilated.h"

namespace
{

constexpr uint32_t BYTES = 16384;
constexpr uint64_t BASE = 0x80000000;
enum { OKAY = 0, SLVERR = 2, DECERR = 3 };

// A burst: where it stands.
struct burst {
    bool asked = false, taken = false;
    uint64_t address = 0;
    unsigned beats = 0, done = 0, resp = 0;
};

struct bench {
    VerilatedContext ctx;
    Vspacc_board_memory dut{&ctx};
    std::mt19937 rng;
    std::vector<uint8_t> model;
    int errors = 0;
    int reads = 0, writes = 0, refused = 0, port_reads = 0, port_writes = 0, stalls = 0,
        early = 0;
    uint64_t holes = 0;
    unsigned lazy = 0; // stalls, chances in 8 a cycle

    burst rd, wr, next; // next: a write that is asked for, maybe before B of the one under way
    bool port_asked = false, port_due = false;
    uint8_t port_want = 0;

    explicit bench(unsigned seed) : rng(seed), model(BYTES)
    {
    }

    void check(uint64_t got, uint64_t want, const char *what)
    {
        if (got != want && errors++ < 10)
            std::printf("%s: got 0x%" PRIx64 ", want 0x%" PRIx64 "\n", what, got, want);
    }

    bool stall()
    {
        const bool s = rng() % 8 < lazy;
        stalls += s;
        return s;
    }

    // Reads and writes have a half of the memory each, which change places: what the bus
    // says of a word that is read and written at once is nobody's business.
    burst new_burst(uint32_t half, uint8_t *size, uint8_t *kind)
    {
        burst b;
        b.beats = rng() % 4 ? 1 + rng() % 16 : 1 + rng() % 256;
        b.asked = true;
        const uint32_t line = half * (BYTES / 2) + rng() % (BYTES / 8192) * 4096;
        b.address = BASE + line + rng() % (513 - b.beats) * 8;
        *size = 3;
        *kind = 1;
        switch (rng() % 16) {
        case 0: b.address += BYTES; break;
        case 1: b.address -= BASE; break;
        case 2: b.address += uint64_t(1) << (32 + rng() % 32); break;
        case 3:
            *size = static_cast<uint8_t>(rng() % 3);
            b.resp = SLVERR;
            break;
        case 4:
            *kind = static_cast<uint8_t>(rng() % 2 * 2);
            b.resp = SLVERR;
            break;
        default: break;
        }
        if (b.address < BASE || b.address >= BASE + BYTES)
            b.resp = DECERR;
        refused += b.resp != OKAY;
        return b;
    }

    // The next word of the write under way, else of the one that is asked for.
    void offer_word()
    {
        const burst &b = wr.taken ? wr : next;
        if (b.done == b.beats)
            return;
        dut.s_wvalid_i = 1;
        dut.s_wdata_i = static_cast<uint64_t>(rng()) << 32 | rng();
        dut.s_wstrb_i = rng() % 4 ? 0xff : static_cast<uint8_t>(rng());
        dut.s_wlast_i = b.done + 1 == b.beats;
    }

    void ask(uint32_t read_half)
    {
        if (!rd.asked && !rd.taken && !stall()) {
            rd = new_burst(read_half, &dut.s_arsize_i, &dut.s_arburst_i);
            dut.s_araddr_i = rd.address;
            dut.s_arlen_i = static_cast<uint8_t>(rd.beats - 1);
        }
        if (!next.asked && !stall()) {
            next = new_burst(!read_half, &dut.s_awsize_i, &dut.s_awburst_i);
            dut.s_awaddr_i = next.address;
            dut.s_awlen_i = static_cast<uint8_t>(next.beats - 1);
        }
        dut.s_arvalid_i = rd.asked;
        dut.s_awvalid_i = next.asked;
        if (!dut.s_wvalid_i && !stall())
            offer_word();
        dut.s_rready_i = !stall();
        dut.s_bready_i = !stall();
        if (!port_asked && rng() % 32 == 0) {
            port_asked = true;
            dut.port_write_i = rng() % 2;
            const uint32_t half = dut.port_write_i ? !read_half : read_half;
            dut.port_address_i =
                static_cast<uint16_t>(half * (BYTES / 2) + rng() % (BYTES / 2));
            dut.port_data_i = static_cast<uint8_t>(rng());
        }
        dut.port_valid_i = port_asked;
    }

    void check_port()
    {
        check(dut.port_valid_o, port_due, "byte for the bridge");
        if (port_due)
            check(dut.port_data_o, port_want, "byte read by the bridge");
        port_due = false;
        if (!port_asked || !dut.port_ready_o)
            return;
        port_asked = false;
        if (dut.port_write_i) {
            model[dut.port_address_i] = dut.port_data_i;
            port_writes++;
        } else {
            port_want = model[dut.port_address_i];
            port_due = true;
            port_reads++;
        }
    }

    void check_read()
    {
        if (dut.s_rvalid_o && dut.s_rready_i) {
            check(rd.taken && rd.done < rd.beats, 1, "R without AR");
            check(dut.s_rresp_o, rd.resp, "RRESP");
            uint64_t want = 0;
            for (unsigned i = 0; i < 8 && rd.resp == OKAY; i++)
                want |= static_cast<uint64_t>(model[rd.address - BASE + 8 * rd.done + i])
                        << 8 * i;
            if (rd.resp == OKAY)
                check(dut.s_rdata_o, want, "RDATA");
            rd.done++;
            check(dut.s_rlast_o, rd.done == rd.beats, "RLAST");
            if (rd.done == rd.beats) {
                rd = {};
                reads++;
            }
        } else if (dut.s_rready_i && rd.taken && rd.done > 0) {
            holes++; // a burst that has begun gives a word a cycle
        }
        if (dut.s_arvalid_i && dut.s_arready_o) {
            rd.taken = true;
            rd.asked = false;
        }
    }

    void check_write()
    {
        early += wr.taken && wr.done == wr.beats && next.asked;
        if (dut.s_bvalid_o && dut.s_bready_i) {
            check(wr.taken && wr.done == wr.beats, 1, "B too early");
            check(dut.s_bresp_o, wr.resp, "BRESP");
            wr = {};
            writes++;
        }
        if (dut.s_wvalid_i && dut.s_wready_o) {
            check(wr.taken, 1, "W before AW");
            for (unsigned i = 0; i < 8 && wr.resp == OKAY; i++)
                if (dut.s_wstrb_i >> i & 1)
                    model[wr.address - BASE + 8 * wr.done + i] =
                        static_cast<uint8_t>(dut.s_wdata_i >> 8 * i);
            wr.done++;
        }
        if (dut.s_awvalid_i && dut.s_awready_o) {
            check(wr.taken, 0, "AW before B");
            wr = next;
            wr.taken = true;
            next = {};
        }
    }

    void edge()
    {
        dut.clk_i = 1;
        dut.eval();
        dut.clk_i = 0;
        dut.eval();
    }

    void tick(bool asking, uint32_t read_half)
    {
        if (asking)
            ask(read_half);
        else
            dut.s_rready_i = dut.s_bready_i = 1;
        dut.eval();
        const bool w = dut.s_wvalid_i && dut.s_wready_o;
        check_port();
        check_read();
        check_write();
        edge();
        if (w)
            dut.s_wvalid_i = 0;
        dut.s_arvalid_i = rd.asked;
        dut.s_awvalid_i = next.asked;
        dut.port_valid_i = port_asked;
        if (!asking && !dut.s_wvalid_i)
            offer_word();
    }

    bool busy() const
    {
        return rd.asked || rd.taken || next.asked || wr.taken || port_asked || port_due;
    }

    // Let what is under way end.
    void settle()
    {
        for (int i = 0; i < 4000 && busy(); i++)
            tick(false, 0);
        check(busy(), 0, "never done");
    }

    // A reset in the middle of everything: what was under way is forgotten.
    void interrupt()
    {
        dut.rst_ni = 0;
        dut.s_arvalid_i = dut.s_awvalid_i = dut.s_wvalid_i = dut.port_valid_i = 0;
        dut.eval();
        edge();
        check(dut.s_rvalid_o || dut.s_bvalid_o || dut.port_valid_o, 0, "an answer in reset");
        rd = wr = next = {};
        port_asked = port_due = false;
        dut.rst_ni = 1;
    }

    // Through the bridge, byte by byte.
    void fill()
    {
        for (uint32_t i = 0; i < BYTES; i++) {
            dut.port_valid_i = dut.port_write_i = 1;
            dut.port_address_i = static_cast<uint16_t>(i);
            dut.port_data_i = model[i] = static_cast<uint8_t>(rng());
            dut.eval();
            check(dut.port_ready_o, 1, "ready for the bridge");
            edge();
        }
        dut.port_valid_i = 0;
    }
};

} // namespace

int main(int argc, char **argv)
{
    const unsigned seed = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 1;
    bench b(seed);
    b.ctx.assertOn(true);
    b.dut.rst_ni = 0;
    b.dut.s_arvalid_i = b.dut.s_awvalid_i = b.dut.s_wvalid_i = b.dut.port_valid_i = 0;
    b.edge();
    b.edge();
    b.dut.rst_ni = 1;
    b.fill();
    for (uint32_t round = 0; round < 40; round++) {
        b.lazy = round % 5;
        for (int i = 0; i < 2500; i++)
            b.tick(true, round % 2);
        if (round % 4 == 3)
            b.interrupt();
        b.settle();
    }
    const bool ran = b.reads > 500 && b.writes > 500 && b.refused > 100 && b.port_reads > 100 &&
                     b.port_writes > 500 && b.stalls > 1000 && b.early > 100;
    b.check(b.holes, 0, "holes in read bursts");
    std::printf(
        "%s seed=%u reads=%d writes=%d refused=%d port_reads=%d port_writes=%d stalls=%d "
        "errors=%d\n",
        b.errors == 0 && ran ? "PASS" : "FAIL", seed, b.reads, b.writes, b.refused,
        b.port_reads, b.port_writes, b.stalls, b.errors);
    return b.errors == 0 && ran ? 0 : 1;
}
