/*
 * prepared.h
 *		What prepared transactions owe the agenda.
 */
#ifndef RARR_JOB_PREPARED_H
#define RARR_JOB_PREPARED_H

extern void rarr_prepared_init(void);

#endif							/* RARR_JOB_PREPARED_H */
