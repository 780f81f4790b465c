#!/bin/sh
# test/bench/wait.sh: what waiting for jobs costs, and how fast a sleeper is.
#
# On a throw-away cluster with the library preloaded, agenda_refresh and
# poll_interval of an hour where wake-ups are counted, so that a lost one would
# show:
#   idle       SLEEPERS sleepers and nothing to do: CPU of all server processes
#              over 10 s, as a share of one core (bar: 1 %); does VACUUM remove
#              rows that were deleted meanwhile?
#   latency    a job is enqueued while one sleeper sleeps, 200 times, 30 a
#              second; medians, in ms, with synchronous_commit on and off:
#              - from when the enqueuing client sends its call to when the
#                worker's client has the job, and from when the enqueuing client
#                has its answer to then
#              - from the job's created_at to its started_at, in the server
#              - for comparison, the call alone, without anybody who sleeps; and
#                the round trip of SELECT 1: at the same pace, at which the
#                cores have gone to sleep in between as they have for the jobs,
#                and in a tight loop
#              (bar: from sending to having takes less than 4 round trips at the
#              same pace, and the time that the disk takes for the two commits,
#              which is what the call alone takes longer with
#              synchronous_commit on than off, twice)
#   enqueue    CLIENTS clients enqueue single jobs for RUN_SECONDS, without
#              anybody who takes them, and with TAKERS sleepers that take up to
#              1, or up to 10, at a time and complete them: rates, and the CPU time of the server's processes
#              for each job, in microseconds: of the enqueuers, and of the
#              takers; how much of the machine was idle (bar: enqueuing takes no
#              more than 1.5 times the CPU that it takes without takers)
#   hand-overs HANDOVERS jobs enqueued one by one while TAKERS take them: jobs
#              left over (bar: none), longest time from enqueue to claim
#
# Environment (see also test/lib.sh): SLEEPERS=300 TAKERS=50 CLIENTS=8
#   RUN_SECONDS=5 REPEAT=3 HANDOVERS=100000 SYNC=on STEPS="idle latency ..."
#   (SYNC: of the step enqueue)

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
for n in 1 10; do
	cat >"$work/take_$n.sql" <<EOF
CALL researcharr.job_dequeue_wait(NULL, max_jobs => $n, timeout => '3 s') \\gset
SELECT count(researcharr.job_complete((j->>'id')::uuid, (j->>'attempt')::int)) FROM jsonb_array_elements(:jobs::jsonb) AS j;
EOF
done
cat >"$work/sleep.sql" <<'EOF'
CALL researcharr.job_dequeue_wait(NULL, timeout => '60 s');
EOF
cat >"$work/call.sql" <<'EOF'
CALL researcharr.job_dequeue_wait(NULL, timeout => '3 s');
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

# The median of numbers of microseconds, in ms.
median()
{
	sort -n | awk '{ v[NR] = $1 } END { printf "%.3f", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2000 }'
}

# logged NAME ARGUMENT...: pgbench, with a log of that name that has only when
# each transaction began and ended, in microseconds
logged()
{
	name=$1
	shift
	rm -f "$work/log.$name".*
	bench -c 1 -l --log-prefix="$work/log.$name" "$@" >/dev/null
	awk '{ end = $5 * 1000000 + $6; printf "%.0f %.0f\n", end - $3 + $7, end }' "$work/log.$name".[0-9]* |
		sort -n >"$work/log.$name"
}

lengths()
{
	awk '{ print $2 - $1 }' "$work/log.$1"
}

# a job is handed over while nobody else does anything: see above
latency_with()
{
	run_sql -c "ALTER SYSTEM SET synchronous_commit = $1" -c "SELECT pg_reload_conf()" \
		-c "TRUNCATE researcharr.processing_jobs" >/dev/null
	logged tight -T 2 -f "$work/one.sql"
	logged paced -R 30 -t 200 -f "$work/one.sql"
	logged alone -R 30 -t 200 -f "$work/enqueue.sql"
	run_sql -c "TRUNCATE researcharr.processing_jobs"
	logged take -T 12 -f "$work/call.sql" &
	wait_for_sleepers 1
	logged put -R 30 -t 200 -f "$work/enqueue.sql"
	wait
	server=$(run_sql -c "SELECT round((percentile_cont(0.5) WITHIN GROUP
		(ORDER BY extract(epoch FROM started_at - created_at)) * 1000)::numeric, 3) FROM researcharr.processing_jobs")
	paste -d ' ' "$work/log.put" "$work/log.take" | head -n 200 >"$work/log.both"
	trip=$(lengths paced | median)
	alone=$(lengths alone | median)
	whole=$(awk '{ print $4 - $1 }' "$work/log.both" | median)
	echo "latency, synchronous_commit $1: enqueue sent to job in hand $whole ms, answered to in hand $(
		awk '{ print $4 - $2 }' "$work/log.both" | median) ms; created to claimed $server ms"
	echo "  the call without a sleeper $alone ms; SELECT 1 $trip ms, $(lengths tight | median) ms in a tight loop"
}

