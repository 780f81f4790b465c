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
#   query      cache_get of all keys in one query against the nested-loop join
#              to an indexed unlogged table
# Bars: zipf 0.95 and a hit rate of 0.8, scan 0.9, get 0.85, query 2 (the exit
# status says whether they hold).  The hit rates do not depend on the machine.
#
# Environment (see also test/lib.sh): KEYS=1000000 ACCESSES=3000000 REPEAT=5
#   RUN_SECONDS=4

srcdir=$(cd "$(dirname "$0")/../.." && pwd -P) || exit 1
. "$srcdir/test/bench/lib.sh"
KEYS=${KEYS:-1000000}
ACCESSES=${ACCESSES:-3000000}
REPEAT=${REPEAT:-5}
RUN_SECONDS=${RUN_SECONDS:-4}
CLIENTS=50
numbers KEYS ACCESSES REPEAT RUN_SECONDS

# 67 kB for 250 keys: a block each, and what belongs to it
start_server "shared_preload_libraries = 'researcharr'" \
	"researcharr.cache_size = $((KEYS * 67 / 1000))kB" 'shared_buffers = 256MB' 'fsync = off'
run_sql postgres -c 'CREATE EXTENSION researcharr CASCADE' 2>/dev/null

# Draws a key by the inverse of the distribution, as if ranks were continuous.
# Prints the hit rate after two thirds of the trace, and its share of what the
# most used keys would have, as many as there are entries.
run_sql postgres -c "CREATE PROCEDURE trace(keys int, accesses int, scan float) LANGUAGE plpgsql AS \$\$
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

# trace NAME SCAN
trace()
{
	run_sql postgres -c 'SELECT researcharr.cache_clear()' >/dev/null
	run_sql postgres -c "CALL trace($KEYS, $ACCESSES, $2)" 2>&1 |
		sed -n "s/.*trace \(.*\)/$1 \1/p" >>"$work/results"
}

trace zipf 0
trace scan 0.3

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

run_sql postgres -c "CREATE UNLOGGED TABLE beside (key text PRIMARY KEY, value bytea);
	INSERT INTO beside SELECT 'k:' || n, 'v' FROM generate_series(1, $KEYS / 5) n;
	CREATE UNLOGGED TABLE keys AS SELECT key FROM beside ORDER BY random();
	SELECT researcharr.cache_clear()" -c 'VACUUM ANALYZE beside, keys' >/dev/null
run_sql postgres -c "DO \$\$ BEGIN
	FOR i IN 0..99 LOOP
		PERFORM researcharr.cache_set('k:' || n, 'v', '0') FROM generate_series(i * $KEYS / 500 + 1, (i + 1) * $KEYS / 500) n;
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

awk 'BEGIN { printf "%-8s %10s %8s\n", "", "", "ratio"
		bar["zipf"] = 0.95; bar["scan"] = 0.9; bar["get_8"] = bar["get_50"] = 0.85; bar["query"] = 2 }
	{ printf "%-8s %10s %8s\n", $1, $2, $3; low += $3 < bar[$1] || ($1 == "zipf" && $2 < 0.8) }
	END { exit low > 0 }' "$work/results"
