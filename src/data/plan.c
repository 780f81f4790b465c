/*
 * plan.c
 *		Plans of statements, cached from call to call.
 *
 * The text of a statement is the key of its plan, and the server's plan cache
 * revalidates the plan after DDL.  Up to MAX_PLANS plans are cached for each
 * owner, and the least recently used one is evicted.
 */
#include "postgres.h"

#include "common/hashfn.h"

#include "base/jit.h"
#include "data/by_oid.h"
#include "data/plan.h"

#define MAX_PLANS 64 /* cached at once */

struct RarrPlan
{
	uint32 hash; /* of the text */
	char *sql;
	int flags;
	SPIPlanPtr plan;
	const char *text;      /* as the planner gets it */
	int busy;              /* number of calls executing it */
	RarrParamTypes *types; /* of its parameters */
	struct RarrPlan *next; /* less recently used */
};

/* Find the cached plan, or NULL, and move it to the front of the list. */
static RarrPlan *
find_plan(RarrPlans *plans, const char *sql, uint32 hash, int flags)
{
	RarrPlan **link = &plans->first;

	for (RarrPlan *plan = *link; plan != NULL; link = &plan->next, plan = *link)
	{
		if (plan->hash != hash || plan->flags != flags || strcmp(plan->sql, sql) != 0)
			continue;
		*link = plan->next;
		plan->next = plans->first;
		return plans->first = plan;
	}
	return NULL;
}

/* Free the least recently used plan.  Returns false if all are in use. */
static bool
forget_oldest_plan(RarrPlans *plans)
{
	RarrPlan **oldest = NULL;
	RarrPlan *plan;

	for (RarrPlan **link = &plans->first; *link != NULL; link = &(*link)->next)
	{
		if ((*link)->busy == 0)
			oldest = link;
	}
	if (oldest == NULL)
		return false;
	plan = *oldest;
	*oldest = plan->next;
	plans->n--;
	SPI_freeplan(plan->plan);
	pfree(plan->types);
	pfree(plan->sql);
	pfree(plan);
	return true;
}

/*
 * Get the plan for a statement.  It is created and cached if there is none.
 * Requires an SPI connection.
 */
RarrPlan *
rarr_plan_get(RarrPlans *plans, const char *sql, const Oid *param_types, int nparams, int flags)
{
	uint32 hash = hash_bytes((const unsigned char *) sql, strlen(sql));
	RarrPlan *plan = find_plan(plans, sql, hash, flags);
	RarrParamTypes *types;
	SPIPlanPtr made;

	if (plan != NULL)
		return plan;
	types = MemoryContextAlloc(plans->cxt, offsetof(RarrParamTypes, types) +
											   nparams * sizeof(Oid));
	types->n = nparams;
	memcpy(types->types, param_types, nparams * sizeof(Oid));
	PG_TRY();
	{
		made = rarr_prepare_by_oid(sql, types,
								   flags & RARR_GENERIC ? CURSOR_OPT_GENERIC_PLAN :
								   flags & RARR_CUSTOM  ? CURSOR_OPT_CUSTOM_PLAN :
														  0);
	}
	PG_CATCH();
	{
		pfree(types);
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (made == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", sql, SPI_result_code_string(SPI_result));

	while (plans->n >= MAX_PLANS && forget_oldest_plan(plans))
		;
	plan = MemoryContextAllocZero(plans->cxt, sizeof(RarrPlan));
	plan->hash = hash;
	plan->sql = MemoryContextStrdup(plans->cxt, sql);
	plan->flags = flags;
	if (SPI_keepplan(made) != 0)
		elog(ERROR, "could not keep the plan of \"%s\"", sql);
	plan->plan = made;
	plan->text = rarr_jit_text(made);
	plan->types = types;
	plan->next = plans->first;
	plans->first = plan;
	plans->n++;
	return plan;
}

/* Free the plans. */
void
rarr_plans_forget(RarrPlans *plans)
{
	for (RarrPlan *plan = plans->first; plan != NULL; plan = plan->next)
		SPI_freeplan(plan->plan);
	plans->first = NULL;
	plans->n = 0;
}

/* Execute a plan, without JIT.  It is marked busy meanwhile, and unmarked also on error. */
pg_noinline int
rarr_plan_run(RarrPlan *plan, const SPIExecuteOptions *options)
{
	const char *outer = rarr_jit_begin(plan->text);
	volatile int result = 0;

	plan->busy++;
	PG_TRY();
	{
		result = SPI_execute_plan_extended(plan->plan, options);
	}
	PG_FINALLY();
	{
		plan->busy--;
		rarr_jit_end(outer);
	}
	PG_END_TRY();
	return result;
}
