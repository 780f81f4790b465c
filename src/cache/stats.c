/*
 * stats.c
 *		How a database uses the cache: cache_stats().
 *
 * Counters are in stripes, so that sessions do not write to the same cache line.
 */
#include "postgres.h"

#include "access/table.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"

#include "base/access.h"
#include "base/schema.h"
#include "cache/store.h"

#define NCOLUMNS 8

static uint64
sum(RarrCacheCounter counter)
{
	RarrCacheDatabase *db = rarr_cache_database();
	uint64 result = 0;

	for (int i = 0; i < RARR_CACHE_STRIPES; i++)
		result += pg_atomic_read_u64(&db->stripes[i].counts[counter]);
	return result;
}

static void
put_row(ReturnSetInfo *rsinfo, const char *store, RarrCacheCounter hits, RarrCacheCounter misses,
		uint64 evictions, uint64 expirations, uint64 entries, uint64 bytes)
{
	Datum values[NCOLUMNS] = {CStringGetTextDatum(store)};
	bool nulls[NCOLUMNS] = {false};
	bool counted = rarr_cache_is_there();
	uint64 h = counted ? sum(hits) : 0;
	uint64 m = counted ? sum(misses) : 0;

	values[1] = Int64GetDatum(h);
	values[2] = Int64GetDatum(m);
	nulls[1] = nulls[2] = nulls[4] = nulls[5] = !counted;
	nulls[3] = h + m == 0;
	values[3] = Float8GetDatum(nulls[3] ? 0 : (double) h / (h + m));
	values[4] = Int64GetDatum(evictions);
	values[5] = Int64GetDatum(expirations);
	values[6] = Int64GetDatum(entries);
	values[7] = Int64GetDatum(bytes);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * cache_stats() returns SETOF (store text, hits bigint, misses bigint,
 * hit_rate double precision, evictions bigint, expirations bigint,
 * entries bigint, bytes bigint)
 *
 * Counters are NULL where there is no shared memory to count in.
 */
PG_FUNCTION_INFO_V1(researcharr_cache_stats);
Datum
researcharr_cache_stats(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	bool there = rarr_cache_is_there();
	Relation rel = rarr_relation_open("cache_entries", AccessShareLock);
	uint64 rows = DatumGetInt64(DirectFunctionCall1(pg_stat_get_live_tuples, ObjectIdGetDatum(RelationGetRelid(rel))));
	uint64 bytes = RecoveryInProgress() ? 0 : (uint64) RelationGetNumberOfBlocks(rel) * BLCKSZ;

	table_close(rel, AccessShareLock);
	InitMaterializedSRF(fcinfo, 0);
	if (there)
		put_row(rsinfo, "memory", RARR_COUNT_HITS, RARR_COUNT_MISSES, sum(RARR_COUNT_EVICTIONS),
				sum(RARR_COUNT_EXPIRATIONS), pg_atomic_read_u64(&rarr_cache_database()->entries),
				pg_atomic_read_u64(&rarr_cache_database()->blocks) * RARR_BLOCK_SIZE);
	put_row(rsinfo, "table", RARR_COUNT_TABLE_HITS, RARR_COUNT_TABLE_MISSES, 0,
			there ? sum(RARR_COUNT_TABLE_EXPIRATIONS) : 0, rows, bytes);
	return (Datum) 0;
}

/*
 * cache_stats_reset()
 *
 * Sets the counters to zero.  Raises 42501 unless the caller is an admin.
 */
PG_FUNCTION_INFO_V1(researcharr_cache_stats_reset);
Datum
researcharr_cache_stats_reset(PG_FUNCTION_ARGS)
{
	RarrCacheDatabase *db;

	if (!rarr_is_admin(GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to reset the counters of the cache"),
				 errhint("Admins can do it.")));
	if (!rarr_cache_is_there())
		PG_RETURN_VOID();
	db = rarr_cache_database();
	for (int i = 0; i < RARR_CACHE_STRIPES; i++)
		for (int j = 0; j < RARR_COUNTERS; j++)
			pg_atomic_write_u64(&db->stripes[i].counts[j], 0);
	PG_RETURN_VOID();
}
