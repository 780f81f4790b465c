/*
 * agenda.h
 *		Lower bounds of the claimable jobs of each type and priority.
 */
#ifndef RARR_JOB_AGENDA_AGENDA_H
#define RARR_JOB_AGENDA_AGENDA_H

#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "utils/uuid.h"

#include "base/shmem.h"
#include "base/slot_registry.h"
#include "job/core/job_type.h"
#include "job/core/queue_pos.h"

/* The outcome of a transaction at which a pending entry is applied. */
typedef enum RarrOutcome
{
	RARR_AT_COMMIT, /* the new version of a job exists */
	RARR_AT_ABORT,  /* the old version exists again */
	RARR_OUTCOMES
} RarrOutcome;

/* The verifier scans of a type; see verify.c. */
typedef enum RarrVerifierKind
{
	RARR_VERIFY_LAPSES,     /* visits running jobs, for lapsed leases */
	RARR_VERIFY_EVERYTHING, /* visits all jobs before the bounds */
	RARR_VERIFIER_SCANS
} RarrVerifierKind;

/* When a scan takes its next step.  Times by rarr_monotonic_now(). */
typedef struct RarrVerifierSchedule
{
	pg_atomic_uint64 last_step; /* start of the last step */
	pg_atomic_uint64 pause;     /* microseconds from there to the next step */
	pg_atomic_uint64 resting;   /* 1 between two rounds, otherwise 0 */
} RarrVerifierSchedule;

/*
 * The state of a verifier scan between its steps.  A round visits the groups
 * of a type from the highest priority down.
 */
typedef struct RarrVerifierScan
{
	bool under_way;   /* a round has begun and has not ended */
	int priority;     /* where the next step begins: group, */
	RarrQueuePos pos; /* and position in it */

	/* of the scan for lapses: running jobs of the group that it has entered */
	int group;                /* the group's priority, or -1 */
	RarrQueuePos seen_last;   /* the last one that it visited */
	RarrQueuePos added_last;  /* the last one added since it entered */
	RarrQueuePos added_first; /* the first one added since the last step */

	TimestampTz lapse;       /* earliest end of a lease seen in the round */
	TimestampTz added_lapse; /* the same of leases added since it began */
	TimestampTz last_round;  /* when the last round ended */
} RarrVerifierScan;

/* A pass over the running jobs of a type, between its steps; see running.c. */
typedef struct RarrAgendaPass
{
	bool surveyed;     /* the slot knows all running jobs */
	bool under_way;    /* a pass has begun and has not ended */
	bool survey;       /* it is a survey */
	int priority;      /* where the next step begins: group, */
	RarrQueuePos pos;  /* and position in it */
	TimestampTz left;  /* earliest end of a lease that the pass has left */
	TimestampTz added; /* the same of leases added since it began */
} RarrAgendaPass;

/*
 * A slot: what the agenda knows of a job type of a database.
 *
 * Values of groups are in arrays by priority, so that the search for the
 * highest priority with a due job reads little memory.  The fields that an
 * idle worker reads for each type are the first ones.
 */
typedef struct RarrAgendaSlot
{
	RarrSlot head;
	pg_atomic_uint64 next_due;   /* least of bound_at[] */
	pg_atomic_uint64 next_lapse; /* no lease ends before this */
	RarrVerifierSchedule schedules[RARR_VERIFIER_SCANS];

	LWLock lock; /* protects all fields that are not atomic */

	/* lower bounds: no job of a group can be claimed before its bound */
	TimestampTz bound_at[RARR_PRIORITIES];
	pg_uuid_t bound_id[RARR_PRIORITIES];
	uint64 lower_count[RARR_PRIORITIES]; /* grows when a job becomes
										  * claimable */

	/* a running job before its group's bound is in this range, inclusive */
	RarrQueuePos running_first[RARR_PRIORITIES];
	RarrQueuePos running_last[RARR_PRIORITIES];

	pg_atomic_uint64 pass; /* of stride scheduling; see job/README.md */

	/* the backend that takes a step of a scan; see take_turn() in verify.c */
	uint64 turn;                 /* number of its turn, or 0 */
	uint64 turns;                /* number of the last turn */
	pg_atomic_uint64 turn_alive; /* time of its last progress, by
								  * rarr_monotonic_now() */
	RarrVerifierScan scans[RARR_VERIFIER_SCANS];

	pg_atomic_uint64 first_lease; /* no running job's lease ends before this */
	RarrAgendaPass running_pass;

	/* counts for agenda_status() */
	uint64 advanced[RARR_PRIORITIES]; /* a claim advanced the bound, */
	uint64 refused[RARR_PRIORITIES];  /* or lower_count had grown */
	uint64 found[RARR_PRIORITIES];    /* a scan lowered the bound */
} RarrAgendaSlot;

