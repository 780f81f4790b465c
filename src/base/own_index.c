/*-------------------------------------------------------------------------
 *
 * own_index.c
 *		The indexes of our tables that code scans, found by what they hold.
 *
 * Code that scans an index gives keys of its columns' types, and relies on its
 * order and on which rows it holds.  All of that is checked here, once for each
 * relation that is opened.  The name of an index says nothing: anybody may give
 * it to an index of another table, and while an index is rebuilt CONCURRENTLY it
 * wanders from one to the other.  So any valid index of the relation that has the
 * right columns will do.
 *
 * Callers hold a lock on the table.  A valid index that was found under it can be
 * marked invalid while the lock is held, but is not dropped, and stays complete:
 * both DROP INDEX CONCURRENTLY and REINDEX CONCURRENTLY wait for the lock first.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "miscadmin.h"
#include "nodes/primnodes.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "base/own_index.h"
#include "base/schema.h"

/* how often to look again where an index that fits is not valid */
#define MAX_LOOKS	10

/* Is a column of the index the one of the definition, in the usual order? */
static bool
column_fits(Relation index, int i, AttrNumber key)
{
	TypeCacheEntry *type = lookup_type_cache(index->rd_opcintype[i], TYPECACHE_BTREE_OPFAMILY);
	Oid			collation = index->rd_indcollation[i];

	return index->rd_index->indkey.values[i] == abs(key) &&
		((index->rd_indoption[i] & INDOPTION_DESC) != 0) == (key < 0) &&
		index->rd_opfamily[i] == type->btree_opf &&
		(!OidIsValid(collation) || get_collation_isdeterministic(collation));
}

/* Does the index hold the rows of the definition, neither more nor less? */
static bool
predicate_fits(Relation index, const RarrIndexDef *def)
{
	List	   *predicate = RelationGetIndexPredicate(index);
	ListCell   *lc;

	if (list_length(predicate) != (def->null_column != 0) + (def->not_null_column != 0))
		return false;
	foreach(lc, predicate)
	{
		NullTest   *test = (NullTest *) lfirst(lc);

		if (!IsA(test, NullTest) || !IsA(test->arg, Var) ||
			((Var *) test->arg)->varattno !=
			(test->nulltesttype == IS_NULL ? def->null_column : def->not_null_column))
			return false;
	}
	return true;
}

/*
 * Is this the index of the definition, whatever its name?
 */
bool
rarr_index_fits(Relation index, const RarrIndexDef *def)
{
	Form_pg_index form = index->rd_index;
	int			i = 0;

	if (index->rd_rel->relam != BTREE_AM_OID || (def->unique && !form->indisunique))
		return false;
	while (i < form->indnkeyatts && def->keys[i] != 0 && column_fits(index, i, def->keys[i]))
		i++;
	return i == form->indnkeyatts && def->keys[i] == 0 && predicate_fits(index, def);
}

/* 55000: the table has no index that fits; say what is wrong with that of the name. */
static void
raise_missing(Relation rel, const RarrIndexDef *def)
{
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		if (strcmp(RelationGetRelationName(index), def->name) != 0)
		{
			index_close(index, AccessShareLock);
			continue;
		}
		if (!rarr_index_fits(index, def))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("index \"%s.%s\" is not the one that the extension made", RARR_SCHEMA, def->name),
					 errhint("Create it anew as the extension's install script does.")));
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s.%s\" is not valid", RARR_SCHEMA, def->name),
				 errhint("Rebuild it: REINDEX INDEX %s.%s.", RARR_SCHEMA, def->name)));
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("index \"%s.%s\" does not exist", RARR_SCHEMA, def->name),
			 errhint("Create it anew as the extension's install script does.")));
}

/* The position of a usable index in the table's list, or -1. */
static int
find_in_table(RarrTable *table, const RarrIndexDef *def)
{
	for (int i = 0; i < table->nindexes; i++)
	{
		Relation	index = rarr_table_open_index(table, i);

		if (rarr_index_fits(index, def) && (table->index_valid[i] || index->rd_index->indisvalid))
			return i;
	}
	return -1;
}

/*
 * An index of an open table, which is closed with the table.  55000 if there is
 * none that fits.
 */
Relation
rarr_table_index(RarrTable *table, const RarrIndexDef *def)
{
	int			free = 0;
	int			found;

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

/* Open the index if it fits and is valid; else NULL. */
static Relation
open_if_fit(Oid indexid, const RarrIndexDef *def, LOCKMODE lockmode)
{
	Relation	index = index_open(indexid, lockmode);

	if (rarr_index_fits(index, def) && index->rd_index->indisvalid)
		return index;
	index_close(index, lockmode);
	return NULL;
}

/* The first index of the list that fits, opened, or NULL; one that fitted before comes first. */
static Relation
open_from_list(List *indexes, const RarrIndexDef *def, LOCKMODE lockmode)
{
	static Oid	last = InvalidOid;
	Relation	index = NULL;
	ListCell   *lc;

	if (list_member_oid(indexes, last))
		index = open_if_fit(last, def, lockmode);
	foreach(lc, indexes)
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
 * The OID of an index of an open relation that scans by any snapshot may use; 0 if
 * there is none.
 */
Oid
rarr_index_oid(Relation rel, const RarrIndexDef *def)
{
	List	   *indexes = RelationGetIndexList(rel);
	Oid			result = InvalidOid;
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Relation	index = OidIsValid(result) ? NULL : open_if_fit(lfirst_oid(lc), def, AccessShareLock);

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
 * An index of a relation that is open for reading; to be closed by the caller.
 * 55000 if there is none that fits.
 *
 * A weak lock on the table does not keep REINDEX CONCURRENTLY from putting a new
 * index in the place of the old one between two looks, so that only invalid ones
 * were seen: the invalidation messages that come then say so.
 */
Relation
rarr_index_open(Relation rel, const RarrIndexDef *def, LOCKMODE lockmode)
{
	for (int look = 0; look < MAX_LOOKS; look++)
	{
		List	   *indexes = RelationGetIndexList(rel);
		Relation	index = open_from_list(indexes, def, lockmode);

		list_free(indexes);
		if (index != NULL)
			return index;
		CHECK_FOR_INTERRUPTS();
		AcceptInvalidationMessages();
	}
	raise_missing(rel, def);
	return NULL;				/* keep the compiler quiet */
}
