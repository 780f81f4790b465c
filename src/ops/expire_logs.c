/*
 * expire_logs.c
 *		Remove rows of the logs that are older than a rule of retention allows.
 *
 * A partition whose rows are all too old is dropped whole.  Rows are deleted in
 * batches from the DEFAULT partition, and from a partition that covers more time
 * than the rule keeps, because it would not be dropped in time.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "base/foreign_code.h"
#include "base/schema.h"
#include "base/subtransaction.h"
#include "base/uuid.h"
#include "ops/expire_logs.h"
#include "ops/log_partition.h"

/* how many rows a run deletes */
#define BATCH 5000

/* after a lock was not to be had: at least and at most, in milliseconds */
#define FIRST_RETRY 1000
#define LAST_RETRY  60000

/* What a run does for a log. */
typedef struct Expiry
{
	const RarrLog *log;
	RarrRetentionTarget target;
	TimestampTz before;
	pg_uuid_t end; /* older ids are to be removed */
	Oid fallback;
	List *old;   /* OIDs of partitions that are all too old */
	List *mixed; /* of those from which rows have to be deleted */
	Oid drop;    /* the partition to drop now */
} Expiry;

/* The i-th bound of a log, or NULL if it is infinite. */
static const pg_uuid_t *
get_bound(PartitionBoundInfo bounds, int i)
{
	if (i < 0 || i >= bounds->ndatums || bounds->kind[i][0] != PARTITION_RANGE_DATUM_VALUE)
		return NULL;
	return DatumGetUUIDP(bounds->datums[i][0]);
}

/* Does a partition between these bounds cover more time than the rule keeps? */
static bool
is_long(const pg_uuid_t *first, const pg_uuid_t *end, TimestampTz keep)
{
	TimestampTz from = first != NULL ? rarr_uuid_time(first) : DT_NOBEGIN;
	TimestampTz to = end != NULL ? rarr_uuid_time(end) : DT_NOEND;

	return from == DT_NOBEGIN || to == DT_NOEND || to - from > keep;
}

/* List the partitions with rows that are too old. */
static void
list_partitions(Expiry *expiry, Relation rel, TimestampTz now)
{
	PartitionDesc desc = RelationGetPartitionDesc(rel, true);

	expiry->old = expiry->mixed = NIL;
	for (int i = 0; desc->nparts > 0 && i <= desc->boundinfo->ndatums; i++)
	{
		int index = desc->boundinfo->indexes[i];
		const pg_uuid_t *first = get_bound(desc->boundinfo, i - 1);
		const pg_uuid_t *end = get_bound(desc->boundinfo, i);

		if (index < 0 || (first != NULL && memcmp(first, &expiry->end, UUID_LEN) >= 0))
			continue;
		if (end != NULL && memcmp(end, &expiry->end, UUID_LEN) <= 0)
			expiry->old = lappend_oid(expiry->old, desc->oids[index]);
		else if (is_long(first, end, now - expiry->before))
			expiry->mixed = lappend_oid(expiry->mixed, desc->oids[index]);
	}
	if (OidIsValid(expiry->fallback))
		expiry->mixed = lappend_oid(expiry->mixed, expiry->fallback);
}

static char *
qualified_name(Oid relid)
{
	char *name = get_rel_name(relid);

	return name == NULL ? NULL : quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), name);
}

/*
 * The body of a subtransaction: drop a partition, if it is still one.  Waits for
 * the lock on the log alone, so that nobody waits long behind it.
 */
static bool
drop_partition(void *arg)
{
	Expiry *expiry = arg;
	Relation rel;
	char *name;

	rarr_maintenance_lock(quote_qualified_identifier(RARR_SCHEMA, expiry->log->name), true);
	if (!rarr_log_open(expiry->log, AccessExclusiveLock, &rel, &expiry->fallback))
		return true;
	list_partitions(expiry, rel, GetCurrentTimestamp());
	relation_close(rel, NoLock);
	name = qualified_name(expiry->drop);
	if (name == NULL || !list_member_oid(expiry->old, expiry->drop))
		return true;
	if (OidIsValid(expiry->fallback))
		rarr_maintenance_lock(qualified_name(expiry->fallback), false);
	rarr_maintenance_lock(name, false);
	rarr_maintenance_execute(psprintf("DROP TABLE %s", name), SPI_OK_UTILITY);
	rarr_retention_record(expiry->target, name, -1, expiry->before);
	return true;
}

