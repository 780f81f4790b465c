/*
 * direct_write.c
 *		Insert and update single rows without a statement.
 *
 * Most of the cost of a statement that writes one row is not the row's.  For
 * each statement, the executor reads and compiles all CHECK constraints, index
 * expressions and defaults, and collects the row in transition tables for the
 * trigger that logs it.  Here all of that is cached with the table
 * (base/relation.c), the row goes to the log at once (audit/audit.h), and the
 * cache drops the row that was updated (cache/cache.h).
 *
 * The result is that of the statement, which is used instead if anything would
 * make a difference that this file does not take care of: the user has
 * privileges on some columns only, row security applies, a module hooks
 * permission checks, the table is not plain (plain.c), an update sets a column of
 * a foreign key, or another transaction has locked or changed the row.  Errors
 * are left to the statement, too, but for those of constraints.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/sysattr.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/duration.h"
#include "base/row_change.h"
#include "base/volatile.h"
#include "audit/audit.h"
#include "cache/cache.h"
#include "data/direct_write.h"

/* a call that writes */
typedef struct DirectWrite
{
	RarrEntity *entity;
	int change;          /* RARR_PLAIN_... */
	int ntables;         /* two for a flat row */
	RarrTable *table[2]; /* open */
	RarrAuditLog *log;
	TimestampTz changed; /* the later one of the times at which the rows of find_rows() changed */
} DirectWrite;

/* Has the user all of these privileges on the whole relation, without further checks? */
static bool
may(Oid relid, AclMode privileges)
{
	return pg_class_aclmask(relid, GetUserId(), privileges, ACLMASK_ALL) == privileges &&
		   check_enable_rls(relid, InvalidOid, true) == RLS_NONE;
}

/* May the user make the change and read its result, without further checks? */
static bool
may_write(const RarrEntity *entity, int ntables, int change)
{
	AclMode privileges = ACL_SELECT | (change == RARR_PLAIN_INSERT ? ACL_INSERT : ACL_UPDATE);

	return ExecutorCheckPerms_hook == NULL && !XactReadOnly && !IsInParallelMode() &&
		   may(entity->tableid, privileges) &&
		   (ntables == 1 || (may(entity->subtableid, privileges) && may(entity->relid, ACL_SELECT)));
}

static void
close_tables(DirectWrite *write)
{
	for (int i = write->ntables - 1; i >= 0; i--)
		rarr_table_close(write->table[i]);
	PopActiveSnapshot();
	CommandCounterIncrement();
}

/* Begin a call.  Returns false if a statement must be used. */
static bool
begin(DirectWrite *write, RarrEntity *entity, int change)
{
	bool plain = entity->sources != NULL;

	write->entity = entity;
	write->change = change;
	write->ntables = OidIsValid(entity->subtableid) ? 2 : 1;
	for (int i = 0; i < write->ntables; i++)
		plain &= entity->direct[i].def != NULL && entity->direct[i].plain[change];
	if (!plain || !may_write(entity, write->ntables, change))
		return false;

	/* as SPI does before a statement */
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	for (int i = 0; i < write->ntables; i++)
		write->table[i] = rarr_table_open(entity->direct[i].def);

	/* they were locked already, but this transaction itself can alter them */
	if (!entity->valid)
	{
		close_tables(write);
		return false;
	}
	write->log = rarr_audit_begin();
	return true;
}

/* End a call: log what was changed. */
static void
end(DirectWrite *write)
{
	rarr_audit_end(write->log);
	close_tables(write);
}

/* Log the change of a row. */
static void
record(DirectWrite *write, int i, TupleTableSlot *old_row, TupleTableSlot *new_row)
{
	RarrTable *table = write->table[i];

	rarr_audit_change(write->log, table->rel,
					  rarr_audit_trigger(table->changes[write->change]->ri_TrigDesc, write->change),
					  old_row, new_row);
}

/* Drop the row that was updated from the cache, as the trigger would. */
static void
drop_cached(DirectWrite *write, int i)
{
	RarrTable *table = write->table[i];
	const TriggerDesc *triggers = table->changes[write->change]->ri_TrigDesc;
	bool copied;
	HeapTuple row;

	if (!rarr_cache_rows_any())
		return;
	row = ExecFetchSlotHeapTuple(table->oldslot, false, &copied);
	for (int t = 0; t < triggers->numtriggers; t++)
		if (rarr_is_cache_trigger(&triggers->triggers[t]))
			rarr_cache_row_trigger(table->rel, &triggers->triggers[t], row);
	if (copied)
		heap_freetuple(row);
}

/* Return the later one of two times, as GREATEST does. */
static Datum
later_time(TupleTableSlot *const *rows, const RarrSource *source, bool *isnull)
{
	bool first_isnull;
	bool second_isnull;
	Datum first = slot_getattr(rows[0], source->attnum, &first_isnull);
	Datum second = slot_getattr(rows[1], source->later, &second_isnull);

	*isnull = first_isnull && second_isnull;
	if (first_isnull)
		return second;
	return second_isnull || DatumGetTimestampTz(first) >= DatumGetTimestampTz(second) ? first : second;
}

