/*
 * kinds.c
 *		The kinds of objects that Radarr and Sonarr have: which member is which
 *		column, and how statements find the same media row without an id.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "data/import/state.h"

static const RarrRule series_id_rule =
	{.field = "series_id", .kind = RARR_RULE_INT, .required = true, .min = 1, .max = PG_INT64_MAX};

/* a series has no column for it: it only identifies series without an id */
static const RarrRule series_year_rule =
	{.field = "year", .kind = RARR_RULE_INT, .min = 0, .max = PG_INT32_MAX};

static const ImportField movie_fields[] =
	{
		{"tmdbId", "tmdb_id", INT4OID, &rarr_rule_tmdb_id, .identifies = true, .stored = true, .zero_is_unknown = true},
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
		{"tvdbId", "tvdb_id", INT4OID, &rarr_rule_tvdb_id, .identifies = true, .stored = true, .zero_is_unknown = true},
		{"year", "year", INT4OID, &series_year_rule, .in_metadata = true, .zero_is_unknown = true},
		{"statistics.seasonCount", "seasons", INT4OID, &rarr_rule_seasons, .stored = true, .in_metadata = true},
		{"statistics.totalEpisodeCount", "episodes", INT4OID, &rarr_rule_episodes,
		 .stored = true, .in_metadata = true},
};

static const ImportField episode_fields[] =
	{
		{"tvdbId", "tvdb_id", INT4OID, &rarr_rule_tvdb_id, .identifies = true, .zero_is_unknown = true},
		{"seriesId", "series_id", UUIDOID, &series_id_rule, .identifies = true, .stored = true},
		{"seasonNumber", "season_number", INT4OID, &rarr_rule_season_number, .identifies = true, .stored = true},
		{"episodeNumber", "episode_number", INT4OID, &rarr_rule_episode_number, .identifies = true, .stored = true},
		{"airDate", "air_date", DATEOID, &rarr_rule_air_date, .stored = true},
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
