/*
 * cascade.c
 *		Lock rows in order, and cascade to episodes, when media or series are
 *		deleted.
 *
 * Foreign keys delete the jobs, queue items and subtype rows of a media row.
 * But they lock rows in the order in which a scan finds them, so two sessions
 * that delete the same jobs can deadlock.  And no foreign key leads from a
 * series to the media rows of its episodes.
 *
 * The lock order, everywhere in the extension, is:
 *
 * 1. media rows in order of id, except that
 * 2. a series' media row, and then its row in series, come before the media
 *    rows of its episodes;
 * 3. jobs in order of id;
 * 4. queue items, then rows of movies and episodes, in order of id.
 *
 * The server locks a row before it calls a BEFORE trigger.  A DELETE on series
 * has therefore already locked that row, and rule 2 follows from this.  The
 * lock on a series' row also stops others from adding episodes to it, because
 * their foreign key waits for it.
 *
 * A DELETE on media fires these triggers in order.  First, for a series, a
 * BEFORE ROW trigger locks its row and its episodes' media.  Then, when the
 * statement has deleted all its media rows, an AFTER ROW trigger locks all
 * jobs and the rest; its name sorts before those of the foreign keys'
 * triggers, which fire last.  When a series' row is deleted, a BEFORE ROW
 * trigger deletes the media of its episodes.
 *
 * As in the server's own cascades, each step runs as the owner of the table
 * that is locked or changed, because a role that may delete a series need not
 * be allowed to delete media.  AFTER triggers on the deleted rows are queued
 * for the outermost statement, and fire as its user.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "base/args.h"
#include "base/column.h"
#include "base/compat.h"
#include "base/schema.h"
#include "data/cascade.h"

/* maximum ids per statement, so that the array does not become too large */
#define MAX_IDS	(1024 * 1024)

/*
 * A statement, planned when first used in the session; $1 is an array of ids.
 */
typedef struct Statement
{
	const char *table;			/* runs as the owner of this table */
	int			result;
	const char *sql;
	SPIPlanPtr	plan;
} Statement;

/* Lock the rows of a table that satisfy a condition, in order of a column. */
#define LOCK(table, column, condition) \
	{table, SPI_OK_SELECT, \
	"SELECT pg_catalog.count(*) FROM (SELECT FROM researcharr." table " AS t" \
	" WHERE t." condition " OPERATOR(pg_catalog.=) ANY ($1)" \
	" ORDER BY t." column " FOR UPDATE) AS s", NULL}

/* a series, and the media of its episodes */
static Statement lock_series = LOCK("series", "media_id", "media_id");
static Statement lock_media = LOCK("media", "id", "id");
static Statement delete_media = {
	"media", SPI_OK_DELETE,
	"DELETE FROM researcharr.media AS m WHERE m.id OPERATOR(pg_catalog.=) ANY ($1)", NULL
};
static Statement find_episodes = {
	"episodes", SPI_OK_SELECT,
	"SELECT e.media_id FROM researcharr.episodes AS e"
	" WHERE e.series_id OPERATOR(pg_catalog.=) ANY ($1)", NULL
};
static Statement find_all_episodes = {
	"episodes", SPI_OK_SELECT, "SELECT e.media_id FROM researcharr.episodes AS e", NULL
};

/*
 * the rows that belong to media, jobs first; for a single row, its subtype row
 * needs no order
 */
static Statement lock_parts[] = {
	LOCK("processing_jobs", "id", "media_id"),
	LOCK("queue_items", "id", "media_id"),
	LOCK("movies", "media_id", "media_id"),
	LOCK("episodes", "media_id", "media_id"),
};
#define PARTS_OF_ONE	2
static Statement find_jobs = {
	"processing_jobs", SPI_OK_SELECT,
	"SELECT j.id FROM researcharr.processing_jobs AS j"
	" WHERE j.media_id OPERATOR(pg_catalog.=) ANY ($1)", NULL
};
static Statement lock_jobs = LOCK("processing_jobs", "id", "id");

/* an array of row ids */
typedef struct Ids
{
	pg_uuid_t  *values;
	int			count;
	int			room;
	MemoryContext cxt;
} Ids;

static void
init_ids(Ids *ids)
{
	memset(ids, 0, sizeof(Ids));
	ids->cxt = CurrentMemoryContext;
}

