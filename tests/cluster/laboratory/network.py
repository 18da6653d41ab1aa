"""Enters the network of a laboratory: its API and its pods can be reached only from there."""

import os
import subprocess
from pathlib import Path

from .places import DNS_ADDRESS, Places
from .processes import Running

RESOLVER = Path("/etc/resolv.conf")


def write_resolver(places: Places) -> None:
    """Write the resolv.conf with which names like gateway.shop are found."""
    (places.state / "resolv.conf").write_text(
        f"nameserver {DNS_ADDRESS}\nsearch svc.cluster.local cluster.local\noptions ndots:5\n"
    )


def enter(running: Running) -> None:
    """Move this thread, and what it starts from now on, into the network."""
    with Path(f"/proc/{running.pid}/ns/net").open() as namespace:
        os.setns(namespace.fileno(), os.CLONE_NEWNET)


def enter_with_names(running: Running) -> None:
    """Enter the network and ask the DNS of the cluster; for a process without threads."""
    enter(running)
    if RESOLVER.exists():
        os.unshare(os.CLONE_NEWNS)
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        subprocess.run(
            ["mount", "--bind", running.places.state / "resolv.conf", RESOLVER], check=True
        )


def environment(running: Running, kubebox: Path) -> dict[str, str]:
    """Return the environment of a user of the cluster: KUBECONFIG, and kubectl on PATH."""
    return {
        **os.environ,
        "KUBECONFIG": str(running.places.kubeconfig),
        "KUBECACHEDIR": str(running.places.shared / "kubectl"),
        "PATH": f"{kubebox / 'client'}:{os.environ['PATH']}",
    }
