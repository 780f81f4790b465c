/*
 * health_checks.h
 *		The checks of health_check().
 */
#ifndef RARR_OPS_HEALTH_CHECKS_H
#define RARR_OPS_HEALTH_CHECKS_H

#include "utils/jsonb.h"

#include "base/guc.h"
#include "ops/monitor_query.h"

/* A check has no threshold */
#define RARR_NO_THRESHOLD (-1)

/*
 * Adds members to an object: what the check's query cannot read.  Returns NULL,
 * or why the check is not available.
 */
typedef const char *(*RarrHealthFacts)(JsonbParseState **state);

/*
 * A check.  Its query returns a row (values jsonb, level int, reason text); level
 * is 0 for ok, 1 for warning, 2 for error.  No row: not available.
 * Parameters: $1 and $2, the first threshold's values for warning and error;
 * $3 and $4, the second one's; NULL: never.  $5, the facts.
 */
typedef struct RarrHealthCheck
{
	const char *name;
	int threshold;         /* a RarrThreshold, or RARR_NO_THRESHOLD */
	int second;            /* likewise */
	bool sees_all;         /* it needs the privileges of pg_read_all_stats */
	const char *table;     /* of our schema that it reads, or NULL */
	RarrHealthFacts facts; /* may be NULL */
	RarrMonitorQuery query;
} RarrHealthCheck;

extern RarrHealthCheck rarr_health_checks[];
extern const int rarr_health_check_count;

#endif /* RARR_OPS_HEALTH_CHECKS_H */
