/*
 * stream.c
 *		The jobs of one type that can be handed out, in order.
 *
 * A stream goes from group to group of its type, highest priority first.  With
 * the agenda it knows which groups can have a job that is due, and where in
 * the index the first one can be; without it, it walks a group up to the first
 * job that is not due yet and then descends the index for the next lower
 * priority, so that jobs that lie in the future cost one descent a group, and
 * hide nothing.
 *
 * Running jobs stay in the index, since a claim must not touch it; a stream
 * passes over them, and yields those whose lease has ended.
 *
 * A type that has reached its limit has only lapsed jobs to hand on; a stream
 * of those goes straight to where limits.c found them.
 *
 * What it passed over in a group it tells the agenda when it leaves the group:
 * up to where nothing can be handed out, and which leases it saw.
 *
 * Types that a claim asks for at once, and that all have a job of the highest
 * priority that is due, take turns by weight, unless their weights are equal:
 * then the oldest job is next.  The turns are those of stride scheduling.
 * Each type has a pass, which a job that is taken moves on by a stride, the
 * larger the smaller the weight; the type with the least pass is next, and of
 * equal ones the type with the oldest job.
 *
 * A job that was taken without competition moves no pass, so that a type owes
 * nothing for what nobody else could have had.  A type that had no work gains
 * nothing by that either: its pass is taken to be a few strides behind the
 * others' at most.
 *
 * The passes are in the agenda, and then the whole fleet shares by weight; a
 * backend without the agenda keeps its own.  They are only hints, and moved by
 * single atomic operations: of two claims at the same moment both may find the
 * same type's turn, and the next ones make up for it.
 */
#include "postgres.h"

#include "access/relscan.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "job/agenda/pending.h"
#include "job/core/job_row.h"
#include "job/stream.h"

/* how far ahead of a place a scan reads, in microseconds; see enter_group() */
#define INITIAL_WINDOW	1000
#define MAX_WINDOW		USECS_PER_DAY

/* what a job of a type of weight 1 moves the pass by */
#define FULL_STRIDE		(UINT64CONST(1) << 30)

/* how many strides a type can be behind; more than work that goes on ever is */
#define MAX_STRIDES_BEHIND		2

static RarrQueuePos
queue_pos_of(TupleTableSlot *slot)
{
	RarrQueuePos pos;

	pos.at = DatumGetTimestampTz(rarr_job_value(slot, JOB_AVAILABLE_AT));
	pos.id = *rarr_job_id(slot);
	return pos;
}

/*
 * Choose the next group, below the present one.  What this transaction itself
 * made available the agenda does not know yet, so both are asked.
 */
