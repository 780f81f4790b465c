/*
 * queue_pos.c
 *		Places in a group of the take index.
 */
#include "postgres.h"

#include "job/core/queue_pos.h"

const RarrQueuePos rarr_first_queue_pos = {DT_NOBEGIN, {{0}}};
const RarrQueuePos rarr_last_queue_pos = {DT_NOEND, {{0}}};

/*
 * Which of two places comes first: less than, equal to, or greater than zero.
 */
int
rarr_queue_pos_compare(const RarrQueuePos *a, const RarrQueuePos *b)
{
	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	return memcmp(&a->id, &b->id, UUID_LEN);
}

/*
 * The least place behind this one.
 */
RarrQueuePos
rarr_queue_pos_after(const RarrQueuePos *pos)
{
	RarrQueuePos after = *pos;

	for (int i = UUID_LEN - 1; i >= 0; i--)
		if (++after.id.data[i] != 0)
			return after;
	after.at++;					/* the id was the last that there is */
	return after;
}
