/*
 * write.h
 *		Write items to tables, hundreds at a time.
 */
#ifndef RARR_DATA_IMPORT_WRITE_H
#define RARR_DATA_IMPORT_WRITE_H

#include "data/import/statements.h"

extern void rarr_import_write(Import *import, ImportPlans *plans, ImportItem *items, int nitems);
extern void rarr_import_find_old_series(Import *import, Datum *source_ids, int nids);

#endif							/* RARR_DATA_IMPORT_WRITE_H */
