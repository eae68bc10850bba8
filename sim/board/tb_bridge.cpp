// The bridge against a model of its protocol: random requests whole, damaged, repeated,
// with gaps; a card that answers late, with errors or not at all.
// Replay a failure: ./tb_bridge <seed>
// verilator: -GGapClocks=200 -GLiteClocks=100 -GPayloadBytes=64 -GMemoryBytes=4096
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "Vspacc_bridge.h"
#include "sim/board/frame.h"
#include "verilated.h"

namespace
{

constexpr int GAP = 200, LITE = 100;
constexpr uint32_t PAYLOAD = 64, BYTES = 4096, BASE = 0x80000000, BAD_OFFSET = 0xf00;

struct bench {
    VerilatedContext ctx;
    Vspacc_bridge dut{&ctx};
    std::mt19937 rng;
    int errors = 0;
    uint64_t cycle = 0;

    // What the bridge talks to.
    uint32_t reg[1024] = {};
    int reg_reads = 0, reg_writes = 0, resets = 0;
    bool deaf = false, mute = false, memory_stuck = false;
    bool aw_held = false, w_held = false, ar_held = false;
    uint32_t awaddr = 0, wdata = 0, araddr = 0;
    uint8_t memory[BYTES] = {};
    bool byte_due = false;
    uint8_t byte_next = 0;
    bool was_reset = false;
    int reset_clocks = 0;

    std::deque<uint8_t> answer;
    uint64_t last_byte = 0; // cycle of the last byte sent to the bridge
    uint64_t first_answer = 0;
    uint8_t tag = 0;
    int good = 0, naks = 0, repeats = 0;

    explicit bench(unsigned seed) : rng(seed)
    {
    }

    void check(uint64_t got, uint64_t want, const char *what)
    {
        if (got != want && errors++ < 10)
            std::printf("cycle %" PRIu64 ": %s: got 0x%" PRIx64 ", want 0x%" PRIx64 "\n", cycle,
                        what, got, want);
    }

    void card_drive()
    {
        const bool now = !deaf && rng() % 3 == 0;
        dut.m_awready_i = now && !aw_held;
        dut.m_wready_i = !deaf && !w_held && rng() % 3 == 0;
        dut.m_arready_i = now && !ar_held;
        if (!dut.m_bvalid_i && aw_held && w_held && !mute && rng() % 4 == 0) {
            dut.m_bvalid_i = 1;
            dut.m_bresp_i = awaddr == BAD_OFFSET ? 2 : 0;
        }
        if (!dut.m_rvalid_i && ar_held && !mute && rng() % 4 == 0) {
            dut.m_rvalid_i = 1;
            dut.m_rresp_i = araddr == BAD_OFFSET ? 3 : 0;
            dut.m_rdata_i = reg[araddr / 4];
        }
        dut.port_ready_i = !memory_stuck && rng() % 4 != 0;
        dut.port_valid_i = byte_due;
        dut.port_data_i = byte_next;
    }

    void card_take()
    {
        if (!dut.card_rst_no) {
            aw_held = w_held = ar_held = false;
            dut.m_bvalid_i = dut.m_rvalid_i = 0;
            resets += !was_reset;
            was_reset = true;
            reset_clocks++;
            byte_due = false;
            return;
        }
        if (was_reset && resets > 1) // the first is the bridge's own
            check(reset_clocks >= 16, 1, "16 clocks of reset");
        was_reset = false;
        reset_clocks = 0;
        byte_due = false;
        if (dut.m_awvalid_o && dut.m_awready_i) {
            aw_held = true;
            awaddr = dut.m_awaddr_o;
        }
        if (dut.m_wvalid_o && dut.m_wready_i) {
            w_held = true;
            wdata = dut.m_wdata_o;
            check(dut.m_wstrb_o, 0xf, "strobes");
        }
        if (dut.m_arvalid_o && dut.m_arready_i) {
            ar_held = true;
            araddr = dut.m_araddr_o;
        }
    }

