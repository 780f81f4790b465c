/*
 * retention_rules.h
 *		Rules that say how long rows are kept.
 */
#ifndef RARR_OPS_RETENTION_RULES_H
#define RARR_OPS_RETENTION_RULES_H

#include "datatype/timestamp.h"

/* what rules are about, in the order of retention_list() */
typedef enum RarrRetentionTarget
{
	RARR_RETAIN_COMPLETED_JOBS,
	RARR_RETAIN_FAILED_JOBS,
	RARR_RETAIN_CANCELLED_JOBS,
	RARR_RETAIN_HISTORY,
	RARR_RETAIN_AUDIT,
	RARR_RETENTION_TARGETS
} RarrRetentionTarget;

/* reads the rules; the table's owner can have changed its columns */
#define RARR_RETENTION_RULES \
	"SELECT target::pg_catalog.text, keep::pg_catalog.interval FROM researcharr.retention_rules WHERE target IS NOT NULL"

/* What is older is deleted; DT_NOBEGIN: nothing is. */
typedef struct RarrRetention
{
	TimestampTz before[RARR_RETENTION_TARGETS];
	int64 least; /* the least time that is kept, in microseconds */
} RarrRetention;

extern const char *const rarr_retention_targets[RARR_RETENTION_TARGETS];

extern int rarr_retention_target(const char *name);
extern bool rarr_retention_read(RarrRetention *retention);
extern void rarr_retention_record(RarrRetentionTarget target, const char *partition, int64 rows, TimestampTz before);

#endif /* RARR_OPS_RETENTION_RULES_H */
