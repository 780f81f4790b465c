#!/bin/sh
# test/bench/large.sh: every call on a database of 10 GB, that is `make bench-large`.
#
# Fills a database of SIZE GB, and one of 0.1 GB beside it, on a throw-away
# server with the library preloaded: version 1.6 of the extension, updated to the
# current one after that, as a user's is.  Then, by STEPS:
#   calls     each call of large/calls.sql for RUN_SECONDS by one client, and by
#             CLIENTS clients, and by one client in the small database.  A line
#             each: calls per second, latencies in ms (p50, p95, p99) for 1 and
#             for CLIENTS clients, kB of temporary files a call, and how much
#             p50 of one client grew from the small database.  Every function of
#             the schema is in a call, or excepted there with the reason:
#             otherwise the script fails before it measures anything
#   mixed     a mix of calls by CLIENTS clients (large/mixed): the same by kind
#   restart   the server's restart, and the first and second calls after it
#   memory    a backend's memory, before and after all calls that read
#   vacuum    how long VACUUM and ANALYZE take
#
# Bars, marked ! where missed (the exit status says whether they hold):
#   p95 with CLIENTS clients: 10 ms for calls by key and of the queue, 100 ms for
#   pages, searches and writes; kinds of the mix 100 ms; growth 3; temporary files 2 * work_mem.
# Calls that are known to scan or that return everything have none.
#
# Takes some 25 minutes on 2 cores that do nothing else, 16 GB of memory, and
# SIZE * 1.2 GB of disk in TMPDIR, twice that with DATA.
#
# Environment (see also test/lib.sh):
#   SIZE=10            GB; 0.1, 1 and 100 work too
#   DATA=              a directory for the filled server.  If it is filled, it is
#                      used and SIZE is what it was filled with.  A run works on
#                      a copy
#   CLIENTS=50 RUN_SECONDS=2
#   CALL_TIMEOUT=10    a statement is cancelled after so many seconds, and its
#                      call reported as that slow
#   STEPS="calls mixed restart memory vacuum"
#   CALLS=             an extended regular expression: the names of calls to run
#   UPDATE=yes         no: stay with version 1.6's SQL objects
#   DURABLE=           1: each commit is flushed; otherwise synchronous_commit = off
#   SHARED_BUFFERS=4GB

srcdir=$(cd "$(dirname "$0")/../.." && pwd -P) || exit 1
. "$srcdir/test/bench/lib.sh"
SIZE=${SIZE:-10}
DATA=${DATA:-}
CLIENTS=${CLIENTS:-50}
RUN_SECONDS=${RUN_SECONDS:-2}
CALL_TIMEOUT=${CALL_TIMEOUT:-10}
STEPS=${STEPS:-calls mixed restart memory vacuum}
CALLS=${CALLS:-.}
UPDATE=${UPDATE:-yes}
numbers CLIENTS RUN_SECONDS CALL_TIMEOUT
awk -v s="$SIZE" 'BEGIN { exit !(s + 0 >= 0.01) }' || die "SIZE=$SIZE: not a number of GB"
for step in $STEPS; do
	case $step in
	calls | mixed | restart | memory | vacuum) ;;
	*) die "no such step: $step" ;;
	esac
done

# start [SETTING...]: the server in $pg, with these settings besides
start()
{
	options=
	for setting; do
		options="$options -c $setting"
	done
	$as_user pg_ctl -s -w -t 600 -D "$pg" -l "$work/server.log" -o "$options" start || {
		tail -n 20 "$work/server.log" >&2
		die "the server does not start"
	}
}

stop()
{
	$as_user pg_ctl -s -w -t 600 -m "${1:-fast}" -D "$pg" stop ||
		die "the server does not stop"
}

# at_once FILE: psql's arguments are on each line of the file; two run at a time
at_once()
{
	xargs -P 2 -L 1 $as_user psql -Xq -v ON_ERROR_STOP=1 -d "$db" <"$1" >>"$work/fill.log" 2>&1 || {
		tail -n 20 "$work/fill.log" >&2
		die "the database cannot be filled"
	}
}

