# 095_pitr.pl: a base backup and archived WAL, recovered to a point in time.
#
#  1. Rows are as they were at the point, but for the cache, which is empty.
#  2. Jobs can be handed out: those that waited at once, those that ran when
#     their leases end.
#  3. Backups that were made or dropped after the point are reported as such.

use strict;
use warnings;
use Cwd qw(abs_path);
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::RecursiveCopy;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $dir = abs_path(PostgreSQL::Test::Utils::tempdir()) . '/backups';
mkdir $dir, 0700 or die;
my $node = new_node('primary', $preload . "researcharr.worker = off
researcharr.backup_directory = '$dir'
", has_archiving => 1, allows_streaming => 1);

sql('CREATE EXTENSION researcharr CASCADE');
sql(slurp_file("$FindBin::RealBin/../data/fill.sql"));
sql("SELECT researcharr.backup_create('$_')") foreach qw(kept dropped);
$node->backup('base');

# What is only in the WAL
sql(qq{
	INSERT INTO researcharr.media (title, type) SELECT 'late ' || n, 'movie' FROM generate_series(1, 100) AS n;
	UPDATE researcharr.media SET title = 'changed' WHERE title = 'late 7';
	DELETE FROM researcharr.media WHERE title = 'late 8';
	SELECT researcharr.config_set('late', 'secret', secret => true);
	SELECT researcharr.cache_set_text('late', 'value');
	SELECT name FROM researcharr.job_type_register('late');
	SELECT researcharr.job_enqueue($media, 'late', unique_key => n::text) FROM generate_series(1, 3) AS n});
my ($done, $done_attempt) = split /\|/, sql(q{SELECT id, attempt FROM researcharr.job_dequeue('{late}')});
is(sql("SELECT researcharr.job_complete('$done', $done_attempt)"), 't', 'a job is done before the point');
my ($running, $attempt) = split /\|/, sql(q{SELECT id, attempt FROM researcharr.job_dequeue('{late}', lease => '1 hour')});
isnt(sql('SELECT count(*) FROM researcharr.cache_entries'), '0', 'the cache has an entry');
my $before = contents();
my $point = sql(q{SELECT pg_create_restore_point('before the damage')});

# The damage
sql(qq{
	SELECT researcharr.job_complete('$running', $attempt);
	DELETE FROM researcharr.media;
	DELETE FROM researcharr.configuration;
	TRUNCATE researcharr.audit_log, researcharr.processing_history});
sql(q{SELECT researcharr.backup_create('late')});
sql(q{SELECT researcharr.backup_drop('dropped')});
isnt(contents(), $before, 'there is damage');
my $segment = sql("SELECT pg_walfile_name('$point')");
sql('SELECT pg_switch_wal()');
ok(within(60, "SELECT last_archived_wal >= '$segment' FROM pg_stat_archiver"), 'the WAL is archived');
$node->stop;

# The copy has the same identifier, and so a directory of its own.
PostgreSQL::Test::RecursiveCopy::copypath($dir, "$dir-copy");
chmod 0700, "$dir-copy", glob "$dir-copy/* $dir-copy/*/*";
my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init_from_backup($node, 'base', has_restoring => 1, standby => 0);
$copy->append_conf('postgresql.conf', "archive_mode = off
recovery_target_name = 'before the damage'
recovery_target_action = promote
researcharr.backup_directory = '$dir-copy'
");
$copy->start;
use_node($copy);
ok(within(60, 'SELECT NOT pg_is_in_recovery()'), 'the server is recovered');

# 1.
is(contents(), $before, 'rows are as they were');
is(sql('SELECT count(*) FROM researcharr.cache_entries'), '0', 'the cache is empty');
is(sql(q{SELECT researcharr.cache_get_text('late') IS NULL}), 't', 'and has nothing');
is(sql(q{SELECT researcharr.cache_set_text('new', 'value'); SELECT researcharr.cache_get_text('new')}) =~ s/.*\n//sr, 'value', 'it works');
is(sql(q{SELECT extversion = (SELECT default_version FROM pg_available_extensions WHERE name = 'researcharr')
		FROM pg_extension WHERE extname = 'researcharr'}), 't', 'the extension is there');

# 2.
my ($waiting, $next) = split /\|/, sql(q{SELECT id, attempt FROM researcharr.job_dequeue('{late}')});
isnt($waiting, '', 'a job is handed out');
is(sql("SELECT researcharr.job_complete('$waiting', $next)"), 't', 'and completed');
is(sql(q{SELECT count(*) FROM researcharr.job_dequeue('{late}', 10)}), '0', 'what ran is still running');
is(sql(qq{SELECT status, attempt FROM researcharr.processing_jobs WHERE id = '$running'}), "running|$attempt", 'with its attempt');
sql(qq{UPDATE researcharr.processing_jobs SET lease_expires_at = clock_timestamp() - interval '1 s' WHERE id = '$running'});
is(sql(q{SELECT id FROM researcharr.job_dequeue('{late}')}), $running, 'it is handed out when its lease has ended');
refused('postgres', "SELECT researcharr.job_complete('$running', $attempt)", 'RA001', '', 'a worker of the old server');
is( sql(q{SELECT sum(jobs) FROM researcharr.job_stats()}), sql(q{SELECT count(*) FROM researcharr.processing_jobs}),
	'the statistics agree');
is( sql(qq{SELECT researcharr.job_enqueue($media, 'late', unique_key => 'new') IS NOT NULL;
		SELECT count(*) FROM researcharr.job_dequeue('{late}')}), "t\n1", 'new jobs are handed out too');

# 3.
is( sql(q{SELECT name, status FROM researcharr.backup_list() ORDER BY name}),
	"dropped|files missing\nkept|complete\nlate|row missing", 'backups after the point are not guessed about');
is(sql(q{SELECT verified FROM researcharr.backup_verify('kept')}), 't', 'one that was there verifies');
is(sql(q{SELECT verified FROM researcharr.backup_verify('late')}), 't', 'one that was made later does, too');
sql(q{SELECT researcharr.backup_drop('dropped')});
is( sql(q{SELECT name, status FROM researcharr.backup_list() ORDER BY name}),
	"kept|complete\nlate|complete", 'then the list is in order');
is( sql(q{SELECT restored_tables FROM researcharr.backup_restore('late', '{configuration}', false);
		SELECT count(*) FROM researcharr.configuration}), "1\n0", 'a backup of what came later can be restored');
$copy->stop;
done_testing();
