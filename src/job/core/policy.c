/*
 * policy.c
 *		Policies of job types: those in the table job_types, and the built-in
 *		ones.
 *
 * The values are checked again, although the table has constraints: its owner
 * can drop them, and the code relies on the values.  For example, it divides
 * by a weight, and uses a priority as an array index.  A row with an invalid
 * value makes only its own type unusable.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "base/duration.h"
#include "job/core/policy.h"
#include "job/core/queue_pos.h"

/* columns of job_types that this file reads by number */
enum
{
	COL_NAME = 1,
	COL_PRIORITY,
	COL_MAX_RETRIES,
	COL_LEASE,
	COL_BACKOFF,
	COL_BACKOFF_BASE,
	COL_BACKOFF_CAP,
	COL_JITTER,
	COL_MAX_RUNNING,
	COL_RATE_LIMIT,
	COL_RATE_INTERVAL,
	COL_WEIGHT,
	COL_MAX_RUNTIME,
	COL_PAUSED
};

const RarrColumn rarr_policy_columns[] = {
	{"name", TEXTOID, true},
	{"priority", INT4OID, true},
	{"max_retries", INT4OID, true},
	{"lease", INTERVALOID, true},
	{"backoff", TEXTOID, true},
	{"backoff_base", INTERVALOID, true},
	{"backoff_cap", INTERVALOID, true},
	{"jitter", FLOAT8OID, true},
	{"max_running", INT4OID},
	{"rate_limit", INT4OID},
	{"rate_interval", INTERVALOID},
	{"weight", INT4OID, true},
	{"max_runtime", INTERVALOID},
	{"paused", BOOLOID, true},
};

/* the limit of job_types_weight_check */
#define MAX_WEIGHT 1000

/* the built-in types */
static const char *const builtin_names[] = {"search", "download", "verify"};

/* their policy: the same as the defaults of job_types' columns */
const RarrJobType rarr_builtin_policy = {
	.priority = 0,
	.max_retries = 3,
	.lease = 5 * SECS_PER_MINUTE * USECS_PER_SEC,
	.backoff = RARR_BACKOFF_EXPONENTIAL,
	.backoff_base = 30 * USECS_PER_SEC,
	.backoff_cap = USECS_PER_HOUR,
	.jitter = 0.1,
	.weight = 1,
	.paused = false,
};

/* A number that no other version of any policy's row has: xmin and TID. */
static uint64
row_version(TupleTableSlot *slot)
{
	bool isnull;
	Datum xmin = slot_getsysattr(slot, MinTransactionIdAttributeNumber, &isnull);
	ItemPointer tid = &slot->tts_tid;

	return (uint64) DatumGetTransactionId(xmin) << 32 |
		   (uint32) (ItemPointerGetBlockNumber(tid) << 16 ^ ItemPointerGetOffsetNumber(tid));
}

/*
 * The transaction that inserted the row.  InvalidTransactionId if the row was
 * updated since; FrozenTransactionId if it is frozen, since its XID may have
 * been reused.
 */
static TransactionId
row_inserter(TupleTableSlot *slot)
{
	HeapTupleHeader header = ExecFetchSlotHeapTuple(slot, false, NULL)->t_data;

	return header->t_infomask & HEAP_UPDATED ? InvalidTransactionId : HeapTupleHeaderGetXmin(header);
}

/* Read an integer; 0, which means no limit, for NULL. */
static int
read_int(TupleTableSlot *slot, int column)
{
	return slot->tts_isnull[column - 1] ? 0 : DatumGetInt32(slot->tts_values[column - 1]);
}

/*
 * Read an interval as microseconds; 0, which means no limit, for NULL.
 * Returns false if it is infinite or too long for rarr_duration_of_interval().
 */
static bool
read_duration(TupleTableSlot *slot, int column, int64 *duration)
{
	*duration = 0;
	return slot->tts_isnull[column - 1] ||
		   rarr_duration_of_interval(DatumGetIntervalP(slot->tts_values[column - 1]), duration);
}

/* Read a row into *type.  Returns the number of an invalid column, or 0. */
static int
read_policy(TupleTableSlot *slot, RarrJobType *type)
{
	Datum *values = slot->tts_values;

	for (int i = 0; i < RARR_POLICY_COLUMNS; i++)
		if (rarr_policy_columns[i].not_null && slot->tts_isnull[i])
			return i + 1;
	type->priority = read_int(slot, COL_PRIORITY);
	if (type->priority < 0 || type->priority >= RARR_PRIORITIES)
		return COL_PRIORITY;
	type->max_retries = read_int(slot, COL_MAX_RETRIES);
	if (type->max_retries < 0)
		return COL_MAX_RETRIES;
	if (!read_duration(slot, COL_LEASE, &type->lease) || type->lease <= 0)
		return COL_LEASE;
	if (!rarr_backoff_parse(TextDatumGetCString(values[COL_BACKOFF - 1]), &type->backoff))
		return COL_BACKOFF;
	if (!read_duration(slot, COL_BACKOFF_BASE, &type->backoff_base) || type->backoff_base < 0)
		return COL_BACKOFF_BASE;
	if (!read_duration(slot, COL_BACKOFF_CAP, &type->backoff_cap) || type->backoff_cap < 0)
		return COL_BACKOFF_CAP;
	type->jitter = DatumGetFloat8(values[COL_JITTER - 1]);
	if (!(type->jitter >= 0 && type->jitter <= 1))
		return COL_JITTER;
	type->max_running = read_int(slot, COL_MAX_RUNNING);
	if (type->max_running < 0)
		return COL_MAX_RUNNING;
	type->rate_limit = read_int(slot, COL_RATE_LIMIT);
	if (type->rate_limit < 0)
		return COL_RATE_LIMIT;
	if (!read_duration(slot, COL_RATE_INTERVAL, &type->rate_interval) ||
		type->rate_interval < 0 || (type->rate_limit > 0 && type->rate_interval == 0))
		return COL_RATE_INTERVAL;
	type->weight = read_int(slot, COL_WEIGHT);
	if (type->weight < 1 || type->weight > MAX_WEIGHT)
		return COL_WEIGHT;
	if (!read_duration(slot, COL_MAX_RUNTIME, &type->max_runtime) || type->max_runtime < 0)
		return COL_MAX_RUNTIME;
	type->paused = DatumGetBool(values[COL_PAUSED - 1]);
	return strlen(type->name) <= RARR_TYPE_NAME_MAX ? 0 : COL_NAME;
}

