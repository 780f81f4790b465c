/*
 * functions.c
 *		The SQL functions of the cache for single keys and for many.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "base/args.h"
#include "base/duration.h"
#include "base/schema.h"
#include "base/text.h"
#include "cache/arguments.h"
#include "cache/strategy.h"

/* Find the value under the key that is the first argument. */
static bool
get_argument(FunctionCallInfo fcinfo, RarrCached *found)
{
	RarrCacheStrategy strategy = rarr_cache_strategy_arg(fcinfo, 1);
	RarrCacheKey key;

	rarr_cache_key_arg(fcinfo, 0, &key);
	return rarr_cached_get(&key, strategy, false, false, found);
}

/*
 * cache_get(key text, strategy text) returns bytea
 *
 * Returns the value, or NULL if there is none.  Raises 22004 for a NULL key, and
 * 22023 for a key of the wrong length or an unknown strategy.
 */
PG_FUNCTION_INFO_V1(researcharr_cache_get);
Datum
researcharr_cache_get(PG_FUNCTION_ARGS)
{
	RarrCached found;

	if (!get_argument(fcinfo, &found))
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(found.value);
}

/*
 * cache_get_text(key text, strategy text) returns text
 *
 * Like cache_get(); raises 22021 if the value is not text in the database's
 * encoding.
 */
PG_FUNCTION_INFO_V1(researcharr_cache_get_text);
Datum
researcharr_cache_get_text(PG_FUNCTION_ARGS)
{
	RarrCached found;

	if (!get_argument(fcinfo, &found))
		PG_RETURN_NULL();
	pg_verifymbstr(VARDATA_ANY(found.value), VARSIZE_ANY_EXHDR(found.value), false);
	PG_RETURN_TEXT_P(found.value);
}

/*
 * cache_get_jsonb(key text, strategy text) returns jsonb
 *
 * Like cache_get_text(); raises 22P02 if the value is not JSON.
 */
PG_FUNCTION_INFO_V1(researcharr_cache_get_jsonb);
Datum
researcharr_cache_get_jsonb(PG_FUNCTION_ARGS)
{
	RarrCached found;

	if (!get_argument(fcinfo, &found))
		PG_RETURN_NULL();
	pg_verifymbstr(VARDATA_ANY(found.value), VARSIZE_ANY_EXHDR(found.value), false);
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(text_to_cstring((text *) found.value)));
}

/* Set the key that is the first argument to a value, as the others say. */
static void
set_argument(FunctionCallInfo fcinfo, struct varlena *value)
{
	RarrCacheStrategy strategy = rarr_cache_strategy_arg(fcinfo, 4);
	RarrCached cached = {.value = value};
	RarrCacheKey key;

	rarr_cache_key_arg(fcinfo, 0, &key);
	cached.ttl = rarr_cache_ttl_arg(fcinfo, 2);
	cached.tags = rarr_cache_tags_arg(fcinfo, 3);
	rarr_cache_check_value(&key, value);
	rarr_cached_set(&key, strategy, false, &cached);
}

/*
 * cache_set(key text, value bytea, ttl interval, tags text[], strategy text)
 * cache_set_text(key text, value text, ...)
 *
 * Sets the value.  Raises 22004 for a NULL key, value or tag, 22023 for a key or
 * tag of the wrong length, a negative ttl or an unknown strategy, 54000 if the
 * value is larger than researcharr.cache_max_value, and 25006 in a read-only
 * transaction.
 */
PG_FUNCTION_INFO_V1(researcharr_cache_set);
Datum
researcharr_cache_set(PG_FUNCTION_ARGS)
{
	rarr_prevent_read_only("cache_set()");
	RARR_REQUIRE_ARG(0, "key");
	RARR_REQUIRE_ARG(1, "value");
	rarr_cache_check_size(fcinfo, 1);
	set_argument(fcinfo, (struct varlena *) PG_GETARG_BYTEA_PP(1));
	PG_RETURN_VOID();
}

/*
 * cache_set_jsonb(key text, value jsonb, ttl interval, tags text[], strategy text)
 *
 * Like cache_set_text() with the JSON's text.
 */
PG_FUNCTION_INFO_V1(researcharr_cache_set_jsonb);
Datum
researcharr_cache_set_jsonb(PG_FUNCTION_ARGS)
{
	Jsonb *value;
	char *string;

	rarr_prevent_read_only("cache_set_jsonb()");
	RARR_REQUIRE_ARG(0, "key");
	RARR_REQUIRE_ARG(1, "value");
	rarr_cache_check_size(fcinfo, 1);
	value = PG_GETARG_JSONB_P(1);
	string = JsonbToCString(NULL, &value->root, VARSIZE(value));
	set_argument(fcinfo, (struct varlena *) cstring_to_text(string));
	PG_RETURN_VOID();
}

