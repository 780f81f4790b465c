/*-------------------------------------------------------------------------
 *
 * write.h
 *		Read and write single rows of an entity.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RARR_DATA_WRITE_H
#define RARR_DATA_WRITE_H

#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "data/query.h"
#include "data/violations.h"
#include "job/job.h"

extern HeapTuple rarr_entity_get(RarrEntity *entity, const pg_uuid_t *id, int flags);
extern void rarr_entity_read_new(RarrEntity *entity, const JsonbValue *object, RarrValues *values);
extern HeapTuple rarr_entity_create(RarrEntity *entity, RarrValues *values);
extern bool rarr_entity_create_many(RarrEntity *entity, RarrValues *values, int n, HeapTuple *rows);
extern HeapTuple rarr_entity_update(RarrEntity *entity, const pg_uuid_t *id,
									const JsonbValue *changes, const TimestampTz *expected);
extern bool rarr_entity_delete(RarrEntity *entity, const pg_uuid_t *id);

/* for create_many.c and flat.c */
extern bool rarr_take_value(const RarrEntity *entity, RarrValues *values, const char *name,
							Datum *value);
extern void rarr_take_id(const RarrEntity *entity, RarrValues *values, pg_uuid_t *id);
extern void rarr_read_job(const RarrEntity *entity, RarrValues *values, RarrNewJob *job);
extern void rarr_begin_insert(RarrQuery *query, const RarrEntity *entity, const char *table,
							  bool subtable, const char *first, const RarrValues *values);
extern void rarr_add_id(RarrQuery *query, const pg_uuid_t *id);
extern void rarr_add_values(RarrQuery *query, const RarrEntity *entity, bool subtable,
							const char *separator, const RarrValues *values);
extern int	rarr_add_assignments(RarrQuery *query, const RarrEntity *entity, bool subtable,
								 const RarrValues *values);
extern void rarr_add_condition(RarrQuery *query, const RarrEntity *entity, const pg_uuid_t *id,
							   const TimestampTz *expected);
extern bool rarr_insert_row(RarrEntity *entity, RarrQuery *query, pg_uuid_t *id);

#endif							/* RARR_DATA_WRITE_H */
