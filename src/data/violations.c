/*
 * violations.c
 *		Convert JSON objects to column values, and report all violations.
 *
 * An object is read in the same way for E_validate, E_create and E_update.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/date.h"

#include "base/args.h"
#include "base/errors.h"
#include "base/json.h"
#include "data/secret.h"
#include "data/value.h"
#include "data/violations.h"
#include "job/job.h"

#define LISTED_VIOLATIONS 100 /* maximum in a DETAIL, which is logged */

/* Add a violation to a list. field and message are not copied. */
List *
rarr_add_violation(List *violations, const char *field, const char *code, char *message)
{
	RarrViolation *violation = palloc(sizeof(RarrViolation));

	(void) rarr_violates(violation, field, code, message);
	return lappend(violations, violation);
}

/* Raise RA003 if the rule does not allow the value of this argument. */
void
rarr_require_text(const RarrRule *rule, const char *name, const text *value, const char *hint)
{
	RarrViolation violation;

	if (!rarr_check_text(rule, value, &violation))
		ereport(ERROR,
				(errcode(ERRCODE_RARR_VALIDATION),
				 errmsg("%s %s", name, violation.message),
				 errhint("%s", hint)));
}

/* Trim the text if the rule says so. */
static Datum
trim(const RarrRule *rule, Datum value)
{
	text *original = DatumGetTextPP(value);
	const char *trimmed = VARDATA_ANY(original);
	int length = VARSIZE_ANY_EXHDR(original);

	if (!rule->trims)
		return value;
	rarr_trim(&trimmed, &length);
	return PointerGetDatum(cstring_to_text_with_len(trimmed, length));
}

/* Does the column's value, trimmed if the rule says so, satisfy the rule? */
static bool
check_rule(const RarrEntityColumn *column, Datum *value, RarrViolation *violation)
{
	const RarrRule *rule = column->rule;

	switch (rule->kind)
	{
		case RARR_RULE_TEXT:
			*value = trim(rule, *value);
			return rarr_check_text(rule, DatumGetTextPP(*value), violation);
		case RARR_RULE_INT:
			return rarr_check_int(rule, column->type == INT8OID ? DatumGetInt64(*value) : DatumGetInt32(*value),
								  violation);
		case RARR_RULE_TIME:
			return rarr_check_time(rule, DatumGetTimestampTz(*value), violation);
		case RARR_RULE_METADATA:
			return rarr_check_metadata(rule, DatumGetJsonbP(*value), violation);
		case RARR_RULE_DATE:
			return true; /* already checked as text */
	}
	return true;
}

/* Does the rule's kind match the column's type, which DDL can change? */
static bool
rule_fits(const RarrEntityColumn *column)
{
	static const Oid types[] = {
		[RARR_RULE_TEXT] = TEXTOID,
		[RARR_RULE_INT] = INT4OID,
		[RARR_RULE_DATE] = DATEOID,
		[RARR_RULE_TIME] = TIMESTAMPTZOID,
		[RARR_RULE_METADATA] = JSONBOID};

	return column->rule != NULL &&
		   (types[column->rule->kind] == column->type ||
			(column->rule->kind == RARR_RULE_INT && column->type == INT8OID));
}

/* Read a value other than null; false, with the violation, if not valid. */
static bool
read_value(const RarrEntityColumn *column, const JsonbValue *value, Datum *result, RarrViolation *violation)
{
	if (rule_fits(column) && column->rule->kind == RARR_RULE_DATE && value->type == jbvString)
	{
		DateADT date;

		if (!rarr_check_date(column->rule, value->val.string.val, value->val.string.len,
							 &date, violation))
			return false;
		*result = DateADTGetDatum(date);
		return true;
	}
	return rarr_value_read(column, value, result, violation) &&
		   (!rule_fits(column) || check_rule(column, result, violation));
}

static bool
is_type_of_flat_row(const RarrEntity *entity, const RarrEntityColumn *column)
{
	return entity->def->type != NULL && strcmp(column->name, "type") == 0;
}

