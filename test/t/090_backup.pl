# 090_backup.pl: backups are what they were when they are restored, or are
# refused.
#
#  1. Every change of one byte, every truncation, and every missing, extra or
#     swapped file of a small backup is found; so are links in place of files.
#  2. Rows come back as they were, with the owner's columns, but for attempts; a
#     backup of an older version of the extension restores.
#  3. No attempt that was given out before a restore is valid after it: for a job
#     that was requeued, one that was deleted with its history, one that another
#     restore brought back, and one that a sleeper gets.
#  4. A restore waits for locks no longer than lock_timeout.
#  5. Databases do not see each other's backups in the same directory.
#  6. The schedule makes backups, verifies them and removes old ones.  One sees how
#     far a backup is.
#  7. The archive command is run until it succeeds.  The health check knows.
#  8. An archive command that takes long does not hold up the server's end.

use strict;
use warnings;
use Cwd qw(abs_path);
use Fcntl qw(SEEK_SET);
use File::Copy qw(copy);
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;
use Time::HiRes qw(usleep);

my $dir = abs_path(PostgreSQL::Test::Utils::tempdir()) . '/backups';
mkdir $dir, 0700 or die;
my $node = new_node('backup', "$preload
researcharr.backup_directory = '$dir'
max_worker_processes = 16
");

sql('CREATE EXTENSION researcharr VERSION \'1.10\' CASCADE');
sql(qq{
	INSERT INTO researcharr.media (id, title, type) VALUES ($media, 'film', 'movie');
	INSERT INTO researcharr.movies (media_id, year) VALUES ($media, 2000);
	SELECT researcharr.job_enqueue($media, 'search')});

my ($folder) = map { "$dir/$_" } sql(q{SELECT system_identifier || '-' || (SELECT oid FROM pg_database WHERE datname = 'postgres') FROM pg_control_system()});

# Writes a file anew
sub put
{
	my ($file, $bytes) = @_;

	open my $fh, '>:raw', $file or die "$file: $!";
	print $fh $bytes;
	close $fh or die "$file: $!";
	return;
}

# One session that verifies a backup many times
my ($in, $out, $err) = ('', '', '');
my $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$out, '2>', \$err);

# Is the backup found to be damaged?  Returns what is wrong, or "".
sub problem
{
	my ($name) = @_;

	$out = '';
	$in .= "SELECT 'is ' || verified || ' ' || coalesce(problem, '') || ' end' FROM researcharr.backup_verify('$name');\n";
	$psql->pump until $out =~ / end\n/ || $err =~ /ERROR/;
	die $err if $err =~ /ERROR/;
	return $out =~ /^is true/ ? '' : $out;
}

