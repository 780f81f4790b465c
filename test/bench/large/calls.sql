-- calls.sql: the calls that test/bench/large.sh measures, and whose plans
-- test/t/059_plans.pl looks at.  Scripts of pgbench.
--
-- A line "-- call NAME CLASS[:ROUNDS] [WHY]" begins a call.  Its class says what
-- it has to hold to:
--   key     by a key: 10 ms
--   queue   of the job queue: 10 ms
--   page    50 rows at most, or a number that is as quick to have: 100 ms
--   search  of titles, whatever matches: 100 ms
--   write   a change of some rows: 100 ms
--   all     returns, counts or changes much: nothing.  The line says why
--   scan    reads much to return little: nothing.  The line says why
-- With ROUNDS, each of many clients runs the script that many times, and a single
-- client ten times as often, instead of for some seconds: what ready.sql has made
-- for it is used up.
--
-- A line "-- except FUNCTION: WHY" names a function that no call has to use.  All
-- others of the schema must be used.
--
-- Variables are the numbers of rows of bench.sizes.

-- functions that no client calls for themselves
-- except search_text_in: input of a type
-- except search_text_out: output of a type
-- except metadata_is_valid: for CHECK constraints
-- except config_value_is_valid: for CHECK constraints
-- except job_type_builtin: for a view; returns three constant rows
-- except run_maintenance: the background worker does the same all the time
-- except schedule_run: starts a process
-- except backup_create: reads everything; test/bench/backup.sh
-- except backup_verify: reads a whole backup; test/bench/backup.sh
-- except backup_restore: writes everything; test/bench/backup.sh
-- except backup_list: reads a directory and a few rows
-- except backup_cleanup: removes files
-- except backup_drop: removes files
-- except access_grant: administration, once for a role
-- except access_revoke: administration, once for a role
-- except access_apply: administration, after a restore
-- except legacy_adopt: reads a whole old database
-- except legacy_finish: drops two views

-- by key

-- call media_get_by_id key
\set n random(0, :movies - 1)
SELECT * FROM researcharr.media_get_by_id(bench.id('movie', :n));

-- call media_exists key
\set n random(0, :movies - 1)
SELECT researcharr.media_exists(bench.id('movie', :n));

-- call movie_get_by_id key
\set n random(0, :movies - 1)
SELECT * FROM researcharr.movie_get_by_id(bench.id('movie', :n));

-- call movie_exists key
\set n random(0, :movies - 1)
SELECT researcharr.movie_exists(bench.id('movie', :n));

-- call series_get_by_id key
\set n random(0, :series - 1)
SELECT * FROM researcharr.series_get_by_id(bench.id('series', :n));

-- call series_exists key
\set n random(0, :series - 1)
SELECT researcharr.series_exists(bench.id('series', :n));

-- call episode_get_by_id key
\set n random(0, :episodes - 1)
SELECT * FROM researcharr.episode_get_by_id(bench.id('episode', :n));

-- call episode_exists key
\set n random(0, :episodes - 1)
SELECT researcharr.episode_exists(bench.id('episode', :n));

-- call job_get_by_id key
\set n random(0, :done - 1)
SELECT * FROM researcharr.job_get_by_id(bench.id('done', :n));

-- call job_exists key
\set n random(0, :done - 1)
SELECT researcharr.job_exists(bench.id('done', :n));

-- call queue_item_get_by_id key
\set n random(0, :items - 1)
SELECT * FROM researcharr.queue_item_get_by_id(bench.id('item', :n));

-- call queue_item_exists key
\set n random(0, :items - 1)
SELECT researcharr.queue_item_exists(bench.id('item', :n));

-- call history_get_by_id key
\set n random(0, :done - 1)
SELECT * FROM researcharr.history_get_by_id(bench.id('done', :n));

-- call history_exists key
\set n random(0, :done - 1)
SELECT researcharr.history_exists(bench.id('done', :n));

-- call audit_get_by_id key
\set n random(0, :audited - 1)
SELECT * FROM researcharr.audit_get_by_id(bench.id('audit', :n));

-- call audit_exists key
\set n random(0, :audited - 1)
SELECT researcharr.audit_exists(bench.id('audit', :n));

-- call config_get_by_id key
\set n random(0, 249) * 4
SELECT * FROM researcharr.config_get_by_id((SELECT c.id FROM researcharr.configuration c WHERE c.key = 'app.section' || :n / 20 || '.int' || :n));

-- call config_exists key
\set n random(0, 249) * 4
SELECT researcharr.config_exists((SELECT c.id FROM researcharr.configuration c WHERE c.key = 'app.section' || :n / 20 || '.int' || :n));

-- call webui_user_get_by_id key
\set n random(0, 99)
SELECT * FROM researcharr.webui_user_get_by_id((SELECT u.id FROM researcharr.webui_users u WHERE u.username = 'user ' || :n));

-- call webui_user_exists key
\set n random(0, 99)
SELECT researcharr.webui_user_exists((SELECT u.id FROM researcharr.webui_users u WHERE u.username = 'user ' || :n));

-- call media_get_by_external_id key
\set n random(0, :movies - 1)
SELECT * FROM researcharr.media_get_by_external_id((1 + :n)::text, 'movie');

-- call job_get_by_media key
\set n random(0, :movies - 1)
SELECT * FROM researcharr.job_get_by_media(bench.id('movie', :n));

-- call config_get key
\set n random(0, 249) * 4 + 0
SELECT researcharr.config_get('app.section' || :n / 20 || '.int' || :n);

-- call config_get_int key
\set n random(0, 249) * 4 + 0
SELECT researcharr.config_get_int('app.section' || :n / 20 || '.int' || :n);

