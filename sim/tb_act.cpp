// Checks tanh, RELU and identity of every code: see act_bench.h.
#include "Vact.h"

#define SIGMOID 0
using Unit = Vact;
#include "sim/act_bench.h"

int main(int argc, char **argv)
{
    return run_act_bench(argc, argv);
}
