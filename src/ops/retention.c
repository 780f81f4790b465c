/*
 * retention.c
 *		The maintenance task that deletes what is older than rules of retention
 *		allow, and the functions that set the rules.
 *
 * The task works in short runs, each of which deletes a batch of rows or drops a
 * partition, with pauses that leave most of the time to others.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/schema.h"
#include "ops/expire_jobs.h"
#include "ops/expire_logs.h"
#include "ops/retention.h"
#include "ops/retention_rules.h"

/* the pause after a run, as a multiple of its length */
#define PAUSE 4

/* the next look: after a tenth of the least time that is kept, but at least and
 * at most after so many milliseconds */
#define FIRST_LOOK (10 * 1000)
#define LAST_LOOK  (3600 * 1000)

/* The task's run: the next batch of the first target that has one. */
static void
expire(RarrTaskRun *run)
{
	int64 began = rarr_monotonic_now();
	RarrRetention retention;
	bool more = false;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (rarr_retention_read(&retention))
		more = rarr_expire_log(run, RARR_RETAIN_HISTORY, retention.before[RARR_RETAIN_HISTORY]) ||
			   rarr_expire_log(run, RARR_RETAIN_AUDIT, retention.before[RARR_RETAIN_AUDIT]) ||
			   rarr_expire_jobs(run, &retention);
	SPI_finish();
	rarr_task_after(run, Max(Min(retention.least / 1000 / 10, LAST_LOOK), FIRST_LOOK));
	if (more && run->by_hand)
		rarr_task_again(run);
	else if (more)
		rarr_task_after(run, (rarr_monotonic_now() - began) * PAUSE / 1000 + 1);
}

static const RarrTask retention_task = {
	.name = "retention",
	.activity = "deleting what is older than the rules of retention allow",
	.time_limit = 30000,
	.lock_timeout = 1000,
	.run = expire,
};

/* Register the task.  Called when the library is loaded. */
void
rarr_retention_register_task(void)
{
	rarr_task_register(&retention_task);
}

/* Read the arguments of retention_set().  Returns the target's number. */
static int
target_arg(FunctionCallInfo fcinfo)
{
	char *name;
	int target;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("target must not be null"),
				 errhint("Targets are completed_jobs, failed_jobs, cancelled_jobs, history and audit.")));
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	target = rarr_retention_target(name);
	if (target < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no target of retention \"%s\"", name),
				 errhint("Targets are completed_jobs, failed_jobs, cancelled_jobs, history and audit.")));
	return target;
}

PG_FUNCTION_INFO_V1(researcharr_retention_set);

/*
 * retention_set(target text, keep interval)
 *
 * keep: above zero and up to 36500 days; NULL to keep for ever.
 * Errors: 22004 no target; 22023 an unknown one, or keep out of range; those of
 * writing to retention_rules.
 */
Datum
researcharr_retention_set(PG_FUNCTION_ARGS)
{
	Oid types[] = {TEXTOID, INTERVALOID};
	Datum values[2];
	int target = target_arg(fcinfo);
	int result;

	rarr_prevent_read_only("retention_set()");
	values[0] = CStringGetTextDatum(rarr_retention_targets[target]);
	if (!PG_ARGISNULL(1))
	{
		(void) rarr_duration_arg(PG_GETARG_INTERVAL_P(1), "keep", 1);
		values[1] = PG_GETARG_DATUM(1);
	}
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (PG_ARGISNULL(1))
		result = SPI_execute_with_args("DELETE FROM researcharr.retention_rules WHERE target OPERATOR(pg_catalog.=) $1",
									   1, types, values, NULL, false, 0);
	else
		result = SPI_execute_with_args("INSERT INTO researcharr.retention_rules (target, keep) VALUES ($1, $2) "
									   "ON CONFLICT (target) DO UPDATE SET keep = EXCLUDED.keep",
									   2, types, values, NULL, false, 0);
	if (result != SPI_OK_DELETE && result != SPI_OK_INSERT)
		elog(ERROR, "could not change the rules of retention");
	SPI_finish();
	rarr_task_wake_at_commit(&retention_task, DT_NOBEGIN);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(researcharr_retention_list);

/*
 * retention_list() -> (target, keep): a row for each target; keep is NULL if
 *		there is no rule
 */
Datum
researcharr_retention_list(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum keeps[RARR_RETENTION_TARGETS];
	bool nulls[RARR_RETENTION_TARGETS];
	MemoryContext cxt = CurrentMemoryContext;

	InitMaterializedSRF(fcinfo, 0);
	memset(nulls, true, sizeof(nulls));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (SPI_execute(RARR_RETENTION_RULES, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the rules of retention");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		int target = rarr_retention_target(SPI_getvalue(row, SPI_tuptable->tupdesc, 1));
		bool isnull;
		Datum keep = SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull);
		MemoryContext old;

		if (target < 0 || isnull)
			continue;
		old = MemoryContextSwitchTo(cxt);
		keeps[target] = IntervalPGetDatum(memcpy(palloc(sizeof(Interval)), DatumGetIntervalP(keep), sizeof(Interval)));
		nulls[target] = false;
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	for (int i = 0; i < RARR_RETENTION_TARGETS; i++)
	{
		Datum values[2] = {CStringGetTextDatum(rarr_retention_targets[i]), nulls[i] ? (Datum) 0 : keeps[i]};
		bool row_nulls[2] = {false, nulls[i]};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, row_nulls);
	}
	return (Datum) 0;
}
