# 057_damaged_value.pl: a job with a value that cannot be read fails alone.
#
# The values of two jobs are stored out of line.  Of the table that holds them,
# all pages are taken away: what a failing disk leaves.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $node = new_node('damaged', $preload);
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION researcharr CASCADE;
	INSERT INTO researcharr.media (title, type) VALUES ('film', 'movie');
	SELECT researcharr.job_enqueue(m.id, 'search', metadata =>
	           jsonb_build_object('n', n, 'long', long.string))
	  FROM researcharr.media AS m, generate_series(1, 4) AS n,
	       LATERAL (SELECT string_agg(md5(i::text), '') AS string
	                  FROM generate_series(1, 1000) AS i
	                 WHERE n IN (1, 3)) AS long;
	CHECKPOINT;});
my $file = $node->safe_psql(
	'postgres', q{
	SELECT pg_relation_filepath(reltoastrelid) FROM pg_class
	 WHERE oid = 'researcharr.processing_jobs'::regclass});
$node->stop;
truncate($node->data_dir . "/$file", 0) or die "truncate: $!";
$node->start;

is( $node->safe_psql(
		'postgres', q{
	SELECT metadata->>'n' FROM researcharr.job_dequeue('{search}', 10)}),
	"2\n4",
	'the other jobs are claimed');
is( $node->safe_psql(
		'postgres', q{
	SELECT count(*), bool_and(error_message ~ '^the job cannot be read: ')
	  FROM researcharr.processing_jobs WHERE status = 'failed'}),
	'2|t',
	'the damaged jobs have failed');
like(slurp_file($node->logfile),
	qr/LOG:  researcharr: job \S+ has failed: the job cannot be read/,
	'the log says so');
is( $node->safe_psql(
		'postgres', 'SELECT count(*) FROM researcharr.job_dequeue()'),
	'0',
	'nothing is left to claim');

$node->stop;
done_testing();
