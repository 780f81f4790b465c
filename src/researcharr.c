/*-------------------------------------------------------------------------
 *
 * researcharr.c
 *		What happens when the server loads the library.
 *
 * The library is loaded at server start (shared_preload_libraries), or by
 * the first session that calls one of its functions.  Both must work: only
 * what needs shared memory or the background worker is absent in the second
 * case.  This file only calls the parts in their order; what they register
 * is their own affair.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "base/guc.h"
#include "base/shmem.h"
#include "job/job.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	rarr_guc_init();
	if (process_shared_preload_libraries_in_progress)
	{
		rarr_job_init();
		rarr_shmem_init();
	}
}
