/*
 * due.c
 *		Where the oldest due jobs can be, and how full the agenda is.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/guc.h"
#include "job/agenda/agenda.h"
#include "job/agenda/due.h"

/* Has a type of this database a slot? */
bool
rarr_agenda_knows_type(Oid table, const char *name)
{
	RarrAgendaRef ref;

	return rarr_agenda_is_there() && rarr_agenda_find(table, name, false, &ref);
}

/*
 * How many slots do types of all databases have?  Returns false if there is no
 * agenda.
 */
bool
rarr_agenda_usage(int *used)
{
	*used = 0;
	if (!rarr_agenda_is_there())
		return false;
	for (int i = 0; i < rarr_agenda_types; i++)
		*used += rarr_slot_generation(&rarr_agenda_slot(i)->head) != 0;
	return true;
}

/* Put a group where it belongs by its bound, if it is one of the first max. */
static int
put_group(RarrDueGroup *groups, int n, int max, const char *type, int priority, const RarrQueuePos *bound)
{
	int i = n;

	while (i > 0 && groups[i - 1].bound.at > bound->at)
		i--;
	if (i >= max)
		return n;
	n = Min(n + 1, max);
	memmove(&groups[i + 1], &groups[i], (n - i - 1) * sizeof(RarrDueGroup));
	strlcpy(groups[i].type, type, sizeof(groups[i].type));
	groups[i].priority = priority;
	groups[i].bound = *bound;
	return n;
}

/* Put the groups of a type that can have due jobs. */
static int
put_type(RarrDueGroup *groups, int n, int max, const char *type, const RarrAgendaSlot *slot, TimestampTz now)
{
	RarrQueuePos unknown = {.at = DT_NOBEGIN};

	for (int p = 0; p < RARR_PRIORITIES; p++)
		if (slot->bound_at[p] == DT_NOBEGIN)
			return put_group(groups, n, max, type, -1, &unknown);
	for (int p = 0; p < RARR_PRIORITIES; p++)
	{
		RarrQueuePos bound = {slot->bound_at[p], slot->bound_id[p]};

		if (bound.at <= now)
			n = put_group(groups, n, max, type, p, &bound);
	}
	return n;
}

/*
 * Find the groups of this database with the earliest bounds that are not after
 * now, in order of their bounds.  No group has a due job before its bound.  A
 * type of which the agenda does not know all bounds is one group here.
 * Returns how many there are, up to max.  Raises errors of allocation only.
 */
int
rarr_agenda_due_groups(TimestampTz now, RarrDueGroup *groups, int max)
{
	RarrAgendaSlot *copy = palloc(sizeof(RarrAgendaSlot));
	char name[RARR_SLOT_NAME_MAX + 1];
	int n = 0;

	for (int i = 0; i < rarr_agenda_types && rarr_agenda_is_there(); i++)
	{
		RarrAgendaSlot *slot = rarr_agenda_slot(i);
		TimestampTz due = (TimestampTz) pg_atomic_read_u64(&slot->next_due);

		if (rarr_slot_generation(&slot->head) == 0 || slot->head.database != MyDatabaseId || due > now ||
			(n == max && due >= groups[n - 1].bound.at))
			continue;
		if (!rarr_agenda_copy(i, copy, name))
			continue;
		n = put_type(groups, n, max, name, copy, now);
	}
	pfree(copy);
	return n;
}
