"""A stream of lines to and from one agent. Here it leads to a child process.

A channel may block while it sends. So `chaos_go.agent.process` sends in a separate thread for each
agent, and one blocked stream delays no other.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Protocol

from chaos_go.errors import AgentError

_LONGEST_LINE = 1 << 20  # the agent's own bound; a longer line is not part of this protocol
_TAIL = 4096


class Channel(Protocol):
    """Lines to and from one agent."""

    def send(self, line: str) -> None:
        """Send one line; may block. One thread at a time calls it.

        Raises:
            OSError: The other end is gone.
        """
        ...

    def receive(self) -> str | None:
        """Wait for the next line and return it; None when no more will come."""
        ...

    def complaints(self) -> str:
        """Return the end of the agent's messages for humans, which are not part of the protocol."""
        ...

    def close(self) -> None:
        """Close the stream to the agent, which then ends by itself. Never blocks."""
        ...

    def kill(self) -> None:
        """End the agent at once; the kernel undoes what it held. Never blocks."""
        ...

    def wait(self, timeout_s: float) -> int | None:
        """Wait for the end of the agent.

        Returns:
            Its exit code, negative for a signal; None when the stream ended without one. It is then
            unknown whether the agent still runs, and only its lease limits how long.

        Raises:
            TimeoutError: The agent still runs.
        """
        ...


class LocalChannel:
    """A channel to a child process in a process group of its own.

    So Ctrl-C in a terminal reaches only Python, which decides about the agent. No other process
    inherits the pipes. So when Python dies, the agent's stdin ends, and the agent ends too.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        """Start the process.

        Raises:
            AgentError: The agent cannot be executed.
        """
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                close_fds=True,
                process_group=0,
            )
        except OSError as error:
            raise AgentError(
                f"agent={argv[0]}: cannot be started: {error.strerror}; build it for this machine "
                "with `make agent` and see that it is executable"
            ) from error
        self._stdin, self._stdout = _open(self._process.stdin), _open(self._process.stdout)
        self._sending = threading.Lock()
        self._is_closing = False
        self._tail = b""
        self._listener = threading.Thread(
            target=self._listen, args=(_open(self._process.stderr),), daemon=True
        )
        self._listener.start()

    def send(self, line: str) -> None:
        """Send one line. A closed channel raises an OSError, as a broken one does."""
        try:
            with self._sending:
                if self._is_closing:
                    raise BrokenPipeError("the channel is closed")
                self._stdin.write(line.encode() + b"\n")
                self._stdin.flush()
        finally:
            if self._is_closing:  # `close` did not wait for this line
                self.close()

    def receive(self) -> str | None:
        """Wait for the next line; None when no more will come. Only one thread may call it."""
        line = b"" if self._stdout.closed else self._stdout.readline(_LONGEST_LINE)
        if not line:
            self._stdout.close()
            return None
        return line.decode(errors="backslashreplace").rstrip("\n")

    def complaints(self) -> str:
        """Return the end of the agent's stderr; it is complete once the process has ended."""
        if self._process.poll() is not None:
            self._listener.join(timeout=1.0)
        return self._tail.decode(errors="backslashreplace").strip()

    def close(self) -> None:
        """Close the agent's stdin, at the latest after the line that is being sent."""
        self._is_closing = True
        if self._sending.acquire(blocking=False):
            try:
                with suppress(OSError):
                    self._stdin.close()
            finally:
                self._sending.release()

    def kill(self) -> None:
        """Send SIGKILL to the whole process group."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def wait(self, timeout_s: float) -> int:
        """Wait for the end of the process; return its exit code, negative for a signal."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"pid {self._process.pid} still runs") from error

    def _listen(self, stderr: IO[bytes]) -> None:
        with stderr:
            while chunk := os.read(stderr.fileno(), _TAIL):
                self._tail = (self._tail + chunk)[-_TAIL:]


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise AssertionError("every pipe was asked for")
    return pipe
