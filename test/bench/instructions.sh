#!/bin/bash
# test/bench/instructions.sh REVISION: instructions per job, against an older
# revision of this repository.
#
# Builds REVISION and the working tree, and counts the instructions that one
# backend executes for each step of a job's life, under valgrind.  The backend
# runs in single-user mode with the library preloaded, so that nothing else is
# counted, and the same input gives nearly the same count every time, whatever
# else the machine does.  A step runs COUNT and then three times COUNT
# statements on copies of the same data directory; the difference, divided by
# the jobs that it stands for, is the cost of a job.
#
#   step      statement
#   one       take one job and complete it
#   batch     take 100 jobs and complete them
#   enqueue   job_enqueue of one job
#   bulk      job_enqueue_arrays of 100 jobs
#
# Prints a line for each step: both counts and their ratio.  The exit status is
# 1 if a ratio is above LIMIT.
#
# Environment (see also test/lib.sh):
#   STEPS="one batch enqueue bulk"
#   COUNT=150       statements of the shorter run; batches take a tenth
#   WAITING=20000   jobs that wait at the start
#   LIMIT=1.03

set -u
srcdir=$(cd "$(dirname "$0")/../.." && pwd -P) || exit 1
new=$srcdir
. "$srcdir/test/bench/lib.sh"
STEPS=${STEPS:-one batch enqueue bulk}
COUNT=${COUNT:-150}
WAITING=${WAITING:-20000}
LIMIT=${LIMIT:-1.03}
CLIENTS=1
numbers COUNT WAITING
[ $# = 1 ] || die "usage: ${0##*/} REVISION"
revision=$(git -C "$srcdir" rev-parse --verify -q "$1^{commit}") ||
	die "no such revision: $1"
command -v valgrind >/dev/null || die "valgrind is not installed"

# statement STEP NUMBER: one line for the backend
statement()
{
	case $1 in
	one) echo "EXECUTE one" ;;
	batch) echo "EXECUTE batch" ;;
	enqueue) echo "EXECUTE enqueue($(($2 * 7919 % 20000 + 1)), $(($2 % 101)))" ;;
	bulk) echo "EXECUTE bulk($(($2 * 7919 % 19000 + 1)))" ;;
	*) die "no such step: $1" ;;
	esac
}

# script STEP STATEMENTS: what the backend reads
script()
{
	media="('00000000-0000-7000-8000-' || pg_catalog.lpad(\$1::text, 12, '0'))::uuid"
	cat <<-END
		SET synchronous_commit = off
		PREPARE one AS SELECT researcharr.job_complete(id, attempt) FROM researcharr.job_dequeue('{search}')
		PREPARE batch AS SELECT count(*) FROM (SELECT array_agg(id) AS ids, array_agg(attempt) AS attempts FROM researcharr.job_dequeue('{search}', 100)) j, researcharr.job_complete_many(ids, attempts)
		PREPARE enqueue(int, int) AS SELECT researcharr.job_enqueue($media, 'search', \$2)
		PREPARE bulk(int) AS SELECT count(*) FROM (SELECT array_agg(('00000000-0000-7000-8000-' || lpad((\$1 + g)::text, 12, '0'))::uuid) AS media, array_agg(g * 37 % 101) AS priorities FROM generate_series(1, 100) g) j, researcharr.job_enqueue_arrays(media, '{search}', priorities)
	END
	for i in $(seq 1 "$2"); do
		statement "$1" "$i"
	done
}

# build NAME SOURCES: a staged installation and a filled data directory
build()
{
	srcdir=$2 BUILDDIR=$2
	make_work
	stage
	hand_over
	export PGHOST="$work" PGPORT=65432 PGUSER=bench
	$as_user initdb -D "$work/pg" -U bench --no-locale -E UTF8 -A trust \
		>/dev/null || die "initdb failed"
	cat >>"$work/pg/postgresql.conf" <<-END
		listen_addresses = ''
		unix_socket_directories = '$work'
		port = $PGPORT
		shared_preload_libraries = researcharr
		autovacuum = off
		fsync = off
		checkpoint_timeout = 1h
		shared_buffers = 64MB
		researcharr.agenda_refresh = 1h		# or slow machines verify more
	END
	$as_user pg_ctl -s -w -D "$work/pg" -l "$work/server.log" start ||
		die "the server does not start"
	PGOPTIONS='-c client_min_messages=warning' run_sql postgres \
		-f "$new/test/bench/researcharr/install.sql" >/dev/null
	run_sql postgres -c 'SELECT setseed(0.5)' -v n="$WAITING" \
		-f "$new/test/bench/researcharr/prefill.sql" -c 'VACUUM ANALYZE' >/dev/null
	$as_user pg_ctl -s -w -D "$work/pg" stop || die "the server does not stop"
}

# instructions STEP STATEMENTS: how many the backend executes
instructions()
{
	rm -rf "$work/run"
	cp -rp "$work/pg" "$work/run"
	script "$1" "$2" >"$work/script"
	$as_user valgrind --tool=cachegrind --cache-sim=no \
		--cachegrind-out-file=/dev/null "$work/root$bindir/postgres" --single \
		-D "$work/run" postgres <"$work/script" >"$work/out" 2>"$work/err" ||
		die "$1: $(tail -n 5 "$work/err")"
	! grep -E 'ERROR|FATAL|PANIC' "$work/err" >&2 || die "$1 failed"
	awk '/I +refs:/ { gsub(",", ""); print $NF }' "$work/err"
}

# measure NAME: the cost of a job for each step, into $results/NAME.STEP
measure()
{
	for step in $STEPS; do
		count=$COUNT jobs=1
		case $step in
		batch | bulk) count=$((COUNT / 10)) jobs=100 ;;
		esac
		few=$(instructions "$step" "$count") || exit 1
		many=$(instructions "$step" $((3 * count))) || exit 1
		echo $(((many - few) / (2 * count * jobs))) >"$results/$1.$step"
	done
}

results=$(mktemp -d)
old=$results/tree
trap 'rm -rf "$results"' EXIT
mkdir "$old"
git -C "$new" archive "$revision" | tar -x -C "$old"
(build old "$old" && measure old) || exit 1
(build new "$new" && measure new) || exit 1
status=0
printf '%-8s %10s %10s %7s\n' step old new ratio
for step in $STEPS; do
	read -r before <"$results/old.$step"
	read -r after <"$results/new.$step"
	awk -v s="$step" -v a="$before" -v b="$after" -v limit="$LIMIT" 'BEGIN {
		printf "%-8s %10d %10d %7.3f\n", s, a, b, b / a
		exit b / a > limit }' || status=1
done
exit $status
