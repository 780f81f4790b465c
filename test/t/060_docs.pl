# 060_docs.pl: the documentation says what is, and its examples work.
#
#  1. docs/sql-reference.md has a section, or a row of a table, for each
#     function, with its very signature, each trigger function, each table and view, with each column,
#     each setting and each SQLSTATE of our own; and no section for what is not.
#  2. Every block of SQL of README.md and docs/*.md runs, file by file, in a
#     new database each.
#  3. Links from file to file, and to headings, lead somewhere.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $top = "$FindBin::Bin/../..";
my @files = ("$top/README.md", sort glob "$top/docs/*.md");
my $node = new_node('docs', $preload);
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
	AND relnamespace = 'researcharr'::regnamespace});
like($section{Settings} // '', qr/^\| `\Q$_\E` \|/m, "setting $_")
  foreach lines(q{LOAD 'researcharr'; SELECT name FROM pg_settings WHERE name LIKE 'researcharr.%'});
like($section{Errors} // '', qr/^\| `$_` \|/m, "SQLSTATE $_")
  foreach map { s/[', ]//gr }
  slurp_file("$top/src/base/errors.h") =~ /MAKE_SQLSTATE\(([^)]*)\)/g;
is(join(' ', grep { /^[a-z]/ && !$known{$_} } sort keys %section),
	'', 'each section is about something');

# 2.
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
}

# 3.
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

$node->stop;
done_testing();
