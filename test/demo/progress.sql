-- progress.sql: how many jobs wait, run and are finished, as one line of text.
SELECT format('waiting %s  running %s  completed %s  failed %s',
	lpad((count(*) FILTER (WHERE status = 'queued'))::text, 4), count(*) FILTER (WHERE status = 'running'),
	lpad((count(*) FILTER (WHERE status = 'completed'))::text, 4), count(*) FILTER (WHERE status = 'failed'))
FROM researcharr.processing_jobs;
