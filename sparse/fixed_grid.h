/* fixed_grid.h - what one count of a row's sum is worth: the grid that spacc_fixed_quantise()
 * puts weights on, and that spacc_prune_obs() leaves them on. */
#ifndef SPACC_FIXED_GRID_H
#define SPACC_FIXED_GRID_H

enum { SPACC_FIXED_MULT_BITS = 15 };

/* Smallest lsb at which a row fits whose largest |w| * 2^-frac is `weight`; 0: an empty row. */
double spacc_fixed_lsb(double weight, double bias, int weight_bits);

/* The next lsb, or this one, that a multiplier of 15 bits gives exactly. */
double spacc_fixed_lsb_raise(double lsb);

#endif
