/*
 * validate.c
 *		Check values against the rules of the data model.
 *
 * The tables' CHECK constraints reject violations one at a time.  These are the
 * same rules in a form that reports all of them before anything is written.  The
 * functions are pure: they look up nothing and raise no error.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/datetime.h"

#include "base/json.h"
#include "base/metadata.h"
#include "base/text.h"
#include "data/config.h"
#include "data/validate.h"

static bool is_imdb_id(const char *text, int length);
static bool is_url(const char *text, int length);

static const char *const media_types[] = {"movie", "series", "episode", NULL};
static const char *const media_statuses[] =
	{"pending", "processing", "completed", "failed", NULL};
static const char *const services[] = {"radarr", "sonarr", NULL};
static const char *const removed_media[] = {"keep", "delete", "delete_with_jobs", NULL};
static const char *const setting_types[] = {"string", "int", "bool", "json", NULL};

#define TEXT_RULE(column, ...) \
	const RarrRule rarr_rule_##column = \
		{.field = #column, .kind = RARR_RULE_TEXT, __VA_ARGS__}
#define INT_RULE(column, ...) \
	const RarrRule rarr_rule_##column = \
		{.field = #column, .kind = RARR_RULE_INT, __VA_ARGS__}

TEXT_RULE(title, .required = true, .min = 1, .max = 500, .trimmed = true, .trims = true);
TEXT_RULE(type, .required = true, .allowed_values = media_types);
TEXT_RULE(external_id, .min = 1, .max = 100);
TEXT_RULE(status, .required = true, .allowed_values = media_statuses);

INT_RULE(year, .min = 1870, .max = 2100);
TEXT_RULE(imdb_id, .has_form = is_imdb_id, .form = "tt and 7 to 10 digits");
INT_RULE(tmdb_id, .min = 1, .max = PG_INT32_MAX);
INT_RULE(runtime_minutes, .min = 1, .max = PG_INT32_MAX);

INT_RULE(tvdb_id, .min = 1, .max = PG_INT32_MAX);
INT_RULE(seasons, .min = 0, .max = PG_INT32_MAX);
INT_RULE(episodes, .min = 0, .max = PG_INT32_MAX);

INT_RULE(season_number, .required = true, .min = 0, .max = PG_INT32_MAX);
INT_RULE(episode_number, .required = true, .min = 0, .max = PG_INT32_MAX);
const RarrRule rarr_rule_air_date = {.field = "air_date", .kind = RARR_RULE_DATE};

TEXT_RULE(job_type, .required = true, .min = 1, .max = 100);
INT_RULE(max_retries, .min = 0, .max = 10);
const RarrRule rarr_rule_available_at = {.field = "available_at", .kind = RARR_RULE_TIME};
TEXT_RULE(unique_key, .min = 1, .max = 255);

TEXT_RULE(service, .required = true, .allowed_values = services);
INT_RULE(retry_count, .min = 0, .max = PG_INT32_MAX);

TEXT_RULE(key, .required = true, .min = 1, .max = 255, .trimmed = true);
TEXT_RULE(value_type, .allowed_values = setting_types);

TEXT_RULE(username, .required = true, .min = 1, .max = 100, .trimmed = true);
TEXT_RULE(password_hash, .required = true, .min = 1, .max = PG_INT32_MAX);
TEXT_RULE(api_key_hash, .min = 1, .max = PG_INT32_MAX);

TEXT_RULE(name, .required = true, .min = 1, .max = 100, .trimmed = true);
TEXT_RULE(base_url, .min = 1, .max = 2000, .has_form = is_url, .secret = true,
		  .form = "http:// or https://, a host and a path, without a user, a password or a query");
const RarrRule rarr_rule_instance_settings = {
	.field = "settings", .kind = RARR_RULE_METADATA, .member = "removed_media", .allowed_values = removed_media};

TEXT_RULE(kind, .required = true, .allowed_values = media_types);
INT_RULE(service_id, .required = true, .min = 1, .max = PG_INT64_MAX);
TEXT_RULE(sort_title, .max = 500);
INT_RULE(search_count, .min = 0, .max = PG_INT32_MAX);
INT_RULE(failed_search_count, .min = 0, .max = PG_INT32_MAX);
const RarrRule rarr_rule_payload = {.field = "payload", .kind = RARR_RULE_METADATA};

const RarrRule rarr_rule_metadata = {.field = "metadata", .kind = RARR_RULE_METADATA};
INT_RULE(priority, .min = 0, .max = 100);

static bool
is_imdb_id(const char *text, int length)
{
	if (length < 9 || length > 12 || text[0] != 't' || text[1] != 't')
		return false;
	for (int i = 2; i < length; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return false;
	}
	return true;
}

/*
 * Is this a URL that holds no secret?  The CHECK constraint of instances has
 * the same form as a regular expression.
 */