/* Form the entity's row of the rows of its tables. */
static HeapTuple
form_row(const RarrEntity *entity, TupleTableSlot *const *rows)
{
	TupleDesc desc = entity->desc;
	Datum *values = palloc0(desc->natts * sizeof(Datum));
	bool *nulls = palloc(desc->natts * sizeof(bool));

	for (int i = 0; i < desc->natts; i++)
	{
		const RarrSource *source = &entity->sources[i];

		nulls[i] = true;
		if (source->later != 0)
			values[i] = later_time(rows, source, &nulls[i]);
		else if (source->attnum != 0)
			values[i] = slot_getattr(rows[source->in_subtable], source->attnum, &nulls[i]);
	}
	return heap_form_tuple(desc, values, nulls);
}

static void
set_value(TupleTableSlot *slot, bool *given, AttrNumber attnum, Datum value)
{
	slot->tts_values[attnum - 1] = value;
	slot->tts_isnull[attnum - 1] = false;
	given[attnum - 1] = true;
}

/* Set the given columns that the table stores.  Returns their number. */
static int
set_values(const RarrEntity *entity, bool subtable, const RarrValues *values,
		   TupleTableSlot *slot, bool *given)
{
	int n = 0;

	for (int i = 0; i < entity->ncolumns; i++)
	{
		const RarrEntityColumn *column = &entity->columns[i];

		if (!values->given[i] || column->in_subtable != subtable)
			continue;
		slot->tts_values[column->stored - 1] = values->values[i];
		slot->tts_isnull[column->stored - 1] = values->nulls[i];
		given[column->stored - 1] = true;
		n++;
	}
	return n;
}

/* Insert a row.  id is NULL if it is among the values or has a default. */
static void
insert_row(DirectWrite *write, int i, const RarrValues *values, const pg_uuid_t *id)
{
	RarrEntity *entity = write->entity;
	const RarrDirectTable *direct = &entity->direct[i];
	RarrTable *table = write->table[i];
	TupleTableSlot *slot = table->newslot;
	int natts = table->desc->natts;
	bool *given = palloc0(natts * sizeof(bool));

	ExecClearTuple(slot);
	memset(slot->tts_values, 0, natts * sizeof(Datum));
	memset(slot->tts_isnull, true, natts * sizeof(bool));
	(void) set_values(entity, i == 1, values, slot, given);
	if (id != NULL)
		set_value(slot, given, direct->key, UUIDPGetDatum(id));
	if (id != NULL && i == 0 && direct->type != 0)
		set_value(slot, given, direct->type, CStringGetTextDatum(entity->def->type));
	rarr_table_fill_defaults(table, slot, given);
	ExecStoreVirtualTuple(slot);
	slot->tts_tableOid = table->relid;
	rarr_table_insert(table, RARR_PLAIN_INSERT, slot);
	record(write, i, NULL, slot);
	pfree(given);
}

/*
 * Insert a new row and return it in *row.
 *
 * For a flat entity, id is the new row's id, and the values have neither the id
 * nor the type.  Otherwise id is NULL.  Returns false, with nothing changed, if
 * a statement must be used.  Raises the errors of constraints and defaults.
 */
bool
rarr_direct_create(RarrEntity *entity, const RarrValues *values, const pg_uuid_t *id, HeapTuple *row)
{
	DirectWrite write;
	TupleTableSlot *rows[2];

	if (!begin(&write, entity, RARR_PLAIN_INSERT))
		return false;
	for (int i = 0; i < write.ntables; i++)
	{
		insert_row(&write, i, values, id);
		rows[i] = write.table[i]->newslot;
	}
	*row = form_row(entity, rows);
	end(&write);
	return true;
}

/* Read the row with this key into the table's oldslot.  False if there is none. */
static bool
find_row(DirectWrite *write, int i, const pg_uuid_t *id)
{
	RarrTable *table = write->table[i];
	Relation index = index_open(write->entity->direct[i].key_index, RowExclusiveLock);
	IndexScanDesc scan = rarr_index_beginscan(table->rel, index, GetActiveSnapshot(), 1);
	ScanKeyData key;
	bool found;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(id));
	index_rescan(scan, &key, 1, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, table->oldslot);
	index_endscan(scan);
	index_close(index, NoLock);
	return found;
}

/*
 * Does a foreign key's trigger look at an update of the row because the row's
 * INSERT, of this transaction, may not have been checked yet?
 */
static bool
is_unchecked(const RarrDirectTable *direct, TupleTableSlot *row)
{
	bool isnull;

	return direct->refers && TransactionIdIsCurrentTransactionId(DatumGetTransactionId(
								 slot_getsysattr(row, MinTransactionIdAttributeNumber, &isnull)));
}

/* Read when a row that was found has changed.  Returns the earliest time if that is not known. */
static TimestampTz
time_of_change(DirectWrite *write, int i)
{
	AttrNumber updated_at = write->entity->direct[i].updated_at;
	bool isnull = true;
	Datum value = 0;

	if (updated_at != 0)
		value = slot_getattr(write->table[i]->oldslot, updated_at, &isnull);
	return isnull ? DT_NOBEGIN : DatumGetTimestampTz(value);
}

