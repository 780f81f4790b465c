/*
 * job.c
 *		Initialize the job queue: shared memory, callbacks and hooks.
 */
#include "postgres.h"

#include "job/agenda/pending.h"
#include "job/agenda/verify.h"
#include "job/job.h"
#include "job/limits/pending.h"
#include "job/prepared.h"
#include "job/stats/counters.h"
#include "job/stats/figures.h"
#include "job/wait/wait_list.h"
#include "job/wait/wakeup.h"

/*
 * Initialize all parts, while the library is being preloaded.
 *
 * The server calls transaction callbacks in the reverse order of their
 * registration.  The callback of base/pending.c is registered with the
 * agenda's pending entries.  So when a transaction aborts, the verifier gives
 * up its turn, and the session leaves the list of sleepers.  Then the pending
 * entries of the counters, the limits and the agenda are applied, in this
 * order, and wake other sessions.
 */
void
rarr_job_init(void)
{
	rarr_shmem_add(&rarr_agenda_part);
	rarr_shmem_add(&rarr_waits_part);
	rarr_shmem_add(&rarr_limits_part);
	rarr_shmem_add(&rarr_counters_part);
	rarr_shmem_add(&rarr_figures_part);
	rarr_agenda_pending_init();
	rarr_wait_list_init();
	rarr_agenda_verify_init();
	rarr_prepared_init();
	rarr_limits_init();
	rarr_counters_init();
}
