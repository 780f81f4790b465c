/*
 * schedule_log.c
 *		Runs of the schedule's entries.
 *
 * A run is a row of schedule_log, which goes through these states:
 *
 *     requested    the due time is handled: schedule_state says so as well,
 *                  and both are written in one transaction
 *     running      a process has begun it, and committed that before
 *     succeeded, failed, interrupted, skipped, cancelled
 *
 * No run goes back to an earlier state.  So each due time is requested once and
 * started at most once, whatever happens in between.  A unique index lets each
 * entry have one requested and one running run at most.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/text.h"
#include "ops/schedule_log.h"

#define MAX_TEXT 2000 /* of a result or an error, in bytes */

static void
param_id(RarrScheduleQuery *query, const pg_uuid_t *id)
{
	rarr_schedule_param(query, UUIDOID, UUIDPGetDatum(id), false);
}

static const char *
clipped(const char *text)
{
	return text != NULL ? rarr_clip_text(rarr_valid_text(text), MAX_TEXT) : NULL;
}

/* Run a statement whose rows are not needed.  Returns their number. */
static uint64
run_alone(RarrScheduleQuery *query)
{
	RarrScheduleAccess access;
	uint64 n;

	rarr_schedule_begin(&access);
	n = rarr_schedule_execute(query);
	rarr_schedule_end(&access);
	return n;
}

/*
 * Request a run, for a due time or (NULL) by hand.  If one of the entry waits
 * already, that serves both.  Returns its id, a uuid.
 */
Datum
rarr_schedule_log_request(const RarrScheduleEntry *entry, const char *reason, const TimestampTz *due_at)
{
	RarrScheduleQuery query = {
		"INSERT INTO researcharr.schedule_log AS l (id, entry, command, owner, reason, due_at)"
		" VALUES (researcharr.uuid_v7(), $1, $2, $3, $4, $5)"
		" ON CONFLICT (entry, status) WHERE finished_at IS NULL DO UPDATE SET command = excluded.command,"
		" owner = excluded.owner, due_at = COALESCE(excluded.due_at, l.due_at),"
		" reason = CASE WHEN excluded.due_at IS NULL THEN l.reason ELSE excluded.reason END"
		" RETURNING l.id"};
	RarrScheduleAccess access;
	bool isnull;
	Datum id;

	rarr_schedule_begin(&access);
	rarr_schedule_param_text(&query, entry->name);
	rarr_schedule_param_text(&query, entry->command);
	rarr_schedule_param_text(&query, entry->owner);
	rarr_schedule_param_text(&query, reason);
	rarr_schedule_param(&query, TIMESTAMPTZOID, due_at != NULL ? TimestampTzGetDatum(*due_at) : (Datum) 0,
						due_at == NULL);
	if (rarr_schedule_execute(&query) != 1)
		elog(ERROR, "a run was not requested");
	id = rarr_schedule_datum(&access, 0, 1, &isnull);
	rarr_schedule_end(&access);
	return id;
}

/* Record that a due time is skipped. */
void
rarr_schedule_log_skip(const RarrScheduleEntry *entry, TimestampTz due_at, const char *why)
{
	RarrScheduleQuery query = {
		"INSERT INTO researcharr.schedule_log (id, entry, command, owner, reason, due_at, status, finished_at, error)"
		" VALUES (researcharr.uuid_v7(), $1, $2, $3, 'schedule', $4, 'skipped', pg_catalog.clock_timestamp(), $5)"};

	rarr_schedule_param_text(&query, entry->name);
	rarr_schedule_param_text(&query, entry->command);
	rarr_schedule_param_text(&query, entry->owner);
	rarr_schedule_param(&query, TIMESTAMPTZOID, TimestampTzGetDatum(due_at), false);
	rarr_schedule_param_text(&query, why);
	(void) run_alone(&query);
}

/*
 * Return the requested runs (RarrScheduleRequest), oldest first, and set
 * *running to the number of runs that go on.
 */
