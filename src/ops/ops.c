/*
 * ops.c
 *		Initialize what looks after the database: worker, schedule, retention.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/task.h"
#include "ops/backup_schedule.h"
#include "ops/health.h"
#include "ops/make_way.h"
#include "ops/minute_ring.h"
#include "ops/ops.h"
#include "ops/partitions.h"
#include "ops/retention.h"
#include "ops/schedule.h"
#include "ops/slow_query.h"
#include "ops/slow_query_hook.h"
#include "ops/strays.h"
#include "ops/worker.h"

/* Register the tasks of this folder.  Called whenever the library is loaded. */
void
rarr_ops_init(void)
{
	rarr_partitions_register_task();
	rarr_strays_register_task();
	rarr_retention_register_task();
	rarr_schedule_init();
	rarr_backup_init();
	rarr_health_register_command();
}

/*
 * Initialize the background worker.  Called while the library is preloaded,
 * after all tasks are registered.  pg_upgrade's servers do no maintenance.
 */
void
rarr_ops_preload_init(void)
{
	rarr_shmem_add(&rarr_workers_part);
	rarr_shmem_add(&rarr_slow_queries_part);
	rarr_shmem_add(&rarr_minutes_part);
	rarr_slow_query_hook_init();
	rarr_make_way_init();
	rarr_task_wake_hook = rarr_worker_wake_task;
	rarr_task_installed_hook = rarr_worker_notify_database;
	if (!IsBinaryUpgrade)
		rarr_launcher_register();
}