/* Read a field that the entity has. */
static List *
read_field(const RarrEntity *entity, const RarrEntityColumn *column, const JsonbValue *value, bool update,
		   RarrValues *values, List *violations)
{
	int i = column - entity->columns;
	RarrViolation violation;

	if (update ? !column->updatable : !column->creatable)
		return rarr_add_violation(violations, column->name, "read_only",
								  update ? "cannot be changed" : "cannot be given");
	if (value->type == jbvNull)
	{
		if (!update)
			return violations; /* same as absent */
		if (column->not_null)
			return rarr_add_violation(violations, column->name, "required", "is required");
		values->given[i] = values->nulls[i] = true;
		return violations;
	}
	values->given[i] = true;
	if (!read_value(column, value, &values->values[i], &violation))
		return rarr_add_violation(violations, column->name, violation.code,
								  rarr_is_secret_column(entity, column) ?
									  rarr_without_value(violation.message) :
									  violation.message);
	if (is_type_of_flat_row(entity, column) &&
		strcmp(TextDatumGetCString(values->values[i]), entity->def->type) != 0)
		return rarr_add_violation(violations, column->name, "not_one_of",
								  psprintf("must be %s", entity->def->type));
	return violations;
}

/* Return the valid text given for a column, or NULL if there is none. */
static text *
given_text(const RarrEntity *entity, const RarrValues *values, const char *name)
{
	const RarrEntityColumn *column = rarr_entity_column(entity, name, strlen(name));
	int i = column == NULL ? -1 : column - entity->columns;

	if (i < 0 || column->type != TEXTOID || !values->given[i] || values->values[i] == (Datum) 0)
		return NULL;
	return DatumGetTextPP(values->values[i]);
}

/* Check that a setting's value is valid for its type, if both are given. */
static List *
check_setting(const RarrEntity *entity, const RarrValues *values, List *violations)
{
	text *value = given_text(entity, values, "value");
	text *type = given_text(entity, values, "value_type");
	RarrViolation violation;

	if (value == NULL || type == NULL ||
		rarr_check_setting(value, text_to_cstring(type), &violation))
		return violations;
	return rarr_add_violation(violations, violation.field, violation.code, violation.message);
}

static void
init_values(const RarrEntity *entity, RarrValues *values)
{
	values->given = palloc0(entity->ncolumns * sizeof(bool));
	values->nulls = palloc0(entity->ncolumns * sizeof(bool));
	values->values = palloc0(entity->ncolumns * sizeof(Datum));
}

static List *
read_members(const RarrEntity *entity, JsonbContainer *object, bool update, RarrValues *values)
{
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbValue key;
	JsonbValue value;
	List *violations = NIL;

	while (rarr_json_next_member(&it, &key, &value))
	{
		const RarrEntityColumn *column = rarr_entity_column(entity, key.val.string.val,
															key.val.string.len);

		if (column == NULL)
			violations = rarr_add_violation(violations, pnstrdup(key.val.string.val, key.val.string.len),
											"unknown_field",
											psprintf("is not a field of %s", entity->def->name));
		else
			violations = read_field(entity, column, &value, update, values, violations);
	}
	return violations;
}

/*
 * Read a JSON object into values.  Returns a list of RarrViolation.  The list
 * is empty if the object is a valid new row or, with update, a valid set of
 * changes.  The values are allocated in the current memory context.
 */
List *
rarr_values_read(const RarrEntity *entity, const JsonbValue *object, bool update, RarrValues *values)
{
	List *violations;

	init_values(entity, values);
	if (!rarr_json_is_object(object))
		return rarr_add_violation(NIL, "", "wrong_type",
								  psprintf("must be an object, not %s", rarr_json_describe(object)));
	violations = read_members(entity, object->val.binary.data, update, values);
	for (int i = 0; i < entity->ncolumns && !update; i++)
	{
		if (entity->columns[i].required && !values->given[i])
			violations = rarr_add_violation(violations, entity->columns[i].name, "required", "is required");
	}
	if (entity->kind == RARR_CONFIG)
		violations = check_setting(entity, values, violations);
	return violations;
}

