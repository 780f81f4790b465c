/*
 * sync.c
 *		media_sync_radarr() and media_sync_sonarr(): bring what an instance of
 *		Radarr or Sonarr has into the library.
 *
 * Each object has a row in tracked_items, which belongs to a media row.
 * Instances can share media rows.
 */
#include "postgres.h"

#include <math.h>

#include "funcapi.h"
#include "utils/builtins.h"

#include "base/args.h"
#include "data/import/state.h"

#define DEFAULT_MAX_REMOVED 0.2f

/* Get argument n as max_removed.  Raises 22023 unless it is from 0 to 1. */
static float4
max_removed_argument(FunctionCallInfo fcinfo, int n)
{
	float4 max_removed = PG_ARGISNULL(n) ? DEFAULT_MAX_REMOVED : PG_GETARG_FLOAT4(n);

	if (isnan(max_removed) || max_removed < 0 || max_removed > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_removed must be from 0 to 1, not %g", max_removed),
				 errhint("It is the share of the tracked items that a complete call may remove.")));
	return max_removed;
}

static Import *
begin_sync(FunctionCallInfo fcinfo, const char *command, const char *service, bool complete)
{
	Import *import;

	RARR_REQUIRE_ARG(0, "instance");
	import = rarr_import_make();
	import->synchronizes = true;
	import->complete = complete;
	rarr_import_begin(import, command, text_to_cstring(PG_GETARG_TEXT_PP(0)), service, false);
	return import;
}

/* Refuse a complete call without objects, unless it may remove everything. */
static void
check_not_empty(Import *import, int nobjects, float4 max_removed)
{
	if (!import->complete || nobjects > 0 || max_removed == 1)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("a complete answer without objects would remove all " INT64_FORMAT " tracked items of instance \"%s\"",
					import->tracked, import->instance_name),
			 errhint("If the instance is really empty, pass max_removed => 1. A series that has no episodes needs no call for them.")));
}

static Datum
end_sync(FunctionCallInfo fcinfo, Import *import)
{
	TupleDesc desc;
	Datum values[8];
	bool nulls[8] = {false};

	rarr_import_finish(import);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = Int32GetDatum(import->created);
	values[1] = Int32GetDatum(import->updated);
	values[2] = Int32GetDatum(import->unchanged);
	values[3] = Int32GetDatum(import->moved);
	values[4] = Int32GetDatum(import->removed);
	values[5] = Int32GetDatum(import->failed);
	values[6] = JsonbPGetDatum(rarr_import_list(import->warnings, IMPORT_LISTED_ERRORS));
	values[7] = JsonbPGetDatum(rarr_import_list(import->errors, IMPORT_LISTED_ERRORS));
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/*
 * media_sync_radarr(instance text, movies jsonb, complete boolean, max_removed
 * real) returns (created int, updated int, unchanged int, moved int, removed
 * int, failed int, warnings jsonb, errors jsonb)
 *
 * If complete is true, movies that are absent are not tracked any more.  Raises
 * 22004 if instance or movies is NULL, and 22023 for an unknown instance or one
 * of Sonarr, if movies is not an array or has an object of Sonarr, and if a
 * complete call would remove more than the share max_removed.
 */
PG_FUNCTION_INFO_V1(researcharr_media_sync_radarr);
Datum
researcharr_media_sync_radarr(PG_FUNCTION_ARGS)
{
	bool complete = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
	Jsonb *movies = rarr_import_array(fcinfo, 1, "movies", "/api/v3/movie", complete);
	float4 max_removed = max_removed_argument(fcinfo, 3);
	Import *import = begin_sync(fcinfo, "media_sync_radarr()", "radarr", complete);

	check_not_empty(import, JB_ROOT_COUNT(movies), max_removed);
	rarr_import_run_array(import, &rarr_import_movies, movies);
	rarr_import_remove(import, &rarr_import_movies, max_removed);
	PG_RETURN_DATUM(end_sync(fcinfo, import));
}

/*
 * media_sync_sonarr(instance text, series jsonb, episodes jsonb, complete
 * boolean, max_removed real) returns (created int, updated int, unchanged int,
 * moved int, removed int, failed int, warnings jsonb, errors jsonb)
 *
 * If complete is true, absent series are not tracked any more, unless series is
 * empty; nor are absent episodes of the series in the call, unless episodes is
 * empty.  Raises the errors of media_sync_radarr().
 */
PG_FUNCTION_INFO_V1(researcharr_media_sync_sonarr);
Datum
researcharr_media_sync_sonarr(PG_FUNCTION_ARGS)
{
	bool complete = !PG_ARGISNULL(3) && PG_GETARG_BOOL(3);
	Jsonb *series = rarr_import_array(fcinfo, 1, "series", "/api/v3/series", complete);
	Jsonb *episodes = rarr_import_array(fcinfo, 2, "episodes", "/api/v3/episode", complete);
	float4 max_removed = max_removed_argument(fcinfo, 4);
	Import *import = begin_sync(fcinfo, "media_sync_sonarr()", "sonarr", complete);

	check_not_empty(import, JB_ROOT_COUNT(series) + JB_ROOT_COUNT(episodes), max_removed);
	rarr_import_run_array(import, &rarr_import_series, series);
	rarr_import_load_series(import, episodes);
	rarr_import_run_array(import, &rarr_import_episodes, episodes);
	rarr_import_remove(import, &rarr_import_series, max_removed);
	rarr_import_cascade_flags(import);
	PG_RETURN_DATUM(end_sync(fcinfo, import));
}
