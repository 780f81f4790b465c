/*
 * monitor_query.h
 *		Queries of health_check(), metrics() and report_html().
 */
#ifndef RARR_OPS_MONITOR_QUERY_H
#define RARR_OPS_MONITOR_QUERY_H

#include "executor/spi.h"

#define RARR_MONITOR_ARGS 6

/* A query.  A static variable of the file that owns it. */
typedef struct RarrMonitorQuery
{
	const char *sql;
	int nargs;
	Oid types[RARR_MONITOR_ARGS];
	SPIPlanPtr plan; /* kept by the session, or NULL */
} RarrMonitorQuery;

/* The result: rows of values as text; NULL for NULL. */
typedef struct RarrMonitorRows
{
	int n;
	char ***values;
} RarrMonitorRows;

extern char *rarr_monitor_run(RarrMonitorQuery *query, const Datum *values, const char *nulls,
							  RarrMonitorRows *rows);
extern bool rarr_monitor_sees_all(void);

#endif /* RARR_OPS_MONITOR_QUERY_H */
