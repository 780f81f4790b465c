/*
 * dequeue_wait.c
 *		job_dequeue_wait(): sleep until there is a job, and claim it.
 *
 * A procedure, since it has to end the caller's transaction: to sleep in it
 * would hold its snapshot and its locks for as long.  It looks in transactions
 * of its own, and sleeps in one that has done nothing yet: all that one holds
 * is its virtual id.  It looks under READ COMMITTED whatever the session's
 * default is, since only then the agenda learns what a look saw.
 *
 *         look; if there is nothing:
 *
 *         enter the list of sleepers, and look once more
 *
 *         sleep; look; go back to the list, and look once more ...
 *
 * Called at top level it leaves the transaction that claimed the jobs to the
 * server, which commits it when it has put the result away: that can fail, and
 * then nothing was claimed.  Called by procedural code it commits itself, with
 * the result already made: its caller goes on in a new transaction.
 *
 * The list (wait_list.c) wakes it, or the end of its own time.  Without the
 * agenda, or without room in the list, it sleeps for
 * researcharr.poll_interval.  A transaction that fails takes it off the list
 * (agenda/pending.c), so that an error or the backend's end anywhere in here
 * wakes somebody else, if need be.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/sinval.h"
#include "tcop/tcopprot.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/duration.h"
#include "base/guc.h"
#include "base/schema.h"
#include "job/claim_guard.h"
#include "job/core/job_json.h"
#include "job/core/job_row.h"
#include "job/core/job_type.h"
#include "job/dequeue.h"
#include "job/limits/limits.h"
#include "job/wait/wait_list.h"

/* the columns' bytes after which no more jobs are added to a result: jsonb has a limit */
#define RESULT_BYTES	(24 * 1024 * 1024)

/* One call of job_dequeue_wait. */
typedef struct Wait
{
	ArrayType  *names;			/* of job types; NULL for all */
	RarrClaim	claim;			/* what is wanted */
	int			max_jobs;
	int64		end;			/* of the wait, by rarr_monotonic_now();
								 * PG_INT64_MAX for none */

	MemoryContext caller;		/* outlives transactions */
	MemoryContext cxt;			/* of one look */
	TimestampTz looked;			/* when the last one was, by the system's clock, */
	int64		looked_mono;	/* and by rarr_monotonic_now() */
	int64		yield_at;		/* when limits let through what it left, if it
								 * left any for them, by rarr_monotonic_now();
								 * PG_INT64_MAX for never */
	int			nrefs;			/* the types' slots in the agenda */
	RarrAgendaRef *refs;
	bool		complete;		/* all types have one */
	bool		registered;		/* in the list */
	bool		clean;			/* the transaction has begun here, and done
								 * nothing but look at the agenda */
	bool		nested;			/* called by procedural code */
	TupleDesc	desc;			/* of the result */
	HeapTuple	result;			/* a row with the jobs, in the caller's context */
} Wait;

/* An error if the call may not end the caller's transaction. */
static void
check_context(FunctionCallInfo fcinfo)
{
	CallContext *context = (CallContext *) fcinfo->context;

	if (context == NULL || !IsA(context, CallContext) || context->atomic || IsSubTransaction())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("job_dequeue_wait cannot run inside a transaction block or a function"),
				 errdetail("While it sleeps it would hold the transaction's snapshot and locks."),
				 errhint("Turn autocommit on and CALL it by itself; inside a transaction use job_dequeue.")));
}

/*
 * Go on in a transaction that has done nothing, and whose isolation is ours to
 * choose.  One in which a look at the agenda sufficed is as good as a new one:
 * what the catalogs were looked at with is let go of before the sleep.
 */
static void
next_transaction(Wait *wait)
{
	if (wait->clean)
		return;
	SPI_commit();
	XactIsoLevel = XACT_READ_COMMITTED;
	wait->clean = true;
}

