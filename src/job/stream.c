/*
 * stream.c
 *		Streams: the claimable jobs of one type, in the order of the claim.
 *
 * README.md explains how a stream visits its groups, and how types of different
 * weights take turns.
 */
#include "postgres.h"

#include "access/relscan.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "job/agenda/pending.h"
#include "job/core/job_row.h"
#include "job/stream.h"

/* how far a scan for few jobs reads, in microseconds; see enter_group() */
#define INITIAL_WINDOW 1000
#define MAX_WINDOW     USECS_PER_DAY

/* how much a job of a type of weight 1 increases the pass */
#define FULL_STRIDE (UINT64CONST(1) << 30)

/* how many strides behind a pass counts at most; if a type always has jobs, its
 * pass is never that far behind */
#define MAX_STRIDES_BEHIND 2

/*
 * Choose the next group, with a priority less than `below`.  The agenda does
 * not know yet what this transaction makes available, so that its pending
 * entries are consulted as well.
 */
static void
choose_group(RarrStream *stream, int below)
{
	RarrQueuePos own_pos;
	int own;
	bool found;

	stream->entered = false;
	stream->blocked = false;
	stream->running.any = false;
	stream->passed = rarr_first_queue_pos;
	if (stream->lapsed != NULL)
	{
		stream->ended = stream->nlapsed == 0;
		if (!stream->ended)
		{
			stream->view.priority = stream->lapsed->priority;
			stream->view.bound = stream->lapsed->pos;
			stream->lapsed++;
			stream->nlapsed--;
		}
		return;
	}
	if (stream->ref == NULL)
	{
		stream->view.priority = below - 1;
		stream->ended = below <= 0;
		return;
	}
	found = rarr_agenda_next_group(stream->ref, below, stream->now, &stream->view);
	stream->ended = !found;
	if (!rarr_agenda_pending_group(stream->key, below, stream->now, &own, &own_pos) ||
		(found && own < stream->view.priority))
		return;
	if (!found || own > stream->view.priority)
		stream->ended = !rarr_agenda_group(stream->ref, own, &stream->view);
	if (!stream->ended && rarr_queue_pos_compare(&own_pos, &stream->view.bound) < 0)
		stream->view.bound = own_pos;
}

/*
 * Open a stream of the jobs of a type that can be claimed at `now`.  jobs and
 * index: processing_jobs and its dequeue index; limit: the result of
 * rarr_limits_open(); few: the caller wants only a few jobs.
 *
 * If the type has reached max_running, the stream has the lapsed jobs that
 * limit lists: the claim of a lapsed job does not increase the number of
 * running jobs.
 *
 * The stream uses the active snapshot for its first group.  The caller must
 * take that snapshot after this call, because the view of the agenda must be
 * older.
 *
 * Returns false if it is known that there are no such jobs.  Then the stream is
 * not open.
 */
bool
rarr_stream_open(RarrStream *stream, Relation jobs, Relation index, const RarrJobType *type,
				 RarrLimitUse *limit, TimestampTz now, bool few)
{
	const RarrAgendaRef *ref;

	if (limit != NULL && limit->closed)
		return false;
	memset(stream, 0, sizeof(RarrStream));
	stream->type = type;
	stream->limit = limit;
	stream->key = rarr_agenda_type_key(RelationGetRelid(jobs), type);
	ref = rarr_agenda_ref(stream->key, true);
	if (ref != NULL)
	{
		stream->own_ref = *ref;
		stream->ref = &stream->own_ref;
	}
	stream->now = now;
	stream->few = few;
	if (limit != NULL && limit->only_lapsed)
	{
		stream->lapsed = limit->lapsed;
		stream->nlapsed = limit->nlapsed;
	}
	else
		stream->may_advance = stream->ref != NULL && !IsolationUsesXactSnapshot();
	choose_group(stream, RARR_PRIORITIES);
	if (stream->ended)
		return false;
	rarr_dequeue_scan_init(&stream->scan, jobs, index, type->name);
	stream->slot = table_slot_create(jobs, NULL);
	return true;
}

/* End the scan of the current group. */
static void
end_scan(RarrStream *stream)
{
	rarr_dequeue_scan_end(&stream->scan);
	if (stream->own_snapshot)
		UnregisterSnapshot(stream->snapshot);
	stream->own_snapshot = false;
}

/*
 * Begin the scan of the current group.  Each group but the first has a
 * snapshot of its own.
 *
 * A B-tree scan compares the keys of all entries up to the end of a leaf page
 * before it returns the first one, and a hundred comparisons cost more than
 * the rest of a claim.  So a scan for a few jobs has an upper bound, which is
 * the lower bound's available_at plus a window.  next_job() adapts the window
 * to the density of the jobs.
 */
