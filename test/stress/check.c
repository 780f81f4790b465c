/*-------------------------------------------------------------------------
 *
 * check.c
 *		What must hold, whatever the actors do.
 *
 * Actors keep books, in tables of schema "stress" and in the transactions that
 * do what they record: made (jobs enqueued), claims, done (the effect of a
 * job's work) and gone (jobs deleted).  No index keeps anything from being
 * entered twice.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stress.h"

/* answers that one quiet phase compares */
#define ANSWERS 15

/* how long leases and waits may last that actors leave behind */
#define LEAVINGS_MS 15000

/* how many jobs of type "rated" may start in a second */
#define RATE "20"

/*
 * The jobs that can be handed out, as a plain query knows them.  One that lapsed
 * and had used up a retry before has to wait.
 */
#define DUE \
	"researcharr.processing_jobs j JOIN researcharr.job_type_policies t ON t.name = j.job_type" \
	" WHERE NOT t.paused AND (j.status = 'queued' AND j.available_at <= clock_timestamp()" \
	"  OR j.status = 'running' AND j.lease_expires_at <= clock_timestamp() AND j.retry_count = 0 AND j.max_retries > 0)"

#define FIRST_DUE \
	"SELECT j.id, j.job_type, j.priority, j.available_at FROM " DUE \
	" AND t.max_running IS NULL AND t.rate_limit IS NULL ORDER BY j.priority DESC, j.available_at, j.id LIMIT 1 FOR NO KEY UPDATE OF j SKIP LOCKED"

#define TAKE_ONE \
	"WITH taken AS MATERIALIZED (SELECT * FROM researcharr.job_dequeue(worker => 'checker')), book AS (" \
	" INSERT INTO stress.claims SELECT id, attempt, available_at > started_at, job_type, started_at FROM taken)" \
	" SELECT id, job_type, priority, available_at, attempt FROM taken"

static PGresult *
run_as(PGconn *checker, const char *sql)
{
	PGresult *res = PQexec(checker, sql);

	if (PQresultStatus(res) != PGRES_COMMAND_OK && PQresultStatus(res) != PGRES_TUPLES_OK)
	{
		violation("checker: %s%s", PQerrorMessage(checker), sql);
		exit(1);
	}
	return res;
}

static long
number(PGconn *checker, const char *sql)
{
	PGresult *res = run_as(checker, sql);
	long n = atol(PQgetvalue(res, 0, 0));

	PQclear(res);
	return n;
}

/*
 * Make the extension, the books, and something to enqueue jobs for.
 */
void
setup(PGconn *checker)
{
	PQclear(run_as(checker,
				   "CREATE EXTENSION researcharr CASCADE;"
				   "CREATE SCHEMA stress;"
				   "CREATE TABLE stress.made (job_id uuid);"
				   "CREATE TABLE stress.claims (job_id uuid, attempt int, early bool, job_type text, started_at timestamptz);"
				   "CREATE TABLE stress.done (job_id uuid, attempt int);"
				   "CREATE TABLE stress.gone (job_id uuid);"
				   "INSERT INTO researcharr.media (id, title, type)"
				   " SELECT ('01900000-0000-7000-8000-00000000000' || n)::uuid, 'M' || n, 'movie' FROM generate_series(1, 9) n;"
				   "SELECT researcharr.job_type_register(n, max_retries => 10, backoff_base => '50 ms',"
				   " backoff_cap => '1 s') FROM unnest('{search,download,verify,scan}'::text[]) n;"
				   "SELECT researcharr.job_type_register('narrow', max_retries => 10, backoff_base => '50 ms',"
				   " backoff_cap => '1 s', max_running => 5, weight => 3);"
				   "SELECT researcharr.job_type_register('rated', max_retries => 10, backoff_base => '50 ms',"
				   " backoff_cap => '1 s', weight => 3, rate_limit => " RATE ", rate_interval => '1 s')"));
}

/* Do the work of the job that row 0 of a result shows. */
static void
complete_taken(PGconn *checker, PGresult *taken)
{
	char sql[1000];
	const char *id = PQgetvalue(taken, 0, 0);
	const char *attempt = PQgetvalue(taken, 0, PQfnumber(taken, "attempt"));

	snprintf(sql, sizeof(sql), "INSERT INTO stress.done VALUES ('%s', %s);"
							   "SELECT researcharr.job_complete('%s', %s)",
			 id, attempt, id, attempt);
	PQclear(run_as(checker, sql));
}

/* Is what was taken as urgent as what the query had found just before? */
static bool
is_right(PGresult *due, PGresult *taken)
{
	int difference;

	if (PQntuples(due) == 0)
		return true;
	if (PQntuples(taken) == 0)
		return false;
	difference = atoi(PQgetvalue(taken, 0, 2)) - atoi(PQgetvalue(due, 0, 2));
	if (difference != 0)
		return difference > 0; /* that fell due in between */
	if (strcmp(PQgetvalue(due, 0, 1), PQgetvalue(taken, 0, 1)) != 0)
		return true;
	return strcmp(PQgetvalue(taken, 0, 3), PQgetvalue(due, 0, 3)) <= 0;
}

