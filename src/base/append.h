/*-------------------------------------------------------------------------
 *
 * append.h
 *		Rows appended from C to a log: below privileges and triggers, into the
 *		right partition.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RARR_BASE_APPEND_H
#define RARR_BASE_APPEND_H

/* a column that the caller fills; all others of the table get their
 * defaults (log_default.c), or NULL */
typedef struct RarrAppendColumn
{
	const char *name;
	Oid			type;			/* checked, since DDL can change it */
	bool		optional;		/* older versions of the extension lack it */
} RarrAppendColumn;

typedef struct RarrAppend RarrAppend;

extern RarrAppend *rarr_append_begin(const char *table, const RarrAppendColumn *columns, int ncolumns);
extern RarrAppend *rarr_append_begin_at_exit(const char *table, const RarrAppendColumn *columns, int ncolumns);
extern void rarr_append_row(RarrAppend *append, const Datum *values, const bool *nulls);
extern bool rarr_append_end(RarrAppend *append);

#endif							/* RARR_BASE_APPEND_H */
