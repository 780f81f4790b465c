/*
 * statements.c
 *		The statements that find, compare and write media rows and the rows of
 *		the kind's table.  track_statements.c has those for tracked items.
 *
 * Each takes the instance, the names of volatile members, and arrays with one
 * element per item (write.c).
 *
 * During the first run, the planner knows nothing about tables that grow.  So the
 * order of joins is given where another one would read all that an instance has:
 * by OFFSET 0, and by IS TRUE, which no index can use.
 *
 * If several instances have a media row, the first of them, in the order of
 * their ids, decides about its title, metadata and columns.  Otherwise each
 * synchronization would undo what the one before did.
 */
#include "postgres.h"

#include "executor/spi.h"

#include "data/import/state.h"

#define BIT(param) ((uint32) 1 << (param))
#define EQ         " OPERATOR(pg_catalog.=) "

static uint32
all_fields(const ImportKind *kind)
{
	uint32 bits = 0;

	for (int i = 0; i < kind->nfields; i++)
		bits |= BIT(PARAM_FIELDS + i);
	return bits;
}

/* List the stored columns, with a prefix. */
static char *
stored_columns(const ImportKind *kind, const char *prefix)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < kind->nfields; i++)
	{
		if (kind->fields[i].stored)
			appendStringInfo(&list, "%s%s%s", list.len > 0 ? ", " : "",
							 prefix, kind->fields[i].column);
	}
	return list.data;
}

/*
 * List the values of the stored columns that an item's row in the kind's table
 * gets.  A value that the object does not have stays.
 */
static char *
merged_columns(const ImportKind *kind)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < kind->nfields; i++)
	{
		const char *column = kind->fields[i].column;

		if (!kind->fields[i].stored)
			continue;
		appendStringInfo(&list, "%sCASE WHEN i.given OPERATOR(pg_catalog.&) %d" EQ "0 THEN s.%s ELSE i.%s END",
						 list.len > 0 ? ", " : "", IMPORT_GIVES_FIELD(i), column, column);
	}
	return list.data;
}

/*
 * The statement that finds items which are as they were stored, byte by byte, so
 * that they need no other statement.
 */
static char *
same_sql(const ImportKind *kind, uint32 bits)
{
	return psprintf("SELECT i.n, CAST(m.id AS pg_catalog.uuid) FROM %s"
					" CROSS JOIN LATERAL (SELECT k.* FROM researcharr.tracked_items AS k WHERE k.instance_id" EQ "$1"
					" AND k.kind" EQ "'%s' AND k.service_id" EQ "i.service_id OFFSET 0) AS t"
					" JOIN researcharr.media AS m ON m.id" EQ "t.media_id"
					" JOIN researcharr.%s AS s ON s.media_id" EQ "t.media_id"
					" WHERE pg_catalog.record_image_eq(ROW(m.title, m.external_id, %s), ROW(i.title, i.external_id, %s))"
					" AND NOT (%s) AND pg_catalog.record_image_eq(ROW(t.payload), ROW(i.payload))"
					" AND pg_catalog.record_image_eq(ROW(m.metadata OPERATOR(pg_catalog.->) '%s'), ROW(i.extra))",
					rarr_import_items(kind, bits), kind->type, kind->table, stored_columns(kind, "s."),
					merged_columns(kind), rarr_import_item_differs(false), kind->service);
}

/*
 * The statement that finds media rows which an item can stand for: by the
 * service's id (rank 0), by the external id (1), or by what else identifies it
 * (2).  It returns the row's own external id, by which id the instance tracks the
 * row, and for rank 0 the tracked item and the title.
 */