# load DATABASE GB: make and fill it.  Rows come without indexes, which are built
# after that.
load()
{
	db=$1
	run_sql postgres -c "CREATE DATABASE $db"
	set -- $(awk -v gb="$2" 'BEGIN { printf "-v movies=%d -v series=%d -v items=%d -v done=%d -v failed=%d -v queued=%d -v audited=%d",
		33000 * gb, 2200 * gb, 55000 * gb, 560000 * gb, 5600 * gb, 22000 * gb, 220000 * gb }')
	run_sql "$db" "$@" -v version="'1.6'" -f "$work/large/install.sql" >>"$work/fill.log" 2>&1
	run_sql "$db" -c "UPDATE pg_catalog.pg_index SET indisready = false, indisvalid = false
		WHERE indrelid IN (SELECT oid FROM pg_catalog.pg_class WHERE relnamespace = 'researcharr'::regnamespace)"
	for part in jobs.done logs.history media.episodes media.movies logs.audit media.rest jobs.rest; do
		echo "-v part=${part#*.} -f $work/large/${part%.*}.sql"
	done >"$work/parts"
	at_once "$work/parts"
	run_sql "$db" -c "SELECT format('\"-cSET maintenance_work_mem = ''1GB''\" \"-cREINDEX INDEX %s\"', i.indexrelid::regclass)
		FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
		WHERE NOT i.indisready ORDER BY pg_catalog.pg_relation_size(c.oid) DESC" >"$work/parts"
	at_once "$work/parts"
	$as_user vacuumdb -q -j 2 -z -d "$db" || die "vacuumdb failed"
}

# fill: a server in $pg that is filled
fill()
{
	begun=$(date +%s)
	$as_user initdb -D "$pg" -U bench --no-locale -E UTF8 -A trust >/dev/null || die "initdb failed"
	cat >>"$pg/postgresql.conf" <<-END
		listen_addresses = ''
		port = $PGPORT
		max_connections = 100
		shared_preload_libraries = 'researcharr'
		checkpoint_timeout = 1h
		max_wal_size = 8GB
	END
	start "unix_socket_directories=$work" fsync=off full_page_writes=off wal_level=minimal max_wal_senders=0 \
		autovacuum=off max_wal_size=1GB shared_buffers=2GB max_parallel_maintenance_workers=0 \
		max_parallel_workers_per_gather=0
	load large "$SIZE"
	awk -v s="$SIZE" 'BEGIN { exit s <= 0.1 }' && load small 0.1
	stop
	sync
	: >"$pg/filled"
	echo "filled in $(($(date +%s) - begun)) s"
}

# split: each call of calls.sql into a file of its own, and into $work/calls a
# line for each: number|name|class|rounds|why
split()
{
	awk -v dir="$work" '
		/^-- call / {
			match($0, / (key|queue|page|search|write|all|scan)(:[0-9]+)?( |$)/)
			if (!RSTART) { print "no class: " $0 >"/dev/stderr"; exit 1 }
			split(substr($0, RSTART + 1, RLENGTH - 1) ":", class, /[: ]/)
			file = dir "/call." ++n
			printf "%d|%s|%s|%s|%s\n", n, substr($0, 9, RSTART - 9), class[1],
				class[2], substr($0, RSTART + RLENGTH) >(dir "/calls")
			next
		}
		/^--/ { file = "" }
		file && NF { print >file }' "$work/large/calls.sql" || die "calls.sql cannot be read"
}

# covered: is each function of the schema in a call, or excepted?
covered()
{
	run_sql postgres -c 'CREATE DATABASE fresh'
	run_sql fresh -c 'CREATE EXTENSION researcharr CASCADE' 2>/dev/null
	run_sql fresh -c "SELECT DISTINCT proname FROM pg_catalog.pg_proc
		WHERE pronamespace = 'researcharr'::regnamespace
		AND prorettype <> 'pg_catalog.trigger'::regtype ORDER BY proname" >"$work/functions"
	while read -r name; do
		grep -q "researcharr\.$name(" "$work/large/calls.sql" ||
			grep -q "^-- except $name: " "$work/large/calls.sql" || echo "$name"
	done <"$work/functions" >"$work/missing"
	run_sql postgres -c 'DROP DATABASE fresh'
	[ ! -s "$work/missing" ] ||
		die "no call in calls.sql uses, and no line there excepts:" $(cat "$work/missing")
}

