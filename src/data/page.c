/*
 * page.c
 *		Read a page of media or of flat rows.
 *
 * A page is read by two statements.  The first one chooses the ids, so that
 * sorts and joins handle nothing but ids and the columns of the order.  The
 * second one reads the rows with these ids, and sorts them.
 *
 * The ids are chosen where an index has the order.  If filters and order name
 * columns of one table of a flat row only, this table alone is read.  It may
 * have candidates that are no flat rows: media without their subtype's row, or
 * rows whose other half row security hides.  The second statement omits these.
 * If the page is then short, more candidates are chosen.
 *
 * The indexes of media begin with status and type, so that they serve any
 * filters on these.  All media of one status and one type are a group.  The
 * first statement reads the first rows of each group, and merges them.
 *
 * Ids and times of creation increase together.  The planner does not know
 * that: to find the newest media in the order of their ids, it would pass over
 * all older ones.  All matching ids are then read by created_at, and sorted.
 *
 * If few rows match a pattern, all of them are found and sorted (pattern.c).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "base/json.h"
#include "data/filter.h"
#include "data/group.h"
#include "data/order.h"
#include "data/page.h"
#include "data/row_query.h"

#define MAX_ROWS       10000 /* longer pages are read by one statement */
#define MAX_CANDIDATES 1000  /* chosen from a single table of a flat row */
#define MORE           8     /* times as many if the page is short */

/* where ids are chosen */
typedef enum PageSource
{
	FROM_RELATION, /* def->relation: exactly the rows of the page */
	FROM_TABLE,    /* def->table */
	FROM_SUBTABLE  /* def->subtable */
} PageSource;

typedef struct RowPage
{
	RarrEntity *entity;
	Jsonb *filters; /* or NULL */
	RarrFilterUse use;
	const List *order;
	int64 limit;
	int64 offset;
	PageSource source;
	bool by_group;
	bool matches_first; /* find all matches, and then sort them? */
	List *order_in_group;
	bool whole_groups; /* read all matching ids of a group, and then sort */
} RowPage;

/*
 * Append the flat row's type as a condition, because the indexes of media have
 * it.  The query must have a WHERE clause.
 */
static void
add_type(RarrQuery *query, const RarrEntity *entity)
{
	if (entity->def->type != NULL && entity->plain)
		appendStringInfo(&query->sql, " AND t.type" RARR_EQ "'%s'", entity->def->type);
}

/* Choose the source by the columns that filters and order name. */
static PageSource
choose_source(const RowPage *page)
{
	const RarrEntity *entity = page->entity;
	bool table = false;
	bool subtable = false;

	if (entity->def->subtable == NULL || !entity->plain ||
		page->limit + page->offset > MAX_CANDIDATES)
		return FROM_RELATION;
	for (int i = 0; i < entity->ncolumns; i++)
	{
		const RarrEntityColumn *column = &entity->columns[i];

		if (strcmp(column->name, "id") == 0 ||
			!(bms_is_member(i, page->use.columns) || rarr_order_has(page->order, column->name)))
			continue;
		if (column->in_subtable || entity->sources[column->attnum - 1].later != 0)
			subtable = true;
		if (!column->in_subtable)
			table = true;
	}
	return !table ? FROM_SUBTABLE : subtable ? FROM_RELATION :
											   FROM_TABLE;
}

/* Return the order without the columns that are the same in a whole group. */
static List *
order_in_group(const List *order)
{
	List *keys = NIL;
	ListCell *cell;

	foreach (cell, order)
	{
		if (!((RarrOrderKey *) lfirst(cell))->column->of_group)
			keys = lappend(keys, lfirst(cell));
	}
	return keys;
}

/*
 * Are there filters on columns that the indexes of groups have, and on no
 * others?  Filters on the id alone do not count.
 */
static bool
filtered_by_group(const RowPage *page)
{
	bool found = false;

	if (!page->entity->grouped || page->use.pattern)
		return false;
	for (int i = -1; (i = bms_next_member(page->use.columns, i)) >= 0;)
	{
		const RarrEntityColumn *column = &page->entity->columns[i];

		if (strcmp(column->name, "id") == 0)
			continue;
		if (!column->of_group && !column->by_group)
			return false;
		found = true;
	}
	return found;
}

/*
 * Are the ids best chosen group by group?  They are if an index has the order
 * within a group, and filters name only columns of such indexes.
 */
