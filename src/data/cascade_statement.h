/*
 * cascade_statement.h
 *		Run statements with which a cascade finds, locks and deletes rows by id.
 */
#ifndef RARR_DATA_CASCADE_STATEMENT_H
#define RARR_DATA_CASCADE_STATEMENT_H

#include "executor/spi.h"
#include "utils/uuid.h"

/* A statement, planned when first used; $1 is an array of ids. */
typedef struct RarrStatement
{
	const char *table; /* runs with the privileges of its owner */
	int result;
	const char *sql;
	SPIPlanPtr plan;
} RarrStatement;

/* an array of row ids */
typedef struct RarrIds
{
	pg_uuid_t *values;
	int count;
	int room;
	MemoryContext cxt;
} RarrIds;

extern void rarr_ids_init(RarrIds *ids);
extern void rarr_ids_add(RarrIds *ids, Datum id);
extern void rarr_statement_run_array(RarrStatement *statement, Datum array);
extern void rarr_statement_add_found(RarrIds *ids);
extern void rarr_statement_run(RarrStatement *statement, RarrIds *ids, RarrIds *found);

#endif /* RARR_DATA_CASCADE_STATEMENT_H */
