/*
 * worker_state.c
 *		What the launcher, the workers and all sessions share.
 *
 * For each database with the extension there is an entry with the state of
 * each task, and when it is due next.  A part of the extension that makes a
 * task due earlier lowers that time, in callbacks of transactions too, and
 * wakes the database's worker, or else the launcher, if these would wake later.
 *
 * All of this is a hint.  After a restart the launcher finds the databases
 * anew, and each task runs once.  There are researcharr.worker_databases
 * entries.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "base/guc.h"
#include "ops/worker_state.h"

/* clocks of two processes may differ by this much without having been set back */
#define CLOCK_SLACK (10 * USECS_PER_SEC)

RarrWorkerShared *rarr_workers = NULL;

static char *entries;

static Size
entry_size(void)
{
	return MAXALIGN(offsetof(RarrDatabaseState, tasks) + rarr_task_count() * sizeof(RarrTaskState));
}

static Size
workers_size(void)
{
	return add_size(MAXALIGN(sizeof(RarrWorkerShared)),
					mul_size(rarr_worker_databases, entry_size()));
}

/* The i-th entry of a database, which may be free. */
RarrDatabaseState *
rarr_worker_entry(int i)
{
	return (RarrDatabaseState *) (entries + i * entry_size());
}

static void
attach_workers(void *memory, bool first)
{
	rarr_workers = memory;
	entries = (char *) memory + MAXALIGN(sizeof(RarrWorkerShared));
	if (first)
	{
		memset(memory, 0, workers_size());
		rarr_workers->tranche = LWLockNewTrancheId();
		LWLockInitialize(&rarr_workers->lock, rarr_workers->tranche);
		pg_atomic_init_u64(&rarr_workers->changes, 1);
		pg_atomic_init_u32(&rarr_workers->others_wait, 0);
		for (int i = 0; i < rarr_worker_databases; i++)
			for (int t = 0; t < rarr_task_count(); t++)
				pg_atomic_init_u64(&rarr_worker_entry(i)->tasks[t].next_due, 0);
	}
	LWLockRegisterTranche(rarr_workers->tranche, "researcharr_workers");
}

const RarrShmemPart rarr_workers_part = {"researcharr workers", workers_size, attach_workers};

/*
 * When the next run of a task is due, also after a failure.  At once if the clock
 * was set back since the last run began, so that nothing waits for a time that
 * was read from a wrong clock.
 */
TimestampTz
rarr_task_due(const RarrTaskState *task, TimestampTz now)
{
	TimestampTz due = (TimestampTz) pg_atomic_read_u64(unconstify(pg_atomic_uint64 *, &task->next_due));

	if (task->last_start > now + CLOCK_SLACK && !task->running)
		return DT_NOBEGIN;
	return Max(due, task->not_before);
}

/* The number of a database's entry, or -1. */
int
rarr_worker_find_database(Oid database)
{
	for (int i = 0; i < rarr_worker_databases; i++)
		if (rarr_worker_entry(i)->database == database)
			return i;
	return -1;
}

/*
 * The number of a database's entry.  A new one has all tasks due at once.  -1
 * if all entries are taken.
 */
int
rarr_worker_add_database(Oid database)
{
	int i = rarr_worker_find_database(database);
	RarrDatabaseState *entry;

	if (i >= 0)
		return i;
	i = rarr_worker_find_database(InvalidOid);
	if (i < 0)
		return -1;
	entry = rarr_worker_entry(i);
	entry->database = database;
	entry->worker = -1;
	entry->not_before = DT_NOBEGIN;
	entry->failures = 0;
	for (int t = 0; t < rarr_task_count(); t++)
	{
		RarrTaskState *task = &entry->tasks[t];

		pg_atomic_write_u64(&task->next_due, (uint64) DT_NOBEGIN);
		task->not_before = task->last_start = DT_NOBEGIN;
		task->duration = task->runs = 0;
		task->failures = 0;
		task->running = task->no_room = false;
		task->error[0] = '\0';
	}
	pg_atomic_fetch_add_u64(&rarr_workers->changes, 1);
	return i;
}

/* The extension or the database is gone: free the entry. */
void
rarr_worker_forget_database(int i)
{
	rarr_worker_entry(i)->database = InvalidOid;
	pg_atomic_fetch_add_u64(&rarr_workers->changes, 1);
	for (int w = 0; w < RARR_MAX_WORKERS; w++)
		if (rarr_workers->workers[w].entry == i)
			rarr_workers->workers[w].entry = -1;
}

/* Does a session keep workers away from the database? */
bool
rarr_worker_is_kept_away(Oid database)
{
	for (int i = 0; i < RARR_MAX_AWAY; i++)
		if (rarr_workers->away[i].database == database)
			return true;
	return false;
}

/*
 * Take an entry for a process that is to be started.  Returns its number, or
 * -1 if there is none, or if a session keeps workers away from the database.
 */
