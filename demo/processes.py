"""Child processes that end when their parent ends, for whatever reason."""

import ctypes
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import IO

PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None, use_errno=True)


def start(
    command: Sequence[str],
    log: IO[bytes] | None = None,
    own_group: bool = False,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process that gets SIGTERM when this process dies, even by SIGKILL.

    Args:
        command: Program and arguments.
        log: File for its output; by default it shares the output of this process.
        own_group: Whether it gets its own process group, so that Ctrl-C in the terminal does not
            reach it.
        environment: Its environment; by default that of this process.
    """
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT if log else None,
        process_group=0 if own_group else None,
        env=environment,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has a single thread
    )


def stop(process: subprocess.Popen[bytes], grace_s: float = 15.0) -> None:
    """Send SIGTERM to a process, and kill it if it has not ended after ``grace_s`` seconds."""
    process.terminate()
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))
