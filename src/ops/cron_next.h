/*
 * cron_next.h
 *		Compute when a cron expression fires next.
 */
#ifndef RARR_OPS_CRON_NEXT_H
#define RARR_OPS_CRON_NEXT_H

#include "datatype/timestamp.h"

#include "ops/cron.h"

extern bool rarr_cron_next(const RarrCron *cron, pg_tz *zone, TimestampTz after, TimestampTz *next);

#endif /* RARR_OPS_CRON_NEXT_H */
