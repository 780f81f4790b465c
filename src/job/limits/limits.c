/*
 * limits.c
 *		How many jobs of a type may run, and how often one may start: what a
 *		dequeue has to ask.
 *
 * A dequeue that is asked for a type with limits opens it first.  Mostly
 * shared memory knows which of the type's jobs are running (running_set.c),
 * and the dequeue reserves a place there for each job before it locks it:
 * nobody waits for anybody, and an open transaction holds its own claims'
 * places only.
 *
 * Where shared memory does not know (after a start of the server, when a limit
 * is new, where there is no room or no preload), the running jobs are read
 * from the table (count.c), under a lock of the type's own.  If they fit, they
 * are put into shared memory, and that was that.  Else the dequeue keeps the
 * lock until its claims are written, and lets it go then: they can be read by
 * the next one though they are not committed.  So dequeues of such a type take
 * turns, but no transaction keeps another one waiting.
 *
 * A lapsed job that is handed on was running and is running: that needs no
 * place.  A type at its limit yields those and nothing else.
 *
 * What a transaction's end means for the limits is in pending.c.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/own_index.h"
#include "job/core/job_row.h"
#include "job/limits/count.h"
#include "job/limits/limits.h"
#include "job/limits/pending.h"

/* when a type's running jobs are read once more; see rarr_held_adopt() */
#define SETTLE_TIME		USECS_PER_SEC

/* how many times its own cost a sweep is followed by a pause, and at most how long */
#define SWEEP_PAUSE			1
#define LONGEST_SWEEP_PAUSE	(10 * USECS_PER_SEC)

/*
 * The lock under which the running jobs of a type are read.  It is of no
 * object that the server knows: its class is the table's own OID.
 */
static LOCKTAG
type_lock(Relation jobs, const RarrJobType *type)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationGetRelid(jobs),
					   hash_bytes((const unsigned char *) type->name, strlen(type->name)), 1);
	return tag;
}

/* The type is at its limit: only these may be handed on. */
static void
keep_to_lapsed(RarrLimitUse *use, const RarrRunning *running)
{
	use->only_lapsed = true;
	use->lapsed = running->lapsed;
	use->nlapsed = running->nlapsed;
	use->shut = running->nlapsed == 0;
}

/*
 * Shared memory does not know which of the type's jobs are running: read them.
 * They are put there, or else the lock is kept, and counts.
 *
 * A policy that this transaction wrote is its own affair until it commits: the
 * others claim by the old one, or without a limit, and what is read now would
 * miss what they claim before they know of the new one.  So nothing is put into
 * shared memory for it; and the set is forgotten, lest others who hold it to be
 * complete miss the claims that are made here.
 *
 * Where this session holds the lock already, a trigger that a claim of the type
 * fires asks for another one: there is none to be had.
 */
static void
read_running(RarrLimitUse *use, RarrTable *jobs, TimestampTz now)
{
	LOCKTAG		tag = type_lock(jobs->rel, use->type);
	RarrLimitState state = {0};
	RarrRunning running;
	bool		own = use->counts && rarr_job_type_is_uncommitted(use->type);
	bool		has_slot;

	if (LockAcquire(&tag, ExclusiveLock, false, false) == LOCKACQUIRE_ALREADY_HELD)
	{
		LockRelease(&tag, ExclusiveLock, false);
		use->shut = true;
		return;
	}
	if (own && use->ref.slot >= 0)
		rarr_held_forget(&use->ref);
	has_slot = rarr_held_state(&use->ref, use->type, now, &state);
	use->by_lock = !has_slot || own;
	use->left = INT_MAX;
	if (use->type->max_running > 0 && (!has_slot || !state.counted))
	{
		int64		settle_at = state.settling ? PG_INT64_MAX : rarr_monotonic_now() + SETTLE_TIME;

		rarr_running_read(jobs->rel, rarr_table_index(jobs, &rarr_job_dequeue_index), use->type->name,
						  now, &running);
		if (has_slot && !own)
			use->by_lock = !rarr_held_adopt(&use->ref, use->type, running.jobs, running.n,
											state.forgotten, settle_at);
		if (use->by_lock)
			use->left = use->type->max_running - running.n - state.pending;
	}
	if (use->by_lock)
		rarr_held_reclaim();
	else
		LockRelease(&tag, ExclusiveLock, false);
	if (use->by_lock && use->left <= 0)
		keep_to_lapsed(use, &running);
	rarr_held_warn_full();
}

/* The type may be at its limit: look whether it is, and what has lapsed. */
static void
sweep(RarrLimitUse *use, RarrTable *jobs, const RarrLimitState *state, TimestampTz now)
{
	int			n = state->held;
	RarrHeldJob *held = palloc_extended(n * sizeof(RarrHeldJob), MCXT_ALLOC_HUGE);
	int64		start = rarr_monotonic_now();
	RarrRunning running;
	int64		pause;
	int			gone;

	use->shut = state->held >= use->type->max_running;
	if (!rarr_held_begin_sweep(&use->ref, start, held, &n))
		return;
	gone = rarr_running_look(jobs->rel, rarr_table_index(jobs, &rarr_job_id_index), use->type->name,
							 held, n, now, &running);
	pause = (rarr_monotonic_now() - start) * SWEEP_PAUSE;
	rarr_held_end_sweep(&use->ref, held, gone, running.lapse, start,
						start + Min(pause, LONGEST_SWEEP_PAUSE));
	if (state->held - gone >= use->type->max_running)
		keep_to_lapsed(use, &running);
	else
		use->shut = false;
}

