/*
 * write.c
 *		Read and write single rows of an entity.
 *
 * A flat row is stored in two tables; flat.c writes it.  A new job is
 * enqueued, as by job_enqueue.  The fields that job_update may change are
 * written by plain DML, whose triggers log the change.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"

#include "base/access.h"
#include "base/duration.h"
#include "base/schema.h"
#include "base/subtransaction.h"
#include "data/direct_write.h"
#include "data/flat.h"
#include "data/secret.h"
#include "data/write.h"

static const char *
uuid_text(const pg_uuid_t *id)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id)));
}

/* Insert a row that the user may only read in masked form. */
static HeapTuple
create_masked(RarrEntity *entity, RarrValues *values)
{
	RarrQuery query;
	pg_uuid_t id;

	rarr_take_id(entity, values, &id);
	rarr_begin_insert(&query, entity, entity->def->table, false, "id", values);
	rarr_query_param(&query, UUIDOID, UUIDPGetDatum(&id), false);
	rarr_add_values(&query, entity, false, ", ", values);
	return rarr_insert_row(entity, &query, &id) ? rarr_entity_get(entity, &id, 0) : NULL;
}

static HeapTuple
create_plain(RarrEntity *entity, const RarrValues *values)
{
	RarrQuery query;
	HeapTuple row;

	if (rarr_direct_create(entity, values, NULL, &row))
		return row;
	rarr_begin_insert(&query, entity, entity->def->table, false, "", values);
	rarr_add_values(&query, entity, false, "", values);
	appendStringInfo(&query.sql, " RETURNING %s", entity->list);
	return rarr_query_row(entity, &query, RARR_GENERIC);
}

/* Take all values, and make a description of a new job of them. */
void
rarr_read_job(const RarrEntity *entity, RarrValues *values, RarrNewJob *job)
{
	Datum value;

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
	RarrNewJob job;
	pg_uuid_t id;

	rarr_prevent_read_only("job_create()");
	rarr_read_job(entity, values, &job);
	rarr_jobs_enqueue(&job, 1, false, &id);
	return rarr_entity_get(entity, &id, 0);
}

/* Raise 0A000 for logs, which cannot be written to. */
static void
require_writable(const RarrEntity *entity)
{
	if (entity->def->read_only)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s is read-only", entity->def->name),
				 errhint("The extension itself appends to it.")));
}

/*
 * Read the values of a new row.  Raises RA003 if the object is not valid.  If
 * only the job type is unknown, enqueueing the job raises RA002 later.
 */
void
rarr_entity_read_new(RarrEntity *entity, const JsonbValue *object, RarrValues *values)
{
	List *violations;

	require_writable(entity);
	violations = rarr_values_read(entity, object, false, values);
	if (violations != NIL)
		rarr_raise_violations(entity, rarr_check_job_type(entity, values, violations));
}

/*
 * Insert a row.  Returns it, or NULL if a user's trigger suppressed it.  The
 * values are consumed.  Raises the errors of INSERT or, for a job, of
 * job_enqueue.
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

/* Raise 40001 if the row's updated_at is not the expected one. */
static void
require_unchanged(const RarrEntity *entity, HeapTuple row, const pg_uuid_t *id,
				  const TimestampTz *expected)
{
	AttrNumber attnum = entity->columns[rarr_column_index(entity, "updated_at")].attnum;
	bool isnull;
	TimestampTz updated_at = DatumGetTimestampTz(heap_getattr(row, attnum, entity->desc, &isnull));

	if (updated_at >= *expected && updated_at <= rarr_last_meant(*expected))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("%s %s has changed since %s", entity->def->name, uuid_text(id),
					timestamptz_to_str(*expected)),
			 errhint("Read the row again, and repeat the change if it still applies.")));
}

/*
 * Nothing was updated: find out why.  Raises 55000 for a finished job, and
 * 40001 if the row has changed.  Otherwise row security or a trigger
 * suppressed the update, which is not an error.
 */
