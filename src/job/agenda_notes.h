/*
 * agenda_notes.h
 *		What a transaction owes the agenda once it is over.
 */
#ifndef RARR_JOB_AGENDA_NOTES_H
#define RARR_JOB_AGENDA_NOTES_H

#include "executor/tuptable.h"
#include "utils/rel.h"

#include "job/agenda.h"

/* One group that a transaction has to say something about. */
typedef struct RarrNote
{
	RarrNoteTime time;
	int			level;			/* of the subtransaction */
	RarrAgendaKey *key;			/* NULL: every group of this database */
	int			priority;
	bool		queued;
	RarrPlace	place;			/* the first queued job */
	bool		running;
	RarrPlace	running_place;	/* the first running job */
	RarrPlace	running_last;	/* the last one */
	TimestampTz lease;			/* the first end of a lease */
} RarrNote;

extern void rarr_agenda_notes_init(void);
extern void rarr_agenda_note_job(RarrNoteTime time, Relation jobs, TupleTableSlot *slot);
extern void rarr_agenda_note_everything(RarrNoteTime time);
extern bool rarr_agenda_own_look(const RarrAgendaKey *key, int below, TimestampTz now,
								 int *priority, RarrPlace *place);
extern void rarr_agenda_apply_note(const RarrNote *note);

#endif							/* RARR_JOB_AGENDA_NOTES_H */