/* Is there a client, whose end can be noticed? */
static bool
has_client(void)
{
	return MyProcPort != NULL && whereToSendOutput == DestRemote && WaitEventSetCanReportClosed();
}

/* The client is gone: end the session, as the server itself does. */
static void
end_session(void)
{
	ClientConnectionLost = true;
	InterruptPending = true;
	CHECK_FOR_INTERRUPTS();
}

/* Nothing is handed to a client that is gone. */
static void
check_client(void)
{
	if (has_client() && !pq_check_connection())
		end_session();
}

/* Which of the types have a slot in the agenda. */
static void
find_slots(Wait *wait, List *types)
{
	Oid			table = rarr_relation_oid(rarr_job_table.name);
	ListCell   *lc;

	wait->refs = palloc((list_length(types) + 1) * sizeof(RarrAgendaRef));
	wait->nrefs = 0;
	wait->complete = rarr_agenda_is_there();
	foreach(lc, types)
	{
		RarrJobType *type = lfirst(lc);
		const RarrAgendaRef *ref;

		if (!rarr_agenda_is_there())
			break;
		if (type->agenda == NULL || type->agenda->table != table)
			type->agenda = rarr_agenda_key(table, type->name, strlen(type->name));
		ref = rarr_agenda_ref(type->agenda, true);
		if (ref != NULL)
			wait->refs[wait->nrefs++] = *ref;
		else
			wait->complete = false;
	}
}

/* Make the row that is returned, of jobs as jsonb. */
static void
set_result(Wait *wait, Datum jobs)
{
	MemoryContext old = MemoryContextSwitchTo(wait->caller);
	bool		isnull = false;

	wait->result = heap_form_tuple(wait->desc, &jobs, &isnull);
	MemoryContextSwitchTo(old);
}

/* Claim what there is; how many jobs that were.  again: one more look is due. */
static int64
claim_jobs(Wait *wait, List *types, bool *again)
{
	RarrClaim	claim = wait->claim;
	Tuplestorestate *jobs = tuplestore_begin_heap(false, false, work_mem);
	int64		n;

	/* by default, or by a new configuration, it may be another state than that of the call */
	rarr_prevent_read_only("job_dequeue_wait()");
	claim.now = wait->looked;
	claim.room = RESULT_BYTES;
	claim.peek = wait->registered && rarr_wait_should_peek(wait->refs, wait->nrefs);
	PushActiveSnapshot(GetTransactionSnapshot());
	rarr_claim_jobs(&claim, types, wait->max_jobs, jobs);
	n = tuplestore_tuple_count(jobs);
	if (n > 0)
		set_result(wait, rarr_jobs_as_jsonb(jobs, claim.relid, CurrentMemoryContext));
	PopActiveSnapshot();
	tuplestore_end(jobs);
	*again = n == 0 && rarr_claim_hit_record_limit(&claim);
	return n;
}

/* The look was in vain: note when the limits of the types let it be otherwise. */
static void
set_yield_at(Wait *wait, List *types)
{
	Oid			table = rarr_relation_oid(rarr_job_table.name);
	ListCell   *lc;

	wait->yield_at = PG_INT64_MAX;
	foreach(lc, types)
	{
		TimestampTz at = rarr_limits_yield_at(table, lfirst(lc), wait->looked);

		if (at > wait->looked && at != DT_NOEND)
			wait->yield_at = Min(wait->yield_at, wait->looked_mono + (at - wait->looked));
	}
}

/*
 * The server will keep the result in a tuplestore, which spills what exceeds
 * work_mem.  Spill it once here first: if the server's own tuplestore cannot be
 * written, the abort fails once more when it closes that, and is begun anew.
 */
static void
try_to_spill(HeapTuple result)
{
	Tuplestorestate *store;

	if (result->t_len < work_mem * INT64CONST(512))
		return;					/* well below work_mem */
	store = tuplestore_begin_heap(false, false, work_mem);
	tuplestore_puttuple(store, result);
	tuplestore_end(store);
}

