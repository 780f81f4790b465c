/*
 * shmem.c
 *		Request and attach the extension's shared memory.
 *
 * Shared memory holds only hints and caches; losing it costs time, but never a
 * row.  It exists only if the library is preloaded.  Each part must work
 * without it, or report that preloading is required.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "base/shmem.h"

#define MAX_PARTS 16

static const RarrShmemPart *parts[MAX_PARTS];
static int nparts = 0;
static shmem_request_hook_type prev_request = NULL;
static shmem_startup_hook_type prev_startup = NULL;

/*
 * Register a part of shared memory.  Called while the library is preloaded,
 * before rarr_shmem_init().
 */
void
rarr_shmem_add(const RarrShmemPart *part)
{
	Assert(nparts < MAX_PARTS);
	parts[nparts++] = part;
}

static void
request_memory(void)
{
	if (prev_request)
		prev_request();
	for (int i = 0; i < nparts; i++)
		RequestAddinShmemSpace(parts[i]->size());
}

static void
attach_memory(void)
{
	if (prev_startup)
		prev_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (int i = 0; i < nparts; i++)
	{
		bool found;
		void *memory = ShmemInitStruct(parts[i]->name, parts[i]->size(), &found);

		parts[i]->attach(memory, !found);
	}
	LWLockRelease(AddinShmemInitLock);
}

/* Install the hooks that request and attach the registered parts. */
void
rarr_shmem_init(void)
{
	prev_request = shmem_request_hook;
	shmem_request_hook = request_memory;
	prev_startup = shmem_startup_hook;
	shmem_startup_hook = attach_memory;
}
