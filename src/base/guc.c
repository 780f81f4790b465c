/*
 * guc.c
 *		The extension's settings (researcharr.*).
 *
 * All settings are defined here.  Their values are plain variables, declared
 * in guc.h.
 */
#include "postgres.h"

#include <limits.h>

#include "datatype/timestamp.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/varlena.h"

#include "base/guc.h"

#define USER_ID_MAX_BYTES 255

/* kB */
#define LEAST_CACHE_SIZE 1024

char *rarr_user_id = NULL;
bool rarr_audit = true;
char *rarr_volatile_members = NULL;
int rarr_agenda_types = 256;
int rarr_limited_jobs = 10000;
int rarr_agenda_refresh = 1000;
int rarr_queue_item_lease = 300;
int rarr_search_interval = SECS_PER_DAY;
int rarr_search_retry_interval = SECS_PER_HOUR;
int rarr_max_waiters = -1;
int rarr_poll_interval = 1000;
bool rarr_bind_leases = false;
int rarr_max_lease = 30 * SECS_PER_DAY;
bool rarr_worker_on = true;
int rarr_max_workers = 3;
int rarr_worker_databases = 100;
int rarr_rescue_delay = 10;
int rarr_schedule_max_runs = 2;
int rarr_schedule_timeout = 3600 * 1000;
int rarr_schedule_keep_runs = 100;
int rarr_maintenance_lock_timeout = 50;
int rarr_cache_size = 0;
int rarr_cache_max_value = 1024;
int rarr_cache_default_ttl = 300;
int rarr_cache_strategy = RARR_STRATEGY_NONE;
int rarr_cache_flush_interval = 1000;
int rarr_cache_fetch_timeout = 10000;
char *rarr_backup_directory = NULL;
char *rarr_backup_archive_command = NULL;
int rarr_slow_query_threshold = 1000;
int rarr_health_databases = 8;
int rarr_metrics_types = 64;
int rarr_health_tls = RARR_TLS_REMOTE;
int rarr_threshold[RARR_HEALTH_THRESHOLDS][2];

static const struct config_enum_entry health_tls_options[] = {
	{"off", RARR_TLS_OFF, false},
	{"remote", RARR_TLS_REMOTE, false},
	{"all", RARR_TLS_ALL, false},
	{NULL, 0, false}};

/* The two settings of a threshold; what: what is compared, after "from ... on" */
#define THRESHOLD(name, what) \
	"researcharr.health_" name "_warning", "researcharr.health_" name "_error", \
		"Sets from which value on the health check warns about " what ".", \
		"Sets from which value on the health check reports an error about " what "."
#define LEAST(name, what) \
	"researcharr.health_" name "_warning", "researcharr.health_" name "_error", \
		"Sets below which value the health check warns about " what ".", \
		"Sets below which value the health check reports an error about " what "."

const RarrThresholdDef rarr_thresholds[RARR_HEALTH_THRESHOLDS] = {
	[RARR_HEALTH_CONNECTIONS] = {THRESHOLD("connections", "the used part of the connections, in percent"), {80, 95}, 100},
	[RARR_HEALTH_DISK_FREE] = {LEAST("disk_free", "the free part of a disk, in percent"), {15, 5}, 100, 0, true},
	[RARR_HEALTH_JOB_WAIT] = {THRESHOLD("job_wait", "the time for which a job has been due"), {900, 3600}, INT_MAX, GUC_UNIT_S},
	[RARR_HEALTH_LAPSES] = {THRESHOLD("lapses", "leases that lapsed within an hour"), {10, 100}, INT_MAX},
	[RARR_HEALTH_FAILURES] = {THRESHOLD("failures", "jobs that failed for good within an hour"), {10, 100}, INT_MAX},
	[RARR_HEALTH_HORIZON_AGE] = {THRESHOLD("horizon_age", "the time for which somebody has held back VACUUM"), {3600, 86400}, INT_MAX, GUC_UNIT_S},
	[RARR_HEALTH_HORIZON_XIDS] = {THRESHOLD("horizon_xids", "transactions since somebody has held back VACUUM"), {10000000, 100000000}, INT_MAX},
	[RARR_HEALTH_DEAD_ROWS] = {THRESHOLD("dead_rows", "the dead part of a table's rows, in percent"), {40, 80}, 100},
	[RARR_HEALTH_WRAPAROUND] = {THRESHOLD("wraparound", "the age of a database's oldest transaction ids"), {500000000, 1500000000}, INT_MAX},
	[RARR_HEALTH_BACKUP_AGE] = {THRESHOLD("backup_age", "the age of the last verified backup"), {36 * 3600, 7 * 86400}, INT_MAX, GUC_UNIT_S},
	[RARR_HEALTH_WORKER_DELAY] = {THRESHOLD("worker_delay", "the time for which a maintenance task has been due"), {300, 3600}, INT_MAX, GUC_UNIT_S},
	[RARR_HEALTH_SCHEDULE_DELAY] = {THRESHOLD("schedule_delay", "the time for which an entry of the schedule has been due"), {300, 3600}, INT_MAX, GUC_UNIT_S},
	[RARR_HEALTH_KEPT_ROWS] = {THRESHOLD("kept_rows", "the estimated rows that no rule of retention ends"), {1000000, -1}, INT_MAX},
	[RARR_HEALTH_CACHE_HITS] = {LEAST("cache_hits", "the hit rate of the cache, in percent"), {-1, -1}, 100, 0, true},
	[RARR_HEALTH_SLOW_QUERIES] = {THRESHOLD("slow_queries", "slow statements within an hour"), {10, 100}, INT_MAX},
};