static bool
choose_by_group(const RowPage *page)
{
	const RarrEntity *entity = page->entity;
	const RarrEntityColumn *first = page->order_in_group == NIL ?
										rarr_entity_column(entity, "id", strlen("id")) :
										((RarrOrderKey *) linitial(page->order_in_group))->column;

	if (page->source == FROM_SUBTABLE || !first->by_group)
		return false;
	if (filtered_by_group(page))
		return true;
	return entity->grouped && !page->use.pattern &&
		   bms_is_subset(page->use.columns, bms_make_singleton(first - entity->columns)) &&
		   (strcmp(first->name, "id") != 0 ||
			list_length(page->order_in_group) < list_length(page->order));
}

/* Would the order by id pass over many rows before those that match? */
static bool
is_far_off(const RowPage *page)
{
	const RarrEntity *entity = page->entity;
	const RarrOrderKey *first = page->order_in_group == NIL ? NULL : linitial(page->order_in_group);
	int created_at = rarr_column_index(entity, "created_at");

	if (first != NULL && strcmp(first->column->name, "id") != 0)
		return false;
	return bms_is_member(created_at, first != NULL && first->descending ? page->use.below : page->use.above);
}

/* Append the relation that ids are chosen from, as t. */
static void
add_source(RarrQuery *query, const RowPage *page)
{
	const RarrEntity *entity = page->entity;

	if (page->source != FROM_SUBTABLE)
	{
		appendStringInfo(&query->sql, " FROM researcharr.%s AS t",
						 page->source == FROM_TABLE ? entity->def->table : entity->def->relation);
		return;
	}
	rarr_query_add(query, " FROM (SELECT s.media_id AS id");
	for (int i = 0; i < entity->ncolumns; i++)
	{
		if (entity->columns[i].in_subtable)
			appendStringInfo(&query->sql, ", s.%s", entity->columns[i].quoted);
	}
	appendStringInfo(&query->sql, " FROM researcharr.%s AS s) AS t", entity->def->subtable);
}

/* Append the columns of the order and the id. */
static void
add_keys(RarrQuery *query, const RowPage *page)
{
	rarr_query_add(query, "t.id");
	for (int i = 0; i < page->entity->ncolumns; i++)
	{
		const RarrEntityColumn *column = &page->entity->columns[i];

		if (strcmp(column->name, "id") != 0 && rarr_order_has(page->order, column->name))
			appendStringInfo(&query->sql, ", t.%s", column->quoted);
	}
}

/* Append the groups as a relation g with the columns status and type. */
static void
add_groups(RarrQuery *query, const RarrEntity *entity)
{
	const char *separator = "";

	rarr_query_add(query, "(VALUES ");
	for (const char *const *status = rarr_rule_status.allowed_values; *status != NULL; status++)
	{
		for (const char *const *type = rarr_rule_type.allowed_values; *type != NULL; type++)
		{
			if (entity->def->type != NULL && strcmp(entity->def->type, *type) != 0)
				continue;
			appendStringInfo(&query->sql, "%s('%s', '%s')", separator, *status, *type);
			separator = ", ";
		}
	}
	rarr_query_add(query, ") AS g (status, type)");
}

/* Append the rows of all groups, the first n of each one, as t. */
static void
add_rows_of_groups(RarrQuery *query, const RowPage *page, int64 n)
{
	rarr_query_add(query, " FROM ");
	add_groups(query, page->entity);
	rarr_query_add(query, " CROSS JOIN LATERAL (SELECT ");
	add_keys(query, page);
	add_source(query, page);
	query->by_group = true;
	rarr_filter_add(query, page->entity, page->filters);
	query->by_group = false;
	rarr_query_add(query, " AND t.status" RARR_EQ "g.status AND t.type" RARR_EQ "g.type");
	if (page->whole_groups)
		rarr_query_add(query, " OFFSET 0");
	else
	{
		rarr_order_add(query, page->entity, page->order_in_group, true);
		rarr_query_add_bound(query, " LIMIT ", "limit", n);
	}
	rarr_query_add(query, ") AS t");
}

/*
 * Choose n ids after the first offset ones in this order, with more conditions
 * on t.  Returns them as an array.
 */
