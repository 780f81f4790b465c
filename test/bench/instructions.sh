#!/bin/bash
# test/bench/instructions.sh REVISION: instructions and WAL per job and per
# written media row, against an older revision of this repository.
#
# Builds REVISION and the working tree, and counts the instructions that one
# backend executes for each step, under valgrind, and the bytes of WAL that it
# writes.  The backend runs in single-user mode with the library preloaded, so
# that nothing else is counted, and the same input gives nearly the same count
# every time, whatever else the machine does.  A step runs COUNT and then three
# times COUNT statements on copies of the same data directory; the difference,
# divided by the jobs or rows that it stands for, is the cost of one.
#
#   step      statement
#   one       take one job and complete it
#   nothing   take nothing: 50 types, all of whose jobs are completed
#   batch     take 100 jobs and complete them
#   enqueue   job_enqueue of one job
#   bulk      job_enqueue_arrays of 100 jobs
#   create    media_create of a title and a type
#   status    movie_update of the status
#   title     movie_update of the title
#   metadata  movie_update of the metadata, some 300 bytes
#   select    SELECT 1, which has nothing to do with the extension
#
# full_page_writes is off: how many images of whole pages there are depends on
# the time since the checkpoint and on the size of the table.
#
# Prints a line for each step: instructions, old and new, and their ratio; bytes
# of WAL, old and new, and their ratio.  The exit status is 1 if a ratio is above
# LIMIT, or above WAL_LIMIT.
#
# Environment (see also test/lib.sh):
#   STEPS="one nothing batch enqueue bulk create status title metadata select"
#   COUNT=150       statements of the shorter run; batches take a tenth, the
#                   steps that change titles twice as many
#   WAITING=20000   jobs that wait at the start
#   LIMIT=1.03 WAL_LIMIT=1.05
#   OLD=            a directory in which the older revision is built and kept for
#                   the next run

set -u
srcdir=$(cd "$(dirname "$0")/../.." && pwd -P) || exit 1
new=$srcdir
. "$srcdir/test/bench/lib.sh"
STEPS=${STEPS:-one nothing batch enqueue bulk create status title metadata select}
COUNT=${COUNT:-150}
WAITING=${WAITING:-20000}
LIMIT=${LIMIT:-1.03}
WAL_LIMIT=${WAL_LIMIT:-1.05}
CLIENTS=1
numbers COUNT WAITING
[ $# = 1 ] || die "usage: ${0##*/} REVISION"
revision=$(git -C "$srcdir" rev-parse --verify -q "$1^{commit}") ||
	die "no such revision: $1"
command -v valgrind >/dev/null || die "valgrind is not installed"

# statement STEP NUMBER: one line for the backend; numbers up to 20,000 give
# different media
statement()
{
	medium=$(($2 * 7919 % 20000 + 1))
	case $1 in
	one) echo "EXECUTE one" ;;
	nothing) echo "EXECUTE nothing" ;;
	batch) echo "EXECUTE batch" ;;
	enqueue) echo "EXECUTE enqueue($medium, $(($2 % 101)))" ;;
	bulk) echo "EXECUTE bulk($(($2 * 7919 % 19000 + 1)))" ;;
	create) echo "EXECUTE create_media('{\"title\": \"Harbour of the North $2\", \"type\": \"movie\"}')" ;;
	status) echo "EXECUTE update_movie($medium, '{\"status\": \"completed\"}')" ;;
	title) echo "EXECUTE update_movie($medium, '{\"title\": \"Harbour of the North $2\"}')" ;;
	metadata) echo "EXECUTE update_movie($medium, '{\"metadata\": $metadata}')" ;;
	select) echo "SELECT 1" ;;
	*) die "no such step: $1" ;;
	esac
}

metadata='{"radarr": {"id": 4711, "path": "/movies/Harbour of the North (1994)", "monitored": true, "hasFile": true, "sizeOnDisk": 8123456789, "qualityProfileId": 4, "genres": ["Drama", "Thriller"], "overview": "A pilot boat leaves the harbour in a storm, and those who wait on the quay begin to tell each other why."}}'

