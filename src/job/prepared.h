/*
 * prepared.h
 *		Pending entries of prepared transactions, and DROP DATABASE.
 */
#ifndef RARR_JOB_PREPARED_H
#define RARR_JOB_PREPARED_H

extern void rarr_prepared_init(void);

#endif /* RARR_JOB_PREPARED_H */
