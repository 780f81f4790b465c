/*
 * change.c
 *		Changes of jobs, and who is notified of them.
 *
 * This file is the only one that notifies the trackers of changes (README.md).
 * Each of them queues pending entries, and acts when the transaction ends.
 */
#include "postgres.h"

#include "executor/tuptable.h"

#include "base/row_change.h"
#include "cache/cache.h"
#include "job/agenda/pending.h"
#include "job/change.h"
#include "job/core/job_row.h"
#include "job/core/session_jobs.h"
#include "job/limits/pending.h"
#include "job/limits/running_set.h"
#include "job/stats/counters.h"
#include "job/stats/slot.h"

/* Notify the trackers of an update from jobs->oldslot to jobs->newslot. */
static void
record_change(RarrTable *jobs, int change)
{
	rarr_agenda_pending_job(RARR_AT_COMMIT, jobs->rel, jobs->newslot);
	rarr_limits_pending_change(jobs->rel, jobs->oldslot, jobs->newslot);
	rarr_counters_change(jobs->rel, jobs->oldslot, jobs->newslot);
	rarr_cache_row_changed("job", rarr_job_id(jobs->oldslot));
	if (change == JOB_CHANGE_FINISH || change == JOB_CHANGE_REQUEUE)
		rarr_session_jobs_finished(rarr_job_id(jobs->oldslot));
}

/*
 * Update the job in jobs->oldslot, which is locked, to the version in
 * jobs->newslot.  change: JOB_CHANGE_...  Returns false if a user's trigger
 * suppresses the update.
 *
 * The agenda needs a pending entry for both outcomes.  The entry for abort,
 * with the old version, is queued before the update, because queueing it can
 * fail.  The entry for commit is queued after the update, because BEFORE
 * triggers may change the new version.
 */
bool
rarr_job_make_change(RarrTable *jobs, int change)
{
	rarr_agenda_pending_job(RARR_AT_ABORT, jobs->rel, jobs->oldslot);
	if (!rarr_table_update(jobs, change, jobs->oldslot, jobs->newslot))
		return false;
	slot_getallattrs(jobs->newslot);
	record_change(jobs, change);
	return true;
}

/*
 * Like rarr_job_make_change(), for a job that is not locked.
 * jobs->has_triggers must be false.  Returns false, and changes nothing, if
 * the job changed after the version in jobs->oldslot was read, or if another
 * transaction has it locked and wait is false.
 */
bool
rarr_job_make_change_unlocked(RarrTable *jobs, int change, bool wait)
{
	rarr_agenda_pending_job(RARR_AT_ABORT, jobs->rel, jobs->oldslot);
	if (!rarr_table_update_unlocked(jobs, change, jobs->oldslot, jobs->newslot, wait))
		return false;
	record_change(jobs, change);
	return true;
}

/* Notify the trackers of a new job, which is in the slot, deformed. */
void
rarr_change_record_insert(RarrTable *jobs, TupleTableSlot *slot)
{
	rarr_agenda_pending_job(RARR_AT_COMMIT, jobs->rel, slot);
	rarr_counters_change(jobs->rel, NULL, slot);
}

/*
 * Notify the trackers of the change for which a BEFORE trigger was called: of
 * a row, or of all rows by TRUNCATE.
 */
void
rarr_change_record_dml(const TriggerData *trigger)
{
	Relation jobs = trigger->tg_relation;
	TupleTableSlot *old = NULL;
	TupleTableSlot *new = NULL;

	if (!rarr_agenda_is_there())
		return;
	if (TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event))
	{
		rarr_agenda_pending_everything(RARR_AT_ABORT);
		rarr_limits_pending_truncate();
		rarr_counters_truncate();
		rarr_cache_rows_changed();
		return;
	}
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		new = trigger->tg_trigslot;
	else
		old = trigger->tg_trigslot;
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		new = trigger->tg_newslot;
	if (old != NULL)
	{
		slot_getallattrs(old);
		rarr_agenda_pending_job(RARR_AT_ABORT, jobs, old);
		rarr_cache_row_changed("job", rarr_job_id(old));
	}
	if (new != NULL)
	{
		slot_getallattrs(new);
		rarr_agenda_pending_job(RARR_AT_COMMIT, jobs, new);
	}
	rarr_limits_pending_dml(jobs, old, new);
	rarr_counters_change(jobs, old, new);
}

/*
 * Notify the trackers that all jobs are replaced by others: these are there if
 * the transaction commits, and the old ones if it does not.
 */
void
rarr_change_record_replacement(void)
{
	if (!rarr_agenda_is_there())
		return;
	rarr_agenda_pending_everything(RARR_AT_ABORT);
	rarr_agenda_pending_everything(RARR_AT_COMMIT);
	rarr_limits_pending_truncate();
	rarr_counters_truncate();
	rarr_cache_rows_changed();
}

/*
 * Notify the trackers that a prepared transaction of this database ended,
 * which may have changed any job.  prepared.c notifies the agenda.  Must not
 * fail.
 */
void
rarr_change_prepared_ended(void)
{
	rarr_limits_prepared_ended();
	rarr_counters_invalidate();
}

/* Remove what the trackers have of a database that was dropped. */
void
rarr_change_forget_database(Oid database)
{
	rarr_agenda_forget_database(database);
	rarr_running_set_forget_database(database);
	rarr_counters_forget_database(database);
}
