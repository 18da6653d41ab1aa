"""Where the files of a laboratory are, and its names and addresses."""

import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from .errors import LaboratoryError

HERE = Path(__file__).resolve().parent.parent
"""The folder tests/cluster."""

INSIDE = HERE / "inside"
"""The scripts and settings that are used inside the namespaces."""

API_ADDRESS = "10.88.0.10"
API_INSIDE_ADDRESS = "10.96.0.1"
DNS_ADDRESS = "10.96.0.10"
"""Every laboratory has the same addresses, because each has a network of its own."""

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
MAX_NODES = 3
FIRST_USER = 64000  # above those that systems give to people and services, below nobody


def cache() -> Path:
    """Return the folder for what was built, which all checkouts of this user share."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "chaos-go" / "cluster"


@dataclass(frozen=True)
class Places:
    """The files of one laboratory.

    Attributes:
        name: Name of the laboratory; several with different names can run at a time.
        state: Folder with everything that it writes; only logs stay there after its end.
    """

    name: str
    state: Path

    @classmethod
    def named(cls, name: str = "") -> "Places":
        """Return the places of a laboratory.

        Args:
            name: Its name; "" for that in CHAOS_GO_CLUSTER, or else "default".

        Raises:
            LaboratoryError: The name does not fit.
        """
        name = name or os.environ.get("CHAOS_GO_CLUSTER") or "default"
        if not NAME.fullmatch(name):
            raise LaboratoryError(
                f"CHAOS_GO_CLUSTER is {name!r}; give a name of lower case letters, digits and "
                'hyphens, at most 40, such as "mine"'
            )
        base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        return cls(name, Path(base) / "chaos-go" / "cluster" / name)

    @property
    def cgroup(self) -> str:
        """Name of the folder in each cgroup hierarchy."""
        return f"chaos-go-cluster-{self.name}"

    @property
    def user(self) -> int:
        """Number of the user of the control plane, hardly ever that of another laboratory."""
        return FIRST_USER + zlib.crc32(self.name.encode()) % 1000

    @property
    def context(self) -> str:
        """Name of the context in the kubeconfig."""
        return self.cgroup

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of the administrator."""
        return self.pki / "admin.kubeconfig"

    @property
    def pki(self) -> Path:
        """Folder of keys, certificates and kubeconfigs."""
        return self.state / "pki"

    @property
    def logs(self) -> Path:
        """Folder with one log per daemon."""
        return self.state / "logs"

    @property
    def images(self) -> Path:
        """Folder of the images that a node imports when it starts."""
        return self.state / "images"

    @property
    def shared(self) -> Path:
        """Folder of files by which the processes of the laboratory tell what they have reached."""
        return self.state / "shared"

    @property
    def audit_policy(self) -> Path:
        """The policy of the audit log; control-plane.sh looks whether it exists."""
        return self.shared / "audit-policy.yaml"

    @property
    def audit_log(self) -> Path:
        """The audit log of the API server: one event of audit.k8s.io/v1 per line."""
        return self.logs / "audit.jsonl"

    @property
    def commands(self) -> Path:
        """The named pipe from which PID 1 of the laboratory reads commands."""
        return self.state / "commands"

    @property
    def settings(self) -> Path:
        """What the running laboratory was started with, as JSON."""
        return self.state / "settings.json"


def node_names(count: int) -> list[str]:
    """Return the names of the nodes.

    Raises:
        LaboratoryError: There cannot be so many.
    """
    if not 1 <= count <= MAX_NODES:
        raise LaboratoryError(f"NODES is {count}; give 1 to {MAX_NODES}")
    return [f"node{number}" for number in range(1, count + 1)]


def node_address(node: str) -> str:
    """Return the address of a node in the network of its laboratory."""
    return f"10.88.0.{10 + int(node.removeprefix('node'))}"
