/*
 * table_def.h
 *		What the code knows of a table of ours: its columns, its indexes, and the
 *		kinds of changes that are made to its rows.
 */
#ifndef RARR_TABLE_DEF_H
#define RARR_TABLE_DEF_H

#include "access/attnum.h"
#include "nodes/nodes.h"

#include "base/column.h"

#define RARR_MAX_CHANGES	6
#define RARR_MAX_COLUMNS	12
#define RARR_MAX_KEYS		4
#define RARR_MAX_INDEXES	3

/* A kind of change: an INSERT, or an UPDATE of certain columns. */
typedef struct RarrChange
{
	CmdType		command;
	AttrNumber	columns[RARR_MAX_COLUMNS];	/* that an UPDATE changes, or whose foreign
											 * key the caller of an INSERT checks
											 * itself; ends with 0 */
	const char *referenced;		/* the table of ours that this key refers to */
	bool		is_last;		/* as a rule, no other change of the row's follows that
								 * makes new index entries; see index_entries.c */
} RarrChange;

/* What the code knows of a table; a static constant of the module that owns it. */
typedef struct RarrTableDef
{
	const char *name;			/* in our schema */
	int			ncolumns;		/* the code knows columns 1..ncolumns by number */
	const RarrColumn *columns;
	bool		below_triggers; /* users' do not fire either; constraints hold */
	int			nchecks;		/* how many CHECKs and indexes the install script */
	int			nindexes;		/* ... makes */
	int			nchanges;
	const RarrChange *changes;
} RarrTableDef;

/* An index of ours that code scans, or that decides on conflicts; see own_index.c. */
typedef struct RarrIndexDef
{
	const char *name;			/* that the install script gives it, for messages */
	AttrNumber	keys[RARR_MAX_KEYS + 1];	/* its columns in order, negative for
											 * DESC; ends with 0 */
	AttrNumber	null_column;	/* it has only rows where this column is NULL; 0: all */
	AttrNumber	not_null_column;	/* ... and where this one is not NULL */
	bool		unique;			/* it must be unique */
} RarrIndexDef;

#endif							/* RARR_TABLE_DEF_H */
