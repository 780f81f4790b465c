# 041_standby.pl: the queue on a hot standby, and after its promotion.
#
#  1. On a standby every function that writes says so (25006); those that only
#     look work, and see what the primary did.
#  2. Promoted, it hands on a lapsed job, in a session that used it as a
#     standby.
#  3. Types registered on the primary are known, and new ones can be.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->start;
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

$primary->safe_psql(
	'postgres', q{
	CREATE EXTENSION researcharr CASCADE;
	SET search_path = researcharr;
	INSERT INTO media (title, type) VALUES ('film', 'movie');
	SELECT job_type_register('mine', 5, lease => '1 us');
	SELECT job_enqueue(id, 'mine', metadata => '{"n": 1}') FROM media;
	SELECT job_enqueue(id, 'search', available_at => '2100-01-01 00:00+00') FROM media;
	SELECT count(*) FROM job_dequeue('{mine}', worker => 'on the primary')});
$primary->wait_for_catchup($standby);

# 1.
my $id = "'00000000-0000-7000-8000-000000000000'";
foreach my $call (
	"job_enqueue($id, 'search')",
	"job_enqueue_many('[]')",
	"job_enqueue_arrays('{}', '{}')",
	'job_dequeue()',
	"job_complete($id, 1)",
	"job_complete_many('{}', '{}')",
	"job_complete_and_dequeue($id, 1)",
	"job_fail($id, 1, 'no')",
	"job_heartbeat($id, 1)",
	"job_release($id, 1)",
	"job_cancel($id)",
	"job_retry($id)",
	"job_mark_as_completed($id)",
	"job_type_register('new')",
	"media_create('{\"title\": \"x\", \"type\": \"movie\"}')",
	"media_update($id, '{\"title\": \"x\"}')",
	"movie_delete($id)",
	"job_create(jsonb_build_object('media_id', $id, 'job_type', 'search'))",
	"config_set('a.key', 'x')",
	"queue_item_get_next('radarr')",
	"unit_of_work('[{\"op\": \"delete\", \"entity\": \"media\", \"id\": \"00000000-0000-7000-8000-000000000000\"}]')",
	"job_type_pause('search')")
{
	my ($rc, $out, $err) = $standby->psql(
		'postgres', "SELECT researcharr.$call",
		extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);

	is($err, 'psql:<stdin>:1: ERROR:  25006', "$call on a standby");
}
my $looking = q{
	SELECT job_type, status, jobs FROM researcharr.job_stats();
	SELECT name, priority FROM researcharr.job_type_policies WHERE name = 'mine';
	SELECT researcharr.job_next_due('{search}') = '2100-01-01 00:00+00';
	SELECT researcharr.job_next_due() < clock_timestamp();
	SELECT m.title, j.job_type, g.title, researcharr.media_exists(m.id), researcharr.movie_count()
	  FROM researcharr.media_get_all('{"title": {"like": "fi%"}}', 1, order_by => 'id') m,
		researcharr.job_get_by_media(m.id) j, researcharr.media_get_by_id(m.id) g WHERE j.status = 'running';
	SELECT title FROM researcharr.media_search('fulm');
	SELECT job_type FROM researcharr.job_get_pending(1);
	SELECT code FROM researcharr.movie_validate('{"title": ""}');
	SELECT researcharr.config_get('none') IS NULL, researcharr.audit_count('{"entity_type": "media"}');};
is( $standby->safe_psql('postgres', $looking),
	"mine|running|1\nsearch|queued|1\nmine|5\nt\nt\n"
	  . "film|mine|film|t|0\nfilm\nsearch\ntoo_short\nt|1",
	'looking works on a standby');

# 2.
$primary->stop('immediate');
is( $standby->safe_psql(
		'postgres', q{
	SELECT researcharr.job_next_due('{search}') = '2100-01-01 00:00+00';
	SELECT pg_promote();
	SELECT metadata->>'n', attempt, retry_count, error_message
	  FROM researcharr.job_dequeue(worker => 'promoted', lease => '1 min');
	SELECT researcharr.job_complete(id, 2) FROM researcharr.processing_jobs WHERE attempt = 2;
	SELECT action, details->>'worker' FROM researcharr.processing_history ORDER BY id}),
	"t\nt\n1|2|1|lease expired\nt\nlapsed|on the primary\ncompleted|promoted",
	'promoted, it hands on a lapsed job and finishes it');

# 3.
is( $standby->safe_psql(
		'postgres', q{
	SELECT (researcharr.job_type_register('new', 7)).priority;
	SELECT count(researcharr.job_enqueue(id, name))
	  FROM researcharr.media, unnest('{mine,new}'::text[]) AS name;
	SELECT job_type, priority FROM researcharr.job_dequeue(NULL, 9)}),
	"7\n2\nnew|7\nmine|5",
	'types of before and new ones');

$standby->stop;
done_testing();