-- call config_get_bool key
\set n random(0, 249) * 4 + 1
SELECT researcharr.config_get_bool('app.section' || :n / 20 || '.bool' || :n);

-- call config_get_json key
\set n random(0, 249) * 4 + 2
SELECT researcharr.config_get_json('app.section' || :n / 20 || '.json' || :n);

-- call uuid_v7 key
SELECT researcharr.uuid_v7();

-- validation

-- call media_validate key
SELECT * FROM researcharr.media_validate('{"title": "", "type": "film", "colour": "red"}');

-- call movie_validate key
SELECT * FROM researcharr.movie_validate('{"title": "Alien", "year": 1492}');

-- call series_validate key
SELECT * FROM researcharr.series_validate('{"title": "Cosmos", "seasons": -1}');

-- call episode_validate key
SELECT * FROM researcharr.episode_validate('{"title": "Pilot", "season_number": 1}');

-- call job_validate key
SELECT * FROM researcharr.job_validate('{"job_type": "search", "priority": 101}');

-- call queue_item_validate key
SELECT * FROM researcharr.queue_item_validate('{"service": "radarr", "priority": 101}');

-- call config_validate key
SELECT * FROM researcharr.config_validate('{"key": "a", "value": "x", "value_type": "int"}');

-- call webui_user_validate key
SELECT * FROM researcharr.webui_user_validate('{"username": ""}');

-- pages

-- call media_get_all page
SELECT * FROM researcharr.media_get_all('{}', 50);

-- call media_get_all by id page
\set n random(0, :movies - 1)
SELECT * FROM researcharr.media_get_all(jsonb_build_object('id', jsonb_build_object('gt', bench.id('movie', :n))), 50, order_by => 'id');

-- call media_get_all pending by id page
SELECT * FROM researcharr.media_get_all('{"status": "pending"}', 50, order_by => 'id');

-- call media_get_all movies by title scan no index on all titles: it would cost each change of media too much
SELECT * FROM researcharr.media_get_all('{"type": "movie"}', 50, order_by => 'title');

-- call media_get_all movies by created_at page
SELECT * FROM researcharr.media_get_all('{"type": "movie"}', 50, order_by => 'created_at desc');

-- call media_get_all failed by created_at page
SELECT * FROM researcharr.media_get_all('{"status": "failed"}', 50, order_by => 'created_at desc');

-- call media_get_all by created_at page
SELECT * FROM researcharr.media_get_all('{}', 50, order_by => 'created_at desc');

-- call media_get_all by title scan no index on all titles: it would cost each change of media too much
SELECT * FROM researcharr.media_get_all('{}', 50, order_by => 'title');

-- call media_get_all created before page
\set n random(0, :movies - 1)
SELECT * FROM researcharr.media_get_all(jsonb_build_object('type', 'movie', 'created_at', jsonb_build_object('lt', bench.made_at('movie', :n))), 50, order_by => 'created_at desc');

-- call media_get_all ilike page
\set n random(0, :movies - 1)
SELECT * FROM researcharr.media_get_all(jsonb_build_object('title', jsonb_build_object('ilike', '%' || bench.word((:n % 3876)::int) || '%')), 50);

-- call media_get_all contains page
\set n random(0, :movies - 1)
SELECT * FROM researcharr.media_get_all(jsonb_build_object('title', jsonb_build_object('contains', bench.title('movie', :n))), 50);

-- call media_get_all metadata scan no index on metadata
\set n random(0, :movies - 1)
SELECT * FROM researcharr.media_get_all(jsonb_build_object('metadata', jsonb_build_object('contains', jsonb_build_object('radarr', jsonb_build_object('id', :n::int)))), 50);

-- call movie_get_all page
SELECT * FROM researcharr.movie_get_all('{}', 50);

-- call movie_get_all by id page
\set n random(0, :movies - 1)
SELECT * FROM researcharr.movie_get_all(jsonb_build_object('id', jsonb_build_object('gt', bench.id('movie', :n))), 50, order_by => 'id');

-- call movie_get_all by title scan no index on all titles: it would cost each change of media too much
SELECT * FROM researcharr.movie_get_all('{}', 50, order_by => 'title');

-- call movie_get_all by created_at page
SELECT * FROM researcharr.movie_get_all('{}', 50, order_by => 'created_at desc');

-- call movie_get_all pending page
SELECT * FROM researcharr.movie_get_all('{"status": "pending"}', 50, order_by => 'id');

-- call series_get_all page
SELECT * FROM researcharr.series_get_all('{}', 50);

-- call series_get_all by id page
\set n random(0, :series - 1)
SELECT * FROM researcharr.series_get_all(jsonb_build_object('id', jsonb_build_object('gt', bench.id('series', :n))), 50, order_by => 'id');

-- call series_get_all by title page
SELECT * FROM researcharr.series_get_all('{}', 50, order_by => 'title');

-- call series_get_all by created_at page
SELECT * FROM researcharr.series_get_all('{}', 50, order_by => 'created_at desc');

-- call series_get_all pending page
SELECT * FROM researcharr.series_get_all('{"status": "pending"}', 50, order_by => 'id');

-- call episode_get_all page
SELECT * FROM researcharr.episode_get_all('{}', 50);

-- call episode_get_all by id page
\set n random(0, :episodes - 1)
SELECT * FROM researcharr.episode_get_all(jsonb_build_object('id', jsonb_build_object('gt', bench.id('episode', :n))), 50, order_by => 'id');

-- call episode_get_all by title scan no index on all titles: it would cost each change of media too much
SELECT * FROM researcharr.episode_get_all('{}', 50, order_by => 'title');