static char *
find_sql(const ImportKind *kind, uint32 bits)
{
	return psprintf("SELECT i.n, c.rank, CAST(c.id AS pg_catalog.uuid), c.external_id, c.service_id,"
					" CAST(c.item_id AS pg_catalog.uuid), c.title FROM %s"
					" CROSS JOIN LATERAL ("
					"SELECT 0 AS rank, m.id, m.external_id, k.service_id, k.id AS item_id, m.title"
					" FROM (SELECT t.* FROM researcharr.tracked_items AS t WHERE t.instance_id" EQ "$1"
					" AND t.kind" EQ "'%s' AND t.service_id" EQ "i.service_id OFFSET 0) AS k"
					" JOIN researcharr.media AS m ON m.id" EQ "k.media_id"
					" UNION ALL SELECT 1, m.id, m.external_id, NULL, NULL, NULL"
					" FROM researcharr.media AS m"
					" WHERE m.type" EQ "'%s' AND m.external_id" EQ "i.external_id"
					" UNION ALL SELECT 2, x.id, x.external_id,"
					" (SELECT pg_catalog.min(k.service_id) FROM researcharr.tracked_items AS k"
					" WHERE (k.instance_id" EQ "$1) IS TRUE AND k.media_id" EQ "x.id), NULL, NULL"
					" FROM (SELECT m.id, m.external_id FROM researcharr.media AS m"
					" LEFT JOIN researcharr.%s AS s ON s.media_id" EQ "m.id"
					" WHERE m.type" EQ "'%s' AND %s ORDER BY m.id LIMIT 1) AS x"
					") AS c ORDER BY i.n, c.rank",
					rarr_import_items(kind, bits), kind->type, kind->type, kind->table, kind->type,
					kind->same);
}

/* The array literal of the members that have columns. */
static char *
column_members(const ImportKind *kind)
{
	StringInfoData list;

	initStringInfo(&list);
	appendStringInfoString(&list, "{title");
	for (int i = 0; i < kind->nfields; i++)
		if (!kind->fields[i].in_metadata)
			appendStringInfo(&list, ",%s", kind->fields[i].source);
	appendStringInfoString(&list, "}");
	return list.data;
}

/* The value that a media row's member for the service gets: absent members stay. */
static char *
merged_metadata(const ImportKind *kind)
{
	return psprintf("CASE WHEN pg_catalog.jsonb_typeof(m.metadata OPERATOR(pg_catalog.->) '%s')" EQ "'object'"
					" THEN (m.metadata OPERATOR(pg_catalog.->) '%s')"
					" OPERATOR(pg_catalog.-) CAST('%s' AS pg_catalog.text[])"
					" OPERATOR(pg_catalog.||) i.extra ELSE i.extra END",
					kind->service, kind->service, column_members(kind));
}

/*
 * The condition that an item's place belongs to another row, about which an
 * instance before this one decides.
 */
static char *
place_is_held(const ImportKind *kind)
{
	if (kind->moves == NULL)
		return "false";
	return psprintf("EXISTS (SELECT FROM researcharr.%s AS s JOIN researcharr.tracked_items AS k ON k.media_id" EQ "s.media_id"
					" WHERE %s AND s.media_id OPERATOR(pg_catalog.<>) i.id AND k.instance_id OPERATOR(pg_catalog.<) $1)",
					kind->table, kind->same);
}

/*
 * The statement that compares items with the rows that exist: does the media
 * row differ, other than in volatile members alone; is the row in the kind's
 * table missing or does it differ; does it change its place; does the media row
 * get another external id; which tracked item does the instance have; and does
 * that differ.
 */
