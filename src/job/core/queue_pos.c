/*
 * queue_pos.c
 *		Queue positions: the order of jobs within a group.
 */
#include "postgres.h"

#include "job/core/queue_pos.h"

const RarrQueuePos rarr_first_queue_pos = {DT_NOBEGIN, {{0}}};
const RarrQueuePos rarr_last_queue_pos = {DT_NOEND, {{0}}};

/*
 * Compare two queue positions as the dequeue index orders them, by
 * available_at and then by id as bytes.  Returns a number less than, equal to,
 * or greater than zero.
 */
int
rarr_queue_pos_compare(const RarrQueuePos *a, const RarrQueuePos *b)
{
	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	return memcmp(&a->id, &b->id, UUID_LEN);
}

/* Return the least queue position that is greater than this one. */
RarrQueuePos
rarr_queue_pos_after(const RarrQueuePos *pos)
{
	RarrQueuePos after = *pos;

	for (int i = UUID_LEN - 1; i >= 0; i--)
		if (++after.id.data[i] != 0)
			return after;
	after.at++; /* the id was the greatest one */
	return after;
}

/* Add more running jobs of the same group. */
void
rarr_running_add(RarrRunning *running, const RarrRunning *more)
{
	if (!more->any)
		return;
	if (!running->any)
	{
		*running = *more;
		return;
	}
	if (rarr_queue_pos_compare(&more->first, &running->first) < 0)
		running->first = more->first;
	if (rarr_queue_pos_compare(&more->last, &running->last) > 0)
		running->last = more->last;
	running->lease = Min(running->lease, more->lease);
}
