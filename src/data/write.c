/*
 * write.c
 *		Reading and writing one row of an entity.
 *
 *		A flat row lies in two tables, which is the business of flat.c.  A new
 *		job is enqueued, as job_enqueue does it; what job_update may change is
 *		written by plain DML, whose triggers put it on record.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/relation.h"
#include "base/subtransaction.h"
#include "base/uuid.h"
#include "data/flat.h"
#include "data/secret.h"
#include "data/write.h"

static const char *
uuid_text(const pg_uuid_t *id)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id)));
}

void
rarr_add_id(RarrQuery *query, const pg_uuid_t *id)
{
	rarr_query_param(query, UUIDOID, UUIDPGetDatum(id), false);
}

/* Reads a row; NULL where there is none. */
HeapTuple
rarr_entity_get(RarrEntity *entity, const pg_uuid_t *id, int flags)
{
	RarrQuery	query;

	rarr_query_init(&query);
	appendStringInfo(&query.sql, "SELECT %s FROM researcharr.%s AS t WHERE t.id" RARR_EQ,
					 rarr_entity_list(entity), rarr_entity_source(entity));
	rarr_add_id(&query, id);
	return rarr_query_row(entity, &query, flags | RARR_GENERIC);
}

/*
 * Begins "INSERT INTO table AS t (" with the columns of the table that are
 * given, and a first one whose value the caller adds.
 */
void
rarr_begin_insert(RarrQuery *query, const RarrEntity *entity, const char *table, bool subtable,
			 const char *first, const RarrValues *values)
{
	const char *separator = first[0] != '\0' ? ", " : "";

	rarr_query_init(query);
	appendStringInfo(&query->sql, "INSERT INTO researcharr.%s AS t (%s", table, first);
	for (int i = 0; i < entity->ncolumns; i++)
	{
		if (!values->given[i] || entity->columns[i].in_subtable != subtable)
			continue;
		appendStringInfo(&query->sql, "%s%s", separator, entity->columns[i].quoted);
		separator = ", ";
	}
	rarr_query_add(query, ") VALUES (");
}

void
rarr_add_values(RarrQuery *query, const RarrEntity *entity, bool subtable, const char *separator,
		   const RarrValues *values)
{
	for (int i = 0; i < entity->ncolumns; i++)
	{
		if (!values->given[i] || entity->columns[i].in_subtable != subtable)
			continue;
		rarr_query_add(query, separator);
		rarr_query_param(query, entity->columns[i].type, values->values[i], values->nulls[i]);
		separator = ", ";
	}
	rarr_query_add(query, ")");
}

static int
column_index(const RarrEntity *entity, const char *name)
{
	const RarrEntityColumn *column = rarr_entity_column(entity, name, strlen(name));

	return column == NULL ? -1 : column - entity->columns;
}

/* Takes a value out of the values; false where it is not given. */
bool
rarr_take_value(const RarrEntity *entity, RarrValues *values, const char *name, Datum *value)
{
	int			i = column_index(entity, name);

	if (i < 0 || !values->given[i])
		return false;
	values->given[i] = false;
	*value = values->values[i];
	return true;
}

/* May the user read the ids of the rows that he writes, whatever these are? */
static bool
may_read_id(const RarrEntity *entity)
{
	return check_enable_rls(entity->tableid, InvalidOid, true) == RLS_NONE &&
		(pg_class_aclcheck(entity->tableid, GetUserId(), ACL_SELECT) == ACLCHECK_OK ||
		 pg_attribute_aclcheck(entity->tableid, get_attnum(entity->tableid, "id"), GetUserId(),
							   ACL_SELECT) == ACLCHECK_OK);
}

/*
 * Runs an INSERT of one row with this id; false where a trigger of the user's
 * kept the row out.  *id becomes the id that a trigger gave the row, provided
 * that the user may see it.
 */
bool
rarr_insert_row(RarrEntity *entity, RarrQuery *query, pg_uuid_t *id)
{
	Datum		value;
	bool		isnull;

	if (!may_read_id(entity))
		return rarr_query_run(entity, query, RARR_GENERIC) > 0;
	rarr_query_add(query, " RETURNING t.id");
	if (!rarr_query_value(entity, query, RARR_GENERIC, &value, &isnull))
		return false;
	*id = *DatumGetUUIDP(value);
	return true;
}

