/*-------------------------------------------------------------------------
 *
 * worker.c
 *		A worker: takes jobs from the queue, does them, says how they ended.
 *
 *		worker CONNECTION NAME SEED TROUBLE
 *
 * What a worker has to do is in main() and do_job().  What it pretends is in
 * one place each: search(), which stands for asking an indexer, and trouble(),
 * by which TROUBLE percent of the jobs meet what happens in real life.
 *
 * The rules that it keeps:
 *
 * - A job is taken in a transaction of its own, which is over before the work
 *	 begins.  No transaction is open while the work goes on.
 * - The work's effect and the job's end are one transaction: either both are
 *	 there or none is.  The same statement takes the next job.
 * - Whatever it says of a job names the attempt that job_dequeue() gave it.
 *	 RA001 says that the job is not its own any more: it undoes its work.
 * - It needs no way to clean up.  When it dies, the lease of its job lapses,
 *	 and another worker gets the job.
 *
 * Exit status: 0 when no job is left, 1 after an error, 3 when it "died".
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libpq-fe.h>

#define LEASE_MS 1000

/* what the worker has to know of a job */
#define COLUMNS "id, attempt, media_id, retry_count, metadata ->> 'misses'"

typedef enum
{
	NO_TROUBLE,
	CLAIM_ROLLED_BACK,
	WORK_ROLLED_BACK,
	HANGS,
	DIES
} Trouble;

static PGconn *conn;
static int trouble_percent;

/*
 * Runs a statement: its result, which the caller clears, or NULL if the job
 * was lost.  Any other error ends the worker, and leaves its job to its lease.
 */
static PGresult *
query(const char *sql, int nparams, const char *const *params)
{
	PGresult *res = PQexecParams(conn, sql, nparams, NULL, params, NULL, NULL, 0);
	ExecStatusType status = PQresultStatus(res);
	const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
		return res;
	if (sqlstate == NULL || strcmp(sqlstate, "RA001") != 0)
	{
		fprintf(stderr, "worker: %s", PQerrorMessage(conn));
		exit(1);
	}
	PQclear(res);
	return NULL;
}

/* The same for a statement without a result: false if the job was lost. */
static int
run(const char *sql, int nparams, const char *const *params)
{
	PGresult *res = query(sql, nparams, params);

	PQclear(res);
	return res != NULL;
}

static void
sleep_ms(double ms)
{
	usleep((useconds_t) (ms * 1000));
}

/* What goes wrong with this job, besides the search itself? */
static Trouble
trouble(void)
{
	return drand48() * 100 < trouble_percent ? 1 + (int) (drand48() * 4) : NO_TROUBLE;
}

/*
 * The work.  It takes some milliseconds; now and then more than a lease, which
 * has to be renewed on the way.  The job's metadata say how many tries find
 * nothing.  Returns an error, "" if the job was lost, or NULL for success.
 */
static const char *
search(const char *const *job, int misses, int retries)
{
	double ms = drand48() < 0.002 ? 1.5 * LEASE_MS : 1 + 10 * drand48();

	for (; ms > LEASE_MS / 3; ms -= LEASE_MS / 3)
	{
		sleep_ms(LEASE_MS / 3);
		if (!run("SELECT researcharr.job_heartbeat($1, $2)", 2, job))
			return "";
	}
	sleep_ms(ms);
	return retries < misses ? "no release found" : NULL;
}

/*
 * Does a job, the row of a result with COLUMNS, and takes the next one with its
 * end.  Returns the next one, as such a result, perhaps without a row; NULL if
 * none was taken.  The caller clears it.
 */