-- call episode_get_all by created_at page
SELECT * FROM researcharr.episode_get_all('{}', 50, order_by => 'created_at desc');

-- call episode_get_all pending page
SELECT * FROM researcharr.episode_get_all('{"status": "pending"}', 50, order_by => 'id');

-- call movie_get_all of a year page
\set n random(0, 104)
SELECT * FROM researcharr.movie_get_all(jsonb_build_object('year', 1920 + :n), 50);

-- call movie_get_all of a year by title page
\set n random(0, 104)
SELECT * FROM researcharr.movie_get_all(jsonb_build_object('year', 1920 + :n), 50, order_by => 'title');

-- call movie_get_all by year page
SELECT * FROM researcharr.movie_get_all('{}', 50, order_by => 'year desc, id');

-- call movie_get_all imdb_id page
\set n random(0, :movies - 1)
SELECT * FROM researcharr.movie_get_all(jsonb_build_object('imdb_id', 'tt' || lpad(:n::text, 7, '0')), 50);

-- call movie_get_all tmdb_id page
\set n random(0, :movies - 1)
SELECT * FROM researcharr.movie_get_all(jsonb_build_object('tmdb_id', 1 + :n::int), 50);

-- call movie_get_all ilike page
\set n random(0, :movies - 1)
SELECT * FROM researcharr.movie_get_all(jsonb_build_object('title', jsonb_build_object('ilike', '%' || bench.word((:n % 3876)::int) || '%')), 50);

-- call movie_get_all failed by title page
SELECT * FROM researcharr.movie_get_all('{"status": "failed"}', 50, order_by => 'title');

-- call movie_get_all offset 1000 page
SELECT * FROM researcharr.movie_get_all('{}', 50, 1000, order_by => 'id');

-- call movie_get_all by runtime scan no index on runtime_minutes
SELECT * FROM researcharr.movie_get_all('{}', 50, order_by => 'runtime_minutes');

-- call movie_get_all by metadata scan no index on metadata
SELECT * FROM researcharr.movie_get_all('{}', 50, order_by => 'metadata');

-- call episode_get_all of a series page
\set n random(0, :series - 1)
SELECT * FROM researcharr.episode_get_all(jsonb_build_object('series_id', bench.id('series', :n)), 50, order_by => 'season_number, episode_number');

-- call episode_get_all by air_date scan no index on air_date
SELECT * FROM researcharr.episode_get_all('{}', 50, order_by => 'air_date desc');

-- call job_get_all page
SELECT * FROM researcharr.job_get_all('{}', 50);

-- call job_get_all by id page
\set n random(0, :done - 1)
SELECT * FROM researcharr.job_get_all(jsonb_build_object('id', jsonb_build_object('gt', bench.id('done', :n))), 50, order_by => 'id');

-- call job_get_all latest page
SELECT * FROM researcharr.job_get_all('{}', 50, order_by => 'id desc');

-- call job_get_all failed page
SELECT * FROM researcharr.job_get_all('{"status": "failed"}', 50, order_by => 'completed_at desc');

-- call job_get_all failed of a type page
SELECT * FROM researcharr.job_get_all('{"status": "failed", "job_type": "verify"}', 50, order_by => 'completed_at desc');

-- call job_get_all queued of a type page
SELECT * FROM researcharr.job_get_all('{"status": "queued", "job_type": "verify"}', 50);

-- call job_get_all running scan reads all unfinished jobs: an index with the lease would cost every claim its HOT update
SELECT * FROM researcharr.job_get_all('{"status": "running"}', 50, order_by => 'id');

-- call job_get_all of a media page
\set n random(0, :movies - 1)
SELECT * FROM researcharr.job_get_all(jsonb_build_object('media_id', bench.id('movie', :n)), 50, order_by => 'id');

-- call job_get_all by created_at scan no index on created_at; by id is the same order
SELECT * FROM researcharr.job_get_all('{}', 50, order_by => 'created_at desc');

-- call job_get_all of a worker scan no index on worker
\set n random(0, 49)
SELECT * FROM researcharr.job_get_all(jsonb_build_object('worker', 'worker-' || :n), 50, order_by => 'id desc');

-- call job_get_pending page
SELECT * FROM researcharr.job_get_pending(50);

-- call job_get_failed all no limit; job_get_all of failed jobs pages
SELECT count(*) FROM researcharr.job_get_failed();

-- call queue_item_get_all page
SELECT * FROM researcharr.queue_item_get_all('{}', 50);

-- call queue_item_get_all by id page
\set n random(0, :items - 1)
SELECT * FROM researcharr.queue_item_get_all(jsonb_build_object('id', jsonb_build_object('gt', bench.id('item', :n))), 50, order_by => 'id');

-- call queue_item_get_all of a service scan no index on priority but that of items without a retry
SELECT * FROM researcharr.queue_item_get_all('{"service": "radarr"}', 50, order_by => 'priority desc');

-- call queue_item_get_all of a media page
\set n random(0, :movies - 1)
SELECT * FROM researcharr.queue_item_get_all(jsonb_build_object('media_id', bench.id('movie', :n)), 50);

-- call history_get_all page
SELECT * FROM researcharr.history_get_all('{}', 50);

-- call history_get_all of a job page
\set n random(0, :done - 1)
SELECT * FROM researcharr.history_get_all(jsonb_build_object('job_id', bench.id('done', :n)), 50);

-- call history_get_all of a media scan no index on media_id
\set n random(0, :movies - 1)
SELECT * FROM researcharr.history_get_all(jsonb_build_object('media_id', bench.id('movie', :n)), 50, order_by => 'id');

