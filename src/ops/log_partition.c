/*
 * log_partition.c
 *		Partitions of the logs: find them, and work on them with short locks.
 *
 * A log is partitioned by range of its id, a UUID of version 7, which begins
 * with the time when it was made.  Months are those of UTC.
 *
 * To attach or drop a partition takes an ACCESS EXCLUSIVE lock on the log or on
 * its DEFAULT partition.  Everybody who ends a job waits for such a lock, also
 * while it is only asked for.  So maintenance waits for the first one for
 * researcharr.maintenance_lock_timeout at most and for others not at all, does
 * what is short, and does not wait for the commit to reach the disk or a standby.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "catalog/partition.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/timestamp.h"

#include "base/column.h"
#include "base/foreign_code.h"
#include "base/guc.h"
#include "base/schema.h"
#include "base/uuid.h"
#include "ops/log_partition.h"

const RarrLog rarr_logs[RARR_LOGS] = {
	{"processing_history", "processing_history_default", "history"},
	{"audit_log", "audit_log_default", "audit"},
};

/* A UUID as text, in the current memory context. */
char *
rarr_uuid_text(const pg_uuid_t *id)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id)));
}

/* The first moment of a month.  month: from 0 on, may be above 11. */
static TimestampTz
month_start(int year, int month)
{
	return (date2j(year + month / 12, month % 12 + 1, 1) - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY;
}

/*
 * The ids of a month of UTC: that of this time, or so many after it.  suffix:
 * gets the month as text, of 8 bytes with the zero.
 */
void
rarr_month_of(TimestampTz at, int offset, RarrIdRange *range, char *suffix)
{
	struct pg_tm tm;
	fsec_t fsec;
	int month;

	if (timestamp2tm(at, NULL, &tm, &fsec, NULL, NULL) != 0)
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
	month = tm.tm_mon - 1 + offset;
	rarr_uuid_floor(month_start(tm.tm_year, month), &range->first);
	rarr_uuid_floor(month_start(tm.tm_year, month + 1), &range->end);
	snprintf(suffix, 8, "%04d_%02d", (tm.tm_year + month / 12) % 10000, month % 12 + 1);
}

/*
 * Open a log, locked in this mode, and find its DEFAULT partition, which is
 * InvalidOid if there is none.  Returns false, without the lock, if there is no
 * such log or if it is not partitioned as the extension created it.
 */
bool
rarr_log_open(const RarrLog *log, LOCKMODE mode, Relation *rel, Oid *fallback)
{
	PartitionKey key;

	if (!OidIsValid(rarr_find_relation(log->name)))
		return false;
	*rel = rarr_relation_open(log->name, mode);
	key = (*rel)->rd_rel->relkind == RELKIND_PARTITIONED_TABLE ? RelationGetPartitionKey(*rel) : NULL;
	if (key == NULL || key->strategy != PARTITION_STRATEGY_RANGE || key->partnatts != 1 ||
		key->parttypid[0] != UUIDOID || key->partattrs[0] != rarr_find_column(RelationGetDescr(*rel), "id"))
	{
		relation_close(*rel, mode);
		return false;
	}
	*fallback = get_default_partition_oid(RelationGetRelid(*rel));
	return true;
}

/*
 * Raise 42501 if writing to the log, or to its DEFAULT partition, would run
 * another role's code.
 */
void
rarr_log_refuse_foreign_code(Relation rel, Oid fallback)
{
	Relation partition = OidIsValid(fallback) ? try_table_open(fallback, AccessShareLock) : NULL;

	rarr_refuse_foreign_code(rel);
	if (partition == NULL)
		return;
	rarr_refuse_foreign_code(partition);
	table_close(partition, AccessShareLock);
}

/* Has any partition of the log, which is locked, a page?  One without has no row. */
bool
rarr_log_has_pages(Relation rel)
{
	/* the first is the log itself, of which nothing is locked here */
	List *tables = find_all_inheritors(RelationGetRelid(rel), AccessShareLock, NULL);
	bool found = false;
	ListCell *cell;

	for_each_from(cell, tables, 1)
	{
		Relation table = relation_open(lfirst_oid(cell), NoLock);

		if (RELKIND_HAS_STORAGE(table->rd_rel->relkind))
			found |= RelationGetNumberOfBlocks(table) > 0;
		relation_close(table, AccessShareLock);
	}
	list_free(tables);
	return found;
}

/* Is there a partition for any part of the range, besides the DEFAULT one? */
bool
rarr_log_overlaps(Relation rel, const RarrIdRange *range)
{
	PartitionKey key = RelationGetPartitionKey(rel);
	PartitionDesc desc = RelationGetPartitionDesc(rel, true);
	Datum first = UUIDPGetDatum(&range->first);
	bool equal;
	int next;

	if (desc->nparts == 0 || desc->boundinfo->ndatums == 0)
		return false;
	next = partition_range_datum_bsearch(key->partsupfunc, key->partcollation, desc->boundinfo, 1,
										 &first, &equal) +
		   1;
	if (desc->boundinfo->indexes[next] >= 0)
		return true;
	return next < desc->boundinfo->ndatums &&
		   desc->boundinfo->kind[next][0] == PARTITION_RANGE_DATUM_VALUE &&
		   memcmp(DatumGetUUIDP(desc->boundinfo->datums[next][0]), &range->end, UUID_LEN) < 0;
}

/* Run SQL by SPI, which is connected.  expected: SPI_OK_... */
void
rarr_maintenance_execute(const char *sql, int expected)
{
	int result = SPI_execute(sql, false, 0);

	if (result != expected)
		elog(ERROR, "could not execute \"%s\": %s", sql, SPI_result_code_string(result));
}

/*
 * Tasks that change a log's partitions hold locks on some of them while they wait
 * for the log.  A restore locks the log first.  So that they cannot deadlock, they
 * exclude each other by locks on a table that both leave alone: tasks share it.
 * Versions before 1.9 do not have it.
 */
static Oid
turn_table(void)
{
	return rarr_find_relation("retention_rules");
}

/* Exclude restores until the transaction ends.  Returns false if one is running. */
bool
rarr_log_task_begin(void)
{
	Oid table = turn_table();

	return !OidIsValid(table) || ConditionalLockRelationOid(table, RowShareLock);
}

/* Wait until no such task is running, and exclude them until the transaction ends. */
void
rarr_log_exclude_tasks(void)
{
	Oid table = turn_table();

	if (OidIsValid(table))
		LockRelationOid(table, ExclusiveLock);
}

/*
 * Lock a relation, given by its qualified and quoted name, against everybody.
 * wait: for researcharr.maintenance_lock_timeout.  Raises 55P03 without the
 * lock.  The task then sets lazy_commit of its run.
 */
void
rarr_maintenance_lock(const char *relation, bool wait)
{
	char timeout[16];

	snprintf(timeout, sizeof(timeout), "%d", rarr_maintenance_lock_timeout);
	(void) set_config_option("lock_timeout", timeout, PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	rarr_maintenance_execute(psprintf("LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE%s", relation, wait ? "" : " NOWAIT"),
							 SPI_OK_UTILITY);
}

/* For rarr_subtransaction(): is the error that a lock was not to be had? */
bool
rarr_is_lock_timeout(const ErrorData *error, void *arg)
{
	return error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
}
