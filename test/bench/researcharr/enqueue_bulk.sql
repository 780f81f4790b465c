-- jobs: 1000
-- arrays, as a client binds them
SELECT count(*) FROM (
    SELECT array_agg(('00000000-0000-7000-8000-' || lpad((1 + (random() * 19999)::int)::text, 12, '0'))::uuid) AS media,
        array_agg((random() * 100)::int) AS priorities
    FROM generate_series(1, 1000)) j,
    researcharr.job_enqueue_arrays(media, '{search}', priorities, metadata => '{"{\"src\": \"upload\"}"}');
