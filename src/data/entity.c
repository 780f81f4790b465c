/*
 * entity.c
 *		The entities of the repositories: what the code knows of each, and what
 *		the catalog says of it now.
 *
 *		The code knows names, rules, and which columns are not a caller's to
 *		write.  All else comes from the catalog, so that a column which a user
 *		adds to a table is at once a field of its entity.  What was read from the
 *		catalog is kept, with the plans that were made from it, until a relation
 *		it was read from changes.  Since such news can arrive while a call is at
 *		work with it, what is outdated is freed by the first call after the end of
 *		the transaction.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/column.h"
#include "base/compat.h"
#include "base/own_index.h"
#include "base/row_trigger.h"
#include "base/schema.h"
#include "data/by_oid.h"
#include "data/entity.h"
#include "data/query.h"

#define MEDIA_RULES \
	&rarr_rule_title, &rarr_rule_type, &rarr_rule_external_id, &rarr_rule_status, \
	&rarr_rule_metadata

static const RarrRule *const media_rules[] = {MEDIA_RULES, NULL};
static const RarrRule *const movie_rules[] = {
	MEDIA_RULES, &rarr_rule_year, &rarr_rule_imdb_id, &rarr_rule_tmdb_id,
	&rarr_rule_runtime_minutes, NULL
};
static const RarrRule *const series_rules[] = {
	MEDIA_RULES, &rarr_rule_tvdb_id, &rarr_rule_seasons, &rarr_rule_episodes, NULL
};
static const RarrRule *const episode_rules[] = {
	MEDIA_RULES, &rarr_rule_season_number, &rarr_rule_episode_number, &rarr_rule_air_date, NULL
};
static const RarrRule *const job_rules[] = {
	&rarr_rule_job_type, &rarr_rule_priority, &rarr_rule_max_retries, &rarr_rule_available_at,
	&rarr_rule_metadata, &rarr_rule_unique_key, NULL
};
static const RarrRule *const queue_item_rules[] = {
	&rarr_rule_service, &rarr_rule_priority, &rarr_rule_retry_count, &rarr_rule_metadata, NULL
};
static const RarrRule *const config_rules[] = {
	&rarr_rule_key, &rarr_rule_value_type, NULL
};
static const RarrRule *const webui_user_rules[] = {
	&rarr_rule_username, &rarr_rule_password_hash, &rarr_rule_api_key_hash, NULL
};
static const RarrRule *const no_rules[] = {NULL};

/* The functions of the queue keep the other columns of a job. */
static const char *const job_create_fields[] = {
	"media_id", "job_type", "priority", "available_at", "max_retries", "metadata", "unique_key", NULL
};
static const char *const job_update_fields[] = {
	"priority", "available_at", "max_retries", "metadata", NULL
};

/* What write.c and settings.c read by themselves. */
static const RarrColumn job_typed[] = {
	{"media_id", UUIDOID}, {"job_type", TEXTOID}, {"priority", INT4OID}, {"available_at", TIMESTAMPTZOID},
	{"max_retries", INT4OID}, {"metadata", JSONBOID}, {"unique_key", TEXTOID}, {NULL}
};
static const RarrColumn config_typed[] = {
	{"key", TEXTOID}, {"value", TEXTOID}, {"value_type", TEXTOID}, {"secret", BOOLOID}, {NULL}
};

/* The tables keep these, and these stay as a new row has them. */
static const char *const kept_fields[] = {"created_at", "updated_at", "added_at", NULL};
static const char *const fixed_fields[] = {"id", "type", NULL};

static const RarrEntityDef defs[RARR_NENTITIES] = {
	[RARR_MEDIA] = {"media", "media", .table = "media", .rules = media_rules},
	[RARR_MOVIE] = {"movie", "movie_rows", .table = "media", .subtable = "movies",
	.type = "movie", .rules = movie_rules},
	[RARR_SERIES] = {"series", "series_rows", .table = "media", .subtable = "series",
	.type = "series", .rules = series_rules},
	[RARR_EPISODE] = {"episode", "episode_rows", .table = "media", .subtable = "episodes",
	.type = "episode", .rules = episode_rules},
	[RARR_JOB] = {"job", "processing_jobs", .table = "processing_jobs", .rules = job_rules,
	.create_fields = job_create_fields, .update_fields = job_update_fields, .typed = job_typed},
	[RARR_QUEUE_ITEM] = {"queue_item", "queue_items", .table = "queue_items",
	.rules = queue_item_rules},
	[RARR_CONFIG] = {"config", "configuration", "configuration_masked",
	.table = "configuration", .rules = config_rules, .typed = config_typed},
	[RARR_WEBUI_USER] = {"webui_user", "webui_users", "webui_users_masked",
	.table = "webui_users", .rules = webui_user_rules},
	[RARR_HISTORY] = {"history", "processing_history", .table = "processing_history",
	.read_only = true, .rules = no_rules},
	[RARR_AUDIT] = {"audit", "audit_log", .table = "audit_log",
	.read_only = true, .rules = no_rules},
};

