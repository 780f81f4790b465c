/*
 * track.c
 *		Read from an object what a row of tracked_items says about it.
 *
 * A member that is absent leaves the column of a row that exists.  A value of
 * the wrong type is a warning, and counts as absent.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/timestamp.h"

#include "base/json.h"
#include "data/import/state.h"
#include "data/time_text.h"

#define SORT_TITLE_CHARS 200 /* as many characters count */

/* An object whose values are read into an item. */
typedef struct Reader
{
	Import *import;
	const ImportKind *kind;
	JsonbContainer *object;
	ImportItem *item;
} Reader;

static void
give(Reader *reader, ImportTracked column, Datum value, bool isnull)
{
	reader->item->tracked[column] = value;
	reader->item->tracked_nulls[column] = isnull;
	reader->item->given |= IMPORT_GIVES_TRACKED(column);
}

/* Find a member.  Returns false if it is absent. */
static bool
find(Reader *reader, JsonbContainer *object, const char *name, JsonbValue *value)
{
	return getKeyJsonValueFromContainer(object, name, strlen(name), value) != NULL;
}

static void
warn(Reader *reader, const char *name, const char *what, const JsonbValue *value)
{
	rarr_import_warn(reader->import, reader->kind, reader->item->index, name,
					 psprintf("must be %s, not %s", what, rarr_json_describe(value)));
}

static void
read_bool(Reader *reader, const char *name, ImportTracked column)
{
	JsonbValue value;

	if (!find(reader, reader->object, name, &value))
		return;
	if (value.type == jbvBool)
		give(reader, column, BoolGetDatum(value.val.boolean), false);
	else if (value.type == jbvNull)
		give(reader, column, BoolGetDatum(false), false);
	else
		warn(reader, name, "true or false", &value);
}

/* Read an integer of a column.  path is for the warning. */
static void
read_int(Reader *reader, JsonbContainer *object, const char *name, const char *path, ImportTracked column)
{
	JsonbValue value;
	int64 number;

	if (!find(reader, object, name, &value))
		return;
	if (value.type == jbvNull)
		give(reader, column, (Datum) 0, true);
	else if (rarr_json_int(&value, &number) == NULL && number >= PG_INT32_MIN && number <= PG_INT32_MAX)
		give(reader, column, Int32GetDatum((int32) number), false);
	else
		warn(reader, path, "a whole number of 32 bits", &value);
}

/*
 * Read a time.  Returns false if the member is absent.  *time is infinity if it
 * is null, empty, .NET's zero, or not valid, which is a warning.
 */
static bool
read_time(Reader *reader, const char *name, TimestampTz *time)
{
	JsonbValue value;

	TIMESTAMP_NOEND(*time);
	if (!find(reader, reader->object, name, &value))
		return false;
	if (value.type == jbvNull || (value.type == jbvString && value.val.string.len == 0))
		return true;
	if (value.type != jbvString || !rarr_parse_time(value.val.string.val, value.val.string.len, time))
	{
		TIMESTAMP_NOEND(*time);
		warn(reader, name, "a time as YYYY-MM-DDThh:mm:ssZ", &value);
	}
	else if (strncmp(value.val.string.val, "0001-", 5) == 0)
		TIMESTAMP_NOEND(*time);
	return true;
}

/* Find a string that is not blank, without white space at its ends. */
static bool
find_title(Reader *reader, const char *name, const char **string, int *length)
{
	JsonbValue value;

	if (!rarr_json_member(reader->object, name, &value) || value.type != jbvString)
		return false;
	*string = value.val.string.val;
	*length = value.val.string.len;
	rarr_trim_title(string, length);
	return *length > 0;
}

/*
 * Read what the alphabetical order goes by.  If there is no sortTitle, it is made
 * of the title, but that does not replace a sortTitle that is stored: the object
 * may be a part of one (track_statements.c).
 */
static void
read_sort_title(Reader *reader)
{
	JsonbValue value;
	const char *string;
	int length;
	bool whole = find_title(reader, "sortTitle", &string, &length);

	if (rarr_json_member(reader->object, "sortTitle", &value) && value.type != jbvString)
		warn(reader, "sortTitle", "a string", &value);
	if (!whole && !find_title(reader, "title", &string, &length))
		return;
	length = pg_mbcharcliplen(string, length, SORT_TITLE_CHARS);
	string = str_tolower(string, length, DEFAULT_COLLATION_OID);
	give(reader, TRACKED_SORT_TITLE, CStringGetTextDatum(string), false);
	if (!whole)
		reader->item->given &= ~IMPORT_GIVES_TRACKED(TRACKED_SORT_TITLE);
}

static void
read_added(Reader *reader)
{
	TimestampTz time;

	if (read_time(reader, "added", &time))
		give(reader, TRACKED_ADDED_AT, TimestampTzGetDatum(time), TIMESTAMP_IS_NOEND(time));
}

