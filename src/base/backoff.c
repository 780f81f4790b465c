/*
 * backoff.c
 *		Compute the delay before a retry.
 *
 * This is pure arithmetic.  Jitter only shortens a delay, so a delay never
 * exceeds its cap.  It spreads out the retries of jobs that failed together.
 * See M. Brooker, "Exponential Backoff And Jitter" (2015); a jitter of 1 is
 * its "full jitter".
 */
#include "postgres.h"

#include "common/int.h"

#include "base/backoff.h"

/* Look up a backoff by name.  Returns false if there is none of that name. */
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
 * Compute the delay, in microseconds, before the next attempt.
 *
 * retries is the number of retries already used, from 0. base and cap are in
 * microseconds and not negative. jitter, from 0 to 1, is the fraction of the
 * delay that is randomized. chance is a random number from 0 to 1.  The result
 * is between 0 and cap.
 */
int64
rarr_backoff_delay(RarrBackoff backoff, int64 base, int64 cap,
				   double jitter, int retries, double chance)
{
	int64 factor = 1;
	int64 delay;

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
