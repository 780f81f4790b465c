/*
 * health_minutes.c
 *		Samples of figures, and the table that keeps them.
 *
 * Whoever looks at the figures takes a sample if the last one is a minute old.
 * The scheduled health check writes what the table health_minutes lacks, and
 * deletes what is older than KEEP_DAYS.  After a restart, the first one who looks
 * and may read the table fills the ring from it.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "base/foreign_code.h"
#include "base/schema.h"
#include "ops/health_minutes.h"
#include "ops/minute_ring.h"
#include "ops/monitor_query.h"

#define TABLE_NAME "health_minutes"
#define KEEP_DAYS  "7"

/* a time as microseconds of the server's epoch */
#define AS_USEC(value) "(extract(epoch FROM " value ") * 1000000)::bigint - 946684800000000"

/* columns of the load after the times */
#define FIRST_EVENT 2

static TimestampTz
as_time(const char *text)
{
	return text == NULL ? DT_NOBEGIN : (TimestampTz) strtoll(text, NULL, 10);
}

static int64
as_number(const char *text)
{
	return text == NULL ? -1 : strtoll(text, NULL, 10);
}

/* Fill the ring from the table, if it is not, and this user may read that. */
static void
load(void)
{
	static RarrMonitorQuery query = {
		.sql = "SELECT * FROM (SELECT " AS_USEC("started_at") " AS s, " AS_USEC("ended_at") " AS e,"
																							" enqueued, claimed, completed, retried, failed, lapsed, released, cancelled, transactions, database_bytes"
																							" FROM researcharr." TABLE_NAME " WHERE ended_at > clock_timestamp() - interval '1 day'"
																							" ORDER BY ended_at DESC LIMIT 1440) m ORDER BY e"};
	Oid table = rarr_find_relation(TABLE_NAME);
	RarrMonitorRows rows;
	RarrMinute *minutes;

	if (rarr_minutes_loaded() || !OidIsValid(table) || pg_class_aclcheck(table, GetUserId(), ACL_SELECT) != ACLCHECK_OK ||
		rarr_monitor_run(&query, NULL, NULL, &rows) != NULL)
		return;
	minutes = palloc((rows.n + 1) * sizeof(RarrMinute));
	for (int i = 0; i < rows.n; i++)
	{
		char **row = rows.values[i];

		minutes[i].from = as_time(row[0]);
		minutes[i].until = as_time(row[1]);
		for (int e = 0; e < RARR_JOB_EVENTS; e++)
			minutes[i].events[e] = (uint32) Max(as_number(row[FIRST_EVENT + e]), 0);
		minutes[i].transactions = as_number(row[FIRST_EVENT + RARR_JOB_EVENTS]);
		minutes[i].bytes = as_number(row[FIRST_EVENT + RARR_JOB_EVENTS + 1]);
	}
	rarr_minutes_load(minutes, rows.n);
}

/*
 * Take a sample if the last one is a minute old.  Raises errors about the
 * session.
 */
void
rarr_health_sample(void)
{
	static RarrMonitorQuery query = {
		.sql = "SELECT (SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()),"
			   " pg_database_size(current_database())"};
	RarrSample sample = {.at = GetCurrentTimestamp(), .transactions = -1, .bytes = -1};
	RarrMonitorRows rows;
	RarrMinute minute;

	bool due = rarr_minutes_are_due(sample.at);

	if (rarr_minutes_are_there())
		load();
	if (!due)
		return;
	if (rarr_monitor_run(&query, NULL, NULL, &rows) == NULL && rows.n == 1)
	{
		sample.transactions = as_number(rows.values[0][0]);
		sample.bytes = as_number(rows.values[0][1]);
	}
	(void) rarr_minutes_sample(&sample, &minute);
}

/* Execute a statement that writes. */
static void
execute(const char *sql, int nargs, Oid *types, Datum *values, const char *nulls)
{
	if (SPI_execute_with_args(sql, nargs, types, values, nulls, false, 0) < 0)
		elog(ERROR, "could not write to researcharr." TABLE_NAME);
}

static void
write_minute(const RarrMinute *minute)
{
	static const char *const sql =
		"INSERT INTO researcharr." TABLE_NAME " (started_at, ended_at, enqueued, claimed, completed, retried, failed,"
		" lapsed, released, cancelled, transactions, database_bytes)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING";
	Oid types[FIRST_EVENT + RARR_JOB_EVENTS + 2] = {TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum values[lengthof(types)] = {TimestampTzGetDatum(minute->from), TimestampTzGetDatum(minute->until)};
	char nulls[lengthof(types)];

	memset(nulls, ' ', sizeof(nulls));
	for (int i = FIRST_EVENT; i < lengthof(types); i++)
		types[i] = INT8OID;
	for (int i = 0; i < RARR_JOB_EVENTS; i++)
		values[FIRST_EVENT + i] = Int64GetDatum(minute->events[i]);
	values[FIRST_EVENT + RARR_JOB_EVENTS] = Int64GetDatum(minute->transactions);
	values[FIRST_EVENT + RARR_JOB_EVENTS + 1] = Int64GetDatum(minute->bytes);
	if (minute->transactions < 0)
		nulls[FIRST_EVENT + RARR_JOB_EVENTS] = 'n';
	if (minute->bytes < 0)
		nulls[FIRST_EVENT + RARR_JOB_EVENTS + 1] = 'n';
	execute(sql, lengthof(types), types, values, nulls);
}

/* When the last minute ended that the table has. */
static TimestampTz
last_written(void)
{
	bool isnull;
	Datum last;

	if (SPI_execute("SELECT ended_at FROM researcharr." TABLE_NAME " ORDER BY ended_at DESC LIMIT 1", false, 1) !=
		SPI_OK_SELECT)
		elog(ERROR, "could not read researcharr." TABLE_NAME);
	if (SPI_processed == 0)
		return DT_NOBEGIN;
	last = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	return isnull ? DT_NOBEGIN : DatumGetTimestampTz(last);
}

/*
 * Write the minutes that the table lacks, and delete old ones.  Does nothing if
 * there is no table.  Raises 42501 if that would run another role's code.
 */
void
rarr_health_minutes_write(void)
{
	RarrMinute *minutes;
	TimestampTz last;
	Relation rel;
	int n;

	if (!OidIsValid(rarr_find_relation(TABLE_NAME)))
		return;
	rel = rarr_relation_open(TABLE_NAME, RowExclusiveLock);
	rarr_refuse_foreign_code(rel);
	SPI_connect();
	last = last_written();
	minutes = rarr_minutes_copy(&n);
	for (int i = 0; i < n; i++)
		if (minutes[i].until > last)
			write_minute(&minutes[i]);
	execute("DELETE FROM researcharr." TABLE_NAME " WHERE ended_at < pg_catalog.clock_timestamp() - interval '" KEEP_DAYS " days'",
			0, NULL, NULL, NULL);
	SPI_finish();
	table_close(rel, NoLock);
}
