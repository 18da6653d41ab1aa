"""Run one experiment on the shop in a real Kubernetes of this machine, and print its verdict.

    python demo/on_kubernetes.py experiments/users-pod-killed.yaml [--bad no-readiness] [--out DIR]

The cluster is that of tests/cluster: three nodes in namespaces of their own. It is stopped at the
end, also when this process is killed, unless --keep is given. The exit code is that of the verdict:
0 held, 1 violated, 2 inconclusive, 3 unsafe, 4 setup-error.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import session
from session import SetupError, say

HERE = Path(__file__).resolve().parent
CLUSTER = HERE.parent / "tests" / "cluster" / "cluster"
BAD = HERE / "deploy" / "bad"
SERVICES = ("users", "risk", "checkout", "gateway")
"""Each has a Deployment and a PodDisruptionBudget of its name."""

PATCHED = {"no-budget": "poddisruptionbudget"}
"""By bad variant, what it patches; by default the deployments."""

NODES = 3
NAMES_OF_CLUSTER = "CHAOS_GO_CLUSTER"
ROLLOUT_TIMEOUT_S = 90
WARM_UP_S = 5.0
"""Longer than any service warms up: without a readiness probe, Kubernetes does not wait for it."""


def main() -> int:
    """Parse the command line, run the experiment, and return the exit code."""
    options = _arguments()
    session.exit_on_sigterm()
    try:
        with session.alone_in(options.out):
            return run(options.experiment, options.bad, options.out, options.keep)
    except (SetupError, OSError) as error:
        print(f"on_kubernetes.py: {error}", file=sys.stderr)
        return session.SETUP_ERROR
    except KeyboardInterrupt:
        say(f"interrupted: load and cluster have ended{session.found_in(options.out)}")
        return session.INTERRUPTED


def run(experiment: Path, bad: Sequence[str], out: Path, keep: bool) -> int:
    """Run one experiment and return the exit code of its verdict.

    Args:
        experiment: YAML file of the experiment.
        bad: Names of the bad variants of the shop; none for a well-built shop.
        out: Folder for journal, logs and picture.
        keep: Whether the cluster runs on afterwards.

    Raises:
        SetupError, OSError: The experiment could not begin.
    """
    journal = session.journal_in(out)
    cluster = Cluster(out / "cluster.log")
    with cluster.running(keep):
        cluster.deploy(bad)
        say(f"the shop is up ({'built badly: ' + ', '.join(bad) if bad else 'built well'})")
        session.chaos_run(
            experiment, journal, prefix=cluster.enter, environment=cluster.environment
        )
        return session.judge(journal)


class Cluster:
    """The cluster of the demo, which tests/cluster starts, enters and stops."""

    def __init__(self, log: Path) -> None:
        """Start nothing yet.

        Args:
            log: File for what its commands print.
        """
        self._log = log
        name = os.environ.get(NAMES_OF_CLUSTER) or "demo"
        self.environment: Mapping[str, str] = {**os.environ, NAMES_OF_CLUSTER: name}
        self.enter = [str(CLUSTER), "enter"]
        log.write_text("")

    @contextlib.contextmanager
    def running(self, keep: bool) -> Iterator[None]:
        """Start it, and stop it after the ``with`` block, unless it is to be kept.

        Unless it is kept, a pipe ties it to this process: it ends when the kernel closes the pipe.

        Raises:
            SetupError: It could not be started.
        """
        say(f"starting a Kubernetes of {NODES} nodes in namespaces (built once, in about 10 min)")
        pipe = self._log.with_name("tether")
        pipe.unlink(missing_ok=True)
        os.mkfifo(pipe)
        tether = os.open(pipe, os.O_RDWR)  # with O_WRONLY this would wait for the other end
        try:
            options = [] if keep else ["--tether", str(pipe)]
            self._call("start", "--nodes", str(NODES), *options)
            yield
        finally:
            if keep:
                stop = f"{NAMES_OF_CLUSTER}={self._name} make cluster-stop"
                say(f"the cluster runs on; stop it with: {stop}")
            else:
                self._call("stop")
            os.close(tether)
            pipe.unlink()

    def deploy(self, bad: Sequence[str]) -> None:
        """Deploy the shop and wait until every pod is there.

        Raises:
            SetupError: It did not come up.
        """
        self._call("shop")
        for variant in bad:
            for name in SERVICES:
                patch = ["--type", "json", "--patch-file", str(BAD / f"{variant}.yaml")]
                self._kubectl("patch", PATCHED.get(variant, "deployment"), name, *patch)
        for name in SERVICES:
            wait = ["rollout", "status", f"deployment/{name}", f"--timeout={ROLLOUT_TIMEOUT_S}s"]
            self._kubectl(*wait)
        if bad:
            time.sleep(WARM_UP_S)

    @property
    def _name(self) -> str:
        return self.environment[NAMES_OF_CLUSTER]

    def _kubectl(self, *words: str) -> None:
        self._call("kubectl", *words, "--namespace", "shop")

    def _call(self, *words: str) -> None:
        """Call a command of the cluster; its progress is shown, what else it prints is logged."""
        with self._log.open("ab") as log:
            command = [str(CLUSTER), *words]
            done = subprocess.run(command, stdout=log, env=self.environment, check=False)
        if done.returncode != 0:
            why = f"the reason is above, and in {self._log}"
            raise SetupError(f"`tests/cluster/cluster {' '.join(words[:2])}` failed; {why}")


def _arguments() -> argparse.Namespace:
    known = sorted(path.stem for path in BAD.glob("*.yaml"))
    parser = argparse.ArgumentParser(
        description="Run an experiment on the shop in Kubernetes, print its verdict."
    )
    parser.add_argument("experiment", type=Path, help="YAML file in experiments/")
    parser.add_argument(
        "--bad",
        default="",
        help=f"bad variants of the shop, separated by commas: {', '.join(known)}",
    )
    out = HERE / "out" / "kubernetes"
    parser.add_argument("--out", type=Path, default=out, help="folder for the results")
    parser.add_argument("--keep", action="store_true", help="do not stop the cluster at the end")
    options = parser.parse_args()
    options.bad = [word for word in options.bad.split(",") if word]
    if unknown := [word for word in options.bad if word not in known]:
        parser.error(
            f"--bad {unknown[0]}: there is no such variant; give one of {', '.join(known)}"
        )
    if not options.experiment.is_file():
        parser.error(f"experiment={options.experiment}: no such file; give one of experiments/")
    return options


if __name__ == "__main__":
    sys.exit(main())