# 1.
my $kept = sql(q{SELECT manifest_sha256 FROM researcharr.backup_create('small')});
is(problem('small'), '', 'a new backup is right');
my @files = sort glob "$folder/small/*";
cmp_ok(scalar(@files), '>', 10, 'it has files');
is(join(' ', map { sprintf '%04o', (stat)[2] & 07777 } @files), join(' ', ('0600') x @files), 'which nobody else may read');
is(join(' ', map { sprintf '%04o', (stat)[2] & 07777 } $folder, "$folder/small"), '0700 0700', 'in directories that nobody else may enter');
my ($bytes, @missed) = (0);
foreach my $file (@files)
{
	my $right = slurp_file($file);
	my $length = length $right;

	foreach my $i (0 .. $length - 1)
	{
		my $wrong = $right;
		my $bit = 1 << ($i % 8);

		substr($wrong, $i, 1) = chr(ord(substr $right, $i, 1) ^ $bit);
		put($file, $wrong);
		push @missed, "$file: byte $i" if problem('small') eq '';
		$bytes++;
	}
	foreach my $n (0 .. $length - 1)
	{
		put($file, substr $right, 0, $n);
		push @missed, "$file: $n bytes" if problem('small') eq '';
	}
	put($file, "${right}x");
	push @missed, "$file: longer" if problem('small') eq '';
	unlink $file;
	push @missed, "$file: missing" if problem('small') eq '';
	put("$dir/elsewhere", $right);
	symlink "$dir/elsewhere", $file;
	push @missed, "$file: a link" if problem('small') !~ /symbolic link/;
	unlink $file;
	mkdir $file, 0700;
	push @missed, "$file: a directory" if problem('small') eq '';
	rmdir $file;
	put($file, $right);
}
is("@missed", '', "each change of one of $bytes bytes, each truncation and each missing file is found");
put("$folder/small/0099.copy", '');
like(problem('small'), qr/"0099.copy" is not in the manifest/, 'an extra file');
unlink "$folder/small/0099.copy";
my ($pairs, %content) = (0, map { $_ => slurp_file($_) } @files);
foreach my $i (0 .. $#files)
{
	foreach my $j (grep { $content{ $files[$i] } ne $content{ $files[$_] } } $i + 1 .. $#files)
	{
		foreach my $swap (1, 0)
		{
			rename $files[$i], "$dir/swap";
			rename $files[$j], $files[$i];
			rename "$dir/swap", $files[$j];
			push @missed, "$files[$i] and $files[$j]" if $swap && problem('small') eq '';
		}
		$pairs++;
	}
}
is("@missed", '', "each of $pairs swaps of two files");
is(problem('small'), '', 'put right again');
is(sql(q{SELECT verify_error IS NULL AND verified_at IS NOT NULL FROM researcharr.backups}), 't', 'which is on record');

# a manifest that somebody made anew, with the right checksum
my $manifest = slurp_file("$folder/small/manifest.json");
my $forged = $manifest =~ s/"rows": 1,/"rows": 2,/r =~ s/"checksum": .*//sr;
isnt($forged, $manifest, 'a manifest is changed');
my $sum = sql("SELECT encode(sha256('" . $forged =~ s/'/''/gr =~ s/\\/\\\\/gr . "'::bytea), 'hex')");
put("$folder/small/manifest.json", qq{$forged"checksum": "$sum"\}\n});
like(problem('small'), qr/the manifest is another one/, 'a manifest made anew');
sql(q{DELETE FROM researcharr.backups});
is(sql("SELECT verified FROM researcharr.backup_verify('small', '$kept')"), 'f', 'also without a row, by its SHA-256');
refused('postgres', q{SELECT researcharr.backup_restore('small')}, 'XX001', 'file .* was changed while it was restored',
	'a backup whose numbers of rows are wrong');
put("$folder/small/manifest.json", $manifest);
chmod 0755, "$folder/small";
isnt(problem('small'), '', 'a directory that is open to others');
chmod 0700, "$folder/small";
rename "$folder/small", "$folder/other";
like(problem('other'), qr/the manifest is that of backup "small"/, 'a backup with the name of another one');
rename "$folder/other", "$folder/small";
$in .= "\\q\n";
$psql->finish;

# 2.
sql('DELETE FROM researcharr.media');
sql(slurp_file("$FindBin::RealBin/../data/fill.sql"));
sql(q{SELECT count(*) FROM researcharr.job_dequeue(); UPDATE researcharr.processing_jobs SET attempt = 0 WHERE status <> 'running'});
sql(q{ALTER TABLE researcharr.media ADD COLUMN mine jsonb DEFAULT '{"a": "\\\\b\\n"}', ADD COLUMN n serial});
sql(q{SELECT researcharr.backup_drop('small')});
sql(q{SELECT researcharr.backup_create('v1.10')});
my @jobs = ("SELECT string_agg((to_jsonb(j) - 'attempt' - 'status' - 'lease_expires_at')::text, ',' ORDER BY id) FROM researcharr.processing_jobs AS j",
	"SELECT string_agg(m::text, ',' ORDER BY id) FROM researcharr.media AS m",
	"SELECT string_agg(m::text, ',' ORDER BY id) FROM researcharr.configuration AS m",
	"SELECT string_agg(m::text, ',' ORDER BY id) FROM researcharr.processing_history AS m");
