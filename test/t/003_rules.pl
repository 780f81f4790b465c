# 003_rules.pl: rules of the source tree that a program can check.
#
# They keep one home for each thing: versions of the server in base/compat.h,
# settings in base/guc.c, and parts that depend on each other downwards only.

use strict;
use warnings;
use File::Find;
use FindBin;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = "$FindBin::Bin/../..";
my @sources;
find(
	sub {
		push @sources, $File::Find::name =~ s{^\Q$top\E/}{}r if /\.[ch]$/;
	},
	"$top/src");
@sources = sort @sources;

# Which parts a part may include headers of; the public header of each of the
# middle four has its own name.
my %layer = (base => 0, data => 1, job => 1, audit => 1, cache => 1, ops => 2);

sub part
{
	my ($file) = @_;
	return $file =~ m{^src/(\w+)/} ? $1 : '';
}

# What is wrong with a file's includes
sub bad_includes
{
	my ($file, @lines) = @_;
	my $own = part($file);
	my @bad;

	foreach (@lines)
	{
		my ($part, $name) = /^#include "(\w+)\/([\w\/]+)\.h"/ or next;
		next unless exists $layer{$part} && -e "$top/src/$part/$name.h";
		next if $own eq '' || $part eq $own || $layer{$part} < $layer{$own}
		  && ($part eq 'base' || $part eq $name);
		next if $layer{$part} == $layer{$own} && $part eq $name;
		push @bad, "includes $part/$name.h";
	}
	return @bad;
}

# The rules that a file breaks
sub broken
{
	my ($file) = @_;
	my ($name) = $file =~ m{([^/]+)$};
	my @lines = split /^/, slurp_file("$top/$file");
	my $text = join '', @lines;
	my @bad = bad_includes($file, @lines);

	push @bad, 'has ' . @lines . ' lines' if @lines >= 600;
	push @bad, 'does not begin with its name and, indented, its purpose'
	  unless $text =~ m{\A/\*\n \* \Q$name\E\n \*\t\t\S};
	push @bad, 'looks at the server version'
	  if $text =~ /PG_VERSION_NUM/ && $file ne 'src/base/compat.h';
	push @bad, 'defines settings'
	  if $text =~ /DefineCustom/ && $file ne 'src/base/guc.c';
	push @bad, 'begins or ends a subtransaction'
	  if $text =~ /\b(?:BeginInternal|ReleaseCurrent|RollbackAndReleaseCurrent)SubTransaction\b/
	  && $file ne 'src/base/subtransaction.c';
	push @bad, 'has white space at the end of a line' if $text =~ /[ \t]\n/;
	if ($file =~ /\.h$/)
	{
		push @bad, 'includes postgres.h' if $text =~ /^#include "postgres\.h"/m;
		push @bad, 'has no guard' unless $text =~ /^#ifndef RARR_\w+_H$/m;
	}
	else
	{
		my ($first) = $text =~ /^#include (\S+)/m;
		push @bad, 'does not include postgres.h first'
		  unless ($first // '') eq '"postgres.h"';
	}
	return join '; ', @bad;
}

ok(@sources > 0, 'there are sources');
is(broken($_), '', $_) foreach @sources;

# Each TAP test has a number of its own.
my %numbered;
foreach (glob "$top/test/t/*.pl")
{
	my ($number) = m{/(\d{3})_\w+\.pl$};

	push @{ $numbered{ $number // 'none' } }, s{.*/}{}r;
}
is(join(' ', map { @{ $numbered{$_} } } grep { $_ eq 'none' || @{ $numbered{$_} } > 1 } sort keys %numbered),
	'', 'each TAP test has a number of its own');
done_testing();
