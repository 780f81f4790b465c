/*
 * expire.c
 *		Delete rows of cache_entries that have expired.
 *
 * A row is not served after its expiry, so that it does not matter when it is
 * deleted.  The maintenance task deletes them in batches, from the index of
 * expiries.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/timestamp.h"

#include "base/foreign_code.h"
#include "base/schema.h"
#include "base/task.h"
#include "cache/cache.h"

/* how many rows a run deletes */
#define BATCH 1000

/* at least and at most so long between two runs, in milliseconds */
#define SHORTEST_PAUSE (60 * 1000)
#define LONGEST_PAUSE  (10 * 60 * 1000)

static const char *const delete_batch =
	"DELETE FROM researcharr.cache_entries WHERE ctid OPERATOR(pg_catalog.=) ANY (ARRAY("
	"SELECT ctid FROM researcharr.cache_entries WHERE expiry OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp() "
	"ORDER BY expiry LIMIT $1 FOR UPDATE SKIP LOCKED))";

static const char *const next_expiry = "SELECT pg_catalog.min(expiry) FROM researcharr.cache_entries";

/* Delete a batch.  Returns how many rows there were. */
static uint64
delete_expired(void)
{
	Oid type = INT4OID;
	Datum limit = Int32GetDatum(BATCH);

	if (SPI_execute_with_args(delete_batch, 1, &type, &limit, NULL, false, 0) != SPI_OK_DELETE)
		elog(ERROR, "could not delete expired rows");
	return SPI_processed;
}

/* When the next row expires; DT_NOEND if none does. */
static TimestampTz
find_next_expiry(void)
{
	bool isnull = true;
	Datum expiry = (Datum) 0;

	if (SPI_execute(next_expiry, true, 1) == SPI_OK_SELECT && SPI_processed == 1)
		expiry = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	return isnull ? DT_NOEND : DatumGetTimestampTz(expiry);
}

static void
expire(RarrTaskRun *run)
{
	Relation table;
	TimestampTz next;

	if (!OidIsValid(rarr_find_relation("cache_entries")))
		return;
	table = rarr_relation_open("cache_entries", RowExclusiveLock);
	rarr_refuse_foreign_code(table);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (delete_expired() == BATCH)
		rarr_task_again(run);
	else
	{
		next = find_next_expiry();
		rarr_task_after(run, LONGEST_PAUSE);
		rarr_task_at(run, Max(next, GetCurrentTimestamp() + SHORTEST_PAUSE * INT64CONST(1000)));
	}
	SPI_finish();
	relation_close(table, NoLock);
}

static const RarrTask expire_task = {
	.name = "cache_expiry",
	.activity = "deleting expired rows of researcharr.cache_entries",
	.time_limit = 10000,
	.lock_timeout = 1000,
	.run = expire,
};

/* Register the task.  Called when the library is loaded. */
void
rarr_cache_register_tasks(void)
{
	rarr_task_register(&expire_task);
}
