/*
 * stream.h
 *		Streams: the claimable jobs of one type, in the order of the claim.
 */
#ifndef RARR_JOB_STREAM_H
#define RARR_JOB_STREAM_H

#include "executor/tuptable.h"

#include "job/agenda/agenda.h"
#include "job/core/dequeue_scan.h"
#include "job/core/job_type.h"
#include "job/core/queue_pos.h"
#include "job/limits/limits.h"

/* slot has the next job if the stream has entered its group and not ended. */
typedef struct RarrStream
{
	const RarrJobType *type;
	RarrLimitUse *limit; /* NULL: the type has no limits */
	RarrAgendaKey *key;
	const RarrAgendaRef *ref; /* &own_ref, or NULL without the agenda */
	RarrAgendaRef own_ref;    /* a copy, because the key's can change */
	bool may_advance;         /* may it advance bounds? */
	TimestampTz now;

	/* the current group; without the agenda, all groups from it on */
	bool ended;   /* there is no current group */
	bool entered; /* false: no scan of the group has begun yet */
	RarrAgendaView view;
	Snapshot snapshot;        /* of the scan */
	bool own_snapshot;        /* is it registered by the stream? */
	bool few;                 /* the caller wants only a few jobs */
	TimestampTz until;        /* upper bound of the scan; DT_NOEND: the end of
							   * the group */
	const RarrJobPos *lapsed; /* yield only these jobs; NULL: all */
	int nlapsed;              /* how many of them are left */
	RarrDequeueScan scan;
	TupleTableSlot *slot; /* the next job */

	/* what the agenda is told when the stream leaves the group */
	bool blocked;        /* a job may become claimable without notice, so
						  * that `passed` must not grow */
	RarrQueuePos passed; /* no job before this can be claimed */
	RarrRunning running; /* the running jobs that the scan skipped */

	/* stride scheduling; see README.md */
	bool contended;   /* does it compete with other types? */
	uint64 pass_read; /* the type's pass when it was read */
	uint64 pass;      /* the same, not too far behind the others */
} RarrStream;

extern bool rarr_stream_open(RarrStream *stream, Relation jobs, Relation index, const RarrJobType *type,
							 RarrLimitUse *limit, TimestampTz now, bool few);
extern RarrStream *rarr_streams_first(RarrStream *streams, int n);
extern void rarr_stream_charge(RarrStream *stream);
extern void rarr_stream_passed(RarrStream *stream, bool go_on);
extern void rarr_stream_blocked(RarrStream *stream);
extern void rarr_stream_stop(RarrStream *stream);
extern void rarr_stream_close(RarrStream *stream);

#endif /* RARR_JOB_STREAM_H */
