#!/bin/sh
# test/bench/cache.sh: the cache's hit rate and speed, as ratios of one run.
#
# On a throw-away cluster with the library preloaded:
#   zipf       the hit rate on a trace of ACCESSES accesses to KEYS keys, by Zipf's
#              law with exponent 0.99, with room for about a quarter of them,
#              against the best static choice: the keys that are used most
#   scan       the same with 30 % of once-only keys mixed in
#   get N      cache_get by a prepared statement against SELECT 1, by N clients,
#              interleaved
#   query      cache_get of KEYS keys in one query against the nested-loop join
#              to an indexed unlogged table
#   redis      cache_get and cache_set, and GET and SET of Debian's Redis, both over
#              loopback, values of 200 bytes, by 8 and 50 clients, with 1 and 16
#              requests on their way at a time.  Left out where redis-server is not
#              installed
# Prints requests a second, and by whom.  Bars: zipf 0.95 and a hit rate of 0.8, scan 0.9, get 0.85, query 2 (the exit
# status says whether they hold).  The hit rates do not depend on the machine.
#
# Environment (see also test/lib.sh): KEYS=1000000 ACCESSES=3000000 REPEAT=5
#   RUN_SECONDS=4 STEPS="traces get query redis"

srcdir=$(cd "$(dirname "$0")/../.." && pwd -P) || exit 1
. "$srcdir/test/bench/lib.sh"
KEYS=${KEYS:-1000000}
ACCESSES=${ACCESSES:-3000000}
REPEAT=${REPEAT:-5}
RUN_SECONDS=${RUN_SECONDS:-4}
STEPS=${STEPS:-traces get query redis}
CLIENTS=50
numbers KEYS ACCESSES REPEAT RUN_SECONDS

# room KEYS: restart the server with room for as many.  A short key with a short
# value takes one block
room()
{
	run_sql postgres -c "ALTER SYSTEM SET researcharr.cache_size = '$(($1 * 268 / 1000))kB'"
	$as_user pg_ctl -s -w -m fast -D "$work/pg" -l "$work/server.log" restart || die "the server does not restart"
}

# trace NAME SCAN
trace()
{
	run_sql postgres -c 'SELECT researcharr.cache_clear()' >/dev/null
	run_sql postgres -c "CALL trace($KEYS, $ACCESSES, $2)" 2>&1 |
		sed -n "s/.*trace \(.*\)/$1 \1/p" >>"$work/results"
}

# Draws a key by the inverse of the distribution, as if ranks were continuous.
# Prints the hit rate after two thirds of the trace, and its share of what the
# most used keys would have, as many as there are entries.
procedure="CREATE PROCEDURE trace(keys int, accesses int, scan float) LANGUAGE plpgsql AS \$\$
DECLARE
	top float := power(keys, 0.01) - 1;
	key text;
	hits int := 0;
	n int := 0;
	held float;
BEGIN
	FOR i IN 1..accesses LOOP
		IF random() < scan THEN
			PERFORM researcharr.cache_set('scan:' || i, 'v', '0');
			CONTINUE;
		END IF;
		key := 'k:' || floor(power(1 + random() * top, 100));
		n := n + (i > accesses * 2 / 3)::int;
		IF researcharr.cache_get(key) IS NULL THEN
			PERFORM researcharr.cache_set(key, 'v', '0');
		ELSE
			hits := hits + (i > accesses * 2 / 3)::int;
		END IF;
		IF i % 100 = 0 THEN COMMIT; END IF;
	END LOOP;
	SELECT entries INTO held FROM researcharr.cache_stats() WHERE store = 'memory';
	RAISE NOTICE 'trace % %', round(hits::numeric / n, 3), round((hits::float / n / ((power(held, 0.01) - 1) / top))::numeric, 3);
END \$\$"
step_traces()
{
	room $((KEYS / 4))
	run_sql postgres -c "$procedure"
	trace zipf 0
	trace scan 0.3
}

step_get()
{
	echo "SELECT researcharr.cache_get('hot')" >"$work/get.pgbench"
	echo 'SELECT 1' >"$work/one.pgbench"
	run_sql postgres -c "SELECT researcharr.cache_set_text('hot', repeat('x', 200), '0')" >/dev/null
	for CLIENTS in 8 50; do
		rm -f "$work/tps.get" "$work/tps.one"
		i=0
		while [ $((i += 1)) -le "$REPEAT" ]; do
			for what in one get; do
				clients postgres "$work/$what.pgbench" -T "$RUN_SECONDS"
				echo "$tps" >>"$work/tps.$what"
			done
		done
		echo "get_$CLIENTS $(median "$work/tps.get") $(median "$work/tps.one")" |
			awk '{ printf "%s %.0f %.3f\n", $1, $2, $2 / $3 }' >>"$work/results"
	done
}

