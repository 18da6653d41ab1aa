"""Measure faults on pods against the clock and the counts of a real Kubernetes, and write the page.

    python benchmarks/bench_kubernetes.py [--quick] [--only NAME] [--page FILE]

It starts a laboratory of its own (tests/cluster) with an audit log, and removes it. A full run
writes the page. No figure makes the run fail.
"""

import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import command_line
from laboratory.build import DEFAULT_VERSION
from on_cluster.lab import Lab, started
from on_cluster.lost import lost
from on_cluster.many import many
from on_cluster.memory import memory
from on_cluster.recovery import recovery
from on_cluster.speed import speed
from table import Report, Row

import chaos_go
from chaos_go.errors import ChaosGoError

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "benchmarks-kubernetes.md"

Subject = Callable[[Lab, int, Callable[[str], None]], list[Row]]
SUBJECTS: Mapping[str, tuple[Subject, int]] = {
    "recovery": (recovery, 10),
    "lost": (lost, 5),
    "speed": (speed, 5),
    "memory": (memory, 5),
    "many": (many, 3),
}
"""Each subject, and its rounds in a full run."""

INTRODUCTION = """\
# Benchmarks on Kubernetes

`make bench-kubernetes` writes this page; to change it, change `benchmarks/on_cluster/`. It starts a
Kubernetes of one node in namespaces of this machine (`tests/cluster`), whose daemons share the
processors with the benchmark. A figure is the median over the rounds, in brackets are the smallest
and the largest round. A goal counts for the median, or for every round: the differences, the
counts, and the figures of 1,000 pods.

**Recovery.** The API server writes an audit log with its own times in microseconds: when it
received and answered the DELETE or the eviction, when it stored that the replacement is Ready
(kubelet), and when it stored that the Deployment is fully available (controller). The difference is
that of the times which the journal and `probes.pods` have, without its sign. Both use the clock of
this machine.

**Lost requests.** The load goes to the gateway of the demo shop. Its pods have no pause before
their end, and `users` ends abruptly. Each pod of the gateway counts its answers by status, and
prints them at its end. Requests that the gateway did not answer, or answered with a status from
500, are lost. The counts of both sides must be equal.

**Deleted.** From the call of the action until the API server had answered; the pod is then marked
as being deleted. A first call is the first one of a process. chaosk8s imports the package
kubernetes with its own module, chaos_go when it first needs a cluster, so that experiments without
one do not pay for it. From the start of the process until the pod is deleted, both have imported
it.

**1,000 pods.** A Deployment of the demo shop on nodes whose kubelets are simulated; API server,
controllers and scheduler are real. Each kill is in a process of its own.
"""


def main() -> int:
    """Parse the command line, measure, print the figures, and write the page after a full run."""
    options = command_line.read(
        "Measure faults on pods of a real Kubernetes.", "one round of each", SUBJECTS, PAGE
    )
    report = Report(_about())
    name = os.environ.get("CHAOS_GO_CLUSTER") or "bench"
    try:
        with started(name) as lab:
            for subject in [options.only] if options.only else SUBJECTS:
                report.rows += _measured(lab, subject, options.quick, report)
    except (OSError, RuntimeError) as error:
        print(f"bench_kubernetes.py: {error}", file=sys.stderr)
        return 1
    report.about.append(f"load average after the run: {os.getloadavg()[0]:.2f}")
    print("\n".join(["", *report.about, "", report.plain()]))
    if options.page:
        report.write(options.page, INTRODUCTION)
        print(f"\nwritten: {os.path.relpath(options.page)}")
    return 0


def _measured(lab: Lab, name: str, is_quick: bool, report: Report) -> list[Row]:
    measure, rounds = SUBJECTS[name]
    rounds = 1 if is_quick else rounds
    began_s = time.monotonic()

    def say(command: str) -> None:
        if command not in report.commands:
            print(f"$ {command}", flush=True)
            report.commands.append(command)

    try:
        rows = measure(lab, rounds, say)
    except (RuntimeError, ChaosGoError) as error:  # the other subjects are still measured
        rows = [Row(name, None, note=str(error))]
    took_s = time.monotonic() - began_s
    report.about.append(f"{name}: {rounds} rounds, {took_s:.0f} s")
    print(f"bench: {name} took {took_s:.0f} s", flush=True)
    return rows


def _about() -> list[str]:
    """Return when, on which machine and with which versions the measurement was made."""
    cores = len(os.sched_getaffinity(0))
    versions = [
        f"chaos_go {chaos_go.__version__}",
        f"Kubernetes {DEFAULT_VERSION}",
        f"Python {platform.python_version()}",
        *(f"{name} {version(name)}" for name in ("kubernetes", "chaostoolkit-kubernetes")),
    ]
    return [
        time.strftime("%Y-%m-%d", time.gmtime()),
        f"machine: {cores} cores ({platform.machine()}), kernel {platform.release()}",
        f"versions: {'; '.join(versions)}",
        f"load average before the run: {os.getloadavg()[0]:.2f}; other load adds to times",
    ]


if __name__ == "__main__":
    sys.exit(main())
