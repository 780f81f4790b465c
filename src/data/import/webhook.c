/*
 * webhook.c
 *		media_apply_webhook(): what Radarr and Sonarr say when something happens.
 *
 * A webhook has a part of the objects that it is about, and says by its event what
 * else changed.  So the objects are completed by that, and written as sync.c's
 * functions write them, which leave what an object does not have.
 *
 * Webhooks can come twice, and in any order.  Files have growing numbers: one that
 * is older than what is known of the item, or that is known to be deleted, is not
 * the item's file.  A full synchronization corrects what this cannot know.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/args.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/schema.h"
#include "base/text.h"
#include "data/import/state.h"
#include "data/wanted_cancel.h"

#define EQ " OPERATOR(pg_catalog.=) "

/* what an event does to the objects that it is about */
typedef enum WebhookAction
{
	WEBHOOK_NOTHING,
	WEBHOOK_WRITE,
	WEBHOOK_FILE,      /* they have got a file */
	WEBHOOK_FILE_GONE, /* their file was deleted */
	WEBHOOK_GONE       /* the service has deleted them */
} WebhookAction;

static const struct
{
	const char *name;
	WebhookAction action;
} events[] = {
	{"Test", WEBHOOK_NOTHING},
	{"Health", WEBHOOK_NOTHING},
	{"HealthIssue", WEBHOOK_NOTHING},
	{"HealthRestored", WEBHOOK_NOTHING},
	{"ApplicationUpdate", WEBHOOK_NOTHING},
	{"ManualInteractionRequired", WEBHOOK_NOTHING},
	{"Grab", WEBHOOK_WRITE},
	{"Rename", WEBHOOK_WRITE},
	{"MovieAdded", WEBHOOK_WRITE},
	{"SeriesAdd", WEBHOOK_WRITE},
	{"Download", WEBHOOK_FILE},
	{"MovieFileDelete", WEBHOOK_FILE_GONE},
	{"EpisodeFileDelete", WEBHOOK_FILE_GONE},
	{"MovieDelete", WEBHOOK_GONE},
	{"SeriesDelete", WEBHOOK_GONE},
};

/* A webhook. */
typedef struct Webhook
{
	JsonbContainer *payload;
	char *event;
	WebhookAction action;
	bool is_sonarr;
	JsonbValue object; /* the movie or the series */
	int64 id;          /* ... its id */
	bool replaced;     /* is the file that is gone replaced by another one? */
	bool has_file;
	JsonbValue file; /* if so, the file that came or went */
	int64 file_id;   /* ... its id, or 0 */
	Import *import;
	RarrInstance instance;
} Webhook;

/* Find the event's name, and what it does.  Raises 22023 if the payload has none. */
static void
read_event(Webhook *hook, Jsonb *payload)
{
	JsonbValue value;

	if (!JB_ROOT_IS_OBJECT(payload) || !rarr_json_member(&payload->root, "eventType", &value) ||
		value.type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("payload is not a webhook of Radarr or Sonarr: %s", rarr_jsonb_excerpt(payload)),
				 errhint("Pass the body of the request, an object with the member eventType.")));
	hook->payload = &payload->root;
	hook->event = pnstrdup(value.val.string.val, value.val.string.len);
	hook->action = WEBHOOK_NOTHING;
	for (int i = 0; i < lengthof(events); i++)
		if (strcmp(events[i].name, hook->event) == 0)
			hook->action = events[i].action;
}

/* Read an id.  Raises RA003 if it is absent or not above zero. */
static int64
read_id(const JsonbValue *object, const char *what)
{
	JsonbValue value;
	int64 id = 0;
	char *problem = "is missing";

	if (rarr_json_member(object->val.binary.data, "id", &value))
	{
		problem = rarr_json_int(&value, &id);
		if (problem == NULL && id <= 0)
			problem = psprintf("must be above zero, not " INT64_FORMAT, id);
	}
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_RARR_VALIDATION),
				 errmsg("id of the webhook's %s %s", what, problem),
				 errhint("Nothing was changed. Pass the body of the request as the service sent it.")));
	return id;
}

