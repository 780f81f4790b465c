/*
 * identify.c
 *		Find the rows that items stand for, and how the items differ from them.
 *
 * The service's own id is looked up first, then the external id, then what
 * else identifies an object.  But services also give their ids to other
 * objects, for example after they were set up anew.  So a row with another
 * external id is not the item's if an object of the call has that external id.
 * It is not, either, if another instance tracks the row, which then still means
 * what it says.
 *
 * A tracked item stays with its media row, and so do its searches and jobs: if
 * the service gives the object another id, the tracked item gets it too.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "nodes/params.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/uuid.h"

#include "base/jit.h"
#include "base/uuid.h"
#include "data/import/state.h"

/* Return an item's value for a parameter. */
static Datum
item_value(ImportItem *item, int param, bool *isnull)
{
	Datum value = (Datum) 0;

	if (param >= PARAM_FIELDS)
	{
		*isnull = item->nulls[param - PARAM_FIELDS];
		return item->values[param - PARAM_FIELDS];
	}
	if (param >= PARAM_TRACKED)
	{
		*isnull = item->tracked_nulls[param - PARAM_TRACKED];
		return item->tracked[param - PARAM_TRACKED];
	}
	*isnull = (param == PARAM_SERVICE_ID && !item->has_source_id) ||
			  (param == PARAM_ITEM_ID && !item->has_item);
	if (param == PARAM_GIVEN)
		return Int32GetDatum(item->given);
	if (param == PARAM_SERVICE_ID)
		return Int64GetDatum(item->source_id);
	value = param == PARAM_ID          ? UUIDPGetDatum(&item->media_id) :
			param == PARAM_ITEM_ID     ? UUIDPGetDatum(&item->item_id) :
			param == PARAM_EXTERNAL_ID ? item->external_id :
			param == PARAM_TITLE       ? item->title :
			param == PARAM_EXTRA       ? item->extra :
										 item->payload;
	*isnull |= value == (Datum) 0;
	return value;
}

/* Run a statement over the items, and return the number of rows processed. */
uint64
rarr_import_run(Import *import, const ImportKind *kind, ImportPlan *plan, ImportItem **items,
				int nitems)
{
	Datum values[IMPORT_FIXED_PARAMS + IMPORT_MAX_PARAMS];
	SPIExecuteOptions options = {0};
	MemoryContext cxt = CurrentMemoryContext;
	Datum *elements = palloc(sizeof(Datum) * Max(nitems, 1));
	bool *nulls = palloc(sizeof(bool) * Max(nitems, 1));
	int nvalues = 0;
	int lower = 1;
	int result;

	if (nitems == 0)
		return 0;
	values[nvalues++] = UUIDPGetDatum(&import->instance_id);
	values[nvalues++] = import->volatile_members;
	for (int param = 0; param < PARAM_FIELDS + kind->nfields; param++)
	{
		Oid type = rarr_import_param_type(kind, param);
		int16 length;
		bool by_value;
		char alignment;

		if ((plan->params & ((uint32) 1 << param)) == 0)
			continue;
		for (int i = 0; i < nitems; i++)
			elements[i] = item_value(items[i], param, &nulls[i]);
		get_typlenbyvalalign(type, &length, &by_value, &alignment);
		values[nvalues++] = PointerGetDatum(construct_md_array(elements, nulls, 1, &nitems, &lower,
															   type, length, by_value, alignment));
	}
	options.params = makeParamList(nvalues);
	for (int i = 0; i < nvalues; i++)
		options.params->params[i] = (ParamExternData){values[i], false, PARAM_FLAG_CONST, SPI_getargtypeid(plan->plan, i)};
	result = rarr_jit_execute(plan->plan, &options);
	MemoryContextSwitchTo(cxt); /* SPI leaves its own, which lives longer */
	if (result < 0)
		elog(ERROR, "could not write an import: %s", SPI_result_code_string(result));
	return SPI_processed;
}

/* Is this identity that of another object of the call? */
static bool
is_of_another(Import *import, const ImportItem *item, const char *identity)
{
	int first = rarr_import_first(import, identity);

	return first >= 0 && first != item->index;
}

/*
 * Can the item stand for the row that has its service id?  An import does not say
 * which instance the objects are of.  So one of another title and external id is
 * another instance's object.
 */
