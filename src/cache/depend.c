/*
 * depend.c
 *		Drop keys when a table's rows change: cache_depends().
 *
 * A key template has the names of columns in braces, as in media:{id}.  Triggers
 * on the table make the keys of each row that changes, of its old version and its
 * new one, and drop them.  TRUNCATE drops all keys that the template can make.
 *
 * The triggers fire after the row has changed.  So what the transaction itself
 * cached in between, for instance in a BEFORE trigger, is dropped too.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/args.h"
#include "base/column.h"
#include "base/schema.h"
#include "base/text.h"
#include "cache/arguments.h"
#include "cache/strategy.h"

#define FUNCTION "cache_table_changed"

/* a transaction that changes more rows drops all keys of the template */
#define MOST_DROPS 10000

/* What the parts of a template become: called for each of them in turn. */
typedef void (*PartMaker)(StringInfo out, const char *part, int length, bool is_column, void *arg);

/* A row, for make_key_part(). */
typedef struct Row
{
	TupleDesc desc;
	HeapTuple tuple;
} Row;

static void
bad_template(const char *key_template, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid key template \"%s\": %s", rarr_clip_text(key_template, 64), what),
			 errhint("Write names of columns in braces, as in media:{id}, and braces that are part of the key twice.")));
}

/* Make text of a template: literal parts and columns alternate.  Raises 22023. */
static void
expand(const char *key_template, PartMaker make, void *arg, StringInfo out)
{
	const char *at = key_template;

	while (*at != '\0')
	{
		const char *end;

		if (*at != '{' && *at != '}')
		{
			end = at + strcspn(at, "{}");
			make(out, at, end - at, false, arg);
		}
		else if (at[1] == *at)
		{
			make(out, at, 1, false, arg);
			end = at + 2;
		}
		else
		{
			end = *at == '{' ? strchr(at, '}') : NULL;
			if (end == NULL)
				bad_template(key_template, "a brace has no counterpart");
			make(out, at + 1, end - at - 1, true, arg);
			end++;
		}
		at = end;
	}
}

/* Check that the table, whose type is arg, has the column.  Raises 42703. */
static void
check_part(StringInfo out, const char *part, int length, bool is_column, void *arg)
{
	char *name = pnstrdup(part, length);

	if (is_column && rarr_find_column(arg, name) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("the key template names the column \"%s\", which the table does not have", name),
				 errhint("Name a column of the table, or write braces that are part of the key twice.")));
	pfree(name);
}

/* The key's part: a column's value as text, and nothing for NULL. */
static void
make_key_part(StringInfo out, const char *part, int length, bool is_column, void *arg)
{
	const Row *row = arg;
	char *name;
	AttrNumber column;
	Oid output;
	bool is_varlena;
	bool isnull;
	Datum value;

	if (!is_column)
	{
		appendBinaryStringInfo(out, part, length);
		return;
	}
	name = pnstrdup(part, length);
	check_part(out, part, length, true, row->desc);
	column = rarr_find_column(row->desc, name);
	pfree(name);
	value = heap_getattr(row->tuple, column, row->desc, &isnull);
	if (isnull)
		return;
	getTypeOutputInfo(TupleDescAttr(row->desc, column - 1)->atttypid, &output, &is_varlena);
	appendStringInfoString(out, OidOutputFunctionCall(output, value));
}

/* The LIKE pattern's part. */
static void
make_pattern_part(StringInfo out, const char *part, int length, bool is_column, void *arg)
{
	if (is_column)
		appendStringInfoChar(out, '%');
	for (int i = 0; !is_column && i < length; i++)
	{
		if (part[i] == '%' || part[i] == '_' || part[i] == '\\')
			appendStringInfoChar(out, '\\');
		appendStringInfoChar(out, part[i]);
	}
}

/* Drop all keys that a template can make. */
static void
drop_all(const char *key_template)
{
	RarrCacheMatch match = {RARR_MATCH_PATTERN};
	StringInfoData pattern;

	initStringInfo(&pattern);
	expand(key_template, make_pattern_part, NULL, &pattern);
	match.text = cstring_to_text_with_len(pattern.data, pattern.len);
	if (!rarr_cache_is_there() || !rarr_cache_is_dropped(&match))
		(void) rarr_cached_drop_matching(&match);
}

/*
 * Drop the key that a row makes, but for an empty one and one that is too long.
 * If so many keys are dropped that all others are, too, only one that the
 * transaction has set since is left to drop.
 */
static void
drop_key(const char *key_template, TupleDesc desc, HeapTuple tuple)
{
	bool many = rarr_cache_is_there() && rarr_cache_count_drops() > MOST_DROPS;
	Row row = {desc, tuple};
	StringInfoData data;
	RarrCacheKey key;

	if (many)
		drop_all(key_template);
	initStringInfo(&data);
	expand(key_template, make_key_part, &row, &data);
	if (data.len > 0 && rarr_cache_is_key(data.data, data.len))
	{
		rarr_cache_make_key(&key, data.data, data.len);
		if (!many || rarr_cache_has_set(&key))
			(void) rarr_cached_drop(&key);
	}
	pfree(data.data);
}

static void
require_after_trigger(FunctionCallInfo fcinfo)
{
	const TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called as a trigger", FUNCTION),
				 errhint("cache_depends() makes its triggers.")));
	if (!TRIGGER_FIRED_AFTER(trigger->tg_event) || trigger->tg_trigger->tgnargs != 1 ||
		TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event) != TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		rarr_wrong_trigger(trigger, FUNCTION, "cache_depends() makes its triggers.");
}

