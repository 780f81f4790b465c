/*
 * monitor_query.c
 *		Queries of health_check(), metrics() and report_html().
 *
 * Each query runs in a subtransaction, as the caller, so that one that fails
 * costs only its own part of the answer: a missing privilege, a lock that
 * somebody holds for long, a column that somebody dropped.  Plans are generic,
 * and kept, because planning costs more than running.  The functions pin
 * search_path and lock_timeout, so the queries name objects of pg_catalog
 * without their schema.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/acl.h"

#include "base/jit.h"
#include "base/subtransaction.h"
#include "ops/monitor_query.h"

/* One run of a query. */
typedef struct Run
{
	RarrMonitorQuery *query;
	const Datum *values;
	const char *nulls;
	RarrMonitorRows *rows;
	MemoryContext cxt; /* of the result */
} Run;

/* Copy the result into the caller's memory. */
static void
copy_rows(const Run *run)
{
	MemoryContext old = MemoryContextSwitchTo(run->cxt);
	int ncolumns = SPI_tuptable->tupdesc->natts;

	run->rows->n = (int) SPI_processed;
	run->rows->values = palloc(Max(SPI_processed, 1) * sizeof(char **));
	for (int i = 0; i < run->rows->n; i++)
	{
		run->rows->values[i] = palloc(ncolumns * sizeof(char *));
		for (int j = 0; j < ncolumns; j++)
			run->rows->values[i][j] = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, j + 1);
	}
	MemoryContextSwitchTo(old);
}

static bool
run_query(void *arg)
{
	const Run *run = arg;
	RarrMonitorQuery *query = run->query;
	ParamListInfo params = makeParamList(query->nargs);
	SPIExecuteOptions options = {.params = params, .read_only = true};

	for (int i = 0; i < query->nargs; i++)
	{
		params->params[i].value = run->values[i];
		params->params[i].isnull = run->nulls != NULL && run->nulls[i] == 'n';
		params->params[i].pflags = PARAM_FLAG_CONST;
		params->params[i].ptype = query->types[i];
	}
	SPI_connect();
	if (query->plan == NULL)
	{
		SPIPlanPtr plan = SPI_prepare_cursor(query->sql, query->nargs, query->types, CURSOR_OPT_GENERIC_PLAN);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare a query: %s", query->sql);
		query->plan = plan;
	}
	if (rarr_jit_execute(query->plan, &options) != SPI_OK_SELECT)
		elog(ERROR, "could not run a query: %s", query->sql);
	copy_rows(run);
	SPI_finish();
	return true;
}

/* What concerns the session, and not the query, is not caught. */
static bool
concerns_query(const ErrorData *error, void *arg)
{
	return ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_OPERATOR_INTERVENTION &&
		   error->sqlerrcode != ERRCODE_OUT_OF_MEMORY;
}

/*
 * Run a query.  nulls: NULL, or for each value 'n' if it is NULL.  Returns NULL,
 * and the result in *rows; or why it failed, and no rows.  Raises errors about
 * the session: 57014 and its kin, and 53200.
 */
char *
rarr_monitor_run(RarrMonitorQuery *query, const Datum *values, const char *nulls, RarrMonitorRows *rows)
{
	Run run = {query, values, nulls, rows, CurrentMemoryContext};
	ErrorData *error = NULL;

	rows->n = 0;
	rows->values = NULL;
	if (rarr_subtransaction(run_query, concerns_query, &run, &error))
		return NULL;
	rows->n = 0;
	return error != NULL ? error->message : pstrdup("the query was rolled back");
}

/* May the user see other users' sessions and statements? */
bool
rarr_monitor_sees_all(void)
{
	return has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
}
