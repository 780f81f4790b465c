/*
 * report.c
 *		report_html(): one HTML document about the state of the database.
 *
 * What is wrong comes first.  Each section is a query of its own, so that one
 * that cannot be read says why, and the rest is there.  A section reads some
 * rows by an index, or estimates.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/json.h"
#include "base/schema.h"
#include "base/text.h"
#include "job/job.h"
#include "ops/health.h"
#include "ops/minute_ring.h"
#include "ops/report_html.h"

/* a chart's bars, of 15 minutes each */
#define BARS      96
#define BAR_WIDTH (15 * USECS_PER_MINUTE)

#define MAX_COLUMNS 7

/* how a time is shown */
#define SHOW(time) "to_char(" time " AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')"

/* A section that is a table. */
typedef struct Section
{
	const char *heading;
	const char *note;
	const char *empty; /* what to say if there are no rows */
	int ncolumns;
	const char *columns[MAX_COLUMNS];
	RarrMonitorQuery query;
} Section;

static Section sections[] = {
	{"Waiting jobs", "The next jobs of each type, the longest waiting first. Times are in UTC.", "No job waits.", 6, {"Due at", "Waiting", "Type", "Priority", "Retries", "Media"}, {.sql = "SELECT " SHOW("j.available_at") ", date_trunc('second', greatest(clock_timestamp() - j.available_at, interval '0'))::text,"
																																																							 " j.job_type, j.priority, j.retry_count, m.title"
																																																							 " FROM (SELECT name FROM researcharr.job_type_policies ORDER BY priority DESC, name LIMIT 32) t"
																																																							 " CROSS JOIN LATERAL (SELECT * FROM researcharr.processing_jobs j WHERE j.job_type = t.name AND j.completed_at IS NULL"
																																																							 " AND j.status = 'queued' ORDER BY j.priority DESC, j.available_at, j.id LIMIT 3) j"
																																																							 " LEFT JOIN researcharr.media m ON m.id = j.media_id ORDER BY j.available_at LIMIT 20"}},
	{"Failures", "The last jobs that failed for good.", "No job has failed.", 5, {"At", "Type", "Retries", "Media", "Error"}, {.sql = "SELECT " SHOW("j.completed_at") ", j.job_type, j.retry_count, m.title, left(j.error_message, 300)"
																																									   " FROM (SELECT * FROM researcharr.processing_jobs j WHERE j.completed_at IS NOT NULL AND j.error_message IS NOT NULL"
																																									   " ORDER BY j.completed_at DESC, j.id DESC LIMIT 1000) j"
																																									   " LEFT JOIN researcharr.media m ON m.id = j.media_id WHERE j.status = 'failed'"
																																									   " ORDER BY j.completed_at DESC, j.id DESC LIMIT 20"}},
	{"Slow queries", "The last ones, the newest first.", "No statement was slow.", 5, {"At", "Seconds", "Role", "Rows", "Statement"}, {.sql = "SELECT " SHOW("s.at") ", round(extract(epoch FROM s.duration), 3), s.role, s.rows,"
																																									 " left(coalesce(s.normalized_query, s.query), 500) FROM researcharr.slow_query_list() s LIMIT 20"}},
	{"Sizes", "Rows are estimates.", "There are no tables.", 6, {"Table", "Total", "Data", "Indexes", "Rows", "Dead rows"}, {.sql = "SELECT s.table_name, pg_size_pretty(s.total_bytes), pg_size_pretty(s.table_bytes + s.toast_bytes),"
																																	" pg_size_pretty(s.index_bytes), coalesce(s.estimated_rows::text, 'never analyzed'), s.dead_rows"
																																	" FROM researcharr.health_table_sizes() s LIMIT 20"}},
	{"Schedule", NULL, "There are no entries.", 5, {"Entry", "When", "Command", "Status", "Next due"}, {.sql = "SELECT e.name, e.cron || ' ' || e.zone, e.command, concat_ws(': ', e.status, e.problem), " SHOW("e.next_due") " FROM researcharr.schedule_list() e LIMIT 50"}},
	{"Backups", "The last ones, the newest first.", "There is no backup.", 4, {"Name", "Made at", "Verified at", "Problem"}, {.sql = "SELECT b.name, " SHOW("b.created_at") ", " SHOW("b.verified_at") ", concat_ws('; ', b.verify_error, b.archive_error)"
																																																	   " FROM researcharr.backups b ORDER BY b.created_at DESC LIMIT 10"}},
};

