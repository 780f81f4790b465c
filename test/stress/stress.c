/*-------------------------------------------------------------------------
 *
 * stress.c
 *		Many clients that treat the queue badly, and whether it holds.
 *
 *		stress CONNECTION SECONDS SEED CONNECTIONS PROMISE [HANDOVERS]
 *
 * Actors (actor.c), each a process with a connection of its own, do all that a
 * client may do with a queue, at random.  From time to time they are stopped,
 * and the checker (check.c) compares what job_dequeue() hands out with what a
 * plain query says.  In the end it drains the queue and adds up.  All the while
 * the watcher, another process, looks that no more jobs of a type are running
 * than its limit allows.  PROMISE is
 * how many milliseconds a job that is due may stay unfound by a client that
 * keeps asking; where it is less than researcharr.agenda_refresh, nothing may
 * slip past the agenda at all.  With HANDOVERS, so many jobs are handed to
 * sleepers instead (handover.c), and PROMISE is how long one may be left waiting.
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
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stress.h"

/* how long actors act between two checks */
#define ROUND_MS 3000

/* how long they may take to stop: some wait for locks */
#define STOP_MS 120000

Shared *shared;
const char *conninfo;

static const char *const deed_names[DEEDS] = {
	"jobs enqueued", "jobs claimed", "completed", "failed", "released", "heartbeats",
	"leases lost", "reports of many jobs", "cancels and retries of many", "jobs edited", "jobs deleted", "rows held", "truncations undone",
	"tables and indexes rebuilt", "columns altered", "row types changed meanwhile", "broken statements",
	"savepoints undone", "transactions committed", "rolled back", "hung up on", "prepared",
	"prepared ended", "backends killed", "queries cancelled", "types paused", "was killed", "lock timeouts",
	"waits", "jobs waited for", "deadlocks", "serialization failures", "answers checked", "looks at what is running", "late answers", "jobs before their group's place"};

void
violation(const char *format, ...)
{
	va_list args;

	__atomic_add_fetch(&shared->violations, 1, __ATOMIC_RELAXED);
	va_start(args, format);
	fprintf(stderr, "VIOLATION: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
}

int64_t
clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
nap(int ms)
{
	struct timespec time = {ms / 1000, (ms % 1000) * 1000000L};

	nanosleep(&time, NULL);
}

static void
ignore_notice(void *arg, const PGresult *res)
{
}

PGconn *
connect_as(const char *name)
{
	char info[1000];
	PGconn *new;

	/* not by SET, which could be cancelled */
	snprintf(info, sizeof(info), "%s application_name=%s%s", conninfo, name,
			 shared->handing_over ? " options='-c researcharr.bind_leases=on'" : "");
	new = PQconnectdb(info);
	if (PQstatus(new) != CONNECTION_OK)
	{
		violation("no connection: %s", PQerrorMessage(new));
		exit(1);
	}
	PQsetNoticeReceiver(new, ignore_notice, NULL);
	return new;
}

static void
start_actors(pid_t *actors, int n, uint64_t seed)
{
	for (int i = 0; i < n; i++)
	{
		actors[i] = fork();
		if (actors[i] == 0)
		{
			act(i, seed * 1000003 + i);
			_exit(0);
		}
		if (actors[i] < 0)
		{
			perror("fork");
			exit(1);
		}
	}
}

static pid_t
start_watcher(void)
{
	pid_t watcher = fork();

	if (watcher == 0)
	{
		watch_limit();
		_exit(0);
	}
	if (watcher < 0)
	{
		perror("fork");
		exit(1);
	}
	return watcher;
}

static void
wait_until_quiet(void)
{
	int64_t give_up = clock_ms() + STOP_MS;

	while (__atomic_load_n(&shared->busy, __ATOMIC_SEQ_CST) > 0)
	{
		if (clock_ms() > give_up)
		{
			violation("%d actors do not come to an end", shared->busy);
			exit(1);
		}
		nap(10);
	}
}

static void
wait_for_actors(const pid_t *actors, int n)
{
	for (int i = 0; i < n; i++)
	{
		int status;

		while (waitpid(actors[i], &status, 0) < 0 && errno == EINTR)
			;
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			violation("process %d ended with status %d", (int) actors[i], status);
	}
}

static void
summarize(uint64_t seed)
{
	for (int i = 0; i < DEEDS; i++)
		printf("%12lu  %s\n", shared->deeds[i], deed_names[i]);
	printf("%12lu  ms until the slowest answer was right\n", shared->slowest_ms);
	printf("%12ld  jobs at once, at most, of a type that may have 5\n", shared->most_running);
	printf("seed %llu: %d violations\n", (unsigned long long) seed, shared->violations);
}

int
main(int argc, char **argv)
{
	pid_t actors[MAX_ACTORS];
	pid_t watcher;
	uint64_t seed;
	int n;
	int promise_ms;
	int64_t end;
	PGconn *checker;

	if (argc != 6 && argc != 7)
	{
		fprintf(stderr, "usage: stress CONNECTION SECONDS SEED CONNECTIONS PROMISE [HANDOVERS]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	conninfo = argv[1];
	seed = strtoull(argv[3], NULL, 10);
	n = atoi(argv[4]) < 1 ? 1 : atoi(argv[4]) > MAX_ACTORS ? MAX_ACTORS :
															 atoi(argv[4]);
	promise_ms = atoi(argv[5]);
	shared = mmap(NULL, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
	{
		perror("mmap");
		return 2;
	}
	printf("seed %llu, %d actors\n", (unsigned long long) seed, n);
	shared->busy = n;

	/* No connection is open across the fork. */
	checker = connect_as("checker");
	setup(checker);
	if (argc == 7)
	{
		hand_over(checker, atol(argv[6]), n, seed, promise_ms);
		summarize(seed);
		return shared->violations > 0;
	}
	PQfinish(checker);
	end = clock_ms() + atoi(argv[2]) * 1000L;
	start_actors(actors, n, seed);
	watcher = start_watcher();
	checker = connect_as("checker");
	while (clock_ms() < end)
	{
		int64_t round_end = clock_ms() + ROUND_MS < end ? clock_ms() + ROUND_MS : end;

		while (clock_ms() < round_end)
			nap(100);
		shared->pause = true;
		wait_until_quiet();
		check_quiet(checker, promise_ms);
		shared->stop = clock_ms() >= end;
		shared->pause = false;
	}
	wait_for_actors(actors, n);
	drain(checker, promise_ms);
	shared->drained = true;
	wait_for_actors(&watcher, 1);
	check_sums(checker);
	PQfinish(checker);
	summarize(seed);
	return shared->violations > 0;
}
