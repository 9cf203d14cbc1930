#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Reports of the command line tool on snapshots whose every trace is written down here:
# which traces the options let through, how they are grouped, and the exact text. A set is
# a file of lines `trace DOMAIN SIZE COUNT TOTAL NFRAMES LINE:FILE...`, COUNT blocks of
# SIZE bytes each, the oldest frame first; tm-oracle makes a snapshot file of it.
. "${srcdir:-.}/tests/integration/steps.sh"
oracle=$builddir/tests/tm-oracle

# snapshot FILE <SET
snapshot()
{
    cat >"$work/set"
    "$oracle" dump "$work/set" "$1" || exit 99
}

make_snapshots()
{
    snapshot old <<'EOF'
limit 3
trace 0 100 10 2 2 10:main.c 20:lib/parse.c
trace 0 50 4 2 2 11:main.c 21:lib/parse.c
trace 3 7 1 2 2 12:main.c 5:gpu.c
EOF
    snapshot new <<'EOF'
limit 3
trace 0 100 12 2 2 10:main.c 20:lib/parse.c
trace 0 50 4 2 2 11:main.c 21:lib/parse.c
trace 0 1000 1 3 3 10:main.c 20:lib/parse.c 9:lib/a%3A7
trace 3 7 3 2 2 12:main.c 5:gpu.c
EOF
}

# tsv EXPECTED OPTION...: the whole of what `stats --format tsv` says of `new`; in EXPECTED
# blanks stand for tabs.
tsv()
{
    expected=$(printf '%s' "$1" | tr ' ' '\t')
    shift
    try 0 "$tmalloc" stats --format tsv "$@" new
    [ "$(cat "$out")" = "$expected" ] || fail "expected exactly '$expected'"
}

filters_choose_traces()
{
    tsv '1200 12 20:lib/parse.c
1000 1 9:lib/a%3A7
200 4 21:lib/parse.c
21 3 5:gpu.c'
    tsv '1200 12 20:lib/parse.c
200 4 21:lib/parse.c' --include '*parse.c'
    tsv '1200 12 20:lib/parse.c
1000 1 9:lib/a%3A7' --include '*parse.c:20' --all-frames
    tsv '200 4 21:lib/parse.c
21 3 5:gpu.c' -i 'lib/parse.c:21' -i gpu.c
    tsv '1000 1 9:lib/a%3A7
21 3 5:gpu.c' --exclude lib/parse.c
    tsv '200 4 21:lib/parse.c' -i 'lib/*' -x '*a?7' -x '*:20'
    tsv '21 3 5:gpu.c' --exclude main.c:10 --exclude main.c:11 -a
    tsv '' --include nowhere.c
}

# What looks like a line is one; a set keeps it from looking so.
a_colon_in_a_pattern()
{
    tsv '' --include 'lib/a:7'
    tsv '1000 1 9:lib/a%3A7' --include 'lib/a[:]7'
    tsv '1000 1 9:lib/a%3A7' --include 'lib/a[:]7:9'
    tsv '' --include 'lib/a[:]7:8'
    tsv '1000 1 9:lib/a%3A7' --include '*:*'
}

the_domain_holds_for_all()
{
    tsv '21 3 5:gpu.c' --domain 3
    tsv '' --domain 3 --include 'lib/*'
    tsv '21 3 5:gpu.c' -d 3 -x 'lib/*'
    tsv '' --domain 4
    tsv '1200 12 20:lib/parse.c
21 3 5:gpu.c' -d 3 -d 0 --domain=9 -i '*:20' -i gpu.c
    tsv '21 3 5:gpu.c' --exclude-domain 0
    tsv '' --exclude-domain 3 -i gpu.c
    tsv '' --domain 3 --exclude-domain 3
    try 1 "$tmalloc" stats --domain gpu new
    is "$err" "tmalloc: new: has no domain called 'gpu'
"
}

every_key_groups()
{
    tsv '1400 16 0:lib/parse.c
1000 1 0:lib/a%3A7
21 3 0:gpu.c' --key filename
    tsv '2421 20 0:main.c
2400 17 0:lib/parse.c
1000 1 0:lib/a%3A7
21 3 0:gpu.c' --key filename --cumulative
    try 0 "$tmalloc" stats --key traceback -f tsv -n 2 new
    is "$out" '1200	12	10:main.c 20:lib/parse.c
1000	1	10:main.c 20:lib/parse.c 9:lib/a%3A7
'
    try 0 "$tmalloc" stats --key domain new
    is "$out" 'domain 0: size=2400 B, count=17, average=141 B
domain 3: size=21 B, count=3, average=7 B
Total: size=2421 B, count=20
'
    try 0 "$tmalloc" stats --key domain --format tsv new
    is "$out" '2400	17	0:domain%200
21	3	0:domain%203
'
}

