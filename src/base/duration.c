/*
 * duration.c
 *		Intervals as lengths of time, in microseconds, and a clock that only
 *		goes forward.
 *
 *		A lease or a wait is a length of time, not a step in the calendar: a
 *		month counts as 30 days and a day as 24 hours, as they do when the
 *		server compares two intervals.
 */
#include "postgres.h"

#include "common/int.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "base/duration.h"

/*
 * The length of an interval in microseconds; false where it is infinite or
 * longer than RARR_MAX_DURATION either way.
 */
bool
rarr_duration_of_interval(const Interval *interval, int64 *duration)
{
	int64		days;
	int64		result;

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
 * The length, in microseconds, of the interval that a function's argument of
 * this name holds.  22023 where it is below `least` or above RARR_MAX_DURATION.
 */
int64
rarr_duration_arg(const Interval *interval, const char *name, int64 least)
{
	int64		duration;

	if (!rarr_duration_of_interval(interval, &duration) || duration < least)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is out of range: %s", name,
						DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(interval)))),
				 errhint("Give an interval %s and up to 36500 days.",
						 least > 0 ? "above zero" : "from zero")));
	return duration;
}

/* The interval of this many microseconds, in days and a time. */
Interval *
rarr_interval_of_duration(int64 duration)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->day = (int32) (duration / USECS_PER_DAY);
	interval->time = duration % USECS_PER_DAY;
	return interval;
}

/*
 * This time, but later than `before`, where that leaves room.
 */
TimestampTz
rarr_time_after(TimestampTz time, TimestampTz before)
{
	if (time > before || TIMESTAMP_NOT_FINITE(before) || !IS_VALID_TIMESTAMP(before + 1))
		return time;
	return before + 1;
}

/*
 * The clock, but later than `before`, where that leaves room.
 */
TimestampTz
rarr_clock_after(TimestampTz before)
{
	return rarr_time_after(GetCurrentTimestamp(), before);
}