-- call history_get_all latest page
SELECT * FROM researcharr.history_get_all('{}', 50, order_by => 'id desc');

-- call history_get_all of an hour page
\set n random(0, :done - 1)
SELECT * FROM researcharr.history_get_all(jsonb_build_object('id', jsonb_build_object('gte', bench.id('done', :n), 'lt', bench.id('done', :n + 900))), 50, order_by => 'id');

-- call history_get_all by timestamp scan no index on timestamp; a range of ids is one of time
SELECT * FROM researcharr.history_get_all(jsonb_build_object('timestamp', jsonb_build_object('gte', bench.made_at('done', :done - 1000), 'lt', bench.made_at('done', :done - 900))), 50);

-- call history_get_all of an action scan no index on action
SELECT * FROM researcharr.history_get_all('{"action": "failed"}', 50, order_by => 'id desc');

-- call audit_get_all page
SELECT * FROM researcharr.audit_get_all('{}', 50);

-- call audit_get_all of a media page
\set n random(0, :movies - 1)
SELECT * FROM researcharr.audit_get_all(jsonb_build_object('entity_type', 'media', 'entity_id', bench.id('movie', :n)), 50, order_by => 'id');

-- call audit_get_all latest page
SELECT * FROM researcharr.audit_get_all('{}', 50, order_by => 'id desc');

-- call audit_get_all of an hour page
\set n random(0, :audited - 1)
SELECT * FROM researcharr.audit_get_all(jsonb_build_object('id', jsonb_build_object('gte', bench.id('audit', :n), 'lt', bench.id('audit', :n + 360))), 50, order_by => 'id');

-- call audit_get_all by timestamp scan no index on timestamp; a range of ids is one of time
SELECT * FROM researcharr.audit_get_all(jsonb_build_object('timestamp', jsonb_build_object('gte', bench.made_at('audit', :audited - 1000), 'lt', bench.made_at('audit', :audited - 900))), 50);

-- call audit_get_all of a user page
\set n random(0, 8)
SELECT * FROM researcharr.audit_get_all(jsonb_build_object('user_id', 'user ' || :n), 50, order_by => 'id desc');

-- call config_get_all page
SELECT * FROM researcharr.config_get_all('{"key": {"like": "app.section1.%"}}', 50, order_by => 'key');

-- call webui_user_get_all page
SELECT * FROM researcharr.webui_user_get_all('{}', 50, order_by => 'username');

-- call config_list page
\set n random(0, 49)
SELECT * FROM researcharr.config_list('app.section' || :n || '.');

-- search

-- call media_search a title search
\set n random(0, :movies - 1)
SELECT * FROM researcharr.media_search(bench.title('movie', :n)) LIMIT 50;

-- call media_search a word search
\set n random(300, 3875)
SELECT * FROM researcharr.media_search(bench.word(:n::int)) LIMIT 50;

-- call media_search a slip search
\set n random(300, 3875)
SELECT * FROM researcharr.media_search(overlay(bench.word(:n::int) PLACING 'x' FROM 4 FOR 1), 'movie') LIMIT 50;

-- call media_search the search
SELECT * FROM researcharr.media_search('the') LIMIT 50;

-- call media_search a frequent word search
SELECT * FROM researcharr.media_search(bench.word(1)) LIMIT 50;

-- call media_search two letters search
SELECT * FROM researcharr.media_search('ba') LIMIT 50;

-- numbers

-- call media_count all counts all media
SELECT researcharr.media_count();

-- call movie_count all counts all movies
SELECT researcharr.movie_count();

-- call series_count all counts all series
SELECT researcharr.series_count();

-- call episode_count all counts all episodes
SELECT researcharr.episode_count();

-- call job_count all counts all jobs
SELECT researcharr.job_count();

-- call queue_item_count all counts all items
SELECT researcharr.queue_item_count();

-- call history_count all counts all entries
SELECT researcharr.history_count();

-- call audit_count all counts all entries
SELECT researcharr.audit_count();

-- call count_estimate page
SELECT researcharr.count_estimate('media');

-- call config_count page
SELECT researcharr.config_count();

-- call webui_user_count page
SELECT researcharr.webui_user_count();

-- call movie_count processing page
SELECT researcharr.movie_count('{"status": "processing"}');

-- call media_count processing page
SELECT researcharr.media_count('{"status": "processing"}');

-- call job_count of a media page
\set n random(0, :movies - 1)
SELECT researcharr.job_count(jsonb_build_object('media_id', bench.id('movie', :n)));

-- call job_count queued all counts what waits
SELECT researcharr.job_count('{"status": "queued"}');

-- call media_get_by_status all no limit; media_get_all of a status pages
SELECT count(*) FROM researcharr.media_get_by_status('processing');

-- call job_stats scan counts all jobs now and then, and adds up counters between
SELECT * FROM researcharr.job_stats();

-- call agenda_status page
SELECT count(*) FROM researcharr.agenda_status();

-- changes

-- call media_create write
\set n random(1, 2000000000)
SELECT * FROM researcharr.media_create(jsonb_build_object('title', 'Measured ' || :n, 'type', 'movie'));

-- call movie_create write
\set n random(1, 2000000000)
SELECT * FROM researcharr.movie_create(jsonb_build_object('title', 'Measured ' || :n, 'year', 1994, 'metadata', jsonb_build_object('radarr', bench.radarr(:n))));

-- call series_create write
\set n random(1, 2000000000)
SELECT * FROM researcharr.series_create(jsonb_build_object('title', 'Measured ' || :n, 'seasons', 3));

