/*
 * prepared.c
 *		What prepared transactions have to do to the cache; DROP DATABASE and DROP
 *		EXTENSION.
 *
 * Any session can commit or roll back a prepared transaction, and the server has
 * no callback for it, hence the utility hook.  The entries of the transaction's
 * operations stay in their blocks, as a list that begins here.  The doubts of its
 * keys stay raised, so that nobody can read them from the cache until it has
 * ended.  If it ends without the hook, as one of a logical replication worker,
 * they stay raised, and its keys are not cached any more until the server stops.
 *
 * A transaction that drops keys by a pattern or a tag, or one of which nothing is
 * known, because the server was restarted, may have changed any key.  When it
 * commits, all entries of the database are dropped, and nobody reads any from
 * before to after the commit.
 *
 * prepared->lock is acquired while no other LWLock is held.
 */
#include "postgres.h"

#include "access/twophase.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/shmem.h"
#include "tcop/utility.h"

#include "base/own_table.h"
#include "base/shmem.h"
#include "cache/prepared.h"
#include "cache/transaction.h"

/* What is kept of a transaction. */
typedef struct Prepared
{
	bool used;
	bool everything; /* may have changed any key */
	char gid[GIDSIZE];
	Oid database;
	TransactionId xid;
	RarrBlockNumber first; /* entry; the next one is its next_in_bucket */
	uint32 n;
} Prepared;

typedef struct PreparedXacts
{
	LWLock lock;
	int tranche;
	Prepared transactions[FLEXIBLE_ARRAY_MEMBER];
} PreparedXacts;

/* What ends just now. */
typedef struct Ending
{
	Prepared *transaction; /* NULL: nothing is known of it */
	TransactionId xid;     /* of what was found there */
	bool everything;
	RarrCommit commit;
} Ending;

static PreparedXacts *prepared = NULL;
static ProcessUtility_hook_type prev_utility = NULL;
static object_access_hook_type prev_object_access = NULL;

/* the identifier of the PREPARE TRANSACTION that is being executed, or empty */
static char preparing[GIDSIZE];

static Size
prepared_size(void)
{
	return offsetof(PreparedXacts, transactions) + mul_size(max_prepared_xacts, sizeof(Prepared));
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
	LWLockRegisterTranche(prepared->tranche, "researcharr_cache_prepared");
}

static const RarrShmemPart prepared_part = {
	"researcharr cache of prepared transactions", prepared_size, attach_prepared};

/* The transaction with this identifier, or for NULL an unused place; or NULL. */
static Prepared *
find(const char *gid)
{
	for (int i = 0; i < max_prepared_xacts; i++)
	{
		Prepared *transaction = &prepared->transactions[i];

		if (gid == NULL ? !transaction->used : transaction->used && strcmp(transaction->gid, gid) == 0)
			return transaction;
	}
	return NULL;
}

/*
 * Keep an operation's entry.  Its fields that have a meaning only in a queue say
 * what else the operation has.
 */
static void
keep_entry(RarrCacheOp *op)
{
	RarrCacheEntry *entry = rarr_cache_entry(op->chain.first);

	entry->last_block = op->chain.last;
	entry->nblocks = op->chain.n;
	entry->absent = !op->set;
	entry->older = op->write_behind;
	entry->serial = op->changes;
	entry->next_in_bucket = RARR_NO_BLOCK;
	memset(&op->chain, 0, sizeof(RarrCacheChain));
}

/*
 * Make a list of the operations' entries.  What cannot be listed, because it is
 * not an operation or got no room, makes the transaction one that may have
 * changed any key.  A doubt of which nothing is listed is lowered.
 */
static void
list_entries(Prepared *transaction, const RarrCommit *commit)
{
	RarrBlockNumber *link = &transaction->first;
	bool listed = false;

	transaction->n = 0;
	for (uint64 i = 0; i < commit->n; i++)
	{
		const RarrCommitItem *item = &commit->items[i];
		RarrCacheOp *op = item->serial == 0 ? &commit->ops[item->op] : NULL;

		if (op != NULL && op->chain.n > 0)
		{
			*link = op->chain.first;
			keep_entry(op);
			link = &rarr_cache_entry(*link)->next_in_bucket;
			transaction->n++;
			listed = true;
		}
		else
			transaction->everything = true;
		if (i + 1 < commit->n && rarr_commit_same_doubt(item, item + 1))
			continue;
		if (!listed)
			rarr_doubt_lower(rarr_cache_doubt(item->partition, item->doubt));
		listed = false;
	}
}

