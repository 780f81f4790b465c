/*
 * log_month.h
 *		The partition of a month of a log, and the steps towards it.
 */
#ifndef RARR_OPS_LOG_MONTH_H
#define RARR_OPS_LOG_MONTH_H

#include "ops/log_partition.h"

/* so many rows move along with a partition under the lock */
#define RARR_FEW_ROWS 1000

/* what the names of constraints on the DEFAULT partition begin with */
#define RARR_MONTH_CONSTRAINT "researcharr_not_"

/* A month of a log. */
typedef struct RarrMonth
{
	const RarrLog *log;
	RarrIdRange range;
	Oid fallback_oid; /* the DEFAULT partition */
	char *fallback;   /* its qualified and quoted name */
	char *partition;  /* the new one's, */
	char *name;       /* and without schema and quotes */
	char *constraint; /* on the DEFAULT partition */
	char *columns;    /* that are not generated, quoted, as a list */
} RarrMonth;

extern RarrMonth *rarr_month_make(const RarrLog *log, Oid fallback, TimestampTz at, int offset);
extern uint64 rarr_month_count_few(const RarrMonth *month);
extern void rarr_month_drop_constraints(Oid fallback);
extern void rarr_month_create(const RarrMonth *month);
extern void rarr_month_lock(const RarrMonth *month, bool rows_move);
extern void rarr_month_move_rows(const RarrMonth *month);
extern void rarr_month_attach(const RarrMonth *month);
extern bool rarr_month_has_constraint(Oid fallback, const RarrMonth *month, bool *valid);
extern bool rarr_month_add_constraint(void *arg);
extern bool rarr_month_validate_constraint(void *arg);

#endif /* RARR_OPS_LOG_MONTH_H */
