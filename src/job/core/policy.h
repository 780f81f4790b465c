/*
 * policy.h
 *		Read the policies of job types from the table job_types, and add the
 *		built-in ones.
 */
#ifndef RARR_JOB_CORE_POLICY_H
#define RARR_JOB_CORE_POLICY_H

#include "nodes/pg_list.h"
#include "utils/relcache.h"

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
	const char *unusable;		/* the column with an invalid value, or NULL; if
								 * set, the rest is the built-in policy */
	bool		warned;			/* this session got the warning about that */
	uint64		version;		/* of the policy's row; 0 for a built-in policy */
	TransactionId made_by;		/* the transaction that made the type known; not
								 * normal if it changed since, or long ago */
	struct RarrAgendaKey *agenda;	/* of the type; NULL until it is looked for */
	uint64		pass;			/* see stream.c; kept when the policy changes */
} RarrJobType;

extern const RarrJobType rarr_builtin_policy;

extern List *rarr_policies_read(Relation rel);
extern void rarr_policy_complain(int elevel, const RarrJobType *type);

#endif							/* RARR_JOB_CORE_POLICY_H */
