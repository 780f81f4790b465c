SELECT * FROM researcharr.job_dequeue(ARRAY['search']) \aset
-- done
SELECT * FROM researcharr.job_fail(:id::uuid, :attempt::int, 'boom', '60 s');
