#!/bin/sh
# test/bench/snapshot.sh: does the queue keep its speed while a transaction
# that began long ago stands by?
#
# With any old snapshot open nothing dead can be removed, and a queue that looks
# for its next job where the last ones were walks over all of them.  CLIENTS
# clients take and complete single jobs on a throw-away server with the library
# preloaded; after WARM_UP seconds, another session opens a transaction, and
# stands by in it for HOLD seconds:
#   snapshot  with the snapshot of a REPEATABLE READ transaction
#   claims    with 100 jobs that it took, and nothing committed
#   nothing   no such session, for comparison
# A million jobs and more wait all the time: it says so if not.  Prints the jobs
# per second of each 5 s, and the last 20 s of the transaction as a share of its
# first 20 s; the bar is 0.95.  The exit status says whether all of it ran.
#
# Takes some 3.5 minutes a case on 2 cores, 16 GB of memory or more, and 15 GB
# of disk in TMPDIR.  Nothing else should run.
#
# Environment (see also test/lib.sh):
#   CASES="snapshot claims" CLIENTS=8 WAITING=3000000 WARM_UP=20 HOLD=120
#   DURABLE=1          each commit is flushed; otherwise synchronous_commit = off
#   SHARED_BUFFERS=6GB   all of it fits: what is measured is the queue, not the disk

srcdir=$(cd "$(dirname "$0")/../.." && pwd -P) || exit 1
. "$srcdir/test/bench/lib.sh"
CASES=${CASES:-snapshot claims}
CLIENTS=${CLIENTS:-8}
WAITING=${WAITING:-3000000}
WARM_UP=${WARM_UP:-20}
HOLD=${HOLD:-120}
numbers CLIENTS WAITING WARM_UP HOLD
[ "$HOLD" -ge 40 ] || die "HOLD=$HOLD: the first and the last 20 s are compared"
adapter=$srcdir/test/bench/researcharr

prepare()
{
	run_sql postgres -c 'DROP DATABASE IF EXISTS run' -c 'CREATE DATABASE run' \
		2>/dev/null
	run_sql run -f "$adapter/install.sql" 2>/dev/null
	for _ in 1 2; do
		run_sql run -v n=$((WAITING / 2)) -f "$adapter/prefill.sql" &
	done
	wait
	[ "$(waiting)" = $((WAITING / 2 * 2)) ] || die "the jobs are not all there"
	run_sql run -c 'VACUUM ANALYZE'
}

waiting()
{
	run_sql run -f "$adapter/waiting.sql"
}

stand_by()
{
	case $1 in
	snapshot)
		hold run 'BEGIN ISOLATION LEVEL REPEATABLE READ' \
			'SELECT count(*) FROM pg_class'
		;;
	claims)
		hold run BEGIN \
			"SELECT count(*) FROM researcharr.job_dequeue('{search}', 100, '1 hour')"
		;;
	esac
}

report()
{
	case $1 in
	snapshot) echo "A REPEATABLE READ transaction stands by:" ;;
	claims) echo "A transaction with 100 open claims stands by:" ;;
	nothing) echo "Nobody stands by:" ;;
	esac
	awk -v warm="$WARM_UP" '
		/^progress:/ {
			n += $2 > warm + 0.5
			which = n ? "held" : "before"
			text[which] = text[which] sprintf(" %.0f", $4)
			if (n)
				tps[n] = $4
		}
		END {
			for (i = 1; i <= 4; i++)
			{
				first += tps[i] / 4
				last += tps[n + 1 - i] / 4
			}
			printf "  jobs/s before%s\n         then  %s\n", text["before"], text["held"]
			printf "  first 20 s %.0f/s, last 20 s %.0f/s: ratio %.2f (bar: 0.95)\n",
				first, last, last / first
		}' "$work/pgbench.log"
	echo "  $2 jobs still wait$([ "$2" -ge 1000000 ] || echo ': that is less than a million')"
	echo "  others used $others % of the machine"
}

for case in $CASES; do
	case $case in
	snapshot | claims | nothing) ;;
	*) die "$case: no such case" ;;
	esac
done
start_server "shared_preload_libraries = 'researcharr'" \
	"shared_buffers = ${SHARED_BUFFERS:-6GB}" 'max_wal_size = 20GB' \
	'autovacuum_naptime = 5s' \
	"synchronous_commit = $([ -n "$DURABLE" ] && echo on || echo off)"
echo "PostgreSQL $(run_sql postgres -c 'SHOW server_version'), $(nproc) cores," \
	"$CLIENTS clients," \
	"$([ -n "$DURABLE" ] && echo 'each commit flushed' || echo 'asynchronous commit')"
for case in $CASES; do
	prepare
	# pgbench reports no progress at its very end
	clients_begin run "$adapter/take_done_one.sql" -T $((WARM_UP + HOLD + 2)) -P 5
	sleep "$WARM_UP"
	stand_by "$case"
	others
	clients_end
	others
	[ "$case" = nothing ] || let_go
	report "$case" "$(waiting)"
done
