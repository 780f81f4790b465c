/*
 * cron.c
 *		Parse cron expressions.
 *
 * The syntax is that of Vixie cron: five fields, minute, hour, day of the
 * month, month and day of the week, or a name such as @daily.  A sixth field
 * may come first, for the second.  A field is a list of values and ranges, and
 * a range may have a step.  Unlike Vixie cron, a step that is larger than its
 * field is an error, because "every 90 minutes" cannot be said that way.
 *
 * This file is pure: it reads no table and no setting.  cron_next.c computes
 * when an expression fires.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "base/compat.h"
#include "ops/cron.h"

#define SHOWN_BYTES 200 /* of an expression in a message */
#define MAX_FIELDS  6

typedef struct FieldDef
{
	const char *name;
	int low;
	int high;
	const char *const *names; /* of three letters each, for low and up; or NULL */
	const char *hint;
} FieldDef;

static const char *const month_names[] = {
	"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

/* in the order in which they are written */
static const FieldDef fields[MAX_FIELDS] = {
	{"second", 0, 59, NULL, "Give values from 0 to 59, such as *, 30, 0,30, 10-20 or */15."},
	{"minute", 0, 59, NULL, "Give values from 0 to 59, such as *, 30, 0,30, 10-20 or */15."},
	{"hour", 0, 23, NULL, "Give values from 0 to 23, such as *, 2, 8,20, 9-17 or */6."},
	{"day of the month", 1, 31, NULL, "Give values from 1 to 31, such as *, 1, 1,15 or 1-7."},
	{"month", 1, 12, month_names, "Give values from 1 to 12 or jan to dec, such as *, 1, jan,jul or */3."},
	{"day of the week", 0, 7, weekday_names,
	 "Give values from 0 to 7 or sun to sat, such as *, 0, mon-fri or 6,7; both 0 and 7 are Sunday."},
};

static const struct
{
	const char *name;
	const char *expression;
} macros[] = {
	{"@yearly", "0 0 1 1 *"},
	{"@annually", "0 0 1 1 *"},
	{"@monthly", "0 0 1 * *"},
	{"@weekly", "0 0 * * 0"},
	{"@daily", "0 0 * * *"},
	{"@midnight", "0 0 * * *"},
	{"@hourly", "0 * * * *"},
};

/* a field that is being parsed */
typedef struct Parser
{
	const char *text;    /* the whole expression, for messages */
	const FieldDef *def; /* its field */
	const char *field;   /* the field's text ... */
	int length;          /* ... and its length in bytes */
	const char *next;    /* the next character */
} Parser;

/* Return text of this many bytes for a message, shortened if it is long. */
static char *
shown(const char *text, int length)
{
	int bytes = length > SHOWN_BYTES ? pg_mbcliplen(text, length, SHOWN_BYTES) : length;

	return psprintf("%.*s%s", bytes, text, bytes < length ? "..." : "");
}

pg_noreturn static void
invalid(const char *text, char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid cron expression: \"%s\"", shown(text, strlen(text))),
			 errdetail_internal("%s", detail),
			 errhint("%s", hint)));
}

