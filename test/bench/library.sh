#!/bin/sh
# test/bench/library.sh: synchronization of a library, run by run.
#
# On a throw-away server: MOVIES movies of about 3.5 kB, and SERIES series with
# EPISODES episodes of 1.2 kB each (test/bench/library.sql), in calls of SLICE
# objects, each in a transaction of its own.  The runs:
#   first      everything is new
#   unchanged  the same answers again
#   churn      a night later: popularity, ratings, statistics and images differ
#   changes    one object in a hundred has another title
# Prints for each run the seconds, the server process's own memory at its peak in
# MB, WAL and growth of the audit log in MB, rows of the audit log, and what the
# calls say.
# Bars: an unchanged run takes at most 0.15 of the first, and churn makes no row
# of the audit log (the exit status says whether they hold).
#
# Environment (see also test/lib.sh): MOVIES=50000 SERIES=2000 EPISODES=100
#   SLICE=5000

srcdir=$(cd "$(dirname "$0")/../.." && pwd -P) || exit 1
. "$srcdir/test/bench/lib.sh"
MOVIES=${MOVIES:-50000}
SERIES=${SERIES:-2000}
EPISODES=${EPISODES:-100}
SLICE=${SLICE:-5000}
CLIENTS=1
numbers MOVIES SERIES EPISODES SLICE

start_server 'shared_buffers = 512MB' 'max_wal_size = 16GB' 'autovacuum = off' 'synchronous_commit = off'
run_sql postgres -c 'CREATE DATABASE library'
run_sql library -c 'CREATE EXTENSION researcharr CASCADE' 2>/dev/null
run_sql library -o /dev/null -c "SELECT researcharr.instance_create('{\"name\": \"films\", \"service\": \"radarr\"}'),
	researcharr.instance_create('{\"name\": \"shows\", \"service\": \"sonarr\"}')"
run_sql library -v movies="$MOVIES" -v series="$SERIES" -v episodes="$EPISODES" -v slice="$SLICE" -f "$srcdir/test/bench/library.sql"
run_sql library -F ' ' -c "SELECT 'objects of', round(avg(pg_column_size(o)) FILTER (WHERE series IS NULL)), 'and',
	round(avg(pg_column_size(o)) FILTER (WHERE series IS NOT NULL)), 'bytes' FROM answers, jsonb_array_elements(body) o WHERE day = 'first' AND part IN (0, -1)"

# The state before and after a run: seconds, WAL, size and rows of the audit log
state="SELECT extract(epoch FROM clock_timestamp()) AS now, pg_current_wal_insert_lsn() - '0/0' AS wal,
	sum(pg_total_relation_size(inhrelid)) AS audit, (SELECT count(*) FROM researcharr.audit_log) AS rows
	FROM pg_inherits WHERE inhparent = 'researcharr.audit_log'::regclass"

# run NAME DAY: autovacuum is off, so the tables are analyzed between runs.  The
# planner takes a table that VACUUM has found empty for a small one, so the first
# run begins with tables that nobody has looked at.
run()
{
	run_sql library -c CHECKPOINT
	cat >"$work/run.sql" <<-END
		$state \\gset before_
		CREATE TEMP TABLE results (created int, updated int, unchanged int, moved int, removed int, failed int);
		SELECT format(CASE WHEN series IS NULL
			THEN 'INSERT INTO results SELECT created, updated, unchanged, moved, removed, failed FROM answers, researcharr.media_sync_radarr(''films'', body) WHERE day = %L AND part = %s'
			ELSE 'INSERT INTO results SELECT created, updated, unchanged, moved, removed, failed FROM answers, researcharr.media_sync_sonarr(''shows'', series, body) WHERE day = %L AND part = %s'
			END, '$2', part) FROM answers WHERE day = '$2' ORDER BY part DESC \\gexec
		$state \\gset after_
		SELECT '$1', round((:after_now - :before_now)::numeric, 2),
			(substring(status FROM 'VmHWM:\s+(\d+)')::int - substring(status FROM 'RssShmem:\s+(\d+)')::int) / 1024,
			((:after_wal - :before_wal) / 1048576)::int, (:after_audit - :before_audit) / 1048576, :after_rows - :before_rows,
			sum(created), sum(updated), sum(unchanged), sum(moved), sum(removed), sum(failed)
		FROM results, pg_read_file('/proc/self/status') status GROUP BY status;
	END
	run_sql library -F ' ' -f "$work/run.sql" | tee -a "$work/results"
	run_sql library -c 'VACUUM ANALYZE'
}

echo 'run seconds memory_MB WAL_MB audit_MB audit_rows created updated unchanged moved removed failed'
run first first
run unchanged first
run churn churn
run changes changes
awk '$1 == "first" { first = $2 }
	$1 == "unchanged" { printf "unchanged/first %.3f (at most 0.15)\n", $2 / first; missed += $2 > 0.15 * first }
	$1 == "churn" { printf "audit rows of churn %d (none)\n", $6; missed += $6 > 0 }
	END { exit missed > 0 }' "$work/results"
