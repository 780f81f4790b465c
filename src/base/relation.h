/*
 * relation.h
 *		Open our tables for changes of single rows.
 */
#ifndef RARR_BASE_RELATION_H
#define RARR_BASE_RELATION_H

#include "access/attnum.h"
#include "nodes/execnodes.h"
#include "nodes/lockoptions.h"
#include "storage/lockdefs.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/index_def.h"

typedef struct RarrTable
{
	/* for callers */
	Relation rel;                      /* valid while the table is open */
	TupleDesc desc;                    /* our own copy of the row type */
	BlockNumber nblocks;               /* lower bound of the number of pages, while open */
	TupleTableSlot *oldslot;           /* the current version, a buffer tuple */
	TupleTableSlot *newslot;           /* values of the next version */
	struct RarrIndexEntries *deferred; /* deferred index entries, or NULL */

	/* state for the executor */
	MemoryContext cxt;
	EState *estate;
	EPQState epqstate;
	ResultRelInfo *changes[RARR_MAX_CHANGES];
	Bitmapset *changed[RARR_MAX_CHANGES];       /* by kind, as in updatedCols */
	LockTupleMode lock_modes[RARR_MAX_CHANGES]; /* row lock needed by each */
	int nindexes;
	Oid *indexids;
	bool *index_valid;                           /* was it valid when the entry was built? */
	RarrNullTests *index_tests;                  /* what their predicates ask */
	const RarrIndexDef *known[RARR_MAX_INDEXES]; /* those looked up */
	int known_at[RARR_MAX_INDEXES];              /* ... in indexids */
	Relation *indexes;                           /* NULL: not open */
	ExprState **defaults;                        /* by column; see row_change.c */
	bool *default_known;                         /* by column; NULL until an INSERT */
	bool has_triggers;                           /* are there row triggers to fire? */
	bool has_user_rules;                         /* ... or users' constraints, indexes or
												  * generated columns, any of which can reject a
												  * change? */

	/* for the cache */
	const RarrTableDef *def;
	Oid relid;
	Oid userid;               /* who built it */
	bool valid;               /* until the relation or an index changes */
	uint64 made_at;           /* invalidations when it was built */
	bool cached;              /* is it cached? */
	SubTransactionId used_in; /* subtransaction that has it open */
	struct RarrTable *next;
} RarrTable;

extern RarrTable *rarr_table_open(const RarrTableDef *def);
extern RarrTable *rarr_table_open_relation(const RarrTableDef *def, Oid relid);
extern void rarr_table_close(RarrTable *table);
extern Relation rarr_table_open_index(RarrTable *table, int i);
extern void rarr_table_open_indexes(RarrTable *table);
extern void rarr_table_open_indexes_for(RarrTable *table, TupleTableSlot *slot);
extern LockTupleMode rarr_table_lock_mode(const RarrTable *table, int changes);

#endif /* RARR_BASE_RELATION_H */
