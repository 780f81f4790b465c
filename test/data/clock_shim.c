/*
 * clock_shim.c
 *		Clocks that a test sets, for a server that is started with LD_PRELOAD.
 *
 * The file named by CLOCK_SHIM holds five 64-bit numbers, which all processes of
 * the server map into memory: what is added to the system's clock, and to the
 * monotonic one, in seconds; the pid of a process that is to be held up, in the
 * n-th call from then on in which it reads the monotonic clock; n; and 1 while
 * it is held up there.  It goes on once its pid is taken away.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum
{
	SYSTEM_OFFSET,
	MONOTONIC_OFFSET,
	HOLD_PID,
	HOLD_CALL,
	IS_HELD,
	NUMBERS
};

static volatile int64_t *
numbers(void)
{
	static volatile int64_t *mapped = NULL;
	static volatile int64_t none[NUMBERS];

	if (mapped == NULL)
	{
		const char *path = getenv("CLOCK_SHIM");
		int fd = path != NULL ? open(path, O_RDWR) : -1;
		void *memory = MAP_FAILED;

		if (fd >= 0)
			memory = mmap(NULL, NUMBERS * sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (fd >= 0)
			close(fd);
		mapped = memory != MAP_FAILED ? memory : none;
	}
	return mapped;
}

static void
real_time(clockid_t clock, struct timespec *result)
{
	static int (*real)(clockid_t, struct timespec *) = NULL;

	if (real == NULL)
		real = (int (*)(clockid_t, struct timespec *)) dlsym(RTLD_NEXT, "clock_gettime");
	real(clock, result);
}

static void
hold(volatile int64_t *n)
{
	if (n[HOLD_PID] != getpid() || --n[HOLD_CALL] != 0)
		return;
	n[IS_HELD] = 1;
	while (n[HOLD_PID] == getpid())
		usleep(1000);
	n[IS_HELD] = 0;
}

int
clock_gettime(clockid_t clock, struct timespec *result)
{
	volatile int64_t *n = numbers();

	if (clock == CLOCK_MONOTONIC)
		hold(n);
	real_time(clock, result);
	if (clock == CLOCK_REALTIME)
		result->tv_sec += n[SYSTEM_OFFSET];
	else if (clock == CLOCK_MONOTONIC)
		result->tv_sec += n[MONOTONIC_OFFSET];
	return 0;
}

int
gettimeofday(struct timeval *result, void *zone)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	result->tv_sec = now.tv_sec;
	result->tv_usec = now.tv_nsec / 1000;
	return 0;
}

time_t
time(time_t *result)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (result != NULL)
		*result = now.tv_sec;
	return now.tv_sec;
}
