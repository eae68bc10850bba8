// micro_bench.h - the micro card behind AXI4-Lite and its byte port: the Bench that
// core_program.h and core_check.h are written for. start() brings the bytes of `memory` that
// the card does not have yet, finish() fetches those of region 3, every eighth time all of
// them: what a card wrote elsewhere is noticed then.
#ifndef SPACC_SIM_BOARD_MICRO_BENCH_H
#define SPACC_SIM_BOARD_MICRO_BENCH_H

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <vector>

#include "Vspacc_micro.h"
#include "rtl/card_map.h"
#include "sim/chance.h"
#include "verilated.h"

namespace
{

constexpr unsigned kBeat = 8; // what the card says: transfers are whole ones of these
constexpr uint64_t kMemory = UINT64_C(0x1a5500000000); // the card takes the low 16 bits
enum : size_t {
    kProgram = 0,
    kWeights = 0x1000,
    kInput = 0x6000,
    kOutput = 0xa000,
    kEnd = 0x10000
};

class Bench
{
  public:
    Bench()
    {
        context.assertOn(true);
        context.randReset(2);
        context.randSeed((int)below(1u << 30) + 1); // 0 would be the time of day
        dut.reset(new Vspacc_micro(&context));
        idle();
        reset();
        for (size_t i = 0; i < kEnd; i++)
            write_byte((uint16_t)i, 0);
    }

    std::vector<uint8_t> memory = std::vector<uint8_t>(kEnd);
    uint64_t write_from = 0, write_to = 0; // bus addresses: region 3
    uint64_t ready_early = 0; // cycles in which the byte port was ready during a run
    uint64_t delays = 0;      // cycles that answers waited for us
    uint64_t reads_meanwhile = 0;

    [[noreturn]] void die(const char *what) const
    {
        throw std::runtime_error(what);
    }

    void reset()
    {
        dut->rst_ni = 0;
        edge();
        edge();
        dut->rst_ni = 1;
    }

    bool interrupt()
    {
        dut->eval();
        return dut->interrupt_o;
    }

    void write_reg(uint32_t offset, uint32_t value)
    {
        bool address = true, data = true, late = one_in(2), first = one_in(2);
        dut->s_awaddr_i = (uint16_t)offset;
        dut->s_wdata_i = value;
        for (int wait = 0; address || data; wait++) {
            dut->s_awvalid_i = address && (wait > 2 || !late || first);
            dut->s_wvalid_i = data && (wait > 2 || !late || !first);
            dut->eval();
            const bool took_address = dut->s_awvalid_i && dut->s_awready_o;
            const bool took_data = dut->s_wvalid_i && dut->s_wready_o;
            edge();
            address &= !took_address;
            data &= !took_data;
            limit(wait);
        }
        dut->s_awvalid_i = dut->s_wvalid_i = 0;
        for (int wait = 0; !dut->s_bvalid_o; wait++, limit(wait))
            edge();
        keep_waiting();
        if (!dut->s_bvalid_o)
            die("an answer to a write went away");
        dut->s_bready_i = 1;
        edge();
        dut->s_bready_i = 0;
        if (dut->s_bvalid_o)
            die("a second answer to a write");
    }

    uint32_t read_reg(uint32_t offset)
    {
        dut->s_araddr_i = (uint16_t)offset;
        dut->s_arvalid_i = 1;
        dut->eval();
        for (int wait = 0; !dut->s_arready_o; wait++, limit(wait))
            edge();
        edge();
        dut->s_arvalid_i = 0;
        dut->s_araddr_i = (uint16_t)below(4096);
        for (int wait = 0; !dut->s_rvalid_o; wait++, limit(wait))
            edge();
        const uint32_t value = dut->s_rdata_o;
        keep_waiting();
        if (!dut->s_rvalid_o || dut->s_rdata_o != value)
            die("what was read did not stay");
        dut->s_rready_i = 1;
        edge();
        dut->s_rready_i = 0;
        return value;
    }

