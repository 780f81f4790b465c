/*
 * launcher.c
 *		Start the workers of all databases when tasks are due.
 *
 * The launcher is connected to no database, so that it is in nobody's way.  It
 * reads the list of databases from the shared catalog, and has each of them
 * visited once (worker.c): after the server's start, after a promotion, and
 * when a database is new.  A visitor looks for the extension.  What it finds is
 * an entry in shared memory (worker_state.c), and from then on the launcher
 * starts a worker whenever the entry says that a task is due.  CREATE EXTENSION
 * makes the entry itself.
 *
 * Visits take turns, with a pause after each that is four times its length, so
 * that thousands of databases cost at most a fifth of a core for a while.
 *
 * What cannot be started is tried again later and later.  The log has the first
 * failure in a row only.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/sinval.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/guc.h"
#include "ops/worker.h"

/* the list of databases is read at least so often */
#define RELIST (5 * USECS_PER_MINUTE)

/* the pause after a visit, as a multiple of its length */
#define VISIT_PAUSE 4

/* after a process could not be started */
#define FIRST_RETRY (2 * USECS_PER_SEC)
#define LAST_RETRY  (5 * USECS_PER_MINUTE)

/* a process that has not begun after this, and has no handle, never will */
#define START_TIMEOUT USECS_PER_MINUTE

/* A database of the list. */
typedef struct Database
{
	Oid oid; /* the key of the hash table */
	char name[NAMEDATALEN];
	bool listed;      /* it was in the list when that was last read */
	bool may_connect; /* it allows connections */
	bool visited;
	int failures; /* of visits, in a row */
	TimestampTz not_before;
} Database;

static HTAB *databases;
static TimestampTz relist_at = DT_NOBEGIN;
static TimestampTz next_visit = DT_NOBEGIN;
static BackgroundWorkerHandle *handles[RARR_MAX_WORKERS];
static bool said_full = false;     /* that max_worker_processes are there */
static bool said_no_entry = false; /* that all entries are taken */

/* Put a row of pg_database into the hash table. */
static void
list_database(HeapTuple tuple)
{
	Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);
	bool found;
	Database *database = hash_search(databases, &form->oid, HASH_ENTER, &found);

	if (!found)
	{
		database->visited = false;
		database->failures = 0;
		database->not_before = DT_NOBEGIN;
	}
	strlcpy(database->name, NameStr(form->datname), NAMEDATALEN);
	database->listed = true;
	/* below -1, a DROP DATABASE was interrupted */
	database->may_connect = form->datallowconn && form->datconnlimit >= -1;
}

/* Read the list of databases, and forget those that are gone. */
static void
read_list(TimestampTz now)
{
	HASH_SEQ_STATUS status;
	Database *database;
	Relation rel;
	TableScanDesc scan;
	HeapTuple tuple;

	hash_seq_init(&status, databases);
	while ((database = hash_seq_search(&status)) != NULL)
		database->listed = false;
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
		list_database(tuple);
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	hash_seq_init(&status, databases);
	while ((database = hash_seq_search(&status)) != NULL)
		if (!database->listed)
			(void) hash_search(databases, &database->oid, HASH_REMOVE, NULL);
	relist_at = now + RELIST;
}

/* How long to wait after so many failures in a row. */
static int64
retry_delay(int failures)
{
	return failures > 8 ? LAST_RETRY : Min(FIRST_RETRY << (failures - 1), LAST_RETRY);
}

/* A process was, or was not, started for a database. */
static void
note_start(const RarrWorker *worker, bool started, TimestampTz now)
{
	Database *database = hash_search(databases, &worker->database, HASH_FIND, NULL);

	if (worker->kind == RARR_WORKER_VISIT && database != NULL)
	{
		database->visited = started;
		database->failures = started ? 0 : database->failures + 1;
		if (!started)
			database->not_before = now + retry_delay(database->failures);
	}
	if (worker->entry >= 0)
	{
		RarrDatabaseState *entry = rarr_worker_entry(worker->entry);

		entry->failures = started ? 0 : entry->failures + 1;
		entry->not_before = started ? DT_NOBEGIN : now + retry_delay(entry->failures);
	}
}

