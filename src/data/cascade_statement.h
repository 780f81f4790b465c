/*
 * cascade_statement.h
 *		Statements with which a cascade finds, locks and deletes rows by their ids.
 */
#ifndef RARR_DATA_CASCADE_STATEMENT_H
#define RARR_DATA_CASCADE_STATEMENT_H

#include "executor/spi.h"
#include "utils/uuid.h"

/* A statement, planned at its first use in the session; $1 is an array of ids. */
typedef struct RarrStatement
{
	const char *table;			/* whose owner's privileges it has */
	int			result;
	const char *sql;
	SPIPlanPtr	plan;
} RarrStatement;

/* Ids of rows */
typedef struct RarrIds
{
	pg_uuid_t  *values;
	int			count;
	int			room;
	MemoryContext cxt;
} RarrIds;

extern void rarr_ids_init(RarrIds *ids);
extern void rarr_ids_add(RarrIds *ids, Datum id);
extern void rarr_statement_run_array(RarrStatement *statement, Datum array);
extern void rarr_statement_add_found(RarrIds *ids);
extern void rarr_statement_run(RarrStatement *statement, RarrIds *ids, RarrIds *found);

#endif							/* RARR_DATA_CASCADE_STATEMENT_H */
