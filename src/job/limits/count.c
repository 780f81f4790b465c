/*
 * count.c
 *		Find the running jobs of a type in the table.
 *
 * The jobs that count are those that may be running when all open transactions
 * have committed or aborted: running jobs, also if an open transaction ends
 * them, and jobs that an open claim has made running.  No single snapshot shows
 * both, so the table is scanned with two; README.md says why this misses no job
 * while nobody can begin a claim of the type.
 *
 * Jobs that this transaction itself claimed count, and so do those that it
 * ended, because it may abort.
 */
#include "postgres.h"

#include "access/relscan.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "job/core/dequeue_scan.h"
#include "job/core/job_row.h"
#include "job/limits/count.h"

/* an entry of the hash table of running jobs */
typedef struct Found
{
	pg_uuid_t id; /* the key */
	int32 attempt;
} Found;

static void
init_running(RarrRunningJobs *running)
{
	memset(running, 0, sizeof(RarrRunningJobs));
	running->lapse = DT_NOEND;
	running->room = 16;
	running->lapsed = palloc(running->room * sizeof(RarrJobPos));
}

/* Add the lease of the running job in the slot. */
static void
add_lease(RarrRunningJobs *running, TupleTableSlot *slot, TimestampTz now)
{
	RarrJobPos *lapsed;

	running->lapse = Min(running->lapse,
						 rarr_job_time(slot, JOB_LEASE_EXPIRES_AT));
	if (rarr_job_due_at(slot) > now)
		return;
	if (running->nlapsed == running->room)
	{
		running->room *= 2;
		running->lapsed = repalloc_huge(running->lapsed, running->room * sizeof(RarrJobPos));
	}
	lapsed = &running->lapsed[running->nlapsed++];
	lapsed->priority = rarr_job_int(slot, JOB_PRIORITY);
	lapsed->pos = rarr_job_queue_pos(slot);
}

static int
compare_positions(const void *a, const void *b)
{
	const RarrJobPos *one = a;
	const RarrJobPos *other = b;

	if (one->priority != other->priority)
		return one->priority > other->priority ? -1 : 1;
	return rarr_queue_pos_compare(&one->pos, &other->pos);
}

/* Add a running job.  Returns false if it was there. */
static bool
add_found(HTAB *found, TupleTableSlot *slot)
{
	int32 attempt = rarr_job_int(slot, JOB_ATTEMPT);
	bool known;
	Found *job = hash_search(found, rarr_job_id(slot), HASH_ENTER, &known);

	job->attempt = known ? Max(job->attempt, attempt) : attempt;
	return !known;
}

/*
 * The latest snapshot, without the changes of this transaction: a job that it
 * ended is still running if it aborts.
 */
static Snapshot
register_snapshot(void)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());

	Assert(snapshot->copied);
	snapshot->curcid = FirstCommandId;
	return snapshot;
}

/*
 * The snapshot to scan with.  Under SERIALIZABLE, claims of other transactions
 * would conflict with a scan that uses an MVCC snapshot.  So the scan returns
 * all versions there, and next_version() tests each of them.
 */
static Snapshot
untracked(Snapshot snapshot)
{
	return IsMVCCSnapshot(snapshot) && IsolationIsSerializable() ? SnapshotAny : snapshot;
}

static bool
next_version(IndexScanDesc scan, Relation jobs, Snapshot snapshot, TupleTableSlot *slot)
{
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (scan->xs_snapshot == SnapshotAny && !table_tuple_satisfies_snapshot(jobs, slot, snapshot))
			continue;
		slot_getallattrs(slot);
		return true;
	}
	return false;
}

/*
 * Add the type's jobs that the snapshot shows as running to found, and their
 * leases to running, if it is not NULL.
 */
