"""Keeps what was built, so that it is built once for all checkouts and all test runs of a user.

Each part is a folder whose name has the hash of everything that it was made of.
"""

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import LaboratoryError
from .places import cache

SAY_EVERY_S = 15.0


def say(text: str) -> None:
    """Tell the user what happens; standard output is for the results."""
    print(f"cluster: {text}", file=sys.stderr, flush=True)


def hash_of(*parts: str | bytes | Path) -> str:
    """Return a short hash of texts and of the contents of files."""
    whole = hashlib.sha256()
    for part in parts:
        content = part.read_bytes() if isinstance(part, Path) else part
        content = content.encode() if isinstance(content, str) else content
        whole.update(len(content).to_bytes(8, "big") + content)
    return whole.hexdigest()[:16]


def part(name: str, key: str, build: Callable[[Path], None], expected: str = "") -> Path:
    """Return the folder of a part; build it first if it is not in the cache.

    A build fills a temporary folder, which is renamed when it is complete, so an interrupted build
    leaves nothing that counts. A second process waits until the first has built.

    Args:
        name: Name of the part.
        key: Hash of everything that it is made of.
        build: Fills the folder that it gets.
        expected: How long that takes, for the user; "" if it is a matter of a second.

    Raises:
        LaboratoryError: It is not in the cache, building it takes long, and the environment has
            CHAOS_GO_CLUSTER_BUILD=no.
    """
    folder = cache() / f"{name}-{key}"
    if folder.is_dir():
        return folder
    if expected and os.environ.get("CHAOS_GO_CLUSTER_BUILD") == "no":
        raise LaboratoryError(f"{name} is not built yet; run: tests/cluster/cluster build")
    cache().mkdir(parents=True, exist_ok=True)
    with _locked(cache() / f"{name}.lock", name):
        if folder.is_dir():
            return folder
        for left in cache().glob(
            f".{name}.*"
        ):  # by a build that was killed; nobody else has the lock
            shutil.rmtree(left)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=cache()))
        unfinished.chmod(0o755)
        started = time.monotonic()
        try:
            with progress(f"building {name}", expected):
                build(unfinished)
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        say(f"built {name} in {time.monotonic() - started:.1f} s: {folder}")
    return folder


@contextmanager
def _locked(path: Path, name: str) -> Iterator[None]:
    """Hold a file lock, which the kernel releases when the process ends, however it ends."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with progress(f"waiting for another process that builds {name}"):
                fcntl.flock(lock, fcntl.LOCK_EX)
        os.set_inheritable(lock.fileno(), False)
        yield


@contextmanager
def progress(what: str, expected: str = "") -> Iterator[None]:
    """Say what is done and how long that takes, and say it again every 15 s until it is done."""
    say(f"{what}: {expected}" if expected else what)
    started, ended = time.monotonic(), threading.Event()

    def repeat() -> None:
        while not ended.wait(SAY_EVERY_S):
            say(f"still {what} ({time.monotonic() - started:.0f} s)")

    teller = threading.Thread(target=repeat, daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()
