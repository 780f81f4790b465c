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
#include "base/table_def.h"

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

extern RarrTable *rarr_table_open(const RarrTableDef *def);
extern RarrTable *rarr_table_open_relation(const RarrTableDef *def, Oid relid);
extern void rarr_table_close(RarrTable *table);
extern Relation rarr_table_open_index(RarrTable *table, int i);
extern void rarr_table_open_indexes(RarrTable *table);
extern LockTupleMode rarr_table_lock_mode(const RarrTable *table, int changes);

#endif							/* RARR_RELATION_H */
