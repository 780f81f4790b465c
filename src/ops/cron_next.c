/*
 * cron_next.c
 *		Compute when a cron expression fires next.
 *
 * An expression is about the clock on the wall.  Between two changes of a
 * zone's offset to UTC, that clock runs evenly, so the search goes through
 * such periods one by one.  What happens where the clock is set forward or
 * back is the rule of Vixie cron (its cron(8), and that of Debian):
 *
 * - An expression that repeats (its seconds, minutes or hours begin with '*')
 *   follows the clock as it is.  It does not fire at times that the clock
 *   skips, and fires again at times that the clock shows twice.
 *
 * - Any other expression fires at certain times of the day.  If the clock
 *   skips such a time, it fires at the moment of the change.  If the clock
 *   shows such a time twice, it fires the first time only.
 *
 * As in Vixie cron, this holds for changes of less than three hours.  A larger
 * one, such as that of a zone which moves across the date line, is a
 * correction: the new time simply holds.
 *
 * This file is pure: it reads no table and no setting.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "ops/cron_next.h"

/* smaller changes of the clock get special treatment, in seconds */
#define LARGE_SHIFT (3 * SECS_PER_HOUR)

/* How far to look ahead, in seconds: after 400 years the calendar repeats. */
#define HORIZON (INT64CONST(146097) * SECS_PER_DAY)

#define UNIX_EPOCH_DIFF ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

static bool
has(uint64 set, int value)
{
	return (set >> value & 1) != 0;
}

/* Return the least value of the set from this one, or -1. */
static int
next_value(uint64 set, int from)
{
	uint64 rest = from < 64 ? set >> from : 0;

	return rest == 0 ? -1 : from + pg_rightmost_one_pos64(rest);
}

/*
 * Return the first time of the day from this one, in seconds, or -1 if there
 * is none.
 */
static int
first_time(const RarrCron *cron, int from)
{
	int hour = from / SECS_PER_HOUR;
	int minute = from / SECS_PER_MINUTE % MINS_PER_HOUR;
	int second = next_value(cron->seconds, from % SECS_PER_MINUTE);

	if (!has(cron->hours, hour) || !has(cron->minutes, minute) || second < 0)
	{
		second = next_value(cron->seconds, 0);
		minute = has(cron->hours, hour) ? next_value(cron->minutes, minute + 1) : -1;
		if (minute < 0)
		{
			minute = next_value(cron->minutes, 0);
			hour = next_value(cron->hours, hour + 1);
		}
	}
	return hour < 0 ? -1 : hour * SECS_PER_HOUR + minute * SECS_PER_MINUTE + second;
}

/*
 * Find the first match from one local time and before another.  Local times
 * are in seconds since 1970-01-01 00:00 on the wall.  Returns false if there
 * is none.
 */
static bool
first_match(const RarrCron *cron, int64 from, int64 to, int64 *match)
{
	int64 day = from / SECS_PER_DAY;
	int time = from % SECS_PER_DAY;

	if (time < 0)
	{
		time += SECS_PER_DAY;
		day--;
	}
	while (day * SECS_PER_DAY + time < to)
	{
		int julian = day + UNIX_EPOCH_JDATE;
		int y;
		int m;
		int d;

		CHECK_FOR_INTERRUPTS();
		j2date(julian, &y, &m, &d);
		if (rarr_cron_day_matches(cron, m, d, j2day(julian)))
		{
			int found = first_time(cron, time);

			if (found >= 0)
			{
				*match = day * SECS_PER_DAY + found;
				return *match < to;
			}
		}
		if (!has(cron->months, m))
			day = date2j(m == 12 ? y + 1 : y, m == 12 ? 1 : m + 1, 1) - UNIX_EPOCH_JDATE;
		else
			day++;
		time = 0;
	}
	return false;
}

/*
 * Find the first match from this time and before the limit, in seconds since
 * 1970.  Returns false if there is none.
 */
static bool
search(const RarrCron *cron, pg_tz *zone, pg_time_t from, pg_time_t limit, pg_time_t *found)
{
	/* A change shortly before can have shown coming times already. */
	pg_time_t start = from - LARGE_SHIFT;
	int64 shown = PG_INT64_MIN; /* local times before this have been shown */

	for (;;)
	{
		long int offset;
		long int new_offset;
		int isdst;
		int new_isdst;
		pg_time_t end;
		int64 first;
		int64 match;
		int64 shift;

		if (pg_next_dst_boundary(&start, &offset, &isdst, &end, &new_offset, &new_isdst, zone) != 1 ||
			end > limit)
			end = limit;
		first = Max(start, from) + offset;
		if (first_match(cron, cron->repeats ? first : Max(first, shown), end + offset, &match))
		{
			*found = match - offset;
			return true;
		}
		if (end >= limit)
			return false;
		shift = (int64) new_offset - offset;
		if (!cron->repeats && shift > 0 && shift < LARGE_SHIFT && end >= from &&
			first_match(cron, end + offset, end + new_offset, &match))
		{
			*found = end;
			return true;
		}
		if (shift != 0)
			shown = shift < 0 && -shift < LARGE_SHIFT ? end + offset : PG_INT64_MIN;
		start = end;
	}
}

/*
 * Compute when the expression fires first after a time, which must be finite.
 * Returns false if that is not within 400 years, or not a valid timestamp: a
 * zone can skip the only time at which an expression would fire, each time.
 */
bool
rarr_cron_next(const RarrCron *cron, pg_tz *zone, TimestampTz after, TimestampTz *next)
{
	int64 seconds = after / USECS_PER_SEC - (after % USECS_PER_SEC < 0 ? 1 : 0);
	pg_time_t from = seconds + 1 + UNIX_EPOCH_DIFF;
	pg_time_t limit = Min(from + HORIZON, END_TIMESTAMP / USECS_PER_SEC + UNIX_EPOCH_DIFF);
	pg_time_t found;

	if (!search(cron, zone, from, limit, &found))
		return false;
	*next = (found - UNIX_EPOCH_DIFF) * USECS_PER_SEC;
	return true;
}