static void
describe(PGresult *due, PGresult *taken, int64_t late)
{
	bool none = PQntuples(taken) == 0;

	fprintf(stderr, "late for %ld ms: %s of %s, priority %s, at %s; handed out: %s of %s, priority %s, at %s\n",
			(long) late,
			PQgetvalue(due, 0, 0), PQgetvalue(due, 0, 1), PQgetvalue(due, 0, 2), PQgetvalue(due, 0, 3),
			none ? "none" : PQgetvalue(taken, 0, 0), none ? "" : PQgetvalue(taken, 0, 1),
			none ? "" : PQgetvalue(taken, 0, 2), none ? "" : PQgetvalue(taken, 0, 3));
}

/*
 * At no instant, that is in no snapshot, may more jobs of a type be running than
 * its limit allows: look as often as the machine lets us, until the queue is
 * drained.
 */
void
watch_limit(void)
{
	PGconn *watcher = connect_as("watcher");

	while (!shared->drained)
	{
		long running = number(watcher, "SELECT count(*) FROM researcharr.processing_jobs"
									   " WHERE job_type = 'narrow' AND completed_at IS NULL AND status = 'running'");

		if (running > 5)
			violation("%ld jobs of a type are running that may have 5", running);
		if (running > shared->most_running)
			shared->most_running = running;
		did(DEED_WATCHED);
		nap(2);
	}
	PQfinish(watcher);
}

/* Take a job; false if a more urgent one was due. */
static bool
take_one(PGconn *checker, int64_t late_since, bool *empty)
{
	PGresult *due;
	PGresult *taken;
	bool right;

	PQclear(run_as(checker, "BEGIN"));
	due = run_as(checker, FIRST_DUE);
	PQclear(run_as(checker, "COMMIT; BEGIN"));
	taken = run_as(checker, TAKE_ONE);
	right = is_right(due, taken);
	*empty = PQntuples(due) == 0 && PQntuples(taken) == 0;
	did(DEED_CHECKED);
	if (PQntuples(taken) > 0)
		complete_taken(checker, taken);
	PQclear(run_as(checker, "COMMIT"));
	if (!right)
		describe(due, taken, late_since > 0 ? clock_ms() - late_since : 0);
	PQclear(due);
	PQclear(taken);
	return right;
}

/*
 * Count the jobs that wait before the place from which on the agenda looks for
 * them, and are nobody's: only a walker can find them.
 */
static void
check_places(PGconn *checker, int promise_ms)
{
	PGresult *res;

	if (number(checker, "SELECT count(*) FROM pg_settings WHERE name = 'researcharr.agenda_types'") == 0)
		return;
	res = run_as(checker, "WITH agenda AS MATERIALIZED (SELECT * FROM researcharr.agenda_status()),"
						  " slipped AS MATERIALIZED (SELECT j.* FROM researcharr.processing_jobs j WHERE j.status = 'queued'"
						  "  AND EXISTS (SELECT FROM agenda a WHERE a.job_type = j.job_type)"
						  "  AND NOT EXISTS (SELECT FROM agenda a WHERE a.job_type = j.job_type AND a.priority = j.priority"
						  "   AND (a.available_at = '-infinity' OR (a.available_at, a.id) <= (j.available_at, j.id)))"
						  "  FOR NO KEY UPDATE OF j SKIP LOCKED)"
						  " SELECT s.id, s.job_type, s.priority, s.available_at, a.available_at, a.id"
						  " FROM slipped s LEFT JOIN agenda a USING (job_type, priority)");
	for (int i = 0; i < PQntuples(res); i++)
	{
		did(DEED_SLIPPED);
		fprintf(stderr, "slipped: %s of %s, priority %s, at %s; the place is %s %s\n",
				PQgetvalue(res, i, 0), PQgetvalue(res, i, 1), PQgetvalue(res, i, 2), PQgetvalue(res, i, 3),
				PQgetvalue(res, i, 4), PQgetvalue(res, i, 5));
	}
	if (PQntuples(res) > 0 &&
		promise_ms < number(checker, "SELECT setting FROM pg_settings WHERE name = 'researcharr.agenda_refresh'"))
		violation("jobs slipped past the agenda");
	PQclear(res);
}

/*
 * With no actor about, what is handed out must be the most urgent job, at once
 * but for what the walkers have yet to find, and then within the promise.
 */
