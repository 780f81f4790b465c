/*
 * health.h
 *		health_check().
 */
#ifndef RARR_OPS_HEALTH_H
#define RARR_OPS_HEALTH_H

#include "utils/jsonb.h"

/* How a check ended. */
typedef enum RarrHealthLevel
{
	RARR_HEALTH_OK,
	RARR_HEALTH_WARNING,
	RARR_HEALTH_ERROR,
	RARR_HEALTH_NOT_AVAILABLE
} RarrHealthLevel;

/* A check's result, in the current memory context. */
typedef struct RarrHealthResult
{
	const char *check;
	RarrHealthLevel level;
	const char *reason;
	Jsonb *values; /* NULL: not available */
} RarrHealthResult;

extern const char *rarr_health_level_name(RarrHealthLevel level);
extern const char *rarr_health_status(const RarrHealthResult *results, int n);
extern RarrHealthResult *rarr_health_run(int *n);
extern bool rarr_health_number(const RarrHealthResult *result, const char *check, const char *name, int64 *number);
extern void rarr_health_register_command(void);

#endif /* RARR_OPS_HEALTH_H */
