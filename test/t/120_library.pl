# 120_library.pl: synchronize two simulated services, whatever they do.
#
# The services are tables: a Radarr with movies, and a Sonarr with series and
# episodes.  They add, delete and change objects, move external ids, renumber
# episodes, and deal their own ids anew.  They are synchronized by partial and
# full calls and by webhooks at random, some of them repeated or out of date; some
# calls are cut off by a crash of the server.  After each full call the library's
# rows are those of the services, no job is lost or another object's, no media row
# stands for two objects and no object has had two, and a second call writes nothing.
#
# Some of what happens cannot be told apart: an object with a new id of its own and
# a new external id is another object.  doubts has what could be so since the last
# full call.  If it was, the jobs from before and the number of rows do not count.
#
# The seed is printed.  To run it again with one: SEED=n; STEPS=n runs longer.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $seed = $ENV{SEED} // int(rand(1e6));
my $steps = $ENV{STEPS} // 30;
my $node = new_node('library', "log_statement = none\nfsync = off");

note "SEED=$seed";
srand($seed);
$node->safe_psql('postgres', <<'END');
CREATE EXTENSION researcharr CASCADE;
SELECT researcharr.instance_create('{"name": "films", "service": "radarr"}');
SELECT researcharr.instance_create('{"name": "shows", "service": "sonarr"}');

-- objects have a name of their own, uid, that the library does not see
CREATE SEQUENCE uids;
CREATE TABLE movie (id int, tmdb int, title text, monitored boolean, has_file boolean, uid int DEFAULT nextval('uids'));
CREATE TABLE series (id int, tvdb int, title text, monitored boolean, uid int DEFAULT nextval('uids'));
CREATE TABLE episode (id int, series int, tvdb int, season int, number int, title text, monitored boolean, has_file boolean,
	uid int DEFAULT nextval('uids'));
CREATE VIEW objects AS
	SELECT 'films' AS instance, 'movie' AS kind, uid, id, tmdb AS external FROM movie
	UNION ALL SELECT 'shows', 'series', uid, id, tvdb FROM series
	UNION ALL SELECT 'shows', 'episode', uid, id, tvdb FROM episode;
CREATE TABLE ever (instance text, kind text PRIMARY KEY, created int DEFAULT 0);
INSERT INTO ever VALUES ('films', 'movie'), ('shows', 'series'), ('shows', 'episode');
CREATE FUNCTION count_object() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE ever SET created = created + 1 WHERE kind = TG_TABLE_NAME;
	RETURN NULL;
END $$;
CREATE TRIGGER count AFTER INSERT ON movie FOR EACH ROW EXECUTE FUNCTION count_object();
CREATE TRIGGER count AFTER INSERT ON series FOR EACH ROW EXECUTE FUNCTION count_object();
CREATE TRIGGER count AFTER INSERT ON episode FOR EACH ROW EXECUTE FUNCTION count_object();
CREATE TABLE jobs (id uuid, kind text, uid int);
CREATE TABLE webhooks (instance text, payload jsonb);
CREATE SEQUENCE numbers START 1000;

-- since the last full call: external ids moved, ids were dealt anew, something out
-- of date came, something else came after that, and there is no telling
CREATE TABLE doubts (instance text PRIMARY KEY, moved boolean, dealt boolean, stale boolean, seen boolean, lost boolean);
INSERT INTO doubts VALUES ('films', false, false, false, false, false), ('shows', false, false, false, false, false);
CREATE FUNCTION is_doubtful(d doubts) RETURNS boolean LANGUAGE sql AS $$
	SELECT d.lost OR (d.moved AND d.dealt) OR (d.stale AND (d.moved OR d.dealt OR d.seen)) $$;

CREATE FUNCTION flip() RETURNS boolean LANGUAGE sql AS $$ SELECT random() < 0.5 $$;
CREATE FUNCTION new_name() RETURNS text LANGUAGE sql AS $$ SELECT 'title ' || nextval('numbers') $$;
-- what the services answer, of all or some
CREATE FUNCTION movies(share float = 1) RETURNS jsonb LANGUAGE sql AS $$
	SELECT COALESCE(jsonb_agg(jsonb_build_object('id', id, 'tmdbId', tmdb, 'title', title, 'monitored', monitored,
		'hasFile', has_file, 'isAvailable', true) ORDER BY random()), '[]') FROM movie WHERE random() < share $$;