static char *
compare_sql(const ImportKind *kind, uint32 bits)
{
	char *merged = merged_metadata(kind);

	return psprintf("SELECT i.n,"
					" (pg_catalog.record_ne(ROW(m.title), ROW(i.title)) OR"
					" (pg_catalog.record_ne(ROW(m.metadata OPERATOR(pg_catalog.->) '%s'), ROW(i.extra)) AND"
					" CASE WHEN pg_catalog.jsonb_typeof(m.metadata OPERATOR(pg_catalog.->) '%s')" EQ "'object'"
					" THEN pg_catalog.jsonb_ne((%s) OPERATOR(pg_catalog.-) $2,"
					" (m.metadata OPERATOR(pg_catalog.->) '%s') OPERATOR(pg_catalog.-) $2) ELSE true END))"
					" AND NOT p.has_another AS media_differs,"
					" (s.media_id IS NULL OR (pg_catalog.record_ne(ROW(%s), ROW(%s)) AND NOT p.has_another)) AND NOT p.is_held AS row_differs,"
					" s.media_id IS NOT NULL AND NOT p.has_another AND NOT p.is_held AND %s AS moves,"
					" pg_catalog.record_ne(ROW(m.external_id), ROW(COALESCE(i.external_id, m.external_id))) AND NOT p.has_another AS gets_id,"
					" m.external_id IS NOT NULL AND i.external_id IS NOT NULL"
					" AND m.external_id OPERATOR(pg_catalog.<>) i.external_id AND NOT p.has_another AS is_moved,"
					" CAST(t.id AS pg_catalog.uuid), CAST(t.service_id AS pg_catalog.int8), t.id IS NOT NULL AND (%s) AS item_differs"
					" FROM %s JOIN researcharr.media AS m ON m.id" EQ "i.id"
					" LEFT JOIN researcharr.%s AS s ON s.media_id" EQ "i.id"
					" CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM researcharr.tracked_items AS k"
					" WHERE k.media_id" EQ "i.id AND k.instance_id OPERATOR(pg_catalog.<) $1) AS has_another, %s AS is_held) AS p"
					" LEFT JOIN LATERAL (SELECT k.* FROM researcharr.tracked_items AS k"
					" WHERE (k.instance_id" EQ "$1) IS TRUE AND k.media_id" EQ "i.id"
					" ORDER BY k.service_id OPERATOR(pg_catalog.<>) i.service_id, k.id LIMIT 1) AS t"
					" ON i.service_id IS NOT NULL",
					kind->service, kind->service, merged, kind->service,
					stored_columns(kind, "s."), merged_columns(kind),
					kind->moves ? kind->moves : "false", rarr_import_item_differs(true),
					rarr_import_items(kind, bits), kind->table, place_is_held(kind));
}

static char *
insert_sql(const ImportKind *kind, uint32 bits)
{
	return psprintf("INSERT INTO researcharr.media (id, title, type, external_id, metadata)"
					" SELECT i.id, i.title, '%s', i.external_id,"
					" pg_catalog.jsonb_build_object('%s', i.extra) FROM %s"
					" ON CONFLICT (external_id, type) DO NOTHING",
					kind->type, kind->service, rarr_import_items(kind, bits));
}

/*
 * The statement that updates media.  An UPDATE that sets the external id, a
 * unique column, locks the row as a DELETE does, so that no job can be
 * enqueued for it meanwhile.
 */
static char *
update_sql(const ImportKind *kind, uint32 bits)
{
	return psprintf("UPDATE researcharr.media AS m SET title = i.title,%s"
					" metadata = m.metadata OPERATOR(pg_catalog.||)"
					" pg_catalog.jsonb_build_object('%s', %s)"
					" FROM %s WHERE m.id" EQ "i.id",
					(bits & BIT(PARAM_EXTERNAL_ID)) != 0 ? " external_id = i.external_id," : "",
					kind->service, merged_metadata(kind), rarr_import_items(kind, bits));
}

/*
 * The statement that locks rows of the kind's table in order of their ids: those
 * of the items, and those that lose their places to them.
 */
static char *
lock_rows_sql(const ImportKind *kind, uint32 bits)
{
	char *displaced = kind->moves == NULL ?
						  "" :
						  psprintf(" UNION ALL SELECT s.media_id FROM %s JOIN researcharr.%s AS s ON %s",
								   rarr_import_items(kind, bits), kind->table, kind->same);

	return psprintf("SELECT pg_catalog.count(*) FROM (SELECT FROM researcharr.%s AS t"
					" WHERE t.media_id" EQ "ANY (ARRAY(SELECT i.id FROM %s%s))"
					" ORDER BY t.media_id FOR UPDATE) AS x",
					kind->table, rarr_import_items(kind, bits), displaced);
}