/*
 * Read the row in the slot, which has a name.  If a value is invalid, the type
 * gets the built-in policy, which its jobs then follow.
 */
static void
read_type(TupleTableSlot *slot, RarrJobType *type)
{
	int bad;

	type->name = TextDatumGetCString(slot->tts_values[COL_NAME - 1]);
	bad = read_policy(slot, type);
	if (bad != 0)
	{
		char *name = type->name;

		*type = rarr_builtin_policy;
		type->name = name;
		type->unusable = rarr_policy_columns[bad - 1].name;
	}
	type->version = row_version(slot);
	type->made_by = row_inserter(slot);
}

/* Report that a type has an unusable policy, at this elevel, as 55000. */
void
rarr_policy_complain(int elevel, const RarrJobType *type)
{
	ereport(elevel,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("job type \"%.*s\" has a policy that cannot be used",
					pg_mbcliplen(type->name, strlen(type->name), 200), type->name),
			 errdetail("Column \"%s\" of its row in researcharr.job_types violates a constraint that the extension created.",
					   type->unusable),
			 errhint("Correct or delete the row, and restore the constraint.")));
}

/*
 * Return the policies (RarrJobType *) of all rows of job_types, and the
 * built-in ones of types without a row.  Raises 55000 if a column that is read
 * by number was altered.
 */
List *
rarr_policies_read(Relation rel)
{
	List *found = NIL;
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot;
	TableScanDesc scan;
	int stored;

	rarr_check_columns(rel, rarr_policy_columns, RARR_POLICY_COLUMNS, true);
	slot = table_slot_create(rel, NULL);
	scan = table_beginscan(rel, snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		RarrJobType *type;

		/* no job can have the type of a row without a name */
		slot_getallattrs(slot);
		if (slot->tts_isnull[COL_NAME - 1])
			continue;
		type = palloc0(sizeof(RarrJobType));
		read_type(slot, type);
		found = lappend(found, type);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);

	stored = list_length(found);
	for (int i = 0; i < lengthof(builtin_names); i++)
	{
		bool known = false;
		RarrJobType *type;

		for (int j = 0; j < stored && !known; j++)
			known = strcmp(((RarrJobType *) list_nth(found, j))->name, builtin_names[i]) == 0;
		if (known)
			continue;
		type = palloc(sizeof(RarrJobType));
		*type = rarr_builtin_policy;
		type->name = pstrdup(builtin_names[i]);
		found = lappend(found, type);
	}
	return found;
}

PG_FUNCTION_INFO_V1(researcharr_job_type_builtin);

/*
 * job_type_builtin() -> rows of job_types: the built-in types
 *
 * Errors: 55000 if a column that the extension created has been altered.
 */
Datum
researcharr_job_type_builtin(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum *values;
	bool *nulls;
	int natts;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	natts = rsinfo->setDesc->natts;
	rarr_check_columns_of(rsinfo->setDesc, "job_types", rarr_policy_columns, RARR_POLICY_COLUMNS, true);
	values = palloc0(natts * sizeof(Datum));
	nulls = palloc(natts * sizeof(bool));
	memset(nulls, true, natts * sizeof(bool));
	for (int i = 0; i < RARR_POLICY_COLUMNS; i++)
		nulls[i] = !rarr_policy_columns[i].not_null; /* it has no limits */

	values[COL_PRIORITY - 1] = Int32GetDatum(rarr_builtin_policy.priority);
	values[COL_MAX_RETRIES - 1] = Int32GetDatum(rarr_builtin_policy.max_retries);
	values[COL_LEASE - 1] = IntervalPGetDatum(rarr_interval_of_duration(rarr_builtin_policy.lease));
	values[COL_BACKOFF - 1] = CStringGetTextDatum("exponential");
	values[COL_BACKOFF_BASE - 1] = IntervalPGetDatum(rarr_interval_of_duration(rarr_builtin_policy.backoff_base));
	values[COL_BACKOFF_CAP - 1] = IntervalPGetDatum(rarr_interval_of_duration(rarr_builtin_policy.backoff_cap));
	values[COL_JITTER - 1] = Float8GetDatum(rarr_builtin_policy.jitter);
	values[COL_WEIGHT - 1] = Int32GetDatum(rarr_builtin_policy.weight);
	values[COL_PAUSED - 1] = BoolGetDatum(rarr_builtin_policy.paused);
	for (int i = 0; i < lengthof(builtin_names); i++)
	{
		values[COL_NAME - 1] = CStringGetTextDatum(builtin_names[i]);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