-- call episode_create write
\set n random(1, 2000000000)
\set s random(0, :series - 1)
SELECT * FROM researcharr.episode_create(jsonb_build_object('title', 'Measured ' || :n, 'series_id', bench.id('series', :s), 'season_number', 9, 'episode_number', :n::int));

-- call job_create write
\set n random(0, :movies - 1)
SELECT * FROM researcharr.job_create(jsonb_build_object('media_id', bench.id('movie', :n), 'job_type', 'search'));

-- call queue_item_create write
\set n random(0, :movies - 1)
SELECT * FROM researcharr.queue_item_create(jsonb_build_object('media_id', bench.id('movie', :n), 'service', 'radarr', 'priority', 50));

-- call config_create write
SELECT * FROM researcharr.config_create(jsonb_build_object('key', 'created.' || researcharr.uuid_v7(), 'value', '1', 'value_type', 'int'));

-- call webui_user_create write
SELECT * FROM researcharr.webui_user_create(jsonb_build_object('username', 'created ' || researcharr.uuid_v7(), 'password_hash', 'x'));

-- call media_update write
\set n random(0, :movies - 1)
\set m random(1, 1000000)
SELECT * FROM researcharr.media_update(bench.id('movie', :n), jsonb_build_object('status', CASE :m % 2 WHEN 0 THEN 'completed' ELSE 'processing' END));

-- call movie_update write
\set n random(0, :movies - 1)
\set m random(1, 1000000)
SELECT * FROM researcharr.movie_update(bench.id('movie', :n), jsonb_build_object('status', CASE :m % 2 WHEN 0 THEN 'completed' ELSE 'processing' END));

-- call series_update write
\set n random(0, :series - 1)
\set m random(1, 1000000)
SELECT * FROM researcharr.series_update(bench.id('series', :n), jsonb_build_object('status', CASE :m % 2 WHEN 0 THEN 'completed' ELSE 'processing' END));

-- call episode_update write
\set n random(0, :episodes - 1)
\set m random(1, 1000000)
SELECT * FROM researcharr.episode_update(bench.id('episode', :n), jsonb_build_object('status', CASE :m % 2 WHEN 0 THEN 'completed' ELSE 'processing' END));

-- call movie_update the title write
\set n random(0, :movies - 1)
\set m random(1, 1000000)
SELECT * FROM researcharr.movie_update(bench.id('movie', :n), jsonb_build_object('title', bench.title('movie', :m)));

-- call movie_update the metadata write
\set n random(0, :movies - 1)
\set m random(1, 1000000)
SELECT * FROM researcharr.movie_update(bench.id('movie', :n), jsonb_build_object('metadata', jsonb_build_object('radarr', bench.radarr(:m))));

-- call job_update write
\set n random(0, :queued / 25 - 1) * 25
\set p random(0, 100)
SELECT * FROM researcharr.job_update(bench.id('queued', :n), jsonb_build_object('priority', :p::int));

-- call queue_item_update write
\set n random(0, :items - 1)
\set p random(0, 100)
SELECT * FROM researcharr.queue_item_update(bench.id('item', :n), jsonb_build_object('priority', :p::int));

-- call config_update write
\set n random(0, 249) * 4
SELECT * FROM researcharr.config_update((SELECT c.id FROM researcharr.configuration c WHERE c.key = 'app.section' || :n / 20 || '.int' || :n), '{"value": "7"}');

-- call webui_user_update write
\set n random(0, 99)
SELECT * FROM researcharr.webui_user_update((SELECT u.id FROM researcharr.webui_users u WHERE u.username = 'user ' || :n), jsonb_build_object('password_hash', 'y' || :n));

-- call config_set write
\set n random(0, 249) * 4
SELECT * FROM researcharr.config_set('app.section' || :n / 20 || '.int' || :n, :n::text, 'int');

-- call media_delete write:20
SELECT researcharr.media_delete(bench.id('spare movie', nextval('bench.spare')));

-- call movie_delete write:20
SELECT researcharr.movie_delete(bench.id('spare movie', nextval('bench.spare')));

-- call series_delete write:2
SELECT researcharr.series_delete(bench.id('spare series', nextval('bench.spare')));

-- call episode_delete write:20
SELECT researcharr.episode_delete(bench.id('spare episode', nextval('bench.spare')));

-- call job_delete write:20
SELECT researcharr.job_delete(bench.id('spare job', nextval('bench.spare')));

-- call queue_item_delete write:20
SELECT researcharr.queue_item_delete(bench.id('spare item', nextval('bench.spare')));

-- call config_delete write:20
SELECT researcharr.config_delete(bench.id('spare config', nextval('bench.spare')));

-- call webui_user_delete write:20
SELECT researcharr.webui_user_delete(bench.id('spare user', nextval('bench.spare')));

-- call unit_of_work write
\set n random(1, 2000000000)
SELECT researcharr.unit_of_work(jsonb_build_array(jsonb_build_object('op', 'create', 'entity', 'movie', 'values', jsonb_build_object('title', 'Measured ' || :n)),
	jsonb_build_object('op', 'create', 'entity', 'job', 'values', jsonb_build_object('media_id', '$0.id', 'job_type', 'search')),
	jsonb_build_object('op', 'update', 'entity', 'movie', 'id', '$0.id', 'values', jsonb_build_object('status', 'processing'))));

-- call media_import_radarr one write
\set n random(0, :movies - 1)
SELECT * FROM researcharr.media_import_radarr((SELECT jsonb_agg(bench.radarr(:n + i) || jsonb_build_object('title', bench.title('movie', :n + i), 'tmdbId', :n + i + 1, 'year', 1920 + (:n + i) % 105)) FROM generate_series(0, 0) i));

