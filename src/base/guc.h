/*-------------------------------------------------------------------------
 *
 * guc.h
 *		The server settings of the extension, researcharr.*
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RARR_BASE_GUC_H
#define RARR_BASE_GUC_H

/* The application's user on whose behalf the session works; "" for none. */
extern char *rarr_user_id;

/* Are changes put on record by the audit triggers? */
extern bool rarr_audit;

/* Job types, of all databases, that the agenda has room for. */
extern int	rarr_agenda_types;

/* Running jobs of types with max_running that shared memory has room for. */
extern int	rarr_limited_jobs;

/* How long, in ms, what slipped past the agenda can stay unseen. */
extern int	rarr_agenda_refresh;

/* For how long an item that was handed out is not due again, in seconds. */
extern int	rarr_queue_item_lease;

/* Sessions that can sleep until there is a job; -1: as many as there can be. */
extern int	rarr_max_waiters;

/* How long, in ms, a waiter that nobody can wake sleeps between two looks. */
extern int	rarr_poll_interval;

/* Do leases of jobs that are claimed now end with the session? */
extern bool rarr_bind_leases;

/* The longest lease or delay, in seconds, of a role that does not own the tables. */
extern int	rarr_max_lease;

extern void rarr_guc_init(void);

#endif							/* RARR_BASE_GUC_H */
