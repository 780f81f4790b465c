/*
 * row_locks.c
 *		Lock rows in a fixed order before a call changes them.
 *
 * A call that changes several rows in an order chosen by its caller could
 * deadlock with another one.  It therefore first locks the rows in the order
 * of src/README.md.  Rows are locked with the caller's privileges.  Rows
 * that the caller may not lock are skipped: it may not change them either, and
 * the change itself raises the error.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/rls.h"

#include "base/json.h"
#include "base/schema.h"
#include "base/text.h"
#include "base/uuid.h"
#include "data/cascade.h"
#include "data/query.h"
#include "data/row_locks.h"

/* The tables whose rows operations change, in lock order. */
typedef enum LockGroup
{
	GROUP_INSTANCES,
	GROUP_MEDIA,
	GROUP_JOBS,
	GROUP_QUEUE_ITEMS,
	GROUP_TRACKED_ITEMS,
	GROUP_SETTINGS,
	GROUP_USERS,
	NGROUPS
} LockGroup;

static const RarrEntityKind group_entities[NGROUPS] = {
	RARR_INSTANCE, RARR_MEDIA, RARR_JOB, RARR_QUEUE_ITEM, RARR_TRACKED_ITEM, RARR_CONFIG, RARR_WEBUI_USER};
static const char *const tables[NGROUPS] = {
	"instances", "media", "processing_jobs", "queue_items", "tracked_items", "configuration", "webui_users"};

/* The rows of a table that operations change. */
typedef struct Targets
{
	pg_uuid_t *ids;
	int count;
	pg_uuid_t *deleted; /* rows to be deleted */
	int ndeleted;
	bool keys; /* does the external id of a media row change? */
} Targets;

/* May the user lock rows of the table? */
static bool
may_lock(Oid relid)
{
	Oid user = GetUserId();

	return pg_class_aclcheck(relid, user, ACL_SELECT) == ACLCHECK_OK &&
		   (pg_class_aclcheck(relid, user, ACL_UPDATE) == ACLCHECK_OK ||
			pg_attribute_aclcheck_all(relid, user, ACL_UPDATE, ACLMASK_ANY) == ACLCHECK_OK);
}

/*
 * Lock the rows of a table whose column has one of the ids, in order of the
 * column. condition is "" or SQL that begins with AND.  The rows are locked as
 * lock says.  Does nothing if the user may not lock them.
 */
void
rarr_lock_rows(RarrEntity *entity, const char *table, const char *column, const char *condition,
			   RarrRowLock lock, const pg_uuid_t *ids, int count)
{
	static const char *const clauses[] = {
		[RARR_KEEP_ROW] = "KEY SHARE",
		[RARR_CHANGE_ROW] = "NO KEY UPDATE",
		[RARR_DELETE_ROW] = "UPDATE"};
	RarrQuery query;

	if (count == 0 || !may_lock(rarr_relation_oid(table)))
		return;
	rarr_query_init(&query);
	appendStringInfo(&query.sql, "SELECT pg_catalog.count(*) FROM (SELECT FROM researcharr.%s AS t"
								 " WHERE t.%s" RARR_EQ "ANY (",
					 table, column);
	rarr_query_param(&query, UUIDARRAYOID, rarr_uuid_array(ids, count), false);
	appendStringInfo(&query.sql, ")%s ORDER BY t.%s FOR %s) AS s", condition, column, clauses[lock]);
	(void) rarr_query_run(entity, &query, RARR_GENERIC);
}

/* Read a UUID in the server's output format.  Other strings are ignored. */
static bool
read_id(const JsonbValue *value, pg_uuid_t *id)
{
	static const char form[] = "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh";
	char text[sizeof(form)];

	if (value->type != jbvString || value->val.string.len != sizeof(form) - 1)
		return false;
	memcpy(text, value->val.string.val, sizeof(form) - 1);
	text[sizeof(form) - 1] = '\0';
	for (int i = 0; form[i] != '\0'; i++)
	{
		if (form[i] == 'h' ? !isxdigit((unsigned char) text[i]) : text[i] != '-')
			return false;
	}
	*id = *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(text)));
	return true;
}

/* The lock group of the entity with this name; NGROUPS if it is not changed. */
static LockGroup
group_of(const JsonbValue *name)
{
	RarrEntity *entity;

	if (name->type != jbvString)
		return NGROUPS;
	entity = rarr_entity_by_name(name->val.string.val, name->val.string.len);
	if (entity == NULL)
		return NGROUPS;
	if (entity->def->subtable != NULL)
		return GROUP_MEDIA;
	for (int i = 0; i < NGROUPS; i++)
	{
		if (group_entities[i] == entity->kind)
			return i;
	}
	return NGROUPS;
}

