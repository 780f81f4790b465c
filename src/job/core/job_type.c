/*
 * job_type.c
 *		Job types and their policies: what is known from the start, what users
 *		registered, and this backend's cache of both.
 *
 * Jobs have no foreign key to job_types: it would write-lock one row for every
 * enqueue.  Instead every backend keeps all policies in memory.  A change of
 * the table sends a relcache invalidation for it at commit.  Each look at a
 * policy begins with taking in what was sent, so that a change binds whoever
 * looks after its commit, also within a transaction that has all its locks.
 * Where nothing was sent, that costs the reading of a flag.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/sysattr.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/column.h"
#include "base/compat.h"
#include "base/duration.h"
#include "base/errors.h"
#include "base/schema.h"
#include "job/core/job_type.h"
#include "job/core/queue_pos.h"

/* Columns of job_types that this file reads by number. */
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

static const RarrColumn type_columns[] = {
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

/* as job_types_weight_check has it */
#define MAX_WEIGHT	1000

/* Known from the start; the same as the defaults of job_types' columns. */
static const char *const builtin_names[] = {"search", "download", "verify"};

static const RarrJobType builtin_policy = {
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

/* the columns that a built-in type has a value for; no limits elsewhere */
static const AttrNumber builtin_columns[] = {
	COL_NAME, COL_PRIORITY, COL_MAX_RETRIES, COL_LEASE, COL_BACKOFF, COL_BACKOFF_BASE,
	COL_BACKOFF_CAP, COL_JITTER, COL_WEIGHT, COL_PAUSED
};

/* Every type this backend ever knew: a policy never moves, and is never freed. */
static List *all_types = NIL;

static RarrJobType **types = NULL;	/* the known ones, sorted by name */
static int	ntypes = 0;
static Oid	types_relid = InvalidOid;
static bool cache_valid = false;
static bool frozen = false;		/* the session ends: policies are not read any more */

static void
types_changed(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || relid == types_relid)
		cache_valid = false;
}

static int
compare_types(const void *a, const void *b)
{
	return strcmp((*(RarrJobType *const *) a)->name, (*(RarrJobType *const *) b)->name);
}

/* Which version of a row this is; no other one of any policy has the same. */
static uint64
row_version(TupleTableSlot *slot)
{
	bool		isnull;
	Datum		xmin = slot_getsysattr(slot, MinTransactionIdAttributeNumber, &isnull);
	ItemPointer tid = &slot->tts_tid;

	return (uint64) DatumGetTransactionId(xmin) << 32 |
		(uint32) (ItemPointerGetBlockNumber(tid) << 16 ^ ItemPointerGetOffsetNumber(tid));
}

/*
 * By which transaction the row was inserted; no normal number where it was
 * updated since, or where that was so long ago that its number may have come
 * round.
 */
static TransactionId
row_inserter(TupleTableSlot *slot)
{
	HeapTupleHeader header = ExecFetchSlotHeapTuple(slot, false, NULL)->t_data;

	return header->t_infomask & HEAP_UPDATED ? InvalidTransactionId : HeapTupleHeaderGetXmin(header);
}

/* A number, or 0 for NULL: no limit. */
static int
read_int(TupleTableSlot *slot, int column)
{
	return slot->tts_isnull[column - 1] ? 0 : DatumGetInt32(slot->tts_values[column - 1]);
}

/* A length of time, or 0 for NULL: no limit.  False if it is too long, or infinite. */
static bool
read_duration(TupleTableSlot *slot, int column, int64 *duration)
{
	*duration = 0;
	return slot->tts_isnull[column - 1] ||
		rarr_duration_of_interval(DatumGetIntervalP(slot->tts_values[column - 1]), duration);
}

/*
 * A policy as the table has it, in *type; returns the column whose value no policy
 * can have, or 0.  What the table's CHECKs say is checked once more: an owner can
 * drop them, and a weight is a divisor, and a priority a position in an array.
 */
static int
read_policy(TupleTableSlot *slot, RarrJobType *type)
{
	Datum	   *values = slot->tts_values;

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

/* Read a policy, whose columns that must not be NULL are not; 55000 if it is none. */
static void
read_type(TupleTableSlot *slot, RarrJobType *type)
{
	int			bad;

	slot_getallattrs(slot);
	type->name = TextDatumGetCString(slot->tts_values[COL_NAME - 1]);
	type->version = row_version(slot);
	type->made_by = row_inserter(slot);
	bad = read_policy(slot, type);
	if (bad != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("job type \"%.*s\" has a policy that cannot be used",
						pg_mbcliplen(type->name, strlen(type->name), 200), type->name),
				 errdetail("Column \"%s\" of its row in researcharr.job_types holds what the install script's CHECK constraints refuse.",
						   type_columns[bad - 1].name),
				 errhint("Correct or delete the row, and restore the constraint.")));
}

/* All policies that the table holds, and the built-in ones that it does not. */
static List *
read_types(Relation rel)
{
	List	   *found = NIL;
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	int			stored;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		RarrJobType *type = palloc0(sizeof(RarrJobType));

		read_type(slot, type);
		found = lappend(found, type);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);

	stored = list_length(found);
	for (int i = 0; i < lengthof(builtin_names); i++)
	{
		bool		known = false;
		RarrJobType *type;

		for (int j = 0; j < stored && !known; j++)
			known = strcmp(((RarrJobType *) list_nth(found, j))->name, builtin_names[i]) == 0;
		if (known)
			continue;
		type = palloc(sizeof(RarrJobType));
		*type = builtin_policy;
		type->name = pstrdup(builtin_names[i]);
		found = lappend(found, type);
	}
	return found;
}

