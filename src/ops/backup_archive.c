/*
 * backup_archive.c
 *		Run researcharr.backup_archive_command for finished backups.
 *
 * A task looks for backups that are not archived, and starts a process.  That
 * runs the command for one after the other, outside of any transaction, and
 * records in the table backups how it ended.  A command that fails is run again
 * after a minute, and then after pauses that double up to an hour.  Backups that
 * are known to be damaged are not archived.
 *
 * The time of a try is committed before the command runs, so that neither a
 * crash nor a second look starts it again at once.  A lock of the process keeps
 * two from running it at a time.
 */
#include "postgres.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/guc.h"
#include "base/schema.h"
#include "base/task.h"
#include "base/text.h"
#include "ops/backup_archive.h"
#include "ops/backup_directory.h"
#include "ops/schedule_table.h"

/* when a process that was asked for should have begun, in milliseconds */
#define LOOK_INTERVAL 10000

/* the lock's part of the table backups */
#define ARCHIVE_LOCK 1

/*
 * The backup to archive next, and when: its last try plus a pause of one minute
 * to one hour.
 */
static const char *const next_sql =
	"SELECT name, due FROM (SELECT name::text, created_at, COALESCE(archive_tried_at"
	" + interval '1 minute' * pow(2, least(archive_failures, 6)), created_at) AS due"
	" FROM researcharr.backups WHERE archived_at IS NULL AND verify_error IS NULL) AS b"
	" ORDER BY due, created_at, name LIMIT 1";

/* how often the end of a command is looked for, in milliseconds */
#define WAIT_PAUSE 100

static LOCKTAG archive_lock;
static pid_t shell = 0; /* the command's process, or 0 */

static const RarrTask archive_task;
static const RarrProcess archive_process;

/* Find the next backup.  Returns its name, or NULL if there is none. */
static char *
find_next(TimestampTz *due)
{
	RarrScheduleQuery query = {next_sql};
	RarrScheduleAccess access;
	char *name = NULL;

	rarr_schedule_begin(&access);
	if (rarr_schedule_execute(&query) == 1)
	{
		bool isnull;

		name = rarr_schedule_text(&access, 0, 1);
		*due = DatumGetTimestampTz(rarr_schedule_datum(&access, 0, 2, &isnull));
	}
	rarr_schedule_end(&access);
	return name;
}

/* The task: start a process if there is something to archive now. */
static void
look(RarrTaskRun *run)
{
	TimestampTz due;

	if (rarr_backup_archive_command[0] == '\0' || !OidIsValid(rarr_find_relation("backups")) ||
		find_next(&due) == NULL)
		return;
	if (due > GetCurrentTimestamp())
	{
		rarr_task_at(run, due);
		return;
	}
	rarr_task_start_process(run, &archive_process, InvalidOid, NULL, 0);
	rarr_task_after(run, LOOK_INTERVAL);
}

