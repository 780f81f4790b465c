/*
 * dequeue_wait.c
 *		job_dequeue_wait(): sleep until a job can be claimed, and claim it.
 *
 * README.md describes the steps and the transactions of a call.  A transaction
 * that fails leaves the list of sleepers (wait_list.c), and wakes another one
 * if necessary, so that this code needs no cleanup after errors.
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
#include "job/claim.h"
#include "job/core/job_json.h"
#include "job/core/job_row.h"
#include "job/core/job_type.h"
#include "job/limits/limits.h"
#include "job/wait/wait_list.h"

/*
 * bytes of columns after which a result gets no more jobs: jsonb has a limit
 */
#define RESULT_BYTES (24 * 1024 * 1024)

/* A call of job_dequeue_wait(). */
typedef struct Wait
{
	ArrayType *names; /* of job types; NULL for all */
	RarrClaim claim;  /* the arguments of each claim */
	int max_jobs;
	int64 end; /* of the timeout, by rarr_monotonic_now();
				* PG_INT64_MAX: none */

	MemoryContext caller; /* lives until the call returns */
	MemoryContext cxt;    /* reset for each look */
	TimestampTz looked;   /* time of the last look, by the system clock, */
	int64 looked_mono;    /* and by rarr_monotonic_now() */
	int64 yield_at;       /* when the first type that limits now block may
						   * get a job, by rarr_monotonic_now();
						   * PG_INT64_MAX: never, or none is blocked */
	int nrefs;            /* slots of the types in the agenda */
	RarrAgendaRef *refs;
	bool complete;    /* each type has one */
	bool registered;  /* in the list of sleepers */
	bool clean;       /* the transaction has consulted nothing but the
					   * agenda */
	bool nested;      /* called by procedural code */
	TupleDesc desc;   /* of the result */
	HeapTuple result; /* a row with the jobs, in `caller` */
} Wait;

/* Raise 25001 if the call may not end the caller's transaction. */
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
 * Make sure that the current transaction is READ COMMITTED and has done
 * nothing.  A transaction that has consulted only the agenda can be reused:
 * its catalog snapshot is invalidated before the sleep.
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

/* Is there a client whose disconnection can be detected? */
static bool
has_client(void)
{
	return MyProcPort != NULL && whereToSendOutput == DestRemote && WaitEventSetCanReportClosed();
}

/* The client has disconnected: end the session as the server does. */
static void
end_session(void)
{
	ClientConnectionLost = true;
	InterruptPending = true;
	CHECK_FOR_INTERRUPTS();
}

/* Do not return jobs to a client that has disconnected. */
static void
check_client(void)
{
	if (has_client() && !pq_check_connection())
		end_session();
}

/* Find the slots of the types in the agenda. */
static void
find_slots(Wait *wait, List *types)
{
	Oid table = rarr_relation_oid(rarr_job_table.name);
	ListCell *lc;

	wait->refs = palloc((list_length(types) + 1) * sizeof(RarrAgendaRef));
	wait->nrefs = 0;
	wait->complete = rarr_agenda_is_there();
	foreach (lc, types)
	{
		const RarrAgendaRef *ref = rarr_agenda_ref(rarr_agenda_type_key(table, lfirst(lc)), true);

		if (ref != NULL)
			wait->refs[wait->nrefs++] = *ref;
		else
			wait->complete = false;
	}
}

/* Make the result, a row with the jobs as jsonb. */
static void
set_result(Wait *wait, Datum jobs)
{
	MemoryContext old = MemoryContextSwitchTo(wait->caller);
	bool isnull = false;

	wait->result = heap_form_tuple(wait->desc, &jobs, &isnull);
	MemoryContextSwitchTo(old);
}

/*
 * Claim jobs, make the result, and return the number of jobs.  Sets *again if
 * the claim found none but must be repeated, because it stopped early.
 */