-- call media_import_radarr 100 all changes 100 movies
\set n random(0, :movies - 101)
SELECT * FROM researcharr.media_import_radarr((SELECT jsonb_agg(bench.radarr(:n + i) || jsonb_build_object('title', bench.title('movie', :n + i), 'tmdbId', :n + i + 1, 'year', 1920 + (:n + i) % 105)) FROM generate_series(0, 99) i));

-- call media_import_sonarr all changes a series and its 50 episodes
\set n random(0, :series - 1)
SELECT * FROM researcharr.media_import_sonarr((SELECT jsonb_build_array(bench.sonarr(:n) || jsonb_build_object('title', bench.title('series', :n), 'tvdbId', :n + 1))),
	(SELECT jsonb_agg(bench.sonarr_episode(e) || jsonb_build_object('title', bench.title('episode', e), 'tvdbId', e + 1, 'seriesId', :n::bigint, 'seasonNumber', 1 + e % 50 / 10, 'episodeNumber', 1 + e % 10)) FROM generate_series(50 * :n, 50 * :n + 49) e));

-- the job queue

-- call job_enqueue queue
\set n random(0, :movies - 1)
SELECT researcharr.job_enqueue(bench.id('movie', :n), 'search', (:n % 101)::int);

-- call job_enqueue_many all 100 jobs
\set n random(0, :movies - 101)
SELECT count(*) FROM researcharr.job_enqueue_many((SELECT jsonb_agg(jsonb_build_object('media_id', bench.id('movie', :n + i), 'job_type', 'search')) FROM generate_series(0, 99) i));

-- call job_enqueue_arrays all 100 jobs
\set n random(0, :movies - 101)
SELECT count(*) FROM (SELECT array_agg(bench.id('movie', :n + i)) AS media FROM generate_series(0, 99) i) m, researcharr.job_enqueue_arrays(media, '{search}');

-- call job_dequeue, job_complete queue
SELECT id, attempt FROM researcharr.job_dequeue('{search}') \gset
SELECT researcharr.job_complete(:id::uuid, :attempt::int);

-- call job_dequeue, job_heartbeat queue
SELECT id, attempt FROM researcharr.job_dequeue('{search}') \gset
SELECT researcharr.job_heartbeat(:id::uuid, :attempt::int);

-- call job_dequeue, job_release queue
SELECT id, attempt FROM researcharr.job_dequeue('{search}') \gset
SELECT researcharr.job_release(:id::uuid, :attempt::int);

-- call job_dequeue, job_fail queue
SELECT id, attempt FROM researcharr.job_dequeue('{search}') \gset
SELECT * FROM researcharr.job_fail(:id::uuid, :attempt::int, 'the indexer timed out', '1 day');

-- call job_dequeue, job_fail, job_retry queue
SELECT id, attempt FROM researcharr.job_dequeue('{search}') \gset
SELECT status FROM researcharr.job_fail(:id::uuid, :attempt::int, 'no such release', retry => false);
SELECT researcharr.job_retry(:id::uuid);

-- call job_enqueue, job_cancel queue
\set n random(0, :movies - 1)
SELECT researcharr.job_enqueue(bench.id('movie', :n), 'verify') AS id \gset
SELECT researcharr.job_cancel(:id::uuid);

-- call job_enqueue, job_mark_as_completed queue
\set n random(0, :movies - 1)
SELECT researcharr.job_enqueue(bench.id('movie', :n), 'verify') AS id \gset
SELECT researcharr.job_mark_as_completed(:id::uuid);

-- call job_dequeue_wait queue
CALL researcharr.job_dequeue_wait(NULL, '{search}', timeout => '1 s');

-- call job_next_due queue
SELECT researcharr.job_next_due();

-- call job_dequeue, job_complete_and_dequeue queue
SELECT id, attempt FROM researcharr.job_dequeue('{search}') \gset
SELECT id, attempt FROM researcharr.job_complete_and_dequeue(:id::uuid, :attempt::int, NULL, '{search}') \gset
SELECT researcharr.job_complete(:id::uuid, :attempt::int);

-- call job_dequeue, job_complete_many all:5 100 jobs
SELECT array_agg(id) AS ids, array_agg(attempt) AS attempts FROM researcharr.job_dequeue('{search}', 100) \gset
SELECT count(*) FROM researcharr.job_complete_many(:ids::uuid[], :attempts::int[]);

-- call job_dequeue, job_heartbeat_many, job_release_many all:5 100 jobs
SELECT array_agg(id) AS ids, array_agg(attempt) AS attempts FROM researcharr.job_dequeue('{search}', 100) \gset
SELECT count(*) FROM researcharr.job_heartbeat_many(:ids::uuid[], :attempts::int[]);
SELECT count(*) FROM researcharr.job_release_many(:ids::uuid[], :attempts::int[]);

-- call job_dequeue, job_fail_many, job_retry_many, job_cancel_many all:5 100 jobs
SELECT array_agg(id) AS ids, array_agg(attempt) AS attempts FROM researcharr.job_dequeue('{search}', 100) \gset
SELECT count(*) FROM researcharr.job_fail_many(:ids::uuid[], :attempts::int[], array_fill('no such release'::text, ARRAY[cardinality(:ids::uuid[])]), retry => false);
SELECT count(*) FROM researcharr.job_retry_many(:ids::uuid[]);
SELECT count(*) FROM researcharr.job_cancel_many(:ids::uuid[]);

-- call job_retry_all all looks at all failed jobs
SELECT researcharr.job_retry_all('{"status": "failed", "job_type": "refresh", "error_message": "no such message"}', 100);

