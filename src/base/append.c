/*
 * append.c
 *		Append rows to a partitioned log, below privileges and triggers.
 *
 * A user needs no privilege on a log for the extension to record his changes
 * there, and a trigger rejects all other DML.  The rows therefore bypass the
 * executor's statement-level machinery.  A log is partitioned by range of its
 * first column, a version 7 UUID, which begins with the time of its generation,
 * so consecutive rows nearly always belong to the same partition.
 *
 * The target partition is looked up, locked, and looked up again.  A concurrent
 * ATTACH or DETACH either waits for our lock or is seen by the second lookup, so
 * the partition constraint need not be checked.  Rows are inserted in bulk
 * (rows.c).
 *
 * During session exit, an append is refused instead of waiting, running users'
 * code, or raising an error (at_exit.c).
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"

#include "base/append.h"
#include "base/at_exit.h"
#include "base/column.h"
#include "base/log_default.h"
#include "base/rows.h"
#include "base/schema.h"

/* how often to look for the partition of a key at exit */
#define MAX_LOOKUPS_AT_EXIT 3

/* a partition of a log: the only kind of change is an INSERT */
static const RarrChange partition_changes[] = {{CMD_INSERT, {0}, NULL}};
static const RarrTableDef partition_def = {
	.name = "partition of a log",
	.below_triggers = true,
	.nchanges = lengthof(partition_changes),
	.changes = partition_changes,
};

struct RarrAppend
{
	MemoryContext cxt; /* owns all allocations */
	bool at_exit;      /* at session exit: no waits, no errors */
	bool refused;      /* at exit: some row could not be appended */
	List *checks;      /* at exit: the target's CHECK constraints */
	Relation log;      /* the partitioned table */
	const RarrAppendColumn *columns;
	int ncolumns;
	RarrTable *target;         /* the current target partition, or NULL */
	AttrNumber *attnums;       /* column numbers in the target; 0 if absent */
	RarrLogDefaults *defaults; /* defaults of its other columns, or NULL */
	RarrRows *rows;            /* buffered rows for the target */
};

/* Is the table partitioned by range of just this uuid column? */
static bool
is_log(Relation rel, const RarrAppendColumn *key)
{
	PartitionKey partkey;

	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		return false;
	partkey = RelationGetPartitionKey(rel);
	return partkey->strategy == PARTITION_STRATEGY_RANGE && partkey->partnatts == 1 &&
		   partkey->partattrs[0] == rarr_find_column(RelationGetDescr(rel), key->name) &&
		   partkey->partattrs[0] != 0 && partkey->parttypid[0] == key->type;
}

static RarrAppend *
make_append(Relation log, const RarrAppendColumn *columns, int ncolumns)
{
	RarrAppend *append = palloc0(sizeof(RarrAppend));

	append->cxt = CurrentMemoryContext;
	append->columns = columns;
	append->ncolumns = ncolumns;
	append->attnums = palloc(ncolumns * sizeof(AttrNumber));
	append->log = log;
	return append;
}

/*
 * Begin to append to the log researcharr.<table>.
 *
 * columns describes the values of each row.  The first column is the partition
 * key.  The array must stay valid until rarr_append_end().
 *
 * The returned state is freed by rarr_append_end() or, on error, with the
 * memory context that is current now.  Takes RowExclusiveLock on the log and
 * keeps it until the transaction ends.
 *
 * Raises 25006 in a read-only transaction, 42P01 if there is no such log, and
 * 55000 if the log is not partitioned as the extension created it.
 */
RarrAppend *
rarr_append_begin(const char *table, const RarrAppendColumn *columns, int ncolumns)
{
	Relation log;

	PreventCommandIfReadOnly("an append to a log");
	log = rarr_relation_open(table, RowExclusiveLock);
	if (!is_log(log, &columns[0]))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"researcharr.%s\" is not a table that is partitioned by range of \"%s\"",
						table, columns[0].name),
				 errhint("The extension's logs must stay partitioned as they were created; partitions can be added.")));
	return make_append(log, columns, ncolumns);
}

