/*
 * entity.c
 *		The entities of the repositories, as the code and catalog say.
 *
 * The code defines an entity's name, its rules, and the columns that a caller
 * may not write; the catalog defines everything else.  What was read from the
 * catalog is cached, along with the plans that depend on it, until a relation
 * that it was read from changes.  Outdated entities are freed by the first call
 * after the end of the transaction, because a call may still use them.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/sysattr.h"
#include "access/xact.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/access.h"
#include "base/column.h"
#include "base/compat.h"
#include "base/own_index.h"
#include "base/row_trigger.h"
#include "base/schema.h"
#include "base/text.h"
#include "data/by_oid.h"
#include "data/entity.h"

/* columns set by the system, and columns that never change after the insert */
static const char *const system_fields[] = {"created_at", "updated_at", "added_at", NULL};
static const char *const fixed_fields[] = {"id", "type", NULL};

static RarrEntity *entities[RARR_NENTITIES];
static RarrEntity *outdated = NULL;
static uint64 epoch = 0;         /* transactions ended in this session */
static uint64 outdated_in = 0;   /* epoch of its latest addition */
static uint64 invalidations = 0; /* relation invalidations received */

static void
relation_changed(Datum arg, Oid relid)
{
	invalidations++;
	for (int i = 0; i < RARR_NENTITIES; i++)
	{
		RarrEntity *entity = entities[i];

		if (entity != NULL &&
			(!OidIsValid(relid) || relid == entity->relid || relid == entity->tableid ||
			 relid == entity->subtableid || relid == entity->maskedid))
			entity->valid = false;
	}
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		epoch++;
}

static void
register_callbacks(void)
{
	static bool registered = false;

	if (registered)
		return;
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	RegisterXactCallback(at_transaction_end, NULL);
	registered = true;
}

static void
free_outdated(void)
{
	while (outdated != NULL)
	{
		RarrEntity *entity = outdated;

		outdated = entity->next;
		rarr_plans_forget(&entity->plans);
		MemoryContextDelete(entity->cxt);
	}
}

static bool
is_listed(const char *const *list, const char *name)
{
	for (; *list != NULL; list++)
	{
		if (strcmp(*list, name) == 0)
			return true;
	}
	return false;
}

static const RarrRule *
find_rule(const RarrEntityDef *def, const char *name)
{
	for (const RarrRule *const *rule = def->rules; *rule != NULL; rule++)
	{
		if (strcmp((*rule)->field, name) == 0)
			return *rule;
	}
	return NULL;
}

/* Fill in a column of the row type. stored is the table's own column. */
static void
fill_column(RarrEntityColumn *column, const RarrEntityDef *def, Form_pg_attribute att,
			Form_pg_attribute stored)
{
	bool generated = stored->attgenerated != '\0' ||
					 stored->attidentity == ATTRIBUTE_IDENTITY_ALWAYS;
	bool is_system;
	bool fixed;

	column->name = pstrdup(NameStr(att->attname));
	column->quoted = pstrdup(quote_identifier(column->name));
	column->type = att->atttypid;
	column->typmod = att->atttypmod;
	column->attnum = att->attnum;
	column->not_null = stored->attnotnull;
	column->rule = find_rule(def, column->name);

	is_system = generated ||
				(is_listed(system_fields, column->name) &&
				 !(def->own_fields != NULL && is_listed(def->own_fields, column->name)));
	fixed = is_listed(fixed_fields, column->name) &&
			(strcmp(column->name, "id") == 0 || column->rule != NULL);
	column->creatable = !is_system &&
						(def->create_fields == NULL || is_listed(def->create_fields, column->name));
	column->updatable = !is_system && !fixed &&
						(def->update_fields == NULL || is_listed(def->update_fields, column->name));
	column->required = column->creatable && stored->attnotnull && !stored->atthasdef &&
					   stored->attidentity == '\0' &&
					   !(def->type != NULL && strcmp(column->name, "type") == 0);
}

/*
 * Return the expression that users other than admins read for a column: the
 * view's column, or an SQL NULL if the column is newer than the view.
 */
static char *
masked_expression(const RarrEntityColumn *column, Relation masked)
{
	if (masked == NULL || rarr_find_column(RelationGetDescr(masked), column->name) != 0)
		return psprintf("t.%s", column->quoted);
	return psprintf(RARR_BY_OID_NULL, column->type, column->typmod);
}