static void
choose_group(RarrStream *stream, int below)
{
	RarrQueuePos own_pos;
	int			own;
	bool		found;

	stream->entered = false;
	stream->blocked = false;
	stream->running = false;
	stream->lease = DT_NOEND;
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

/* What all kinds of streams begin with. */
static void
init_stream(RarrStream *stream, Relation jobs, const RarrJobType *type, TimestampTz now)
{
	const RarrAgendaRef *ref;

	memset(stream, 0, sizeof(RarrStream));
	stream->type = type;
	stream->key = rarr_agenda_key(RelationGetRelid(jobs), type->name, strlen(type->name));
	ref = rarr_agenda_ref(stream->key, true);
	if (ref != NULL)
	{
		stream->own_ref = *ref;
		stream->ref = &stream->own_ref;
	}
	stream->now = now;
}

/*
 * Open a stream of the jobs of a type that can be handed out at `now`; false
 * if the agenda knows that there is none, and nothing is to be closed.  It
 * enters its first group under the active snapshot, which has to be taken
 * after this; with may_advance, it tells the agenda what it passed over; few: no
 * more than a handful of jobs will be asked for.
 */
bool
rarr_stream_open(RarrStream *stream, Relation jobs, Relation index,
				 const RarrJobType *type, TimestampTz now, bool may_advance, bool few)
{
	init_stream(stream, jobs, type, now);
	stream->may_advance = may_advance && stream->ref != NULL;
	stream->few = few;
	choose_group(stream, RARR_PRIORITIES);
	if (stream->ended)
		return false;
	rarr_dequeue_scan_init(&stream->scan, jobs, index, type->name);
	stream->slot = table_slot_create(jobs, NULL);
	return true;
}

/*
 * The same of lapsed jobs that are known by their places alone, which are in
 * the order of the claim and stay while the stream is used: their type has as
 * many jobs running as it may, and these are of that number.
 */
bool
rarr_stream_open_lapsed(RarrStream *stream, Relation jobs, Relation index, const RarrJobType *type,
						TimestampTz now, const RarrJobPos *lapsed, int n)
{
	if (n == 0)
		return false;
	init_stream(stream, jobs, type, now);
	stream->lapsed = lapsed;
	stream->nlapsed = n;
	choose_group(stream, RARR_PRIORITIES);
	rarr_dequeue_scan_init(&stream->scan, jobs, index, type->name);
	stream->slot = table_slot_create(jobs, NULL);
	return true;
}

static void
end_scan(RarrStream *stream)
{
	rarr_dequeue_scan_end(&stream->scan);
	if (stream->own_snapshot)
		UnregisterSnapshot(stream->snapshot);
	stream->own_snapshot = false;
}

/*
 * Enter the group under a snapshot of its own, unless it is the first one.
 *
 * An index scan reads a leaf page to its end before it returns the first
 * entry; comparing a hundred keys costs more than all else that a claim does.
 * So a scan for a few jobs has an upper bound, a little ahead of the place.
 * How far ahead adapts to how close together the jobs lie.
 */
static void
enter_group(RarrStream *stream)
{
	const RarrQueuePos *pos = &stream->view.bound;

	/* The agenda's view must be older than the snapshot. */
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
 * The next job of the group, due or not; false at its end.  Widens the window
 * where it was too narrow, and narrows it bit by bit where it was not.
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

/* Leave the group: tell the agenda that nothing before `end` can be handed out. */
static void
leave_group(RarrStream *stream, const RarrQueuePos *end)
{
	if (!stream->may_advance || !stream->entered)
		return;
	rarr_agenda_advance_bound(stream->ref, &stream->view, stream->blocked ? &stream->passed : end);

	/* Not before: a walk up to the old place, begun in between, would forget it. */
	if (stream->running)
		rarr_agenda_add_running(stream->ref, stream->view.priority, &stream->running_first,
								 &stream->running_last, stream->lease);
}

static void
note_running(RarrStream *stream)
{
	if (!stream->running)
		stream->running_first = queue_pos_of(stream->slot);
	stream->running_last = queue_pos_of(stream->slot);
	stream->running = true;
	stream->lease = Min(stream->lease,
						DatumGetTimestampTz(rarr_job_value(stream->slot, JOB_LEASE_EXPIRES_AT)));
}

/*
 * Move on to the next job of the group; at its end, choose the next group and
 * leave it to the caller to enter it.
 */
static void
advance(RarrStream *stream)
{
	RarrQueuePos end = rarr_last_queue_pos;
	int			priority = stream->view.priority;

	while (next_job(stream))
	{
		if (rarr_job_due_at(stream->slot) <= stream->now)
		{
			stream->view.priority = DatumGetInt32(rarr_job_value(stream->slot, JOB_PRIORITY));
			if (!stream->blocked)
				stream->passed = queue_pos_of(stream->slot);
			return;
		}
		if (rarr_job_status(stream->slot) == JOB_RUNNING)
			note_running(stream);
		if (DatumGetTimestampTz(rarr_job_value(stream->slot, JOB_AVAILABLE_AT)) > stream->now)
		{
			end = queue_pos_of(stream->slot);
			priority = DatumGetInt32(rarr_job_value(stream->slot, JOB_PRIORITY));
			break;
		}
	}
	/* without the agenda, the end of the scan is that of the last group */
	if (stream->ref == NULL && TTS_EMPTY(stream->slot))
		priority = 0;
	ExecClearTuple(stream->slot);
	leave_group(stream, &end);
	end_scan(stream);
	choose_group(stream, priority);
}

/* Does a's next job go before b's, by priority and age? */
static bool
goes_before(const RarrStream *a, const RarrStream *b)
{
	RarrQueuePos pos_a;
	RarrQueuePos pos_b;

	if (a->view.priority != b->view.priority)
		return a->view.priority > b->view.priority;
	pos_a = queue_pos_of(a->slot);
	pos_b = queue_pos_of(b->slot);
	return rarr_queue_pos_compare(&pos_a, &pos_b) < 0;
}

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

/* Is pass a before b?  They may have gone round. */
static bool
is_before(uint64 a, uint64 b)
{
	return (int64) (a - b) < 0;
}

static bool
competes(const RarrStream *stream, const RarrStream *first)
{
	return !stream->ended && stream->entered && stream->view.priority == first->view.priority;
}

/* The foremost pass of those that compete, and the largest stride. */
static uint64
foremost_pass(RarrStream *streams, int n, const RarrStream *first, uint64 *stride)
{
	uint64		foremost = read_pass(first);

	*stride = stride_of(first);
	for (int i = 0; i < n; i++)
	{
		uint64		pass;

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
 * The stream whose turn it is, among those that have a job of the priority of
 * `first`, the one with the oldest job.
 */
static RarrStream *
choose_share(RarrStream *streams, int n, RarrStream *first)
{
	uint64		stride;
	uint64		least;
	int			competitors = 0;
	bool		equal = true;
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
 * The stream whose next job goes before those of all others: the highest
 * priority, then by weight.  NULL when there are no more.  Enters no group
 * that a higher one of another stream comes before.
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
			else if (first == NULL || goes_before(stream, first))
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
 * A job of the stream, the chosen one, was handed out.
 */
void
rarr_stream_charge(RarrStream *stream)
{
	uint64		expected = stream->pass_read;
	uint64		moved = stream->pass + stride_of(stream);

	if (!stream->contended)
		return;
	if (stream->ref == NULL)
		unconstify(RarrJobType *, stream->type)->pass = moved;

	/* Where another claim was faster, it caught up for both of us. */
	else if (!pg_atomic_compare_exchange_u64(&stream->ref->slot->pass, &expected, moved))
		pg_atomic_fetch_add_u64(&stream->ref->slot->pass, stride_of(stream));
}

/*
 * The stream's job was handed out, or is none that anybody could have: go on
 * to the next one, unless the caller has all that it wants.
 */
void
rarr_stream_passed(RarrStream *stream, bool go_on)
{
	if (!stream->blocked)
	{
		RarrQueuePos pos = queue_pos_of(stream->slot);

		stream->passed = rarr_queue_pos_after(&pos);
	}
	if (go_on)
		advance(stream);
}

/*
 * The stream's job was not handed out, but may be at any time, without a word
 * to the agenda: go on to the next one, but let the agenda stay here.
 */
void
rarr_stream_blocked(RarrStream *stream)
{
	stream->blocked = true;
	advance(stream);
}

/*
 * No more jobs of the stream's type can be handed out, though they are due:
 * its limit is reached.  Let the agenda stay here.
 */
void
rarr_stream_stop(RarrStream *stream)
{
	stream->blocked = true;
	stream->ended = true;
}

/*
 * Close a stream, wherever it is.
 */
void
rarr_stream_close(RarrStream *stream)
{
	leave_group(stream, &stream->passed);
	end_scan(stream);
	ExecDropSingleTupleTableSlot(stream->slot);
}
