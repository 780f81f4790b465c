#!/bin/sh
# test/bench/jobs.sh: the job queue against what this machine does at all.
#
# Starts a throw-away server with the library preloaded and measures, REPEAT
# times in turns, a step of a job's life and the least that any queue in tables
# must do for it: plain statements on one table with rows as wide as a job's.
#
#   step      what                                    against
#   enqueue   enqueue one job, its media checked      INSERT one row
#   one       take one job, complete it               twice: UPDATE one row by its key
#   batch     take 100 jobs, complete them            twice: UPDATE 100 rows by their keys
#   bulk      job_enqueue_arrays of 1,000 jobs        INSERT 1,000 rows
#   empty     take nothing: 50 job types with 101     SELECT 1
#             priorities, all of which had jobs
#   deep      step one with DEEP jobs waiting, and    with SHALLOW waiting
#             as many enqueued as are taken
#   urgent    take the one job of priority 100 with   take one of priority 0
#             DEAD dead entries before it, which a
#             snapshot holds, and DEEP of priority 0
#   wal       WAL of a job from enqueue to done       INSERT and twice UPDATE one row
#
# Every statement is a transaction.  Jobs have random priorities and media, if
# nothing else is said; finished jobs, and their history, stay.  Steps begin
# with WAITING jobs, or none.  A take that finds nothing counts in "empty"
# alone: elsewhere the jobs that are finished are counted, and have to be as
# many as were asked for.  Prints medians, and the median, least and greatest of
# the ratios within one turn, and which share of the machine others used during
# a step.  The exit status says whether all of it ran.
#
# Takes some 8 minutes on 2 cores, 8 GB of memory or more, and 10 GB of disk in
# TMPDIR.  Nothing else should run.
#
# Environment (see also test/lib.sh):
#   STEPS="enqueue one batch bulk empty deep urgent wal"
#   REPEAT=5 CLIENTS=8 RUN_SECONDS=3
#   DEEP_SECONDS=15 WAITING=400000 SHALLOW=20000 DEEP=2000000 DEAD=1000000
#   DURABLE=1          each commit is flushed; otherwise synchronous_commit = off
#   SHARED_BUFFERS=2GB

srcdir=$(cd "$(dirname "$0")/../.." && pwd -P) || exit 1
. "$srcdir/test/bench/lib.sh"
STEPS=${STEPS:-enqueue one batch bulk empty deep urgent wal}
REPEAT=${REPEAT:-5}
CLIENTS=${CLIENTS:-8}
RUN_SECONDS=${RUN_SECONDS:-3}
DEEP_SECONDS=${DEEP_SECONDS:-15}
WAITING=${WAITING:-400000}
SHALLOW=${SHALLOW:-20000}
DEEP=${DEEP:-2000000}
DEAD=${DEAD:-1000000}
DURABLE=${DURABLE:-}
numbers REPEAT CLIENTS RUN_SECONDS DEEP_SECONDS WAITING SHALLOW DEEP DEAD
adapter=$srcdir/test/bench/researcharr		# the scripts that peers uses, too

# Databases

# new NAME: the extension and 20,000 media
new()
{
	run_sql postgres -c "CREATE DATABASE $1 TEMPLATE empty"
}

# fill NAME NUMBER: so many more jobs
fill()
{
	run_sql "$1" -v n="$2" -f "$adapter/prefill.sql"
}

# fresh TEMPLATE: the database "run", warm, as a copy of another.  DROP DATABASE
# checkpoints, and a copy goes through the WAL: it needs no images of its pages.
fresh()
{
	run_sql postgres -c 'DROP DATABASE IF EXISTS run' \
		-c "CREATE DATABASE run TEMPLATE $1" 2>/dev/null
}

completed="SELECT count(*) FROM researcharr.processing_jobs WHERE status = 'completed'"

# finished NUMBER DATABASE: die unless so many jobs are done
finished()
{
	done=$(run_sql "$2" -c "$completed")
	[ "$done" = "$1" ] ||
		die "$done jobs were done instead of $1: did they run out?"
}

