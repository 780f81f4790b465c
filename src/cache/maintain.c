/*
 * maintain.c
 *		The cache's maintenance: remove what has expired, and flush on request.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xlog.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/schema.h"
#include "base/task.h"
#include "cache/evict.h"
#include "cache/flush.h"
#include "cache/maintain.h"
#include "cache/table.h"

/* at once: entries of a partition, and rows of the table */
#define ENTRIES_AT_ONCE 1000
#define ROWS_AT_ONCE    1000

/* at least and at most so long between two runs of the task, in ms */
#define SHORTEST_PAUSE (60 * 1000)
#define LONGEST_PAUSE  (10 * 60 * 1000)

/* transactions that ended so long ago are forgotten, in doubts */
#define OLD_TRANSACTIONS 1000000000

static void run_expire(RarrTaskRun *run);

static const RarrTask expire_task = {
	.name = "cache_expiry",
	.activity = "deleting expired rows and values of the cache",
	.time_limit = 10 * 1000,
	.lock_timeout = 1000,
	.run = run_expire};

static const char *const next_expiry = "SELECT pg_catalog.min(expiry) FROM researcharr.cache_entries";

/* Forget old transactions, before their ids can be taken for new ones. */
static void
forget_transactions(uint32 partition)
{
	TransactionId oldest = ReadNextTransactionId() - OLD_TRANSACTIONS;
	RarrCachePartition *part = rarr_cache_partition(partition);

	LWLockAcquire(&part->lock, LW_EXCLUSIVE);
	for (int i = 0; i < RARR_CACHE_DOUBTS; i++)
		rarr_doubt_forget(rarr_cache_doubt(partition, i), oldest);
	LWLockRelease(&part->lock);
}

/* Remove what has expired in memory, of all databases. */
static void
expire_memory(void)
{
	for (uint32 p = 0; p < rarr_cache_partitions(); p++)
	{
		CHECK_FOR_INTERRUPTS();
		while (rarr_cache_expire(p, ENTRIES_AT_ONCE) == ENTRIES_AT_ONCE)
			CHECK_FOR_INTERRUPTS();
		forget_transactions(p);
	}
	rarr_cache_forget_transactions(ReadNextTransactionId() - OLD_TRANSACTIONS);
}

/* Remove some rows that have expired. */
static uint64
expire_rows(void)
{
	uint64 n = rarr_cache_table_is_empty() ? 0 : rarr_cache_table_expire(ROWS_AT_ONCE);

	if (rarr_cache_is_there() && n > 0)
		rarr_cache_count_many(RARR_COUNT_TABLE_EXPIRATIONS, n);
	return n;
}

/* When the next row expires; DT_NOEND if none does. */
static TimestampTz
find_next_expiry(void)
{
	bool isnull = true;
	Datum expiry = (Datum) 0;

	SPI_connect();
	if (SPI_execute(next_expiry, true, 1) == SPI_OK_SELECT && SPI_processed == 1)
		expiry = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	SPI_finish();
	return isnull ? DT_NOEND : DatumGetTimestampTz(expiry);
}

/*
 * The task.  Nothing that has expired is served, so that it need not be removed
 * at once.
 */
static void
run_expire(RarrTaskRun *run)
{
	TimestampTz earliest = GetCurrentTimestamp() + SHORTEST_PAUSE * INT64CONST(1000);
	TimestampTz next;

	if (!OidIsValid(rarr_find_relation("cache_entries")))
		return;
	rarr_cache_table_refuse_foreign_code();
	if (rarr_cache_is_there())
		expire_memory();
	if (expire_rows() == ROWS_AT_ONCE)
	{
		rarr_task_again(run);
		return;
	}
	next = find_next_expiry();
	rarr_task_after(run, LONGEST_PAUSE);
	rarr_task_at(run, Max(next, earliest));
}

/*
 * cache_flush() returns bigint
 *
 * Writes some of what write_behind has left in memory to the table, and removes
 * some of what has expired; how many entries and rows?  0: nothing is left, or
 * another session is flushing.  Raises 25006 in a read-only transaction.
 */
PG_FUNCTION_INFO_V1(researcharr_cache_flush);
Datum
researcharr_cache_flush(PG_FUNCTION_ARGS)
{
	int64 n;

	rarr_prevent_read_only("cache_flush()");
	n = rarr_flush_some();
	if (rarr_cache_is_there())
		expire_memory();
	PG_RETURN_INT64(n + expire_rows());
}

/* Register the tasks.  Called when the library is loaded. */
void
rarr_cache_maintain_init(void)
{
	rarr_task_register(&expire_task);
}
