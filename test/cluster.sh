# cluster.sh: a throw-away server for programs that attack it, on top of
# test/lib.sh.  To be sourced by sh.
#
# A program of C and libpq runs against a private server (own directory and
# socket, no port) in the work directory.  In the end the server's log is read
# for what must not be in it.  Callers set srcdir, and call have_extension,
# build_client and hand_over in this order, then make_cluster and start_server.
# May be set:
#   INSTALLED      if not empty, use the extension that is installed where
#                  PG_CONFIG points, instead of building this one
#   CLIENT_CFLAGS  flags of the compiler that the client's libpq needs

. "$srcdir/test/lib.sh"

# Errors of class XX that the server itself raises beside concurrent DDL.
SERVERS_OWN='cache lookup failed for|tuple concurrently (updated|deleted)'

# Lines of the server's log that tell of a crash.
CRASHED='PANIC|TRAP|was terminated by signal|server process .* exited with|AddressSanitizer'

# The work directory, with the extension in it
have_extension()
{
	make_work
	if [ -n "${INSTALLED:-}" ]; then
		bindir=$("$PG_CONFIG" --bindir) || die "$PG_CONFIG does not work"
		ln -s / "$work/root"
		PATH=$bindir:$PATH
	else
		stage
	fi
}

# build_client NAME: the program of test/NAME/*.c, as $work/client
build_client()
{
	where=${BUILD_PG_CONFIG:-$PG_CONFIG}
	lib=$("$where" --libdir)
	${CC:-gcc} -O2 -g -Wall ${CLIENT_CFLAGS:-} -I"$("$where" --includedir)" \
		-I"$("$where" --pkgincludedir)/internal" -o "$work/client" \
		"$srcdir/test/$1"/*.c -L"$lib" -Wl,-rpath,"$lib" -lpq ||
		die "test/$1 does not build (libpq-dev?)"
}

# make_cluster LINE...: with these settings on top of what all have
make_cluster()
{
	$as_user mkdir "$work/socket"
	$as_user sh -c "umask 077 && initdb -N -A trust -U postgres -E UTF8 \
		--locale=C -D '$work/pg'" >"$work/initdb.log" 2>&1 || {
		cat "$work/initdb.log" >&2
		die "no cluster could be made"
	}
	cat >>"$work/pg/postgresql.conf" <<-END
		listen_addresses = ''
		unix_socket_directories = '$work/socket'
		unix_socket_permissions = 0700
		fsync = off
		log_line_prefix = '%m [%p] %a '
		log_error_verbosity = verbose
	END
	printf '%s\n' "$@" >>"$work/pg/postgresql.conf"
	export PGHOST="$work/socket" PGUSER=postgres PGDATABASE=postgres
}

# Start the server in the process group that clean_up() stops.
start_server()
{
	setsid $as_user postgres -D "$work/pg" >>"$work/server.log" 2>&1 &
	job=$!
	wait_for_server
}

wait_for_server()
{
	for _ in $(seq 1 600); do
		pg_isready -q && return
		kill -0 $job 2>/dev/null || break
		sleep 0.2
	done
	tail -n 100 "$work/server.log" >&2
	die "the server does not start"
}

# Sets rc=1 if the server does not stop
stop_server()
{
	$as_user pg_ctl stop -s -m fast -w -t 300 -D "$work/pg" >/dev/null || rc=1
	job=
}

# Sets rc=1 if the server's log, or valgrind's, says that something went wrong.
look_at_logs()
{
	if grep -aE -A 6 "$CRASHED" "$work/server.log" >"$work/crashes"; then
		head -n 100 "$work/crashes" >&2
		rc=1
	fi
	if grep -aE '^[^ ]+ [^ ]+ [^ ]+ \[[0-9]+\] .*(ERROR|FATAL|WARNING):  XX00[0-9]:' \
		"$work/server.log" | grep -avE "$SERVERS_OWN" >"$work/internal"; then
		echo "internal errors:" >&2
		cut -c 1-300 "$work/internal" | head -n 50 >&2
		rc=1
	fi
	look_at_valgrind >&2 || rc=1
}
