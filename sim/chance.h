// chance.h - the random numbers of a bench: seed `rng`, draw from it everywhere.
#ifndef SPACC_SIM_CHANCE_H
#define SPACC_SIM_CHANCE_H

#include <cstdint>
#include <random>

namespace
{

std::mt19937_64 rng;
uint64_t below(uint64_t n) // 0 .. n-1; 0 for n = 0
{
    return n ? rng() % n : 0;
}
bool one_in(uint64_t n)
{
    return below(n) == 0;
}

} // namespace

#endif
