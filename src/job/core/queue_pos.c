/*
 * queue_pos.c
 *		Places in a group of the take index.
 */
#include "postgres.h"

#include "job/core/queue_pos.h"

const RarrPlace rarr_first_place = {DT_NOBEGIN, {{0}}};
const RarrPlace rarr_last_place = {DT_NOEND, {{0}}};

/*
 * Which of two places comes first: less than, equal to, or greater than zero.
 */
int
rarr_place_compare(const RarrPlace *a, const RarrPlace *b)
{
	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	return memcmp(&a->id, &b->id, UUID_LEN);
}

/*
 * The least place behind this one.
 */
RarrPlace
rarr_place_after(const RarrPlace *place)
{
	RarrPlace	after = *place;

	for (int i = UUID_LEN - 1; i >= 0; i--)
		if (++after.id.data[i] != 0)
			return after;
	after.at++;					/* the id was the last that there is */
	return after;
}
