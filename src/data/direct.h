/*
 * direct.h
 *		Read rows through an index, without the executor.
 */
#ifndef RARR_DATA_DIRECT_H
#define RARR_DATA_DIRECT_H

#include "nodes/execnodes.h"
#include "utils/uuid.h"

#include "data/entity.h"

extern bool rarr_direct_row(RarrEntity *entity, const pg_uuid_t *id, HeapTuple *row);
extern bool rarr_direct_rows(RarrEntity *entity, Oid index, const pg_uuid_t *key,
							 ReturnSetInfo *rsinfo);

#endif /* RARR_DATA_DIRECT_H */
