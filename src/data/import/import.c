/*
 * import.c
 *		media_import_radarr() and media_import_sonarr(): import a whole library
 *		from the arrays that the v3 APIs of Radarr and Sonarr return.
 *
 * An array is read object by object (read.c) into batches, and each batch is
 * written with a few set-based statements (write.c).  An object that cannot be
 * imported is reported with its position and the reason; the others are
 * imported.
 *
 * Imports from the same service are serialized: media without an external id
 * are identified by title and year, which no unique constraint covers.
 */
#include "postgres.h"

#include "catalog/pg_proc.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"

#include "base/args.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/schema.h"
#include "data/import/state.h"

#define BATCH_ITEMS 500
#define BATCH_BYTES (4 * 1024 * 1024)

/* maximum number of errors in the DETAIL of a strict import */
#define SHOWN_ERRORS 10

/* Write a batch.  A strict import that has already failed writes nothing. */
static void
flush(Import *import, ImportPlans *plans, ImportItem *items, int nitems)
{
	if (nitems > 0 && !(import->strict && import->failed > 0))
		rarr_import_write(import, plans, items, nitems);
	MemoryContextReset(import->batch_context);
}

/* Record the external ids in the array. */
static void
note_external_ids(Import *import, const ImportKind *kind, Jsonb *array)
{
	JsonbIterator *it = JsonbIteratorInit(&array->root);
	JsonbValue object;
	int index = 0;

	rarr_import_begin_array(import);
	while (rarr_json_next_element(&it, &object))
	{
		MemoryContext old = MemoryContextSwitchTo(import->batch_context);

		CHECK_FOR_INTERRUPTS();
		rarr_import_note_external_id(import, kind, &object, index++);
		MemoryContextSwitchTo(old);
		if (index % BATCH_ITEMS == 0)
			MemoryContextReset(import->batch_context);
	}
}

/* Import an array of objects of one kind.  Requires an SPI connection. */
static void
import_array(Import *import, const ImportKind *kind, Jsonb *array)
{
	MemoryContext old = MemoryContextSwitchTo(import->context);
	ImportPlans *plans = rarr_import_prepare(kind);
	ImportItem *items = palloc(sizeof(ImportItem) * BATCH_ITEMS);
	JsonbIterator *it;
	JsonbValue object;
	Size bytes = 0;
	int nitems = 0;
	int index = 0;

	note_external_ids(import, kind, array);
	it = JsonbIteratorInit(&array->root);
	while (rarr_json_next_element(&it, &object))
	{
		ImportItem *item = &items[nitems];

		CHECK_FOR_INTERRUPTS();
		memset(item, 0, sizeof(ImportItem));
		item->index = index++;

		MemoryContextSwitchTo(import->batch_context);
		if (rarr_import_read(import, kind, &object, item))
		{
			nitems++;
			bytes += VARSIZE_ANY(DatumGetPointer(item->extra));
		}
		if (nitems == BATCH_ITEMS || bytes >= BATCH_BYTES)
		{
			flush(import, plans, items, nitems);
			nitems = 0;
			bytes = 0;
		}
		MemoryContextSwitchTo(import->context);
	}
	MemoryContextSwitchTo(import->batch_context);
	flush(import, plans, items, nitems);
	MemoryContextSwitchTo(old);

	import->total += index;
	hash_destroy(import->seen);
}

/* Look up the episodes' series that only earlier imports had. */
static void
find_old_series(Import *import, Jsonb *episodes)
{
	MemoryContext old = MemoryContextSwitchTo(import->context);
	JsonbIterator *it = JsonbIteratorInit(&episodes->root);
	JsonbValue value;
	Datum *ids = palloc(sizeof(Datum) * Max(JB_ROOT_COUNT(episodes), 1));
	int nids = 0;

	while (rarr_json_next_element(&it, &value))
	{
		int64 id;

		if (rarr_json_is_object(&value) &&
			rarr_json_member(value.val.binary.data, "seriesId", &value) &&
			rarr_json_int(&value, &id) == NULL && rarr_import_expect_series(import, id))
			ids[nids++] = Int64GetDatum(id);
	}
	rarr_import_find_old_series(import, ids, nids);
	MemoryContextSwitchTo(old);
}

