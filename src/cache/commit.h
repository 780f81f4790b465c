/*
 * commit.h
 *		Show others what a transaction did to the cache.
 */
#ifndef RARR_CACHE_COMMIT_H
#define RARR_CACHE_COMMIT_H

#include "cache/own.h"

/* One thing to do at the commit: an operation, or a found entry to drop. */
typedef struct RarrCommitItem
{
	uint64 hash;
	uint64 serial; /* of the entry to drop; 0: do an operation */
	uint32 partition;
	uint32 doubt;
	int op; /* index of the operation */
	bool plain;
} RarrCommitItem;

/* All that a transaction has to do at its commit. */
typedef struct RarrCommit
{
	RarrCommitItem *items; /* by partition and doubt */
	uint64 n;
	RarrCacheOp *ops;
	int nops;          /* operations that are listed */
	TransactionId xid; /* of the transaction, if it has one */
	bool doubted;      /* are the doubts raised? */
	bool barred;       /* is that of all keys raised? */
	bool late;         /* are there more, which nothing is known of? */
	bool off;          /* has the caller turned the cache off for others? */
} RarrCommit;

/* Keep what a transaction that was prepared has to do. */
typedef void (*RarrCommitSaver)(const RarrCommit *commit);

extern bool rarr_commit_prepare_op(RarrCacheOp *op);
extern void rarr_commit_now(RarrCacheOp *op);
extern void rarr_commit_fill_item(RarrCommitItem *item, uint64 hash, uint64 serial, int op, bool plain);
extern bool rarr_commit_same_doubt(const RarrCommitItem *a, const RarrCommitItem *b);
extern void rarr_commit_resume(const RarrCommit *saved, bool committed);
extern void rarr_commit_init(RarrCommitSaver save);

#endif /* RARR_CACHE_COMMIT_H */