# Wait until clients are gone: their statistics are complete then.
settle()
{
	until [ "$(run_sql postgres -c "SELECT count(*) FROM pg_stat_activity
			WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")" = 0 ]; do
		sleep 0.1
	done
}

# run DATABASE CLIENTS OPTION...: pgbench's options are scripts, and how long.
# Leaves a log with a line per call ($3: microseconds, $4: number of the script);
# of a client whose statement took too long, that much time.  Sets $tps, and $temp
# to kB of temporary files per call.
run()
{
	db=$1 clients=$2
	shift 2
	rm -f "$work"/log.*
	before=$(run_sql postgres -c "SELECT temp_bytes FROM pg_stat_database WHERE datname = '$db'")
	PGOPTIONS="-c statement_timeout=${CALL_TIMEOUT}s" setsid $as_user pgbench -n -M prepared -c "$clients" \
		-j $((clients < 2 ? clients : 2)) -l --log-prefix="$work/log" $(cat "$work/sizes.$db") \
		"$@" "$db" >"$work/pgbench.log" 2>&1 &
	job=$!
	wait "$job"
	job=
	if grep -v 'statement timeout' "$work/pgbench.log" | grep -qE 'ERROR|fatal|error: client'; then
		tail -n 20 "$work/pgbench.log" >&2
		die "pgbench failed"
	fi
	settle
	sed -n 's/.*client [0-9]* script \([0-9]*\) aborted.*timeout.*/\1/p' "$work/pgbench.log" |
		awk -v us="${CALL_TIMEOUT}000000" '{ print 0, 0, us, $1, 0, 0 }' >"$work/log.late"
	tps=$(awk '/^tps =/ { printf "%d", $3 }' "$work/pgbench.log")
	temp=$(run_sql postgres -c "SELECT temp_bytes - $before FROM pg_stat_database WHERE datname = '$db'")
	temp=$((temp / 1024 / ($(cat "$work"/log.* | wc -l) + 1)))
}

# latencies [SCRIPT]: p50, p95 and p99 in ms
latencies()
{
	cat "$work"/log.* | awk -v script="$1" 'script == "" || $4 == script { print $3 }' | sort -n | awk '
		function p(q) { return sprintf(v[int((NR - 1) * q) + 1] < 100000 ? "%.1f" : "%.0f", v[int((NR - 1) * q) + 1] / 1000) }
		{ v[NR] = $1 }
		END { print NR ? p(0.5) " " p(0.95) " " p(0.99) : "- - -" }'
}

# Set $connecting to the seconds that CLIENTS clients need to connect: pgbench
# counts them as time of the run.
connect()
{
	echo 'SELECT 1;' >"$work/one.sql"
	run large "$CLIENTS" -f "$work/one.sql" -t 1
	connecting=$(awk '/^initial connection time/ { printf "%d", $5 / 1000 + 0.5 }' "$work/pgbench.log")
}

ready()
{
	spares=$((CLIENTS * 20 < 200 ? 200 : CLIENTS * 20))
	run_sql "$1" -v spares=$spares -v jobs=60000 -f "$work/large/ready.sql" >/dev/null
}

# one NUMBER CLASS ROUNDS DATABASE CLIENTS: measure a call.  Sets $tps, $temp and
# $ms, the latencies.
one()
{
	case $2 in
	queue) ready "$4" ;;
	*) [ -z "$3" ] || ready "$4" ;;
	esac
	if [ -n "$3" ]; then
		set -- "$1" "-t" $(($5 == 1 ? 10 * $3 : $3)) "$4" "$5"
	else
		set -- "$1" -T $((RUN_SECONDS + ($5 == 1 ? 0 : connecting))) "$4" "$5"
	fi
	run "$4" "$5" -f "$work/call.$1" "$2" "$3"
	ms=$(latencies)
}

