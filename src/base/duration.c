/*
 * duration.c
 *		Convert intervals to durations in microseconds, and advance timestamps.
 *
 * A lease or a delay is a duration, not a step in the calendar.  A month
 * counts as 30 days and a day as 24 hours, as in the server's comparison of
 * intervals.
 */
#include "postgres.h"

#include "common/int.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "base/duration.h"

#define MILLISECOND INT64CONST(1000) /* in microseconds */

/*
 * Convert an interval to microseconds.  Returns false if it is infinite, or
 * beyond RARR_MAX_DURATION in either direction.
 */
bool
rarr_duration_of_interval(const Interval *interval, int64 *duration)
{
	int64 days;
	int64 result;

	if (rarr_interval_is_infinite(interval))
		return false;
	days = (int64) interval->month * DAYS_PER_MONTH + interval->day;
	if (pg_mul_s64_overflow(days, USECS_PER_DAY, &result) ||
		pg_add_s64_overflow(result, interval->time, &result) ||
		result > RARR_MAX_DURATION || result < -RARR_MAX_DURATION)
		return false;
	*duration = result;
	return true;
}

/*
 * Convert an interval argument to microseconds. name is the argument's name,
 * and least its smallest allowed value in microseconds.  Raises 22023 if the
 * interval is below least or above RARR_MAX_DURATION.
 */
int64
rarr_duration_arg(const Interval *interval, const char *name, int64 least)
{
	int64 duration;

	if (!rarr_duration_of_interval(interval, &duration) || duration < least)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is out of range: %s", name,
						DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(interval)))),
				 errhint("Give an interval %s and up to 36500 days.",
						 least > 0 ? "above zero" : "from zero")));
	return duration;
}

/* Convert microseconds to an interval of days and time. */
Interval *
rarr_interval_of_duration(int64 duration)
{
	Interval *interval = palloc0(sizeof(Interval));

	interval->day = (int32) (duration / USECS_PER_DAY);
	interval->time = duration % USECS_PER_DAY;
	return interval;
}

/*
 * Return time, or before plus a millisecond if time is earlier than that.  So
 * the result is in a later millisecond than before, which clients see whose
 * dates have no microseconds.  If before is infinite or among the last timestamps, time is
 * returned as it is.
 */
TimestampTz
rarr_time_after(TimestampTz time, TimestampTz before)
{
	if (TIMESTAMP_NOT_FINITE(before) || !IS_VALID_TIMESTAMP(before + MILLISECOND))
		return time;
	return Max(time, before + MILLISECOND);
}

/* Like rarr_time_after(), for the current time of the system clock. */
TimestampTz
rarr_clock_after(TimestampTz before)
{
	return rarr_time_after(GetCurrentTimestamp(), before);
}

/*
 * Return the last time that a client means by this one.  A time of whole
 * milliseconds may be one that the client has truncated, and stands for its
 * millisecond.
 */
TimestampTz
rarr_last_meant(TimestampTz time)
{
	if (TIMESTAMP_NOT_FINITE(time) || time % MILLISECOND != 0)
		return time;
	return time + MILLISECOND - 1;
}
