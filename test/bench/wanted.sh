#!/bin/sh
# test/bench/wanted.sh: pages of wanted_get_all among many tracked items.
#
# On a throw-away server with two instances of ITEMS / 2 items each
# (test/data/wanted.sql), all in shared buffers.  For each kind and order, one
# client reads a page of 50 CALLS times.  It has read the whole table before: a
# random page is elsewhere each time, and the first time that a process touches a
# shared buffer costs it a page fault.  Prints the latencies in ms: p50, p95, p99.
# Bar: p95 of 5 ms (the exit status says whether it holds).
#
# Environment (see also test/lib.sh): ITEMS=250000 CALLS=500

srcdir=$(cd "$(dirname "$0")/../.." && pwd -P) || exit 1
. "$srcdir/test/bench/lib.sh"
ITEMS=${ITEMS:-250000}
CALLS=${CALLS:-500}
CLIENTS=1
numbers ITEMS CALLS

start_server 'shared_buffers = 2GB' 'max_wal_size = 8GB' 'autovacuum = off'
run_sql postgres -c 'CREATE DATABASE wanted'
run_sql wanted -c 'CREATE EXTENSION researcharr CASCADE' 2>/dev/null
run_sql wanted -o /dev/null -v items=$((ITEMS / 2)) -f "$srcdir/test/data/wanted.sql"

printf '%-8s %-20s %8s %8s %8s\n' kind order p50 p95 p99
for kind in missing cutoff; do
	for order in oldest_search newest_added custom_format_score random alphabetical; do
		cat >"$work/page.pgbench" <<-END
			\set first :calls = 0
			\if :first
			SELECT sum(hashtext(t::text)) FROM researcharr.tracked_items t;
			\endif
			\set calls :calls + 1
			SELECT * FROM researcharr.wanted_get_all('instance 1', '$kind', order_by => '$order', "limit" => 50);
		END
		(cd "$work" && rm -f page.*[0-9] &&
			clients wanted "$work/page.pgbench" -D calls=0 -t $((CALLS + 1)) -l --log-prefix=page) || exit 1
		cat "$work"/page.*[0-9] | awk 'FNR > 1 { print $3 / 1000 }' | sort -n |
			awk -v kind=$kind -v order=$order '
				{ ms[NR] = $1 }
				END {
					printf "%-8s %-20s %8.2f %8.2f %8.2f\n", kind, order,
						ms[int(NR * .5 + .5)], ms[int(NR * .95 + .5)], ms[int(NR * .99 + .5)]
					exit ms[int(NR * .95 + .5)] > 5
				}' || missed=1
	done
done
exit "${missed:-0}"