/* By array, then by position. */
static int
compare_errors(const ListCell *a, const ListCell *b)
{
	const ImportError *x = lfirst(a);
	const ImportError *y = lfirst(b);

	if (x->kind != y->kind)
		return x->kind == &rarr_import_series ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Return the first errors as a JSON array. */
static Jsonb *
list_errors(Import *import, int limit)
{
	JsonbParseState *state = NULL;
	ListCell *cell;

	list_sort(import->errors, compare_errors);
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	foreach (cell, import->errors)
	{
		ImportError *error = lfirst(cell);

		if (foreach_current_index(cell) >= limit)
			break;
		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		rarr_json_put_text(&state, "source", error->kind->source);
		rarr_json_put_int(&state, "index", error->index);
		rarr_json_put_text(&state, "sqlstate", pstrdup(unpack_sql_state(error->sqlstate)));
		rarr_json_put_text(&state, "message", error->message);
		pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

/* Raise an error if a strict import has failed items. */
static void
check_strict(Import *import)
{
	Jsonb *errors;

	if (!import->strict || import->failed == 0)
		return;
	errors = list_errors(import, SHOWN_ERRORS);
	ereport(ERROR,
			(errcode(ERRCODE_RARR_VALIDATION),
			 errmsg("%d of %d objects cannot be imported", import->failed, import->total),
			 errdetail("%s", JsonbToCString(NULL, &errors->root, VARSIZE(errors))),
			 errhint("Nothing was imported. Without \"strict\" the others are imported and these are reported.")));
}

/* Get array argument n.  Raises 22004 for NULL, and 22023 for others. */
static Jsonb *
array_argument(FunctionCallInfo fcinfo, int n, const char *name, const char *resource)
{
	Jsonb *array;

	RARR_REQUIRE_ARG(n, name);
	array = PG_GETARG_JSONB_P(n);
	if (!JB_ROOT_IS_ARRAY(array) || JB_ROOT_IS_SCALAR(array))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be a JSON array, not %s", name,
						JB_ROOT_IS_OBJECT(array) ? "an object" : "a single value"),
				 errhint("Pass the response of GET %s.", resource)));
	return array;
}

/* Begin an import.  Waits for another import from the same service to end. */
static Import *
begin_import(FunctionCallInfo fcinfo, const char *command, bool strict)
{
	Import *import = palloc0(sizeof(Import));

	rarr_prevent_read_only(command);
	LockDatabaseObject(ProcedureRelationId, fcinfo->flinfo->fn_oid, 0, ShareUpdateExclusiveLock);

	import->strict = strict;
	import->context = AllocSetContextCreate(CurrentMemoryContext, "researcharr import",
											ALLOCSET_DEFAULT_SIZES);
	import->batch_context = AllocSetContextCreate(import->context, "researcharr import batch",
												  ALLOCSET_DEFAULT_SIZES);
	rarr_import_begin_series(import);
	SPI_connect();
	return import;
}

/* Return the function's result, or raise an error if a strict import failed. */
static Datum
end_import(FunctionCallInfo fcinfo, Import *import)
{
	TupleDesc desc;
	Datum values[5];
	bool nulls[5] = {false};

	SPI_finish();
	check_strict(import);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	values[0] = Int32GetDatum(import->created);
	values[1] = Int32GetDatum(import->updated);
	values[2] = Int32GetDatum(import->unchanged);
	values[3] = Int32GetDatum(import->failed);
	values[4] = JsonbPGetDatum(list_errors(import, IMPORT_LISTED_ERRORS));
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/*
 * media_import_radarr(movies jsonb, strict boolean) returns (created int,
 * updated int, unchanged int, failed int, errors jsonb)
 *
 * Raises 22004 for NULL, and 22023 if movies is not an array.  If strict is
 * true, an object that cannot be imported raises RA003, and nothing is
 * imported.
 */
PG_FUNCTION_INFO_V1(researcharr_media_import_radarr);
Datum
researcharr_media_import_radarr(PG_FUNCTION_ARGS)
{
	Jsonb *movies = array_argument(fcinfo, 0, "movies", "/api/v3/movie");
	Import *import = begin_import(fcinfo, "media_import_radarr()",
								  !PG_ARGISNULL(1) && PG_GETARG_BOOL(1));

	import_array(import, &rarr_import_movies, movies);
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
	Jsonb *series = array_argument(fcinfo, 0, "series", "/api/v3/series");
	Jsonb *episodes = array_argument(fcinfo, 1, "episodes", "/api/v3/episode");
	Import *import = begin_import(fcinfo, "media_import_sonarr()",
								  !PG_ARGISNULL(2) && PG_GETARG_BOOL(2));

	import_array(import, &rarr_import_series, series);
	find_old_series(import, episodes);
	import_array(import, &rarr_import_episodes, episodes);
	PG_RETURN_DATUM(end_import(fcinfo, import));
}
