# 094_report.pl: metrics() and report_html() for the programs that read them.
#
#  1. promtool reads metrics(), with labels that need escaping.
#  2. It accepts docs/monitoring/alerts.yml, whose figures metrics() has, as those
#     of the dashboard; the queries of the exporter's configuration run.
#  3. A browser shows report_html() with hostile titles and errors: nothing is
#     executed, and nothing is wider than a phone.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $node = new_node('report', $preload . "researcharr.worker = off\n");
my $monitoring = "$FindBin::RealBin/../../docs/monitoring";
create_extension();

# The path of a program, or nothing
sub program
{
	my ($path) = grep { -x } map { "$_/$_[0]" } split /:/, $ENV{PATH};

	return $path;
}

sub write_file
{
	my ($name, $text) = @_;
	my $path = $node->basedir . "/$name";

	open(my $file, '>', $path) or die "$path: $!";
	print $file $text;
	close $file;
	return $path;
}

# Hostile types, titles and errors, and numbers of jobs
my $type = q{o"dd\\type {x=",y="} é};
sql("SELECT name FROM researcharr.job_type_register(E'o\"dd\\\\type {x=\",y=\"} é')");
sql(q{INSERT INTO researcharr.media (title, type) SELECT t, 'movie' FROM unnest(ARRAY['<script>document.title = "owned"</script>',
		'"><img src=x onerror="document.title=1">', repeat('W', 500), '</td></table></style><style>*{display:none}</style>']) t;
	SELECT researcharr.job_enqueue(id, E'o"dd\\\\type {x=",y="} é') FROM researcharr.media;
	SELECT f.id FROM researcharr.job_dequeue(NULL, 4) j, researcharr.job_fail(j.id, j.attempt,
		E'<iframe src="javascript:document.title=2"></iframe>\n' || repeat('x', 1000), retry => false) f;
	SELECT count(*) FROM researcharr.job_stats();
	SELECT researcharr.record_slow_query('<svg onload="document.title=3">' || repeat('y', 1000), '2 s')});

# 1.
my $metrics = sql('SELECT researcharr.metrics()') . "\n";
like($metrics, qr/^researcharr_jobs_failed_total\{job_type="o\\"dd\\\\type \{x=\\",y=\\"\} é"\} 4$/m, 'a label is escaped');
like($metrics, qr/^researcharr_jobs\{job_type="o[^\n]*",status="failed"\} 4$/m, 'jobs are counted');
like($metrics, qr/^researcharr_job_wait_seconds_bucket\{job_type="o[^\n]*",le="\+Inf"\} 4$/m, 'waits too');
my $promtool = program('promtool');
SKIP:
{
	skip 'there is no promtool', 4 unless $promtool;
	my ($out, $err) = ('', '');

	# It reads the older format, in which a counter's family is named as its samples.
	IPC::Run::run([ $promtool, 'check', 'metrics' ], '<', \$metrics, '>', \$out, '2>', \$err);
	is(join('', grep { !/^researcharr_\w+_total no help text$/ } split /^/, $out . $err), '', 'promtool reads it');
	my %counter = map { $_ => 1 } $metrics =~ /^# TYPE (\w+) counter$/mg;
	my $older = $metrics =~ s/^# (TYPE|HELP) (\w+) /"# $1 $2" . ($counter{$2} ? '_total ' : ' ')/gmer;
	ok(IPC::Run::run([ $promtool, 'check', 'metrics' ], '<', \$older, '>', \$out, '2>', \$err), 'and accepts it in the older format')
	  or diag "$out$err";
	ok(IPC::Run::run([ $promtool, 'check', 'rules', "$monitoring/alerts.yml" ], '>', \$out, '2>', \$err), 'it accepts the alert rules')
	  or diag "$out$err";
	like($out, qr/SUCCESS: 6 rules found/, 'all of them');
}

# 2.
my $dashboard = slurp_file("$monitoring/dashboard.json");
my %known = map { $_ => 1 } $metrics =~ /^(researcharr_\w+)/mg;
ok(ref decode_json($dashboard) eq 'HASH', 'the dashboard is JSON');
my %of_backups = map { $_ => 1 } grep { /^researcharr_backup/ } $dashboard =~ /(researcharr_\w+)/g;
foreach my $text ($dashboard, slurp_file("$monitoring/alerts.yml"))
{
	my %used = map { $_ => 1 } $text =~ /\b(researcharr_\w+)/g;

	is(join(' ', grep { !$known{$_} && !$of_backups{$_} && $_ ne 'researcharr_job_oldest_due_seconds' } sort keys %used), '', 'figures that it uses are there');
}
my @queries = slurp_file("$monitoring/sql_exporter.yml") =~ /query: \|\n((?: {6}.*\n)+)/g;
is(scalar(@queries), 3, 'queries of the exporter');
isnt(sql($_), '', 'a query runs') foreach @queries;
my ($grants) = slurp_file("$monitoring/README.md") =~ /^```sql\n(.*?)^```/ms;
sql($grants);
is(sql("SET ROLE media_monitor; SELECT string_agg(c.key, ' ') FROM jsonb_each(researcharr.health_check()->'checks') c
	WHERE c.value->>'status' = 'not_available'"), '', 'with its grants every check is available');

# 3.
my $page = write_file('report.html', sql('SELECT researcharr.report_html()'));
my $browser = program('chromium') // program('chromium-browser') // program('google-chrome');
SKIP:
{
	skip 'there is no browser', 3 unless $browser;
	# the test's page measures the report in a frame as wide as a phone
	my $frame = write_file('frame.html', qq{<!DOCTYPE html><iframe id="f" src="report.html" style="width:360px;height:800px;border:0"></iframe>
		<p id="out"></p><script>document.getElementById("f").onload = function () { var d = this.contentDocument;
		document.getElementById("out").textContent = [ d.title, d.documentElement.scrollWidth, d.querySelectorAll("script, img, iframe, svg[onload]").length,
			d.querySelectorAll("section, h2").length ].join("|"); }</script>});
	my $home = PostgreSQL::Test::Utils::tempdir();
	my ($out, $err) = ('', '');
	IPC::Run::run([ $browser, '--headless=new', '--no-sandbox', '--disable-gpu', '--allow-file-access-from-files', "--user-data-dir=$home",
			'--virtual-time-budget=5000', '--dump-dom', "file://$frame" ], '>', \$out, '2>', \$err, IPC::Run::timeout(120));
	my ($title, $width, $active, $headings) = $out =~ /<p id="out">([^|<]*)\|(\d+)\|(\d+)\|(\d+)<\/p>/;
	is($title, 'researcharr: postgres', 'nothing is executed') or diag "$out$err";
	cmp_ok($width // 10000, '<=', 360, 'nothing is wider than a phone');
	is($active, 0, 'there are no active elements');
}
$node->stop;
done_testing();
