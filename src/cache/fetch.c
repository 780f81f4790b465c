/*
 * fetch.c
 *		Cache the rows of a query: cache_fetch().
 *
 * An entry is for one role and one search_path: what the query may see, and what
 * its names mean, depends on them.  Of other settings the query should not
 * depend, or the key must name their values.
 *
 * If many sessions miss a key at once, one of them runs the query.  The others
 * wait for its lock, for a while, and look again.
 *
 * The query runs as the caller in a read-only transaction.  The cache is left
 * aside on a standby, in a serializable transaction, whose reads the server must
 * know, and in a session with temporary tables, whose names may hide others.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/params.h"
#include "parser/parse_param.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"

#include "base/args.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/subtransaction.h"
#include "cache/arguments.h"
#include "cache/table.h"
#include "cache/transaction.h"

/* rows that are fetched at once */
#define ROWS_AT_ONCE 100

/* the first byte of a variant */
#define VARIANT_FETCH 'f'

/* What is to be fetched. */
typedef struct Fetch
{
	RarrCacheKey key; /* of the role and search_path */
	const char *name; /* the key, for messages */
	const char *query;
	JsonbContainer *arguments; /* an array, or NULL */
	Oid *types;
	int ntypes;
	Jsonb *result;
	struct Fetch *outer; /* that this one is a part of */
} Fetch;

/* what this session is computing just now */
static Fetch *current = NULL;

/* Give the key its role and search_path.  Returns false if it must not be cached. */
static bool
make_variant(Fetch *fetch)
{
	List *path = fetch_search_path(true);
	char *data = palloc(fetch->key.length + 1 + list_length(path) * sizeof(Oid));
	char *end = data + fetch->key.length;
	ListCell *lc;
	bool cacheable = true;

	memcpy(data, fetch->key.data, fetch->key.length);
	*end++ = VARIANT_FETCH;
	foreach (lc, path)
	{
		Oid schema = lfirst_oid(lc);

		cacheable = cacheable && !isAnyTempNamespace(schema);
		memcpy(end, &schema, sizeof(Oid));
		end += sizeof(Oid);
	}
	fetch->key.data = data;
	fetch->key.role = GetUserId();
	fetch->key.variant = end - data - fetch->key.length;
	return cacheable && end - data <= PG_UINT16_MAX && rarr_cache_is_there() && !RecoveryInProgress() &&
		   !IsolationIsSerializable() && !IsInParallelMode();
}

/* Raise 42P19 if the query is part of its own result. */
static void
check_recursion(const Fetch *fetch)
{
	for (const Fetch *outer = current; outer != NULL; outer = outer->outer)
		if (outer->key.length == fetch->key.length &&
			memcmp(outer->key.data, fetch->key.data, fetch->key.length) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_RECURSION),
					 errmsg("the query of cache_fetch() fetches its own key \"%s\"", fetch->name),
					 errhint("Give the inner call another key.")));
}

static void
set_up_parser(ParseState *pstate, void *arg)
{
	Fetch *fetch = arg;

	setup_parse_variable_parameters(pstate, &fetch->types, &fetch->ntypes);
}

/* Convert an argument to the type that the query gives its parameter. */
static void
set_param(ParamExternData *param, Oid type, JsonbValue *value)
{
	Oid input;
	Oid ioparam;
	char *string;

	if (type == UNKNOWNOID || !OidIsValid(type))
		type = TEXTOID;
	param->ptype = type;
	param->pflags = PARAM_FLAG_CONST;
	param->isnull = value->type == jbvNull;
	if (param->isnull)
		return;
	string = value->type == jbvString ? pnstrdup(value->val.string.val, value->val.string.len) :
										(char *) rarr_json_to_text(value);
	getTypeInputInfo(type, &input, &ioparam);
	param->value = OidInputFunctionCall(input, string, ioparam, -1);
}