void
check_quiet(PGconn *checker, int promise_ms)
{
	int64_t late_since = 0;
	int answers = 0;

	/* those that were killed may still be rolling back */
	while (number(checker, "SELECT count(*) FROM pg_stat_activity WHERE application_name ~ '^actor'"
						   " AND state <> 'idle'") > 0)
		nap(10);
	check_places(checker, promise_ms);
	while (answers < ANSWERS)
	{
		bool empty;

		if (take_one(checker, late_since, &empty))
		{
			late_since = 0;
			answers++;
			if (empty)
				break;
			continue;
		}
		if (late_since == 0)
		{
			late_since = clock_ms();
			did(DEED_LATE);
		}
		if ((unsigned long) (clock_ms() - late_since) > shared->slowest_ms)
			shared->slowest_ms = clock_ms() - late_since;
		if (clock_ms() - late_since > promise_ms)
		{
			violation("not found within the promise");
			return;
		}
		nap(20);
	}
}

static void
end_prepared(PGconn *checker)
{
	PGresult *res = run_as(checker, "SELECT gid FROM pg_prepared_xacts");
	char sql[300];

	for (int i = 0; i < PQntuples(res); i++)
	{
		snprintf(sql, sizeof(sql), "%s PREPARED '%s'", i % 2 ? "COMMIT" : "ROLLBACK", PQgetvalue(res, i, 0));
		PQclear(run_as(checker, sql));
		did(DEED_PREPARED_ENDED);
	}
	PQclear(res);
}

/* Take up to 100 jobs and do them; how many there were. */
static int
work_off(PGconn *checker)
{
	PGresult *res = run_as(checker,
						   "WITH taken AS MATERIALIZED (SELECT * FROM researcharr.job_dequeue(max_jobs => 100)), claims AS ("
						   " INSERT INTO stress.claims SELECT id, attempt, available_at > started_at, job_type, started_at FROM taken), done AS ("
						   " INSERT INTO stress.done SELECT id, attempt FROM taken),"
						   " finished AS MATERIALIZED (SELECT f.completed FROM (SELECT array_agg(id) ids, array_agg(attempt) attempts FROM taken) t,"
						   " researcharr.job_complete_many(coalesce(ids, '{}'), coalesce(attempts, '{}')) f)"
						   " SELECT count(*), count(*) FILTER (WHERE NOT completed) FROM finished");
	int n = atoi(PQgetvalue(res, 0, 0));

	if (atoi(PQgetvalue(res, 0, 1)) > 0)
		violation("a job that was just handed out could not be completed");
	PQclear(res);
	return n;
}

/* Show the jobs that nobody got, and what the agenda thinks of them. */
static void
show_forgotten(PGconn *checker)
{
	PGresult *res;

	if (number(checker, "SELECT count(*) FROM pg_settings WHERE name = 'researcharr.agenda_types'") == 0)
		return;
	res = run_as(checker, "SELECT j.id, j.job_type, j.priority, j.status, j.attempt, j.retry_count, j.available_at, j.lease_expires_at,"
						  " j.updated_at, clock_timestamp() AS now, a.available_at AS place, a.id AS place_id, a.next_lapse, a.verified_at"
						  " FROM researcharr.processing_jobs j LEFT JOIN researcharr.agenda_status() a USING (job_type, priority)"
						  " WHERE j.completed_at IS NULL ORDER BY j.job_type, j.priority, j.available_at LIMIT 20");
	for (int i = 0; i < PQntuples(res); i++)
	{
		for (int c = 0; c < PQnfields(res); c++)
			fprintf(stderr, "%s%s=%s", c > 0 ? " " : "forgotten: ", PQfname(res, c), PQgetvalue(res, i, c));
		fprintf(stderr, "\n");
	}
	PQclear(res);
}

/*
 * In any stretch of time no more jobs may have started than the rate allows,
 * and once as many that were saved up.  A call measures before it waits for
 * its turn: hence the second's worth of patience.
 */
static void
check_rate(PGconn *checker)
{
	long excess = number(checker, "WITH starts AS (SELECT started_at, row_number() OVER (ORDER BY started_at)"
								  " - " RATE " * extract(epoch FROM started_at)::float8 AS ahead FROM stress.claims WHERE job_type = 'rated'),"
								  " bucket AS (SELECT ahead - min(ahead) OVER (ORDER BY started_at) AS used FROM starts)"
								  " SELECT coalesce(ceil(max(used)), 0) - 2 * " RATE " FROM bucket");

	if (excess > 0)
		violation("%ld more jobs of a type were started than its rate allows", excess);
}

/*
 * With all actors gone, one worker gets every job that is left.
 */