/* Find the movie or the series.  Raises RA003 if there is none with an id. */
static void
read_object(Webhook *hook)
{
	hook->is_sonarr = rarr_json_member(hook->payload, "series", &hook->object);
	if ((!hook->is_sonarr && !rarr_json_member(hook->payload, "movie", &hook->object)) ||
		!rarr_json_is_object(&hook->object))
		ereport(ERROR,
				(errcode(ERRCODE_RARR_VALIDATION),
				 errmsg("the webhook \"%s\" has neither an object movie nor an object series", hook->event),
				 errhint("Nothing was changed. Pass the body of the request as the service sent it.")));
	hook->id = read_id(&hook->object, hook->is_sonarr ? "series" : "movie");
}

/* Find the file that came or went. */
static void
read_file(Webhook *hook)
{
	JsonbValue value;

	hook->has_file = rarr_json_member(hook->payload, hook->is_sonarr ? "episodeFile" : "movieFile", &hook->file) &&
					 rarr_json_is_object(&hook->file);
	if (hook->has_file && rarr_json_member(hook->file.val.binary.data, "id", &value) &&
		rarr_json_int(&value, &hook->file_id) != NULL)
		hook->file_id = 0;
	hook->replaced = rarr_json_member(hook->payload, "deleteReason", &value) && value.type == jbvString &&
					 rarr_equals("upgrade", value.val.string.val, value.val.string.len);
}

/*
 * Does the event's file say whether the item has one?  It does not if the item is
 * known to have a newer one, or if the file that came is known to be gone.
 */
static bool
decides(Webhook *hook, const char *kind, int64 service_id)
{
	Oid types[] = {UUIDOID, TEXTOID, INT8OID, TEXTOID};
	Datum values[] = {UUIDPGetDatum(&hook->import->instance_id), CStringGetTextDatum(kind),
					  Int64GetDatum(service_id), CStringGetTextDatum(hook->is_sonarr ? "episodeFile" : "movieFile")};
	bool isnull;
	bool has_file;
	char *known;
	int64 known_id;

	if (hook->action == WEBHOOK_FILE_GONE && hook->replaced)
		return false;
	if (SPI_execute_with_args("SELECT CAST(k.has_file AS pg_catalog.bool), COALESCE("
							  "k.payload OPERATOR(pg_catalog.->>) pg_catalog.concat($4, 'Id'),"
							  " k.payload OPERATOR(pg_catalog.->) $4 OPERATOR(pg_catalog.->>) 'id')"
							  " FROM researcharr.tracked_items AS k WHERE k.instance_id" EQ "$1"
							  " AND k.kind" EQ "$2 AND k.service_id" EQ "$3",
							  lengthof(types), types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look for the tracked item");
	if (SPI_processed == 0 || hook->file_id == 0)
		return true;
	has_file = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)) && !isnull;
	known = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2);
	known_id = known == NULL ? 0 : strtoll(known, NULL, 10);
	if (known_id == hook->file_id)
		return hook->action == WEBHOOK_FILE_GONE; /* what is known of the file stays */
	return known_id < hook->file_id || (hook->action == WEBHOOK_FILE_GONE && !has_file);
}

/* Append the members of an object to the object under construction. */
static void
put_members(JsonbParseState **state, const JsonbValue *object)
{
	JsonbIterator *it = JsonbIteratorInit(object->val.binary.data);
	JsonbValue name, value;

	while (rarr_json_next_member(&it, &name, &value))
	{
		pushJsonbValue(state, WJB_KEY, &name);
		pushJsonbValue(state, WJB_VALUE, &value);
	}
}

