/*-------------------------------------------------------------------------
 *
 * handover.c
 *		Many hand-overs to sleepers, and whether a wake-up is ever lost.
 *
 * Producers enqueue a few jobs at a time and wait until these are done; workers
 * sleep in job_dequeue_wait() until there is a job.  Where nothing but a wake-up
 * can tell a sleeper of a job (researcharr.agenda_refresh and poll_interval are
 * long), a job that is left waiting shows that one was lost, for there are
 * always workers asleep that could have it.  Some workers give up all the time,
 * so that wake-ups hit those who are just leaving; some are cancelled or
 * terminated, with their leases bound to their session.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stress.h"

#define PRODUCERS 4

/* how many jobs a producer enqueues at most before it waits for them */
#define MAX_BATCH 4

static const char *const job_types[] = {"search", "download", "verify"};

/* The types that a worker waits for: all, two, or one of them. */
static const char *
types_of(int number)
{
	static const char *const sets[] = {"NULL", "'{search,download}'", "NULL", "'{verify}'", "'{search}'"};

	return sets[number % 5];
}

/*
 * Do the jobs that a wait returned, and say so to their producers; false if
 * something came in between.
 */
static bool
do_jobs(PGresult *waited)
{
	char *json = PQescapeLiteral(conn, PQgetvalue(waited, 0, 0), PQgetlength(waited, 0, 0));
	PGresult *res;
	bool ok;

	res = query("SELECT (c.j->'metadata'->>'producer')::int, f.completed"
				" FROM (SELECT array_agg((j->>'id')::uuid) ids, array_agg((j->>'attempt')::int) attempts"
				"  FROM jsonb_array_elements(%s) j) a, researcharr.job_complete_many(a.ids, a.attempts) f"
				" JOIN (SELECT j FROM jsonb_array_elements(%s) j) c ON (c.j->>'id')::uuid = f.id",
				json, json);
	ok = res != NULL;
	for (int i = 0; ok && i < PQntuples(res); i++)
		if (PQgetvalue(res, i, 1)[0] == 't')
			__atomic_add_fetch(&shared->handed[atoi(PQgetvalue(res, i, 0))], 1, __ATOMIC_SEQ_CST);
	PQfreemem(json);
	PQclear(res);
	return ok;
}

/* Wait for jobs and do them, until told to stop. */
static void
work(int number)
{
	while (!shared->stop)
	{
		PGresult *res;
		char patience[30] = "2 s";

		/* every third one is always just about to leave */
		if (number % 3 == 1)
			snprintf(patience, sizeof(patience), "%d us", chance(20000));
		res = query("CALL researcharr.job_dequeue_wait(NULL, %s, %d, '1 hour', 'worker', '%s')",
					types_of(number), 1 + chance(3), patience);
		if (res != NULL && strcmp(PQgetvalue(res, 0, 0), "[]") == 0)
			did(DEED_WAITED);
		else if (res != NULL && do_jobs(res))
			did(DEED_WOKEN);
		else
		{
			/* What it was handed out, if anything, goes back with its session. */
			come_back();
		}
		PQclear(res);
	}
}

/* How many jobs of this producer are not done. */
static long
left(int me)
{
	PGresult *res = query("SELECT count(*) FROM researcharr.processing_jobs WHERE completed_at IS NULL"
						  " AND (metadata->>'producer')::int = %d",
						  me);
	long n = res != NULL ? atol(PQgetvalue(res, 0, 0)) : -1;

	PQclear(res);
	return n;
}

/* Show the jobs that are left, and who sleeps. */
static void
show_left(void)
{
	PGresult *res = query("SELECT j.id, j.job_type, j.priority, j.status, j.attempt, j.retry_count, j.error_message, j.available_at,"
						  " j.started_at, clock_timestamp() AS now, a.available_at AS place, a.id AS place_id,"
						  " (SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Extension') AS asleep"
						  " FROM researcharr.processing_jobs j LEFT JOIN researcharr.agenda_status() a USING (job_type, priority)"
						  " WHERE j.completed_at IS NULL LIMIT 20");

	for (int i = 0; res != NULL && i < PQntuples(res); i++)
	{
		for (int c = 0; c < PQnfields(res); c++)
			fprintf(stderr, "%s%s=%s", c > 0 ? " " : "left: ", PQfname(res, c), PQgetvalue(res, i, c));
		fprintf(stderr, "\n");
	}
	PQclear(res);
}

/*
 * Wait until this producer's counter is there, or until the table says that its
 * jobs are done: a worker that was stopped at the last moment did not count.
 * False if one is left waiting.
 */
