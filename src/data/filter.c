/*
 * filter.c
 *		Translate filters to SQL.
 *
 * Nothing that the caller wrote becomes part of a statement's text: names are
 * looked up among the entity's columns, operators are those of the column's type,
 * and values are parameters of that type, so that an index can be used.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "base/errors.h"
#include "base/json.h"
#include "base/text.h"
#include "data/by_oid.h"
#include "data/filter.h"
#include "data/job_status.h"
#include "data/pattern.h"
#include "data/value.h"

typedef struct Filter Filter;

/* A condition being written. */
typedef struct Condition
{
	RarrQuery *query;
	const RarrEntity *entity;
	const RarrEntityColumn *column;
	const Filter *filter;
	const JsonbValue *value;
} Condition;

/* A filter operator. */
struct Filter
{
	const char *name;
	void (*write)(const Condition *condition);
	int strategy;       /* comparison: the btree strategy; 0 for <> */
	const char *opname; /* otherwise: the operator's name in pg_catalog */
};

static void write_comparison(const Condition *condition);
static void write_in(const Condition *condition);
static void write_like(const Condition *condition);
static void write_is_null(const Condition *condition);
static void write_contains(const Condition *condition);

static const Filter operators[] = {
	{"eq", write_comparison, BTEqualStrategyNumber},
	{"ne", write_comparison, 0},
	{"gt", write_comparison, BTGreaterStrategyNumber},
	{"gte", write_comparison, BTGreaterEqualStrategyNumber},
	{"lt", write_comparison, BTLessStrategyNumber},
	{"lte", write_comparison, BTLessEqualStrategyNumber},
	{"in", write_in, BTEqualStrategyNumber},
	{"like", write_like, .opname = "~~"},
	{"ilike", write_like, .opname = "~~*"},
	{"is_null", write_is_null},
	{"contains", write_contains}};

/* Raise RA004: the entity has no column of this name. length is in bytes. */
void
rarr_unknown_column(const RarrEntity *entity, const char *what, const char *name, int length)
{
	ereport(ERROR,
			(errcode(ERRCODE_RARR_UNKNOWN_FILTER),
			 errmsg("%s names an unknown column of %s: %s", what, entity->def->name,
					rarr_quote_clipped(name, length)),
			 errdetail("The columns are %s.", rarr_entity_column_names(entity)),
			 errhint("Write columns as they are listed, without quotes.")));
}

/* Raise RA004: the column's type does not support the operator. */
static void
unknown_operator(const Condition *condition)
{
	ereport(ERROR,
			(errcode(ERRCODE_RARR_UNKNOWN_FILTER),
			 errmsg("operator \"%s\" does not apply to column \"%s\", which is of type %s",
					condition->filter->name, condition->column->name,
					format_type_be(condition->column->type)),
			 errhint("Comparisons are for types with an order, like and ilike for text, contains for text, jsonb and arrays.")));
}

/* Raise 22023: the value is not valid for the column or the operator. */
static void
bad_value(const Condition *condition, const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("value of \"%s\" for column \"%s\" %s", condition->filter->name,
					condition->column->name, problem),
			 errhint("Give a value of type %s%s.", format_type_be(condition->column->type),
					 condition->filter->write == write_in ? ", in an array" : "")));
}

static Datum
read_value(const Condition *condition, const JsonbValue *value)
{
	RarrEntityColumn column = *condition->column;
	RarrViolation violation;
	Datum result = (Datum) 0;

	if (value->type == jbvNull)
		bad_value(condition, "must not be null");
	column.typmod = -1; /* compare with the value as given */
	if (!rarr_value_read(&column, value, &result, &violation))
		bad_value(condition, violation.message);
	return result;
}

/* Find the operator that compares values of the column's type. */
static Oid
comparison(const Condition *condition)
{
	TypeCacheEntry *type = lookup_type_cache(condition->column->type,
											 TYPECACHE_BTREE_OPFAMILY | TYPECACHE_EQ_OPR);
	Oid opno = InvalidOid;

	if (OidIsValid(type->btree_opf))
		opno = condition->filter->strategy == 0 ? get_negator(type->eq_opr) :
												  get_opfamily_member(type->btree_opf, type->btree_opintype, type->btree_opintype,
																	  condition->filter->strategy);
	if (!OidIsValid(opno))
		unknown_operator(condition);
	return opno;
}

