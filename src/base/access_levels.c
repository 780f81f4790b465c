/*
 * access_levels.c
 *		What each level of access has.
 *
 * A level is a role's kind of work.  What is not listed here, nobody but admins
 * gets: of a new function EXECUTE, and of a new table or view SELECT.  Writing to
 * it must be listed for them, too.  docs/access.md shows the result, and a test
 * compares it with the catalog.
 *
 *   reader       reads the library and the queue, no secrets and no logs
 *   worker       takes and finishes jobs and queue items; of media it updates
 *                two columns, and so cannot lock the table
 *   application  reads and writes all of that, and reads the logs
 *   auditor      reads the logs, and nothing else
 *   admin        does what the owner can do by functions
 *
 * Tables that only functions write to, with the owner's rights, are read at most.
 */
#include "postgres.h"

#include "base/access_levels.h"

#define R RARR_READER
#define W RARR_WORKER
#define A RARR_APPLICATION
#define U RARR_AUDITOR
#define X RARR_ADMIN

const RarrAccessRule rarr_access_rules[] = {
	/* the library: whole rows may be written without a statement only with privileges on the table */
	{R | W | A, "media", "SELECT"},
	{R | W | A, "movies", "SELECT"},
	{R | W | A, "series", "SELECT"},
	{R | W | A, "episodes", "SELECT"},
	{R | W | A, "movie_rows", "SELECT"},
	{R | W | A, "series_rows", "SELECT"},
	{R | W | A, "episode_rows", "SELECT"},
	{W, "media", "UPDATE (status, metadata)"},
	{A | X, "media", "INSERT, UPDATE, DELETE"},
	{A | X, "movies", "INSERT, UPDATE, DELETE"},
	{A | X, "series", "INSERT, UPDATE, DELETE"},
	{A | X, "episodes", "INSERT, UPDATE, DELETE"},
	{A | X, "movie_rows", "INSERT, UPDATE, DELETE"},
	{A | X, "series_rows", "INSERT, UPDATE, DELETE"},
	{A | X, "episode_rows", "INSERT, UPDATE, DELETE"},

	/* service queues */
	{R | W | A, "queue_items", "SELECT"},
	{W, "queue_items", "UPDATE (last_processed, retry_count, next_retry_at)"},
	{A | X, "queue_items", "INSERT, UPDATE, DELETE"},

	/* what the instances of Radarr and Sonarr have */
	{R | W | A, "instances", "SELECT"},
	{R | W | A, "tracked_items", "SELECT"},
	{A | X, "instances", "INSERT, UPDATE, DELETE"},
	{A | X, "tracked_items", "INSERT, UPDATE, DELETE"},

	/* the views of legacy_adopt(), which write to tracked_items */
	{R | W | A, "radarr_queue", "SELECT"},
	{R | W | A, "sonarr_queue", "SELECT"},
	{A | X, "radarr_queue", "INSERT, UPDATE, DELETE"},
	{A | X, "sonarr_queue", "INSERT, UPDATE, DELETE"},

	/* settings and users, without secrets and hashes: those are written, and not read */
	{R | A, "configuration_masked", "SELECT"},
	{R | A, "webui_users_masked", "SELECT"},
	{A, "configuration", "SELECT (id, key, value_type, description, secret, created_at, updated_at)"},
	{A | X, "configuration", "INSERT, UPDATE, DELETE"},
	{A, "webui_users", "SELECT (id, username, created_at)"},
	{A | X, "webui_users", "INSERT, UPDATE, DELETE"},

	/* jobs, which functions write; EXECUTE on those is the gate */
	{R | A, "processing_jobs", "SELECT"},
	{A, "processing_jobs", "UPDATE (priority, available_at, max_retries, metadata, unique_key)"},
	{A, "processing_jobs", "DELETE"},
	{X, "processing_jobs", "INSERT, UPDATE, DELETE"},
	{R | A, "job_types", "SELECT"},
	{R | A, "job_type_policies", "SELECT"},
	{A, "job_types", "INSERT, UPDATE"},
	{X, "job_types", "INSERT, UPDATE, DELETE"},

	/* logs */
	{A | U, "processing_history", "SELECT"},
	{A | U, "audit_log", "SELECT"},

	/* operation */
	{X, "retention_rules", "INSERT, UPDATE, DELETE"},
	{X, "access_grants", "UPDATE"}, /* makes an admin, see rarr_is_admin() */
	{0, NULL, NULL},
};