static void
enter_group(RarrStream *stream)
{
	const RarrQueuePos *pos = &stream->view.bound;

	/* The snapshot must be newer than the view of the agenda. */
	if (stream->snapshot == NULL || IsolationUsesXactSnapshot() || stream->ref == NULL)
		stream->snapshot = GetActiveSnapshot();
	else
	{
		stream->snapshot = RegisterSnapshot(GetLatestSnapshot());
		stream->own_snapshot = true;
	}
	stream->entered = true;
	stream->until = DT_NOEND;
	if (stream->lapsed != NULL)
	{
		stream->until = pos->at;
		rarr_dequeue_scan_group(&stream->scan, stream->snapshot, stream->view.priority, pos, pos->at);
		return;
	}
	if (stream->ref == NULL)
	{
		rarr_dequeue_scan_below(&stream->scan, stream->snapshot, stream->view.priority + 1);
		return;
	}
	if (stream->key->window == 0)
		stream->key->window = INITIAL_WINDOW;
	if (stream->few && !TIMESTAMP_NOT_FINITE(pos->at) &&
		stream->now - pos->at > stream->key->window)
		stream->until = pos->at + stream->key->window;
	rarr_dequeue_scan_group(&stream->scan, stream->snapshot, stream->view.priority, pos, stream->until);
}

/*
 * Get the next job of the group, due or not.  Returns false at the end of the
 * group.  Each job found within the window makes the window a little smaller;
 * if none is found, the window becomes larger and the scan continues without
 * it.
 */
static bool
next_job(RarrStream *stream)
{
	RarrQueuePos behind = {stream->until + 1, {{0}}};

	if (stream->lapsed != NULL)
		return rarr_dequeue_scan_next_job(&stream->scan, stream->slot) &&
			   rarr_job_status(stream->slot) == JOB_RUNNING &&
			   memcmp(rarr_job_id(stream->slot), &stream->view.bound.id, UUID_LEN) == 0;
	if (rarr_dequeue_scan_next_job(&stream->scan, stream->slot))
	{
		if (stream->until != DT_NOEND)
			stream->key->window = Max(stream->key->window - stream->key->window / 64, 64);
		return true;
	}
	if (stream->until == DT_NOEND)
		return false;
	stream->key->window = Min(stream->key->window * 4, MAX_WINDOW);
	stream->until = DT_NOEND;
	rarr_dequeue_scan_group(&stream->scan, stream->snapshot, stream->view.priority, &behind, DT_NOEND);
	return rarr_dequeue_scan_next_job(&stream->scan, stream->slot);
}

/*
 * Leave the group: advance its bound to `end`, or to `passed` if blocked.
 *
 * A designated waker (wait/README.md) that saw a due job before may not know when
 * the next one falls due, so it is notified.
 */
static void
leave_group(RarrStream *stream, const RarrQueuePos *end)
{
	if (!stream->may_advance || !stream->entered)
		return;
	if (stream->blocked)
		end = &stream->passed;
	rarr_agenda_advance_bound(stream->ref, &stream->view, end);
	if (end->at > stream->now && end->at != DT_NOEND)
		rarr_agenda_wake(stream->ref, end->at, 0);

	/* Not earlier: a verifier scan up to the old bound would remove it. */
	if (stream->running.any)
		rarr_agenda_add_running(stream->ref, stream->view.priority, &stream->running);
}

/*
 * Advance to the next due job of the group.  If there is none, choose the next
 * group, without entering it.
 */
static void
advance(RarrStream *stream)
{
	RarrQueuePos end = rarr_last_queue_pos;
	int priority = stream->view.priority;

	while (next_job(stream))
	{
		if (rarr_job_due_at(stream->slot) <= stream->now)
		{
			stream->view.priority = rarr_job_int(stream->slot, JOB_PRIORITY);
			if (!stream->blocked)
				stream->passed = rarr_job_queue_pos(stream->slot);
			return;
		}
		if (rarr_job_status(stream->slot) == JOB_RUNNING)
		{
			RarrRunning job = rarr_job_running(stream->slot);

			rarr_running_add(&stream->running, &job);
		}
		if (rarr_job_time(stream->slot, JOB_AVAILABLE_AT) > stream->now)
		{
			end = rarr_job_queue_pos(stream->slot);
			priority = rarr_job_int(stream->slot, JOB_PRIORITY);
			break;
		}
	}
	/* without the agenda, the scan has ended with the last group */
	if (stream->ref == NULL && TTS_EMPTY(stream->slot))
		priority = 0;
	ExecClearTuple(stream->slot);
	leave_group(stream, &end);
	end_scan(stream);
	choose_group(stream, priority);
}

/* Is a's next job before b's, by priority and queue position? */
static bool
precedes(const RarrStream *a, const RarrStream *b)
{
	RarrQueuePos pos_a;
	RarrQueuePos pos_b;

	if (a->view.priority != b->view.priority)
		return a->view.priority > b->view.priority;
	pos_a = rarr_job_queue_pos(a->slot);
	pos_b = rarr_job_queue_pos(b->slot);
	return rarr_queue_pos_compare(&pos_a, &pos_b) < 0;
}

/* How much a claimed job increases the pass of its type. */
static uint64
stride_of(const RarrStream *stream)
{
	return FULL_STRIDE / stream->type->weight;
}

