/*-------------------------------------------------------------------------
 *
 * fuzz.c
 *		Random statements at the extension, and whether the server holds.
 *
 *		fuzz CONNECTION SECONDS SEED CONNECTIONS
 *
 * Sessions (session.c), each a process with a connection of its own, call every
 * routine of schema researcharr with arguments of its types, sensible and wild
 * (calls.c, values.c, json.c), change tables and views (dml.c), and define and
 * drop what users may (ddl.c).  One session of five is in a database where the
 * extension is dropped and made all the time.
 *
 * Exit status: 0 if nothing that must hold was broken, 1 otherwise.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

/* after so many violations nothing new is learnt */
#define ENOUGH 20

Shared *shared;
const char *conninfo;

void
violation(const char *format, ...)
{
	va_list args;
	char text[8000];

	if (__atomic_add_fetch(&shared->violations, 1, __ATOMIC_RELAXED) >= ENOUGH)
		shared->stop = true;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "VIOLATION: %s\n", text);
}

void
nap(int ms)
{
	struct timespec time = {ms / 1000, (ms % 1000) * 1000000L};

	nanosleep(&time, NULL);
}

static PGconn *
connect_to(const char *database)
{
	char info[1000];
	PGconn *keeper;

	snprintf(info, sizeof(info), "%s dbname=%s application_name=keeper", conninfo, database);
	keeper = PQconnectdb(info);
	if (PQstatus(keeper) != CONNECTION_OK)
	{
		violation("keeper, no connection: %s", PQerrorMessage(keeper));
		shared->stop = true;
		PQfinish(keeper);
		return NULL;
	}
	return keeper;
}

/*
 * Keep what sessions pile up within bounds: tables, and transactions that
 * nobody ends.
 */
static void
tidy_up(PGconn *keeper, bool all)
{
	static const char *const statements[] = {
		"SET lock_timeout = '1 s'; SET statement_timeout = '5 s'",
		"DELETE FROM researcharr.processing_jobs WHERE id IN (SELECT id FROM researcharr.processing_jobs ORDER BY random() OFFSET 2000)",
		"DELETE FROM researcharr.media WHERE id IN (SELECT id FROM researcharr.media ORDER BY random() OFFSET 300)",
		"TRUNCATE fuzz.sink",
	};
	PGresult *res;

	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
		PQclear(PQexec(keeper, statements[i]));
	res = PQexec(keeper, all ? "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()" :
							   "SELECT gid FROM pg_prepared_xacts WHERE database = current_database() AND prepared < clock_timestamp() - interval '2 s'");
	for (int i = 0; i < PQntuples(res); i++)
	{
		char sql[200];

		snprintf(sql, sizeof(sql), "ROLLBACK PREPARED '%s'", PQgetvalue(res, i, 0));
		PQclear(PQexec(keeper, sql));
	}
	PQclear(res);
}

static void
tidy_up_all(bool all)
{
	static const char *const databases[] = {"fuzz", "second"};

	for (int i = 0; i < 2 && !(shared->stop && !all); i++)
	{
		PGconn *keeper = connect_to(databases[i]);

		if (keeper != NULL)
			tidy_up(keeper, all);
		PQfinish(keeper);
	}
}

static int
start_sessions(pid_t *sessions, int n, uint64_t seed)
{
	for (int i = 0; i < n; i++)
	{
		sessions[i] = fork();
		if (sessions[i] == 0)
			run_session(i, seed * 1000003 + i);
		if (sessions[i] < 0)
		{
			perror("fork");
			return i;
		}
	}
	return n;
}

/* Waits for sessions to end; those that do not are cancelled. */
static void
wait_for_sessions(pid_t *sessions, int n)
{
	for (int tries = 0; tries < 600; tries++)
	{
		int left = 0;

		for (int i = 0; i < n; i++)
		{
			int status;

			if (sessions[i] == 0)
				continue;
			if (waitpid(sessions[i], &status, WNOHANG) == sessions[i])
			{
				sessions[i] = 0;
				if (!WIFEXITED(status))
					violation("session %d ended with status %d", i, status);
			}
			else
				left++;
		}
		if (left == 0)
			return;
		nap(100);
	}
	for (int i = 0; i < n; i++)
		if (sessions[i] != 0)
		{
			violation("session %d (backend %d) does not come to an end: %s", i, shared->backends[i], shared->at[i]);
			kill(sessions[i], SIGKILL);
			waitpid(sessions[i], NULL, 0);
		}
}

static void
summarize(uint64_t seed)
{
	static const char *const kinds[KINDS] = {"calls", "statements on tables", "definitions", "transactions and settings"};

	printf("%10s %10s\n", "succeeded", "failed");
	for (int i = 0; i < nroutines; i++)
		printf("%10lu %10lu  %s\n", shared->succeeded[i], shared->failed[i], routines[i].name);
	printf("\n");
	for (int i = 0; i < KINDS; i++)
		printf("%10lu %10lu  %s\n", shared->ok[i], shared->errors[i], kinds[i]);
	printf("%lu cancelled, %lu terminated, %lu hung up, %lu prepared\n", shared->cancelled, shared->terminated,
		   shared->hung_up, shared->prepared);
	printf("seed %llu: %d violations\n", (unsigned long long) seed, shared->violations);
}

int
main(int argc, char **argv)
{
	pid_t sessions[MAX_SESSIONS];
	uint64_t seed;
	int n;
	time_t end;
	PGconn *reader;

	if (argc != 5)
	{
		fprintf(stderr, "usage: fuzz CONNECTION SECONDS SEED CONNECTIONS\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	conninfo = argv[1];
	seed = strtoull(argv[3], NULL, 10);
	n = atoi(argv[4]) < 1 ? 1 : atoi(argv[4]) > MAX_SESSIONS ? MAX_SESSIONS :
															   atoi(argv[4]);
	shared = mmap(NULL, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
	{
		perror("mmap");
		return 2;
	}
	reader = connect_to("fuzz");
	if (reader == NULL)
		return 2;
	read_catalog(reader);
	PQfinish(reader);
	printf("seed %llu, %d sessions, %d routines, %d tables and views\n", (unsigned long long) seed, n, nroutines, nrelations);
	end = time(NULL) + atoi(argv[2]);
	n = start_sessions(sessions, n, seed);
	while (time(NULL) < end && !shared->stop)
	{
		nap(1000);
		tidy_up_all(false);
	}
	shared->stop = true;
	wait_for_sessions(sessions, n);
	tidy_up_all(true);
	summarize(seed);
	return shared->violations > 0;
}