a_metric_orders()
{
    tsv '1200 12 20:lib/parse.c
200 4 21:lib/parse.c
21 3 5:gpu.c
1000 1 9:lib/a%3A7' --metric inuse-blocks
    tsv '' --metric temporary
}

diffs_compare()
{
    try 0 "$tmalloc" diff old new
    is "$err" ''
    is "$out" 'lib/a:7:9: size=1000 B (+1000 B), count=1 (+1), average=1000 B
lib/parse.c:20: size=1200 B (+200 B), count=12 (+2), average=100 B
gpu.c:5: size=21 B (+14 B), count=3 (+2), average=7 B
1 unchanged
Total: size=2421 B (+1214 B), count=20 (+5)
'
    try 0 "$tmalloc" diff --format tsv new old
    is "$out" '0	-1000	0	-1	9:lib/a%3A7
1000	-200	10	-2	20:lib/parse.c
7	-14	1	-2	5:gpu.c
200	0	4	0	21:lib/parse.c
'
    try 0 "$tmalloc" diff -f tsv --metric inuse-blocks --include '*.c' old new
    is "$out" '1200	200	12	2	20:lib/parse.c
21	14	3	2	5:gpu.c
200	0	4	0	21:lib/parse.c
'
    try 0 "$tmalloc" diff old old
    is "$out" '3 unchanged
Total: size=1207 B (+0 B), count=15 (+0)
'
    try 1 "$tmalloc" diff old missing
    is "$out" ''
    one_line "$err"
    says "$err" 'No such file or directory'
}

json_is_json()
{
    try 0 "$tmalloc" stats --format json --limit 1 --key traceback new
    is "$out" '{"metric": "inuse-bytes", "key": "traceback", "cumulative": false,
 "total": {"size": 2421, "count": 20}, "groups": 4,
 "statistics": [
  {"size": 1200, "count": 12, "traceback": [{"file": "main.c", "line": 10, "function": "", "module": ""}, {"file": "lib/parse.c", "line": 20, "function": "", "module": ""}]}
 ]}
'
    if python3 -c 'import json' 2>/dev/null; then
        for command in 'stats new' 'diff old new' 'top new' 'tree new'; do
            # shellcheck disable=SC2086
            try 0 "$tmalloc" $command --format json
            cp "$out" "$work/json"
            try 0 python3 -m json.tool "$work/json"
        done
    fi
}

tops_are_flat_and_cumulative()
{
    try 0 "$tmalloc" top new
    is "$out" '      flat  flat%   sum%        cum   cum%    blocks     allocs  temporary  function (inuse-bytes)
    1400 B  57.8%  57.8%     2400 B  99.1%        16         16          0  lib/parse.c
    1000 B  41.3%  99.1%     1000 B  41.3%         1          1          0  lib/a:7
      21 B   0.9% 100.0%       21 B   0.9%         3          3          0  gpu.c
       0 B   0.0% 100.0%     2421 B 100.0%         0          0          0  main.c
Total: held 2421 B in 20 blocks; allocated 2421 B in 20 blocks, 0 of them temporary
'
    try 0 "$tmalloc" top --cumulative --key lineno --metric inuse-blocks --limit 2 new
    is "$out" '      flat  flat%   sum%        cum   cum%    blocks     allocs  temporary  line (inuse-blocks)
        12  60.0%  60.0%         13  65.0%        12         12          0  lib/parse.c:20
         0   0.0%  60.0%         13  65.0%         0          0          0  main.c:10
5 other
Total: held 2421 B in 20 blocks; allocated 2421 B in 20 blocks, 0 of them temporary
'
    try 0 "$tmalloc" top --format tsv --include gpu.c new
    is "$out" '21	21	21	3	21	3	0	0:gpu.c
0	21	0	0	0	0	0	0:main.c
'
}

