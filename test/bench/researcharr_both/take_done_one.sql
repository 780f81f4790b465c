\if :{?attempt}
SELECT * FROM researcharr.job_complete_and_dequeue(:id::uuid, :attempt::int, NULL, ARRAY['search']) \aset
\else
SELECT * FROM researcharr.job_dequeue(ARRAY['search']) \aset
\endif
