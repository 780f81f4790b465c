/*
 * policy.h
 *		Policies of job types: those in the table job_types, and the built-in
 *		ones.
 */
#ifndef RARR_JOB_CORE_POLICY_H
#define RARR_JOB_CORE_POLICY_H

#include "nodes/pg_list.h"
#include "utils/relcache.h"

#include "base/backoff.h"
#include "base/column.h"

#define RARR_TYPE_NAME_MAX (100 * 4) /* bytes of 100 characters */

/* A job type and its policy.  Durations are in microseconds. */
typedef struct RarrJobType
{
	char *name;
	int priority;
	int max_retries;
	int64 lease;
	RarrBackoff backoff;
	int64 backoff_base;
	int64 backoff_cap;
	double jitter;
	int64 max_runtime; /* 0: no limit */
	int max_running;   /* 0: no limit */
	int rate_limit;    /* 0: no limit */
	int64 rate_interval;
	int weight;
	bool paused;
	const char *unusable;         /* the column with an invalid value, or NULL; if
								   * set, the rest is the built-in policy */
	bool warned;                  /* this session got the warning about that */
	uint64 version;               /* identifies the version of the policy's row; 0
								   * for the built-in policy */
	TransactionId made_by;        /* transaction that inserted the row; not a
								   * normal one if the row was updated since, or
								   * is frozen */
	struct RarrAgendaKey *agenda; /* the type's key in the agenda, or NULL */
	uint64 pass;                  /* of stride scheduling (README.md); not part
								   * of the policy */
} RarrJobType;

/* The columns of a policy, in the order of job_type_register()'s arguments. */
#define RARR_POLICY_COLUMNS 14

extern const RarrColumn rarr_policy_columns[RARR_POLICY_COLUMNS];
extern const RarrJobType rarr_builtin_policy;

extern List *rarr_policies_read(Relation rel);
extern void rarr_policy_complain(int elevel, const RarrJobType *type);

#endif /* RARR_JOB_CORE_POLICY_H */
