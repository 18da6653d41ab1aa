"""Child processes that end with their parent, however it ends."""

import ctypes
import signal
import subprocess
from collections.abc import Sequence
from typing import IO

PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None, use_errno=True)


def start(
    command: Sequence[str], log: IO[bytes] | None = None, own_group: bool = False
) -> subprocess.Popen[bytes]:
    """Start a process that gets SIGTERM when this one dies, even by SIGKILL.

    Args:
        command: program and arguments.
        log: where its output goes; None for the output of this process.
        own_group: keep Ctrl-C in the terminal away from it.
    """
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT if log else None,
        process_group=0 if own_group else None,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - there is one thread
    )


def stop(process: subprocess.Popen[bytes], grace_s: float = 15.0) -> None:
    """Ask a process to end, and kill it when it has not done so after ``grace_s`` seconds."""
    process.terminate()
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))
