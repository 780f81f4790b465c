/*
 * backoff.h
 *		Compute the delay before a retry.
 */
#ifndef RARR_BASE_BACKOFF_H
#define RARR_BASE_BACKOFF_H

typedef enum RarrBackoff
{
	RARR_BACKOFF_FIXED,
	RARR_BACKOFF_LINEAR,
	RARR_BACKOFF_EXPONENTIAL
} RarrBackoff;

extern bool rarr_backoff_parse(const char *name, RarrBackoff *backoff);
extern int64 rarr_backoff_delay(RarrBackoff backoff, int64 base, int64 cap,
								double jitter, int retries, double chance);

#endif /* RARR_BASE_BACKOFF_H */
