/*
 * prepared.c
 *		What prepared transactions owe the agenda.
 *
 * PREPARE TRANSACTION ends a transaction for its session, but not for anybody
 * else: its notes are due when COMMIT PREPARED or ROLLBACK PREPARED is done,
 * by whatever session.  No callback tells of that, hence the utility hook.
 * Until then the notes lie in shared memory, under the transaction's
 * identifier.  One whose notes nobody kept makes the agenda forget this
 * database's places, when it ends: one that has too many for its room, or was
 * prepared on another server, before a crash, or by the apply worker of a
 * subscription.  That costs a walk, and nothing else.  Transactions without
 * notes are kept as well, so that those of other applications make nobody
 * forget anything.
 *
 * The hook is not called where an apply worker prepares and commits; what it
 * enqueues is found by the walker.
 */
#include "postgres.h"

#include "access/twophase.h"
#include "access/xact.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/shmem.h"
#include "tcop/utility.h"

#include "base/compat.h"
#include "base/shmem.h"
#include "job/agenda/pending.h"
#include "job/change.h"
#include "job/prepared.h"

/* groups that a prepared transaction can have notes of */
#define MAX_ENTRIES	16

/* A note in shared memory: the key is another process's, so it is spelt out. */
typedef struct SavedEntry
{
	RarrAgendaPending pending;
	Oid			table;
	char		name[RARR_TYPE_NAME_MAX + 1];
} SavedEntry;

typedef struct PreparedXact
{
	uint64		serial;			/* differs from all others'; 0: unused */
	bool		everything;		/* too many notes */
	char		gid[GIDSIZE];
	int			n;
	SavedEntry	entries[MAX_ENTRIES];
} PreparedXact;

typedef struct PreparedXacts
{
	LWLock		lock;
	int			tranche;
	uint64		serials;		/* given out so far */
	PreparedXact transactions[FLEXIBLE_ARRAY_MEMBER];
} PreparedXacts;

static PreparedXacts *prepared = NULL;
static ProcessUtility_hook_type prev_utility = NULL;

/* the identifier that the transaction is about to be prepared under */
static char preparing[GIDSIZE];

static Size
prepared_size(void)
{
	return offsetof(PreparedXacts, transactions) + mul_size(max_prepared_xacts, sizeof(PreparedXact));
}

static void
attach_prepared(void *memory, bool first)
{
	prepared = memory;
	if (first)
	{
		memset(memory, 0, prepared_size());
		prepared->tranche = LWLockNewTrancheId();
		LWLockInitialize(&prepared->lock, prepared->tranche);
	}
	LWLockRegisterTranche(prepared->tranche, "researcharr_prepared");
}

static const RarrShmemPart prepared_part = {
	"researcharr prepared transactions", prepared_size, attach_prepared
};

static PreparedXact *
find_prepared(const char *gid)
{
	for (int i = 0; i < max_prepared_xacts; i++)
		if (prepared->transactions[i].serial != 0 && strcmp(prepared->transactions[i].gid, gid) == 0)
			return &prepared->transactions[i];
	return NULL;
}

static void
save_entry(PreparedXact *transaction, const RarrAgendaPending *entry)
{
	SavedEntry *saved;

	if (entry->key == NULL || transaction->n == MAX_ENTRIES)
	{
		transaction->everything = true;
		return;
	}
	saved = &transaction->entries[transaction->n++];
	saved->pending = *entry;
	saved->table = entry->key->head.table;
	strlcpy(saved->name, entry->key->head.name, sizeof(saved->name));
}

/* Under the lock: where to keep the notes of this transaction, or NULL. */
static PreparedXact *
find_room(const char *gid)
{
	PreparedXact *same = find_prepared(gid);	/* ended without our knowledge */

	if (same != NULL)
		return same;
	for (int i = 0; i < max_prepared_xacts; i++)
		if (prepared->transactions[i].serial == 0)
			return &prepared->transactions[i];
	return NULL;
}

/* The transaction is prepared: keep its notes.  Cannot fail. */
static void
save_entries(void)
{
	int			n;
	const RarrAgendaPending *entries = rarr_agenda_pending_entries(&n);
	PreparedXact *transaction;

	LWLockAcquire(&prepared->lock, LW_EXCLUSIVE);
	transaction = preparing[0] != '\0' ? find_room(preparing) : NULL;
	if (transaction != NULL)
	{
		transaction->serial = ++prepared->serials;
		transaction->everything = false;
		transaction->n = 0;
		strlcpy(transaction->gid, preparing, GIDSIZE);
		for (int i = 0; i < n; i++)
			save_entry(transaction, &entries[i]);
	}
	LWLockRelease(&prepared->lock);
	preparing[0] = '\0';
}

