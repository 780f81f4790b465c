# install.sh: the queue, and the script of a worker that takes a job, then completes
# it and takes the next one in one call, 99 times, and completes the last one.
set -e
psql -Xq -v ON_ERROR_STOP=1 -f "$(dirname "$0")/../researcharr/install.sql"
{
	cat <<-'END'
		-- jobs: 100
		SELECT * FROM researcharr.job_dequeue(ARRAY['search']) \aset
	END
	for _ in $(seq 99); do
		cat <<-'END'
			SELECT * FROM researcharr.job_complete_and_dequeue(:id::uuid, :attempt::int, NULL, ARRAY['search']) \aset
		END
	done
	cat <<-'END'
		SELECT researcharr.job_complete(:id::uuid, :attempt::int);
	END
} >"$BENCH_SCRIPTS/take_done_one.sql"
