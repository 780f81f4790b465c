/*
 * job_type.h
 *		Job types and their policies, from this backend's cache.
 */
#ifndef RARR_JOB_CORE_JOB_TYPE_H
#define RARR_JOB_CORE_JOB_TYPE_H

#include "nodes/pg_list.h"
#include "utils/array.h"

#include "base/backoff.h"

#define RARR_TYPE_NAME_MAX	(100 * 4)	/* 100 characters, in bytes */

/* All times are lengths in microseconds. */
typedef struct RarrJobType
{
	char	   *name;
	int			priority;
	int			max_retries;
	int64		lease;
	RarrBackoff backoff;
	int64		backoff_base;
	int64		backoff_cap;
	double		jitter;
	int64		max_runtime;	/* 0: no limit */
	int			max_running;	/* 0: no limit */
	int			rate_limit;		/* 0: no limit */
	int64		rate_interval;
	int			weight;
	bool		paused;
	uint64		version;		/* of the policy's row; 0 for a built-in policy */
	TransactionId made_by;		/* the transaction that made the type known; not
								 * normal if it changed since, or long ago */
	struct RarrAgendaKey *agenda;	/* of the type; NULL until it is looked for */
	uint64		pass;			/* see stream.c; kept when the policy changes */
} RarrJobType;

extern bool rarr_job_type_is_known(const char *name, int len);
extern const RarrJobType *rarr_job_type_find(const char *name, int len);
extern const RarrJobType *rarr_job_type_get(const char *name, int len);
extern const RarrJobType *rarr_job_type_policy(const char *name, int len);
extern const RarrJobType *rarr_job_type_last_known(const char *name, int len);
extern void rarr_job_types_freeze(void);
extern List *rarr_job_types_requested(ArrayType *names);
extern bool rarr_job_type_is_uncommitted(const RarrJobType *type);
extern int64 rarr_job_type_retry_delay(const RarrJobType *type, int retries);

#endif							/* RARR_JOB_CORE_JOB_TYPE_H */
