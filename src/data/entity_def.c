/*
 * entity_def.c
 *		The code's definitions of the repositories' entities.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "data/entity_def.h"

#define MEDIA_RULES \
	&rarr_rule_title, &rarr_rule_type, &rarr_rule_external_id, &rarr_rule_status, \
		&rarr_rule_metadata

static const RarrRule *const media_rules[] = {MEDIA_RULES, NULL};
static const RarrRule *const movie_rules[] = {
	MEDIA_RULES, &rarr_rule_year, &rarr_rule_imdb_id, &rarr_rule_tmdb_id,
	&rarr_rule_runtime_minutes, NULL};
static const RarrRule *const series_rules[] = {
	MEDIA_RULES, &rarr_rule_tvdb_id, &rarr_rule_seasons, &rarr_rule_episodes, NULL};
static const RarrRule *const episode_rules[] = {
	MEDIA_RULES, &rarr_rule_season_number, &rarr_rule_episode_number, &rarr_rule_air_date, NULL};
static const RarrRule *const job_rules[] = {
	&rarr_rule_job_type, &rarr_rule_priority, &rarr_rule_max_retries, &rarr_rule_available_at,
	&rarr_rule_metadata, &rarr_rule_unique_key, NULL};
static const RarrRule *const queue_item_rules[] = {
	&rarr_rule_service, &rarr_rule_priority, &rarr_rule_retry_count, &rarr_rule_metadata, NULL};
static const RarrRule *const config_rules[] = {
	&rarr_rule_key, &rarr_rule_value_type, NULL};
static const RarrRule *const webui_user_rules[] = {
	&rarr_rule_username, &rarr_rule_password_hash, &rarr_rule_api_key_hash, NULL};
static const RarrRule *const instance_rules[] = {
	&rarr_rule_name, &rarr_rule_service, &rarr_rule_base_url, &rarr_rule_instance_settings, NULL};
static const RarrRule *const tracked_item_rules[] = {
	&rarr_rule_kind, &rarr_rule_service_id, &rarr_rule_sort_title, &rarr_rule_search_count,
	&rarr_rule_failed_search_count, &rarr_rule_payload, NULL};
static const RarrRule *const no_rules[] = {NULL};

/* the other columns of a job are set by the job queue's functions */
static const char *const job_create_fields[] = {
	"media_id", "job_type", "priority", "available_at", "max_retries", "metadata", "unique_key", NULL};
static const char *const job_update_fields[] = {
	"priority", "available_at", "max_retries", "metadata", NULL};

/* an instance's own date of an item; queue items have theirs from the table */
static const char *const tracked_item_own_fields[] = {"added_at", NULL};

/* the columns that write.c and settings.c read directly */
static const RarrColumn job_typed[] = {
	{"media_id", UUIDOID}, {"job_type", TEXTOID}, {"priority", INT4OID}, {"available_at", TIMESTAMPTZOID}, {"max_retries", INT4OID}, {"metadata", JSONBOID}, {"unique_key", TEXTOID}, {NULL}};
static const RarrColumn config_typed[] = {
	{"key", TEXTOID}, {"value", TEXTOID}, {"value_type", TEXTOID}, {"secret", BOOLOID}, {NULL}};

const RarrEntityDef rarr_entity_defs[RARR_NENTITIES] = {
	[RARR_MEDIA] = {"media", "media", .table = "media", .rules = media_rules},
	[RARR_MOVIE] = {"movie", "movie_rows", .table = "media", .subtable = "movies",
					.type = "movie", .rules = movie_rules},
	[RARR_SERIES] = {"series", "series_rows", .table = "media", .subtable = "series",
					 .type = "series", .rules = series_rules},
	[RARR_EPISODE] = {"episode", "episode_rows", .table = "media", .subtable = "episodes",
					  .type = "episode", .rules = episode_rules},
	[RARR_JOB] = {"job", "processing_jobs", .table = "processing_jobs", .rules = job_rules,
				  .create_fields = job_create_fields, .update_fields = job_update_fields, .typed = job_typed},
	[RARR_QUEUE_ITEM] = {"queue_item", "queue_items", .table = "queue_items",
						 .rules = queue_item_rules},
	[RARR_CONFIG] = {"config", "configuration", "configuration_masked",
					 .table = "configuration", .rules = config_rules, .typed = config_typed},
	[RARR_WEBUI_USER] = {"webui_user", "webui_users", "webui_users_masked",
						 .table = "webui_users", .rules = webui_user_rules},
	[RARR_INSTANCE] = {"instance", "instances", .table = "instances", .rules = instance_rules},
	[RARR_TRACKED_ITEM] = {"tracked_item", "tracked_items", .table = "tracked_items",
						   .rules = tracked_item_rules, .own_fields = tracked_item_own_fields},
	[RARR_HISTORY] = {"history", "processing_history", .table = "processing_history",
					  .read_only = true, .rules = no_rules},
	[RARR_AUDIT] = {"audit", "audit_log", .table = "audit_log",
					.read_only = true, .rules = no_rules},
};
