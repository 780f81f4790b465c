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
#define RARR_NOTE_POLICIES	(-1)

/* One group that a transaction has to say something about. */
typedef struct RarrNote
{
	RarrPendingEntry entry;
	RarrNoteTime time;
	RarrAgendaKey *key;			/* NULL: every group of this database, */
	int			priority;		/* or RARR_NOTE_POLICIES */
	bool		queued;
	RarrPlace	place;			/* the first queued job */
	int64		jobs;			/* how many there are */
	bool		running;
	RarrPlace	running_place;	/* the first running job */
	RarrPlace	running_last;	/* the last one */
	TimestampTz lease;			/* the first end of a lease */
} RarrNote;

extern void rarr_agenda_notes_init(void);
extern void rarr_agenda_note_job(RarrNoteTime time, Relation jobs, TupleTableSlot *slot);
extern void rarr_agenda_note_everything(RarrNoteTime time);
extern void rarr_agenda_note_policies(void);
extern bool rarr_agenda_own_look(const RarrAgendaKey *key, int below, TimestampTz now,
								 int *priority, RarrPlace *place);
extern const RarrNote *rarr_agenda_pending_notes(int *n);

#endif							/* RARR_JOB_AGENDA_PENDING_H */
