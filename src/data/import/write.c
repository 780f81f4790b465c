/*
 * write.c
 *		Write items to tables, hundreds at a time.
 *
 * A batch takes a few statements over arrays with one element per item: find
 * the existing media and what differs; insert new media; update those that
 * differ; write the rows of the kind's own table.
 *
 * A batch runs in a subtransaction.  If an error caused by an item (for
 * example by a user's trigger or CHECK constraint) aborts it, the batch is
 * repeated in halves, down to the single item, which is then recorded as
 * failed.  One bad item among 500 costs the time of some 18 statements.  If
 * another session inserts the same media meanwhile, ON CONFLICT detects it: the
 * batch fails, and finds the row when it is repeated.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/uuid.h"

#include "base/subtransaction.h"
#include "base/uuid.h"
#include "data/import/state.h"
#include "data/row_locks.h"

/* Return an item's value for a parameter. */
static Datum
item_value(ImportItem *item, int param, bool *isnull)
{
	Datum value;

	if (param >= PARAM_FIELDS)
	{
		*isnull = item->nulls[param - PARAM_FIELDS];
		return item->values[param - PARAM_FIELDS];
	}
	value = param == PARAM_ID          ? UUIDPGetDatum(&item->media_id) :
			param == PARAM_EXTERNAL_ID ? item->external_id :
			param == PARAM_TITLE       ? item->title :
										 item->extra;
	*isnull = value == (Datum) 0;
	return value;
}

/* Run a statement over the items, and return the number of rows processed. */
static uint64
run(ImportPlans *plans, SPIPlanPtr plan, ImportItem **items, int nitems)
{
	Datum arrays[MAX_PARAMS];
	Datum *values = palloc(sizeof(Datum) * Max(nitems, 1));
	bool *nulls = palloc(sizeof(bool) * Max(nitems, 1));
	int lower = 1;
	int result;

	if (nitems == 0)
		return 0;
	for (int param = 0; param < PARAM_FIELDS + plans->kind->nfields; param++)
	{
		int16 length;
		bool by_value;
		char alignment;

		for (int i = 0; i < nitems; i++)
			values[i] = item_value(items[i], param, &nulls[i]);
		get_typlenbyvalalign(plans->types[param], &length, &by_value, &alignment);
		arrays[param] = PointerGetDatum(construct_md_array(values, nulls, 1, &nitems, &lower,
														   plans->types[param],
														   length, by_value, alignment));
	}
	result = SPI_execute_plan(plan, arrays, NULL, false, 0);
	if (result < 0)
		elog(ERROR, "could not write an import: %s", SPI_result_code_string(result));
	return SPI_processed;
}

/* Read a row of the match statement into its item. */
static void
take_match(Import *import, const ImportKind *kind, ImportItem **items, HeapTuple row, TupleDesc desc)
{
	bool isnull;
	int64 n = DatumGetInt64(SPI_getbinval(row, desc, 1, &isnull));
	ImportItem *item = items[n - 1];
	Datum id = SPI_getbinval(row, desc, 2, &isnull);
	char *known_as = SPI_getvalue(row, desc, 6);
	int first;

	if (isnull)
		return; /* not our row: ids cannot be NULL */

	/* an episode whose place another object has taken is not this row */
	if (known_as != NULL &&
		rarr_import_first(import, psprintf(IMPORT_EXTERNAL_ID, known_as)) >= 0)
		return;

	item->media_id = *DatumGetUUIDP(id);
	item->row_differs = DatumGetBool(SPI_getbinval(row, desc, 4, &isnull));
	item->moves = DatumGetBool(SPI_getbinval(row, desc, 5, &isnull));
	item->gets_id = DatumGetBool(SPI_getbinval(row, desc, 7, &isnull));
	item->state = item->row_differs || DatumGetBool(SPI_getbinval(row, desc, 3, &isnull)) ?
					  IMPORT_UPDATED :
					  IMPORT_UNCHANGED;

	first = rarr_import_seen(import,
							 psprintf("media %s", DatumGetCString(DirectFunctionCall1(uuid_out, id))),
							 item->index);
	if (first != item->index)
		rarr_import_fail(import, kind, item, ERRCODE_UNIQUE_VIOLATION,
						 psprintf("the object stands for the same %s as object %d", kind->type, first));
}