# Templates: "empty", "waiting", and "floor", with rows as wide as a job's.
make_templates()
{
	run_sql postgres -c 'CREATE DATABASE empty'
	run_sql empty -f "$adapter/install.sql" 2>/dev/null
	run_sql empty -c 'VACUUM ANALYZE'
	new waiting
	fill waiting "$WAITING"
	run_sql waiting -c 'VACUUM ANALYZE'
	# 40 bytes of a row of "floor" are its header and its other columns
	width=$(run_sql waiting -c 'SELECT avg(pg_column_size(j))::int - 40
		FROM (SELECT * FROM researcharr.processing_jobs LIMIT 1000) j')
	floor_rows=$((CLIENTS * 2500))
	run_sql postgres -c 'CREATE DATABASE floor'
	run_sql floor -c 'CREATE TABLE inserted (id bigint GENERATED ALWAYS AS IDENTITY,
			n int NOT NULL DEFAULT 0, pad text NOT NULL)' \
		-c 'CREATE TABLE updated (id bigint PRIMARY KEY,
			n int NOT NULL DEFAULT 0, pad text NOT NULL) WITH (fillfactor = 80)' \
		-c "INSERT INTO updated (id, pad) SELECT g, repeat('x', $width)
			FROM generate_series(0, $floor_rows - 1) g" \
		-c 'VACUUM ANALYZE'
}

# The floor's scripts.  A client's hundreds are its own, so that two clients
# never wait for each other, or deadlock.
make_scripts()
{
	echo 'SELECT 1;' >"$work/select.pgbench"
	echo 'SELECT id FROM researcharr.job_dequeue();' >"$work/dequeue.pgbench"
	echo "INSERT INTO inserted (pad) VALUES (repeat('x', $width));" \
		>"$work/insert.pgbench"
	echo "INSERT INTO inserted (pad) SELECT repeat('x', $width)
		FROM generate_series(1, 1000);" >"$work/insert_many.pgbench"
	one='UPDATE updated SET n = n + 1 WHERE id = :id;'
	printf '%s\n' "\\set id random(0, $floor_rows - 1)" "$one" "$one" \
		>"$work/update.pgbench"
	many='UPDATE updated SET n = n + 1 WHERE id BETWEEN :id AND :id + 99;'
	printf '%s\n' '\set id :client_id * 2500 + random(0, 2400)' "$many" "$many" \
		>"$work/update_many.pgbench"
}

# Steps.  Each adds a line to $work/STEP.ours and $work/STEP.floor per turn.

# rate STEP SIDE JOBS: note the rate of the clients that just ran; a
# transaction is so many jobs
rate()
{
	echo "$tps $3" | awk '{ print $1 * $2 }' >>"$work/$1.$2"
}

# against_floor STEP TEMPLATE SCRIPT FLOOR'S JOBS: a step on a fresh database
against_floor()
{
	fresh "$2"
	clients run "$adapter/$3.sql" -T "$RUN_SECONDS"
	rate "$1" ours "$5"
	case $3 in
	take_*) finished $((transactions * $5)) run ;;
	esac
	fresh floor
	clients run "$work/$4.pgbench" -T "$RUN_SECONDS"
	rate "$1" floor "$5"
}

turn_enqueue() { against_floor enqueue empty enqueue_one insert 1; }
turn_one() { against_floor one waiting take_done_one update 1; }
turn_batch() { against_floor batch waiting take_done_batch update_many 100; }
turn_bulk() { against_floor bulk empty enqueue_bulk insert_many 1000; }

# Jobs of 50 types and all priorities, taken and completed
prepare_empty()
{
	new types
	run_sql types -c "SELECT count(researcharr.job_type_register('bench' || g))
			FROM generate_series(1, 50) g" \
		-c "INSERT INTO researcharr.processing_jobs (media_id, job_type, priority)
			SELECT (SELECT id FROM researcharr.media LIMIT 1), 'bench' || type, priority
			FROM generate_series(1, 50) type, generate_series(0, 100) priority" \
		>/dev/null
	take_all types
	finished 5050 types
}

turn_empty()
{
	clients types "$work/dequeue.pgbench" -T "$RUN_SECONDS"
	rate empty ours 1
	clients types "$work/select.pgbench" -T "$RUN_SECONDS"
	rate empty floor 1
}

