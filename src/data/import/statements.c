/*
 * statements.c
 *		The statements that write items.
 *
 * Each takes arrays with one element per item (write.c).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/lsyscache.h"

#include "data/import/state.h"

/* List the columns of the fields, or only of stored ones, with a prefix. */
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

/* Return the FROM item i: the items, and n, their position in the arrays. */
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
	Oid types[MAX_PARAMS];
	int ntypes = PARAM_FIELDS + plans->kind->nfields;
	SPIPlanPtr plan;

	for (int i = 0; i < ntypes; i++)
		types[i] = get_array_type(plans->types[i]);

	/* tables grow during the import, so a plan suits one batch only */
	plan = SPI_prepare_cursor(sql, ntypes, types, CURSOR_OPT_CUSTOM_PLAN);
	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", sql, SPI_result_code_string(SPI_result));
	return plan;
}

/*
 * Prepare the statements for a kind.  Requires an SPI connection; the plans
 * live until SPI_finish().
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
