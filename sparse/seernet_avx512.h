/* seernet_avx512.h - what the VNNI and the AMX kernel share. */
#ifndef SPACC_SEERNET_AVX512_H
#define SPACC_SEERNET_AVX512_H

#include "sparse/seernet_avx2.h"
#include "sparse/seernet_body.h"

spacc_seer_compare_fn seer_avx512_compare;
spacc_seer_window_fn seer_avx512_window;
spacc_seer_dots_fn seer_avx512_dots;
spacc_seer_pick_fn seer_avx512_pick;
spacc_seer_spread_fn seer_avx512_spread;
spacc_seer_turn_fn seer_avx512_turn;
spacc_seer_dot8_fn seer_avx512_dot8;
spacc_seer_range_fn seer_avx512_range;
spacc_seer_quantise_fn seer_avx512_quantise;

#endif
