#!/bin/sh
# test/bench/audit.sh: what the audit triggers cost, as ratios of one run.
#
# On a throw-away cluster with two databases, alike but for the audit triggers
# on media, of which one has none.  In turns, and REPEAT times:
#   statement  one UPDATE of all ROWS media rows
#   clients    CLIENTS clients, each updating single rows for RUN_SECONDS seconds,
#              with each commit flushed, and with synchronous_commit off
# A checkpoint comes before each statement, and none before the clients: they
# would write little but images of whole pages for as long as a run lasts.
# Prints the medians, and the speed with triggers as a share of that without.
# Bars: statement 0.4, clients 0.75 (the exit status says whether they hold).
#
# Environment (see also test/lib.sh): ROWS=200000 REPEAT=5 CLIENTS=8 RUN_SECONDS=8

srcdir=$(cd "$(dirname "$0")/../.." && pwd -P) || exit 1
. "$srcdir/test/bench/lib.sh"
ROWS=${ROWS:-200000}
REPEAT=${REPEAT:-5}
CLIENTS=${CLIENTS:-8}
RUN_SECONDS=${RUN_SECONDS:-8}
numbers ROWS REPEAT CLIENTS RUN_SECONDS

start_server 'shared_buffers = 512MB' 'max_wal_size = 8GB' 'autovacuum = off'

id="('01900000-0000-7000-8000-' || lpad(to_hex(%s), 12, '0'))::uuid"
for db in audited bare; do
	run_sql postgres -c "CREATE DATABASE $db"
	run_sql "$db" -c "CREATE EXTENSION researcharr CASCADE" 2>/dev/null
	[ $db = audited ] || for event in insert update delete truncate; do
		run_sql $db -c "ALTER TABLE researcharr.media DISABLE TRIGGER researcharr_audit_$event"
	done
	run_sql "$db" -c "INSERT INTO researcharr.media (id, title, type, external_id)
		SELECT $(printf "$id" n), 'Title of medium ' || n, 'movie', n
		FROM generate_series(1, $ROWS) n"
done
cat >"$work/update.pgbench" <<EOF
\\set n random(1, $ROWS)
UPDATE researcharr.media SET status = CASE status WHEN 'pending' THEN 'completed' ELSE 'pending' END WHERE id = $(printf "$id" :n::int);
EOF

# Rows per second of one UPDATE.
statement()
{
	run_sql "$1" -c "VACUUM researcharr.media" -c CHECKPOINT
	run_sql "$1" -c '\timing on' -c "UPDATE researcharr.media SET status =
		CASE status WHEN 'pending' THEN 'completed' ELSE 'pending' END" |
		awk -v rows="$ROWS" '/^Time:/ { printf "%.0f\n", rows / $2 * 1000 }'
}

# updates DATABASE SYNCHRONOUS_COMMIT FILE: note how many single rows a second
updates()
{
	run_sql "$1" -c "VACUUM researcharr.media"
	export PGOPTIONS="-c synchronous_commit=$2"
	clients "$1" "$work/update.pgbench" -T "$RUN_SECONDS"
	unset PGOPTIONS
	echo "$tps" >>"$3"
}

i=0
while [ $((i += 1)) -le "$REPEAT" ]; do
	for db in audited bare; do
		statement $db >>"$work/statement.$db"
		updates $db on "$work/clients.$db"
		updates $db off "$work/clients_async.$db"
	done
done

for what in statement clients clients_async; do
	echo "$what $(median "$work/$what.audited") $(median "$work/$what.bare")"
done | awk '
	BEGIN { printf "%-15s %12s %12s %6s\n", "", "with", "without", "ratio" }
	{ printf "%-15s %10d/s %10d/s %6.2f\n", $1, $2, $3, $2 / $3 }
	$2 / $3 < ($1 == "statement" ? 0.4 : $1 == "clients" ? 0.75 : 0) { low = 1 }
	END { exit low }'
