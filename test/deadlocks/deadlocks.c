/*-------------------------------------------------------------------------
 *
 * deadlocks.c
 *		Rounds of each pair of calls, and how many of them deadlock.
 *
 *		deadlocks ROUNDS SEED CLIENTS [CALL...]
 *
 * In a round, two sessions make a call each, in one statement, about the same
 * rows, each in an order drawn by chance.  A third session holds a lock on one
 * of the rows until both calls have ended or wait for a lock, so that both are
 * midway when it lets go: calls that lock in different orders then deadlock,
 * and the server cancels one of them (40P01).  Which row, and whether it is
 * held at all, is drawn by chance.  Other errors are what a call may say of rows
 * that the other has changed; those of class XX are not.  Three of four rounds
 * are rolled back, so that the next one finds the same rows.
 *
 * Pairs are shared among CLIENTS processes, each with a database of its own.
 * Prints the table of pairs, with the number of deadlocks of each.
 *
 * Exit status: 0 if there were none, 1 otherwise.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include <libpq-fe.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deadlocks.h"

#define MAX_CALLS 80
#define MAX_SQL   16384

/* The sessions of a client */
enum
{
	FIRST,
	SECOND,
	HOLDER,
	OBSERVER,
	SESSIONS
};

/* What clients tell the parent. */
typedef struct Shared
{
	int deadlocks[MAX_CALLS][MAX_CALLS];
	int succeeded[MAX_CALLS]; /* calls without an error */
	int internal;             /* errors of class XX */
} Shared;

static Shared *shared;
static PGconn *sessions[SESSIONS];
static bool chosen[MAX_CALLS];

static void
die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

/* Runs a statement that must not fail */
static PGresult *
must(int session, const char *sql)
{
	PGresult *result = PQexec(sessions[session], sql);
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		die("%s: %s", sql, PQerrorMessage(sessions[session]));
	return result;
}

static void
do_it(int session, const char *sql)
{
	PQclear(must(session, sql));
}

static void
prepare(Round *round)
{
	PGresult *result = must(HOLDER, "SELECT * FROM prepare()");

	memset(round->count, 0, sizeof(round->count));
	for (int i = 0; i < PQntuples(result); i++)
	{
		for (int kind = 0; kind < KINDS; kind++)
		{
			if (strcmp(kind_names[kind], PQgetvalue(result, i, 0)) == 0 &&
				round->count[kind] < MAX_IDS)
				snprintf(round->ids[kind][round->count[kind]++], sizeof(round->ids[0][0]), "%s",
						 PQgetvalue(result, i, 1));
		}
	}
	PQclear(result);
}

/* Lets the third session hold a row, or none */
static void
hold(const Round *round, unsigned *seed)
{
	static const struct
	{
		Kind kind;
		const char *table;
		const char *column;
	} rows[] = {
		{MOVIES, "media", "id"}, {EPISODES, "media", "id"}, {SERIES, "media", "id"}, {SERIES, "series", "media_id"}, {MOVIES, "movies", "media_id"}, {EPISODES, "episodes", "media_id"}, {QUEUED, "processing_jobs", "id"}, {RUNNING, "processing_jobs", "id"}, {FAILED, "processing_jobs", "id"}, {ITEMS, "queue_items", "id"}};
	int n = sizeof(rows) / sizeof(rows[0]);
	int i = rand_r(seed) % (n + 2);
	char sql[300];

	do_it(HOLDER, "BEGIN");
	if (i > n)
		return;
	if (i == n)
		snprintf(sql, sizeof(sql), "SELECT researcharr.job_enqueue('%s', 'search', unique_key => 'new %d')",
				 round->ids[MOVIES][0], rand_r(seed) % round->count[MOVIES]);
	else
		snprintf(sql, sizeof(sql), "SELECT FROM researcharr.%s WHERE %s = '%s' FOR UPDATE",
				 rows[i].table, rows[i].column,
				 round->ids[rows[i].kind][rand_r(seed) % round->count[rows[i].kind]]);
	do_it(HOLDER, sql);
}