static PGresult *
do_job(const PGresult *row, const char *name, Trouble trouble)
{
	const char *job[] = {PQgetvalue(row, 0, 0), PQgetvalue(row, 0, 1), PQgetvalue(row, 0, 2)};
	const char *error = search(job, atoi(PQgetvalue(row, 0, 4)), atoi(PQgetvalue(row, 0, 3)));
	PGresult *next;

	if (error != NULL)
	{
		const char *params[] = {job[0], job[1], error};

		/* queued again, later, or failed for good: the job type's policy says */
		if (error[0] != '\0')
			run("SELECT researcharr.job_fail($1, $2, $3)", 3, params);
		return NULL;
	}
	if (trouble == HANGS)
		sleep_ms(LEASE_MS * 1.5); /* long enough for somebody else to get it */
	if (trouble == DIES)
		_exit(3);

	/* The effect, the job's end and the next claim, all or nothing. */
	run("BEGIN", 0, NULL);
	run("UPDATE researcharr.media SET status = 'completed' WHERE id = $1", 1, &job[2]);
	run("INSERT INTO demo.found (job_id, media_id) VALUES ($1, $2)", 2,
		(const char *const[]){job[0], job[2]});
	next = query("SELECT " COLUMNS " FROM researcharr.job_complete_and_dequeue($1, $2, '{\"releases\": 1}',"
				 " '{search}', 1, '1 second', $3)",
				 3, (const char *const[]){job[0], job[1], name});
	if (next != NULL && trouble != WORK_ROLLED_BACK)
	{
		run("COMMIT", 0, NULL);
		return next;
	}
	run("ROLLBACK", 0, NULL);
	PQclear(next);
	return NULL;
}

/* Takes a job, and changes its mind, as if it had never been taken. */
static void
take_and_roll_back(const char *name)
{
	run("BEGIN", 0, NULL);
	run("SELECT id FROM researcharr.job_dequeue('{search}', 1, '1 second', $1)", 1, &name);
	run("ROLLBACK", 0, NULL);
}

/*
 * Sleeps until a job is due, half a second at most, takes the most urgent one,
 * for one second, and does it, and those that it gets after it.  False if there
 * was none.
 */
static int
wait_and_do(const char *name)
{
	Trouble what = trouble();
	PGresult *waited;
	PGresult *row;
	const char *jobs;
	int found;

	if (what == CLAIM_ROLLED_BACK)
		take_and_roll_back(name);
	waited = query("CALL researcharr.job_dequeue_wait(NULL, '{search}', 1, '1 second', $1, '500 ms')", 1, &name);
	jobs = PQgetvalue(waited, 0, 0);

	/* A client with a JSON parser needs no statement for this. */
	row = query("SELECT " COLUMNS " FROM jsonb_populate_recordset(NULL::researcharr.processing_jobs, $1)",
				1, &jobs);
	found = PQntuples(row) > 0;
	while (row != NULL && PQntuples(row) > 0)
	{
		PGresult *next = do_job(row, name, what);

		PQclear(row);
		row = next;
		what = trouble();
	}
	PQclear(row);
	PQclear(waited);
	return found;
}

/* Is anything queued or running, so that there may be more to do? */
static int
is_more_to_come(void)
{
	PGresult *res = query("SELECT researcharr.job_next_due('{search}')", 0, NULL);
	int more = !PQgetisnull(res, 0, 0);

	PQclear(res);
	return more;
}

int
main(int argc, char **argv)
{
	const char *name;

	if (argc != 5)
	{
		fprintf(stderr, "usage: worker CONNECTION NAME SEED TROUBLE\n");
		return 1;
	}
	name = argv[2];
	srand48(atol(argv[3]));
	trouble_percent = atoi(argv[4]);

	conn = PQconnectdb(argv[1]);
	if (PQstatus(conn) != CONNECTION_OK)
	{
		fprintf(stderr, "worker: %s", PQerrorMessage(conn));
		return 1;
	}

	/* in whose name the audit log will have what this session changes */
	run("SELECT pg_catalog.set_config('researcharr.user_id', $1, false)", 1, &name);

	while (wait_and_do(name) || is_more_to_come())
		;
	PQfinish(conn);
	return 0;
}