void
drain(PGconn *checker, int promise_ms)
{
	int64_t give_up = clock_ms() + LEAVINGS_MS + promise_ms;
	char sql[1000];

	end_prepared(checker);
	check_rate(checker);
	while (number(checker, "SELECT researcharr.job_retry_all('{\"status\": \"cancelled\"}', 100)") > 0)
		;
	/* the others' keys are taken */
	PQclear(run_as(checker, "UPDATE researcharr.processing_jobs SET unique_key = NULL WHERE status = 'cancelled'"));
	while (number(checker, "SELECT researcharr.job_retry_all('{\"status\": \"cancelled\"}')") > 0)
		;
	PQclear(run_as(checker, "SELECT researcharr.job_type_resume(name) FROM researcharr.job_types"));
	PQclear(run_as(checker, "UPDATE researcharr.job_types SET rate_limit = NULL, rate_interval = NULL"));
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM " DUE " AND greatest(j.available_at, j.lease_expires_at) < clock_timestamp() - interval '%d ms'", promise_ms);
	for (;;)
	{
		long waiting;

		if (work_off(checker) > 0)
		{
			give_up = clock_ms() + LEAVINGS_MS + promise_ms;
			continue;
		}
		waiting = number(checker, "SELECT count(*) FROM researcharr.processing_jobs WHERE completed_at IS NULL");
		if (waiting == 0)
			return;
		if (clock_ms() > give_up)
		{
			violation("%ld jobs were never handed out, %ld of them overdue", waiting, number(checker, sql));
			show_forgotten(checker);
			return;
		}
		nap(20);
	}
}

/*
 * The books against the queue.
 */
void
check_sums(PGconn *checker)
{
	static const struct
	{
		const char *what;
		const char *sql;
	} sums[] = {
		{"jobs that are nowhere",
		 "SELECT count(*) FROM stress.made m WHERE NOT EXISTS (SELECT FROM researcharr.processing_jobs j WHERE j.id = m.job_id)"
		 " AND NOT EXISTS (SELECT FROM stress.gone g WHERE g.job_id = m.job_id)"},
		{"jobs that nobody enqueued",
		 "SELECT count(*) FROM researcharr.processing_jobs j WHERE NOT EXISTS (SELECT FROM stress.made m WHERE m.job_id = j.id)"},
		{"jobs both deleted and there",
		 "SELECT count(*) FROM stress.gone g JOIN researcharr.processing_jobs j ON j.id = g.job_id"},
		{"jobs enqueued twice", "SELECT count(*) - count(DISTINCT job_id) FROM stress.made"},
		{"jobs not finished",
		 "SELECT count(*) FROM researcharr.processing_jobs WHERE status NOT IN ('completed', 'failed')"},
		{"jobs done twice", "SELECT count(*) - count(DISTINCT job_id) FROM stress.done"},
		{"jobs completed and not done",
		 "SELECT count(*) FROM researcharr.processing_jobs j WHERE j.status = 'completed'"
		 " AND NOT EXISTS (SELECT FROM stress.done d WHERE d.job_id = j.id AND d.attempt = j.attempt)"},
		{"jobs done and not completed",
		 "SELECT count(*) FROM stress.done d WHERE NOT EXISTS (SELECT FROM researcharr.processing_jobs j"
		 " WHERE j.id = d.job_id AND j.status = 'completed' AND j.attempt = d.attempt)"},
		{"attempts handed out twice", "SELECT count(*) - count(DISTINCT (job_id, attempt)) FROM stress.claims"},
		{"attempts done that were not handed out",
		 "SELECT count(*) FROM stress.done d WHERE NOT EXISTS (SELECT FROM stress.claims c"
		 " WHERE c.job_id = d.job_id AND c.attempt = d.attempt)"},
		/* what a waiter got may never have reached its client, which keeps the books */
		{"jobs whose attempts are not on the books",
		 "SELECT count(*) FROM researcharr.processing_jobs j,"
		 " LATERAL (SELECT count(*) AS n FROM stress.claims c WHERE c.job_id = j.id) b WHERE j.attempt <> b.n AND j.attempt <> b.n +"
		 " (SELECT count(DISTINCT h.details->>'attempt') FROM researcharr.processing_history h WHERE h.job_id = j.id"
		 "  AND h.details->>'worker' = 'waiter' AND NOT EXISTS (SELECT FROM stress.claims c WHERE c.job_id = j.id"
		 "   AND c.attempt = (h.details->>'attempt')::int))"},
		{"jobs handed out before their time", "SELECT count(*) FROM stress.claims WHERE early"},
	};

	PQclear(run_as(checker, "CREATE INDEX ON stress.claims (job_id); CREATE INDEX ON stress.done (job_id);"
							"CREATE INDEX ON stress.gone (job_id); CREATE INDEX ON stress.made (job_id); ANALYZE"));
	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++)
	{
		long n = number(checker, sums[i].sql);

		if (n != 0)
			violation("%s: %ld", sums[i].what, n);
	}
	printf("%12ld  jobs in the queue's table in the end\n",
		   number(checker, "SELECT count(*) FROM researcharr.processing_jobs"));
}
