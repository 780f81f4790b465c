SELECT * FROM researcharr.job_dequeue(ARRAY['search']) \aset
-- done
SELECT researcharr.job_complete(:id::uuid, :attempt::int);