/*
 * There are jobs, claimed, and the result holds them.  At top level the server
 * is told to commit when the statement ends, also where the client has sent more
 * statements already.
 */
static void
deliver(Wait *wait)
{
	if (!wait->nested)
		try_to_spill(wait->result);
	check_client();
	rarr_wait_leave(wait->looked_mono);
	if (wait->nested)
		SPI_commit();
	else
		MyXactFlags |= XACT_FLAGS_NEEDIMMEDIATECOMMIT;
}

/*
 * Look for jobs, in the present transaction; true if there are any.  Leaves a
 * transaction that may have done something.
 */
static bool
look(Wait *wait)
{
	MemoryContext old;
	List	   *types;
	int64		n = 0;
	bool		again = true;

	while (n == 0 && again)
	{
		MemoryContextReset(wait->cxt);
		old = MemoryContextSwitchTo(wait->cxt);
		types = rarr_job_types_requested(wait->names);
		find_slots(wait, types);
		wait->looked_mono = rarr_monotonic_now();
		wait->looked = GetCurrentTimestamp();	/* not before that */
		again = false;
		if (!rarr_claim_is_idle(types, wait->looked))
		{
			wait->clean = false;
			n = claim_jobs(wait, types, &again);
		}
		if (n == 0)
			set_yield_at(wait, types);
		MemoryContextSwitchTo(old);
		if (again)
			next_transaction(wait);
	}
	return n > 0;
}

/* Sleep, for so many milliseconds, until something happens. */
static void
wait_for_event(long timeout)
{
	static uint32 wait_event = 0;
	WaitEvent	events[FeBeWaitSetNEvents];
	int			n;

	if (wait_event == 0)
		wait_event = rarr_wait_event("ResearcharrJobWait");
	if (!has_client())
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | WL_TIMEOUT, timeout, wait_event);
		ResetLatch(MyLatch);
		return;
	}

	/* as pq_check_connection() does; whoever uses the set says what for */
	ModifyWaitEvent(FeBeWaitSet, FeBeWaitSetSocketPos, WL_SOCKET_CLOSED, NULL);
	n = WaitEventSetWait(FeBeWaitSet, timeout, events, lengthof(events), wait_event);
	for (int i = 0; i < n; i++)
	{
		if (events[i].events & WL_POSTMASTER_DEATH)
			ereport(FATAL,
					(errcode(ERRCODE_ADMIN_SHUTDOWN),
					 errmsg("terminating connection due to unexpected postmaster exit")));
		if (events[i].events & WL_LATCH_SET)
			ResetLatch(MyLatch);
		if (events[i].events & WL_SOCKET_CLOSED)
			end_session();
	}
}

/*
 * How long to sleep from now on if nothing happens, having slept since then (by
 * rarr_monotonic_now()), in milliseconds.
 */
static long
time_to_sleep(Wait *wait, int64 since)
{
	int64		now = rarr_monotonic_now();
	int64		left = PG_INT64_MAX;

	if (wait->end != PG_INT64_MAX)
		left = wait->end - now;
	if (!wait->registered || !wait->complete)
		left = Min(left, since + (int64) rarr_poll_interval * 1000 - now);
	if (wait->registered)
		left = Min(left, rarr_wait_time_left(wait->looked_mono, wait->yield_at));
	return left <= 0 ? 0 : Min((left - 1) / 1000 + 1, INT_MAX);
}

/*
 * What a session does between two statements, and this one is too long to wait
 * for: hear of a new configuration, and of what changed in the catalogs.
 */
static void
handle_notices(void)
{
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	if (catchupInterruptPending)
		ProcessCatchupInterrupt();
}

/*
 * Sleep until there is reason to look, or the wait's time is over.  The
 * transaction has to be one that has done nothing.
 */