pg_noreturn static void
invalid_field(const Parser *parser, const char *problem)
{
	invalid(parser->text,
			psprintf("The field for the %s, \"%s\", %s.",
					 parser->def->name, shown(parser->field, parser->length), problem),
			parser->def->hint);
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
at_end(const Parser *parser)
{
	return parser->next >= parser->field + parser->length;
}

/* Skip the character if it comes next. */
static bool
skip(Parser *parser, char c)
{
	if (at_end(parser) || *parser->next != c)
		return false;
	parser->next++;
	return true;
}

/* Parse digits.  A number of more than four digits becomes 10000. */
static int
parse_number(Parser *parser)
{
	int number = 0;

	if (at_end(parser) || !is_digit(*parser->next))
		invalid_field(parser, "lacks a value");
	for (; !at_end(parser) && is_digit(*parser->next); parser->next++)
	{
		number = number * 10 + (*parser->next - '0');
		number = Min(number, 10000);
	}
	return number;
}

/* Parse a number or a name. */
static int
parse_value(Parser *parser)
{
	const FieldDef *def = parser->def;
	int value;

	if (def->names != NULL && !at_end(parser) && is_letter(*parser->next))
	{
		const char *end = parser->field + parser->length;

		for (int i = 0; def->names[i] != NULL; i++)
		{
			if (end - parser->next < 3 || pg_strncasecmp(parser->next, def->names[i], 3) != 0 ||
				(end - parser->next > 3 && is_letter(parser->next[3])))
				continue;
			parser->next += 3;
			return def->low + i;
		}
		invalid_field(parser, "has an unknown name");
	}
	value = parse_number(parser);
	if (value < def->low || value > def->high)
		invalid_field(parser, "has a value that is out of range");
	return value;
}

/* Parse what follows a '/', in a range of this many values. */
static int
parse_step(Parser *parser, int values)
{
	int step = parse_number(parser);

	if (step < 1)
		invalid_field(parser, "has a step of 0");
	if (step > values)
		invalid_field(parser, "has a step that is larger than its range");
	return step;
}

/* Parse a value, a range or a '*', with or without a step. */
static uint64
parse_item(Parser *parser)
{
	const FieldDef *def = parser->def;
	int first = def->low;
	int last = def->high;
	bool is_range = skip(parser, '*');
	int step = 1;
	uint64 set = 0;

	if (!is_range)
	{
		first = last = parse_value(parser);
		is_range = skip(parser, '-');
		if (is_range)
		{
			last = parse_value(parser);

			/* a week can end with Sunday */
			if (last == 0 && first > 0 && def->high == 7)
				last = 7;
			if (last < first)
				invalid_field(parser, "has a range that ends before it begins");
		}
	}
	if (skip(parser, '/'))
	{
		if (!is_range)
			invalid_field(parser, "has a step without a range");
		step = parse_step(parser, last - first);
	}
	for (int value = first; value <= last; value += step)
		set |= UINT64CONST(1) << value;
	return set;
}

/* Parse a field.  *any is set to whether it begins with '*'. */
static uint64
parse_field(const char *text, const FieldDef *def, const char *field, int length, bool *any)
{
	Parser parser = {text, def, field, length, field};
	uint64 set = 0;

	*any = *field == '*';
	do
		set |= parse_item(&parser);
	while (skip(&parser, ','));
	if (!at_end(&parser))
		invalid_field(&parser, "has a character that does not belong there");
	return set;
}

/* Return the expression that a name stands for, or text itself. */
static const char *
expand_macro(const char *text)
{
	const char *begin = text;
	int length;

	while (is_blank(*begin))
		begin++;
	if (*begin != '@')
		return text;
	length = strcspn(begin, " \t");
	for (int i = 0; i < lengthof(macros); i++)
		if (strlen(macros[i].name) == length && pg_strncasecmp(begin, macros[i].name, length) == 0 &&
			begin[length + strspn(begin + length, " \t")] == '\0')
			return macros[i].expression;
	invalid(text, "It begins with \"@\", but is not one of the known names.",
			"The names are @yearly, @annually, @monthly, @weekly, @daily, @midnight and @hourly.");
}

/* Find the fields of an expression.  Returns their number, which can be too large. */
static int
split(const char *text, const char **begin, int *length)
{
	int n = 0;

	for (;;)
	{
		text += strspn(text, " \t");
		if (*text == '\0')
			return n;
		if (n < MAX_FIELDS)
		{
			begin[n] = text;
			length[n] = strcspn(text, " \t");
		}
		n++;
		text += strcspn(text, " \t");
	}
}

/*
 * Does the expression fire on such a day?  If both the day of the month and
 * the day of the week are restricted, either suffices.  month and day count
 * from 1, weekday from 0 for Sunday.
 */
bool
rarr_cron_day_matches(const RarrCron *cron, int month, int day, int weekday)
{
	bool by_day = (cron->days >> day & 1) != 0;
	bool by_weekday = (cron->weekdays >> weekday & 1) != 0;

	if ((cron->months >> month & 1) == 0)
		return false;
	if (cron->any_day || cron->any_weekday)
		return by_day && by_weekday;
	return by_day || by_weekday;
}

/* Is there a date on which the expression fires?  29 February is one. */
static bool
has_date(const RarrCron *cron)
{
	static const int length[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	for (int month = 1; month <= 12; month++)
		for (int day = 1; day <= length[month - 1]; day++)
			for (int weekday = 0; weekday < 7; weekday++)
				if (rarr_cron_day_matches(cron, month, day, weekday))
					return true;
	return false;
}

/*
 * Parse an expression.  Raises 22023 if it is invalid, or if no month has one
 * of its days.
 */
void
rarr_cron_parse(const char *text, RarrCron *cron)
{
	const char *expression = expand_macro(text);
	const char *begin[MAX_FIELDS];
	int length[MAX_FIELDS];
	uint64 sets[MAX_FIELDS] = {1};
	bool any[MAX_FIELDS] = {false};
	int n = split(expression, begin, length);
	int skipped = MAX_FIELDS - n;

	if (n < 5 || n > MAX_FIELDS)
		invalid(text, psprintf("It has %d fields.", n),
				"Give five fields (minute, hour, day of the month, month, day of the week), or six with the second first.");
	for (int i = 0; i < n; i++)
		sets[skipped + i] = parse_field(text, &fields[skipped + i], begin[i], length[i], &any[skipped + i]);
	cron->seconds = sets[0];
	cron->minutes = sets[1];
	cron->hours = sets[2];
	cron->days = sets[3];
	cron->months = sets[4];
	cron->weekdays = (sets[5] | sets[5] >> 7) & 0x7F;
	cron->any_day = any[3];
	cron->any_weekday = any[5];
	cron->repeats = any[0] || any[1] || any[2];
	if (!has_date(cron))
		invalid(text, "It never fires: none of its months has one of its days.",
				"February has 29 days at most; April, June, September and November have 30.");
}

/*
 * Return the time zone of this name.  The server keeps it for the life of the
 * process.  Raises 22023 if the server does not know it.
 */
pg_tz *
rarr_cron_zone(const char *name)
{
	pg_tz *zone = pg_tzset(name);

	if (zone == NULL || !pg_tz_acceptable(zone))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown time zone: \"%s\"", shown(name, strlen(name))),
				 errhint("Give a name of pg_timezone_names, such as UTC or Europe/Berlin.")));
	return zone;
}
