/*
 * write.h
 *		Read and write single rows of an entity.
 */
#ifndef RARR_DATA_WRITE_H
#define RARR_DATA_WRITE_H

#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "data/query.h"
#include "data/row_query.h"
#include "data/violations.h"
#include "job/job.h"

extern void rarr_entity_read_new(RarrEntity *entity, const JsonbValue *object, RarrValues *values);
extern HeapTuple rarr_entity_create(RarrEntity *entity, RarrValues *values);
extern bool rarr_entity_create_many(RarrEntity *entity, RarrValues *values, int n, HeapTuple *rows);
extern HeapTuple rarr_entity_update(RarrEntity *entity, const pg_uuid_t *id,
									const JsonbValue *changes, const TimestampTz *expected);
extern HeapTuple rarr_entity_update_values(RarrEntity *entity, const pg_uuid_t *id,
										   const RarrValues *values, const TimestampTz *expected);
extern bool rarr_entity_delete(RarrEntity *entity, const pg_uuid_t *id, const TimestampTz *expected);

/* for create_many.c */
extern void rarr_read_job(const RarrEntity *entity, RarrValues *values, RarrNewJob *job);

#endif /* RARR_DATA_WRITE_H */
