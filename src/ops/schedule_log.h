/*
 * schedule_log.h
 *		Runs of the schedule's entries.
 */
#ifndef RARR_OPS_SCHEDULE_LOG_H
#define RARR_OPS_SCHEDULE_LOG_H

#include "ops/schedule_table.h"

/* a run that waits for its start */
typedef struct RarrScheduleRequest
{
	pg_uuid_t id;
	char *entry;
	bool is_due; /* false: schedule_run() asked for it */
	TimestampTz due_at;
	int launches;
	TimestampTz launched_at; /* if launches > 0 */
	bool is_busy;            /* another run of the entry goes on */
} RarrScheduleRequest;

extern Datum rarr_schedule_log_request(const RarrScheduleEntry *entry, const char *reason, const TimestampTz *due_at);
extern void rarr_schedule_log_skip(const RarrScheduleEntry *entry, TimestampTz due_at, const char *why);
extern List *rarr_schedule_log_requests(int *running);
extern void rarr_schedule_log_launched(const pg_uuid_t *id);
extern bool rarr_schedule_log_find(const pg_uuid_t *id, RarrScheduledRun *run);
extern bool rarr_schedule_log_claim(const pg_uuid_t *id);
extern void rarr_schedule_log_finish(const pg_uuid_t *id, const char *status, const char *result, const char *error);
extern void rarr_schedule_log_cancel(const char *entry, const char *why);
extern void rarr_schedule_log_settle(void);
extern void rarr_schedule_log_prune(const char *entry, int keep);

#endif /* RARR_OPS_SCHEDULE_LOG_H */