/* Find the existing items; the others get a new media id. */
static void
match(Import *import, ImportPlans *plans, ImportItem **items, int nitems)
{
	uint64 found = run(plans, plans->match, items, nitems);
	SPITupleTable *rows = SPI_tuptable;

	for (uint64 i = 0; i < found; i++)
		take_match(import, plans->kind, items, rows->vals[i], rows->tupdesc);
	if (nitems > 0)
		SPI_freetuptable(rows);

	for (int i = 0; i < nitems; i++)
	{
		if (items[i]->state != IMPORT_PENDING)
			continue;
		rarr_uuid_v7(&items[i]->media_id);
		items[i]->row_differs = true;
		items[i]->state = IMPORT_CREATED;
	}
}

static bool
is_created(const ImportItem *item)
{
	return item->state == IMPORT_CREATED;
}

static bool
is_updated(const ImportItem *item)
{
	return item->state == IMPORT_UPDATED;
}

static bool
is_written(const ImportItem *item)
{
	return is_created(item) || is_updated(item);
}

static bool
gets_id(const ImportItem *item)
{
	return is_updated(item) && item->gets_id;
}

static bool
keeps_id(const ImportItem *item)
{
	return is_updated(item) && !item->gets_id;
}

static bool
is_moved(const ImportItem *item)
{
	return item->state == IMPORT_UPDATED && item->moves;
}

static bool
is_put(const ImportItem *item)
{
	return is_written(item) && item->row_differs;
}

static bool
is_pending(const ImportItem *item)
{
	return item->state == IMPORT_PENDING;
}

/* Select the items that satisfy the test. */
static int
choose(ImportItem *items, int nitems, bool (*test)(const ImportItem *), ImportItem **chosen)
{
	int n = 0;

	for (int i = 0; i < nitems; i++)
	{
		if (test(&items[i]))
			chosen[n++] = &items[i];
	}
	return n;
}

/*
 * Lock what the items of a batch will change, in the common order (src/README.md):
 * the series of the episodes, then media.
 */
static void
lock_items(const ImportKind *kind, ImportItem **items, int nitems)
{
	pg_uuid_t *ids = palloc(sizeof(pg_uuid_t) * Max(nitems, 1));
	RarrRowLock lock = RARR_CHANGE_ROW;
	int n;

	for (int i = 0; i < kind->nfields; i++)
	{
		if (strcmp(kind->fields[i].column, "series_id") != 0)
			continue;
		n = 0;
		for (int j = 0; j < nitems; j++)
		{
			if (!items[j]->nulls[i])
				ids[n++] = *DatumGetUUIDP(items[j]->values[i]);
		}
		rarr_lock_rows(rarr_entity(RARR_SERIES), "series", "media_id", "", RARR_KEEP_ROW, ids, n);
	}
	n = 0;
	for (int i = 0; i < nitems; i++)
	{
		if (!is_updated(items[i]))
			continue;
		ids[n++] = items[i]->media_id;
		if (items[i]->gets_id)
			lock = RARR_DELETE_ROW;
	}
	rarr_lock_rows(rarr_entity(RARR_MEDIA), "media", "id", "", lock, ids, n);
	pfree(ids);
}

static void
write_items(Import *import, ImportPlans *plans, ImportItem *items, int nitems)
{
	ImportItem **chosen = palloc(sizeof(ImportItem *) * nitems);
	int n;

	for (int i = 0; i < nitems; i++)
	{
		if (items[i].state != IMPORT_FAILED)
			items[i].state = IMPORT_PENDING;
		items[i].row_differs = items[i].moves = items[i].gets_id = false;
	}
	n = choose(items, nitems, is_pending, chosen);
	match(import, plans, chosen, n);

	n = choose(items, nitems, is_written, chosen);
	lock_items(plans->kind, chosen, n);
	n = choose(items, nitems, is_created, chosen);
	if (run(plans, plans->insert, chosen, n) < n)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("the media row was not inserted: another session was first, or a trigger prevented it")));
	n = choose(items, nitems, keeps_id, chosen);
	run(plans, plans->update, chosen, n);
	n = choose(items, nitems, gets_id, chosen);
	run(plans, plans->update_id, chosen, n);
	n = choose(items, nitems, is_moved, chosen);
	run(plans, plans->park, chosen, n);
	n = choose(items, nitems, is_put, chosen);
	run(plans, plans->put, chosen, n);
}

