# 060_docs.pl: the documentation says what is, and its examples work.
#
#  1. docs/sql-reference.md has a section, or a row of a table, for each
#     function, with its very signature, each trigger function, each table and
#     view, with each column, each setting and each SQLSTATE of our own; and no
#     section for what is not.
#  2. Types and defaults of columns, defaults and ranges of settings, and storage
#     options are those of the catalog.
#  3. Every block of SQL of README.md and docs/*.md runs, file by file, in a
#     new database each.  Those of README.md also run as the role that one of
#     them grants a level, but for the last one, which README.md leaves to an admin.
#  4. Links from file to file, and to headings, lead somewhere, and files and
#     functions of the tree that are named are there.
#  5. Lines have at most 100 columns, in src at most 80, apart from code and
#     tables; cells of tables have a dozen words at most.

use strict;
use warnings;
use Encode qw(decode);
use File::Find;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $top = "$FindBin::Bin/../..";
my @files = ("$top/README.md", sort glob("$top/docs/*.md"), glob("$top/docs/clients/*.md"));
my $node = new_node('docs', $preload . "researcharr.worker = off\n");
$node->safe_psql('postgres', 'CREATE EXTENSION researcharr CASCADE');

sub lines
{
	my ($query) = @_;

	return split /\n/, $node->safe_psql('postgres', $query);
}

# 1.
my $reference = slurp_file("$top/docs/sql-reference.md");
my %section = map { /^(\w+)\n(.*)/s ? ($1 => $2) : () } split /^###? /m, $reference;
my %known;

# name|signature, as the reference writes it
my @functions = lines(q{
	WITH args AS (
		SELECT p.oid, n, coalesce(mode, 'i') AS mode,
			CASE mode WHEN 'b' THEN 'INOUT ' ELSE '' END
				|| name || ' ' || format_type(type, NULL) || coalesce(' = '
				|| regexp_replace(pg_get_function_arg_default(p.oid, n::int), '::.*', ''), '') AS text
		FROM pg_proc p, unnest(coalesce(proallargtypes, proargtypes::oid[]), proargmodes, proargnames)
			WITH ORDINALITY AS a (type, mode, name, n)
		WHERE pronamespace = 'researcharr'::regnamespace
	)
	SELECT p.proname, CASE p.prokind WHEN 'p' THEN 'CALL ' ELSE '' END || p.proname
		|| '(' || coalesce(string_agg(text, ', ' ORDER BY n) FILTER (WHERE mode IN ('i', 'b')), '') || ')'
		|| coalesce(' → ' || CASE WHEN p.proretset THEN 'SETOF ' ELSE '' END
			|| '(' || string_agg(text, ', ' ORDER BY n) FILTER (WHERE mode = 'o') || ')',
			' → ' || pg_get_function_result(p.oid), '')
	FROM pg_proc p LEFT JOIN args a ON a.oid = p.oid
	WHERE pronamespace = 'researcharr'::regnamespace
	GROUP BY p.oid, p.proname, p.proretset ORDER BY 1});
