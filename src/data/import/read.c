/*
 * read.c
 *		Convert objects of Radarr and Sonarr to items. A table for each kind of
 *		object maps members to columns.
 *
 * As far as an object alone can tell, everything that is wrong with it is
 * found here.  The statements that write hundreds of items at once then fail
 * only for reasons that lie in the database.
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

static const RarrRule series_id_rule =
	{.field = "series_id", .kind = RARR_RULE_INT, .required = true, .min = 1, .max = PG_INT64_MAX};

static const ImportField movie_fields[] =
	{
		{"tmdbId", "tmdb_id", INT4OID, &rarr_rule_tmdb_id, .stored = true, .zero_is_unknown = true},
		{"year", "year", INT4OID, &rarr_rule_year, .stored = true, .zero_is_unknown = true},
		{"imdbId", "imdb_id", TEXTOID, &rarr_rule_imdb_id, .stored = true},
		{"runtime", "runtime_minutes", INT4OID, &rarr_rule_runtime_minutes,
		 .stored = true, .zero_is_unknown = true},
};

/*
 * A series has no column for its year, which stays in metadata.  Its episodes
 * are counted by totalEpisodeCount. episodeCount excludes unmonitored and
 * unaired episodes, which GET /api/v3/episode returns as well.
 */
static const ImportField series_fields[] =
	{
		{"tvdbId", "tvdb_id", INT4OID, &rarr_rule_tvdb_id, .stored = true, .zero_is_unknown = true},
		{"year", "year", INT4OID, &rarr_rule_year, .in_metadata = true, .zero_is_unknown = true},
		{"statistics.seasonCount", "seasons", INT4OID, &rarr_rule_seasons, .stored = true, .in_metadata = true},
		{"statistics.totalEpisodeCount", "episodes", INT4OID, &rarr_rule_episodes,
		 .stored = true, .in_metadata = true},
};

static const ImportField episode_fields[] =
	{
		{"tvdbId", "tvdb_id", INT4OID, &rarr_rule_tvdb_id, .zero_is_unknown = true},
		{"seriesId", "series_id", UUIDOID, &series_id_rule, .stored = true},
		{"seasonNumber", "season_number", INT4OID, &rarr_rule_season_number, .stored = true},
		{"episodeNumber", "episode_number", INT4OID, &rarr_rule_episode_number, .stored = true},
		{"airDate", "air_date", DATEOID, &rarr_rule_air_date, .stored = true},
};

enum
{
	EXTERNAL_ID = 0,
	YEAR = 1,   /* of movies and series */
	SERIES = 1, /* of episodes */
	SEASON,
	EPISODE
};

const ImportKind rarr_import_movies = {
	.source = "movies",
	.type = "movie",
	.service = "radarr",
	.table = "movies",
	.fields = movie_fields,
	.nfields = lengthof(movie_fields),
	.same = "i.external_id IS NULL AND m.external_id IS NULL"
			" AND m.title OPERATOR(pg_catalog.=) i.title"
			" AND COALESCE(s.year, 0) OPERATOR(pg_catalog.=) COALESCE(i.year, 0)",
};

const ImportKind rarr_import_series = {
	.source = "series",
	.type = "series",
	.service = "sonarr",
	.table = "series",
	.fields = series_fields,
	.nfields = lengthof(series_fields),
	.same = "i.external_id IS NULL AND m.external_id IS NULL"
			" AND m.title OPERATOR(pg_catalog.=) i.title"
			" AND COALESCE(m.metadata OPERATOR(pg_catalog.->) 'sonarr' OPERATOR(pg_catalog.->>) 'year', '0')"
			" OPERATOR(pg_catalog.=) CAST(COALESCE(i.year, 0) AS pg_catalog.text)",
};

const ImportKind rarr_import_episodes = {
	.source = "episodes",
	.type = "episode",
	.service = "sonarr",
	.table = "episodes",
	.fields = episode_fields,
	.nfields = lengthof(episode_fields),
	.same = "s.series_id OPERATOR(pg_catalog.=) i.series_id"
			" AND s.season_number OPERATOR(pg_catalog.=) i.season_number"
			" AND s.episode_number OPERATOR(pg_catalog.=) i.episode_number",
	.moves = "pg_catalog.record_ne(ROW(s.series_id, s.season_number, s.episode_number),"
			 " ROW(i.series_id, i.season_number, i.episode_number))",
	.park = "episode_number",
};

/* Add a problem to the list, unless it is already there. */
static void
add_problem(StringInfo problems, const char *member, const char *problem)
{
	char *text = psprintf("\"%s\" %s", member, problem);

	if (strstr(problems->data, text) == NULL)
		appendStringInfo(problems, "%s%s", problems->len > 0 ? "; " : "", text);
}

/*
 * Find a member by its path.  Returns false if it is absent or null, or if its
 * parent is not an object, which is a problem.
 */
