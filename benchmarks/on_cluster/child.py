"""A process of killer.py, and what it tells."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_SCHEDULED = 2  # CPUCLOCK_SCHED of the kernel: exact, not counted in ticks
KILLER = Path(__file__).resolve().parent / "killer.py"


class Child:
    """A process that kills pods when it is asked to. It ends with the ``with`` block.

    Attributes:
        started_unix_s: When it was started, in seconds since 1970.
    """

    def __init__(self, tool: str, namespace: str, name: str, imports: str = "own") -> None:
        """Start it and wait until it has imported what it is asked to.

        Args:
            tool: ``chaos_go``, or the peer ``chaosk8s``.
            namespace: Namespace of the Deployment.
            name: Name of the Deployment, and of the label ``app`` of its pods.
            imports: ``own`` for the module of the action, as Chaos Toolkit imports it before a run;
                ``all`` also for the package kubernetes.

        Raises:
            RuntimeError: It ended.
        """
        asked = {"tool": tool, "namespace": namespace, "name": name, "imports": imports}
        self.started_unix_s = time.time()
        self._process = subprocess.Popen(
            [sys.executable, KILLER, json.dumps(asked)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()

    def __enter__(self) -> Self:
        """Use it in a ``with`` block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Let it end, and wait for that."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def kill(self, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Kill with further arguments of the action.

        Returns:
            ``called_unix_s``, ``returned_unix_s``, ``pods`` (their names) and ``processor_s`` (used
            so far).

        Raises:
            RuntimeError: It ended; why is on standard error.
        """
        if self._process.stdin is None:
            raise AssertionError("it was started with a pipe")
        self._process.stdin.write(json.dumps(dict(arguments or {})) + "\n")
        self._process.stdin.flush()
        return self._read()

    def processor_s(self) -> float:
        """Return the processor time that it has used so far, in seconds."""
        clock = (~self._process.pid << 3) | _SCHEDULED  # what clock_getcpuclockid(3) returns
        return time.clock_gettime(clock)

    def peak_mb(self) -> float:
        """Return the most memory that it has had so far, in MB.

        Not ``ru_maxrss`` of getrusage(2), which begins with the size of the process that started
        it.
        """
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) * 1024 / 1e6

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError(f"killer.py ended with exit code {self._process.wait()}")
        return dict(json.loads(line))
