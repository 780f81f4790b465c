#!/bin/sh
# test/bench/retention.sh: do workers keep their speed beside retention?
#
# CLIENTS clients take and complete single jobs on a throw-away server with the
# library preloaded, and its background worker.  ROWS rows of the history of long
# ago are in the DEFAULT partition, so that retention deletes them one batch after
# the other, which costs more than to drop partitions.  Periods of RUN_SECONDS
# alternate: without a rule, and with one that removes these rows.  PAIRS pairs
# are measured, or fewer if all rows are gone before.
#
# Prints the jobs per second of each period and the rows removed in it, and the
# median with retention as a share of the median without it; the bar is 0.8.  The
# exit status says whether it holds.
#
# Nothing else should run.  Filling the tables takes longer than the periods.
#
# Environment (see also test/lib.sh):
#   CLIENTS=8 ROWS=5000000 WAITING=1000000 RUN_SECONDS=10 PAIRS=5
#   DURABLE=1          each commit is flushed; otherwise synchronous_commit = off
#   SHARED_BUFFERS=4GB

srcdir=$(cd "$(dirname "$0")/../.." && pwd -P) || exit 1
. "$srcdir/test/bench/lib.sh"
CLIENTS=${CLIENTS:-8}
ROWS=${ROWS:-5000000}
WAITING=${WAITING:-1000000}
RUN_SECONDS=${RUN_SECONDS:-10}
PAIRS=${PAIRS:-5}
numbers CLIENTS ROWS WAITING RUN_SECONDS PAIRS
adapter=$srcdir/test/bench/researcharr

# ROWS rows of the history, of the months of 2020
fill_history()
{
	run_sql run -v n="$ROWS" <<-'SQL'
		INSERT INTO researcharr.processing_history (id, job_id, media_id, action, details, "timestamp")
		SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008000' ||
				lpad(to_hex(n), 12, '0'))::uuid,
			'00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000001', 'completed', '{}', at
		FROM generate_series(1, :n) n, LATERAL (SELECT timestamptz '2020-01-01 00:00+00' + n * (interval '360 days' / :n)) x (at)
	SQL
}

old_rows()
{
	run_sql run -c "SELECT count(*) FROM researcharr.processing_history WHERE id < '01790000-0000-7000-8000-000000000000'"
}

# period NAME KEEP: a period with this rule, or NULL
period()
{
	run_sql run -c "SELECT researcharr.retention_set('history', $2)" >/dev/null
	clients run "$adapter/take_done_one.sql" -T "$RUN_SECONDS"
	run_sql run -c "SELECT researcharr.retention_set('history', NULL)" >/dev/null
	echo "$tps" >>"$work/$1"
	left=$(old_rows)
	echo "  $1 retention: $(printf %.0f "$tps") jobs/s, $((rows - left)) rows removed"
	rows=$left
}

start_server "shared_preload_libraries = 'researcharr'" \
	"shared_buffers = ${SHARED_BUFFERS:-4GB}" 'max_wal_size = 20GB' \
	"synchronous_commit = $([ -n "${DURABLE:-}" ] && echo on || echo off)"
run_sql postgres -c 'CREATE DATABASE run'
run_sql run -f "$adapter/install.sql" 2>/dev/null
fill_history
run_sql run -v n="$WAITING" -f "$adapter/prefill.sql"
run_sql run -c 'VACUUM ANALYZE'
rows=$(old_rows)
[ "$rows" = "$ROWS" ] || die "the history is not all there"
echo "PostgreSQL $(run_sql postgres -c 'SHOW server_version'), $(nproc) cores, $CLIENTS clients, $rows old rows"
others
pair=0
while [ "$pair" -lt "$PAIRS" ] && [ "$rows" -gt 0 ]; do
	period without NULL
	period with "'1 year'"
	pair=$((pair + 1))
done
others
echo "  others used $others % of the machine"
[ "$(run_sql run -f "$adapter/waiting.sql")" -gt 0 ] || die "no jobs are left: raise WAITING"
echo "$(median "$work/with") $(median "$work/without")" | awk '{
	printf "with %.0f/s, without %.0f/s: ratio %.2f (bar: 0.8)\n", $1, $2, $1 / $2
	exit $1 / $2 < 0.8 }'