/* The id that the values, from which it is taken, have; else a new one. */
void
rarr_take_id(const RarrEntity *entity, RarrValues *values, pg_uuid_t *id)
{
	Datum		value;

	if (rarr_take_value(entity, values, "id", &value))
		*id = *DatumGetUUIDP(value);
	else
		rarr_uuid_v7(id);
}

/* Writes a row whose reader may not see it as it is. */
static HeapTuple
create_masked(RarrEntity *entity, RarrValues *values)
{
	RarrQuery	query;
	pg_uuid_t	id;

	rarr_take_id(entity, values, &id);
	rarr_begin_insert(&query, entity, entity->def->table, false, "id", values);
	rarr_add_id(&query, &id);
	rarr_add_values(&query, entity, false, ", ", values);
	return rarr_insert_row(entity, &query, &id) ? rarr_entity_get(entity, &id, 0) : NULL;
}

static HeapTuple
create_plain(RarrEntity *entity, const RarrValues *values)
{
	RarrQuery	query;

	rarr_begin_insert(&query, entity, entity->def->table, false, "", values);
	rarr_add_values(&query, entity, false, "", values);
	appendStringInfo(&query.sql, " RETURNING %s", entity->list);
	return rarr_query_row(entity, &query, RARR_GENERIC);
}

/* The job that the values, all of which it takes, describe. */
void
rarr_read_job(const RarrEntity *entity, RarrValues *values, RarrNewJob *job)
{
	Datum		value;

	memset(job, 0, sizeof(RarrNewJob));
	if (rarr_take_value(entity, values, "media_id", &value))
		job->media_id = *DatumGetUUIDP(value);
	if (rarr_take_value(entity, values, "job_type", &value))
		job->job_type = DatumGetTextPP(value);
	if ((job->has_priority = rarr_take_value(entity, values, "priority", &value)))
		job->priority = DatumGetInt32(value);
	if ((job->has_available_at = rarr_take_value(entity, values, "available_at", &value)))
		job->available_at = DatumGetTimestampTz(value);
	if ((job->has_max_retries = rarr_take_value(entity, values, "max_retries", &value)))
		job->max_retries = DatumGetInt32(value);
	if (rarr_take_value(entity, values, "metadata", &value))
		job->metadata = DatumGetJsonbP(value);
	if (rarr_take_value(entity, values, "unique_key", &value))
		job->unique_key = DatumGetTextPP(value);
}

static HeapTuple
create_job(RarrEntity *entity, RarrValues *values)
{
	RarrNewJob	job;
	pg_uuid_t	id;

	rarr_prevent_read_only("job_create()");
	rarr_read_job(entity, values, &job);
	rarr_jobs_enqueue(&job, 1, false, &id);
	return rarr_entity_get(entity, &id, 0);
}

/* 0A000 for the logs, which nobody writes. */
static void
require_writable(const RarrEntity *entity)
{
	if (entity->def->read_only)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s is for reading only", entity->def->name),
				 errhint("The extension itself appends to it.")));
}

/*
 * Reads the values of a new row.  RA003 for an object that is not valid; where
 * only its job type is unknown, enqueuing it says so.
 */
void
rarr_entity_read_new(RarrEntity *entity, const JsonbValue *object, RarrValues *values)
{
	List	   *violations;

	require_writable(entity);
	violations = rarr_values_read(entity, object, false, values);
	if (violations != NIL)
		rarr_raise_violations(entity, rarr_check_job_type(entity, values, violations));
}

/*
 * Writes a new row; returns it, or NULL where a trigger of the user's kept it
 * out.  Values are used up.  Errors: those of the INSERT; of job_enqueue for a
 * job.
 */
HeapTuple
rarr_entity_create(RarrEntity *entity, RarrValues *values)
{
	if (entity->kind == RARR_JOB)
		return create_job(entity, values);
	if (entity->def->subtable != NULL)
		return rarr_flat_create(entity, values);
	if (rarr_entity_source(entity) == entity->def->masked)
		return create_masked(entity, values);
	return create_plain(entity, values);
}