# script STEP STATEMENTS: what the backend reads
script()
{
	media="('00000000-0000-7000-8000-' || pg_catalog.lpad(\$1::text, 12, '0'))::uuid"
	cat <<-END
		SET synchronous_commit = off
		PREPARE one AS SELECT researcharr.job_complete(id, attempt) FROM researcharr.job_dequeue('{search}')
		PREPARE nothing AS SELECT id FROM researcharr.job_dequeue()
		PREPARE batch AS SELECT count(*) FROM (SELECT array_agg(id) AS ids, array_agg(attempt) AS attempts FROM researcharr.job_dequeue('{search}', 100)) j, researcharr.job_complete_many(ids, attempts)
		PREPARE enqueue(int, int) AS SELECT researcharr.job_enqueue($media, 'search', \$2)
		PREPARE bulk(int) AS SELECT count(*) FROM (SELECT array_agg(('00000000-0000-7000-8000-' || lpad((\$1 + g)::text, 12, '0'))::uuid) AS media, array_agg(g * 37 % 101) AS priorities FROM generate_series(1, 100) g) j, researcharr.job_enqueue_arrays(media, '{search}', priorities)
		PREPARE create_media(jsonb) AS SELECT title FROM researcharr.media_create(\$1)
		PREPARE update_movie(int, jsonb) AS SELECT title FROM researcharr.movie_update($media, \$2)
		SELECT pg_catalog.pg_current_wal_insert_lsn() - '0/0' AS wal
	END
	[ "$1" != nothing ] || echo "DELETE FROM researcharr.processing_jobs WHERE job_type = 'search'"
	for i in $(seq 1 "$2"); do
		statement "$1" "$i"
	done
	echo "SELECT pg_catalog.pg_current_wal_insert_lsn() - '0/0' AS wal"
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
		full_page_writes = off
		checkpoint_timeout = 1h
		shared_buffers = 64MB
		researcharr.agenda_refresh = 1h		# or slow machines verify more
	END
	$as_user pg_ctl -s -w -D "$work/pg" -l "$work/server.log" start ||
		die "the server does not start"
	PGOPTIONS='-c client_min_messages=warning' run_sql postgres \
		-f "$new/test/bench/researcharr/install.sql" >/dev/null
	run_sql postgres -c "SELECT count(researcharr.job_type_register('bench' || g)) FROM generate_series(1, 50) g" \
		-c "INSERT INTO researcharr.processing_jobs (media_id, job_type, priority)
			SELECT (SELECT id FROM researcharr.media LIMIT 1), 'bench' || type, priority
			FROM generate_series(1, 50) type, generate_series(0, 100) priority" \
		-c "SELECT count(researcharr.job_complete(id, attempt))
			FROM researcharr.job_dequeue((SELECT array_agg('bench' || g) FROM generate_series(1, 50) g), 10000)" >/dev/null
	run_sql postgres -c 'INSERT INTO researcharr.movies (media_id, year)
		SELECT id, 1994 FROM researcharr.media' -c 'SELECT setseed(0.5)' -v n="$WAITING" \
		-f "$new/test/bench/researcharr/prefill.sql" -c 'VACUUM ANALYZE' >/dev/null
	$as_user pg_ctl -s -w -D "$work/pg" stop || die "the server does not stop"
}

# run STEP STATEMENTS: how many instructions the backend executes, and how many
# bytes of WAL it writes
run()
{
	rm -rf "$work/run"
	cp -rp "$work/pg" "$work/run"
	script "$1" "$2" >"$work/script"
	$as_user valgrind --tool=cachegrind --cache-sim=no \
		--cachegrind-out-file=/dev/null "$work/root$bindir/postgres" --single \
		-D "$work/run" postgres <"$work/script" >"$work/out" 2>"$work/err" ||
		die "$1: $(tail -n 5 "$work/err")"
	! grep -E 'ERROR|FATAL|PANIC' "$work/err" >&2 || die "$1 failed"
	awk '/I +refs:/ { gsub(",", ""); instructions = $NF }
		/ wal = "/ { gsub("\"", ""); wal = $4 - wal }
		END { print instructions, wal }' "$work/err" "$work/out"
}

# measure NAME: the cost of one for each step, into $results/NAME.STEP
measure()
{
	for step in $STEPS; do
		count=$COUNT jobs=1
		case $step in
		batch | bulk) count=$((COUNT / 10)) jobs=100 ;;
		create | title) count=$((COUNT * 2)) ;;
		esac
		few=$(run "$step" "$count") || exit 1
		many=$(run "$step" $((3 * count))) || exit 1
		echo "$few $many" | awk -v n=$((2 * count * jobs)) '
			{ printf "%d %d\n", ($3 - $1) / n, ($4 - $2) / n }' >"$results/$1.$step"
	done
}

results=$(mktemp -d)
old=${OLD:-$results/tree}
trap 'rm -rf "$results"' EXIT
if [ "$(cat "$old/.revision" 2>/dev/null)" != "$revision" ]; then
	rm -rf "$old"
	mkdir "$old" || exit 1
	git -C "$new" archive "$revision" | tar -x -C "$old"
	echo "$revision" >"$old/.revision"
fi
(build old "$old" && measure old) || exit 1
(build new "$new" && measure new) || exit 1
status=0
printf '%-8s %10s %10s %7s   %7s %7s %7s\n' step old new ratio 'old WAL' 'new WAL' ratio
for step in $STEPS; do
	awk -v s="$step" -v limit="$LIMIT" -v wal_limit="$WAL_LIMIT" '
		{ instructions[NR] = $1; wal[NR] = $2 > 0 ? $2 : 1 }
		END {
			printf "%-8s %10d %10d %7.3f   %7d %7d %7.3f\n", s,
				instructions[1], instructions[2], instructions[2] / instructions[1],
				wal[1], wal[2], wal[2] / wal[1]
			exit instructions[2] / instructions[1] > limit || wal[2] / wal[1] > wal_limit
		}' "$results/old.$step" "$results/new.$step" || status=1
done
exit $status
