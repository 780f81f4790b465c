/*
 * researcharr.c
 *		Initialize the library when the server loads it.
 *
 * The library is loaded at server start (shared_preload_libraries), or by the
 * first session that calls one of its functions.  Both must work: in the
 * second case, only what needs shared memory or a background worker is
 * missing.  This file calls the initialization functions in order; each
 * registers its own hooks and shared memory.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "base/guc.h"
#include "base/jit.h"
#include "base/shmem.h"
#include "cache/cache.h"
#include "job/job.h"
#include "ops/ops.h"

PG_MODULE_MAGIC;

void _PG_init(void);

void
_PG_init(void)
{
	rarr_guc_init();
	rarr_jit_init();
	rarr_job_register_tasks();
	rarr_cache_load();
	rarr_ops_init();
	if (process_shared_preload_libraries_in_progress)
	{
		rarr_job_init();
		rarr_cache_init();
		rarr_ops_preload_init();
		rarr_shmem_init();
	}
}
