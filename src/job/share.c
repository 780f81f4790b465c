/*-------------------------------------------------------------------------
 *
 * share.c
 *		Which of several types has its turn, by weight.
 *
 * Types that a claim asks for at once, and that all have a job of the highest
 * priority that is due, take turns by weight, unless their weights are equal:
 * then the oldest job is next.  The turns are those of stride scheduling.  Each
 * type has a pass, which a job that is taken moves on by a stride, the larger the
 * smaller the weight; the type with the least pass is next, and of equal ones
 * the type with the oldest job.
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
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "job/share.h"

/* what a job of a type of weight 1 moves the pass by */
#define FULL_STRIDE		(UINT64CONST(1) << 30)

/* how many strides a type can be behind; more than work that goes on ever is */
#define MOST_BEHIND		2

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
RarrStream *
rarr_share_choose(RarrStream *streams, int n, RarrStream *first)
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

	least = foremost_pass(streams, n, first, &stride) - MOST_BEHIND * stride;
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
 * A job of the stream, the chosen one, was handed out.
 */
void
rarr_share_took(RarrStream *stream)
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
