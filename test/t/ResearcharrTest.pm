# ResearcharrTest.pm: what the TAP tests share.
#
# One node is the current one: the last that new_node() started, or the one
# that use_node() was given.  Functions that take a database use the current
# node, and the database "postgres" by default.  To load the module:
#
#   use FindBin;
#   use lib $FindBin::RealBin;
#   use ResearcharrTest;

package ResearcharrTest;

use strict;
use warnings;
use Exporter 'import';
use File::Temp;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT = qw($media $preload new_node use_node sql new_db create_extension
  register in_background backend sleeper got within reload refused contents
  run_program);

# The id, as an SQL literal, of the media row that create_extension() makes
our $media = "'01900000-0000-7000-8000-000000000001'";

# Configuration: load the library when the server starts
our $preload = "shared_preload_libraries = 'researcharr'\n";

my $node;
my $databases = 0;
my $clients = 0;

# Starts a new server with these lines of configuration.  More arguments are
# init()'s.
sub new_node
{
	my ($name, $conf, %init) = @_;

	$node = PostgreSQL::Test::Cluster->new($name);
	$node->init(%init);
	$node->append_conf('postgresql.conf', $conf) if $conf;
	$node->start;
	return $node;
}

sub use_node
{
	($node) = @_;
	return;
}

# Runs SQL, which must succeed, and returns its output.  More arguments are
# safe_psql()'s.
sub sql
{
	my ($sql, $db, %params) = @_;

	return $node->safe_psql($db // 'postgres', $sql, %params);
}

# Makes a database, runs SQL in it, and returns its name.  Options are those of
# CREATE DATABASE.
sub new_db
{
	my ($sql, $options) = @_;
	my $db = 'db' . ++$databases;

	sql("CREATE DATABASE $db " . ($options // ''));
	sql($sql, $db) if $sql;
	return $db;
}

# Installs the extension, with one media row.
sub create_extension
{
	my ($db) = @_;

	sql("CREATE EXTENSION IF NOT EXISTS researcharr CASCADE;
		INSERT INTO researcharr.media (id, title, type) VALUES ($media, 'Watched', 'movie')", $db);
	return;
}

# Registers a job type; takes the arguments of job_type_register() as text.
sub register
{
	my ($args, $db) = @_;

	return sql("SELECT name FROM researcharr.job_type_register($args)", $db);
}

# Starts a client that runs one statement, or an array of them.  Returns a hash:
# run is IPC::Run's handle, out and err are the output so far, and name is the
# session's application_name.
sub in_background
{
	my ($sql, $db) = @_;
	my %client = (name => 'client ' . ++$clients, out => '', err => '');
	local $ENV{PGAPPNAME} = $client{name};

	$client{run} = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr($db // 'postgres'), map { ('-c', $_) } ref $sql ? @$sql : $sql ],
		'<', \undef, '>', \$client{out}, '2>', \$client{err});
	return \%client;
}

# The process id of a client's backend
sub backend
{
	my ($client) = @_;

	return sql("SELECT pid FROM pg_stat_activity WHERE application_name = '$client->{name}'");
}

# Starts a client that sleeps in job_dequeue_wait(), whose arguments after the
# first are given as text, and returns it once it sleeps.
sub sleeper
{
	my ($args, $db) = @_;
	my $client = in_background('CALL researcharr.job_dequeue_wait(NULL' . ($args ? ", $args" : '') . ')', $db);

	within(60, "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Extension'
		AND application_name = '$client->{name}'") or die "$client->{name} does not sleep: $client->{err}";
	return $client;
}

# Waits for a sleeper to end, and returns how many jobs it got.
sub got
{
	my ($client) = @_;

	$client->{run}->finish;
	my $n = () = $client->{out} =~ /"status": "running"/g;
	return $n;
}

# Runs a query until it returns t, for at most so many seconds.  Did it?
sub within
{
	my ($seconds, $query, $db) = @_;
	my $end = time + $seconds;

	while (1)
	{
		return 1 if sql($query, $db) eq 't';
		return 0 if time > $end;
		usleep(10_000);
	}
}

# Changes settings of the server, and has it read them.
sub reload
{
	my (%settings) = @_;

	$node->safe_psql('postgres', join '', map { "ALTER SYSTEM SET $_ = '$settings{$_}';\n" } sort keys %settings);
	return sql('SELECT pg_reload_conf()');
}

# SQL must fail with this SQLSTATE, and a message that this pattern matches.
# Returns all of the error's text.
sub refused
{
	my ($db, $sql, $sqlstate, $pattern, $what) = @_;
	my ($rc, $out, $err) =
	  $node->psql($db, $sql, extra_params => [ '-v', 'VERBOSITY=verbose' ]);

	isnt($rc, 0, "$what is refused");
	like($err, qr/ERROR:  $sqlstate: $pattern/s, "$what: the error");
	return $err;
}

# For each table whose rows a dump has: the number of rows and a digest of them
sub contents
{
	my ($db) = @_;

	return sql(
		sql(q{
			SELECT string_agg(format(
				'SELECT %L, count(*), md5(string_agg(j, E''\n'' ORDER BY j COLLATE "C")) FROM %s t, CAST(to_jsonb(t) AS text) j',
				c.oid::regclass, c.oid::regclass), ' UNION ALL ') || ' ORDER BY 1'
			FROM pg_class c
			WHERE c.relnamespace = 'researcharr'::regnamespace AND c.relkind = 'r' AND c.relpersistence = 'p'}, $db),
		$db);
}

# Runs one of the test programs (test/PROGRAM/run) on a server of its own, with
# the extension that is installed.  It must succeed.  Returns what it printed.
sub run_program
{
	my ($name, $program, @args) = @_;
	my $out = '';

	# a socket's path must be short
	local $ENV{TMPDIR} = File::Temp::tempdir('rXXXX', DIR => $ENV{TMPDIR} || '/tmp', CLEANUP => 1);
	local $ENV{INSTALLED} = 1;
	my $ok = IPC::Run::run([ "$FindBin::RealBin/../$program/run", @args ], '>', \$out, '2>&1');

	ok($ok, $name);
	$ok ? note($out) : diag($out);
	return $out;
}

1;
