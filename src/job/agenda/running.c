/*
 * running.c
 *		Passes over the running jobs of a type.
 *
 * The maintenance task that records lapses (job/rescue.c) visits the running
 * jobs of a type from time to time.  A slot has the earliest end of a lease of
 * any running job, first_lease, and where these jobs can be.  Unlike
 * next_lapse, first_lease also counts leases that have ended.  It is a lower
 * bound: whatever makes a job running lowers it, and a pass sets it to what it
 * has found.
 *
 * A slot that is new, or was reset, knows no running jobs.  Then the pass is a
 * survey: it visits all unfinished jobs, and adds the running ones to the slot.
 *
 * A pass goes in steps, and the slot has where the last one ended.  The task
 * sees to it that one session at a time takes a step.
 */
#include "postgres.h"

#include "job/agenda/running.h"

/*
 * The time before which no lease of a running job of the type ends; DT_NOBEGIN
 * if it is not known.
 */
TimestampTz
rarr_agenda_first_lease(const RarrAgendaRef *ref)
{
	return (TimestampTz) pg_atomic_read_u64(&ref->slot->first_lease);
}

/*
 * Begin a step, where the last one ended.  Returns false if the slot was
 * reassigned.
 */
bool
rarr_agenda_pass_begin(const RarrAgendaRef *ref, RarrPassStep *step)
{
	RarrAgendaPass *pass = &ref->slot->running_pass;

	if (!rarr_agenda_lock(ref, LW_EXCLUSIVE))
		return false;
	if (!pass->under_way)
	{
		pass->under_way = true;
		pass->survey = !pass->surveyed;
		pass->priority = RARR_PRIORITIES - 1;
		pass->pos = rarr_first_queue_pos;
		pass->left = pass->added = DT_NOEND;
	}
	step->ref = *ref;
	step->survey = pass->survey;
	step->priority = pass->priority;
	step->pos = pass->pos;
	step->left = pass->left;
	LWLockRelease(&ref->slot->lock);
	return true;
}

/*
 * Set the part of a group that the step has to visit: from *first to *end,
 * exclusive.  Returns false if there is none.
 */
bool
rarr_agenda_pass_range(const RarrPassStep *step, int priority, RarrQueuePos *first, RarrQueuePos *end)
{
	RarrAgendaSlot *slot = step->ref.slot;

	*first = rarr_first_queue_pos;
	*end = rarr_last_queue_pos;
	if (step->survey)
		return true;
	if (!rarr_agenda_lock(&step->ref, LW_SHARED))
		return false;
	*first = slot->running_first[priority];
	*end = rarr_queue_pos_after(&slot->running_last[priority]);
	LWLockRelease(&slot->lock);
	return rarr_queue_pos_compare(first, end) < 0;
}

/*
 * End a step.  done: the pass has visited all groups.  Does nothing if the slot
 * was reset or reassigned meanwhile.
 */
void
rarr_agenda_pass_end(const RarrPassStep *step, bool done)
{
	RarrAgendaPass *pass = &step->ref.slot->running_pass;

	if (!rarr_agenda_lock(&step->ref, LW_EXCLUSIVE))
		return;
	if (pass->under_way)
	{
		pass->under_way = !done;
		pass->priority = step->priority;
		pass->pos = step->pos;
		pass->left = step->left;
		if (done)
		{
			pass->surveyed = true;
			pg_atomic_write_u64(&step->ref.slot->first_lease, (uint64) Min(pass->left, pass->added));
		}
	}
	LWLockRelease(&step->ref.slot->lock);
}