/* The transaction has been prepared: keep what it has to do.  Must not fail. */
void
rarr_cache_prepared_save(const RarrCommit *commit)
{
	Prepared *transaction = NULL;

	LWLockAcquire(&prepared->lock, LW_EXCLUSIVE);
	if (preparing[0] != '\0')
		transaction = find(NULL);
	if (transaction != NULL)
	{
		transaction->used = true;
		transaction->everything = commit->barred || commit->late;
		strlcpy(transaction->gid, preparing, GIDSIZE);
		transaction->database = MyDatabaseId;
		transaction->xid = commit->xid;
		list_entries(transaction, commit);
	}
	LWLockRelease(&prepared->lock);
	preparing[0] = '\0';

	/* without its identifier, its end will not be known */
	if (commit->barred)
	{
		if (transaction == NULL)
			pg_atomic_fetch_add_u32(&rarr_cache_database()->off, 1);
		rarr_doubt_lower(&rarr_cache_database()->all);
	}
}

/* Make an operation of a kept entry. */
static void
restore_op(RarrCacheOp *op, RarrCommitItem *item, int i, RarrCacheEntry *entry)
{
	RarrOwnKey *own = palloc0(sizeof(RarrOwnKey));
	char *key = palloc(entry->length + entry->variant);
	RarrChainCursor cursor;

	rarr_chain_seek(&cursor, entry, offsetof(RarrCacheEntry, data));
	rarr_chain_read(&cursor, key, entry->length + entry->variant);
	own->key = (RarrCacheKey){entry->hash, entry->role, entry->length, entry->variant, key};
	op->key = own;
	op->set = !entry->absent;
	op->write_behind = entry->older != 0;
	op->changes = entry->serial;
	op->chain = (RarrCacheChain){rarr_block_number(entry), entry->last_block, entry->nblocks};
	rarr_commit_fill_item(item, entry->hash, 0, i, !OidIsValid(entry->role));
}

/*
 * Prepare to end a transaction of this database.  Raises no errors but those of
 * allocation, in which case nothing has changed.
 *
 * Another session may end the same transaction at this moment, and free its
 * entries.  It marks the place as unused before, so they are copied under the
 * lock, which an error releases.
 */
