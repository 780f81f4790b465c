/*
 * append.h
 *		Append rows to a partitioned log, below privileges and triggers.
 */
#ifndef RARR_BASE_APPEND_H
#define RARR_BASE_APPEND_H

/* a column that the caller supplies; the others get their defaults, or NULL */
typedef struct RarrAppendColumn
{
	const char *name;
	Oid type;      /* verified, because DDL can change it */
	bool optional; /* missing in older extension versions */
} RarrAppendColumn;

typedef struct RarrAppend RarrAppend;

extern RarrAppend *rarr_append_begin(const char *table, const RarrAppendColumn *columns, int ncolumns);
extern RarrAppend *rarr_append_begin_at_exit(const char *table, const RarrAppendColumn *columns, int ncolumns);
extern void rarr_append_row(RarrAppend *append, const Datum *values, const bool *nulls);
extern bool rarr_append_end(RarrAppend *append);

#endif /* RARR_BASE_APPEND_H */