# take_all DATABASE: complete all that is there
take_all()
{
	run_sql "$1" <<-'SQL'
		DO $$
		DECLARE
			ids uuid[];
			attempts int[];
		BEGIN
			LOOP
				SELECT array_agg(id), array_agg(attempt) INTO ids, attempts
				FROM researcharr.job_dequeue(max_jobs => 1000);
				COMMIT;
				EXIT WHEN ids IS NULL;
				PERFORM researcharr.job_complete_many(ids, attempts);
				COMMIT;
			END LOOP;
		END $$
	SQL
}

prepare_deep()
{
	# what keeps a queue as deep as it is: 100 jobs for every 100 that are taken
	sed 's/1000/100/' "$adapter/enqueue_bulk.sql" >"$work/feed.pgbench"
	for name in deep shallow; do
		new $name
		fill $name "$([ $name = deep ] && echo "$DEEP" || echo "$SHALLOW")"
		run_sql $name -c 'VACUUM ANALYZE'
	done
}

turn_deep()
{
	take_and_feed deep ours
	take_and_feed shallow floor
}

# take_and_feed DATABASE SIDE
take_and_feed()
{
	before=$(run_sql "$1" -c "$completed")
	clients "$1" "$adapter/take_done_one.sql@100" -f "$work/feed.pgbench@1" \
		-T "$DEEP_SECONDS"
	tps=$((($(run_sql "$1" -c "$completed") - before) / DEEP_SECONDS))
	rate deep "$2" 1
	[ "$(run_sql "$1" -f "$adapter/waiting.sql")" -gt $((SHALLOW / 4)) ] ||
		die 'the queue ran low'
}

after_deep()
{
	run_sql postgres -c 'DROP DATABASE deep' -c 'DROP DATABASE shallow'
}

# fill_urgent PRIORITY NUMBER
fill_urgent()
{
	run_sql urgent -c "INSERT INTO researcharr.processing_jobs
			(media_id, job_type, priority, metadata)
		SELECT ('00000000-0000-7000-8000-' || lpad((1 + g % 20000)::text, 12, '0'))::uuid,
			'search', $1, '{\"src\": \"upload\"}'
		FROM generate_series(1, $2) g"
}

# Jobs of priority 100 that are finished while a snapshot sees them waiting,
# and jobs of priority 0
prepare_urgent()
{
	new urgent
	fill_urgent 0 "$DEEP"
	fill_urgent 100 "$DEAD"
	run_sql urgent -c 'VACUUM ANALYZE'
	hold urgent 'BEGIN ISOLATION LEVEL REPEATABLE READ' \
		'SELECT count(*) FROM researcharr.processing_jobs'
	sed 's/-- jobs: 100//; s/, 100)/, 1000)/' "$adapter/take_done_batch.sql" \
		>"$work/take_1000.pgbench"
	[ "$DEAD" -lt $((CLIENTS * 1000)) ] || clients urgent \
		"$work/take_1000.pgbench" -t $((DEAD / 1000 / CLIENTS))
	rest=$(run_sql urgent -c "SELECT count(*) FROM researcharr.processing_jobs
		WHERE priority = 100 AND status = 'queued'")
	[ "$rest" = 0 ] || clients urgent "$work/take_1000.pgbench" \
		-t $(((rest + 999) / 1000)) -c 1 -j 1
}

# Microseconds of a take, seen from within the server.  100 ordinary ones, then
# one that has a new urgent job to find, ten times; by a new session.
turn_urgent()
{
	run_sql urgent >"$work/urgent.all" <<-'SQL'
		CREATE TEMP TABLE took (urgent boolean, us float8);
		DO $$
		DECLARE
			medium uuid := (SELECT id FROM researcharr.media LIMIT 1);
			job researcharr.processing_jobs;
			start timestamptz;
		BEGIN
			FOR i IN 1 .. 1010 LOOP
				IF i % 101 = 0 THEN
					PERFORM researcharr.job_enqueue(medium, 'search', 100);
					COMMIT;
				END IF;
				start := clock_timestamp();
				SELECT * INTO STRICT job FROM researcharr.job_dequeue('{search}');
				INSERT INTO took VALUES (job.priority = 100,
					extract(epoch FROM clock_timestamp() - start) * 1000000);
				COMMIT;
				IF (job.priority = 100) <> (i % 101 = 0) THEN
					RAISE 'job % was handed out in turn %', job, i;
				END IF;
				PERFORM researcharr.job_complete(job.id, job.attempt);
				COMMIT;
			END LOOP;
		END $$;
		SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY us) FILTER (WHERE urgent),
			percentile_cont(0.5) WITHIN GROUP (ORDER BY us) FILTER (WHERE NOT urgent),
			max(us) FILTER (WHERE urgent)
		FROM took
	SQL
	cut -d '|' -f 1 "$work/urgent.all" >>"$work/urgent.ours"
	cut -d '|' -f 2 "$work/urgent.all" >>"$work/urgent.floor"
	cut -d '|' -f 3 "$work/urgent.all" >>"$work/urgent.slowest"
}

