# SPDX-License-Identifier: MIT
"""What is run in every mode: small loads (bench/micro.c) and real programs.

A piece of work is a command in an empty folder of its own, which `prepare` may fill once
for each run. `server` is a process that is measured in place of the command, while the
command asks it.
"""

import os
import random
import shutil
import subprocess
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))


@dataclass
class Work:
    name: str
    command: list
    prepare: object = None  # a function of the folder
    server: list = None
    is_python: bool = False
    many_processes: bool = False
    micro: bool = False
    missing: str = ""


def micro(build, load, threads, pairs):
    program = os.path.join(os.path.abspath(build), "bench", "micro")
    label = f"{load}, {threads} thread{'s' if threads > 1 else ''}"
    return Work(label, [program, load, str(threads), str(pairs)], micro=True)


def small_loads(build):
    return [micro(build, "random", 1, 4_000_000),
            micro(build, "random", 2, 4_000_000),
            micro(build, "random", 8, 1_000_000),
            micro(build, "deep", 1, 4_000_000),
            micro(build, "cross", 2, 2_000_000),
            micro(build, "churn", 2, 500_000)]


def shell(text):
    return ["/bin/sh", "-ec", text]


def write_sql(folder):
    """An in-memory database: rows, an index, an aggregation, a deletion."""
    with open(os.path.join(folder, "work.sql"), "w") as out:
        out.write("""
create table t(a integer primary key, b text, c real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 300000)
    insert into t select i, 'name ' || (i * 7919 % 100003), i * 0.5 from n;
create index t_b on t(b);
select count(distinct b), sum(c) from t;
select substr(b, 1, 7), group_concat(a) from t group by 1 order by 1 limit 3;
delete from t where a % 3 = 0;
select count(*) from t join t as u using (b);
""")


def write_json(folder):
    """A script that parses a document of its own and changes it, a few times over."""
    with open(os.path.join(folder, "work.py"), "w") as out:
        out.write("""
import json
document = json.dumps([{"id": i, "name": f"n{i}", "tags": ["a", "b", str(i)],
                        "pos": {"x": i * 0.5, "y": -i}} for i in range(20000)])
for turn in range(6):
    tree = json.loads(document)
    by_name = {node["name"]: node for node in tree}
    document = json.dumps(list(by_name.values()))
""")


def write_perl(folder):
    with open(os.path.join(folder, "work.pl"), "w") as out:
        out.write("""
my %words;
for my $i (1 .. 250000) {
    my $word = join '', map { chr(97 + ($i * $_) % 26) } 3, 5, 7;
    push @{ $words{"$word$i"} }, $i if $i % 3 == 0;
    $words{$word} .= "x";
}
my @keys = sort { length $words{$a} <=> length $words{$b} || $a cmp $b } keys %words;
print scalar(@keys), "\\n";
""")


def preprocess(driver, folder, source, target):
    """What the compiler proper can read without the driver's search paths."""
    subprocess.run([driver, "-E", source, "-o", target], cwd=folder, check=True)


def write_c(folder):
    """A C file of many functions that look alike but are not."""
    dice = random.Random(1)
    with open(os.path.join(folder, "work.c"), "w") as out:
        out.write("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n")
        for f in range(250):
            a, b = dice.randint(1, 99), dice.randint(1, 99)
            out.write(f"int f{f}(int *v, int n)\n{{\n    int s = {a};\n"
                      f"    for (int i = {f % 5}; i < n; i++) {{\n"
                      f"        if (v[i] % {b + 1} == {a % 7}) s += v[i] * {b};\n"
                      f"        else s ^= v[i] << {a % 5};\n"
                      f"        switch (s & 7) {{ case 1: s += i; break; case 3: s -= {b};"
                      f" break; default: v[i] ^= s; }}\n    }}\n    return s;\n}}\n")
        out.write("int main(void) { return 0; }\n")
    preprocess("gcc", folder, "work.c", "work.i")


def write_cxx(folder):
    with open(os.path.join(folder, "work.cc"), "w") as out:
        out.write("""
#include <algorithm>
#include <iostream>
#include <map>
#include <regex>
#include <string>
#include <unordered_map>
#include <vector>
int main()
{
    std::map<std::string, std::vector<int>> m;
    std::unordered_map<int, std::string> u;
    std::regex r("[a-z]+([0-9]+)");
    for (int i = 0; i < 10; i++) m["k" + std::to_string(i)].push_back(i);
    for (auto &[k, v] : m) if (std::regex_match(k, r)) u[v[0]] = k;
    std::cout << u.size() << '\\n';
}
""")
    preprocess("g++", folder, "work.cc", "work.ii")


GIT = """
export HOME=$PWD GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org
export GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.org
git init -q repo && cd repo
for round in 1 2 3 4 5 6; do
    for file in 1 2 3 4 5 6 7 8; do seq $((file * round)) 3 20000 >file$file; done
    git add . && git commit -q -m "round $round"
done
git gc -q --aggressive && git log -p | wc -l && git blame file3 | wc -l
"""

REDIS = "redis-benchmark -s $PWD/socket -n 300000 -c 20 -P 16 -r 100000 -d 64 -q " \
        "-t set,get,lpush,sadd,hset,zadd"
REDIS_SERVER = ["redis-server", "--port", "0", "--unixsocket", "socket", "--save", "",
                "--loglevel", "warning"]


def compiler(driver, name):
    """The compiler proper, without the driver that starts it."""
    if not shutil.which(driver):
        return driver
    asked = subprocess.run([driver, f"-print-prog-name={name}"], capture_output=True,
                           text=True)
    return asked.stdout.strip()


def real_programs():
    rows = [
        Work("redis", shell(REDIS), server=REDIS_SERVER),
        Work("sqlite3", ["sqlite3", "-batch", ":memory:", ".read work.sql"], write_sql),
        Work("python3 JSON", ["/usr/bin/python3", "work.py"], write_json, is_python=True),
        Work("perl", ["perl", "work.pl"], write_perl),
        Work("gcc", [compiler("gcc", "cc1"), "-quiet", "-O2", "work.i"], write_c),
        Work("g++", [compiler("g++", "cc1plus"), "-quiet", "-O1", "work.ii"], write_cxx),
        Work("git", shell(GIT), many_processes=True),
    ]
    for work in rows:
        needed = (work.server or work.command)[0]
        if needed == "/bin/sh":
            needed = work.name
        work.missing = "" if shutil.which(needed) else f"{needed} is not installed"
    return rows
