/*
 * saved_plan.h
 *		Execute a plan of SPI with another role's privileges, as the current user.
 */
#ifndef RARR_BASE_SAVED_PLAN_H
#define RARR_BASE_SAVED_PLAN_H

#include "executor/spi.h"
#include "nodes/params.h"
#include "utils/plancache.h"
#include "utils/snapshot.h"

extern void rarr_execute_checked_as(CachedPlan *plan, const char *sql, ParamListInfo params,
									Snapshot snapshot, Snapshot crosscheck, Oid role);

#endif							/* RARR_BASE_SAVED_PLAN_H */