/*
 * Like rarr_append_begin(), for session exit.  Returns NULL, without an error,
 * if the log is locked by another session or is not partitioned as the
 * extension created it.
 */
RarrAppend *
rarr_append_begin_at_exit(const char *table, const RarrAppendColumn *columns, int ncolumns)
{
	Oid relid = rarr_find_relation(table);
	Relation log;
	RarrAppend *append;

	if (!OidIsValid(relid) || !rarr_exit_lock_relation(relid))
		return NULL;
	log = try_table_open(relid, NoLock);
	if (log == NULL)
		return NULL;
	if (!is_log(log, &columns[0]))
	{
		table_close(log, NoLock);
		return NULL;
	}
	append = make_append(log, columns, ncolumns);
	append->at_exit = true;
	return append;
}

/*
 * Find the partition for a key, or InvalidOid if there is none.  This follows
 * the executor's get_partition_for_tuple(), including its treatment of
 * partitions that are being detached.
 */
static Oid
partition_of(Relation log, Datum key)
{
	PartitionKey partkey = RelationGetPartitionKey(log);
	PartitionDesc desc = RelationGetPartitionDesc(log, !IsolationUsesXactSnapshot());
	int index = -1;

	if (desc->nparts > 0)
	{
		bool equal = false;
		int offset = partition_range_datum_bsearch(partkey->partsupfunc,
												   partkey->partcollation,
												   desc->boundinfo, 1,
												   &key, &equal);

		index = desc->boundinfo->indexes[offset + 1];
		if (index < 0)
			index = desc->boundinfo->default_index;
	}
	return index < 0 ? InvalidOid : desc->oids[index];
}

/* Insert the buffered rows and close the current target partition. */
static void
close_target(RarrAppend *append)
{
	if (append->target == NULL)
		return;
	rarr_rows_end(append->rows);
	rarr_log_defaults_end(append->defaults);
	rarr_table_close(append->target);
	append->target = NULL;
}

/* Get a column's number in the partition, or 0 if it is optional and absent. */
static AttrNumber
column_of(Relation partition, const RarrAppendColumn *column)
{
	if (column->optional && rarr_find_column(RelationGetDescr(partition), column->name) == 0)
		return 0;
	return rarr_require_column(partition, column->name, column->type);
}

/* At exit: are all our columns present, and can rows be written safely? */
static bool
is_fit_at_exit(RarrAppend *append, Relation partition)
{
	static const RarrIndexDef *const no_indexes[] = {NULL};
	TupleDesc desc = RelationGetDescr(partition);

	if (partition->rd_rel->relkind != RELKIND_RELATION)
		return false;
	for (int i = 0; i < append->ncolumns; i++)
	{
		AttrNumber attnum = rarr_find_column(desc, append->columns[i].name);

		if (attnum == 0 ? !append->columns[i].optional :
						  TupleDescAttr(desc, attnum - 1)->atttypid != append->columns[i].type)
			return false;
	}
	return rarr_exit_may_write(partition, rarr_find_column(desc, append->columns[0].name), no_indexes);
}

/*
 * Make an open and locked partition the current target.  At exit, return false
 * if the default of another column cannot be evaluated.  The caller's memory
 * context may be a per-row one, so allocate in the append's own context.
 */
static bool
open_target(RarrAppend *append, Relation partition)
{
	MemoryContext old;
	bool evaluable;

	if (partition->rd_rel->relkind != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("partition \"%s\" is not an ordinary table",
						RelationGetRelationName(partition)),
				 errhint("Only ordinary tables can be partitions of \"%s\" for the current time.",
						 RelationGetRelationName(append->log))));
	for (int i = 0; i < append->ncolumns; i++)
		append->attnums[i] = column_of(partition, &append->columns[i]);
	old = MemoryContextSwitchTo(append->cxt);
	append->target = rarr_table_open_relation(&partition_def, RelationGetRelid(partition));
	append->rows = rarr_rows_begin(append->target, 0);
	evaluable = rarr_log_defaults_begin(append->log, append->target, append->attnums,
										append->ncolumns, append->at_exit, &append->defaults);
	MemoryContextSwitchTo(old);
	return evaluable;
}

