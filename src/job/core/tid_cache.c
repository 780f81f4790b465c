/*
 * tid_cache.c
 *		Where the jobs are that this backend claimed.
 *
 * A worker completes the jobs that it was handed out over the same connection,
 * nearly always: the place of the row's version that the claim made spares the
 * search by id.  It is no more than a hint.  The row there is looked at under
 * the snapshot, like any, and has to have the id; else the index is asked.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "job/core/job_row.h"
#include "job/core/tid_cache.h"

/* a power of two; of two jobs with the same place the later one stays */
#define NENTRIES	1024

typedef struct CacheEntry
{
	pg_uuid_t	id;
	RarrFileNumber file;		/* the table's, which a rewrite changes */
	ItemPointerData tid;
} CacheEntry;

static CacheEntry cache[NENTRIES];

/* The last bytes of a UUID of version 7 are random. */
static CacheEntry *
entry_for(const pg_uuid_t *id)
{
	return &cache[(id->data[UUID_LEN - 2] << 8 | id->data[UUID_LEN - 1]) & (NENTRIES - 1)];
}

/*
 * Remember where the row is that was just written from jobs->newslot.
 */
void
rarr_tid_cache_put(RarrTable *jobs)
{
	const pg_uuid_t *id = rarr_job_id(jobs->newslot);
	CacheEntry *entry = entry_for(id);

	entry->id = *id;
	entry->file = rarr_file_number(jobs->rel);
	entry->tid = jobs->newslot->tts_tid;
}

/*
 * Fetch the row with this id, as the active snapshot sees it, into
 * jobs->oldslot; false if it is not where it is remembered to be.
 */
bool
rarr_tid_cache_fetch(RarrTable *jobs, const pg_uuid_t *id)
{
	CacheEntry *entry = entry_for(id);

	if (memcmp(&entry->id, id, UUID_LEN) != 0 || entry->file != rarr_file_number(jobs->rel))
		return false;

	/* VACUUM may have cut off the end of the table since; not while it is open */
	if (ItemPointerGetBlockNumber(&entry->tid) >= jobs->nblocks)
		jobs->nblocks = RelationGetNumberOfBlocks(jobs->rel);
	if (ItemPointerGetBlockNumber(&entry->tid) >= jobs->nblocks)
		return false;
	if (!table_tuple_fetch_row_version(jobs->rel, &entry->tid, GetActiveSnapshot(), jobs->oldslot))
		return false;
	slot_getallattrs(jobs->oldslot);
	if (memcmp(rarr_job_id(jobs->oldslot), id, UUID_LEN) == 0)
		return true;
	ExecClearTuple(jobs->oldslot);
	return false;
}
