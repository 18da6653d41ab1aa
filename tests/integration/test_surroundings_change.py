"""The service, its port or its network namespace changes while a fault is armed."""

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from matrix import DRAIN_S, FAULTED, LONG_S, MEASURED, Scene
from world import SERVICE_PORT, Driver, Namespace, nothing_left, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def stop(scene: Scene, driver: Driver, case: str, resets: int) -> None:
    """End the fault and check that it is gone; the live clients have had the restart before."""
    scene.breaks(case, driver.stop, free_within_s=DRAIN_S, gone_within_s=DRAIN_S, resets=resets)


def end_service(scene: Scene) -> None:
    """Kill the service and wait until nothing listens on its port."""
    scene.service.kill()
    scene.service.wait()
    wait_until("the port is free", lambda: SERVICE_PORT not in scene.namespace.listeners())


def test_service_restarted(scene: Scene, driver: Driver) -> None:
    driver.abort(scene.target.chaos, match={"path": FAULTED}, duration_s=LONG_S)
    scene.connect()
    end_service(scene)
    scene.service = scene.namespace.start_service(SERVICE_PORT)
    scene.wait_for("503", within_s=5.0)
    stop(scene, driver, "service restarted, then stop", resets=1000)


def test_port_taken_by_another_process(scene: Scene, driver: Driver, tmp_path: Path) -> None:
    """The process that has the port in the end is reached, without an agent on the way."""
    driver.abort(scene.target.chaos, match={"path": FAULTED}, duration_s=LONG_S)
    scene.connect()
    end_service(scene)
    page = tmp_path / FAULTED.lstrip("/")
    page.parent.mkdir(parents=True)
    page.write_text("somebody else")
    serve = [sys.executable, "-m", "http.server", "--directory", tmp_path, str(SERVICE_PORT)]
    scene.namespace.popen(serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until("somebody else listens", lambda: SERVICE_PORT in scene.namespace.listeners())
    stop(scene, driver, "port taken by another process, then stop", resets=1000)


@pytest.mark.parametrize("way", ["inbound", "outbound"])
def test_network_namespace_deleted(namespace: Namespace, service: object, way: str) -> None:
    """Only the agent is left in the namespace, which is deleted with the agent.

    An explicit proxy is not tested: it is where the control plane is, which would be left too.
    """
    inner = Namespace(namespace)
    try:
        inside = inner.start_service(SERVICE_PORT)
        chaos, client = namespace.driver(), inner.driver()
        call = f"{client.process.pid}->127.0.0.1:{SERVICE_PORT}"
        chaos.abort(f"pid/{inside.pid if way == 'inbound' else call}", duration_s=LONG_S)
        assert client.request(SERVICE_PORT)["status"] == 503
        network = os.readlink(f"/proc/{inside.pid}/ns/net")
    finally:
        inner.leave()
    assert is_in_use(network)
    began = time.monotonic()
    chaos.stop()
    wait_until("the namespace is gone", lambda: not is_in_use(network), DRAIN_S)
    gone_s = time.monotonic() - began
    MEASURED.append(("network namespace deleted, then stop", way, gone_s, gone_s))
    nothing_left(namespace, {SERVICE_PORT})


def is_in_use(network: str) -> bool:
    """Return whether a process is in this network namespace."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.readlink(process / "ns" / "net") == network:
                return True
    return False
