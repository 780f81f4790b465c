/*-------------------------------------------------------------------------
 *
 * write.c
 *		Write items to tables, hundreds at a time.
 *
 * A batch takes a few statements over arrays with one element per item: find
 * the existing media and what differs; insert new media; update those that
 * differ; write the rows of the kind's own table.  Rows that do not differ are
 * not written.
 *
 * A batch runs in a subtransaction.  If an error caused by an item (for
 * example by a user's trigger or CHECK constraint) aborts it, the batch is
 * repeated in halves, down to the single item, which is then recorded as
 * failed.  One bad item among 500 costs the time of some 18 statements, not
 * 500.
 *
 * Imports from the same service are serialized by a lock on the function
 * itself (import.c).  If another session concurrently inserts the same media,
 * ON CONFLICT detects it: the batch fails, and finds the row when it is
 * repeated.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
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

#include "base/compat.h"
#include "base/subtransaction.h"
#include "base/uuid.h"
#include "data/import/import.h"
#include "data/row_locks.h"

/* the array parameters of every statement: these, then the kind's fields */
enum
{
	PARAM_ID,
	PARAM_EXTERNAL_ID,
	PARAM_TITLE,
	PARAM_EXTRA,
	PARAM_FIELDS
};
#define MAX_PARAMS	(PARAM_FIELDS + IMPORT_MAX_FIELDS)

struct ImportPlans
{
	const ImportKind *kind;
	Oid			types[MAX_PARAMS];	/* of the elements */
	SPIPlanPtr	match;
	SPIPlanPtr	insert;
	SPIPlanPtr	update;
	SPIPlanPtr	update_id;		/* also sets the external id */
	SPIPlanPtr	park;			/* NULL if no row can change its place */
	SPIPlanPtr	put;
};

/*
 * Return "a, b, c" of the fields, each with the prefix; optionally only stored
 * ones.
 */
static char *
columns(const ImportKind *kind, const char *prefix, bool stored_only)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < kind->nfields; i++)
	{
		if (kind->fields[i].stored || !stored_only)
			appendStringInfo(&list, "%s%s%s", list.len > 0 ? ", " : "",
							 prefix, kind->fields[i].column);
	}
	return list.data;
}

/*
 * Return the FROM item i with the items, and their position in the arrays as
 * n.
 */
static char *
items_relation(const ImportKind *kind)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < PARAM_FIELDS + kind->nfields; i++)
		appendStringInfo(&sql, "%spg_catalog.unnest($%d)", i > 0 ? ", " : "ROWS FROM (", i + 1);
	appendStringInfo(&sql, ") WITH ORDINALITY AS i (id, external_id, title, extra, %s, n)",
					 columns(kind, "", false));
	return sql.data;
}

/*
 * The statement that finds the existing items.  For each it returns the media
 * id, whether the media row differs, whether the row in the kind's table is
 * missing or differs, and whether that row changes its place.  An external id
 * takes precedence over other criteria.  If the latter identified the item,
 * "known_as" is the row's own external id, and "gets_id" tells whether it gets
 * another.
 */
static char *
match_sql(const ImportKind *kind)
{
	return psprintf("SELECT i.n, CAST(e.id AS pg_catalog.uuid), e.media_differs, e.row_differs, e.moves, e.known_as, e.gets_id FROM %s"
					" CROSS JOIN LATERAL (SELECT c.id,"
					" pg_catalog.record_ne("
					"ROW(c.title, c.external_id, c.metadata OPERATOR(pg_catalog.->) '%s'),"
					" ROW(i.title, COALESCE(i.external_id, c.external_id), i.extra)) AS media_differs,"
					" s.media_id IS NULL OR pg_catalog.record_ne(ROW(%s), ROW(%s)) AS row_differs,"
					" s.media_id IS NOT NULL AND %s AS moves,"
					" CASE WHEN c.rank OPERATOR(pg_catalog.=) 2 THEN c.external_id END AS known_as,"
					" pg_catalog.record_ne(ROW(c.external_id), ROW(COALESCE(i.external_id, c.external_id))) AS gets_id"
					" FROM (SELECT m.id, m.title, m.external_id, m.metadata, 1 AS rank"
					" FROM researcharr.media AS m"
					" WHERE m.type OPERATOR(pg_catalog.=) '%s'"
					" AND m.external_id OPERATOR(pg_catalog.=) i.external_id"
					" UNION ALL SELECT m.id, m.title, m.external_id, m.metadata, 2"
					" FROM researcharr.media AS m"
					" LEFT JOIN researcharr.%s AS s ON s.media_id OPERATOR(pg_catalog.=) m.id"
					" WHERE m.type OPERATOR(pg_catalog.=) '%s' AND %s) AS c"
					" LEFT JOIN researcharr.%s AS s ON s.media_id OPERATOR(pg_catalog.=) c.id"
					" ORDER BY c.rank, c.id LIMIT 1) AS e",
					items_relation(kind), kind->service,
					columns(kind, "s.", true), columns(kind, "i.", true),
					kind->moves ? kind->moves : "false", kind->type,
					kind->table, kind->type, kind->same, kind->table);
}