# line NAME CLASS 1-CLIENT-TPS P50 P95 P99 TPS P50 P95 P99 TEMP SMALL-P50
line()
{
	printf '%s\n' "$@" | paste -sd '|' | awk -F '|' '{
		bar = $2 == "key" || $2 == "queue" ? 10 : $2 ~ /page|search|write/ ? 100 : 0
		slow = bar && ($9 == "-" || $9 > bar)
		much = bar && $11 > 2 * 4096
		grew = $12 == "" ? 0 : $4 / ($12 < 0.05 ? 0.05 : $12)
		# what takes less than half a millisecond grows by chance
		more = bar && grew > 3 && $4 > 0.5
		printf "%-6s %7d %7s %7s %7s %7d %7s %7s%s %7s %7d%s %5s%s %s\n", $2, $3, $4, $5, $6, $7, $8, $9,
			slow ? "!" : " ", $10, $11, much ? "!" : " ", $12 == "" ? "" : sprintf("%.1f", grew), more ? "!" : " ", $1
		exit slow || much || more }' || missed=$((missed + 1))
}

calls()
{
	printf '%-6s %31s %32s %8s %6s\n' '' 'one client' "$CLIENTS clients" temp ''
	printf '%-6s %7s %7s %7s %7s %7s %7s %7s  %7s %7s  %5s  %s\n' class /s p50 p95 p99 /s p50 p95 p99 kB grew call
	while IFS='|' read -r number name class rounds why; do
		echo "$name" | grep -qE "$CALLS" || continue
		small=
		if [ -e "$work/sizes.small" ]; then
			one "$number" "$class" "$rounds" small 1
			small=${ms%% *}
		fi
		one "$number" "$class" "$rounds" large 1
		single="$tps $ms" most=$temp
		one "$number" "$class" "$rounds" large "$CLIENTS"
		line "$name" "$class" $single "$tps" $ms $((temp > most ? temp : most)) "$small"
	done <"$work/calls"
}

mixed()
{
	ready large
	set --
	while read -r weight name; do
		number=$(awk -F '|' -v name="$name" '$2 == name { print $1 }' "$work/calls")
		[ -n "$number" ] || die "large/mixed: no such call: $name"
		set -- "$@" -f "$work/call.$number@$weight"
	done <"$work/large/mixed"
	run large "$CLIENTS" "$@" -T $((RUN_SECONDS * 10 + connecting))
	echo "Mixed: $tps calls a second by $CLIENTS clients, $temp kB of temporary files a call"
	[ "$tps" -ge 1000 ] || missed=$((missed + 1))
	i=0
	while read -r weight name; do
		ms=$(latencies $i)
		i=$((i + 1))
		echo "$weight % $ms $name" | awk '{ slow = $4 > 100
			printf "%3d %% %7s %7s%s %7s ", $1, $3, $4, slow ? "!" : " ", $5
			$1 = $2 = $3 = $4 = $5 = ""
			print substr($0, 6)
			exit slow }' || missed=$((missed + 1))
	done <"$work/large/mixed"
}

# timed COMMAND...: how long it takes, in s
timed()
{
	begun=$(date +%s%N)
	"$@"
	awk -v ns=$(($(date +%s%N) - begun)) 'BEGIN { printf "%.1f s", ns / 1e9 }'
}

restart()
{
	echo "Restart: stop $(timed stop), start $(timed begin); first and second call in ms:"
	for name in 'media_get_by_id' 'job_dequeue, job_complete' 'movie_get_all by title' 'media_search a word' 'job_stats'; do
		run large 1 -f "$work/call.$(awk -F '|' -v name="$name" '$2 == name { print $1 }' "$work/calls")" -t 2
		awk -v name="$name" '{ printf "%8.1f%s", $3 / 1000, NR == 1 ? "" : " " name "\n" }' "$work"/log.[0-9]*
	done
}

