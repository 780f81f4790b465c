/*
 * table.c
 *		The table cache_entries: what the cache keeps besides memory.
 *
 * A role that may execute the functions of the cache needs no privileges on the
 * table.  The statements are checked for the table's owner, but run as the
 * caller, so that no trigger gets rights that its maker has not.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lock.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/foreign_code.h"
#include "base/schema.h"
#include "cache/table.h"

#define TABLE "cache_entries"

/* kinds of our locks */
#define LOCK_FLUSH 1
#define LOCK_KEY   2
#define LOCK_FETCH 3

typedef struct Statement
{
	const char *sql;
	int nparams;
	Oid types[4];
	SPIPlanPtr plan;
} Statement;

static Statement get_statement = {
	"SELECT value, expiry, tags FROM researcharr.cache_entries WHERE key OPERATOR(pg_catalog.=) $1",
	1,
	{TEXTOID}};
static Statement put_statement = {
	"INSERT INTO researcharr.cache_entries AS c (key, value, expiry, tags) VALUES ($1, $2, $3, $4)"
	" ON CONFLICT (key) DO UPDATE SET value = excluded.value, expiry = excluded.expiry,"
	" tags = excluded.tags, created_at = pg_catalog.clock_timestamp()",
	4,
	{TEXTOID, BYTEAOID, TIMESTAMPTZOID, TEXTARRAYOID}};
static Statement delete_statement = {
	"DELETE FROM researcharr.cache_entries WHERE key OPERATOR(pg_catalog.=) $1 RETURNING key, expiry",
	1,
	{TEXTOID}};
static Statement delete_all_statement = {
	"DELETE FROM researcharr.cache_entries RETURNING key, expiry", 0};
static Statement delete_like_statement = {
	"DELETE FROM researcharr.cache_entries WHERE key OPERATOR(pg_catalog.~~) $1 RETURNING key, expiry",
	1,
	{TEXTOID}};
static Statement delete_tag_statement = {
	"DELETE FROM researcharr.cache_entries"
	" WHERE tags OPERATOR(pg_catalog.@>) ARRAY[$1] RETURNING key, expiry",
	1,
	{TEXTOID}};
static Statement expire_statement = {
	"DELETE FROM researcharr.cache_entries WHERE ctid OPERATOR(pg_catalog.=) ANY (ARRAY("
	"SELECT ctid FROM researcharr.cache_entries WHERE expiry OPERATOR(pg_catalog.<=) $1"
	" ORDER BY expiry LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING key, expiry",
	2,
	{TIMESTAMPTZOID, INT8OID}};

/* Receives the rows of a statement. */
typedef struct Receiver
{
	DestReceiver pub;
	MemoryContext cxt;
	RarrCacheRow *row; /* the first row goes here; or NULL */
	RarrDeletedKey deleted;
	void *arg;
	TimestampTz now;
	uint64 rows;
	uint64 live; /* those that had not expired */
} Receiver;

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
receiver_nothing(DestReceiver *self)
{
}

static TimestampTz
expiry_of(TupleTableSlot *slot)
{
	bool isnull;
	Datum expiry = slot_getattr(slot, 2, &isnull);

	return isnull ? DT_NOEND : DatumGetTimestampTz(expiry);
}

/* The first column is the value of a row that is read, the key of one that is deleted. */
static bool
receive(TupleTableSlot *slot, DestReceiver *self)
{
	Receiver *receiver = (Receiver *) self;
	MemoryContext old = MemoryContextSwitchTo(receiver->cxt);
	TimestampTz expiry = expiry_of(slot);
	bool isnull;
	Datum first = slot_getattr(slot, 1, &isnull);

	if (receiver->row != NULL && receiver->rows == 0)
	{
		Datum tags = slot_getattr(slot, 3, &isnull);

		receiver->row->value = (struct varlena *) DatumGetByteaPCopy(first);
		receiver->row->expiry = expiry;
		receiver->row->tags = isnull ? (Datum) 0 : PointerGetDatum(PG_DETOAST_DATUM_COPY(tags));
	}
	else if (receiver->deleted != NULL && expiry > receiver->now)
	{
		text *key = DatumGetTextPP(first);

		receiver->deleted(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key), receiver->arg);
	}
	receiver->rows++;
	if (expiry > receiver->now)
		receiver->live++;
	MemoryContextSwitchTo(old);
	return true;
}

