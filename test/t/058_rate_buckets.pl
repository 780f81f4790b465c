# 058_rate_buckets.pl: the buckets of rates that a transaction uses before it
# commits them, as time goes by.  The server's clocks are those of ClockShim.pm.
#
#  1. After the commit the type has the tokens that it had before it.
#  2. A slot in shared memory is not given to another type before the bucket is full.
#  3. A rollback to a savepoint returns tokens also where the type's slot is a new one.
#  4. Others wait for a token that is due after the last timestamp.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ClockShim;
use ResearcharrTest;
use Test::More;

my $shim = ClockShim->new;
my $node = PostgreSQL::Test::Cluster->new('rate_buckets');
use_node($node);
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'researcharr'
autovacuum = off
fsync = off
});
$shim->start($node);
create_extension();

sub take { return "SELECT count(*) FROM researcharr.job_dequeue('{$_[0]}', " . ($_[1] // 9) . ')' }

sub rate { return "SELECT name FROM researcharr.job_type_register('$_[0]', rate_limit => $_[1], rate_interval => '$_[2]')" }

sub enqueue { return sql("SELECT count(researcharr.job_enqueue($media, '$_[0]')) FROM generate_series(1, $_[1])") }

# Starts a transaction in a session of its own.
sub begin
{
	my $session = $node->background_psql('postgres');

	$session->query_safe('BEGIN');
	return $session;
}

sub end
{
	my ($session, $how) = @_;

	$session->query_safe($how);
	$session->quit;
	return;
}

# 1.
my $type = 'never';
foreach my $before ('no rate', '1 hour', '100 days')
{
	foreach my $used ('unused', 'used')
	{
		next if $before eq 'no rate' && $used eq 'used';
		my $name = "$before, $used";

		$type .= 'a';
		sql($before eq 'no rate' ? "SELECT name FROM researcharr.job_type_register('$type')" : rate($type, 1, $before));
		enqueue($type, 60);
		sql(take($type)) if $used eq 'used';
		$shim->advance(100 * 24 * 3600);
		my $owner = begin();
		$owner->query_safe(rate($type, 4, '1 hour'));
		my @got;
		foreach (0 .. 4)
		{
			push @got, $owner->query_safe(take($type));
			$shim->advance(3600);
		}
		is(join(' ', @got[1 .. 4]), '4 4 4 4', "$name: a transaction sets a rate of four an hour, and uses it");
		is($owner->query_safe(take($type, 1)), 1, 'and one more');
		$owner->query_safe("SELECT name FROM researcharr.job_type_register('$type', priority => 1)");
		is($owner->query_safe(take($type, 1)), 1, 'and one after it changed the policy again');
		end($owner, 'COMMIT');
		is(sql(take($type)), 2, 'two are left at the commit');
		$shim->advance(3600);
		is(sql(take($type)), 4, 'four an hour later');
		is(sql(take($type)), 0, 'and no more');
	}
}

# what others take meanwhile is gone
sql(rate('shared', 5, '1 hour'));
enqueue('shared', 60);
my $owner = begin();
$owner->query_safe(rate('shared', 5, '2 hours'));
is($owner->query_safe(take('shared', 1)), 1, 'a lower rate: the transaction takes one');
is(sql(take('shared')), 4, 'others the rest');
end($owner, 'COMMIT');
is(sql(take('shared')), 0, 'and nothing is left');
$shim->advance(2 * 3600);
is(sql(take('shared')), 5, 'until the bucket is full again');
$shim->advance(2 * 3600);
sql("SELECT researcharr.job_next_due('{shared}')");
$owner = begin();
$owner->query_safe(rate('shared', 5, '100 days'));
is($owner->query_safe(take('shared', 1)), 1, 'a much lower one');
foreach (1 .. 3)
{
	ok(sql(take('shared')) >= 4, 'others go on at the old one');
	$shim->advance(2 * 3600);
}
end($owner, 'COMMIT');
is(sql(take('shared')), 0, 'it is committed');
$shim->advance(20 * 24 * 3600);
is(sql(take('shared')), 1, 'and gives one in 20 days, since it owes nothing for what the old one gave');

# 2.
$node->append_conf('postgresql.conf', 'researcharr.agenda_types = 1');
$node->stop;
$shim->start($node);
sql('TRUNCATE researcharr.processing_jobs; DELETE FROM researcharr.job_types');
$owner = begin();
$owner->query_safe(rate('daily', 5, '1 day'));
$owner->query_safe("SELECT count(researcharr.job_enqueue($media, 'daily')) FROM generate_series(1, 30)");
is($owner->query_safe(take('daily')), 5, 'a type that is new gives five a day, before the commit');
end($owner, 'COMMIT');
sql(rate('other', 1, '1 s'));
enqueue('other', 30);
$shim->advance(62);
sql(take('other'));
$shim->advance(62);
is(sql(take('daily')), 0, 'and no more after others needed room in shared memory');
$shim->advance(2 * 24 * 3600);

# 3.
$owner = begin();
$owner->query_safe(rate('daily', 3, '1 hour'));
is($owner->query_safe(take('daily')), 3, 'three an hour');
$shim->advance(2 * 24 * 3600);
is(sql(take('other')), 1, 'another type gets the slot');
$shim->advance(62);
$owner->query_safe('SAVEPOINT s');
is($owner->query_safe(take('daily')), 3, 'three from a new slot');
$owner->query_safe('ROLLBACK TO s');
is($owner->query_safe(take('daily')), 3, 'again, as they were returned');
end($owner, 'ROLLBACK');

# 4.
$shim->advance(2 * 24 * 3600);
sql(rate('slow', 1, '36500 days'));
enqueue('slow', 5000);
$owner = begin();
$owner->query_safe(rate('slow', 1000, '1 microsecond'));
my $taken = 0;
$taken += $owner->query_safe(take('slow', 1000)) for 1 .. 5;
cmp_ok($taken, '>', 4000, 'a transaction takes thousands by a rate of its own');
is(sql(take('slow', 1)), 0, 'others get none');
is(sql(q{SELECT coalesce(researcharr.job_next_due('{slow}') > now() + interval '36500 days', true)}), 't', 'for long');
end($owner, 'ROLLBACK');

$node->stop;
done_testing();
