/*
 * strays.h
 *		A maintenance task: move old rows from the DEFAULT partition of a log to
 *		partitions of their months.
 */
#ifndef RARR_OPS_STRAYS_H
#define RARR_OPS_STRAYS_H

extern void rarr_strays_register_task(void);

#endif /* RARR_OPS_STRAYS_H */
