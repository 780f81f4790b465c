/*
 * job.c
 *		The job queue at the start of the server: its shared memory, callbacks
 *		and hooks.
 */
#include "postgres.h"

#include "job/agenda/pending.h"
#include "job/agenda/verify.h"
#include "job/job.h"
#include "job/limits/pending.h"
#include "job/prepared.h"
#include "job/stats/counters.h"
#include "job/wait/wait_list.h"

/*
 * Set up all parts; while the library is preloaded.
 *
 * The server calls transaction callbacks in the reverse order of this, and
 * those of base/pending.c come with the agenda's notes.  When a transaction
 * aborts, the verifier gives its turn up and the session leaves the list of
 * sleepers.  Then the counters, the limits and the agenda act on their pending
 * entries, in this order, so that they wake others.
 */
void
rarr_job_init(void)
{
	rarr_agenda_init();
	rarr_agenda_pending_init();
	rarr_wait_list_init();
	rarr_agenda_verify_init();
	rarr_prepared_init();
	rarr_limits_init();
	rarr_counters_init();
}