static void
add_id(Ids *ids, Datum id)
{
	if (ids->count == ids->room)
	{
		ids->room = Max(16, ids->room * 2);
		ids->values = ids->values == NULL ?
			MemoryContextAlloc(ids->cxt, ids->room * sizeof(pg_uuid_t)) :
			repalloc_huge(ids->values, ids->room * sizeof(pg_uuid_t));
	}
	ids->values[ids->count++] = *DatumGetUUIDP(id);
}

static int
compare_ids(const void *a, const void *b)
{
	return memcmp(((const pg_uuid_t *) a)->data, ((const pg_uuid_t *) b)->data, UUID_LEN);
}

static void
prepare(Statement *statement)
{
	Oid			type = UUIDARRAYOID;
	bool		has_ids = strstr(statement->sql, "$1") != NULL;
	SPIPlanPtr	made;

	/* kept for any number of ids: a generic plan uses the index */
	made = SPI_prepare_cursor(statement->sql, has_ids ? 1 : 0, &type, CURSOR_OPT_GENERIC_PLAN);
	if (made == NULL || SPI_keepplan(made) != 0)
		elog(ERROR, "could not plan \"%s\"", statement->sql);
	statement->plan = made;
}

/*
 * Run a statement with an array of ids, as the owner of its table.  Requires
 * an SPI connection.  In a transaction with a single snapshot, a row that the
 * snapshot does not show is found nevertheless; deleting it raises 40001.
 */
static void
run_with_array(Statement *statement, Datum array)
{
	Relation	rel = table_open(rarr_relation_oid(statement->table), RowShareLock);
	Oid			owner = rel->rd_rel->relowner;
	Snapshot	snapshot = InvalidSnapshot;
	Snapshot	crosscheck = InvalidSnapshot;
	Oid			user;
	int			context;

	table_close(rel, NoLock);
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(owner, context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
	if (statement->plan == NULL)
		prepare(statement);
	if (IsolationUsesXactSnapshot())
	{
		CommandCounterIncrement();
		snapshot = GetLatestSnapshot();
		if (statement->result == SPI_OK_DELETE)
			crosscheck = GetTransactionSnapshot();
	}
	if (SPI_execute_snapshot(statement->plan, &array, NULL, snapshot, crosscheck,
							 false, false, 0) != statement->result)
		elog(ERROR, "could not execute \"%s\"", statement->sql);
	SetUserIdAndSecContext(user, context);
}

/* Add the ids that the last statement returned. */
static void
add_found(Ids *ids)
{
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;

		add_id(ids, SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
	}
}

/*
 * Sort the ids and run a statement for them, up to MAX_IDS at a time.  Adds
 * the ids that it returns to found, unless that is NULL.
 */
static void
run(Statement *statement, Ids *ids, Ids *found)
{
	int			room = Min(ids->count, MAX_IDS);
	Datum	   *values = palloc(Max(room, 1) * sizeof(Datum));

	qsort(ids->values, ids->count, sizeof(pg_uuid_t), compare_ids);
	for (int i = 0; i < ids->count; i += room)
	{
		int			n = Min(ids->count - i, room);
		ArrayType  *array;

		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < n; j++)
			values[j] = UUIDPGetDatum(&ids->values[i + j]);
		array = construct_array(values, n, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR);
		run_with_array(statement, PointerGetDatum(array));
		if (found != NULL)
			add_found(found);
		SPI_freetuptable(SPI_tuptable);
		pfree(array);
	}
	pfree(values);
}

static void
connect_spi(void)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
}

static void
add_ids(Ids *ids, const pg_uuid_t *values, int count)
{
	for (int i = 0; i < count; i++)
		add_id(ids, UUIDPGetDatum(&values[i]));
}

/* Raise 39P01: the trigger is not defined as the function requires. */
static void
wrong_trigger(TriggerData *trigger, const char *function)
{
	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("trigger \"%s\" on \"%s\" cannot call \"%s\"",
					trigger->tg_trigger->tgname,
					RelationGetRelationName(trigger->tg_relation), function),
			 errhint("The function is for the extension's own triggers only.")));
}

/* Did the trigger fire on the extension's table of this name? */
static bool
is_table(FunctionCallInfo fcinfo, const TriggerData *trigger, const char *name)
{
	return RelationGetRelid(trigger->tg_relation) ==
		get_relname_relid(name, get_func_namespace(fcinfo->flinfo->fn_oid));
}

