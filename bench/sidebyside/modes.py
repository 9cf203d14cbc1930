# SPDX-License-Identifier: MIT
"""The allocators and profilers that stand side by side, and how a command runs under one.

A mode is an environment and, for tools that start the program themselves, words in front
of the command. What a mode writes goes into a scratch folder, `{scratch}` below. One whose
tool is not installed has a reason instead, which the report names.
"""

import ctypes.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field


@dataclass
class Mode:
    name: str
    meaning: str
    environment: dict = field(default_factory=dict)
    words: list = field(default_factory=list)
    ours: bool = False
    slow: bool = False  # many times slower than the rest: one turn is enough
    python_only: bool = False
    one_process: bool = False  # loses sight of what the command starts
    missing: str = ""  # why it cannot run here


def library(name, package):
    """The path of an installed library, and a reason when there is none."""
    found = ctypes.util.find_library(name)
    if not found:
        return "", f"{package} is not installed"
    listing = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True)
    path = re.search(rf"{re.escape(found)} .*x86-64.* => (\S+)", listing.stdout) or \
        re.search(rf"{re.escape(found)} .* => (\S+)", listing.stdout)
    return (path.group(1), "") if path else ("", f"no path of {found}")


def tool(name, package):
    return "" if shutil.which(name) else f"{package} is not installed"


def refusal(environment):
    """What a trial run says against an environment, if it says anything."""
    trial = subprocess.run(["/bin/true"], env={**os.environ, **environment},
                           capture_output=True, text=True)
    return trial.stderr.strip().splitlines()[0] if trial.stderr.strip() else ""


def preload(path, **more):
    return {"LD_PRELOAD": path, **more}


def our_modes(build):
    path = os.path.join(os.path.abspath(build), ".libs", "libtmalloc.so")
    rows = [("tmalloc off", "tmalloc, not tracing", {}),
            ("tmalloc 1", "every block, 1 frame", {"TMALLOC": "1"}),
            ("tmalloc 25", "every block, 25 frames", {"TMALLOC": "25"}),
            ("tmalloc all", "every block, all frames", {"TMALLOC": "65535"}),
            ("tmalloc sampled", "exact totals, stacks for a sample a 512 KiB",
             {"TMALLOC": "65535", "TMALLOC_SAMPLE": "524288"})]
    return [Mode(name, meaning, preload(path, **more), ours=True,
                 missing=refusal(preload(path, **more)))
            for name, meaning, more in rows]


def jemalloc_modes():
    path, missing = library("jemalloc", "libjemalloc2")
    rows = [("jemalloc", "not profiling", {}),
            ("jemalloc 512K", "its profile, a sample a 512 KiB",
             {"MALLOC_CONF": "prof:true,lg_prof_sample:19"}),
            ("jemalloc exact", "its profile, every block",
             {"MALLOC_CONF": "prof:true,lg_prof_sample:0"})]
    return [Mode(name, meaning, preload(path, **more), slow=name == "jemalloc exact",
                 missing=missing or refusal(preload(path, **more)))
            for name, meaning, more in rows]


def all_modes(build):
    libc, no_libc = library("c", "libc6")
    mimalloc, no_mimalloc = library("mimalloc", "libmimalloc2.0")
    tcmalloc, no_tcmalloc = library("tcmalloc", "libgoogle-perftools4")
    return [
        # Preloaded as well, for programs that are linked with another allocator.
        Mode("glibc", "libc's own malloc", preload(libc), missing=no_libc),
        Mode("mimalloc", "what tmalloc allocates through", preload(mimalloc),
             missing=no_mimalloc),
        *our_modes(build),
        *jemalloc_modes(),
        Mode("gperftools", "its heap profile, every block",
             preload(tcmalloc, HEAPPROFILE="{scratch}/gperftools"), slow=True,
             missing=no_tcmalloc),
        Mode("heaptrack", "every block, whole stacks, raw recording",
             words=["heaptrack", "-r", "-o", "{scratch}/heaptrack"],
             slow=True, one_process=True, missing=tool("heaptrack", "heaptrack")),
        Mode("DHAT", "every block, under valgrind",
             words=["valgrind", "--tool=dhat", "--trace-children=yes",
                    "--dhat-out-file={scratch}/dhat.%p", "-q"],
             slow=True, missing=tool("valgrind", "valgrind")),
        Mode("tracemalloc", "Python's own, 25 frames",
             preload(libc, PYTHONTRACEMALLOC="25"), python_only=True),
    ]