static bool
accept_by_service_id(Import *import, ImportItem *item, const pg_uuid_t *id, const char *known_as,
					 const char *title)
{
	if (known_as == NULL ||
		(item->external_id != (Datum) 0 && strcmp(known_as, TextDatumGetCString(item->external_id)) == 0))
		return true;
	if (is_of_another(import, item, psprintf(IMPORT_EXTERNAL_ID, known_as)))
		return false;
	if (item->external_id == (Datum) 0)
		return true;
	if (!import->synchronizes && (title == NULL || strcmp(title, TextDatumGetCString(item->title)) != 0))
		return false;
	if (!rarr_import_is_shared(import, id))
		return true;

	/* the object has become another one here, but not where the row is tracked, too */
	item->has_item = true;
	item->item_id = item->key_holder;
	return false;
}

/*
 * Consider a row of the find statement.  The first that the item can stand for
 * is its media row.
 */
static void
consider(Import *import, ImportItem *item, HeapTuple row, TupleDesc desc)
{
	bool isnull;
	bool no_service_id;
	int rank = DatumGetInt32(SPI_getbinval(row, desc, 2, &isnull));
	pg_uuid_t *id = DatumGetUUIDP(SPI_getbinval(row, desc, 3, &isnull));
	char *known_as = SPI_getvalue(row, desc, 4);
	int64 service_id = DatumGetInt64(SPI_getbinval(row, desc, 5, &no_service_id));
	Datum holder = SPI_getbinval(row, desc, 6, &isnull);
	bool accepted = true;

	if (rank == 0)
	{
		item->has_key_holder = true;
		item->key_holder = *DatumGetUUIDP(holder);
		accepted = accept_by_service_id(import, item, id, known_as, SPI_getvalue(row, desc, 7));
		item->by_service_id = accepted;
	}
	else if (item->found)
	{
		if (rank == 1 && item->by_service_id && memcmp(id, &item->media_id, UUID_LEN) != 0)
		{
			item->conflicts = true;
			item->other = *id;
		}
		return;
	}
	else if (rank == 2)
		accepted = !(known_as != NULL &&
					 is_of_another(import, item, psprintf(IMPORT_EXTERNAL_ID, known_as))) &&
				   !(!no_service_id && service_id != item->source_id &&
					 is_of_another(import, item, psprintf(IMPORT_SERVICE_ID, service_id)));
	if (!accepted)
		return;
	item->found = true;
	item->media_id = *id;
}

/* Fail an item if another object stands for the same row. */
static void
check_single(Import *import, const ImportKind *kind, ImportItem *item)
{
	Datum id = UUIDPGetDatum(&item->media_id);
	int first = rarr_import_seen(import,
								 psprintf("media %s", DatumGetCString(DirectFunctionCall1(uuid_out, id))),
								 item->index);

	if (first != item->index)
		rarr_import_fail(import, kind, item, ERRCODE_UNIQUE_VIOLATION,
						 psprintf("the object stands for the same %s as object %d", kind->type, first));
}

/* Find the items' media rows. */
static void
find(Import *import, ImportPlans *plans, ImportItem **items, int nitems)
{
	uint64 found = rarr_import_run(import, plans->kind, &plans->find, items, nitems);
	SPITupleTable *rows = SPI_tuptable;
	bool conflict = false;

	for (uint64 i = 0; i < found; i++)
	{
		bool isnull;
		int64 n = DatumGetInt64(SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &isnull));

		consider(import, items[n - 1], rows->vals[i], rows->tupdesc);
	}
	if (nitems > 0)
		SPI_freetuptable(rows);
	for (int i = 0; i < nitems; i++)
		conflict |= items[i]->conflicts;
	if (conflict)
		rarr_import_lock_merges(plans->kind, items, nitems);
	for (int i = 0; i < nitems; i++)
	{
		if (items[i]->conflicts)
			rarr_import_merge(import, items[i]);
		if (items[i]->found)
			check_single(import, plans->kind, items[i]);
	}
}

/* Take the items' media rows from the caller. */
static void
take_known(Import *import, ImportItem **items, int nitems)
{
	for (int i = 0; i < nitems; i++)
	{
		items[i]->found = true;
		items[i]->media_id = import->known_media[items[i]->index];
	}
}

