/*
 * direct_write.h
 *		Insert and update single rows without a statement.
 */
#ifndef RARR_DATA_DIRECT_WRITE_H
#define RARR_DATA_DIRECT_WRITE_H

#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "data/violations.h"

/* what an update did */
typedef enum RarrDirectResult
{
	RARR_DIRECT_NOTHING, /* nothing: a statement must be used */
	RARR_DIRECT_MEDIA,   /* updated only the media row: a statement must update the subtype's */
	RARR_DIRECT_DONE
} RarrDirectResult;

extern bool rarr_direct_create(RarrEntity *entity, const RarrValues *values, const pg_uuid_t *id,
							   HeapTuple *row);
extern RarrDirectResult rarr_direct_update(RarrEntity *entity, const pg_uuid_t *id,
										   const RarrValues *changes, const TimestampTz *expected,
										   HeapTuple *row);

#endif /* RARR_DATA_DIRECT_WRITE_H */
