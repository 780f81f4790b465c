/*
 * worker.h
 *		The processes that run maintenance tasks.
 */
#ifndef RARR_OPS_WORKER_H
#define RARR_OPS_WORKER_H

#include "postmaster/bgworker.h"

#include "ops/worker_state.h"

/* What a process is told when it starts, in bgw_extra. */
typedef struct RarrWorkerOrder
{
	uint64 serial;
	Oid database;
	Oid role;         /* that it logs in as; InvalidOid: the bootstrap superuser */
	int32 worker;     /* its number; -1: the library is not preloaded */
	int32 kind;       /* RarrWorkerKind */
	int32 task;       /* of RARR_WORKER_LONG */
	char process[24]; /* of RARR_WORKER_PROCESS: its name */
	char arg[RARR_PROCESS_ARG_MAX];
} RarrWorkerOrder;

extern bool rarr_worker_register(const RarrWorkerOrder *order, const char *name, pid_t notify,
								 BackgroundWorkerHandle **handle);
extern bool rarr_worker_start_process(const RarrProcessRequest *request);
PGDLLEXPORT extern void rarr_worker_main(Datum arg);

/* launcher.c */
PGDLLEXPORT extern void rarr_launcher_main(Datum arg);
extern void rarr_launcher_register(void);

#endif /* RARR_OPS_WORKER_H */