/* The values of the query's parameters.  Raises 22023 if there are too few. */
static ParamListInfo
make_params(Fetch *fetch)
{
	int n = fetch->arguments == NULL ? 0 : JsonContainerSize(fetch->arguments);
	ParamListInfo params;

	if (fetch->ntypes > n)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the query has %d parameters, and there are %d arguments", fetch->ntypes, n),
				 errhint("Give a JSON array with a value for each parameter.")));
	if (fetch->ntypes == 0)
		return NULL;
	params = makeParamList(fetch->ntypes);
	for (int i = 0; i < fetch->ntypes; i++)
		set_param(&params->params[i], fetch->types[i], getIthJsonbValueFromContainer(fetch->arguments, i));
	return params;
}

/* Add rows to the array.  Raises 54000 once it is too large. */
static void
add_rows(Fetch *fetch, JsonbParseState **state, FmgrInfo *to_jsonb, Size *bytes)
{
	(void) BlessTupleDesc(SPI_tuptable->tupdesc);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		Datum row = heap_copy_tuple_as_datum(SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
		Jsonb *json = DatumGetJsonbP(FunctionCall1(to_jsonb, row));
		JsonbValue value;

		*bytes += VARSIZE(json);
		if (*bytes > (Size) rarr_cache_max_value * 1024)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("the result of the query is too large for the cache: key \"%s\"", fetch->name),
					 errhint("Results may have up to %d kB (researcharr.cache_max_value).", rarr_cache_max_value)));
		rarr_jsonb_as_value(json, &value);
		pushJsonbValue(state, WJB_ELEM, &value);
	}
}

/* Make the JSON of all rows of a portal, in the given context. */
static Jsonb *
rows_to_json(Fetch *fetch, Portal portal, MemoryContext cxt)
{
	JsonbParseState *state = NULL;
	Const *argument = makeNullConst(RECORDOID, -1, InvalidOid);
	FmgrInfo to_jsonb;
	Size bytes = 0;
	MemoryContext old;
	JsonbValue *array;
	Jsonb *result;

	fmgr_info(F_TO_JSONB, &to_jsonb);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSONB, JSONBOID, list_make1(argument), InvalidOid, InvalidOid,
											 COERCE_EXPLICIT_CALL),
					   &to_jsonb);
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		SPI_cursor_fetch(portal, true, ROWS_AT_ONCE);
		if (SPI_processed == 0)
			break;
		add_rows(fetch, &state, &to_jsonb, &bytes);
		SPI_freetuptable(SPI_tuptable);
	}
	array = pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	old = MemoryContextSwitchTo(cxt);
	result = JsonbValueToJsonb(array);
	MemoryContextSwitchTo(old);
	return result;
}

/* Run the query, as the caller. */
static void
run_query(Fetch *fetch)
{
	MemoryContext cxt = CurrentMemoryContext;
	SPIPlanPtr plan;
	Portal portal;

	/* the parser enlarges it, where it is */
	fetch->types = palloc(sizeof(Oid));
	SPI_connect();
	plan = SPI_prepare_params(fetch->query, set_up_parser, fetch, CURSOR_OPT_NO_SCROLL);
	if (plan == NULL)
		elog(ERROR, "could not prepare the query: %s", SPI_result_code_string(SPI_result));
	if (!SPI_is_cursor_plan(plan))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cache_fetch() needs one query that returns rows: key \"%s\"", fetch->name),
				 errhint("Give a SELECT, or a function that returns rows.")));
	portal = SPI_cursor_open_with_paramlist(NULL, plan, make_params(fetch), true);
	fetch->result = rows_to_json(fetch, portal, cxt);
	SPI_cursor_close(portal);
	SPI_finish();
}

/*
 * Run the query as in a read-only transaction.  The end of a transaction or
 * subtransaction that an error aborts restores XactReadOnly, too.
 */
static void
compute(Fetch *fetch)
{
	bool read_only = XactReadOnly;
	Fetch *outer = current;

	check_recursion(fetch);
	fetch->outer = outer;
	current = fetch;
	XactReadOnly = true;
	PG_TRY();
	{
		run_query(fetch);
	}
	PG_FINALLY();
	{
		XactReadOnly = read_only;
		current = outer;
	}
	PG_END_TRY();
}

