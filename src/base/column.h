/*
 * column.h
 *		Look up and verify a table's columns.
 */
#ifndef RARR_BASE_COLUMN_H
#define RARR_BASE_COLUMN_H

#include "utils/rel.h"

/* a column that code addresses by number */
typedef struct RarrColumn
{
	const char *name;
	Oid type;
	bool not_null; /* read without a test for NULL */
} RarrColumn;

extern AttrNumber rarr_find_column(TupleDesc desc, const char *name);
extern AttrNumber rarr_require_column(Relation rel, const char *name, Oid type);
extern void rarr_check_columns_of(TupleDesc desc, const char *name, const RarrColumn *columns,
								  int ncolumns, bool nulls);
extern bool rarr_columns_fit(Relation rel, const RarrColumn *columns, int ncolumns, bool nulls);
extern void rarr_check_columns(Relation rel, const RarrColumn *columns, int ncolumns, bool nulls);

#endif /* RARR_BASE_COLUMN_H */
