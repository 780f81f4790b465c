# 007_dependencies.pl: what the files of src use of each other.
#
# A file and the header of its name count as one.  It depends on another one if
# it includes the other's header, or names a function or a variable that the
# other one defines; all of these have names of our own (rarr_, researcharr_).
# No files depend on each other in a cycle, and a folder depends on lower ones
# alone.

use strict;
use warnings;
use File::Find;
use FindBin;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = "$FindBin::Bin/../..";

# The folders of src from the bottom up: each may use those in rows above its
# own, and itself.  '' is src itself.
my @order = (
	['base'],
	['cache'],
	['job/core'],
	[ 'job/agenda', 'job/history', 'job/stats' ],
	[ 'job/limits', 'job/wait' ],
	['job'],
	['audit'],
	['data'],
	['data/import'],
	['data/legacy'],
	['ops'],
	['']);

my %level;
foreach my $i (0 .. $#order)
{
	$level{$_} = $i foreach @{ $order[$i] };
}

# The sources without their comments and strings, by name below src
sub read_sources
{
	my %text;

	find(
		sub {
			return unless /\.[ch]$/;
			my $code = slurp_file($_);
			$code =~
			  s{(^\#include[^\n]*)|/\*.*?\*/|'(?:[^'\\]|\\.)+'|"(?:[^"\\]|\\.)*"}{$1 // ' '}gmse;
			$text{ $File::Find::name =~ s{^\Q$top\E/src/}{}r } = $code;
		},
		"$top/src");
	return \%text;
}

# What is one: a file and its header
sub unit
{
	return $_[0] =~ s/\.[ch]$//r;
}

sub folder
{
	return $_[0] =~ m{^(.+)/} ? $1 : '';
}

# Functions and variables by name: the unit that defines each.  Definitions are
# written as in the server's own code, a function's name first in its line.
sub definitions
{
	my ($text) = @_;
	my %home;

	foreach my $file (grep { /\.c$/ } keys %$text)
	{
		$home{$1} = unit($file)
		  while $text->{$file} =~ /^((?:rarr|researcharr)_\w+)\(/mg;
		$home{$1} = unit($file)
		  while $text->{$file} =~
		  /^(?!static|extern|typedef)[a-zA-Z][\w \t]*[ \t*](rarr_\w+)(?:\[\w*\])*\s*[=;]/mg;
	}
	return \%home;
}

# $graph->{A}{B} says why unit A depends on unit B
sub dependencies
{
	my ($text) = @_;
	my $home = definitions($text);
	my %graph;

	foreach my $file (keys %$text)
	{
		my $unit = unit($file);

		$graph{$unit} //= {};
		while ($text->{$file} =~ /^#include "([\w\/]+)\.h"/mg)
		{
			$graph{$unit}{$1} = "includes $1.h"
			  if exists $text->{"$1.h"} && $1 ne $unit;
		}
		next unless $file =~ /\.c$/;
		while ($text->{$file} =~ /\b((?:rarr|researcharr)_\w+)/g)
		{
			my $other = $home->{$1} or next;
			$graph{$unit}{$other} //= "uses $1" if $other ne $unit;
		}
	}
	return \%graph;
}

# The sets of units that depend on each other, after Tarjan
sub cycles
{
	my ($graph) = @_;
	my (%number, %low, %open, @stack, @found);
	my $visit;

	$visit = sub {
		my ($unit) = @_;

		$number{$unit} = $low{$unit} = keys %number;
		push @stack, $unit;
		$open{$unit} = 1;
		foreach my $other (sort keys %{ $graph->{$unit} })
		{
			$visit->($other) unless exists $number{$other};
			$low{$unit} = $low{$other}
			  if $open{$other} && $low{$other} < $low{$unit};
		}
		return unless $low{$unit} == $number{$unit};
		my @set;
		do
		{
			push @set, pop @stack;
			delete $open{ $set[-1] };
		} until $set[-1] eq $unit;
		push @found, join ' ', sort @set if @set > 1;
	};
	foreach my $unit (sort keys %$graph)
	{
		$visit->($unit) unless exists $number{$unit};
	}
	return [ sort @found ];
}

# The dependencies on a folder that is not below the unit's own
sub upward
{
	my ($graph) = @_;
	my @found;

	foreach my $unit (sort keys %$graph)
	{
		foreach my $other (sort keys %{ $graph->{$unit} })
		{
			next if folder($unit) eq folder($other);
			push @found, "$unit -> $other"
			  unless $level{ folder($other) } < $level{ folder($unit) };
		}
	}
	return \@found;
}

# What one of these reports anew once a line is added to a file
sub new_in
{
	my ($check, $text, $file, $line) = @_;
	my $changed = { %$text, $file => "$text->{$file}\n$line\n" };
	my %known = map { $_ => 1 } @{ $check->(dependencies($text)) };

	return [ grep { !$known{$_} } @{ $check->(dependencies($changed)) } ];
}

my $text = read_sources();
my $graph = dependencies($text);

ok(keys %$graph > 50, 'there are sources');
is_deeply([ sort grep { !exists $level{ folder($_) } } keys %$graph ],
	[], 'each folder has its level');
is_deeply(cycles($graph), [], 'no files depend on each other')
  or diag explain cycles($graph);
is_deeply(upward($graph), [], 'no folder depends on a higher one')
  or diag explain upward($graph);

# Extern functions have names by which the above finds them.
my @nameless;
foreach my $file (sort grep { /\.c$/ } keys %$text)
{
	while ($text->{$file} =~ /^([^\n]*)\n(\w+)\(/mg)
	{
		my ($before, $name) = ($1, $2);
		push @nameless, "$file: $name"
		  unless $before =~ /\bstatic\b/
		  || $name =~ /^(?:rarr|researcharr)_|^_PG_|^[A-Z_0-9]+$|^StaticAssertDecl$/;
	}
}
is_deeply(\@nameless, [], 'extern functions have a prefix of ours');

# The test of the test: a dependency that is added by hand is found.
foreach (
	[
		\&upward, 'base/text.c',
		'static int x(void) { return rarr_job_status(NULL); }',
		'base/text -> job/core/job_row'
	],
	[
		\&upward, 'job/core/queue_pos.h',
		'#include "job/claim.h"', 'job/core/queue_pos -> job/claim'
	],
	[
		\&upward, 'job/stats/slot.c',
		'static const void *x = &rarr_history_begin;',
		'job/stats/slot -> job/history/history'
	],
	[
		\&cycles, 'base/rows.c',
		'#include "base/append.h"', 'base/append base/rows'
	],
	[ \&upward, 'base/uuid.c', '#include "base/text.h"' ],
	[ \&cycles, 'base/uuid.c', '/* rarr_table_open */ "rarr_table_open"' ])
{
	my ($check, $file, $line, @found) = @$_;

	is_deeply(new_in($check, $text, $file, $line),
		\@found, "$file with $line: " . (@found ? 'found' : 'nothing'));
}
done_testing();
