#include "host/median.h"

#include <stdlib.h>

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

void spacc_sort_times(double *us, size_t count)
{
    qsort(us, count, sizeof(*us), ascending);
}

double spacc_rank(const double *sorted, size_t count, double share)
{
    return sorted[(size_t)(share * (double)(count - 1) + 0.5)];
}

double spacc_median(double *us, size_t count)
{
    spacc_sort_times(us, count);
    return us[count / 2];
}
