#!/bin/sh
# test/bench/wait.sh: what waiting for jobs costs, and how fast a sleeper is.
#
# On a throw-away cluster with the library preloaded, agenda_refresh and
# poll_interval of an hour where wake-ups are counted, so that a lost one would
# show:
#   idle       SLEEPERS sleepers and nothing to do: CPU of all server processes
#              over 10 s, as a share of one core (bar: 1 %); does VACUUM remove
#              rows that were deleted meanwhile?
#   latency    a job is enqueued while one sleeper sleeps, 300 times: from its
#              enqueue to its claim, median, against the round trip of SELECT 1
#              over one connection (bar: 4 times)
#   enqueue    CLIENTS clients enqueue single jobs for RUN_SECONDS, without
#              anybody who takes them, and with TAKERS sleepers that take and
#              complete them
#   hand-overs HANDOVERS jobs enqueued one by one while TAKERS take them: jobs
#              left over (bar: none), longest time from enqueue to claim
#
# Environment (see also test/lib.sh): SLEEPERS=300 TAKERS=50 CLIENTS=8
#   RUN_SECONDS=5 REPEAT=3 HANDOVERS=100000 SYNC=on STEPS="idle latency ..."

srcdir=$(cd "$(dirname "$0")/../.." && pwd -P) || exit 1
. "$srcdir/test/lib.sh"
SLEEPERS=${SLEEPERS:-300}
TAKERS=${TAKERS:-50}
CLIENTS=${CLIENTS:-8}
RUN_SECONDS=${RUN_SECONDS:-5}
REPEAT=${REPEAT:-3}
HANDOVERS=${HANDOVERS:-100000}
STEPS=${STEPS:-idle latency enqueue hand-overs}
failed=0

run_sql()
{
	$as_user psql -XqAt -v ON_ERROR_STOP=1 -d wait "$@" || die "psql failed"
}

bench()
{
	$as_user pgbench -n -M prepared "$@" wait 2>>"$work/pgbench.log"
}

rate()
{
	sed -n 's/^tps = \([0-9]*\).*/\1/p'
}

# bar NAME VALUE: does awk's expression hold?
bar()
{
	awk "BEGIN { exit !($2) }" && return
	echo "  missed: $1"
	failed=1
}

# Jiffies that the server's processes have used.
cpu()
{
	for pid in $(head -n 1 "$work/pg/postmaster.pid") $(pgrep -P "$(head -n 1 "$work/pg/postmaster.pid")"); do
		cut -d ')' -f 2 "/proc/$pid/stat" 2>/dev/null
	done | awk '{ n += $12 + $13 } END { print n }'
}

wait_for_sleepers()
{
	until [ "$(run_sql -c "SELECT count(*) >= $1 FROM pg_stat_activity
			WHERE wait_event_type = 'Extension'")" = t ]; do
		sleep 0.2
	done
}

make_work
stage
hand_over
export PGHOST="$work" PGPORT=65432 PGUSER=bench
$as_user initdb -D "$work/pg" -U bench --no-locale -E UTF8 -A trust >/dev/null ||
	die "initdb failed"
cat >>"$work/pg/postgresql.conf" <<EOF
listen_addresses = ''
unix_socket_directories = '$work'
port = $PGPORT
max_connections = $((SLEEPERS + TAKERS + 50))
shared_buffers = 1GB
max_wal_size = 8GB
checkpoint_timeout = 1h
synchronous_commit = ${SYNC:-on}
shared_preload_libraries = 'researcharr'
EOF
$as_user pg_ctl -s -w -D "$work/pg" -l "$work/server.log" start || die "no server"
$as_user psql -XqAt -d postgres -c "CREATE DATABASE wait"
run_sql -c "CREATE EXTENSION researcharr CASCADE" 2>/dev/null
run_sql -c "INSERT INTO researcharr.media (id, title, type)
	VALUES ('01900000-0000-7000-8000-000000000001', 'Watched', 'movie')"

