"""The command line of the laboratory."""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from . import build, faults, images, life, network, packages
from .cache import say
from .errors import LaboratoryError
from .places import Places
from .processes import Running

DESCRIPTION = """A real Kubernetes of 1 to 3 nodes that lives wholly in namespaces of this machine.
CHAOS_GO_CLUSTER=NAME chooses among several of them; without it the name is "default"."""

HOW_TO = """
The cluster {name} is in a network of its own. Enter it to reach the API, pods and services:
  tests/cluster/cluster enter bash            a shell; kubectl and KUBECONFIG are set there
  tests/cluster/cluster kubectl get nodes     one command of kubectl
  tests/cluster/cluster shop                  the demo shop in the namespace shop; then:
  tests/cluster/cluster enter curl gateway.shop:8080/api/v1/users/42
  tests/cluster/cluster stop                  removes everything (make cluster-stop)
Logs: {logs}
KUBECONFIG={kubeconfig}"""


def main() -> None:
    """Run the command line."""
    arguments = _parser().parse_args()
    try:
        arguments.run(arguments)
    except LaboratoryError as error:
        sys.exit(f"cluster: {error}")
    except KeyboardInterrupt:
        sys.exit("cluster: interrupted")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cluster", description=DESCRIPTION, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    start = commands.add_parser("start", help="start it and wait until pods can run in it")
    start.add_argument("--nodes", type=int, default=1, help="1 to 3; default 1")
    start.add_argument("--kubernetes", default=build.DEFAULT_VERSION, metavar="VERSION")
    start.add_argument(
        "--tether", metavar="PIPE", help="named pipe; it ends when nobody has PIPE open for writing"
    )
    start.add_argument(
        "--audit", type=Path, metavar="POLICY", help="audit policy; the log is logs/audit.jsonl"
    )
    start.set_defaults(run=_start)
    commands.add_parser("stop", help="kill it, remove everything").set_defaults(run=_stop)
    commands.add_parser("status", help="show nodes and pods").set_defaults(run=_status)

    enter = commands.add_parser("enter", help="run a command in its network, with kubectl on PATH")
    enter.add_argument("words", nargs=argparse.REMAINDER, metavar="CMD...")
    enter.set_defaults(run=_enter)
    kubectl = commands.add_parser("kubectl", help="run kubectl there", add_help=False)
    kubectl.add_argument("words", nargs=argparse.REMAINDER, metavar="ARG...")
    kubectl.set_defaults(run=_kubectl)
    commands.add_parser("shop", help="deploy the demo shop and wait for it").set_defaults(run=_shop)
    load = commands.add_parser(
        "load", help="import images; without FILE those of agent and shop again"
    )
    load.add_argument("archives", nargs="*", type=Path, metavar="FILE")
    load.set_defaults(run=_load)

    node = commands.add_parser("node", help="run a command in all namespaces of a node")
    node.add_argument("name", help="control-plane, node1 ...")
    node.add_argument("words", nargs=argparse.REMAINDER, metavar="CMD...")
    node.set_defaults(run=_node)
    for name, what in (
        ("kill-node", "kill a node with its pods"),
        ("start-node", "start it again"),
    ):
        command = commands.add_parser(name, help=what)
        command.add_argument("name", help="node1 ...")
        command.set_defaults(run=_kill_node if name == "kill-node" else _start_node)
    daemon = commands.add_parser("daemon", help="kill, stop, start, freeze or thaw a daemon")
    daemon.add_argument("member", help="control-plane, node1 ...")
    daemon.add_argument("name", help="apiserver, kubelet, containerd ...")
    daemon.add_argument("what", choices=["kill", "stop", "start", "freeze", "thaw"])
    daemon.set_defaults(run=_daemon)
    written = commands.add_parser(
        "images", help="write the images, for another cluster: FOLDER/*.tar"
    )
    written.add_argument("folder", type=Path, metavar="FOLDER")
    written.set_defaults(run=_images)
    built = commands.add_parser("build", help="only build what a start needs")
    built.add_argument("--kubernetes", default=build.DEFAULT_VERSION, metavar="VERSION")
    built.set_defaults(run=_build)
    return parser


def _start(arguments: argparse.Namespace) -> None:
    places = Places.named()
    with life.locked(places):
        running = Running.find(places)
        if running is not None and _settings(places).get("ready"):
            _check_same(places, arguments)
            say(f"the cluster {places.name} runs already; importing agent and shop again")
            _load_again(running)
        else:
            life.start(
                places,
                arguments.nodes,
                arguments.kubernetes,
                _tether(arguments.tether),
                arguments.audit,
            )
    print(HOW_TO.format(name=places.name, logs=places.logs, kubeconfig=places.kubeconfig))


