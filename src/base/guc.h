/*
 * guc.h
 *		The extension's settings (researcharr.*).
 */
#ifndef RARR_BASE_GUC_H
#define RARR_BASE_GUC_H

/* researcharr.user_id: the application user that the session acts for, or "" */
extern char *rarr_user_id;

/* researcharr.audit: do the audit triggers record changes? */
extern bool rarr_audit;

/* researcharr.agenda_types: slots for job types, of all databases */
extern int rarr_agenda_types;

/* researcharr.limited_jobs: slots for running jobs of types with max_running */
extern int rarr_limited_jobs;

/* researcharr.agenda_refresh: ms until the agenda finds what it missed */
extern int rarr_agenda_refresh;

/* researcharr.queue_item_lease: time in seconds before an item is due again */
extern int rarr_queue_item_lease;

/* researcharr.max_waiters: sessions that can sleep; -1: MaxBackends */
extern int rarr_max_waiters;

/* researcharr.poll_interval: ms between polls of a waiter without a slot */
extern int rarr_poll_interval;

/* researcharr.bind_leases: do leases of new claims end with the session? */
extern bool rarr_bind_leases;

/* researcharr.max_lease: in seconds, except for the owner */
extern int rarr_max_lease;

/* researcharr.worker: does the background worker do maintenance? */
extern bool rarr_worker_on;

/* researcharr.max_workers: how many processes do maintenance at a time */
extern int rarr_max_workers;

/* researcharr.worker_databases: how many databases the worker can serve */
extern int rarr_worker_databases;

/* researcharr.rescue_delay: s after a lease's end until the task records it */
extern int rarr_rescue_delay;

/* researcharr.schedule_max_runs: runs of the schedule that go on at a time */
extern int rarr_schedule_max_runs;

/* researcharr.schedule_timeout: time limit of a run in ms; 0: none */
extern int rarr_schedule_timeout;

/* researcharr.schedule_keep_runs: ended runs that are kept of an entry */
extern int rarr_schedule_keep_runs;

/* researcharr.maintenance_lock_timeout: ms that maintenance waits for a lock */
extern int rarr_maintenance_lock_timeout;

extern void rarr_guc_init(void);

#endif /* RARR_BASE_GUC_H */
