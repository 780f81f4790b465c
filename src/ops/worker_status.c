/*
 * worker_status.c
 *		worker_status(): what the background worker does, did and will do.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "commands/dbcommands.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "base/guc.h"
#include "ops/worker_state.h"

/* columns of the result */
enum
{
	COL_DATABASE,
	COL_TASK,
	COL_PID,
	COL_STARTED,
	COL_DURATION,
	COL_RESULT,
	COL_ERROR,
	COL_FAILURES,
	COL_RUNS,
	COL_NEXT_DUE,
	COL_PROGRESS,
	COLUMNS
};

/* A copy of what the processes share. */
typedef struct Copy
{
	RarrDatabaseState **entries; /* of databases, or NULL */
	RarrWorker workers[RARR_MAX_WORKERS];
} Copy;

static Copy *
copy_state(void)
{
	Copy *copy = palloc(sizeof(Copy));
	Size size = (char *) rarr_worker_entry(1) - (char *) rarr_worker_entry(0);

	copy->entries = palloc0(rarr_worker_databases * sizeof(RarrDatabaseState *));
	LWLockAcquire(&rarr_workers->lock, LW_SHARED);
	memcpy(copy->workers, rarr_workers->workers, sizeof(copy->workers));
	for (int i = 0; i < rarr_worker_databases; i++)
	{
		RarrDatabaseState *entry = rarr_worker_entry(i);

		if (OidIsValid(entry->database))
			copy->entries[i] = memcpy(palloc(size), entry, size);
	}
	LWLockRelease(&rarr_workers->lock);
	return copy;
}

/* May the user see what the worker does in this database? */
static bool
may_see(Oid database)
{
	return database == MyDatabaseId || has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
}

/* A length of time in microseconds as an interval. */
static Datum
interval_of(int64 usec)
{
	Interval *interval = palloc0(sizeof(Interval));

	interval->time = usec;
	return IntervalPGetDatum(interval);
}

/* The process that runs a task of an entry, or NULL. */
static const RarrWorker *
runner_of(const Copy *copy, int entry, int task)
{
	for (int i = 0; i < RARR_MAX_WORKERS; i++)
	{
		const RarrWorker *worker = &copy->workers[i];

		if (worker->serial != 0 && worker->entry == entry && worker->task == task && worker->pid != 0)
			return worker;
	}
	return NULL;
}

static void
set_text(Datum *values, bool *nulls, int column, const char *text)
{
	nulls[column] = text == NULL || text[0] == '\0';
	if (!nulls[column])
		values[column] = CStringGetTextDatum(text);
}

static void
set_time(Datum *values, bool *nulls, int column, TimestampTz at)
{
	nulls[column] = TIMESTAMP_NOT_FINITE(at);
	values[column] = TimestampTzGetDatum(at);
}

static void
set_process(Datum *values, bool *nulls, const RarrWorker *worker)
{
	nulls[COL_PID] = worker == NULL;
	if (worker != NULL)
		values[COL_PID] = Int32GetDatum(worker->pid);
	set_text(values, nulls, COL_PROGRESS, worker != NULL ? worker->progress : NULL);
}

/* The row of a task. */
static void
put_task(ReturnSetInfo *rsinfo, const char *database, const RarrTask *task, const RarrTaskState *state,
		 const RarrWorker *runner)
{
	Datum values[COLUMNS];
	bool nulls[COLUMNS] = {false};
	TimestampTz due = rarr_task_due(state, GetCurrentTimestamp());
	const char *result = state->failures > 0 ? "failed" : "succeeded";

	if (state->running)
		result = "running";
	else if (state->runs == 0)
		result = NULL;
	values[COL_DATABASE] = DirectFunctionCall1(namein, CStringGetDatum(database));
	set_text(values, nulls, COL_TASK, task->name);
	set_process(values, nulls, runner);
	set_time(values, nulls, COL_STARTED, state->last_start);
	nulls[COL_DURATION] = state->runs == 0;
	values[COL_DURATION] = interval_of(state->duration);
	set_text(values, nulls, COL_RESULT, result);
	set_text(values, nulls, COL_ERROR, state->error);
	values[COL_FAILURES] = Int32GetDatum(state->failures);
	values[COL_RUNS] = Int64GetDatum(state->runs);
	set_time(values, nulls, COL_NEXT_DUE, due == DT_NOBEGIN ? GetCurrentTimestamp() : due);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* The row of a process that a task has started. */
static void
put_process(ReturnSetInfo *rsinfo, const char *database, const RarrWorker *worker)
{
	Datum values[COLUMNS] = {0};
	bool nulls[COLUMNS];

	memset(nulls, true, sizeof(nulls));
	values[COL_DATABASE] = DirectFunctionCall1(namein, CStringGetDatum(database));
	nulls[COL_DATABASE] = false;
	set_text(values, nulls, COL_TASK, worker->name);
	set_process(values, nulls, worker);
	set_time(values, nulls, COL_STARTED, worker->started);
	set_text(values, nulls, COL_RESULT, "running");
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

PG_FUNCTION_INFO_V1(researcharr_worker_status);

/*
 * worker_status() -> a row for each task of each database, and for each process
 *		that a task has started
 *
 * A role without the privileges of pg_read_all_stats sees those of its own
 * database.  Errors: RA005 if the library is not preloaded.
 */
Datum
researcharr_worker_status(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Copy *copy;

	if (rarr_workers == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_RARR_NEEDS_PRELOAD),
				 errmsg("there is no background worker"),
				 errhint("Add researcharr to shared_preload_libraries and restart the server, or CALL researcharr.run_maintenance() regularly.")));
	InitMaterializedSRF(fcinfo, 0);
	copy = copy_state();
	for (int i = 0; i < rarr_worker_databases; i++)
	{
		const RarrDatabaseState *entry = copy->entries[i];
		char *database;

		if (entry == NULL || !may_see(entry->database) || (database = get_database_name(entry->database)) == NULL)
			continue;
		for (int t = 0; t < rarr_task_count(); t++)
			put_task(rsinfo, database, rarr_task_get(t), &entry->tasks[t], runner_of(copy, i, t));
		for (int w = 0; w < RARR_MAX_WORKERS; w++)
			if (copy->workers[w].serial != 0 && copy->workers[w].kind == RARR_WORKER_PROCESS &&
				copy->workers[w].database == entry->database && copy->workers[w].pid != 0)
				put_process(rsinfo, database, &copy->workers[w]);
	}
	return (Datum) 0;
}