const struct config_enum_entry rarr_cache_strategies[] = {
	{"none", RARR_STRATEGY_NONE, false},
	{"read_through", RARR_STRATEGY_READ_THROUGH, false},
	{"write_through", RARR_STRATEGY_WRITE_THROUGH, false},
	{"write_behind", RARR_STRATEGY_WRITE_BEHIND, false},
	{NULL, 0, false}};

/*
 * Check a new value of researcharr.user_id.
 *
 * The value is written to the audit log and the server log as it is.  It must
 * therefore have no control characters, a limited length, and a valid
 * encoding; the server does not check the encoding of startup options.  Before
 * a database is selected any bytes pass, so text.c checks again before the
 * value is stored.
 */
static bool
check_user_id(char **newval, void **extra, GucSource source)
{
	size_t len = strlen(*newval);

	if (len > USER_ID_MAX_BYTES)
	{
		GUC_check_errdetail("The value has %zu bytes, but at most %d are allowed.",
							len, USER_ID_MAX_BYTES);
		GUC_check_errhint("Use the key of the user, not data about the user.");
		return false;
	}

	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = (*newval)[i];

		if (c < 0x20 || c == 0x7F)
		{
			GUC_check_errdetail("Byte %zu of the value is a control character (0x%02x).",
								i + 1, c);
			GUC_check_errhint("Use printable characters only.");
			return false;
		}
	}

	if (!pg_verifymbstr(*newval, len, true))
	{
		GUC_check_errdetail("The value is not valid in the database's encoding, \"%s\".",
							GetDatabaseEncodingName());
		GUC_check_errhint("Send the value in the encoding of the database; a SET after the connection is made converts it.");
		return false;
	}
	return true;
}

/* Check that a new value of researcharr.volatile_members is a list of names. */
static bool
check_volatile_members(char **newval, void **extra, GucSource source)
{
	char *copy = pstrdup(*newval);
	List *names;
	bool valid = SplitGUCList(copy, ',', &names);

	if (!valid)
	{
		GUC_check_errdetail("List syntax is invalid.");
		GUC_check_errhint("Separate names by commas, and put a name with other characters than letters, digits and _ in double quotes.");
	}
	list_free(names);
	pfree(copy);
	return valid;
}

