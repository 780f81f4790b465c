/*
 * source.c
 *		Read the tables of the old application.
 *
 * The schema is somebody else's, and whoever adopts its data is the owner of the
 * extension.  So no code of that schema may run: only plain tables are read, of
 * columns of the server's own types, without a statement that names them.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "base/column.h"
#include "base/json.h"
#include "base/schema.h"
#include "base/text.h"
#include "data/legacy/legacy.h"

/* a longer text is cut off: none of the columns has one */
#define MAX_TEXT_BYTES 1000000

typedef struct OldItem
{
	int64 id; /* in tracked_items: the key */
	char *arr_id;
} OldItem;

/*
 * Return the schema of this name.  Raises 3F000 if there is none, 42501 without
 * USAGE on it, and 22023 if it is the extension's.
 */
Oid
rarr_legacy_schema(const char *name)
{
	Oid schema = LookupExplicitNamespace(name, true);

	if (strcmp(name, RARR_SCHEMA) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("schema \"%s\" is not the old application's", name),
				 errhint("Give the schema into which its file was loaded.")));

	if (!OidIsValid(schema))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_SCHEMA),
				 errmsg("schema \"%s\" does not exist", name),
				 errhint("Load the old application's file into a schema first, for example with pgloader.")));
	return schema;
}

/* Raise an error unless the table can be read without running others' code. */
static void
check_table(Relation rel)
{
	if (rel->rd_rel->relkind != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table", RelationGetRelationName(rel)),
				 errhint("Copy its rows into a table.")));
	if (pg_class_aclcheck(RelationGetRelid(rel), GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, RelationGetRelationName(rel));
	if (check_enable_rls(RelationGetRelid(rel), InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("table \"%s\" has row security policies", RelationGetRelationName(rel)),
				 errhint("Disable row security for the table.")));
}

/* Raise an error unless the column holds values of a type of the server. */
static void
check_column(Relation rel, AttrNumber column)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(rel), column - 1);

	if (attribute->atttypid >= FirstNormalObjectId || (attribute->attgenerated != '\0' && attribute->attgenerated != 's'))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" of table \"%s\" is generated when it is read, or of type %s",
						NameStr(attribute->attname), RelationGetRelationName(rel), format_type_be(attribute->atttypid)),
				 errhint("Change it to a type of the server, such as text.")));
}

/* Raise 42703 unless the table has the column by which its rows are known, a number. */
static void
check_columns(Relation rel, const LegacyTable *table)
{
	AttrNumber column = rarr_find_column(RelationGetDescr(rel), table->key);
	Oid type = column > 0 ? TupleDescAttr(RelationGetDescr(rel), column - 1)->atttypid : InvalidOid;

	if (type != INT8OID && type != INT4OID && type != INT2OID)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("table \"%s\" has no column \"%s\" of type bigint, integer or smallint",
						RelationGetRelationName(rel), table->key),
				 errhint("The old application's table has it as its key.")));
	check_column(rel, column);
	for (int i = 0; table->columns[i] != NULL; i++)
	{
		column = rarr_find_column(RelationGetDescr(rel), table->columns[i]);
		if (column > 0)
			check_column(rel, column);
	}
}

/*
 * Open a table of the schema for rarr_legacy_next().  Returns false if there is
 * none.  Raises 42809 for something else than a table, 42501 without SELECT on
 * it, 0A000 if to read it could run code, and 42703 without its key.
 */
bool
rarr_legacy_open(LegacySource *source, const char *schema, const LegacyTable *table)
{
	Oid relid = get_relname_relid(table->name, rarr_legacy_schema(schema));

	if (!OidIsValid(relid))
		return false;
	source->rel = try_relation_open(relid, AccessShareLock);
	if (source->rel == NULL)
		return false;
	check_table(source->rel);
	check_columns(source->rel, table);
	source->schema = schema;
	source->table = table;
	source->items = NULL;
	source->snapshot = RegisterSnapshot(GetLatestSnapshot());
	source->slot = table_slot_create(source->rel, NULL);
	source->scan = table_beginscan(source->rel, source->snapshot, 0, NULL);
	return true;
}

