/*
 * query.h
 *		Build statements, run them, and collect their rows.
 */
#ifndef RARR_DATA_QUERY_H
#define RARR_DATA_QUERY_H

#include "access/htup.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/execnodes.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"

#include "data/entity.h"

/* operators for statements, which do not depend on search_path */
#define RARR_EQ " OPERATOR(pg_catalog.=) "

typedef struct RarrQuery
{
	StringInfoData sql;
	bool by_group; /* read status and type of media from g, not from t */
	int nparams;
	int room;
	Oid *types;
	Datum *values;
	bool *nulls;
} RarrQuery;

extern void rarr_query_init(RarrQuery *query);
extern void rarr_query_add(RarrQuery *query, const char *text);
extern void rarr_query_param(RarrQuery *query, Oid type, Datum value, bool isnull);
extern void rarr_query_add_param(RarrQuery *query, const char *text, Oid type, Datum value);
extern void rarr_query_add_bound(RarrQuery *query, const char *keyword, const char *name,
								 int64 number);
extern void rarr_query_select(RarrQuery *query, const RarrEntity *entity);
extern const char *rarr_query_expression(const RarrQuery *query, const RarrEntity *entity,
										 const RarrEntityColumn *column);
extern void rarr_query_bind(RarrQuery *query, Oid type, Datum value);

extern uint64 rarr_query_run(RarrEntity *entity, RarrQuery *query, int flags);
extern HeapTuple rarr_query_row(RarrEntity *entity, RarrQuery *query, int flags);
extern List *rarr_query_list(RarrEntity *entity, RarrQuery *query, int flags);
extern void rarr_query_rows(RarrEntity *entity, RarrQuery *query, int flags, FunctionCallInfo fcinfo);
extern bool rarr_query_value(RarrEntity *entity, RarrQuery *query, int flags,
							 Datum *value, bool *isnull);

extern Jsonb *rarr_row_to_jsonb(RarrEntity *entity, HeapTuple row);

#endif /* RARR_DATA_QUERY_H */