step_query()
{
	room $((KEYS * 5 / 4))
	run_sql postgres -c "CREATE UNLOGGED TABLE beside (key text PRIMARY KEY, value bytea);
		INSERT INTO beside SELECT 'k:' || n, 'v' FROM generate_series(1, $KEYS) n;
		CREATE UNLOGGED TABLE keys AS SELECT key FROM beside ORDER BY random();
		SELECT researcharr.cache_clear()" -c 'VACUUM ANALYZE beside, keys' >/dev/null
	run_sql postgres -c "DO \$\$ BEGIN
		FOR i IN 0..99 LOOP
			PERFORM researcharr.cache_set('k:' || n, 'v', '0') FROM generate_series(i * $KEYS / 100 + 1, (i + 1) * $KEYS / 100) n;
			COMMIT;
		END LOOP; END \$\$"
	i=0
	while [ $((i += 1)) -le "$REPEAT" ]; do
		run_sql postgres -c 'SET enable_hashjoin = off; SET enable_mergejoin = off; SET max_parallel_workers_per_gather = 0' \
			-c '\timing on' -c 'SELECT count(beside.value) FROM keys JOIN beside USING (key)' \
			-c 'SELECT count(researcharr.cache_get(key)) FROM keys' |
			awk -v dir="$work" '/^Time:/ { print $2 >>(dir "/ms." ++n) }'
	done
	echo "query $(median "$work/ms.2") $(median "$work/ms.1")" |
		awk '{ printf "%s %.0f %.3f\n", $1, $2, $3 / $2 }' >>"$work/results"
}

# pipelined FILE STATEMENT N: a script with N requests on their way at a time
pipelined()
{
	{
		[ "$3" = 1 ] || printf '%s\n' '\startpipeline'
		yes "$2;" | head -n "$3"
		[ "$3" = 1 ] || printf '%s\n' '\endpipeline'
	} >"$work/$1.pgbench"
}

# The requests a second of one command, by redis-benchmark's own table
redis_rate()
{
	redis-benchmark -h 127.0.0.1 -p "$redis_port" -q --csv -t "$1" -c "$2" -P "$3" -d 200 \
		-n $((100000 * $3)) | awk -F'"' 'END { print $4 }'
}

step_redis()
{
	command -v redis-server >/dev/null && command -v redis-benchmark >/dev/null || {
		echo "SKIPPED: redis-server is not installed"
		return
	}
	redis_port=$((PGPORT - 1))
	room 100000
	$as_user timeout 900 redis-server --bind 127.0.0.1 --port "$redis_port" --save '' --appendonly no --daemonize no \
		>"$work/redis.log" 2>&1 &
	redis=$!
	for _ in $(seq 1 100); do
		redis-cli -p "$redis_port" ping >/dev/null 2>&1 && break
		sleep 0.1
	done
	run_sql postgres -c "SELECT researcharr.cache_set_text('hot', repeat('x', 200), '0')" >/dev/null
	for CLIENTS in 8 50; do
		for deep in 1 16; do
			pipelined get "SELECT researcharr.cache_get('hot')" "$deep"
			pipelined set "SELECT researcharr.cache_set('hot', repeat('x', 200)::bytea, '0')" "$deep"
			for what in get set; do
				theirs=$(redis_rate "$what" "$CLIENTS" "$deep")
				PGHOST=127.0.0.1 clients postgres "$work/$what.pgbench" -T "$RUN_SECONDS"
				echo "$what $CLIENTS $deep $tps $theirs" >>"$work/redis.results"
			done
		done
	done
	kill "$redis"
	wait "$redis"
	awk 'BEGIN { printf "%-7s %7s %7s %10s %10s\n", "request", "clients", "at once", "here", "Redis" }
		{ printf "%-7s %7d %7d %10.0f %10.0f\n", $1, $2, $3, $4 * $3, $5 }' "$work/redis.results"
}

for step in $STEPS; do
	case $step in
	traces | get | query | redis) ;;
	*) die "no such step: $step" ;;
	esac
done
start_server "shared_preload_libraries = 'researcharr'" 'shared_buffers = 256MB' 'fsync = off' \
	"listen_addresses = '127.0.0.1'"
run_sql postgres -c 'CREATE EXTENSION researcharr CASCADE' 2>/dev/null
touch "$work/results"
for step in $STEPS; do
	step_$step
done
[ -s "$work/results" ] || exit 0
awk 'BEGIN { printf "%-8s %10s %8s\n", "", "", "ratio"
		bar["zipf"] = 0.95; bar["scan"] = 0.9; bar["get_8"] = bar["get_50"] = 0.85; bar["query"] = 2 }
	{ printf "%-8s %10s %8s\n", $1, $2, $3; low += $3 < bar[$1] || ($1 == "zipf" && $2 < 0.8) }
	END { exit low > 0 }' "$work/results"
