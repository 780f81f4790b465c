/*
 * relation.h
 *		Our own tables, opened for changing single rows from C.
 */
#ifndef RARR_RELATION_H
#define RARR_RELATION_H

#include "access/attnum.h"
#include "nodes/execnodes.h"
#include "nodes/lockoptions.h"
#include "storage/lockdefs.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/column.h"

#define RARR_SCHEMA			"researcharr"
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

typedef struct RarrTable
{
	/* what a caller uses */
	Relation	rel;			/* open while the table is */
	TupleDesc	desc;			/* our own copy of the row type */
	BlockNumber nblocks;		/* at least so many pages there are, while it is open */
	TupleTableSlot *oldslot;	/* a row version on a page */
	TupleTableSlot *newslot;	/* values of the next version */
	struct RarrIndexEntries *gathered;	/* entries of changed rows that wait, or NULL */

	/* the executor's state */
	MemoryContext cxt;
	EState	   *estate;
	EPQState	epqstate;
	ResultRelInfo *changes[RARR_MAX_CHANGES];
	Bitmapset  *changed[RARR_MAX_CHANGES];	/* columns that each change changes,
											 * offset as in updatedCols */
	LockTupleMode lock_modes[RARR_MAX_CHANGES]; /* of the row lock that each change
												 * needs */
	int			nindexes;
	Oid		   *indexids;
	bool	   *index_valid;	/* when the set was made */
	const RarrIndexDef *known[RARR_MAX_INDEXES];	/* indexes that were asked for ... */
	int			known_at[RARR_MAX_INDEXES]; /* ... and which of indexids they are */
	Relation   *indexes;		/* NULL: not open */
	ExprState **defaults;		/* of users' columns; NULL where there is none */
	bool		has_triggers;	/* row triggers are to be fired: users', and those
								 * that check constraints */
	bool		has_user_rules; /* ... or users added constraints, indexes or generated
								 * columns: any of them can refuse a change */

	/* kept from call to call */
	const RarrTableDef *def;
	Oid			relid;
	bool		valid;			/* until the relation or an index of it changes */
	uint64		made_at;		/* how many invalidations came before */
	bool		kept;			/* the backend's cached one, not this call's own */
	SubTransactionId used_in;	/* of the subtransaction that has it open */
	struct RarrTable *next;
} RarrTable;

extern Oid	rarr_relation_oid(const char *name);
extern Relation rarr_relation_open(const char *name, LOCKMODE lockmode);
extern void rarr_prevent_read_only(const char *function);

extern RarrTable *rarr_table_open(const RarrTableDef *def);
extern RarrTable *rarr_table_open_relation(const RarrTableDef *def, Oid relid);
extern void rarr_table_close(RarrTable *table);
extern Relation rarr_table_open_index(RarrTable *table, int i);
extern void rarr_table_open_indexes(RarrTable *table);
extern LockTupleMode rarr_table_lock_mode(const RarrTable *table, int changes);

#endif							/* RARR_RELATION_H */
