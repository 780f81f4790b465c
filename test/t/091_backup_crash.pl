# 091_backup_crash.pl: backups and restores are whole or not there.
#
#  1. kill -9 of all of the server's processes at random moments while clients
#     make, verify, restore, drop and clean up backups.  After each restart, each
#     backup that is listed with its files verifies, and nothing half-made is
#     left by the next run.  The data is that of one generation, whole, which each
#     restore replaces by another one.
#  2. A disk that is full: a clear error, and nothing half-made.  It is a file
#     system in memory, which only the server sees; where the system does not allow
#     that, this is skipped.

use strict;
use warnings;
use Cwd qw(abs_path);
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;
use Time::HiRes qw(usleep);

my $rounds = 20;
my $seed = $ENV{BACKUP_SEED} // time;
note("BACKUP_SEED=$seed");
srand $seed;

my $dir = abs_path(PostgreSQL::Test::Utils::tempdir()) . '/backups';
mkdir $dir, 0700 or die;
my $node = new_node('crash', "researcharr.backup_directory = '$dir'\n");

# All data of a generation has its number.
sql(q{
	CREATE EXTENSION researcharr CASCADE;
	CREATE PROCEDURE public.make(n int) LANGUAGE plpgsql AS $$
	BEGIN
		DELETE FROM researcharr.media;
		DELETE FROM researcharr.configuration;
		INSERT INTO researcharr.media (title, type) SELECT 'generation ' || n, 'movie' FROM generate_series(1, 200);
		INSERT INTO researcharr.movies (media_id, year) SELECT id, 2000 + n FROM researcharr.media;
		PERFORM researcharr.job_enqueue(id, 'search', priority => n) FROM researcharr.media;
		PERFORM researcharr.config_set('generation', n::text, 'int');
	END $$;
	CREATE FUNCTION public.generation() RETURNS text LANGUAGE sql AS $$
		SELECT string_agg(g, ' ' ORDER BY g COLLATE "C") FROM (
			SELECT DISTINCT 'media ' || title || ' ' || count(*) AS g FROM researcharr.media GROUP BY title
			UNION ALL SELECT 'movies ' || year - 2000 || ' ' || count(*) FROM researcharr.movies GROUP BY year
			UNION ALL SELECT 'jobs ' || priority || ' ' || count(*) FROM researcharr.processing_jobs GROUP BY priority
			UNION ALL SELECT 'config ' || value || ' 1' FROM researcharr.configuration) AS all_of_it $$;
	-- by the indexes, too
	CREATE FUNCTION public.by_index() RETURNS bigint LANGUAGE sql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
		SELECT count(*) FROM researcharr.media AS m JOIN researcharr.movies AS v ON v.media_id = m.id
			JOIN researcharr.processing_jobs AS j ON j.media_id = m.id $$;
});
foreach my $n (1 .. 3)
{
	sql("CALL public.make($n)");
	sql("SELECT researcharr.backup_create('generation-$n')");
}
# they stay, for they seem to be the last ones
sql(q{UPDATE researcharr.backups SET created_at = created_at + interval '1 year'});

# What a client does over and over, and what it does not mind to fail
my @work = (
	"SELECT researcharr.backup_create()",
	"SELECT researcharr.backup_verify('generation-' || 1 + (random() * 2)::int)",
	"SELECT researcharr.backup_restore('generation-' || 1 + (random() * 2)::int)",
	"SELECT researcharr.backup_restore('generation-' || 1 + (random() * 2)::int, safety => false)",
	"SELECT researcharr.backup_drop((SELECT name FROM researcharr.backups WHERE name NOT LIKE 'generation%' ORDER BY random() LIMIT 1))",
	"SELECT researcharr.backup_cleanup(6)");

sub client
{
	my ($n) = @_;
	my $script = "$dir-client-$n.sql";

	unlink $script;
	append_to_file($script, join '', map { "$work[rand @work];\n" } 1 .. 200);
	return IPC::Run::start([ 'psql', '-XAtq', '-f', $script, '-d', $node->connstr('postgres') ],
		'<', \undef, '>', '/dev/null', '2>', '/dev/null');
}

# Kills all of the server's processes at once.
sub crash
{
	my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	my @children = split ' ', `ps -o pid= --ppid $postmaster`;

	kill 'KILL', $postmaster, @children;
	$node->{_pid} = undef;
	# its shared memory is free when all are gone
	foreach my $pid ($postmaster, @children)
	{
		usleep(10_000) while kill 0, $pid;
	}
	return;
}

my (@bad, %seen);
foreach my $round (1 .. $rounds)
{
	my @clients = map { client($_) } 1 .. 2;

	usleep(100_000 + rand 900_000);
	crash();
	$_->finish foreach @clients;
	$node->start;
	my ($generation, $found, $damaged, $lost, $cleaned) = split /\|/, sql(q{
		SELECT public.generation(), public.by_index(),
			(SELECT string_agg(l.name || ': ' || v.problem, ', ') FROM researcharr.backup_list() AS l,
				researcharr.backup_verify(l.name) AS v WHERE l.status <> 'files missing' AND NOT v.verified),
			(SELECT string_agg(name, ', ') FROM researcharr.backup_list() WHERE status = 'files missing'),
			researcharr.backup_cleanup(6)});
	my ($n) = $generation =~ /^config (\d)/;
	push @bad, "round $round: the data: $generation"
	  unless defined $n && $generation eq "config $n 1 jobs $n 200 media generation $n 200 movies $n 200";
	push @bad, "round $round: by the indexes: $found" unless $found eq '200';
	push @bad, "round $round: damaged: $damaged" if $damaged ne '';
	push @bad, "round $round: rows without files: $lost" if $lost ne '';
	my @left = glob "$dir/*/.*-*";
	push @bad, "round $round: left: @left" if @left;
	$seen{ $n // 'none' }++;
}
is(join("\n", @bad), '', "after each of $rounds crashes all is whole");
cmp_ok(scalar(keys %seen), '>', 1, 'restores were among what went on');

# 2.
SKIP:
{
	my $small = "$dir-small";
	my $mount = "mount -t tmpfs -o size=256k,mode=0700 tmpfs '$small'";
	my @unshare = qw(unshare --user --mount --map-current-user --keep-caps sh -c);

	mkdir $small, 0700;
	skip 'a full disk: no file system can be mounted here', 5
	  unless IPC::Run::run([ @unshare, $mount ], '>', '/dev/null', '2>', '/dev/null');
	sql('CALL public.make(1)');
	$node->stop;
	# the server sees a file system that others do not see
	my ($data, $log) = ($node->data_dir, $node->logfile);
	ok( IPC::Run::run([ @unshare, "$mount && exec pg_ctl -w -D '$data' -l '$log' start" ], '>', '/dev/null', '2>', '/dev/null'),
		'a server with a small disk');
	my $set = "SET researcharr.backup_directory = '$small'";
	my $error = refused(
		'postgres',
		"INSERT INTO researcharr.media (title, type) SELECT 'film ' || n, 'movie' FROM generate_series(1, 5000) AS n;
		$set; SELECT researcharr.backup_create('full')",
		'53100', 'could not (?:write|close|fsync).*No space left on device', 'a full disk');
	like($error, qr/writing backup "full", table "\w+"/, 'the error says what was written');
	is( sql("SELECT count(*) FROM pg_ls_dir('$small') AS d, pg_ls_dir('$small/' || d)"), '0', 'nothing half-made is left');
	$node->{_pid} = undef;
	IPC::Run::run([ 'pg_ctl', '-w', '-D', $data, '-m', 'fast', 'stop' ], '>', '/dev/null');
}
done_testing();
