# 056_subtransaction_terminate.pl: a session that is terminated while it runs an
# internal subtransaction ends alone, and leaves nothing behind.
#
#  1. In a batch of a unit of work.
#  2. In an import.
#  3. In the input function of a column's type.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $node = new_node('terminate', "shared_preload_libraries = 'researcharr'\nfsync = off");
$node->safe_psql('postgres', q{
	CREATE EXTENSION researcharr CASCADE;
	CREATE TABLE steps (step text);
	CREATE FUNCTION die() RETURNS boolean LANGUAGE plpgsql AS
		$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(600); RETURN true; END $$;
	CREATE FUNCTION die_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM die(); RETURN NEW; END $$;
	CREATE TRIGGER die BEFORE INSERT ON researcharr.configuration FOR EACH ROW EXECUTE FUNCTION die_trigger();
	CREATE TRIGGER die BEFORE INSERT ON researcharr.movies FOR EACH ROW EXECUTE FUNCTION die_trigger();
	CREATE DOMAIN deadly AS text CHECK (VALUE IS NULL OR die());
	ALTER TABLE researcharr.queue_items ADD COLUMN deadly deadly});

my %calls = (
	'a batch of a unit of work' => q{SELECT researcharr.unit_of_work('[{"op": "create", "entity": "config", "values": {"key": "a", "value": "1"}},
		{"op": "create", "entity": "config", "values": {"key": "b", "value": "1"}}]')},
	'an import' => q{SELECT researcharr.media_import_radarr('[{"title": "a", "tmdbId": 1}, {"title": "b", "tmdbId": 2}]')},
	'an input function' => q{SELECT researcharr.queue_item_validate('{"deadly": "x"}')});
foreach my $call (sort keys %calls)
{
	my ($out, $err);

	$node->psql('postgres', qq{DO \$do\$ BEGIN
			INSERT INTO steps VALUES ('in the block');
			PERFORM * FROM (} . $calls{$call} . q{) AS c;
		EXCEPTION WHEN OTHERS OR query_canceled THEN
			INSERT INTO steps VALUES ('in the handler');
		END $do$; INSERT INTO steps VALUES ('after')}, stdout => \$out, stderr => \$err);
	like($err, qr/FATAL:  terminating connection due to administrator command/, "$call: the session is terminated");
}
is($node->safe_psql('postgres', q{
	SELECT (SELECT count(*) FROM steps) + (SELECT count(*) FROM researcharr.media) + (SELECT count(*) FROM researcharr.configuration)}),
	'0', 'nothing is left of them');
unlike(slurp_file($node->logfile), qr/PANIC|was terminated by signal|TRAP/, 'no server process crashed');
$node->stop;
done_testing();
