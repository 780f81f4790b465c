/*-------------------------------------------------------------------------
 *
 * storm.c
 *		Workers that keep books outside of a server that is killed all the time.
 *
 *		storm CONNECTION SECONDS SEED WORKERS
 *
 * Each worker, a process with a connection of its own, enqueues jobs, takes and
 * completes them, and ends its transactions in all ways.  It writes into a file
 * "books.N" what a transaction does, before it sends the command that ends it,
 * and again when the server has acknowledged that.  Lines are
 *
 *		effect TRANSACTION enqueued|completed JOB ATTEMPT
 *		end TRANSACTION commit|prepare|commit_prepared|rollback_prepared
 *		acknowledged TRANSACTION commit|prepare|...
 *
 * and verdict.sql compares them with the database.  When the time is over, a
 * worker only takes and completes jobs, until none is left.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>

#define MAX_WORKERS 64
#define MAX_TAKEN   5

/* seconds after which a server that is not back is taken for dead */
#define PATIENCE 120

typedef struct Job
{
	char id[40];
	int attempt;
} Job;

static const char *conninfo;
static const char media_id[] = "01900000-0000-7000-8000-000000000001";
static time_t end;
static int me;
static uint64_t state;
static FILE *books;
static PGconn *conn;
static char transaction[40];
static int ntransactions;
static Job taken[MAX_TAKEN];
static int ntaken;

