/*
 * claim_guard.h
 *		Claims beside jobs that cannot be claimed.
 */
#ifndef RARR_CLAIM_GUARD_H
#define RARR_CLAIM_GUARD_H

#include "utils/uuid.h"

/* how many jobs one call passes over */
#define RARR_MAX_BAD_JOBS	100

/* What a claim knows of jobs that it has to pass over. */
typedef struct RarrClaimGuard
{
	pg_uuid_t	bad[RARR_MAX_BAD_JOBS];
	int			nbad;
	pg_uuid_t	current;		/* the job that the claim came to last */
	bool		taking;			/* it is being taken */
	bool		changed;		/* it, or one before it, was changed */
	bool		one_by_one;		/* each job is changed on its own */
} RarrClaimGuard;

extern bool rarr_guard_admits(RarrClaimGuard *guard, const pg_uuid_t *id);
extern bool rarr_guard_done(RarrClaimGuard *guard, bool changed);

#endif							/* RARR_CLAIM_GUARD_H */