/*
 * Find the table in which a column of the row type is stored.  A flat row's
 * view says which of the two tables it takes the column from, because a user
 * may have added a column of the same name to the other one.  Returns NULL if
 * neither has it.
 */
static Relation
home_of_column(Relation rel, Relation table, Relation subtable, Form_pg_attribute att)
{
	const char *name = NameStr(att->attname);
	TargetEntry *source;

	if (subtable != NULL && rel->rd_rel->relkind == RELKIND_VIEW)
	{
		source = get_tle_by_resno(get_view_query(rel)->targetList, att->attnum);
		if (source != NULL && source->resorigtbl == RelationGetRelid(subtable))
			table = subtable;
	}
	if (rarr_find_column(RelationGetDescr(table), name) != 0)
		return table;
	if (subtable != NULL && rarr_find_column(RelationGetDescr(subtable), name) != 0)
		return subtable;
	return NULL;
}

/* Can a row written to the table be suppressed without an error? */
static bool
can_filter(Relation table)
{
	const TriggerDesc *triggers = table->trigdesc;

	if (table->rd_rel->relrowsecurity || table->rd_rel->relhasrules)
		return true;
	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (TRIGGER_FOR_ROW(trigger->tgtype) && TRIGGER_FOR_BEFORE(trigger->tgtype) &&
			!rarr_trigger_is_own(trigger, RelationGetNamespace(table)))
			return true;
	}
	return false;
}

/*
 * Verify a column that code reads with a fixed type: the id, which is read
 * without a test for NULL, and some columns of jobs and settings.  Raises
 * 55000.
 */
static void
require_column(const RarrEntity *entity, const char *name, Oid type, bool not_null)
{
	const RarrEntityColumn *column = rarr_entity_column(entity, name, strlen(name));

	if (column == NULL || column->type != type || (not_null && !column->not_null))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("relation \"%s.%s\" has no column \"%s\" of type %s%s", RARR_SCHEMA,
						entity->def->relation, name, format_type_be(type), not_null ? " NOT NULL" : ""),
				 errhint("The extension's own columns must stay as they are; users may add columns behind them.")));
}

/* Add the row type's columns, described by the catalog. */
static void
fill_columns(RarrEntity *entity, Relation rel, Relation table, Relation subtable, Relation masked)
{
	StringInfoData list;
	StringInfoData masked_list;

	initStringInfo(&list);
	initStringInfo(&masked_list);
	for (int i = 0; i < entity->desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(entity->desc, i);
		RarrEntityColumn *column = &entity->columns[entity->ncolumns];
		Relation home;

		if (att->attisdropped)
			continue;
		home = home_of_column(rel, table, subtable, att);
		if (home == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" of \"%s.%s\" belongs to none of its tables",
							NameStr(att->attname), RARR_SCHEMA, entity->def->relation),
					 errhint("The extension's views must keep their columns.")));
		column->stored = rarr_find_column(RelationGetDescr(home), NameStr(att->attname));
		fill_column(column, entity->def, att,
					TupleDescAttr(RelationGetDescr(home), column->stored - 1));
		column->in_subtable = home == subtable;
		column->masked = masked_expression(column, masked);
		appendStringInfo(&list, "%st.%s", list.len > 0 ? ", " : "", column->quoted);
		appendStringInfo(&masked_list, "%s%s", masked_list.len > 0 ? ", " : "", column->masked);
		if (strcmp(column->name, "updated_at") == 0 && column->type == TIMESTAMPTZOID)
			entity->versioned = true;
		entity->ncolumns++;
	}
	entity->list = list.data;
	entity->masked_list = masked_list.data;
	require_column(entity, "id", UUIDOID, true);
	for (const RarrColumn *typed = entity->def->typed; typed != NULL && typed->name != NULL; typed++)
		require_column(entity, typed->name, typed->type, false);
}

/* Fill in the entity from its open relations. */
static void
fill_entity(RarrEntity *entity, Relation rel, Relation table, Relation subtable, Relation masked)
{
	entity->relid = RelationGetRelid(rel);
	entity->tableid = RelationGetRelid(table);
	entity->subtableid = subtable ? RelationGetRelid(subtable) : InvalidOid;
	entity->maskedid = masked ? RelationGetRelid(masked) : InvalidOid;
	entity->desc = CreateTupleDescCopy(RelationGetDescr(rel));
	entity->columns = palloc0(entity->desc->natts * sizeof(RarrEntityColumn));
	entity->subtable_filters = subtable != NULL && can_filter(subtable);
	fill_columns(entity, rel, table, subtable, masked);
}

