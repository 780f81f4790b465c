\set prio random(0, 100)
\set media random(1, 20000)
SELECT researcharr.job_enqueue(('00000000-0000-7000-8000-' || lpad(:media::int::text, 12, '0'))::uuid,
    'search', :prio::int, metadata => '{"src": "upload"}');
