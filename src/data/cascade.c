/*
 * cascade.c
 *		Lock rows and cascade to episodes when media or series are deleted.
 *
 * Foreign keys delete what belongs to a media row, for example its jobs.
 * But they lock rows in the order in which a scan finds them, so two sessions
 * that delete the same jobs can deadlock.  And no foreign key leads from a
 * series to the media rows of its episodes.  src/README.md has the order of
 * locks.  Since the server locks a row before it calls a BEFORE trigger, a
 * series' row comes before the media rows of its episodes.  Its lock also stops
 * others from adding episodes, because their foreign key waits for it.
 *
 * A DELETE on media fires these triggers in order.  First, for a series, a
 * BEFORE ROW trigger locks its row and its episodes' media.  Then, when the
 * statement has deleted all its media rows, an AFTER ROW trigger locks all
 * jobs and the rest; its name sorts before those of the foreign keys'
 * triggers, which fire last.  When a series' row is deleted, a BEFORE ROW
 * trigger deletes the media of its episodes.
 *
 * A role that may delete a series need not be allowed to delete media: what is
 * locked or changed here takes the privileges of the table's owner.  But rows
 * are deleted as the user of the outermost statement, so that triggers on them
 * do not get the owner's rights.  The foreign keys delete as the owner, so the
 * AFTER trigger on media deletes the episodes' media itself.  Since PostgreSQL
 * 18, AFTER triggers fire as the role that queued them.  There it also deletes
 * all other rows that the foreign keys would delete, so that the logs, which
 * AFTER triggers write, name the role that deletes.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "base/args.h"
#include "base/column.h"
#include "base/schema.h"
#include "data/cascade.h"
#include "data/cascade_statement.h"

/* Delete the rows of a table that belong to media. */
#define DELETE(table) \
	{ \
		table, SPI_OK_DELETE, \
			"DELETE FROM researcharr." table " AS t WHERE t.media_id OPERATOR(pg_catalog.=) ANY ($1)", NULL \
	}

/* Lock the rows of a table that satisfy a condition, in order of a column. */
#define LOCK(table, column, condition) \
	{ \
		table, SPI_OK_SELECT, \
			"SELECT pg_catalog.count(*) FROM (SELECT FROM researcharr." table " AS t" \
			" WHERE t." condition " OPERATOR(pg_catalog.=) ANY ($1)" \
			" ORDER BY t." column " FOR UPDATE) AS s", \
			NULL \
	}

/* a series, and the media of its episodes */
static RarrStatement lock_series = LOCK("series", "media_id", "media_id");
static RarrStatement lock_media = {
	"media", SPI_OK_SELECT,
	"SELECT m.id FROM researcharr.media AS m WHERE m.id OPERATOR(pg_catalog.=) ANY ($1)"
	" ORDER BY m.id FOR UPDATE",
	NULL};
static RarrStatement delete_media = {
	"media", SPI_OK_DELETE,
	"DELETE FROM researcharr.media AS m WHERE m.id OPERATOR(pg_catalog.=) ANY ($1)", NULL};
static RarrStatement find_episodes = {
	"episodes", SPI_OK_SELECT,
	"SELECT e.media_id FROM researcharr.episodes AS e"
	" WHERE e.series_id OPERATOR(pg_catalog.=) ANY ($1)",
	NULL};
static RarrStatement find_all_episodes = {
	"episodes", SPI_OK_SELECT, "SELECT e.media_id FROM researcharr.episodes AS e", NULL};

/* rows of media, jobs first; the subtype row of a single one needs no order */
static RarrStatement lock_parts[] = {
	LOCK("processing_jobs", "id", "media_id"),
	LOCK("queue_items", "id", "media_id"),
	LOCK("tracked_items", "id", "media_id"),
	LOCK("movies", "media_id", "media_id"),
	LOCK("episodes", "media_id", "media_id"),
};
#define PARTS_OF_ONE 3

/* a series comes after its episodes, which its foreign key would delete */
static RarrStatement delete_parts[] = {
	DELETE("movies"),
	DELETE("episodes"),
	DELETE("series"),
	DELETE("tracked_items"),
	DELETE("queue_items"),
	DELETE("processing_jobs"),
};