static char *
insert_sql(const ImportKind *kind)
{
	return psprintf("INSERT INTO researcharr.media (id, title, type, external_id, metadata)"
					" SELECT i.id, i.title, '%s', i.external_id,"
					" pg_catalog.jsonb_build_object('%s', i.extra) FROM %s"
					" ON CONFLICT (external_id, type) DO NOTHING",
					kind->type, kind->service, items_relation(kind));
}

/*
 * The statement that updates media.  An UPDATE that sets the external id, a
 * unique column, locks the row as a DELETE does, so that no job can be
 * enqueued for it meanwhile.
 */
static char *
update_sql(const ImportKind *kind, bool with_id)
{
	return psprintf("UPDATE researcharr.media AS m SET title = i.title,%s"
					" metadata = m.metadata OPERATOR(pg_catalog.||)"
					" pg_catalog.jsonb_build_object('%s', i.extra)"
					" FROM %s WHERE m.id OPERATOR(pg_catalog.=) i.id",
					with_id ? " external_id = i.external_id," : "",
					kind->service, items_relation(kind));
}

/*
 * The statement for rows that exchange places.  All must leave their place
 * before any takes its new one, because the unique constraint is checked row
 * by row.  They are moved to numbers that no source uses.
 */
static char *
park_sql(const ImportKind *kind)
{
	return psprintf("UPDATE researcharr.%s AS s SET %s ="
					" CAST(1000000000 OPERATOR(pg_catalog.+) i.n AS pg_catalog.int4)"
					" FROM %s WHERE s.media_id OPERATOR(pg_catalog.=) i.id",
					kind->table, kind->park, items_relation(kind));
}

static char *
put_sql(const ImportKind *kind)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO researcharr.%s (media_id, %s) SELECT i.id, %s FROM %s"
					 " ON CONFLICT (media_id) DO UPDATE SET (%s) = ROW(%s)",
					 kind->table, columns(kind, "", true), columns(kind, "i.", true),
					 items_relation(kind), columns(kind, "", true),
					 columns(kind, "excluded.", true));
	return sql.data;
}

static SPIPlanPtr
prepare(ImportPlans *plans, const char *sql)
{
	Oid			types[MAX_PARAMS];
	int			ntypes = PARAM_FIELDS + plans->kind->nfields;
	SPIPlanPtr	plan;

	for (int i = 0; i < ntypes; i++)
		types[i] = get_array_type(plans->types[i]);

	/* tables grow during the import, so a plan suits one batch only */
	plan = SPI_prepare_cursor(sql, ntypes, types, CURSOR_OPT_CUSTOM_PLAN);
	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", sql, SPI_result_code_string(SPI_result));
	return plan;
}

/*
 * Prepare the statements for a kind.
 *
 * Requires an SPI connection; the plans live until SPI_finish().
 */
ImportPlans *
rarr_import_prepare(const ImportKind *kind)
{
	ImportPlans *plans = palloc0(sizeof(ImportPlans));

	plans->kind = kind;
	plans->types[PARAM_ID] = UUIDOID;
	plans->types[PARAM_EXTERNAL_ID] = TEXTOID;
	plans->types[PARAM_TITLE] = TEXTOID;
	plans->types[PARAM_EXTRA] = JSONBOID;
	for (int i = 0; i < kind->nfields; i++)
		plans->types[PARAM_FIELDS + i] = kind->fields[i].type;

	plans->match = prepare(plans, match_sql(kind));
	plans->insert = prepare(plans, insert_sql(kind));
	plans->update = prepare(plans, update_sql(kind, false));
	plans->update_id = prepare(plans, update_sql(kind, true));
	plans->put = prepare(plans, put_sql(kind));
	if (kind->moves != NULL)
		plans->park = prepare(plans, park_sql(kind));
	return plans;
}

/*
 * Return the value of an item for a parameter; NULL is 0, except for numbers.
 */
static Datum
item_value(ImportItem *item, int param, bool *isnull)
{
	Datum		value;

	if (param >= PARAM_FIELDS)
	{
		*isnull = item->nulls[param - PARAM_FIELDS];
		return item->values[param - PARAM_FIELDS];
	}
	value = param == PARAM_ID ? UUIDPGetDatum(&item->media_id) :
		param == PARAM_EXTERNAL_ID ? item->external_id :
		param == PARAM_TITLE ? item->title : item->extra;
	*isnull = value == (Datum) 0;
	return value;
}

