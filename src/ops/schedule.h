/*
 * schedule.h
 *		The schedule.
 */
#ifndef RARR_OPS_SCHEDULE_H
#define RARR_OPS_SCHEDULE_H

extern void rarr_schedule_init(void);

#endif /* RARR_OPS_SCHEDULE_H */
