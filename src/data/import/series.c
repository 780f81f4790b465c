/*
 * series.c
 *		The series of a call: their media rows, and what of them counts for
 *		their episodes.
 *
 * An episode is monitored only if its season and its series are, and it has
 * its series' quality profile and place in the alphabet.  All of that comes from
 * the series' tracked item and its payload.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"

#include "base/json.h"
#include "data/import/state.h"

#define EQ " OPERATOR(pg_catalog.=) "

/* seasons above this are taken to be monitored */
#define MAX_SEASON 10000

/* as many characters of a series' sort title begin those of its episodes */
#define MAX_SORT_TITLE "480"

typedef struct SeriesEntry
{
	int64 source_id; /* Sonarr's id: the key */
	bool found;
	pg_uuid_t media_id;
	bool monitored;
	int32 profile;          /* 0: unknown */
	char *sort_title;       /* or NULL */
	Bitmapset *unmonitored; /* seasons */
} SeriesEntry;

/* Read from a series' payload what counts for its episodes. */
static void
read_flags(SeriesEntry *entry, Jsonb *payload)
{
	JsonbIterator *it;
	JsonbValue seasons;
	JsonbValue season;
	JsonbValue value;
	int64 number;

	if (!JB_ROOT_IS_OBJECT(payload))
		return;
	if (rarr_json_member(&payload->root, "monitored", &value) && value.type == jbvBool)
		entry->monitored = value.val.boolean;
	if (rarr_json_member(&payload->root, "qualityProfileId", &value) &&
		rarr_json_int(&value, &number) == NULL && number > 0 && number <= PG_INT32_MAX)
		entry->profile = (int32) number;
	if (!rarr_json_member(&payload->root, "seasons", &seasons) || !rarr_json_is_array(&seasons))
		return;
	it = JsonbIteratorInit(seasons.val.binary.data);
	while (rarr_json_next_element(&it, &season))
		if (rarr_json_is_object(&season) &&
			rarr_json_member(season.val.binary.data, "monitored", &value) && value.type == jbvBool &&
			!value.val.boolean && rarr_json_member(season.val.binary.data, "seasonNumber", &value) &&
			rarr_json_int(&value, &number) == NULL && number >= 0 && number <= MAX_SEASON)
			entry->unmonitored = bms_add_member(entry->unmonitored, (int) number);
}

