"""Run one experiment on the shop, in a new network namespace, and print its verdict.

    python demo/run.py experiments/users-answer-503.yaml [--bad no-retry] [--out DIR]

The exit code is that of the verdict: 0 held, 1 violated, 2 inconclusive, 3 unsafe, 4 setup-error.
DIR gets the journal, the logs and the picture. Every process started here ends with this one.
"""

import argparse
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import namespace
import processes
import session
import sla
import yaml
from session import SetupError
from shop import Shop, ShopError

from chaos_go.agent.binary import find_agent
from chaos_go.errors import ChaosGoError

HERE = Path(__file__).resolve().parent
HAVE_DATA = (0, 2)  # exit codes of the verdicts after which the measured data can be used
NEEDED = ("owner_tables", "tproxy", "redirect", "ip_transparent", "so_mark")
"""The abilities that `chaos-agent check` must report, so that faults can intercept traffic."""

USERS_OF_PORT = {8082: "--users-url", 8083: "--risk-url"}
"""By the port of a service, the flag of checkout for the address of the service."""

RELAY_OFFSET, PROXY_OFFSET = 10_000, 20_000


@dataclass(frozen=True)
class Place:
    """Where the experiment runs: in a new network namespace, or not and why not."""

    isolated: bool
    reason: str = ""


@dataclass(frozen=True)
class Way:
    """How faults reach the traffic of the services; by default they intercept it."""

    checkout_flags: list[str] = field(default_factory=list)
    relay: list[str] = field(default_factory=list)  # command line of the relay; empty for none
    run_options: list[str] = field(default_factory=list)  # of `chaos run`


def main() -> int:
    """Parse the command line, run the experiment, and return the exit code."""
    options = _arguments()
    session.exit_on_sigterm()
    try:
        with session.alone_in(options.out):
            return run(options.experiment, options.bad, options.out, options.sla_budget)
    except (SetupError, ShopError, ChaosGoError, OSError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return session.SETUP_ERROR
    except KeyboardInterrupt:
        session.say(f"interrupted: shop, load and fault have ended{session.found_in(options.out)}")
        return session.INTERRUPTED


def run(experiment: Path, bad: str, out: Path, budget: str = "") -> int:
    """Run one experiment and return the exit code of its verdict.

    Args:
        experiment: YAML file of the experiment.
        bad: Bad variants of checkout, separated by commas; "" for a well-built checkout.
        out: Folder for journal, logs and picture.
        budget: Extra impact for the limits of a ladder, for instance ``2%``; by default no limits
            are calculated.

    Raises:
        SetupError, ShopError, ChaosGoError, OSError: The experiment could not begin.
    """
    place = choose_place()
    if place.isolated:
        namespace.enter()
        session.say("in a network namespace of its own: the host's network is not touched")
        way = Way()
    else:
        session.say(f"not in a namespace ({place.reason}): using the explicit proxy on 127.0.0.1")
        way = _explicit_proxy(experiment)
    journal = session.journal_in(out)
    with _running(way.relay, out / "relay.log"), Shop(out, bad, way.checkout_flags):
        session.say(f"shop is up ({'checkout built badly: ' + bad if bad else 'built well'})")
        session.chaos_run(experiment, journal, way.run_options)
    verdict = session.judge(journal)
    if budget and verdict in HAVE_DATA:
        return sla.report(session.chaos(journal), journal, budget) or verdict
    return verdict


def choose_place() -> Place:
    """Check in another process whether faults can intercept traffic in a new namespace."""
    trial = subprocess.run(
        [sys.executable, HERE / "namespace.py", find_agent(), "check"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if trial.returncode != 0:
        return Place(False, trial.stderr.strip())
    able = json.loads(trial.stdout)["able"]
    lacks = [f"{name}: {able[name]['reason']}" for name in NEEDED if not able[name]["ok"]]
    return Place(not lacks, "; ".join(lacks))


def _explicit_proxy(experiment: Path) -> Way:
    """Route calls through a relay: checkout -> relay -> fault (while it is armed) -> service.

    The load of the experiment on the risk service takes the same route.
    """
    port = _faulted_port(experiment)
    relay_port, proxy_port = port + RELAY_OFFSET, port + PROXY_OFFSET
    flags = [USERS_OF_PORT[port], f"http://127.0.0.1:{relay_port}"]
    relay = [sys.executable, str(HERE / "relay.py")]
    relay += [str(number) for number in (relay_port, proxy_port, port)]
    target = f"proxy/127.0.0.1:{proxy_port}->127.0.0.1:{port}"
    options = ["--var", f"target={target}"]
    if "risk_url" in _configuration(experiment):
        options += ["--var", f"risk_url=http://127.0.0.1:{relay_port}"]
    return Way(flags, relay, options)


def _faulted_port(experiment: Path) -> int:
    """Return the port in the default of the experiment's configuration ``target``.

    A proxy between checkout and a service can replace a target on either side: the port of the
    service (``port/``) and the calls of checkout to it (``to/``).
    """
    try:
        target = str(_configuration(experiment)["target"]["default"])
    except (KeyError, TypeError):
        target = ""
    prefix = next((x for x in ("port/", "to/127.0.0.1:") if target.startswith(x)), "?")
    number = target.removeprefix(prefix)
    if not number.isdecimal() or int(number) not in USERS_OF_PORT:
        known = ", ".join(f"port/{port}, to/127.0.0.1:{port}" for port in USERS_OF_PORT)
        raise SetupError(
            f"{experiment}: configuration.target.default={target!r} cannot be reached by a proxy; "
            f"give one of {known}, or run where network namespaces are allowed"
        )
    return int(number)


def _configuration(experiment: Path) -> dict[str, Any]:
    """Return the configuration of an experiment; empty if it has none or cannot be read."""
    try:
        return dict(yaml.safe_load(experiment.read_text())["configuration"])
    except (KeyError, TypeError, ValueError, yaml.YAMLError):
        return {}


@contextlib.contextmanager
def _running(command: Sequence[str], log: Path) -> Iterator[None]:
    """Run a process during the ``with`` block; no process if the command is empty."""
    if not command:
        yield
        return
    with log.open("wb") as output:
        process = processes.start(command, output, own_group=True)
    try:
        yield
    finally:
        processes.stop(process)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Run an experiment on the shop, print its verdict."
    )
    parser.add_argument("experiment", type=Path, help="YAML file in experiments/")
    parser.add_argument("--bad", default="", help="bad variants of checkout, for instance no-retry")
    parser.add_argument(
        "--sla-budget", default="", help="extra impact for the limits of a ladder, for instance 2%%"
    )
    parser.add_argument("--out", type=Path, default=HERE / "out", help="folder for the results")
    options = parser.parse_args()
    if not options.experiment.is_file():
        parser.error(f"experiment={options.experiment}: no such file; give one of experiments/")
    return options


if __name__ == "__main__":
    sys.exit(main())