    void memory_take()
    {
        if (!dut.port_valid_o || !dut.port_ready_i)
            return;
        if (dut.port_write_o)
            memory[dut.port_address_o] = dut.port_data_o;
        byte_due = !dut.port_write_o;
        byte_next = memory[dut.port_address_o];
    }

    void write_answered()
    {
        reg[awaddr / 4] = wdata;
        reg_writes++;
        aw_held = w_held = false;
        dut.m_bvalid_i = 0;
    }

    void read_answered()
    {
        reg[araddr / 4] += 3; // a register that changes by being read
        reg_reads++;
        ar_held = false;
        dut.m_rvalid_i = 0;
    }

    void tick()
    {
        card_drive();
        dut.tx_ready_i = rng() % 2;
        dut.eval();
        if (dut.tx_valid_o && dut.tx_ready_i) {
            if (answer.empty())
                first_answer = cycle;
            answer.push_back(dut.tx_data_o);
        }
        const bool b = dut.m_bvalid_i && dut.m_bready_o, r = dut.m_rvalid_i && dut.m_rready_o;
        card_take();
        memory_take();
        dut.clk_i = 1;
        dut.eval();
        dut.clk_i = 0;
        if (b)
            write_answered();
        if (r)
            read_answered();
        dut.rx_valid_i = 0;
        dut.eval();
        cycle++;
    }

    void ticks(int count)
    {
        for (int i = 0; i < count; i++)
            tick();
    }

    void byte(uint8_t value)
    {
        dut.rx_data_i = value;
        dut.rx_valid_i = 1;
        last_byte = cycle;
        tick();
        ticks(rng() % 50 ? static_cast<int>(rng() % 3) : static_cast<int>(rng() % (GAP - 20)));
    }

    void send(const bytes &frame)
    {
        for (const uint8_t b : frame)
            byte(b);
    }

    // The answer, or a complaint. Nothing comes behind it.
    frame_answer take()
    {
        frame_answer a = {0, 255, {}};
        int got = 0;
        for (int i = 0; i < 20000 && got == 0; i++) {
            got = frame_take(answer, &a);
            if (got == 0)
                tick();
        }
        check(static_cast<uint64_t>(got), 1, "an answer");
        ticks(static_cast<int>(rng() % 20));
        check(answer.size(), 0, "bytes behind the answer");
        answer.clear();
        return a;
    }

    frame_answer ask(uint8_t command, uint32_t address, uint16_t length,
                     const bytes &payload = {})
    {
        tag++;
        send(frame_request(tag, command, address, length, payload));
        const frame_answer a = take();
        check(a.tag, tag, "tag");
        if (a.status != OK)
            check(a.payload.size(), 0, "payload of a refusal");
        good++;
        return a;
    }

    void status(const frame_answer &a, unsigned want, const char *what)
    {
        check(a.status, want, what);
    }

    static uint32_t word(const bytes &p, size_t at)
    {
        return p.size() < at + 4 ? 0xdeadbeef
                                 : p[at] | p[at + 1] << 8 | p[at + 2] << 16 |
                                       static_cast<uint32_t>(p[at + 3]) << 24;
    }

    static bytes word_bytes(uint32_t v)
    {
        return {static_cast<uint8_t>(v), static_cast<uint8_t>(v >> 8),
                static_cast<uint8_t>(v >> 16), static_cast<uint8_t>(v >> 24)};
    }

    bytes random_bytes(size_t count)
    {
        bytes v(count);
        for (uint8_t &b : v)
            b = rng() % 8 ? static_cast<uint8_t>(rng()) : 0xa5;
        return v;
    }

    // ---- what the requests should do

    void identify()
    {
        const frame_answer a = ask(IDENTIFY, 0, 0);
        status(a, OK, "identify");
        check(a.payload.size(), 16, "size of the identity");
        check(word(a.payload, 0), PAYLOAD << 16 | 1, "protocol version and longest payload");
        check(word(a.payload, 4), BASE, "memory base");
        check(word(a.payload, 8), BYTES, "memory bytes");
        check(word(a.payload, 12), 12000000, "clock");
    }