/* Connect to SPI, and get the id of the row that fired the trigger. */
static void
begin_with_row(TriggerData *trigger, const char *column, Ids *ids)
{
	Relation	rel = trigger->tg_relation;
	bool		isnull;
	Datum		id = heap_getattr(trigger->tg_trigtuple, rarr_require_column(rel, column, UUIDOID),
								  RelationGetDescr(rel), &isnull);

	connect_spi();
	init_ids(ids);
	if (!isnull)
		add_id(ids, id);
}

/*
 * Delete media rows.  Cascades are enforced even if session_replication_role
 * disables them; otherwise the jobs of the deleted media rows would stay
 * behind.
 */
static void
delete_ids(Ids *ids)
{
	int			nest_level = NewGUCNestLevel();

	if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		(void) set_config_option("session_replication_role", "origin", PGC_SUSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	run(&delete_media, ids, NULL);
	AtEOXact_GUC(true, nest_level);
}

/*
 * Lock and, if so asked, delete the media of the series' episodes.  An episode
 * may have moved to another series unless its media row was already locked, so
 * look them up again.
 */
static void
reach_episodes(Ids *series, bool delete)
{
	Ids			episodes;

	init_ids(&episodes);
	run(&find_episodes, series, &episodes);
	run(&lock_media, &episodes, NULL);
	if (delete && episodes.count > 0)
	{
		episodes.count = 0;
		run(&find_episodes, series, &episodes);
		delete_ids(&episodes);
	}
}

/*
 * Lock everything that a call will delete or change.  The call deletes the
 * media rows in deleted, one by one, and changes the rows in media and jobs.
 * This also locks the rows that the deletes cascade to.  The media rows of
 * series must already be locked.
 */
void
rarr_lock_deletes(const pg_uuid_t *deleted, int ndeleted, const pg_uuid_t *media, int nmedia,
				  const pg_uuid_t *jobs, int njobs)
{
	Ids			gone;
	Ids			all_media;
	Ids			all_jobs;

	connect_spi();
	init_ids(&gone);
	init_ids(&all_media);
	init_ids(&all_jobs);
	add_ids(&gone, deleted, ndeleted);
	run(&lock_series, &gone, NULL);
	run(&find_episodes, &gone, &all_media);
	add_ids(&gone, all_media.values, all_media.count);
	add_ids(&all_media, media, nmedia);
	run(&lock_media, &all_media, NULL);

	run(&find_jobs, &gone, &all_jobs);
	add_ids(&all_jobs, jobs, njobs);
	run(&lock_jobs, &all_jobs, NULL);
	for (int i = 1; i < lengthof(lock_parts); i++)
		run(&lock_parts[i], &gone, NULL);
	SPI_finish();
}

/*
 * Delete the media of all episodes before a TRUNCATE removes the rows.  AFTER
 * triggers fire before this returns, because the TRUNCATE may be about to
 * remove rows that they need.
 */
static void
delete_all_episodes(void)
{
	Ids			episodes;

	AfterTriggerBeginQuery();
	connect_spi();
	init_ids(&episodes);
	run_with_array(&find_all_episodes, (Datum) 0);
	add_found(&episodes);
	delete_ids(&episodes);
	SPI_finish();
	AfterTriggerEndQuery(NULL);
}

/*
 * Read the ids in a transition table.  If series is not NULL, also collect the
 * ids of media rows that are series.
 */
static void
read_transition_table(TriggerData *trigger, const char *column, Ids *ids, Ids *series)
{
	Relation	rel = trigger->tg_relation;
	AttrNumber	attnum = rarr_require_column(rel, column, UUIDOID);
	AttrNumber	type = series == NULL ? 0 : rarr_require_column(rel, "type", TEXTOID);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);

	tuplestore_rescan(trigger->tg_oldtable);
	while (tuplestore_gettupleslot(trigger->tg_oldtable, true, false, slot))
	{
		bool		isnull;
		Datum		id = slot_getattr(slot, attnum, &isnull);
		Datum		value;

		if (isnull)
			continue;
		add_id(ids, id);
		if (series == NULL)
			continue;
		value = slot_getattr(slot, type, &isnull);
		if (!isnull && strcmp(TextDatumGetCString(value), "series") == 0)
			add_id(series, id);
	}
	ExecDropSingleTupleTableSlot(slot);
}

/*
 * episode_media_delete(): trigger
 *
 * On series, BEFORE DELETE for each row and BEFORE TRUNCATE, it deletes the
 * media of the episodes.  In versions up to 1.5 it is attached to episodes,
 * AFTER DELETE with the transition table "deleted" and BEFORE TRUNCATE, and
 * does the same for the deleted episodes.  It works with its owner's rights
 * and therefore raises 39P01 on any other table.
 */