/* settings of auditing and of the service queues */
static void
define_data_settings(void)
{
	DefineCustomStringVariable("researcharr.user_id",
							   "Sets the application user on whose behalf the session works.",
							   "It is logged with every change of data. It has at most 255 bytes and no control characters.",
							   &rarr_user_id,
							   "",
							   PGC_USERSET,
							   0,
							   check_user_id,
							   NULL,
							   NULL);

	DefineCustomBoolVariable("researcharr.audit",
							 "Logs changes of data in the audit log.",
							 "If off, changes are not logged. This is meant for restores only.",
							 &rarr_audit,
							 true,
							 PGC_SUSET,
							 0,
							 NULL,
							 NULL,
							 NULL);

	DefineCustomStringVariable("researcharr.volatile_members",
							   "Sets the members of the services' objects whose changes are not logged.",
							   "It is a list of names, separated by commas. A change of such members alone leaves updated_at as it is.",
							   &rarr_volatile_members,
							   "popularity, ratings, statistics, lastSearchTime, sizeOnDisk, images",
							   PGC_SUSET, GUC_LIST_INPUT, check_volatile_members, NULL, NULL);

	DefineCustomIntVariable("researcharr.queue_item_lease",
							"Sets the time before an item returned by queue_item_get_next is due again.",
							NULL,
							&rarr_queue_item_lease,
							300,
							1,
							365 * 24 * 60 * 60,
							PGC_USERSET,
							GUC_UNIT_S,
							NULL,
							NULL,
							NULL);

	DefineCustomIntVariable("researcharr.search_interval",
							"Sets the time after a search for a tracked item before it is due again.",
							NULL,
							&rarr_search_interval,
							SECS_PER_DAY, 1, 3650 * SECS_PER_DAY,
							PGC_USERSET, GUC_UNIT_S, NULL, NULL, NULL);

	DefineCustomIntVariable("researcharr.search_retry_interval",
							"Sets the time after a failed search for a tracked item before it is due again.",
							"It doubles with each further failure, up to researcharr.search_interval.",
							&rarr_search_retry_interval,
							SECS_PER_HOUR, 1, 3650 * SECS_PER_DAY,
							PGC_USERSET, GUC_UNIT_S, NULL, NULL, NULL);
}

/* settings of the job queue that can change at run time */
static void
define_job_settings(void)
{
	DefineCustomIntVariable("researcharr.agenda_refresh",
							"Sets the time within which the agenda of the job queue finds jobs that it missed.",
							"It takes longer only while dead index entries make the scan costly.",
							&rarr_agenda_refresh,
							1000, 10, 3600 * 1000,
							PGC_SIGHUP,
							GUC_UNIT_MS,
							NULL,
							NULL,
							NULL);

	DefineCustomIntVariable("researcharr.poll_interval",
							"Sets the time between two polls of a job_dequeue_wait that cannot be woken.",
							"That is the case without preload, for job types without a slot in the agenda, and for waiters in excess of researcharr.max_waiters.",
							&rarr_poll_interval,
							1000, 10, 3600 * 1000,
							PGC_USERSET,
							GUC_UNIT_MS,
							NULL,
							NULL,
							NULL);

	DefineCustomIntVariable("researcharr.max_lease",
							"Sets the longest lease or delay that a role other than the tables' owner may request.",
							"It applies to job_dequeue, job_heartbeat, job_fail and job_release. Leases of job types are not limited.",
							&rarr_max_lease,
							30 * SECS_PER_DAY, 1, 3650 * SECS_PER_DAY,
							PGC_SUSET,
							GUC_UNIT_S,
							NULL,
							NULL,
							NULL);

	DefineCustomBoolVariable("researcharr.bind_leases",
							 "Returns a session's jobs to the queue as soon as the session ends.",
							 "If off, they return when their leases end. It applies to jobs claimed while it is on.",
							 &rarr_bind_leases,
							 false,
							 PGC_USERSET,
							 0,
							 NULL,
							 NULL,
							 NULL);
}

/* settings of the background worker that can change at run time */
static void
define_worker_settings(void)
{
	DefineCustomBoolVariable("researcharr.worker",
							 "Runs maintenance tasks in each database that has the extension.",
							 "It needs the library in shared_preload_libraries. If off, CALL run_maintenance().",
							 &rarr_worker_on,
							 true,
							 PGC_SIGHUP,
							 0,
							 NULL,
							 NULL,
							 NULL);

	DefineCustomIntVariable("researcharr.rescue_delay",
							"Sets the time after the end of a job's lease after which a maintenance task records the lapse.",
							"A dequeue of the job's type does so at once.",
							&rarr_rescue_delay,
							10, 0, SECS_PER_DAY,
							PGC_SIGHUP,
							GUC_UNIT_S,
							NULL,
							NULL,
							NULL);

	DefineCustomIntVariable("researcharr.maintenance_lock_timeout",
							"Sets the time for which a maintenance task waits for a lock that makes others wait.",
							"If it does not get the lock, it tries again later.",
							&rarr_maintenance_lock_timeout,
							50, 1, 60 * 1000,
							PGC_SIGHUP,
							GUC_UNIT_MS,
							NULL,
							NULL,
							NULL);

	DefineCustomIntVariable("researcharr.max_workers",
							"Sets the maximum number of processes that run maintenance tasks at the same time.",
							"They count against max_worker_processes. One of them is kept for tasks that are short.",
							&rarr_max_workers,
							3, 2, 32,
							PGC_SIGHUP,
							0,
							NULL,
							NULL,
							NULL);
}