/*
 * Find the rows to be updated.  Returns false if there are none, if updated_at
 * is not the expected one, if another transaction has locked or changed one, or
 * if foreign keys of one must be checked.
 */
static bool
find_rows(DirectWrite *write, const pg_uuid_t *id, const TimestampTz *expected)
{
	const RarrDirectTable *direct = write->entity->direct;
	TimestampTz updated_at;

	write->changed = DT_NOBEGIN;
	for (int i = 0; i < write->ntables; i++)
	{
		if (!find_row(write, i, id) || is_unchecked(&direct[i], write->table[i]->oldslot) ||
			rarr_row_state(write->table[i]->oldslot) != TM_Ok)
			return false;
		write->changed = Max(write->changed, time_of_change(write, i));
	}
	updated_at = write->entity->of_both ? write->changed : time_of_change(write, 0);
	return expected == NULL || (updated_at >= *expected && updated_at <= rarr_last_meant(*expected));
}

/*
 * Advance the time of a row's change, as the trigger does, but past those of
 * both halves of a flat row.
 */
static void
advance(const DirectWrite *write, TupleTableSlot *slot, AttrNumber updated_at)
{
	slot->tts_values[updated_at - 1] = TimestampTzGetDatum(rarr_clock_after(write->changed));
	slot->tts_isnull[updated_at - 1] = false;
}

/*
 * Does the update of a row advance updated_at?  That of a flat row does if a
 * column of its subtype is given: nothing else tells a reader of that change.
 */
static bool
must_advance(DirectWrite *write, int i, const RarrValues *changes)
{
	const RarrEntity *entity = write->entity;
	RarrTable *table = write->table[i];
	MemoryContext old;
	bool result;

	if (!entity->direct[i].advances)
		return false;
	for (int c = 0; c < entity->ncolumns; c++)
		if (changes->given[c] && entity->columns[c].in_subtable)
			return true;
	old = MemoryContextSwitchTo(GetPerTupleMemoryContext(table->estate));
	result = !rarr_only_volatile_changed(table->rel, entity->direct[i].updated_at,
										 table->oldslot->tts_values, table->oldslot->tts_isnull,
										 table->newslot->tts_values, table->newslot->tts_isnull);
	MemoryContextSwitchTo(old);
	return result;
}

/*
 * Update a row that find_rows() found.  *rows is set to the row's latest
 * version.  A media row is updated in any case, a subtype's row only if one of
 * its columns is given.  Returns false if another transaction has changed it.
 */
static bool
update_row(DirectWrite *write, int i, const RarrValues *changes, TupleTableSlot **rows)
{
	RarrEntity *entity = write->entity;
	const RarrDirectTable *direct = &entity->direct[i];
	RarrTable *table = write->table[i];
	TupleTableSlot *slot = table->newslot;
	bool *given = palloc0(table->desc->natts * sizeof(bool));
	Bitmapset *updated = NULL;

	*rows = table->oldslot;
	rarr_table_copy_row(slot, table->oldslot);
	if (set_values(entity, i == 1, changes, slot, given) == 0 && i == 1)
		return true;
	if (must_advance(write, i, changes))
		advance(write, slot, direct->updated_at);
	for (int c = 0; c < table->desc->natts; c++)
		if (given[c])
			updated = bms_add_member(updated, c + 1 - FirstLowInvalidHeapAttributeNumber);
	rarr_table_set_updated(table, RARR_PLAIN_UPDATE, updated);
	slot->tts_tableOid = table->relid;

	/* wait for others only if the media row is updated already */
	if (!rarr_table_update_unlocked(table, RARR_PLAIN_UPDATE, table->oldslot, slot, i > 0))
		return false;
	*rows = slot;
	drop_cached(write, i);
	record(write, i, table->oldslot, slot);
	return true;
}

/* Does a foreign key's trigger have to look at the changes? */
static bool
change_keys(const RarrEntity *entity, const RarrValues *changes)
{
	for (int i = 0; i < entity->ncolumns; i++)
		if (changes->given[i] &&
			rarr_direct_has_key(&entity->direct[entity->columns[i].in_subtable], entity->columns[i].stored))
			return true;
	return false;
}

/*
 * Update a row and, if that is done, return it in *row.  Raises the errors of
 * constraints.
 */
RarrDirectResult
rarr_direct_update(RarrEntity *entity, const pg_uuid_t *id, const RarrValues *changes,
				   const TimestampTz *expected, HeapTuple *row)
{
	DirectWrite write;
	RarrDirectResult result = RARR_DIRECT_NOTHING;
	TupleTableSlot *rows[2];

	if (change_keys(entity, changes) || !begin(&write, entity, RARR_PLAIN_UPDATE))
		return RARR_DIRECT_NOTHING;
	if (find_rows(&write, id, expected) && update_row(&write, 0, changes, &rows[0]))
	{
		result = RARR_DIRECT_MEDIA;
		if (write.ntables == 1 || update_row(&write, 1, changes, &rows[1]))
		{
			result = RARR_DIRECT_DONE;
			*row = form_row(entity, rows);
		}
	}
	end(&write);
	return result;
}