static void
init_receiver(Receiver *receiver)
{
	memset(receiver, 0, sizeof(Receiver));
	receiver->pub.receiveSlot = receive;
	receiver->pub.rStartup = receiver_startup;
	receiver->pub.rShutdown = receiver_nothing;
	receiver->pub.rDestroy = receiver_nothing;
	receiver->pub.mydest = DestNone;
	receiver->cxt = CurrentMemoryContext;
	receiver->now = GetCurrentTimestamp();
}

/* The plan of a statement, planned as the owner; a generic one uses the indexes. */
static CachedPlan *
get_plan(Statement *statement, Oid owner)
{
	CachedPlan *plan;
	SPIPlanPtr made;
	Oid user;
	int context;

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(owner, context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
	if (statement->plan == NULL)
	{
		made = SPI_prepare_cursor(statement->sql, statement->nparams, statement->types, CURSOR_OPT_GENERIC_PLAN);
		if (made == NULL || SPI_keepplan(made) != 0)
			elog(ERROR, "could not plan \"%s\"", statement->sql);
		statement->plan = made;
	}
	plan = SPI_plan_get_cached_plan(statement->plan);
	SetUserIdAndSecContext(user, context);
	if (plan == NULL || list_length(plan->stmt_list) != 1 ||
		linitial_node(PlannedStmt, plan->stmt_list)->commandType == CMD_UTILITY)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s.%s\" has a rule that the cache cannot follow", RARR_SCHEMA, TABLE),
				 errhint("Drop the rule, or use a trigger.")));
	return plan;
}

/* Execute a plan with a snapshot as the current user, with the owner's privileges. */
static void
execute(const CachedPlan *plan, const char *sql, ParamListInfo params, Snapshot snapshot, Oid owner,
		Receiver *receiver)
{
	PlannedStmt checked = *linitial_node(PlannedStmt, plan->stmt_list);
	bool writes = checked.commandType != CMD_SELECT;
	QueryDesc *desc;

	PushCopiedSnapshot(snapshot);
	if (writes)
		CommandCounterIncrement();
	UpdateActiveSnapshotCommandId();
	rarr_check_plan_as(&checked, owner);
	desc = CreateQueryDesc(&checked, sql, GetActiveSnapshot(), InvalidSnapshot, &receiver->pub, params,
						   NULL, 0);
	ExecutorStart(desc, 0);
	rarr_executor_run(desc);
	ExecutorFinish(desc);
	ExecutorEnd(desc);
	FreeQueryDesc(desc);
	PopActiveSnapshot();
	if (writes)
		CommandCounterIncrement();
}

/* Run a statement.  latest: also see what was committed after the snapshot. */
static void
run(Statement *statement, const Datum *values, bool latest, Receiver *receiver)
{
	Relation rel = table_open(rarr_relation_oid(TABLE), AccessShareLock);
	Oid owner = rel->rd_rel->relowner;
	ParamListInfo params = makeParamList(statement->nparams);
	CachedPlan *plan;

	table_close(rel, NoLock);
	for (int i = 0; i < statement->nparams; i++)
		params->params[i] = (ParamExternData){.value = values[i],
											  .isnull = values[i] == (Datum) 0,
											  .pflags = PARAM_FLAG_CONST,
											  .ptype = statement->types[i]};
	SPI_connect();
	plan = get_plan(statement, owner);
	execute(plan, statement->sql, params, latest ? GetLatestSnapshot() : GetActiveSnapshot(), owner, receiver);
	ReleaseCachedPlan(plan, CurrentResourceOwner);
	SPI_finish();
}

static Datum
key_datum(const RarrCacheKey *key)
{
	return PointerGetDatum(cstring_to_text_with_len(key->data, key->length));
}

/*
 * Read the row of a key that has not expired; false if there is none.  latest:
 * also one that was committed after the snapshot.
 */
bool
rarr_cache_table_get(const RarrCacheKey *key, bool latest, RarrCacheRow *row)
{
	Datum value = key_datum(key);
	Receiver receiver;

	init_receiver(&receiver);
	receiver.row = row;
	run(&get_statement, &value, latest, &receiver);
	return receiver.live > 0;
}

/* Insert the row of a key, or replace it. */
void
rarr_cache_table_put(const RarrCacheKey *key, const RarrCacheRow *row)
{
	Datum values[] = {key_datum(key), PointerGetDatum(row->value),
					  row->expiry == DT_NOEND ? (Datum) 0 : TimestampTzGetDatum(row->expiry), row->tags};
	Receiver receiver;

	init_receiver(&receiver);
	run(&put_statement, values, false, &receiver);
}

