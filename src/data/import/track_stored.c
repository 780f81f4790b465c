/*
 * track_stored.c
 *		Make tracked items of what imports have stored before version 1.13.
 *
 * Only the script that updates the extension to that version calls this.  The
 * objects are read as an import reads them, but only tracked items are written.
 * A write to media and its kin could fire users' triggers, which would run with
 * the rights of whoever updates the extension.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "utils/builtins.h"

#include "base/args.h"
#include "data/import/state.h"

static const ImportKind *
kind_argument(FunctionCallInfo fcinfo, int n)
{
	static const ImportKind *const kinds[] = {
		&rarr_import_movies, &rarr_import_series, &rarr_import_episodes};
	char *name;

	RARR_REQUIRE_ARG(n, "kind");
	name = text_to_cstring(PG_GETARG_TEXT_PP(n));
	for (int i = 0; i < lengthof(kinds); i++)
		if (strcmp(kinds[i]->type, name) == 0)
			return kinds[i];
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no kind \"%s\"", name),
			 errhint("Use movie, series or episode.")));
}

/* Get the ids of the media rows, one for each object. */
static pg_uuid_t *
media_argument(FunctionCallInfo fcinfo, int n, int nobjects)
{
	pg_uuid_t *ids;
	Datum *elements;
	int count;

	RARR_REQUIRE_ARG(n, "media");
	elements = rarr_array_argument(fcinfo, n, "media", UUIDOID, false, NULL, &count);
	if (count != nobjects)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there are %d media rows and %d objects", count, nobjects)));
	ids = palloc(sizeof(pg_uuid_t) * Max(count, 1));
	for (int i = 0; i < count; i++)
		ids[i] = *DatumGetUUIDP(elements[i]);
	return ids;
}

/*
 * track_stored(kind text, media uuid[], objects jsonb) returns int
 *
 * Tracks media rows in the default instance of the kind's service.  Each has an
 * object, at the same position.  Returns how many are tracked: one whose object
 * cannot be imported is not.  Raises 0A000 outside of a script.
 */
PG_FUNCTION_INFO_V1(researcharr_track_stored);
Datum
researcharr_track_stored(PG_FUNCTION_ARGS)
{
	const ImportKind *kind;
	Jsonb *objects;
	Import *import;

	if (!creating_extension)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("this function can only be called by CREATE EXTENSION and ALTER EXTENSION UPDATE")));
	kind = kind_argument(fcinfo, 0);
	objects = rarr_import_array(fcinfo, 2, "objects", "/api/v3", false);
	import = rarr_import_make();
	import->known_media = media_argument(fcinfo, 1, JB_ROOT_COUNT(objects));
	rarr_import_begin(import, "track_stored()", kind->service, kind->service, true);
	if (kind == &rarr_import_episodes)
		rarr_import_load_series(import, objects);
	rarr_import_run_array(import, kind, objects);
	SPI_finish();
	PG_RETURN_INT32(import->total - import->failed);
}