static void
explain_absence(RarrEntity *entity, const pg_uuid_t *id, const TimestampTz *expected)
{
	HeapTuple row = rarr_entity_get(entity, id, 0);
	int finished = entity->kind == RARR_JOB ? rarr_column_index(entity, "completed_at") : -1;

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

static HeapTuple
update_plain(RarrEntity *entity, const pg_uuid_t *id, const RarrValues *values,
			 const TimestampTz *expected)
{
	bool masked = rarr_entity_source(entity) == entity->def->masked;
	RarrQuery query;
	HeapTuple row;

	if (rarr_direct_update(entity, id, values, expected, &row) == RARR_DIRECT_DONE)
		return row;
	rarr_query_init(&query);
	appendStringInfo(&query.sql, "UPDATE researcharr.%s AS t SET ", entity->def->table);
	(void) rarr_add_assignments(&query, entity, false, values);
	rarr_add_condition(&query, entity, id, expected);
	if (masked)
		return rarr_query_run(entity, &query, RARR_GENERIC) > 0 ?
				   rarr_entity_get(entity, id, 0) :
				   NULL;
	appendStringInfo(&query.sql, " RETURNING %s", entity->list);
	return rarr_query_row(entity, &query, RARR_GENERIC);
}

/*
 * Update a setting.  Its value and type can be changed independently, and only
 * the table's CHECK constraint knows whether they still match.  Its violation
 * is turned into RA003.
 */
static HeapTuple
update_config(RarrEntity *entity, const pg_uuid_t *id, const RarrValues *values,
			  const TimestampTz *expected)
{
	MemoryContext cxt = CurrentMemoryContext;
	HeapTuple volatile row = NULL;
	int value = rarr_column_index(entity, "value");
	RarrReplaced setting = {value >= 0 && values->given[value] ? id : NULL, NULL};
	RarrReplaced before = rarr_secret_replace(setting);

	PG_TRY();
	{
		row = update_plain(entity, id, values, expected);
	}
	PG_CATCH();
	{
		ErrorData *error;

		(void) rarr_secret_replace(before);
		MemoryContextSwitchTo(cxt);
		error = CopyErrorData();
		if (error->sqlerrcode != ERRCODE_CHECK_VIOLATION ||
			!rarr_error_names(error, "configuration", "configuration_value_check"))
			PG_RE_THROW();
		FlushErrorState();
		rarr_raise_violations(entity, rarr_add_violation(NIL, "value", "wrong_form",
														 "must read as its value_type"));
	}
	PG_END_TRY();
	(void) rarr_secret_replace(before);
	return row;
}

/*
 * Raise 42501 if the user makes a secret readable without giving a new value,
 * and may not see it.  The table's trigger checks more, but older versions of
 * the SQL objects lack it.
 */
static void
protect_secret(RarrEntity *entity, const RarrValues *values)
{
	int secret = rarr_column_index(entity, "secret");
	int value = rarr_column_index(entity, "value");

	if (secret < 0 || !values->given[secret] || DatumGetBool(values->values[secret]) ||
		(value >= 0 && values->given[value]) || rarr_is_admin(GetUserId()))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to make a secret setting readable"),
			 errhint("Admins may; others give a new value at the same time.")));
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

/* Return the row unchanged, if updated_at is the expected one. */
static HeapTuple
update_nothing(RarrEntity *entity, const pg_uuid_t *id, const TimestampTz *expected)
{
	HeapTuple row = rarr_entity_get(entity, id, 0);

	if (row != NULL && expected != NULL)
		require_unchanged(entity, row, id, expected);
	return row;
}

/*
 * Update a row to these values.  Returns it, or NULL if there is none.  Raises
 * 40001 if updated_at is not the expected one, 55000 for a finished job, and the
 * errors of UPDATE.
 */
HeapTuple
rarr_entity_update_values(RarrEntity *entity, const pg_uuid_t *id, const RarrValues *values,
						  const TimestampTz *expected)
{
	HeapTuple row;

	if (entity->def->subtable != NULL)
		row = rarr_flat_update(entity, id, values, expected);
	else if (entity->kind == RARR_CONFIG)
		row = update_config(entity, id, values, expected);
	else
		row = update_plain(entity, id, values, expected);
	if (row == NULL && (expected != NULL || entity->kind == RARR_JOB))
		explain_absence(entity, id, expected);
	return row;
}

/*
 * Update a row.  Returns it, or NULL if there is none.  Raises RA003 if the
 * changes are not valid, 40001 if updated_at is not the expected one, 22023 if
 * the entity has no updated_at, 55000 for a finished job, 42501 if the user
 * would unmask a secret, and the errors of UPDATE.
 */
HeapTuple
rarr_entity_update(RarrEntity *entity, const pg_uuid_t *id, const JsonbValue *changes,
				   const TimestampTz *expected)
{
	RarrValues values;

	require_writable(entity);
	rarr_raise_violations(entity, rarr_values_read(entity, changes, true, &values));
	if (expected != NULL && !entity->versioned)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s has no updated_at to compare", entity->def->name),
				 errhint("Leave expected_updated_at out.")));
	if (entity->kind == RARR_CONFIG)
		protect_secret(entity, &values);
	if (!any_given(entity, &values))
		return update_nothing(entity, id, expected);

	return rarr_entity_update_values(entity, id, &values, expected);
}

/*
 * Delete a row; of a flat entity, both halves.  False if there is none.  Raises
 * 40001 if updated_at is not the expected one, which may be NULL.
 */
bool
rarr_entity_delete(RarrEntity *entity, const pg_uuid_t *id, const TimestampTz *expected)
{
	RarrQuery query;

	require_writable(entity);
	rarr_query_init(&query);
	appendStringInfo(&query.sql, "DELETE FROM researcharr.%s AS t", entity->def->table);
	if (expected != NULL)
		rarr_add_condition(&query, entity, id, expected);
	else
	{
		rarr_query_add_param(&query, " WHERE t.id" RARR_EQ, UUIDOID, UUIDPGetDatum(id));
		if (entity->def->subtable != NULL)
			appendStringInfo(&query.sql, " AND EXISTS (SELECT FROM researcharr.%s AS s"
										 " WHERE s.media_id" RARR_EQ "t.id)",
							 entity->def->subtable);
	}
	if (rarr_query_run(entity, &query, RARR_GENERIC) > 0)
		return true;
	if (expected != NULL)
		explain_absence(entity, id, expected);
	return false;
}