/* 40001 where the row's updated_at is not the expected one. */
static void
require_unchanged(const RarrEntity *entity, HeapTuple row, const pg_uuid_t *id,
				  const TimestampTz *expected)
{
	AttrNumber	attnum = entity->columns[column_index(entity, "updated_at")].attnum;
	bool		isnull;

	if (DatumGetTimestampTz(heap_getattr(row, attnum, entity->desc, &isnull)) == *expected)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("%s %s has changed since %s", entity->def->name, uuid_text(id),
					timestamptz_to_str(*expected)),
			 errhint("Read it anew, and decide again.")));
}

/*
 * 55000 for a finished job, 40001 for a row that has moved on; else nothing: row
 * security or a trigger kept the row as it is.
 */
static void
explain_absence(RarrEntity *entity, const pg_uuid_t *id, const TimestampTz *expected)
{
	HeapTuple	row = rarr_entity_get(entity, id, 0);
	int			finished = entity->kind == RARR_JOB ? column_index(entity, "completed_at") : -1;

	if (row == NULL)
		return;
	if (finished >= 0 && !heap_attisnull(row, entity->columns[finished].attnum, entity->desc))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("job %s is finished", uuid_text(id)),
				 errhint("job_retry() queues a failed or cancelled job again.")));
	if (expected != NULL)
		require_unchanged(entity, row, id, expected);
}

/* Adds "column = $n" for each given column of the table; returns how many. */
int
rarr_add_assignments(RarrQuery *query, const RarrEntity *entity, bool subtable, const RarrValues *values)
{
	int			n = 0;

	for (int i = 0; i < entity->ncolumns; i++)
	{
		const RarrEntityColumn *column = &entity->columns[i];

		if (!values->given[i] || column->in_subtable != subtable)
			continue;
		appendStringInfo(&query->sql, "%s%s = ", n++ > 0 ? ", " : "", column->quoted);
		rarr_query_param(query, column->type, values->values[i], values->nulls[i]);
	}
	return n;
}

/* Adds which row of the table is meant, or none where it is not as expected. */
void
rarr_add_condition(RarrQuery *query, const RarrEntity *entity, const pg_uuid_t *id,
			  const TimestampTz *expected)
{
	rarr_query_add(query, " WHERE t.id" RARR_EQ);
	rarr_add_id(query, id);
	if (expected != NULL)
	{
		rarr_query_add(query, " AND t.updated_at" RARR_EQ);
		rarr_query_param(query, TIMESTAMPTZOID, TimestampTzGetDatum(*expected), false);
	}
	if (entity->def->subtable != NULL)
		appendStringInfo(&query->sql, " AND EXISTS (SELECT FROM researcharr.%s AS s"
						 " WHERE s.media_id" RARR_EQ "t.id)", entity->def->subtable);
	if (entity->kind == RARR_JOB)
		rarr_query_add(query, " AND t.completed_at IS NULL");
}

static HeapTuple
update_plain(RarrEntity *entity, const pg_uuid_t *id, const RarrValues *values,
			 const TimestampTz *expected)
{
	bool		masked = rarr_entity_source(entity) == entity->def->masked;
	RarrQuery	query;

	rarr_query_init(&query);
	appendStringInfo(&query.sql, "UPDATE researcharr.%s AS t SET ", entity->def->table);
	(void) rarr_add_assignments(&query, entity, false, values);
	rarr_add_condition(&query, entity, id, expected);
	if (masked)
		return rarr_query_run(entity, &query, RARR_GENERIC) > 0 ?
			rarr_entity_get(entity, id, 0) : NULL;
	appendStringInfo(&query.sql, " RETURNING %s", entity->list);
	return rarr_query_row(entity, &query, RARR_GENERIC);
}

/*
 * A setting's value and its type can change one without the other, and only the
 * table's CHECK knows whether they still agree: what it says becomes RA003.
 */