/*
 * A movie is available when the service says so, else from its earliest release.
 * An object that does not say so is a part of one: it counts for a new row only.
 */
static void
read_movie_availability(Reader *reader)
{
	static const char *const releases[] = {"inCinemas", "digitalRelease", "physicalRelease"};
	TimestampTz earliest;
	JsonbValue value;
	bool whole = find(reader, reader->object, "isAvailable", &value);
	bool given = whole;

	TIMESTAMP_NOEND(earliest);
	for (int i = 0; i < lengthof(releases); i++)
	{
		TimestampTz time;

		given |= read_time(reader, releases[i], &time);
		earliest = Min(earliest, time);
	}
	if (rarr_json_member(reader->object, "isAvailable", &value) && value.type == jbvBool &&
		value.val.boolean)
		TIMESTAMP_NOBEGIN(earliest);
	if (!given)
		return;
	give(reader, TRACKED_AVAILABLE_FROM, TimestampTzGetDatum(earliest), false);
	if (!whole)
		reader->item->given &= ~IMPORT_GIVES_TRACKED(TRACKED_AVAILABLE_FROM);
}

static void
read_episode_availability(Reader *reader)
{
	TimestampTz time;
	bool given = read_time(reader, "airDateUtc", &time);
	JsonbValue value;

	/* read.c warns of an airDate that is not valid */
	if (TIMESTAMP_IS_NOEND(time) && rarr_json_member(reader->object, "airDate", &value))
	{
		given = true;
		if (value.type != jbvString || !rarr_parse_time(value.val.string.val, value.val.string.len, &time))
			TIMESTAMP_NOEND(time);
	}
	if (given)
		give(reader, TRACKED_AVAILABLE_FROM, TimestampTzGetDatum(time), false);
}

/* Read what is known about the file. */
static void
read_file(Reader *reader, const char *file, const char *id)
{
	char *score = psprintf("%s.customFormatScore", file);
	JsonbValue value;
	int64 number;

	read_bool(reader, "hasFile", TRACKED_HAS_FILE);
	if ((reader->item->given & IMPORT_GIVES_TRACKED(TRACKED_HAS_FILE)) == 0 &&
		rarr_json_member(reader->object, id, &value) && rarr_json_int(&value, &number) == NULL)
		give(reader, TRACKED_HAS_FILE, BoolGetDatum(number > 0), false);
	if ((reader->item->given & IMPORT_GIVES_TRACKED(TRACKED_HAS_FILE)) != 0 &&
		!DatumGetBool(reader->item->tracked[TRACKED_HAS_FILE]))
	{
		give(reader, TRACKED_CUSTOM_FORMAT_SCORE, (Datum) 0, true);
		give(reader, TRACKED_QUALITY_CUTOFF_MET, (Datum) 0, true);
		return;
	}
	if (!rarr_json_member(reader->object, file, &value) || !rarr_json_is_object(&value))
		return;
	read_int(reader, value.val.binary.data, "customFormatScore", score, TRACKED_CUSTOM_FORMAT_SCORE);
	if (rarr_json_member(value.val.binary.data, "qualityCutoffNotMet", &value) && value.type == jbvBool)
		give(reader, TRACKED_QUALITY_CUTOFF_MET, BoolGetDatum(!value.val.boolean), false);
}

/* A series has a file if one of its episodes has. */
static void
read_series_file(Reader *reader)
{
	JsonbValue value;
	int64 files;

	if (rarr_json_member(reader->object, "statistics", &value) && rarr_json_is_object(&value) &&
		rarr_json_member(value.val.binary.data, "episodeFileCount", &value) &&
		rarr_json_int(&value, &files) == NULL)
		give(reader, TRACKED_HAS_FILE, BoolGetDatum(files > 0), false);
}

/* Read the columns of tracked_items that the object has. */
void
rarr_import_read_tracked(Import *import, const ImportKind *kind, JsonbContainer *object,
						 ImportItem *item)
{
	Reader reader = {import, kind, object, item};

	for (int i = 0; i < IMPORT_NTRACKED; i++)
		item->tracked_nulls[i] = true;
	read_bool(&reader, "monitored", TRACKED_MONITORED);
	if (kind == &rarr_import_episodes)
	{
		read_file(&reader, "episodeFile", "episodeFileId");
		read_episode_availability(&reader);
		return;
	}
	read_int(&reader, object, "qualityProfileId", "qualityProfileId", TRACKED_QUALITY_PROFILE_ID);
	read_added(&reader);
	read_sort_title(&reader);
	if (kind == &rarr_import_movies)
	{
		read_file(&reader, "movieFile", "movieFileId");
		read_movie_availability(&reader);
	}
	else
		read_series_file(&reader);
}