/* Has the process ended?  If so, its entry can be freed. */
static bool
has_ended(int i, TimestampTz now)
{
	RarrWorker *worker = &rarr_workers->workers[i];
	pid_t pid;

	if (worker->ended)
		return true;
	if (handles[i] != NULL)
		return GetBackgroundWorkerPid(handles[i], &pid) == BGWH_STOPPED;
	return worker->pid == 0 && now - worker->started > START_TIMEOUT;
}

/* Free the entries of processes that have ended. */
static void
reap(TimestampTz now)
{
	LWLockAcquire(&rarr_workers->lock, LW_EXCLUSIVE);
	for (int i = 0; i < RARR_MAX_WORKERS; i++)
	{
		RarrWorker *worker = &rarr_workers->workers[i];

		if (worker->serial == 0 || !has_ended(i, now))
			continue;
		if (worker->has_launcher)
			note_start(worker, worker->connected, now);
		if (!worker->connected)
			relist_at = now; /* the database may refuse connections */
		if (worker->kind == RARR_WORKER_VISIT)
			next_visit = now + Min(VISIT_PAUSE * (now - worker->started), LAST_RETRY);
		rarr_worker_free(i);
		if (handles[i] != NULL)
			pfree(handles[i]);
		handles[i] = NULL;
	}
	LWLockRelease(&rarr_workers->lock);
}

/* Start a process.  Returns false if there is no room for it. */
static bool
start(RarrWorkerKind kind, const Database *database, int entry, int task, TimestampTz now)
{
	RarrWorkerOrder order = {.database = database->oid, .kind = kind, .task = task};
	char name[BGW_MAXLEN];
	bool started;

	snprintf(name, sizeof(name), "researcharr worker: %s", database->name);
	LWLockAcquire(&rarr_workers->lock, LW_EXCLUSIVE);
	order.worker = rarr_worker_add(kind, database->oid, entry, task,
								   task >= 0 ? rarr_task_get(task)->name : "");
	if (order.worker >= 0)
	{
		order.serial = rarr_workers->workers[order.worker].serial;
		rarr_workers->workers[order.worker].has_launcher = true;
	}
	LWLockRelease(&rarr_workers->lock);
	if (order.worker < 0)
		return false;

	started = rarr_worker_register(&order, name, MyProcPid, &handles[order.worker]);
	if (!started)
	{
		LWLockAcquire(&rarr_workers->lock, LW_EXCLUSIVE);
		note_start(&rarr_workers->workers[order.worker], false, now);
		rarr_worker_free(order.worker);
		LWLockRelease(&rarr_workers->lock);
	}
	if (!started && !said_full)
		ereport(LOG,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("no maintenance worker can be started for database \"%s\"", database->name),
				 errdetail("There are max_worker_processes = %d background workers.", max_worker_processes),
				 errhint("Increase max_worker_processes. The attempt is repeated.")));
	said_full = !started;
	return started;
}

/* What the launcher has to do next. */
typedef struct Next
{
	int entry; /* of a database, or -1 */
	int task;  /* one with own_process, or -1 for the short ones */
	Oid database;
	TimestampTz at;
} Next;

/* Is there a process for this task of the entry? */
static bool
has_process(int entry, int task)
{
	for (int i = 0; i < RARR_MAX_WORKERS; i++)
	{
		const RarrWorker *worker = &rarr_workers->workers[i];

		if (worker->serial != 0 && !worker->ended && worker->kind == RARR_WORKER_LONG &&
			worker->entry == entry && worker->task == task)
			return true;
	}
	return false;
}

/* Let a task of the entry be the next one, if it is due before that. */
static void
consider_task(Next *next, int i, int t, TimestampTz now)
{
	RarrDatabaseState *entry = rarr_worker_entry(i);
	bool own_process = rarr_task_get(t)->own_process;
	TimestampTz at = Max(rarr_task_due(&entry->tasks[t], now), Min(entry->not_before, now + LAST_RETRY));

	if (own_process ? has_process(i, t) : entry->worker >= 0)
		return;
	if (at >= next->at)
		return;
	next->entry = i;
	next->task = own_process ? t : -1;
	next->database = entry->database;
	next->at = at;
}