/* Take the session's lock.  Returns false if another process has it. */
static bool
lock(void)
{
	SET_LOCKTAG_OBJECT(archive_lock, MyDatabaseId, RelationRelationId, rarr_relation_oid("backups"), ARCHIVE_LOCK);
	return LockAcquire(&archive_lock, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
}

/* Replace %p, %f and %% in the command. */
static char *
make_command(const char *path, const char *name)
{
	StringInfoData command;

	initStringInfo(&command);
	for (const char *c = rarr_backup_archive_command; *c != '\0'; c++)
	{
		if (c[0] == '%' && c[1] == 'p')
			appendStringInfoString(&command, path);
		else if (c[0] == '%' && c[1] == 'f')
			appendStringInfoString(&command, name);
		else if (c[0] == '%' && c[1] == '%')
			appendStringInfoChar(&command, '%');
		else
		{
			appendStringInfoChar(&command, *c);
			continue;
		}
		c++;
	}
	return command.data;
}

/*
 * Record the time of a try, and commit.  Returns the command in the memory
 * context, and *name; or NULL if there is nothing to do now.
 */
static char *
begin_try(MemoryContext cxt, char **name)
{
	RarrScheduleQuery query = {
		"UPDATE researcharr.backups SET archive_tried_at = clock_timestamp() WHERE name = $1"};
	RarrScheduleAccess access;
	TimestampTz due;
	char *command = NULL;

	rarr_process_begin();
	MemoryContextSwitchTo(cxt);
	*name = rarr_backup_archive_command[0] != '\0' ? find_next(&due) : NULL;
	/* a row can have been written by hand, and a shell reads its name */
	if (*name != NULL && due <= GetCurrentTimestamp() && rarr_backup_name_is_valid(*name))
	{
		command = make_command(psprintf("%s/%s", rarr_backup_folder(false), *name), *name);
		rarr_schedule_begin(&access);
		rarr_schedule_param_text(&query, *name);
		(void) rarr_schedule_execute(&query);
		rarr_schedule_end(&access);
	}
	rarr_process_commit();
	MemoryContextSwitchTo(cxt);
	return command;
}

/* Record how a try ended, and commit.  error: NULL if it succeeded. */
static void
end_try(const char *name, const char *error)
{
	RarrScheduleQuery query = {
		"UPDATE researcharr.backups SET archive_error = $2,"
		" archived_at = CASE WHEN $2 IS NULL THEN clock_timestamp() END,"
		" archive_failures = archive_failures + CASE WHEN $2 IS NULL THEN 0 ELSE 1 END WHERE name = $1"};
	RarrScheduleAccess access;

	rarr_process_begin();
	rarr_schedule_begin(&access);
	rarr_schedule_param_text(&query, name);
	rarr_schedule_param_text(&query, error != NULL ? rarr_clip_text(rarr_valid_text(error), 2000) : NULL);
	(void) rarr_schedule_execute(&query);
	rarr_schedule_end(&access);
	rarr_process_commit();
}

/* In a new process: become the shell that runs the command. */
static void
become_shell(const char *command)
{
	sigset_t none;

	/* a process group of its own, so that all of it can be stopped */
	(void) setsid();
	(void) sigemptyset(&none);
	(void) sigprocmask(SIG_SETMASK, &none, NULL);
	(void) pqsignal(SIGPIPE, SIG_DFL);
	(void) execl("/bin/sh", "sh", "-c", command, (char *) NULL);
	_exit(127);
}

/*
 * Run a command.  Returns NULL, or why it failed.  Interrupts are processed
 * meanwhile; if one ends this process, end_archive() stops the command.
 */
static char *
run_command(const char *command)
{
	int status;
	pid_t done;

	fflush(NULL);
	shell = fork();
	if (shell == 0)
		become_shell(command);
	if (shell < 0)
		return psprintf("could not run the archive command: %m");
	while ((done = waitpid(shell, &status, WNOHANG)) == 0 || (done < 0 && errno == EINTR))
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, WAIT_PAUSE, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	shell = 0;
	if (done < 0)
		return psprintf("could not wait for the archive command: %m");
	return status == 0 ? NULL : psprintf("archive command failed: %s", wait_result_to_str(status));
}

/*
 * before_shmem_exit callback: another process may archive, and the task looks
 * when there is more to do.  The server does not release such a lock by itself.
 * A command that still runs is stopped.
 */
static void
end_archive(int code, Datum arg)
{
	if (shell > 0)
		(void) kill(-shell, SIGTERM);
	(void) LockRelease(&archive_lock, ExclusiveLock, true);
	rarr_task_wake(&archive_task, DT_NOBEGIN);
}

/* The process. */
static void
archive(const void *arg)
{
	MemoryContext cxt = AllocSetContextCreate(TopMemoryContext, "researcharr archive", ALLOCSET_DEFAULT_SIZES);
	bool locked;
	char *command;
	char *name;

	rarr_process_begin();
	locked = lock();
	if (locked)
		before_shmem_exit(end_archive, (Datum) 0);
	rarr_process_commit();
	if (!locked)
		return;
	while ((command = begin_try(cxt, &name)) != NULL)
	{
		char *progress = psprintf("archiving backup \"%s\"", name);
		char *error;

		rarr_task_progress(progress);
		pgstat_report_activity(STATE_RUNNING, progress);
		error = run_command(command);
		CHECK_FOR_INTERRUPTS();
		if (error != NULL)
			ereport(LOG,
					(errmsg("researcharr: could not archive backup \"%s\": %s", name, error),
					 errdetail("The command was: %s", command)));
		end_try(name, error);
		MemoryContextReset(cxt);
		MemoryContextSwitchTo(cxt);
	}
	pgstat_report_stat(true);
}

static const RarrTask archive_task = {
	.name = "backup_archive",
	.activity = "looking for backups to archive",
	.time_limit = 30000,
	.lock_timeout = 5000,
	.run = look,
};

static const RarrProcess archive_process = {
	.name = "researcharr archive",
	.activity = "archiving backups",
	.main = archive,
};

/* Called when the library is loaded. */
void
rarr_backup_archive_init(void)
{
	rarr_process_register(&archive_process);
	rarr_task_register(&archive_task);
}

/* There will be a backup to archive when the transaction commits.  Cannot fail. */
void
rarr_backup_archive_wake(void)
{
	rarr_task_wake_at_commit(&archive_task, DT_NOBEGIN);
}