static bool
all_done(int me, long *counter, int promise_ms)
{
	int64_t start = clock_ms();
	int64_t next_look = start + 100;

	while (__atomic_load_n(&shared->handed[me], __ATOMIC_SEQ_CST) < *counter)
	{
		int64_t now = clock_ms();

		if ((unsigned long) (now - start) > shared->slowest_ms)
			shared->slowest_ms = now - start;
		if (now - start > promise_ms)
		{
			violation("%ld jobs of producer %d are left waiting while workers sleep", left(me), me);
			show_left();
			return false;
		}
		if (now > next_look)
		{
			if (left(me) == 0)
				*counter = shared->handed[me];
			next_look = now + 100;
		}
		else if (now > start + 2)
			nap(1);
		else
			usleep(50);
	}
	return true;
}

/* Enqueue so many jobs, a few at a time, and wait for each few. */
static void
produce(int me, long wanted, int promise_ms)
{
	long counter = 0;
	long enqueued = 0;
	int64_t give_up;

	while (enqueued < wanted && shared->violations == 0)
	{
		int n = 1 + chance(MAX_BATCH);

		/* at times they fall due a moment later, by themselves */
		PQclear(query("SELECT count(*) FROM researcharr.job_enqueue_many((SELECT jsonb_agg(jsonb_build_object("
					  "'media_id', '01900000-0000-7000-8000-000000000001', 'job_type', '%s', 'priority', %d, 'metadata',"
					  " '{\"producer\": %d}'::jsonb, 'available_at', clock_timestamp() + '%d us', 'max_retries', 10)) FROM generate_series(1, %d)))",
					  job_types[chance(3)], chance(3) * 50, me, chance(4) == 0 ? chance(5000) : 0, n));
		enqueued += n;
		counter += n;
		__atomic_add_fetch(&shared->deeds[DEED_ENQUEUED], n, __ATOMIC_RELAXED);
		if (!all_done(me, &counter, promise_ms))
			break;
	}
	give_up = clock_ms() + promise_ms;
	while (shared->violations == 0 && left(me) != 0)
	{
		if (clock_ms() > give_up)
			violation("%ld jobs of producer %d are left waiting in the end", left(me), me);
		nap(10);
	}
	__atomic_sub_fetch(&shared->busy, 1, __ATOMIC_SEQ_CST);
}

static pid_t
start(int number, uint64_t seed, long wanted, int promise_ms)
{
	pid_t child = fork();

	if (child < 0)
	{
		perror("fork");
		exit(1);
	}
	if (child > 0)
		return child;
	begin_actor(number, seed);
	if (number < PRODUCERS)
	{
		shared->backends[number] = 0; /* leave it alone */
		produce(number, wanted, promise_ms);
	}
	else
	{
		work(number - PRODUCERS);
	}
	PQfinish(conn);
	_exit(0);
}

/* Cancel or terminate a worker now and then, until the producers are done. */
static void
disturb(PGconn *checker, int n)
{
	while (shared->busy > 0 && shared->violations == 0)
	{
		int backend = shared->backends[PRODUCERS + chance(n - PRODUCERS)];
		bool kill = chance(2) == 0;
		char sql[80];

		nap(20);
		if (backend == 0)
			continue;
		snprintf(sql, sizeof(sql), "SELECT pg_%s_backend(%d)", kill ? "terminate" : "cancel", backend);
		PQclear(PQexec(checker, sql));
		did(kill ? DEED_KILLED : DEED_CANCELLED);
	}
}

/*
 * Hand over so many jobs to the sleepers among n processes.
 */
void
hand_over(PGconn *checker, long handovers, int n, uint64_t seed, int promise_ms)
{
	pid_t children[MAX_ACTORS];
	PGresult *res;
	int64_t start_ms;

	if (n < PRODUCERS + 5)
		n = PRODUCERS + 5; /* a worker of each kind */
	shared->busy = PRODUCERS;
	shared->handing_over = true;
	PQfinish(checker);
	start_ms = clock_ms();
	for (int i = 0; i < n; i++)
		children[i] = start(i, seed * 1000003 + i, (handovers + PRODUCERS - 1) / PRODUCERS, promise_ms);
	checker = connect_as("checker");
	disturb(checker, n);
	printf("%12ld  ms for all hand-overs\n", (long) (clock_ms() - start_ms));
	shared->stop = true;
	for (int i = 0; i < n; i++)
	{
		int status;

		while (waitpid(children[i], &status, 0) < 0 && errno == EINTR)
			;
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			violation("process %d ended with status %d", i, status);
	}
	res = PQexec(checker, "SELECT count(*), count(*) FILTER (WHERE status <> 'completed') FROM researcharr.processing_jobs");
	if (atol(PQgetvalue(res, 0, 0)) != (long) shared->deeds[DEED_ENQUEUED] || atol(PQgetvalue(res, 0, 1)) != 0)
		violation("%s jobs in the end, %s of them not completed", PQgetvalue(res, 0, 0), PQgetvalue(res, 0, 1));
	PQclear(res);
	PQfinish(checker);
}
