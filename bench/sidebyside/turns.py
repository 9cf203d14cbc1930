# SPDX-License-Identifier: MIT
"""Turns: in each, every mode does the work once, in an order that is drawn anew.

A turn gives each mode a wall time, the processor time and the peak resident memory of the
largest process. Ratios are taken within a turn, to the mode that all are compared with, so
that what the machine does meanwhile falls on both; the median of turns is what is
reported, with the quartiles as its spread.
"""

import os
import random
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass

TIME_LIMIT = 120  # seconds, of one run


@dataclass
class Sample:
    seconds: float
    cpu: float
    rss: int  # bytes


def fill(word, scratch):
    return word.replace("{scratch}", scratch)


def plain_environment():
    return {k: v for k, v in os.environ.items()
            if not k.startswith(("TMALLOC", "LD_PRELOAD", "MALLOC_"))}


def settings_of(mode, work, scratch):
    """The variables that make the mode."""
    settings = {k: fill(v, scratch) for k, v in mode.environment.items()}
    if work.is_python:
        # Its own small-object allocator would hide most blocks from everybody.
        settings["PYTHONMALLOC"] = "malloc"
        settings["PYTHONHASHSEED"] = "0"
    return settings


def peak_of(pid):
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def run_once(timed, command, settings, folder):
    """The command's Sample; its children count, and the largest of all for memory."""
    words = [timed, *(f"{k}={v}" for k, v in settings.items()), "--", *command]
    process = subprocess.Popen(words, cwd=folder, env=plain_environment(), text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        said, _ = process.communicate(timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None
    if process.returncode != 0:
        return None
    seconds, cpu, rss = said.split()
    return Sample(float(seconds), float(cpu), int(rss))


def started(server, folder):
    """Waits until the server's socket is there."""
    for _ in range(600):
        if os.path.exists(os.path.join(folder, "socket")):
            return True
        if server.poll() is not None:
            return False
        time.sleep(0.05)
    return False


def the_one_that_serves(pid, name):
    """A tool may stand before the server, and start helpers beside it."""
    waiting = [pid]
    while waiting:
        pid = waiting.pop()
        with open(f"/proc/{pid}/comm") as comm:
            # valgrind runs programs in a process that it names after itself
            if comm.read().strip() in (name, "memcheck-amd64-", "dhat-amd64-linu"):
                return pid
        with open(f"/proc/{pid}/task/{pid}/children") as children:
            waiting += map(int, children.read().split())
    return None


def run_server(timed, mode, work, settings, folder, scratch):
    words = [fill(word, scratch) for word in mode.words]
    server = subprocess.Popen(words + work.server, cwd=folder,
                              env={**plain_environment(), **settings},
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        if not started(server, folder):
            return None
        sample = run_once(timed, work.command, {}, folder)
        if sample is not None:
            sample.rss = peak_of(the_one_that_serves(server.pid, work.server[0]))
        return sample
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def measure(timed, mode, work):
    """One Sample, or None where the work failed in this mode."""
    with tempfile.TemporaryDirectory(prefix="sidebyside") as scratch:
        folder = os.path.join(scratch, "place")
        os.mkdir(folder)
        if work.prepare:
            work.prepare(folder)
        settings = settings_of(mode, work, scratch)
        if work.server:
            return run_server(timed, mode, work, settings, folder, scratch)
        words = [fill(word, scratch) for word in mode.words]
        return run_once(timed, words + work.command, settings, folder)


def take_turns(timed, modes, work, turns, tell):
    """{mode name: [Sample of each turn]}; a mode that failed has None there."""
    dice = random.Random(work.name)
    samples = {mode.name: [] for mode in modes}
    for turn in range(turns):
        order = [mode for mode in modes if turn == 0 or not mode.slow]
        dice.shuffle(order)
        for mode in order:
            tell(f"{work.name}, turn {turn + 1} of {turns}: {mode.name}")
            samples[mode.name].append(measure(timed, mode, work))
    return samples
