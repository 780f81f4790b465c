-- media.sql: movies, or series and their episodes, and what else the library
-- has.  Variables: part (movies, episodes or rest).  To be run by a superuser.

\set ON_ERROR_STOP on
\ir loader.sql
SELECT :'part' = 'movies' AS of_movies, :'part' = 'episodes' AS of_episodes, movies, series, episodes, items FROM bench.sizes \gset
\if :of_movies
INSERT INTO researcharr.media (id, title, type, external_id, status, metadata, created_at, updated_at)
SELECT bench.id('movie', n), bench.title('movie', n), 'movie', n + 1, bench.status(n), jsonb_build_object('radarr', bench.radarr(n)), t, t
FROM generate_series(0::bigint, :movies - 1) n, LATERAL bench.made_at('movie', n) t;
INSERT INTO researcharr.movies (media_id, year, imdb_id, tmdb_id, runtime_minutes)
SELECT bench.id('movie', n), 1920 + n * 7919 % 105, 'tt' || lpad(n::text, 7, '0'), n + 1, 60 + n % 100
FROM generate_series(0::bigint, :movies - 1) n;
\elif :of_episodes
INSERT INTO researcharr.media (id, title, type, external_id, status, metadata, created_at, updated_at)
SELECT bench.id('episode', n), bench.title('episode', n), 'episode', n + 1, bench.status(n), jsonb_build_object('sonarr', bench.sonarr_episode(n)), t, t
FROM generate_series(0::bigint, :episodes - 1) n, LATERAL bench.made_at('episode', n) t;
INSERT INTO researcharr.episodes (media_id, series_id, season_number, episode_number, air_date)
SELECT bench.id('episode', n), bench.id('series', n / 50), 1 + n % 50 / 10, 1 + n % 10, date '2005-01-01' + (n % 7000)::int
FROM generate_series(0::bigint, :episodes - 1) n;
\else
INSERT INTO researcharr.media (id, title, type, external_id, status, metadata, created_at, updated_at)
SELECT bench.id('series', n), bench.title('series', n), 'series', n + 1, bench.status(n), jsonb_build_object('sonarr', bench.sonarr(n)), t, t
FROM generate_series(0::bigint, :series - 1) n, LATERAL bench.made_at('series', n) t;
INSERT INTO researcharr.series (media_id, tvdb_id, seasons, episodes)
SELECT bench.id('series', n), n + 1, 5, 50 FROM generate_series(0::bigint, :series - 1) n;
-- of the items, one in ten waits for its next try, and two in five were handed out before
INSERT INTO researcharr.queue_items (id, media_id, service, priority, added_at, last_processed, retry_count, next_retry_at, metadata)
SELECT bench.id('item', n), bench.subject(n, :movies, :series), CASE WHEN n % 2 = 0 THEN 'radarr' ELSE 'sonarr' END, n * 7919 % 21 * 5, t,
	CASE WHEN n % 5 < 2 THEN t + interval '1 day' END, n % 4, CASE WHEN n % 10 = 9 THEN now() + n % 100 * interval '6 hours' END,
	'{"reason": "missing", "cutoff": "Bluray-1080p"}'
FROM generate_series(0::bigint, :items - 1) n, LATERAL bench.made_at('item', n) t;
INSERT INTO researcharr.configuration (key, value, value_type, description)
SELECT format('app.section%s.%s%s', n / 20, CASE n % 4 WHEN 0 THEN 'int' WHEN 1 THEN 'bool' WHEN 2 THEN 'json' ELSE 'text' END, n),
	CASE n % 4 WHEN 0 THEN n::text WHEN 1 THEN 'true' WHEN 2 THEN '{"limit": 20}' ELSE 'some text' END,
	CASE n % 4 WHEN 0 THEN 'int' WHEN 1 THEN 'bool' WHEN 2 THEN 'json' ELSE 'string' END, 'a setting'
FROM generate_series(0, 999) n;
INSERT INTO researcharr.webui_users (username, password_hash, api_key_hash)
SELECT 'user ' || n, '$argon2id$' || md5(n::text), 'sha256:' || md5((-n)::text) FROM generate_series(0, 99) n;
\endif
