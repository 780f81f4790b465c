/*
 * job_stats.c
 *		job_stats(): the number of jobs of each type and status.
 *
 * The result comes from the counters (counters.c), unless it is time to count
 * the table: that is when the time since the last count is a hundred times its
 * duration.  While there are no numbers yet, one backend counts and the others
 * wait for it.  On a standby, without shared_preload_libraries, and if row
 * security applies, the table is counted each time.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xlog.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/jit.h"
#include "base/json.h"
#include "base/schema.h"
#include "job/stats/counters.h"

#define NCOLUMNS 5

static const char *const count_sql =
	"SELECT j.job_type, j.status, pg_catalog.count(*), pg_catalog.min(j.created_at)"
	" FROM researcharr.processing_jobs j GROUP BY j.job_type, j.status ORDER BY j.job_type, j.status";

static void
put_row(ReturnSetInfo *rsinfo, const char *type, const char *status, int64 jobs, TimestampTz oldest,
		bool estimated)
{
	Datum values[NCOLUMNS] = {CStringGetTextDatum(type), CStringGetTextDatum(status),
							  Int64GetDatum(jobs), TimestampTzGetDatum(oldest), BoolGetDatum(estimated)};
	bool nulls[NCOLUMNS] = {[3] = oldest == DT_NOEND};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* The number of a status.  Raises 55000 for one that no job can have. */
static int
find_status(const char *name)
{
	for (int i = 0; i < RARR_STATUSES; i++)
		if (strcmp(rarr_job_status_name(i), name) == 0)
			return i;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("there are jobs of an unknown status: %s", rarr_quote_clipped(name, strlen(name))),
			 errhint("Give them a status that the CHECK constraint of researcharr.processing_jobs allows, and restore the constraint.")));
}

/*
 * Add a row of the count to the result.  If keep, collect the rows of a type
 * in *counts, and store them when the next type begins.
 */
static void
take_row(ReturnSetInfo *rsinfo, HeapTuple row, TupleDesc desc, Oid table, bool keep, RarrCounts *counts)
{
	char *type = SPI_getvalue(row, desc, 1);
	char *status = SPI_getvalue(row, desc, 2);
	bool isnull;
	bool no_time;
	int64 jobs = DatumGetInt64(SPI_getbinval(row, desc, 3, &isnull));
	TimestampTz oldest = DatumGetTimestampTz(SPI_getbinval(row, desc, 4, &no_time));

	/* all are NULL; only if the owner dropped the NOT NULL constraint */
	if (no_time)
		oldest = DT_NOEND;
	put_row(rsinfo, type, status, jobs, oldest, false);
	if (!keep)
		return;
	if (counts->type == NULL || strcmp(counts->type, type) != 0)
	{
		if (counts->type != NULL)
			rarr_counters_set(table, counts->type, counts);
		memset(counts, 0, sizeof(RarrCounts));
		for (int i = 0; i < RARR_STATUSES; i++)
			counts->oldest[i] = DT_NOEND;
		counts->type = type;
	}
	counts->jobs[find_status(status)] = jobs;
	counts->oldest[find_status(status)] = oldest;
}

/* Run the count, without JIT.  Requires an SPI connection. */
static int
execute_count(void)
{
	SPIPlanPtr plan = SPI_prepare(count_sql, 0, NULL);
	SPIExecuteOptions options = {.read_only = true};

	if (plan == NULL)
		elog(ERROR, "the count of jobs could not be prepared");
	return rarr_jit_execute(plan, &options);
}

/*
 * Count the table.  If keep, make the numbers the base of the counters; returns
 * false, and counts nothing, if another backend began to count and has ended.
 */
static bool
count_table(ReturnSetInfo *rsinfo, Oid table, bool keep)
{
	TimestampTz counted_at = GetCurrentTimestamp();
	int64 began = rarr_monotonic_now();
	RarrCounts counts = {0};

	if (keep)
	{
		rarr_counters_make_room();
		PushActiveSnapshot(GetLatestSnapshot());
		keep = rarr_counters_begin_recount(table);
		if (!keep)
		{
			PopActiveSnapshot();
			if (rarr_counters_await(table))
				return false;
			PushActiveSnapshot(GetLatestSnapshot());
		}
	}
	else
		PushActiveSnapshot(GetActiveSnapshot());
	SPI_connect();
	if (execute_count() != SPI_OK_SELECT)
		elog(ERROR, "jobs could not be counted");
	for (uint64 i = 0; i < SPI_processed; i++)
		take_row(rsinfo, SPI_tuptable->vals[i], SPI_tuptable->tupdesc, table, keep, &counts);
	if (keep)
	{
		if (counts.type != NULL)
			rarr_counters_set(table, counts.type, &counts);
		rarr_counters_end_recount(table, counted_at, began);
	}
	SPI_finish();
	PopActiveSnapshot();
	return true;
}

PG_FUNCTION_INFO_V1(researcharr_job_stats);

/*
 * job_stats() -> (job_type, status, jobs, oldest, estimated) rows
 *
 * Raises 42501 if the caller may not read processing_jobs, and 55000 if its
 * columns are not as the extension created them or a job has an unknown
 * status.
 */
Datum
researcharr_job_stats(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Relation jobs = rarr_relation_open(rarr_job_table.name, AccessShareLock);
	Oid table = RelationGetRelid(jobs);
	RarrCounts *counts = NULL;
	bool keep;
	int n;

	/* keep the lock, so that the count finds the columns as they are now */
	rarr_check_columns(jobs, rarr_job_table.columns, rarr_job_table.ncolumns, false);
	relation_close(jobs, NoLock);

	if (pg_class_aclcheck(table, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, rarr_job_table.name);
	InitMaterializedSRF(fcinfo, 0);
	keep = !RecoveryInProgress() && !IsInParallelMode() &&
		   check_enable_rls(table, InvalidOid, true) != RLS_ENABLED;
	while (counts == NULL)
	{
		if (keep)
			counts = rarr_counters_read(table, &n);
		if (counts == NULL && !(keep && rarr_counters_await(table)) && count_table(rsinfo, table, keep))
			return (Datum) 0;
	}
	for (int i = 0; i < n; i++)
		for (int j = 0; j < RARR_STATUSES; j++)
			if (counts[i].jobs[j] > 0)
				put_row(rsinfo, counts[i].type, rarr_job_status_name(j), counts[i].jobs[j],
						counts[i].oldest[j], true);
	return (Datum) 0;
}