/* settings of the schedule */
static void
define_schedule_settings(void)
{
	DefineCustomIntVariable("researcharr.schedule_max_runs",
							"Sets how many runs of the schedule can go on at a time in a database.",
							"Others wait. Each run is one of researcharr.max_workers, of which there is always one for other tasks.",
							&rarr_schedule_max_runs,
							2, 1, 31,
							PGC_SIGHUP,
							0,
							NULL,
							NULL,
							NULL);

	DefineCustomIntVariable("researcharr.schedule_timeout",
							"Sets the time after which a run of the schedule is canceled.",
							"If it goes on all the same, it is terminated a little later. 0 means never. A lower statement_timeout of the entry's owner takes precedence.",
							&rarr_schedule_timeout,
							3600 * 1000, 0, INT_MAX,
							PGC_SIGHUP,
							GUC_UNIT_MS,
							NULL,
							NULL,
							NULL);

	DefineCustomIntVariable("researcharr.schedule_keep_runs",
							"Sets how many ended runs of each entry of the schedule are kept.",
							NULL,
							&rarr_schedule_keep_runs,
							100, 1, 100000,
							PGC_SIGHUP,
							0,
							NULL,
							NULL,
							NULL);
}

/* A cache needs some memory for itself. */
static bool
check_cache_size(int *newval, void **extra, GucSource source)
{
	if (*newval == 0 || *newval >= LEAST_CACHE_SIZE)
		return true;
	GUC_check_errdetail("The cache needs 1MB at least.");
	GUC_check_errhint("Use 0 to do without it.");
	return false;
}

/* settings of the cache that can change at run time */
static void
define_cache_settings(void)
{
	DefineCustomIntVariable("researcharr.cache_max_value",
							"Sets the largest value that can be cached.",
							NULL,
							&rarr_cache_max_value,
							1024, 1, 256 * 1024,
							PGC_SUSET,
							GUC_UNIT_KB,
							NULL,
							NULL,
							NULL);

	DefineCustomIntVariable("researcharr.cache_default_ttl",
							"Sets the time to live of what is cached without one.",
							"0 means that it does not expire.",
							&rarr_cache_default_ttl,
							300, 0, 3650 * SECS_PER_DAY,
							PGC_USERSET,
							GUC_UNIT_S,
							NULL,
							NULL,
							NULL);

	DefineCustomEnumVariable("researcharr.cache_strategy",
							 "Sets how the cache uses memory and its table together.",
							 "It applies to calls that name no strategy.",
							 &rarr_cache_strategy,
							 RARR_STRATEGY_NONE, rarr_cache_strategies,
							 PGC_USERSET,
							 0,
							 NULL,
							 NULL,
							 NULL);

	DefineCustomIntVariable("researcharr.cache_flush_interval",
							"Sets the time within which the table has what write_behind sets.",
							NULL,
							&rarr_cache_flush_interval,
							1000, 10, 3600 * 1000,
							PGC_SIGHUP,
							GUC_UNIT_MS,
							NULL,
							NULL,
							NULL);

	DefineCustomIntVariable("researcharr.cache_fetch_timeout",
							"Sets the time that cache_fetch waits for another session that computes the same.",
							"Then it computes by itself. 0 means that it does not wait.",
							&rarr_cache_fetch_timeout,
							10000, 0, 3600 * 1000,
							PGC_USERSET,
							GUC_UNIT_MS,
							NULL,
							NULL,
							NULL);
}

/* settings of backups */
static void
define_backup_settings(void)
{
	DefineCustomStringVariable("researcharr.backup_directory",
							   "Sets the directory for backups of the extension's data.",
							   "It is an absolute path outside of the data directory, and nobody but the server's user may have access to it.",
							   &rarr_backup_directory,
							   "",
							   PGC_SUSET,
							   GUC_SUPERUSER_ONLY,
							   NULL,
							   NULL,
							   NULL);

	DefineCustomStringVariable("researcharr.backup_archive_command",
							   "Sets the shell command that copies a finished backup elsewhere.",
							   "%p is the path of the backup's directory, %f its name, and %% a percent sign. The command must return zero only if it succeeds.",
							   &rarr_backup_archive_command,
							   "",
							   PGC_SIGHUP,
							   GUC_SUPERUSER_ONLY,
							   NULL,
							   NULL,
							   NULL);
}

