/*
 * row_change.h
 *		Insert and update single rows of an open table.
 */
#ifndef RARR_BASE_ROW_CHANGE_H
#define RARR_BASE_ROW_CHANGE_H

#include "access/tableam.h"

#include "base/relation.h"

pg_noreturn extern void rarr_table_refused(const RarrTable *table);
extern void rarr_table_insert(RarrTable *table, int change, TupleTableSlot *slot);
extern bool rarr_table_insert_unless(RarrTable *table, int change, TupleTableSlot *slot,
									 Oid arbiter, ItemPointer conflict);
extern void rarr_row_require_visible(const RarrTable *table, TupleTableSlot *slot);
extern void rarr_table_fill_defaults(RarrTable *table, TupleTableSlot *slot, const bool *given);
extern void rarr_table_set_updated(RarrTable *table, int change, const Bitmapset *columns);
extern bool rarr_table_update(RarrTable *table, int change,
							  TupleTableSlot *oldslot, TupleTableSlot *newslot);
extern bool rarr_table_update_unlocked(RarrTable *table, int change,
									   TupleTableSlot *oldslot, TupleTableSlot *newslot, bool wait);
extern TM_Result rarr_row_state(TupleTableSlot *slot);
extern void rarr_table_defer_entries(RarrTable *table, int change);
extern void rarr_table_insert_deferred(RarrTable *table);
extern void rarr_table_copy_row(TupleTableSlot *newslot, TupleTableSlot *oldslot);

#endif /* RARR_BASE_ROW_CHANGE_H */