-- call job_cancel_all all looks at all jobs that wait
SELECT researcharr.job_cancel_all('{"status": "queued", "job_type": "refresh", "metadata": {"contains": {"none": 1}}}', 100);

-- job types: their changes wait for each other

-- call job_type_register all:2 waits
SELECT researcharr.job_type_register('refresh', max_retries => 5);

-- call job_type_pause, job_type_resume all:2 waits
SELECT researcharr.job_type_pause('refresh');
SELECT researcharr.job_type_resume('refresh');

-- the services' queues

-- call queue_item_get_next queue:20
SELECT * FROM researcharr.queue_item_get_next('sonarr', 1);

-- call queue_item_get_next, queue_item_update_last_processed queue
SELECT id FROM researcharr.queue_item_get_next('radarr', 1) \gset
SELECT researcharr.queue_item_update_last_processed(:id::uuid);

-- call queue_item_increment_retry_count queue
\set n random(0, :items - 1)
SELECT researcharr.queue_item_increment_retry_count(bench.id('item', :n));

-- the schedule, retention, and the background worker

-- call schedule_next key
SELECT researcharr.schedule_next('30 2 * * mon-fri', 'Europe/Berlin');

-- call schedule_list page
SELECT * FROM researcharr.schedule_list();

-- call schedule_set, schedule_pause, schedule_resume, schedule_drop all:2 waits
SELECT researcharr.schedule_set('measured ' || :client_id, '0 0 1 1 *', 'enqueue', '{"job_type": "search", "filters": {"status": "failed"}}');
SELECT researcharr.schedule_pause('measured ' || :client_id);
SELECT researcharr.schedule_resume('measured ' || :client_id);
SELECT researcharr.schedule_drop('measured ' || :client_id);

-- call retention_list page
SELECT * FROM researcharr.retention_list();

-- call retention_set all:2 waits
SELECT researcharr.retention_set('audit', NULL);

-- call worker_status page
SELECT * FROM researcharr.worker_status();

-- the cache

-- call cache_set, cache_get key
\set n random(0, 9999)
SELECT researcharr.cache_set('bytes:' || :n, 'a value');
SELECT researcharr.cache_get('bytes:' || :n);

-- call cache_set_text, cache_get_text, cache_exists, cache_delete key
\set n random(0, 9999)
SELECT researcharr.cache_set_text('text:' || :n, 'a value', strategy => 'write_through');
SELECT researcharr.cache_get_text('text:' || :n), researcharr.cache_exists('text:' || :n);
SELECT researcharr.cache_delete('text:' || :n);

-- call cache_set_jsonb, cache_get_jsonb, cache_touch key
\set n random(0, 9999)
SELECT researcharr.cache_set_jsonb('jsonb:' || :n, '{"a": 1}', tags => '{measured}');
SELECT researcharr.cache_get_jsonb('jsonb:' || :n), researcharr.cache_touch('jsonb:' || :n, '1 hour');

-- call cache_set_many, cache_get_many page
SELECT researcharr.cache_set_many((SELECT array_agg('many:' || i) FROM generate_series(1, 50) i), array_fill('a value'::bytea, '{50}'));
SELECT * FROM researcharr.cache_get_many((SELECT array_agg('many:' || i) FROM generate_series(1, 50) i));

-- call cache_incr key
SELECT researcharr.cache_incr('numbers:' || :client_id);

-- call cache_fetch key
\set n random(0, :movies - 1)
SELECT researcharr.cache_fetch('movie:' || :n, 'SELECT title FROM researcharr.media WHERE id = $1', arguments => jsonb_build_array(bench.id('movie', :n)));

-- call media_get_by_id_cached, movie_get_by_id_cached key
\set n random(0, :movies - 1)
SELECT * FROM researcharr.media_get_by_id_cached(bench.id('movie', :n));
SELECT * FROM researcharr.movie_get_by_id_cached(bench.id('movie', :n));

-- call series_get_by_id_cached key
\set n random(0, :series - 1)
SELECT * FROM researcharr.series_get_by_id_cached(bench.id('series', :n));

-- call episode_get_by_id_cached key
\set n random(0, :episodes - 1)
SELECT * FROM researcharr.episode_get_by_id_cached(bench.id('episode', :n));

-- call job_get_by_id_cached key
\set n random(0, :done - 1)
SELECT * FROM researcharr.job_get_by_id_cached(bench.id('done', :n));

-- call queue_item_get_by_id_cached key
\set n random(0, :items - 1)
SELECT * FROM researcharr.queue_item_get_by_id_cached(bench.id('item', :n));

-- call cache_stats page
SELECT * FROM researcharr.cache_stats();

-- call cache_invalidate all:2 looks at all keys
SELECT researcharr.cache_invalidate('measured');

-- call cache_clear all:2 looks at all keys
SELECT researcharr.cache_clear('bytes:1%');

-- call cache_flush all:2 what there is to write
SELECT researcharr.cache_flush();

-- call cache_stats_reset key
SELECT researcharr.cache_stats_reset();

-- call cache_depends, cache_independent all:2 waits
SELECT researcharr.cache_depends('bench.sizes', 'sizes:{movies}');
SELECT researcharr.cache_independent('bench.sizes');

-- health

-- call health_check page
SELECT researcharr.health_check();

-- call metrics page
SELECT researcharr.metrics();

-- call health_table_sizes page
SELECT * FROM researcharr.health_table_sizes();

-- call slow_query_list page
SELECT * FROM researcharr.slow_query_list();

-- call record_slow_query, slow_query_reset page
SELECT researcharr.record_slow_query('measured', '2 s');
SELECT researcharr.slow_query_reset();

-- call report_html page
SELECT length(researcharr.report_html());

