/*
 * row_locks.h
 *		Lock rows in a fixed order before a call changes them.
 */
#ifndef RARR_DATA_ROW_LOCKS_H
#define RARR_DATA_ROW_LOCKS_H

#include "utils/jsonb.h"
#include "utils/uuid.h"

#include "data/entity.h"

/*
 * How to lock rows.  If other tables reference the rows, the lock blocks
 * whoever wants
 */
typedef enum RarrRowLock
{
	RARR_KEEP_ROW,   /* to delete the row */
	RARR_CHANGE_ROW, /* ... or update it */
	RARR_DELETE_ROW  /* ... or reference it, or change unique columns */
} RarrRowLock;

extern void rarr_lock_rows(RarrEntity *entity, const char *table, const char *column,
						   const char *condition, RarrRowLock lock,
						   const pg_uuid_t *ids, int count);
extern void rarr_lock_operations(Jsonb *operations);

#endif /* RARR_DATA_ROW_LOCKS_H */
