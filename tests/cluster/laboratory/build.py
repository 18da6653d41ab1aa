"""Builds Kubernetes, etcd, CoreDNS and the tools of the laboratory from Go modules, once."""

import os
import shutil
import subprocess
from pathlib import Path

from . import cache
from .errors import LaboratoryError
from .places import HERE

DEFAULT_VERSION = "1.36.3"
DAEMONS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
)
STRIPPED = "-s -w"


def versions() -> list[str]:
    """Return the versions of Kubernetes that can be built."""
    return sorted(path.name for path in (HERE / "versions").iterdir())


def kubebox(version: str = DEFAULT_VERSION) -> Path:
    """Return the folder with the daemons of Kubernetes.

    Args:
        version: One of `versions()`.

    Raises:
        LaboratoryError: There is no such version, or Go could not build it.
    """
    if version not in versions():
        known = ", ".join(versions())
        raise LaboratoryError(
            f"KUBERNETES is {version!r}; give one of: {known}, or add its go.mod to "
            "tests/cluster/versions (see the README there)"
        )
    sources = [HERE / "kubebox" / "main.go", *sorted((HERE / "versions" / version).iterdir())]

    def build(folder: Path) -> None:
        work = folder / "src"
        work.mkdir()
        for source in sources:
            shutil.copy(source, work)
        _go_build(work, ".", folder / "kubebox", f"{STRIPPED} {_version_flags(version)}")
        shutil.rmtree(work)
        for name in DAEMONS:
            (folder / name).symlink_to("kubebox")
        (folder / "client").mkdir()  # kubectl alone: what somebody who works with the cluster gets
        (folder / "client" / "kubectl").symlink_to("../kubebox")

    key = cache.hash_of(*sources, _go_version())
    return cache.part(f"kubernetes-{version}", key, build, "6 to 10 minutes on 2 cores, only once")


def coredns() -> Path:
    """Return the folder with the program coredns."""
    return _module("coredns", {"coredns": "."}, "1 to 2 minutes, only once")


def tools() -> Path:
    """Return the folder with the programs pki and pause."""
    return _module("tools", {"pki": "./pki", "pause": "./pause"}, "")


def _module(name: str, programs: dict[str, str], expected: str) -> Path:
    """Build the programs of a module; each is named with its package."""
    module = HERE / name
    files = (path for path in module.rglob("*") if path.suffix in {".go", ".mod", ".sum"})
    sources = sorted(path for path in files if not path.name.endswith("_test.go"))

    def build(folder: Path) -> None:
        for program, package in programs.items():
            _go_build(module, package, folder / program, STRIPPED)

    return cache.part(name, cache.hash_of(*sources, _go_version()), build, expected)


def _version_flags(version: str) -> str:
    """Return the linker flags that tell Kubernetes its version."""
    major, minor, _ = version.split(".")
    values = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(
        f"-X {package}.{field}={value}" for package in packages for field, value in values.items()
    )


def _go_build(folder: Path, package: str, program: Path, linker_flags: str) -> None:
    command = ["go", "build", "-ldflags", linker_flags, "-o", str(program), package]
    # Other flags than these would recompile 2,700 packages for each way to call Go.
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-trimpath -buildvcs=false"}
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        last = "\n".join(result.stderr.splitlines()[-20:])
        raise LaboratoryError(f"Go could not build {program.name} in {folder}:\n{last}")


def _go_version() -> str:
    try:
        return subprocess.run(
            ["go", "version"], capture_output=True, text=True, check=True
        ).stdout.strip()
    except OSError as error:
        raise LaboratoryError("there is no Go on PATH; run: make setup") from error