cat >"$work/enqueue.sql" <<'EOF'
SELECT researcharr.job_enqueue('01900000-0000-7000-8000-000000000001', 'search');
EOF
cat >"$work/take.sql" <<'EOF'
CALL researcharr.job_dequeue_wait(NULL, timeout => '3 s') \gset
SELECT count(researcharr.job_complete((j->>'id')::uuid, (j->>'attempt')::int)) FROM jsonb_array_elements(:jobs::jsonb) AS j;
EOF
cat >"$work/sleep.sql" <<'EOF'
CALL researcharr.job_dequeue_wait(NULL, timeout => '60 s');
EOF
cat >"$work/one.sql" <<'EOF'
SELECT 1;
EOF
chmod a+r "$work"/*.sql

idle()
{
	bench -c "$SLEEPERS" -j 2 -t 1 -f "$work/sleep.sql" >/dev/null &
	wait_for_sleepers "$SLEEPERS"
	run_sql -c "CREATE TABLE t AS SELECT generate_series(1, 1000) AS n" -c "DELETE FROM t"
	sleep 2
	before=$(cpu)
	sleep 10
	share=$(awk "BEGIN { print ($(cpu) - $before) / $(getconf CLK_TCK) / 10 * 100 }")
	left=$($as_user psql -XqAt -d wait -c "VACUUM (VERBOSE) t" 2>&1 | sed -n 's/.* \([0-9]*\) are dead but not yet removable.*/\1/p' | head -n 1)
	echo "idle: $SLEEPERS sleepers, $share % of a core; dead rows that VACUUM had to leave: $left"
	bar "less than 1 % of a core" "$share < 1"
	bar "VACUUM leaves nothing" "${left:-1} == 0"
	run_sql -c "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event_type = 'Extension'" >/dev/null
	wait
}

latency()
{
	trip=$(bench -c 1 -T 3 -f "$work/one.sql" | sed -n 's/^latency average = \([0-9.]*\) ms/\1/p')
	run_sql -c "TRUNCATE researcharr.processing_jobs"
	bench -c 1 -T 20 -f "$work/take.sql" >/dev/null &
	wait_for_sleepers 1
	bench -c 1 -R 30 -t 300 -f "$work/enqueue.sql" >/dev/null
	wait
	median=$(run_sql -c "SELECT round((percentile_cont(0.5) WITHIN GROUP
		(ORDER BY extract(epoch FROM started_at - created_at)) * 1000)::numeric, 3) FROM researcharr.processing_jobs")
	echo "latency: enqueue to claim $median ms, median; SELECT 1 takes $trip ms"
	bar "within 4 round trips" "$median < 4 * $trip"
}

enqueue()
{
	for i in $(seq "$REPEAT"); do
		run_sql -c "TRUNCATE researcharr.processing_jobs"
		alone=$(bench -c "$CLIENTS" -j 2 -T "$RUN_SECONDS" -f "$work/enqueue.sql" | rate)
		run_sql -c "TRUNCATE researcharr.processing_jobs"
		bench -c "$TAKERS" -j 2 -T $((RUN_SECONDS + 4)) -f "$work/take.sql" >"$work/take.out" &
		wait_for_sleepers "$TAKERS"
		busy=$(bench -c "$CLIENTS" -j 2 -T "$RUN_SECONDS" -f "$work/enqueue.sql" | rate)
		wait
		echo "enqueue: $alone/s alone, $busy/s with $TAKERS takers; $(run_sql -c "SELECT count(*) || ' of ' ||
			(SELECT count(*) FROM researcharr.processing_jobs) || ' completed, median time to the claim '
			|| round((percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - created_at)) * 1000)::numeric, 2)
			|| ' ms' FROM researcharr.processing_jobs WHERE status = 'completed'")"
	done
}

handovers()
{
	run_sql -c "ALTER SYSTEM SET researcharr.agenda_refresh = '1h'" -c "ALTER SYSTEM SET researcharr.poll_interval = '1h'" \
		-c "ALTER SYSTEM SET synchronous_commit = off" -c "SELECT pg_reload_conf()" >/dev/null
	run_sql -c "TRUNCATE researcharr.processing_jobs"
	bench -c "$TAKERS" -j 2 -T $((HANDOVERS / 1000 + 10)) -f "$work/take.sql" >/dev/null &
	wait_for_sleepers "$TAKERS"
	bench -c "$CLIENTS" -j 2 -t $((HANDOVERS / CLIENTS)) -f "$work/enqueue.sql" | rate >/dev/null
	for i in $(seq 100); do
		left=$(run_sql -c "SELECT count(*) FROM researcharr.processing_jobs WHERE status <> 'completed'")
		[ "$left" != 0 ] || break
		sleep 0.1
	done
	run_sql -c "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event_type = 'Extension'" >/dev/null
	wait
	echo "hand-overs: $HANDOVERS, $left left over; longest from enqueue to claim $(run_sql -c "SELECT
		round((extract(epoch FROM max(started_at - created_at)) * 1000)::numeric, 1) FROM researcharr.processing_jobs") ms"
	bar "none left over" "$left == 0"
}

for step in $STEPS; do
	case $step in
	idle | latency | enqueue) "$step" ;;
	hand-overs) handovers ;;
	*) die "no such step: $step" ;;
	esac
done
$as_user pg_ctl -s -m fast -D "$work/pg" stop
exit $failed