latency()
{
	latency_with off
	alone_off=$alone
	bar "within 4 round trips" "$whole < 4 * $trip"
	latency_with on
	bar "within 4 round trips and two commits" "$whole < 4 * $trip + 2 * ($alone - $alone_off)"
	run_sql -c "ALTER SYSTEM RESET synchronous_commit" -c "SELECT pg_reload_conf()" >/dev/null
}

# CPU time of the backends that serve an application, in microseconds
cpu_of()
{
	for pid in $(run_sql -c "SELECT pid FROM pg_stat_activity WHERE application_name = '$1'"); do
		cat "/proc/$pid/schedstat" 2>/dev/null
	done | awk '{ n += $1 } END { printf "%.0f", n / 1000 }'
}

# ticks of all cores: idle ones, and all
machine()
{
	awk '/^cpu / { print $5 + $6, $2 + $3 + $4 + $5 + $6 + $7 + $8 + $9 }' /proc/stat
}

# Enqueue for RUN_SECONDS and a little: $rate, and for each job $put_cpu and
# $take_cpu; $idle of the machine, in per cent.
enqueue_for_a_while()
{
	PGAPPNAME=put bench -c "$CLIENTS" -j 2 -T $((RUN_SECONDS + 2)) -f "$work/enqueue.sql" >"$work/put.out" &
	put=$!
	sleep 1
	before="$(cpu_of put) $(cpu_of take) $(machine)"
	sleep "$RUN_SECONDS"
	after="$(cpu_of put) $(cpu_of take) $(machine)"
	wait $put
	rate=$(rate <"$work/put.out")
	set -- $before $after
	jobs=$((rate * RUN_SECONDS))
	put_cpu=$((($5 - $1) / jobs)) take_cpu=$((($6 - $2) / jobs)) idle=$((($7 - $3) * 100 / ($8 - $4)))
}

# enqueue_beside_takers NUMBER: who take up to so many at a time
enqueue_beside_takers()
{
	run_sql -c "TRUNCATE researcharr.processing_jobs"
	PGAPPNAME=take bench -c "$TAKERS" -j 2 -T $((RUN_SECONDS + 6)) -f "$work/take_$1.sql" >"$work/take.out" &
	wait_for_sleepers "$TAKERS"
	enqueue_for_a_while
	wait
	echo "  $rate/s with $TAKERS takers of up to $1, $put_cpu us each; takers $take_cpu us each; $idle % idle; $(run_sql -c "
		SELECT count(*) || ' of ' || (SELECT count(*) FROM researcharr.processing_jobs)
		|| ' completed, median time to the claim '
		|| round((percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - created_at)) * 1000)::numeric, 2)
		|| ' ms' FROM researcharr.processing_jobs WHERE status = 'completed'")"
	bar "enqueuing takes no more CPU" "$put_cpu <= 1.5 * $alone"
}

enqueue()
{
	for i in $(seq "$REPEAT"); do
		run_sql -c "TRUNCATE researcharr.processing_jobs"
		enqueue_for_a_while
		alone=$put_cpu
		echo "enqueue: $rate/s alone, $put_cpu us of CPU each; $idle % idle"
		for n in 1 10; do
			enqueue_beside_takers "$n"
		done
	done
}

handovers()
{
	run_sql -c "ALTER SYSTEM SET researcharr.agenda_refresh = '1h'" -c "ALTER SYSTEM SET researcharr.poll_interval = '1h'" \
		-c "ALTER SYSTEM SET synchronous_commit = off" -c "SELECT pg_reload_conf()" >/dev/null
	run_sql -c "TRUNCATE researcharr.processing_jobs"
	bench -c "$TAKERS" -j 2 -T $((HANDOVERS / 1000 + 10)) -f "$work/take_1.sql" >/dev/null &
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