static HeapTuple
update_config(RarrEntity *entity, const pg_uuid_t *id, const RarrValues *values,
			  const TimestampTz *expected)
{
	MemoryContext cxt = CurrentMemoryContext;
	HeapTuple	volatile row = NULL;
	int			value = column_index(entity, "value");
	RarrReplaced setting = {value >= 0 && values->given[value] ? id : NULL, NULL};
	RarrReplaced before = rarr_secret_replace(setting);

	PG_TRY();
	{
		row = update_plain(entity, id, values, expected);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		(void) rarr_secret_replace(before);
		MemoryContextSwitchTo(cxt);
		error = CopyErrorData();
		if (error->sqlerrcode != ERRCODE_CHECK_VIOLATION ||
			!rarr_error_names(error, "configuration", "configuration_value_check"))
			PG_RE_THROW();
		FlushErrorState();
		rarr_raise_violations(entity, list_make1(rarr_make_violation("value", "wrong_form",
																	 "must read as its value_type")));
	}
	PG_END_TRY();
	(void) rarr_secret_replace(before);
	return row;
}

/*
 * 42501 where somebody would make a secret that he may not see readable, and
 * gives no new value.  The table's trigger asks more, but older versions of the
 * extension's objects do not have it.
 */
static void
protect_secret(RarrEntity *entity, const RarrValues *values)
{
	int			secret = column_index(entity, "secret");
	int			value = column_index(entity, "value");

	if (secret < 0 || !values->given[secret] || DatumGetBool(values->values[secret]) ||
		(value >= 0 && values->given[value]) || rarr_is_admin(entity))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to make a setting no secret"),
			 errhint("The extension's owner and superusers may; others give a new value at the same time.")));
}

static bool
any_given(const RarrEntity *entity, const RarrValues *values)
{
	for (int i = 0; i < entity->ncolumns; i++)
	{
		if (values->given[i])
			return true;
	}
	return false;
}

/* The row as it is, provided that it is as expected. */
static HeapTuple
update_nothing(RarrEntity *entity, const pg_uuid_t *id, const TimestampTz *expected)
{
	HeapTuple	row = rarr_entity_get(entity, id, 0);

	if (row != NULL && expected != NULL)
		require_unchanged(entity, row, id, expected);
	return row;
}

/*
 * Changes a row; returns it, or NULL where there is none.  Errors: RA003 for
 * changes that are not valid; 40001 where the row's updated_at is not the
 * expected one; 22023 where it has none; 55000 for a finished job; 42501 for who
 * would unmask a secret; those of the UPDATE.
 */
HeapTuple
rarr_entity_update(RarrEntity *entity, const pg_uuid_t *id, const JsonbValue *changes,
				   const TimestampTz *expected)
{
	RarrValues	values;
	HeapTuple	row;

	require_writable(entity);
	rarr_raise_violations(entity, rarr_values_read(entity, changes, true, &values));
	if (expected != NULL && !entity->versioned)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s has no updated_at to be expected", entity->def->name),
				 errhint("Leave expected_updated_at out.")));
	if (entity->kind == RARR_CONFIG)
		protect_secret(entity, &values);
	if (!any_given(entity, &values))
		return update_nothing(entity, id, expected);

	if (entity->def->subtable != NULL)
		row = rarr_flat_update(entity, id, &values, expected);
	else if (entity->kind == RARR_CONFIG)
		row = update_config(entity, id, &values, expected);
	else
		row = update_plain(entity, id, &values, expected);
	if (row == NULL && (expected != NULL || entity->kind == RARR_JOB))
		explain_absence(entity, id, expected);
	return row;
}

/* Deletes a row, of a flat one both; false where there is none. */
bool
rarr_entity_delete(RarrEntity *entity, const pg_uuid_t *id)
{
	RarrQuery	query;

	require_writable(entity);
	rarr_query_init(&query);
	appendStringInfo(&query.sql, "DELETE FROM researcharr.%s AS t WHERE t.id" RARR_EQ,
					 entity->def->table);
	rarr_add_id(&query, id);
	if (entity->def->subtable != NULL)
		appendStringInfo(&query.sql, " AND EXISTS (SELECT FROM researcharr.%s AS s"
						 " WHERE s.media_id" RARR_EQ "t.id)", entity->def->subtable);
	return rarr_query_run(entity, &query, RARR_GENERIC) > 0;
}