    void poll()
    {
        dut.interrupt_i = rng() % 2;
        const uint64_t before = cycle;
        const frame_answer a = ask(POLL, 0, 0);
        status(a, OK, "poll");
        check(word(a.payload, 0) >> 31, dut.interrupt_i, "interrupt");
        static uint64_t last_cycle;
        static uint32_t last_count;
        const uint32_t count = word(a.payload, 0) & 0x7fffffff;
        if (last_cycle)
            check(count - last_count >= before - last_cycle &&
                      count - last_count <= cycle - last_cycle + 20000,
                  1, "clocks go on");
        last_cycle = cycle;
        last_count = count;
    }

    uint32_t offset()
    {
        return rng() % (BAD_OFFSET / 4) * 4;
    }

    void read_register()
    {
        const uint32_t at = offset(), want = reg[at / 4];
        const frame_answer a = ask(REG_READ, at, 4);
        status(a, OK, "register read");
        check(word(a.payload, 0), want, "register");
    }

    void write_register()
    {
        const uint32_t at = offset(), value = static_cast<uint32_t>(rng());
        const frame_answer a = ask(REG_WRITE, at, 4, word_bytes(value));
        status(a, OK, "register write");
        check(reg[at / 4], value, "register after a write");
    }

    void read_memory()
    {
        const uint32_t size = rng() % (PAYLOAD + 1), at = rng() % (BYTES - size + 1);
        const frame_answer a = ask(MEM_READ, BASE + at, static_cast<uint16_t>(size));
        status(a, OK, "memory read");
        check(a.payload == bytes(memory + at, memory + at + size), 1, "memory read is right");
    }

    void write_memory()
    {
        const uint32_t size = rng() % (PAYLOAD + 1), at = rng() % (BYTES - size + 1);
        const bytes data = random_bytes(size);
        const uint8_t before = at ? memory[at - 1] : 0,
                      behind = at + size < BYTES ? memory[at + size] : 0;
        status(ask(MEM_WRITE, BASE + at, static_cast<uint16_t>(size), data), OK,
               "memory write");
        check(data == bytes(memory + at, memory + at + size), 1, "memory written is right");
        check(at ? memory[at - 1] : 0, before, "byte in front");
        check(at + size < BYTES ? memory[at + size] : 0, behind, "byte behind");
    }

    void refused()
    {
        status(ask(MEM_READ, BASE + BYTES - 3, 4), RANGE, "read past the end");
        status(ask(MEM_READ, BASE, PAYLOAD + 1), RANGE, "read too long");
        status(ask(MEM_READ, BASE - 1, 1), RANGE, "read in front");
        status(ask(MEM_READ, 0, 1), RANGE, "read at 0");
        status(ask(MEM_WRITE, 0xffffffff, 2, {1, 2}), RANGE, "write around the end");
        status(ask(MEM_WRITE, BASE, PAYLOAD + 9, random_bytes(PAYLOAD + 9)), RANGE,
               "write too long");
        status(ask(MEM_READ, BASE + BYTES - 4, 4), OK, "the last bytes");
        status(ask(MEM_READ, BASE + BYTES, 0), OK, "no bytes, at the end");
        status(ask(7, 0, 0), COMMAND, "unknown command");
        status(ask(255, 0, 0), COMMAND, "unknown command");
        status(ask(REG_READ, 0, 3), COMMAND, "short register read");
        status(ask(REG_WRITE, 0, 2, {1, 2}), COMMAND, "short register write");
        status(ask(REG_WRITE, 0, 0), COMMAND, "empty register write");
        status(ask(POLL, 0, 1), COMMAND, "long poll");
        status(ask(IDENTIFY, 0, 1), COMMAND, "long identify");
        const int were = resets;
        status(ask(CARD_RESET, 0, 1), COMMAND, "long reset");
        check(static_cast<uint64_t>(resets), static_cast<uint64_t>(were), "resets refused");
        status(ask(REG_READ, BAD_OFFSET, 4), BUS, "register read with an error");
        status(ask(REG_WRITE, BAD_OFFSET, 4, word_bytes(1)), BUS,
               "register write with an error");
        reg[BAD_OFFSET / 4] = 0;
        send(frame_request(tag, REG_WRITE, BAD_OFFSET, 4, word_bytes(1)));
        status(take(), BUS, "the same again");
        check(reg[BAD_OFFSET / 4], 0, "writes of the same");
    }

