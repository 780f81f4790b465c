/*
 * read.c
 *		Convert objects of Radarr and Sonarr to items, by the fields of their
 *		kinds (kinds.c).
 *
 * As far as an object alone can tell, everything that is wrong with it is
 * found here.  The statements that write hundreds of items at once then fail
 * only for reasons that lie in the database.  What identifies an object, and
 * its title, must be valid.  Any other value that is not becomes NULL, stays in
 * metadata as it is, and is reported as a warning.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/uuid.h"

#include "base/errors.h"
#include "base/json.h"
#include "base/metadata.h"
#include "base/text.h"
#include "data/import/state.h"

static const RarrRule id_rule =
	{.field = "id", .kind = RARR_RULE_INT, .min = 1, .max = PG_INT32_MAX};

/* positions in the fields of kinds.c */
enum
{
	EXTERNAL_ID = 0,
	YEAR = 1,   /* of movies and series */
	SERIES = 1, /* of episodes */
	SEASON,
	EPISODE
};

/* Add a problem to the list, unless it is already there. */
static void
add_problem(StringInfo problems, const char *member, const char *problem)
{
	char *text = psprintf("\"%s\" %s", member, problem);

	if (strstr(problems->data, text) == NULL)
		appendStringInfo(problems, "%s%s", problems->len > 0 ? "; " : "", text);
}

typedef enum Presence
{
	MEMBER_ABSENT,
	MEMBER_NULL,
	MEMBER_VALUE
} Presence;

/* Find a member, also one that is null. */
static Presence
find_in(JsonbContainer *object, const char *name, int length, JsonbValue *value)
{
	if (getKeyJsonValueFromContainer(object, name, length, value) == NULL)
		return MEMBER_ABSENT;
	return value->type == jbvNull ? MEMBER_NULL : MEMBER_VALUE;
}

/* Find a member by its path.  A parent that is not an object is a problem. */
static Presence
find_member(JsonbContainer *object, const char *path, JsonbValue *value, char **problem)
{
	const char *dot = strchr(path, '.');
	Presence parent;

	if (dot == NULL)
		return find_in(object, path, strlen(path), value);
	parent = find_in(object, path, dot - path, value);
	if (parent != MEMBER_VALUE)
		return parent;
	if (rarr_json_is_object(value))
		return find_in(value->val.binary.data, dot + 1, strlen(dot + 1), value);
	*problem = psprintf("must be in an object, not in %s", rarr_json_describe(value));
	return MEMBER_ABSENT;
}

/* Read a text or a date, unknown if blank.  Returns NULL, or a problem. */
static char *
read_text(const ImportField *field, JsonbValue *value, Datum *result, bool *isnull)
{
	RarrViolation violation;
	const char *string;
	int length;
	char *problem = rarr_json_text(value, &string, &length);
	DateADT date;

	if (problem != NULL)
		return problem;
	if (field->rule->trims)
		rarr_trim_title(&string, &length);
	else
		rarr_trim(&string, &length);
	if (length == 0 && !field->rule->required)
		return NULL;

	if (field->rule->kind == RARR_RULE_DATE)
	{
		if (!rarr_check_date(field->rule, string, length, &date, &violation))
			return violation.message;
		*result = DateADTGetDatum(date);
	}
	else
	{
		*result = PointerGetDatum(cstring_to_text_with_len(string, length));
		if (!rarr_check_text(field->rule, DatumGetTextPP(*result), &violation))
			return violation.message;
	}
	*isnull = false;
	return NULL;
}

/* Read a number, as int4 or else int8.  Returns NULL, or a problem. */
static char *
read_int(const ImportField *field, JsonbValue *value, Datum *result, bool *isnull)
{
	RarrViolation violation;
	int64 number;
	char *problem = rarr_json_int(value, &number);

	if (problem != NULL)
		return problem;
	if (number == 0 && field->zero_is_unknown)
		return NULL;
	if (!rarr_check_int(field->rule, number, &violation))
		return violation.message;
	*result = field->type == INT4OID ? Int32GetDatum((int32) number) : Int64GetDatum(number);
	*isnull = false;
	return NULL;
}

/* How a member of an object was read. */
typedef enum Reading
{
	READ_ABSENT,
	READ_VALUE, /* or null */
	READ_WRONG
} Reading;

