/*
 * prepared.h
 *		What prepared transactions owe the agenda.
 */
#ifndef RARR_JOB_PREPARED_H
#define RARR_JOB_PREPARED_H

#include "job/agenda/pending.h"

extern void rarr_agenda_prepared_init(void);
extern void rarr_agenda_prepared_keep(const RarrNote *notes, int n);

#endif							/* RARR_JOB_PREPARED_H */
