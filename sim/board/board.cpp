// spacc_board_sim - a small board without the board: rtl/boards/spacc_board.sv under
// Verilator, its serial pins on a pseudo-terminal.
//
//   spacc_board_sim [--flip N] [--drop N] [--seed N]
//
// Prints the terminal's name, a line, and runs until its standard input ends; then a
// line of what came about, on stderr. --flip damages bits on the line, --drop loses
// bytes, both ways, N chances in a million.
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include "Vspacc_board.h"
#include "sim/board/serial.h"
#include "verilated.h"

namespace
{

constexpr unsigned CLOCKS_A_BIT = 4; // as the Verilated board has it: sim/board.cmake
constexpr int CLOCKS_A_TURN = 1024;  // between looks at the terminal
constexpr int BUSY_TURNS = 4096;     // behind the last byte; then turns take a millisecond

struct options {
    unsigned flips = 0, drops = 0, seed = 1;
};

int usage()
{
    std::fprintf(stderr, "spacc_board_sim [--flip N] [--drop N] [--seed N]\n");
    return 2;
}

bool parse(int argc, char **argv, options *o)
{
    for (int i = 1; i < argc; i += 2) {
        unsigned *to = !std::strcmp(argv[i], "--flip")   ? &o->flips
                       : !std::strcmp(argv[i], "--drop") ? &o->drops
                       : !std::strcmp(argv[i], "--seed") ? &o->seed
                                                         : nullptr;
        char *end = nullptr;
        if (!to || i + 1 == argc)
            return false;
        *to = static_cast<unsigned>(std::strtoul(argv[i + 1], &end, 10));
        if (*end || end == argv[i + 1])
            return false;
    }
    return true;
}

// Both ends of a raw pseudo-terminal. The far end stays open, or the near one would fail
// whenever no host is there.
struct terminal {
    int near = -1, far = -1;
    char name[128] = "";

    bool open()
    {
        near = posix_openpt(O_RDWR | O_NOCTTY);
        if (near < 0 || grantpt(near) || unlockpt(near))
            return false;
        const char *text = ptsname(near);
        if (!text ||
            std::snprintf(name, sizeof(name), "%s", text) >= static_cast<int>(sizeof(name)))
            return false;
        far = ::open(name, O_RDWR | O_NOCTTY);
        termios t;
        if (far < 0 || tcgetattr(far, &t))
            return false;
        t.c_iflag = t.c_oflag = t.c_lflag = 0;
        t.c_cflag = CS8 | CREAD | CLOCAL;
        return !tcsetattr(far, TCSANOW, &t) && !fcntl(near, F_SETFL, O_NONBLOCK);
    }
};

struct board {
    VerilatedContext context;
    std::unique_ptr<Vspacc_board> model;
    serial_line line;
    uint64_t clocks = 0, bytes_in = 0, bytes_out = 0;

    explicit board(const options &o) : line(CLOCKS_A_BIT, o.seed)
    {
        context.randReset(2);
        context.randSeed(static_cast<int>(o.seed | 1));
        model.reset(new Vspacc_board(&context));
        line.flips_per_million = o.flips;
        line.drops_per_million = o.drops;
        model->clk = 0;
        model->rst_n = 0;
        model->uart_rx = 1;
        run(32);
        model->rst_n = 1;
        run(32);
        line.from_board.clear();
    }

    void run(int count)
    {
        for (int i = 0; i < count; i++) {
            model->uart_rx = line.step(model->uart_tx);
            model->clk = 1;
            model->eval();
            model->clk = 0;
            model->eval();
        }
        clocks += static_cast<uint64_t>(count);
    }
};

// Bytes that the host has written; false when the terminal is broken.
bool take_input(board &b, const terminal &t)
{
    uint8_t bytes[4096];
    const ssize_t n = read(t.near, bytes, sizeof(bytes));
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    b.line.to_board.insert(b.line.to_board.end(), bytes, bytes + n);
    b.bytes_in += static_cast<uint64_t>(n);
    return true;
}

bool give_output(board &b, const terminal &t)
{
    while (!b.line.from_board.empty()) {
        const ssize_t n = write(t.near, &b.line.from_board.front(), 1);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        b.line.from_board.pop_front();
        b.bytes_out++;
    }
    return true;
}

bool input_has_ended()
{
    pollfd p = {STDIN_FILENO, POLLIN, 0};
    char ignored[64];
    return poll(&p, 1, 0) > 0 && read(STDIN_FILENO, ignored, sizeof(ignored)) <= 0;
}

bool serve(board &b, const terminal &t)
{
    int idle_turns = 0;
    for (int turn = 0;; turn++) {
        if (b.line.to_board.empty() && !take_input(b, t))
            return false;
        idle_turns = b.line.idle() ? idle_turns + 1 : 0;
        if (idle_turns > BUSY_TURNS) { // nothing to do, or a long run: spare the machine
            pollfd p = {t.near, POLLIN, 0};
            poll(&p, 1, 1);
        }
        b.run(CLOCKS_A_TURN);
        if (!give_output(b, t))
            return false;
        if ((turn % 64 == 0 || idle_turns > BUSY_TURNS) && input_has_ended())
            return true;
    }
}

} // namespace

int main(int argc, char **argv)
{
    options o;
    terminal t;
    if (!parse(argc, argv, &o))
        return usage();
    if (!t.open()) {
        std::fprintf(stderr, "spacc_board_sim: no pseudo-terminal: %s\n", std::strerror(errno));
        return 1;
    }
    board b(o);
    std::printf("%s\n", t.name);
    std::fflush(stdout);
    const bool ended = serve(b, t);
    if (!ended)
        std::fprintf(stderr, "spacc_board_sim: %s: %s\n", t.name, std::strerror(errno));
    std::fprintf(stderr,
                 "board: %" PRIu64 " clocks, %" PRIu64 " bytes in, %" PRIu64 " out, %" PRIu64
                 " bits flipped, %" PRIu64 " bytes lost\n",
                 b.clocks, b.bytes_in, b.bytes_out, b.line.flips, b.line.drops);
    return ended ? 0 : 1;
}
