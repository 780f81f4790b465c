/*
 * agenda.h
 *		Where the next job of each type and priority can be, in shared memory.
 */
#ifndef RARR_JOB_AGENDA_AGENDA_H
#define RARR_JOB_AGENDA_AGENDA_H

#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "utils/uuid.h"

#include "job/core/job_type.h"
#include "job/core/queue_pos.h"

/* When a note is to be acted upon; see pending.c. */
typedef enum RarrOutcome
{
	RARR_AT_COMMIT,				/* the version that a change makes */
	RARR_AT_ABORT,				/* the version that comes back */
	RARR_OUTCOMES
} RarrOutcome;

typedef enum RarrVerifierKind
{
	RARR_VERIFY_LAPSES,			/* where jobs are running, for leases that ended */
	RARR_VERIFY_EVERYTHING,		/* for what slipped past */
	RARR_VERIFIER_SCANS
} RarrVerifierKind;

/* When a walk takes its next step; times by rarr_monotonic_now(). */
typedef struct RarrVerifierSchedule
{
	pg_atomic_uint64 last_step; /* when the last one began */
	pg_atomic_uint64 pause;		/* microseconds from there to the next one */
	pg_atomic_uint64 resting;	/* 1 between two rounds, else 0 */
} RarrVerifierSchedule;

/* A walk over a type's groups, in rounds of steps: see verify.c. */
typedef struct RarrVerifierScan
{
	bool		under_way;		/* a round has begun and is not at its end */
	int			priority;		/* where the next step goes on */
	RarrPlace	place;
	int			group;			/* priority of the group that it is in, or -1 */
	RarrPlace	seen_last;		/* the last job that it saw running there, */
	RarrPlace	added_last;		/* that was noted since it entered it, */
	RarrPlace	added_first;	/* and the first one since its last step began */
	TimestampTz lapse;			/* least lease that the round saw */
	TimestampTz added_lapse;	/* least lease noted since it began */
	TimestampTz last_round;		/* the last one's last step, for agenda_status() */
} RarrVerifierScan;

/*
 * A job type of a database, in shared memory.  What is due is in arrays by
 * priority, so that looking for the highest one reads little memory; and what an
 * idle worker looks at, of every type, stands together at the beginning.
 */
typedef struct RarrAgendaSlot
{
	uint64		incarnation;	/* of the slot; 0 while it is free */
	pg_atomic_uint64 next_due;	/* least of bound_at[] */
	pg_atomic_uint64 next_lapse;	/* no running job's lease ends before this */
	RarrVerifierSchedule schedules[RARR_VERIFIER_SCANS];

	LWLock		lock;			/* over all that is not atomic */
	Oid			database;
	Oid			table;			/* processing_jobs */
	char		name[RARR_TYPE_NAME_MAX + 1];

	/* No job of a priority can be handed out before its place. */
	TimestampTz bound_at[RARR_PRIORITIES];
	pg_uuid_t	bound_id[RARR_PRIORITIES];
	uint64		lower_count[RARR_PRIORITIES];	/* grows when a place is lowered */

	/* No job that is before its group's place is running outside of these. */
	RarrPlace	running_first[RARR_PRIORITIES];
	RarrPlace	running_last[RARR_PRIORITIES];

	pg_atomic_uint64 pass;		/* whose turn it is, by weight; see stream.c */

	/* Whose step of a walk is under way: see take_turn() in verify.c. */
	uint64		turn;			/* its number, or 0 */
	uint64		turns;			/* how many were given out */
	pg_atomic_uint64 turn_alive;	/* when it last made progress, by
									 * rarr_monotonic_now() */
	RarrVerifierScan scans[RARR_VERIFIER_SCANS];

	/* What happened, for agenda_status() */
	uint64		advanced[RARR_PRIORITIES];
	uint64		refused[RARR_PRIORITIES];
	uint64		found[RARR_PRIORITIES];
} RarrAgendaSlot;

/* A backend's handle on a slot; stale once the slot was given away. */
typedef struct RarrAgendaRef
{
	RarrAgendaSlot *slot;
	uint64		incarnation;
} RarrAgendaRef;

/* A type's name and table, as this backend knows them; lives as long as it. */
typedef struct RarrAgendaKey
{
	struct RarrAgendaKey *next;
	Oid			table;
	RarrAgendaRef ref;
	bool		absent;			/* it had no slot, */
	uint64		absent_at;		/* when so many incarnations were given out */
	int64		window;			/* see enter_group() in stream.c */
	char		name[FLEXIBLE_ARRAY_MEMBER];
} RarrAgendaKey;

/* What a claim was told about a group. */
typedef struct RarrAgendaView
{
	int			priority;
	RarrPlace	bound;			/* nothing can be handed out before it */
	uint64		lower_count;		/* for rarr_agenda_advance_bound */
} RarrAgendaView;

/*
 * Called, if it is set, for whoever waits for jobs: so many jobs of a type can be
 * handed out from this time on; ref is NULL when that may be true of any type of
 * this database.  Must not fail.
 */
extern void (*rarr_agenda_wake_hook) (const RarrAgendaRef *ref, TimestampTz at, int64 jobs);

extern void rarr_agenda_wake(const RarrAgendaRef *ref, TimestampTz at, int64 jobs);
extern void rarr_agenda_init(void);
extern bool rarr_agenda_is_there(void);

extern RarrAgendaKey *rarr_agenda_key(Oid table, const char *name, int len);
extern const RarrAgendaRef *rarr_agenda_ref(RarrAgendaKey *key, bool create);
extern bool rarr_agenda_find(Oid table, const char *name, bool create, RarrAgendaRef *ref);
extern bool rarr_agenda_lock(const RarrAgendaRef *ref, LWLockMode mode);
extern void rarr_agenda_unlock(const RarrAgendaRef *ref);

extern TimestampTz rarr_agenda_next_due(const RarrAgendaRef *ref);
extern int	rarr_agenda_index(const RarrAgendaRef *ref);
extern RarrAgendaSlot *rarr_agenda_slot(int index);
extern bool rarr_agenda_next_group(const RarrAgendaRef *ref, int below, TimestampTz now, RarrAgendaView *view);
extern bool rarr_agenda_group(const RarrAgendaRef *ref, int priority, RarrAgendaView *view);
extern void rarr_agenda_advance_bound(const RarrAgendaRef *ref, const RarrAgendaView *view, const RarrPlace *place);
extern void rarr_agenda_lower_bound(const RarrAgendaRef *ref, int priority, const RarrPlace *place, int64 jobs);
extern void rarr_agenda_notify(RarrAgendaKey *key);
extern void rarr_agenda_add_running(const RarrAgendaRef *ref, int priority, const RarrPlace *first,
									 const RarrPlace *last, TimestampTz lease);
extern void rarr_agenda_forget_all(void);
extern void rarr_agenda_forget_database(Oid database);

#endif							/* RARR_JOB_AGENDA_AGENDA_H */
