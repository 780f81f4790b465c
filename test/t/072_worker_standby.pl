# 072_worker_standby.pl: the background worker and a standby.
#
#  1. There is none on a standby.
#  2. After the promotion, maintenance runs within 10 s.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $primary = new_node('primary', $preload . "researcharr.worker = off\nresearcharr.rescue_delay = 0\n", allows_streaming => 1);
create_extension();
sql("SELECT researcharr.job_enqueue($media, 'search'); SELECT count(*) FROM researcharr.job_dequeue(lease => '1 us')");
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', 'researcharr.worker = on');
$standby->start;
$primary->wait_for_catchup($standby);
use_node($standby);

# 1.
is(sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'researcharr\%'"), 0, 'no process on a standby');
refused('postgres', 'CALL researcharr.run_maintenance()', '25006', '', 'maintenance by hand');

# 2.
$standby->promote;
ok(within(10, "SELECT status = 'queued' FROM researcharr.processing_jobs"), 'promoted, it does maintenance within 10 s');
$primary->stop;
$standby->stop;
done_testing();