static bool
is_busy(int session)
{
	if (!PQconsumeInput(sessions[session]))
		die("%s", PQerrorMessage(sessions[session]));
	return PQisBusy(sessions[session]);
}

/* Waits until both calls have ended, or wait for a lock */
static void
wait_until_stuck(void)
{
	char sql[200];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid IN (%d, %d)",
			 PQbackendPID(sessions[FIRST]), PQbackendPID(sessions[SECOND]));
	for (;;)
	{
		struct pollfd answers[2];
		int busy = 0;
		PGresult *result;
		int waiting;

		for (int i = FIRST; i <= SECOND; i++)
		{
			if (!is_busy(i))
				continue;
			answers[busy].fd = PQsocket(sessions[i]);
			answers[busy++].events = POLLIN;
		}
		if (busy == 0)
			return;
		if (poll(answers, busy, 1) > 0)
			continue; /* no need to ask the server yet */
		result = must(OBSERVER, sql);
		waiting = atoi(PQgetvalue(result, 0, 0));
		PQclear(result);
		if (waiting >= busy)
			return;
	}
}

/* Takes what a call answered; returns whether it was the victim of a deadlock */
static bool
finish(int session, int call, int other)
{
	PGresult *result;
	bool deadlock = false;
	bool good = true;

	while ((result = PQgetResult(sessions[session])) != NULL)
	{
		const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

		good = good && state == NULL;
		deadlock = deadlock || (state != NULL && strcmp(state, "40P01") == 0);
		if (state != NULL && strcmp(state, "40P01") == 0)
			fprintf(stderr, "%s beside %s: %s\n", calls[call].name, calls[other].name,
					PQresultErrorMessage(result));
		if (state != NULL && strncmp(state, "XX", 2) == 0)
		{
			fprintf(stderr, "%s: %s", calls[call].name, PQresultErrorMessage(result));
			__atomic_add_fetch(&shared->internal, 1, __ATOMIC_RELAXED);
		}
		if (PQstatus(sessions[session]) != CONNECTION_OK)
			die("%s: the connection is lost", calls[call].name);
		PQclear(result);
	}
	if (good)
		__atomic_add_fetch(&shared->succeeded[call], 1, __ATOMIC_RELAXED);
	else
		do_it(session, "ROLLBACK");
	return deadlock;
}

/* Sends a call, in a transaction that is kept or not */
static void
send(int session, int call, const Round *round, bool keep, unsigned *seed)
{
	static char sql[MAX_SQL];
	static char message[MAX_SQL + 40];

	make_sql(&calls[call], round, seed, sql, MAX_SQL);
	snprintf(message, sizeof(message), "BEGIN; %s; %s", sql, keep ? "COMMIT" : "ROLLBACK");
	if (!PQsendQuery(sessions[session], message))
		die("%s", PQerrorMessage(sessions[session]));
}

static void
run_round(int a, int b, Round *round, unsigned *seed)
{
	bool keep = round->number++ % 4 == 3;

	hold(round, seed);
	send(FIRST, a, round, keep, seed);
	send(SECOND, b, round, keep, seed);
	wait_until_stuck();
	do_it(HOLDER, "ROLLBACK");
	if (finish(FIRST, a, b) + finish(SECOND, b, a) > 0)
		__atomic_add_fetch(&shared->deadlocks[a][b], 1, __ATOMIC_RELAXED);
	if (keep)
		prepare(round);
}

