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
 * partition's own constraint needs no check.  No other partition is locked.
 * Rows wait until there are many, and go in together (rows.c).
 *
 * A session that ends appends in another way: it waits for no lock, and where
 * the log or the partition is not fit for a row, or would run users' code, the
 * append says so instead of raising an error (at_exit.c).
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
#include "base/at_exit.h"
#include "base/column.h"
#include "base/log_default.h"
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
	bool		at_exit;		/* the session ends: no waiting, no errors */
	bool		refused;		/* a row could not be appended at exit */
	List	   *checks;			/* at exit: the target's CHECKs */
	Relation	log;			/* the partitioned table */
	const RarrAppendColumn *columns;
	int			ncolumns;
	RarrTable  *target;			/* the partition that rows go to, or NULL */
	AttrNumber *attnums;		/* the columns' numbers in the target; 0: absent */
	RarrLogDefaults *defaults;	/* of its other columns, or NULL */
	RarrRows   *rows;			/* on their way into the target */
};

/* Is the table partitioned by range of this column, a uuid, and of nothing else? */
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
 * Begins to append to a log of schema researcharr.  The columns must outlive
 * the work; the first is the partition key.  What is allocated goes with
 * rarr_append_end(), or with the memory context that is current now when an
 * error ends the work.  25006 where the transaction must not write; 55000 where
 * the log is not partitioned as the extension made it.
 */
RarrAppend *
rarr_append_begin(const char *table, const RarrAppendColumn *columns, int ncolumns)
{
	Relation	log;

	PreventCommandIfReadOnly("an append to a log");
	log = rarr_relation_open(table, RowExclusiveLock);
	if (!is_log(log, &columns[0]))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"researcharr.%s\" is not a table that is partitioned by range of \"%s\"",
						table, columns[0].name),
				 errhint("The extension's logs must stay partitioned as they were made; partitions can be added.")));
	return make_append(log, columns, ncolumns);
}

/*
 * rarr_append_begin for a session that ends: NULL where the log is locked by
 * somebody else, or is not as the extension made it.
 */
RarrAppend *
rarr_append_begin_at_exit(const char *table, const RarrAppendColumn *columns, int ncolumns)
{
	Oid			schema = get_namespace_oid(RARR_SCHEMA, true);
	Oid			relid = OidIsValid(schema) ? get_relname_relid(table, schema) : InvalidOid;
	Relation	log;
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
 * The partition of a key, as get_partition_for_tuple() of the executor finds
 * it; detached ones count as they do there.  InvalidOid if there is none.
 */
static Oid
partition_of(Relation log, Datum key)
{
	PartitionKey partkey = RelationGetPartitionKey(log);
	PartitionDesc desc = RelationGetPartitionDesc(log, !IsolationUsesXactSnapshot());
	int			index = -1;

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
	return index < 0 ? InvalidOid : desc->oids[index];
}

/* Lets go of the partition, of whose rows none waits any more. */
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

/* The number of a column in a partition; 0 where it is absent and may be. */
static AttrNumber
column_of(Relation partition, const RarrAppendColumn *column)
{
	if (column->optional && rarr_find_column(RelationGetDescr(partition), column->name) == 0)
		return 0;
	return rarr_require_column(partition, column->name, column->type);
}

/* At exit: would all columns, which are named here, be found, and rows be written? */
static bool
is_fit_at_exit(RarrAppend *append, Relation partition)
{
	static const RarrIndexDef *const no_indexes[] = {NULL};
	TupleDesc	desc = RelationGetDescr(partition);

	if (partition->rd_rel->relkind != RELKIND_RELATION)
		return false;
	for (int i = 0; i < append->ncolumns; i++)
	{
		AttrNumber	attnum = rarr_find_column(desc, append->columns[i].name);

		if (attnum == 0 ? !append->columns[i].optional :
			TupleDescAttr(desc, attnum - 1)->atttypid != append->columns[i].type)
			return false;
	}
	return rarr_exit_may_write(partition, rarr_find_column(desc, append->columns[0].name), no_indexes);
}

/*
 * Makes a partition, which is open and locked, the one that rows go to; false at
 * exit where its other columns' defaults cannot be evaluated.  The caller's memory
 * context may be one that is reset after each row.
 */
static bool
open_target(RarrAppend *append, Relation partition)
{
	MemoryContext old;
	bool		evaluable;

	if (partition->rd_rel->relkind != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("partition \"%s\" is not an ordinary table",
						RelationGetRelationName(partition)),
				 errhint("Only ordinary tables can be partitions of \"%s\" for the present time.",
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

/* Makes the partition of this key the one that rows go to. */
static void
set_target(RarrAppend *append, Datum key)
{
	for (;;)
	{
		Oid			relid = partition_of(append->log, key);
		Relation	partition;

		CHECK_FOR_INTERRUPTS();
		if (append->target && append->target->relid == relid)
			return;
		close_target(append);
		if (!OidIsValid(relid))
			ereport(ERROR,
					(errcode(ERRCODE_CHECK_VIOLATION),
					 errmsg("no partition of relation \"%s\" found for row",
							RelationGetRelationName(append->log)),
					 errhint("Attach a partition for the present time, or a default one.")));

		/* taking the lock also learns what others did before we had it */
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

/* set_target at exit: false where the partition cannot be written to. */
static bool
set_target_at_exit(RarrAppend *append, Datum key)
{
	Oid			relid = partition_of(append->log, key);
	Relation	partition;
	bool		fit;

	if (append->target && append->target->relid == relid)
		return true;
	close_target(append);
	if (!rarr_exit_lock_table(relid) || partition_of(append->log, key) != relid)
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
 * Appends a row: one value for each column, in their order.  The values are
 * copied.  23502 and 23514 where the table has constraints that they break.
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
		int			att = append->attnums[i] - 1;

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
 * Puts in what still waits, and ends the work.  False if a session that ends
 * could not append a row: it must not commit then.
 */
bool
rarr_append_end(RarrAppend *append)
{
	bool		done = !append->refused;

	close_target(append);
	table_close(append->log, NoLock);
	pfree(append->attnums);
	pfree(append);
	return done;
}
