// core_bench.h - a whole card behind AXI4-Lite, and a memory that stalls, answers late, with
// an error or never, as the test says. A broken rule of AXI ends the bench.
#ifndef SPACC_SIM_CORE_BENCH_H
#define SPACC_SIM_CORE_BENCH_H

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <vector>

#include "Vcard.h"
#include "rtl/card_map.h"
#include "sim/chance.h"
#include "sim/port.h"
#include "verilated.h"

namespace
{

constexpr unsigned kBeat = sizeof(Vcard::m_axi_gmem_rdata); // bytes of the bus
constexpr unsigned kWords = 8;                              // 64-bit words of the widest bus
constexpr uint64_t kMemory = UINT64_C(0x1a5500000000);      // bus address of memory[0]
// Where the program and the regions of a Plan begin in it, and its end.
enum : size_t {
    kProgram = 0x1000,
    kWeights = 0x10000,
    kInput = 0x700000,
    kOutput = 0xb00000,
    kEnd = 0x1000000
};

class Bench
{
  public:
    Bench()
    {
        context.assertOn(true);
        context.randReset(2);
        context.randSeed((int)below(1u << 30) + 1); // 0 would be the time of day
        card = new Vcard(&context);
        card->ap_clk = 0; // inputs begin with random values, too
        card->s_axi_control_awvalid = card->s_axi_control_wvalid = 0;
        card->s_axi_control_arvalid = card->s_axi_control_rready = 0;
        card->s_axi_control_bready = 0;
        reset();
        std::fill(stalls, stalls + 5, 0);
    }
    ~Bench()
    {
        card->final();
        delete card;
    }
    Bench(const Bench &) = delete;
    Bench &operator=(const Bench &) = delete;

    std::vector<uint8_t> memory = std::vector<uint8_t>(kEnd);
    unsigned latency = 20;           // cycles from an address to its first beat
    unsigned stall_per_16 = 0;       // chance that a channel stalls in a cycle
    unsigned write_stall_per_16 = 0; // the same for AW, W, B when it is more
    // Errors: this beat of memory, or the read after so many others; 2 SLVERR, 3 DECERR.
    uint64_t error_at = UINT64_MAX, error_after = UINT64_MAX;
    unsigned error_answer = 2;
    uint64_t dead_at = UINT64_MAX; // the burst with this beat is never answered
    uint64_t write_from = 0, write_to = UINT64_MAX; // where the card may write
    uint64_t stalls[5] = {};                        // AR R AW W B
    uint64_t now = 0;
    uint64_t trail = 14695981039346656037u; // of every valid output, with its cycle

    // The reset of a board's shell: the memory forgets what was under way, too.
    void reset()
    {
        card->ap_rst_n = 0;
        for (int i = 0; i < 4; i++)
            cycle();
        reads.clear();
        writes.clear();
        words.clear();
        answers.clear();
        r_held = b_held = false;
        last = Held();
        card->ap_rst_n = 1;
        cycle();
    }

    void write_reg(uint32_t offset, uint32_t value)
    {
        bool aw = false, w = false;
        card->s_axi_control_awaddr = (uint16_t)offset;
        card->s_axi_control_wdata = value;
        card->s_axi_control_wstrb = 15;
        card->s_axi_control_bready = 1;
        for (int limit = 0;; limit++) {
            card->s_axi_control_awvalid = !aw;
            card->s_axi_control_wvalid = !w;
            card->eval();
            const bool take_aw = !aw && card->s_axi_control_awready;
            const bool take_w = !w && card->s_axi_control_wready;
            const bool end = card->s_axi_control_bvalid;
            cycle();
            aw |= take_aw;
            w |= take_w;
            if (end)
                break;
            if (limit > 100)
                die("AXI4-Lite write hangs");
        }
        card->s_axi_control_awvalid = card->s_axi_control_wvalid = 0;
        card->s_axi_control_bready = 0;
    }

