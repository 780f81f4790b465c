/*
 * pending.h
 *		What a transaction owes the agenda once it is over.
 */
#ifndef RARR_JOB_AGENDA_PENDING_H
#define RARR_JOB_AGENDA_PENDING_H

#include "executor/tuptable.h"
#include "utils/rel.h"

#include "base/pending.h"
#include "job/agenda/agenda.h"

/* with a key of NULL: the policies of job types changed, and no group did */
#define RARR_PENDING_POLICIES	(-1)

/* One group that a transaction has to say something about. */
typedef struct RarrAgendaPending
{
	RarrPendingEntry entry;
	RarrOutcome outcome;
	RarrAgendaKey *key;			/* NULL: every group of this database, */
	int			priority;		/* or RARR_PENDING_POLICIES */
	bool		queued;
	RarrPlace	queued_first;			/* the first queued job */
	int64		jobs;			/* how many there are */
	bool		running;
	RarrPlace	running_first;	/* the first running job */
	RarrPlace	running_last;	/* the last one */
	TimestampTz lease;			/* the first end of a lease */
} RarrAgendaPending;

extern void rarr_agenda_pending_init(void);
extern void rarr_agenda_pending_job(RarrOutcome outcome, Relation jobs, TupleTableSlot *slot);
extern void rarr_agenda_pending_everything(RarrOutcome outcome);
extern void rarr_agenda_pending_policies(void);
extern bool rarr_agenda_pending_group(const RarrAgendaKey *key, int below, TimestampTz now,
								 int *priority, RarrPlace *place);
extern const RarrAgendaPending *rarr_agenda_pending_entries(int *n);

#endif							/* RARR_JOB_AGENDA_PENDING_H */
