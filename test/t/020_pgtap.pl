# 020_pgtap.pl: runs test/pgtap/*.sql, each in a database of its own.
#
# Each of a file's tests becomes one of ours, so that it counts.

use strict;
use warnings;
use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TAP::Parser;
use Test::More;

my @files = sort glob "$FindBin::Bin/../pgtap/*.sql";
my $node = PostgreSQL::Test::Cluster->new('pgtap');

plan skip_all => 'there are none' unless @files;
$node->init;
$node->start;
plan skip_all => 'pgTAP is not installed'
  unless $node->safe_psql('postgres',
	"SELECT count(*) FROM pg_available_extensions WHERE name = 'pgtap'");
$node->safe_psql('template1',
	'CREATE EXTENSION pgtap; CREATE EXTENSION researcharr CASCADE');

foreach my $file (@files)
{
	my ($name) = $file =~ m{([^/]+)\.sql$};

	$node->safe_psql('postgres', "CREATE DATABASE $name");
	my $parser = TAP::Parser->new(
		{
			exec => [
				'psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1',
				'-d', $node->connstr($name), '-f', $file
			]
		});

	while (my $result = $parser->next)
	{
		if ($result->is_test)
		{
			ok($result->is_ok, "$name: " . $result->description);
		}
		elsif (!$result->is_plan)
		{
			diag($result->raw);
		}
	}
	is(join('; ', $parser->parse_errors), '', "$name: ran to its end");
	is($parser->exit, 0, "$name: psql's exit status");
}

$node->stop;
done_testing();
