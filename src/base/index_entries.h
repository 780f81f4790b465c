/*
 * index_entries.h
 *		Insert the index entries of many rows, one index after the other.
 */
#ifndef RARR_BASE_INDEX_ENTRIES_H
#define RARR_BASE_INDEX_ENTRIES_H

#include "base/relation.h"

typedef struct RarrIndexEntries RarrIndexEntries;

extern bool rarr_has_plain_indexes(const RarrTable *table, const ResultRelInfo *rri);
extern void rarr_index_entries_insert_one(RarrTable *table, ResultRelInfo *rri, TupleTableSlot *slot);

extern RarrIndexEntries *rarr_index_entries_begin(RarrTable *table, ResultRelInfo *rri);
extern void rarr_index_entries_add(RarrIndexEntries *entries, TupleTableSlot *slot, bool copy);
extern void rarr_index_entries_insert(RarrIndexEntries *entries);
extern void rarr_index_entries_end(RarrIndexEntries *entries);

#endif /* RARR_BASE_INDEX_ENTRIES_H */
