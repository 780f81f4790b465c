/*
 * cron.h
 *		Parse cron expressions.
 */
#ifndef RARR_OPS_CRON_H
#define RARR_OPS_CRON_H

#include "pgtime.h"

/* An expression.  Bit n of a set stands for the value n. */
typedef struct RarrCron
{
	uint64 seconds;  /* 0 to 59 */
	uint64 minutes;  /* 0 to 59 */
	uint64 hours;    /* 0 to 23 */
	uint64 days;     /* of the month, 1 to 31 */
	uint64 months;   /* 1 to 12 */
	uint64 weekdays; /* 0 to 6, 0 is Sunday */
	bool any_day;    /* the field for the day of the month begins with '*' */
	bool any_weekday;
	bool repeats; /* seconds, minutes or hours begin with '*' */
} RarrCron;

extern void rarr_cron_parse(const char *text, RarrCron *cron);
extern bool rarr_cron_day_matches(const RarrCron *cron, int month, int day, int weekday);
extern pg_tz *rarr_cron_zone(const char *name);

#endif /* RARR_OPS_CRON_H */
