# kinds.sh: how each client of docs/clients is found, installed and started.
# Sourced by test/clients/run.

# Debian's packages are those of Debian's Python.
python=/usr/bin/python3

# client|what shows that it is there|Debian's packages, or "npm"
clients='
psycopg|$python -c "import psycopg"|python3-psycopg
asyncpg|$python -c "import asyncpg"|python3-asyncpg
sqlalchemy|$python -c "import sqlalchemy, psycopg2"|python3-sqlalchemy python3-psycopg2
django|$python -c "import django, psycopg2"|python3-django python3-psycopg2
alembic|$python -c "import alembic, psycopg2"|alembic python3-psycopg2
pg|node_has pg|npm
postgres-js|node_has postgres|npm
knex|node_has knex|npm
jdbc|java_has postgresql junixsocket-common|default-jdk-headless libpostgresql-jdbc-java libjunixsocket-java
pgx|go_has jackc/pgx/v4|golang-go golang-github-jackc-pgx-v4-dev
ruby-pg|ruby -e "require %q(pg)"|ruby ruby-pg
php|php -m | grep -qx pgsql|php-cli php-pgsql
perl|perl -MDBD::Pg -e 1|libdbd-pg-perl
psql|command -v jq|jq
pgbouncer|command -v pgbouncer|pgbouncer
pgloader|command -v pgloader && command -v sqlite3|pgloader sqlite3
'

# Sets found and packages for a client.
look_up()
{
	local line

	line=$(grep "^$1|" <<<"$clients") || die "docs/clients names an unknown client: $1"
	packages=${line##*|}
	found=${line#*|}
	found=${found%|*}
}

node_has()
{
	[ -d "$NODE_MODULES/node_modules/$1" ] && command -v node
}

java_has()
{
	local jar

	command -v java || return
	for jar; do
		[ -e "/usr/share/java/$jar.jar" ] || return
	done
}

go_has()
{
	[ -d "/usr/share/gocode/src/github.com/$1" ] && command -v go
}

# have_client NAME: is it installed?  Otherwise sets lacking.
have_client()
{
	look_up "$1"
	lacking="not installed ($packages)"
	eval "$found" </dev/null >/dev/null 2>&1
}

# Install what Debian has of the clients.  No service is started by that.
install_clients()
{
	local name want= made= policy=/usr/sbin/policy-rc.d

	[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 0
	while IFS='|' read -r name _; do
		[ -n "$name" ] && ! have_client "$name" && [ "$packages" != npm ] && want="$want $packages"
	done <<<"$clients"
	[ -n "$want" ] || return 0
	echo "installing$want"
	if [ ! -e $policy ]; then
		made=$policy
		printf '#!/bin/sh\nexit 101\n' >$policy
		chmod +x $policy
		trap "rm -f $policy" EXIT
		trap 'exit 130' HUP INT TERM
	fi
	apt-get -qq update >/dev/null 2>&1
	for name in $want; do
		DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$name" \
			>/dev/null 2>&1 || echo "apt-get does not install $name"
	done
	trap - EXIT
	[ -z "$made" ] || rm -f "$made"
}

# Fetch the clients for node, once.
npm_packages()
{
	[ -d "$NODE_MODULES/node_modules/knex" ] || ! command -v npm >/dev/null || {
		mkdir -p "$NODE_MODULES"
		timeout 300 npm install --prefix "$NODE_MODULES" --no-audit --no-fund --silent \
			pg@8 postgres@3 knex@3 >/dev/null 2>&1
	}
	[ ! -d "$NODE_MODULES/node_modules" ] || cp -r "$NODE_MODULES/node_modules" "$work/"
}

# prepare CLIENT FILE: what comes before the program starts, in its directory
prepare()
{
	case $1 in
	pgx) $as_user env GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$work/go" go build -o worker "$2" ;;
	jdbc) $as_user javac -cp "$java_path" "$2" ;;
	*) true ;;
	esac
}

java_path=.:/usr/share/java/postgresql.jar:/usr/share/java/junixsocket-common.jar
java_native=$(echo /usr/lib/*/jni)

# run_client CLIENT FILE: in place of this process, where it runs in the background
run_client()
{
	local command

	case $1 in
	pg | postgres-js | knex) command="node $2" ;;
	jdbc) command="java -cp $java_path -Djava.library.path=$java_native ${2%.java}" ;;
	pgx) command=./worker ;;
	ruby-pg) command="ruby $2" ;;
	php) command="php $2" ;;
	perl) command="perl $2" ;;
	psql) command="bash $2" ;;
	*) command="$python $2" ;;
	esac
	export JDBC_URL="jdbc:postgresql://localhost/$PGDATABASE?user=$PGUSER&sslmode=disable&socketFactory=org.newsclub.net.unix.AFUNIXSocketFactory\$FactoryArg&socketFactoryArg=$PGHOST/.s.PGSQL.5432"
	exec $as_user $command
}

# The exit status of a worker that was told to stop.  Java's is that of the
# signal, also after its shutdown hooks.
status_of_stopped()
{
	case $1 in
	jdbc) echo 143 ;;
	*) echo 0 ;;
	esac
}
