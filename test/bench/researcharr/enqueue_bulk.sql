-- jobs: 1000
INSERT INTO researcharr.processing_jobs (media_id, job_type, priority, metadata)
SELECT ('00000000-0000-7000-8000-' || lpad((1 + (random() * 19999)::int)::text, 12, '0'))::uuid,
       'search', (random() * 100)::int, '{"src": "upload"}'
FROM generate_series(1, 1000);
