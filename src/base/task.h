/*
 * task.h
 *		Tasks of maintenance: what the background worker does.
 */
#ifndef RARR_BASE_TASK_H
#define RARR_BASE_TASK_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/palloc.h"

/* how many tasks there can be; their numbers are below this */
#define RARR_MAX_TASKS 32

/* the longest argument of a process, in bytes */
#define RARR_PROCESS_ARG_MAX 64

/*
 * What a process of its own does, for work that takes long or that must be
 * done by another role.  A static constant of the file that owns it.
 */
typedef struct RarrProcess
{
	const char *name;     /* unique; what pg_stat_activity shows */
	const char *activity; /* what it does, likewise */

	/*
	 * Called outside of any transaction.  The process is connected to the
	 * database and logged in as the role that the caller chose.  It ends when
	 * this returns.  An error ends it as well, and is logged.
	 */
	void (*main)(const void *arg);
} RarrProcess;

/* A process that a run asks for. */
typedef struct RarrProcessRequest
{
	const RarrProcess *process;
	Oid role; /* that it logs in as; InvalidOid: the bootstrap superuser */
	char arg[RARR_PROCESS_ARG_MAX];
} RarrProcessRequest;

/* One run of a task. */
typedef struct RarrTaskRun
{
	TimestampTz now; /* when the run began */
	int failures;    /* runs in a row that failed before this one */
	bool by_hand;    /* run_maintenance(), and not the background worker */

	MemoryContext cxt; /* lives longer than the run's transaction */

	/* set by the task */
	bool lazy_commit; /* the commit does not wait for the disk or a standby */
	TimestampTz next; /* when the next run is due: DT_NOBEGIN, at once;
					   * DT_NOEND (the default), when it is woken */
	List *processes;  /* of RarrProcessRequest: rarr_task_start_process() */
} RarrTaskRun;

/* A task.  A static constant of the file that owns it. */
typedef struct RarrTask
{
	const char *name;     /* unique; what worker_status() shows */
	const char *activity; /* what it does, for pg_stat_activity */
	int time_limit;       /* of a run, in milliseconds; 0: none */
	int lock_timeout;     /* within a run, in milliseconds; 0: none */
	bool own_process;     /* a run takes long, and gets a process of its own */

	/*
	 * Does what is due now and fits into one short transaction, which it is
	 * called in.  There is an active snapshot.  The current user is the
	 * extension's owner, and the operation is restricted as that of an index
	 * build: the session's user, who is a superuser, cannot be taken on.
	 * search_path is empty but for pg_catalog and pg_temp, in this order.
	 *
	 * An error is logged and counted, and the task is tried again after a
	 * while.  It does not concern other tasks.
	 */
	void (*run)(RarrTaskRun *run);
} RarrTask;

extern void rarr_task_register(const RarrTask *task);
extern void rarr_process_register(const RarrProcess *process);

/* for the task, about its next run */
extern void rarr_task_again(RarrTaskRun *run);
extern void rarr_task_after(RarrTaskRun *run, int64 msec);
extern void rarr_task_at(RarrTaskRun *run, TimestampTz at);
extern void rarr_task_start_process(RarrTaskRun *run, const RarrProcess *process, Oid role,
									const void *arg, Size len);

/* for a process: its transactions */
extern void rarr_process_begin(void);
extern void rarr_process_commit(void);

/* for a task or a process: how far it is, for worker_status() */
extern void rarr_task_progress(const char *text);

/* for everybody: a task of this database is due at this time, or earlier */
extern void rarr_task_wake(const RarrTask *task, TimestampTz at);
extern void rarr_task_wake_at_commit(const RarrTask *task, TimestampTz at);
extern void rarr_task_wake_all_at_commit(bool with);

/* for the background worker, which sets the hook if the library is preloaded */
extern void (*rarr_task_wake_hook)(int task, TimestampTz at);
extern void (*rarr_task_installed_hook)(void);
extern void (*rarr_task_progress_hook)(const char *text);
extern int rarr_task_count(void);
extern const RarrTask *rarr_task_get(int i);
extern const RarrProcess *rarr_process_find(const char *name);

#endif /* RARR_BASE_TASK_H */
