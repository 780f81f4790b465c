/*
 * time_text.c
 *		Read times as other programs write them.
 */
#include "postgres.h"

#include "datatype/timestamp.h"

#include "data/time_text.h"
#include "data/validate.h"

/* Read exactly this many digits.  Returns -1 if there are others. */
static int
digits(const char *text, int count)
{
	int number = 0;

	for (int i = 0; i < count; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return -1;
		number = number * 10 + text[i] - '0';
	}
	return number;
}

/*
 * Read a date and time as .NET and Python write it: YYYY-MM-DDThh:mm:ss, a
 * fraction, and Z or an offset such as +02, +0200 or +02:00; or a date alone.
 * Without an offset it is in UTC.  Returns false if the text is something else:
 * the server's own functions raise errors.
 */
bool
rarr_parse_time(const char *text, int length, TimestampTz *time)
{
	static const RarrRule rule = {.field = "time", .kind = RARR_RULE_DATE};
	char buffer[48] = {0};
	const char *p = buffer + 10;
	RarrViolation violation;
	DateADT date;
	int64 seconds = 0;
	int64 fraction = 0;
	int64 unit = USECS_PER_SEC / 10;

	if (length < 10 || length >= sizeof(buffer))
		return false;
	memcpy(buffer, text, length);
	if (!rarr_check_date(&rule, buffer, 10, &date, &violation))
		return false;
	if (*p == 'T' || *p == ' ')
	{
		int hours = digits(p + 1, 2);
		int minutes = hours < 0 || p[3] != ':' ? -1 : digits(p + 4, 2);
		int rest = minutes < 0 || p[6] != ':' ? -1 : digits(p + 7, 2);

		if (hours > 23 || minutes > 59 || rest < 0 || rest > 59)
			return false;
		seconds = (hours * 60 + minutes) * 60 + rest;
		p += 9;
		if (*p == '.')
			for (p++; *p >= '0' && *p <= '9'; p++)
			{
				fraction += (*p - '0') * unit;
				unit /= 10;
			}
		if (*p == '+' || *p == '-')
		{
			int sign = *p == '-' ? -1 : 1;
			int hour = digits(p + 1, 2);
			int minute = 0;

			p += hour < 0 ? 0 : 3;
			if (*p != '\0')
			{
				p += *p == ':';
				minute = digits(p, 2);
				p += minute < 0 ? 0 : 2;
			}
			if (hour < 0 || hour > 15 || minute < 0 || minute > 59)
				return false;
			seconds -= sign * (hour * 60 + minute) * 60;
		}
		else if (*p == 'Z')
			p++;
	}
	*time = date * USECS_PER_DAY + seconds * USECS_PER_SEC + fraction;
	return *p == '\0' && IS_VALID_TIMESTAMP(*time);
}
