/*
 * doubt.h
 *		Which snapshots see the last changes of a key.
 */
#ifndef RARR_CACHE_DOUBT_H
#define RARR_CACHE_DOUBT_H

#include "port/atomics.h"
#include "utils/snapshot.h"

#define RARR_DOUBT_XIDS 2

/* What is known of the changes of some keys; see doubt.c. */
typedef struct RarrCacheDoubt
{
	pg_atomic_uint64 state; /* number of the batch, and count of open changes */
	uint32 batch;           /* whose transactions are recorded */
	uint32 n;               /* of transactions; more than fit: the last xid is the newest one */
	TransactionId xids[RARR_DOUBT_XIDS];
	uint32 records; /* transactions that were ever recorded, modulo 2^32 */
} RarrCacheDoubt;

/* What matters of a snapshot here. */
typedef struct RarrSight
{
	bool everything;
	TransactionId xmin;
	TransactionId xmax;
	uint32 n;
	const TransactionId *xip;
} RarrSight;

extern void rarr_doubt_init(RarrCacheDoubt *doubt);
extern void rarr_doubt_raise(RarrCacheDoubt *doubt);
extern void rarr_doubt_lower(RarrCacheDoubt *doubt);
extern uint32 rarr_doubt_count(RarrCacheDoubt *doubt);
extern void rarr_doubt_record(RarrCacheDoubt *doubt, TransactionId xid);
extern void rarr_doubt_forget(RarrCacheDoubt *doubt, TransactionId oldest);
extern bool rarr_doubt_is_seen(const RarrCacheDoubt *doubt, const RarrSight *sight);
extern void rarr_sight_of_active(RarrSight *sight);
extern const RarrSight *rarr_sight_copy(const RarrSight *sight, const RarrSight *last);

#endif /* RARR_CACHE_DOUBT_H */
