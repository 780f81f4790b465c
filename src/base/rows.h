/*
 * rows.h
 *		Insert rows in bulk.
 */
#ifndef RARR_BASE_ROWS_H
#define RARR_BASE_ROWS_H

#include "base/relation.h"

typedef struct RarrRows RarrRows;

extern RarrRows *rarr_rows_begin(RarrTable *table, int change);
extern TupleTableSlot *rarr_rows_next(RarrRows *rows);
extern void rarr_rows_add(RarrRows *rows);
extern void rarr_rows_end(RarrRows *rows);

#endif /* RARR_BASE_ROWS_H */
