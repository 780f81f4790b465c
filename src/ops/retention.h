/*
 * retention.h
 *		The maintenance task that deletes what is older than rules of retention
 *		allow.
 */
#ifndef RARR_OPS_RETENTION_H
#define RARR_OPS_RETENTION_H

extern void rarr_retention_register_task(void);

#endif /* RARR_OPS_RETENTION_H */
