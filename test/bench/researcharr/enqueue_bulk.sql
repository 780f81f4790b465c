-- jobs: 1000
-- JSON as text, as a client sends it
SELECT count(*) FROM researcharr.job_enqueue_many((
    SELECT '[' || string_agg('{"media_id": "00000000-0000-7000-8000-' || lpad((1 + (random() * 19999)::int)::text, 12, '0')
               || '", "job_type": "search", "priority": ' || (random() * 100)::int
               || ', "metadata": {"src": "upload"}}', ', ') || ']'
    FROM generate_series(1, 1000))::jsonb);