static bool
is_url(const char *text, int length)
{
	const char *const schemes[] = {"http://", "https://"};
	int host = 0;
	int path = 0;

	for (int i = 0; i < lengthof(schemes); i++)
		if (length > strlen(schemes[i]) && memcmp(text, schemes[i], strlen(schemes[i])) == 0)
			host = path = strlen(schemes[i]);
	if (host == 0)
		return false;
	while (path < length && text[path] != '/')
		path++;
	for (int i = host; i < length; i++)
		if (strchr(i < path ? "?#@ \t\n\r\f\v" : "?# \t\n\r\f\v", text[i]) != NULL)
			return false;
	return path > host;
}

/* Is this white space, as the tables' CHECK constraints define it? */
static bool
is_space(char c)
{
	return c != '\0' && strchr(" \t\n\r\f\v", c) != NULL;
}

/* Trim white space from both ends. *length is in bytes. */
void
rarr_trim(const char **text, int *length)
{
	while (*length > 0 && is_space((*text)[0]))
	{
		(*text)++;
		(*length)--;
	}
	while (*length > 0 && is_space((*text)[*length - 1]))
		(*length)--;
}

/*
 * Trim white space, no-break spaces and ideographic spaces from both ends of a
 * title that a service sent.  *length is in bytes.
 */
void
rarr_trim_title(const char **text, int *length)
{
	/* U+00A0, U+2007, U+202F, U+3000 and U+FEFF in UTF-8 */
	static const char *const spaces[] = {
		"\xC2\xA0", "\xE2\x80\x87", "\xE2\x80\xAF", "\xE3\x80\x80", "\xEF\xBB\xBF"};
	int before;

	do
	{
		rarr_trim(text, length);
		before = *length;
		for (int i = 0; GetDatabaseEncoding() == PG_UTF8 && i < lengthof(spaces); i++)
		{
			int size = strlen(spaces[i]);

			if (*length >= size && memcmp(*text, spaces[i], size) == 0)
			{
				*text += size;
				*length -= size;
			}
			if (*length >= size && memcmp(*text + *length - size, spaces[i], size) == 0)
				*length -= size;
		}
	} while (*length < before);
}

/* Fill in the violation, and return false for the caller to return. */
bool
rarr_violates(RarrViolation *violation, const char *field, const char *code, char *message)
{
	violation->field = field;
	violation->code = code;
	violation->message = message;
	return false;
}

/*
 * Check that the value may be absent.  Like all checks below, returns false
 * and fills in *violation if the rule is violated.
 */
bool
rarr_check_absent(const RarrRule *rule, RarrViolation *violation)
{
	return !rule->required || rarr_violates(violation, rule->field, "required", "is required");
}

static bool
is_one_of(const char *const *allowed_values, const char *text, int length)
{
	for (; *allowed_values != NULL; allowed_values++)
	{
		if (rarr_equals(*allowed_values, text, length))
			return true;
	}
	return false;
}

static char *
list_values(const char *const *allowed_values)
{
	char *list = pstrdup(*allowed_values);

	while (*++allowed_values != NULL)
		list = psprintf("%s%s%s", list, allowed_values[1] != NULL ? ", " : " or ", *allowed_values);
	return list;
}

/* Check a text. The rule's limits are in characters. */
bool
rarr_check_text(const RarrRule *rule, const text *value, RarrViolation *violation)
{
	const char *text = VARDATA_ANY(value);
	int length = VARSIZE_ANY_EXHDR(value);
	const char *trimmed = text;
	int trimmed_length = length;

	rarr_trim(&trimmed, &trimmed_length);
	if (rule->trimmed && trimmed_length == 0)
		return rarr_violates(violation, rule->field, "too_short", "must not be blank");
	if (rule->trimmed && trimmed_length < length)
		return rarr_violates(violation, rule->field, "untrimmed",
							 "must have no white space at its ends");
	if (rule->allowed_values != NULL && !is_one_of(rule->allowed_values, text, length))
		return rarr_violates(violation, rule->field, "not_one_of",
							 psprintf("must be %s, not %s", list_values(rule->allowed_values),
									  rarr_quote_clipped(text, length)));
	if (rule->has_form != NULL && !rule->has_form(text, length))
		return rarr_violates(violation, rule->field, "wrong_form",
							 rule->secret ? psprintf("must be %s", rule->form) :
											psprintf("must be %s, not %s", rule->form, rarr_quote_clipped(text, length)));
	if (rule->max > 0)
	{
		int characters = pg_mbstrlen_with_len(text, length);

		if (characters < rule->min && rule->max == PG_INT32_MAX)
			return rarr_violates(violation, rule->field, "too_short", "must not be empty");
		if (characters < rule->min || characters > rule->max)
			return rarr_violates(violation, rule->field,
								 characters < rule->min ? "too_short" : "too_long",
								 psprintf("must have " INT64_FORMAT " to " INT64_FORMAT " characters, not %d",
										  rule->min, rule->max, characters));
	}
	return true;
}