/*
 * Read a member.  *problem, if not NULL, is then an error if the field
 * identifies the object, and else a warning.
 */
static Reading
read_field(const ImportField *field, JsonbContainer *object, Datum *result, bool *isnull,
		   char **problem)
{
	RarrViolation violation;
	JsonbValue value;
	Presence presence;

	*result = (Datum) 0;
	*isnull = true;
	*problem = NULL;
	presence = find_member(object, field->source, &value, problem);
	if (presence != MEMBER_VALUE)
	{
		if (*problem == NULL && !rarr_check_absent(field->rule, &violation))
			*problem = violation.message;
		return *problem != NULL ? READ_WRONG : presence == MEMBER_NULL ? READ_VALUE :
																		 READ_ABSENT;
	}
	if (field->rule->kind == RARR_RULE_INT)
		*problem = read_int(field, &value, result, isnull);
	else
		*problem = read_text(field, &value, result, isnull);
	if (*problem == NULL)
		return READ_VALUE;
	*result = (Datum) 0;
	*isnull = true;
	return READ_WRONG;
}

/* Is the member kept in metadata?  wrong: the fields whose values are not valid. */
static bool
is_metadata(const ImportKind *kind, const JsonbValue *key, int wrong)
{
	if (rarr_equals("title", key->val.string.val, key->val.string.len))
		return false;
	for (int i = 0; i < kind->nfields; i++)
	{
		const ImportField *field = &kind->fields[i];

		if (!field->in_metadata && (wrong & IMPORT_GIVES_FIELD(i)) == 0 &&
			rarr_equals(field->source, key->val.string.val, key->val.string.len))
			return false;
	}
	return true;
}

