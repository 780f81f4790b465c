/*
 * schedule_table.h
 *		Read and write the tables of the schedule.
 */
#ifndef RARR_OPS_SCHEDULE_TABLE_H
#define RARR_OPS_SCHEDULE_TABLE_H

#include "nodes/pg_list.h"

#include "ops/cron.h"
#include "ops/schedule_command.h"

#define RARR_SCHEDULE_MAX_PARAMS 12

/* a statement and its parameters */
typedef struct RarrScheduleQuery
{
	const char *sql;
	int nparams;
	Oid types[RARR_SCHEDULE_MAX_PARAMS];
	Datum values[RARR_SCHEDULE_MAX_PARAMS];
	char nulls[RARR_SCHEDULE_MAX_PARAMS];
} RarrScheduleQuery;

/* what rarr_schedule_begin() changed */
typedef struct RarrScheduleAccess
{
	MemoryContext cxt; /* the caller's */
	Oid user;
	int context;
	int level;
} RarrScheduleAccess;

/* An entry of the schedule: a row of the table, or a built-in one. */
typedef struct RarrScheduleEntry
{
	char *name;
	char *cron;
	char *command;
	Jsonb *arguments;
	char *zone;
	bool catch_up;
	bool paused;
	char *owner;
	Oid role; /* the owner; InvalidOid if it was dropped */
	bool built_in;
	bool is_stale; /* its row has the OID of another cluster's role */
	bool has_state;
	TimestampTz handled_until; /* if has_state */

	/* set by rarr_schedule_check_entry() */
	const RarrScheduleCommand *def; /* NULL: unknown */
	RarrCron when;
	pg_tz *tz;
	char *problem; /* why it cannot be due, or NULL */
} RarrScheduleEntry;

extern void rarr_schedule_begin(RarrScheduleAccess *access);
extern void rarr_schedule_end(const RarrScheduleAccess *access);
extern void rarr_schedule_param(RarrScheduleQuery *query, Oid type, Datum value, bool isnull);
extern void rarr_schedule_param_text(RarrScheduleQuery *query, const char *text);
extern uint64 rarr_schedule_execute(RarrScheduleQuery *query);
extern char *rarr_schedule_text(const RarrScheduleAccess *access, int row, int column);
extern Datum rarr_schedule_datum(const RarrScheduleAccess *access, int row, int column, bool *isnull);
extern List *rarr_schedule_read(const char *name);
extern RarrScheduleEntry *rarr_schedule_read_entry(const char *name);
extern void rarr_schedule_check_entry(RarrScheduleEntry *entry);
extern char *rarr_schedule_owner_problem(const RarrScheduleEntry *entry);
extern bool rarr_schedule_advance_state(const char *name, TimestampTz handled_until);
extern void rarr_schedule_reset_state(const char *name);
extern void rarr_schedule_adopt(RarrScheduleEntry *entry);
extern bool rarr_schedule_is_admin(Oid role);

#endif /* RARR_OPS_SCHEDULE_TABLE_H */