    uint32_t read_reg(uint32_t offset)
    {
        uint32_t value = 0;
        bool ar = false;
        card->s_axi_control_araddr = (uint16_t)offset;
        card->s_axi_control_rready = 1;
        for (int limit = 0;; limit++) {
            card->s_axi_control_arvalid = !ar;
            card->eval();
            const bool take = !ar && card->s_axi_control_arready;
            const bool end = card->s_axi_control_rvalid;
            value = card->s_axi_control_rdata;
            cycle();
            ar |= take;
            if (end)
                break;
            if (limit > 100)
                die("AXI4-Lite read hangs");
        }
        card->s_axi_control_arvalid = card->s_axi_control_rready = 0;
        return value;
    }

    void write_ptr(uint32_t offset, uint64_t value)
    {
        write_reg(offset, (uint32_t)value);
        write_reg(offset + 4, (uint32_t)(value >> 32));
    }

    uint64_t read_pair(uint32_t offset)
    {
        const uint64_t low = read_reg(offset);
        return low | (uint64_t)read_reg(offset + 4) << 32;
    }

    uint64_t counter(int i)
    {
        return read_pair(SPACC_REG_COUNTER((uint32_t)i));
    }

    // Beats of a run before that may still come.
    uint64_t owed() const
    {
        uint64_t beats = 0;
        for (const Burst &burst : reads)
            beats += burst.beats;
        return beats;
    }

    void start()
    {
        beats_read = 0;
        write_reg(SPACC_REG_IP_IER, 1);
        write_reg(SPACC_REG_GIER, 1);
        write_reg(SPACC_REG_AP_CTRL, 1);
    }

    // Wait for the interrupt, return the error code.
    uint32_t finish(uint64_t limit)
    {
        for (uint64_t i = 0; !interrupt(); i++) {
            if (i > limit)
                die("the card does not end");
            cycle();
        }
        write_reg(SPACC_REG_IP_ISR, 1);
        (void)read_reg(SPACC_REG_AP_CTRL);
        return read_reg(SPACC_REG_ERROR_CODE);
    }

    [[noreturn]] void die(const char *why)
    {
        std::printf("cycle %llu: %s\n", (unsigned long long)now, why);
        std::exit(1);
    }

    void cycle()
    {
        drive();
        card->eval();
        if (card->ap_rst_n) {
            check_rules();
            follow();
            take_addresses();
            take_data();
            finish_writes();
        }
        card->ap_clk = 1;
        card->eval();
        card->ap_clk = 0;
        card->eval();
        now++;
    }

  private:
    struct Burst {
        uint64_t address;
        unsigned beats;
        uint64_t ready_at; // cycle of the first beat
    };
    struct Word {
        uint64_t data[kWords], strobes;
        bool last;
    };
    struct Answer { // B
        unsigned response;
        uint64_t at; // dead_at when the burst has that beat
    };
    struct Held { // what was valid and not taken in the cycle before
        bool ar = false, aw = false, w = false;
        uint64_t araddr = 0, awaddr = 0, wdata = 0;
        unsigned arlen = 0, awlen = 0;
    };

    VerilatedContext context;
    Vcard *card;
    std::deque<Burst> reads, writes;
    std::deque<Word> words;
    std::deque<Answer> answers;
    bool r_held = false, b_held = false;
    uint64_t beats_read = 0; // of this run
    Held last;

    bool interrupt()
    {
        return card->__SYM__interrupt;
    }
    bool stall()
    {
        return stall_per_16 && below(16) < stall_per_16;
    }
    bool write_stall()
    {
        const unsigned most = std::max(stall_per_16, write_stall_per_16);
        return most && below(16) < most;
    }

    uint64_t fold()
    {
        uint64_t data[kWords] = {}, sum = 0;
        spacc_port_get(data, card->m_axi_gmem_wdata);
        for (uint64_t word : data)
            sum = sum * 3 + word;
        return sum ^ (uint64_t)card->m_axi_gmem_wlast << 63;
    }

