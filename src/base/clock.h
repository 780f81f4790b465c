/*
 * clock.h
 *		The clock by which lengths of time are measured.
 */
#ifndef RARR_BASE_CLOCK_H
#define RARR_BASE_CLOCK_H

#include "portability/instr_time.h"

/*
 * Microseconds since some moment before the server's start.  Setting the
 * system's clock does not move it.  On Linux it is CLOCK_MONOTONIC: all
 * processes of a machine read the same clock, so that its times can be compared
 * in shared memory, but not with those of another start of the machine, so that
 * they never go into a table.  It stands still while the machine is suspended.
 *
 * What is in tables, due times and ends of leases, is by the system's clock
 * (GetCurrentTimestamp).  Everything else that is remembered, in shared memory
 * or across a loop, is by this one.
 */
static inline int64
rarr_monotonic_now(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return (int64) INSTR_TIME_GET_MICROSEC(now);
}

#endif							/* RARR_BASE_CLOCK_H */