    void write_ptr(uint32_t offset, uint64_t value)
    {
        write_reg(offset, (uint32_t)value);
        write_reg(offset + 4, (uint32_t)(value >> 32));
    }
    uint64_t read_pair(uint32_t offset)
    {
        return read_reg(offset) | (uint64_t)read_reg(offset + 4) << 32;
    }
    uint64_t counter(int i)
    {
        return read_pair(SPACC_REG_COUNTER((uint32_t)i));
    }

    uint64_t owed() const // words that may come in a later run
    {
        return 0;
    }

    void start()
    {
        for (size_t i = 0; i < kEnd; i++)
            if (memory[i] != there[i])
                write_byte((uint16_t)i, memory[i]);
        write_reg(SPACC_REG_AP_CTRL, 1);
    }

    // Until AP_CTRL says done; returns the error code.
    uint32_t finish(uint64_t cycles)
    {
        const uint64_t until = now + cycles;
        for (uint32_t control = 0; !(control & 2); control = read_reg(SPACC_REG_AP_CTRL)) {
            if (now > until)
                die("never done");
            if (!(control & 2))
                wait_a_while();
        }
        if (read_reg(SPACC_REG_AP_CTRL) != 4)
            die("done was not cleared, or the card is not idle");
        const bool all = ++runs % 8 == 0;
        const size_t from = all ? 0 : write_from - kMemory,
                     to = all ? kEnd : write_to - kMemory;
        for (size_t i = from; i < to; i++)
            memory[i] = there[i] = read_byte((uint16_t)i);
        return read_reg(SPACC_REG_ERROR_CODE);
    }

  private:
    VerilatedContext context;
    std::unique_ptr<Vspacc_micro> dut;
    std::vector<uint8_t> there = std::vector<uint8_t>(kEnd); // what the card has
    uint64_t now = 0;
    unsigned runs = 0;

    void idle()
    {
        dut->clk_i = 0;
        dut->s_awvalid_i = dut->s_wvalid_i = dut->s_arvalid_i = 0;
        dut->s_bready_i = dut->s_rready_i = dut->port_valid_i = 0;
    }

    void edge()
    {
        dut->clk_i = 1;
        dut->eval();
        dut->clk_i = 0;
        dut->eval();
        now++;
    }

    void limit(int wait) const
    {
        if (wait > 1000)
            die("no answer");
    }

    // Up to three cycles in which an answer has to stay.
    void keep_waiting()
    {
        for (uint64_t cycles = below(4); cycles > 0; cycles--, delays++)
            edge();
    }

    // Registers are there during a run, the byte port is not.
    void wait_a_while()
    {
        if (one_in(2) && read_reg(SPACC_REG_IDENTITY) != SPACC_CARD_MAGIC)
            die("a register during a run");
        reads_meanwhile++;
        for (uint64_t cycles = below(200); cycles > 0; cycles--)
            edge();
    }

    void write_byte(uint16_t address, uint8_t value)
    {
        there[address] = value;
        port(address, true, value);
        edge();
        dut->port_valid_i = 0;
    }

    uint8_t read_byte(uint16_t address)
    {
        port(address, false, (uint8_t)rng());
        edge();
        dut->port_valid_i = 0;
        dut->port_address_i = (uint16_t)rng();
        if (!dut->port_valid_o)
            die("no byte");
        return dut->port_data_o;
    }

    void port(uint16_t address, bool write, uint8_t value)
    {
        dut->port_valid_i = 1;
        dut->port_write_i = write;
        dut->port_address_i = address;
        dut->port_data_i = value;
        dut->eval();
        if (!dut->port_ready_o)
            die("the byte port is busy");
    }

  public:
    // A byte that is asked for in the middle of a run waits until its end.
    void ask_meanwhile()
    {
        dut->port_valid_i = 1;
        dut->port_write_i = one_in(2);
        dut->port_address_i = (uint16_t)rng();
        for (int i = 0; i < 20; i++) {
            dut->eval();
            ready_early += dut->port_ready_o;
            edge();
            ready_early += dut->port_valid_o;
        }
        dut->port_valid_i = 0;
    }
};

} // namespace

#endif
