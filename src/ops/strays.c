/*
 * strays.c
 *		A maintenance task: move old rows from the DEFAULT partition of a log to
 *		partitions of their months.
 *
 * Rows are in the DEFAULT partition if there was no other when they were
 * written: before the background worker ran, or before version 1.8.  The task
 * takes the oldest month first, and only months that have been over for a day,
 * which get no more rows.
 *
 * What a rule of retention is about to remove does not move first.
 *
 * First it adds a constraint against the month, which does not look at the rows
 * that are there.  Then one transaction copies the rows, deletes them, validates
 * the constraint, and attaches the new table.  It is long, and so has a process
 * of its own, but it locks others out at its end only, when it attaches.  Until
 * its commit everybody sees the rows where they were.
 */
#include "postgres.h"

#include "access/relation.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/subtransaction.h"
#include "base/task.h"
#include "base/uuid.h"
#include "ops/log_month.h"
#include "ops/retention_rules.h"
#include "ops/strays.h"

/* a month is old when it has been over for so long */
#define MARGIN USECS_PER_DAY

/* the next look, in milliseconds */
#define LOOK_AGAIN (6 * 3600 * 1000)

/* how often the lock to attach is asked for, and the pause between */
#define LOCK_ATTEMPTS 1000
#define LOCK_PAUSE    200 /* ms */

/* Find the first id in the DEFAULT partition from this one on. */
static bool
first_id(const char *fallback, const pg_uuid_t *from, pg_uuid_t *id)
{
	bool isnull;

	rarr_maintenance_execute(psprintf("SELECT id FROM ONLY %s WHERE id OPERATOR(pg_catalog.>=) '%s'::pg_catalog.uuid "
									  "ORDER BY id LIMIT 1",
									  fallback, rarr_uuid_text(from)),
							 SPI_OK_SELECT);
	if (SPI_processed == 0)
		return false;
	*id = *DatumGetUUIDP(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	return true;
}

/*
 * Find the oldest month with rows in the DEFAULT partition, which is over and
 * for which there is no other partition.  Rows that were written before the time
 * of a rule do not count.
 */
static RarrMonth *
find_month(const RarrLog *log, Relation rel, Oid fallback, TimestampTz before, TimestampTz now)
{
	char *name = quote_qualified_identifier(get_namespace_name(get_rel_namespace(fallback)), get_rel_name(fallback));
	pg_uuid_t from = {{0}};
	pg_uuid_t end;
	pg_uuid_t id;

	if (before != DT_NOBEGIN)
		rarr_uuid_floor(before, &from);
	rarr_uuid_floor(now - MARGIN, &end);
	while (first_id(name, &from, &id) && memcmp(&id, &end, UUID_LEN) < 0)
	{
		RarrIdRange range;
		char suffix[8];

		CHECK_FOR_INTERRUPTS();
		rarr_month_of(rarr_uuid_time(&id), 0, &range, suffix);
		if (memcmp(&range.end, &end, UUID_LEN) > 0)
			break;
		if (!rarr_log_overlaps(rel, &range))
			return rarr_month_make(log, fallback, rarr_uuid_time(&id), 0);
		from = range.end;
	}
	return NULL;
}

/* The body of a subtransaction: lock the log and its DEFAULT partition. */
static bool
lock(void *arg)
{
	rarr_month_lock(arg, true);
	return true;
}

/*
 * Lock the log and its DEFAULT partition, asking often and each time for a moment.  Raises
 * 55P03 if that does not help.
 */
static void
lock_patiently(RarrMonth *month)
{
	static uint32 wait_event = 0;
	ErrorData *error;

	if (wait_event == 0)
		wait_event = rarr_wait_event("ResearcharrWorkerLock");
	for (int i = 0; i < LOCK_ATTEMPTS; i++)
	{
		if (rarr_subtransaction(lock, rarr_is_lock_timeout, month, &error))
			return;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LOCK_PAUSE, wait_event);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	rarr_month_lock(month, true);
}

/* Move the month's rows.  The constraint is there. */
static void
move_month(RarrMonth *month)
{
	rarr_task_progress(psprintf("copying rows to %s", month->name));
	rarr_month_create(month);
	rarr_month_move_rows(month);
	rarr_task_progress(psprintf("attaching %s", month->name));
	(void) rarr_month_validate_constraint(month);
	lock_patiently(month);
	rarr_month_attach(month);
	ereport(LOG,
			(errmsg("researcharr: rows of \"%s\" have moved to the partition \"%s\"", month->log->name, month->name)));
}

/* Take the next step for a log.  Returns true if there may be more. */
static bool
work_on_log(RarrTaskRun *run, const RarrLog *log, TimestampTz before)
{
	Relation rel;
	Oid fallback;
	RarrMonth *month;
	ErrorData *error;
	bool valid;

	if (!rarr_log_task_begin())
	{
		rarr_task_after(run, LOCK_PAUSE);
		return true;
	}
	if (!rarr_log_open(log, AccessShareLock, &rel, &fallback))
		return false;
	rarr_log_refuse_foreign_code(rel, fallback);
	month = OidIsValid(fallback) ? find_month(log, rel, fallback, before, run->now) : NULL;
	/* a lock until the end would be in the way of those who drop partitions */
	relation_close(rel, AccessShareLock);
	if (month == NULL)
		return false;
	run->lazy_commit = true;
	if (rarr_month_has_constraint(fallback, month, &valid))
		move_month(month);
	else if (!rarr_subtransaction(rarr_month_add_constraint, rarr_is_lock_timeout, month, &error))
	{
		rarr_task_after(run, LOCK_PAUSE);
		return true;
	}
	rarr_task_again(run);
	return true;
}

static void
move_strays(RarrTaskRun *run)
{
	RarrRetention retention;
	bool more = false;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	(void) rarr_retention_read(&retention);
	for (int i = 0; i < RARR_LOGS && !more; i++)
		more = work_on_log(run, &rarr_logs[i], retention.before[RARR_RETAIN_HISTORY + i]);
	SPI_finish();
	if (!more)
		rarr_task_after(run, LOOK_AGAIN);
}

static const RarrTask strays_task = {
	.name = "stray_rows",
	.activity = "moving old rows of the logs to partitions of their months",
	.own_process = true,
	.run = move_strays,
};

/* Register the task.  Called when the library is loaded. */
void
rarr_strays_register_task(void)
{
	rarr_task_register(&strays_task);
}