    void any()
    {
        switch (rng() % 7) {
        case 0: identify(); break;
        case 1: poll(); break;
        case 2: read_register(); break;
        case 3: write_register(); break;
        case 4: read_memory(); break;
        default: write_memory(); break;
        }
    }

    // ---- damage

    bytes damaged(bytes f)
    {
        const size_t at = rng() % f.size();
        switch (rng() % 5) {
        case 0: f[at] ^= static_cast<uint8_t>(1u << rng() % 8); break;
        case 1: f.erase(f.begin() + static_cast<long>(at)); break;
        case 2: f.resize(at ? at : 1); break;
        case 3: f.insert(f.begin(), static_cast<uint8_t>(rng() % 0xa5)); break;
        default: // one bit of a byte and one of the next
            f[at] ^= 1;
            f[(at + 1) % f.size()] ^= 0x80;
            break;
        }
        return f;
    }

    // Nothing is done, one NAK comes, and not before the line was silent.
    void damage()
    {
        const uint8_t command = rng() % 2 ? REG_WRITE : MEM_WRITE;
        const bytes payload = command == REG_WRITE ? word_bytes(static_cast<uint32_t>(rng()))
                                                   : random_bytes(rng() % 40);
        const bytes f =
            damaged(frame_request(++tag, command, command == REG_WRITE ? 64 : BASE + 100,
                                  static_cast<uint16_t>(payload.size()), payload));
        const bytes before(memory, memory + BYTES);
        const int reads = reg_reads, writes = reg_writes, were = resets;
        send(f);
        const frame_answer a = take();
        status(a, NAK, "damaged request");
        check(a.payload.size(), 0, "payload of a NAK");
        check(first_answer - last_byte >= GAP, 1, "NAK after silence");
        check(first_answer - last_byte <= GAP + 40, 1, "NAK soon after silence");
        check(before == bytes(memory, memory + BYTES), 1, "memory after damage");
        check(static_cast<uint64_t>(reg_reads - reads + reg_writes - writes + resets - were), 0,
              "deeds after damage");
        naks++;
    }

    // A repeated tag gives the old answer and does nothing.
    void repeat()
    {
        const uint32_t at = offset(), want = reg[at / 4];
        const int command = static_cast<int>(rng() % 3);
        const int reads = reg_reads, writes = reg_writes, were = resets;
        const bytes f = command == 0 ? frame_request(++tag, REG_READ, at, 4)
                        : command == 1
                            ? frame_request(++tag, REG_WRITE, at, 4, word_bytes(want + 77))
                            : frame_request(++tag, CARD_RESET, 0, 0);
        for (int i = 0; i < 3; i++) {
            if (i > 0 && rng() % 2) {
                const uint8_t kept = tag;
                damage();
                tag = kept;
            }
            if (command == 1 && i > 0)
                reg[at / 4] = want; // a second write would show
            send(f);
            const frame_answer a = take();
            status(a, OK, "repetition");
            check(a.tag, tag, "tag of a repetition");
            if (command == 0)
                check(word(a.payload, 0), want, "register, repeated");
            repeats++;
        }
        check(static_cast<uint64_t>(reg_reads - reads), command == 0,
              "register reads of three requests");
        check(static_cast<uint64_t>(reg_writes - writes), command == 1,
              "register writes of three requests");
        check(static_cast<uint64_t>(resets - were), command == 2, "resets of three requests");
        tag += 3; // those of damage()
    }

