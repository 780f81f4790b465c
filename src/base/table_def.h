/*
 * table_def.h
 *		Definitions of our tables: columns, indexes, and kinds of changes.
 */
#ifndef RARR_BASE_TABLE_DEF_H
#define RARR_BASE_TABLE_DEF_H

#include "access/attnum.h"
#include "nodes/nodes.h"

#include "base/column.h"

#define RARR_MAX_CHANGES 6
#define RARR_MAX_COLUMNS 12
#define RARR_MAX_KEYS    4
#define RARR_MAX_INDEXES 3

/* A kind of change: an INSERT, or an UPDATE of certain columns. */
typedef struct RarrChange
{
	CmdType command;
	AttrNumber columns[RARR_MAX_COLUMNS]; /* the columns that an UPDATE
										   * changes, or the foreign key that
										   * the caller of an INSERT checks
										   * itself, media_id before type;
										   * ends with 0 */
	const char *referenced;               /* our table that this foreign key references */
	bool is_last;                         /* usually the row's last one; see index_entries.c */
} RarrChange;

/* A table's definition; a static constant of the file that owns it. */
typedef struct RarrTableDef
{
	const char *name; /* without the schema */
	int ncolumns;     /* columns 1..ncolumns are addressed by number */
	const RarrColumn *columns;
	bool below_triggers; /* users' triggers do not fire; constraints hold */
	bool like_dml;       /* stands for a user's INSERT, or UPDATE of any columns */
	int nchecks;         /* number of CHECK constraints and ... */
	int nindexes;        /* ... indexes that the install script creates */
	int nchanges;
	const RarrChange *changes;
} RarrTableDef;

/* An index that code scans or uses as an arbiter; see own_index.c. */
typedef struct RarrIndexDef
{
	const char *name;                   /* name in the install script, for messages */
	AttrNumber keys[RARR_MAX_KEYS + 1]; /* negative for DESC; ends with 0 */
	AttrNumber null_column;             /* only rows where this column is NULL; 0: all */
	AttrNumber not_null_column;         /* ... and this one is NOT NULL */
	bool unique;                        /* must it be unique? */
} RarrIndexDef;

#endif /* RARR_BASE_TABLE_DEF_H */
