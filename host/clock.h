/* clock.h - the clock that reports and benchmarks of the program go by. */
#ifndef SPACC_CLOCK_H
#define SPACC_CLOCK_H

#ifdef __cplusplus
extern "C" {
#endif

/* Wall time in microseconds from some start. */
double spacc_now_us(void);

#ifdef __cplusplus
}
#endif

#endif
