/*
 * deadlocks.h
 *		The calls that the deadlock program pairs, and what they work on.
 */
#ifndef DEADLOCKS_H
#define DEADLOCKS_H

#include <stddef.h>

#define MAX_IDS 64

/* Kinds of ids, as prepare() of prepare.sql names them. */
typedef enum Kind
{
	SERIES,
	EPISODES,
	MOVIES,
	QUEUED,
	RUNNING,
	FAILED,
	ITEMS,
	KINDS
} Kind;

/* What the calls of a round work on. */
typedef struct Round
{
	int number;
	char ids[KINDS][MAX_IDS][40];
	int count[KINDS];
} Round;

typedef struct Call
{
	const char *name;
	const char *needs; /* a function that not every version has; or NULL */
	const char *sql;   /* see make_sql() */
} Call;

extern const Call calls[];
extern const int ncalls;
extern const char *const kind_names[KINDS];

extern void make_sql(const Call *call, const Round *round, unsigned *seed, char *sql, size_t size);

#endif /* DEADLOCKS_H */
