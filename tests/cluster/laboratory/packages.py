"""Fetches containerd, runc, CNI plugins, nft and busybox as Debian packages; installs nothing."""

import shutil
import subprocess
from pathlib import Path

from . import cache
from .errors import LaboratoryError

PACKAGES = ("containerd", "runc", "containernetworking-plugins", "busybox-static", "nftables")
LIBRARIES = (
    "libnftables1",
    "libnftnl11",
    "libmnl0",
    "libjansson4",
    "libedit2",
    "libgmp10",
    "libbsd0",
    "libmd0",
    "libtinfo6",
    "libxtables12",
)
"""What nft needs, since a machine without nft may lack some of them."""

NFT = """#!/bin/sh
root=$(dirname "$(dirname "$(readlink -f "$0")")")
LD_LIBRARY_PATH=$(echo "$root"/usr/lib/*-linux-gnu):$(echo "$root"/lib/*-linux-gnu)
export LD_LIBRARY_PATH
exec "$root/usr/sbin/nft" "$@"
"""


def packages() -> Path:
    """Return the folder into which the packages are unpacked.

    Raises:
        LaboratoryError: This is no Debian, or a package could not be fetched.
    """
    release = Path("/etc/os-release")
    key = cache.hash_of(NFT, " ".join(PACKAGES + LIBRARIES), release if release.exists() else "")
    return cache.part("debian-packages", key, _fetch, "under a minute")


def check_machine() -> None:
    """Find out whether packages can be fetched and unpacked here.

    Raises:
        LaboratoryError: This is no Debian and nothing like it.
    """
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise LaboratoryError(
            "the laboratory takes containerd, runc, CNI plugins and nft from Debian packages, and "
            "here are no apt-get and dpkg-deb; run it on Debian or Ubuntu, or use a cluster that "
            "is already there: KUBECONFIG and CHAOS_GO_TEST_CONTEXT"
        )


def _fetch(folder: Path) -> None:
    check_machine()
    downloads = folder / "downloads"
    downloads.mkdir()
    # As root apt would download as another user, who may not write here.
    options = ["-o", "APT::Sandbox::User=root"]
    if not _download(downloads, options):
        # The lists of packages of this machine are missing or old: use lists of our own.
        options += ["-o", f"Dir::State::Lists={folder}/lists", "-o", f"Dir::Cache={folder}/cache"]
        (folder / "lists" / "partial").mkdir(parents=True)
        (folder / "cache" / "archives" / "partial").mkdir(parents=True)
        _run(downloads, "apt-get", *options, "-qq", "update")
        if not _download(downloads, options):
            raise LaboratoryError(
                f"apt-get could not download {', '.join(PACKAGES)}; is the mirror reachable?"
            )
    for package in downloads.glob("*.deb"):
        _run(downloads, "dpkg-deb", "--extract", package, folder)
    for work in ("downloads", "lists", "cache"):
        shutil.rmtree(folder / work, ignore_errors=True)
    (folder / "bin").mkdir(exist_ok=True)
    nft = folder / "bin" / "nft"
    nft.write_text(NFT)
    nft.chmod(0o755)
    _run(folder, nft, "--version")


def _download(folder: Path, options: list[str]) -> bool:
    command = ["apt-get", *options, "-qq", "download", *PACKAGES, *LIBRARIES]
    result = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    return result.returncode == 0


def _run(folder: Path, *command: str | Path) -> None:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise LaboratoryError(f"{command[0]} failed: {result.stderr.strip()}")
