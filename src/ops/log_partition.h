/*
 * log_partition.h
 *		Partitions of the logs.
 */
#ifndef RARR_OPS_LOG_PARTITION_H
#define RARR_OPS_LOG_PARTITION_H

#include "utils/elog.h"
#include "utils/rel.h"
#include "utils/uuid.h"

/* A log. */
typedef struct RarrLog
{
	const char *name;
	const char *fallback; /* its DEFAULT partition */
	const char *target;   /* its name in retention rules */
} RarrLog;

#define RARR_LOGS 2

extern const RarrLog rarr_logs[RARR_LOGS];

/* A range of ids, and of time: from first on, and before end. */
typedef struct RarrIdRange
{
	pg_uuid_t first;
	pg_uuid_t end;
} RarrIdRange;

extern char *rarr_uuid_text(const pg_uuid_t *id);
extern void rarr_month_of(TimestampTz at, int offset, RarrIdRange *range, char *suffix);
extern bool rarr_log_open(const RarrLog *log, LOCKMODE mode, Relation *rel, Oid *fallback);
extern void rarr_log_refuse_foreign_code(Relation rel, Oid fallback);
extern bool rarr_log_has_pages(Relation rel);
extern bool rarr_log_overlaps(Relation rel, const RarrIdRange *range);

extern bool rarr_log_task_begin(void);
extern void rarr_log_exclude_tasks(void);
extern void rarr_maintenance_execute(const char *sql, int expected);
extern void rarr_maintenance_lock(const char *relation, bool wait);
extern bool rarr_is_lock_timeout(const ErrorData *error, void *arg);

#endif /* RARR_OPS_LOG_PARTITION_H */
