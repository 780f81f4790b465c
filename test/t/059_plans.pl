# 059_plans.pl: no call reads a large table to find a few rows.
#
# Loads a sample of the benchmark's large database (test/bench/large) and runs
# each of its calls with auto_explain, which logs the plans of the statements that
# our functions run inside, and what they really read: once with plans for the
# values at hand, and once with generic plans.  No scan of a call may read, or
# throw away, more rows than its class may, a part of a large table's.  What a scan
# with a limit stops before does not count, nor do entries of a trigram index: what
# is read of the rows that they lead to does.
#
# Calls of the class "scan" are known to read more, and must, so that the list stays
# true.  Those of the class "all" return or change much, and are not looked at.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use JSON::PP;
use ResearcharrTest;
use PostgreSQL::Test::Utils;
use Test::More;

# How many rows a scan may read.  A page may sort the ids of all media of a status
# that one in twenty has, and of those that ready.sql adds.
my %bound = (map({ $_ => 2000 } 'key', 'queue', 'write', 'scan'), page => 4000, search => 5000);
my $large = "$FindBin::RealBin/../bench/large";

sub psql_file
{
	my ($db, $file, @args) = @_;
	return command_ok([ 'psql', '-Xq', '-o', '/dev/null', '-d', $db, (map { ('-v', $_) } @args), '-f', "$large/$file" ],
		"$file @args");
}

# The calls, in order: hashes of name, class and script
sub calls
{
	my @calls;
	foreach my $line (split /\n/, slurp_file("$large/calls.sql"))
	{
		if ($line =~ /^-- call (.+?) (key|queue|page|search|write|all|scan)(:\d+)?( .*)?$/)
		{
			push @calls, { name => $1, class => $2, script => '' };
		}
		elsif (@calls && $line !~ /^--/)
		{
			$calls[-1]{script} .= "$line\n";
		}
	}
	return @calls;
}

# What each scan of a plan read, as text: [rows, text] for each
sub scans
{
	my ($node) = @_;
	my @scans = map { scans($_) } @{ $node->{Plans} // [] };

	if ($node->{'Node Type'} =~ /Scan/
		&& ($node->{'Relation Name'} || $node->{'Index Name'})
		&& ($node->{'Index Name'} // '') !~ /^media_(search|title_trgm)_idx$/)
	{
		my $rows = $node->{'Actual Rows'};
		$rows += $node->{$_} // 0 foreach 'Rows Removed by Filter', 'Rows Removed by Index Recheck';
		push @scans, [ $rows * $node->{'Actual Loops'},
			join ' ', $node->{'Node Type'}, grep { defined } @$node{ 'Relation Name', 'Index Name' } ];
	}
	return @scans;
}

# Runs the calls in one session.  Returns a hash from their names to arrays of
# [rows, text], the scans of their statements.
sub plans_of
{
	my ($node, $db, $mode, @calls) = @_;
	my $script = PostgreSQL::Test::Utils::tempdir() . '/calls.sql';
	my $offset = -s $node->logfile;
	my (%scans, $name);

	# a marker before each call
	append_to_file($script, "SELECT 'call $_->{name}';\n$_->{script}") foreach @calls;
	{
		local $ENV{PGOPTIONS} = join ' ', map { "-c $_" } "plan_cache_mode=force_${mode}_plan", 'session_preload_libraries=auto_explain',
		  map { "auto_explain.log_$_" } 'min_duration=0', 'nested_statements=on', 'format=json', 'analyze=on', 'timing=off';
		command_ok(
			[ 'pgbench', '-n', '-M', 'extended', '-t', '1', '-f', $script,
				(map { ('-D', $_) } split /,/, sql(q{SELECT string_agg(key || '=' || value, ',') FROM bench.sizes s, jsonb_each_text(to_jsonb(s))}, $db)),
				$db ],
			"all calls, $mode plans");
	}
	my $log = slurp_file($node->logfile, $offset);
	diag($1) while $log =~ /^((?:ERROR|FATAL): .*\n(?:STATEMENT: .*\n)?)/mg;
	while ($log =~ /LOG:  duration: [0-9.]+ ms  plan:\n((?:\t.*\n)+)/g)
	{
		my $plan = decode_json($1);
		if ($plan->{'Query Text'} =~ /^SELECT 'call (.*)';/)
		{
			$name = $1;
			$scans{$name} = [];
			next;
		}
		push @{ $scans{$name} }, scans($plan->{Plan});
	}
	unlink $script;
	return %scans;
}

my $node = new_node('plans', "$preload
	max_wal_size = 4GB
	autovacuum = off
	checkpoint_timeout = 1h
	shared_buffers = 512MB
	fsync = off
	log_line_prefix = ''
	log_statement = none
	log_min_duration_statement = -1
");
my $db = new_db();
$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
my $version = sql("SELECT default_version FROM pg_available_extensions WHERE name = 'researcharr'");
psql_file($db, 'install.sql', "version='$version'", 'movies=20000', 'series=400', 'items=20000', 'done=40000', 'failed=2000',
	'queued=4000', 'audited=30000');
# indexes are built after the rows are there
sql("UPDATE pg_catalog.pg_index SET indisready = false, indisvalid = false
	WHERE indrelid IN (SELECT oid FROM pg_catalog.pg_class WHERE relnamespace = 'researcharr'::regnamespace)", $db);
psql_file($db, @$_)
  foreach [ 'media.sql', 'part=movies' ], [ 'media.sql', 'part=episodes' ], [ 'media.sql', 'part=rest' ],
  [ 'jobs.sql', 'part=done' ], [ 'jobs.sql', 'part=rest' ], [ 'logs.sql', 'part=history' ], [ 'logs.sql', 'part=audit' ];
sql($_, $db) foreach 'REINDEX SCHEMA researcharr', 'VACUUM ANALYZE';
psql_file($db, 'ready.sql', 'spares=200', 'jobs=2000');

my @calls = calls();
cmp_ok(scalar @calls, '>', 100, 'there are calls');
my %scans = map { $_ => { plans_of($node, $db, $_, @calls) } } 'custom', 'generic';
foreach my $call (grep { $_->{class} ne 'all' } @calls)
{
	my @far;
	foreach my $mode (sort keys %scans)
	{
		fail("$call->{name} is reached, $mode plans") if !$scans{$mode}{ $call->{name} };
		push @far, map { "$mode plan: $_->[1] reads $_->[0] rows" }
		  grep { $_->[0] > $bound{ $call->{class} } } @{ $scans{$mode}{ $call->{name} } // [] };
	}
	if ($call->{class} eq 'scan')
	{
		ok(@far > 0, "$call->{name} reads much, as it is said to");
		next;
	}
	ok(!@far, "$call->{name} reads little") or diag(join "\n", @far);
}

done_testing();
