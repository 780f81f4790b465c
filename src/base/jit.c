/*
 * jit.c
 *		Plan the extension's own statements without JIT.
 *
 * The planner decides for JIT by its estimate of the cost.  Our statements take
 * milliseconds where the estimate is high, because they stop after a page of
 * rows, and to compile their expressions takes longer than to run them.
 *
 * The setting "jit" is left alone, because users' code can run in triggers of
 * our statements, and may read or set it.  Instead, a planner hook clears the
 * decision in the plan of the statement that is being executed.  It recognizes
 * the statement by the address of its text, so that statements of users that
 * are planned meanwhile keep their JIT.
 */
#include "postgres.h"

#include "jit/jit.h"
#include "optimizer/planner.h"
#include "utils/plancache.h"

#include "base/jit.h"

static planner_hook_type prev_planner = NULL;

/* the text of our innermost statement that is being executed, or NULL */
static const char *own_text = NULL;

static PlannedStmt *
plan_without_jit(Query *parse, const char *text, int cursor_options, ParamListInfo params)
{
	PlannedStmt *plan = prev_planner != NULL ? prev_planner(parse, text, cursor_options, params) :
											   standard_planner(parse, text, cursor_options, params);

	if (own_text != NULL && text == own_text)
		plan->jitFlags = PGJIT_NONE;
	return plan;
}

/* Install the hook.  Called when the library is loaded. */
void
rarr_jit_init(void)
{
	prev_planner = planner_hook;
	planner_hook = plan_without_jit;
}

/* Return the text of a plan of one statement, as the planner gets it. */
const char *
rarr_jit_text(SPIPlanPtr plan)
{
	return ((CachedPlanSource *) linitial(SPI_plan_get_plan_sources(plan)))->query_string;
}

/*
 * From now on plan the statement with this text without JIT.  Returns what the
 * caller passes to rarr_jit_end() afterwards, also on error.
 */
const char *
rarr_jit_begin(const char *text)
{
	const char *outer = own_text;

	own_text = text;
	return outer;
}

/* End what rarr_jit_begin() began, which returned outer. */
void
rarr_jit_end(const char *outer)
{
	own_text = outer;
}

/* Execute a plan of one statement, like SPI_execute_plan_extended(), without JIT. */
int
rarr_jit_execute(SPIPlanPtr plan, const SPIExecuteOptions *options)
{
	const char *outer = rarr_jit_begin(rarr_jit_text(plan));
	volatile int result = 0;

	PG_TRY();
	{
		result = SPI_execute_plan_extended(plan, options);
	}
	PG_FINALLY();
	{
		rarr_jit_end(outer);
	}
	PG_END_TRY();
	return result;
}