/* Run a statement over the items, and return the number of rows processed. */
static uint64
run(ImportPlans *plans, SPIPlanPtr plan, ImportItem **items, int nitems)
{
	Datum		arrays[MAX_PARAMS];
	Datum	   *values = palloc(sizeof(Datum) * Max(nitems, 1));
	bool	   *nulls = palloc(sizeof(bool) * Max(nitems, 1));
	int			lower = 1;
	int			result;

	if (nitems == 0)
		return 0;
	for (int param = 0; param < PARAM_FIELDS + plans->kind->nfields; param++)
	{
		int16		length;
		bool		by_value;
		char		alignment;

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
	bool		isnull;
	int64		n = DatumGetInt64(SPI_getbinval(row, desc, 1, &isnull));
	ImportItem *item = items[n - 1];
	Datum		id = SPI_getbinval(row, desc, 2, &isnull);
	char	   *known_as = SPI_getvalue(row, desc, 6);
	int			first;

	if (isnull)
		return;					/* not our row: ids cannot be NULL */

	/* an episode whose place another object has taken is not this row */
	if (known_as != NULL &&
		rarr_import_first(import, psprintf(IMPORT_EXTERNAL_ID, known_as)) >= 0)
		return;

	item->media_id = *DatumGetUUIDP(id);
	item->row_differs = DatumGetBool(SPI_getbinval(row, desc, 4, &isnull));
	item->moves = DatumGetBool(SPI_getbinval(row, desc, 5, &isnull));
	item->gets_id = DatumGetBool(SPI_getbinval(row, desc, 7, &isnull));
	item->state = item->row_differs || DatumGetBool(SPI_getbinval(row, desc, 3, &isnull)) ?
		IMPORT_UPDATED : IMPORT_UNCHANGED;

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
	uint64		found = run(plans, plans->match, items, nitems);
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
choose(ImportItem *items, int nitems, bool (*test) (const ImportItem *), ImportItem **chosen)
{
	int			n = 0;

	for (int i = 0; i < nitems; i++)
	{
		if (test(&items[i]))
			chosen[n++] = &items[i];
	}
	return n;
}

/*
 * Lock what the items of a batch will change, in the common order (cascade.c):
 * the series of the episodes, then media.
 */
static void
lock_items(const ImportKind *kind, ImportItem **items, int nitems)
{
	pg_uuid_t  *ids = palloc(sizeof(pg_uuid_t) * Max(nitems, 1));
	RarrRowLock lock = RARR_CHANGE_ROW;
	int			n;

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
	int			n;

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
	Oid			schema = LookupExplicitNamespace("researcharr", false);
	AclMode		mode = ACL_SELECT | ACL_INSERT | ACL_UPDATE;

	return pg_class_aclmask(get_relname_relid("media", schema), GetUserId(),
							mode, ACLMASK_ALL) == mode &&
		pg_class_aclmask(get_relname_relid(kind->table, schema), GetUserId(),
						 mode, ACLMASK_ALL) == mode;
}

/* Items being written. */
typedef struct Writing
{
	Import	   *import;
	ImportPlans *plans;
	ImportItem *items;
	int			nitems;
} Writing;

static bool
write_body(void *arg)
{
	Writing    *writing = arg;

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
	Writing		writing = {import, plans, items, nitems};
	ErrorData  *error;

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
 * Write the items, and count the outcomes.
 *
 * Requires an SPI connection, and a memory context that is reset soon.
 */
void
rarr_import_write(Import *import, ImportPlans *plans, ImportItem *items, int nitems)
{
	ErrorData  *error;

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

/*
 * Add the series of earlier imports with these Sonarr ids, an array of int8.
 */
void
rarr_import_find_old_series(Import *import, Datum *source_ids, int nids)
{
	const char *sql =
		"SELECT i.id, CAST(m.id AS pg_catalog.uuid) FROM pg_catalog.unnest($1) AS i (id)"
		" JOIN (researcharr.series AS s"
		" JOIN researcharr.media AS m ON m.id OPERATOR(pg_catalog.=) s.media_id)"
		" ON m.metadata OPERATOR(pg_catalog.->) 'sonarr' OPERATOR(pg_catalog.->>) 'id'"
		" OPERATOR(pg_catalog.=) CAST(i.id AS pg_catalog.text)";
	Oid			type = INT8ARRAYOID;
	Datum		ids = PointerGetDatum(construct_array(source_ids, nids, INT8OID, sizeof(int64),
													  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));

	if (nids == 0)
		return;
	if (SPI_execute_with_args(sql, 1, &type, &ids, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look for the series of earlier imports");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		bool		isnull;
		int64		id = DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull));

		rarr_import_add_series(import, id,
							   DatumGetUUIDP(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull)));
	}
	SPI_freetuptable(SPI_tuptable);
}
