/*
 * cascade.h
 *		Lock what a deletion of media affects.
 */
#ifndef RARR_DATA_CASCADE_H
#define RARR_DATA_CASCADE_H

#include "utils/uuid.h"

extern void rarr_lock_deletes(const pg_uuid_t *deleted, int ndeleted,
							  const pg_uuid_t *media, int nmedia,
							  const pg_uuid_t *jobs, int njobs);

#endif /* RARR_DATA_CASCADE_H */
