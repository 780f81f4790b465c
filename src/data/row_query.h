/*
 * row_query.h
 *		Parts of the statements that read and write single rows of an entity.
 */
#ifndef RARR_DATA_ROW_QUERY_H
#define RARR_DATA_ROW_QUERY_H

#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "data/query.h"
#include "data/violations.h"

extern int rarr_column_index(const RarrEntity *entity, const char *name);
extern HeapTuple rarr_entity_get(RarrEntity *entity, const pg_uuid_t *id, int flags);
extern bool rarr_take_value(const RarrEntity *entity, RarrValues *values, const char *name,
							Datum *value);
extern void rarr_take_id(const RarrEntity *entity, RarrValues *values, pg_uuid_t *id);
extern void rarr_begin_insert(RarrQuery *query, const RarrEntity *entity, const char *table,
							  bool subtable, const char *first, const RarrValues *values);
extern void rarr_add_values(RarrQuery *query, const RarrEntity *entity, bool subtable,
							const char *separator, const RarrValues *values);
extern int rarr_add_assignments(RarrQuery *query, const RarrEntity *entity, bool subtable,
								const RarrValues *values);
extern void rarr_add_condition(RarrQuery *query, const RarrEntity *entity, const pg_uuid_t *id,
							   const TimestampTz *expected);
extern void rarr_add_subtype_condition(RarrQuery *query, const RarrEntity *entity,
									   const TimestampTz *expected);
extern bool rarr_insert_row(RarrEntity *entity, RarrQuery *query, pg_uuid_t *id);

#endif /* RARR_DATA_ROW_QUERY_H */