/* settings of health, metrics and slow queries that can change at run time */
static void
define_health_settings(void)
{
	DefineCustomIntVariable("researcharr.slow_query_threshold",
							"Sets the execution time from which on a statement is kept in slow_queries.",
							"Only statements that use the extension's tables or functions are kept. -1 means none.",
							&rarr_slow_query_threshold,
							1000, -1, INT_MAX,
							PGC_SUSET,
							GUC_UNIT_MS,
							NULL,
							NULL,
							NULL);

	DefineCustomIntVariable("researcharr.metrics_types",
							"Sets for how many job types metrics() has series of their own.",
							"The others are summed.",
							&rarr_metrics_types,
							64, 0, 10000,
							PGC_SUSET,
							0,
							NULL,
							NULL,
							NULL);

	DefineCustomEnumVariable("researcharr.health_tls",
							 "Sets which connections the health check wants to be encrypted.",
							 "\"remote\" means those from other machines. Connections by a Unix socket do not count.",
							 &rarr_health_tls,
							 RARR_TLS_REMOTE, health_tls_options,
							 PGC_SUSET,
							 0,
							 NULL,
							 NULL,
							 NULL);

	for (int i = 0; i < RARR_HEALTH_THRESHOLDS; i++)
	{
		const RarrThresholdDef *def = &rarr_thresholds[i];

		for (int j = 0; j < 2; j++)
			DefineCustomIntVariable(j == 0 ? def->warning : def->error,
									j == 0 ? def->warning_desc : def->error_desc,
									"-1 means never.",
									&rarr_threshold[i][j],
									def->defaults[j], -1, def->max,
									PGC_SUSET,
									def->unit,
									NULL,
									NULL,
									NULL);
	}
}

/* sizes of shared memory, which are fixed at server start */
static void
define_shared_memory_settings(void)
{
	DefineCustomIntVariable("researcharr.max_waiters",
							"Sets the maximum number of sessions that can sleep in job_dequeue_wait.",
							"Sessions of all databases count; any further session polls. -1 means the maximum number of sessions.",
							&rarr_max_waiters,
							-1, -1, 262143,
							PGC_POSTMASTER,
							0,
							NULL,
							NULL,
							NULL);

	DefineCustomIntVariable("researcharr.worker_databases",
							"Sets the maximum number of databases in which the background worker runs maintenance tasks.",
							NULL,
							&rarr_worker_databases,
							100, 1, 10000,
							PGC_POSTMASTER,
							0,
							NULL,
							NULL,
							NULL);

	DefineCustomIntVariable("researcharr.agenda_types",
							"Sets the number of job types for which the agenda of the job queue has slots.",
							"Types of all databases count. A type without a slot is served as without preload.",
							&rarr_agenda_types,
							256, 1, 10000,
							PGC_POSTMASTER,
							0,
							NULL,
							NULL,
							NULL);

	DefineCustomIntVariable("researcharr.limited_jobs",
							"Sets the number of running jobs of types with max_running for which shared memory has slots.",
							"Jobs of all databases count. If there are more, dequeues of their types are serialized and read the table.",
							&rarr_limited_jobs,
							10000, 0, 10000000,
							PGC_POSTMASTER,
							0,
							NULL,
							NULL,
							NULL);

	DefineCustomIntVariable("researcharr.health_databases",
							"Sets for how many databases shared memory has figures per minute.",
							NULL,
							&rarr_health_databases,
							8, 1, 1000,
							PGC_POSTMASTER,
							0,
							NULL,
							NULL,
							NULL);

	DefineCustomIntVariable("researcharr.cache_size",
							"Sets the shared memory of the cache.",
							"All databases share it. 0 means that the cache has only its table.",
							&rarr_cache_size,
							32 * 1024, 0, 1024 * 1024 * 1024,
							PGC_POSTMASTER,
							GUC_UNIT_KB,
							check_cache_size,
							NULL,
							NULL);
}

/* Define all settings; called once in each process that loads the library. */
void
rarr_guc_init(void)
{
	define_data_settings();
	define_job_settings();
	define_worker_settings();
	define_schedule_settings();
	define_cache_settings();
	define_backup_settings();
	define_health_settings();
	if (process_shared_preload_libraries_in_progress)
		define_shared_memory_settings();
	MarkGUCPrefixReserved("researcharr");
}
