/*
 * plan.h
 *		Plans of statements, cached from call to call.
 */
#ifndef RARR_DATA_PLAN_H
#define RARR_DATA_PLAN_H

#include "executor/spi.h"

/* how to run a statement */
#define RARR_READ    0x01 /* with the caller's snapshot */
#define RARR_GENERIC 0x02 /* use a generic plan */
#define RARR_CUSTOM  0x04 /* use a custom plan */

typedef struct RarrPlan RarrPlan;

/* the cached plans of one owner, which has them in a memory context of its own */
typedef struct RarrPlans
{
	MemoryContext cxt;
	RarrPlan *first; /* the most recently used one */
	int n;
} RarrPlans;

extern RarrPlan *rarr_plan_get(RarrPlans *plans, const char *sql, const Oid *param_types, int nparams,
							   int flags);
extern int rarr_plan_run(RarrPlan *plan, const SPIExecuteOptions *options);
extern void rarr_plans_forget(RarrPlans *plans);

#endif /* RARR_DATA_PLAN_H */