/* Append the file that came, with the score that the webhook has for it. */
static void
put_new_file(JsonbParseState **state, Webhook *hook, const char *name)
{
	JsonbValue key, score;

	rarr_json_set_string(&key, name, strlen(name));
	pushJsonbValue(state, WJB_KEY, &key);
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	put_members(state, &hook->file);
	if (rarr_json_member(hook->payload, "customFormatInfo", &score) && rarr_json_is_object(&score) &&
		rarr_json_member(score.val.binary.data, "customFormatScore", &score))
		rarr_json_put(state, "customFormatScore", &score);
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* Append what the event says of the item's file.  A later member replaces an earlier one. */
static void
put_file(JsonbParseState **state, Webhook *hook, const char *kind, int64 service_id)
{
	const char *name = hook->is_sonarr ? "episodeFile" : "movieFile";
	JsonbValue value = {.type = jbvBool, .val.boolean = hook->action == WEBHOOK_FILE};

	if ((hook->action != WEBHOOK_FILE && hook->action != WEBHOOK_FILE_GONE) ||
		!decides(hook, kind, service_id))
		return;
	rarr_json_put(state, "hasFile", &value);
	if (hook->file_id > 0)
		rarr_json_put_int(state, psprintf("%sId", name), hook->file_id);
	if (hook->action == WEBHOOK_FILE && hook->has_file)
		put_new_file(state, hook, name);
	else
	{
		value.type = jbvNull;
		rarr_json_put(state, name, &value);
	}
}

/* Return an array with the movie or the series, as the service's API would. */
static Jsonb *
object_array(Webhook *hook)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	put_members(&state, &hook->object);
	if (!hook->is_sonarr)
		put_file(&state, hook, "movie", hook->id);
	pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

/*
 * Return an array with the episodes, and append their ids.  Raises RA003 if one has
 * no id.
 */
static Jsonb *
episode_array(Webhook *hook, ImportIds *ids)
{
	JsonbParseState *state = NULL;
	JsonbIterator *it;
	JsonbValue episodes, episode;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	if (rarr_json_member(hook->payload, "episodes", &episodes) && rarr_json_is_array(&episodes))
	{
		it = JsonbIteratorInit(episodes.val.binary.data);
		while (rarr_json_next_element(&it, &episode))
		{
			int64 id;

			if (!rarr_json_is_object(&episode))
				continue;
			id = read_id(&episode, "episode");
			rarr_import_add_id(hook->import, ids, id);
			pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
			put_members(&state, &episode);
			rarr_json_put_int(&state, "seriesId", hook->id);
			put_file(&state, hook, "episode", id);
			pushJsonbValue(&state, WJB_END_OBJECT, NULL);
		}
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

/* Raise the error of an object that could not be written. */
static void
check_failed(Webhook *hook)
{
	ImportError *error;

	if (hook->import->failed == 0)
		return;
	error = linitial(hook->import->errors);
	ereport(ERROR,
			(errcode(error->sqlstate),
			 errmsg("the webhook \"%s\" cannot be applied: %s", hook->event, error->message),
			 errhint("Nothing was changed.")));
}

/* Get the media rows of tracked items of the instance. */
static pg_uuid_t *
find_media(Webhook *hook, const char *kind, const int64 *service_ids, int n, int *count)
{
	Datum *ids = palloc(sizeof(Datum) * Max(n, 1));
	Oid types[] = {UUIDOID, TEXTOID, INT8ARRAYOID};
	Datum values[3];
	pg_uuid_t *media;

	for (int i = 0; i < n; i++)
		ids[i] = Int64GetDatum(service_ids[i]);
	values[0] = UUIDPGetDatum(&hook->import->instance_id);
	values[1] = CStringGetTextDatum(kind);
	values[2] = PointerGetDatum(construct_array(ids, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	if (SPI_execute_with_args("SELECT CAST(k.media_id AS pg_catalog.uuid) FROM researcharr.tracked_items AS k"
							  " WHERE k.instance_id" EQ "$1 AND k.kind" EQ "$2 AND k.service_id" EQ "ANY ($3)",
							  lengthof(types), types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look for the tracked items");
	*count = (int) SPI_processed;
	media = palloc(sizeof(pg_uuid_t) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		bool isnull;

		media[i] = *DatumGetUUIDP(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
	}
	return media;
}

/* Write the objects.  *media is set to the media row that the event is about. */
static bool
write_objects(Webhook *hook, pg_uuid_t *media)
{
	const char *kind = hook->is_sonarr ? "series" : "movie";
	Import *import = hook->import;
	ImportIds ids = {0};
	pg_uuid_t *rows;
	int n;

	rarr_import_run_array(import, hook->is_sonarr ? &rarr_import_series : &rarr_import_movies, object_array(hook));
	if (hook->is_sonarr)
	{
		Jsonb *episodes = episode_array(hook, &ids);

		rarr_import_load_series(import, episodes);
		rarr_import_run_array(import, &rarr_import_episodes, episodes);
		rarr_import_cascade_flags(import);
	}
	check_failed(hook);
	rarr_import_remove(import, NULL, 1.0);

	rows = find_media(hook, "episode", ids.ids, ids.count, &n);
	if (n > 0)
		(void) rarr_wanted_cancel(&hook->instance, rows, n, "media_apply_webhook()");
	if (n != 1)
		rows = find_media(hook, kind, &hook->id, 1, &n);
	if (n > 0 && ids.count != 1)
		(void) rarr_wanted_cancel(&hook->instance, rows, n, "media_apply_webhook()");
	if (n > 0)
		*media = rows[0];
	return n > 0;
}

/*
 * Apply an event about a movie or a series.  Returns false if that is not tracked
 * and the event does not make it so.
 */
static bool
apply(Webhook *hook, const text *instance, pg_uuid_t *media)
{
	bool applied;
	int n;

	read_object(hook);
	read_file(hook);
	hook->import = rarr_import_make();
	hook->import->synchronizes = true;
	rarr_import_begin(hook->import, "media_apply_webhook()", text_to_cstring(instance),
					  hook->is_sonarr ? "sonarr" : "radarr", false);
	if (hook->action == WEBHOOK_GONE)
	{
		pg_uuid_t *rows = find_media(hook, hook->is_sonarr ? "series" : "movie", &hook->id, 1, &n);

		applied = n > 0;
		if (applied)
			*media = rows[0];
		rarr_import_remove_object(hook->import, hook->is_sonarr ? &rarr_import_series : &rarr_import_movies, hook->id);
	}
	else
		applied = write_objects(hook, media);
	SPI_finish();
	return applied;
}

/*
 * media_apply_webhook(instance text, payload jsonb) returns (event text, applied
 * boolean, media_id uuid)
 *
 * Applies a webhook that the instance has sent.  applied is false for events that
 * are about no movie or series, for unknown ones, and for the deletion of what is
 * not tracked.  media_id is that of the movie, of the episode if there is one, or
 * of the series.  Raises 22004 for NULL; 22023 for an unknown instance, one of the
 * other service, or a payload without eventType; RA003 for an object without a
 * valid id, or one that cannot be written.
 */
PG_FUNCTION_INFO_V1(researcharr_media_apply_webhook);
Datum
researcharr_media_apply_webhook(PG_FUNCTION_ARGS)
{
	Webhook hook = {0};
	pg_uuid_t media;
	TupleDesc desc;
	Datum values[3];
	bool nulls[3] = {false};
	bool applied = false;

	RARR_REQUIRE_ARG(0, "instance");
	RARR_REQUIRE_ARG(1, "payload");
	rarr_prevent_read_only("media_apply_webhook()");
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	read_event(&hook, PG_GETARG_JSONB_P(1));
	rarr_instance_get(PG_GETARG_TEXT_PP(0), &hook.instance);
	if (hook.action != WEBHOOK_NOTHING)
		applied = apply(&hook, PG_GETARG_TEXT_PP(0), &media);
	values[0] = CStringGetTextDatum(hook.event);
	values[1] = BoolGetDatum(applied);
	values[2] = UUIDPGetDatum(&media);
	nulls[2] = !applied;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
