/*
 * view.c
 *		The views radarr_queue and sonarr_queue, which look like the old
 *		application's tables.
 *
 * They show when each item was last searched, and what is written to them is
 * written to tracked_items.  So old and new programs see each other's searches.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/json.h"
#include "base/schema.h"
#include "data/legacy/legacy.h"

/* A view that stands for a table of the old application. */
typedef struct QueueView
{
	const char *name;
	const char *id; /* its first column; the second is last_processed */
	const char *service;
	const char *kind;
} QueueView;

enum
{
	COL_ID = 1,
	COL_TIME
};

static const QueueView views[] = {
	{"radarr_queue", "movie_id", "radarr", "movie"},
	{"sonarr_queue", "episode_id", "sonarr", "episode"},
};

/* the instance that a view is of: the default one, or the only one of the service */
#define VIEW_INSTANCE \
	"(SELECT i.id FROM researcharr.instances i WHERE i.service = '%s'" \
	" AND (i.name = '%s' OR 1 = (SELECT count(*) FROM researcharr.instances o WHERE o.service = '%s'))" \
	" ORDER BY i.name <> '%s' LIMIT 1)"

static void
run_utility(const char *sql)
{
	if (SPI_execute(sql, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not execute \"%s\"", sql);
}

/* Is this relation of our schema a view that rarr_legacy_create_view() has made? */
static bool
is_ours(const char *name)
{
	Oid type = TEXTOID;
	Datum value = CStringGetTextDatum(name);
	bool isnull;

	if (SPI_execute_with_args("SELECT EXISTS (SELECT FROM pg_class c JOIN pg_trigger t ON t.tgrelid = c.oid"
							  " JOIN pg_proc p ON p.oid = t.tgfoid WHERE c.relnamespace = 'researcharr'::regnamespace"
							  " AND c.relname = $1 AND c.relkind = 'v' AND p.pronamespace = c.relnamespace"
							  " AND p.proname = 'legacy_queue_write')",
							  1, &type, &value, NULL, false, 0) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "could not look for view \"%s\"", name);
	return DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

/*
 * Give those who may read and update tracked_items the same on a view.  The view
 * runs with their rights.
 */
static void
grant_view(const char *name)
{
	char *sql = psprintf("SELECT format('GRANT %%s ON researcharr.%s TO %%s',"
						 " CASE a.privilege_type WHEN 'SELECT' THEN 'SELECT' ELSE 'INSERT, UPDATE, DELETE' END,"
						 " CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)"
						 " FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = to_regclass('researcharr.tracked_items')"
						 " AND a.grantee <> c.relowner AND a.privilege_type IN ('SELECT', 'UPDATE')",
						 name);
	uint64 n;
	char **grants;

	if (SPI_execute(sql, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the privileges on tracked_items");
	n = SPI_processed;
	grants = palloc(sizeof(char *) * Max(n, 1));
	for (uint64 i = 0; i < n; i++)
		grants[i] = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);
	for (uint64 i = 0; i < n; i++)
		run_utility(grants[i]);
}

static void
create_view(const QueueView *view)
{
	run_utility(psprintf("CREATE VIEW researcharr.%s WITH (security_invoker = true) AS"
						 " SELECT k.service_id AS %s,"
						 " to_char(k.last_search_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US') AS last_processed"
						 " FROM researcharr.tracked_items k WHERE k.kind = '%s' AND k.last_search_at IS NOT NULL"
						 " AND k.instance_id = " VIEW_INSTANCE,
						 view->name, view->id, view->kind, view->service, view->service, view->service, view->service));
	run_utility(psprintf("COMMENT ON VIEW researcharr.%s IS 'the table of the old application, until legacy_finish()'", view->name));
	run_utility(psprintf("CREATE TRIGGER researcharr_write INSTEAD OF INSERT OR UPDATE OR DELETE ON researcharr.%s"
						 " FOR EACH ROW EXECUTE FUNCTION researcharr.legacy_queue_write()",
						 view->name));
	run_utility(psprintf("COMMENT ON TRIGGER researcharr_write ON researcharr.%s IS 'writes to tracked_items'", view->name));
	grant_view(view->name);
}

/*
 * Create the view that stands for this table, if there is one and it is not there
 * yet.  Requires an SPI connection and a pinned search_path.  Raises 42710 if
 * something else has its name.
 */
void
rarr_legacy_create_view(const char *name)
{
	for (int i = 0; i < lengthof(views); i++)
	{
		if (strcmp(views[i].name, name) != 0)
			continue;
		if (!OidIsValid(rarr_find_relation(name)))
			create_view(&views[i]);
		else if (!is_ours(name))
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_OBJECT),
					 errmsg("\"researcharr.%s\" is not a view of legacy_adopt()", name),
					 errhint("Rename or drop it.")));
	}
}

/* Drop the views that rarr_legacy_create_view() has made.  Returns how many there were. */
int
rarr_legacy_drop_views(void)
{
	int dropped = 0;

	for (int i = 0; i < lengthof(views); i++)
		if (is_ours(views[i].name))
		{
			run_utility(psprintf("DROP VIEW researcharr.%s", views[i].name));
			dropped++;
		}
	return dropped;
}

