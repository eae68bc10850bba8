// port.h - between the 64-bit words of pins.h and a data port of a Verilated model,
// which is a QData up to 64 bits and a VlWide of 32-bit words beyond.
#ifndef SPACC_SIM_PORT_H
#define SPACC_SIM_PORT_H

#include <cstddef>
#include <cstdint>

#include "verilated.h"

inline void spacc_port_put(QData &port, const uint64_t *words)
{
    port = words[0];
}

template <std::size_t Words>
inline void spacc_port_put(VlWide<Words> &port, const uint64_t *words)
{
    for (std::size_t i = 0; i < Words; i++)
        port[i] = static_cast<EData>(words[i / 2] >> 32 * (i % 2));
}

inline void spacc_port_get(uint64_t *words, const QData &port)
{
    words[0] = port;
}

template <std::size_t Words>
inline void spacc_port_get(uint64_t *words, const VlWide<Words> &port)
{
    for (std::size_t i = 0; i < Words; i += 2)
        words[i / 2] = port[i] | static_cast<uint64_t>(port[i + 1]) << 32;
}

#endif