/* Find the first task that is due, of databases that may have a worker. */
static void
find_task(Next *next, bool room_for_long, TimestampTz now)
{
	next->at = DT_NOEND;
	for (int i = 0; i < rarr_worker_databases; i++)
	{
		RarrDatabaseState *entry = rarr_worker_entry(i);
		Database *database;

		if (!OidIsValid(entry->database) || rarr_worker_is_kept_away(entry->database))
			continue;
		database = hash_search(databases, &entry->database, HASH_FIND, NULL);
		if (database != NULL && !database->may_connect)
			continue; /* look again after RELIST */
		for (int t = 0; t < rarr_task_count(); t++)
			if (room_for_long || !rarr_task_get(t)->own_process)
				consider_task(next, i, t, now);
	}
}

/*
 * Start what is due.  Returns when the next task will be, or DT_NOEND if
 * something else has to happen first.
 */
static TimestampTz
start_tasks(TimestampTz now)
{
	for (;;)
	{
		Next next;
		Database *database;
		bool full;

		LWLockAcquire(&rarr_workers->lock, LW_EXCLUSIVE);
		full = rarr_worker_count(false) >= rarr_max_workers;
		find_task(&next, rarr_worker_count(true) < rarr_max_workers - 1, now);
		pg_atomic_write_u32(&rarr_workers->others_wait, full && next.at <= now ? 1 : 0);
		LWLockRelease(&rarr_workers->lock);
		if (next.at > now)
			return next.at;
		if (full)
			return DT_NOEND;
		database = hash_search(databases, &next.database, HASH_FIND, NULL);
		if (database == NULL)
		{
			read_list(now);
			database = hash_search(databases, &next.database, HASH_FIND, NULL);
		}
		if (database == NULL)
		{
			LWLockAcquire(&rarr_workers->lock, LW_EXCLUSIVE);
			if (rarr_worker_entry(next.entry)->database == next.database)
				rarr_worker_forget_database(next.entry);
			LWLockRelease(&rarr_workers->lock);
			continue;
		}
		database->visited = true; /* by the one who made the entry */
		if (!start(next.task >= 0 ? RARR_WORKER_LONG : RARR_WORKER_SHORT, database, next.entry, next.task, now))
			return now + FIRST_RETRY;
	}
}

/* Is a visitor under way, or are all processes there? */
static bool
no_visit_now(void)
{
	bool result;

	LWLockAcquire(&rarr_workers->lock, LW_SHARED);
	result = rarr_worker_count(false) >= rarr_max_workers;
	for (int i = 0; i < RARR_MAX_WORKERS; i++)
		result |= rarr_workers->workers[i].serial != 0 && rarr_workers->workers[i].kind == RARR_WORKER_VISIT;
	LWLockRelease(&rarr_workers->lock);
	return result;
}

/* Is a database to be visited, now or later?  At the time *at at the earliest. */
static Database *
next_to_visit(TimestampTz *at)
{
	HASH_SEQ_STATUS status;
	Database *database;
	Database *first = NULL;

	hash_seq_init(&status, databases);
	while ((database = hash_seq_search(&status)) != NULL)
		if (!database->visited && database->may_connect &&
			(first == NULL || database->not_before < first->not_before))
			first = database;
	if (first != NULL)
		*at = Max(first->not_before, next_visit);
	return first;
}

/* Visit a database, if one is to be.  Returns when to look again. */
static TimestampTz
start_visit(TimestampTz now)
{
	TimestampTz at;
	Database *database = next_to_visit(&at);

	if (database == NULL || no_visit_now())
		return DT_NOEND;
	/* the clock can have been set back */
	if (at > now && at <= now + LAST_RETRY)
		return at;
	if (!start(RARR_WORKER_VISIT, database, -1, -1, now))
	{
		database->not_before = Max(database->not_before, now + FIRST_RETRY);
		return database->not_before;
	}
	return DT_NOEND;
}

