/*
 * rate.c
 *		How often a job of a type may start: the arithmetic of the token
 *		bucket, and the bucket itself where there is no shared memory to keep
 *		it in.
 *
 * There it is a row of job_type_rates, which a dequeue changes together with
 * the jobs that it claims.  So it outlives a crash, and a rollback gives the
 * tokens back; but while the transaction is open nobody else gets a job of the
 * type, and a prepared one is open until somebody ends it.  Others do not wait
 * for it, they find no token.  That is the price of a bucket that neither
 * overflows nor leaks: who does not know whether the tokens come back can
 * neither take them again nor write down that they are gone.
 *
 * The time in the row is by the system's clock, since it outlives the
 * machine's start.
 *
 * The caller holds the lock of the type (limits.c), so that of two callers one
 * sees the row that the other one made.
 */
#include "postgres.h"

#include "access/relscan.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/own_index.h"
#include "base/row_change.h"
#include "base/schema.h"
#include "job/limits/rate.h"

enum
{
	RATE_JOB_TYPE = 1,
	RATE_TOKENS,
	RATE_REFILLED_AT,
	RATE_NCOLUMNS = RATE_REFILLED_AT
};

enum
{
	RATE_CHANGE_NEW,
	RATE_CHANGE_TAKE
};

static const RarrIndexDef rate_index = {"job_type_rates_pkey", {RATE_JOB_TYPE}};

static const RarrColumn rate_columns[] = {
	{"job_type", TEXTOID, true},
	{"tokens", FLOAT8OID, true},
	{"refilled_at", TIMESTAMPTZOID, true},
};

static const RarrChange rate_changes[] = {
	[RATE_CHANGE_NEW] = {.command = CMD_INSERT},
	[RATE_CHANGE_TAKE] = {CMD_UPDATE, {RATE_TOKENS, RATE_REFILLED_AT}},
};

static const RarrTableDef rate_table = {
	.name = "job_type_rates",
	.ncolumns = RATE_NCOLUMNS,
	.columns = rate_columns,
	.nchanges = lengthof(rate_changes),
	.changes = rate_changes,
};

/*
 * How many tokens a bucket holds now that held `tokens` of them at `since`, and
 * gets up to `limit` of them in an interval.  Both times are by the same clock;
 * one that was set back adds none.
 */
double
rarr_rate_refill(int limit, int64 interval, double tokens, int64 since, int64 now)
{
	if (now > since)
		tokens += (double) limit * ((double) now - (double) since) / interval;
	return Min(tokens, limit);
}

/*
 * Add the tokens that a filled bucket got since it was last refilled.
 */
void
rarr_bucket_refill(RarrBucket *bucket, int64 now)
{
	bucket->tokens = rarr_rate_refill(bucket->limit, bucket->interval, bucket->tokens,
									  bucket->refilled_at, now);
	bucket->refilled_at = now;
}

/*
 * Return a token.  The bucket does not overflow.
 */
void
rarr_bucket_return(RarrBucket *bucket)
{
	bucket->tokens = Min(bucket->tokens + 1, bucket->filled ? bucket->limit : 0);
}

/* Find the type's row by this snapshot, in table->oldslot. */
static bool
find_row(RarrTable *table, const RarrJobType *type, Snapshot snapshot)
{
	Relation	index = rarr_table_index(table, &rate_index);
	IndexScanDesc scan = rarr_index_beginscan(table->rel, index, snapshot, 1);
	ScanKeyData key;
	bool		found;

	ScanKeyEntryInitialize(&key, 0, 1, BTEqualStrategyNumber, InvalidOid,
						   index->rd_indcollation[0], F_TEXTEQ, CStringGetTextDatum(type->name));
	index_rescan(scan, &key, 1, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, table->oldslot);
	index_endscan(scan);
	return found;
}

/* Lock the row in table->oldslot, unless somebody else has it. */
static bool
lock_row(RarrTable *table)
{
	ItemPointerData tid = table->oldslot->tts_tid;
	TM_FailureData failure;

	return table_tuple_lock(table->rel, &tid, SnapshotSelf, table->oldslot, GetCurrentCommandId(true),
							rarr_table_lock_mode(table, 1 << RATE_CHANGE_TAKE), LockWaitSkip, 0,
							&failure) == TM_Ok;
}

static void
set_row(TupleTableSlot *slot, double tokens, TimestampTz now)
{
	slot->tts_values[RATE_TOKENS - 1] = Float8GetDatum(tokens);
	slot->tts_values[RATE_REFILLED_AT - 1] = TimestampTzGetDatum(now);
}

/* Nobody ever took a token: the bucket is full. */
static void
make_row(RarrTable *table, const RarrJobType *type, TimestampTz now)
{
	TupleTableSlot *slot = table->newslot;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
	memset(slot->tts_isnull, false, RATE_NCOLUMNS * sizeof(bool));
	slot->tts_values[RATE_JOB_TYPE - 1] = CStringGetTextDatum(type->name);
	set_row(slot, type->rate_limit, now);
	ExecStoreVirtualTuple(slot);
	rarr_table_insert(table, RATE_CHANGE_NEW, slot);
	CommandCounterIncrement();
}

/* Open the table, and lock the type's row; false if somebody else has it. */
static bool
open_bucket(RarrRate *rate, const RarrJobType *type)
{
	RarrTable  *table = rarr_table_open(&rate_table);
	TimestampTz since;
	SnapshotData dirty;

	/* not when the dequeue began: others may have written since */
	rate->now = GetCurrentTimestamp();
	rate->table = table;
	InitDirtySnapshot(dirty);
	if (!find_row(table, type, SnapshotSelf))
	{
		if (find_row(table, type, &dirty))
			return false;		/* another transaction is making it */
		make_row(table, type, rate->now);
		if (!find_row(table, type, SnapshotSelf))
			return false;
	}
	if (!lock_row(table))
		return false;
	slot_getallattrs(table->oldslot);
	since = DatumGetTimestampTz(table->oldslot->tts_values[RATE_REFILLED_AT - 1]);
	rate->tokens = rarr_rate_refill(type->rate_limit, type->rate_interval,
									DatumGetFloat8(table->oldslot->tts_values[RATE_TOKENS - 1]),
									since, rate->now);

	/* where the clock was set back, it fills from now on, not when that comes round */
	rate->changed = since > rate->now;
	return true;
}

/*
 * Take a token; false if there is none to be had.
 */
bool
rarr_rate_take(RarrRate *rate, const RarrJobType *type)
{
	if (!rate->asked)
	{
		rate->asked = true;

		/* the library is newer than the schema: no rates yet */
		if (!OidIsValid(get_relname_relid(rate_table.name, get_namespace_oid(RARR_SCHEMA, false))))
			rate->tokens = type->rate_limit;
		else if (!open_bucket(rate, type))
			rate->tokens = 0;
	}
	if (rate->tokens < 1)
		return false;
	rate->tokens -= 1;
	rate->changed = true;
	return true;
}

/*
 * A token comes back.
 */
void
rarr_rate_return(RarrRate *rate)
{
	rate->tokens += 1;
}

/*
 * Write down what is left.  Needs an active snapshot.
 */
void
rarr_rate_close(RarrRate *rate)
{
	RarrTable  *table = rate->table;

	if (table == NULL)
		return;
	if (rate->changed)
	{
		rarr_table_copy_row(table->newslot, table->oldslot);
		set_row(table->newslot, rate->tokens, rate->now);
		if (!rarr_table_update(table, RATE_CHANGE_TAKE, table->oldslot, table->newslot))
			rarr_table_refused(table);
	}
	rarr_table_close(table);
	rate->table = NULL;
}
