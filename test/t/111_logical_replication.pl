# 111_logical_replication.pl: rows that logical replication copies or applies
# stay as they come, and leave nothing in the logs.
#
#  1. The initial copy.
#  2. What is applied later: inserts, updates, deletes with their cascades, and
#     TRUNCATE.
#  3. The agenda hears of the jobs: a worker of the subscriber gets the next one.
#  4. Plain DML on the subscriber is on record as ever.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $publisher = new_node('publisher', "wal_level = logical\n", allows_streaming => 'logical');
create_extension();
my $subscriber = new_node('subscriber', $preload);
sql('CREATE EXTENSION researcharr CASCADE');

my @tables = qw(media movies series episodes processing_jobs queue_items configuration instances tracked_items webui_users job_types);
my $list = join ', ', map { "researcharr.$_" } @tables;
my $rows = 'SELECT md5(string_agg(r, E\'\n\' ORDER BY r)) FROM (' . join(' UNION ALL ', map { "SELECT '$_ ' || t FROM researcharr.$_ t" } @tables) . ') AS s (r)';
my $logs = 'SELECT (SELECT count(*) FROM researcharr.audit_log) + (SELECT count(*) FROM researcharr.processing_history)';

# Both have the same rows in all tables, and the subscriber nothing in its logs
sub same
{
	my ($what) = @_;

	$publisher->wait_for_catchup('sub');
	is($subscriber->safe_psql('postgres', $rows), $publisher->safe_psql('postgres', $rows), "$what: the same rows");
	is($subscriber->safe_psql('postgres', $logs), '0', '... and nothing in the logs');
}

# 1.
$publisher->safe_psql('postgres', qq{
	SET search_path = researcharr;
	CREATE PUBLICATION pub FOR TABLE $list;
	INSERT INTO movies (media_id, year) VALUES ($media, 1949);
	UPDATE media SET status = 'processing' WHERE id = $media;
	UPDATE movies SET year = 1950;
	SELECT count(config_set('k', 'v'));
	SELECT count(job_enqueue($media, 'search')), count(job_enqueue($media, 'search', 50));
	SELECT count(*) FROM job_dequeue() j, job_fail(j.id, j.attempt, 'no');
	INSERT INTO queue_items (media_id, service) VALUES ($media, 'radarr');
	SELECT count(instance_create('{"name": "films", "service": "radarr"}'));
	INSERT INTO tracked_items (instance_id, media_id, kind, service_id) SELECT id, $media, 'movie', 1 FROM instances;
	SELECT count(webui_user_create('{"username": "u", "password_hash": "hash"}'));
	SELECT count(job_type_register('mine', max_running => 2))});
my $connection = $publisher->connstr . ' dbname=postgres';
sql("CREATE SUBSCRIPTION sub CONNECTION '$connection' PUBLICATION pub");
$subscriber->wait_for_subscription_sync($publisher, 'sub');
same('the initial copy');

# 2.
$publisher->safe_psql('postgres', qq{
	SET search_path = researcharr;
	UPDATE media SET status = 'completed';
	UPDATE movies SET year = 1951;
	SELECT count(config_set('k', 'w'));
	SELECT count(job_cancel(id)) FROM processing_jobs WHERE priority = 50;
	SELECT count(job_enqueue($media, 'verify'));
	UPDATE processing_jobs SET priority = 60 WHERE job_type = 'verify';
	UPDATE instances SET active = false;
	UPDATE tracked_items SET monitored = false, search_count = 2;
	SELECT count(*) FROM webui_users w, webui_user_update(w.id, '{"password_hash": "other"}');
	SELECT count(job_type_register('mine', max_running => 3));
	SELECT count(job_type_pause('mine'));
	SELECT count(media_import_sonarr('[{"title": "Fargo", "tvdbId": 1, "id": 1}]', '[{"id": 1, "seriesId": 1, "title": "one", "seasonNumber": 1, "episodeNumber": 1}]'))});
same('inserts and updates');
$publisher->safe_psql('postgres', q{
	SET search_path = researcharr;
	SELECT count(series_delete(media_id)) FROM series;
	DELETE FROM queue_items;
	DELETE FROM webui_users});
same('deletes');
$publisher->safe_psql('postgres', q{
	SET search_path = researcharr;
	INSERT INTO webui_users (username, password_hash) VALUES ('v', 'hash');
	TRUNCATE instances, tracked_items, webui_users, job_types, configuration, movies});
same('TRUNCATE');
is(sql('SELECT count(*) FROM researcharr.tracked_items') . sql('SELECT count(*) FROM researcharr.movies'), '00', '... of which there are none');

# 3.
is(sql('SELECT job_type FROM researcharr.job_dequeue()'), 'verify', 'the agenda knows jobs that were applied');

# 4.
my $before = sql($logs);
sql("UPDATE researcharr.media SET status = 'failed'");
is(sql($logs), $before + 1, 'plain DML is on record');

$subscriber->stop;
$publisher->stop;
done_testing();
