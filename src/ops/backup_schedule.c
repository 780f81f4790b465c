/*
 * backup_schedule.c
 *		Commands of the schedule: "backup" and "backup_cleanup".
 *
 * They run in a process of their own, which is logged in as the bootstrap
 * superuser.  "backup" reads the backup that it has made, in a second
 * transaction, so that what it finds is on record also if it is bad.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "base/guc.h"
#include "base/json.h"
#include "base/schema.h"
#include "base/task.h"
#include "ops/backup.h"
#include "ops/backup_archive.h"
#include "ops/backup_schedule.h"
#include "ops/schedule_command.h"

#define KEEP_LAST 10

static const char *const no_members[] = {NULL};
static const char *const cleanup_members[] = {"keep_last", NULL};

/* Why backups cannot be made at any time, or NULL. */
static const char *
backup_idle(void)
{
	if (rarr_backup_directory[0] == '\0')
		return "researcharr.backup_directory is not set";
	if (!OidIsValid(rarr_find_relation("backups")))
		return "this version of the extension has no backups: run ALTER EXTENSION researcharr UPDATE";
	return NULL;
}

static void
begin(const char *activity)
{
	pgstat_report_activity(STATE_RUNNING, activity);
	rarr_process_begin();
}

static void
check_backup(Jsonb *arguments)
{
	rarr_schedule_check_members("backup", arguments, no_members);
}

/* Make a backup, and read it. */
static char *
run_backup(const RarrScheduledRun *run)
{
	MemoryContext cxt = CurrentMemoryContext;
	RarrManifest *manifest;
	char *name;
	char *result;
	char *problem;

	begin("writing a backup");
	manifest = rarr_backup_make(NULL, "", "backup");
	name = MemoryContextStrdup(cxt, manifest->name);
	result = psprintf("backup \"%s\": " INT64_FORMAT " rows, " INT64_FORMAT " bytes, verified", name, manifest->rows,
					  manifest->bytes);
	result = MemoryContextStrdup(cxt, result);
	rarr_process_commit();

	begin("reading a backup");
	problem = rarr_backup_check(name, NULL);
	if (problem != NULL)
		problem = MemoryContextStrdup(cxt, problem);
	rarr_process_commit();
	MemoryContextSwitchTo(cxt);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("backup \"%s\" is damaged", name),
				 errdetail("%s.", problem)));
	return result;
}

/* Read the argument of backup_cleanup.  Raises 22023 if it is wrong. */
static int
keep_last(Jsonb *arguments)
{
	static const char *const hint = "Give {\"keep_last\": 10}, or another number from 1 on.";
	JsonbValue value;
	int64 number;
	char *problem;

	if (!rarr_json_member(&arguments->root, "keep_last", &value))
		return KEEP_LAST;
	problem = rarr_json_int(&value, &number);
	if (problem == NULL && (number < 1 || number > PG_INT32_MAX))
		problem = "is out of range";
	if (problem != NULL)
		rarr_schedule_bad_argument("backup_cleanup", psprintf("are wrong: \"keep_last\" %s", problem), hint);
	return (int) number;
}

static void
check_cleanup(Jsonb *arguments)
{
	rarr_schedule_check_members("backup_cleanup", arguments, cleanup_members);
	(void) keep_last(arguments);
}

static char *
run_cleanup(const RarrScheduledRun *run)
{
	MemoryContext cxt = CurrentMemoryContext;
	int keep = keep_last(run->arguments);
	int64 dropped;

	begin("removing old backups");
	dropped = rarr_backup_clean_up(keep);
	rarr_process_commit();
	MemoryContextSwitchTo(cxt);
	return psprintf(INT64_FORMAT " backups removed", dropped);
}

static const RarrScheduleCommand backup_command = {
	.name = "backup",
	.admin_only = true,
	.check = check_backup,
	.idle = backup_idle,
	.run = run_backup,
};

static const RarrScheduleCommand cleanup_command = {
	.name = "backup_cleanup",
	.admin_only = true,
	.check = check_cleanup,
	.idle = backup_idle,
	.run = run_cleanup,
};

/* Register what can be scheduled.  Called when the library is loaded. */
void
rarr_backup_init(void)
{
	rarr_schedule_command_register(&backup_command);
	rarr_schedule_command_register(&cleanup_command);
	rarr_backup_archive_init();
}