my @before = map { sql($_) } @jobs;
sql('ALTER EXTENSION researcharr UPDATE');
sql(q{DELETE FROM researcharr.media; DELETE FROM researcharr.configuration; TRUNCATE researcharr.webui_users});
is( sql(q{SELECT safety_backup IS NULL FROM researcharr.backup_restore('v1.10',
		'{media,movies,series,episodes,processing_jobs,configuration,webui_users,queue_items,job_types,processing_history,audit_log}', false)}),
	't', 'a backup of an older version restores');
is(join("\n", map { sql($_) } @jobs), join("\n", @before), 'rows are as they were');
is( sql(q{SELECT count(*) > 0 AND bool_and(attempt >= 100000 AND status <> 'running') FROM researcharr.processing_jobs}),
	't', 'but for attempts and leases');
is(sql(q{SET enable_seqscan = off; SELECT count(*) FROM researcharr.media WHERE id IN (SELECT media_id FROM researcharr.movies)}),
	sql('SELECT count(*) FROM researcharr.movies'), 'indexes agree');
sql(q{INSERT INTO researcharr.media (title, type) VALUES ('next', 'movie')});
is(sql(q{SELECT count(*) = count(DISTINCT n) FROM researcharr.media}), 't', 'a sequence goes on');

# 3.
sub claim
{
	return split /\|/, sql(q{SELECT id, attempt FROM researcharr.job_dequeue('{verify}')});
}

sub stale
{
	my ($id, $attempt, $what) = @_;

	foreach my $call ('job_complete', 'job_heartbeat', 'job_release')
	{
		refused('postgres', "SELECT researcharr.$call('$id', $attempt)", 'RA001', '', "$what: $call");
	}
	return;
}
sql("DELETE FROM researcharr.processing_jobs");
my $job = sql(q{SELECT researcharr.job_enqueue((SELECT min(id::text)::uuid FROM researcharr.media), 'verify')});
sql(q{SELECT researcharr.backup_create('queued')});
my (undef, $first) = claim();
sql(q{SELECT researcharr.backup_create('running')});
sql("SELECT researcharr.job_release('$job', $first)");
my (undef, $second) = claim();
sql(q{SELECT researcharr.backup_restore('running', safety => false)});
stale($job, $first, 'the attempt of the backup');
stale($job, $second, 'a later attempt');
my ($same, $third) = claim();
is($same, $job, 'the job is there');
stale($job, $_, 'after it was claimed') foreach $first, $second;
sql("DELETE FROM researcharr.processing_jobs; TRUNCATE researcharr.processing_history");
sql(q{SELECT researcharr.backup_restore('queued', safety => false)});
stale($job, $third, 'the attempt of a job that is gone, with its history');
my (undef, $fourth) = claim();
cmp_ok($fourth, '>', $third, 'attempts grow');
stale($job, $_, 'after it was claimed') foreach $first, $second, $third;
is(sql("SELECT researcharr.job_complete('$job', $fourth)"), 't', 'who has it now completes it');
# somebody sleeps, with the library preloaded
my $sleeper = sleeper("'{verify}', timeout => '60 s'");
sql(q{SELECT researcharr.backup_restore('queued', safety => false)});
is(got($sleeper), 1, 'a sleeper gets a restored job');
is( sql(q{SELECT sum(jobs) FROM researcharr.job_stats()}), sql(q{SELECT count(*) FROM researcharr.processing_jobs}),
	'the statistics agree');

# 4.
my $holder = in_background([ 'BEGIN', 'SELECT count(*) FROM researcharr.processing_jobs', "SELECT 'held', pg_sleep(600)" ]);
ok(within(60, "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = '$holder->{name}' AND wait_event = 'PgSleep'"),
	'somebody reads jobs');