List *
rarr_schedule_log_requests(int *running)
{
	RarrScheduleQuery query = {
		"SELECT l.id::uuid, l.entry::text, l.due_at::timestamptz, l.launches::int, l.launched_at::timestamptz,"
		" l.status = 'running', EXISTS (SELECT FROM researcharr.schedule_log AS r"
		" WHERE r.entry = l.entry AND r.status = 'running' AND r.finished_at IS NULL)"
		" FROM researcharr.schedule_log AS l WHERE l.finished_at IS NULL AND l.id IS NOT NULL AND l.entry IS NOT NULL"
		" ORDER BY l.id"};
	RarrScheduleAccess access;
	List *requests = NIL;
	uint64 n;

	*running = 0;
	rarr_schedule_begin(&access);
	n = rarr_schedule_execute(&query);
	for (uint64 i = 0; i < n; i++)
	{
		RarrScheduleRequest *request;
		MemoryContext old;
		bool isnull;

		if (DatumGetBool(rarr_schedule_datum(&access, i, 6, &isnull)))
		{
			(*running)++;
			continue;
		}
		old = MemoryContextSwitchTo(access.cxt);
		request = palloc0(sizeof(RarrScheduleRequest));
		requests = lappend(requests, request);
		MemoryContextSwitchTo(old);
		request->id = *DatumGetUUIDP(rarr_schedule_datum(&access, i, 1, &isnull));
		request->entry = rarr_schedule_text(&access, i, 2);
		request->due_at = DatumGetTimestampTz(rarr_schedule_datum(&access, i, 3, &isnull));
		request->is_due = !isnull;
		request->launches = DatumGetInt32(rarr_schedule_datum(&access, i, 4, &isnull));
		request->launched_at = DatumGetTimestampTz(rarr_schedule_datum(&access, i, 5, &isnull));
		if (isnull)
			request->launches = 0;
		request->is_busy = DatumGetBool(rarr_schedule_datum(&access, i, 7, &isnull));
	}
	rarr_schedule_end(&access);
	return requests;
}

/* Record that a process is asked for. */
void
rarr_schedule_log_launched(const pg_uuid_t *id)
{
	RarrScheduleQuery query = {
		"UPDATE researcharr.schedule_log SET launches = launches + 1, launched_at = pg_catalog.clock_timestamp()"
		" WHERE id = $1 AND status = 'requested'"};

	param_id(&query, id);
	(void) run_alone(&query);
}

/* Read a requested run, without its arguments.  Returns false if it is not requested any more. */
bool
rarr_schedule_log_find(const pg_uuid_t *id, RarrScheduledRun *run)
{
	RarrScheduleQuery query = {
		"SELECT l.entry::text, l.due_at::timestamptz FROM researcharr.schedule_log AS l"
		" WHERE l.id = $1 AND l.status = 'requested' AND l.entry IS NOT NULL"};
	RarrScheduleAccess access;
	bool found;
	bool isnull;

	rarr_schedule_begin(&access);
	param_id(&query, id);
	found = rarr_schedule_execute(&query) == 1;
	if (found)
	{
		run->id = *id;
		run->entry = rarr_schedule_text(&access, 0, 1);
		run->due_at = DatumGetTimestampTz(rarr_schedule_datum(&access, 0, 2, &isnull));
		run->is_due = !isnull;
	}
	rarr_schedule_end(&access);
	return found;
}

/*
 * Begin a requested run in this process.  Returns false if it is not requested
 * any more, or another run of the entry goes on.
 */
bool
rarr_schedule_log_claim(const pg_uuid_t *id)
{
	RarrScheduleQuery query = {
		"UPDATE researcharr.schedule_log AS l SET status = 'running', started_at = pg_catalog.clock_timestamp(),"
		" pid = $2, server_id = $3 WHERE l.id = $1 AND l.status = 'requested'"
		" AND NOT EXISTS (SELECT FROM researcharr.schedule_log AS r"
		" WHERE r.entry = l.entry AND r.status = 'running' AND r.finished_at IS NULL)"};

	param_id(&query, id);
	rarr_schedule_param(&query, INT4OID, Int32GetDatum(MyProcPid), false);
	rarr_schedule_param(&query, TIMESTAMPTZOID, TimestampTzGetDatum(PgStartTime), false);
	return run_alone(&query) == 1;
}