/* Runs the pairs that are this client's */
static void
run_client(int client, int clients, int rounds, unsigned seed)
{
	char conninfo[60];
	int pair = 0;
	Round round = {0};

	snprintf(conninfo, sizeof(conninfo), "dbname=deadlocks_%d", client + 1);
	for (int i = 0; i < SESSIONS; i++)
	{
		sessions[i] = PQconnectdb(conninfo);
		if (PQstatus(sessions[i]) != CONNECTION_OK)
			die("%s", PQerrorMessage(sessions[i]));
		do_it(i, "SET client_min_messages = error; SET researcharr.audit = off");
	}
	prepare(&round);
	for (int a = 0; a < ncalls; a++)
	{
		for (int b = a; b < ncalls; b++)
		{
			if (!chosen[a] || !chosen[b] || pair++ % clients != client)
				continue;
			for (int i = 0; i < rounds; i++)
				run_round(a, b, &round, &seed);
			if (pair % 20 == 0)
				do_it(HOLDER, "TRUNCATE researcharr.processing_history");
		}
	}
}

/* Chooses the calls that were asked for and that this version has */
static void
choose(int argc, char **argv)
{
	char sql[200];
	PGresult *result;

	sessions[OBSERVER] = PQconnectdb("dbname=postgres");
	if (PQstatus(sessions[OBSERVER]) != CONNECTION_OK)
		die("%s", PQerrorMessage(sessions[OBSERVER]));
	for (int i = 0; i < ncalls; i++)
	{
		chosen[i] = argc == 0;
		for (int j = 0; j < argc; j++)
			chosen[i] = chosen[i] || strncmp(calls[i].name, argv[j], strlen(argv[j])) == 0;
		if (calls[i].needs == NULL)
			continue;
		snprintf(sql, sizeof(sql), "SELECT FROM pg_proc WHERE pronamespace = 'researcharr'::regnamespace AND proname = '%s'",
				 calls[i].needs);
		result = must(OBSERVER, sql);
		chosen[i] = chosen[i] && PQntuples(result) > 0;
		PQclear(result);
	}
	PQfinish(sessions[OBSERVER]);
}

/* Prints the table of pairs; returns how many rounds deadlocked */
static int
print_table(int rounds)
{
	int sum = 0;

	printf("deadlocks in %d rounds of each pair (. is none); a column's number is the call's\n", rounds);
	printf("%-40s", "");
	for (int i = 0; i < ncalls; i++)
	{
		if (chosen[i])
			printf("%3d", i + 1);
	}
	putchar('\n');
	for (int a = 0; a < ncalls; a++)
	{
		if (!chosen[a])
			continue;
		printf("%2d %-37s", a + 1, calls[a].name);
		for (int b = 0; b < ncalls; b++)
		{
			int n = shared->deadlocks[a < b ? a : b][a < b ? b : a];

			if (!chosen[b])
				continue;
			printf(b > a ? "   " : n == 0 ? "  ." :
											"%3d",
				   n);
			if (b <= a)
				sum += n;
		}
		putchar('\n');
	}
	return sum;
}

int
main(int argc, char **argv)
{
	int rounds = argc > 3 ? atoi(argv[1]) : 0;
	int clients = argc > 3 ? atoi(argv[3]) : 0;
	bool failed = false;
	int sum;

	if (rounds <= 0 || clients <= 0 || ncalls > MAX_CALLS)
		die("usage: deadlocks ROUNDS SEED CLIENTS [CALL...]");
	setvbuf(stdout, NULL, _IOLBF, 0);
	shared = mmap(NULL, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("no shared memory");
	choose(argc - 4, argv + 4);
	for (int i = 0; i < clients; i++)
	{
		switch (fork())
		{
			case -1:
				die("no process");
				break;
			case 0:
				run_client(i, clients, rounds, (unsigned) atoi(argv[2]) + i);
				exit(0);
		}
	}
	for (int i = 0; i < clients; i++)
	{
		int status;

		failed |= wait(&status) < 0 || status != 0;
	}
	sum = print_table(rounds);
	for (int i = 0; i < ncalls; i++)
	{
		if (chosen[i] && shared->succeeded[i] == 0)
		{
			printf("%s never succeeded\n", calls[i].name);
			failed = true;
		}
	}
	printf("seed %s: %d deadlocks, %d internal errors\n", argv[2], sum, shared->internal);
	return failed || sum > 0 || shared->internal > 0;
}
