# 071_worker_way.pl: the worker is not in the way of commands that need a
# database for themselves, beside a worker that is busy in it.
#
#  1. CREATE DATABASE ... TEMPLATE
#  2. ALTER DATABASE ... RENAME
#  3. ALTER DATABASE ... SET TABLESPACE
#  4. DROP DATABASE
#  5. A role that may not do these cannot end a worker.
#  6. Prepared transactions

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $rounds = 8;
my $node = new_node('way', $preload . "researcharr.rescue_delay = 0\nallow_in_place_tablespaces = on\nmax_prepared_transactions = 2\n");

# Is a worker in the middle of a task?
sub is_busy
{
	my ($db) = @_;

	sql('DROP SCHEMA IF EXISTS nothing', $db);
	return within(30, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'researcharr worker'
		AND datname = '$db' AND application_name = 'cache_expiry' AND wait_event = 'PgSleep'");
}

# A database in which the worker has much to do
sub busy_db
{
	my $db = new_db();

	create_extension($db);
	sql("CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN PERFORM pg_sleep(8); RETURN OLD; END \$\$;
		CREATE TRIGGER slow BEFORE DELETE ON researcharr.cache_entries FOR EACH ROW EXECUTE FUNCTION public.slow();
		INSERT INTO researcharr.cache_entries (key, value, expiry) SELECT n, '', now() FROM generate_series(1, 1000) n", $db);
	return $db;
}

my $db = busy_db();

# 1.
foreach my $i (1 .. $rounds)
{
	ok(is_busy($db), 'a worker is busy') if $i == 1;
	sql("CREATE DATABASE copy TEMPLATE $db");
	ok(is_busy('copy'), 'the copy gets a worker') if $i == 1;
	sql('DROP DATABASE copy');
}
pass("copied $rounds times");

# 2.
foreach my $i (1 .. $rounds)
{
	is_busy($db);
	sql("ALTER DATABASE $db RENAME TO renamed");
	is_busy('renamed');
	sql("ALTER DATABASE renamed RENAME TO $db");
}
pass("renamed $rounds times");

# 3.
sql("CREATE TABLESPACE elsewhere LOCATION ''");
foreach my $tablespace (qw(elsewhere pg_default))
{
	ok(is_busy($db), 'a worker is busy');
	sql("ALTER DATABASE $db SET TABLESPACE $tablespace");
}
pass('moved to and fro');

# 5.
sql('CREATE ROLE nobody LOGIN');
ok(is_busy($db), 'a worker is busy');
my $pid = sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'researcharr worker' AND datname = '$db'");
foreach my $statement ("DROP DATABASE $db", "ALTER DATABASE $db RENAME TO mine", "CREATE DATABASE mine TEMPLATE $db")
{
	my ($rc) = $node->psql('postgres', "SET ROLE nobody; $statement");

	isnt($rc, 0, "$statement is refused");
}
is(sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'researcharr worker' AND datname = '$db'"), $pid, 'the worker goes on');

# 6.
sql("BEGIN; ALTER DATABASE $db RENAME TO renamed; PREPARE TRANSACTION 'rename'");
sql("ROLLBACK PREPARED 'rename'");
ok(is_busy($db), 'a prepared transaction keeps no worker away for ever');
my $prepared = new_db("BEGIN; CREATE EXTENSION researcharr CASCADE; PREPARE TRANSACTION 'install'");
sql("COMMIT PREPARED 'install'", $prepared);
ok(within(30, "SELECT count(*) > 0 FROM researcharr.worker_status() WHERE database = current_database() AND runs > 0", $prepared),
	'an extension that a prepared transaction installs gets a worker');

# 4.
foreach my $i (1 .. $rounds)
{
	sql("DROP DATABASE $db");
	$db = busy_db();
	is_busy($db);
}
pass("dropped $rounds times");
sql("BEGIN; ROLLBACK; DROP DATABASE IF EXISTS none");
unlike(slurp_file($node->logfile), qr/TRAP|PANIC|is being accessed by other users/, 'nothing strange is in the log');
$node->stop;
done_testing();
