# lib.sh: what test/run and its neighbours share.  To be sourced by sh.
#
# A run happens in a work directory of its own, with a copy of the server's
# installation in it ("root"), into which the extension is installed.  The
# system's PostgreSQL is only read.  Since a server refuses to run as root,
# root hands the work directory to an unprivileged user.  When the script
# ends, in whatever way, servers that run in there are stopped and the
# directory is removed.
#
# Callers set srcdir (the sources' absolute path), call make_work, stage and
# hand_over in this order, and start what may take long with "setsid ... &
# job=$!", so that it can be stopped with all that it started.  May be set:
#   PG_CONFIG   the installation to use
#   BUILDDIR    where to build (srcdir)
#   TEST_USER   as whom root runs servers (postgres, else nobody)
#   KEEP        if not empty, the work directory stays
#   VALGRIND    run servers under valgrind, with these suppressions

PG_CONFIG=${PG_CONFIG:-pg_config}
BUILDDIR=${BUILDDIR:-$srcdir}

die()
{
	echo "${0##*/}: $*" >&2
	exit 1
}

# numbers NAME...: die unless each of these variables is a whole number
numbers()
{
	for name; do
		eval "value=\$$name"
		case $value in
		'' | *[!0-9]*) die "$name=$value: not a whole number" ;;
		esac
	done
}

# Stop what runs in the work directory, and remove it.
clean_up()
{
	trap '' HUP INT TERM PIPE
	if [ -n "${job:-}" ]; then
		kill -s TERM -- "-$job" 2>/dev/null
		for _ in 1 2 3 4 5 6 7 8 9 10; do
			kill -s 0 -- "-$job" 2>/dev/null || break
			sleep 0.2
		done
		kill -s KILL -- "-$job" 2>/dev/null
	fi
	find "$work" -name postmaster.pid 2>/dev/null | while read -r file; do
		${as_user:-} "$work/root$bindir/pg_ctl" stop -s -m immediate \
			-D "${file%/*}" >/dev/null 2>&1
	done
	if [ -n "${KEEP:-}" ]; then
		echo "kept: $work" >&2
	else
		rm -rf "$work" 2>/dev/null || { sleep 1; rm -rf "$work"; }
	fi
}

# Make $work, and see to it that nothing outlives this script.
make_work()
{
	work=$(mktemp -d "${TMPDIR:-/tmp}/researcharr.XXXXXX") || exit 1
	trap clean_up EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 141' PIPE
	chmod 755 "$work"
	# server and client programs find their files by these, were they set
	unset PGDATA PGHOST PGPORT PGUSER PGDATABASE PGOPTIONS PGSERVICE \
		PGSSLMODE PGCLIENTENCODING PGTZ PGDATESTYLE
	export LC_ALL=C.UTF-8
}

# Build the extension and put it, beside links to what the server has, into
# $work/root.  A server finds its files relative to where it is itself, so
# programs are copied.  Arguments go to make.
stage()
{
	bindir=$("$PG_CONFIG" --bindir) || die "$PG_CONFIG does not work"
	mkdir -p "$BUILDDIR"
	make -C "$BUILDDIR" -f "$srcdir/Makefile" -s --no-print-directory \
		PG_CONFIG="$PG_CONFIG" with_llvm=no "$@" all >"$work/build.log" 2>&1 || {
		cat "$work/build.log" >&2
		die "the extension does not build"
	}
	grep -i 'warning' "$work/build.log" >&2
	mkdir -p "$work/root$bindir"
	cp -L "$bindir"/* "$work/root$bindir/"
	for dir in "$("$PG_CONFIG" --pkglibdir)" "$("$PG_CONFIG" --sharedir)"; do
		mkdir -p "$work/root$dir"
		cp -rs "$dir/." "$work/root$dir/"
	done
	make -C "$BUILDDIR" -f "$srcdir/Makefile" -s --no-print-directory \
		PG_CONFIG="$PG_CONFIG" with_llvm=no "$@" \
		DESTDIR="$work/root" install >"$work/install.log" 2>&1 || {
		cat "$work/install.log" >&2
		die "the extension cannot be installed into $work/root"
	}
	# where a client's headers are: the copied pg_config cannot tell
	export BUILD_PG_CONFIG="$(command -v "$PG_CONFIG")"
	[ -z "${VALGRIND:-}" ] || wrap_server
	PATH=$work/root$bindir:$PATH
}

# Let servers in the work directory run under valgrind.  Programs call them with
# -D first; all else (initdb's calls, --version) runs without, for speed.
wrap_server()
{
	server=$work/root$bindir/postgres
	mv "$server" "$server.real" || exit 1
	cat >"$server" <<-END
		#!/bin/sh
		[ "\$1" = -D ] || exec "$server.real" "\$@"
		exec valgrind --quiet --leak-check=no --trace-children=yes \\
			--gen-suppressions=all --suppressions="$VALGRIND" \\
			--error-markers=VALGRINDERROR-BEGIN,VALGRINDERROR-END \\
			--log-file="$work/valgrind.%p" "$server.real" "\$@"
	END
	chmod +x "$server"
}

# Print what valgrind found; fails if there is anything.
look_at_valgrind()
{
	cat "$work"/valgrind.* >"$work/valgrind" 2>/dev/null
	errors=$(grep -c 'VALGRINDERROR-BEGIN' "$work/valgrind")
	[ "$errors" != 0 ] || return 0
	echo "valgrind found $errors errors:"
	head -n 200 "$work/valgrind"
	return 1
}

# Hand the work directory to whoever runs servers.  Sets $as_user, the words
# to put before a command so that it runs as that user: none unless we are
# root.  From here on nothing reads or writes the caller's home directory.
hand_over()
{
	as_user=
	if [ "$(id -u)" = 0 ]; then
		user=${TEST_USER:-postgres}
		id -u "$user" >/dev/null 2>&1 || user=nobody
		chown -R "$user" "$work"
		as_user="setpriv --reuid=$user --regid=$(id -g "$user") --init-groups"
	fi
	export HOME="$work" TMPDIR="$work"
	cd "$work" || exit 1
}
