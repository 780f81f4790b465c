/*
 * update_lock.c
 *		Lock the tables that an update script alters.
 *
 * ALTER TABLE waits for every transaction that has used the table.  Meanwhile
 * all others that want to use it wait behind it, so that one long transaction
 * would hold up the whole queue.  And an update that has locked one table and
 * waits for the next can deadlock with a transaction that uses both.
 *
 * So this function waits for the transactions without asking for a lock.  Then
 * it asks for all locks, and gives them back if it does not get them soon.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "base/args.h"
#include "base/schema.h"
#include "base/subtransaction.h"

/* how long others may have to wait behind this session, for each relation */
#define PATIENCE "50ms"

typedef struct Relations
{
	Oid *oids;
	int count;
} Relations;

/* Lock all relations. */
static bool
lock_all(void *arg)
{
	const Relations *relations = arg;
	int level = NewGUCNestLevel();

	(void) set_config_option("lock_timeout", PATIENCE, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
	for (int i = 0; i < relations->count; i++)
		LockRelationOid(relations->oids[i], AccessExclusiveLock);
	AtEOXact_GUC(true, level);
	return true;
}

static bool
is_timeout(const ErrorData *error, void *arg)
{
	return error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
}

/* Wait until the transactions that use one of the relations now have ended. */
static void
wait_for_users(const Relations *relations)
{
	for (int i = 0; i < relations->count; i++)
	{
		LOCKTAG tag;

		SET_LOCKTAG_RELATION(tag, MyDatabaseId, relations->oids[i]);
		WaitForLockers(tag, AccessExclusiveLock, false);
	}
}

/*
 * lock_relations(names text[])
 *
 * Lock these relations of the extension against all use, to the end of the
 * transaction.  Raises 0A000 if called outside of an extension script, and
 * 42P01 if one does not exist.
 */
PG_FUNCTION_INFO_V1(researcharr_lock_relations);
Datum
researcharr_lock_relations(PG_FUNCTION_ARGS)
{
	Relations relations;
	Datum *names;
	ErrorData *error;

	if (!creating_extension)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("this function can only be called by CREATE EXTENSION and ALTER EXTENSION UPDATE")));
	RARR_REQUIRE_ARG(0, "names");
	names = rarr_array_argument(fcinfo, 0, "names", TEXTOID, false, NULL, &relations.count);
	relations.oids = palloc(relations.count * sizeof(Oid));
	for (int i = 0; i < relations.count; i++)
		relations.oids[i] = rarr_relation_oid(TextDatumGetCString(names[i]));
	do
	{
		CHECK_FOR_INTERRUPTS();
		wait_for_users(&relations);
	} while (!rarr_subtransaction(lock_all, is_timeout, &relations, &error));
	PG_RETURN_VOID();
}
