# lib.sh: what the benchmarks share, on top of test/lib.sh.  To be sourced by sh.
#
# A benchmark starts a throw-away server, makes databases, and runs clients
# against them.  Checkpoints come only when a database is dropped: whatever is
# made after that writes no images of whole pages, however long ago it was made.

. "$srcdir/test/lib.sh"

run_sql()
{
	$as_user psql -XqAt -v ON_ERROR_STOP=1 -d "$@" || die "psql failed"
}

# start_server LINE...: build, stage and start, with these lines of settings on
# top of what all benchmarks have
start_server()
{
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
		max_connections = $((CLIENTS + 20))
		checkpoint_timeout = 1h
	END
	printf '%s\n' "$@" >>"$work/pg/postgresql.conf"
	$as_user pg_ctl -s -w -D "$work/pg" -l "$work/server.log" start || {
		cat "$work/server.log" >&2
		die "the server does not start"
	}
	others
}

# clients DATABASE FILE [OPTION...]: CLIENTS clients run this script of
# pgbench's until an option says that it is over.  Sets $tps and $transactions.
# Neither this nor its halves are for a subshell: the clients could not be
# stopped with the script.
clients()
{
	clients_begin "$@"
	clients_end
}

clients_begin()
{
	db=$1 file=$2
	shift 2
	setsid $as_user pgbench -n -M prepared -c "$CLIENTS" \
		-j $((CLIENTS < 2 ? CLIENTS : 2)) -f "$file" "$@" "$db" \
		>"$work/pgbench.log" 2>&1 &
	job=$!
}

clients_end()
{
	wait "$job"
	rc=$?
	job=
	if [ $rc != 0 ] || grep -q aborted "$work/pgbench.log"; then
		tail -n 20 "$work/pgbench.log" >&2
		die "pgbench failed"
	fi
	tps=$(awk '/^tps =/ { print $3 }' "$work/pgbench.log")
	[ -n "$tps" ] || die "no client ran a transaction: raise RUN_SECONDS"
	transactions=$(awk -F'[ /]' '/actually processed/ { print $6 }' \
		"$work/pgbench.log")
}

# hold DATABASE STATEMENT...: a session begins a transaction with these, and
# stands by in it until let_go
hold()
{
	mkfifo "$work/holder"
	$as_user psql -XqAt -v ON_ERROR_STOP=1 -d "$1" <"$work/holder" >"$work/held" &
	exec 9>"$work/holder"
	shift
	printf '%s;\n' "$@" "SELECT 'ready'" >&9
	for _ in $(seq 1 600); do
		grep -q ready "$work/held" && return
		sleep 0.1
	done
	die "the session that should stand by does not get there"
}

let_go()
{
	[ "$(run_sql postgres -c "SELECT count(*) FROM pg_stat_activity
		WHERE state = 'idle in transaction'")" = 1 ] ||
		die "the session that should stand by is gone"
	exec 9>&-
	rm "$work/holder"
}

# Sets $others to the share of the machine, in per cent, that processes other
# than the server and our clients used since the last call, or the hypervisor
# took; to "?" where the system does not tell.
others()
{
	others='?'
	[ -r /proc/stat ] || return 0
	server=$(head -n 1 "$work/pg/postmaster.pid")
	# in ticks: of all, of them busy, of them ours
	now=$(for pid in $(cat "/proc/$server/task/$server/children"); do
		cat "/proc/$pid/stat"
	done 2>/dev/null | cat /proc/stat "/proc/$server/stat" "/proc/$$/stat" - | awk '
		/^cpu / { all = $2 + $3 + $4 + $5 + $6 + $7 + $8 + $9; idle = $5 + $6 }
		/^[0-9]/ { ours += $14 + $15 + (n++ < 2 ? $16 + $17 : 0) }
		END { printf "%d %d %d", all, all - idle, ours }')
	others=$(echo "$now ${others_before:-0 0 0}" | awk '{ all = $1 - $4
		printf "%.0f", all ? 100 * ($2 - $5 - ($3 - $6)) / all : 0 }')
	others_before=$now
}

# The median of a file of numbers
median()
{
	sort -n "$1" | awk '{ v[NR] = $1 }
		END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}