/* Collect the ids of the series that episodes mention, each once. */
static void
collect_series(Import *import, Jsonb *episodes)
{
	HASHCTL control = {
		.keysize = sizeof(int64),
		.entrysize = sizeof(SeriesEntry),
		.hcxt = import->context};
	JsonbIterator *it = JsonbIteratorInit(&episodes->root);
	JsonbValue value;

	import->series = hash_create("series of an import", 256, &control,
								 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	while (rarr_json_next_element(&it, &value))
	{
		SeriesEntry *entry;
		bool found;
		int64 id;

		CHECK_FOR_INTERRUPTS();
		if (!rarr_json_is_object(&value) ||
			!rarr_json_member(value.val.binary.data, "seriesId", &value) ||
			rarr_json_int(&value, &id) != NULL)
			continue;
		entry = hash_search(import->series, &id, HASH_ENTER, &found);
		if (found)
			continue;
		memset(&entry->found, 0, sizeof(SeriesEntry) - offsetof(SeriesEntry, found));
		entry->monitored = true;
		rarr_import_add_id(import, &import->scope, id);
	}
}

/*
 * Look up the series that the episodes mention, among those of the call, which
 * are written already, and those of calls before.
 */
void
rarr_import_load_series(Import *import, Jsonb *episodes)
{
	const char *sql =
		"SELECT k.service_id, CAST(k.media_id AS pg_catalog.uuid), k.payload,"
		" pg_catalog.left(k.sort_title, " MAX_SORT_TITLE ")"
		" FROM researcharr.tracked_items AS k"
		" JOIN researcharr.series AS s ON s.media_id" EQ "k.media_id"
		" WHERE k.instance_id" EQ "$1 AND k.kind" EQ "'series' AND k.service_id" EQ "ANY ($2)";
	Oid types[] = {UUIDOID, INT8ARRAYOID};
	MemoryContext old = MemoryContextSwitchTo(import->context);
	Datum values[] = {UUIDPGetDatum(&import->instance_id), (Datum) 0};

	collect_series(import, episodes);
	values[1] = rarr_import_id_array(&import->scope);
	if (SPI_execute_with_args(sql, 2, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look for the series of episodes");
	MemoryContextSwitchTo(import->context); /* SPI leaves its own */
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		TupleDesc desc = SPI_tuptable->tupdesc;
		bool isnull;
		int64 id = DatumGetInt64(SPI_getbinval(row, desc, 1, &isnull));
		SeriesEntry *entry = hash_search(import->series, &id, HASH_FIND, NULL);

		if (entry == NULL)
			continue;
		entry->found = true;
		entry->media_id = *DatumGetUUIDP(SPI_getbinval(row, desc, 2, &isnull));
		read_flags(entry, DatumGetJsonbP(SPI_getbinval(row, desc, 3, &isnull)));
		entry->sort_title = SPI_getvalue(row, desc, 4);
	}
	SPI_freetuptable(SPI_tuptable);
	MemoryContextSwitchTo(old);
}

/* Get the media row of the series with this id.  Returns false if there is none. */
bool
rarr_import_find_series(Import *import, int64 source_id, pg_uuid_t *media_id)
{
	SeriesEntry *entry = hash_search(import->series, &source_id, HASH_FIND, NULL);

	if (entry == NULL || !entry->found)
		return false;
	*media_id = entry->media_id;
	return true;
}

/*
 * Get what a season and its series say for an episode.  If they are unknown,
 * *profile is 0 and *sort_title is NULL.  Returns false if the series is unknown.
 */
bool
rarr_import_season_flags(Import *import, int64 source_id, int32 season, bool *monitored,
						 int32 *profile, const char **sort_title)
{
	SeriesEntry *entry = hash_search(import->series, &source_id, HASH_FIND, NULL);

	if (entry == NULL || !entry->found)
		return false;
	*monitored = entry->monitored && !bms_is_member(Min(season, MAX_SEASON + 1), entry->unmonitored);
	*profile = entry->profile;
	*sort_title = entry->sort_title;
	return true;
}

/*
 * Bring what a series says for its episodes to the episodes that are not in
 * the call, for the series in it.
 */
void
rarr_import_cascade_flags(Import *import)
{
	const char *sql =
		"UPDATE researcharr.tracked_items AS e SET monitored = x.monitored, quality_profile_id = x.profile,"
		" sort_title = x.sort_title"
		" FROM (SELECT k.id, v.monitored, v.profile, v.sort_title"
		" FROM researcharr.tracked_items AS s"
		" JOIN researcharr.episodes AS p ON p.series_id" EQ "s.media_id"
		" JOIN researcharr.tracked_items AS k ON k.media_id" EQ "p.media_id AND k.instance_id" EQ "s.instance_id"
		" CROSS JOIN LATERAL (SELECT COALESCE(k.payload OPERATOR(pg_catalog.->) 'monitored'" EQ "'true', false)"
		" AND COALESCE(s.payload OPERATOR(pg_catalog.->) 'monitored' OPERATOR(pg_catalog.<>) 'false', true)"
		" AND NOT EXISTS (SELECT FROM pg_catalog.jsonb_array_elements("
		"CASE WHEN pg_catalog.jsonb_typeof(s.payload OPERATOR(pg_catalog.->) 'seasons')" EQ "'array'"
		" THEN s.payload OPERATOR(pg_catalog.->) 'seasons' ELSE CAST('[]' AS pg_catalog.jsonb) END) AS n (season)"
		" WHERE n.season OPERATOR(pg_catalog.->>) 'seasonNumber'" EQ "CAST(p.season_number AS pg_catalog.text)"
		" AND n.season OPERATOR(pg_catalog.->) 'monitored'" EQ "'false'),"
		" COALESCE(s.quality_profile_id, k.quality_profile_id),"
		" CASE WHEN s.sort_title IS NULL THEN k.sort_title"
		/* keep the place that this instance gave: the row may have that of another one */
		" ELSE pg_catalog.concat(pg_catalog.left(s.sort_title, " MAX_SORT_TITLE "),"
		" CASE WHEN k.sort_title OPERATOR(pg_catalog.~) '  [0-9]{5}x[0-9]{5}$' THEN pg_catalog.right(k.sort_title, 13)"
		" ELSE pg_catalog.concat('  ', pg_catalog.lpad(CAST(LEAST(p.season_number, 99999) AS pg_catalog.text), 5, '0'), 'x',"
		" pg_catalog.lpad(CAST(LEAST(p.episode_number, 99999) AS pg_catalog.text), 5, '0')) END) END)"
		" AS v (monitored, profile, sort_title)"
		" WHERE s.instance_id" EQ "$1 AND s.kind" EQ "'series' AND s.service_id" EQ "ANY ($2)"
		" AND pg_catalog.record_ne(ROW(k.monitored, k.quality_profile_id, k.sort_title), ROW(v.monitored, v.profile, v.sort_title))"
		" ORDER BY k.id FOR NO KEY UPDATE OF k) AS x"
		" WHERE e.id" EQ "x.id";
	Oid types[] = {UUIDOID, INT8ARRAYOID};
	Datum values[] = {UUIDPGetDatum(&import->instance_id), rarr_import_id_array(&import->changed_series)};

	if (import->changed_series.count > 0 &&
		SPI_execute_with_args(sql, 2, types, values, NULL, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not update the tracked episodes of series");
}