/* Say that databases are without maintenance because there are too many. */
static void
report_no_entry(void)
{
	if (!rarr_workers->no_entry || said_no_entry)
		return;
	said_no_entry = true;
	ereport(LOG,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("more than %d databases have the extension researcharr", rarr_worker_databases),
			 errdetail("The others are without maintenance."),
			 errhint("Increase researcharr.worker_databases.")));
}

/* Do what is due.  Returns when to wake at the latest. */
static TimestampTz
turn(void)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz next;
	bool relist;

	LWLockAcquire(&rarr_workers->lock, LW_EXCLUSIVE);
	relist = rarr_workers->relist;
	rarr_workers->relist = false;
	rarr_workers->launcher_wakes = DT_NOEND; /* until this turn is over */
	LWLockRelease(&rarr_workers->lock);
	reap(now);
	report_no_entry();
	if (!rarr_worker_on)
		return DT_NOEND;
	if (relist || now >= relist_at || relist_at > now + RELIST)
		read_list(now);
	next = start_tasks(now);
	next = Min(next, start_visit(now));
	return Min(next, relist_at);
}

/* Sleep until this time, or until the latch is set. */
static void
sleep_until(TimestampTz at)
{
	static uint32 wait_event = 0;
	long msec = -1;
	int events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;

	if (wait_event == 0)
		wait_event = rarr_wait_event("ResearcharrLauncherWait");
	if (at != DT_NOEND)
	{
		msec = Min(TimestampDifferenceMilliseconds(GetCurrentTimestamp(), at), INT_MAX);
		events |= WL_TIMEOUT;
	}
	(void) WaitLatch(MyLatch, events, msec, wait_event);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	if (catchupInterruptPending)
		ProcessCatchupInterrupt();
}

/* before_shmem_exit callback */
static void
leave(int code, Datum arg)
{
	LWLockAcquire(&rarr_workers->lock, LW_EXCLUSIVE);
	if (rarr_workers->launcher_pid == MyProcPid)
	{
		rarr_workers->launcher = NULL;
		rarr_workers->launcher_pid = 0;
	}
	LWLockRelease(&rarr_workers->lock);
}

static void
enter(void)
{
	before_shmem_exit(leave, (Datum) 0);
	LWLockAcquire(&rarr_workers->lock, LW_EXCLUSIVE);
	rarr_workers->launcher = MyLatch;
	rarr_workers->launcher_pid = MyProcPid;
	LWLockRelease(&rarr_workers->lock);
}

/* The main function of the launcher. */
void
rarr_launcher_main(Datum arg)
{
	HASHCTL ctl = {.keysize = sizeof(Oid), .entrysize = sizeof(Database)};

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	pgstat_report_appname("researcharr launcher");
	ctl.hcxt = TopMemoryContext;
	databases = hash_create("researcharr databases", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	MemoryContextSwitchTo(TopMemoryContext);
	enter();
	while (!ShutdownRequestPending)
	{
		TimestampTz next = turn();

		/* what came up during this turn has set the latch, or will be seen now */
		LWLockAcquire(&rarr_workers->lock, LW_EXCLUSIVE);
		rarr_workers->launcher_wakes = next;
		LWLockRelease(&rarr_workers->lock);
		sleep_until(next);
	}
	proc_exit(1); /* so that the server starts it anew, unless it shuts down */
}

/* Have the server start the launcher.  Called while the library is preloaded. */
void
rarr_launcher_register(void)
{
	BackgroundWorker bgw = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = 5,
	};

	snprintf(bgw.bgw_name, BGW_MAXLEN, "researcharr launcher");
	snprintf(bgw.bgw_type, BGW_MAXLEN, "researcharr launcher");
	snprintf(bgw.bgw_library_name, sizeof(bgw.bgw_library_name), "researcharr");
	snprintf(bgw.bgw_function_name, BGW_MAXLEN, "rarr_launcher_main");
	RegisterBackgroundWorker(&bgw);
}