/* Check an integer. */
bool
rarr_check_int(const RarrRule *rule, int64 number, RarrViolation *violation)
{
	if (number >= rule->min && number <= rule->max)
		return true;
	return rarr_violates(violation, rule->field, "out_of_range",
						 psprintf("must be from " INT64_FORMAT " to " INT64_FORMAT ", not " INT64_FORMAT,
								  rule->min, rule->max, number));
}

/* Check and parse a date, written YYYY-MM-DD. length is in bytes. */
bool
rarr_check_date(const RarrRule *rule, const char *text, int length,
				DateADT *date, RarrViolation *violation)
{
	const char *form = "dddd-dd-dd";
	int part[3] = {0, 0, 0};
	bool good = length == strlen(form);
	int n = 0;

	for (int i = 0; good && i < length; i++)
	{
		if (form[i] == '-')
		{
			good = text[i] == '-';
			n++;
		}
		else
		{
			good = text[i] >= '0' && text[i] <= '9';
			part[n] = part[n] * 10 + (text[i] - '0');
		}
	}
	if (good && part[0] >= 1 && part[1] >= 1 && part[1] <= MONTHS_PER_YEAR &&
		part[2] >= 1 && part[2] <= day_tab[isleap(part[0])][part[1] - 1])
	{
		*date = date2j(part[0], part[1], part[2]) - POSTGRES_EPOCH_JDATE;
		return true;
	}
	return rarr_violates(violation, rule->field, "wrong_form",
						 psprintf("must be a date as YYYY-MM-DD, not %s",
								  rarr_quote_clipped(text, length)));
}

/* Check that a timestamp is finite. */
bool
rarr_check_time(const RarrRule *rule, TimestampTz time, RarrViolation *violation)
{
	if (!TIMESTAMP_NOT_FINITE(time))
		return true;
	return rarr_violates(violation, rule->field, "out_of_range", "must be finite");
}

/* Check that the rule's member of an object, if there is one, has an allowed value. */
static bool
check_member(const RarrRule *rule, Jsonb *object, RarrViolation *violation)
{
	JsonbValue value;

	if (getKeyJsonValueFromContainer(&object->root, rule->member, strlen(rule->member), &value) == NULL ||
		(value.type == jbvString &&
		 is_one_of(rule->allowed_values, value.val.string.val, value.val.string.len)))
		return true;
	return rarr_violates(violation, rule->field, "not_one_of",
						 psprintf("must have %s as \"%s\", not %s", list_values(rule->allowed_values),
								  rule->member, rarr_json_describe(&value)));
}

/* Check that metadata is an object of limited size. */
bool
rarr_check_metadata(const RarrRule *rule, Jsonb *metadata, RarrViolation *violation)
{
	if (!JB_ROOT_IS_OBJECT(metadata))
		return rarr_violates(violation, rule->field, "wrong_type",
							 psprintf("must be an object, not %s", rarr_jsonb_excerpt(metadata)));
	if (!rarr_metadata_is_valid(JsonbPGetDatum(metadata)))
		return rarr_violates(violation, rule->field, "too_long",
							 psprintf("must have at most %d bytes as text", RARR_METADATA_MAX_BYTES));
	return rule->member == NULL || check_member(rule, metadata, violation);
}

/*
 * Check that a setting's value is valid for its type.  An unknown type
 * violates another rule.  The violation does not contain the value, which may
 * be secret.
 */
bool
rarr_check_setting(const text *value, const char *type, RarrViolation *violation)
{
	if (rarr_setting_is_valid(value, type))
		return true;
	return rarr_violates(violation, "value", "wrong_form",
						 psprintf("must be %s",
								  strcmp(type, "int") == 0  ? "a whole number of 64 bits" :
								  strcmp(type, "bool") == 0 ? "true or false" :
															  "valid JSON"));
}
