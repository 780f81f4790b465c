/*
 * expiring.h
 *		Deletes by rules of retention, which leave no rows in the logs.
 */
#ifndef RARR_BASE_EXPIRING_H
#define RARR_BASE_EXPIRING_H

#include "commands/trigger.h"

/* the table from which the current statement deletes by a rule, or InvalidOid */
extern Oid rarr_expiring_table;

extern bool rarr_is_expiring(const TriggerData *trigger);

#endif /* RARR_BASE_EXPIRING_H */