-- the library of instances

-- call instance_get_by_id key
SELECT * FROM researcharr.instance_get_by_id(bench.id('instance', 1));

-- call instance_exists key
SELECT researcharr.instance_exists(bench.id('instance', 2));

-- call instance_validate key
SELECT * FROM researcharr.instance_validate('{"name": "another", "service": "radarr"}');

-- call instance_get_all page
SELECT * FROM researcharr.instance_get_all('{}', 50);

-- call instance_count page
SELECT researcharr.instance_count('{"service": "sonarr"}');

-- call instance_create write
\set n random(1, 2000000000)
SELECT * FROM researcharr.instance_create(jsonb_build_object('name', 'instance ' || :n::bigint, 'service', 'sonarr'));

-- call instance_update write
\set n random(1, 200)
SELECT * FROM researcharr.instance_update(bench.id('spare instance', :n::bigint), jsonb_build_object('base_url', 'http://radarr:' || :n::bigint));

-- call instance_delete all:20 deletes all that the instance tracks, most of the table where there are few
SELECT researcharr.instance_delete(bench.id('spare instance', nextval('bench.spare')));

-- call tracked_item_get_by_id key
\set n random(0, :movies - 1)
SELECT * FROM researcharr.tracked_item_get_by_id(bench.id('tracked movie', :n::bigint));

-- call tracked_item_exists key
\set n random(0, :movies - 1)
SELECT researcharr.tracked_item_exists(bench.id('tracked episode', :n::bigint));

-- call tracked_item_validate key
\set n random(0, :movies - 1)
SELECT * FROM researcharr.tracked_item_validate(jsonb_build_object('instance_id', bench.id('instance', 1), 'kind', 'movie', 'service_id', :n::bigint, 'media_id', bench.id('movie', :n::bigint)));

-- call tracked_item_get_all of a media page
\set n random(0, :movies - 1)
SELECT * FROM researcharr.tracked_item_get_all(jsonb_build_object('media_id', bench.id('movie', :n::bigint)), 50);

-- call tracked_item_get_all by id page
\set n random(0, :movies - 1)
SELECT * FROM researcharr.tracked_item_get_all(jsonb_build_object('id', jsonb_build_object('gt', bench.id('tracked movie', :n::bigint))), 50, order_by => 'id');

-- call tracked_item_count of a media page
\set n random(0, :movies - 1)
SELECT researcharr.tracked_item_count(jsonb_build_object('media_id', bench.id('movie', :n::bigint)));

-- call tracked_item_create write
\set n random(1, 2000000000)
SELECT * FROM researcharr.tracked_item_create(jsonb_build_object('instance_id', bench.id('spare instance', 200), 'kind', 'movie', 'service_id', :n::bigint, 'media_id', bench.id('movie', :n::bigint % :movies)));

-- call tracked_item_update write
\set n random(0, :movies - 1)
SELECT * FROM researcharr.tracked_item_update(bench.id('tracked movie', :n::bigint), jsonb_build_object('quality_profile_id', :n::bigint % 10));

-- call tracked_item_delete write:20
SELECT researcharr.tracked_item_delete(bench.id('spare tracked', nextval('bench.spare')));

-- call wanted_get_all page
SELECT * FROM researcharr.wanted_get_all('films', "limit" => 50);

-- call wanted_get_all newest_added page
SELECT * FROM researcharr.wanted_get_all('shows', "limit" => 50, order_by => 'newest_added');

-- call wanted_get_all random page
SELECT * FROM researcharr.wanted_get_all('films', "limit" => 50, order_by => 'random');

-- call wanted_get_all below the cutoff page
SELECT * FROM researcharr.wanted_get_all('films', 'cutoff', "limit" => 50, order_by => 'custom_format_score');

-- call wanted_get_all alphabetical page
SELECT * FROM researcharr.wanted_get_all('films', "limit" => 50, order_by => 'alphabetical');

-- call wanted_enqueue write:20
SELECT count(*) FROM researcharr.wanted_enqueue('films', "limit" => 1);

-- call media_sync_radarr one write
\set n random(0, :movies - 1)
SELECT * FROM researcharr.media_sync_radarr('films', (SELECT jsonb_agg(bench.radarr(:n::bigint + i) || jsonb_build_object('id', :n::bigint + i + 1, 'title', bench.title('movie', :n::bigint + i), 'tmdbId', :n::bigint + i + 1, 'year', 1920 + (:n::bigint + i) % 105)) FROM generate_series(0, 0) i));

-- call media_sync_sonarr all changes a series and its 50 episodes
\set n random(0, :series - 1)
SELECT * FROM researcharr.media_sync_sonarr('shows', (SELECT jsonb_build_array(bench.sonarr(:n::bigint) || jsonb_build_object('id', :n::bigint + 1, 'title', bench.title('series', :n::bigint), 'tvdbId', :n::bigint + 1))),
	(SELECT jsonb_agg(bench.sonarr_episode(e) || jsonb_build_object('id', e + 1, 'title', bench.title('episode', e), 'tvdbId', e + 1, 'seriesId', :n::bigint + 1, 'seasonNumber', 1 + e % 50 / 10, 'episodeNumber', 1 + e % 10)) FROM generate_series(50 * :n::bigint, 50 * :n::bigint + 49) e));

-- call media_apply_webhook write
\set n random(0, :movies - 1)
SELECT * FROM researcharr.media_apply_webhook('films', jsonb_build_object('eventType', 'Grab', 'movie', jsonb_build_object('id', :n::bigint + 1, 'title', bench.title('movie', :n::bigint), 'tmdbId', :n::bigint + 1)));
