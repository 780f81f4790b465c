/*
 * tid_cache.c
 *		The TIDs of jobs that this backend claimed.
 *
 * A worker nearly always completes a job in the session that claimed it, and
 * the row is then read without a search by id.  A TID is only a hint: the row
 * must be visible to the snapshot and have the id.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "storage/bufmgr.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "job/core/job_row.h"
#include "job/core/tid_cache.h"

/* a power of two; a job replaces another one that has the same entry */
#define NENTRIES 1024

typedef struct CacheEntry
{
	pg_uuid_t id;
	RarrFileNumber file; /* of the table; a rewrite changes it */
	ItemPointerData tid;
} CacheEntry;

static CacheEntry cache[NENTRIES];

/* The entry for a job; the last bytes of a UUID of version 7 are random. */
static CacheEntry *
entry_for(const pg_uuid_t *id)
{
	return &cache[(id->data[UUID_LEN - 2] << 8 | id->data[UUID_LEN - 1]) & (NENTRIES - 1)];
}

/* Remember the TID of the version in jobs->newslot, which was just written. */
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
 * Fetch the row with this id into jobs->oldslot, and deform all its
 * attributes.  Returns false if no TID is remembered, or if the version there
 * is not visible to the active snapshot or has another id.
 */
bool
rarr_tid_cache_fetch(RarrTable *jobs, const pg_uuid_t *id)
{
	CacheEntry *entry = entry_for(id);

	if (memcmp(&entry->id, id, UUID_LEN) != 0 || entry->file != rarr_file_number(jobs->rel))
		return false;

	/* VACUUM may have truncated the table, but not while it is open */
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