like(refused('postgres', q{SET lock_timeout = '100ms'; SELECT researcharr.backup_restore('queued')}, '55P03', '',
		'a restore into a busy queue'),
	qr/locking table "processing_jobs", to restore backup "queued"/, 'and says for what it waited');
sql('SELECT pg_terminate_backend(' . backend($holder) . ')');
$holder->{run}->finish;
# a maintenance task that changes partitions of the logs, and would wait for the log
$holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; LOCK TABLE researcharr.retention_rules IN ROW SHARE MODE');
like(refused('postgres', q{SET lock_timeout = '100ms'; SELECT researcharr.backup_restore('queued')}, '55P03', '',
		'a restore beside such a task'),
	qr/locking table "retention_rules", to restore backup "queued"/, 'it waits before it has locked anything else');
$holder->query_safe('COMMIT');
$holder->quit;

# 5.
my $other = new_db('CREATE EXTENSION researcharr CASCADE');
sql(q{SELECT researcharr.backup_create('queued')}, $other);
is(sql('SELECT count(*) FROM researcharr.backup_list()', $other), '1', 'a database sees its own backups');
sql(q{SELECT researcharr.backup_drop('queued')}, $other);
is(sql(q{SELECT verified FROM researcharr.backup_verify('queued')}), 't', 'and drops no others');
# what another run has left is swept
mkdir "$folder/.new-left", 0700;
put("$folder/.new-left/0001.copy", 'x');
sql(q{SELECT researcharr.backup_create('sweeps')});
ok(!-e "$folder/.new-left", 'what is left is swept');
# a directory that cannot be written to
chmod 0500, $dir;
refused('postgres', 'SELECT researcharr.backup_create()', '55000', 'backup directory "[^"]*" is not writable', 'a directory without permissions');
chmod 0700, $dir;
# a directory that vanished
rename $dir, "$dir-away";
refused('postgres', 'SELECT researcharr.backup_create()', '58P01', 'could not find backup directory', 'a directory that vanished');
refused('postgres', 'SELECT researcharr.backup_list()', '58P01', 'could not find backup directory', 'a list of it');
rename "$dir-away", $dir;

# 6.
sub ran
{
	my ($entry) = @_;
	my $run = sql("SELECT researcharr.schedule_run('$entry')");

	within(60, "SELECT finished_at IS NOT NULL FROM researcharr.schedule_runs WHERE id = '$run'") or die "$entry does not run";
	return sql("SELECT status, coalesce(result, error) FROM researcharr.schedule_runs WHERE id = '$run'");
}
my $n = sql('SELECT count(*) FROM researcharr.backups');
like(ran('backup'), qr/^succeeded\|backup "20.*": \d+ rows, \d+ bytes, verified$/, 'the scheduled backup');
is(sql('SELECT count(*) FROM researcharr.backups'), $n + 1, 'is there');
is(sql('SELECT verified_at IS NOT NULL FROM researcharr.backups ORDER BY created_at DESC LIMIT 1'), 't', 'and verified');
sql(q{SELECT researcharr.schedule_set('backup_cleanup', '@yearly', 'backup_cleanup', '{"keep_last": 2}')});
is(ran('backup_cleanup'), 'succeeded|' . ($n - 1) . ' backups removed', 'the scheduled cleanup');
is( sql(q{SELECT status, count(*) FROM researcharr.backup_list() GROUP BY 1 ORDER BY 1}),
	"complete|2\nrow missing|1", 'leaves the last ones, and the one that a failed restore has left');
# progress, of a table that takes long: its rows have a value that is in the catalog once
sql(q{INSERT INTO researcharr.media (title, type) SELECT 'wide ' || n, 'movie' FROM generate_series(1, 2000) AS n;
	ALTER TABLE researcharr.media ADD COLUMN wide text DEFAULT repeat('x', 100000)});
