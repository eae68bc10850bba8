// The serial port against a line that is a little too fast or too slow: every byte both
// ways at once, spikes, bytes without a stop bit, breaks. Replay a failure: ./tb_uart <seed>
// verilator: -GDivider=16
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <random>

#include "Vspacc_uart.h"
#include "verilated.h"

namespace
{

constexpr double DIVIDER = 16;

struct bench {
    VerilatedContext ctx;
    Vspacc_uart dut{&ctx};
    std::mt19937 rng;
    int errors = 0, received = 0, sent = 0, framing = 0, waits = 0;
    uint64_t cycle = 0;

    std::deque<uint8_t> want_rx, want_tx;
    double scale = 1; // length of the line's bits, in ours
    bool level = true;

    // What the transmitter does, seen from the line.
    uint64_t tx_start = 0;
    bool tx_in_byte = false;
    unsigned tx_bits = 0, tx_shift = 0;

    explicit bench(unsigned seed) : rng(seed)
    {
    }

    void complain(const char *what, unsigned got, unsigned want)
    {
        if (errors++ < 10)
            std::printf("cycle %llu: %s: got %u, want %u\n",
                        static_cast<unsigned long long>(cycle), what, got, want);
    }

    void check_rx()
    {
        if (!dut.rx_valid_o)
            return;
        received++;
        const unsigned want = want_rx.empty() ? 256u : want_rx.front();
        if (dut.rx_data_o != want)
            complain("byte received", dut.rx_data_o, want);
        if (!want_rx.empty())
            want_rx.pop_front();
    }

    void check_tx()
    {
        if (!tx_in_byte && !dut.tx_o) {
            tx_in_byte = true;
            tx_start = cycle;
            tx_bits = tx_shift = 0;
        }
        if (!tx_in_byte || cycle != tx_start + 8 + tx_bits * 16)
            return;
        tx_shift |= static_cast<unsigned>(dut.tx_o) << tx_bits++;
        if (tx_bits < 10)
            return;
        tx_in_byte = false;
        const unsigned want = want_tx.empty() ? ~0u : 0x200u | want_tx.front() * 2u;
        if (tx_shift != want)
            complain("bits sent", tx_shift, want);
        if (!want_tx.empty())
            want_tx.pop_front();
        sent++;
    }

    void tick()
    {
        dut.rx_i = level;
        dut.eval();
        const bool taken = dut.tx_valid_i && dut.tx_ready_o;
        waits += dut.tx_valid_i && !dut.tx_ready_o;
        if (taken)
            want_tx.push_back(dut.tx_data_i);
        check_rx();
        check_tx();
        dut.clk_i = 1;
        dut.eval();
        dut.clk_i = 0;
        dut.eval();
        cycle++;
        if (taken)
            dut.tx_valid_i = 0;
        if (!dut.tx_valid_i && rng() % 100 == 0) {
            dut.tx_valid_i = 1;
            dut.tx_data_i = static_cast<uint8_t>(rng());
        }
    }

    // A level until the line's clock says `until` (in its bits since `begin`).
    void hold(bool to, double begin, double until)
    {
        level = to;
        while (static_cast<double>(cycle) < begin + until * DIVIDER * scale)
            tick();
    }

    void send(uint8_t byte, bool stop)
    {
        const double begin = static_cast<double>(cycle);
        if (stop)
            want_rx.push_back(byte);
        framing += !stop;
        hold(false, begin, 1);
        for (int i = 0; i < 8; i++)
            hold(byte >> i & 1, begin, 2 + i);
        hold(stop, begin, 10);
    }

    void pause(double bits)
    {
        hold(true, static_cast<double>(cycle), bits);
    }

    void settled(const char *after)
    {
        pause(12);
        if (!want_rx.empty())
            complain(after, static_cast<unsigned>(want_rx.size()), 0);
        if (dut.rx_busy_o)
            complain("busy on a silent line", 1, 0);
    }
};

} // namespace

int main(int argc, char **argv)
{
    const unsigned seed = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 1;
    bench b(seed);
    b.ctx.assertOn(true);
    b.dut.rst_ni = 0;
    b.dut.rx_i = 1;
    for (int i = 0; i < 4; i++)
        b.tick();
    if (b.dut.rx_busy_o)
        b.complain("busy in reset", 1, 0);
    b.dut.tx_valid_i = 0;
    b.want_tx.clear(); // what was there before the reset is nobody's
    b.tx_in_byte = false;
    b.dut.rst_ni = 1;
    b.pause(2);

    // Every byte back to back, the line's bits 4 % short, right and 4 % long.
    for (const double scale : {0.96, 1.0, 1.04}) {
        b.scale = scale;
        for (int i = 0; i < 256; i++)
            b.send(static_cast<uint8_t>(i), true);
        b.settled("every byte");
    }
    b.scale = 1;
    const int clean = b.received;
    // A spike shorter than half a bit is none of a byte.
    for (int i = 0; i < 50; i++) {
        b.hold(false, static_cast<double>(b.cycle), 0.3);
        b.pause(1);
        b.send(static_cast<uint8_t>(b.rng()), true);
        b.settled("a spike");
    }
    // A byte without a stop bit, then a break of random length, then a byte.
    for (int i = 0; i < 50; i++) {
        b.send(static_cast<uint8_t>(b.rng()), false);
        b.hold(false, static_cast<double>(b.cycle), b.rng() % 40);
        b.settled("a break");
        b.send(static_cast<uint8_t>(b.rng()), true);
        b.settled("a byte after a break");
    }
    const bool ran = clean == 3 * 256 && b.received == clean + 100 && b.framing == 50 &&
                     b.sent > 500 && b.waits > 100;
    std::printf("%s seed=%u received=%d sent=%d framing=%d waits=%d errors=%d\n",
                b.errors == 0 && ran ? "PASS" : "FAIL", seed, b.received, b.sent, b.framing,
                b.waits, b.errors);
    return b.errors == 0 && ran ? 0 : 1;
}