foreach (@functions)
{
	my ($name, $signature) = split /\|/, $_, 2;

	if ($signature =~ /→ trigger$/)
	{
		like($reference, qr/^\| `$name\(\)` \|/m, "function $name");
		next;
	}
	$signature =~ s/timestamp with time zone/timestamptz/g;
	$signature =~ s/\binteger\b/int/g;
	$signature =~ s/researcharr\.//g;
	$known{$name} = 1;
	if ($reference =~ /^\| `\Q$signature\E` \| \w/m)
	{
		ok(!exists $section{$name}, "function $name");
		next;
	}
	my ($written) = ($section{$name} // '') =~ /^```\n(.*?)\n```/ms;
	is(($written // 'no section') =~ s/\s+/ /gr, $signature, "function $name");
}
foreach (lines(q{
	SELECT relname, string_agg(attname, ' ' ORDER BY attnum) FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
	WHERE relnamespace = 'researcharr'::regnamespace AND relkind IN ('r', 'p', 'v') AND NOT relispartition
		AND attnum > 0 AND NOT attisdropped GROUP BY relname ORDER BY relname}))
{
	my ($name, $columns) = split /\|/;

	$known{$name} = 1;
	is(join(' ', grep { ($section{$name} // '') !~ /`$_`/ } split / /, $columns),
		'', "$name: each column");
}
like($reference, qr/\b$_\b/, "partition $_")
  foreach lines(q{SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'
	AND relnamespace = 'researcharr'::regnamespace AND relname !~ '_[0-9]{4}_[0-9]{2}$'});
like($section{Settings} // '', qr/^\| `\Q$_\E` \|/m, "setting $_")
  foreach lines(q{LOAD 'researcharr'; SELECT name FROM pg_settings WHERE name LIKE 'researcharr.%'});
like($section{Errors} // '', qr/^\| `$_` \|/m, "SQLSTATE $_")
  foreach map { s/[', ]//gr }
  slurp_file("$top/src/base/errors.h") =~ /MAKE_SQLSTATE\(([^)]*)\)/g;
is(join(' ', grep { /^[a-z]/ && !$known{$_} } sort keys %section),
	'', 'each section is about something');

# 2.
# The rows of a section's tables, as lists of cells without their backquotes
sub cells
{
	my ($text) = @_;

	return map { [ map { s/`//gr } split / *\| */, s/^\| *//r ] } $text =~ /^(\|.*?) *\|$/mg;
}

foreach (lines(q{
	SELECT relname, attname,
		replace(replace(format_type(atttypid, NULL), 'timestamp with time zone', 'timestamptz'), 'integer', 'int')
			|| CASE WHEN attnotnull THEN '' ELSE ', or NULL' END,
		regexp_replace(replace(coalesce(pg_get_expr(adbin, adrelid), ''), 'researcharr.', ''), '::[\w ]+$', '')
	FROM pg_class c JOIN pg_attribute ON attrelid = c.oid LEFT JOIN pg_attrdef ON adrelid = c.oid AND adnum = attnum
	WHERE relnamespace = 'researcharr'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
		AND attnum > 0 AND NOT attisdropped ORDER BY 1, attnum}))
{
	my ($table, $column, $type, $default) = split /\|/, $_, -1;
	my ($row) = grep { $_->[0] eq $column } cells($section{$table} // '');

	is(join('|', @{ $row // [] }[ 1, 2 ]), "$type|$default", "$table.$column: type and default");
}

my %unit = (us => 1e-6, ms => 1e-3, s => 1, min => 60, h => 3600, d => 86400, '' => 1);
my %who = (
	user => 'anybody, at any time',
	superuser => 'superusers',
	sighup => 'the configuration, reloaded',
	postmaster => q{the server's start, with preload});

# A value as a number, of seconds if it has a unit
sub number { return $_[0] =~ /^(-?\d+)(\w*)$/ ? $1 * $unit{$2} : $_[0] }

foreach (lines(q{LOAD 'researcharr'; SELECT name, vartype, boot_val, min_val, max_val, unit, context FROM pg_settings
	WHERE name LIKE 'researcharr.%'}))
{
	my ($name, $type, $default, $min, $max, $unit, $context) = split /\|/, $_, -1;
	my ($row) = grep { $_->[0] eq $name } cells($section{Settings});
	my (undef, $written, $range, $by) = @{ $row // [] };

	is($by, $who{$context}, "$name: who may set it");
	if ($type eq 'integer')
	{
		is(join(' ', map { number($_) } $written, split / to /, $range),
			join(' ', map { number($_ . $unit) } $default, $min, $max),
			"$name: default and range");
	}
	elsif ($type eq 'bool')
	{
		is("$written $range", "$default boolean", "$name: default");
	}
	else
	{
		is($written, $default eq '' ? 'empty' : $default, "$name: default");
	}
}

# option|relation|value, as docs/operations.md has them
is( join("\n", sort map { join '|', @$_ } grep { $_->[0] =~ /^(?:fillfactor|autovacuum_\w+)$/ }
		  cells(slurp_file("$top/docs/operations.md"))),
	join("\n", sort { $a cmp $b } lines(q{
		SELECT o.option_name, relname, o.option_value FROM pg_class, pg_options_to_table(reloptions) o
		WHERE oid IN ('researcharr.processing_jobs'::regclass, 'researcharr.processing_jobs_pkey'::regclass)})),
	'the storage options of processing_jobs');

# 3.
my $db = 0;
foreach my $file (@files)
{
	my $name = $file =~ s{.*/}{}r;
	my @blocks = slurp_file($file) =~ /^```sql\n(.*?)^```/msg;

	next unless @blocks;
	$node->safe_psql('postgres', 'CREATE DATABASE doc' . ++$db);
	$node->safe_psql("doc$db", 'CREATE EXTENSION researcharr CASCADE')
	  unless join('', @blocks) =~ /^CREATE EXTENSION/m;
	my ($rc, $out, $err) = $node->psql("doc$db",
		join("\n", 'SET client_min_messages = warning;', @blocks));
	is("$rc $err", '0 ', "$name: its SQL runs");
	next if $name ne 'README.md';
	is( $node->safe_psql("doc$db", q{
			SELECT string_agg(concat_ws(' ', priority, status, attempt, retry_count), ', ' ORDER BY priority)
			FROM researcharr.processing_jobs}),
		'50 queued 1 1, 90 completed 1 0',
		"$name: what its jobs come to");

	my $last = pop @blocks;
	my ($grants) = grep { $blocks[$_] =~ /access_grant\('my_app', 'application'\)/ } 0 .. $#blocks;
	my $as_role = "SET SESSION AUTHORIZATION my_app;\nSET client_min_messages = warning;\n";

	like(slurp_file($file) =~ s/\s+/ /gr, qr/The role may run all that follows, but for the last call\..*An admin sets how long/,
		"$name: what the role may run");
	$node->safe_psql('postgres', "DROP DATABASE doc$db;\nDROP ROLE my_app;\nCREATE DATABASE doc$db;");
	$node->safe_psql("doc$db", join("\n", 'SET client_min_messages = warning;', @blocks[ 0 .. $grants ]));
	($rc, $out, $err) = $node->psql("doc$db", join("\n", $as_role, @blocks[ $grants + 1 .. $#blocks ]));
	is("$rc $err", '0 ', '... runs as the role');
	($rc, $out, $err) = $node->psql("doc$db", "$as_role\\set VERBOSITY sqlstate\n$last");
	like($err, qr/ERROR:  42501$/, '... but for the last call');
	$node->safe_psql("doc$db", "SELECT researcharr.access_grant('my_app', 'admin')");
	($rc, $out, $err) = $node->psql("doc$db", $as_role . $last);
	is("$rc $err", '0 ', '... which an admin may run');
}

# 4.
foreach my $file (@files)
{
	my $name = $file =~ s{.*/}{}r;
	my $text = slurp_file($file) =~ s/^```.*?^```//msgr;
	my @bad;

	foreach my $link ($text =~ /\]\(([^)]+)\)/g)
	{
		my ($to, $anchor) = split /#/, $link, 2;
		my $target = $to eq '' ? $file : $file =~ s{[^/]*$}{}r . $to;

		next if $to =~ /^https?:/;
		push @bad, $link unless -e $target;
		next unless -e $target && defined $anchor;
		my %anchors = map { lc(s/[^\w -]//gr) =~ s/ /-/gr => 1 }
		  slurp_file($target) =~ /^#+ (.*)$/mg;
		push @bad, $link unless $anchors{$anchor};
	}
	is(join(' ', @bad), '', "$name: its links");
}

my (%tree, $source);
find({ wanted => sub { $tree{ s{^\Q$top\E/}{}r } = 1 if -f; $source .= slurp_file($_) if m{/src/.*\.[ch]$} }, no_chdir => 1 },
	map { "$top/$_" } qw(docs expected sql src test));
foreach my $file (@files)
{
	my $name = $file =~ s{.*/}{}r;
	my $text = slurp_file($file);

	# by the end of their path: docs/architecture.md leaves out src/.  X, Y and N
	# stand for anything.
	is(join(' ', grep { my $end = $_; !/-[XYN]\b/ && !grep { m{(?:^|/)\Q$end\E$} } keys %tree }
			  $text =~ /`([\w.\/-]+\.(?:[ch]|pl|pm|sql|spec))`/g),
		'', "$name: files that it names are there");
	is(join(' ', grep { $source !~ /\b$_\b/ } $text =~ /`(rarr_\w+)`/g), '', "$name: functions that it names are there");
}

# 5.
my @pages;
find({ wanted => sub { push @pages, $_ if /\.md$/ && -f }, no_chdir => 1 }, map { "$top/$_" } qw(docs src test));
foreach my $file ("$top/README.md", "$top/CHANGELOG.md", sort @pages)
{
	my $name = $file =~ s{^\Q$top\E/}{}r;
	my $width = $name =~ /^src/ ? 80 : 100;
	my $text = decode('UTF-8', slurp_file($file)) =~ s/^ *```.*?^ *```$//msgr;
	my @long = grep { length > $width && !/^ *\|/ && /^.{0,$width}\S\s/ } split /\n/, $text;
	my @wordy = grep { !/\x{2192}/ && (() = /\S+/g) > 12 } map { split /\|/ } grep { /^ *\|/ } split /\n/, $text;

	is(join("\n", @long), '', "$name: lines of at most $width columns");
	is(join("\n", @wordy), '', "$name: short cells of tables");
}

$node->stop;
done_testing();
