/*
 * import.c
 *		media_import_radarr() and media_import_sonarr(): import a whole library
 *		from the arrays that the v3 APIs of Radarr and Sonarr return.
 *
 * They write what sync.c's functions write, to the default instances "radarr"
 * and "sonarr", and remove nothing.  An object that cannot be imported is
 * reported with its position and the reason; the others are imported.
 */
#include "postgres.h"

#include "funcapi.h"

#include "base/errors.h"
#include "data/import/state.h"

/* maximum number of errors in the DETAIL of a strict import */
#define SHOWN_ERRORS 10

/* Raise an error if a strict import has failed items. */
static void
check_strict(Import *import)
{
	Jsonb *errors;

	if (!import->strict || import->failed == 0)
		return;
	errors = rarr_import_list(import->errors, SHOWN_ERRORS);
	ereport(ERROR,
			(errcode(ERRCODE_RARR_VALIDATION),
			 errmsg("%d of %d objects cannot be imported", import->failed, import->total),
			 errdetail("%s", JsonbToCString(NULL, &errors->root, VARSIZE(errors))),
			 errhint("Nothing was imported. Without \"strict\" the others are imported and these are reported.")));
}

static Import *
begin_import(const char *command, const char *service, bool strict)
{
	Import *import = rarr_import_make();

	import->strict = strict;
	rarr_import_begin(import, command, service, service, true);
	return import;
}

/* Return the function's result, or raise an error if a strict import failed. */
static Datum
end_import(FunctionCallInfo fcinfo, Import *import)
{
	TupleDesc desc;
	Datum values[5];
	bool nulls[5] = {false};

	if (!import->strict || import->failed == 0)
		rarr_import_remove(import, NULL, 1.0);
	rarr_import_finish(import);
	check_strict(import);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	values[0] = Int32GetDatum(import->created);
	values[1] = Int32GetDatum(import->updated);
	values[2] = Int32GetDatum(import->unchanged);
	values[3] = Int32GetDatum(import->failed);
	values[4] = JsonbPGetDatum(rarr_import_list(import->errors, IMPORT_LISTED_ERRORS));
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/*
 * media_import_radarr(movies jsonb, strict boolean) returns (created int,
 * updated int, unchanged int, failed int, errors jsonb)
 *
 * Raises 22004 for NULL, and 22023 if movies is not an array, or has an object
 * of Sonarr.  If strict is true, an object that cannot be imported raises RA003,
 * and nothing is imported.
 */
PG_FUNCTION_INFO_V1(researcharr_media_import_radarr);
Datum
researcharr_media_import_radarr(PG_FUNCTION_ARGS)
{
	Jsonb *movies = rarr_import_array(fcinfo, 0, "movies", "/api/v3/movie", false);
	Import *import = begin_import("media_import_radarr()", "radarr", !PG_ARGISNULL(1) && PG_GETARG_BOOL(1));

	rarr_import_run_array(import, &rarr_import_movies, movies);
	PG_RETURN_DATUM(end_import(fcinfo, import));
}

/*
 * media_import_sonarr(series jsonb, episodes jsonb, strict boolean) returns
 * (created int, updated int, unchanged int, failed int, errors jsonb)
 *
 * Raises the errors of media_import_radarr().
 */
PG_FUNCTION_INFO_V1(researcharr_media_import_sonarr);
Datum
researcharr_media_import_sonarr(PG_FUNCTION_ARGS)
{
	Jsonb *series = rarr_import_array(fcinfo, 0, "series", "/api/v3/series", false);
	Jsonb *episodes = rarr_import_array(fcinfo, 1, "episodes", "/api/v3/episode", false);
	Import *import = begin_import("media_import_sonarr()", "sonarr", !PG_ARGISNULL(2) && PG_GETARG_BOOL(2));

	rarr_import_run_array(import, &rarr_import_series, series);
	rarr_import_load_series(import, episodes);
	rarr_import_run_array(import, &rarr_import_episodes, episodes);
	rarr_import_cascade_flags(import);
	PG_RETURN_DATUM(end_import(fcinfo, import));
}