/* Find an index with just this uuid column and all rows; 0 if there is none. */
static Oid
find_index(Relation rel, const char *name, bool unique)
{
	RarrIndexDef def = {name, {rarr_find_column(RelationGetDescr(rel), name)}, .unique = unique};

	if (def.keys[0] == 0 || TupleDescAttr(RelationGetDescr(rel), def.keys[0] - 1)->atttypid != UUIDOID)
		return InvalidOid;
	return rarr_index_oid(rel, &def);
}

static AttrNumber
column_of_type(TupleDesc desc, const char *name, Oid type)
{
	AttrNumber attnum = rarr_find_column(desc, name);

	return attnum != 0 && TupleDescAttr(desc, attnum - 1)->atttypid == type ? attnum : 0;
}

/* Is this column of the table one of a foreign key, from the table or to it? */
bool
rarr_direct_has_key(const RarrDirectTable *direct, AttrNumber column)
{
	return bms_is_member(column - FirstLowInvalidHeapAttributeNumber, direct->foreign_keys);
}

/* Find out how rows of a table are written without a statement. */
static void
fill_direct(RarrDirectTable *direct, Relation table, const char *key)
{
	TupleDesc desc = RelationGetDescr(table);

	direct->def = rarr_plain_def(RelationGetRelationName(table));
	direct->key = column_of_type(desc, key, UUIDOID);
	direct->updated_at = column_of_type(desc, strcmp(key, "id") == 0 ? "updated_at" : "changed_at",
										TIMESTAMPTZOID);
	direct->type = column_of_type(desc, "type", TEXTOID);
	if (direct->def == NULL || direct->key == 0)
		return;
	direct->key_index = find_index(table, key, true);
	for (int i = 0; i < RARR_PLAIN_CHANGES; i++)
		direct->plain[i] = rarr_is_plain(table, direct->def, i, &direct->advances);
	direct->foreign_keys = rarr_foreign_key_columns(CopyTriggerDesc(table->trigdesc));
	direct->refers = rarr_has_foreign_key(table->trigdesc);
	direct->plain[RARR_PLAIN_UPDATE] &= OidIsValid(direct->key_index) &&
										(!direct->advances || (direct->updated_at != 0 && !rarr_direct_has_key(direct, direct->updated_at)));
}

static Relation
open_relation(const char *name)
{
	return name == NULL ? NULL : rarr_relation_open(name, AccessShareLock);
}

/* The lock is kept until the transaction ends. */
static void
close_relation(Relation rel)
{
	if (rel != NULL)
		relation_close(rel, NoLock);
}

/*
 * Read the entity from the catalog.  Opening one relation can process an
 * invalidation of another that was already read; the entity then serves this
 * call only.
 */
static RarrEntity *
read_entity(RarrEntityKind kind)
{
	const RarrEntityDef *def = &rarr_entity_defs[kind];
	uint64 known = invalidations;
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "researcharr entity",
											  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	RarrEntity *entity = palloc0(sizeof(RarrEntity));
	Relation rel = open_relation(def->relation);
	Relation table = open_relation(def->table);
	Relation subtable = open_relation(def->subtable);
	Relation masked = open_relation(def->masked);

	entity->def = def;
	entity->kind = kind;
	entity->cxt = entity->plans.cxt = cxt;
	fill_entity(entity, rel, table, subtable, masked);
	if (rel->rd_rel->relkind == RELKIND_RELATION && def->masked == NULL)
	{
		entity->id_index = find_index(rel, "id", false);
		entity->media_id_index = find_index(rel, "media_id", false);
	}
	fill_direct(&entity->direct[0], table, "id");
	if (subtable != NULL)
		fill_direct(&entity->direct[1], subtable, "media_id");
	entity->sources = rarr_plain_sources(rel, table, subtable);
	entity->of_both = subtable != NULL && entity->direct[1].updated_at != 0 &&
					  rarr_is_latest(rel, rarr_find_column(entity->desc, "updated_at"));
	close_relation(masked);
	close_relation(subtable);
	close_relation(table);
	close_relation(rel);

	entity->valid = invalidations == known;
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(cxt, CacheMemoryContext);
	return entity;
}