static void
at_xact_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PREPARE)
		save_entries();
}

/* Under the lock: act on the notes of a transaction that is over. */
static void
apply_entries(PreparedXact *transaction)
{
	transaction->serial = 0;
	if (transaction->everything)
		rarr_agenda_forget_all();
	for (int i = 0; i < transaction->n; i++)
	{
		RarrAgendaRef ref;
		const RarrAgendaPending *entry = &transaction->entries[i].pending;

		if (!rarr_agenda_find(transaction->entries[i].table, transaction->entries[i].name, false, &ref))
			continue;
		if (entry->queued)
			rarr_agenda_lower_bound(&ref, entry->priority, &entry->queued_first, entry->jobs);
		if (entry->running)
			rarr_agenda_add_running(&ref, entry->priority, &entry->running_first,
									 &entry->running_last, entry->lease);
	}
}

/*
 * The transaction of this identifier is over, whose notes had this serial
 * number before, 0 if there were none.  Meanwhile somebody else may have given
 * the identifier to another one.  Cannot fail.
 */
static void
apply_after(const char *gid, uint64 serial)
{
	PreparedXact *transaction;

	rarr_change_prepared_ended();
	LWLockAcquire(&prepared->lock, LW_EXCLUSIVE);
	transaction = find_prepared(gid);
	if (transaction != NULL && transaction->serial == serial)
		apply_entries(transaction);
	else
		rarr_agenda_forget_all();
	LWLockRelease(&prepared->lock);
}

static void
call_next(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
		  ProcessUtilityContext context, ParamListInfo params,
		  QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	if (prev_utility)
		prev_utility(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
	else
		standard_ProcessUtility(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
}

/*
 * COMMIT PREPARED and ROLLBACK PREPARED: act afterwards, if they did not fail.
 * The server takes no interrupt between the transaction's end and our turn.
 */
static void
end_prepared(PlannedStmt *pstmt, const char *gid, const char *queryString, bool readOnlyTree,
			 ProcessUtilityContext context, ParamListInfo params,
			 QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	PreparedXact *transaction;
	uint64		serial;

	LWLockAcquire(&prepared->lock, LW_SHARED);
	transaction = find_prepared(gid);
	serial = transaction != NULL ? transaction->serial : 0;
	LWLockRelease(&prepared->lock);

	call_next(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
	apply_after(gid, serial);
}

/*
 * DROP DATABASE: what is known of it goes at once, since another one may be
 * created with its OID, from the same template, so that the tables' are the
 * same as well.
 */
static void
drop_database(PlannedStmt *pstmt, const char *name, const char *queryString, bool readOnlyTree,
			  ProcessUtilityContext context, ParamListInfo params,
			  QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	Oid			database = get_database_oid(name, true);

	call_next(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
	if (!OidIsValid(database))
		return;
	rarr_change_forget_database(database);
}

static void
process_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
			   ProcessUtilityContext context, ParamListInfo params,
			   QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	Node	   *statement = pstmt->utilityStmt;
	TransactionStmt *stmt = (TransactionStmt *) statement;

	if (IsA(statement, TransactionStmt) &&
		(stmt->kind == TRANS_STMT_COMMIT_PREPARED || stmt->kind == TRANS_STMT_ROLLBACK_PREPARED))
	{
		end_prepared(pstmt, stmt->gid, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
		return;
	}
	if (IsA(statement, DropdbStmt))
	{
		drop_database(pstmt, ((DropdbStmt *) statement)->dbname, queryString, readOnlyTree,
					  context, params, queryEnv, dest, qc);
		return;
	}
	if (IsA(statement, TransactionStmt) && stmt->kind == TRANS_STMT_PREPARE)
		strlcpy(preparing, stmt->gid, sizeof(preparing));
	call_next(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
}

/*
 * Declare the shared memory, take the callback and the hook; while the library is preloaded.
 */
void
rarr_prepared_init(void)
{
	rarr_shmem_add(&prepared_part);
	RegisterXactCallback(at_xact_end, NULL);
	prev_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
