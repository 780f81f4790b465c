/*
 * at_exit.h
 *		Decide whether a table can be written to safely during session exit.
 */
#ifndef RARR_BASE_AT_EXIT_H
#define RARR_BASE_AT_EXIT_H

#include "utils/rel.h"

#include "base/relation.h"

extern bool rarr_exit_lock_refused(void);
extern bool rarr_exit_lock_relation(Oid relid);
extern bool rarr_exit_has_lock_room(Oid relid);
extern bool rarr_exit_lock_table(Oid relid);
extern bool rarr_exit_may_write(Relation rel, AttrNumber fresh, const RarrIndexDef *const *known);
extern List *rarr_exit_prepare_checks(RarrTable *table);
extern bool rarr_exit_checks_hold(RarrTable *table, List *checks, TupleTableSlot *slot);

#endif /* RARR_BASE_AT_EXIT_H */