/* Return the view that fired the trigger, or raise 39P01. */
static const QueueView *
view_of_trigger(const TriggerData *trigger)
{
	TupleDesc desc = RelationGetDescr(trigger->tg_relation);
	bool fits = TRIGGER_FIRED_INSTEAD(trigger->tg_event) && desc->natts >= COL_TIME &&
				TupleDescAttr(desc, COL_ID - 1)->atttypid == INT8OID &&
				TupleDescAttr(desc, COL_TIME - 1)->atttypid == TEXTOID;

	for (int i = 0; fits && i < lengthof(views); i++)
		if (rarr_find_relation(views[i].name) == RelationGetRelid(trigger->tg_relation))
			return &views[i];
	rarr_wrong_trigger(trigger, "legacy_queue_write", "The function is for the views that legacy_adopt() makes.");
}

/* Get a row's id, or raise 23502. */
static int64
get_id(const TriggerData *trigger, const QueueView *view, HeapTuple row)
{
	bool isnull;
	Datum id = heap_getattr(row, COL_ID, RelationGetDescr(trigger->tg_relation), &isnull);

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("null value in column \"%s\" of \"%s\"", view->id, view->name)));
	return DatumGetInt64(id);
}

/* Read the time that a row is to get, or raise 22007.  Returns false if it is NULL. */
static bool
get_time(const TriggerData *trigger, HeapTuple row, TimestampTz *time)
{
	bool isnull;
	Datum value = heap_getattr(row, COL_TIME, RelationGetDescr(trigger->tg_relation), &isnull);
	char *given;

	if (isnull)
		return false;
	given = TextDatumGetCString(value);
	if (!rarr_legacy_parse_time(given, time))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_DATETIME_FORMAT),
				 errmsg("last_processed is not a time: %s", rarr_quote_clipped(given, strlen(given))),
				 errhint("Write it as YYYY-MM-DDThh:mm:ss, in UTC or with an offset, or as seconds since 1970.")));
	return true;
}

/* Set the time of an item's last search.  Returns false if no instance tracks it. */
static bool
set_time(const QueueView *view, int64 id, bool isnull, TimestampTz time)
{
	char *sql = psprintf("UPDATE researcharr.tracked_items k SET last_search_at = $2,"
						 " search_count = CASE WHEN $2 IS NULL THEN 0 ELSE greatest(k.search_count, 1) END,"
						 " failed_search_count = CASE WHEN $2 IS NULL THEN 0 ELSE k.failed_search_count END,"
						 " next_search_at = CASE WHEN $2 IS NULL THEN NULL ELSE k.next_search_at END"
						 " WHERE k.kind = '%s' AND k.service_id = $1 AND k.instance_id = " VIEW_INSTANCE,
						 view->kind, view->service, view->service, view->service, view->service);
	Oid types[] = {INT8OID, TIMESTAMPTZOID};
	Datum values[] = {Int64GetDatum(id), TimestampTzGetDatum(time)};
	char nulls[] = {' ', isnull ? 'n' : ' '};
	bool found;

	SPI_connect();
	if (SPI_execute_with_args(sql, lengthof(types), types, values, nulls, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not execute \"%s\"", sql);
	found = SPI_processed > 0;
	SPI_finish();
	return found;
}

/*
 * legacy_queue_write(): INSTEAD OF trigger of radarr_queue and sonarr_queue
 *
 * A row that is inserted or updated says when its item was last searched.  One
 * that is deleted, or whose time is NULL, says that it never was.  An INSERT of an
 * item that is there updates it.
 *
 * Raises 39P01 for other triggers, 23503 for an item that no instance tracks,
 * 22007 for a text that is no time, and 0A000 for an update of the id.
 */
PG_FUNCTION_INFO_V1(researcharr_legacy_queue_write);
Datum
researcharr_legacy_queue_write(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	bool deletes;
	const QueueView *view;
	HeapTuple row;
	TimestampTz time = 0;
	bool isnull;
	int64 id;

	rarr_require_trigger_call(fcinfo, "legacy_queue_write");
	view = view_of_trigger(trigger);
	deletes = TRIGGER_FIRED_BY_DELETE(trigger->tg_event);
	row = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple;
	id = get_id(trigger, view, row);
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) && get_id(trigger, view, trigger->tg_trigtuple) != id)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" of \"%s\" cannot be changed", view->id, view->name),
				 errhint("Delete the row and insert another one.")));
	isnull = deletes || !get_time(trigger, row, &time);
	if (set_time(view, id, isnull, time))
		PG_RETURN_POINTER(row);
	if (!TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		PG_RETURN_POINTER(NULL);
	ereport(ERROR,
			(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
			 errmsg("no instance of %s tracks %s " INT64_FORMAT, view->service, view->kind, id),
			 errhint("Synchronize the instance first.")));
}