/*
 * cache_get_many(keys text[]) returns SETOF (key text, value bytea)
 *
 * Returns a row for each key that has a value.  Raises 22004 for NULL, and the
 * errors of cache_get().
 */
PG_FUNCTION_INFO_V1(researcharr_cache_get_many);
Datum
researcharr_cache_get_many(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum *keys;
	int n;

	RARR_REQUIRE_ARG(0, "keys");
	keys = rarr_array_argument(fcinfo, 0, "keys", TEXTOID, false, NULL, &n);
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < n; i++)
	{
		bool nulls[2] = {false, false};
		Datum values[2] = {keys[i]};
		RarrCacheKey key;
		RarrCached found;

		CHECK_FOR_INTERRUPTS();
		rarr_cache_key_of_text(DatumGetTextPP(keys[i]), &key);
		if (!rarr_cached_get(&key, rarr_cache_strategy, false, false, &found))
			continue;
		values[1] = PointerGetDatum(found.value);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		pfree(found.value);
	}
	return (Datum) 0;
}

/*
 * cache_set_many(keys text[], "values" bytea[], ttl interval)
 *
 * Sets many values.  Raises 22023 if the arrays have different lengths, and the
 * errors of cache_set().
 */
PG_FUNCTION_INFO_V1(researcharr_cache_set_many);
Datum
researcharr_cache_set_many(PG_FUNCTION_ARGS)
{
	RarrCached cached = {0};
	Datum *keys;
	Datum *values;
	int nkeys;
	int nvalues;

	rarr_prevent_read_only("cache_set_many()");
	RARR_REQUIRE_ARG(0, "keys");
	RARR_REQUIRE_ARG(1, "values");
	cached.ttl = rarr_cache_ttl_arg(fcinfo, 2);
	keys = rarr_array_argument(fcinfo, 0, "keys", TEXTOID, false, NULL, &nkeys);
	values = rarr_array_argument(fcinfo, 1, "values", BYTEAOID, false, NULL, &nvalues);
	if (nkeys != nvalues)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there are %d keys and %d values", nkeys, nvalues),
				 errhint("Give a value for each key.")));
	for (int i = 0; i < nkeys; i++)
	{
		RarrCacheKey key;

		CHECK_FOR_INTERRUPTS();
		rarr_cache_key_of_text(DatumGetTextPP(keys[i]), &key);
		cached.value = (struct varlena *) DatumGetByteaPP(values[i]);
		rarr_cache_check_value(&key, cached.value);
		rarr_cached_set(&key, rarr_cache_strategy, false, &cached);
	}
	PG_RETURN_VOID();
}

/*
 * cache_touch(key text, ttl interval) returns boolean
 *
 * Gives what is under a key a new time to live, and returns whether there is
 * anything.  Raises the errors of cache_set().
 */
PG_FUNCTION_INFO_V1(researcharr_cache_touch);
Datum
researcharr_cache_touch(PG_FUNCTION_ARGS)
{
	RarrCacheKey key;
	RarrCached found;
	int64 ttl;

	rarr_prevent_read_only("cache_touch()");
	rarr_cache_key_arg(fcinfo, 0, &key);
	ttl = rarr_cache_ttl_arg(fcinfo, 1);
	if (!rarr_cached_get(&key, rarr_cache_strategy, true, false, &found))
		PG_RETURN_BOOL(false);
	found.ttl = ttl;
	rarr_cached_set(&key, rarr_cache_strategy, false, &found);
	PG_RETURN_BOOL(true);
}

/* The number that a value is as text; raises 22P02 if it is none. */
static int64
number_of(const RarrCacheKey *key, const struct varlena *value)
{
	const char *at = VARDATA_ANY(value);
	const char *end = at + VARSIZE_ANY_EXHDR(value);
	bool negative = at < end && *at == '-';
	bool valid;
	int64 number = 0;

	at += negative;
	valid = at < end;

	/* count downwards: the smallest number has no positive counterpart */
	for (; at < end && valid; at++)
		valid = *at >= '0' && *at <= '9' && !pg_mul_s64_overflow(number, 10, &number) &&
				!pg_sub_s64_overflow(number, *at - '0', &number);
	if (valid && !negative)
		valid = !pg_mul_s64_overflow(number, -1, &number);
	if (!valid)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("the value under key \"%s\" is not a number", rarr_cache_key_name(key)),
				 errhint("Count under a key of its own, which cache_incr() makes.")));
	return number;
}

