SELECT count(*) FROM researcharr.processing_jobs WHERE status = 'queued';
