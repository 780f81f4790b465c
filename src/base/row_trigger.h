/*
 * row_trigger.h
 *		Choose the row triggers that fire when C code changes a row.
 */
#ifndef RARR_BASE_ROW_TRIGGER_H
#define RARR_BASE_ROW_TRIGGER_H

#include "utils/rel.h"
#include "utils/reltrigger.h"

#include "base/table_def.h"

extern bool rarr_trigger_is_own(const Trigger *trigger, Oid schema);
extern bool rarr_has_foreign_key(const TriggerDesc *triggers);
extern Bitmapset *rarr_foreign_key_columns(const TriggerDesc *triggers);
extern bool rarr_choose_constraint_triggers(TriggerDesc *triggers);
extern bool rarr_choose_triggers(TriggerDesc *triggers, const RarrChange *change,
								 const Bitmapset *changed);

#endif /* RARR_BASE_ROW_TRIGGER_H */
