/*
 * ops.h
 *		Initialize what looks after the database: worker, schedule, retention.
 */
#ifndef RARR_OPS_OPS_H
#define RARR_OPS_OPS_H

extern void rarr_ops_init(void);
extern void rarr_ops_preload_init(void);

#endif /* RARR_OPS_OPS_H */
