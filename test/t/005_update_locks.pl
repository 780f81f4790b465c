# 005_update_locks.pl: workers go on while the extension is updated.
#
#  1. For each version from 1.4 on: a transaction has written to one of the
#     tables, for each of them, and stays open.  The update to the next version
#     may have to wait for it, but holds up no job meanwhile, also not for the
#     transaction itself: else it would be a deadlock.
#  2. From 1.0 to the newest version as docs/upgrading.md says, version by
#     version with the index made before, beside workers.  None of their
#     statements waits for a lock for as long as a second.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $node = new_node('update_locks', "shared_preload_libraries = 'researcharr'\nautovacuum = off\n");

my @versions = split /\n/, $node->safe_psql('postgres', q{
	SELECT version FROM pg_available_extension_versions WHERE name = 'researcharr'
	 ORDER BY string_to_array(version, '.')::int[]});
my $fill = q{
	INSERT INTO researcharr.media (title, type) SELECT 'movie ' || n, 'movie' FROM generate_series(1, 100) AS n;
	INSERT INTO researcharr.media (title, type) VALUES ('series', 'series'), ('episode', 'episode');
	INSERT INTO researcharr.movies (media_id) SELECT id FROM researcharr.media WHERE type = 'movie';
	INSERT INTO researcharr.series (media_id) SELECT id FROM researcharr.media WHERE type = 'series';
	INSERT INTO researcharr.episodes (media_id, series_id, season_number, episode_number)
		SELECT e.id, s.id, 1, 1 FROM researcharr.media e, researcharr.media s WHERE e.type = 'episode' AND s.type = 'series'};

# What a worker does with the queue
my $work = q{
	SELECT count(*) FROM researcharr.job_enqueue((SELECT id FROM researcharr.media WHERE type = 'movie' LIMIT 1), 'search');
	SELECT count(researcharr.job_complete(id, attempt)) FROM researcharr.job_dequeue()};

# A session that stays open: returns its answer to each statement
sub session
{
	my ($db) = @_;
	my ($in, $out) = ('', '');
	my $psql = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr($db) ],
		'<', \$in, '>', \$out, '2>&1', IPC::Run::timeout(180));

	return (
		sub {
			$out = '';
			$in .= "$_[0];\n\\echo done\n";
			IPC::Run::pump($psql) until $out =~ /^done$/m;
			$out =~ s/^done\n//m;
			return $out;
		},
		sub { $in .= "\\q\n"; IPC::Run::finish($psql); });
}

# 1.
my @tables = qw(media movies series episodes queue_items configuration webui_users job_types cache_entries);
my %change = (
	configuration => q{INSERT INTO researcharr.configuration (key, value) VALUES ('k', 'v')},
	webui_users => q{INSERT INTO researcharr.webui_users (username, password_hash) VALUES ('u', 'h')},
	job_types => q{SELECT count(researcharr.job_type_register('other'))},
	cache_entries => q{INSERT INTO researcharr.cache_entries (key, value) VALUES ('k', '')},
	queue_items => q{INSERT INTO researcharr.queue_items (media_id, service) SELECT id, 'radarr' FROM researcharr.media LIMIT 1},
	media => q{UPDATE researcharr.media SET status = 'failed' WHERE title = 'movie 1'},
	movies => q{UPDATE researcharr.movies SET year = 1950},
	series => q{UPDATE researcharr.series SET seasons = 1},
	episodes => q{UPDATE researcharr.episodes SET air_date = '2020-01-01'});

