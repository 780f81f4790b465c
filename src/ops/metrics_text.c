/*
 * metrics_text.c
 *		Write OpenMetrics text.
 *
 * The format is that of OpenMetrics 1.0: families with TYPE, UNIT and HELP, each
 * once and with its samples together.  The client must ask for UTF-8, so that
 * the server converts it.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "base/text.h"
#include "ops/metrics_text.h"

/*
 * Begin a family.  unit: a base unit that the name ends with, or NULL.  Counters
 * are named without _total.
 */
void
rarr_metric_begin(StringInfo text, const char *name, RarrMetricType type, const char *unit, const char *help)
{
	static const char *const types[] = {"gauge", "counter", "histogram"};

	appendStringInfo(text, "# TYPE %s %s\n", name, types[type]);
	if (unit != NULL)
		appendStringInfo(text, "# UNIT %s %s\n", name, unit);
	appendStringInfo(text, "# HELP %s %s\n", name, help);
}

/* Write a label's value: backslash, quotation mark and newline are escaped. */
static void
put_value(StringInfo text, const char *value)
{
	appendStringInfoChar(text, '"');
	for (const char *c = rarr_valid_text(value); *c != '\0'; c++)
		switch (*c)
		{
			case '\\':
			case '"':
				appendStringInfoChar(text, '\\');
				appendStringInfoChar(text, *c);
				break;
			case '\n':
				appendStringInfoString(text, "\\n");
				break;
			default:
				appendStringInfoChar(text, (unsigned char) *c < 0x20 || *c == 0x7f ? ' ' : *c);
		}
	appendStringInfoChar(text, '"');
}

/* Write a sample.  suffix: "", "_total", "_bucket" ...; value: a number. */
void
rarr_metric_put(StringInfo text, const char *name, const char *suffix, const RarrLabel *labels, int nlabels,
				const char *value)
{
	appendStringInfo(text, "%s%s", name, suffix);
	for (int i = 0; i < nlabels; i++)
	{
		appendStringInfo(text, "%s%s=", i == 0 ? "{" : ",", labels[i].name);
		put_value(text, labels[i].value);
	}
	appendStringInfo(text, "%s %s\n", nlabels > 0 ? "}" : "", value);
}

/* The same, for an integer. */
void
rarr_metric_put_int(StringInfo text, const char *name, const char *suffix, const RarrLabel *labels, int nlabels,
					int64 value)
{
	char number[24];

	snprintf(number, sizeof(number), INT64_FORMAT, value);
	rarr_metric_put(text, name, suffix, labels, nlabels, number);
}