/* Which entity a function is of. */
typedef struct FunctionEntry
{
	Oid			function;		/* the key */
	RarrEntityKind kind;
} FunctionEntry;

static RarrEntity *entities[RARR_NENTITIES];
static RarrEntity *outdated = NULL;
static uint64 epoch = 0;			/* transactions that this session has ended */
static uint64 outdated_in = 0;		/* the epoch of the latest in "outdated" */
static uint64 news = 0;				/* relation changes that this session heard of */
static HTAB *functions = NULL;
static bool functions_valid = false;

static void
relation_changed(Datum arg, Oid relid)
{
	news++;
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
function_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	functions_valid = false;
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
	CacheRegisterSyscacheCallback(PROCOID, function_changed, (Datum) 0);
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
		rarr_query_forget_plans(entity);
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

/* Fills in a column of the row type; stored is the table's own column of it. */
static void
fill_column(RarrEntityColumn *column, const RarrEntityDef *def, Form_pg_attribute att,
			Form_pg_attribute stored)
{
	bool		generated = stored->attgenerated != '\0' ||
		stored->attidentity == ATTRIBUTE_IDENTITY_ALWAYS;
	bool		kept;
	bool		fixed;

	column->name = pstrdup(NameStr(att->attname));
	column->quoted = pstrdup(quote_identifier(column->name));
	column->type = att->atttypid;
	column->typmod = att->atttypmod;
	column->attnum = att->attnum;
	column->not_null = stored->attnotnull;
	column->rule = find_rule(def, column->name);

	kept = generated || is_listed(kept_fields, column->name);
	fixed = is_listed(fixed_fields, column->name) &&
		(strcmp(column->name, "id") == 0 || column->rule != NULL);
	column->creatable = !kept &&
		(def->create_fields == NULL || is_listed(def->create_fields, column->name));
	column->updatable = !kept && !fixed &&
		(def->update_fields == NULL || is_listed(def->update_fields, column->name));
	column->required = column->creatable && stored->attnotnull && !stored->atthasdef &&
		stored->attidentity == '\0' &&
		!(def->type != NULL && strcmp(column->name, "type") == 0);
}

/*
 * What others than admins read for a column: that of the view, or NULL where
 * the view does not have it, being older than the column.
 */
static char *
masked_expression(const RarrEntityColumn *column, Relation masked)
{
	if (masked == NULL || rarr_find_column(RelationGetDescr(masked), column->name) != 0)
		return psprintf("t.%s", column->quoted);
	return psprintf(RARR_BY_OID_NULL, column->type, column->typmod);
}

/*
 * The table that a column of the row type is stored in.  A flat row's view says
 * from which of the two it takes the column: a user may have added one of the
 * same name to the other.  NULL where neither has it.
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

/* Can a row that is written to the table be kept out without an error? */
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
 * Code reads the ids of rows, and some columns of jobs and settings, as of these
 * types, and ids without a look whether they are NULL.  55000 where they are not so.
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

/* Adds the row type's columns, with what the catalog says of each. */
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
		Relation	home;

		if (att->attisdropped)
			continue;
		home = home_of_column(rel, table, subtable, att);
		if (home == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" of \"%s.%s\" is none of its tables'",
							NameStr(att->attname), RARR_SCHEMA, entity->def->relation),
					 errhint("The extension's views must keep their columns.")));
		fill_column(column, entity->def, att,
					TupleDescAttr(RelationGetDescr(home),
								  rarr_find_column(RelationGetDescr(home), NameStr(att->attname)) - 1));
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

/* Fills in what the catalog says of the entity's relations, which are open. */
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

/* An index that holds all rows by this column, a UUID, alone; 0 where there is none. */
static Oid
find_index(Relation rel, const char *name)
{
	RarrIndexDef def = {name, {rarr_find_column(RelationGetDescr(rel), name)}};

	if (def.keys[0] == 0 || TupleDescAttr(RelationGetDescr(rel), def.keys[0] - 1)->atttypid != UUIDOID)
		return InvalidOid;
	return rarr_index_oid(rel, &def);
}

static Relation
open_relation(const char *name)
{
	return name == NULL ? NULL : rarr_relation_open(name, AccessShareLock);
}

/* The lock stays until the transaction ends. */
static void
close_relation(Relation rel)
{
	if (rel != NULL)
		relation_close(rel, NoLock);
}

/*
 * Reads the catalog.  Opening one relation can bring news of another that was
 * read before: what is read then serves this call alone.
 */
