/*-------------------------------------------------------------------------
 *
 * append.c
 *		Rows appended from C to a log: below privileges and triggers, into the
 *		right partition.
 *
 * The logs are append-only for everybody: their triggers turn DML away, and
 * nobody needs a privilege on them for his changes to be put on record.  So
 * the rows do not go through the executor.  A log is partitioned by range of
 * its first column, a UUID of version 7, which says when the row was made:
 * nearly every row goes to the same partition as the one before.
 *
 * The partition is looked up, locked, and looked up once more: one attached
 * or detached meanwhile had to wait for that lock or is seen by the second
 * look.  From then on neither can happen before the transaction ends, so the
 * partition's own constraint needs no check.  Rows wait until there are many,
 * and go in together (rows.c).
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/append.h"
#include "base/column.h"
#include "base/relation.h"
#include "base/rows.h"

/* A partition: rows are inserted into it, and nothing else. */
static const RarrChange partition_changes[] = {{CMD_INSERT, {0}, NULL}};
static const RarrTableDef partition_def = {
	.name = "partition of a log",
	.below_triggers = true,
	.nchanges = lengthof(partition_changes),
	.changes = partition_changes,
};

struct RarrAppend
{
	MemoryContext cxt;			/* of all that is allocated */
	Relation	log;			/* the partitioned table */
	const RarrAppendColumn *columns;
	int			ncolumns;
	RarrTable  *target;			/* the partition that rows go to, or NULL */
	AttrNumber *attnums;		/* the columns' numbers in the target */
	RarrRows   *rows;			/* on their way into the target */
};

/*
 * Begins to append to a log of schema researcharr.  The columns must outlive
 * the work; the first is the partition key.  What is allocated goes with
 * rarr_append_end(), or with the memory context that is current now when an
 * error ends the work.  25006 where the transaction must not write.
 */
RarrAppend *
rarr_append_begin(const char *table, const RarrAppendColumn *columns, int ncolumns)
{
	RarrAppend *append = palloc0(sizeof(RarrAppend));

	PreventCommandIfReadOnly("an append to a log");
	append->cxt = CurrentMemoryContext;
	append->columns = columns;
	append->ncolumns = ncolumns;
	append->attnums = palloc(ncolumns * sizeof(AttrNumber));
	append->log = rarr_relation_open(table, RowExclusiveLock);
	if (append->log->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"researcharr.%s\" is not a partitioned table", table)));
	return append;
}

/*
 * The partition of a key, as get_partition_for_tuple() of the executor finds
 * it; detached ones count as they do there.
 */
static Oid
partition_of(Relation log, Datum key)
{
	PartitionKey partkey = RelationGetPartitionKey(log);
	PartitionDesc desc = RelationGetPartitionDesc(log, !IsolationUsesXactSnapshot());
	int			index = -1;

	Assert(partkey->strategy == PARTITION_STRATEGY_RANGE && partkey->partnatts == 1);
	if (desc->nparts > 0)
	{
		bool		equal = false;
		int			offset = partition_range_datum_bsearch(partkey->partsupfunc,
														   partkey->partcollation,
														   desc->boundinfo, 1,
														   &key, &equal);

		index = desc->boundinfo->indexes[offset + 1];
		if (index < 0)
			index = desc->boundinfo->default_index;
	}
	if (index < 0)
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("no partition of relation \"%s\" found for row",
						RelationGetRelationName(log)),
				 errhint("Attach a partition for the present time, or a default one.")));
	return desc->oids[index];
}

static void
close_target(RarrAppend *append)
{
	if (append->target == NULL)
		return;
	rarr_rows_end(append->rows);
	rarr_table_close(append->target);
	append->target = NULL;
}

/*
 * Makes a partition, which is open and locked, the one that rows go to.  The
 * caller's memory context may be one that is reset after each row.
 */
static void
open_target(RarrAppend *append, Relation partition)
{
	MemoryContext old;

	if (partition->rd_rel->relkind != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("partition \"%s\" is not an ordinary table",
						RelationGetRelationName(partition)),
				 errhint("Only ordinary tables can be partitions of \"%s\" for the present time.",
						 RelationGetRelationName(append->log))));
	for (int i = 0; i < append->ncolumns; i++)
		append->attnums[i] = rarr_require_column(partition, append->columns[i].name,
												 append->columns[i].type);
	old = MemoryContextSwitchTo(append->cxt);
	append->target = rarr_table_open_relation(&partition_def, RelationGetRelid(partition));
	append->rows = rarr_rows_begin(append->target, 0);
	MemoryContextSwitchTo(old);
}

/* Makes the partition of this key the one that rows go to. */
static void
set_target(RarrAppend *append, Datum key)
{
	for (;;)
	{
		Oid			relid = partition_of(append->log, key);
		Relation	partition;

		CHECK_FOR_INTERRUPTS();
		if (append->target &&
			append->target->relid == relid)
			return;
		close_target(append);

		/* taking the lock also learns what others did before we had it */
		partition = try_table_open(relid, RowExclusiveLock);
		if (partition == NULL)
			continue;
		if (partition_of(append->log, key) == relid)
		{
			open_target(append, partition);
			table_close(partition, NoLock);
			return;
		}
		table_close(partition, RowExclusiveLock);
	}
}

/*
 * Appends a row: one value for each column, in their order.  The values are
 * copied.  23502 and 23514 where the table has constraints that they break.
 */
void
rarr_append_row(RarrAppend *append, const Datum *values, const bool *nulls)
{
	TupleTableSlot *slot;

	set_target(append, values[0]);
	slot = rarr_rows_next(append->rows);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
	for (int i = 0; i < append->ncolumns; i++)
	{
		int			att = append->attnums[i] - 1;

		slot->tts_values[att] = values[i];
		slot->tts_isnull[att] = nulls[i];
	}
	ExecStoreVirtualTuple(slot);
	rarr_rows_add(append->rows);
}

/* Puts in what still waits, and ends the work. */
void
rarr_append_end(RarrAppend *append)
{
	close_target(append);
	table_close(append->log, NoLock);
	pfree(append->attnums);
	pfree(append);
}
