/*
 * row_locks.h
 *		Locks on rows, taken in one order before a call changes them.
 */
#ifndef RARR_DATA_ROW_LOCKS_H
#define RARR_DATA_ROW_LOCKS_H

#include "utils/jsonb.h"
#include "utils/uuid.h"

#include "data/entity.h"

/* How rows are locked; on those of a table that others refer to, so many wait: */
typedef enum RarrRowLock
{
	RARR_KEEP_ROW,				/* who would delete it */
	RARR_CHANGE_ROW,			/* who would change it, too */
	RARR_DELETE_ROW				/* who would refer to it, too; also to change
								 * columns of a unique constraint */
} RarrRowLock;

extern void rarr_lock_rows(RarrEntity *entity, const char *table, const char *column,
						   const char *condition, RarrRowLock lock,
						   const pg_uuid_t *ids, int count);
extern void rarr_lock_operations(Jsonb *operations);

/* cascade.c */
extern void rarr_lock_deletes(const pg_uuid_t *deleted, int ndeleted,
							  const pg_uuid_t *media, int nmedia,
							  const pg_uuid_t *jobs, int njobs);

#endif							/* RARR_DATA_ROW_LOCKS_H */