static ArrayType *
choose_part(const RowPage *page, const List *order, const char *conditions, int64 n, int64 offset)
{
	RarrQuery query;
	Datum ids;
	bool isnull;
	int64 last;

	if (pg_add_s64_overflow(n, offset, &last))
		last = PG_INT64_MAX;
	rarr_query_init(&query);
	rarr_query_add(&query, "SELECT pg_catalog.array_agg(t.id) FROM (SELECT t.id");
	if (page->by_group)
		add_rows_of_groups(&query, page, last);
	else
	{
		if (page->matches_first)
		{
			rarr_query_add(&query, " FROM (SELECT ");
			add_keys(&query, page);
		}
		add_source(&query, page);
		rarr_filter_add(&query, page->entity, page->filters);
		if (page->source != FROM_SUBTABLE)
			add_type(&query, page->entity);
		if (page->matches_first) /* the planner keeps a subquery with OFFSET as it is */
			rarr_query_add(&query, " OFFSET 0) AS t WHERE true");
	}
	rarr_query_add(&query, conditions);
	rarr_order_add(&query, page->entity, order, true);
	rarr_query_add_bound(&query, " LIMIT ", "limit", n);
	if (offset > 0)
		rarr_query_add_bound(&query, " OFFSET ", "offset", offset);
	rarr_query_add(&query, ") AS t");
	(void) rarr_query_value(page->entity, &query, RARR_READ | RARR_CUSTOM, &ids, &isnull);
	return isnull ? construct_empty_array(UUIDOID) : DatumGetArrayTypeP(ids);
}

static int
count_ids(ArrayType *ids)
{
	return ArrayGetNItems(ARR_NDIM(ids), ARR_DIMS(ids));
}

/*
 * Choose n ids after the first offset ones.  Returns them as an array.  An
 * index has NULLs behind all values.  If the order wants them elsewhere, values
 * and NULLs are read one after the other.
 */
static ArrayType *
choose_ids(const RowPage *page, int64 n, int64 offset)
{
	const RarrOrderKey *first = page->order == NIL ? NULL : linitial(page->order);
	const char *expression;
	const char *parts[2];
	RarrOrderKey key;
	List *order;
	ArrayType *ids;
	ArrayType *more;

	if (page->by_group || offset > 0 || first == NULL || first->nulls == NULL)
		return choose_part(page, page->order, "", n, offset);
	key = *first;
	key.nulls = NULL;
	order = lcons(&key, list_copy_tail(page->order, 1));
	expression = rarr_entity_expression(page->entity, key.column);
	parts[0] = psprintf(" AND %s IS %sNULL", expression, strcmp(first->nulls, "LAST") == 0 ? "NOT " : "");
	parts[1] = psprintf(" AND %s IS %sNULL", expression, strcmp(first->nulls, "LAST") == 0 ? "" : "NOT ");
	ids = choose_part(page, order, parts[0], n, 0);
	if (count_ids(ids) == n)
		return ids;
	more = choose_part(page, order, parts[1], n - count_ids(ids), 0);
	return DatumGetArrayTypeP(DirectFunctionCall2(array_cat, PointerGetDatum(ids), PointerGetDatum(more)));
}

/* Read the rows with these ids into the running function's result. */
static void
read_rows(const RowPage *page, ArrayType *ids, int64 limit, int64 offset, FunctionCallInfo fcinfo)
{
	RarrQuery query;

	rarr_query_select(&query, page->entity);
	rarr_query_add_param(&query, " WHERE t.id OPERATOR(pg_catalog.=) ANY (", UUIDARRAYOID,
						 PointerGetDatum(ids));
	rarr_query_add(&query, ")");
	rarr_order_add(&query, page->entity, page->order, true);
	rarr_query_add_bound(&query, " LIMIT ", "limit", limit);
	rarr_query_add_bound(&query, " OFFSET ", "offset", offset);
	rarr_query_rows(page->entity, &query, RARR_READ | RARR_GENERIC, fcinfo);
}

/*
 * Choose candidates from a single table, and read those that are flat rows.
 * Returns false if too few of them are.
 */
static bool
read_candidates(const RowPage *page, FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int64 wanted = page->limit + page->offset;

	for (int64 n = wanted; n <= Max(wanted, MAX_CANDIDATES); n *= MORE)
	{
		ArrayType *ids = choose_ids(page, n, 0);

		CHECK_FOR_INTERRUPTS();
		read_rows(page, ids, page->limit, page->offset, fcinfo);
		if (tuplestore_tuple_count(rsinfo->setResult) >= page->limit ||
			count_ids(ids) < n)
			return true;
		tuplestore_clear(rsinfo->setResult);
	}
	return false;
}

/*
 * Read all rows that match filters on columns of the indexes of groups.
 * Returns false, with nothing done, if they are many, or if there are other
 * filters or none.
 */
