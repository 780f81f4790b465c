/*-------------------------------------------------------------------------
 *
 * backoff.c
 *		How long to wait before the next try: pure arithmetic.
 *
 * Jitter only shortens a wait.  It spreads the tries of jobs that failed
 * together, as in M. Brooker, "Exponential Backoff And Jitter" (2015), whose
 * "full jitter" is a share of 1 here, and a wait never passes its cap.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"

#include "base/backoff.h"

/*
 * The backoff of this name; false where there is none.
 */
bool
rarr_backoff_parse(const char *name, RarrBackoff *backoff)
{
	if (strcmp(name, "fixed") == 0)
		*backoff = RARR_BACKOFF_FIXED;
	else if (strcmp(name, "linear") == 0)
		*backoff = RARR_BACKOFF_LINEAR;
	else if (strcmp(name, "exponential") == 0)
		*backoff = RARR_BACKOFF_EXPONENTIAL;
	else
		return false;
	return true;
}

/*
 * The wait, in microseconds, before the next try of something that has used up
 * `retries` retries (from 0).  base and cap: microseconds, not negative;
 * jitter: the share of the wait, 0 to 1, that chance takes part in; chance: a
 * random number from 0 to 1.  The result is between 0 and cap.
 */
int64
rarr_backoff_delay(RarrBackoff backoff, int64 base, int64 cap,
				   double jitter, int retries, double chance)
{
	int64		factor = 1;
	int64		delay;

	retries = Max(retries, 0);
	if (backoff == RARR_BACKOFF_LINEAR)
		factor = (int64) retries + 1;
	else if (backoff == RARR_BACKOFF_EXPONENTIAL)
		factor = retries < 62 ? INT64CONST(1) << retries : PG_INT64_MAX;

	if (pg_mul_s64_overflow(base, factor, &delay) || delay > cap)
		delay = cap;
	delay -= (int64) ((double) delay * jitter * chance);
	return Max(delay, 0);
}