    void silence()
    {
        deaf = true;
        status(ask(REG_READ, 16, 4), TIMEOUT, "deaf card");
        status(ask(REG_WRITE, 16, 4, word_bytes(1)), TIMEOUT, "deaf card, again");
        read_memory();
        poll();
        if (rng() % 2) { // it wakes up: the old access is answered to nobody
            deaf = false;
            ticks(200);
            read_register();
            deaf = true;
            status(ask(REG_WRITE, 20, 4, word_bytes(1)), TIMEOUT, "deaf to a write");
            status(ask(REG_READ, 16, 4), TIMEOUT, "deaf to a read behind");
        }
        deaf = false;
        if (rng() % 2)
            deaf = true;
        status(ask(CARD_RESET, 0, 0), OK, "reset");
        deaf = false;
        read_register();
        write_register();
        mute = true;
        status(rng() % 2 ? ask(REG_READ, 16, 4) : ask(REG_WRITE, 16, 4, word_bytes(1)), TIMEOUT,
               "mute card");
        status(ask(CARD_RESET, 0, 0), OK, "reset of a mute card");
        mute = false;
        read_register();
        memory_stuck = true;
        status(ask(MEM_READ, BASE, 8), TIMEOUT, "stuck memory read");
        status(ask(MEM_WRITE, BASE, 2, {1, 2}), TIMEOUT, "stuck memory write");
        memory_stuck = false;
        read_memory();
    }

    // Bytes that come while an answer goes out are lost, and the rest of them is damage.
    void interrupted_answer()
    {
        const bytes request = frame_request(++tag, MEM_READ, BASE, 32);
        send(bytes(request.begin(), request.end() - 1));
        dut.rx_valid_i = 1;
        dut.rx_data_i = request.back();
        while (answer.empty())
            tick();
        const bytes f =
            frame_request(static_cast<uint8_t>(tag + 1), REG_WRITE, 64, 4, word_bytes(5));
        const int writes = reg_writes;
        for (size_t i = 0; i + 1 < f.size(); i++) {
            dut.rx_valid_i = 1;
            dut.rx_data_i = f[i];
            tick();
        }
        const frame_answer a = take();
        status(a, OK, "read with noise");
        byte(f.back());
        const frame_answer b = take();
        status(b, NAK, "what was left of the noise");
        check(static_cast<uint64_t>(reg_writes - writes), 0, "writes by noise");
        tag++;
    }
};

} // namespace

int main(int argc, char **argv)
{
    const unsigned seed = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 1;
    bench b(seed);
    b.ctx.assertOn(true);
    b.dut.rst_ni = 0;
    b.dut.rx_valid_i = b.dut.rx_busy_i = 0;
    b.dut.m_bvalid_i = b.dut.m_rvalid_i = 0;
    b.ticks(3);
    b.dut.rst_ni = 1;
    b.answer.clear();
    for (uint32_t &value : b.reg)
        value = static_cast<uint32_t>(b.rng());
    b.tag = 255; // the first request of all is no repetition of one before the reset
    b.read_register();
    b.identify();
    for (int i = 0; i < 300; i++) {
        for (int j = 0; j < 4; j++)
            b.any();
        b.damage();
        b.any();
        b.repeat();
        if (i % 10 == 0) {
            b.refused();
            b.silence();
            b.interrupted_answer();
        }
    }
    const bool ran = b.good > 1500 && b.naks > 300 && b.repeats == 900 && b.reg_writes > 200;
    std::printf("%s seed=%u good=%d naks=%d repeats=%d cycles=%" PRIu64 " errors=%d\n",
                b.errors == 0 && ran ? "PASS" : "FAIL", seed, b.good, b.naks, b.repeats,
                b.cycle, b.errors);
    return b.errors == 0 && ran ? 0 : 1;
}