after_urgent()
{
	let_go
	run_sql postgres -c 'DROP DATABASE urgent'
}

# wal_of SIDE TEMPLATE SCRIPT...: bytes of WAL per job, of 1,250 jobs per client
wal_of()
{
	side=$1
	fresh "$2"
	shift 2
	before=$(run_sql run -c 'SELECT pg_current_wal_insert_lsn()')
	for file; do
		clients run "$file" -t 1250
	done
	run_sql run -c "SELECT (pg_current_wal_insert_lsn() - '$before') /
		($CLIENTS * 1250)" >>"$work/wal.$side"
}

turn_wal()
{
	wal_of ours empty "$adapter/enqueue_one.sql" "$adapter/take_done_one.sql"
	finished $((CLIENTS * 1250)) run
	wal_of floor floor "$work/insert.pgbench" "$work/update.pgbench"
}

# Report

# report STEP NAME FLOOR UNIT BAR: a line of the table
report()
{
	[ -s "$work/$1.ours" ] || return 0
	paste "$work/$1.ours" "$work/$1.floor" | awk '{ print $1 / $2 }' |
		sort -n >"$work/ratios"
	printf '%-34s %9.0f %9.0f %-5s %-10s %5.2f  %-9s %6s  %s\n' "$2" \
		"$(median "$work/$1.ours")" "$(median "$work/$1.floor")" "$4" "$3" \
		"$(median "$work/ratios")" "$(printf '%.2f-%.2f' \
			"$(head -n 1 "$work/ratios")" "$(tail -n 1 "$work/ratios")")" \
		"$(cat "$work/$1.others")" "$5"
}

start_server "shared_preload_libraries = 'researcharr'" \
	"shared_buffers = ${SHARED_BUFFERS:-2GB}" 'max_wal_size = 20GB' \
	'autovacuum = off' \
	"synchronous_commit = $([ -n "$DURABLE" ] && echo on || echo off)"
make_templates
make_scripts
for step in $STEPS; do
	case $step in
	empty | deep | urgent) prepare_$step ;;
	enqueue | one | batch | bulk | wal) ;;
	*) die "$step: no such step" ;;
	esac
	others
	i=0
	while [ $((i += 1)) -le "$REPEAT" ]; do
		turn_$step
	done
	others
	echo "$others%" >"$work/$step.others"
	case $step in
	deep | urgent) after_$step ;;
	esac
done

cat <<END
PostgreSQL $(run_sql postgres -c 'SHOW server_version'), $(nproc) cores, $CLIENTS clients, \
$([ -n "$DURABLE" ] && echo 'each commit flushed' || echo 'asynchronous commit'); \
medians of $REPEAT turns
of $RUN_SECONDS s, and of the ratios within a turn.  Bars are for the ratio; "others" is the share of the
machine that other processes used, or the hypervisor.

$(printf '%-34s %9s %9s %-5s %-10s %5s  %-9s %6s  %s' step jobs floor '' 'which is' \
	ratio of-to others bar)
END
report enqueue 'enqueue one' 'INSERT' /s
report one 'take and complete one' '2 UPDATEs' /s
report batch 'take and complete 100 at a time' '2 UPDATEs' /s
report bulk 'enqueue 1,000 at a time' 'INSERT' /s
report empty 'take nothing, of 50 types' 'SELECT 1' /s 0.8
report deep "take and complete, $DEEP wait" "$SHALLOW wait" /s 0.95
report urgent 'take the urgent one' 'any other' us 'at most 2'
report wal 'WAL, enqueue to done' 'the like' bytes
[ ! -s "$work/urgent.slowest" ] || echo "
The slowest of $((REPEAT * 10)) urgent ones: $(sort -n "$work/urgent.slowest" |
	tail -n 1 | awk '{ printf "%.0f", $1 }') us."
