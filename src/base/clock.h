/*
 * clock.h
 *		The monotonic clock.
 */
#ifndef RARR_BASE_CLOCK_H
#define RARR_BASE_CLOCK_H

#include "portability/instr_time.h"

/*
 * Return the monotonic time in microseconds since an arbitrary origin.
 *
 * Setting the system clock does not affect it.  On Linux this is
 * CLOCK_MONOTONIC: all processes on a machine read the same clock, so its
 * times can be compared across processes in shared memory.  They are
 * meaningless after a reboot and must therefore never be stored in a table.
 * The clock stops while the machine is suspended.
 *
 * Times stored in tables, such as due times and lease ends, use the system
 * clock (GetCurrentTimestamp()).  All other times, in shared memory or in
 * loops, use this clock.
 */
static inline int64
rarr_monotonic_now(void)
{
	instr_time now;

	INSTR_TIME_SET_CURRENT(now);
	return (int64) INSTR_TIME_GET_MICROSEC(now);
}

#endif /* RARR_BASE_CLOCK_H */