/*
 * What this type, which has limits, may yield to a dequeue; NULL if it has
 * none.  Waits for nothing but other dequeues' claims of the type, and for
 * these only where shared memory does not know.
 */
RarrLimitUse *
rarr_limits_open(RarrTable *jobs, const RarrJobType *type, TimestampTz now)
{
	RarrLimitState state = {0};
	RarrLimitUse *use;
	bool		has_slot;

	if (type->max_running == 0 && type->rate_limit == 0)
		return NULL;
	use = palloc0(sizeof(RarrLimitUse));
	use->type = type;
	use->counts = type->max_running > 0;
	use->note = -1;

	/* what would be read there is not what there is if this transaction aborts */
	use->shut = type->max_running > 0 && rarr_has_new_file(jobs->rel);
	if (use->shut)
		return use;
	use->ref = rarr_held_find(RelationGetRelid(jobs->rel), type, true);
	has_slot = rarr_held_state(&use->ref, type, now, &state);
	use->shut = has_slot && state.token_at > now;
	if (use->shut || (has_slot && type->max_running == 0))
		return use;
	if (!has_slot || !state.counted)
	{
		read_running(use, jobs, now);
		has_slot = rarr_held_state(&use->ref, type, now, &state);
	}
	if (use->by_lock || use->shut)
		return use;
	if ((state.held >= type->max_running || state.doubtful) && state.sweep_at <= now)
		sweep(use, jobs, &state, now);
	else
		use->shut = state.held >= type->max_running;
	return use;
}

/*
 * The dequeue has written all that it claims.
 */
void
rarr_limits_close(RarrTable *jobs, RarrLimitUse *use)
{
	LOCKTAG		tag;

	if (use == NULL || !use->by_lock)
		return;
	rarr_rate_close(&use->rate);
	tag = type_lock(jobs->rel, use->type);
	LockRelease(&tag, ExclusiveLock, false);
}

/*
 * May this job, which is not locked yet, be handed out?  It then counts as
 * running from now on, until rarr_limits_cancel_reservation() or the transaction's abort.
 */
bool
rarr_limits_reserve(RarrLimitUse *use, TupleTableSlot *job)
{
	int			note;

	use->running = rarr_job_status(job) == JOB_RUNNING;
	use->note = -1;
	if (use->only_lapsed && !use->running)
		return false;
	if (use->by_lock && !use->running && use->left <= 0)
		return false;
	if (use->ref.slot < 0)
	{
		use->token = use->type->rate_limit > 0;
		return !use->token || rarr_rate_take(&use->rate, use->type);
	}

	/* memory before the reservation: nothing may fail between it and its note */
	note = rarr_limits_pending_prepare(&use->ref);
	if (rarr_held_reserve(&use->ref, use->type, use->running || use->by_lock,
						  &use->job, &use->token) != RARR_RESERVED)
	{
		rarr_limits_pending_drop(note);
		rarr_held_warn_full();
		return false;
	}
	rarr_limits_pending_claim(note, &use->job, use->token, use->by_lock && !use->running);
	use->note = note;
	return true;
}

/*
 * The job is locked, and its latest version is in the slot: it is about to be
 * handed out, under a lease that ends then.  False if it cannot be, since it
 * is no more what it was.
 */
bool
rarr_limits_bind(RarrLimitUse *use, TupleTableSlot *job, TimestampTz lease_end)
{
	if (use->running && rarr_job_status(job) != JOB_RUNNING)
		return false;
	if (use->note >= 0)
		rarr_limits_pending_bind(use->note, rarr_job_id(job),
							  DatumGetInt32(rarr_job_value(job, JOB_ATTEMPT)) + 1, lease_end);
	return true;
}

/*
 * The job was handed out.
 */
void
rarr_limits_confirm_reservation(RarrLimitUse *use)
{
	if (use->by_lock && !use->running)
		use->left--;
}

/*
 * The job was not handed out.
 */
void
rarr_limits_cancel_reservation(RarrLimitUse *use)
{
	if (use->ref.slot < 0 && use->token)
		rarr_rate_return(&use->rate);
	if (use->note < 0)
		return;
	rarr_limits_pending_undo(use->note);
	use->note = -1;
}

/*
 * A dequeue has written its claims of this type, whose max_running it did not
 * ask for, since there was none when it began (use, if not NULL, says so).  If
 * there is one by now, whoever read which jobs are running may have missed
 * them.
 */
void
rarr_limits_check_late(Oid table, const RarrJobType *type, const RarrLimitUse *use)
{
	const RarrJobType *policy;
	RarrLimitRef ref;

	if ((use != NULL && use->counts) || !rarr_held_any())
		return;
	policy = rarr_job_type_find(type->name, strlen(type->name));
	if (policy == NULL || policy->max_running == 0)
		return;
	ref = rarr_held_find(table, policy, false);
	if (ref.slot >= 0)
		rarr_limits_pending_late(&ref);
}

TimestampTz
rarr_limits_yield_at(Oid table, const RarrJobType *type, TimestampTz now)
{
	TimestampTz at = DT_NOBEGIN;
	RarrLimitState state;
	RarrLimitRef ref;

	if (type->paused)
		return DT_NOEND;
	if (type->max_running == 0 && type->rate_limit == 0)
		return DT_NOBEGIN;
	ref = rarr_held_find(table, type, false);
	if (!rarr_held_state(&ref, type, now, &state))
		return DT_NOBEGIN;
	if (type->max_running > 0 && !state.counted)
		return DT_NOBEGIN;
	if (type->max_running > 0 && state.held >= type->max_running)
		at = state.sweep_at;
	return Max(at, state.token_at);
}

