# 034_secrets_in_log.pl: the server's log does not show secrets.
#
# Settings that are secret, and users' hashes, are written by calls and by
# plain DML that fail, with the value in the statement's text.  Neither the
# message nor the STATEMENT line has it where the error is the extension's, or
# comes from within one of its functions.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $node = new_node('secrets', "log_error_verbosity = verbose\nlog_statement = none\n");
$node->safe_psql('postgres', 'CREATE EXTENSION researcharr CASCADE;
	SELECT researcharr.config_set(\'k\', \'old\', \'string\', NULL, true);
	SELECT researcharr.webui_user_create(\'{"username": "u", "password_hash": "h"}\')');

my @failing = (
	q{SELECT researcharr.config_set('q', 'HIDDEN', 'int', NULL, true)},
	q{SELECT researcharr.config_create('{"key": "q", "value": "HIDDEN", "value_type": "int", "secret": true}')},
	q{SELECT researcharr.config_create('{"key": "k", "value": "HIDDEN", "secret": true}')},
	q{SELECT researcharr.config_update((SELECT id FROM researcharr.configuration), '{"value": "HIDDEN", "value_type": "bool"}')},
	q{SELECT researcharr.unit_of_work('[{"op": "create", "entity": "config", "values": {"key": "k", "value": "HIDDEN"}},
	  {"op": "create", "entity": "config", "values": {"key": "k2", "value": "HIDDEN"}}]')},
	q{SELECT researcharr.webui_user_create('{"username": "u", "password_hash": "HIDDEN"}')},
	q{SELECT researcharr.webui_user_create('{"username": "", "password_hash": "HIDDEN"}')},
	q{INSERT INTO researcharr.configuration (key, value, value_type, secret) VALUES ('q', 'HIDDEN', 'int', true)},
	q{INSERT INTO researcharr.configuration (key, value, secret) VALUES (NULL, 'HIDDEN', true)},
	q{UPDATE researcharr.configuration SET value = 'HIDDEN', value_type = 'json'},
	q{INSERT INTO researcharr.webui_users (username, password_hash) VALUES ('', 'HIDDEN')},
	q{UPDATE researcharr.webui_users SET username = NULL, api_key_hash = 'HIDDEN'});
foreach my $statement (@failing)
{
	my $start = -s $node->logfile;
	my ($rc, $out, $err) = $node->psql('postgres', $statement);

	isnt($rc, 0, "fails: $statement");
	unlike($err =~ s/^LINE \d+:.*//mgr, qr/HIDDEN/, 'the message does not show the secret');
	my $log = slurp_file($node->logfile, $start);
	like($log, qr/ERROR: /, 'the log has the error');
	unlike($log, qr/HIDDEN/, 'the log does not show the secret');
}
$node->stop;
done_testing();