/* Return the expression for the column that the condition is about. */
static const char *
expression(const Condition *condition)
{
	return rarr_query_expression(condition->query, condition->entity, condition->column);
}

static void
write_column(const Condition *condition)
{
	rarr_query_add(condition->query, expression(condition));
}

/*
 * Write "column operator value", or "column operator ANY (value)".  An
 * operator outside pg_catalog is referred to by OID, because the owner of its
 * schema could replace it with another of the same name.
 */
static void
write_operation(const Condition *condition, Oid opno, bool any, Oid type, Datum value)
{
	RarrQuery *query = condition->query;
	HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(opno));
	Form_pg_operator form;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", opno);
	form = (Form_pg_operator) GETSTRUCT(tuple);
	rarr_query_bind(query, type, value);
	if (form->oprnamespace != PG_CATALOG_NAMESPACE)
		appendStringInfo(&query->sql, any ? RARR_BY_OID_ANY : RARR_BY_OID_OPERATOR, opno,
						 expression(condition), query->nparams);
	else
		appendStringInfo(&query->sql, any ? "%s OPERATOR(pg_catalog.%s) ANY ($%d)" : "%s OPERATOR(pg_catalog.%s) $%d",
						 expression(condition), NameStr(form->oprname), query->nparams);
	ReleaseSysCache(tuple);
}

static void
write_null_test(const Condition *condition, bool isnull)
{
	write_column(condition);
	rarr_query_add(condition->query, isnull ? " IS NULL" : " IS NOT NULL");
}

/* eq and ne with null test for NULL */
static void
write_comparison(const Condition *condition)
{
	int strategy = condition->filter->strategy;
	Oid opno;

	if (condition->value->type == jbvNull && (strategy == BTEqualStrategyNumber || strategy == 0))
	{
		write_null_test(condition, strategy != 0);
		return;
	}
	opno = comparison(condition);
	write_operation(condition, opno, false, condition->column->type,
					read_value(condition, condition->value));
}

static void
write_in(const Condition *condition)
{
	Oid opno = comparison(condition);
	Oid array_type = get_array_type(condition->column->type);
	ArrayBuildState *array;
	JsonbIterator *it;
	JsonbValue element;

	if (!OidIsValid(array_type))
		unknown_operator(condition);
	if (!rarr_json_is_array(condition->value))
		bad_value(condition, psprintf("must be an array, not %s", rarr_json_describe(condition->value)));

	array = initArrayResult(condition->column->type, CurrentMemoryContext, false);
	it = JsonbIteratorInit(condition->value->val.binary.data);
	while (rarr_json_next_element(&it, &element))
	{
		CHECK_FOR_INTERRUPTS();
		array = accumArrayResult(array, read_value(condition, &element), false,
								 condition->column->type, CurrentMemoryContext);
	}
	write_operation(condition, opno, true, array_type,
					makeArrayResult(array, CurrentMemoryContext));
}

static bool
is_text(const Condition *condition)
{
	Oid type = getBaseType(condition->column->type);

	return type == TEXTOID || type == VARCHAROID || type == BPCHAROID;
}

static Datum
read_text(const Condition *condition)
{
	const char *text;
	int length;
	char *problem = rarr_json_text(condition->value, &text, &length);

	if (problem != NULL)
		bad_value(condition, problem);
	return PointerGetDatum(cstring_to_text_with_len(text, length));
}

/* Does a pattern end in a backslash with no character to escape? */
static bool
ends_in_escape(const text *pattern)
{
	const char *string = VARDATA_ANY(pattern);
	int length = VARSIZE_ANY_EXHDR(pattern);
	int backslashes = 0;

	while (backslashes < length && string[length - 1 - backslashes] == '\\')
		backslashes++;
	return backslashes % 2 != 0;
}

static void
write_like(const Condition *condition)
{
	Datum pattern;

	if (!is_text(condition))
		unknown_operator(condition);
	pattern = read_text(condition);
	if (ends_in_escape(DatumGetTextPP(pattern)))
		bad_value(condition, "must not end with a single backslash, which escapes what is behind it");
	write_column(condition);
	appendStringInfo(&condition->query->sql, " OPERATOR(pg_catalog.%s) ", condition->filter->opname);
	rarr_query_param(condition->query, TEXTOID, pattern, false);
}

static void
write_is_null(const Condition *condition)
{
	if (condition->value->type != jbvBool)
		bad_value(condition, psprintf("must be true or false, not %s",
									  rarr_json_describe(condition->value)));
	write_null_test(condition, condition->value->val.boolean);
}

