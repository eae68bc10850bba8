/* The bits of a prediction, chosen so that 4 of them keep 99 % of the largest scores
 * (models/README.md). Weights are made off line and may be finer than x; which output of a
 * window is the largest asks for more than a sign does; and what is missed costs more than what
 * is computed in vain: hence the margin. */
#include "sparse/seernet.h"

static const float margin = 0.5F;

static int finer(int bits)
{
    return bits + 2 < SPACC_SEER_BITS_MAX ? bits + 2 : SPACC_SEER_BITS_MAX;
}

void spacc_seernet_set_bits(struct spacc_seer_options *o, int bits)
{
    const bool exact = bits == SPACC_SEER_EXACT;

    o->bits = !exact && o->after == SPACC_SEER_POOL ? finer(bits) : bits;
    o->weight_bits = exact ? 0 : finer(o->bits);
    o->nearest = false;
    o->margin = margin;
}