static int64
claim_jobs(Wait *wait, List *types, bool *again)
{
	RarrClaim claim = wait->claim;
	Tuplestorestate *jobs = tuplestore_begin_heap(false, false, work_mem);
	int64 n;

	/* the default of new transactions may have changed to read-only */
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

/* The look found no jobs: compute when the limits of the types allow one. */
static void
set_yield_at(Wait *wait, List *types)
{
	Oid table = rarr_relation_oid(rarr_job_table.name);
	ListCell *lc;

	wait->yield_at = PG_INT64_MAX;
	foreach (lc, types)
	{
		TimestampTz at = rarr_limits_yield_at(table, lfirst(lc), wait->looked);

		if (at > wait->looked && at != DT_NOEND)
			wait->yield_at = Min(wait->yield_at, wait->looked_mono + (at - wait->looked));
	}
}

/*
 * The server stores the result in a tuplestore, which spills to disk if it
 * exceeds work_mem.  If that fails, the abort fails as well when it closes the
 * server's tuplestore, and must be repeated.  So spill the result here first,
 * to raise the error while it is harmless.
 */
static void
try_to_spill(HeapTuple result)
{
	Tuplestorestate *store;

	if (result->t_len < work_mem * INT64CONST(512))
		return; /* less than half of work_mem */
	store = tuplestore_begin_heap(false, false, work_mem);
	tuplestore_puttuple(store, result);
	tuplestore_end(store);
}

/*
 * Finish a call that has claimed jobs and made the result.  At top level, make
 * the server commit at the end of the statement, even within a pipeline.
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
 * Look for jobs, in the current transaction.  If there are any, claim them,
 * finish the call, and return true.  Afterwards the transaction may not be
 * clean.
 */
static bool
look(Wait *wait)
{
	MemoryContext old;
	List *types;
	int64 n = 0;
	bool again = true;

	while (n == 0 && again)
	{
		MemoryContextReset(wait->cxt);
		old = MemoryContextSwitchTo(wait->cxt);
		types = rarr_job_types_requested(wait->names);
		find_slots(wait, types);
		wait->looked_mono = rarr_monotonic_now();
		wait->looked = GetCurrentTimestamp(); /* after looked_mono */
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
	if (n > 0)
		deliver(wait);
	return n > 0;
}

/* Wait for an event, for `timeout` milliseconds at most. */
static void
wait_for_event(long timeout)
{
	static uint32 wait_event = 0;
	WaitEvent events[FeBeWaitSetNEvents];
	int n;

	if (wait_event == 0)
		wait_event = rarr_wait_event("ResearcharrJobWait");
	if (!has_client())
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | WL_TIMEOUT, timeout, wait_event);
		ResetLatch(MyLatch);
		return;
	}

	/* like pq_check_connection(); each user of the set modifies it */
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
 * How long to sleep from now on if nothing happens, in milliseconds.  since:
 * when the sleep began, by rarr_monotonic_now().
 */
static long
time_to_sleep(Wait *wait, int64 since)
{
	int64 now = rarr_monotonic_now();
	int64 left = PG_INT64_MAX;

	if (wait->end != PG_INT64_MAX)
		left = wait->end - now;
	if (!wait->registered || !wait->complete)
		left = Min(left, since + (int64) rarr_poll_interval * 1000 - now);
	if (wait->registered)
		left = Min(left, rarr_wait_time_left(wait->looked_mono, wait->yield_at));
	return left <= 0 ? 0 : Min((left - 1) / 1000 + 1, INT_MAX);
}

/*
 * Do what a session does between two statements, as this one can take long:
 * reload the configuration, and accept invalidation messages.
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

/* Sleep until there may be a job, or the timeout, in a clean transaction. */
static void
sleep_until_woken(Wait *wait)
{
	int64 since = rarr_monotonic_now();
	long timeout;

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

/* Look and sleep until there are jobs, or until the timeout. */
static void
wait_for_jobs(Wait *wait)
{
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (look(wait))
			return;
		if (rarr_monotonic_now() >= wait->end)
			break;
		wait->registered = rarr_wait_enter(wait->refs, wait->nrefs, wait->looked_mono);
		next_transaction(wait);
		if (wait->registered)
		{
			if (look(wait))
				return;
			next_transaction(wait);
			if (!rarr_wait_is_for(wait->refs, wait->nrefs))
				continue; /* the types differ from those in the list */
		}
		sleep_until_woken(wait);
		wait->clean = false; /* begin a new one, with a new now() */
		next_transaction(wait);
	}
	rarr_wait_leave(wait->looked_mono);
	SPI_commit();
}

/* The row type of the result, its one INOUT argument; made once. */
static TupleDesc
result_desc(void)
{
	static TupleDesc desc = NULL;

	if (desc == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
		TupleDesc made = CreateTemplateTupleDesc(1);

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
 * jobs: its input is ignored.  Its result is an array of the claimed jobs in
 * the order of the claim, or [] after the timeout.  The claim is committed
 * when the CALL ends; if procedural code calls it, when it returns.  timeout:
 * zero or more, with zero for a single look; NULL for no limit.  The other
 * arguments are those of job_dequeue().
 * Errors: 25001 inside a transaction block or a function; RA002 unknown type,
 * also one whose row is deleted meanwhile; RA003 a worker's name that is too
 * long; 22023 an argument out of range; 25006 a read-only transaction.
 */
Datum
researcharr_job_dequeue_wait(PG_FUNCTION_ARGS)
{
	Wait wait = {.end = PG_INT64_MAX, .looked = DT_NOBEGIN};

	rarr_prevent_read_only("job_dequeue_wait()");
	check_context(fcinfo);
	rarr_claim_args(&wait.claim, fcinfo, 2, &wait.max_jobs);
	if (!PG_ARGISNULL(1))
		wait.names = PG_GETARG_ARRAYTYPE_P(1);
	if (!PG_ARGISNULL(5))
		wait.end = rarr_monotonic_now() + rarr_duration_arg(PG_GETARG_INTERVAL_P(5), "timeout", 0);

	/* The contexts live longer than the transactions of the call. */
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
