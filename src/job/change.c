/*
 * change.c
 *		Changes of jobs: the one place that notifies all who keep account of
 *		jobs.
 *
 * The agenda, the limits of job types, the counters and the list of jobs that
 * end with the session keep account of jobs.  Each of them queues what it has
 * to do when the transaction ends.  Whatever changes a job calls this file:
 * functions of the queue change rows through it, and the trigger on
 * processing_jobs reports plain DML to it.
 */
#include "postgres.h"

#include "executor/tuptable.h"

#include "base/row_change.h"
#include "job/agenda/pending.h"
#include "job/change.h"
#include "job/core/job_row.h"
#include "job/core/session_jobs.h"
#include "job/limits/pending.h"
#include "job/limits/running_set.h"
#include "job/stats/counters.h"
#include "job/stats/slot.h"

/* A job was changed: who keeps account of jobs hears of it. */
static void
record_change(RarrTable *jobs, int change)
{
	rarr_agenda_pending_job(RARR_AT_COMMIT, jobs->rel, jobs->newslot);
	rarr_limits_pending_change(jobs->rel, jobs->oldslot, jobs->newslot);
	rarr_counters_change(jobs->rel, jobs->oldslot, jobs->newslot);
	if (change == JOB_CHANGE_FINISH || change == JOB_CHANGE_REQUEUE)
		rarr_session_jobs_finished(rarr_job_id(jobs->oldslot));
}

/*
 * Change the row in jobs->oldslot to what is in jobs->newslot; false if a
 * trigger of a user's keeps it.  The agenda is owed a word, however the
 * transaction ends: of what comes back before the change, and of what there is
 * to be after it, since users' triggers have their say in that.
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
 * rarr_job_make_change of a row that was seen but not locked; false, with
 * nothing changed, if it has changed since, or somebody who is not to be waited
 * for has it.  Not where has_triggers.
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

/*
 * A job is in the table: who keeps account of jobs hears of it.
 */
void
rarr_change_record_insert(RarrTable *jobs, TupleTableSlot *slot)
{
	rarr_agenda_pending_job(RARR_AT_COMMIT, jobs->rel, slot);
	rarr_counters_change(jobs->rel, NULL, slot);
}

/*
 * Plain DML is about to make and unmake what the BEFORE trigger was called for:
 * a row, or by TRUNCATE all rows.
 */
void
rarr_change_record_dml(const TriggerData *trigger)
{
	Relation	jobs = trigger->tg_relation;
	TupleTableSlot *old = NULL;
	TupleTableSlot *new = NULL;

	if (!rarr_agenda_is_there())
		return;
	if (TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event))
	{
		rarr_agenda_pending_everything(RARR_AT_ABORT);
		rarr_limits_pending_truncate();
		rarr_counters_truncate();
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
 * A prepared transaction of this database ended, and what it changed is not known,
 * but for the agenda (prepared.c).  Cannot fail.
 */
void
rarr_change_prepared_ended(void)
{
	rarr_limits_prepared_ended();
	rarr_counters_distrust();
}

/*
 * A database is gone: nothing may be left of what is known of its jobs.
 */
void
rarr_change_forget_database(Oid database)
{
	rarr_agenda_forget_database(database);
	rarr_held_forget_database(database);
	rarr_counters_forget_database(database);
}
