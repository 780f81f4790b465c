/*
 * schedule_command.h
 *		Commands of the schedule, and the built-in entries.
 */
#ifndef RARR_OPS_SCHEDULE_COMMAND_H
#define RARR_OPS_SCHEDULE_COMMAND_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

#include "base/compat.h"

/* a run of an entry */
typedef struct RarrScheduledRun
{
	pg_uuid_t id;
	const char *entry;
	Jsonb *arguments;
	bool is_due; /* false: schedule_run() asked for it */
	TimestampTz due_at;
} RarrScheduledRun;

/* What an entry can do.  A static constant of the file that owns it. */
typedef struct RarrScheduleCommand
{
	const char *name;

	/*
	 * Only admins may set entries with it, and it runs as the bootstrap
	 * superuser.  Any other command runs as the entry's owner.
	 */
	bool admin_only;

	/* Raise 22023 unless these arguments are right.  NULL: there are none. */
	void (*check)(Jsonb *arguments);

	/* Return why there is nothing to do at any time, or NULL.  May be NULL. */
	const char *(*idle)(void);

	/*
	 * Do it, in a process of its own, outside of any transaction.  Returns
	 * what to record as the result, or NULL.  NULL: not in this version.
	 */
	char *(*run)(const RarrScheduledRun *run);
} RarrScheduleCommand;

/* An entry that is there unless the table has another one of its name. */
typedef struct RarrScheduleDefault
{
	const char *name;
	const char *cron;
	const char *command;
	const char *arguments;
} RarrScheduleDefault;

extern void rarr_schedule_command_register(const RarrScheduleCommand *command);
extern const RarrScheduleCommand *rarr_schedule_command_find(const char *name);
extern char *rarr_schedule_command_names(void);
extern const char *rarr_schedule_command_idle(const RarrScheduleCommand *command);
extern const RarrScheduleDefault *rarr_schedule_defaults(int *n);
extern void rarr_schedule_check_members(const char *command, Jsonb *arguments, const char *const *names);
pg_noreturn extern void rarr_schedule_bad_argument(const char *command, const char *problem, const char *hint);

#endif /* RARR_OPS_SCHEDULE_COMMAND_H */