static bool
is_refused(const ErrorData *error, void *arg)
{
	return rarr_is_lock_timeout(error, arg) || rarr_error_is_about_data(error);
}

/*
 * Drop the first of the old partitions that can be dropped.  Returns true if one
 * was.
 */
static bool
drop_old(RarrTaskRun *run, Expiry *expiry)
{
	static int refusals = 0; /* of locks, in a row */
	List *old = list_copy(expiry->old);
	ListCell *lc;

	foreach (lc, old)
	{
		ErrorData *error;

		CHECK_FOR_INTERRUPTS();
		expiry->drop = lfirst_oid(lc);
		run->lazy_commit = true;
		if (rarr_subtransaction(drop_partition, is_refused, expiry, &error))
		{
			refusals = 0;
			return true;
		}
		if (rarr_is_lock_timeout(error, NULL))
		{
			rarr_task_after(run, Min(FIRST_RETRY << Min(refusals, 6), LAST_RETRY));
			refusals++;
			return false;
		}
		ereport(LOG,
				(errmsg("researcharr: partition \"%s\" cannot be dropped by the rule of retention: %s",
						get_rel_name(expiry->drop), error->message)));
	}
	return false;
}

/* Delete a batch from a partition.  Returns how many rows there were. */
static uint64
delete_batch(const Expiry *expiry, Oid partition)
{
	char *name = qualified_name(partition);

	if (name == NULL || get_rel_relkind(partition) != RELKIND_RELATION)
		return 0;
	rarr_maintenance_execute(psprintf("DELETE FROM ONLY %s WHERE ctid OPERATOR(pg_catalog.=) ANY (ARRAY("
									  "SELECT ctid FROM ONLY %s WHERE id OPERATOR(pg_catalog.<) '%s'::pg_catalog.uuid "
									  "ORDER BY id LIMIT %d))",
									  name, name, rarr_uuid_text(&expiry->end), BATCH),
							 SPI_OK_DELETE);
	return SPI_processed;
}

/* Delete a batch of old rows.  Returns true if there may be more. */
static bool
delete_old(Expiry *expiry)
{
	ListCell *lc;

	foreach (lc, expiry->mixed)
	{
		Relation rel = try_table_open(lfirst_oid(lc), RowExclusiveLock);
		uint64 rows = 0;

		if (rel == NULL)
			continue;
		rarr_refuse_foreign_code(rel);
		/* it can have been detached since the partitions were listed */
		if (rel->rd_rel->relispartition)
			rows = delete_batch(expiry, lfirst_oid(lc));
		table_close(rel, NoLock);
		if (rows > 0)
			rarr_retention_record(expiry->target, NULL, rows, expiry->before);
		if (rows == BATCH)
			return true;
	}
	return false;
}

/*
 * Drop a partition, or delete a batch of rows.  before: of rows that were
 * written earlier; DT_NOBEGIN: of none.  SPI is connected.  Returns true if there
 * may be more.
 */
bool
rarr_expire_log(RarrTaskRun *run, RarrRetentionTarget target, TimestampTz before)
{
	Expiry expiry = {.log = &rarr_logs[target - RARR_RETAIN_HISTORY], .target = target, .before = before};
	Relation rel;

	if (before == DT_NOBEGIN)
		return false;
	if (!rarr_log_task_begin())
	{
		rarr_task_after(run, FIRST_RETRY);
		return false;
	}
	if (!rarr_log_open(expiry.log, AccessShareLock, &rel, &expiry.fallback))
		return false;
	rarr_refuse_foreign_code(rel);
	rarr_uuid_floor(before, &expiry.end);
	list_partitions(&expiry, rel, run->now);
	/* kept until the commit, the lock would be in our own way */
	relation_close(rel, AccessShareLock);
	return drop_old(run, &expiry) || delete_old(&expiry);
}