static bool
get_cached(Fetch *fetch)
{
	RarrCacheValue value;

	if (rarr_cache_get(&fetch->key, false, false, &value) != RARR_CACHE_HIT)
		return false;
	fetch->result = (Jsonb *) value.value;
	return true;
}

static bool
wait_for_lock(void *arg)
{
	rarr_cache_table_lock_fetch(arg);
	return true;
}

static bool
is_timeout(const ErrorData *error, void *arg)
{
	return error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE || error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED;
}

/*
 * Take the lock under which the query of a key runs.  Returns false if another
 * session has kept it for too long, or waits for what this one holds.
 */
static bool
take_turn(Fetch *fetch)
{
	int level;
	ErrorData *error;
	bool taken;
	char timeout[16];

	if (rarr_cache_table_try_fetch(&fetch->key))
		return true;
	if (rarr_cache_fetch_timeout == 0)
		return false;
	level = NewGUCNestLevel();
	snprintf(timeout, sizeof(timeout), "%d", rarr_cache_fetch_timeout);
	(void) set_config_option("lock_timeout", timeout, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	taken = rarr_subtransaction(wait_for_lock, is_timeout, &fetch->key, &error);
	AtEOXact_GUC(true, level);
	return taken;
}

/* Compute the result, and cache it, unless another session does just that. */
static void
compute_and_cache(Fetch *fetch, int64 ttl)
{
	bool taken;
	RarrCacheWrite write = {0};

	check_recursion(fetch);
	taken = take_turn(fetch);
	if (taken && get_cached(fetch))
	{
		rarr_cache_table_unlock_fetch(&fetch->key);
		return;
	}
	compute(fetch);
	write.value = VARDATA(fetch->result);
	write.length = VARSIZE(fetch->result) - VARHDRSZ;
	write.expiry = ttl == 0 ? 0 : rarr_monotonic_now() + ttl;
	rarr_cache_fill(&fetch->key, &write);
	if (taken)
		rarr_cache_table_unlock_fetch(&fetch->key);
}

/* The arguments, which must be an array or NULL.  Raises 22023. */
static JsonbContainer *
arguments_of(FunctionCallInfo fcinfo)
{
	Jsonb *json;

	if (PG_ARGISNULL(3))
		return NULL;
	json = PG_GETARG_JSONB_P(3);
	if (!JB_ROOT_IS_ARRAY(json) || JB_ROOT_IS_SCALAR(json))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the arguments of a query must be a JSON array: %s", rarr_jsonb_excerpt(json)),
				 errhint("Give [1, \"a\"] for the parameters $1 and $2.")));
	return &json->root;
}

/*
 * cache_fetch(key text, query text, ttl interval, arguments jsonb) returns jsonb
 *
 * Returns the query's rows as a JSON array, from the cache if they are there.
 * Raises 22004 for a NULL key or query, 22023 for a key of the wrong length, a
 * negative ttl, arguments that are no array or too few, or a query that returns
 * no rows, 25006 if the query writes, 54000 if the result is larger than
 * researcharr.cache_max_value, 42P19 if the query fetches its own key, and the
 * errors of the query.
 */
PG_FUNCTION_INFO_V1(researcharr_cache_fetch);
Datum
researcharr_cache_fetch(PG_FUNCTION_ARGS)
{
	Fetch fetch = {0};
	int64 ttl;

	rarr_cache_key_arg(fcinfo, 0, &fetch.key);
	RARR_REQUIRE_ARG(1, "query");
	ttl = rarr_cache_ttl_arg(fcinfo, 2);
	fetch.arguments = arguments_of(fcinfo);
	fetch.name = rarr_cache_key_name(&fetch.key);
	fetch.query = text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (!make_variant(&fetch))
		compute(&fetch);
	else if (!get_cached(&fetch))
		compute_and_cache(&fetch, ttl);
	PG_RETURN_JSONB_P(fetch.result);
}
