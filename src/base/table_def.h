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

/* An index that the install script creates; see index_def.c. */
typedef struct RarrIndexDef
{
	const char *name;                   /* name in the install script, for messages */
	AttrNumber keys[RARR_MAX_KEYS + 1]; /* negative for DESC; ends with 0 */
	AttrNumber null_column;             /* only rows where this column is NULL; 0: all */
	AttrNumber not_null_columns[2];     /* ... and these are NOT NULL; 0: no column */
	bool unique;                        /* must it be unique? */
} RarrIndexDef;

/* A table's definition; a static constant of the file that owns it. */
typedef struct RarrTableDef
{
	const char *name; /* without the schema */
	int ncolumns;     /* columns 1..ncolumns are addressed by number */
	const RarrColumn *columns;
	bool below_triggers;                /* users' triggers do not fire; constraints hold */
	bool like_dml;                      /* stands for a user's INSERT, or UPDATE of any columns */
	const char *const *checks;          /* names of our CHECK constraints; ends with NULL */
	const RarrIndexDef *const *indexes; /* our indexes; ends with NULL */
	int nchanges;
	const RarrChange *changes;
} RarrTableDef;

#endif /* RARR_BASE_TABLE_DEF_H */