static void
begin_ending(const char *gid, Ending *ending)
{
	Prepared *transaction;
	RarrBlockNumber block;
	uint32 n;

	memset(ending, 0, sizeof(Ending));
	LWLockAcquire(&prepared->lock, LW_SHARED);
	ending->transaction = transaction = find(gid);
	ending->everything = transaction == NULL || transaction->everything;
	n = transaction == NULL ? 0 : transaction->n;
	block = n == 0 ? RARR_NO_BLOCK : transaction->first;
	ending->xid = ending->commit.xid = transaction == NULL ? InvalidTransactionId : transaction->xid;
	ending->commit.ops = MemoryContextAllocExtended(CurrentMemoryContext, (n + 1) * sizeof(RarrCacheOp),
													MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	ending->commit.items = MemoryContextAllocExtended(CurrentMemoryContext, (n + 1) * sizeof(RarrCommitItem),
													  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint32 i = 0; i < n; i++)
	{
		restore_op(&ending->commit.ops[i], &ending->commit.items[i], i, rarr_cache_entry(block));
		block = rarr_cache_entry(block)->next_in_bucket;
	}
	LWLockRelease(&prepared->lock);

	/* of an unknown one, whoever sees the transaction that ends it sees it too */
	if (transaction == NULL)
		ending->commit.xid = GetTopTransactionId();
	ending->commit.n = ending->commit.nops = n;
	ending->commit.doubted = true;
}

/*
 * Is the place still that of the transaction which was found?  Otherwise another
 * session has ended that one, and its identifier was used again.
 */
static bool
is_same(const Ending *ending, const char *gid)
{
	const Prepared *transaction = ending->transaction;

	return transaction != NULL && transaction->used && transaction->xid == ending->xid &&
		   strcmp(transaction->gid, gid) == 0;
}

/*
 * The transaction has ended.  Must not fail.  If it is not the one that was found,
 * nothing is known of it.
 */
static void
finish_ending(const char *gid, Ending *ending, bool committed)
{
	bool everything = ending->commit.off;

	LWLockAcquire(&prepared->lock, LW_EXCLUSIVE);
	if (is_same(ending, gid))
		ending->transaction->used = false;
	else
	{
		ending->commit.n = 0;
		everything |= committed;
	}
	LWLockRelease(&prepared->lock);
	if (everything)
		rarr_cache_forget_entries(MyDatabaseId);
	if (ending->commit.n > 0)
		rarr_commit_resume(&ending->commit, committed);
	if (everything)
		rarr_cache_record_all(ending->commit.xid);
}

/*
 * Run COMMIT PREPARED or ROLLBACK PREPARED.  No interrupt is processed between
 * the end of the transaction and that of its operations.
 */
static void
run_ending(const char *gid, bool committed, void (*run)(void *arg), void *arg)
{
	RarrCacheDatabase *db = rarr_cache_database();
	Ending ending;

	begin_ending(gid, &ending);
	ending.commit.off = committed && ending.everything;
	if (ending.commit.off)
		pg_atomic_fetch_add_u32(&db->off, 1);
	PG_TRY();
	{
		run(arg);
		finish_ending(gid, &ending, committed);
	}
	PG_FINALLY();
	{
		if (ending.commit.off)
			pg_atomic_fetch_sub_u32(&db->off, 1);
	}
	PG_END_TRY();
}

/* The arguments of the utility hook */
typedef struct Call
{
	PlannedStmt *pstmt;
	const char *query;
	bool read_only_tree;
	ProcessUtilityContext context;
	ParamListInfo params;
	QueryEnvironment *env;
	DestReceiver *dest;
	QueryCompletion *qc;
} Call;

static void
run_call(void *arg)
{
	Call *c = arg;

	(prev_utility != NULL ? prev_utility : standard_ProcessUtility)(c->pstmt, c->query, c->read_only_tree, c->context,
																	c->params, c->env, c->dest, c->qc);
}

/* ProcessUtility hook */
static void
process_utility(PlannedStmt *pstmt, const char *query, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc)
{
	Call call = {pstmt, query, read_only_tree, context, params, env, dest, qc};
	Node *statement = pstmt->utilityStmt;
	TransactionStmt *stmt = IsA(statement, TransactionStmt) ? (TransactionStmt *) statement : NULL;
	Oid dropped = InvalidOid;

	if (!rarr_cache_is_there() || RecoveryInProgress())
	{
		run_call(&call);
		return;
	}
	if (stmt != NULL && (stmt->kind == TRANS_STMT_COMMIT_PREPARED || stmt->kind == TRANS_STMT_ROLLBACK_PREPARED))
	{
		run_ending(stmt->gid, stmt->kind == TRANS_STMT_COMMIT_PREPARED, run_call, &call);
		return;
	}
	if (stmt != NULL && stmt->kind == TRANS_STMT_PREPARE)
		strlcpy(preparing, stmt->gid, sizeof(preparing));
	else if (IsA(statement, DropdbStmt))
		dropped = get_database_oid(((DropdbStmt *) statement)->dbname, true);
	run_call(&call);

	/* a new database may get the same OID */
	if (OidIsValid(dropped))
		rarr_cache_forget_database(dropped);
}

/* object access hook: what the cache has of the extension goes with it */
static void
object_access(ObjectAccessType access, Oid classid, Oid objectid, int subid, void *arg)
{
	static const RarrCacheMatch all = {RARR_MATCH_ALL};
	char *name;

	if (prev_object_access != NULL)
		prev_object_access(access, classid, objectid, subid, arg);
	if (access != OAT_DROP || classid != ExtensionRelationId || !rarr_cache_is_there())
		return;
	name = get_extension_name(objectid);
	if (name != NULL && strcmp(name, RARR_EXTENSION) == 0)
		(void) rarr_cache_drop_matching(&all);
}

/* Register shared memory and the hooks, at preload. */
void
rarr_cache_prepared_init(void)
{
	prev_object_access = object_access_hook;
	object_access_hook = object_access;
	rarr_shmem_add(&prepared_part);
	prev_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
