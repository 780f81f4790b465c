/*
 * statements.c
 *		The tables of the old application, and the statements that adopt a row
 *		of each.
 *
 * $1 is the row.  The functions that run these pin
 * search_path to pg_catalog.  A statement that runs again finds what it has made,
 * and changes nothing.
 */
#include "postgres.h"

#include "data/legacy/legacy.h"

/* clang-format off */

/* The instance that an app of the row's schema became. */
#define INSTANCE \
	"i AS (SELECT i.id, i.name, CASE i.service WHEN 'radarr' THEN 'movie' ELSE 'series' END AS kind" \
	" FROM researcharr.instances i WHERE i.settings->'legacy_apps'->>($1->>'source_schema') = $1->>'app_id' ORDER BY i.id LIMIT 1)"

#define NO_APP "format('no row of managed_apps with the id %s has been adopted', $1->>'app_id')"

/*
 * An instance of the same service and address is the app's, and so is one without
 * an address and with the app's name.  A new one gets the name, with the app's id
 * if the name is taken.
 */
#define MANAGED_APPS \
	"WITH r AS (SELECT $1->>'id' AS app, lower($1->>'app_type') AS service, btrim($1->>'name') AS name," \
	" rtrim(btrim($1->>'base_url'), '/') AS url, coalesce(($1->>'is_active')::boolean, true) AS active," \
	" NULLIF($1->>'api_key', '') AS api_key, jsonb_strip_nulls($1 - '{source_schema,id,app_type,name,base_url,api_key,is_active,last_sync_at}'::text[]) AS custom)," \
	" known AS (SELECT FROM researcharr.instances i, r WHERE i.settings->'legacy_apps'->>($1->>'source_schema') = r.app)," \
	" same AS (SELECT i.id, i.name FROM researcharr.instances i, r WHERE i.service = r.service" \
	" AND (rtrim(i.base_url, '/') = r.url OR (i.base_url IS NULL AND lower(i.name) = lower(r.name) AND NOT i.settings ? 'legacy_apps'))" \
	" AND NOT EXISTS (SELECT FROM known) ORDER BY i.base_url NULLS LAST LIMIT 1)," \
	" named AS (SELECT r.*, coalesce((SELECT name FROM same), CASE WHEN EXISTS (SELECT FROM researcharr.instances i WHERE i.name = r.name)" \
	" THEN format('%s (%s)', r.name, r.app) ELSE r.name END) AS final FROM r WHERE NOT EXISTS (SELECT FROM known))," \
	" settings AS (SELECT n.custom || coalesce((SELECT i.settings FROM researcharr.instances i, same WHERE i.id = same.id), '{}')" \
	" || jsonb_build_object('legacy_apps', coalesce((SELECT i.settings->'legacy_apps' FROM researcharr.instances i, same WHERE i.id = same.id), '{}')" \
	" || jsonb_build_object($1->>'source_schema', n.app))" \
	" || CASE WHEN n.api_key IS NULL THEN '{}' ELSE jsonb_build_object('api_key_setting', format('instances.%s.api_key', n.final)) END AS s FROM named n)," \
	" updated AS (UPDATE researcharr.instances i SET base_url = coalesce(i.base_url, n.url), settings = s.s" \
	" FROM named n, settings s, same WHERE i.id = same.id)," \
	" inserted AS (INSERT INTO researcharr.instances (name, service, base_url, active, settings, last_synced_at)" \
	" SELECT n.final, n.service, n.url, n.active, s.s, $2 FROM named n, settings s WHERE NOT EXISTS (SELECT FROM same))," \
	" secret AS (INSERT INTO researcharr.configuration (key, value, secret, description)" \
	" SELECT format('instances.%s.api_key', n.final), n.api_key, true, 'API key of an instance' FROM named n" \
	" WHERE n.api_key IS NOT NULL ON CONFLICT (key) DO NOTHING)" \
	" SELECT CASE WHEN EXISTS (SELECT FROM known) THEN 'unchanged' ELSE 'adopted' END, NULL::text"