/* what instances track */
static RarrStatement lock_tracked = LOCK("tracked_items", "id", "instance_id");
static RarrStatement delete_tracked = {
	"tracked_items", SPI_OK_DELETE,
	"DELETE FROM researcharr.tracked_items AS t WHERE t.instance_id OPERATOR(pg_catalog.=) ANY ($1)", NULL};
static RarrStatement find_jobs = {
	"processing_jobs", SPI_OK_SELECT,
	"SELECT j.id FROM researcharr.processing_jobs AS j"
	" WHERE j.media_id OPERATOR(pg_catalog.=) ANY ($1)",
	NULL};
static RarrStatement lock_jobs = LOCK("processing_jobs", "id", "id");

static void
add_ids(RarrIds *ids, const pg_uuid_t *values, int count)
{
	for (int i = 0; i < count; i++)
		rarr_ids_add(ids, UUIDPGetDatum(&values[i]));
}

#define OWN_TRIGGERS "The function is for the extension's own triggers only."

/* Did the trigger fire on the extension's table of this name? */
static bool
is_table(FunctionCallInfo fcinfo, const TriggerData *trigger, const char *name)
{
	return RelationGetRelid(trigger->tg_relation) ==
		   get_relname_relid(name, get_func_namespace(fcinfo->flinfo->fn_oid));
}

/* Connect to SPI, and get the id of the row that fired the trigger. */
static void
begin_with_row(TriggerData *trigger, const char *column, RarrIds *ids)
{
	Relation rel = trigger->tg_relation;
	bool isnull;
	Datum id = heap_getattr(trigger->tg_trigtuple, rarr_require_column(rel, column, UUIDOID),
							RelationGetDescr(rel), &isnull);

	SPI_connect();
	rarr_ids_init(ids);
	if (!isnull)
		rarr_ids_add(ids, id);
}

/* Lock rows of a table.  Versions before 1.13 have no tracked_items. */
static void
lock_part(RarrStatement *statement, RarrIds *ids)
{
	if (OidIsValid(rarr_find_relation(statement->table)))
		rarr_statement_run(statement, ids, NULL);
}

/*
 * Delete rows.  AFTER triggers are queued for the outer statement.  But if they
 * keep the role that queues them, they fire before this returns: a statement
 * trigger fires once for all that a statement and its cascades delete, and would
 * do so as the owner if a foreign key came last.
 */