/*
 * Lock the entity's relations as a statement that reads them would.  The first
 * lock on a relation processes the invalidations of earlier DDL.
 */
static void
lock_relations(const RarrEntity *entity)
{
	const Oid relids[] = {entity->relid, entity->tableid, entity->subtableid, entity->maskedid};

	for (int i = 0; i < lengthof(relids); i++)
		if (OidIsValid(relids[i]) && (i == 0 || relids[i] != relids[i - 1]))
			LockRelationOid(relids[i], AccessShareLock);
}

/*
 * Return the entity as the catalog defines it.  Its relations are locked, so
 * it stays valid until the transaction ends.  Raises 42P01 if a relation of
 * the extension is missing, and 55000 if a column is not as the extension
 * created it.
 */
RarrEntity *
rarr_entity(RarrEntityKind kind)
{
	RarrEntity *entity = entities[kind];

	register_callbacks();
	if (outdated != NULL && outdated_in != epoch)
		free_outdated();
	if (entity != NULL && entity->valid)
	{
		lock_relations(entity);
		if (entity->valid)
			return entity;
	}
	if (entity != NULL)
	{
		entity->next = outdated;
		outdated = entity;
		outdated_in = epoch;
		entities[kind] = NULL;
	}
	return entities[kind] = read_entity(kind);
}

/* Return the entity with this name, or NULL. length is in bytes. */
RarrEntity *
rarr_entity_by_name(const char *name, int length)
{
	for (int i = 0; i < RARR_NENTITIES; i++)
	{
		if (rarr_equals(rarr_entity_defs[i].name, name, length))
			return rarr_entity(i);
	}
	return NULL;
}

static RarrEntityKind
kind_of_function(Oid function, const char *suffix)
{
	char *name = get_func_name(function);
	const char *found = name ? strstr(name, suffix) : NULL;

	for (int i = 0; found != NULL && i < RARR_NENTITIES; i++)
	{
		if (rarr_equals(rarr_entity_defs[i].name, name, found - name) && strcmp(found, suffix) == 0)
			return i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
			 errmsg("function \"%s\" does not belong to an entity", name ? name : "?"),
			 errhint("The function's name must be that of an entity followed by \"%s\".", suffix)));
}

/*
 * Return the entity that the running SQL function belongs to.  The function's
 * name must be the entity's name followed by suffix.  Raises 42P13 otherwise.
 */
RarrEntity *
rarr_entity_of_function(FunctionCallInfo fcinfo, const char *suffix)
{
	FmgrInfo *function = fcinfo->flinfo;
	const RarrEntityDef *def = function->fn_extra;

	if (def == NULL)
	{
		def = &rarr_entity_defs[kind_of_function(function->fn_oid, suffix)];
		function->fn_extra = unconstify(RarrEntityDef *, def);
	}
	return rarr_entity(def - rarr_entity_defs);
}

/* Return the column with this name, or NULL. length is in bytes. */
const RarrEntityColumn *
rarr_entity_column(const RarrEntity *entity, const char *name, int length)
{
	for (int i = 0; i < entity->ncolumns; i++)
	{
		const RarrEntityColumn *column = &entity->columns[i];

		if (strncmp(column->name, name, length) == 0 && column->name[length] == '\0')
			return column;
	}
	return NULL;
}

/* Return the entity's column names for a message, as "id, title and type". */
char *
rarr_entity_column_names(const RarrEntity *entity)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < entity->ncolumns; i++)
		appendStringInfo(&list, "%s%s",
						 i == 0 ? "" : i == entity->ncolumns - 1 ? " and " :
																   ", ",
						 entity->columns[i].name);
	return list.data;
}

/* Return the name of the relation from which the user reads rows. */
const char *
rarr_entity_source(const RarrEntity *entity)
{
	return entity->def->masked == NULL || rarr_is_admin(GetUserId()) ?
			   entity->def->relation :
			   entity->def->masked;
}

/* Return the columns to read from that relation, in row type order. */
const char *
rarr_entity_list(const RarrEntity *entity)
{
	return rarr_entity_source(entity) == entity->def->relation ? entity->list : entity->masked_list;
}

/* Return the expression for a column of that relation. */
const char *
rarr_entity_expression(const RarrEntity *entity, const RarrEntityColumn *column)
{
	return entity->def->masked == NULL || rarr_is_admin(GetUserId()) ?
			   psprintf("t.%s", column->quoted) :
			   column->masked;
}