/*
 * The statement for rows that exchange places.  All must leave their place
 * before any takes its new one, because the unique constraint is checked row
 * by row.  They are moved to numbers that no source uses.
 */
static char *
park_sql(const ImportKind *kind, uint32 bits)
{
	return psprintf("UPDATE researcharr.%s AS s SET %s ="
					" CAST(1000000000 OPERATOR(pg_catalog.+) i.n AS pg_catalog.int4)"
					" FROM %s WHERE s.media_id" EQ "i.id",
					kind->table, kind->park, rarr_import_items(kind, bits));
}

/*
 * The statement that takes the items' places from other rows, but for those about
 * which an instance before this one decides.  A row that
 * loses its place here is not in the call any more, or has yet to be written at
 * another one.  Its media row stays.
 */
static char *
give_up_sql(const ImportKind *kind, uint32 bits)
{
	return psprintf("DELETE FROM researcharr.%s AS s USING %s"
					" WHERE %s AND s.media_id OPERATOR(pg_catalog.<>) i.id"
					" AND NOT EXISTS (SELECT FROM researcharr.tracked_items AS k"
					" WHERE k.media_id" EQ "s.media_id AND k.instance_id OPERATOR(pg_catalog.<) $1)",
					kind->table, rarr_import_items(kind, bits), kind->same);
}

static char *
put_sql(const ImportKind *kind, uint32 bits)
{
	return psprintf("INSERT INTO researcharr.%s (media_id, %s) SELECT i.id, %s FROM %s"
					" LEFT JOIN researcharr.%s AS s ON s.media_id" EQ "i.id"
					" WHERE NOT %s ON CONFLICT (media_id) DO UPDATE SET (%s) = ROW(%s)",
					kind->table, stored_columns(kind, ""), merged_columns(kind),
					rarr_import_items(kind, bits), kind->table, place_is_held(kind), stored_columns(kind, ""),
					stored_columns(kind, "excluded."));
}

/*
 * Prepare the statements for a kind.  Requires an SPI connection; the plans
 * live until SPI_finish().
 */
ImportPlans *
rarr_import_prepare(const ImportKind *kind)
{
	ImportPlans *plans = palloc0(sizeof(ImportPlans));
	uint32 fields = all_fields(kind);
	uint32 bits;

#define PREPARE(name, builder, set) \
	(bits = (set), plans->name = rarr_import_plan(kind, bits, builder(kind, bits)))

	plans->kind = kind;
	PREPARE(same, same_sql, (BIT(PARAM_FIELDS) - 1 - BIT(PARAM_ID) - BIT(PARAM_ITEM_ID)) | fields);
	PREPARE(find, find_sql, BIT(PARAM_EXTERNAL_ID) | BIT(PARAM_TITLE) | BIT(PARAM_SERVICE_ID) | fields);
	PREPARE(compare, compare_sql, (BIT(PARAM_FIELDS) - 1 - BIT(PARAM_ITEM_ID)) | fields);
	PREPARE(insert, insert_sql,
			BIT(PARAM_ID) | BIT(PARAM_EXTERNAL_ID) | BIT(PARAM_TITLE) | BIT(PARAM_EXTRA));
	PREPARE(update, update_sql, BIT(PARAM_ID) | BIT(PARAM_TITLE) | BIT(PARAM_EXTRA));
	PREPARE(update_id, update_sql,
			BIT(PARAM_ID) | BIT(PARAM_EXTERNAL_ID) | BIT(PARAM_TITLE) | BIT(PARAM_EXTRA));
	PREPARE(put, put_sql, BIT(PARAM_ID) | BIT(PARAM_GIVEN) | fields);
	PREPARE(lock_rows, lock_rows_sql, BIT(PARAM_ID) | (kind->moves == NULL ? 0 : fields));
	if (kind->moves != NULL)
	{
		PREPARE(park, park_sql, BIT(PARAM_ID));
		PREPARE(give_up, give_up_sql, BIT(PARAM_ID) | fields);
	}
#undef PREPARE
	rarr_import_prepare_tracked(plans);
	return plans;
}