static void
delete_rows(RarrStatement *statement, RarrIds *ids, bool as_origin)
{
	bool own_level = rarr_after_triggers_keep_role();
	int nest_level = NewGUCNestLevel();

	if (own_level)
		AfterTriggerBeginQuery();
	if (as_origin && SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		(void) set_config_option("session_replication_role", "origin", PGC_SUSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	rarr_statement_run(statement, ids, NULL);
	AtEOXact_GUC(true, nest_level);
	if (own_level)
		AfterTriggerEndQuery(NULL);
}

/*
 * Delete media rows.  Cascades are enforced even if session_replication_role
 * disables them; otherwise the jobs of the deleted media rows would stay
 * behind.
 */
static void
delete_ids(RarrIds *ids)
{
	delete_rows(&delete_media, ids, true);
}

/*
 * Lock and, if so asked, delete the media of the series' episodes.  An episode
 * may have moved to another series unless its media row was already locked, so
 * look them up again.  Delete nothing if all of the media are gone: the foreign
 * keys have yet to delete the episodes.
 */
static void
reach_episodes(RarrIds *series, bool deleting)
{
	RarrIds episodes;
	RarrIds locked;

	rarr_ids_init(&episodes);
	rarr_ids_init(&locked);
	rarr_statement_run(&find_episodes, series, &episodes);
	rarr_statement_run(&lock_media, &episodes, &locked);
	if (deleting && locked.count > 0)
	{
		episodes.count = 0;
		rarr_statement_run(&find_episodes, series, &episodes);
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
	RarrIds gone;
	RarrIds all_media;
	RarrIds all_jobs;

	SPI_connect();
	rarr_ids_init(&gone);
	rarr_ids_init(&all_media);
	rarr_ids_init(&all_jobs);
	add_ids(&gone, deleted, ndeleted);
	rarr_statement_run(&lock_series, &gone, NULL);
	rarr_statement_run(&find_episodes, &gone, &all_media);
	add_ids(&gone, all_media.values, all_media.count);
	add_ids(&all_media, media, nmedia);
	rarr_statement_run(&lock_media, &all_media, NULL);

	rarr_statement_run(&find_jobs, &gone, &all_jobs);
	add_ids(&all_jobs, jobs, njobs);
	rarr_statement_run(&lock_jobs, &all_jobs, NULL);
	for (int i = 1; i < lengthof(lock_parts); i++)
		lock_part(&lock_parts[i], &gone);
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
	RarrIds episodes;

	AfterTriggerBeginQuery();
	SPI_connect();
	rarr_ids_init(&episodes);
	rarr_statement_run_array(&find_all_episodes, (Datum) 0);
	rarr_statement_add_found(&episodes);
	delete_ids(&episodes);
	SPI_finish();
	AfterTriggerEndQuery(NULL);
}

/*
 * Read the ids in a transition table.  If series is not NULL, also collect the
 * ids of media rows that are series.
 */
static void
read_transition_table(TriggerData *trigger, const char *column, RarrIds *ids, RarrIds *series)
{
	Relation rel = trigger->tg_relation;
	AttrNumber attnum = rarr_require_column(rel, column, UUIDOID);
	AttrNumber type = series == NULL ? 0 : rarr_require_column(rel, "type", TEXTOID);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);

	tuplestore_rescan(trigger->tg_oldtable);
	while (tuplestore_gettupleslot(trigger->tg_oldtable, true, false, slot))
	{
		bool isnull;
		Datum id = slot_getattr(slot, attnum, &isnull);
		Datum value;

		if (isnull)
			continue;
		rarr_ids_add(ids, id);
		if (series == NULL)
			continue;
		value = slot_getattr(slot, type, &isnull);
		if (!isnull && strcmp(TextDatumGetCString(value), "series") == 0)
			rarr_ids_add(series, id);
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
	bool row;
	RarrIds ids;

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
		rarr_wrong_trigger(trigger, "episode_media_delete", OWN_TRIGGERS);

	if (TRIGGER_FIRED_BEFORE(trigger->tg_event) && TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		delete_all_episodes();
	else if (is_table(fcinfo, trigger, "episodes") && !row &&
			 TRIGGER_FIRED_AFTER(trigger->tg_event) &&
			 TRIGGER_FIRED_BY_DELETE(trigger->tg_event) && trigger->tg_oldtable != NULL)
	{
		SPI_connect();
		rarr_ids_init(&ids);
		read_transition_table(trigger, "media_id", &ids, NULL);
		delete_ids(&ids);
		SPI_finish();
	}
	else
		rarr_wrong_trigger(trigger, "episode_media_delete", OWN_TRIGGERS);
	PG_RETURN_POINTER(NULL);
}

/*
 * Is this the first event of its statement, or of a statement's cascade?
 * Events are in the order of the transition table's rows.
 */
static bool
is_first(TriggerData *trigger)
{
	Relation rel = trigger->tg_relation;
	AttrNumber attnum = rarr_require_column(rel, "id", UUIDOID);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	bool first = false;

	tuplestore_rescan(trigger->tg_oldtable);
	if (tuplestore_gettupleslot(trigger->tg_oldtable, true, false, slot))
	{
		bool isnull;
		bool mine_isnull;
		Datum id = slot_getattr(slot, attnum, &isnull);
		Datum mine = heap_getattr(trigger->tg_trigtuple, attnum, RelationGetDescr(rel),
								  &mine_isnull);

		first = !isnull && !mine_isnull &&
				memcmp(DatumGetUUIDP(id)->data, DatumGetUUIDP(mine)->data, UUID_LEN) == 0;
	}
	ExecDropSingleTupleTableSlot(slot);
	return first;
}

/* Does a foreign key's trigger, which fires when this one does, delete from the table? */
static bool
will_cascade(TriggerData *trigger, const char *table)
{
	Oid relid = rarr_find_relation(table);
	TriggerDesc *triggers = trigger->tg_relation->trigdesc;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		Trigger *t = &triggers->triggers[i];

		if (t->tgfoid == F_RI_FKEY_CASCADE_DEL && OidIsValid(relid) && t->tgconstrrelid == relid &&
			(t->tgenabled == TRIGGER_FIRES_ALWAYS || t->tgenabled == trigger->tg_trigger->tgenabled))
			return true;
	}
	return false;
}

/*
 * Lock the rows that belong to all the media rows that the statement deleted.
 * Delete the media of the episodes of series among them.  Delete the other rows,
 * too, if the foreign keys' deletes would give the owner's rights to AFTER
 * triggers.
 */
static void
reach_all_parts(TriggerData *trigger)
{
	RarrIds gone;
	RarrIds all;
	RarrIds series;

	SPI_connect();
	rarr_ids_init(&gone);
	rarr_ids_init(&all);
	rarr_ids_init(&series);
	read_transition_table(trigger, "id", &gone, &series);
	add_ids(&all, gone.values, gone.count);
	rarr_statement_run(&find_episodes, &series, &all);
	for (int i = 0; i < (all.count == 1 ? PARTS_OF_ONE : lengthof(lock_parts)); i++)
		lock_part(&lock_parts[i], &all);
	if (series.count > 0)
		reach_episodes(&series, true);
	for (int i = 0; rarr_after_triggers_keep_role() && i < lengthof(delete_parts); i++)
		if (will_cascade(trigger, delete_parts[i].table))
			delete_rows(&delete_parts[i], &gone, false);
	SPI_finish();
}

/*
 * Lock what the instances track that the statement deleted, and delete it if the
 * foreign key's delete would give the owner's rights to AFTER triggers.
 */
static void
reach_tracked_items(TriggerData *trigger)
{
	RarrIds gone;

	SPI_connect();
	rarr_ids_init(&gone);
	read_transition_table(trigger, "id", &gone, NULL);
	lock_part(&lock_tracked, &gone);
	if (rarr_after_triggers_keep_role() && will_cascade(trigger, delete_tracked.table))
		delete_rows(&delete_tracked, &gone, false);
	SPI_finish();
}

/*
 * media_delete_lock(): trigger
 *
 * On media, BEFORE DELETE for each row that is a series, and AFTER DELETE for
 * each row with a transition table of old rows, it takes the locks that the
 * statement and its cascades need, in their order.  The AFTER trigger then
 * deletes the media of the series' episodes.  On instances, AFTER DELETE for each
 * row with a transition table, it locks what they track.
 */
PG_FUNCTION_INFO_V1(researcharr_media_delete_lock);
Datum
researcharr_media_delete_lock(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	bool of_instances;
	RarrIds series;

	rarr_require_trigger(fcinfo, "media_delete_lock");
	of_instances = is_table(fcinfo, trigger, "instances");
	if (!(of_instances || is_table(fcinfo, trigger, "media")) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_DELETE(trigger->tg_event) ||
		(TRIGGER_FIRED_AFTER(trigger->tg_event) ? trigger->tg_oldtable == NULL : of_instances))
		rarr_wrong_trigger(trigger, "media_delete_lock", OWN_TRIGGERS);

	if (TRIGGER_FIRED_AFTER(trigger->tg_event))
	{
		if (!is_first(trigger))
			;
		else if (of_instances)
			reach_tracked_items(trigger);
		else
			reach_all_parts(trigger);
		PG_RETURN_POINTER(NULL);
	}
	begin_with_row(trigger, "id", &series);
	rarr_statement_run(&lock_series, &series, NULL);
	reach_episodes(&series, false);
	SPI_finish();
	PG_RETURN_POINTER(trigger->tg_trigtuple);
}