static void
sleep_until_woken(Wait *wait)
{
	int64		since = rarr_monotonic_now();
	long		timeout;

	for (;;)
	{
		handle_notices();
		if (wait->registered && rarr_wait_is_awake())
			return;
		timeout = time_to_sleep(wait, since);
		if (timeout == 0)
			break;
		InvalidateCatalogSnapshot();
		Assert(!TransactionIdIsValid(MyProc->xmin));
		wait_for_event(timeout);
	}
	if (wait->registered)
		rarr_wait_wake_self();
}

/* Look and sleep, until there are jobs, or the time is over. */
static void
wait_for_jobs(Wait *wait)
{
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (look(wait))
		{
			deliver(wait);
			return;
		}
		if (rarr_monotonic_now() >= wait->end)
			break;
		wait->registered = rarr_wait_enter(wait->refs, wait->nrefs, wait->looked_mono);
		next_transaction(wait);
		if (wait->registered)
		{
			if (look(wait))
			{
				deliver(wait);
				return;
			}
			next_transaction(wait);
			if (!rarr_wait_is_for(wait->refs, wait->nrefs))
				continue;		/* other types than before are to be had */
		}
		sleep_until_woken(wait);
		wait->clean = false;	/* now() is not when it fell asleep */
		next_transaction(wait);
	}
	rarr_wait_leave(wait->looked_mono);
	SPI_commit();
}

/*
 * The shape of the procedure's value, a row of its one INOUT argument: the same
 * for all calls.
 */
static TupleDesc
result_desc(void)
{
	static TupleDesc desc = NULL;

	if (desc == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
		TupleDesc	made = CreateTemplateTupleDesc(1);

		TupleDescInitEntry(made, 1, "jobs", JSONBOID, -1, 0);
		desc = BlessTupleDesc(made);
		MemoryContextSwitchTo(old);
	}
	return desc;
}

PG_FUNCTION_INFO_V1(researcharr_job_dequeue_wait);

/*
 * job_dequeue_wait(INOUT jobs jsonb, job_types text[], max_jobs int,
 *		lease interval, worker text, timeout interval)
 *
 * jobs: what it is given does not matter; the claimed jobs, in the order of the
 * claim, or [] when the time is over; committed when the CALL ends, and where
 * procedural code calls it, when it returns.  timeout: from zero, which
 * is one look; NULL for no limit.  The others are job_dequeue's.
 * Errors: 25001 inside a transaction block or a function; RA002 unknown type,
 * also one that is dropped meanwhile; 22023 an argument out of range; 25006
 * where nothing may be written.
 */
Datum
researcharr_job_dequeue_wait(PG_FUNCTION_ARGS)
{
	Wait		wait = {.end = PG_INT64_MAX, .looked = DT_NOBEGIN};

	rarr_prevent_read_only("job_dequeue_wait()");
	check_context(fcinfo);
	rarr_claim_args(&wait.claim, fcinfo, 2, &wait.max_jobs);
	if (!PG_ARGISNULL(1))
		wait.names = PG_GETARG_ARRAYTYPE_P(1);
	if (!PG_ARGISNULL(5))
		wait.end = rarr_monotonic_now() + rarr_duration_arg(PG_GETARG_INTERVAL_P(5), "timeout", 0);

	/* In a context that outlives transactions, as that of the result does. */
	wait.caller = CurrentMemoryContext;
	wait.cxt = AllocSetContextCreate(wait.caller, "researcharr wait", ALLOCSET_DEFAULT_SIZES);
	wait.nested = SPI_inside_nonatomic_context();
	wait.desc = result_desc();
	set_result(&wait, DirectFunctionCall1(jsonb_in, CStringGetDatum("[]")));
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	next_transaction(&wait);
	wait_for_jobs(&wait);
	SPI_finish();
	MemoryContextDelete(wait.cxt);
	return HeapTupleGetDatum(wait.result);
}
