/*
 * worker_state.h
 *		What the launcher, the workers and all sessions share.
 */
#ifndef RARR_OPS_WORKER_STATE_H
#define RARR_OPS_WORKER_STATE_H

#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/latch.h"
#include "storage/lwlock.h"

#include "base/shmem.h"
#include "base/task.h"

/* how many processes there can be beside the launcher */
#define RARR_MAX_WORKERS 64

/* how many sessions can keep workers away from databases at a time */
#define RARR_MAX_AWAY 64

/* bytes of texts, with the terminating zero */
#define RARR_WORKER_ERROR_MAX    256
#define RARR_WORKER_PROGRESS_MAX 96

/* A task of a database. */
typedef struct RarrTaskState
{
	pg_atomic_uint64 next_due; /* DT_NOEND: when it is woken */
	TimestampTz not_before;    /* after a failure: the next run */
	TimestampTz last_start;    /* DT_NOBEGIN: no run has begun yet */
	int64 duration;            /* of the last run that ended, in microseconds */
	int64 runs;                /* that have ended */
	int failures;              /* in a row */
	bool running;
	bool no_room;                      /* it waits for a process to end */
	char error[RARR_WORKER_ERROR_MAX]; /* of the last run; empty: none */
} RarrTaskState;

/* A database with the extension. */
typedef struct RarrDatabaseState
{
	Oid database;           /* InvalidOid: the entry is free */
	int worker;             /* number of the process that runs its short tasks,
							 * or -1 */
	TimestampTz not_before; /* the next attempt to start a process */
	int failures;           /* to start one, in a row */
	RarrTaskState tasks[FLEXIBLE_ARRAY_MEMBER];
} RarrDatabaseState;

/* What a process is for. */
typedef enum RarrWorkerKind
{
	RARR_WORKER_VISIT,  /* look for the extension, then as the next */
	RARR_WORKER_SHORT,  /* run the short tasks that are due */
	RARR_WORKER_LONG,   /* run one task with own_process */
	RARR_WORKER_PROCESS /* run a RarrProcess */
} RarrWorkerKind;

/* A process beside the launcher. */
typedef struct RarrWorker
{
	uint64 serial; /* unique; 0: the entry is free */
	RarrWorkerKind kind;
	Oid database;
	int entry; /* of the database, or -1 */
	int task;  /* that it runs, or -1 */
	TimestampTz started;
	pid_t pid;    /* 0: it has not begun yet */
	Latch *latch; /* NULL likewise, and once it ends */
	bool ended;   /* and the launcher has to free the entry */
	bool connected;
	bool has_launcher; /* the launcher started it, and frees the entry */
	char name[NAMEDATALEN];
	char progress[RARR_WORKER_PROGRESS_MAX];
} RarrWorker;

/* A session keeps workers away from a database until its transaction ends. */
typedef struct RarrAway
{
	Oid database; /* InvalidOid: the entry is free */
	pid_t holder;
} RarrAway;

typedef struct RarrWorkerShared
{
	LWLock lock; /* protects all that is not atomic */
	int tranche;
	Latch *launcher; /* NULL: it does not run */
	pid_t launcher_pid;
	TimestampTz launcher_wakes;   /* at the latest */
	bool relist;                  /* there may be new databases */
	bool no_entry;                /* a database has the extension, and found no
								   * entry: the launcher says so in the log */
	uint64 serials;               /* the last serial that was given */
	pg_atomic_uint64 changes;     /* grows when an entry of a database
								   * changes hands */
	pg_atomic_uint32 others_wait; /* databases that are due wait for a
								   * process to end */
	RarrAway away[RARR_MAX_AWAY];
	RarrWorker workers[RARR_MAX_WORKERS];
} RarrWorkerShared;

extern RarrWorkerShared *rarr_workers;
extern const RarrShmemPart rarr_workers_part;

extern RarrDatabaseState *rarr_worker_entry(int i);
extern TimestampTz rarr_task_due(const RarrTaskState *task, TimestampTz now);

/* These need the lock. */
extern int rarr_worker_find_database(Oid database);
extern int rarr_worker_add_database(Oid database);
extern void rarr_worker_forget_database(int entry);
extern bool rarr_worker_is_kept_away(Oid database);
extern int rarr_worker_add(RarrWorkerKind kind, Oid database, int entry, int task, const char *name);
extern void rarr_worker_free(int i);
extern int rarr_worker_count(bool only_long);
extern void rarr_worker_wake_launcher(void);

/* These take it. */
extern bool rarr_worker_knows_database(void);
extern void rarr_worker_notify_database(void);
extern void rarr_worker_wake_task(int task, TimestampTz at);

#endif /* RARR_OPS_WORKER_STATE_H */