/* A backend's handle on a slot. */
typedef struct RarrAgendaRef
{
	RarrAgendaSlot *slot;
	uint64 generation; /* stale if the slot has another one */
} RarrAgendaRef;

/* A backend's key of a type: its name and table, and what it knows of it. */
typedef struct RarrAgendaKey
{
	RarrSlotKey head;
	RarrAgendaRef ref; /* its slot, if it had one */
	bool absent;       /* it had no slot, */
	uint64 absent_at;  /* after so many changes of the registry */
	int64 window;      /* see enter_group() in stream.c */
} RarrAgendaKey;

/* A copy of a group's bound, read before a claim takes its snapshot. */
typedef struct RarrAgendaView
{
	int priority;
	RarrQueuePos bound;
	uint64 lower_count; /* for rarr_agenda_advance_bound() */
} RarrAgendaView;

/*
 * Wake sleepers for up to `jobs` jobs of a slot's type that may have become
 * claimable, from the time `at` on.  With a ref of NULL, wake all sleepers of
 * this database.  Cannot fail.  Set by job/wait while the library is preloaded.
 */
extern void (*rarr_agenda_wake)(const RarrAgendaRef *ref, TimestampTz at, int64 jobs);

/*
 * Called when first_lease of a slot becomes earlier.  Cannot fail.  Set by
 * rescue.c.
 */
extern void (*rarr_agenda_lease_added)(TimestampTz lease);

extern const RarrShmemPart rarr_agenda_part;
extern bool rarr_agenda_is_there(void);

extern RarrAgendaKey *rarr_agenda_key(Oid table, const text *name);
extern RarrAgendaKey *rarr_agenda_type_key(Oid table, const RarrJobType *type);
extern const RarrAgendaRef *rarr_agenda_ref(RarrAgendaKey *key, bool create);
extern bool rarr_agenda_find(Oid table, const char *name, bool create, RarrAgendaRef *ref);
extern bool rarr_agenda_lock(const RarrAgendaRef *ref, LWLockMode mode);

extern TimestampTz rarr_agenda_next_due(const RarrAgendaRef *ref);
extern int rarr_agenda_index(const RarrAgendaRef *ref);
extern RarrAgendaSlot *rarr_agenda_slot(int index);
extern bool rarr_agenda_next_group(const RarrAgendaRef *ref, int below, TimestampTz now, RarrAgendaView *view);
extern bool rarr_agenda_group(const RarrAgendaRef *ref, int priority, RarrAgendaView *view);
extern void rarr_agenda_advance_bound(const RarrAgendaRef *ref, const RarrAgendaView *view, const RarrQueuePos *pos);
extern void rarr_agenda_lower_bound(const RarrAgendaRef *ref, int priority, const RarrQueuePos *pos, int64 jobs);
extern void rarr_agenda_notify(RarrAgendaKey *key);
extern void rarr_agenda_add_running(const RarrAgendaRef *ref, int priority, const RarrRunning *running);
extern void rarr_agenda_forget_all(void);
extern void rarr_agenda_forget_database(Oid database);
extern bool rarr_agenda_copy(int i, RarrAgendaSlot *copy, char *name);

#endif /* RARR_JOB_AGENDA_AGENDA_H */
