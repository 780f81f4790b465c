/*
 * due.h
 *		Where the oldest due jobs can be, and how full the agenda is.
 */
#ifndef RARR_JOB_AGENDA_DUE_H
#define RARR_JOB_AGENDA_DUE_H

#include "base/slot_registry.h"
#include "job/core/queue_pos.h"

/* A group with due jobs. */
typedef struct RarrDueGroup
{
	char type[RARR_SLOT_NAME_MAX + 1];
	int priority; /* -1: all of the type, whose bounds are not known */
	RarrQueuePos bound;
} RarrDueGroup;

extern bool rarr_agenda_knows_type(Oid table, const char *name);
extern bool rarr_agenda_usage(int *used);
extern int rarr_agenda_due_groups(TimestampTz now, RarrDueGroup *groups, int max);

#endif /* RARR_JOB_AGENDA_DUE_H */
