/*
 * duration.h
 *		Convert intervals to durations in microseconds, and advance timestamps.
 */
#ifndef RARR_BASE_DURATION_H
#define RARR_BASE_DURATION_H

#include "utils/timestamp.h"

/* 36500 days: the longest lease, wait or delay; far below the limit of int64 */
#define RARR_MAX_DURATION (INT64CONST(36500) * USECS_PER_DAY)

extern bool rarr_duration_of_interval(const Interval *interval, int64 *duration);
extern int64 rarr_duration_arg(const Interval *interval, const char *name, int64 least);
extern Interval *rarr_interval_of_duration(int64 duration);

extern TimestampTz rarr_time_after(TimestampTz time, TimestampTz before);
extern TimestampTz rarr_clock_after(TimestampTz before);
extern TimestampTz rarr_last_meant(TimestampTz time);

#endif /* RARR_BASE_DURATION_H */