static bool
read_few(RowPage *page, FunctionCallInfo fcinfo)
{
	ArrayType *ids;

	if (!filtered_by_group(page))
		return false;
	page->source = FROM_RELATION;
	page->by_group = page->whole_groups = true;
	ids = choose_ids(page, MAX_ROWS + 1, 0);
	if (count_ids(ids) > MAX_ROWS)
		return false;
	read_rows(page, ids, MAX_ROWS, 0, fcinfo);
	return true;
}

/*
 * Return the rows from offset that match the filters, *limit at most, in this
 * order, as the running function's result. filters may be NULL, and limit for
 * all rows.  Returns false, with nothing done, if a statement does as well.
 * Raises the errors of rarr_filter_add().
 */
bool
rarr_page_rows(RarrEntity *entity, Jsonb *filters, const List *order, const int64 *limit, int64 offset,
			   FunctionCallInfo fcinfo)
{
	RowPage page = {.entity = entity, .filters = filters, .order = order, .offset = offset};

	if (strcmp(entity->def->table, "media") != 0 || offset < 0)
		return false;
	rarr_know_groups(entity);
	rarr_filter_use(entity, filters, &page.use);
	page.order_in_group = order_in_group(order);
	if (limit == NULL)
		return offset == 0 && read_few(&page, fcinfo);
	if (*limit < 0 || *limit > MAX_ROWS || offset > PG_INT64_MAX - MAX_ROWS)
		return false;
	page.limit = *limit;
	page.source = choose_source(&page);
	page.by_group = choose_by_group(&page);
	page.whole_groups = page.by_group && is_far_off(&page);
	page.matches_first = page.use.pattern && rarr_filter_is_rare(entity, filters, (double) *limit + (double) offset);
	if (entity->kind == RARR_MEDIA && !page.by_group && !page.matches_first && !filtered_by_group(&page) &&
		(order == NIL || strcmp(((RarrOrderKey *) linitial(order))->column->name, "id") == 0))
		return false;
	if (page.source != FROM_RELATION && read_candidates(&page, fcinfo))
		return true;
	page.source = FROM_RELATION;
	read_rows(&page, choose_ids(&page, *limit, offset), *limit, 0, fcinfo);
	return true;
}

/*
 * Return the one status that the filters ask for, or NULL if they ask for
 * anything else.
 */
static const char *
only_status(const RowPage *page)
{
	int column = rarr_column_index(page->entity, "status");
	JsonbValue value;
	JsonbValue member;

	if (column < 0 || !bms_equal(page->use.columns, bms_make_singleton(column)) ||
		!rarr_json_member(&page->filters->root, "status", &value))
		return NULL;
	if (rarr_json_is_object(&value) && JsonContainerSize(value.val.binary.data) == 1 &&
		rarr_json_member(value.val.binary.data, "eq", &member))
		value = member;
	if (value.type != jbvString)
		return NULL;
	for (const char *const *status = rarr_rule_status.allowed_values; *status != NULL; status++)
	{
		if (strlen(*status) == value.val.string.len &&
			memcmp(*status, value.val.string.val, value.val.string.len) == 0)
			return *status;
	}
	return NULL;
}

/*
 * Begin a statement that counts the rows that match the filters, which may be
 * NULL.  Raises the errors of rarr_filter_add().
 */
void
rarr_page_count(RarrQuery *query, RarrEntity *entity, Jsonb *filters)
{
	RowPage page = {.entity = entity, .filters = filters, .source = FROM_RELATION, .whole_groups = true};
	const char *status = NULL;
	bool by_group;

	rarr_query_init(query);
	rarr_query_add(query, "SELECT pg_catalog.count(*)");
	if (strcmp(entity->def->table, "media") == 0)
	{
		rarr_know_groups(entity);
		rarr_filter_use(entity, filters, &page.use);
	}
	by_group = filtered_by_group(&page);
	if (by_group && entity->def->subtable != NULL)
		status = only_status(&page);
	/* with privileges on some columns only, the user may not read status and type */
	if (by_group && status == NULL &&
		pg_class_aclcheck(entity->relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK)
	{
		add_rows_of_groups(query, &page, 0);
		return;
	}
	appendStringInfo(&query->sql, " FROM researcharr.%s AS t", rarr_entity_source(entity));
	rarr_filter_add(query, entity, filters);
	add_type(query, entity);
	/* with the status in the text, the planner knows how many rows to join */
	if (status != NULL)
		appendStringInfo(&query->sql, " AND t.status" RARR_EQ "'%s'", status);
}
