-- jobs: 100
SELECT coalesce(array_agg(id), '{}') AS ids, coalesce(array_agg(attempt), '{}') AS attempts
FROM researcharr.job_dequeue(ARRAY['search'], 100) \aset
-- done
SELECT count(*) FROM researcharr.job_complete_many(:ids::uuid[], :attempts::int[]);
