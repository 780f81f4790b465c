/*
 * order.c
 *		Read sort orders and translate them to SQL.
 *
 * As with filters, nothing that the caller wrote becomes part of a statement's
 * text: names are looked up among the entity's columns.
 */
#include "postgres.h"

#include "parser/scansup.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/typcache.h"

#include "base/errors.h"
#include "base/json.h"
#include "data/filter.h"
#include "data/order.h"

/* Raise 22023: this is not "column [asc|desc] [nulls first|last]". */
static void
bad_order(const char *part, int length)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("order_by has an invalid part: %s", rarr_quote_clipped(part, length)),
			 errhint("Write column names, each with \"asc\" or \"desc\" and \"nulls first\" or \"nulls last\" behind it if wanted, and commas between them: \"priority desc, created_at\".")));
}

/* Get the next word of a part, in lower case, or NULL at its end. */
static char *
next_word(const char **position, const char *end)
{
	const char *start;

	while (*position < end && scanner_isspace(**position))
		(*position)++;
	start = *position;
	while (*position < end && !scanner_isspace(**position))
		(*position)++;
	return *position == start ? NULL : asc_tolower(start, *position - start);
}

/* Find the column that a part names in its first length bytes. */
static const RarrEntityColumn *
find_column(const RarrEntity *entity, const char *part, int length)
{
	const RarrEntityColumn *column = rarr_entity_column(entity, part, length);

	if (column == NULL)
		rarr_unknown_column(entity, "order_by", part, length);
	if (!OidIsValid(lookup_type_cache(column->type, TYPECACHE_LT_OPR)->lt_opr))
		ereport(ERROR,
				(errcode(ERRCODE_RARR_UNKNOWN_FILTER),
				 errmsg("order_by names column \"%s\", which is of type %s and has no order",
						column->name, format_type_be(column->type)),
				 errhint("Give columns of types that can be compared.")));
	return column;
}

/*
 * Read a part of the order.  The place of NULLs is dropped for a column that
 * has none, because the planner would not see that an index has this order.
 */
static RarrOrderKey *
read_part(const RarrEntity *entity, const char *part, int length)
{
	const char *position = part;
	const char *end = part + length;
	RarrOrderKey *key = palloc0(sizeof(RarrOrderKey));
	char *word;

	while (position < end && scanner_isspace(*position))
		position++;
	part = position;
	word = next_word(&position, end);
	if (word == NULL)
		bad_order(part, length);
	key->column = find_column(entity, part, position - part);

	word = next_word(&position, end);
	if (word != NULL && (strcmp(word, "asc") == 0 || strcmp(word, "desc") == 0))
	{
		key->descending = word[0] == 'd';
		word = next_word(&position, end);
	}
	if (word != NULL && strcmp(word, "nulls") == 0)
	{
		word = next_word(&position, end);
		if (word == NULL || (strcmp(word, "first") != 0 && strcmp(word, "last") != 0))
			bad_order(part, end - part);
		key->nulls = word[0] == 'f' ? "FIRST" : "LAST";
		word = next_word(&position, end);
	}
	if (word != NULL)
		bad_order(part, end - part);
	if (key->column->not_null && entity->def->masked == NULL)
		key->nulls = NULL;
	return key;
}

/*
 * Read a sort order, which may be NULL.  Returns a list of RarrOrderKey.
 * Raises RA004 if the entity lacks a column or its type has no order, and
 * 22023 for other invalid orders.
 */
List *
rarr_order_read(const RarrEntity *entity, const char *order)
{
	List *keys = NIL;

	while (order != NULL)
	{
		int length = strcspn(order, ",");

		keys = lappend(keys, read_part(entity, order, length));
		order = order[length] == '\0' ? NULL : order + length + 1;
	}
	return keys;
}

/* Is this column one of the order's? */
bool
rarr_order_has(const List *keys, const char *name)
{
	ListCell *cell;

	foreach (cell, keys)
	{
		if (strcmp(((RarrOrderKey *) lfirst(cell))->column->name, name) == 0)
			return true;
	}
	return false;
}

/*
 * Append an ORDER BY clause to a query.  If total is true, the id is appended
 * as a tie-breaker, so that LIMIT and OFFSET are deterministic.
 */
void
rarr_order_add(RarrQuery *query, const RarrEntity *entity, const List *keys, bool total)
{
	const char *separator = " ORDER BY ";
	ListCell *cell;

	foreach (cell, keys)
	{
		const RarrOrderKey *key = lfirst(cell);

		appendStringInfo(&query->sql, "%s%s%s", separator, rarr_entity_expression(entity, key->column),
						 key->descending ? " DESC" : "");
		if (key->nulls != NULL)
			appendStringInfo(&query->sql, " NULLS %s", key->nulls);
		separator = ", ";
	}
	if (total && !rarr_order_has(keys, "id"))
		appendStringInfo(&query->sql, "%st.id", separator);
}
