/*
 * partitions.h
 *		A maintenance task: make monthly partitions of the logs ahead of time.
 */
#ifndef RARR_OPS_PARTITIONS_H
#define RARR_OPS_PARTITIONS_H

extern void rarr_partitions_register_task(void);

#endif /* RARR_OPS_PARTITIONS_H */
