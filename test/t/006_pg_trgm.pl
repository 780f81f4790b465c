# 006_pg_trgm.pl: whoever owns pg_trgm, or its schema, gets nothing by it.
#
# pg_trgm is a trusted extension, so that an ordinary role with CREATE on the
# database can own it, an old version of it, or its schema.
#
#  1. An installation refuses a pg_trgm of such a role, and one that lacks what
#     is used, whatever that role added to it.  The database's owner may own it.
#  2. An update refuses the same, and goes on once the owner is another.
#  3. The owner of the schema renames it and makes another one with functions
#     and operators of the same names: none of them runs, in old sessions or new.
#  4. Functions and operators beside pg_trgm's own that fit better do not run,
#     nor do such that its owner added to it.
#  5. An object of pg_trgm that an ordinary role was given is not used.
#  6. A search needs no privilege on pg_trgm's schema, and a row in media none
#     for its index.
#  7. 1.6 finds an index for media_search that was made before, and refuses one
#     that is none; while it makes the index, the queue goes on.
#  8. media_search works with the SQL objects of version 1.4.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ResearcharrTest;
use Test::More;

my $node = new_node('pg_trgm', 'lock_timeout = 60s');
$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN; CREATE ROLE boss SUPERUSER LOGIN');

# A new database in which mallory may make schemas and trusted extensions
sub mallorys_db
{
	my ($owner) = @_;
	my $name = new_db('', 'OWNER ' . ($owner // 'postgres'));

	$node->safe_psql($name, "GRANT CREATE ON DATABASE $name TO mallory");
	return $name;
}

sub as_mallory
{
	my ($name, $sql) = @_;

	return $node->safe_psql($name, $sql, extra_params => [ '-U', 'mallory' ]);
}

sub version
{
	my ($name) = @_;

	return $node->safe_psql($name, "SELECT extversion FROM pg_extension WHERE extname = 'researcharr'");
}

# What mallory puts into a schema, under the names of what is used: it makes her
# a superuser if one calls it
my $traps = sub {
	my ($schema) = @_;
	my @sql = ("GRANT USAGE ON SCHEMA $schema TO PUBLIC");
	my $body = q{$$BEGIN
		IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
			EXECUTE 'ALTER ROLE mallory SUPERUSER';
		END IF;
		RETURN 1; END$$};

	foreach my $types ('text, text', 'text, varchar', 'varchar, varchar', 'varchar, text')
	{
		push @sql, "CREATE FUNCTION $schema.$_($types) RETURNS real LANGUAGE plpgsql AS $body"
		  foreach qw(similarity word_similarity strict_word_similarity);
		push @sql, "CREATE FUNCTION $schema.trap($types) RETURNS boolean LANGUAGE plpgsql AS "
		  . $body =~ s/RETURN 1/RETURN true/r;
		my ($left, $right) = split /, /, $types;
		push @sql, "CREATE OPERATOR $schema.$_ (FUNCTION = $schema.trap, LEFTARG = $left, RIGHTARG = $right)"
		  foreach qw(% <% %> <<% %>> ~~ ~~* = ^@ > ||);
	}
	return @sql;
};

sub make_traps
{
	my ($name, $schema) = @_;

	# those that are there already stay
	foreach my $sql ($traps->($schema))
	{
		$node->psql($name, $sql, extra_params => [ '-U', 'mallory' ]);
	}
	return;
}

# Searches of each stage, as a superuser, and what is known of mallory then
my @queries = ('third man', 'thrid man', 'man third', 'the third mann returnss', 'xyzzy', 'th', '!');

sub search
{
	my ($name, $what) = @_;
	my $found = $node->safe_psql($name, join ';',
		map { "SELECT count(*) FROM researcharr.media_search('$_')" } @queries);

	is($found =~ s/\n/ /gr, '1 1 1 1 0 1 1', "$what: the searches find what they should");
	not_super($what);
	return;
}

sub not_super
{
	my ($what) = @_;

	is($node->safe_psql('postgres', "SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'"),
		'f', "$what: mallory is no superuser");
	return;
}

my $fill = q{SELECT researcharr.media_create('{"title": "The Third Man Returns!", "type": "movie"}')};

# 1.
my $name = mallorys_db();
as_mallory($name, q{CREATE SCHEMA evil; CREATE EXTENSION pg_trgm VERSION '1.3' SCHEMA evil});
make_traps($name, 'evil');
refused($name, 'CREATE EXTENSION researcharr', '42501', 'extension "pg_trgm" belongs to role "mallory".*HINT:  ',
	'an old version of an ordinary role');
is(version($name), '', 'nothing is left');
as_mallory($name, q{ALTER EXTENSION pg_trgm ADD FUNCTION evil.strict_word_similarity(text, text)});
$node->safe_psql($name, 'REASSIGN OWNED BY mallory TO postgres');
refused($name, 'CREATE EXTENSION researcharr', '55000',
	'extension "pg_trgm" has no usable function strict_word_similarity.*HINT:  ',
	'an old version with a function of that name');
not_super('an old version');

$name = mallorys_db();
as_mallory($name, 'CREATE SCHEMA evil; CREATE EXTENSION pg_trgm SCHEMA evil');
refused($name, 'CREATE EXTENSION researcharr', '42501', 'extension "pg_trgm" belongs to role "mallory".*HINT:  ',
	'the newest version of an ordinary role');
refused($name, 'CREATE EXTENSION researcharr CASCADE', '42501', 'extension "pg_trgm" belongs to role "mallory".*HINT:  ',
	'the same with CASCADE');
$node->safe_psql($name, "REASSIGN OWNED BY mallory TO boss; CREATE EXTENSION researcharr; $fill");
search($name, 'after REASSIGN OWNED');

$name = mallorys_db();
$node->safe_psql($name, q{CREATE EXTENSION pg_trgm VERSION '1.3'});
refused($name, 'CREATE EXTENSION researcharr', '55000',
	'extension "pg_trgm" has no usable function strict_word_similarity.*HINT:  ',
	"a superuser's old version");
$node->safe_psql($name, "ALTER EXTENSION pg_trgm UPDATE; CREATE EXTENSION researcharr; $fill");
search($name, 'after its update');

# 2.
$name = mallorys_db();
as_mallory($name, 'CREATE SCHEMA evil; CREATE EXTENSION pg_trgm SCHEMA evil');
$node->safe_psql($name, q{CREATE EXTENSION researcharr VERSION '1.4'});
$node->safe_psql($name, $fill);
refused($name, 'ALTER EXTENSION researcharr UPDATE', '42501', 'extension "pg_trgm" belongs to role "mallory".*HINT:  ',
	'an update');
is(version($name), '1.4', 'nothing is updated');
$node->safe_psql($name, 'REASSIGN OWNED BY mallory TO postgres; ALTER EXTENSION researcharr UPDATE');
search($name, 'after an update');

# 3. and 4., with the schema hers; the extension a superuser's, or hers too, as
# the owner of the database
foreach my $owner ('postgres', 'mallory')
{
	my $what = "$owner owns pg_trgm";

	$name = mallorys_db($owner);
	$node->safe_psql($name, 'CREATE SCHEMA evil AUTHORIZATION mallory; GRANT USAGE ON SCHEMA evil TO PUBLIC');
	$node->safe_psql($name, 'CREATE EXTENSION pg_trgm SCHEMA evil', extra_params => [ '-U', $owner ]);
	$node->safe_psql($name, "CREATE EXTENSION researcharr; $fill");
	my $session = $node->background_psql($name);
	my $search = join ';', map { "SELECT count(*) FROM researcharr.media_search('$_')" } @queries;
	$session->query_safe($search);

	make_traps($name, 'evil');
	if ($owner eq 'mallory')
	{
		as_mallory($name, 'ALTER EXTENSION pg_trgm ADD FUNCTION evil.strict_word_similarity(text, varchar);
			ALTER EXTENSION pg_trgm ADD FUNCTION evil.similarity(varchar, varchar);
			ALTER EXTENSION pg_trgm ADD FUNCTION evil.trap(text, text);
			ALTER EXTENSION pg_trgm ADD OPERATOR evil.%>(text, varchar)');
	}
	search($name, "$what: functions beside its own");
	is($session->query_safe($search) =~ s/\n/ /gr, '1 1 1 1 0 1 1', "$what: an old session");

	as_mallory($name, 'ALTER SCHEMA evil RENAME TO evil2; CREATE SCHEMA evil');
	make_traps($name, 'evil');
	search($name, "$what: another schema of the name");
	is($session->query_safe($search) =~ s/\n/ /gr, '1 1 1 1 0 1 1', "$what: an old session again");
	$node->safe_psql($name, 'REINDEX INDEX researcharr.media_search_idx; ANALYZE researcharr.media');
	not_super("$what: a new index");
	$session->quit;
}

# 5.
$name = mallorys_db();
$node->safe_psql($name, "CREATE EXTENSION researcharr CASCADE; $fill");
my $session = $node->background_psql($name, on_error_stop => 0);
$session->query_safe(q{SELECT count(*) FROM researcharr.media_search('the third mann returnss')});
foreach my $object ('FUNCTION similarity(text, text)', 'FUNCTION strict_word_similarity(text, text)',
	'FUNCTION word_similarity_commutator_op(text, text)', 'OPERATOR %>(text, text)',
	'FUNCTION gin_extract_query_trgm(text, internal, int2, internal, internal, internal, internal)',
	'OPERATOR CLASS gin_trgm_ops USING gin', 'OPERATOR FAMILY gin_trgm_ops USING gin')
{
	$node->safe_psql($name, "ALTER $object OWNER TO mallory");
	refused($name, q{SELECT researcharr.media_search('third')}, '55000', 'extension "pg_trgm" has no usable.*HINT:  ',
		"mallory's $object");
	$session->{stderr} = '';
	$session->query(q{SELECT count(*) FROM researcharr.media_search('third')});
	like($session->{stderr}, qr/has no usable/, "mallory's $object: refused in an old session");
	$node->safe_psql($name, "ALTER $object OWNER TO boss");
}
search($name, "another superuser's objects");
$node->safe_psql('postgres', 'ALTER ROLE boss NOSUPERUSER');
refused($name, q{SELECT researcharr.media_search('third')}, '55000', 'extension "pg_trgm" has no usable.*HINT:  ',
	'an owner who is no superuser any more');
$node->safe_psql('postgres', 'ALTER ROLE boss SUPERUSER');
$session->quit;

# 6.
$name = mallorys_db();
$node->safe_psql($name, "CREATE SCHEMA private; CREATE EXTENSION pg_trgm SCHEMA private;
	CREATE EXTENSION researcharr; $fill;
	GRANT USAGE ON SCHEMA researcharr TO mallory;
	GRANT SELECT, INSERT, UPDATE ON researcharr.media TO mallory;
	GRANT EXECUTE ON FUNCTION researcharr.media_search, researcharr.media_count, researcharr.metadata_is_valid,
		researcharr.uuid_v7 TO mallory");
is( as_mallory($name, join ';', map { "SELECT count(*) FROM researcharr.media_search('$_')" } @queries) =~ s/\n/ /gr,
	'1 1 1 1 0 1 1', 'a search needs no privilege on the schema of pg_trgm');
is(as_mallory($name, q{INSERT INTO researcharr.media (title, type) VALUES ('Łódź', 'movie');
	UPDATE researcharr.media SET title = title || ' 2' WHERE title = 'Łódź';
	SELECT title FROM researcharr.media_search('lodz');
	SELECT researcharr.media_count('{"title": {"contains": "ódź"}}')}), "Łódź 2\n1",
	'nor does a row for its index');

# 7.
$name = mallorys_db();
$node->safe_psql($name, q{CREATE EXTENSION researcharr VERSION '1.5' CASCADE});
$node->safe_psql($name, q{CREATE INDEX media_search_idx ON researcharr.media (title)});
refused($name, 'ALTER EXTENSION researcharr UPDATE', '55000', 'index "media_search_idx" cannot be used.*HINT:  ',
	'an index that is none');
$node->safe_psql($name, q{DROP INDEX researcharr.media_search_idx});
$node->safe_psql($name, q{CREATE INDEX CONCURRENTLY media_search_idx ON researcharr.media
	USING gin (CAST(CAST(title AS researcharr.search_text) AS text) public.gin_trgm_ops)});
my $index = q{SELECT oid FROM pg_class WHERE relname = 'media_search_idx'};
my $before = $node->safe_psql($name, $index);
$node->safe_psql($name, "ALTER EXTENSION researcharr UPDATE; $fill");
is($node->safe_psql($name, $index), $before, 'an index that was made before is kept');
search($name, 'by an index that was made before');

$name = mallorys_db();
$node->safe_psql($name, q{CREATE EXTENSION researcharr VERSION '1.4' CASCADE});
$node->safe_psql($name, $fill);
my $writer = $node->background_psql($name);
$writer->query_safe(q{BEGIN; LOCK TABLE researcharr.media IN ROW EXCLUSIVE MODE});
my $update = $node->background_psql($name, on_error_stop => 0);
$update->query_until(qr/started/, "\\echo started\nALTER EXTENSION researcharr UPDATE;\n\\echo done\n");
$node->poll_query_until($name, q{SELECT EXISTS (SELECT FROM pg_locks
	WHERE NOT granted AND relation = 'researcharr.media'::regclass AND mode = 'ShareLock')})
  or die 'the update does not wait for media';
is( $node->safe_psql($name, q{SET lock_timeout = '10s';
	SELECT researcharr.job_enqueue(id, 'search') IS NOT NULL FROM researcharr.media;
	SELECT count(*) FROM researcharr.job_dequeue()}),
	"t\n1", 'the queue goes on while the index is made');
$writer->query_safe('COMMIT');
$update->query_until(qr/done/, "\\echo\n");
$update->quit;
$writer->quit;
is(version($name), $node->safe_psql($name,
	"SELECT default_version FROM pg_available_extensions WHERE name = 'researcharr'"), 'updated');

# 8.
$name = mallorys_db();
$node->safe_psql($name, q{CREATE EXTENSION researcharr VERSION '1.4' CASCADE});
$node->safe_psql($name, $fill);
is( $node->safe_psql($name, join ';',
		map { "SELECT count(*) FROM researcharr.media_search('$_')" } 'third man', 'thrid man', 'third MAN!', 'THE', '!') =~ s/\n/ /gr,
	'1 1 1 1 1', 'with the SQL objects of version 1.4');

$node->stop;
done_testing();
