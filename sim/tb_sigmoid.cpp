// Checks the sigmoid of every code: see act_bench.h.
#include "Vsigmoid.h"

#define SIGMOID 1
using Unit = Vsigmoid;
#include "sim/act_bench.h"

int main(int argc, char **argv)
{
    return run_act_bench(argc, argv);
}