    void check_burst(uint64_t address, unsigned beats, unsigned size, unsigned burst)
    {
        if (address % kBeat || burst != 1 || 1u << size != kBeat)
            die("a burst is not of whole words of the bus, upwards");
        if (address / 4096 != (address + (uint64_t)beats * kBeat - 1) / 4096)
            die("a burst crosses a line of 4 KiB");
        if (address < kMemory || address - kMemory + beats * kBeat > memory.size())
            die("the card left its memory");
    }

    // Normal, modifiable, bufferable accesses of one thread; whole beats are written.
    void check_constants()
    {
        const Vcard &c = *card;
        if (c.m_axi_gmem_arvalid &&
            (c.m_axi_gmem_arid || c.m_axi_gmem_arlock || c.m_axi_gmem_arcache != 3 ||
             c.m_axi_gmem_arprot || c.m_axi_gmem_arqos || c.m_axi_gmem_arregion))
            die("a read is not a plain access");
        if (c.m_axi_gmem_awvalid &&
            (c.m_axi_gmem_awid || c.m_axi_gmem_awlock || c.m_axi_gmem_awcache != 3 ||
             c.m_axi_gmem_awprot || c.m_axi_gmem_awqos || c.m_axi_gmem_awregion))
            die("a write is not a plain access");
    }

    // Valid stays, with the same payload, until it is taken.
    void check_rules()
    {
        check_constants();
        const Vcard &c = *card;
        const uint64_t wdata = c.m_axi_gmem_wvalid ? fold() : 0;
        if ((last.ar && (!c.m_axi_gmem_arvalid || c.m_axi_gmem_araddr != last.araddr ||
                         c.m_axi_gmem_arlen != last.arlen)) ||
            (last.aw && (!c.m_axi_gmem_awvalid || c.m_axi_gmem_awaddr != last.awaddr ||
                         c.m_axi_gmem_awlen != last.awlen)) ||
            (last.w && (!c.m_axi_gmem_wvalid || wdata != last.wdata)))
            die("a payload changed before it was taken");
        last.ar = c.m_axi_gmem_arvalid && !c.m_axi_gmem_arready;
        last.aw = c.m_axi_gmem_awvalid && !c.m_axi_gmem_awready;
        last.w = c.m_axi_gmem_wvalid && !c.m_axi_gmem_wready;
        last.araddr = c.m_axi_gmem_araddr;
        last.arlen = c.m_axi_gmem_arlen;
        last.awaddr = c.m_axi_gmem_awaddr;
        last.awlen = c.m_axi_gmem_awlen;
        last.wdata = wdata;
        if (c.m_axi_gmem_arvalid)
            check_burst(c.m_axi_gmem_araddr, c.m_axi_gmem_arlen + 1u, c.m_axi_gmem_arsize,
                        c.m_axi_gmem_arburst);
        if (c.m_axi_gmem_awvalid) {
            check_burst(c.m_axi_gmem_awaddr, c.m_axi_gmem_awlen + 1u, c.m_axi_gmem_awsize,
                        c.m_axi_gmem_awburst);
            if (c.m_axi_gmem_awaddr < write_from ||
                c.m_axi_gmem_awaddr + (c.m_axi_gmem_awlen + 1u) * kBeat > write_to)
                die("a write outside the output region");
        }
    }

    // Two builds of a card do the same when their trails are equal.
    void mix(uint64_t v)
    {
        trail = (trail ^ v) * 1099511628211u;
    }
    void follow()
    {
        const unsigned valid =
            (unsigned)(card->m_axi_gmem_arvalid | card->m_axi_gmem_awvalid << 1 |
                       card->m_axi_gmem_wvalid << 2 | card->m_axi_gmem_rready << 3 |
                       card->m_axi_gmem_bready << 4 | card->s_axi_control_rvalid << 5 |
                       card->s_axi_control_bvalid << 6 | interrupt() << 7);
        mix(valid);
        if (valid & 1)
            mix(card->m_axi_gmem_araddr << 8 | card->m_axi_gmem_arlen);
        if (valid & 2)
            mix(card->m_axi_gmem_awaddr << 8 | card->m_axi_gmem_awlen);
        if (valid & 4)
            mix(last.wdata);
        if (valid & 32)
            mix(card->s_axi_control_rdata);
    }