/*
 * cache_incr(key text, "by" bigint, ttl interval) returns bigint
 *
 * Adds to the number under a key and returns the sum.  A key without a value
 * counts as 0, and gets the ttl or the default one; else NULL leaves the time to
 * live as it is.  Waits for transactions that have counted with the same key.
 * Raises 22P02 if the value is not a number, 22003 if the sum is out of range, and
 * the errors of cache_set().
 */
PG_FUNCTION_INFO_V1(researcharr_cache_incr);
Datum
researcharr_cache_incr(PG_FUNCTION_ARGS)
{
	int64 by = PG_ARGISNULL(1) ? 1 : PG_GETARG_INT64(1);
	int64 number = 0;
	RarrCacheKey key;
	RarrCached cached = {0};
	int64 ttl;

	rarr_prevent_read_only("cache_incr()");
	rarr_cache_key_arg(fcinfo, 0, &key);
	ttl = rarr_cache_ttl_arg(fcinfo, 2);
	rarr_cache_table_lock_key(&key);
	if (rarr_cached_get(&key, rarr_cache_strategy, true, true, &cached))
	{
		number = number_of(&key, cached.value);
		if (!PG_ARGISNULL(2))
			cached.ttl = ttl;
	}
	else
	{
		cached.ttl = ttl;
		cached.tags = (Datum) 0;
	}
	if (pg_add_s64_overflow(number, by, &number))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("the number under key \"%s\" is out of range", rarr_cache_key_name(&key)),
				 errhint("Set the key to a lower number.")));
	cached.value = (struct varlena *) cstring_to_text(psprintf(INT64_FORMAT, number));
	rarr_cached_set(&key, rarr_cache_strategy, true, &cached);
	PG_RETURN_INT64(number);
}

/*
 * cache_delete(key text) returns boolean
 *
 * Deletes what is under a key, of all roles, and returns whether the caller saw a
 * value.  Raises 22004, 22023 and 25006 as cache_set().
 */
PG_FUNCTION_INFO_V1(researcharr_cache_delete);
Datum
researcharr_cache_delete(PG_FUNCTION_ARGS)
{
	RarrCacheKey key;

	rarr_prevent_read_only("cache_delete()");
	rarr_cache_key_arg(fcinfo, 0, &key);
	PG_RETURN_BOOL(rarr_cached_drop(&key));
}

/*
 * cache_exists(key text) returns boolean
 *
 * Is there a value?  Raises the errors of cache_get().
 */
PG_FUNCTION_INFO_V1(researcharr_cache_exists);
Datum
researcharr_cache_exists(PG_FUNCTION_ARGS)
{
	RarrCacheKey key;
	RarrCached found;

	rarr_cache_key_arg(fcinfo, 0, &key);
	PG_RETURN_BOOL(rarr_cached_get(&key, rarr_cache_strategy, false, false, &found));
}

/*
 * cache_clear(pattern text) returns bigint
 *
 * Deletes the keys that are LIKE the pattern, all for NULL, and returns how many
 * the caller saw.  Raises 22025 if the pattern ends with an escape character,
 * 22023 if it is too long, and 25006 as cache_set().
 */
PG_FUNCTION_INFO_V1(researcharr_cache_clear);
Datum
researcharr_cache_clear(PG_FUNCTION_ARGS)
{
	RarrCacheMatch match = {RARR_MATCH_ALL};

	rarr_prevent_read_only("cache_clear()");
	if (!PG_ARGISNULL(0))
	{
		match.text = rarr_cache_pattern_arg(fcinfo, 0);
		match.kind = RARR_MATCH_PATTERN;
	}
	PG_RETURN_INT64(rarr_cached_drop_matching(&match));
}

/*
 * cache_invalidate(tag text) returns bigint
 *
 * Deletes the keys with a tag, and returns how many the caller saw.  Raises 22004
 * for NULL, 22023 for a tag of the wrong length, and 25006 as cache_set().
 */
PG_FUNCTION_INFO_V1(researcharr_cache_invalidate);
Datum
researcharr_cache_invalidate(PG_FUNCTION_ARGS)
{
	RarrCacheMatch match = {RARR_MATCH_TAG};

	rarr_prevent_read_only("cache_invalidate()");
	RARR_REQUIRE_ARG(0, "tag");
	match.text = PG_GETARG_TEXT_PP(0);
	rarr_cache_check_tag(match.text);
	PG_RETURN_INT64(rarr_cached_drop_matching(&match));
}