PG_FUNCTION_INFO_V1(researcharr_episode_media_delete);
Datum
researcharr_episode_media_delete(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	bool		row;
	Ids			ids;

	rarr_require_trigger(fcinfo, "episode_media_delete");
	row = TRIGGER_FIRED_FOR_ROW(trigger->tg_event);
	if (is_table(fcinfo, trigger, "series") && row && TRIGGER_FIRED_BEFORE(trigger->tg_event) &&
		TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
	{
		begin_with_row(trigger, "media_id", &ids);
		reach_episodes(&ids, true);
		SPI_finish();
		PG_RETURN_POINTER(trigger->tg_trigtuple);
	}
	if (!is_table(fcinfo, trigger, "series") && !is_table(fcinfo, trigger, "episodes"))
		wrong_trigger(trigger, "episode_media_delete");

	if (TRIGGER_FIRED_BEFORE(trigger->tg_event) && TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		delete_all_episodes();
	else if (is_table(fcinfo, trigger, "episodes") && !row &&
			 TRIGGER_FIRED_AFTER(trigger->tg_event) &&
			 TRIGGER_FIRED_BY_DELETE(trigger->tg_event) && trigger->tg_oldtable != NULL)
	{
		connect_spi();
		init_ids(&ids);
		read_transition_table(trigger, "media_id", &ids, NULL);
		delete_ids(&ids);
		SPI_finish();
	}
	else
		wrong_trigger(trigger, "episode_media_delete");
	PG_RETURN_POINTER(NULL);
}

/*
 * Is this the first event of its statement, or of a statement's cascade?
 * Events are in the order of the transition table's rows.
 */
static bool
is_first(TriggerData *trigger)
{
	Relation	rel = trigger->tg_relation;
	AttrNumber	attnum = rarr_require_column(rel, "id", UUIDOID);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	bool		first = false;

	tuplestore_rescan(trigger->tg_oldtable);
	if (tuplestore_gettupleslot(trigger->tg_oldtable, true, false, slot))
	{
		bool		isnull;
		bool		mine_isnull;
		Datum		id = slot_getattr(slot, attnum, &isnull);
		Datum		mine = heap_getattr(trigger->tg_trigtuple, attnum, RelationGetDescr(rel),
										&mine_isnull);

		first = !isnull && !mine_isnull &&
			compare_ids(DatumGetUUIDP(id), DatumGetUUIDP(mine)) == 0;
	}
	ExecDropSingleTupleTableSlot(slot);
	return first;
}

/*
 * Lock the rows that belong to all the media rows that the statement deleted.
 */
static void
lock_all_parts(TriggerData *trigger)
{
	Ids			ids;
	Ids			series;

	connect_spi();
	init_ids(&ids);
	init_ids(&series);
	read_transition_table(trigger, "id", &ids, &series);
	run(&find_episodes, &series, &ids);
	for (int i = 0; i < (ids.count == 1 ? PARTS_OF_ONE : lengthof(lock_parts)); i++)
		run(&lock_parts[i], &ids, NULL);
	SPI_finish();
}

/*
 * media_delete_lock(): trigger
 *
 * On media, BEFORE DELETE for each row that is a series, and AFTER DELETE for
 * each row with a transition table of old rows, it takes the locks that the
 * statement and its cascades need, in the order above.
 */
PG_FUNCTION_INFO_V1(researcharr_media_delete_lock);
Datum
researcharr_media_delete_lock(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Ids			series;

	rarr_require_trigger(fcinfo, "media_delete_lock");
	if (!is_table(fcinfo, trigger, "media") || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_DELETE(trigger->tg_event) ||
		(TRIGGER_FIRED_AFTER(trigger->tg_event) && trigger->tg_oldtable == NULL))
		wrong_trigger(trigger, "media_delete_lock");

	if (TRIGGER_FIRED_AFTER(trigger->tg_event))
	{
		if (is_first(trigger))
			lock_all_parts(trigger);
		PG_RETURN_POINTER(NULL);
	}
	begin_with_row(trigger, "id", &series);
	run(&lock_series, &series, NULL);
	reach_episodes(&series, false);
	SPI_finish();
	PG_RETURN_POINTER(trigger->tg_trigtuple);
}
