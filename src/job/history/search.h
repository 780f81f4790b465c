/*
 * search.h
 *		Record in tracked items how the jobs that searched for them ended.
 */
#ifndef RARR_JOB_HISTORY_SEARCH_H
#define RARR_JOB_HISTORY_SEARCH_H

#include "executor/tuptable.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* the beginning of the unique key of a job that searches for a tracked item */
#define RARR_SEARCH_KEY "tracked_item:"

/* A job that ended, and the tracked item that it searched for. */
typedef struct RarrSearch
{
	pg_uuid_t item_id;
	TimestampTz ended_at;
	bool failed;
	bool may_wait; /* for another transaction that has the item's row? */
} RarrSearch;

extern bool rarr_search_of_job(TupleTableSlot *job, pg_uuid_t *item_id);
extern void rarr_searches_write(RarrSearch *searches, int n);

#endif /* RARR_JOB_HISTORY_SEARCH_H */
