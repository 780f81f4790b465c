/*
 * guc.h
 *		The extension's settings (researcharr.*).
 */
#ifndef RARR_BASE_GUC_H
#define RARR_BASE_GUC_H

#include "utils/guc.h"

/* researcharr.user_id: the application user that the session acts for, or "" */
extern char *rarr_user_id;

/* researcharr.audit: do the audit triggers record changes? */
extern bool rarr_audit;

/* researcharr.volatile_members: names of members, as a list */
extern char *rarr_volatile_members;

/* researcharr.agenda_types: slots for job types, of all databases */
extern int rarr_agenda_types;

/* researcharr.limited_jobs: slots for running jobs of types with max_running */
extern int rarr_limited_jobs;

/* researcharr.agenda_refresh: ms until the agenda finds what it missed */
extern int rarr_agenda_refresh;

/* researcharr.queue_item_lease: time in seconds before an item is due again */
extern int rarr_queue_item_lease;

/* researcharr.search_interval, search_retry_interval: time in seconds before an
 * item is due again after a search that was completed, or that failed */
extern int rarr_search_interval;
extern int rarr_search_retry_interval;

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

/* researcharr.cache_strategy: what the functions of the cache do by default */
typedef enum RarrCacheStrategy
{
	RARR_STRATEGY_NONE,
	RARR_STRATEGY_READ_THROUGH,
	RARR_STRATEGY_WRITE_THROUGH,
	RARR_STRATEGY_WRITE_BEHIND
} RarrCacheStrategy;

extern int rarr_cache_strategy;

/* ... and their names, as an array that ends with a NULL name */
extern const struct config_enum_entry rarr_cache_strategies[];

/* researcharr.cache_size: shared memory for the cache, in kB; 0: none */
extern int rarr_cache_size;

/* researcharr.cache_max_value: the largest value, in kB */
extern int rarr_cache_max_value;

/* researcharr.cache_default_ttl: in seconds; 0: forever */
extern int rarr_cache_default_ttl;

/* researcharr.cache_flush_interval: ms until the table has what write_behind sets */
extern int rarr_cache_flush_interval;

/* researcharr.cache_fetch_timeout: ms that cache_fetch waits for another one; 0: none */
extern int rarr_cache_fetch_timeout;

/* researcharr.backup_directory: where backups are, or "" */
extern char *rarr_backup_directory;

/* researcharr.backup_archive_command: a shell command, or "" */
extern char *rarr_backup_archive_command;

/* researcharr.slow_query_threshold: in ms; -1: no statement is slow */
extern int rarr_slow_query_threshold;

/* researcharr.health_databases: databases with figures in shared memory */
extern int rarr_health_databases;

/* researcharr.metrics_types: job types with series of their own in metrics() */
extern int rarr_metrics_types;

/* researcharr.health_tls: which connections must be encrypted */
typedef enum RarrHealthTls
{
	RARR_TLS_OFF,
	RARR_TLS_REMOTE,
	RARR_TLS_ALL
} RarrHealthTls;

extern int rarr_health_tls;

/*
 * researcharr.health_NAME_warning and health_NAME_error: from which value on a
 * check of health_check() warns or fails.
 */
typedef enum RarrThreshold
{
	RARR_HEALTH_CONNECTIONS,
	RARR_HEALTH_DISK_FREE,
	RARR_HEALTH_JOB_WAIT,
	RARR_HEALTH_LAPSES,
	RARR_HEALTH_FAILURES,
	RARR_HEALTH_HORIZON_AGE,
	RARR_HEALTH_HORIZON_XIDS,
	RARR_HEALTH_DEAD_ROWS,
	RARR_HEALTH_WRAPAROUND,
	RARR_HEALTH_BACKUP_AGE,
	RARR_HEALTH_WORKER_DELAY,
	RARR_HEALTH_SCHEDULE_DELAY,
	RARR_HEALTH_KEPT_ROWS,
	RARR_HEALTH_CACHE_HITS,
	RARR_HEALTH_SLOW_QUERIES,
	RARR_HEALTH_THRESHOLDS
} RarrThreshold;

typedef struct RarrThresholdDef
{
	const char *warning; /* names of the settings */
	const char *error;
	const char *warning_desc;
	const char *error_desc;
	int defaults[2]; /* of warning and error */
	int max;
	int unit;   /* GUC_UNIT_... or 0 */
	bool least; /* the check warns below the value, not from it on */
} RarrThresholdDef;

extern const RarrThresholdDef rarr_thresholds[RARR_HEALTH_THRESHOLDS];

/* ... and their values: warning and error; -1: never */
extern int rarr_threshold[RARR_HEALTH_THRESHOLDS][2];

extern void rarr_guc_init(void);

#endif /* RARR_BASE_GUC_H */
