/*
 * oldest_due.c
 *		When the oldest job fell due that nobody has claimed.
 *
 * The agenda knows where in the dequeue index the due jobs of each group begin.
 * So the groups with the earliest bounds are looked at first, by one index scan
 * each that ends at its first row, until no other group can have an older job.
 * Where the agenda does not know, the index gives the priorities of a type.
 * Paused types that the agenda knows count.
 *
 * At most LOOKUPS types and LOOKUPS groups are looked at, so that the cost has a
 * limit.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/schema.h"
#include "job/job.h"
#include "ops/monitor_query.h"
#include "ops/oldest_due.h"

#define LOOKUPS 32

/* a time as microseconds of the server's epoch */
#define AS_USEC(value) "(extract(epoch FROM " value ") * 1000000)::bigint - 946684800000000"

#define GROUP_JOBS \
	" FROM researcharr.processing_jobs j WHERE j.job_type = $1 AND j.completed_at IS NULL AND j.status = 'queued'" \
	" AND j.available_at <= $2"

static RarrMonitorQuery group_query = {
	.sql = "SELECT " AS_USEC("j.available_at") GROUP_JOBS
	" AND j.priority = $3 AND (j.available_at, j.id) >= ($4, $5) ORDER BY j.available_at, j.id LIMIT 1",
	.nargs = 5,
	.types = {TEXTOID, TIMESTAMPTZOID, INT4OID, TIMESTAMPTZOID, UUIDOID}};

static RarrMonitorQuery type_query = {
	.sql = "WITH RECURSIVE p (priority) AS ("
		   "(SELECT j.priority FROM researcharr.processing_jobs j WHERE j.job_type = $1 AND j.completed_at IS NULL"
		   " ORDER BY j.priority DESC LIMIT 1)"
		   " UNION ALL SELECT (SELECT j.priority FROM researcharr.processing_jobs j WHERE j.job_type = $1"
		   " AND j.completed_at IS NULL AND j.priority < p.priority ORDER BY j.priority DESC LIMIT 1)"
		   " FROM p WHERE p.priority IS NOT NULL)"
		   " SELECT " AS_USEC("min(a)") " FROM p CROSS JOIN LATERAL (SELECT j.available_at AS a" GROUP_JOBS
										" AND j.priority = p.priority ORDER BY j.available_at, j.id LIMIT 1) s",
	.nargs = 2,
	.types = {TEXTOID, TIMESTAMPTZOID}};

static RarrMonitorQuery types_query = {
	.sql = "SELECT name FROM researcharr.job_type_policies WHERE NOT paused ORDER BY priority DESC, name LIMIT $1",
	.nargs = 1,
	.types = {INT4OID}};

/* Look at one group.  Returns NULL, or why that fails. */
static char *
look_at(const RarrDueGroup *group, TimestampTz now, TimestampTz *oldest)
{
	Datum values[] = {CStringGetTextDatum(group->type), TimestampTzGetDatum(now), Int32GetDatum(group->priority),
					  TimestampTzGetDatum(group->bound.at), UUIDPGetDatum(&group->bound.id)};
	RarrMonitorRows rows;
	char *problem = rarr_monitor_run(group->priority < 0 ? &type_query : &group_query, values, NULL, &rows);

	if (problem == NULL && rows.n > 0 && rows.values[0][0] != NULL)
		*oldest = Min(*oldest, (TimestampTz) strtoll(rows.values[0][0], NULL, 10));
	return problem;
}

/*
 * The first types, by their priority, that the agenda does not know: all types
 * without preload, and after a restart those that nobody has used since.
 */
static char *
list_types(RarrDueGroup *groups, int *n)
{
	Oid table = rarr_relation_oid("processing_jobs");
	Datum most = Int32GetDatum(LOOKUPS);
	RarrMonitorRows rows;
	char *problem = rarr_monitor_run(&types_query, &most, NULL, &rows);

	*n = 0;
	for (int i = 0; i < rows.n; i++)
	{
		if (rarr_agenda_knows_type(table, rows.values[i][0]))
			continue;
		strlcpy(groups[*n].type, rows.values[i][0], sizeof(groups[*n].type));
		groups[*n].priority = -1;
		groups[(*n)++].bound.at = DT_NOBEGIN;
	}
	return problem;
}

/*
 * Set *oldest to the time at which the oldest due job became due, or to DT_NOEND
 * if none is.  Returns NULL, or why that is not known.
 */
char *
rarr_oldest_due(TimestampTz now, TimestampTz *oldest)
{
	RarrDueGroup *groups = palloc0(LOOKUPS * sizeof(RarrDueGroup));
	char *problem = NULL;
	int n;

	*oldest = DT_NOEND;
	problem = list_types(groups, &n);
	for (int i = 0; i < n && problem == NULL; i++)
		problem = look_at(&groups[i], now, oldest);
	n = rarr_agenda_due_groups(now, groups, LOOKUPS);
	for (int i = 0; i < n && problem == NULL && groups[i].bound.at < *oldest; i++)
		problem = look_at(&groups[i], now, oldest);
	pfree(groups);
	return problem;
}