/* Read a row of the compare statement into its item. */
static void
take_comparison(ImportItem *item, HeapTuple row, TupleDesc desc)
{
	bool isnull;
	Datum id;

	item->media_differs = DatumGetBool(SPI_getbinval(row, desc, 2, &isnull));
	item->row_differs = DatumGetBool(SPI_getbinval(row, desc, 3, &isnull));
	item->moves = DatumGetBool(SPI_getbinval(row, desc, 4, &isnull));
	item->gets_id = DatumGetBool(SPI_getbinval(row, desc, 5, &isnull));
	item->is_moved |= DatumGetBool(SPI_getbinval(row, desc, 6, &isnull));
	id = SPI_getbinval(row, desc, 7, &isnull);
	if (!isnull)
	{
		item->has_item = true;
		item->item_id = *DatumGetUUIDP(id);
		item->is_moved |= DatumGetInt64(SPI_getbinval(row, desc, 8, &isnull)) != item->source_id;
		item->item_differs = DatumGetBool(SPI_getbinval(row, desc, 9, &isnull));
	}
	else if (item->has_item)
		item->is_moved = item->item_differs = true;
}

/* Compare the items with the rows that were found. */
static void
compare(Import *import, ImportPlans *plans, ImportItem **items, int nitems)
{
	uint64 found = rarr_import_run(import, plans->kind, &plans->compare, items, nitems);
	SPITupleTable *rows = SPI_tuptable;

	for (uint64 i = 0; i < found; i++)
	{
		bool isnull;
		int64 n = DatumGetInt64(SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &isnull));

		take_comparison(items[n - 1], rows->vals[i], rows->tupdesc);
	}
	if (nitems > 0)
		SPI_freetuptable(rows);
}

static bool
is_key_holder(const ImportItem *item)
{
	return item->has_item && memcmp(&item->item_id, &item->key_holder, UUID_LEN) == 0;
}

/* Decide what becomes of an item. */
static void
decide(Import *import, ImportItem *item)
{
	if (import->known_media != NULL)
		item->media_differs = item->row_differs = item->gets_id = item->moves = false;
	item->takes_key = item->has_key_holder && !is_key_holder(item);
	if (!item->found)
	{
		rarr_uuid_v7(&item->media_id);
		item->row_differs = true;
		item->item_differs = item->has_item;
		item->state = IMPORT_CREATED;
	}
	else
		item->state = item->media_differs || item->row_differs || item->gets_id || item->item_differs ||
							  (item->has_source_id && !item->has_item) ?
						  IMPORT_UPDATED :
						  IMPORT_UNCHANGED;
}

/*
 * Take the items that are as they were stored: they stay unchanged.  Puts the
 * others into others, and returns how many there are.
 */
static int
take_same(Import *import, ImportPlans *plans, ImportItem **items, int nitems, ImportItem **others)
{
	uint64 found = rarr_import_run(import, plans->kind, &plans->same, items, nitems);
	SPITupleTable *rows = SPI_tuptable;
	int n = 0;

	for (uint64 i = 0; i < found; i++)
	{
		bool isnull;
		ImportItem *item = items[DatumGetInt64(SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &isnull)) - 1];

		item->found = item->has_item = true;
		item->media_id = *DatumGetUUIDP(SPI_getbinval(rows->vals[i], rows->tupdesc, 2, &isnull));
		item->state = IMPORT_UNCHANGED;
		check_single(import, plans->kind, item);
	}
	if (nitems > 0)
		SPI_freetuptable(rows);
	for (int i = 0; i < nitems; i++)
		if (items[i]->state == IMPORT_PENDING)
			others[n++] = items[i];
	return n;
}

/*
 * Find the rows that the items stand for, and what of them differs.  Items that
 * stand for none get a new media id.  Merges media rows if a service says that
 * two of them are one.
 */
void
rarr_import_identify(Import *import, ImportPlans *plans, ImportItem **items, int nitems)
{
	ImportItem **rest = palloc(sizeof(ImportItem *) * Max(nitems, 1));
	ImportItem **found = palloc(sizeof(ImportItem *) * Max(nitems, 1));
	int nfound = 0;

	if (import->known_media != NULL)
	{
		take_known(import, items, nitems);
		memcpy(rest, items, sizeof(ImportItem *) * nitems);
	}
	else
	{
		nitems = take_same(import, plans, items, nitems, rest);
		find(import, plans, rest, nitems);
	}
	for (int i = 0; i < nitems; i++)
		if (rest[i]->found && rest[i]->state != IMPORT_FAILED)
			found[nfound++] = rest[i];
	compare(import, plans, found, nfound);
	for (int i = 0; i < nitems; i++)
		if (rest[i]->state != IMPORT_FAILED)
			decide(import, rest[i]);
}