static bool
find_member(JsonbContainer *object, const char *path, JsonbValue *value, StringInfo problems)
{
	const char *dot = strchr(path, '.');
	char *outer;

	if (dot == NULL)
		return rarr_json_member(object, path, value);

	outer = pnstrdup(path, dot - path);
	if (!rarr_json_member(object, outer, value))
		return false;
	if (rarr_json_is_object(value))
		return rarr_json_member(value->val.binary.data, dot + 1, value);
	add_problem(problems, outer, psprintf("must be an object, not %s", rarr_json_describe(value)));
	return false;
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

static void
read_field(const ImportField *field, JsonbContainer *object, Datum *result, bool *isnull,
		   StringInfo problems)
{
	RarrViolation violation;
	JsonbValue value;
	char *problem = NULL;

	*result = (Datum) 0;
	*isnull = true;
	if (!find_member(object, field->source, &value, problems))
	{
		if (!rarr_check_absent(field->rule, &violation))
			problem = violation.message;
	}
	else if (field->rule->kind == RARR_RULE_INT)
		problem = read_int(field, &value, result, isnull);
	else
		problem = read_text(field, &value, result, isnull);
	if (problem != NULL)
		add_problem(problems, field->source, problem);
}

static bool
is_metadata(const ImportKind *kind, const JsonbValue *key)
{
	if (rarr_equals("title", key->val.string.val, key->val.string.len))
		return false;
	for (int i = 0; i < kind->nfields; i++)
	{
		const ImportField *field = &kind->fields[i];

		if (!field->in_metadata &&
			rarr_equals(field->source, key->val.string.val, key->val.string.len))
			return false;
	}
	return true;
}

/* Return the object without the members that have columns. */
static Jsonb *
other_members(const ImportKind *kind, JsonbContainer *object)
{
	JsonbParseState *state = NULL;
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbValue name;
	JsonbValue value;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	while (rarr_json_next_member(&it, &name, &value))
	{
		if (!is_metadata(kind, &name))
			continue;
		pushJsonbValue(&state, WJB_KEY, &name);
		pushJsonbValue(&state, WJB_VALUE, &value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* Read what all kinds have: title, the object's own id, and the metadata. */
static void
read_common(const ImportKind *kind, JsonbContainer *object, ImportItem *item, StringInfo problems)
{
	static const ImportField title_field =
		{"title", "title", TEXTOID, &rarr_rule_title};

	Jsonb *extra = other_members(kind, object);
	int64 envelope = strlen(kind->service) + strlen("{\"\": }");
	JsonbValue value;
	bool isnull;
	char *problem;

	read_field(&title_field, object, &item->title, &isnull, problems);

	item->has_source_id = rarr_json_member(object, "id", &value);
	if (item->has_source_id &&
		(problem = rarr_json_int(&value, &item->source_id)) != NULL)
		add_problem(problems, "id", problem);

	item->extra = JsonbPGetDatum(extra);
	if (rarr_jsonb_text_length(&extra->root, RARR_METADATA_MAX_BYTES) + envelope > RARR_METADATA_MAX_BYTES)
		appendStringInfo(problems, "%sthe object must have at most %d bytes besides its columns",
						 problems->len > 0 ? "; " : "", RARR_METADATA_MAX_BYTES);
}

/* Replace the source's series id of an episode by the media id. */
static void
resolve_series(Import *import, ImportItem *item, StringInfo problems)
{
	int64 source_id = DatumGetInt64(item->values[SERIES]);
	pg_uuid_t *media_id = palloc(sizeof(pg_uuid_t));
	int matches = rarr_import_find_series(import, source_id, media_id);

	if (matches == 0)
		add_problem(problems, "seriesId",
					psprintf("must be the id of a series of this import or one before, not " INT64_FORMAT,
							 source_id));
	else if (matches > 1)
		add_problem(problems, "seriesId",
					psprintf("is the id of %d series of imports before, and of none of this one: " INT64_FORMAT,
							 matches, source_id));
	item->values[SERIES] = UUIDPGetDatum(media_id);
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
	else if (kind != &rarr_import_episodes)
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
	if (kind == &rarr_import_series && item->has_source_id)
		check_identity(import, item, psprintf("source " INT64_FORMAT, item->source_id),
					   "id", problems);
}

/*
 * Record the external id of the object at this index, if it has one.  This is
 * done for the whole array before any object is read: an episode's season and
 * number do not identify it if a later object, with its own external id, moves
 * to that place.
 */
void
rarr_import_note_external_id(Import *import, const ImportKind *kind, JsonbValue *object, int index)
{
	JsonbValue value;
	RarrViolation violation;
	int64 number;

	if (rarr_json_is_object(object) &&
		rarr_json_member(object->val.binary.data, kind->fields[EXTERNAL_ID].source, &value) &&
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
	JsonbContainer *members;

	initStringInfo(&problems);
	if (rarr_json_is_object(object))
	{
		members = object->val.binary.data;
		for (int i = 0; i < kind->nfields; i++)
			read_field(&kind->fields[i], members, &item->values[i], &item->nulls[i], &problems);
		read_common(kind, members, item, &problems);
	}
	else
		appendStringInfo(&problems, "the element must be an object, not %s", rarr_json_describe(object));

	if (problems.len == 0 && kind == &rarr_import_episodes)
		resolve_series(import, item, &problems);
	if (problems.len == 0)
	{
		item->external_id = item->nulls[EXTERNAL_ID] ? (Datum) 0 :
													   CStringGetTextDatum(psprintf("%d", DatumGetInt32(item->values[EXTERNAL_ID])));
		check_identities(import, kind, item, &problems);
	}
	if (problems.len > 0)
		rarr_import_fail(import, kind, item, ERRCODE_RARR_VALIDATION, problems.data);
	return problems.len == 0;
}