/* May the user read and write both tables? */
static bool
may_write(const ImportKind *kind)
{
	Oid schema = LookupExplicitNamespace("researcharr", false);
	AclMode mode = ACL_SELECT | ACL_INSERT | ACL_UPDATE;

	return pg_class_aclmask(get_relname_relid("media", schema), GetUserId(),
							mode, ACLMASK_ALL) == mode &&
		   pg_class_aclmask(get_relname_relid(kind->table, schema), GetUserId(),
							mode, ACLMASK_ALL) == mode;
}

/* Items being written. */
typedef struct Writing
{
	Import *import;
	ImportPlans *plans;
	ImportItem *items;
	int nitems;
} Writing;

static bool
write_body(void *arg)
{
	Writing *writing = arg;

	write_items(writing->import, writing->plans, writing->items, writing->nitems);
	return true;
}

/*
 * Is the error caused by the items, so that others may succeed?  It is not if
 * the server, the transaction or the session is in trouble, or if the user may
 * not write to the tables at all, rather than to this row.
 */
static bool
is_about_items(const ErrorData *error, void *arg)
{
	if (error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE)
		return may_write(((Writing *) arg)->plans->kind);
	return rarr_error_is_about_data(error);
}

/*
 * Write the items in a subtransaction.  Returns NULL, or the error that rolled
 * it back.  Errors not caused by the items are rethrown.
 */
static ErrorData *
try_items(Import *import, ImportPlans *plans, ImportItem *items, int nitems)
{
	Writing writing = {import, plans, items, nitems};
	ErrorData *error;

	(void) rarr_subtransaction(write_body, is_about_items, &writing, &error);
	return error;
}

static void
count_item(Import *import, const ImportKind *kind, const ImportItem *item)
{
	if (item->state == IMPORT_FAILED)
		return;
	if (item->state == IMPORT_CREATED)
		import->created++;
	else if (item->state == IMPORT_UPDATED)
		import->updated++;
	else
		import->unchanged++;
	if (kind == &rarr_import_series && item->has_source_id)
		rarr_import_add_series(import, item->source_id, &item->media_id);
}

/*
 * Write the items, and count the outcomes.  Requires an SPI connection, and a
 * memory context that is reset soon.
 */
void
rarr_import_write(Import *import, ImportPlans *plans, ImportItem *items, int nitems)
{
	ErrorData *error;

	CHECK_FOR_INTERRUPTS();
	error = try_items(import, plans, items, nitems);
	if (error == NULL)
	{
		for (int i = 0; i < nitems; i++)
			count_item(import, plans->kind, &items[i]);
	}
	else if (nitems == 1)
		rarr_import_fail(import, plans->kind, items, error->sqlerrcode, error->message);
	else
	{
		rarr_import_write(import, plans, items, nitems / 2);
		rarr_import_write(import, plans, items + nitems / 2, nitems - nitems / 2);
	}
}

/* Add the series of earlier imports with these Sonarr ids, an array of int8. */
void
rarr_import_find_old_series(Import *import, Datum *source_ids, int nids)
{
	const char *sql =
		"SELECT i.id, CAST(m.id AS pg_catalog.uuid) FROM pg_catalog.unnest($1) AS i (id)"
		" JOIN (researcharr.series AS s"
		" JOIN researcharr.media AS m ON m.id OPERATOR(pg_catalog.=) s.media_id)"
		" ON m.metadata OPERATOR(pg_catalog.->) 'sonarr' OPERATOR(pg_catalog.->>) 'id'"
		" OPERATOR(pg_catalog.=) CAST(i.id AS pg_catalog.text)";
	Oid type = INT8ARRAYOID;
	Datum ids = PointerGetDatum(construct_array(source_ids, nids, INT8OID, sizeof(int64),
												FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));

	if (nids == 0)
		return;
	if (SPI_execute_with_args(sql, 1, &type, &ids, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look for the series of earlier imports");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		bool isnull;
		int64 id = DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull));

		rarr_import_add_series(import, id,
							   DatumGetUUIDP(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull)));
	}
	SPI_freetuptable(SPI_tuptable);
}