int
rarr_worker_add(RarrWorkerKind kind, Oid database, int entry, int task, const char *name)
{
	if (rarr_worker_is_kept_away(database))
		return -1;
	for (int i = 0; i < RARR_MAX_WORKERS; i++)
	{
		RarrWorker *worker = &rarr_workers->workers[i];

		if (worker->serial != 0)
			continue;
		memset(worker, 0, sizeof(RarrWorker));
		worker->serial = ++rarr_workers->serials;
		worker->kind = kind;
		worker->database = database;
		worker->entry = entry;
		worker->task = task;
		worker->started = GetCurrentTimestamp();
		strlcpy(worker->name, name, sizeof(worker->name));
		if (entry >= 0 && kind <= RARR_WORKER_SHORT)
			rarr_worker_entry(entry)->worker = i;
		return i;
	}
	return -1;
}

/* Free the entry of a process that has ended, or was not started. */
void
rarr_worker_free(int i)
{
	RarrWorker *worker = &rarr_workers->workers[i];

	if (worker->entry >= 0 && rarr_worker_entry(worker->entry)->worker == i)
		rarr_worker_entry(worker->entry)->worker = -1;
	worker->serial = 0;

	/* tasks that had no room for a process can try again */
	for (int d = 0; d < rarr_worker_databases; d++)
		for (int t = 0; t < rarr_task_count() && OidIsValid(rarr_worker_entry(d)->database); t++)
		{
			RarrTaskState *task = &rarr_worker_entry(d)->tasks[t];

			if (task->no_room)
				task->not_before = DT_NOBEGIN;
			task->no_room = false;
		}
}

/* How many processes there are, or how many of those that take long. */
int
rarr_worker_count(bool only_long)
{
	int n = 0;

	for (int i = 0; i < RARR_MAX_WORKERS; i++)
		n += rarr_workers->workers[i].serial != 0 && !rarr_workers->workers[i].ended &&
			 (!only_long || rarr_workers->workers[i].kind >= RARR_WORKER_LONG);
	return n;
}

/* Have the launcher look again at what is due. */
void
rarr_worker_wake_launcher(void)
{
	if (rarr_workers->launcher != NULL)
		SetLatch(rarr_workers->launcher);
}

/*
 * A task of the database is due at this time.  A worker that runs, or waits for
 * the next task, looks at its tasks before it ends.
 */
static void
notify(const RarrDatabaseState *entry, TimestampTz at, bool own_process)
{
	Latch *latch = entry->worker < 0 ? NULL : rarr_workers->workers[entry->worker].latch;

	if (latch != NULL && !own_process)
		SetLatch(latch);
	else if (at < rarr_workers->launcher_wakes)
		rarr_worker_wake_launcher();
}

/*
 * The session's database may have the extension since the transaction that has
 * just committed, or another version of it: have all tasks run.  Cannot fail.
 */
void
rarr_worker_notify_database(void)
{
	int i;

	LWLockAcquire(&rarr_workers->lock, LW_EXCLUSIVE);
	i = rarr_worker_add_database(MyDatabaseId);
	if (i < 0)
		rarr_workers->no_entry = true;
	else
		for (int t = 0; t < rarr_task_count(); t++)
		{
			RarrTaskState *task = &rarr_worker_entry(i)->tasks[t];

			pg_atomic_write_u64(&task->next_due, (uint64) DT_NOBEGIN);
			task->not_before = DT_NOBEGIN;
			task->failures = 0;
		}
	if (i >= 0)
		notify(rarr_worker_entry(i), DT_NOBEGIN, false);
	rarr_worker_wake_launcher();
	LWLockRelease(&rarr_workers->lock);
}

/* The entry of the session's database, or NULL.  Needs no lock. */
static RarrDatabaseState *
own_entry(void)
{
	static uint64 looked_at = 0;
	static int own = -1;
	uint64 changes = pg_atomic_read_u64(&rarr_workers->changes);

	if (changes != looked_at)
	{
		LWLockAcquire(&rarr_workers->lock, LW_SHARED);
		own = rarr_worker_find_database(MyDatabaseId);
		looked_at = pg_atomic_read_u64(&rarr_workers->changes);
		LWLockRelease(&rarr_workers->lock);
	}
	return own < 0 ? NULL : rarr_worker_entry(own);
}

/* Has the session's database an entry? */
bool
rarr_worker_knows_database(void)
{
	return own_entry() != NULL;
}

/*
 * A task of the session's database is due at this time, or earlier.  Called by
 * rarr_task_wake() and so in callbacks: cannot fail, and costs little if the
 * task is due by then anyway.
 */
void
rarr_worker_wake_task(int task, TimestampTz at)
{
	RarrDatabaseState *entry;
	pg_atomic_uint64 *due;

	if (!OidIsValid(MyDatabaseId))
		return;
	entry = own_entry();
	if (entry == NULL)
		return;
	due = &entry->tasks[task].next_due;
	if ((TimestampTz) pg_atomic_read_u64(due) <= at)
		return;
	LWLockAcquire(&rarr_workers->lock, LW_EXCLUSIVE);
	if (entry->database == MyDatabaseId && (TimestampTz) pg_atomic_read_u64(due) > at)
	{
		pg_atomic_write_u64(due, (uint64) at);
		notify(entry, at, rarr_task_get(task)->own_process);
	}
	LWLockRelease(&rarr_workers->lock);
}
