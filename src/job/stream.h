/*
 * stream.h
 *		The jobs of one type that can be handed out, in order.
 */
#ifndef RARR_JOB_STREAM_H
#define RARR_JOB_STREAM_H

#include "executor/tuptable.h"

#include "job/agenda/agenda.h"
#include "job/core/dequeue_scan.h"
#include "job/core/job_type.h"
#include "job/core/queue_pos.h"

struct RarrLimitUse;

typedef struct RarrStream
{
	const RarrJobType *type;
	struct RarrLimitUse *limit; /* NULL: the type has no limits */
	RarrAgendaKey *key;
	const RarrAgendaRef *ref;	/* &own_ref, or NULL: without the agenda */
	RarrAgendaRef own_ref;		/* the key's may move on meanwhile */
	bool		may_advance;	/* the agenda */
	TimestampTz now;

	/* the group that it is at, or will enter next */
	bool		ended;
	bool		entered;
	RarrAgendaView view;
	Snapshot	snapshot;		/* of the entered group */
	bool		own_snapshot;
	bool		few;			/* the caller wants only a few jobs */
	TimestampTz until;			/* where the scan ends, short of the group; or
								 * DT_NOEND */
	const RarrJobPos *lapsed;	/* if set, it yields these lapsed jobs alone */
	int			nlapsed;
	RarrDequeueScan scan;
	TupleTableSlot *slot;		/* the next job */

	/* what it learns of the group for the agenda */
	bool		blocked;		/* at a job that may be handed out any time */
	RarrQueuePos passed;		/* nothing before it can be handed out */
	bool		running;		/* it passed running jobs: */
	RarrQueuePos running_first; /* the first one */
	RarrQueuePos running_last;
	TimestampTz lease;			/* the first end of a lease */

	/* whose turn it is; see stream.c */
	bool		contended;		/* others have a job of the same priority */
	uint64		pass_read;
	uint64		pass;			/* what it counts for */
} RarrStream;

extern bool rarr_stream_open(RarrStream *stream, Relation jobs, Relation index,
							 const RarrJobType *type, TimestampTz now, bool may_advance, bool few);
extern bool rarr_stream_open_lapsed(RarrStream *stream, Relation jobs, Relation index,
									const RarrJobType *type, TimestampTz now,
									const RarrJobPos *lapsed, int n);
extern RarrStream *rarr_streams_first(RarrStream *streams, int n);
extern void rarr_stream_charge(RarrStream *stream);
extern void rarr_stream_passed(RarrStream *stream, bool go_on);
extern void rarr_stream_blocked(RarrStream *stream);
extern void rarr_stream_stop(RarrStream *stream);
extern void rarr_stream_close(RarrStream *stream);

#endif							/* RARR_JOB_STREAM_H */