CREATE FUNCTION shows(share float = 1) RETURNS jsonb LANGUAGE sql AS $$
	SELECT COALESCE(jsonb_agg(jsonb_build_object('id', id, 'tvdbId', tvdb, 'title', title, 'monitored', monitored)), '[]')
	FROM series WHERE random() < share $$;
CREATE FUNCTION episodes(shows jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT COALESCE(jsonb_agg(jsonb_build_object('id', id, 'seriesId', series, 'tvdbId', tvdb, 'seasonNumber', season,
		'episodeNumber', number, 'title', title, 'monitored', monitored, 'hasFile', has_file) ORDER BY random()), '[]')
	FROM episode WHERE series IN (SELECT (o ->> 'id')::int FROM jsonb_array_elements(shows) o) $$;

-- what a service sends of an object that it has
CREATE FUNCTION webhook(service text, event text, object int) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('eventType', event, 'movie', jsonb_build_object('id', id, 'tmdbId', tmdb, 'title', title),
		'movieFile', jsonb_build_object('id', nextval('numbers'), 'relativePath', 'a.mkv'))
	FROM movie WHERE id = object AND service = 'films'
	UNION ALL
	SELECT jsonb_build_object('eventType', event, 'series', jsonb_build_object('id', id, 'tvdbId', tvdb, 'title', title),
		'episodes', (SELECT COALESCE(jsonb_agg(jsonb_build_object('id', id, 'seasonNumber', season, 'episodeNumber', number, 'title', title)
			|| CASE WHEN id % 5 = 0 THEN '{}' ELSE jsonb_build_object('tvdbId', tvdb) END), '[]')
			FROM (SELECT * FROM episode WHERE series = object ORDER BY random() LIMIT 3) e WHERE event NOT LIKE 'Series%'),
		'episodeFile', jsonb_build_object('id', nextval('numbers'), 'relativePath', 'a.mkv'))
	FROM series WHERE id = object AND service = 'shows' $$;
-- send one: a new one, or one that was sent, or should have been
CREATE FUNCTION send_webhook() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	w webhooks;
	r record;
	object record;
	is_old boolean;
BEGIN
	SELECT * INTO w FROM webhooks WHERE random() < 0.2 ORDER BY random() LIMIT 1;
	IF w IS NULL THEN
		IF flip() THEN
			SELECT 'films', webhook('films', (ARRAY['Grab', 'Download', 'Rename', 'MovieAdded', 'MovieDelete', 'MovieFileDelete'])[1 + floor(random() * 6)], id)
			INTO w FROM (SELECT id FROM movie ORDER BY random() LIMIT 1) m;
		ELSE
			SELECT 'shows', webhook('shows', (ARRAY['Grab', 'Download', 'Rename', 'SeriesAdd', 'SeriesDelete', 'EpisodeFileDelete'])[1 + floor(random() * 6)], id)
			INTO w FROM (SELECT id FROM series ORDER BY random() LIMIT 1) s;
		END IF;
		IF w.payload IS NULL THEN
			RETURN 'nothing';
		END IF;
		INSERT INTO webhooks SELECT w.*;
	END IF;

	-- is it what the service would say now?
	UPDATE doubts SET seen = seen OR stale WHERE instance = w.instance;
	FOR object IN
		SELECT 'movie' AS kind, (o ->> 'id')::int AS id, o ->> 'tmdbId' AS external FROM (SELECT w.payload -> 'movie') m (o) WHERE o IS NOT NULL
		UNION ALL SELECT 'series', (o ->> 'id')::int, o ->> 'tvdbId' FROM (SELECT w.payload -> 'series') s (o) WHERE o IS NOT NULL
		UNION ALL SELECT 'episode', (o ->> 'id')::int, o ->> 'tvdbId' FROM jsonb_array_elements(w.payload -> 'episodes') e (o)
	LOOP
		is_old := NOT EXISTS (SELECT FROM objects o WHERE o.kind = object.kind AND o.id = object.id AND o.external::text = object.external);
		IF w.payload ->> 'eventType' LIKE '%_Delete' AND w.payload ->> 'eventType' NOT LIKE '%FileDelete' THEN
			UPDATE doubts SET dealt = true WHERE instance = w.instance;
		ELSIF is_old THEN
			UPDATE doubts SET stale = true, lost = lost OR NOT EXISTS (SELECT FROM researcharr.media WHERE type = object.kind AND external_id = object.external)
			WHERE instance = w.instance;
		END IF;
	END LOOP;
	SELECT * INTO r FROM researcharr.media_apply_webhook(w.instance, w.payload);
	RETURN r.event || CASE WHEN is_old THEN ' (old)' ELSE '' END;
END $$;

-- something happens in a service
CREATE FUNCTION happen() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	what int := floor(random() * 15);
	n int := nextval('numbers');
	one int;
	gone record;
BEGIN
	-- mostly leave what cannot be told apart
	IF random() < 0.9 AND EXISTS (SELECT FROM doubts WHERE CASE WHEN what IN (7, 8, 9) THEN dealt OR stale WHEN what IN (11, 12) THEN moved OR stale END) THEN
		RETURN 'no ' || what;
	END IF;
	CASE what
	WHEN 0, 1 THEN
		INSERT INTO movie SELECT n + g, n + g, new_name(), flip(), flip() FROM generate_series(1, 3) g;
		PERFORM setval('numbers', n + 10);
	WHEN 2, 3 THEN
		INSERT INTO series VALUES (n, n, new_name(), flip());
		INSERT INTO episode SELECT n + g, n, n + g, 1 + g / 5, g % 5, new_name(), flip(), flip() FROM generate_series(1, 8) g;
		PERFORM setval('numbers', n + 10);
	WHEN 4 THEN
		SELECT id INTO one FROM movie ORDER BY random() LIMIT 1;
		INSERT INTO webhooks SELECT 'films', webhook('films', 'MovieDelete', one) WHERE one IS NOT NULL;
		DELETE FROM movie WHERE id = one;
	WHEN 5 THEN
		SELECT id INTO one FROM series ORDER BY random() LIMIT 1;
		INSERT INTO webhooks SELECT 'shows', webhook('shows', 'SeriesDelete', one) WHERE one IS NOT NULL;
		DELETE FROM series WHERE id = one;
		DELETE FROM episode WHERE series = one;
	WHEN 6 THEN
		UPDATE movie SET monitored = flip(), has_file = flip(), title = new_name() WHERE random() < 0.3;
		UPDATE series SET monitored = flip() WHERE random() < 0.3;
		UPDATE episode SET monitored = flip(), has_file = flip() WHERE random() < 0.3;
	WHEN 7 THEN -- external ids move
		UPDATE movie SET tmdb = nextval('numbers') WHERE random() < 0.2;
		UPDATE series SET tvdb = nextval('numbers') WHERE random() < 0.2;
		UPDATE episode SET tvdb = nextval('numbers') WHERE random() < 0.1;
		UPDATE doubts SET moved = true;
	WHEN 8 THEN -- one of which the library has another row: they become one, and so may their jobs
		SELECT id, external_id::int AS tmdb, EXISTS (SELECT FROM researcharr.tracked_items WHERE media_id = m.id) AS tracked INTO gone
		FROM researcharr.media m WHERE type = 'movie' AND NOT EXISTS (SELECT FROM movie WHERE tmdb = external_id::int) ORDER BY random() LIMIT 1;
		UPDATE movie SET tmdb = gone.tmdb WHERE gone.tmdb IS NOT NULL AND id = (SELECT id FROM movie ORDER BY random() LIMIT 1) RETURNING uid INTO one;
		UPDATE jobs SET uid = NULL WHERE kind = 'movie' AND uid = one;
		UPDATE doubts SET moved = true, lost = lost OR COALESCE(gone.tracked, false) WHERE instance = 'films';
	WHEN 9 THEN -- an episode is dropped: those behind it move up to the places and ids before theirs
		SELECT * INTO gone FROM episode ORDER BY random() LIMIT 1;
		UPDATE episode e SET tvdb = x.tvdb, title = x.title, uid = x.uid FROM (
			SELECT id, lead(tvdb) OVER w AS tvdb, lead(title) OVER w AS title, lead(uid) OVER w AS uid FROM episode
			WHERE series = gone.series AND season = gone.season AND number >= gone.number WINDOW w AS (ORDER BY number)) x
		WHERE e.id = x.id AND x.tvdb IS NOT NULL;
		DELETE FROM episode WHERE id = (SELECT id FROM episode WHERE series = gone.series AND season = gone.season ORDER BY number DESC LIMIT 1);
		UPDATE doubts SET moved = true WHERE instance = 'shows';
	WHEN 10 THEN -- episodes change places
		UPDATE episode e SET number = x.number FROM (SELECT series, season, id,
			lead(number, 1, first) OVER (PARTITION BY series, season ORDER BY number) AS number
			FROM (SELECT *, first_value(number) OVER (PARTITION BY series, season ORDER BY number) AS first FROM episode) f) x
		WHERE e.id = x.id AND e.series = (SELECT id FROM series ORDER BY random() LIMIT 1);
	WHEN 11 THEN -- the service's own ids are dealt anew
		UPDATE movie m SET id = x.id FROM (SELECT tmdb, row_number() OVER (ORDER BY random()) AS id FROM movie) x WHERE m.tmdb = x.tmdb;
		UPDATE doubts SET dealt = true WHERE instance = 'films';
	WHEN 12 THEN
		CREATE TEMP TABLE dealt AS SELECT id AS old, row_number() OVER (ORDER BY random())::int AS new FROM series;
		UPDATE series SET id = new FROM dealt WHERE id = old;
		UPDATE episode SET series = new FROM dealt WHERE series = old;
		UPDATE episode e SET id = x.id FROM (SELECT tvdb, row_number() OVER (ORDER BY random()) AS id FROM episode) x WHERE e.tvdb = x.tvdb;
		DROP TABLE dealt;
		UPDATE doubts SET dealt = true WHERE instance = 'shows';
	ELSE -- somebody searches
		INSERT INTO jobs SELECT researcharr.job_enqueue(m.id, 'search'), t.kind, o.uid
		FROM (SELECT * FROM researcharr.tracked_items ORDER BY random() LIMIT 5) t JOIN researcharr.media m ON m.id = t.media_id
			LEFT JOIN objects o ON o.kind = t.kind AND o.id = t.service_id AND o.external::text = m.external_id;
	END CASE;
	RETURN what;
END $$;

-- a call with some of what the services have
CREATE FUNCTION refresh_some() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	part jsonb := shows(0.4);
	films record;
	series record;
BEGIN
	UPDATE doubts SET seen = seen OR stale;
	SELECT * INTO films FROM researcharr.media_sync_radarr('films', movies(0.4));
	SELECT * INTO series FROM researcharr.media_sync_sonarr('shows', part, episodes(part));
	RETURN to_jsonb(films.errors) || series.errors;
END $$;
CREATE FUNCTION refresh_all() RETURNS TABLE (written bigint, errors jsonb) LANGUAGE plpgsql AS $$
DECLARE
	films record;
	series record;
BEGIN
	SELECT * INTO films FROM researcharr.media_sync_radarr('films', movies(), true, 1);
	SELECT * INTO series FROM researcharr.media_sync_sonarr('shows', shows(), episodes(shows()), true, 1);
	written := films.created + films.updated + films.moved + films.removed + series.created + series.updated + series.moved + series.removed;
	errors := films.errors || series.errors;
	RETURN NEXT;
END $$;

-- after a full call: what was in doubt does not count
CREATE FUNCTION settle() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	doubtful text[] := ARRAY(SELECT instance FROM doubts WHERE is_doubtful(doubts) ORDER BY 1);
BEGIN
	UPDATE jobs SET uid = NULL WHERE kind IN (SELECT kind FROM ever WHERE instance = ANY (doubtful));
	UPDATE ever SET created = greatest(created, (SELECT count(*) FROM researcharr.media WHERE type = kind)) WHERE instance = ANY (doubtful);
	UPDATE doubts SET moved = false, dealt = false, stale = false, seen = false, lost = false;
	RETURN array_to_string(doubtful, ' ');
END $$;

-- what the library should have, and has
CREATE VIEW wanted AS
	SELECT 'movie' AS kind, id::bigint, tmdb::text AS external, title, NULL AS place, monitored, has_file FROM movie
	UNION ALL SELECT 'series', id, tvdb::text, title, NULL, monitored, false FROM series
	UNION ALL SELECT 'episode', e.id, e.tvdb::text, e.title, concat_ws(' ', s.tvdb, season, number), e.monitored AND s.monitored, has_file
	FROM episode e JOIN series s ON s.id = e.series;
CREATE VIEW had AS
	SELECT kind, service_id, external_id, title, NULL AS place, monitored, has_file
	FROM researcharr.tracked_items t JOIN researcharr.movie_rows m ON m.id = t.media_id WHERE tmdb_id = external_id::int
	UNION ALL SELECT kind, service_id, external_id, title, NULL, monitored, has_file
	FROM researcharr.tracked_items t JOIN researcharr.series_rows m ON m.id = t.media_id WHERE tvdb_id = external_id::int
	UNION ALL SELECT kind, service_id, m.external_id, m.title, concat_ws(' ', s.external_id, season_number, episode_number), monitored, has_file
	FROM researcharr.tracked_items t JOIN researcharr.episode_rows m ON m.id = t.media_id JOIN researcharr.media s ON s.id = m.series_id;
CREATE VIEW versions AS
	SELECT 'media' AS name, id, xmin::text AS version FROM researcharr.media
	UNION ALL SELECT 'movies', media_id, xmin::text FROM researcharr.movies
	UNION ALL SELECT 'series', media_id, xmin::text FROM researcharr.series
	UNION ALL SELECT 'episodes', media_id, xmin::text FROM researcharr.episodes
	UNION ALL SELECT 'tracked_items', id, xmin::text FROM researcharr.tracked_items
	UNION ALL SELECT 'audit_log', id, xmin::text FROM researcharr.audit_log;
CREATE TABLE before (name text, id uuid, version text);
END

my @problems = (
	[ 'wanted, and not there' => 'SELECT * FROM wanted EXCEPT ALL SELECT * FROM had' ],
	[ 'there, and not wanted' => 'SELECT * FROM had EXCEPT ALL SELECT * FROM wanted' ],
	[ 'tracked, but none of these' => 'SELECT count(*) FROM researcharr.tracked_items HAVING count(*) <> (SELECT count(*) FROM had)' ],
	[ 'media for two objects' => 'SELECT media_id FROM researcharr.tracked_items GROUP BY 1 HAVING count(*) > 1' ],
	[ 'lost jobs' => 'SELECT id FROM jobs EXCEPT SELECT id FROM researcharr.processing_jobs' ],
	[ 'jobs of another object' => 'SELECT j.kind, o.id, j.uid, p.media_id FROM jobs j JOIN objects o USING (kind, uid)
		JOIN researcharr.processing_jobs p ON p.id = j.id WHERE NOT EXISTS (SELECT FROM researcharr.tracked_items t
			WHERE t.kind = j.kind AND t.service_id = o.id AND t.media_id = p.media_id)' ],
	[ 'more media than there were objects' => 'SELECT kind, created, count(*) FROM ever JOIN researcharr.media m ON m.type = kind
		GROUP BY 1, 2 HAVING count(*) > created' ]);
my %checks = (strict => 0, doubtful => 0);
my @history;

# Compares the library with the services
sub check
{
	my $written = sql('SELECT written, errors FROM refresh_all()');
	my $good = is(($written =~ s/^\d+\|//r), '[]', "no errors after @history");
	my $doubtful = sql('SELECT settle()');

	$checks{$doubtful eq '' ? 'strict' : 'doubtful'}++;

	foreach (@problems)
	{
		my ($what, $query) = @$_;

		$good &= is(sql($query), '', $what);
	}
	sql('TRUNCATE before; INSERT INTO before TABLE versions');
	$good &= is(sql('SELECT * FROM refresh_all()'), '0|[]', 'a second call finds nothing to do');
	$good &= is(sql('(TABLE versions EXCEPT TABLE before) UNION ALL (TABLE before EXCEPT TABLE versions)'),
		'', 'and writes nothing');
	@history = ();
	return $good;
}

# Cuts off a call by a crash
sub crash
{
	my ($call) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);

	$session->query_safe("BEGIN; SELECT $call");
	$node->stop('immediate');
	eval { $session->{run}->finish };
	$node->start;
	return;
}

sql("SELECT setseed(@{[rand]}); SELECT happen() FROM generate_series(1, 12)");
check() or BAIL_OUT("SEED=$seed");
foreach my $step (1 .. $steps)
{
	my $happened = sql("SELECT setseed(@{[rand]}); SELECT happen() FROM generate_series(1, 1 + (random() * 2)::int)");

	push @history, split /\n/, $happened;
	if (rand() < 0.5)
	{
		push @history, 'some';
		sql('SELECT refresh_some()');
	}
	if (rand() < 0.6)
	{
		my $number = 1 + int(rand(4));

		push @history, split /\n/, sql("SELECT send_webhook() FROM generate_series(1, $number)");
	}
	if ($step % 10 == 0)
	{
		my @calls = ('refresh_all()', 'refresh_some()', 'send_webhook() FROM generate_series(1, 3)');
		my $call = $calls[($step / 10 + $seed) % @calls];

		push @history, "crash of $call";
		crash($call);
	}
	if (rand() < 0.5 && !check())
	{
		diag "SEED=$seed";
		last;
	}
}
check();
note "$checks{strict} checks without a doubt, $checks{doubtful} with one";
done_testing();