/* The backend's own entry for a type of this name; made if there is none. */
static RarrJobType *
intern_type(const char *name)
{
	MemoryContext old;
	RarrJobType *type;
	ListCell   *lc;

	foreach(lc, all_types)
	{
		type = lfirst(lc);
		if (strcmp(type->name, name) == 0)
			return type;
	}
	old = MemoryContextSwitchTo(TopMemoryContext);
	type = palloc0(sizeof(RarrJobType));
	type->name = pstrdup(name);
	all_types = lappend(all_types, type);
	MemoryContextSwitchTo(old);
	return type;
}

/* Read all policies, and put them in the place of what was known. */
static void
load_types(void)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "researcharr job types",
											  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	Relation	rel = rarr_relation_open("job_types", AccessShareLock);
	List	   *found;
	RarrJobType **sorted;

	/* What changes while we read makes the result stale at once. */
	types_relid = RelationGetRelid(rel);
	cache_valid = true;
	rarr_check_columns(rel, type_columns, lengthof(type_columns), false);
	found = read_types(rel);
	relation_close(rel, AccessShareLock);

	sorted = MemoryContextAlloc(TopMemoryContext, list_length(found) * sizeof(RarrJobType *));
	for (int i = 0; i < list_length(found); i++)
	{
		RarrJobType *type = list_nth(found, i);

		sorted[i] = intern_type(type->name);
		type->name = sorted[i]->name;
		type->pass = sorted[i]->pass;
		*sorted[i] = *type;
	}
	qsort(sorted, list_length(found), sizeof(RarrJobType *), compare_types);
	if (types != NULL)
		pfree(types);
	types = sorted;
	ntypes = list_length(found);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
}

/*
 * The session ends, and may neither wait for the table of policies nor raise an
 * error about them: from now on they are what was read last.
 */
void
rarr_job_types_freeze(void)
{
	frozen = true;
}