/* Truncate a field's name for a message; it can be of any length. */
static char *
clip_field(const char *field)
{
	int shown = pg_mbcliplen(field, strlen(field), NAMEDATALEN);

	return psprintf("%.*s%s", shown, field, field[shown] != '\0' ? "..." : "");
}

/* Return the first violations as a JSON array. */
static char *
list_violations(List *violations)
{
	JsonbParseState *state = NULL;
	ListCell *cell;
	Jsonb *list;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	foreach (cell, violations)
	{
		const RarrViolation *violation = lfirst(cell);
		JsonbValue null = {.type = jbvNull};

		if (foreach_current_index(cell) == LISTED_VIOLATIONS)
			break;
		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		if (violation->field[0] == '\0')
			rarr_json_put(&state, "field", &null);
		else
			rarr_json_put_text(&state, "field", clip_field(violation->field));
		rarr_json_put_text(&state, "code", violation->code);
		rarr_json_put_text(&state, "message", violation->message);
		pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	list = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
	return JsonbToCString(NULL, &list->root, VARSIZE(list));
}

/*
 * Raise RA003 if there are violations.  The message describes the first one.
 * The DETAIL lists the first 100 as a JSON array of objects with field, code
 * and message.
 */
void
rarr_raise_violations(const RarrEntity *entity, List *violations)
{
	const RarrViolation *first;
	int others = list_length(violations) - 1;

	if (violations == NIL)
		return;
	first = linitial(violations);
	ereport(ERROR,
			(errcode(ERRCODE_RARR_VALIDATION),
			 errmsg("%s is not valid: %s%s%s%s", entity->def->name, clip_field(first->field),
					first->field[0] != '\0' ? " " : "", first->message,
					others == 0 ? "" : others == 1 ? ", and 1 more violation" :
													 psprintf(", and %d more violations", others)),
			 errdetail_internal("%s", list_violations(violations)),
			 errhint(others < LISTED_VIOLATIONS ?
						 "The detail lists every violation; %s_validate() finds those of a new object." :
						 "The detail lists the first 100 violations; %s_validate() finds all of a new object.",
					 entity->def->name),
			 errhidestmt(entity->def->masked != NULL)));
}

/* Add a violation if a new job's type is well-formed but does not exist. */
List *
rarr_check_job_type(const RarrEntity *entity, const RarrValues *values, List *violations)
{
	text *name = entity->kind == RARR_JOB ? given_text(entity, values, "job_type") : NULL;
	RarrViolation violation;

	if (name == NULL ||
		!rarr_check_text(&rarr_rule_job_type, name, &violation) || rarr_job_type_is_known(name))
		return violations;
	return rarr_add_violation(violations, "job_type", "unknown_job_type",
							  psprintf("must be a known job type, not %s",
									   rarr_quote_clipped(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name))));
}

/*
 * E_validate(entity jsonb) returns TABLE (field text, code text, message text)
 *
 * Returns a row for each violation that E_create would raise, and none for a
 * valid object.  Raises 22004 for NULL.
 */
PG_FUNCTION_INFO_V1(researcharr_entity_validate);
Datum
researcharr_entity_validate(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	RarrEntity *entity = rarr_entity_of_function(fcinfo, "_validate");
	JsonbValue object;
	RarrValues values;
	List *violations;
	ListCell *cell;

	RARR_REQUIRE_ARG(0, "entity");
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	rarr_jsonb_as_value(PG_GETARG_JSONB_P(0), &object);
	violations = rarr_values_read(entity, &object, false, &values);
	violations = rarr_check_job_type(entity, &values, violations);
	foreach (cell, violations)
	{
		const RarrViolation *violation = lfirst(cell);
		bool nulls[3] = {violation->field[0] == '\0', false, false};
		Datum row[3];

		row[0] = CStringGetTextDatum(violation->field);
		row[1] = CStringGetTextDatum(violation->code);
		row[2] = CStringGetTextDatum(violation->message);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, row, nulls);
	}
	return (Datum) 0;
}