/*
 * cache_table_changed(key_template): AFTER trigger, for each row, or for TRUNCATE
 *
 * Drops the keys of the changed row.  Raises 39P01 if the trigger is defined in
 * another way, 42703 if a column of the template is gone, and 22023 if the
 * template is invalid.
 */
PG_FUNCTION_INFO_V1(researcharr_cache_table_changed);
Datum
researcharr_cache_table_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	const char *key_template;
	TupleDesc desc;

	require_after_trigger(fcinfo);
	key_template = trigger->tg_trigger->tgargs[0];
	desc = RelationGetDescr(trigger->tg_relation);
	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		drop_all(key_template);
	else
		drop_key(key_template, desc, trigger->tg_trigtuple);
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		drop_key(key_template, desc, trigger->tg_newtuple);
	PG_RETURN_POINTER(NULL);
}

/* Run a command as the caller. */
static void
run(const char *sql)
{
	if (SPI_execute(sql, false, 0) < 0)
		elog(ERROR, "could not execute \"%s\": %s", sql, SPI_result_code_string(SPI_result));
}

/* Is the trigger one that cache_depends() made? */
static bool
is_ours(const Trigger *trigger, Oid schema)
{
	char *function = get_func_name(trigger->tgfoid);

	return function != NULL && strcmp(function, FUNCTION) == 0 && get_func_namespace(trigger->tgfoid) == schema &&
		   !trigger->tgisinternal && trigger->tgnargs == 1;
}

/* Open a table, and check that it can have the triggers.  Raises 42809. */
static Relation
open_target(Oid relid)
{
	Relation rel = try_relation_open(relid, AccessShareLock);

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("there is no table with OID %u", relid),
				 errhint("Name a table.")));
	if (rel->rd_rel->relkind != RELKIND_RELATION && rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table", RelationGetRelationName(rel)),
				 errhint("Name the tables that it reads.")));
	return rel;
}

/* The template of the first trigger of ours that fits; NULL for the template: any. */
static char *
find_trigger(Relation rel, const char *key_template)
{
	Oid schema = get_namespace_oid(RARR_SCHEMA, false);
	TriggerDesc *triggers = rel->trigdesc;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
		if (is_ours(&triggers->triggers[i], schema) &&
			(key_template == NULL || strcmp(triggers->triggers[i].tgargs[0], key_template) == 0))
			return pstrdup(triggers->triggers[i].tgname);
	return NULL;
}

static char *
table_name(Relation rel)
{
	return quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)), RelationGetRelationName(rel));
}

/* Make a trigger. */
static void
make_trigger(const char *table, const char *name, const char *event, const char *level, const char *argument)
{
	run(psprintf("CREATE TRIGGER %s AFTER %s ON %s FOR EACH %s EXECUTE FUNCTION researcharr." FUNCTION "(%s)",
				 quote_identifier(name), event, table, level, argument));
	run(psprintf("ALTER TABLE %s ENABLE ALWAYS TRIGGER %s", table, quote_identifier(name)));
}

/*
 * cache_depends(target regclass, key_template text) returns boolean
 *
 * From the commit on, changes of the table's rows drop the keys that the template
 * makes of them.  Returns false if they did already.  Raises 22004 for NULL, 22023
 * for an invalid template, 42703 for an unknown column, 42809 if the target is
 * not a table, and 42501 if the caller may not make triggers on it.
 */
PG_FUNCTION_INFO_V1(researcharr_cache_depends);
Datum
researcharr_cache_depends(PG_FUNCTION_ARGS)
{
	Relation rel;
	char *key_template;
	char *table;
	char *name;
	StringInfoData nothing;

	rarr_prevent_read_only("cache_depends()");
	RARR_REQUIRE_ARG(0, "target");
	RARR_REQUIRE_ARG(1, "key_template");
	key_template = text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (!rarr_cache_is_key(key_template, strlen(key_template)))
		bad_template(key_template, "it must have 1 to 1024 characters");
	rel = open_target(PG_GETARG_OID(0));
	initStringInfo(&nothing);
	expand(key_template, check_part, RelationGetDescr(rel), &nothing);
	table = table_name(rel);
	name = find_trigger(rel, key_template);
	relation_close(rel, NoLock);
	if (name != NULL)
		PG_RETURN_BOOL(false);
	name = psprintf("researcharr_cache_%08x",
					DatumGetUInt32(hash_any((unsigned char *) key_template, strlen(key_template))));
	SPI_connect();
	make_trigger(table, name, "INSERT OR UPDATE OR DELETE", "ROW", quote_literal_cstr(key_template));
	make_trigger(table, psprintf("%s_truncate", name), "TRUNCATE", "STATEMENT", quote_literal_cstr(key_template));
	SPI_finish();

	/* what is cached now may be older than changes that are not known any more */
	drop_all(key_template);
	PG_RETURN_BOOL(true);
}

/*
 * cache_independent(target regclass) returns boolean
 *
 * Changes of the table drop no keys any more.  Returns whether they did.  Raises
 * 22004 for NULL, 42809 and 42501 as above.
 */
PG_FUNCTION_INFO_V1(researcharr_cache_independent);
Datum
researcharr_cache_independent(PG_FUNCTION_ARGS)
{
	bool any = false;

	rarr_prevent_read_only("cache_independent()");
	RARR_REQUIRE_ARG(0, "target");
	SPI_connect();
	for (;;)
	{
		Relation rel = open_target(PG_GETARG_OID(0));
		char *name = find_trigger(rel, NULL);
		char *table = table_name(rel);

		relation_close(rel, NoLock);
		if (name == NULL)
			break;
		run(psprintf("DROP TRIGGER %s ON %s", quote_identifier(name), table));
		any = true;
	}
	SPI_finish();
	PG_RETURN_BOOL(any);
}