memory()
{
	run_sql large -c "CREATE TABLE IF NOT EXISTS bench.memory (step text, contexts bigint, anonymous bigint)" -c "TRUNCATE bench.memory"
	probe="INSERT INTO bench.memory SELECT '%s', (SELECT sum(total_bytes) FROM pg_backend_memory_contexts),
		substring(pg_read_file('/proc/self/status') FROM 'RssAnon:\\\\s+(\\\\d+)')::bigint;\n"
	{
		printf "$probe" before
		awk -F '|' '$4 == "" && $3 ~ /key|page|search|queue/ { print $1 }' "$work/calls" | while read -r number; do
			cat "$work/call.$number"
		done
		printf "$probe" after
	} >"$work/memory.sql"
	ready large
	limit=$CALL_TIMEOUT
	CALL_TIMEOUT=0
	run large 1 -f "$work/memory.sql" -t 1
	CALL_TIMEOUT=$limit
	run_sql large -c "SELECT format('Memory of a backend: %s kB in contexts, %s kB anonymous; after each call by key, of the queue, of a page and a search: %s kB, %s kB',
			b.contexts / 1024, b.anonymous, a.contexts / 1024, a.anonymous)
		FROM (SELECT min(contexts) AS contexts, min(anonymous) AS anonymous FROM bench.memory WHERE step = 'before') b,
			(SELECT max(contexts) AS contexts, max(anonymous) AS anonymous FROM bench.memory WHERE step = 'after') a"
}

vacuum()
{
	for table in media movies episodes processing_jobs processing_history_default audit_log_default queue_items; do
		printf 'VACUUM %s, ANALYZE %s: %s\n' "$(timed run_sql large -c "VACUUM researcharr.$table")" \
			"$(timed run_sql large -c "ANALYZE researcharr.$table")" "$table"
	done
}

# begin: the server for measuring
begin()
{
	start "unix_socket_directories=$work" "shared_buffers=${SHARED_BUFFERS:-4GB}" \
		"synchronous_commit=$([ -n "$DURABLE" ] && echo on || echo off)"
}

make_work
stage
cp -r "$srcdir/test/bench/large" "$work/large"
split
hand_over
export PGHOST="$work" PGPORT=65432 PGUSER=bench
trap '$as_user pg_ctl -s -m immediate -D "$pg" stop 2>/dev/null; clean_up' EXIT
pg=${DATA:-$work}/pg
if [ ! -e "$pg/filled" ]; then
	[ -z "$DATA" ] || { mkdir -p "$DATA" && { [ -z "$as_user" ] || chown "$user" "$DATA"; }; } || exit 1
	rm -rf "$pg"
	fill
fi
if [ -n "$DATA" ]; then
	echo "copied in $(timed cp -a "$pg" "$work/pg")"
	pg=$work/pg
fi
begin
covered
others
missed=0
for db in large small; do
	[ "$(run_sql postgres -c "SELECT count(*) FROM pg_database WHERE datname = '$db'")" = 1 ] || continue
	[ "$UPDATE" = no ] || echo "$db: updated in $(timed run_sql "$db" -c "ALTER EXTENSION researcharr UPDATE")"
	run_sql "$db" -c "SELECT concat_ws(' ', VARIADIC array_agg('-D ' || key || '=' || value)) FROM bench.sizes s, jsonb_each_text(to_jsonb(s))" \
		>"$work/sizes.$db"
	run_sql "$db" -c "SELECT '$db: ' || pg_size_pretty(pg_database_size('$db')) || ', version ' || extversion || ', ' || to_jsonb(s)
		FROM bench.sizes s, pg_extension WHERE extname = 'researcharr'"
done
echo "PostgreSQL $(run_sql postgres -c 'SHOW server_version'), $(nproc) cores," \
	"shared_buffers $(run_sql postgres -c 'SHOW shared_buffers'), work_mem $(run_sql postgres -c 'SHOW work_mem')," \
	"$([ -n "$DURABLE" ] && echo 'each commit flushed' || echo 'asynchronous commit'); latencies in ms"
connect
for step in $STEPS; do
	echo
	$step
	others
	# of a server that began in between, it is not known
	[ "$step" = restart ] || echo "(others used $others % of the machine)"
done
echo "Missed: $missed"
[ "$missed" = 0 ]
