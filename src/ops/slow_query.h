/*
 * slow_query.h
 *		The last slow statements that used the extension.
 */
#ifndef RARR_OPS_SLOW_QUERY_H
#define RARR_OPS_SLOW_QUERY_H

#include "datatype/timestamp.h"

#include "base/shmem.h"

/* how many are kept, of all databases */
#define RARR_SLOW_QUERIES 100

/* bytes of a statement's text that are kept */
#define RARR_SLOW_TEXT_MAX 4000

/* A slow statement. */
typedef struct RarrSlowQuery
{
	uint64 serial; /* unique and growing; 0: the entry is free */
	Oid database;
	Oid role;        /* that was current as it began */
	bool by_hand;    /* record_slow_query(): the rest is not known */
	TimestampTz at;  /* when it ended */
	int64 duration;  /* of its execution, in microseconds */
	uint64 query_id; /* 0: not known */
	uint64 rows;
	int64 hits;    /* shared blocks found, */
	int64 reads;   /* read, */
	int64 dirtied; /* made dirty, */
	int64 temp;    /* and temporary blocks written */
	int length;    /* of the text */
	bool cut;      /* the text is only a part */
	char text[RARR_SLOW_TEXT_MAX];
} RarrSlowQuery;

extern const RarrShmemPart rarr_slow_queries_part;

extern bool rarr_slow_queries_are_there(void);
extern void rarr_slow_query_set_text(RarrSlowQuery *query, const char *text, int length);
extern void rarr_slow_query_add(RarrSlowQuery *query);
extern void rarr_slow_query_clear(void);
extern RarrSlowQuery *rarr_slow_query_copy(int *n);
extern int rarr_slow_query_count(TimestampTz since);

#endif /* RARR_OPS_SLOW_QUERY_H */
