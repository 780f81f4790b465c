/*
 * validate.h
 *		The rules for values of the data model.
 */
#ifndef RARR_DATA_VALIDATE_H
#define RARR_DATA_VALIDATE_H

#include "utils/date.h"

typedef enum RarrRuleKind
{
	RARR_RULE_TEXT,
	RARR_RULE_INT,
	RARR_RULE_DATE
} RarrRuleKind;

typedef struct RarrRule
{
	const char *field;			/* the column */
	RarrRuleKind kind;
	bool		required;
	int64		min;			/* text: characters; int: value */
	int64		max;
	bool		trimmed;		/* text: no white space at its ends */
	const char *const *words;	/* text: the only ones allowed, up to a NULL */
	bool		(*has_form) (const char *text, int length);
	const char *form;			/* what has_form looks for, in words */
} RarrRule;

typedef struct RarrViolation
{
	const char *field;
	const char *code;			/* required, too_short, too_long, untrimmed,
								 * not_one_of, wrong_form or out_of_range */
	char	   *message;		/* to be read after the field's name */
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

extern void rarr_trim(const char **text, int *length);
extern bool rarr_check_absent(const RarrRule *rule, RarrViolation *violation);
extern bool rarr_check_text(const RarrRule *rule, const char *text, int length,
							RarrViolation *violation);
extern bool rarr_check_int(const RarrRule *rule, int64 number, RarrViolation *violation);
extern bool rarr_check_date(const RarrRule *rule, const char *text, int length,
							DateADT *date, RarrViolation *violation);

#endif							/* RARR_DATA_VALIDATE_H */
