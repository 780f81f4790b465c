# 094_report.pl: metrics() and report_html() for the programs that read them.
#
#  1. promtool reads metrics(), with labels that need escaping.  Types that have no
#     series of their own are summed.
#  2. It accepts docs/monitoring/alerts.yml, whose figures metrics() has, as those
#     of the dashboard; the queries of the exporter's configuration run.
#  3. A browser shows report_html() with charts, and hostile titles and errors:
#     nothing is executed, and nothing is wider than a phone or a desktop, light or
#     dark.  Screenshots are in the directory of the tests' logs.

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
# Figures of the last day, which are read after a restart
sql("INSERT INTO researcharr.health_minutes SELECT t, t + interval '1 min', 3, 0, n % 50, 0, CASE WHEN n BETWEEN 300 AND 314 THEN 1 ELSE 0 END,
		0, 0, 0, NULL, 1000 + n
	FROM generate_series(0, 1500) n CROSS JOIN LATERAL (SELECT now() - interval '2 min' - n * interval '1 min' AS t) s");
$node->restart;

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
	SELECT researcharr.job_enqueue(m.id, t) FROM researcharr.media m, unnest('{search,verify}'::text[]) t;
	SELECT count(researcharr.job_complete(id, attempt)) FROM researcharr.job_dequeue('{search}', 2);
	SELECT count(*) FROM researcharr.job_stats();
	SELECT researcharr.record_slow_query('<svg onload="document.title=3">' || repeat('y', 1000), '2 s')});

# 1.
my $metrics = sql('SELECT researcharr.metrics()') . "\n";
like($metrics, qr/^researcharr_jobs_failed_total\{job_type="o\\"dd\\\\type \{x=\\",y=\\"\} é"\} 4$/m, 'a label is escaped');
like($metrics, qr/^researcharr_jobs\{job_type="o[^\n]*",status="failed"\} 4$/m, 'jobs are counted');
like($metrics, qr/^researcharr_job_wait_seconds_bucket\{job_type="o[^\n]*",le="\+Inf"\} 4$/m, 'waits too');

# The figures of jobs: for each name, and labels but the type's, values by type
sub by_type
{
	my %figures;

	while ($_[0] =~ /^(researcharr_job\w+)\{job_type="((?:[^"\\]|\\.)*)",?([^}]*)\} ([\d.]+)$/mg)
	{
		$figures{"$1 $3"}{$2} = $4;
	}
	return %figures;
}
my %all = by_type($metrics);
my %summed = by_type(sql('SET researcharr.metrics_types = 1; SELECT researcharr.metrics()'));
my ($bad, $others) = ('', 0);
is(join(' ', sort keys %summed), join(' ', sort keys %all), 'with a limit on types there are the same figures');
is(scalar(keys %{ $all{'researcharr_jobs_enqueued_total '} }), 4, 'three types and the others have series');
foreach my $figure (sort keys %all)
{
	my ($total, $limited) = (0, 0);

	$total += $_ foreach values %{ $all{$figure} };
	$limited += $_ foreach values %{ $summed{$figure} };
	$bad .= "$figure: $limited, not $total\n" if abs($total - $limited) > 0.000_01;
	$bad .= "$figure: types\n" unless keys %{ $summed{$figure} } == 2 && defined $summed{$figure}{''};
	$others += $summed{$figure}{''};
}
is($bad, '', 'one type and the others, which are summed: the total is the same');
cmp_ok($others, '>', 0, 'the others have figures');
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
my $html = slurp_file($page);
my @charts = $html =~ /(<svg .*?<\/svg>)/sg;
is(scalar(@charts), 4, 'there are charts');
my @bars = map { [ /<rect class="\w+" x="\d+" y="\d+" width="8" height="(\d+)"\/>/g ] } @charts;
my @counts = map { scalar @$_ } @bars;
cmp_ok($counts[0], '>=', 95, 'jobs were enqueued all day');
cmp_ok($counts[1], '>=', 95, 'and completed');
ok((grep { $counts[2] == $_ } 2, 3), 'they failed in a quarter of an hour, and now');
is($counts[3], 0, 'no lease lapsed');
is(join(' ', grep { $_ < 2 || $_ > 100 } map { @$_ } @bars), '', 'all bars have a height');
is(join(' ', map { (sort { $b <=> $a } @$_)[0] } @bars[ 0 .. 2 ]), '100 100 100', 'the largest is as high as its chart');
cmp_ok((sort { $a <=> $b } @{ $bars[1] })[1], '<', 60, 'others are less');
my $browser = program('chromium') // program('chromium-browser') // program('google-chrome');

# The test's page shows the report in a frame of this width, and measures it.
sub look
{
	my ($width, $scheme) = @_;
	my $frame = write_file("frame-$width-$scheme.html", qq{<!DOCTYPE html><html style="color-scheme:light dark"><body style="margin:0">
		<iframe id="f" src="report.html" style="width:${width}px;height:2000px;border:0"></iframe>
		<p id="out"></p><script>document.getElementById("f").onload = function () { var d = this.contentDocument, w = this.contentWindow;
		document.getElementById("out").textContent = [ d.title, w.innerWidth, d.documentElement.scrollWidth,
			d.querySelectorAll("script, img, iframe, svg[onload]").length,
			Array.from(d.querySelectorAll("rect")).filter(function (r) { var b = r.getBoundingClientRect(); return b.width > 0 && b.height > 0; }).length,
			w.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light",
			w.getComputedStyle(d.documentElement).backgroundColor + w.getComputedStyle(d.body).backgroundColor ].join("|"); }</script>});
	my $home = PostgreSQL::Test::Utils::tempdir();
	my $shot = "$PostgreSQL::Test::Utils::log_path/094_report-$width-$scheme.png";
	my ($out, $err) = ('', '');

	IPC::Run::run([ $browser, '--headless=new', '--no-sandbox', '--disable-gpu', '--allow-file-access-from-files', "--user-data-dir=$home",
			'--blink-settings=preferredColorScheme=' . ($scheme eq 'dark' ? 0 : 1), "--window-size=$width,2000", '--hide-scrollbars',
			'--virtual-time-budget=5000', "--screenshot=$shot", '--dump-dom', "file://$frame" ],
		'>', \$out, '2>', \$err, IPC::Run::timeout(120));
	my ($title, $inner, $scrolled, $active, $bars, $shown, $background) = $out =~ /<p id="out">([^|<]*)\|(\d+)\|(\d+)\|(\d+)\|(\d+)\|(\w+)\|([^<]*)<\/p>/;
	my $at = "at $width pixels, $scheme";
	is($title, 'researcharr: postgres', "nothing is executed $at") or diag "$out$err";
	is($inner, $width, "the width $at");
	cmp_ok($scrolled // 10000, '<=', $width, "nothing is wider $at");
	is($active, 0, "there are no active elements $at");
	cmp_ok($bars // 0, '>', 190, "bars are drawn $at");
	is($shown, $scheme, "the scheme $at");
	ok(-s $shot, "a screenshot $at") or diag $err;
	return $background;
}
SKIP:
{
	skip 'there is no browser', 30 unless $browser;
	foreach my $width (360, 1280)
	{
		my ($light, $dark) = map { look($width, $_) } qw(light dark);
		isnt($light, $dark, "a dark page has another background at $width pixels");
	}
}
$node->stop;
done_testing();
