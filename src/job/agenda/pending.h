/*
 * pending.h
 *		Pending entries of the agenda: the jobs that a transaction makes
 *		claimable.
 */
#ifndef RARR_JOB_AGENDA_PENDING_H
#define RARR_JOB_AGENDA_PENDING_H

#include "executor/tuptable.h"
#include "utils/rel.h"

#include "base/pending.h"
#include "job/agenda/agenda.h"

/* priority of an entry without a key: policies of job types changed */
#define RARR_PENDING_POLICIES (-1)

/* The jobs of one group that exist after an outcome of a transaction. */
typedef struct RarrAgendaPending
{
	RarrPendingEntry entry;
	RarrOutcome outcome;
	RarrAgendaKey *key; /* NULL: all groups of this database, or
						 * RARR_PENDING_POLICIES */
	int priority;
	int64 jobs;                /* number of queued jobs */
	RarrQueuePos queued_first; /* position of the first one */
	RarrRunning running;
} RarrAgendaPending;

extern void rarr_agenda_pending_init(void);
extern void rarr_agenda_pending_apply(const RarrAgendaPending *entry, const RarrAgendaRef *ref);
extern void rarr_agenda_pending_job(RarrOutcome outcome, Relation jobs, TupleTableSlot *slot);
extern void rarr_agenda_pending_everything(RarrOutcome outcome);
extern void rarr_agenda_pending_policies(void);
extern bool rarr_agenda_pending_group(const RarrAgendaKey *key, int below, TimestampTz now,
									  int *priority, RarrQueuePos *pos);
extern const RarrAgendaPending *rarr_agenda_pending_entries(int *n);

#endif /* RARR_JOB_AGENDA_PENDING_H */