my $progress = q{SELECT count(*) = 1 FROM pg_stat_progress_copy
	WHERE relid = 'researcharr.media'::regclass AND command = 'COPY TO' AND bytes_processed > 0 AND tuples_processed > 0};
my $writer = in_background(q{SELECT researcharr.backup_create('wide')});
ok(within(60, $progress), 'progress of backup_create()');
$writer->{run}->finish;
is($writer->{err}, '', 'it succeeds');
my $run = sql(q{SELECT researcharr.schedule_run('backup')});
ok(within(60, q{SELECT count(*) = 1 FROM researcharr.worker_status() WHERE database = 'postgres' AND progress ~ '^backup "20.*": table \d+ of \d+, "media"$'}),
	'progress of a scheduled backup');
ok(within(60, q{SELECT count(*) = 1 FROM researcharr.worker_status() WHERE progress ~ '^backup "20.*": reading file \d+ of \d+$'}),
	'and of reading it');
ok(within(60, "SELECT status = 'succeeded' FROM researcharr.schedule_runs WHERE id = '$run'"), 'it succeeds');
is(sql(q{SELECT count(*) FROM researcharr.worker_status() WHERE progress ~ '^backup'}), '0', 'then there is no progress');
sql(q{ALTER TABLE researcharr.media DROP COLUMN wide; DELETE FROM researcharr.media WHERE title LIKE 'wide %'});

# 7.
sub health
{
	return sql(q{SELECT concat_ws(': ', c->>'status', c->>'reason') FROM CAST(researcharr.health_check()->'checks'->'backup' AS jsonb) AS c});
}
my $archive = "$dir-archive";
sql(q{SELECT researcharr.backup_drop(name) FROM researcharr.backup_list()});
reload('researcharr.backup_archive_command' => "test -d $archive && cp -r %p $archive/%f && echo 100%% > $archive/said");
sql(q{SELECT researcharr.backup_create('shipped')});
ok( within(60, q{SELECT archive_failures >= 1 AND archived_at IS NULL AND archive_error = 'archive command failed: child process exited with exit code 1'
		FROM researcharr.backups}),
	'a failure is on record');
like(health(), qr/^warning: no backup has been verified; the last backup could not be archived: archive command failed/,
	'and in the health check');
mkdir $archive, 0700;
# a minute has passed
sql(q{UPDATE researcharr.backups SET archive_tried_at = archive_tried_at - interval '1 hour'});
sql('CALL researcharr.run_maintenance()');
ok(within(60, q{SELECT archived_at IS NOT NULL AND archive_error IS NULL FROM researcharr.backups}), 'and it is tried again');
is(health(), 'warning: no backup has been verified', 'then the health check says what is left');
is(sql(q{SELECT verified FROM researcharr.backup_verify('shipped')}), 't', 'it is verified');
like(health(), qr/^ok: the last verified backup is 00:\d\d:\d\d old$/, 'the health check is content');
is(slurp_file("$archive/shipped/manifest.json"), slurp_file("$folder/shipped/manifest.json"), 'the copy');
is(slurp_file("$archive/said"), "100%\n", 'a percent sign');
ok($node->log_contains('could not archive backup "shipped"'), "the server's log says so");

# 8.
my $pids = "$dir-pids";
reload('researcharr.backup_archive_command' => "echo \$\$ >$pids; sleep 600");
sql(q{SELECT researcharr.backup_create('slow')});
my $shell;
foreach (1 .. 600)
{
	last if -s $pids;
	usleep(100_000);
}
($shell) = slurp_file($pids) =~ /(\d+)/;
ok(kill(0, $shell), 'an archive command that takes long');
$node->stop('fast');
foreach (1 .. 600)
{
	last unless kill 0, $shell;
	usleep(100_000);
}
ok(!kill(0, $shell), 'ends with the server');
done_testing();