static void
scan_type(Relation jobs, Relation index, Datum type, Snapshot snapshot, HTAB *found,
		  RarrRunningJobs *running, TimestampTz now)
{
	TupleTableSlot *slot = table_slot_create(jobs, NULL);
	IndexScanDesc scan = rarr_index_beginscan(jobs, index, untracked(snapshot), 1);
	ScanKeyData key;
	bool added;

	ScanKeyEntryInitialize(&key, 0, 1, BTEqualStrategyNumber, InvalidOid,
						   index->rd_indcollation[0], F_TEXTEQ, type);
	index_rescan(scan, &key, 1, NULL, 0);
	while (next_version(scan, jobs, snapshot, slot))
	{
		if (rarr_job_status(slot) != JOB_RUNNING)
			continue;
		added = add_found(found, slot);
		if (running == NULL)
			continue;
		add_lease(running, slot, now);
		/* the dirty scan would have shown it, had this transaction not ended it */
		if (added && rarr_job_is_changed_by_self(slot))
			running->freed++;
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
}

/*
 * Find all jobs of the type that are running, or may be when open claims have
 * committed.
 *
 * now is the time by the system clock.  Fills in *running, in the current
 * memory context.  The caller prevents new claims of the type meanwhile.
 * Scans all unfinished jobs of the type, twice.  Raises no errors but those of
 * an index scan.
 */
void
rarr_running_read(Relation jobs, Relation dequeue_index, const char *type, TimestampTz now,
				  RarrRunningJobs *running)
{
	HASHCTL control = {.keysize = sizeof(pg_uuid_t), .entrysize = sizeof(Found), .hcxt = CurrentMemoryContext};
	HTAB *found = hash_create("researcharr running jobs", 64, &control,
							  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	Datum name = CStringGetTextDatum(type);
	SnapshotData dirty;
	Snapshot snapshot;
	HASH_SEQ_STATUS status;
	Found *job;

	init_running(running);
	InitDirtySnapshot(dirty);
	scan_type(jobs, dequeue_index, name, &dirty, found, NULL, now);
	snapshot = register_snapshot();
	scan_type(jobs, dequeue_index, name, snapshot, found, running, now);
	UnregisterSnapshot(snapshot);

	running->jobs = palloc_extended((hash_get_num_entries(found) + 1) * sizeof(RarrRunningJob),
									MCXT_ALLOC_HUGE);
	hash_seq_init(&status, found);
	while ((job = hash_seq_search(&status)) != NULL)
	{
		running->jobs[running->n].id = job->id;
		running->jobs[running->n++].attempt = job->attempt;
	}
	hash_destroy(found);
	qsort(running->lapsed, running->nlapsed, sizeof(RarrJobPos), compare_positions);
}

static bool
is_of_type(TupleTableSlot *slot, const char *type)
{
	text *name = DatumGetTextPP(rarr_job_value(slot, JOB_JOB_TYPE));

	return VARSIZE_ANY_EXHDR(name) == strlen(type) &&
		   memcmp(VARDATA_ANY(name), type, VARSIZE_ANY_EXHDR(name)) == 0;
}

/* Does the snapshot show this job as running?  Its row is then in the slot. */
static bool
is_running(Relation jobs, Relation index, const char *type, const pg_uuid_t *id, Snapshot snapshot,
		   TupleTableSlot *slot)
{
	IndexScanDesc scan = rarr_index_beginscan(jobs, index, untracked(snapshot), 1);
	bool running = false;
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(id));
	index_rescan(scan, &key, 1, NULL, 0);
	while (!running && next_version(scan, jobs, snapshot, slot))
		running = rarr_job_status(slot) == JOB_RUNNING && is_of_type(slot, type);
	index_endscan(scan);
	return running;
}

/*
 * Is a job that an older snapshot does not show as running really not running?
 * Two looks are needed; see README.md.
 */
static bool
is_gone(Relation jobs, Relation index, const char *type, const pg_uuid_t *id, TupleTableSlot *slot)
{
	SnapshotData dirty;
	Snapshot snapshot;
	bool gone;

	InitDirtySnapshot(dirty);
	if (is_running(jobs, index, type, id, &dirty, slot))
		return false;
	snapshot = register_snapshot();
	gone = !is_running(jobs, index, type, id, snapshot, slot);
	UnregisterSnapshot(snapshot);
	return gone;
}

/*
 * Check each of n jobs of a running set in the table.
 *
 * Jobs that are no longer running, or have another type, are moved to the
 * beginning of the array, and their number is returned.  Fills in *running for
 * the other ones, except jobs and n, in the current memory context.  now is
 * the time by the system clock.  Raises no errors but those of an index scan.
 */
int
rarr_running_check(Relation jobs, Relation id_index, const char *type, RarrRunningJob *set, int n,
				   TimestampTz now, RarrRunningJobs *running)
{
	TupleTableSlot *slot = table_slot_create(jobs, NULL);
	Snapshot snapshot = register_snapshot();
	int gone = 0;

	init_running(running);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (is_running(jobs, id_index, type, &set[i].id, snapshot, slot))
			add_lease(running, slot, now);
		else if (is_gone(jobs, id_index, type, &set[i].id, slot))
		{
			RarrRunningJob job = set[i];

			set[i] = set[gone];
			set[gone++] = job;
		}
	}
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	qsort(running->lapsed, running->nlapsed, sizeof(RarrJobPos), compare_positions);
	return gone;
}
