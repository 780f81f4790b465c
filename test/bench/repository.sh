#!/bin/sh
# test/bench/repository.sh: what the repositories cost, as ratios of one run.
#
# On a throw-away cluster, in turns and REPEAT times, each against the same
# statement by hand, prepared, over the same rows:
#   get_by_id     CLIENTS clients read media by their ids
#   by_media      CLIENTS clients read the jobs of media
#   create        CLIENTS clients make media, at asynchronous commit
# and, over one connection:
#   unit_of_work  100 creates in one unit_of_work, against 100 single calls
#   search        media_search among TITLES titles, against ILIKE without the
#                 index, each query of a fixed list once; the ratio is that of
#                 the medians
# Prints the medians, and the functions' speed as a share of that by hand.
# Bars: 0.75, 0.75, 0.6, 10, 10 (the exit status says whether they hold).
#
# Environment (see also test/lib.sh): ROWS=50000 TITLES=1000000 REPEAT=7
#   CLIENTS=8 RUN_SECONDS=4

srcdir=$(cd "$(dirname "$0")/../.." && pwd -P) || exit 1
. "$srcdir/test/lib.sh"
ROWS=${ROWS:-50000}
TITLES=${TITLES:-1000000}
REPEAT=${REPEAT:-7}
CLIENTS=${CLIENTS:-8}
RUN_SECONDS=${RUN_SECONDS:-4}

run_sql()
{
	$as_user psql -XqAt -v ON_ERROR_STOP=1 -d "$@" || die "psql failed"
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
shared_buffers = 1GB
max_wal_size = 8GB
checkpoint_timeout = 1h
autovacuum = off
max_parallel_workers_per_gather = 0
EOF
$as_user pg_ctl -s -w -D "$work/pg" -l "$work/server.log" start || die "no server"

id="('01900000-0000-7000-8000-' || lpad(to_hex(%s), 12, '0'))::uuid"
some=$(printf "$id" ':n::int')
for db in calls titles; do
	run_sql postgres -c "CREATE DATABASE $db"
	run_sql "$db" -c "CREATE EXTENSION researcharr CASCADE" 2>/dev/null
done
run_sql calls -c "INSERT INTO researcharr.media (id, title, type, external_id)
		SELECT $(printf "$id" n), 'Title of medium ' || n, 'movie', n FROM generate_series(1, $ROWS) n" \
	-c "INSERT INTO researcharr.processing_jobs (media_id, job_type)
		SELECT $(printf "$id" "1 + n % $ROWS"), 'search' FROM generate_series(1, 3 * $ROWS) n" \
	-c "VACUUM ANALYZE"

# The statements: NAME.call and NAME.hand for each comparison.
write()
{
	printf '%s\n%s\n' "\\set n random(1, $2)" "$3" >"$work/$1"
}
write get_by_id.call "$ROWS" "SELECT * FROM researcharr.media_get_by_id($some);"
write get_by_id.hand "$ROWS" "SELECT * FROM researcharr.media WHERE id = $some;"
write by_media.call "$ROWS" "SELECT * FROM researcharr.job_get_by_media($some);"
write by_media.hand "$ROWS" "SELECT * FROM researcharr.processing_jobs WHERE media_id = $some ORDER BY id;"
write create.call 2000000000 "SELECT * FROM researcharr.media_create(('{\"title\": \"Title ' || :n || '\", \"type\": \"movie\", \"external_id\": \"c' || :n || '\"}')::jsonb);"
write create.hand 2000000000 "INSERT INTO researcharr.media (title, type, external_id) VALUES ('Title ' || :n, 'movie', 'h' || :n) RETURNING *;"
write unit_of_work.hand 2000000000 "SELECT * FROM researcharr.media_create(('{\"title\": \"Title ' || :n || '\", \"type\": \"movie\", \"external_id\": \"s' || :n || '\"}')::jsonb);"
write unit_of_work.call 2000000000 "SELECT count(*) FROM jsonb_array_elements(researcharr.unit_of_work((SELECT jsonb_agg(format('{\"op\": \"create\", \"entity\": \"media\", \"values\": {\"title\": \"Title %s\", \"type\": \"movie\", \"external_id\": \"u%s\"}}', :n::bigint, :n::bigint * 100 + i)::jsonb) FROM generate_series(1, 100) i)));"

# clients NAME.KIND COUNT SYNCHRONOUS_COMMIT: transactions per second.
clients()
{
	PGOPTIONS="-c synchronous_commit=$3" $as_user pgbench -n -M prepared \
		-c "$2" -j "$2" -T "$RUN_SECONDS" -f "$work/$1" calls 2>&1 |
		awk '/^tps =/ { printf "%.0f\n", $3 }' >>"$work/$1.tps"
}

# Both of a pair right after each other, and now one, now the other first: what
# other pairs leave behind for the server to write must not weigh on one of them.
i=0
kinds="hand call"
while [ $((i += 1)) -le "$REPEAT" ]; do
	for what in get_by_id by_media create unit_of_work; do
		for kind in $kinds; do
			case $what in
			create) clients create.$kind "$CLIENTS" off ;;
			unit_of_work) clients unit_of_work.$kind 1 on ;;
			*) clients $what.$kind "$CLIENTS" on ;;
			esac
		done
	done
	kinds="${kinds#* } ${kinds% *}"
	run_sql calls -c "VACUUM ANALYZE researcharr.media" -c CHECKPOINT
