INSERT INTO researcharr.processing_jobs (media_id, job_type, priority, metadata, created_at)
SELECT ('00000000-0000-7000-8000-' || lpad((1 + g % 20000)::text, 12, '0'))::uuid, 'search',
       (random() * 100)::int, '{"src": "upload"}', now() - (:n - g) * interval '1 ms'
FROM generate_series(1, :n) g;