/* Return the object without the members that have columns. */
static Jsonb *
other_members(const ImportKind *kind, JsonbContainer *object, int wrong)
{
	JsonbParseState *state = NULL;
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbValue name;
	JsonbValue value;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	while (rarr_json_next_member(&it, &name, &value))
	{
		if (!is_metadata(kind, &name, wrong))
			continue;
		pushJsonbValue(&state, WJB_KEY, &name);
		pushJsonbValue(&state, WJB_VALUE, &value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* Keep the object, and its members that have no columns. */
static void
read_members(const ImportKind *kind, JsonbValue *object, int wrong, ImportItem *item,
			 StringInfo problems)
{
	JsonbContainer *members = object->val.binary.data;
	Jsonb *extra = other_members(kind, members, wrong);
	int64 envelope = strlen(kind->service) + strlen("{\"\": }");

	item->extra = JsonbPGetDatum(extra);
	item->payload = JsonbPGetDatum(JsonbValueToJsonb(object));
	if (rarr_jsonb_text_length(members, RARR_METADATA_MAX_BYTES) + envelope <= RARR_METADATA_MAX_BYTES)
		return;
	if (item->has_source_id ||
		rarr_jsonb_text_length(&extra->root, RARR_METADATA_MAX_BYTES) + envelope > RARR_METADATA_MAX_BYTES)
		appendStringInfo(problems, "%sthe object must have at most " INT64_FORMAT " bytes",
						 problems->len > 0 ? "; " : "", RARR_METADATA_MAX_BYTES - envelope);
}

/* Read the service's own id.  An import accepts objects without one, or with 0. */
static void
read_id(Import *import, JsonbContainer *object, ImportItem *item, StringInfo problems)
{
	RarrViolation violation;
	JsonbValue value;
	char *problem;

	item->has_source_id = false;
	if (!rarr_json_member(object, "id", &value))
	{
		if (import->synchronizes)
			add_problem(problems, "id", "is required");
		return;
	}
	problem = rarr_json_int(&value, &item->source_id);
	if (problem == NULL && item->source_id == 0 && !import->synchronizes)
		return;
	if (problem == NULL && !rarr_check_int(&id_rule, item->source_id, &violation))
		problem = violation.message;
	if (problem != NULL)
		add_problem(problems, "id", problem);
	item->has_source_id = problem == NULL;
}

/* Read the title and the kind's fields. */
static void
read_fields(Import *import, const ImportKind *kind, JsonbValue *object, ImportItem *item,
			StringInfo problems)
{
	static const ImportField title_field =
		{"title", "title", TEXTOID, &rarr_rule_title};

	JsonbContainer *members = object->val.binary.data;
	int wrong = 0;
	bool isnull;
	char *problem;

	for (int i = 0; i < kind->nfields; i++)
	{
		const ImportField *field = &kind->fields[i];
		Reading reading = read_field(field, members, &item->values[i], &item->nulls[i], &problem);

		/* an object without an external id keeps the one that is known */
		if (reading != READ_ABSENT && !(i == EXTERNAL_ID && item->nulls[i]))
			item->given |= IMPORT_GIVES_FIELD(i);
		if (reading != READ_WRONG)
			continue;
		wrong |= IMPORT_GIVES_FIELD(i);
		if (field->identifies)
			add_problem(problems, field->source, problem);
		else if (field->stored)
			rarr_import_warn(import, kind, item->index, field->source, problem);
	}
	if (read_field(&title_field, members, &item->title, &isnull, &problem) == READ_WRONG)
		add_problem(problems, "title", problem);
	read_members(kind, object, wrong, item, problems);
}

/* Replace the source's series id of an episode by the media id. */
static void
resolve_series(Import *import, ImportItem *item, StringInfo problems)
{
	int64 source_id = DatumGetInt64(item->values[SERIES]);
	pg_uuid_t *media_id = palloc(sizeof(pg_uuid_t));

	if (!rarr_import_find_series(import, source_id, media_id))
		add_problem(problems, "seriesId",
					psprintf("must be the id of a series of this call or one before, not " INT64_FORMAT,
							 source_id));
	item->values[SERIES] = UUIDPGetDatum(media_id);
}

/* Add the season's and series' part to what is known about an episode. */
static void
add_season_flags(Import *import, const ImportItem *episode, ImportItem *item)
{
	int32 season = DatumGetInt32(episode->values[SEASON]);
	int32 number = DatumGetInt32(episode->values[EPISODE]);
	const char *sort_title;
	bool monitored;
	int32 profile;

	if (!rarr_import_season_flags(import, DatumGetInt64(episode->values[SERIES]), season,
								  &monitored, &profile, &sort_title))
		return;
	if (!monitored)
		item->tracked[TRACKED_MONITORED] = BoolGetDatum(false);
	if (profile > 0)
	{
		item->tracked[TRACKED_QUALITY_PROFILE_ID] = Int32GetDatum(profile);
		item->tracked_nulls[TRACKED_QUALITY_PROFILE_ID] = false;
		item->given |= IMPORT_GIVES_TRACKED(TRACKED_QUALITY_PROFILE_ID);
	}
	if (sort_title != NULL)
	{
		/*
		 * As in rarr_import_cascade_flags().  A space and a digit sort before
		 * the further words of a longer title.
		 */
		item->tracked[TRACKED_SORT_TITLE] =
			CStringGetTextDatum(psprintf("%s  %05dx%05d", sort_title, Min(season, 99999), Min(number, 99999)));
		item->tracked_nulls[TRACKED_SORT_TITLE] = false;
		item->given |= IMPORT_GIVES_TRACKED(TRACKED_SORT_TITLE);
	}
}

/* Check that no earlier object of the array represents the same. */
static void
check_identity(Import *import, ImportItem *item, char *identity, const char *what,
			   StringInfo problems)
{
	int first = rarr_import_seen(import, identity, item->index);

	if (first != item->index)
		appendStringInfo(problems, "%sthe object has the same %s as object %d",
						 problems->len > 0 ? "; " : "", what, first);
}

static void
check_identities(Import *import, const ImportKind *kind, ImportItem *item, StringInfo problems)
{
	if (item->external_id != (Datum) 0)
		check_identity(import, item,
					   psprintf(IMPORT_EXTERNAL_ID, TextDatumGetCString(item->external_id)),
					   kind->fields[EXTERNAL_ID].source, problems);
	else if (kind != &rarr_import_episodes && !item->has_source_id)
		check_identity(import, item,
					   psprintf("title %d %s", DatumGetInt32(item->values[YEAR]),
								TextDatumGetCString(item->title)),
					   "title and year, and no external id,", problems);

	if (kind == &rarr_import_episodes)
		check_identity(import, item,
					   psprintf("place %s %d %d",
								DatumGetCString(DirectFunctionCall1(uuid_out, item->values[SERIES])),
								DatumGetInt32(item->values[SEASON]),
								DatumGetInt32(item->values[EPISODE])),
					   "series, season and number", problems);
	if (item->has_source_id)
		check_identity(import, item, psprintf(IMPORT_SERVICE_ID, item->source_id), "id", problems);
}

/* Is this an object of the other service, or of another kind? */
static bool
is_foreign(const ImportKind *kind, JsonbContainer *object)
{
	JsonbValue value;
	bool has_series = rarr_json_member(object, "seriesId", &value);
	bool has_tvdb = rarr_json_member(object, "tvdbId", &value);
	bool has_tmdb = rarr_json_member(object, "tmdbId", &value);

	if (kind == &rarr_import_movies)
		return has_series || has_tvdb;
	if (kind == &rarr_import_series)
		return has_series || (has_tmdb && !has_tvdb);
	return !has_series && (has_tmdb || rarr_json_member(object, "seasons", &value));
}

static void
note_unreadable(Import *import, const ImportKind *kind, int index)
{
	if (import->unreadable++ > 0)
		return;
	import->unreadable_kind = kind;
	import->unreadable_index = index;
}

/*
 * Record the external id and the id of the object at this index, if it has
 * them.  This is done for the whole array before any object is read: a row of
 * the same id or place is not the object's if another object of the call has
 * the row's own external id.  Raises 22023 if the object is of another kind.
 */
void
rarr_import_note_identity(Import *import, const ImportKind *kind, JsonbValue *object, int index)
{
	ImportIds *present = &import->present[kind == &rarr_import_movies ? 0 : kind == &rarr_import_series ? 1 :
																										  2];
	JsonbContainer *members;
	JsonbValue value;
	RarrViolation violation;
	int64 number;
	bool has_id;

	if (!rarr_json_is_object(object))
	{
		note_unreadable(import, kind, index);
		return;
	}
	members = object->val.binary.data;
	if (is_foreign(kind, members))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("element %d of argument \"%s\" is not one of %s's %s", index, kind->source,
						strcmp(kind->service, "radarr") == 0 ? "Radarr" : "Sonarr", kind->source),
				 errhint("Radarr's movies have a \"tmdbId\", Sonarr's series a \"tvdbId\", and its episodes a \"seriesId\".")));
	has_id = rarr_json_member(members, "id", &value) && rarr_json_int(&value, &number) == NULL &&
			 rarr_check_int(&id_rule, number, &violation);
	if (has_id)
	{
		rarr_import_add_id(import, present, number);
		rarr_import_seen(import, psprintf(IMPORT_SERVICE_ID, number), index);
	}
	else
		note_unreadable(import, kind, index);
	if (rarr_json_member(members, kind->fields[EXTERNAL_ID].source, &value) &&
		rarr_json_int(&value, &number) == NULL &&
		rarr_check_int(kind->fields[EXTERNAL_ID].rule, number, &violation))
		rarr_import_seen(import,
						 psprintf(IMPORT_EXTERNAL_ID, psprintf(INT64_FORMAT, number)), index);
}

/*
 * Read an object into the item, whose index is set.  Returns false if it
 * cannot be imported; it is then recorded as failed.
 */
bool
rarr_import_read(Import *import, const ImportKind *kind, JsonbValue *object, ImportItem *item)
{
	StringInfoData problems;
	ImportItem source;

	initStringInfo(&problems);
	if (rarr_json_is_object(object))
	{
		read_id(import, object->val.binary.data, item, &problems);
		read_fields(import, kind, object, item, &problems);
	}
	else
		appendStringInfo(&problems, "the element must be an object, not %s", rarr_json_describe(object));

	if (problems.len == 0)
		rarr_import_read_tracked(import, kind, object->val.binary.data, item);
	source = *item;
	if (problems.len == 0 && kind == &rarr_import_episodes)
		resolve_series(import, item, &problems);
	if (problems.len == 0)
	{
		if (kind == &rarr_import_episodes)
			add_season_flags(import, &source, item);
		item->external_id = item->nulls[EXTERNAL_ID] ? (Datum) 0 :
													   CStringGetTextDatum(psprintf("%d", DatumGetInt32(item->values[EXTERNAL_ID])));
		check_identities(import, kind, item, &problems);
	}
	if (problems.len > 0)
		rarr_import_fail(import, kind, item, ERRCODE_RARR_VALIDATION, problems.data);
	return problems.len == 0;
}
