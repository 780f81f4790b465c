#!/usr/bin/python3
"""cron.py: make cron.csv, cron expressions and when they fire next.

    test/data/cron.py >test/data/cron.csv

The times are computed by croniter (Debian: python3-croniter), another
implementation of cron.  Columns: the expression as schedule_set() takes it, the
time zone, a time, and the first time after it at which the expression fires.

Only what both implementations mean to be the same is in the file:

- croniter works on the clock on the wall, without a time zone.  A case is left
  out if its clock skips one of the two times or shows it twice.  How such times
  are handled is tested by hand (test/sql/cron.sql).
- croniter wants the seconds last, we want them first.
- The day of the month or that of the week begins with "*", or neither has a
  "*" or names all days: only Vixie cron, and we, look at the first character of
  both.
- A step of 28 and more does not follow a "*": from February on, croniter
  misses 1 March for a day of the month such as */29.

The times lie in the past, where zones do not change any more.
"""
import csv
import datetime
import random
import sys
import zoneinfo

import croniter

CASES = 4000
UTC = datetime.timezone.utc
ZONES = [
    "UTC", "Europe/Berlin", "Europe/London", "America/New_York",
    "America/Los_Angeles", "America/St_Johns", "America/Sao_Paulo",
    "Asia/Kolkata", "Asia/Kathmandu", "Asia/Tokyo", "Australia/Lord_Howe",
    "Australia/Sydney", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Apia",
]
MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
WEEKDAYS = "sun mon tue wed thu fri sat".split()
MACROS = ["@yearly", "@annually", "@monthly", "@weekly", "@daily",
          "@midnight", "@hourly"]


def value(low, high, names):
    """A value, sometimes by name"""
    number = random.randint(low, high)
    if names and random.random() < 0.5:
        name = names[number - low]
        return random.choice([name, name.upper(), name.capitalize()])
    return str(number)


def item(low, high, names):
    """A value or a range, with or without a step"""
    kind = random.random()
    if kind < 0.5 or low == high:
        return value(low, high, names)
    first = random.randint(low, high - 1)
    last = random.randint(first + 1, high)
    text = f"{first}-{last}"
    if names and random.random() < 0.3:
        text = f"{names[first - low]}-{names[last - low]}"
    if kind > 0.8:
        text += f"/{random.randint(1, last - first)}"
    return text


def restricted(low, high, names=None):
    """A list that does not begin with '*', and leaves a value out"""
    place = 2 if high == 31 else 4
    while True:
        text = ",".join(item(low, high, names)
                        for _ in range(random.choice([1, 1, 1, 2, 3])))
        if high not in (31, 6):  # neither kind of days
            return text
        rest = ["0", "0", "*", "*", "*"]
        rest[place] = text
        if croniter.croniter.expand(" ".join(rest))[0][place] != ["*"]:
            return text


def field(low, high, names=None, star=0.4):
    """A '*', with or without a step, or a list"""
    kind = random.random()
    if kind < star:
        return "*"
    if kind < star + 0.15:
        return f"*/{random.randint(1, min(27, high - low))}"
    return restricted(low, high, names)


def expression():
    """An expression: the seconds, or None, and the other fields"""
    if random.random() < 0.02:
        return None, random.choice(MACROS)
    day, weekday = random.choice([
        ("*", "*"),
        (field(1, 31), "*"),
        ("*", field(0, 6, WEEKDAYS)),
        (restricted(1, 31), restricted(0, 6, WEEKDAYS)),
    ])
    fields = [field(0, 59, star=0.2), field(0, 23), day,
              field(1, 12, MONTHS, star=0.6), weekday]
    seconds = field(0, 59) if random.random() < 0.3 else None
    return seconds, " ".join(fields)


def plain(local, zone):
    """The time in UTC, or None if the zone's clock does not show it once"""
    first = local.replace(tzinfo=zone, fold=0)
    second = local.replace(tzinfo=zone, fold=1)
    if first.utcoffset() != second.utcoffset():
        return None
    return first.astimezone(UTC)


def case():
    """A row, or None if it has to be left out"""
    seconds, rest = expression()
    name = random.choice(ZONES)
    zone = zoneinfo.ZoneInfo(name)
    local = datetime.datetime(1990, 1, 1) + datetime.timedelta(
        seconds=random.randrange(34 * 365 * 86400))
    if random.random() < 0.3:
        local = local.replace(minute=0, second=0)
    after = plain(local, zone)
    try:
        found = croniter.croniter(
            rest if seconds is None else f"{rest} {seconds}", local)
        fires = plain(found.get_next(datetime.datetime), zone)
    except croniter.CroniterBadDateError:  # such as 30 February
        return None
    if after is None or fires is None or fires.year > 2024:
        return None
    return [rest if seconds is None else f"{seconds} {rest}", name,
            after.strftime("%Y-%m-%d %H:%M:%S+00"),
            fires.strftime("%Y-%m-%d %H:%M:%S+00")]


def main():
    """Print the cases."""
    random.seed("researcharr")
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(["cron", "zone", "after", "next"])
    n = 0
    while n < CASES:
        row = case()
        if row is not None:
            rows.writerow(row)
            n += 1


main()