/* A section, or why it is not there. */
static void
put_section(StringInfo html, Section *section)
{
	RarrMonitorRows rows;
	char *problem = rarr_monitor_run(&section->query, NULL, NULL, &rows);

	rarr_html_heading(html, section->heading, problem == NULL && rows.n > 0 ? section->note : NULL);
	if (problem != NULL)
		rarr_html_note(html, psprintf("Not available: %s.", problem));
	else if (rows.n == 0)
		rarr_html_note(html, section->empty);
	else
		rarr_html_table(html, section->columns, section->ncolumns, &rows);
}

/* The state of the whole, with what is wrong. */
static void
put_status(StringInfo html, const RarrHealthResult *results, int n)
{
	const char *status = rarr_health_status(results, n);
	int problems = 0;

	for (int i = 0; i < n; i++)
		problems += results[i].level == RARR_HEALTH_WARNING || results[i].level == RARR_HEALTH_ERROR;
	appendStringInfo(html, "<div class=\"status %s\"><strong>%s</strong>", status, status);
	if (problems == 0)
		appendStringInfoString(html, "<p>Nothing is wrong with what could be checked.</p>");
	else
		appendStringInfoString(html, "<ul>\n");
	for (int level = RARR_HEALTH_ERROR; level >= RARR_HEALTH_WARNING; level--)
		for (int i = 0; i < n; i++)
		{
			if (results[i].level != level)
				continue;
			appendStringInfo(html, "<li><b class=\"%s\">%s, %s:</b> ", rarr_health_level_name(level), results[i].check,
							 rarr_health_level_name(level));
			rarr_html_text(html, results[i].reason, 1000);
			appendStringInfoString(html, "</li>\n");
		}
	if (problems > 0)
		appendStringInfoString(html, "</ul>");
	appendStringInfoString(html, "</div>\n");
}

/* All checks. */
static void
put_checks(StringInfo html, const RarrHealthResult *results, int n)
{
	static const char *const columns[] = {"Check", "Status", "Reason"};
	RarrMonitorRows rows = {n, palloc(n * sizeof(char **))};

	for (int i = 0; i < n; i++)
	{
		rows.values[i] = palloc(lengthof(columns) * sizeof(char *));
		rows.values[i][0] = pstrdup(results[i].check);
		rows.values[i][1] = results[i].level == RARR_HEALTH_NOT_AVAILABLE ? "not available" : pstrdup(rarr_health_level_name(results[i].level));
		rows.values[i][2] = pstrdup(results[i].reason);
	}
	rarr_html_heading(html, "Checks", NULL);
	rarr_html_table(html, columns, lengthof(columns), &rows);
}

/* An event of the last day, by 15 minutes. */
static void
put_chart(StringInfo html, const RarrMinute *minutes, int n, TimestampTz now, RarrJobEvent event, const char *title,
		  const char *class)
{
	int64 *values = palloc0(BARS * sizeof(int64));
	RarrChart chart = {title, class, BARS, values};
	TimestampTz from = now - BARS * BAR_WIDTH;

	for (int i = 0; i < n; i++)
		if (minutes[i].until > from && minutes[i].until <= now)
			values[Min((minutes[i].until - from) / BAR_WIDTH, BARS - 1)] += minutes[i].events[event];
	rarr_html_chart(html, &chart, "24 hours ago", "now");
}

