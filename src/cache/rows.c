/*
 * rows.c
 *		Rows of our tables in the cache, for the functions E_get_by_id_cached.
 *
 * A row is cached under a key made of its entity and id, for one role.  It begins
 * with a byte that tells it from keys that anybody would use.  Each
 * change of the row drops the key.  This costs something, so it begins when a
 * role asks for a cached row for the first time.  Changes that were made before
 * are not known: rows are cached only for snapshots that see all transactions of
 * that time.  A transaction that has changed anything caches nothing, for it may
 * be in the middle of changing that row.
 *
 * Rows are in memory alone.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/args.h"
#include "base/clock.h"
#include "base/column.h"
#include "base/guc.h"
#include "base/uuid.h"
#include "cache/cache.h"
#include "cache/transaction.h"

/* more dropped rows of one transaction drop all of them */
#define MOST_DROPS 10000

/* room for the name of an entity, a colon and an id */
#define KEY_ROOM 64

/* Make the key of a row; it points to buffer. */
static void
make_key(RarrCacheKey *key, char *buffer, const char *entity, const pg_uuid_t *id)
{
	char *string = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id)));

	snprintf(buffer, KEY_ROOM, "\1%s:%s", entity, string);
	pfree(string);
	rarr_cache_make_key(key, buffer, strlen(buffer));
}

/* Are rows cached, or do we begin with it now? */
static bool
rows_are_cached(void)
{
	RarrCacheDatabase *db = rarr_cache_database();
	Snapshot snapshot = GetActiveSnapshot();
	TransactionId since = *(volatile TransactionId *) &db->rows_since;

	if (!TransactionIdIsValid(since))
	{
		rarr_cache_begin_rows();
		return false;
	}
	return TransactionIdFollowsOrEquals(snapshot->xmin, since) && !snapshot->takenDuringRecovery;
}

/*
 * Can rows be read from the cache here and now?  Not without memory, on a
 * standby, without a snapshot, or in a serializable transaction, for which the
 * server must know what it reads.
 */
bool
rarr_cache_rows_usable(void)
{
	return rarr_cache_is_there() && !RecoveryInProgress() && ActiveSnapshotSet() &&
		   !IsolationIsSerializable() && !IsInParallelMode();
}

/* The key for a role and a shape of the row; it points to buffer. */
static void
make_role_key(RarrCacheKey *key, char *buffer, const char *entity, const pg_uuid_t *id, uint64 shape)
{
	make_key(key, buffer, entity, id);
	memcpy(buffer + key->length, &shape, sizeof(shape));
	key->role = GetUserId();
	key->variant = sizeof(shape);
}

/*
 * Find a row of an entity in the cache, as the bytes that were put there, in the
 * current memory context; NULL if there is none.  shape tells row types apart.
 */
struct varlena *
rarr_cache_row_get(const char *entity, const pg_uuid_t *id, uint64 shape)
{
	char buffer[KEY_ROOM + sizeof(shape)];
	RarrCacheValue value;
	RarrCacheKey key;

	if (!rows_are_cached())
		return NULL;
	make_role_key(&key, buffer, entity, id, shape);
	return rarr_cache_get(&key, false, false, &value) == RARR_CACHE_HIT ? value.value : NULL;
}

/* Put a row that was read by the active snapshot into the cache. */
void
rarr_cache_row_put(const char *entity, const pg_uuid_t *id, uint64 shape, const char *bytes, uint32 length)
{
	char buffer[KEY_ROOM + sizeof(shape)];
	RarrCacheWrite write = {.value = bytes, .length = length};
	RarrCacheKey key;

	if (TransactionIdIsValid(GetTopTransactionIdIfAny()) || !rows_are_cached() ||
		length > (Size) rarr_cache_max_value * 1024)
		return;
	if (rarr_cache_default_ttl > 0)
		write.expiry = rarr_monotonic_now() + rarr_cache_default_ttl * USECS_PER_SEC;
	make_role_key(&key, buffer, entity, id, shape);
	rarr_cache_fill(&key, &write);
}

/* Is it worth to tell the cache of changed rows? */
bool
rarr_cache_rows_any(void)
{
	return rarr_cache_is_there() && pg_atomic_read_u32(&rarr_cache_database()->rows) > 0;
}

/* A row changed, or will change: others must not read it from the cache. */
void
rarr_cache_row_changed(const char *entity, const pg_uuid_t *id)
{
	static const RarrCacheMatch roles = {RARR_MATCH_ROLES};
	char buffer[KEY_ROOM];
	RarrCacheKey key;

	if (!rarr_cache_rows_any() || rarr_cache_is_dropped(&roles))
		return;
	if (rarr_cache_count_drops() > MOST_DROPS)
	{
		(void) rarr_cache_drop_matching(&roles);
		return;
	}
	make_key(&key, buffer, entity, id);
	rarr_cache_drop_row(&key);
}

/* Any row of any table may have changed. */
void
rarr_cache_rows_changed(void)
{
	static const RarrCacheMatch roles = {RARR_MATCH_ROLES};

	if (rarr_cache_rows_any() && !rarr_cache_is_dropped(&roles))
		(void) rarr_cache_drop_matching(&roles);
}

/* The entity that an argument names; @type says that the column type has its name. */
static char *
entity_of(Relation rel, HeapTuple row, const char *argument)
{
	bool isnull;
	Datum value;

	if (strcmp(argument, "@type") != 0)
		return pstrdup(argument);
	value = heap_getattr(row, rarr_require_column(rel, "type", TEXTOID), RelationGetDescr(rel), &isnull);
	return isnull ? NULL : TextDatumGetCString(value);
}

/*
 * Do what the trigger cache_row_changed() does when a row is changed: this
 * version of it is not what others may read any more.  For changes that are made
 * without a statement.  Raises 39P01 if the trigger names a column that is not
 * there.
 */
void
rarr_cache_row_trigger(Relation rel, const Trigger *trigger, HeapTuple row)
{
	for (int i = 0; i + 1 < trigger->tgnargs; i += 2)
	{
		char *entity = entity_of(rel, row, trigger->tgargs[i]);
		bool isnull;
		Datum id = heap_getattr(row, rarr_require_column(rel, trigger->tgargs[i + 1], UUIDOID),
								RelationGetDescr(rel), &isnull);

		if (!isnull && entity != NULL)
			rarr_cache_row_changed(entity, DatumGetUUIDP(id));
	}
}

/*
 * cache_row_changed(entity, column, ...): AFTER trigger, for each row or for
 * TRUNCATE, on our tables
 *
 * Drops cached rows of the entities; the columns have their ids.  Raises 39P01 if
 * the trigger is defined in another way.
 */
PG_FUNCTION_INFO_V1(researcharr_cache_row_changed);
Datum
researcharr_cache_row_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	rarr_require_trigger(fcinfo, "cache_row_changed");
	if (!TRIGGER_FIRED_AFTER(trigger->tg_event) || trigger->tg_trigger->tgnargs % 2 != 0)
		rarr_wrong_trigger(trigger, "cache_row_changed", "The function is for AFTER triggers only.");
	if (!rarr_cache_rows_any())
		PG_RETURN_POINTER(NULL);
	if (TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event))
		rarr_cache_rows_changed();
	else
		rarr_cache_row_trigger(trigger->tg_relation, trigger->tg_trigger, trigger->tg_trigtuple);
	PG_RETURN_POINTER(NULL);
}
