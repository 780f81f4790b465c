/*
 * prepared.c
 *		Pending entries of prepared transactions, and DROP DATABASE.
 *
 * The pending entries of a prepared transaction must be applied after COMMIT
 * PREPARED or ROLLBACK PREPARED, which any session can execute.  The server
 * has no callback for these, hence the utility hook.  README.md says what is
 * saved, and what happens if nothing was.
 */
#include "postgres.h"

#include "access/twophase.h"
#include "access/xact.h"
#include "commands/dbcommands.h"
#include "nodes/parsenodes.h"
#include "storage/shmem.h"
#include "tcop/utility.h"

#include "base/shmem.h"
#include "job/agenda/pending.h"
#include "job/change.h"
#include "job/prepared.h"

/* entries that are saved for a prepared transaction */
#define MAX_ENTRIES 16

/*
 * An entry in shared memory.  Its key points into the memory of the backend
 * that prepared the transaction, so that the type is identified by table and
 * name.
 */
typedef struct SavedEntry
{
	RarrAgendaPending pending;
	Oid table;
	char name[RARR_TYPE_NAME_MAX + 1];
} SavedEntry;

typedef struct PreparedXact
{
	uint64 serial;   /* unique number; 0: unused */
	bool everything; /* had entries that could not be saved */
	char gid[GIDSIZE];
	int n;
	SavedEntry entries[MAX_ENTRIES];
} PreparedXact;

typedef struct PreparedXacts
{
	LWLock lock;
	int tranche;
	uint64 serials; /* the last serial that was assigned */
	PreparedXact transactions[FLEXIBLE_ARRAY_MEMBER];
} PreparedXacts;

static PreparedXacts *prepared = NULL;
static ProcessUtility_hook_type prev_utility = NULL;

/*
 * the identifier of the PREPARE TRANSACTION that is being executed, or empty
 */
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
	"researcharr prepared transactions", prepared_size, attach_prepared};

/* Find a transaction; the caller holds the lock. */
static PreparedXact *
find_prepared(const char *gid)
{
	for (int i = 0; i < max_prepared_xacts; i++)
		if (prepared->transactions[i].serial != 0 && strcmp(prepared->transactions[i].gid, gid) == 0)
			return &prepared->transactions[i];
	return NULL;
}

/* Save one entry; the caller holds the lock. */
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

/*
 * Find room for the entries of this transaction, or return NULL.  The caller
 * holds the lock.
 */
static PreparedXact *
find_room(const char *gid)
{
	PreparedXact *same = find_prepared(gid); /* ended without the hook */

	if (same != NULL)
		return same;
	for (int i = 0; i < max_prepared_xacts; i++)
		if (prepared->transactions[i].serial == 0)
			return &prepared->transactions[i];
	return NULL;
}

/* The transaction has been prepared: save its entries.  Must not fail. */
static void
save_entries(void)
{
	int n;
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

/* Apply a transaction's entries after its end; the caller holds the lock. */
static void
apply_entries(PreparedXact *transaction)
{
	transaction->serial = 0;
	if (transaction->everything)
		rarr_agenda_forget_all();
	for (int i = 0; i < transaction->n; i++)
	{
		const SavedEntry *entry = &transaction->entries[i];
		RarrAgendaRef ref;

		if (rarr_agenda_find(entry->table, entry->name, false, &ref))
			rarr_agenda_pending_apply(&entry->pending, &ref);
	}
}

/*
 * Apply the entries of the transaction with this identifier, which has ended.
 * serial: that of its entries before it ended, or 0 if there were none.  It
 * differs if another transaction was prepared with the same identifier since.
 * Must not fail.
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

/* The serial of the transaction with this identifier, or 0. */
static uint64
get_serial(const char *gid)
{
	PreparedXact *transaction;
	uint64 serial;

	LWLockAcquire(&prepared->lock, LW_SHARED);
	transaction = find_prepared(gid);
	serial = transaction != NULL ? transaction->serial : 0;
	LWLockRelease(&prepared->lock);
	return serial;
}

/*
 * ProcessUtility hook
 *
 * After COMMIT PREPARED and ROLLBACK PREPARED, no interrupt is processed
 * before the entries are applied.  A dropped database is forgotten at once: a
 * new database may get the same OID, and if it is created from the same
 * template, its tables have the same OIDs as well.
 */
static void
process_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	Node *statement = pstmt->utilityStmt;
	const char *ended = NULL; /* identifier of the prepared transaction */
	uint64 serial = 0;
	Oid dropped = InvalidOid;

	if (IsA(statement, TransactionStmt))
	{
		TransactionStmt *stmt = (TransactionStmt *) statement;

		if (stmt->kind == TRANS_STMT_COMMIT_PREPARED || stmt->kind == TRANS_STMT_ROLLBACK_PREPARED)
		{
			ended = stmt->gid;
			serial = get_serial(ended);
		}
		else if (stmt->kind == TRANS_STMT_PREPARE)
			strlcpy(preparing, stmt->gid, sizeof(preparing));
	}
	else if (IsA(statement, DropdbStmt))
		dropped = get_database_oid(((DropdbStmt *) statement)->dbname, true);

	(prev_utility != NULL ? prev_utility : standard_ProcessUtility)(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
	if (ended != NULL)
		apply_after(ended, serial);
	if (OidIsValid(dropped))
		rarr_change_forget_database(dropped);
}

/* Register shared memory, callback and hook, at preload. */
void
rarr_prepared_init(void)
{
	rarr_shmem_add(&prepared_part);
	RegisterXactCallback(at_xact_end, NULL);
	prev_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