/* Make the partition for this key the current target. */
static void
set_target(RarrAppend *append, Datum key)
{
	for (;;)
	{
		Oid relid = partition_of(append->log, key);
		Relation partition;

		CHECK_FOR_INTERRUPTS();
		if (append->target && append->target->relid == relid)
			return;
		close_target(append);
		if (!OidIsValid(relid))
			ereport(ERROR,
					(errcode(ERRCODE_CHECK_VIOLATION),
					 errmsg("no partition of relation \"%s\" found for row",
							RelationGetRelationName(append->log)),
					 errhint("Attach a partition for the current time, or a default one.")));

		/* locking processes invalidations, so the next lookup is current */
		partition = try_table_open(relid, RowExclusiveLock);
		if (partition == NULL)
			continue;
		if (partition_of(append->log, key) == relid)
		{
			(void) open_target(append, partition);
			table_close(partition, NoLock);
			return;
		}
		table_close(partition, RowExclusiveLock);
	}
}

/*
 * Lock the partition of a key at exit, and set *relid to it.  Invalidation messages
 * are processed when the lock is taken.  If they say that another partition has the
 * key now, that one is locked.  Returns false if it cannot be locked.
 */
static bool
lock_partition_at_exit(RarrAppend *append, Datum key, Oid *relid)
{
	for (int i = 0; i < MAX_LOOKUPS_AT_EXIT; i++)
	{
		*relid = partition_of(append->log, key);
		if (!rarr_exit_lock_table(*relid))
			return false;
		if (partition_of(append->log, key) == *relid)
			return true;
	}
	return false;
}

/* Like set_target(), at exit; false if the partition is not writable. */
static bool
set_target_at_exit(RarrAppend *append, Datum key)
{
	Oid relid;
	Relation partition;
	bool fit;

	if (append->target && append->target->relid == partition_of(append->log, key))
		return true;
	close_target(append);
	if (!lock_partition_at_exit(append, key, &relid))
		return false;
	partition = table_open(relid, NoLock);
	fit = is_fit_at_exit(append, partition);
	if (fit)
	{
		fit = open_target(append, partition) && !append->target->has_triggers;
		append->checks = rarr_exit_prepare_checks(append->target);
	}
	table_close(partition, NoLock);
	return fit;
}

/*
 * Append a row.
 *
 * values and nulls have one element per column, in the order passed to
 * rarr_append_begin().  Values are copied.
 *
 * Raises 23514 if there is no partition for the key, 42809 if the partition is
 * not an ordinary table, 42703 if the partition lacks a column, and 23502 or
 * 23514 if the row violates a constraint.  At exit no error is raised;
 * rarr_append_end() reports the failure.
 */
void
rarr_append_row(RarrAppend *append, const Datum *values, const bool *nulls)
{
	TupleTableSlot *slot;

	if (append->at_exit)
		append->refused = append->refused || !set_target_at_exit(append, values[0]);
	else
		set_target(append, values[0]);
	if (append->refused)
		return;
	slot = rarr_rows_next(append->rows);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
	for (int i = 0; i < append->ncolumns; i++)
	{
		int att = append->attnums[i] - 1;

		if (att < 0)
			continue;
		slot->tts_values[att] = values[i];
		slot->tts_isnull[att] = nulls[i];
	}
	rarr_log_defaults_fill(append->defaults, append->target, slot);
	ExecStoreVirtualTuple(slot);
	if (append->at_exit && !rarr_exit_checks_hold(append->target, append->checks, slot))
	{
		ExecClearTuple(slot);
		append->refused = true;
		return;
	}
	rarr_rows_add(append->rows);
}

/*
 * Insert the buffered rows and free the state.  Returns false if a row could
 * not be appended at session exit; the caller must then roll back.
 */
bool
rarr_append_end(RarrAppend *append)
{
	bool done = !append->refused;

	close_target(append);
	table_close(append->log, NoLock);
	pfree(append->attnums);
	pfree(append);
	return done;
}