done

# Titles of one to four words, common and rare ones; each query is a rather
# rare word of the titles, in lower case, some with "the" before it.
run_sql titles >"$work/queries" <<EOF
SET researcharr.audit = off;
CREATE TEMP TABLE words AS
SELECT n, initcap(string_agg(substr('bacedifoguhajekilomunapequrosutavewixoyuza', 1 + 2 * ((hashint8extended(n, i) % 21 + 21) % 21)::int, 2), '')) AS word
  FROM generate_series(0, 9999) n, generate_series(0, 1 + n % 4) i GROUP BY n;
CREATE UNIQUE INDEX ON words (n);
ANALYZE words;
SET enable_mergejoin = off;
INSERT INTO researcharr.media (title, type, external_id)
SELECT CASE WHEN t % 3 = 0 THEN 'The ' ELSE '' END || string_agg(word, ' ' ORDER BY i) || ' ' || t % 10, 'movie', t
  FROM generate_series(1, $TITLES) t, generate_series(0, 3) i
  JOIN words w ON true
 WHERE i <= t % 4 AND w.n = (10000 * power(abs(hashint8extended(t, i) % 1000003) / 1000003.0, 3))::int % 10000
 GROUP BY t;
VACUUM ANALYZE researcharr.media;
SELECT lower(CASE q % 4 WHEN 0 THEN 'The ' ELSE '' END || word) FROM generate_series(0, 19) q JOIN words ON n = 2001 + 100 * q + q % 3;
EOF
while read -r query; do
	run_sql titles -c "SELECT count(*) FROM researcharr.media_search('warm up')" -c '\timing on' \
		-c "SELECT count(*) FROM researcharr.media_search('$query')" |
		sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' >>"$work/search.call.ms"
	run_sql titles -c 'SET enable_bitmapscan = off' -c '\timing on' \
		-c "SELECT count(*) FROM researcharr.media WHERE title ILIKE '%$query%'" |
		sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' >>"$work/search.hand.ms"
	run_sql titles -c "SELECT count(*) FROM researcharr.media WHERE title ILIKE '%$query%'" >>"$work/matches"
done <"$work/queries"

median()
{
	sort -n "$1" | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'
}

echo "queries match $(sort -n "$work/matches" | sed -n '1p;$p' | paste -sd ' ' | sed 's/ / to /') of $TITLES titles"
{
	for what in get_by_id by_media create; do
		echo "$what $(median "$work/$what.call.tps") $(median "$work/$what.hand.tps") 0.75"
	done | sed 's/^\(create.*\) 0.75$/\1 0.6/'
	echo "unit_of_work $(($(median "$work/unit_of_work.call.tps") * 100)) $(median "$work/unit_of_work.hand.tps") 10"
	echo "search $(median "$work/search.call.ms") $(median "$work/search.hand.ms") 10" |
		awk '{ print $1, 1000 / $2, 1000 / $3, $4 }'
} | awk '
	BEGIN { printf "%-14s %12s %12s %6s %6s\n", "", "function", "by hand", "ratio", "bar" }
	{ printf "%-14s %10.0f/s %10.0f/s %6.2f %6s\n", $1, $2, $3, $2 / $3, $4 }
	$2 / $3 < $4 { low = 1 }
	END { exit low }'