static void write_down(const char *format, ...) __attribute__((format(printf, 1, 2)));
static PGresult *query(const char *format, ...) __attribute__((format(printf, 1, 2)));
static bool run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static uint32_t
chance(uint32_t n)
{
	uint64_t z = (state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return (z ^ (z >> 31)) % n;
}

static void
nap(int ms)
{
	struct timespec time = {ms / 1000, (ms % 1000) * 1000000L};

	nanosleep(&time, NULL);
}

static void
write_down(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(books, format, args);
	va_end(args);
	fflush(books);
}

static void
ignore_notice(void *arg, const PGresult *res)
{
}

/* Connects, however long the server takes to come back. */
static void
come_back(void)
{
	time_t give_up = time(NULL) + PATIENCE;

	if (conn != NULL)
		PQfinish(conn);
	for (;;)
	{
		conn = PQconnectdb(conninfo);
		if (PQstatus(conn) == CONNECTION_OK)
			break;
		if (time(NULL) > give_up)
		{
			fprintf(stderr, "VIOLATION: worker %d, no connection: %s", me, PQerrorMessage(conn));
			exit(1);
		}
		PQfinish(conn);
		nap(50);
	}
	PQsetNoticeReceiver(conn, ignore_notice, NULL);
	PQclear(PQexec(conn, chance(2) ? "SET researcharr.bind_leases = on" : "SET lock_timeout = '2 s'"));
}

/* Errors that the storm brings, or that others' work does. */
static bool
is_expected(const char *sqlstate)
{
	static const char *const expected[] = {"57P01", "57P02", "57P03", "57014", "RA001", "55P03", "40P01", "40001", "42704", "55000", "53400"};

	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		if (strcmp(sqlstate, expected[i]) == 0)
			return true;
	return false;
}

/* Runs a statement: its result, or NULL where it failed or the server is gone. */
static PGresult *
query(const char *format, ...)
{
	char sql[4000];
	va_list args;
	PGresult *res;
	const char *sqlstate;

	va_start(args, format);
	vsnprintf(sql, sizeof(sql), format, args);
	va_end(args);
	res = PQexec(conn, sql);
	if (PQresultStatus(res) == PGRES_COMMAND_OK || PQresultStatus(res) == PGRES_TUPLES_OK)
		return res;
	sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	if (sqlstate != NULL && !is_expected(sqlstate) &&
		strstr(PQresultErrorMessage(res), "maximum number of prepared transactions") == NULL)
	{
		fprintf(stderr, "VIOLATION: worker %d: %s: %s%s\n", me, sqlstate, PQresultErrorMessage(res), sql);
		exit(1);
	}
	PQclear(res);
	return NULL;
}

static bool
run(const char *format, ...)
{
	char sql[4000];
	va_list args;
	PGresult *res;

	va_start(args, format);
	vsnprintf(sql, sizeof(sql), format, args);
	va_end(args);
	res = query("%s", sql);
	PQclear(res);
	return res != NULL;
}

static bool
begin(void)
{
	snprintf(transaction, sizeof(transaction), "storm_%d_%d", me, ntransactions++);
	return run("BEGIN");
}

/* Ends the transaction, and has that on the books. */
static void
end_transaction(bool calm)
{
	uint32_t how = calm ? 99 : chance(100);

	if (PQstatus(conn) != CONNECTION_OK)
		return;
	if (PQtransactionStatus(conn) != PQTRANS_INTRANS || how < 10)
		run("ROLLBACK");
	else if (how < 25)
	{
		write_down("end %s prepare\n", transaction);
		if (run("PREPARE TRANSACTION '%s'", transaction))
			write_down("acknowledged %s prepare\n", transaction);
	}
	else
	{
		PGresult *res;

		write_down("end %s commit\n", transaction);
		res = query("COMMIT");
		if (res != NULL && strcmp(PQcmdStatus(res), "COMMIT") == 0)
			write_down("acknowledged %s commit\n", transaction);
		PQclear(res);
	}
}

/* A type of job.  "rated" is rare, so that its rate is enough for all of them. */
static const char *
random_type(void)
{
	static const char *const types[] = {"search", "download", "narrow"};

	return chance(100) == 0 ? "rated" : types[chance(3)];
}

static void
enqueue(void)
{
	int n = 1 + chance(4);

	if (!begin())
		return;
	for (int i = 0; i < n; i++)
	{
		PGresult *res;
		bool undo = chance(8) == 0 && run("SAVEPOINT s");

		if (chance(3))
			res = query("SELECT researcharr.job_enqueue('%s', '%s', %d, clock_timestamp() + interval '%d ms', 10)",
						media_id, random_type(), chance(3) * 10, chance(3) ? 0 : chance(1500));
		else
			res = query("INSERT INTO researcharr.processing_jobs (media_id, job_type, max_retries) VALUES ('%s', '%s', 10) RETURNING id",
						media_id, random_type());
		if (undo)
			run("ROLLBACK TO s");
		else if (res != NULL)
			write_down("effect %s enqueued %s 0\n", transaction, PQgetvalue(res, 0, 0));
		PQclear(res);
	}
	end_transaction(false);
}

/* Remembers the jobs that a query returned: id and attempt. */
static void
remember_taken(PGresult *res)
{
	ntaken = 0;
	for (int i = 0; res != NULL && i < PQntuples(res) && i < MAX_TAKEN; i++)
	{
		snprintf(taken[ntaken].id, sizeof(taken[0].id), "%s", PQgetvalue(res, i, 0));
		taken[ntaken++].attempt = atoi(PQgetvalue(res, i, 1));
	}
}

static void
take(void)
{
	PGresult *res = query("SELECT id, attempt FROM researcharr.job_dequeue(max_jobs => %d, lease => '%d ms')",
						  1 + chance(MAX_TAKEN), 500 + chance(2000));

	remember_taken(res);
	PQclear(res);
}

static void
wait_for_jobs(void)
{
	PGresult *res = query("CALL researcharr.job_dequeue_wait(NULL, NULL, 2, '2 s', 'storm', '%d ms')", 1 + chance(1000));
	PGresult *jobs;
	char *json;

	ntaken = 0;
	if (res == NULL)
		return;
	json = PQescapeLiteral(conn, PQgetvalue(res, 0, 0), PQgetlength(res, 0, 0));
	jobs = query("SELECT j ->> 'id', j ->> 'attempt' FROM jsonb_array_elements(%s) j", json);
	remember_taken(jobs);
	PQfreemem(json);
	PQclear(jobs);
	PQclear(res);
}

/* Does the work of a job that was taken: its effect, and its completion. */
static void
complete(const Job *job)
{
	if (run("INSERT INTO storm.done VALUES ('%s', %d)", job->id, job->attempt) &&
		run("SELECT researcharr.job_complete('%s', %d)", job->id, job->attempt))
		write_down("effect %s completed %s %d\n", transaction, job->id, job->attempt);
}

static void
work(bool calm)
{
	bool as_one = !calm && chance(4) == 0;

	if (as_one && !begin())
		return;
	if (!as_one && chance(3) == 0)
		wait_for_jobs();
	else
		take();
	for (int i = 0; i < ntaken; i++)
	{
		uint32_t what = calm ? 99 : chance(20);

		if (as_one)
			complete(&taken[i]);
		else if (what == 0)
			run("SELECT researcharr.job_fail('%s', %d, 'bad luck', '0')", taken[i].id, taken[i].attempt);
		else if (what == 1)
			run("SELECT researcharr.job_release('%s', %d)", taken[i].id, taken[i].attempt);
		else if (what == 2)
			run("SELECT researcharr.job_heartbeat('%s', %d, '500 ms')", taken[i].id, taken[i].attempt);
		else if (what > 3 && begin())
		{
			complete(&taken[i]);
			end_transaction(calm);
		}
	}
	if (as_one)
		end_transaction(false);
}

/* Ends a prepared transaction, whoever prepared it. */
static void
end_prepared(void)
{
	PGresult *res = query("SELECT gid FROM pg_prepared_xacts ORDER BY md5(gid || %u) LIMIT 1", chance(1000));

	if (res != NULL && PQntuples(res) > 0)
	{
		const char *gid = PQgetvalue(res, 0, 0);
		const char *how = chance(3) ? "commit" : "rollback";

		write_down("end %s %s_prepared\n", gid, how);
		if (run("%s PREPARED '%s'", how, gid))
			write_down("acknowledged %s %s_prepared\n", gid, how);
	}
	PQclear(res);
}

/* Is there nothing left to do? */
static bool
is_over(void)
{
	PGresult *res = query("SELECT NOT EXISTS (SELECT FROM pg_prepared_xacts) AND NOT EXISTS (SELECT FROM researcharr.processing_jobs WHERE completed_at IS NULL)");
	bool over = res != NULL && PQgetvalue(res, 0, 0)[0] == 't';

	PQclear(res);
	return over;
}

static void
be_worker(int number, uint64_t seed)
{
	char name[30];
	time_t give_up = end + PATIENCE;

	me = number;
	state = seed;
	snprintf(name, sizeof(name), "books.%d", number);
	books = fopen(name, "w");
	if (books == NULL)
	{
		perror(name);
		exit(1);
	}
	come_back();
	for (;;)
	{
		bool calm = time(NULL) >= end;
		uint32_t what = chance(100);

		if (PQstatus(conn) != CONNECTION_OK)
			come_back();
		else if (PQtransactionStatus(conn) != PQTRANS_IDLE)
			run("ROLLBACK");
		if (calm && is_over())
			break;
		if (time(NULL) > give_up)
		{
			fprintf(stderr, "VIOLATION: worker %d: the queue is not drained\n", me);
			exit(1);
		}
		if (what < 20)
			end_prepared();
		else if (what < 55 && !calm)
			enqueue();
		else
			work(calm);
		if (calm && ntaken == 0)
			nap(50);
	}
	PQfinish(conn);
	exit(0);
}

int
main(int argc, char **argv)
{
	int n;
	int rc = 0;

	if (argc != 5)
	{
		fprintf(stderr, "usage: storm CONNECTION SECONDS SEED WORKERS\n");
		return 2;
	}
	conninfo = argv[1];
	end = time(NULL) + atoi(argv[2]);
	n = atoi(argv[4]) < 1 ? 1 : atoi(argv[4]) > MAX_WORKERS ? MAX_WORKERS :
															  atoi(argv[4]);
	for (int i = 0; i < n; i++)
	{
		pid_t worker = fork();

		if (worker == 0)
			be_worker(i, strtoull(argv[3], NULL, 10) * 1000003 + i);
		if (worker < 0)
		{
			perror("fork");
			return 2;
		}
	}
	for (int i = 0; i < n; i++)
	{
		int status;

		if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
			rc = 1;
	}
	return rc;
}
