/* nm.h - N:M sparsity, at most N weights of every M in a row: bank-balanced with banks of M
 * (2:4 of Mishra et al. 2021 is k 2, bank 4), so such a model runs without loss. */
#ifndef SPACC_NM_H
#define SPACC_NM_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_nm {
    size_t n, m; /* m 0: no such pattern */
};

/* The sparsest N:M that dense float [rows][cols] keeps everywhere, m of 4, 8, 16, 32 with n / m
 * at most 1/2 and every n-of-m found (some bank has n); the least m of equals. A last group
 * that is short counts as padded with zeros. */
struct spacc_nm spacc_nm_find(const float *dense, size_t rows, size_t cols);

#ifdef __cplusplus
}
#endif

#endif
