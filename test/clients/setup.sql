-- setup.sql: the database that each program of docs/clients starts with.
--
-- Workers connect as media_worker, a role that may do what workers do.
-- The workers set media to "completed".  A trigger makes trouble then, by title:
-- "broken" fails, and "held" waits for the advisory lock 1.
SET client_min_messages = warning;
CREATE EXTENSION researcharr CASCADE;
CREATE ROLE media_worker LOGIN;
SELECT researcharr.access_grant('media_worker', 'worker');
CREATE FUNCTION public.trouble() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.title = 'broken' THEN
		RAISE EXCEPTION 'broken on purpose';
	ELSIF NEW.title = 'held' THEN
		PERFORM pg_advisory_xact_lock(1);
	END IF;
	RETURN NULL;
END
$$;
CREATE TRIGGER trouble AFTER UPDATE OF status ON researcharr.media
	FOR EACH ROW WHEN (NEW.status = 'completed') EXECUTE FUNCTION public.trouble();
-- Adds a movie of that title, and a job for it.
CREATE FUNCTION public.add_job(title text, max_retries int DEFAULT NULL) RETURNS uuid LANGUAGE sql AS $$
	SELECT researcharr.job_enqueue((researcharr.movie_create(jsonb_build_object('title', title))).id,
		'search', max_retries => max_retries)
$$;