#define GLOBAL_SETTINGS \
	"WITH r AS (SELECT 'app.' || e.key AS key, e.value, CASE WHEN e.value IN ('t', 'f', 'true', 'false') THEN 'bool'" \
	" WHEN e.value ~ '^-?[0-9]{1,18}$' THEN 'int' ELSE 'string' END AS type" \
	" FROM jsonb_each_text($1 - '{source_schema,id}'::text[]) e WHERE e.value IS NOT NULL)," \
	" inserted AS (INSERT INTO researcharr.configuration (key, value, value_type, description)" \
	" SELECT key, CASE WHEN type = 'bool' THEN value::boolean::text ELSE value END, type, 'adopted from global_settings'" \
	" FROM r ON CONFLICT (key) DO NOTHING RETURNING 1)" \
	" SELECT CASE WHEN EXISTS (SELECT FROM inserted) THEN 'adopted' ELSE 'unchanged' END, NULL::text"

/*
 * The later search wins.  If the instance does not track the item yet, and its
 * media is known, the item becomes tracked.
 */
#define TRACKED_ITEMS \
	"WITH " INSTANCE "," \
	" r AS (SELECT ($1->>'arr_id')::bigint AS service_id, greatest(($1->>'search_count')::int, 0) AS searches," \
	" greatest(($1->>'failed_search_count')::int, 0) AS failures)," \
	" t AS (SELECT k.id FROM researcharr.tracked_items k, r, i" \
	" WHERE k.instance_id = i.id AND k.kind = i.kind AND k.service_id = r.service_id)," \
	" m AS (SELECT m.id, m.title FROM researcharr.media m, i WHERE NOT EXISTS (SELECT FROM t) AND m.type = i.kind" \
	" AND m.external_id = CASE i.kind WHEN 'movie' THEN $1->>'tmdb_id' ELSE $1->>'tvdb_id' END)," \
	" updated AS (UPDATE researcharr.tracked_items k SET last_search_at = greatest(k.last_search_at, $2)," \
	" search_count = greatest(k.search_count, r.searches)," \
	" failed_search_count = CASE WHEN $2 > coalesce(k.last_search_at, '-infinity') THEN coalesce(r.failures, 0) ELSE k.failed_search_count END," \
	" next_search_at = CASE WHEN $2 > coalesce(k.last_search_at, '-infinity') THEN $3 ELSE k.next_search_at END FROM r, t" \
	" WHERE k.id = t.id AND ($2 > coalesce(k.last_search_at, '-infinity') OR r.searches > k.search_count) RETURNING 1)," \
	" inserted AS (INSERT INTO researcharr.tracked_items (instance_id, kind, service_id, media_id, monitored, has_file," \
	" custom_format_score, sort_title, last_search_at, search_count, failed_search_count, next_search_at, payload)" \
	" SELECT i.id, i.kind, r.service_id, m.id, coalesce(($1->>'monitored')::boolean, true), coalesce(($1->>'has_file')::boolean, false)," \
	" ($1->>'custom_format_score')::numeric::int, CASE WHEN i.kind <> 'episode' THEN lower(left(m.title, 200)) END, $2, coalesce(r.searches, 0), coalesce(r.failures, 0), $3," \
	" jsonb_build_object('id', r.service_id) FROM r, i, m RETURNING 1)" \
	" SELECT CASE WHEN EXISTS (SELECT FROM updated) OR EXISTS (SELECT FROM inserted) THEN 'adopted'" \
	" WHEN EXISTS (SELECT FROM t) THEN 'unchanged' ELSE 'kept' END," \
	" CASE WHEN NOT EXISTS (SELECT FROM i) THEN " NO_APP \
	" WHEN NOT EXISTS (SELECT FROM t) AND NOT EXISTS (SELECT FROM m) THEN format('instance \"%s\" does not track %s, and no media has %s'," \
	" (SELECT name FROM i), $1->>'arr_id', CASE (SELECT kind FROM i) WHEN 'movie' THEN concat('tmdb_id ', $1->>'tmdb_id')" \
	" ELSE concat('tvdb_id ', $1->>'tvdb_id') END) END"

