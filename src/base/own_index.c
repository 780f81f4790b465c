/*
 * own_index.c
 *		Find the indexes of our tables by definition, not by name.
 *
 * Code that scans an index passes keys of its columns' types, and relies on its
 * order and on which rows it contains.  This is verified once per open relation.
 * An index's name proves nothing: REINDEX CONCURRENTLY moves it from one index to
 * another.  Therefore any valid index that matches the definition is used.
 *
 * Callers hold a lock on the table.  A valid index found under that lock can
 * be marked invalid while the lock is held, but it is not dropped and stays
 * complete: DROP INDEX CONCURRENTLY and REINDEX CONCURRENTLY both wait for the
 * lock first.
 */
#include "postgres.h"

#include "access/genam.h"
#include "catalog/pg_index.h"
#include "miscadmin.h"
#include "utils/inval.h"

#include "base/index_def.h"
#include "base/own_index.h"
#include "base/schema.h"

/* how often to look again if the matching index is not valid */
#define MAX_LOOKS 10

/*
 * Raise 55000: no index matches.  The DETAIL says what is wrong with the one
 * that has the expected name.
 */
static void
raise_missing(Relation rel, const RarrIndexDef *def)
{
	List *indexes = RelationGetIndexList(rel);
	ListCell *lc;

	foreach (lc, indexes)
	{
		Relation index = index_open(lfirst_oid(lc), AccessShareLock);

		if (strcmp(RelationGetRelationName(index), def->name) != 0)
		{
			index_close(index, AccessShareLock);
			continue;
		}
		if (!rarr_index_fits(index, def))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("index \"%s.%s\" is not the one that the extension made", RARR_SCHEMA, def->name),
					 errhint("Recreate it as the extension's install script does.")));
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s.%s\" is not valid", RARR_SCHEMA, def->name),
				 errhint("Rebuild it: REINDEX INDEX %s.%s.", RARR_SCHEMA, def->name)));
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("index \"%s.%s\" does not exist", RARR_SCHEMA, def->name),
			 errhint("Recreate it as the extension's install script does.")));
}

/* Find a usable index in the table's list.  Returns its position, or -1. */
static int
find_in_table(RarrTable *table, const RarrIndexDef *def)
{
	for (int i = 0; i < table->nindexes; i++)
	{
		Relation index = rarr_table_open_index(table, i);

		if (rarr_index_fits(index, def) && (table->index_valid[i] || index->rd_index->indisvalid))
			return i;
	}
	return -1;
}

/*
 * Return an index of an open table that matches the definition.  It is closed
 * along with the table.  Raises 55000 if there is none.
 */
Relation
rarr_table_index(RarrTable *table, const RarrIndexDef *def)
{
	int free = 0;
	int found;

	for (; free < RARR_MAX_INDEXES && table->known[free] != NULL; free++)
		if (table->known[free] == def)
			return rarr_table_open_index(table, table->known_at[free]);
	found = find_in_table(table, def);
	if (found < 0)
		raise_missing(table->rel, def);
	if (free < RARR_MAX_INDEXES)
	{
		table->known[free] = def;
		table->known_at[free] = found;
	}
	return table->indexes[found];
}

/* Open the index if it matches and is valid; otherwise return NULL. */
static Relation
open_if_fit(Oid indexid, const RarrIndexDef *def, LOCKMODE lockmode)
{
	Relation index = index_open(indexid, lockmode);

	if (rarr_index_fits(index, def) && index->rd_index->indisvalid)
		return index;
	index_close(index, lockmode);
	return NULL;
}

/*
 * Open the first matching index of the list, or return NULL.  The index that
 * matched last time is tried first.
 */
static Relation
open_from_list(List *indexes, const RarrIndexDef *def, LOCKMODE lockmode)
{
	static Oid last = InvalidOid;
	Relation index = NULL;
	ListCell *lc;

	if (list_member_oid(indexes, last))
		index = open_if_fit(last, def, lockmode);
	foreach (lc, indexes)
	{
		if (index != NULL)
			break;
		index = open_if_fit(lfirst_oid(lc), def, lockmode);
	}
	if (index != NULL)
		last = RelationGetRelid(index);
	return index;
}

/*
 * Return the OID of an index that a scan with any snapshot may use.  The
 * relation must be open.  Returns InvalidOid if there is no such index.
 */
Oid
rarr_index_oid(Relation rel, const RarrIndexDef *def)
{
	List *indexes = RelationGetIndexList(rel);
	Oid result = InvalidOid;
	ListCell *lc;

	foreach (lc, indexes)
	{
		Relation index = OidIsValid(result) ? NULL : open_if_fit(lfirst_oid(lc), def, AccessShareLock);

		if (index == NULL)
			continue;
		if (!index->rd_index->indcheckxmin)
			result = RelationGetRelid(index);
		index_close(index, AccessShareLock);
	}
	list_free(indexes);
	return result;
}

/*
 * Open an index of a relation that is open for reading; the caller closes it.
 *
 * Raises 55000 if no index matches.
 *
 * A weak lock on the table does not stop REINDEX CONCURRENTLY from swapping
 * the old and the new index between two lookups, so that both were seen while
 * invalid.  If invalidation messages arrive meanwhile, look again.
 */
Relation
rarr_index_open(Relation rel, const RarrIndexDef *def, LOCKMODE lockmode)
{
	for (int look = 0; look < MAX_LOOKS; look++)
	{
		List *indexes = RelationGetIndexList(rel);
		Relation index = open_from_list(indexes, def, lockmode);

		list_free(indexes);
		if (index != NULL)
			return index;
		CHECK_FOR_INTERRUPTS();
		AcceptInvalidationMessages();
	}
	raise_missing(rel, def);
	return NULL; /* keep the compiler quiet */
}
