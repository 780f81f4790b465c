/*
 * to_json.c
 *		Convert values of any type to jsonb.
 *
 * This uses the server's to_jsonb() with two additions.  The caller sets neutral
 * values for the settings that affect the text of a value.  And a value that
 * to_jsonb() rejects must not make the audited statement fail, such as a json
 * with \u0000 in it, a number that numeric cannot hold, or an error in a user's
 * cast.
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "base/json.h"
#include "base/subtransaction.h"
#include "base/text.h"
#include "audit/to_json.h"

/*
 * Set the settings that affect the text of values as pg_dump does.  Returns
 * the GUC nest level to restore with AtEOXact_GUC(true, level).
 */
int
rarr_use_neutral_settings(void)
{
	static const char *const settings[][2] = {
		{"datestyle", "ISO"},
		{"intervalstyle", "postgres"},
		{"timezone", "UTC"},
		{"extra_float_digits", "3"},
		{"bytea_output", "hex"},
		/* for money, and for regclass and the like */
		{"lc_monetary", "C"},
		{"search_path", ""},
		{"quote_all_identifiers", "off"},
	};
	int level = NewGUCNestLevel();

	for (int i = 0; i < lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1], PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	return level;
}

/* Can to_jsonb() reject a value of the type, other than for its size? */
static bool
may_fail(Oid type)
{
	Oid element = get_element_type(type);

	if (OidIsValid(element))
		type = getBaseType(element);
	return type >= FirstNormalObjectId || type == JSONOID || get_typtype(type) == TYPTYPE_COMPOSITE;
}

/*
 * Prepare to convert values of a type, which must not be a domain.  The
 * current memory context must live as long as the state.
 */
void
rarr_to_json_init(RarrToJson *how, Oid type)
{
	Node *arg = (Node *) makeNullConst(type, -1, InvalidOid);

	how->type = type;
	how->may_fail = may_fail(type);

	/* to_jsonb(anyelement) gets its argument's type from the expression */
	fmgr_info(F_TO_JSONB, &how->function);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSONB, JSONBOID, list_make1(arg),
											 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL),
					   &how->function);
}

static Jsonb *
string_jsonb(const char *string, int length)
{
	JsonbValue value;

	rarr_json_set_string(&value, string, length);
	return JsonbValueToJsonb(&value);
}

static Jsonb *
convert(const RarrToJson *how, Datum value)
{
	return DatumGetJsonbP(FunctionCall1(unconstify(FmgrInfo *, &how->function), value));
}

/* a conversion that may fail */
typedef struct Attempt
{
	const RarrToJson *how;
	Datum value;
	Jsonb *result;
} Attempt;

static bool
attempt(void *arg)
{
	Attempt *it = arg;

	it->result = convert(it->how, it->value);
	return true;
}

static bool
is_about_value(const ErrorData *error, void *arg)
{
	return rarr_error_is_about_data(error);
}

/* Return the substitute for a value that cannot be converted. */
static Jsonb *
substitute(const RarrToJson *how, Datum value)
{
	text *json;
	char *name;

	if (how->type == JSONOID)
	{
		/* the value itself, as text */
		json = DatumGetTextPP(value);
		return string_jsonb(VARDATA_ANY(json), VARSIZE_ANY_EXHDR(json));
	}
	name = psprintf("(a value of type %s)", format_type_be(how->type));
	return string_jsonb(name, strlen(name));
}

/* Sanitize a string in another encoding, such as a role's name. */
static Jsonb *
make_valid(Jsonb *jsonb)
{
	JsonbValue value;
	const char *string;

	if (!JB_ROOT_IS_SCALAR(jsonb) || !JsonbExtractScalar(&jsonb->root, &value) || value.type != jbvString ||
		pg_verifymbstr(value.val.string.val, value.val.string.len, true))
		return jsonb;
	string = rarr_valid_text(pnstrdup(value.val.string.val, value.val.string.len));
	return string_jsonb(string, strlen(string));
}

/*
 * Convert a value, which must not be NULL, to jsonb.  A json that jsonb cannot
 * represent is converted to a string with its text.  Any other such value is
 * converted to a string with the name of its type.
 */
Jsonb *
rarr_to_json(const RarrToJson *how, Datum value)
{
	Attempt it = {how, value, NULL};
	ErrorData *error;

	if (!how->may_fail)
		return make_valid(convert(how, value));
	if (rarr_subtransaction(attempt, is_about_value, &it, &error))
		return it.result;
	return substitute(how, value);
}