/*
 * What log.c needs: which id the row has in the history, whether it is there,
 * the media, a note, whether it is a success, and a problem.
 */
#define LOG_ROW(table, note, success) \
	"WITH " INSTANCE "," \
	" k AS (SELECT k.media_id FROM researcharr.tracked_items k, i WHERE k.instance_id = i.id AND k.kind = i.kind" \
	" AND k.service_id = ($1->>'arr_id')::bigint)," \
	" n AS (SELECT " note " AS note)," \
	" j AS (SELECT encode(substr(sha256(convert_to(concat_ws('/', (SELECT id FROM i), '" table "', $1->>'id', $2, (SELECT note FROM n)), 'UTF8')), 1, 16)," \
	" 'hex')::uuid AS id)" \
	" SELECT j.id, EXISTS (SELECT FROM researcharr.processing_history h WHERE h.job_id = j.id)," \
	" coalesce((SELECT media_id FROM k), '00000000-0000-0000-0000-000000000000'::uuid), (SELECT note FROM n), " success "," \
	" CASE WHEN NOT EXISTS (SELECT FROM i) THEN " NO_APP \
	" WHEN $1->>'arr_id' IS NOT NULL AND NOT EXISTS (SELECT FROM k) THEN format('instance \"%s\" does not track %s', (SELECT name FROM i), $1->>'arr_id')" \
	" END FROM j"

#define SEARCH_CYCLES \
	LOG_ROW("search_cycles", "format('cycle %s: %s items searched, %s succeeded, %s failed', $1->>'cycle_number', $1->>'items_searched'," \
		" $1->>'items_succeeded', $1->>'items_failed')", "true")

#define PROCESSING_LOGS \
	LOG_ROW("processing_logs", "concat_ws(': ', $1->>'event_type', $1->>'message', NULLIF($1->>'details', ''))", "coalesce(($1->>'success')::boolean, true)")

/*
 * The row is about an item of the default instance, or of the only one of the
 * service.  A queue item that was handled since then does not come back: its item
 * has been searched, or the view that legacy_adopt() makes is there.
 */
#define QUEUE(service, kind, id) \
	"WITH t AS (SELECT k.id, k.media_id, k.last_search_at FROM researcharr.tracked_items k JOIN researcharr.instances i ON i.id = k.instance_id" \
	" WHERE i.service = '" service "' AND k.kind = '" kind "' AND k.service_id = ($1->>'" id "')::bigint" \
	" AND (i.name = '" service "' OR 1 = (SELECT count(*) FROM researcharr.instances o WHERE o.service = '" service "'))" \
	" ORDER BY i.name <> '" service "' LIMIT 1)," \
	" q AS (SELECT q.id FROM researcharr.queue_items q, t WHERE q.media_id = t.media_id AND q.service = '" service "' ORDER BY q.id LIMIT 1)," \
	" updated AS (UPDATE researcharr.queue_items k SET last_processed = $2 FROM q WHERE k.id = q.id" \
	" AND $2 > coalesce(k.last_processed, '-infinity') RETURNING 1)," \
	" inserted AS (INSERT INTO researcharr.queue_items (media_id, service, last_processed) SELECT t.media_id, '" service "', $2 FROM t" \
	" WHERE NOT EXISTS (SELECT FROM q) AND CASE WHEN $2 IS NULL THEN to_regclass('researcharr." service "_queue') IS NULL" \
	" ELSE t.last_search_at IS NULL OR t.last_search_at < $2 END RETURNING 1)," \
	" searched AS (UPDATE researcharr.tracked_items k SET last_search_at = $2, search_count = greatest(k.search_count, 1)" \
	" FROM t WHERE k.id = t.id AND $2 > coalesce(k.last_search_at, '-infinity') RETURNING 1)" \
	" SELECT CASE WHEN NOT EXISTS (SELECT FROM t) THEN 'kept' WHEN EXISTS (SELECT FROM updated) OR EXISTS (SELECT FROM inserted)" \
	" OR EXISTS (SELECT FROM searched) THEN 'adopted' ELSE 'unchanged' END," \
	" CASE WHEN NOT EXISTS (SELECT FROM t) THEN format('no instance of " service " tracks " kind " %s', $1->>'" id "') END"

