"""The cluster of a test run: the laboratory of this checkout, or one that is already there."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from container_image import agent_image
from kubernetes import client, config
from laboratory import life, network
from laboratory.build import DEFAULT_VERSION
from laboratory.errors import LaboratoryError
from laboratory.places import HERE, Places
from laboratory.processes import Running

ROOT = Path(__file__).resolve().parents[2]
START_WITHIN_S = 170.0


class Cluster:
    """A cluster, as tests see it."""

    def __init__(self, kubeconfig: Path, context: str, running: Running | None) -> None:
        """Remember a cluster.

        Args:
            kubeconfig: Its kubeconfig.
            context: Context in there.
            running: The laboratory; None for a cluster that was already there.
        """
        self.kubeconfig = kubeconfig
        self.context = context
        self.agent_image = agent_image().name
        self._running = running

    @property
    def lab(self) -> Running:
        """The laboratory, for tests that kill its nodes and daemons: see laboratory/faults.py."""
        if self._running is None:
            pytest.skip("only in a laboratory may a test kill nodes and daemons")
        return self._running

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Move this process into the network of the laboratory, and back.

        Pods and the API can be reached only from there. A test then needs no wrapper for its own
        requests or for what it starts: threads and processes begin in the network of the thread
        that starts them. Sockets stay in the network in which they were made.
        """
        if self._running is None:
            yield
            return
        with Path("/proc/thread-self/ns/net").open() as before:
            network.enter(self._running)
            try:
                yield
            finally:
                os.setns(before.fileno(), os.CLONE_NEWNET)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to find the cluster."""
        return {
            **os.environ,
            "KUBECONFIG": str(self.kubeconfig),
            "KUBERNETES_CONTEXT": self.context,
        }

    def api_client(self) -> client.ApiClient:
        """Return a new client of the API, with the rights of the administrator."""
        return config.new_client_from_config(str(self.kubeconfig), context=self.context)

    @cached_property
    def core(self) -> client.CoreV1Api:
        """Pods, services, namespaces, nodes."""
        return client.CoreV1Api(self.api_client())

    @cached_property
    def apps(self) -> client.AppsV1Api:
        """Deployments and other workloads."""
        return client.AppsV1Api(self.api_client())

    def node_names(self) -> list[str]:
        """Return the names of the nodes."""
        return sorted(node.metadata.name for node in self.core.list_node().items)


class Clusters:
    """Starts each kind of cluster once per worker, when a test asks for it first."""

    def __init__(self, folder: Path, run: str) -> None:
        """Start nothing yet.

        Args:
            folder: Folder for state and logs.
            run: Unique name of this test run and worker.
        """
        self._folder = folder
        self._run = run
        self._known: dict[int, Cluster] = {}
        self._tethers: list[int] = []

    def get(self, nodes: int) -> Cluster:
        """Return the cluster with so many nodes."""
        if nodes not in self._known:
            existing = os.environ.get("CHAOS_GO_TEST_CONTEXT")
            self._known[nodes] = self._existing(existing, nodes) if existing else self._start(nodes)
        return self._known[nodes]

    def close(self) -> None:
        """Let go of the laboratories, which then end."""
        for tether in self._tethers:
            os.close(tether)
        self._tethers.clear()
        self._known.clear()

    def _existing(self, context: str, nodes: int) -> Cluster:
        kubeconfig = os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config"
        cluster = Cluster(Path(kubeconfig), context, None)
        if len(cluster.node_names()) < nodes:
            pytest.skip(f"the cluster of {context!r} has fewer than {nodes} nodes")
        return cluster

    def _start(self, nodes: int) -> Cluster:
        try:
            life.check_machine()
        except LaboratoryError as error:
            pytest.skip(str(error))
        name = f"test-{self._run}-{nodes}"
        places = Places(name, self._folder / "chaos-go" / "cluster" / name)
        self._run_start(name, nodes, self._tether(name))
        return Cluster(places.kubeconfig, places.context, Running.get(places))

    def _tether(self, name: str) -> Path:
        """Open the pipe that keeps the laboratory alive.

        The kernel closes it when this process ends, even by SIGKILL. Processes that tests start do
        not inherit it.
        """
        pipe = self._folder / f"{name}.tether"
        os.mkfifo(pipe)
        # With O_WRONLY this would wait until the laboratory has opened the other end.
        self._tethers.append(os.open(pipe, os.O_RDWR))
        return pipe

    def _run_start(self, name: str, nodes: int, pipe: Path) -> None:
        command: list[Any] = [HERE / "cluster", "start", "--nodes", str(nodes), "--tether", pipe]
        command += ["--kubernetes", os.environ.get("KUBERNETES") or DEFAULT_VERSION]
        state = {"XDG_STATE_HOME": str(self._folder), "CHAOS_GO_CLUSTER": name}
        # A test must not build for minutes: `make e2e` has built before.
        environment = {**os.environ, **state, "CHAOS_GO_CLUSTER_BUILD": "no"}
        started = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=START_WITHIN_S
        )
        assert started.returncode == 0, started.stderr


def wait_until(condition: Callable[[], Any], what: str, within_s: float = 30.0) -> Any:
    """Wait until a condition is true, and return its value; fail the test if it takes too long."""
    end = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {within_s} s: {what}"
        time.sleep(0.05)
    return value