static RarrEntity *
read_entity(RarrEntityKind kind)
{
	const RarrEntityDef *def = &defs[kind];
	uint64		known = news;
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "researcharr entity",
											  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	RarrEntity *entity = palloc0(sizeof(RarrEntity));
	Relation	rel = open_relation(def->relation);
	Relation	table = open_relation(def->table);
	Relation	subtable = open_relation(def->subtable);
	Relation	masked = open_relation(def->masked);

	entity->def = def;
	entity->kind = kind;
	entity->cxt = cxt;
	fill_entity(entity, rel, table, subtable, masked);
	if (rel->rd_rel->relkind == RELKIND_RELATION && def->masked == NULL)
	{
		entity->id_index = find_index(rel, "id");
		entity->media_id_index = find_index(rel, "media_id");
	}
	close_relation(masked);
	close_relation(subtable);
	close_relation(table);
	close_relation(rel);

	entity->valid = news == known;
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(cxt, CacheMemoryContext);
	return entity;
}

/*
 * Locks the entity's relations, as a statement would that reads them.  With the
 * first lock on a relation come the invalidation messages of what DDL did to it
 * before.
 */
static void
lock_relations(const RarrEntity *entity)
{
	const Oid	relids[] = {entity->relid, entity->tableid, entity->subtableid, entity->maskedid};

	for (int i = 0; i < lengthof(relids); i++)
		if (OidIsValid(relids[i]) && (i == 0 || relids[i] != relids[i - 1]))
			LockRelationOid(relids[i], AccessShareLock);
}

/*
 * The entity as the catalog has it, and will have it until the transaction ends.
 * 42P01 where the extension's relations are not there; 55000 where their columns
 * are not as they were made.
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

/* The entity of this name, or NULL. */
RarrEntity *
rarr_entity_by_name(const char *name, int length)
{
	for (int i = 0; i < RARR_NENTITIES; i++)
	{
		if (strlen(defs[i].name) == length && memcmp(defs[i].name, name, length) == 0)
			return rarr_entity(i);
	}
	return NULL;
}

static RarrEntityKind
kind_of_function(Oid function, const char *suffix)
{
	char	   *name = get_func_name(function);
	const char *found = name ? strstr(name, suffix) : NULL;

	for (int i = 0; found != NULL && i < RARR_NENTITIES; i++)
	{
		if (strlen(defs[i].name) == found - name &&
			memcmp(defs[i].name, name, found - name) == 0 &&
			strcmp(found, suffix) == 0)
			return i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
			 errmsg("function \"%s\" is not of an entity", name ? name : "?"),
			 errhint("The function's name must be that of an entity followed by \"%s\".", suffix)));
}

/*
 * The entity that the running function is of: its name says so, being the
 * entity's and the suffix.  42P13 where it does not.
 */
RarrEntity *
rarr_entity_of_function(FunctionCallInfo fcinfo, const char *suffix)
{
	Oid			function = fcinfo->flinfo->fn_oid;
	FunctionEntry *entry;
	RarrEntityKind kind;

	if (!functions_valid)
	{
		HASHCTL		control = {.keysize = sizeof(Oid), .entrysize = sizeof(FunctionEntry)};

		register_callbacks();
		if (functions != NULL)
			hash_destroy(functions);
		functions = NULL;		/* hash_create() can run out of memory */
		functions = hash_create("researcharr functions of entities", 64, &control,
								HASH_ELEM | HASH_BLOBS);
		functions_valid = true;
	}
	entry = hash_search(functions, &function, HASH_FIND, NULL);
	if (entry != NULL)
		return rarr_entity(entry->kind);

	kind = kind_of_function(function, suffix);
	entry = hash_search(functions, &function, HASH_ENTER, NULL);
	entry->kind = kind;
	return rarr_entity(kind);
}

/* The column of this name, or NULL. */
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

/* "id, title and type", for a message. */
char *
rarr_entity_column_names(const RarrEntity *entity)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < entity->ncolumns; i++)
		appendStringInfo(&list, "%s%s",
						 i == 0 ? "" : i == entity->ncolumns - 1 ? " and " : ", ",
						 entity->columns[i].name);
	return list.data;
}

/* Is the user a superuser or the extension's owner, whose tables these are? */
bool
rarr_is_admin(const RarrEntity *entity)
{
	return rarr_is_owner(entity->tableid, GetUserId());
}

/* The relation that the user reads the entity's rows from. */
const char *
rarr_entity_source(const RarrEntity *entity)
{
	return entity->def->masked == NULL || rarr_is_admin(entity) ?
		entity->def->relation : entity->def->masked;
}

/* The columns that the user reads from there, in the row type's order. */
const char *
rarr_entity_list(const RarrEntity *entity)
{
	return rarr_entity_source(entity) == entity->def->relation ? entity->list : entity->masked_list;
}

/* What stands for the column where the user reads the entity's rows from there. */
const char *
rarr_entity_expression(const RarrEntity *entity, const RarrEntityColumn *column)
{
	return entity->def->masked == NULL || rarr_is_admin(entity) ?
		psprintf("t.%s", column->quoted) : column->masked;
}
