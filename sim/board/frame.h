// frame.h - requests and answers of rtl/spacc_bridge.sv, written a second time for the
// benches: nothing here is shared with host/card/uart.c.
#ifndef SPACC_SIM_BOARD_FRAME_H
#define SPACC_SIM_BOARD_FRAME_H

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

enum bridge_command { IDENTIFY, POLL, REG_READ, REG_WRITE, MEM_READ, MEM_WRITE, CARD_RESET };
enum bridge_status { OK, NAK, BUS, TIMEOUT, RANGE, COMMAND };

using bytes = std::vector<uint8_t>;

// Bit by bit, as the definition of the CRC reads.
inline uint16_t frame_crc(const uint8_t *data, size_t size)
{
    unsigned crc = 0xffff;
    for (size_t i = 0; i < size; i++)
        for (int bit = 7; bit >= 0; bit--) {
            const bool carry = (crc >> 15 & 1) != (data[i] >> bit & 1u);
            crc = (crc << 1 & 0xffff) ^ (carry ? 0x1021u : 0u);
        }
    return static_cast<uint16_t>(crc);
}

inline bytes frame_request(uint8_t tag, uint8_t command, uint32_t address, uint16_t length,
                           const bytes &payload = {})
{
    bytes f = {0xa5, tag, command};
    for (int i = 0; i < 4; i++)
        f.push_back(static_cast<uint8_t>(address >> 8 * i));
    f.push_back(static_cast<uint8_t>(length));
    f.push_back(static_cast<uint8_t>(length >> 8));
    f.insert(f.end(), payload.begin(), payload.end());
    const uint16_t crc = frame_crc(f.data() + 1, f.size() - 1);
    f.push_back(static_cast<uint8_t>(crc >> 8));
    f.push_back(static_cast<uint8_t>(crc));
    return f;
}

struct frame_answer {
    uint8_t tag, status;
    bytes payload;
};

// Takes one answer from the front of `in`. 1: done; 0: not all there yet; -1: no answer.
inline int frame_take(std::deque<uint8_t> &in, frame_answer *answer)
{
    if (in.size() < 7)
        return 0;
    const size_t length = in[3] | static_cast<size_t>(in[4]) << 8;
    if (in.size() < 7 + length)
        return 0;
    const bytes f(in.begin(), in.begin() + static_cast<long>(7 + length));
    in.erase(in.begin(), in.begin() + static_cast<long>(7 + length));
    if (f[0] != 0x5a || frame_crc(f.data() + 1, f.size() - 1) != 0)
        return -1;
    *answer = {f[1], f[2], bytes(f.begin() + 5, f.end() - 2)};
    return 1;
}

#endif
