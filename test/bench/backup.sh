#!/bin/sh
# test/bench/backup.sh: backups and restores beside pg_dump's, as ratios of one run.
#
# On a throw-away cluster with the library preloaded and JOBS finished jobs, each
# with its history and its media row:
#   create    backup_create against pg_dump -Fc -Z0, interleaved
#   clients   what CLIENTS clients, which enqueue and dequeue, lose meanwhile: their
#             speed while backups are made one after the other, against their speed
#             beside one pg_dump after the other
#   restore   backup_restore of all tables, without a backup of what is there,
#             against pg_restore of the dump into a database with the extension,
#             interleaved; the database is emptied before each
# Bars: create at most 1.2, clients at least 1 (less 5 % for noise), restore at
# most 1.5, medians of REPEAT.  The exit status says whether they hold.
#
# Environment (see also test/lib.sh): JOBS=1000000 REPEAT=5 RUN_SECONDS=10
#   STEPS="create clients restore"

srcdir=$(cd "$(dirname "$0")/../.." && pwd -P) || exit 1
. "$srcdir/test/bench/lib.sh"
JOBS=${JOBS:-1000000}
REPEAT=${REPEAT:-5}
RUN_SECONDS=${RUN_SECONDS:-10}
STEPS=${STEPS:-create clients restore}
CLIENTS=8
numbers JOBS REPEAT RUN_SECONDS

start_server "shared_preload_libraries = 'researcharr'" 'shared_buffers = 512MB' 'max_wal_size = 8GB' \
	'maintenance_work_mem = 256MB' 'researcharr.worker = off' 'autovacuum = off'
$as_user mkdir -m 700 "$work/backups"
run_sql postgres -c "ALTER SYSTEM SET researcharr.backup_directory = '$work/backups'" -c 'SELECT pg_reload_conf()' >/dev/null
run_sql postgres -c 'CREATE DATABASE bench'
run_sql bench -c 'CREATE EXTENSION researcharr CASCADE' 2>/dev/null
run_sql bench <<-END
	INSERT INTO researcharr.media (title, type, external_id, metadata)
		SELECT 'film ' || n, 'movie', n, '{"radarr": {"hasFile": true}}' FROM generate_series(1, $JOBS / 10) AS n;
	INSERT INTO researcharr.movies (media_id, year) SELECT id, 2000 FROM researcharr.media;
	CREATE TABLE m AS SELECT row_number() OVER () AS n, id FROM researcharr.media;
	DO \$\$ BEGIN
		FOR i IN 1..$JOBS / 10000 LOOP
			PERFORM researcharr.job_enqueue_arrays(array_agg(id), '{search}') FROM m, generate_series(1, 10)
				WHERE n % ($JOBS / 10000) = i - 1;
			PERFORM researcharr.job_complete_many(array_agg(id), array_agg(attempt))
				FROM researcharr.job_dequeue(max_jobs => 10000, worker => 'worker ' || i);
			COMMIT;
		END LOOP;
	END \$\$;
	DROP TABLE m;
	VACUUM ANALYZE;
	CHECKPOINT;
END
echo "jobs: $(run_sql bench -c 'SELECT count(*) FROM researcharr.processing_jobs'), history:" \
	"$(run_sql bench -c 'SELECT count(*) FROM researcharr.processing_history'), database:" \
	"$(run_sql bench -c "SELECT pg_size_pretty(pg_database_size('bench'))")"

# seconds COMMAND...: how long it takes, in $seconds
seconds()
{
	began=$(date +%s.%N)
	"$@" || die "failed: $*"
	seconds=$(echo "$(date +%s.%N) $began" | awk '{ printf "%.2f", $1 - $2 }')
}

create()
{
	run_sql bench -c "SELECT researcharr.backup_drop('bench')" >/dev/null
	seconds run_sql bench -c "SELECT researcharr.backup_create('bench')" >/dev/null
}

dump()
{
	rm -f "$work/dump"
	seconds $as_user pg_dump -Fc -Z0 -f "$work/dump" bench
}

# ratio NAME BAR: of the medians of NAME.ours and NAME.theirs; how is in $compare
ratio()
{
	ours=$(median "$work/$1.ours") theirs=$(median "$work/$1.theirs")
	echo "$1 $ours $theirs $2" | awk -v compare="$compare" '{
		ratio = $2 / $3
		ok = compare == "most" ? ratio <= $4 : ratio >= $4
		printf "%-8s ours %10.2f  theirs %10.2f  ratio %.2f (at %s %s) %s\n", $1, $2, $3, ratio, compare, $4, ok ? "ok" : "MISSED"
		exit !ok }' || missed=1
}
missed=

# wanted STEP
wanted()
{
	case " $STEPS " in
	*" $1 "*) ;;
	*) return 1 ;;
	esac
}

for i in $(wanted create && seq 1 "$REPEAT"); do
	create && echo "$seconds" >>"$work/create.ours"
	dump && echo "$seconds" >>"$work/create.theirs"
done
compare=most
! wanted create || ratio create 1.2

# what clients do beside one or the other, over and over
cat >"$work/client.sql" <<-END
	SELECT researcharr.job_enqueue((SELECT id FROM researcharr.media LIMIT 1), 'verify');
	SELECT researcharr.job_complete(id, attempt) FROM researcharr.job_dequeue('{verify}');
END
chmod a+r "$work/client.sql"
beside()
{
	clients_begin bench "$work/client.sql" -T "$RUN_SECONDS"
	end=$(($(date +%s) + RUN_SECONDS))
	while [ "$(date +%s)" -lt "$end" ]; do
		"$1"
	done
	clients_end
}
for i in $(wanted clients && seq 1 "$REPEAT"); do
	beside create && echo "$tps" >>"$work/clients.ours"
	beside dump && echo "$tps" >>"$work/clients.theirs"
done
compare=least
! wanted clients || ratio clients 0.95

create
dump
tables="{$(run_sql bench -c "SELECT string_agg(DISTINCT CASE WHEN c.relispartition THEN pg_partition_root(c.oid)::regclass ELSE c.oid::regclass END::text, ',')
	FROM pg_extension, unnest(extconfig, extcondition) AS r (id, condition) JOIN pg_class AS c ON c.oid = r.id
	WHERE extname = 'researcharr' AND r.condition <> 'WHERE false' AND c.relname NOT IN ('access_grants', 'backups', 'restore_fence')" | sed 's/researcharr\.//g')}"
for i in $(wanted restore && seq 1 "$REPEAT"); do
	run_sql bench -c "SELECT pg_catalog.set_config('researcharr.audit', 'off', false);
		TRUNCATE researcharr.media, researcharr.tracked_items, researcharr.instances, researcharr.movies, researcharr.series, researcharr.episodes, researcharr.processing_jobs,
		researcharr.queue_items, researcharr.audit_log, researcharr.processing_history" -c CHECKPOINT >/dev/null
	seconds run_sql bench -c "SELECT researcharr.backup_restore('bench', '$tables', false)" >/dev/null
	echo "$seconds" >>"$work/restore.ours"
	run_sql postgres -c 'DROP DATABASE IF EXISTS other' -c 'CREATE DATABASE other'
	run_sql other -c 'CREATE EXTENSION researcharr CASCADE' -c CHECKPOINT 2>/dev/null
	seconds $as_user pg_restore --data-only -d other "$work/dump"
	echo "$seconds" >>"$work/restore.theirs"
done
compare=most
! wanted restore || ratio restore 1.5
[ -z "$missed" ]