/* Who may execute a routine; admins may execute all but those that are listed with 0. */
static const struct
{
	int levels;
	const char *names; /* separated by spaces */
} routines[] = {
	/* levels are granted by the owner and superusers */
	{0, "access_grant access_revoke access_apply legacy_adopt legacy_finish legacy_queue_write"},

	/* reading the library and the queue */
	{R | W | A, "media_get_by_id movie_get_by_id series_get_by_id episode_get_by_id"
				" media_get_all movie_get_all series_get_all episode_get_all"
				" media_exists movie_exists series_exists episode_exists"
				" media_count movie_count series_count episode_count"
				" media_get_by_id_cached movie_get_by_id_cached series_get_by_id_cached episode_get_by_id_cached"
				" media_get_by_external_id media_get_by_status media_search"
				" queue_item_get_by_id queue_item_get_all queue_item_exists queue_item_count queue_item_get_by_id_cached"
				" instance_get_by_id instance_get_all instance_exists instance_count"
				" tracked_item_get_by_id tracked_item_get_all tracked_item_exists tracked_item_count"},
	{R | A, "job_get_by_id job_get_all job_exists job_count job_get_by_id_cached"
			" job_get_pending job_get_by_media job_get_failed job_stats job_type_builtin"
			" config_get_by_id config_get_all config_exists config_count"
			" config_get config_get_int config_get_bool config_get_json config_list"
			" webui_user_get_by_id webui_user_get_all webui_user_exists webui_user_count"
			" count_estimate wanted_get_all"},
	{A | U, "history_get_by_id history_get_all history_exists history_count"
			" audit_get_by_id audit_get_all audit_exists audit_count"},

	/* working */
	{R | W | A, "job_next_due"},
	{W | A, "job_dequeue job_dequeue_wait job_complete job_complete_many job_complete_and_dequeue"
			" job_fail job_fail_many job_heartbeat job_heartbeat_many job_release job_release_many"
			" queue_item_get_next queue_item_update_last_processed queue_item_increment_retry_count"
			" media_update movie_update series_update episode_update metadata_is_valid"},

	/* writing */
	{A, "media_create media_delete media_validate movie_create movie_delete movie_validate"
		" series_create series_delete series_validate episode_create episode_delete episode_validate"
		" queue_item_create queue_item_update queue_item_delete queue_item_validate"
		" instance_create instance_update instance_delete instance_validate"
		" tracked_item_create tracked_item_update tracked_item_delete tracked_item_validate"
		" config_create config_update config_delete config_validate config_set config_value_is_valid"
		" webui_user_create webui_user_update webui_user_delete webui_user_validate"
		" unit_of_work media_import_radarr media_import_sonarr media_sync_radarr media_sync_sonarr media_apply_webhook uuid_v7"
		" job_create job_update job_delete job_validate job_enqueue job_enqueue_many job_enqueue_arrays wanted_enqueue"
		" job_cancel job_cancel_many job_cancel_all job_retry job_retry_many job_retry_all job_mark_as_completed"
		" job_type_register job_type_pause job_type_resume"
		" cache_get cache_get_text cache_get_jsonb cache_get_many cache_set cache_set_text cache_set_jsonb"
		" cache_set_many cache_touch cache_incr cache_delete cache_exists cache_clear cache_invalidate"
		" cache_fetch cache_stats"},
};

/* Return the level of this name, or 0 if there is none. */
int
rarr_access_level(const char *name)
{
	static const char *const names[] = {"reader", "worker", "application", "auditor", "admin"};

	for (int i = 0; i < lengthof(names); i++)
		if (strcmp(names[i], name) == 0)
			return 1 << i;
	return 0;
}

/* Is the word one of a list that is separated by spaces? */
static bool
is_in(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = strstr(list, word); at != NULL; at = strstr(at + 1, word))
		if ((at == list || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
			return true;
	return false;
}

/* May a role of this level execute the extension's routine of this name? */
bool
rarr_access_executes(int level, const char *routine)
{
	for (int i = 0; i < lengthof(routines); i++)
		if (is_in(routines[i].names, routine))
			return routines[i].levels != 0 && ((routines[i].levels | RARR_ADMIN) & level) != 0;
	return level == RARR_ADMIN;
}
