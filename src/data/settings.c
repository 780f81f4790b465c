/*
 * settings.c
 *		The functions on settings: config_set, config_get, config_list.
 *
 * Writing checks a value against its type, so that reading need not.  Only
 * admins may see secrets.  Other users read through a view that masks them,
 * and need only the privileges on that view.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

#include "base/access.h"
#include "base/args.h"
#include "base/result.h"
#include "data/query.h"
#include "data/secret.h"
#include "data/violations.h"

/* Raise RA003 if a setting cannot have this key, value and type. */
static void
check_setting(RarrEntity *entity, text *key, text *value, text *type)
{
	List *violations = NIL;
	RarrViolation v;

	if (!rarr_check_text(&rarr_rule_key, key, &v))
		violations = rarr_add_violation(violations, v.field, v.code, v.message);
	if (!rarr_check_text(&rarr_rule_value_type, type, &v))
		violations = rarr_add_violation(violations, v.field, v.code, v.message);
	if (!rarr_check_setting(value, text_to_cstring(type), &v))
		violations = rarr_add_violation(violations, v.field, v.code, v.message);
	rarr_raise_violations(entity, violations);
}

/* Write a setting, and return its row as the user may see it. */
static HeapTuple
write_setting(RarrEntity *entity, FunctionCallInfo fcinfo, text *type)
{
	RarrReplaced setting = {NULL, PG_GETARG_TEXT_PP(0)};
	RarrReplaced before;
	RarrQuery query;

	rarr_query_init(&query);
	rarr_query_add_param(&query, "INSERT INTO researcharr.configuration AS t"
								 " (key, value, value_type, description, secret) VALUES (",
						 TEXTOID, PG_GETARG_DATUM(0));
	rarr_query_add_param(&query, ", ", TEXTOID, PG_GETARG_DATUM(1));
	rarr_query_add_param(&query, ", ", TEXTOID, PointerGetDatum(type));
	rarr_query_add(&query, ", ");
	rarr_query_param(&query, TEXTOID, PG_GETARG_DATUM(3), PG_ARGISNULL(3));
	rarr_query_add(&query, ", COALESCE(");
	rarr_query_param(&query, BOOLOID, PG_GETARG_DATUM(4), PG_ARGISNULL(4));
	rarr_query_add(&query, ", false)) ON CONFLICT (key) DO UPDATE SET value = $2, value_type = $3,"
						   " description = COALESCE($4, t.description), secret = COALESCE($5, t.secret)");
	before = rarr_secret_replace(setting);
	PG_TRY();
	{
		(void) rarr_query_run(entity, &query, RARR_GENERIC);
	}
	PG_FINALLY();
	{
		(void) rarr_secret_replace(before);
	}
	PG_END_TRY();

	rarr_query_select(&query, entity);
	rarr_query_add_param(&query, " WHERE t.key" RARR_EQ, TEXTOID, PG_GETARG_DATUM(0));
	return rarr_query_row(entity, &query, RARR_GENERIC);
}

/*
 * config_set(key text, value text, value_type text, description text, secret
 * boolean) returns configuration
 *
 * Writes a setting and returns its row.  If description or secret is NULL, it
 * stays as it is; a new setting is not secret.  Raises 22004 if key or value
 * is NULL, and RA003 for an invalid key or type or a value that is not valid
 * for the type.
 */
PG_FUNCTION_INFO_V1(researcharr_config_set);
Datum
researcharr_config_set(PG_FUNCTION_ARGS)
{
	RarrEntity *entity = rarr_entity(RARR_CONFIG);
	text *type;

	RARR_REQUIRE_ARG(0, "key");
	RARR_REQUIRE_ARG(1, "value");
	type = PG_ARGISNULL(2) ? cstring_to_text("string") : PG_GETARG_TEXT_PP(2);
	check_setting(entity, PG_GETARG_TEXT_PP(0), PG_GETARG_TEXT_PP(1), type);
	return rarr_result_row(fcinfo, entity->desc, write_setting(entity, fcinfo, type));
}

