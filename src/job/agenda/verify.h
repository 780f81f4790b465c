/*
 * verify.h
 *		Verifier scans: find claimable jobs before the lower bounds.
 */
#ifndef RARR_JOB_AGENDA_VERIFY_H
#define RARR_JOB_AGENDA_VERIFY_H

#include "utils/rel.h"

#include "job/agenda/agenda.h"

extern TimestampTz rarr_agenda_next_check(int index, TimestampTz looked, TimestampTz retry,
										  TimestampTz now, int64 mono);
extern bool rarr_agenda_verify_is_due(const RarrAgendaRef *ref, TimestampTz now, int64 mono);
extern void rarr_agenda_verify(RarrAgendaKey *key, Relation jobs, Relation index, TimestampTz now);
extern void rarr_agenda_verify_init(void);

#endif /* RARR_JOB_AGENDA_VERIFY_H */
