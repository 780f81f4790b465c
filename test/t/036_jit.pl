# 036_jit.pl: the extension's own statements run without JIT, and nobody else's.
#
# With all costs of JIT at zero each statement is compiled.  auto_explain says of
# each whether it was.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $node = new_node('jit', q{
autovacuum = off
jit = on
jit_above_cost = 0
jit_inline_above_cost = -1
jit_optimize_above_cost = -1
session_preload_libraries = 'auto_explain'
auto_explain.log_min_duration = 0
auto_explain.log_nested_statements = on
auto_explain.log_analyze = on
auto_explain.log_level = notice
});

plan skip_all => 'the server has no JIT' if sql('SELECT pg_jit_available()') ne 't';
create_extension();
sql(q{CREATE FUNCTION public.look() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM count(*) FROM pg_catalog.pg_class WHERE relname = NEW.title || current_setting('jit');
		RETURN NEW;
	END $$;
	CREATE TRIGGER look BEFORE INSERT ON researcharr.media FOR EACH ROW EXECUTE FUNCTION public.look()});

# The plans of a statement: those of our own ones, and the others
sub plans
{
	my ($query) = @_;
	my ($out, $err) = ('', '');

	$node->psql('postgres', $query, stdout => \$out, stderr => \$err, on_error_die => 1);
	my @plans = split /NOTICE: +duration/, $err;
	shift @plans;
	return ([ grep { /Query Text: .*OPERATOR\(pg_catalog|Query Text: .*researcharr\.\w+ AS t/ } @plans ],
		[ grep { !/Query Text: .*OPERATOR\(pg_catalog|Query Text: .*researcharr\.\w+ AS t/ } @plans ]);
}

my ($ours, $others) = plans(q{SELECT count(*) FROM researcharr.media_get_all('{"title": {"ilike": "%a%"}}', 10)});
is(@$ours, 1, 'a repository call runs a statement');
unlike($ours->[0], qr/^JIT:/m, '... without JIT');
like($others->[0], qr/^JIT:/m, '... and the statement that calls it with JIT');
($ours, $others) = plans(q{SELECT title FROM researcharr.media_create('{"title": "x", "type": "movie"}')});
cmp_ok(@$ours, '>', 0, 'a write runs statements');
is((grep { /^JIT:/m } @$ours), 0, '... without JIT');
my ($trigger) = grep { /pg_catalog\.pg_class/ } @$others;
like($trigger, qr/^JIT:/m, q{a user's statement in a trigger keeps its JIT});
is(sql('SELECT count(*) FROM researcharr.media_get_all(); SHOW jit'), "2\non", 'the setting is left alone');

# an error in a statement of ours does not leave it off
($ours, $others) = plans(q{DO $$
	BEGIN
		PERFORM researcharr.media_create('{"title": "x", "type": "movie", "external_id": "1"}');
		PERFORM researcharr.media_create('{"title": "y", "type": "movie", "external_id": "1"}');
	EXCEPTION WHEN unique_violation THEN
		PERFORM count(*) FROM pg_catalog.pg_class;
	END $$});
my ($after) = grep { /pg_catalog\.pg_class$/m } @$others;
like($after, qr/^JIT:/m, 'nor does an error leave it off');

$node->stop;
done_testing();