/* Read a column of a setting.  Returns false if there is no such setting. */
static bool
read_setting(RarrEntity *entity, Datum key, const char *column, Datum *value)
{
	RarrQuery query;
	bool isnull;

	rarr_query_init(&query);
	appendStringInfo(&query.sql, "SELECT t.%s FROM researcharr.%s AS t", column,
					 rarr_entity_source(entity));
	rarr_query_add_param(&query, " WHERE t.key" RARR_EQ, TEXTOID, key);
	return rarr_query_value(entity, &query, RARR_READ | RARR_GENERIC, value, &isnull) && !isnull;
}

/*
 * Get the text of a setting of this type, or NULL if there is none.  Raises
 * 42804 if it has another type, and 42501 if it is secret and the user is not
 * an admin.
 */
static text *
typed_setting(FunctionCallInfo fcinfo, const char *type)
{
	RarrEntity *entity = rarr_entity(RARR_CONFIG);
	Datum value;
	char *key;

	RARR_REQUIRE_ARG(0, "key");
	if (!read_setting(entity, PG_GETARG_DATUM(0), "value_type", &value))
		return NULL;
	key = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (strcmp(TextDatumGetCString(value), type) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("setting \"%s\" is of type %s, not %s", key, TextDatumGetCString(value), type),
				 errhint("config_get() reads a setting of any type as text.")));
	if (!rarr_is_admin(GetUserId()) && read_setting(entity, PG_GETARG_DATUM(0), "secret", &value) &&
		DatumGetBool(value))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("setting \"%s\" is a secret", key),
				 errhint("Only admins may read it.")));
	return read_setting(entity, PG_GETARG_DATUM(0), "value", &value) ? DatumGetTextPP(value) : NULL;
}

/*
 * config_get(key text) returns text
 *
 * Returns the value, *** for a secret unless the user is an admin, or NULL if
 * there is no such key.  Raises 22004 for NULL.
 */
PG_FUNCTION_INFO_V1(researcharr_config_get);
Datum
researcharr_config_get(PG_FUNCTION_ARGS)
{
	Datum value;

	RARR_REQUIRE_ARG(0, "key");
	if (!read_setting(rarr_entity(RARR_CONFIG), PG_GETARG_DATUM(0), "value", &value))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(value);
}

/*
 * config_get_int(key text) returns bigint
 *
 * Returns NULL if there is no such key.  Raises 22004 for NULL, 42804 for
 * another type, and 42501 for a secret.
 */
PG_FUNCTION_INFO_V1(researcharr_config_get_int);
Datum
researcharr_config_get_int(PG_FUNCTION_ARGS)
{
	text *value = typed_setting(fcinfo, "int");

	if (value == NULL)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(DirectFunctionCall1(int8in, CStringGetDatum(text_to_cstring(value))));
}

/*
 * config_get_bool(key text) returns boolean
 *
 * NULL and errors as for config_get_int.
 */
PG_FUNCTION_INFO_V1(researcharr_config_get_bool);
Datum
researcharr_config_get_bool(PG_FUNCTION_ARGS)
{
	text *value = typed_setting(fcinfo, "bool");

	if (value == NULL)
		PG_RETURN_NULL();
	PG_RETURN_BOOL(strcmp(text_to_cstring(value), "true") == 0);
}

/*
 * config_get_json(key text) returns jsonb
 *
 * NULL and errors as for config_get_int.
 */
PG_FUNCTION_INFO_V1(researcharr_config_get_json);
Datum
researcharr_config_get_json(PG_FUNCTION_ARGS)
{
	text *value = typed_setting(fcinfo, "json");

	if (value == NULL)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(text_to_cstring(value))));
}

/*
 * config_list(prefix text) returns SETOF configuration
 *
 * Returns the settings whose keys begin with the prefix, by key.
 */
PG_FUNCTION_INFO_V1(researcharr_config_list);
Datum
researcharr_config_list(PG_FUNCTION_ARGS)
{
	RarrEntity *entity = rarr_entity(RARR_CONFIG);
	RarrQuery query;

	rarr_query_select(&query, entity);
	rarr_query_add_param(&query, " WHERE pg_catalog.starts_with(t.key, ", TEXTOID,
						 PG_ARGISNULL(0) ? CStringGetTextDatum("") : PG_GETARG_DATUM(0));
	rarr_query_add(&query, ") ORDER BY t.key");
	rarr_query_rows(entity, &query, RARR_READ | RARR_GENERIC, fcinfo);
	return (Datum) 0;
}
