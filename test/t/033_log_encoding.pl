# 033_log_encoding.pl: what goes on record is valid text, also where it went
# through no input function: a setting from the connection's options or from
# postgresql.conf, and a role's name from a database of another encoding.
#
# One such byte in a log makes a dump of it that cannot be restored, so in the
# end each database is dumped and restored.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

# without the library preloaded, also where test/run preloads it
my $node = new_node('encoding', "shared_preload_libraries = ''", extra => [ '--encoding=UTF8', '--no-locale' ]);
my $dir = PostgreSQL::Test::Utils::tempdir();

# a role whose name is no UTF-8: "m", then the byte E9
$node->safe_psql('postgres', 'CREATE DATABASE latin TEMPLATE template0 ENCODING LATIN1');
$node->safe_psql('latin', q{DO $$ BEGIN EXECUTE format('CREATE ROLE %I LOGIN', 'm' || chr(233)); END $$});
my $role = "m\xe9";
sql(q{CREATE EXTENSION researcharr CASCADE;
	INSERT INTO researcharr.media (id, title, type) VALUES ('01900000-0000-7000-8000-000000000001', 'Read', 'movie');
	GRANT USAGE ON SCHEMA researcharr TO PUBLIC;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA researcharr TO PUBLIC;
	GRANT SELECT, INSERT, UPDATE ON researcharr.media TO PUBLIC;
	SELECT researcharr.job_enqueue('01900000-0000-7000-8000-000000000001', 'search')});

# a role's name, in the audit log and in the history
sub as_role { return sql($_[0], undef, extra_params => [ '-U', $role ]) }
as_role(q{INSERT INTO researcharr.media (title, type) VALUES ('By m', 'movie')});
is(sql(q{SELECT database_user, acting_role FROM researcharr.audit_log ORDER BY id DESC LIMIT 1}), 'm\xe9|m\xe9', 'a role\'s name');
my $job = sql('SELECT id FROM researcharr.processing_jobs');
is(as_role("SELECT researcharr.job_cancel('$job')"), 't', 'the role cancels a job');
is(sql(q{SELECT details #>> '{by,session_user}', details #>> '{by,role}' FROM researcharr.processing_history}), 'm\xe9|m\xe9', '... in the history');
# its name as the text of a value
sql(q{ALTER TABLE researcharr.media ADD r regrole});
sql(q{UPDATE researcharr.media SET r = (SELECT oid FROM pg_authid WHERE oid >= 16384) WHERE title = 'Read'});
is(sql(q{SELECT changes #>> '{r,new}' FROM researcharr.audit_log ORDER BY id DESC LIMIT 1}), '"m\xe9"', 'a regrole');
sql(q{ALTER TABLE researcharr.media DROP r});

# the setting, before the library is loaded: a placeholder that it then refuses
my ($out, $err);
my $insert = q{INSERT INTO researcharr.media (title, type) VALUES ('With options', 'movie')};

sub with_option
{
	my ($bytes, $sql) = @_;
	local $ENV{PGOPTIONS} = "-c researcharr.user_id=$bytes";

	$out = $err = '';
	return $node->psql('postgres', $sql, stdout => \$out, stderr => \$err);
}
is(with_option("\xff", $insert), 0, 'not preloaded: the row is written');
like($err, qr/invalid value for parameter "researcharr.user_id"/, '... the setting refused');
is(sql(q{SELECT coalesce(user_id, 'none') FROM researcharr.audit_log ORDER BY id DESC LIMIT 1}), 'none', '... and not on record');
is(with_option("\xc3\xa9", $insert), 0, 'a valid one');
is(sql(q{SELECT user_id = 'é' FROM researcharr.audit_log ORDER BY id DESC LIMIT 1}), 't', '... is on record');

# preloaded: the connection is refused
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'researcharr'");
$node->restart;
is(with_option("\xff", $insert), 2, 'preloaded: no connection');
like($err, qr/not valid in the database's encoding, "UTF8"/, '... which says why');
like($err, qr/HINT:  .*SET after the connection/, '... and what to do');
is(with_option("\xc3\xa9", $insert), 0, 'a valid one');

# in another database the same bytes are text
$node->safe_psql('latin', 'CREATE EXTENSION researcharr CASCADE');
{
	local $ENV{PGOPTIONS} = "-c researcharr.user_id=\xe9";
	is($node->psql('latin', $insert), 0, 'valid in LATIN1');
}
is($node->safe_psql('latin', 'SELECT user_id = chr(233) FROM researcharr.audit_log'), 't', '... is on record');

# from the configuration, which is read before a database is chosen
$node->append_conf('postgresql.conf', "researcharr.user_id = 'x\xff'");
$node->restart;
sql($insert);
is(sql(q{SELECT user_id FROM researcharr.audit_log ORDER BY id DESC LIMIT 1}), 'x\xff', 'postgresql.conf');
$node->safe_psql('latin', $insert);
is($node->safe_psql('latin', 'SELECT count(*) FROM researcharr.audit_log WHERE user_id = \'x\' || chr(255)'), 1, '... text in LATIN1');

# dumps
foreach my $db ('postgres', 'latin')
{
	my $logs = q{SELECT (SELECT count(*) FROM researcharr.audit_log), (SELECT count(*) FROM researcharr.processing_history)};

	$node->command_ok([ 'pg_dump', '--no-sync', '-Fc', '-d', $node->connstr($db), '-f', "$dir/$db" ], "$db is dumped");
	$node->safe_psql('template1', "CREATE DATABASE restored_$db TEMPLATE template0 ENCODING " . ($db eq 'latin' ? 'LATIN1' : 'UTF8'));
	$node->command_ok([ 'pg_restore', '-e', '--no-acl', '-d', $node->connstr("restored_$db"), "$dir/$db" ], '... and restored');
	is($node->safe_psql("restored_$db", $logs), $node->safe_psql($db, $logs), '... with all rows of the logs');
}

$node->stop;
done_testing();
