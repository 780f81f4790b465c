/*
 * validate.h
 *		Check values against the rules of the data model.
 */
#ifndef RARR_DATA_VALIDATE_H
#define RARR_DATA_VALIDATE_H

#include "utils/date.h"
#include "utils/jsonb.h"

typedef enum RarrRuleKind
{
	RARR_RULE_TEXT,
	RARR_RULE_INT,
	RARR_RULE_DATE,
	RARR_RULE_TIME,    /* finite */
	RARR_RULE_METADATA /* an object of limited size */
} RarrRuleKind;

typedef struct RarrRule
{
	const char *field; /* the column */
	RarrRuleKind kind;
	bool required;
	int64 min; /* text: characters; int: value */
	int64 max;
	bool trimmed;                      /* text: no white space at its ends */
	bool trims;                        /* text: functions trim it */
	const char *const *allowed_values; /* NULL-terminated, or NULL */
	bool (*has_form)(const char *text, int length);
	const char *form;   /* description of what has_form requires */
	bool secret;        /* may the value hold a secret, so that no message shows it? */
	const char *member; /* metadata: this member has one of allowed_values, or is absent */
} RarrRule;

typedef struct RarrViolation
{
	const char *field;
	const char *code; /* required, too_short, too_long, untrimmed,
					   * not_one_of, wrong_form, out_of_range; in
					   * violations.c also wrong_type, unknown_field,
					   * read_only and unknown_job_type */
	char *message;    /* to follow the field's name */
} RarrViolation;

/* media */
extern const RarrRule rarr_rule_title;
extern const RarrRule rarr_rule_type;
extern const RarrRule rarr_rule_external_id;
extern const RarrRule rarr_rule_status;

/* movies */
extern const RarrRule rarr_rule_year;
extern const RarrRule rarr_rule_imdb_id;
extern const RarrRule rarr_rule_tmdb_id;
extern const RarrRule rarr_rule_runtime_minutes;

/* series */
extern const RarrRule rarr_rule_tvdb_id;
extern const RarrRule rarr_rule_seasons;
extern const RarrRule rarr_rule_episodes;

/* episodes */
extern const RarrRule rarr_rule_season_number;
extern const RarrRule rarr_rule_episode_number;
extern const RarrRule rarr_rule_air_date;

/* processing_jobs */
extern const RarrRule rarr_rule_job_type;
extern const RarrRule rarr_rule_max_retries;
extern const RarrRule rarr_rule_available_at;
extern const RarrRule rarr_rule_unique_key;

/* queue_items */
extern const RarrRule rarr_rule_service;
extern const RarrRule rarr_rule_retry_count;

/* configuration */
extern const RarrRule rarr_rule_key;
extern const RarrRule rarr_rule_value_type;

/* webui_users */
extern const RarrRule rarr_rule_username;
extern const RarrRule rarr_rule_password_hash;
extern const RarrRule rarr_rule_api_key_hash;

/* instances */
extern const RarrRule rarr_rule_name;
extern const RarrRule rarr_rule_base_url;
extern const RarrRule rarr_rule_instance_settings;

/* tracked_items */
extern const RarrRule rarr_rule_kind;
extern const RarrRule rarr_rule_service_id;
extern const RarrRule rarr_rule_sort_title;
extern const RarrRule rarr_rule_search_count;
extern const RarrRule rarr_rule_failed_search_count;
extern const RarrRule rarr_rule_payload;

/* of several tables */
extern const RarrRule rarr_rule_metadata;
extern const RarrRule rarr_rule_priority;

extern void rarr_trim(const char **text, int *length);
extern void rarr_trim_title(const char **text, int *length);
extern bool rarr_violates(RarrViolation *violation, const char *field, const char *code, char *message);
extern bool rarr_check_absent(const RarrRule *rule, RarrViolation *violation);
extern bool rarr_check_text(const RarrRule *rule, const text *value, RarrViolation *violation);
extern bool rarr_check_int(const RarrRule *rule, int64 number, RarrViolation *violation);
extern bool rarr_check_date(const RarrRule *rule, const char *text, int length,
							DateADT *date, RarrViolation *violation);
extern bool rarr_check_time(const RarrRule *rule, TimestampTz time, RarrViolation *violation);
extern bool rarr_check_metadata(const RarrRule *rule, Jsonb *metadata, RarrViolation *violation);
extern bool rarr_check_setting(const text *value, const char *type, RarrViolation *violation);

#endif /* RARR_DATA_VALIDATE_H */
