"""Write a container image of static binaries, without Docker and without root.

    python scripts/container_image.py agent dist/chaos-agent-image.tar [--arch arm64]

The file is a docker-archive: `docker load -i`, `podman load -i`, `ctr images import` and `kind load
image-archive` read it. The same input gives the same bytes.
"""

import argparse
import ast
import hashlib
import io
import json
import platform
import struct
import sys
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""What uname calls an architecture -> what Go and container images call it."""

CAPABILITY_BITS = {"NET_ADMIN": 12}
CAPABILITY_VERSION_2 = 0x02000000
"""The extended attribute security.capability; see linux/capability.h."""

NOBODY = "65532:65532"
"""The user and group that images without a shell use by custom; 65534 is for unmapped files."""


class ImageError(Exception):
    """An image cannot be written. The message names the file and how to make it."""


def this_architecture() -> str:
    """Return the architecture of this machine as container images call it."""
    machine = platform.machine()
    return ARCHITECTURES.get(machine, machine)


@dataclass(frozen=True)
class Image:
    """A container image of one layer.

    Attributes:
        name: Name and tag, for instance "localhost/chaos-agent:1.0".
        files: Path in the image -> the binary on this machine.
        entrypoint: Path of the program in the image.
        user: "UID:GID" that runs the program; "" for root.
        capabilities: File capabilities of all files, for instance NET_ADMIN.
        architecture: amd64 or arm64; by default that of this machine.
    """

    name: str
    files: Mapping[str, Path]
    entrypoint: str
    user: str = ""
    capabilities: Sequence[str] = ()
    architecture: str = field(default_factory=this_architecture)

    def write(self, archive: Path) -> None:
        """Write the image as a docker-archive.

        Args:
            archive: The file; its folder is created if it is missing.

        Raises:
            ImageError: A binary is missing.
        """
        layer = self._layer()
        config = {
            "architecture": self.architecture,
            "os": "linux",
            "config": {"Entrypoint": [self.entrypoint], "Env": ["PATH=/bin:/"], "User": self.user},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{_sha256(layer)}"]},
            "history": [{"created_by": "scripts/container_image.py of chaos_go"}],
        }
        config_json = json.dumps(config).encode()
        config_name = f"{_sha256(config_json)}.json"
        manifest = [{"Config": config_name, "RepoTags": [self.name], "Layers": ["layer.tar"]}]
        archive.parent.mkdir(parents=True, exist_ok=True)
        unfinished = archive.with_suffix(".unfinished")
        with tarfile.open(unfinished, "w", format=tarfile.PAX_FORMAT) as tar:
            _add(tar, config_name, config_json, 0o644)
            _add(tar, "layer.tar", layer, 0o644)
            _add(tar, "manifest.json", json.dumps(manifest).encode(), 0o644)
        unfinished.replace(archive)

    def _layer(self) -> bytes:
        content = io.BytesIO()
        attributes = {}
        if self.capabilities:
            # A tar header is text; surrogateescape carries the bytes of the attribute through it.
            value = file_capabilities(self.capabilities).decode("utf-8", "surrogateescape")
            attributes["SCHILY.xattr.security.capability"] = value
        with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name, path in sorted(self.files.items()):
                if not path.is_file():
                    raise ImageError(
                        f"{path}: no such file; build it with: make agent demo/bin/shop"
                    )
                _add(tar, name.lstrip("/"), path.read_bytes(), 0o755, attributes)
        return content.getvalue()


def file_capabilities(names: Sequence[str]) -> bytes:
    """Encode capabilities as the kernel stores them with a file: permitted, and not effective.

    The agent makes them effective itself. Otherwise the kernel would refuse to start it in a
    container that may not have them, such as one for a load.
    """
    mask = sum(1 << CAPABILITY_BITS[name] for name in names)
    words = (CAPABILITY_VERSION_2, mask, 0, 0, 0)
    return struct.pack("<5I", *words)


def agent_image(architecture: str = "") -> Image:
    """Describe the image of the agent.

    The agent runs as an ordinary user. With the file capability it has NET_ADMIN, if its container
    may have that, and it needs nothing else to inject faults into a pod.

    Args:
        architecture: amd64 or arm64; "" for that of this machine.
    """
    architecture = architecture or this_architecture()
    binary = ROOT / "chaos_go" / "agent" / "bin" / f"chaos-agent-linux-{architecture}"
    return Image(
        name=f"localhost/chaos-agent:{_version()}",
        files={"/chaos-agent": binary},
        entrypoint="/chaos-agent",
        user=NOBODY,
        capabilities=["NET_ADMIN"],
        architecture=architecture,
    )


def shop_image() -> Image:
    """Describe the image of the demo shop, all of whose services are one binary."""
    binary = ROOT / "demo" / "bin" / "shop"
    return Image("localhost/chaos-shop:demo", {"/shop": binary}, "/shop", user=NOBODY)


def _version() -> str:
    """Read the version of the package without importing it."""
    for node in ast.parse((ROOT / "chaos_go" / "__init__.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__":
            return str(ast.literal_eval(node.value))
    raise ImageError("chaos_go/__init__.py has no __version__")


def _add(
    tar: tarfile.TarFile,
    name: str,
    content: bytes,
    mode: int,
    attributes: Mapping[str, str] | None = None,
) -> None:
    entry = tarfile.TarInfo(name)  # of user 0, and from 1970: the same bytes every time
    entry.size, entry.mode = len(content), mode
    entry.pax_headers = dict(attributes or {})
    tar.addfile(entry, io.BytesIO(content))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def main() -> None:
    """Write the image that the command line names."""
    parser = argparse.ArgumentParser(description="write a container image of static binaries")
    parser.add_argument("image", choices=["agent", "shop"])
    parser.add_argument("archive", type=Path, help="the file to write")
    parser.add_argument("--arch", choices=["amd64", "arm64"], default=this_architecture())
    arguments = parser.parse_args()
    image = agent_image(arguments.arch) if arguments.image == "agent" else shop_image()
    try:
        image.write(arguments.archive)
    except ImageError as error:
        sys.exit(f"image: {error}")
    size_mb = arguments.archive.stat().st_size / 1e6
    print(f"{arguments.archive}: {image.name} for {image.architecture}, {size_mb:.1f} MB")


if __name__ == "__main__":
    main()