/* A user of this name keeps the password. */
#define WEBUI_USERS \
	"WITH inserted AS (INSERT INTO researcharr.webui_users (username, password_hash, api_key_hash, created_at)" \
	" VALUES ($1->>'username', $1->>'password_hash', NULLIF($1->>'api_key_hash', ''), coalesce($2, clock_timestamp()))" \
	" ON CONFLICT (username) DO NOTHING RETURNING 1)" \
	" SELECT CASE WHEN EXISTS (SELECT FROM inserted) THEN 'adopted' ELSE 'unchanged' END, NULL::text"

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

/* in the order in which they are adopted: apps before what belongs to them */
const LegacyTable rarr_legacy_tables[] = {
	{
		"managed_apps", "id",
		LIST("app_type", "name", "base_url", "api_key", "is_active", "last_sync_at", "use_custom_settings",
			 "custom_items_per_cycle", "custom_cycle_interval_minutes", "custom_state_management_period_days",
			 "custom_sort_strategy", "custom_retry_failed_items", "custom_max_retries", "custom_retry_delay_minutes"),
		.times = {"last_sync_at"}, .secrets = LIST("api_key", "base_url"), .adopt = MANAGED_APPS
	},
	{
		"global_settings", "id",
		LIST("items_per_cycle", "cycle_interval_minutes", "state_management_period_days", "sort_strategy",
			 "retry_failed_items", "max_retries", "retry_delay_minutes", "notifications_enabled",
			 "notify_on_search_started", "notify_on_search_completed", "notify_on_cycle_completed",
			 "notify_on_errors", "notify_daily_summary", "daily_summary_time"),
		.adopt = GLOBAL_SETTINGS
	},
	{
		"tracked_items", "id",
		LIST("app_id", "arr_id", "tmdb_id", "tvdb_id", "title", "monitored", "has_file", "custom_format_score",
			 "search_count", "failed_search_count", "last_search_at", "next_retry_at"),
		.times = {"last_search_at", "next_retry_at"}, .adopt = TRACKED_ITEMS
	},
	{
		"search_cycles", "id",
		LIST("app_id", "cycle_number", "items_searched", "items_succeeded", "items_failed", "started_at"),
		.times = {"started_at"}, .is_log = true, .adopt = SEARCH_CYCLES
	},
	{
		"processing_logs", "id",
		LIST("app_id", "tracked_item_id", "event_type", "message", "details", "success", "created_at"),
		.times = {"created_at"}, .is_log = true, .has_items = true, .adopt = PROCESSING_LOGS
	},
	{
		"radarr_queue", "movie_id",
		LIST("last_processed"),
		.times = {"last_processed"}, .adopt = QUEUE("radarr", "movie", "movie_id")
	},
	{
		"sonarr_queue", "episode_id",
		LIST("last_processed"),
		.times = {"last_processed"}, .adopt = QUEUE("sonarr", "episode", "episode_id")
	},
	{
		"webui_users", "id",
		LIST("username", "password_hash", "api_key_hash", "created_at"),
		.times = {"created_at"}, .secrets = LIST("password_hash", "api_key_hash"), .adopt = WEBUI_USERS
	},
};
/* clang-format on */

const int rarr_legacy_table_count = lengthof(rarr_legacy_tables);