/* Get a column's value as text, or NULL. */
static char *
column_text(LegacySource *source, const char *name)
{
	TupleDesc desc = RelationGetDescr(source->rel);
	AttrNumber column = rarr_find_column(desc, name);
	Oid output;
	bool is_varlena;
	bool isnull;
	Datum value;

	if (column <= 0)
		return NULL;
	value = slot_getattr(source->slot, column, &isnull);
	if (isnull)
		return NULL;
	getTypeOutputInfo(TupleDescAttr(desc, column - 1)->atttypid, &output, &is_varlena);
	return unconstify(char *, rarr_clip_text(OidOutputFunctionCall(output, value), MAX_TEXT_BYTES));
}

/* Add a member: a number or a boolean as such, other values as text. */
static void
put_value(JsonbParseState **state, const char *name, char *text, Oid type)
{
	JsonbValue value = {.type = jbvNull};

	if (text != NULL && (type == INT8OID || type == INT4OID))
		rarr_json_put_int(state, name, strtoi64(text, NULL, 10));
	else if (text != NULL && type == BOOLOID)
	{
		value.type = jbvBool;
		value.val.boolean = text[0] == 't';
		rarr_json_put(state, name, &value);
	}
	else if (text != NULL)
		rarr_json_put_text(state, name, text);
	else
		rarr_json_put(state, name, &value);
}

static void
put_column(LegacySource *source, JsonbParseState **state, const char *name)
{
	TupleDesc desc = RelationGetDescr(source->rel);
	AttrNumber column = rarr_find_column(desc, name);

	put_value(state, name, column_text(source, name),
			  column > 0 ? TupleDescAttr(desc, column - 1)->atttypid : TEXTOID);
}

/* Find the service's id of a row of tracked_items by its own. */
static char *
find_item(LegacySource *source)
{
	char *text = column_text(source, "tracked_item_id");
	OldItem *item;
	int64 id;

	if (text == NULL || source->items == NULL)
		return NULL;
	id = strtoi64(text, NULL, 10);
	item = hash_search(source->items, &id, HASH_FIND, NULL);
	return item != NULL ? item->arr_id : NULL;
}

/*
 * Get the next row, with its key, which may be NULL, and its data, in the current
 * memory context.  Returns false at the end.
 */
bool
rarr_legacy_next(LegacySource *source, LegacyRow *row)
{
	const LegacyTable *table = source->table;
	JsonbParseState *state = NULL;

	if (!table_scan_getnextslot(source->scan, ForwardScanDirection, source->slot))
		return false;
	memset(row, 0, sizeof(LegacyRow));
	row->table = table;
	row->schema = pstrdup(source->schema);
	row->key = column_text(source, table->key);
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	rarr_json_put_text(&state, "source_schema", row->schema);
	put_column(source, &state, table->key);
	for (int i = 0; table->columns[i] != NULL; i++)
		put_column(source, &state, table->columns[i]);
	if (table->has_items)
		put_value(&state, "arr_id", find_item(source), INT8OID);
	row->data = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	return true;
}

void
rarr_legacy_close(LegacySource *source)
{
	table_endscan(source->scan);
	ExecDropSingleTupleTableSlot(source->slot);
	UnregisterSnapshot(source->snapshot);
	table_close(source->rel, NoLock);
}

/* Get the services' ids of the rows of tracked_items, or NULL if there is no such table. */
HTAB *
rarr_legacy_read_items(const char *schema)
{
	static const char *const columns[] = {"arr_id", NULL};
	static const LegacyTable table = {"tracked_items", "id", columns};
	HASHCTL control = {.keysize = sizeof(int64), .entrysize = sizeof(OldItem), .hcxt = CurrentMemoryContext};
	HTAB *items;
	LegacySource source;

	if (!rarr_legacy_open(&source, schema, &table))
		return NULL;
	items = hash_create("items of the old application", 1024, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	while (table_scan_getnextslot(source.scan, ForwardScanDirection, source.slot))
	{
		char *key = column_text(&source, "id");
		int64 id;
		OldItem *item;

		CHECK_FOR_INTERRUPTS();
		if (key == NULL)
			continue;
		id = strtoi64(key, NULL, 10);
		item = hash_search(items, &id, HASH_ENTER, NULL);
		item->arr_id = column_text(&source, "arr_id");
	}
	rarr_legacy_close(&source);
	return items;
}