static uint64
read_pass(const RarrStream *stream)
{
	if (stream->ref != NULL)
		return pg_atomic_read_u64(&stream->ref->slot->pass);
	return stream->type->pass;
}

/* Is pass a less than pass b?  They may wrap around. */
static bool
is_before(uint64 a, uint64 b)
{
	return (int64) (a - b) < 0;
}

/* Does the stream have a job of the same priority as `first`? */
static bool
competes(const RarrStream *stream, const RarrStream *first)
{
	return !stream->ended && stream->entered && stream->view.priority == first->view.priority;
}

/*
 * Return the greatest pass of the competing streams, and set their greatest
 * stride.
 */
static uint64
foremost_pass(RarrStream *streams, int n, const RarrStream *first, uint64 *stride)
{
	uint64 foremost = read_pass(first);

	*stride = stride_of(first);
	for (int i = 0; i < n; i++)
	{
		uint64 pass;

		if (!competes(&streams[i], first))
			continue;
		pass = read_pass(&streams[i]);
		if (is_before(foremost, pass))
			foremost = pass;
		*stride = Max(*stride, stride_of(&streams[i]));
	}
	return foremost;
}

/*
 * Choose the stream whose turn it is, among those that have a job of the same
 * priority as `first`, which has the job with the least queue position.
 */
static RarrStream *
choose_share(RarrStream *streams, int n, RarrStream *first)
{
	uint64 stride;
	uint64 least;
	int competitors = 0;
	bool equal = true;
	RarrStream *chosen = first;

	first->contended = false;
	for (int i = 0; i < n; i++)
	{
		if (!competes(&streams[i], first))
			continue;
		competitors++;
		equal &= streams[i].type->weight == first->type->weight;
	}
	if (competitors < 2 || equal)
		return first;

	least = foremost_pass(streams, n, first, &stride) - MAX_STRIDES_BEHIND * stride;
	for (int i = 0; i < n; i++)
	{
		RarrStream *stream = &streams[i];

		if (!competes(stream, first))
			continue;
		stream->contended = true;
		stream->pass_read = read_pass(stream);
		stream->pass = is_before(stream->pass_read, least) ? least : stream->pass_read;
	}
	for (int i = 0; i < n; i++)
		if (competes(&streams[i], first) && is_before(streams[i].pass, chosen->pass))
			chosen = &streams[i];
	return chosen;
}

/*
 * Return the stream with the next job to claim, or NULL if there are no more
 * jobs.  A stream enters its group only if no other stream has a job of a
 * higher priority.
 */
RarrStream *
rarr_streams_first(RarrStream *streams, int n)
{
	for (;;)
	{
		RarrStream *first = NULL;
		RarrStream *to_enter = NULL;

		for (int i = 0; i < n; i++)
		{
			RarrStream *stream = &streams[i];

			if (stream->ended)
				continue;
			if (!stream->entered)
			{
				if (to_enter == NULL || stream->view.priority > to_enter->view.priority)
					to_enter = stream;
			}
			else if (first == NULL || precedes(stream, first))
				first = stream;
		}
		if (to_enter == NULL ||
			(first != NULL && first->view.priority > to_enter->view.priority))
			return first == NULL || n == 1 ? first : choose_share(streams, n, first);
		enter_group(to_enter);
		advance(to_enter);
	}
}

/*
 * Charge a claimed job to the type of the stream that rarr_streams_first()
 * returned: increase the pass, if other types competed.
 */
void
rarr_stream_charge(RarrStream *stream)
{
	uint64 expected = stream->pass_read;
	uint64 moved = stream->pass + stride_of(stream);

	if (!stream->contended)
		return;
	if (stream->ref == NULL)
		unconstify(RarrJobType *, stream->type)->pass = moved;

	/* Another claim was faster, and has brought the pass up to date. */
	else if (!pg_atomic_compare_exchange_u64(&stream->ref->slot->pass, &expected, moved))
		pg_atomic_fetch_add_u64(&stream->ref->slot->pass, stride_of(stream));
}

/*
 * The stream's job was claimed, or can be claimed by nobody for now: let the
 * bound advance past it.  go_on: advance to the next job.
 */
void
rarr_stream_passed(RarrStream *stream, bool go_on)
{
	if (!stream->blocked)
	{
		RarrQueuePos pos = rarr_job_queue_pos(stream->slot);

		stream->passed = rarr_queue_pos_after(&pos);
	}
	if (go_on)
		advance(stream);
}

/*
 * The stream's job was not claimed, and may become claimable without notice:
 * advance to the next job, but do not let the bound advance past this one.
 */
void
rarr_stream_blocked(RarrStream *stream)
{
	stream->blocked = true;
	advance(stream);
}

/*
 * The type has reached a limit: end the stream, and do not let the bound
 * advance past its due jobs.
 */
void
rarr_stream_stop(RarrStream *stream)
{
	stream->blocked = true;
	stream->ended = true;
}

/* Close a stream: leave its group and free its resources. */
void
rarr_stream_close(RarrStream *stream)
{
	leave_group(stream, &stream->passed);
	end_scan(stream);
	ExecDropSingleTupleTableSlot(stream->slot);
}