foreach my $i (1 .. $#versions)
{
	my ($from, $to) = @versions[ $i - 1, $i ];
	my $waited = 0;

	# how the scripts before 1.5 lock is what it is
	next if $from =~ /^1\.[0-3]$/;
	$node->safe_psql('postgres', "CREATE DATABASE \"$from\"");
	$node->safe_psql($from, "CREATE EXTENSION researcharr VERSION '$from' CASCADE; $fill");
	foreach my $table (@tables)
	{
		$node->safe_psql('postgres', "CREATE DATABASE one TEMPLATE \"$from\"");
		my ($ask, $end) = session('one');
		my $err = '';

		$ask->("BEGIN; $change{$table}");
		my $update = IPC::Run::start(
			[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('one'),
				'-c', "ALTER EXTENSION researcharr UPDATE TO '$to'" ],
			'2>', \$err);
		$node->poll_query_until('postgres', q{
			SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = 'one'
			 AND query LIKE 'ALTER EXTENSION%' AND state = 'active' AND wait_event_type IS DISTINCT FROM 'Lock')})
		  or die 'the update neither ends nor waits';
		$waited += $node->safe_psql('postgres', q{
			SELECT count(*) FROM pg_stat_activity WHERE datname = 'one' AND wait_event_type = 'Lock'});
		my ($rc, $out, $error) = $node->psql('one', "SET lock_timeout = '1s'; $work");
		is("$rc $error", '0 ', "$from to $to beside a change of $table: workers go on");
		like($ask->($work), qr/^1\n1\n?$/, '... and so does the transaction that is waited for');
		$ask->('COMMIT');
		$end->();
		ok($update->finish, '... and then the update ends') or diag $err;
		is($node->safe_psql('one', "SELECT extversion FROM pg_extension WHERE extname = 'researcharr'"),
			$to, '... with the new version');
		$node->safe_psql('postgres', 'DROP DATABASE one');
	}
	# these only make tables and functions of their own
	if ($to =~ /^1\.1[012]$/) { is($waited, 0, "$from to $to: no update had to wait") }
	else { cmp_ok($waited, '>', 0, "$from to $to: an update had to wait") }
}

# 2.
$node->safe_psql('postgres', 'CREATE DATABASE busy');
$node->safe_psql('busy', "CREATE EXTENSION researcharr VERSION '1.0' CASCADE; $fill;
	INSERT INTO researcharr.media (title, type) SELECT 'Title ' || n || md5(n::text), 'movie' FROM generate_series(1, 20000) AS n;
	CREATE TABLE progress (worker int PRIMARY KEY, jobs int); INSERT INTO progress SELECT n, 0 FROM generate_series(1, 2) AS n;
	CREATE TABLE stop (n int);" . q{
	CREATE PROCEDURE work(me int) LANGUAGE plpgsql AS $$
	DECLARE
		j record;
		m uuid = (SELECT id FROM researcharr.media WHERE title = 'movie ' || me);
	BEGIN
		WHILE NOT EXISTS (SELECT FROM stop) LOOP
			PERFORM researcharr.job_enqueue(m, 'search');
			COMMIT;
			FOR j IN SELECT * FROM researcharr.job_dequeue() LOOP
				PERFORM researcharr.job_complete(j.id, j.attempt);
			END LOOP;
			UPDATE progress SET jobs = jobs + 1 WHERE worker = me;
			COMMIT;
		END LOOP;
	END$$});
my @errors = ('', '');
my @workers = map {
	IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('busy'),
			'-c', "SET lock_timeout = '1s'", '-c', "CALL work($_)" ],
		'2>', \$errors[ $_ - 1 ])
} 1, 2;

# Both workers have finished more jobs since
sub progress
{
	my $jobs = $node->safe_psql('busy', 'SELECT min(jobs) FROM progress');
	return $node->poll_query_until('busy', "SELECT min(jobs) > $jobs + 10 FROM progress");
}

ok(progress(), 'workers work with 1.0');
$node->safe_psql('busy',
	'CREATE INDEX CONCURRENTLY media_title_trgm_idx ON researcharr.media USING gin (title public.gin_trgm_ops)');
foreach my $version (@versions[ 1 .. $#versions ])
{
	my $rc = 1;

	# as the documentation says: again, if a lock was not to be had
	for (my $tries = 0; $rc != 0 && $tries < 1000; $tries++)
	{
		$rc = $node->psql('busy',
			"SET lock_timeout = '100ms'; ALTER EXTENSION researcharr UPDATE TO '$version'",
			on_error_stop => 1);
	}
	is($rc, 0, "updated to $version beside workers");
	ok(progress(), "... and workers work with $version");
}
$node->safe_psql('busy', 'INSERT INTO stop VALUES (1)');
foreach my $i (0, 1)
{
	ok($workers[$i]->finish, 'no statement of a worker waited for a second');
	is($errors[$i], '', '... or failed');
}

$node->stop;
done_testing();