static bool
is_word(const JsonbValue *value, const char *word)
{
	return value->type == jbvString &&
		   rarr_equals(word, value->val.string.val, value->val.string.len);
}

/*
 * Add the row that an operation changes, if it names one.  Errors in an
 * operation are reported when it is run.
 */
static bool
add_target(const JsonbValue *object, Targets *targets, int room)
{
	JsonbValue op;
	JsonbValue entity;
	JsonbValue id;
	JsonbValue values;
	pg_uuid_t uuid;
	LockGroup group;
	Targets *mine;

	if (!rarr_json_is_object(object) ||
		!rarr_json_member(object->val.binary.data, "op", &op) ||
		!(is_word(&op, "update") || is_word(&op, "delete")) ||
		!rarr_json_member(object->val.binary.data, "entity", &entity) ||
		!rarr_json_member(object->val.binary.data, "id", &id) || !read_id(&id, &uuid))
		return false;
	group = group_of(&entity);
	if (group == NGROUPS)
		return false;
	mine = &targets[group];
	if (mine->ids == NULL)
	{
		mine->ids = palloc(room * sizeof(pg_uuid_t));
		mine->deleted = palloc(room * sizeof(pg_uuid_t));
	}
	mine->ids[mine->count++] = uuid;
	if (is_word(&op, "delete"))
		mine->deleted[mine->ndeleted++] = uuid;
	else if (rarr_json_member(object->val.binary.data, "values", &values) &&
			 rarr_json_is_object(&values) &&
			 rarr_json_member(values.val.binary.data, "external_id", &values))
		mine->keys = true;
	return true;
}

/*
 * May the user delete any media row?  Then the rows that a delete cascades to
 * may be locked too, which takes the owner's rights.  False if row security
 * hides some rows from the user.
 */
static bool
may_delete(Oid media)
{
	return pg_class_aclcheck(media, GetUserId(), ACL_DELETE) == ACLCHECK_OK &&
		   check_enable_rls(media, InvalidOid, true) != RLS_ENABLED;
}

/* Lock media; if some are to be deleted, also jobs, and return true. */
static bool
lock_media(const Targets *media, const Targets *jobs)
{
	RarrEntity *entity = rarr_entity(RARR_MEDIA);
	RarrRowLock lock = media->ndeleted > 0 || media->keys ? RARR_DELETE_ROW : RARR_CHANGE_ROW;
	bool jobs_too = may_lock(rarr_entity(RARR_JOB)->tableid);

	/* a series comes before the media of its episodes */
	rarr_lock_rows(entity, "media", "id", " AND t.type" RARR_EQ "'series'", lock,
				   media->ids, media->count);
	if (media->ndeleted > 0 && may_delete(entity->tableid))
	{
		rarr_lock_deletes(media->deleted, media->ndeleted, media->ids, media->count,
						  jobs->ids, jobs_too ? jobs->count : 0);
		return true;
	}
	rarr_lock_rows(entity, "media", "id", "", lock, media->ids, media->count);
	return false;
}

static void
lock_group(const Targets *targets, LockGroup group)
{
	rarr_lock_rows(rarr_entity(group_entities[group]), tables[group], "id", "",
				   targets[group].ndeleted > 0 ? RARR_DELETE_ROW : RARR_CHANGE_ROW,
				   targets[group].ids, targets[group].count);
}

/*
 * Lock the rows that unit_of_work's operations update and delete.  Does
 * nothing for a single row.  Ids that come from earlier results are not known
 * yet; most of them are of new rows, which no other session sees.
 */
void
rarr_lock_operations(Jsonb *operations)
{
	Targets targets[NGROUPS] = {{0}};
	JsonbIterator *it = JsonbIteratorInit(&operations->root);
	JsonbValue value;
	int room = JB_ROOT_COUNT(operations);
	int count = 0;
	int first = GROUP_JOBS;

	while (rarr_json_next_element(&it, &value))
		count += add_target(&value, targets, room);
	if (count < 2 || XactReadOnly)
		return;
	if (targets[GROUP_INSTANCES].count > 0)
		lock_group(targets, GROUP_INSTANCES);
	if (targets[GROUP_MEDIA].count > 0 && lock_media(&targets[GROUP_MEDIA], &targets[GROUP_JOBS]))
		first++;
	for (int i = first; i < NGROUPS; i++)
	{
		if (targets[i].count > 0)
			lock_group(targets, i);
	}
}