/* End a run that waits or goes on.  result and error may be NULL. */
void
rarr_schedule_log_finish(const pg_uuid_t *id, const char *status, const char *result, const char *error)
{
	RarrScheduleQuery query = {
		"UPDATE researcharr.schedule_log SET status = $2, finished_at = pg_catalog.clock_timestamp(),"
		" result = $3, error = $4 WHERE id = $1 AND finished_at IS NULL"};

	param_id(&query, id);
	rarr_schedule_param_text(&query, status);
	rarr_schedule_param_text(&query, clipped(result));
	rarr_schedule_param_text(&query, clipped(error));
	(void) run_alone(&query);
}

/* Cancel the entry's run that waits, if there is one. */
void
rarr_schedule_log_cancel(const char *entry, const char *why)
{
	RarrScheduleQuery query = {
		"UPDATE researcharr.schedule_log SET status = 'cancelled', finished_at = pg_catalog.clock_timestamp(),"
		" error = $2 WHERE entry = $1 AND status = 'requested' AND finished_at IS NULL"};

	rarr_schedule_param_text(&query, entry);
	rarr_schedule_param_text(&query, why);
	(void) run_alone(&query);
}

/*
 * Does the process that began a run still exist?  A later process can have the
 * same number: of another server, or after very many others.
 */
static bool
is_alive(int pid, TimestampTz server_id)
{
	PGPROC *proc = BackendPidGetProc(pid);

	return server_id == PgStartTime && proc != NULL && proc->databaseId == MyDatabaseId;
}

/* End the runs whose process ended before them, as in a crash. */
void
rarr_schedule_log_settle(void)
{
	RarrScheduleQuery query = {
		"SELECT id::uuid, pid::int, server_id::timestamptz FROM researcharr.schedule_log"
		" WHERE status = 'running' AND finished_at IS NULL AND id IS NOT NULL"};
	RarrScheduleAccess access;
	List *lost = NIL;
	ListCell *lc;
	uint64 n;

	rarr_schedule_begin(&access);
	n = rarr_schedule_execute(&query);
	for (uint64 i = 0; i < n; i++)
	{
		bool no_id;
		bool no_pid;
		bool no_server;
		Datum id = rarr_schedule_datum(&access, i, 1, &no_id);
		int pid = DatumGetInt32(rarr_schedule_datum(&access, i, 2, &no_pid));
		TimestampTz server_id = DatumGetTimestampTz(rarr_schedule_datum(&access, i, 3, &no_server));
		MemoryContext old;

		if (!no_pid && !no_server && is_alive(pid, server_id))
			continue;
		old = MemoryContextSwitchTo(access.cxt);
		lost = lappend(lost, DatumGetPointer(id));
		MemoryContextSwitchTo(old);
	}
	rarr_schedule_end(&access);
	foreach (lc, lost)
		rarr_schedule_log_finish(lfirst(lc), "interrupted", NULL, "the process that ran it ended before it was done");
}

/* Remove all but the last runs of an entry that have ended. */
void
rarr_schedule_log_prune(const char *entry, int keep)
{
	RarrScheduleQuery query = {
		"DELETE FROM researcharr.schedule_log WHERE entry = $1 AND finished_at IS NOT NULL AND id <="
		" (SELECT o.id FROM researcharr.schedule_log AS o WHERE o.entry = $1 AND o.finished_at IS NOT NULL"
		" ORDER BY o.id DESC OFFSET $2 LIMIT 1)"};

	rarr_schedule_param_text(&query, entry);
	rarr_schedule_param(&query, INT4OID, Int32GetDatum(keep), false);
	(void) run_alone(&query);
}