/* Make sure that the cache is there, and has all that is committed. */
static void
refresh(void)
{
	static bool registered = false;

	if (!registered)
	{
		CacheRegisterRelcacheCallback(types_changed, (Datum) 0);
		registered = true;
	}
	if (frozen)
		return;
	AcceptInvalidationMessages();
	if (cache_valid)
		return;
	PG_TRY();
	{
		load_types();
	}
	PG_CATCH();
	{
		cache_valid = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/* The policy of a type as the cache has it, or NULL. */
static const RarrJobType *
find_type(const char *name, int len)
{
	int			low = 0;
	int			high = ntypes;

	while (low < high)
	{
		int			middle = (low + high) / 2;
		int			order = strncmp(types[middle]->name, name, len);

		if (order == 0 && types[middle]->name[len] != '\0')
			order = 1;
		if (order == 0)
			return types[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/*
 * The policy of a type, or NULL.  The pointer stays good as long as the
 * backend; what is there may change when a function of this file is called.
 */
const RarrJobType *
rarr_job_type_find(const char *name, int len)
{
	refresh();
	return find_type(name, len);
}

/*
 * The policy of a type; RA002 where it is not known.
 */
const RarrJobType *
rarr_job_type_get(const char *name, int len)
{
	const RarrJobType *type = rarr_job_type_find(name, len);
	StringInfoData known;

	if (type != NULL)
		return type;

	initStringInfo(&known);
	for (int i = 0; i < ntypes && i < 20; i++)
		appendStringInfo(&known, "%s\"%s\"", i > 0 ? ", " : "", types[i]->name);
	if (ntypes > 20)
		appendStringInfoString(&known, ", ...");
	ereport(ERROR,
			(errcode(ERRCODE_RARR_UNKNOWN_JOB_TYPE),
			 errmsg("unknown job type: \"%s\"", pnstrdup(name, pg_mbcliplen(name, len, 200))),
			 errhint("Known job types are %s. Others are made known with researcharr.job_type_register.",
					 known.data)));
}

/*
 * The policy for a job of this type, whose type may have been dropped since:
 * then the one that built-in types have.
 */
const RarrJobType *
rarr_job_type_policy(const char *name, int len)
{
	const RarrJobType *type = rarr_job_type_find(name, len);

	return type != NULL ? type : &builtin_policy;
}

/*
 * rarr_job_type_policy() as this backend last read it, for a session that ends: no
 * table is read, and no error raised.
 */
const RarrJobType *
rarr_job_type_last_known(const char *name, int len)
{
	const RarrJobType *type = find_type(name, len);

	return type != NULL ? type : &builtin_policy;
}

static int
compare_listed(const ListCell *a, const ListCell *b)
{
	return strcmp(((RarrJobType *) lfirst(a))->name, ((RarrJobType *) lfirst(b))->name);
}

/*
 * The types that an argument job_types asks for: their policies, each once,
 * without the paused ones, in the order of their names.  NULL asks for all.  RA002 for an unknown one; 22023 for an array that is empty, has
 * more than one dimension or holds a NULL.
 */
List *
rarr_job_types_requested(ArrayType *names)
{
	List	   *result = NIL;
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	refresh();
	if (names == NULL)
	{
		for (int i = 0; i < ntypes; i++)
			if (!types[i]->paused)
				result = lappend(result, types[i]);
		return result;
	}
	if (ARR_NDIM(names) != 1 || array_contains_nulls(names))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("job_types must be a one-dimensional array of names, none of them null"),
				 errhint("Name at least one job type, or give NULL for all.")));
	deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		text	   *name = DatumGetTextPP(elements[i]);
		const RarrJobType *type = rarr_job_type_get(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));

		if (!type->paused)
			result = list_append_unique_ptr(result, unconstify(RarrJobType *, type));
	}
	if (list_length(result) > 1)
		list_sort(result, compare_listed);
	return result;
}

/*
 * Was the policy written by this transaction, so that nobody else knows of it?
 */
bool
rarr_job_type_is_uncommitted(const RarrJobType *type)
{
	return type->version != 0 &&
		TransactionIdIsCurrentTransactionId((TransactionId) (type->version >> 32));
}

/*
 * How long, in microseconds, a job of this type that has used up `retries`
 * retries waits before its next one.
 */
int64
rarr_job_type_retry_delay(const RarrJobType *type, int retries)
{
	return rarr_backoff_delay(type->backoff, type->backoff_base, type->backoff_cap,
							  type->jitter, retries, pg_prng_double(&pg_global_prng_state));
}

PG_FUNCTION_INFO_V1(researcharr_job_type_builtin);

/*
 * job_type_builtin() -> rows of job_types: the types known from the start.
 *
 * Errors: 55000 where the statement knows columns of ours that were altered.
 */
Datum
researcharr_job_type_builtin(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum	   *values;
	bool	   *nulls;
	int			natts;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	natts = rsinfo->setDesc->natts;
	rarr_check_columns_of(rsinfo->setDesc, "job_types", type_columns, lengthof(type_columns), true);
	values = palloc0(natts * sizeof(Datum));
	nulls = palloc(natts * sizeof(bool));
	memset(nulls, true, natts * sizeof(bool));
	for (int i = 0; i < lengthof(builtin_columns); i++)
		nulls[builtin_columns[i] - 1] = false;

	values[COL_PRIORITY - 1] = Int32GetDatum(builtin_policy.priority);
	values[COL_MAX_RETRIES - 1] = Int32GetDatum(builtin_policy.max_retries);
	values[COL_LEASE - 1] = IntervalPGetDatum(rarr_interval_of_duration(builtin_policy.lease));
	values[COL_BACKOFF - 1] = CStringGetTextDatum("exponential");
	values[COL_BACKOFF_BASE - 1] = IntervalPGetDatum(rarr_interval_of_duration(builtin_policy.backoff_base));
	values[COL_BACKOFF_CAP - 1] = IntervalPGetDatum(rarr_interval_of_duration(builtin_policy.backoff_cap));
	values[COL_JITTER - 1] = Float8GetDatum(builtin_policy.jitter);
	values[COL_WEIGHT - 1] = Int32GetDatum(builtin_policy.weight);
	values[COL_PAUSED - 1] = BoolGetDatum(builtin_policy.paused);
	for (int i = 0; i < lengthof(builtin_names); i++)
	{
		values[COL_NAME - 1] = CStringGetTextDatum(builtin_names[i]);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * Is there a job type of this name?
 */
bool
rarr_job_type_is_known(const char *name, int len)
{
	return rarr_job_type_find(name, len) != NULL;
}
