# ClockShim.pm: a server whose clocks a test sets, by test/data/clock_shim.c.
#
#   my $shim = ClockShim->new;		# skips the test where this cannot be done
#   $shim->start($node);
#   $shim->set(system => 3600);

package ClockShim;

use strict;
use warnings;
use FindBin;
use PostgreSQL::Test::Utils;
use Test::More;

# Builds the library.
sub new
{
	my ($class) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir();
	my $cc = $ENV{CC} // 'cc';
	my $self = bless {
		library => "$dir/clock_shim.so",
		file => "$dir/clock",
		values => { system => 0, monotonic => 0, hold => 0, call => 0 },
	}, $class;

	plan skip_all => 'the clocks are set by LD_PRELOAD, which is done on Linux alone' if $^O ne 'linux';
	plan skip_all => "$cc does not make a library of test/data/clock_shim.c"
	  if system("$cc -shared -fPIC -o '$self->{library}' '$FindBin::Bin/../data/clock_shim.c' -ldl >/dev/null 2>&1") != 0;
	plan skip_all => 'the server does not start with a library of ours before all others'
	  if system("LD_PRELOAD='$self->{library}' postgres -V >/dev/null 2>&1") != 0;
	append_to_file($self->{file}, pack 'q5', (0) x 5);
	return $self;
}

# Starts a server that uses the library.
sub start
{
	my ($self, $node) = @_;
	local $ENV{CLOCK_SHIM} = $self->{file};
	local $ENV{LD_PRELOAD} = $self->{library};

	$node->start;
	return;
}

# Sets some of: system and monotonic, what is added to these clocks, in seconds;
# hold, the process to stop, and call, the call in which it stops.
sub set
{
	my ($self, %new) = @_;

	$self->{values} = { %{ $self->{values} }, %new };
	open my $out, '+<', $self->{file} or die "$self->{file}: $!";
	binmode $out;
	syswrite $out, pack('q4', @{ $self->{values} }{qw(system monotonic hold call)});
	close $out;
	return;
}

# Adds seconds to both clocks.
sub advance
{
	my ($self, $seconds) = @_;

	return $self->set(map { $_ => $self->{values}{$_} + $seconds } qw(system monotonic));
}

# Is the process stopped?
sub is_held
{
	my ($self) = @_;

	return (unpack 'q5', slurp_file($self->{file}))[4];
}

1;
