// serial.h - the host's end of a serial line, clock by clock: what a board's uart_rx
// sees, and what its uart_tx says. 8N1, the bits of a byte lowest first.
//
//   line.step(tx) once a clock: takes the level of uart_tx, gives that of uart_rx
#ifndef SPACC_SIM_BOARD_SERIAL_H
#define SPACC_SIM_BOARD_SERIAL_H

#include <cstdint>
#include <deque>
#include <random>

struct serial_line {
    explicit serial_line(unsigned clocks_a_bit, unsigned seed = 1)
        : divider(clocks_a_bit), rng(seed)
    {
    }

    std::deque<uint8_t> to_board;   // bytes to send; taken from the front
    std::deque<uint8_t> from_board; // bytes that came
    uint64_t bad_stops = 0;         // bytes from the board without a stop bit

    // Damage, both ways, chances in a million.
    unsigned flips_per_million = 0; // of a bit, start and stop bits too
    unsigned drops_per_million = 0; // of a byte
    uint64_t flips = 0, drops = 0;

    bool sending() const
    {
        return !to_board.empty() || out_bits_ > 0;
    }

    bool idle() const
    {
        return !sending() && in_bit_ < 0;
    }

    bool step(bool tx)
    {
        receive(tx);
        return send();
    }

  private:
    const unsigned divider;
    std::mt19937_64 rng;
    unsigned out_shift_ = 0, out_bits_ = 0, out_clock_ = 0;
    int in_bit_ = -1; // 0: start bit, 1..8 data, 9 stop; -1: none
    unsigned in_clock_ = 0, in_shift_ = 0;
    bool in_low_ = false; // wait for the line to be high again

    bool chance(unsigned per_million)
    {
        return per_million && rng() % 1000000 < per_million;
    }

    bool drop()
    {
        const bool lost = chance(drops_per_million);
        drops += lost;
        return lost;
    }

    bool flip()
    {
        const bool flipped = chance(flips_per_million);
        flips += flipped;
        return flipped;
    }

    bool send()
    {
        if (out_bits_ == 0) {
            while (!to_board.empty() && drop())
                to_board.pop_front();
            if (to_board.empty())
                return true;
            out_shift_ = 1u << 9 | static_cast<unsigned>(to_board.front()) << 1;
            to_board.pop_front();
            for (unsigned bit = 0; bit < 10; bit++)
                out_shift_ ^= flip() ? 1u << bit : 0u;
            out_bits_ = 10;
            out_clock_ = 0;
        }
        const bool level = out_shift_ & 1;
        if (++out_clock_ == divider) {
            out_clock_ = 0;
            out_shift_ >>= 1;
            out_bits_--;
        }
        return level;
    }

    void receive(bool tx)
    {
        if (in_bit_ < 0) {
            in_low_ = in_low_ && !tx;
            if (tx || in_low_)
                return;
            in_bit_ = 0;
            in_clock_ = divider / 2;
        }
        if (in_clock_-- != 0)
            return;
        in_clock_ = divider - 1;
        const bool bit = tx != flip();
        if (in_bit_ == 0 && bit) {
            in_bit_ = -1; // a spike
        } else if (in_bit_ == 9) {
            finish(bit);
        } else {
            in_shift_ =
                in_bit_ == 0 ? 0u : in_shift_ | static_cast<unsigned>(bit) << (in_bit_ - 1);
            in_bit_++;
        }
    }

    void finish(bool stop)
    {
        in_bit_ = -1;
        in_low_ = !stop;
        if (!stop)
            bad_stops++;
        else if (!drop())
            from_board.push_back(static_cast<uint8_t>(in_shift_));
    }
};

#endif