trees_show_paths()
{
    try 0 "$tmalloc" tree --key lineno new
    is "$out" '     total      %       self    blocks  line (inuse-bytes)
    2421 B 100.0%                   20  total
    2200 B  90.9%                   13  |- main.c:10
    2200 B  90.9%     1200 B        13  |  lib/parse.c:20
    1000 B  41.3%     1000 B         1  |  lib/a:7:9
     200 B   8.3%                    4  `- main.c:11
     200 B   8.3%      200 B         4     lib/parse.c:21
2 of 7 calls are too small, or too deep, to be shown; see --min-percent, --depth and --limit
'
    try 0 "$tmalloc" tree --min-percent 0.5 --depth 2 new
    is "$out" '     total      %       self    blocks  function (inuse-bytes)
    2421 B 100.0%                   20  total
    2421 B 100.0%                   20  main.c
    2400 B  99.1%     1400 B        17  |- lib/parse.c
      21 B   0.9%       21 B         3  `- gpu.c
1 of 4 calls are too small, or too deep, to be shown; see --min-percent, --depth and --limit
'
    try 0 "$tmalloc" tree --inverted --limit 3 new
    is "$out" '     total      %    blocks  function, callers below (inuse-bytes)
    2421 B 100.0%        20  total
    1400 B  57.8%        16  |- lib/parse.c
    1400 B  57.8%        16  |  main.c
    1000 B  41.3%         1  `- lib/a:7
4 of 7 calls are too small, or too deep, to be shown; see --min-percent, --depth and --limit
'
    try 0 "$tmalloc" tree --format tsv --exclude 'lib/a*' new
    is "$out" '1	1421	19	0	0	0:main.c
2	1400	16	1400	16	0:lib/parse.c
2	21	3	21	3	0:gpu.c
'
    snapshot deep <<'EOF'
limit 2
trace 0 8 1 9 2 1:b.c 2:c.c
EOF
    try 0 "$tmalloc" tree --format tsv deep
    is "$out" '1	8	1	0	0	0:<truncated>
2	8	1	0	0	0:b.c
3	8	1	8	1	0:c.c
'
    try 2 "$tmalloc" tree --min-percent x new
    is "$err" "tmalloc tree: --min-percent: expected a number from 0 to 100, not 'x'
"
}

# on_terminal WIDTH COMMAND...: the command before a terminal; its output without returns.
on_terminal()
{
    width=$1
    shift
    step="on a terminal of $width columns: $*"
    script -qec "stty cols $width; $*" /dev/null </dev/null >"$work/typed" 2>"$err" ||
        fail "exit status $?"
    tr -d '\r' <"$work/typed" >"$out"
}

terminals_have_width_and_colours()
{
    script --version 2>/dev/null | grep -q util-linux || return
    TERM=xterm
    export TERM
    escape=$(printf '\033')
    on_terminal 60 NO_COLOR=1 "'$tmalloc'" top --key filename new
    is "$out" '      flat  flat%        cum   cum%  file (inuse-bytes)
    1400 B  57.8%     2400 B  99.1%  lib/parse.c
    1000 B  41.3%     1000 B  41.3%  lib/a:7
      21 B   0.9%       21 B   0.9%  gpu.c
       0 B   0.0%     2421 B 100.0%  main.c
Total: held 2421 B in 20 blocks; allocated 2421 B in 20 blocks, 0 of them temporary
'
    on_terminal 52 NO_COLOR=1 "'$tmalloc'" tree --key lineno --depth 1 new
    is "$out" '     total      %       self    blocks  line (inuse-bytes)
    2421 B 100.0%                   20  total
    2200 B  90.9%                   13  |- main.c:10
     200 B   8.3%                    4  `- main.c:11
5 of 7 calls are too small, or too deep, to be shown; see --min-percent, --depth and --limit
'
    on_terminal 80 "'$tmalloc'" diff old new
    says "$out" "size=$escape[1m1000 B$escape[0m ($escape[31m+1000 B$escape[0m)"
    on_terminal 80 "'$tmalloc'" diff new old
    says "$out" "($escape[32m-1000 B$escape[0m)"
    on_terminal 80 TERM=dumb "'$tmalloc'" diff new old
    says_not "$out" "$escape"
    on_terminal 80 "'$tmalloc' stats --format tsv new; '$tmalloc' diff old new | cat"
    says_not "$out" "$escape"
}

make_snapshots
filters_choose_traces
a_colon_in_a_pattern
the_domain_holds_for_all
every_key_groups
a_metric_orders
diffs_compare
tops_are_flat_and_cumulative
trees_show_paths
json_is_json
terminals_have_width_and_colours
finish
