# SPDX-License-Identifier: MIT
# Real work for perl: hashes, patterns, sorting, closures, a fork; and a new title, which
# overwrites what the process was given as arguments and environment.
use strict;
use warnings;

$0 = 'a title ' . 'x' x 2000;

my %count;
my @lines = map { join ' ', map { chr(97 + $_ % 26) x (1 + $_ % 5) } $_ .. $_ + 9 } 1 .. 5000;
for my $line (@lines) {
    $count{$1}++ while $line =~ /(\w+)/g;
    $line =~ s/(\w)\1+/<$1>/g;
}
for my $word (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count) {
    print "$word $count{$word}\n" if $count{$word} > 400;
}
my @tree = map { { id => $_, child => [ map { { n => $_ } } 1 .. $_ % 10 ] } } 1 .. 3000;
my $total = 0;
$total += scalar @{ $_->{child} } for @tree;
undef @tree;
my @closures = map { my $n = $_; sub { $n * shift } } 1 .. 1000;
print "$total ", $closures[41]->(2), ' ', length(join '', sort @lines), "\n";

$| = 1;
my $child = fork;
if ($child == 0) {
    my @more = map { "child $_" } 1 .. 1000;
    print scalar(@more), "\n";
    exit 4;
}
waitpid $child, 0;
exit 1 + ($? >> 8);