/*
 * Delete the row of a key; was there one that had not expired?  What was
 * committed after the snapshot is deleted too.
 */
bool
rarr_cache_table_delete(const RarrCacheKey *key)
{
	Datum value = key_datum(key);
	Receiver receiver;

	init_receiver(&receiver);
	run(&delete_statement, &value, true, &receiver);
	return receiver.live > 0;
}

/*
 * Delete the rows that match, and call deleted, unless it is NULL, with the keys
 * of those that had not expired; how many were they?
 */
uint64
rarr_cache_table_delete_matching(const RarrCacheMatch *match, RarrDeletedKey deleted, void *arg)
{
	Datum value = PointerGetDatum(match->text);
	Receiver receiver;

	init_receiver(&receiver);
	receiver.deleted = deleted;
	receiver.arg = arg;
	switch (match->kind)
	{
		case RARR_MATCH_ALL:
			run(&delete_all_statement, NULL, true, &receiver);
			break;
		case RARR_MATCH_PATTERN:
			run(&delete_like_statement, &value, true, &receiver);
			break;
		case RARR_MATCH_TAG:
			run(&delete_tag_statement, &value, true, &receiver);
			break;
		case RARR_MATCH_ROLES:
			break;
	}
	return receiver.live;
}

/* Delete up to so many rows that have expired; how many were they? */
uint64
rarr_cache_table_expire(int most)
{
	Receiver receiver;
	Datum values[2];

	init_receiver(&receiver);
	values[0] = TimestampTzGetDatum(receiver.now);
	values[1] = Int64GetDatum(most);
	run(&expire_statement, values, false, &receiver);
	return receiver.rows;
}

/* Has the table no page?  Then it has no row. */
bool
rarr_cache_table_is_empty(void)
{
	Relation rel = rarr_relation_open(TABLE, AccessShareLock);
	bool empty = RelationGetNumberOfBlocks(rel) == 0;

	table_close(rel, AccessShareLock);
	return empty;
}

/*
 * For tasks, which run as the extension's owner: raise 42501 if writing to the
 * table would run another role's code, and keep it from being added.
 */
void
rarr_cache_table_refuse_foreign_code(void)
{
	Relation rel = rarr_relation_open(TABLE, RowExclusiveLock);

	rarr_refuse_foreign_code(rel);
	table_close(rel, NoLock);
}

/*
 * A lock of the cache, which is held until the transaction ends.  It cannot
 * conflict with a lock of the server, because its class is the OID of our table.
 */
static LOCKTAG
lock_tag(uint32 object, uint16 kind)
{
	LOCKTAG tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, rarr_relation_oid(TABLE), object, kind);
	return tag;
}

/* Wait until nothing is being flushed, and keep it so. */
void
rarr_cache_table_stop_flush(void)
{
	LOCKTAG tag = lock_tag(0, LOCK_FLUSH);

	(void) LockAcquire(&tag, ShareLock, false, false);
}

/* Begin to flush; false if somebody else does, or keeps it off. */
bool
rarr_cache_table_begin_flush(void)
{
	LOCKTAG tag = lock_tag(0, LOCK_FLUSH);

	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/* Wait for others that count with the same key, and make them wait. */
void
rarr_cache_table_lock_key(const RarrCacheKey *key)
{
	LOCKTAG tag = lock_tag((uint32) (key->hash >> 32), LOCK_KEY);

	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

/* The lock under which the query of a key runs; each role has its own. */
static LOCKTAG
fetch_tag(const RarrCacheKey *key)
{
	return lock_tag((uint32) (key->hash >> 32) ^ key->role, LOCK_FETCH);
}

/* Take that lock, unless another session has it. */
bool
rarr_cache_table_try_fetch(const RarrCacheKey *key)
{
	LOCKTAG tag = fetch_tag(key);

	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/* Wait for that lock. */
void
rarr_cache_table_lock_fetch(const RarrCacheKey *key)
{
	LOCKTAG tag = fetch_tag(key);

	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

void
rarr_cache_table_unlock_fetch(const RarrCacheKey *key)
{
	LOCKTAG tag = fetch_tag(key);

	(void) LockRelease(&tag, ExclusiveLock, false);
}
