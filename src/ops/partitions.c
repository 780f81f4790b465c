/*
 * partitions.c
 *		A maintenance task: make monthly partitions of the logs ahead of time.
 *
 * If the DEFAULT partition is small, a month's partition is made and attached in
 * one run.  Otherwise a constraint comes first (log_month.c), and each step is a
 * run.  One run attaches one partition, so that locks are held for a short time.
 *
 * A log without rows gets no partitions.  A dump creates its partitions before it
 * brings rows, and must find none of their names in the way.
 *
 * A month that has begun may have rows in the DEFAULT partition already.  If
 * there are few, they move with the partition.  Otherwise the month gets its
 * partition when it is over (strays.c).
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "executor/spi.h"
#include "storage/bufmgr.h"
#include "utils/timestamp.h"

#include "base/subtransaction.h"
#include "base/task.h"
#include "ops/log_month.h"
#include "ops/partitions.h"

/* how many months ahead, besides the current one */
#define MONTHS_AHEAD 2

/* a DEFAULT partition with so many pages is small */
#define SMALL_PAGES 1024

/* the next look, in milliseconds */
#define LOOK_AGAIN (6 * 3600 * 1000)

/* ... while a log has no rows */
#define LOOK_FOR_ROWS (10 * 60 * 1000)

/* after a lock was not to be had: at least and at most, in milliseconds */
#define FIRST_RETRY 1000
#define LAST_RETRY  60000

/* The body of a subtransaction: make the partition and attach it. */
static bool
attach(void *arg)
{
	const RarrMonth *month = arg;

	rarr_month_create(month);
	rarr_month_lock(month, rarr_month_count_few(month) > 0);
	if (rarr_month_count_few(month) > RARR_FEW_ROWS)
		return false;
	rarr_month_move_rows(month);
	rarr_month_attach(month);
	return true;
}

static bool
is_small(Oid table)
{
	Relation rel = table_open(table, AccessShareLock);
	BlockNumber pages = RelationGetNumberOfBlocks(rel);

	table_close(rel, AccessShareLock);
	return pages <= SMALL_PAGES;
}

/*
 * Take the next step towards a month's partition.  begun: the month may have
 * rows.  Returns false if a lock was not to be had.
 */
static bool
work_on_month(RarrTaskRun *run, RarrMonth *month, Oid fallback, bool begun)
{
	RarrSubtransactionBody step = attach;
	ErrorData *error = NULL;
	bool valid = false;

	if (begun && rarr_month_count_few(month) > RARR_FEW_ROWS)
		return true;
	if (!is_small(fallback) && begun)
		return true;
	if (!is_small(fallback) && !rarr_month_has_constraint(fallback, month, &valid))
		step = rarr_month_add_constraint;
	else if (!is_small(fallback) && !valid)
		step = rarr_month_validate_constraint;
	run->lazy_commit = true;
	if (rarr_subtransaction(step, rarr_is_lock_timeout, month, &error))
		rarr_task_again(run);
	return error == NULL;
}

/*
 * Find the first month from this one on for which there is no partition: 0 for
 * the current one, or -1 if there is none.  Sets the DEFAULT partition.  A log
 * without rows needs none yet.
 *
 * The log stays locked against others who change its partitions, but is not kept
 * open, because the server attaches no partition to a table that is in use.
 */
static int
find_month(RarrTaskRun *run, const RarrLog *log, int from, Oid *fallback)
{
	Relation rel;
	int found = -1;

	if (!rarr_log_open(log, ShareUpdateExclusiveLock, &rel, fallback))
		return -1;
	rarr_log_refuse_foreign_code(rel, *fallback);
	if (!rarr_log_has_pages(rel))
	{
		rarr_task_after(run, LOOK_FOR_ROWS);
		from = MONTHS_AHEAD + 1;
	}
	for (int offset = from; offset <= MONTHS_AHEAD && OidIsValid(*fallback) && found < 0; offset++)
	{
		RarrIdRange range;
		char suffix[8];

		rarr_month_of(run->now, offset, &range, suffix);
		if (!rarr_log_overlaps(rel, &range))
			found = offset;
	}
	relation_close(rel, NoLock);
	return found;
}

/* Take the next step for a log.  Returns false if a lock was not to be had. */
static bool
work_on_log(RarrTaskRun *run, const RarrLog *log)
{
	bool done = rarr_log_task_begin();
	Oid fallback;
	int offset = -1;

	while (done && run->next != DT_NOBEGIN && (offset = find_month(run, log, offset + 1, &fallback)) >= 0)
		done = work_on_month(run, rarr_month_make(log, fallback, run->now, offset), fallback, offset == 0);
	return done;
}

static void
make_partitions(RarrTaskRun *run)
{
	static int refusals = 0; /* of locks, in a row */
	bool done = true;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	for (int i = 0; i < RARR_LOGS && run->next != DT_NOBEGIN; i++)
		done &= work_on_log(run, &rarr_logs[i]);
	SPI_finish();
	refusals = done ? 0 : refusals + 1;
	if (!done)
		rarr_task_after(run, Min(FIRST_RETRY << Min(refusals - 1, 6), LAST_RETRY));
	else if (run->next != DT_NOBEGIN)
		rarr_task_after(run, LOOK_AGAIN);
}

static const RarrTask partitions_task = {
	.name = "partitions",
	.activity = "making partitions of the logs ahead of time",
	.time_limit = 60000,
	.lock_timeout = 1000,
	.run = make_partitions,
};

/* Register the task.  Called when the library is loaded. */
void
rarr_partitions_register_task(void)
{
	rarr_task_register(&partitions_task);
}
