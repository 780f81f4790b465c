# worker.sh: what each worker of docs/clients must do.  Sourced by test/clients/run.

worker_pid=

# Start the worker in the background.
begin_worker()
{
	PGUSER=media_worker run_client "$1" "$2" >>"$3" 2>&1 &
	worker_pid=$!
}

# Kill the worker, if it runs still.
end_worker()
{
	[ -n "$worker_pid" ] || return 0
	kill -s KILL "$worker_pid" 2>/dev/null
	wait "$worker_pid" 2>/dev/null
	worker_pid=
}

# Tell the worker to stop.
stop_worker()
{
	kill -s TERM "$worker_pid"
}

# has_left CLIENT: the worker ends, with the status for that, and so do its sessions.
has_left()
{
	for _ in $(seq 1 900); do
		if ! kill -0 "$worker_pid" 2>/dev/null; then
			local rc
			wait "$worker_pid"
			rc=$?
			worker_pid=
			[ $rc = "$(status_of_stopped "$1")" ] || return 1
			until_true "SELECT count(*) = 1 FROM pg_stat_activity
				WHERE datname = current_database() AND backend_type = 'client backend'"
			return
		fi
		sleep 0.2
	done
	return 1
}

sleeps()
{
	until_true "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database()
		AND wait_event_type = 'Extension' AND pid <> pg_backend_pid()"
}

# Hold the lock that jobs titled "held" wait for.
hold()
{
	coproc holder { sql; }
	echo 'SELECT pg_advisory_lock(1);' >&"${holder[1]}"
	holder_in=${holder[1]} holder_pid=$holder_PID
	until_true "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND database =
		(SELECT oid FROM pg_database WHERE datname = current_database())"
}

let_go()
{
	exec {holder_in}>&-
	wait "$holder_pid" 2>/dev/null
}

# Wait until the worker is held up in its work.
is_held()
{
	until_true "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
}

# Whether n jobs have that status
jobs_are()
{
	until_true "SELECT count(*) = $2 FROM researcharr.processing_jobs WHERE status = '$1'"
}

# fact SQL: must return t now
fact()
{
	[ "$(sql -c "$1")" = t ]
}

# must TEXT COMMAND...: on failure, why says what did not come about
must()
{
	why=$1
	shift
	"$@" || return 1
	why=
}

try_worker()
{
	worker_life "$@"
	local rc=$?
	[ -z "${holder_pid:-}" ] || ! kill -0 "$holder_pid" 2>/dev/null || let_go
	end_worker
	return $rc
}

worker_life()
{
	# jobs that succeed, and one that fails
	sql -c "SELECT add_job('fine ' || n) FROM generate_series(1, 10) AS n; SELECT add_job('broken', 0)" >/dev/null
	begin_worker "$@"
	must 'jobs are done' jobs_are completed 10 || return
	must 'a job fails' jobs_are failed 1 || return
	must 'the error is kept' fact "SELECT error_message LIKE '%broken on purpose%'
		FROM researcharr.processing_jobs WHERE status = 'failed'" || return
	must 'once each, with a result and a worker' fact "SELECT bool_and(attempt = 1 AND worker > ''
			AND m.status = 'completed' AND jsonb_typeof(result) = 'object')
		FROM researcharr.processing_jobs AS j JOIN researcharr.media AS m ON m.id = j.media_id
		WHERE j.status = 'completed'" || return
	must 'the audit log says who' fact "SELECT count(*) = 10 AND bool_and(user_id LIKE 'worker%')
		FROM researcharr.audit_log WHERE entity_type = 'media' AND action = 'update'" || return

	# a job that is cancelled meanwhile is dropped, and the worker goes on
	hold
	sql -c "SELECT add_job('held')" >/dev/null
	must 'a job is held up' is_held || return
	sql -c "SELECT researcharr.job_cancel(id) FROM researcharr.processing_jobs WHERE status = 'running';
		SELECT add_job('fine 11')" >/dev/null
	let_go
	must 'it goes on after RA001' jobs_are completed 11 || return
	must 'the lost work is undone' fact "SELECT count(*) = 1 FROM researcharr.processing_jobs AS j
		JOIN researcharr.media AS m ON m.id = j.media_id
		WHERE m.title = 'held' AND j.status = 'cancelled' AND m.status <> 'completed'" || return

	# the server goes away, and comes back
	must 'it sleeps' sleeps || return
	rc=0
	stop_server
	start_server
	sql -c "SELECT add_job('fine 12')" >/dev/null
	must 'it connects again' jobs_are completed 12 || return

	# told to stop while it sleeps, it leaves at once, and takes nothing
	must 'it sleeps again' sleeps || return
	stop_worker
	must 'it leaves' has_left "$1" || return
	sql -c "SELECT add_job('fine 13')" >/dev/null
	must 'nobody takes a job for it' fact "SELECT count(*) = 0 FROM researcharr.processing_jobs
		WHERE status = 'running'" || return

	# told to stop while it works, it finishes that, and takes nothing else
	sql -c "DELETE FROM researcharr.processing_jobs" >/dev/null
	hold
	sql -c "SELECT add_job('held')" >/dev/null
	begin_worker "$@"
	must 'a job is held up again' is_held || return
	sql -c "SELECT add_job('fine 14')" >/dev/null
	stop_worker
	let_go
	must 'it leaves after its job' has_left "$1" || return
	must 'that job is done, and the next one is not taken' fact "SELECT
		count(*) FILTER (WHERE status = 'completed' AND attempt = 1) = 1
		AND count(*) FILTER (WHERE status = 'queued') = 1
		FROM researcharr.processing_jobs"
}
