/*
 * uuid.h
 *		Generate version 7 UUIDs, which sort by time of generation.
 */
#ifndef RARR_BASE_UUID_H
#define RARR_BASE_UUID_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

/*
 * Generate a UUID that is greater than every one this backend generated
 * before.  Raises XX000 if the system provides no random bytes.
 */
extern void rarr_uuid_v7(pg_uuid_t *out);

extern void rarr_uuid_floor(TimestampTz at, pg_uuid_t *out);
extern TimestampTz rarr_uuid_time(const pg_uuid_t *id);
extern Datum rarr_uuid_array(const pg_uuid_t *ids, int n);

#endif /* RARR_BASE_UUID_H */
