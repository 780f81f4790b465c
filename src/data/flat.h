/*
 * flat.h
 *		Write flat rows, which are stored in two tables.
 */
#ifndef RARR_DATA_FLAT_H
#define RARR_DATA_FLAT_H

#include "data/row_query.h"

extern HeapTuple rarr_flat_create(RarrEntity *entity, RarrValues *values);
extern HeapTuple rarr_flat_update(RarrEntity *entity, const pg_uuid_t *id, const RarrValues *values,
								  const TimestampTz *expected);

#endif /* RARR_DATA_FLAT_H */