/* Build a LIKE pattern that matches any text containing this text. */
static Datum
containing_pattern(const text *part)
{
	const char *string = VARDATA_ANY(part);
	int length = VARSIZE_ANY_EXHDR(part);
	StringInfoData pattern;

	initStringInfo(&pattern);
	appendStringInfoChar(&pattern, '%');
	for (int i = 0, n; i < length; i += n)
	{
		n = pg_mblen(string + i);
		if (n == 1 && strchr("\\%_", string[i]) != NULL)
			appendStringInfoChar(&pattern, '\\');
		appendBinaryStringInfo(&pattern, string + i, n);
	}
	appendStringInfoChar(&pattern, '%');
	return PointerGetDatum(cstring_to_text_with_len(pattern.data, pattern.len));
}

/*
 * Write a "contains" condition.  For text, it is a LIKE, which a trigram index
 * supports; for jsonb and arrays, it is @>.
 */
static void
write_contains(const Condition *condition)
{
	Oid type = condition->column->type;

	if (is_text(condition))
	{
		write_column(condition);
		rarr_query_add_param(condition->query, " OPERATOR(pg_catalog.~~) ",
							 TEXTOID, containing_pattern(DatumGetTextPP(read_text(condition))));
		return;
	}
	if (getBaseType(type) != JSONBOID && !type_is_array_domain(type))
		unknown_operator(condition);
	write_column(condition);
	rarr_query_add_param(condition->query, " OPERATOR(pg_catalog.@>) ",
						 type, read_value(condition, condition->value));
}

static const Filter *
find_operator(const RarrEntityColumn *column, const char *name, int length)
{
	StringInfoData known;

	for (int i = 0; i < lengthof(operators); i++)
	{
		if (rarr_equals(operators[i].name, name, length))
			return &operators[i];
	}
	initStringInfo(&known);
	for (int i = 0; i < lengthof(operators); i++)
		appendStringInfo(&known, "%s%s", i == 0 ? "" : i == lengthof(operators) - 1 ? " and " :
																					  ", ",
						 operators[i].name);
	ereport(ERROR,
			(errcode(ERRCODE_RARR_UNKNOWN_FILTER),
			 errmsg("filter of column \"%s\" has an unknown operator: %s", column->name,
					rarr_quote_clipped(name, length)),
			 errdetail("The operators are %s.", known.data),
			 errhint("Write a JSON object as a value with its operator: {\"%s\": {\"eq\": {...}}}.",
					 column->name)));
}

static void
write_condition(Condition *condition, const Filter *filter, const JsonbValue *value)
{
	condition->filter = filter;
	condition->value = value;
	rarr_query_add(condition->query, " AND ");
	filter->write(condition);
}

/* Write all conditions of a column. */
static void
write_conditions(Condition *condition, const JsonbValue *value)
{
	JsonbIterator *it;
	JsonbValue name;
	JsonbValue member;

	if (!rarr_json_is_object(value))
	{
		write_condition(condition, &operators[0], value);
		return;
	}
	it = JsonbIteratorInit(value->val.binary.data);
	while (rarr_json_next_member(&it, &name, &member))
		write_condition(condition, find_operator(condition->column, name.val.string.val, name.val.string.len), &member);
}

/* Get the next filter and set its column.  Returns false at the end. */
static bool
next_filter(JsonbIterator **it, const RarrEntity *entity, const RarrEntityColumn **column,
			JsonbValue *filter)
{
	JsonbValue name;

	if (!rarr_json_next_member(it, &name, filter))
		return false;
	*column = rarr_entity_column(entity, name.val.string.val, name.val.string.len);
	if (*column == NULL)
		rarr_unknown_column(entity, "filter", name.val.string.val, name.val.string.len);
	return true;
}

static JsonbIterator *
begin_filters(Jsonb *filters)
{
	if (!JB_ROOT_IS_OBJECT(filters))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("filters is not a JSON object: %s", rarr_jsonb_excerpt(filters)),
				 errhint("Give an object, such as {\"status\": \"pending\", \"year\": {\"gte\": 2000}}.")));
	return JsonbIteratorInit(&filters->root);
}