    unsigned answer(uint64_t address, uint64_t beat)
    {
        return address == error_at || beat == error_after ? error_answer : 0;
    }

    // What the memory shows in this cycle; valid signals stay until taken.
    void drive()
    {
        card->m_axi_gmem_arready = !stall() && reads.size() < 8;
        card->m_axi_gmem_awready = !write_stall() && writes.size() < 8;
        card->m_axi_gmem_wready = !write_stall();
        if (!r_held && !reads.empty() && reads.front().ready_at <= now &&
            reads.front().address != dead_at)
            r_held = !stall();
        card->m_axi_gmem_rvalid = r_held;
        if (r_held) {
            uint64_t data[kWords];
            std::memcpy(data, &memory[reads.front().address - kMemory], kBeat);
            spacc_port_put(card->m_axi_gmem_rdata, data);
            card->m_axi_gmem_rlast = reads.front().beats == 1;
            card->m_axi_gmem_rresp = (uint8_t)answer(reads.front().address, beats_read);
        }
        if (!b_held)
            b_held = !answers.empty() && answers.front().at != dead_at && !write_stall();
        card->m_axi_gmem_bvalid = b_held;
        if (b_held)
            card->m_axi_gmem_bresp = (uint8_t)answers.front().response;
    }

    void take_addresses()
    {
        const bool ar = card->m_axi_gmem_arvalid && card->m_axi_gmem_arready;
        const bool aw = card->m_axi_gmem_awvalid && card->m_axi_gmem_awready;
        stalls[0] += card->m_axi_gmem_arvalid && !ar;
        stalls[2] += card->m_axi_gmem_awvalid && !aw;
        if (ar)
            reads.push_back(
                {card->m_axi_gmem_araddr, card->m_axi_gmem_arlen + 1u, now + latency});
        if (aw)
            writes.push_back({card->m_axi_gmem_awaddr, card->m_axi_gmem_awlen + 1u, 0});
    }

    void take_data()
    {
        const bool w = card->m_axi_gmem_wvalid && card->m_axi_gmem_wready;
        const bool r = card->m_axi_gmem_rvalid && card->m_axi_gmem_rready;
        const bool b = card->m_axi_gmem_bvalid && card->m_axi_gmem_bready;
        stalls[1] += card->m_axi_gmem_rready && !card->m_axi_gmem_rvalid && !reads.empty();
        stalls[3] += card->m_axi_gmem_wvalid && !w;
        stalls[4] += card->m_axi_gmem_bready && !card->m_axi_gmem_bvalid && !answers.empty();
        if (w) {
            Word word;
            spacc_port_get(word.data, card->m_axi_gmem_wdata);
            word.strobes = card->m_axi_gmem_wstrb;
            word.last = card->m_axi_gmem_wlast;
            words.push_back(word);
        }
        if (r) {
            r_held = false;
            beats_read++;
            reads.front().address += kBeat;
            if (--reads.front().beats == 0)
                reads.pop_front();
        }
        if (b) {
            b_held = false;
            answers.pop_front();
        }
    }

    void write_word(uint64_t address, const Word &word)
    {
        const uint8_t *data = reinterpret_cast<const uint8_t *>(word.data);
        for (unsigned byte = 0; byte < kBeat; byte++)
            if (word.strobes >> byte & 1)
                memory[address - kMemory + byte] = data[byte];
    }

    void finish_writes()
    {
        while (!writes.empty() && words.size() >= writes.front().beats) {
            Answer b = {0, 0};
            for (unsigned i = 0; i < writes.front().beats; i++) {
                const uint64_t at = writes.front().address + i * kBeat;
                if (words.front().last != (i + 1 == writes.front().beats))
                    die("WLAST is not at the end of a burst");
                write_word(at, words.front());
                b.response = std::max(b.response, answer(at, UINT64_MAX - 1));
                if (at == dead_at)
                    b.at = at;
                words.pop_front();
            }
            writes.pop_front();
            answers.push_back(b);
        }
    }
};

} // namespace

#endif