def _check_same(places: Places, arguments: argparse.Namespace) -> None:
    settings = _settings(places)
    if (settings["nodes"], settings["version"]) != (arguments.nodes, arguments.kubernetes):
        raise LaboratoryError(
            f"the cluster {places.name!r} runs already, with NODES={settings['nodes']} "
            f"KUBERNETES={settings['version']}; stop it first (make cluster-stop), or give another "
            "name: CHAOS_GO_CLUSTER=other"
        )


def _tether(pipe: str | None) -> int | None:
    if pipe is None:
        return None
    try:
        # Without O_NONBLOCK this would wait for somebody who opens it for writing.
        descriptor = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise LaboratoryError(f"--tether {pipe}: {error.strerror}; give a named pipe") from error
    os.set_blocking(descriptor, True)
    return descriptor


def _stop(_: argparse.Namespace) -> None:
    places, started = Places.named(), time.monotonic()
    with life.locked(places):
        was_running = life.stop(places)
    if was_running:
        say(f"stopped {places.name} in {time.monotonic() - started:.1f} s")
    else:
        say(f"no cluster {places.name} was running")


def _status(_: argparse.Namespace) -> None:
    running = Running.get(Places.named())
    for words in (
        ["get", "nodes", "-o", "wide"],
        ["get", "pods", "--all-namespaces", "-o", "wide"],
    ):
        _run_kubectl(running, words)


def _enter(arguments: argparse.Namespace) -> None:
    if not arguments.words:
        raise LaboratoryError("enter: give a command, such as bash")
    running = Running.get(Places.named())
    network.enter_with_names(running)
    _replace(arguments.words, network.environment(running, _kubebox(running.places)))


def _kubectl(arguments: argparse.Namespace) -> None:
    arguments.words = ["kubectl", *arguments.words]
    _enter(arguments)


def _replace(words: list[str], environment: dict[str, str]) -> None:
    """Replace this process by a command."""
    os.environ["PATH"] = environment["PATH"]  # execvpe looks there
    try:
        os.execvpe(words[0], words, environment)
    except OSError as error:
        raise LaboratoryError(f"{words[0]}: {error.strerror}") from error


def _shop(_: argparse.Namespace) -> None:
    running, started = Running.get(Places.named()), time.monotonic()
    deploy = Path(__file__).resolve().parents[3] / "demo" / "deploy"
    _run_kubectl(running, ["apply", "--filename", str(deploy)])
    _run_kubectl(
        running,
        [
            "--namespace",
            "shop",
            "wait",
            "--for=condition=Available",
            "--timeout=60s",
            "deployment",
            "--all",
        ],
    )
    say(f"the shop is ready after {time.monotonic() - started:.1f} s, in the namespace shop")


def _run_kubectl(running: Running, words: list[str]) -> None:
    network.enter(running)
    command: list[str | Path] = [_kubebox(running.places) / "client" / "kubectl", *words]
    result = subprocess.run(
        command, env=network.environment(running, _kubebox(running.places)), check=False
    )
    if result.returncode != 0:
        raise LaboratoryError(f"kubectl {words[0]} failed; kubectl tells why above")


def _load(arguments: argparse.Namespace) -> None:
    running = Running.get(Places.named())
    if arguments.archives:
        faults.load_images(running, arguments.archives)
    else:
        _load_again(running)


def _load_again(running: Running) -> None:
    images.write_all(running.places.images, packages.packages())
    ours = [running.places.images / f"{name}.tar" for name in ("agent", "shop")]
    faults.load_images(running, ours)


def _node(arguments: argparse.Namespace) -> None:
    running = Running.get(Places.named())
    words = arguments.words or ["bash"]
    target = str(running.member(arguments.name))
    path = ":".join(f"/run/lab/{part}" for part in ("kubebox", "packages/bin", "packages/usr/bin"))
    environment = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}"}
    _replace(["nsenter", "--target", target, "--all", *words], environment)


def _kill_node(arguments: argparse.Namespace) -> None:
    faults.kill_node(Running.get(Places.named()), arguments.name)


def _start_node(arguments: argparse.Namespace) -> None:
    faults.start_node(Running.get(Places.named()), arguments.name)


def _daemon(arguments: argparse.Namespace) -> None:
    running = Running.get(Places.named())
    faults.signal_daemon(running, arguments.member, arguments.name, arguments.what)


def _images(arguments: argparse.Namespace) -> None:
    images.write_all(arguments.folder, packages.packages())
    for archive in sorted(arguments.folder.glob("*.tar")):
        print(archive)


def _build(arguments: argparse.Namespace) -> None:
    for folder in (
        packages.packages(),
        build.tools(),
        build.coredns(),
        build.kubebox(arguments.kubernetes),
    ):
        print(folder)


def _settings(places: Places) -> dict[str, object]:
    return dict(json.loads(places.settings.read_text()))


def _kubebox(places: Places) -> Path:
    return Path(str(_settings(places)["kubebox"]))