/* Note the operators of the filter of a column, which is the i-th one. */
static void
note_operators(RarrFilterUse *use, const RarrEntityColumn *column, int i, const JsonbValue *value)
{
	JsonbIterator *it;
	JsonbValue name;
	JsonbValue member;

	if (!rarr_json_is_object(value))
		return;
	it = JsonbIteratorInit(value->val.binary.data);
	while (rarr_json_next_member(&it, &name, &member))
	{
		const Filter *filter = find_operator(column, name.val.string.val, name.val.string.len);

		if (filter->write == write_like || filter->write == write_contains)
			use->pattern = true;
		if (filter->strategy == BTGreaterStrategyNumber || filter->strategy == BTGreaterEqualStrategyNumber)
			use->above = bms_add_member(use->above, i);
		if (filter->strategy == BTLessStrategyNumber || filter->strategy == BTLessEqualStrategyNumber)
			use->below = bms_add_member(use->below, i);
	}
}

/*
 * Find out which columns the filters name, and how. filters may be NULL.
 * Raises RA004 for an unknown column or operator, and 22023 if filters is not
 * an object.
 */
void
rarr_filter_use(const RarrEntity *entity, Jsonb *filters, RarrFilterUse *use)
{
	const RarrEntityColumn *column;
	JsonbIterator *it;
	JsonbValue filter;

	memset(use, 0, sizeof(RarrFilterUse));
	if (filters == NULL)
		return;
	it = begin_filters(filters);
	while (next_filter(&it, entity, &column, &filter))
	{
		use->columns = bms_add_member(use->columns, column - entity->columns);
		note_operators(use, column, column - entity->columns, &filter);
	}
}

/*
 * Is the condition a pattern that few rows match? wanted is as for
 * rarr_pattern_is_rare().
 */
static bool
is_rare(const Condition *condition, double wanted)
{
	const RarrEntityColumn *column = condition->column;
	Oid relid = column->in_subtable ? condition->entity->subtableid : condition->entity->tableid;
	bool insensitive = condition->filter->opname != NULL && strcmp(condition->filter->opname, "~~*") == 0;
	Datum pattern;

	if ((condition->filter->write != write_like && condition->filter->write != write_contains) ||
		column->type != TEXTOID)
		return false;
	pattern = read_text(condition);
	if (condition->filter->write == write_contains)
		pattern = containing_pattern(DatumGetTextPP(pattern));
	else if (ends_in_escape(DatumGetTextPP(pattern)))
		return false; /* write_like() raises an error */
	return rarr_pattern_is_rare(relid, get_attnum(relid, column->name),
								insensitive ? OID_TEXT_ICLIKE_OP : OID_TEXT_LIKE_OP, pattern, wanted);
}

/*
 * Do the filters of an entity have a pattern that few rows match and an index
 * finds?  If so, all these rows should be found before they are sorted. wanted
 * is the number of rows needed, from the first in order.  Raises the errors of
 * rarr_filter_add().
 */
bool
rarr_filter_is_rare(const RarrEntity *entity, Jsonb *filters, double wanted)
{
	Condition condition = {.entity = entity};
	JsonbIterator *it = begin_filters(filters);
	JsonbValue filter;

	while (next_filter(&it, entity, &condition.column, &filter))
	{
		JsonbIterator *members;
		JsonbValue name;
		JsonbValue member;

		if (!rarr_json_is_object(&filter))
			continue;
		members = JsonbIteratorInit(filter.val.binary.data);
		while (rarr_json_next_member(&members, &name, &member))
		{
			condition.filter = find_operator(condition.column, name.val.string.val, name.val.string.len);
			condition.value = &member;
			if (is_rare(&condition, wanted))
				return true;
		}
	}
	return false;
}

/*
 * Append a WHERE clause for a caller's filters to a query.  The clause is "
 * WHERE true AND ...", on the columns of t. filters may be NULL.  Raises RA004
 * if the entity lacks a column or the column's type an operator, and 22023 if
 * filters is not an object or a value is not valid.
 */
void
rarr_filter_add(RarrQuery *query, const RarrEntity *entity, Jsonb *filters)
{
	Condition condition = {.query = query, .entity = entity};
	JsonbIterator *it;
	JsonbValue filter;

	rarr_query_add(query, " WHERE true");
	if (filters == NULL)
		return;
	it = begin_filters(filters);
	while (next_filter(&it, entity, &condition.column, &filter))
	{
		if (entity->kind == RARR_JOB && strcmp(condition.column->name, "status") == 0 &&
			rarr_job_status_filter_add(query, &filter))
			continue;
		write_conditions(&condition, &filter);
	}
}
