/*
 * own_index.h
 *		Find the indexes of our tables by definition, not by name.
 */
#ifndef RARR_BASE_OWN_INDEX_H
#define RARR_BASE_OWN_INDEX_H

#include "base/relation.h"

extern Relation rarr_table_index(RarrTable *table, const RarrIndexDef *def);
extern Oid rarr_index_oid(Relation rel, const RarrIndexDef *def);
extern Relation rarr_index_open(Relation rel, const RarrIndexDef *def, LOCKMODE lockmode);

#endif /* RARR_BASE_OWN_INDEX_H */
