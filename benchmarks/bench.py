"""Measure the agent side by side with its peers, in one run, and write the reference page.

    python benchmarks/bench.py [--quick] [--only NAME] [--page FILE]

Everything runs on loopback in a new network namespace. A full run writes the page. It says what was
measured, how often, and why a goal was missed. Two things are shown in red: a goal that was missed
in every round, and a ratio that is worse than on the page by more than the noise of both, if the
page was measured on the same machine. No figure makes the run fail.
"""

import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import command_line
import contenders
import namespace
import rows
from table import Ratios, Report, Row, read

import chaos_go
from chaos_go.errors import ChaosGoError

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "benchmarks.md"

SUBJECTS = {
    "memory": rows.memory,
    # Early, while the user has few pipes. When the pipes of a user exceed fs.pipe-user-pages-soft,
    # a process without CAP_SYS_RESOURCE gets small pipes, and relays large bodies more slowly.
    "body": rows.body,
    "throughput": rows.throughput,
    "abort": rows.abort,
    "latency": rows.latency,
    "percentage": rows.percentage,
    "delay": rows.delay,
    "first": rows.first,
}
FULL, QUICK = rows.Effort(rounds=7, seconds=3.0), rows.Effort(rounds=3, seconds=1.0)

INTRODUCTION = """\
# Benchmarks

`make bench` writes this page; to change it, change `benchmarks/`. All contenders are measured in
one run, one after the other, in several short rounds (A B C, B C A, ...). A figure is the median
over the rounds. A ratio is that of the medians; in brackets are the smallest and the largest figure
or ratio of a single round. Clients, service and contender share the processors, and every
connection is on loopback. Ratios can be compared with those of other machines, absolute figures
cannot. Three subjects are measured only once: memory, the share of 30 %, and the delay (first of
the agent, then of toxiproxy).

A goal is missed within the noise if some of the rounds reached it. A ratio is compared with the
earlier run on the same machine and kernel. It is WORSE if it is outside the rounds of that run, and
the ratio of that run is outside the rounds of this one.

"relay" is a plain TCP relay (`io.Copy` in both directions). "ReverseProxy" is `net/http/httputil`
with enough idle connections. toxiproxy has no toxic except in the delay rows. HAProxy has the same
503 rule as the agent. The error of a delay does not include the time of a request without a delay:
the P50 of that time is subtracted.
"""


def main() -> int:
    """Parse the command line, measure, print the figures, and write the page after a full run."""
    options = command_line.read(
        "Measure the agent side by side with its peers.", "fewer and shorter rounds", SUBJECTS, PAGE
    )
    effort = QUICK if options.quick else FULL
    about = _about(effort)
    report = Report(about, earlier=_earlier(about))
    try:
        _allow_files(rows.FILES_NEEDED)
        namespace.enter()
        with contenders.World(_command_sink(report)) as world:
            for name in [options.only] if options.only else SUBJECTS:
                report.rows += _measured(world, name, effort)
    except (OSError, RuntimeError) as error:
        print(f"bench.py: {error}", file=sys.stderr)
        return 1
    print("\n".join(["", *report.about, "", report.plain()]))
    if options.page:
        report.write(options.page, INTRODUCTION)
        print(f"\nwritten: {os.path.relpath(options.page)}")
    return 0


def _measured(world: contenders.World, name: str, effort: rows.Effort) -> list[Row]:
    began = time.monotonic()
    try:
        measured = SUBJECTS[name](world, effort)
    except (RuntimeError, ChaosGoError) as error:  # the other subjects are still measured
        measured = [Row(name, None, note=str(error))]
    print(f"bench: {name} took {time.monotonic() - began:.0f} s", flush=True)
    return measured


def _command_sink(report: Report) -> Callable[[str], None]:
    """Return a function that prints every command once and keeps it for the page."""

    def say(command: str) -> None:
        if command not in report.commands:
            print(f"$ {command}", flush=True)
            report.commands.append(command)

    return say


def _allow_files(files: int) -> None:
    """Raise the limit of open files for the children, as far as this user is allowed to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, files), max(hard, files)))
    except (OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _about(effort: rows.Effort) -> list[str]:
    """Return when, on which machine and with which versions the measurement was made."""
    go = _first_line("go", "version").removeprefix("go version ")
    module = ["go", "-C", str(contenders.HERE), "list", "-m", contenders.TOXIPROXY_MODULE]
    toxiproxy = _first_line(*module)
    haproxy = _first_line(contenders.HAPROXY, "-v") if contenders.HAPROXY else contenders.NO_HAPROXY
    cores = len(os.sched_getaffinity(0))
    return [
        time.strftime("%Y-%m-%d", time.gmtime()),
        f"machine: {cores} cores ({platform.machine()}), kernel {platform.release()}",
        f"versions: chaos_go {chaos_go.__version__}; {go}; {toxiproxy}; {haproxy}",
        f"effort: {effort.rounds} rounds of {effort.seconds:g} s",
        f"load average before the run: {os.getloadavg()[0]:.2f}; other load adds to latencies",
        f"priority of the run: nice {os.nice(0)}{_autogroup()}",
    ]


def _earlier(about: Sequence[str]) -> Ratios:
    """Return the ratios of the page, if it was measured on this machine; other kernels differ."""
    if not PAGE.exists():
        return {}
    page = PAGE.read_text()
    machine = next(line for line in about if line.startswith("machine: "))
    return read(page) if f"- {machine}\n" in page else {}


def _autogroup() -> str:
    """Return the priority of this session; it outranks that of a process (sched_autogroup(7))."""
    try:
        return ", session " + Path("/proc/self/autogroup").read_text().split(maxsplit=1)[1].strip()
    except (OSError, IndexError):
        return ""


def _first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0].strip()


if __name__ == "__main__":
    sys.exit(main())
