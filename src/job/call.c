/*
 * call.c
 *		Calls of functions that change jobs by id.
 *
 * A call opens the table, and then for each job finds the row, locks it, and
 * writes a new version.  At its end it writes the history of all its jobs.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/compat.h"
#include "base/errors.h"
#include "base/own_index.h"
#include "base/row_change.h"
#include "base/schema.h"
#include "job/call.h"
#include "job/change.h"
#include "job/core/tid_cache.h"

/*
 * Begin a call.  function: name of the SQL function, with parentheses, for
 * errors.  Raises 25006 if the transaction is read-only.
 */
void
rarr_job_call_begin(RarrJobCall *call, const char *function)
{
	rarr_prevent_read_only(function);

	/* What this transaction's earlier commands wrote must be visible. */
	CommandCounterIncrement();
	memset(call, 0, sizeof(RarrJobCall));
	call->wait = LockWaitBlock;
	call->jobs = rarr_table_open(&rarr_job_table);
	call->lock_mode = rarr_table_lock_mode(call->jobs, 1 << JOB_CHANGE_FINISH | 1 << JOB_CHANGE_REQUEUE);
	PushActiveSnapshot(GetTransactionSnapshot());
}

/* End a call, and write the history of what it did. */
void
rarr_job_call_end(RarrJobCall *call)
{
	rarr_table_close(call->jobs);
	rarr_job_log_write(&call->log);
	PopActiveSnapshot();
}

/* Search the index for the row with this id, by the active snapshot. */
static bool
search_job(RarrTable *jobs, Datum id)
{
	Relation index = rarr_table_index(jobs, &rarr_job_id_index);
	IndexScanDesc scan = rarr_index_beginscan(jobs->rel, index, GetActiveSnapshot(), 1);
	ScanKeyData key;
	bool found;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ, id);
	index_rescan(scan, &key, 1, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, jobs->oldslot);
	index_endscan(scan);
	return found;
}

/*
 * Find the row with this id that the active snapshot sees, and put it into
 * jobs->oldslot.  Returns false if there is none.
 */
bool
rarr_job_call_find(RarrTable *jobs, Datum id)
{
	return rarr_tid_cache_fetch(jobs, DatumGetUUIDP(id)) || search_job(jobs, id);
}

/*
 * Lock the job with this id that rarr_job_call_find() found, and put its
 * latest version into jobs->oldslot, with all attributes deformed.  Waits for
 * other transactions according to call->wait.
 *
 * Returns false if the job was deleted, or if call->wait is LockWaitSkip and
 * another transaction has it.  Raises 40001 under REPEATABLE READ and
 * SERIALIZABLE if the job changed after the snapshot.
 */
bool
rarr_job_call_lock_found(RarrJobCall *call, Datum id)
{
	RarrTable *jobs = call->jobs;
	TupleTableSlot *slot = jobs->oldslot;
	ItemPointerData tid;
	TM_FailureData failure;
	TM_Result result;

	tid = slot->tts_tid;
	result = table_tuple_lock(jobs->rel, &tid, GetActiveSnapshot(), slot,
							  GetCurrentCommandId(false), call->lock_mode, call->wait,
							  IsolationUsesXactSnapshot() ? 0 : TUPLE_LOCK_FLAG_FIND_LAST_VERSION,
							  &failure);
	if (IsolationUsesXactSnapshot() && (result == TM_Updated || result == TM_Deleted))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent update")));
	if (result != TM_Ok)
	{
		ExecClearTuple(slot);
		return false;
	}
	slot_getallattrs(slot);

	/* After the wait: this change is later than the one waited for. */
	call->now = GetCurrentTimestamp();

	/* The latest version may have another id. */
	return memcmp(rarr_job_id(slot), DatumGetUUIDP(id), UUID_LEN) == 0;
}

/*
 * Find and lock the job with this id, by rarr_job_call_find() and
 * rarr_job_call_lock_found().  Returns false if there is none.
 */
bool
rarr_job_call_lock(RarrJobCall *call, Datum id)
{
	return rarr_job_call_find(call->jobs, id) && rarr_job_call_lock_found(call, id);
}

/* Is the job in jobs->oldslot, deformed, running under this attempt? */
bool
rarr_job_is_running_under(RarrTable *jobs, int attempt)
{
	return rarr_job_status(jobs->oldslot) == JOB_RUNNING &&
		   rarr_job_int(jobs->oldslot, JOB_ATTEMPT) == attempt;
}

/*
 * Raise RA001: the job with this id is not running under this attempt.  If the
 * job exists, it is in jobs->oldslot, and the error has its status and
 * attempt.
 */
void
rarr_lease_lost(RarrJobCall *call, Datum id, int attempt)
{
	RarrTable *jobs = call->jobs;
	char *name = DatumGetCString(DirectFunctionCall1(uuid_out, id));

	if (!TTS_EMPTY(jobs->oldslot) && memcmp(rarr_job_id(jobs->oldslot), DatumGetUUIDP(id), UUID_LEN) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_RARR_LEASE_LOST),
				 errmsg("job %s is not running under attempt %d", name, attempt),
				 errdetail("It is %s; its latest attempt is %d.",
						   rarr_job_status_name(rarr_job_status(jobs->oldslot)),
						   rarr_job_int(jobs->oldslot, JOB_ATTEMPT)),
				 errhint("The worker lost its lease. Nothing was changed; discard the result of this attempt.")));
	ereport(ERROR,
			(errcode(ERRCODE_RARR_LEASE_LOST),
			 errmsg("job %s does not exist", name),
			 errhint("Give the id and the attempt of a row that job_dequeue returned.")));
}

/* Lock a worker's job.  Raises RA001 if it does not run under the attempt. */
void
rarr_job_call_lock_own(RarrJobCall *call, Datum id, int attempt)
{
	if (!rarr_job_call_lock(call, id) || !rarr_job_is_running_under(call->jobs, attempt))
		rarr_lease_lost(call, id, attempt);
}

/*
 * Lock the job of a worker, and return true; or return false if the job is not
 * running under the worker's attempt.
 *
 * A job of another worker must not stay locked, because that worker could not
 * complete it before this transaction ends.  So a job that does not run under
 * the attempt according to the snapshot is not locked, except under REPEATABLE
 * READ and SERIALIZABLE, where a change after the snapshot must raise 40001.
 */
bool
rarr_job_call_lock_if_own(RarrJobCall *call, Datum id, int attempt)
{
	if (!rarr_job_call_find(call->jobs, id))
		return false;
	slot_getallattrs(call->jobs->oldslot);
	if (!IsolationUsesXactSnapshot() && !rarr_job_is_running_under(call->jobs, attempt))
		return false;
	return rarr_job_call_lock_found(call, id) && rarr_job_is_running_under(call->jobs, attempt);
}

/*
 * Write the new version of the job, in jobs->newslot.  change: JOB_CHANGE_...
 * Raises 09000 if a user's trigger suppresses the update.
 */
void
rarr_job_call_write(RarrJobCall *call, int change)
{
	if (!rarr_job_make_change(call->jobs, change))
		rarr_table_refused(call->jobs);
}