/* May the caller see figures about jobs? */
static bool
may_see_jobs(void)
{
	Oid table = rarr_find_relation("processing_jobs");

	return OidIsValid(table) && pg_class_aclcheck(table, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

/* Why there are no figures by minute, or NULL. */
static const char *
jobs_problem(void)
{
	return may_see_jobs() ? rarr_minutes_problem() : "it needs SELECT on table researcharr.processing_jobs";
}

/* What happened in the last day. */
static void
put_charts(StringInfo html)
{
	const char *problem = jobs_problem();
	RarrMinute *minutes;
	int n;

	rarr_html_heading(html, "The last day", NULL);
	if (problem != NULL)
	{
		rarr_html_note(html, psprintf("Not available: %s.", problem));
		return;
	}
	minutes = rarr_minutes_copy(&n);
	if (n == 0)
	{
		rarr_html_note(html, "There are no figures yet: the first minute is not over.");
		return;
	}
	put_chart(html, minutes, n, GetCurrentTimestamp(), RARR_EVENT_ENQUEUED, "Jobs enqueued", "good");
	put_chart(html, minutes, n, GetCurrentTimestamp(), RARR_EVENT_COMPLETED, "Jobs completed", "good");
	put_chart(html, minutes, n, GetCurrentTimestamp(), RARR_EVENT_FAILED, "Jobs failed for good", "bad");
	put_chart(html, minutes, n, GetCurrentTimestamp(), RARR_EVENT_LAPSED, "Leases lapsed", "bad");
}

/* Numbers of jobs by type and status. */
static void
put_jobs(StringInfo html)
{
	static const char *const columns[] = {"Type", "Queued", "Running", "Completed", "Failed", "Cancelled"};
	RarrMonitorRows rows = {0};
	bool counted;
	int n;
	RarrTypeFigures *types = rarr_type_figures(50, &n, &counted);
	const char *problem = may_see_jobs() ? NULL : jobs_problem();

	rarr_html_heading(html, "Jobs", NULL);
	if (problem == NULL && types == NULL)
		problem = "the library is not in shared_preload_libraries";
	if (problem == NULL && !counted)
		problem = "nobody has called job_stats() since the server started";
	if (problem != NULL)
	{
		rarr_html_note(html, psprintf("Not available: %s.", problem));
		return;
	}
	rows.values = palloc(n * sizeof(char **));
	for (int i = 0; i < n; i++)
	{
		int64 sum = 0;
		char **row = palloc(lengthof(columns) * sizeof(char *));

		row[0] = types[i].name[0] != '\0' ? types[i].name : "(all others)";
		for (int s = 0; s < RARR_JOB_STATUSES; s++)
		{
			row[s + 1] = psprintf(INT64_FORMAT, Max(types[i].jobs[s], 0));
			sum += types[i].jobs[s];
		}
		if (sum != 0)
			rows.values[rows.n++] = row;
	}
	rarr_html_table(html, columns, lengthof(columns), &rows);
}

PG_FUNCTION_INFO_V1(researcharr_report_html);

/*
 * report_html() -> an HTML document, all of it ASCII
 *
 * Runs as the caller.  What the caller may not see is not available.
 */
Datum
researcharr_report_html(PG_FUNCTION_ARGS)
{
	StringInfoData html;
	int n;
	RarrHealthResult *results = rarr_health_run(&n);

	initStringInfo(&html);
	rarr_html_begin(&html, psprintf("researcharr: %s", rarr_valid_text(get_database_name(MyDatabaseId))));
	rarr_html_note(&html, psprintf("As of %s", rarr_json_time(TimestampTzGetDatum(GetCurrentTimestamp()), TIMESTAMPTZOID)));
	put_status(&html, results, n);
	put_charts(&html);
	put_jobs(&html);
	for (int i = 0; i < lengthof(sections); i++)
		put_section(&html, &sections[i]);
	put_checks(&html, results, n);
	rarr_html_end(&html);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(html.data, html.len));
}
