/*
 * health_minutes.h
 *		Samples of figures, and the table that keeps them.
 */
#ifndef RARR_OPS_HEALTH_MINUTES_H
#define RARR_OPS_HEALTH_MINUTES_H

extern void rarr_health_sample(void);
extern void rarr_health_minutes_write(void);

#endif /* RARR_OPS_HEALTH_MINUTES_H */
