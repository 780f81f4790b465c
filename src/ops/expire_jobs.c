/*
 * expire_jobs.c
 *		Delete finished jobs that are older than a rule of retention allows.
 *
 * No index has the time when a job was finished.  So a pass walks along the
 * primary key, a batch in each run.  An id that the server made has the time
 * when the job was made, which is before it was finished.  So the pass skips
 * the ids that were made after what is to be deleted.  Ids of users' own can be
 * anything, and are visited.
 *
 * A job that somebody has locked is left for the next pass.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/expiring.h"
#include "base/foreign_code.h"
#include "base/schema.h"
#include "base/uuid.h"
#include "ops/expire_jobs.h"

/* how many jobs a run visits */
#define BATCH 2000

/* $1 to $3: of completed, failed and cancelled jobs: those finished before */
#define IS_OLD(row) \
	"((" row ".status OPERATOR(pg_catalog.=) 'completed' AND " row ".completed_at OPERATOR(pg_catalog.<) $1) OR (" row ".status OPERATOR(pg_catalog.=) 'failed' AND " row ".completed_at OPERATOR(pg_catalog.<) $2) OR (" row ".status OPERATOR(pg_catalog.=) 'cancelled' AND " row ".completed_at OPERATOR(pg_catalog.<) $3))"

/* $4, $5: a range of ids, from the first one, exclusive, to the last one */
static const char *const delete_batch =
	"WITH seen AS MATERIALIZED (SELECT id, status, completed_at FROM ONLY researcharr.processing_jobs "
	"WHERE id OPERATOR(pg_catalog.>) $4 AND id OPERATOR(pg_catalog.<=) $5 ORDER BY id LIMIT $6), "
	"old AS MATERIALIZED (SELECT j.ctid AS tid FROM ONLY researcharr.processing_jobs j "
	"JOIN seen ON j.id OPERATOR(pg_catalog.=) seen.id WHERE " IS_OLD("seen") " AND " IS_OLD("j") " FOR UPDATE OF j SKIP LOCKED), "
																								 "gone AS (DELETE FROM ONLY researcharr.processing_jobs WHERE ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT tid FROM old)) "
																								 "RETURNING status) "
																								 "SELECT (SELECT id::pg_catalog.uuid FROM seen ORDER BY id DESC LIMIT 1), (SELECT pg_catalog.count(*) FROM seen), "
																								 "pg_catalog.count(*) FILTER (WHERE status OPERATOR(pg_catalog.=) 'completed'), "
																								 "pg_catalog.count(*) FILTER (WHERE status OPERATOR(pg_catalog.=) 'failed'), "
																								 "pg_catalog.count(*) FILTER (WHERE status OPERATOR(pg_catalog.=) 'cancelled') FROM gone";

/* The pass of this process. */
static struct
{
	bool under_way;
	bool behind;  /* it is among the ids behind the present time */
	pg_uuid_t at; /* the last id that it visited */
} pass;

/* The last id that the current part of the pass has to visit. */
static pg_uuid_t
last_id(const RarrRetention *retention)
{
	TimestampTz latest = DT_NOBEGIN;
	pg_uuid_t id;

	for (int i = RARR_RETAIN_COMPLETED_JOBS; i <= RARR_RETAIN_CANCELLED_JOBS; i++)
		latest = Max(latest, retention->before[i]);
	if (pass.behind)
		memset(&id, 0xFF, sizeof(id));
	else
		rarr_uuid_floor(latest + USECS_PER_DAY, &id);
	return id;
}

/* Run the statement.  Its one row is in SPI_tuptable. */
static void
execute_batch(Oid jobs, const RarrRetention *retention)
{
	pg_uuid_t last = last_id(retention);
	Oid types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, UUIDOID, UUIDOID, INT4OID};
	Datum values[] = {TimestampTzGetDatum(retention->before[RARR_RETAIN_COMPLETED_JOBS]),
					  TimestampTzGetDatum(retention->before[RARR_RETAIN_FAILED_JOBS]),
					  TimestampTzGetDatum(retention->before[RARR_RETAIN_CANCELLED_JOBS]),
					  UUIDPGetDatum(&pass.at), UUIDPGetDatum(&last), Int32GetDatum(BATCH)};

	PG_TRY();
	{
		rarr_expiring_table = jobs;
		if (SPI_execute_with_args(delete_batch, lengthof(types), types, values, NULL, false, 0) != SPI_OK_SELECT ||
			SPI_processed != 1)
			elog(ERROR, "could not delete old jobs");
	}
	PG_FINALLY();
	{
		rarr_expiring_table = InvalidOid;
	}
	PG_END_TRY();
}

/* A column of the statement's row; 0 for NULL. */
static Datum
column(int i)
{
	bool isnull;

	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i, &isnull);
}

/*
 * Delete a batch of old jobs.  SPI is connected.  Returns true if the pass is
 * not done.
 */
bool
rarr_expire_jobs(RarrTaskRun *run, const RarrRetention *retention)
{
	Relation jobs;
	int64 seen;
	int64 gone[RARR_RETAIN_CANCELLED_JOBS + 1];

	for (int i = RARR_RETAIN_COMPLETED_JOBS; retention->before[i] == DT_NOBEGIN; i++)
		if (i == RARR_RETAIN_CANCELLED_JOBS)
			return false;
	if (!pass.under_way)
		memset(&pass, 0, sizeof(pass));
	jobs = rarr_relation_open("processing_jobs", RowExclusiveLock);
	rarr_refuse_foreign_code(jobs);
	execute_batch(RelationGetRelid(jobs), retention);
	relation_close(jobs, NoLock);

	seen = DatumGetInt64(column(2));
	if (seen > 0)
		pass.at = *DatumGetUUIDP(column(1));
	for (int i = 0; i < lengthof(gone); i++)
		gone[i] = DatumGetInt64(column(3 + i));
	for (int i = 0; i < lengthof(gone); i++)
		if (gone[i] > 0)
			rarr_retention_record(i, NULL, gone[i], retention->before[i]);
	pass.under_way = seen == BATCH || !pass.behind;
	if (seen < BATCH && !pass.behind)
	{
		pass.behind = true;
		rarr_uuid_floor(run->now + USECS_PER_DAY, &pass.at);
	}
	return pass.under_way;
}
