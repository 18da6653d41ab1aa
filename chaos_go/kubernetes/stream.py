"""One process in a container of a pod (pods/exec), as a channel to an agent.

A message of the protocol begins with a byte that names its channel: stdin, stdout, stderr, or the
``Status`` object at the end, which has the exit code. Everything but the opening is done by the one
thread of the hub.
"""

import json
import queue
import socket
import ssl
import threading
from collections.abc import Sequence
from typing import Any

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from chaos_go.errors import shorten
from chaos_go.kubernetes.client import Client
from chaos_go.kubernetes.dial import V5, dial
from chaos_go.kubernetes.hub import Hub, hub
from chaos_go.kubernetes.kinds import PODS

_STDIN, _STDOUT, _STDERR, _STATUS, _END_OF = 0, 1, 2, 3, 255
_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)

_LONGEST_LINE = 1 << 20  # the agent's own bound, as in `chaos_go.agent.channel`
_LONGEST_STATUS = 1 << 16
_TAIL = 4096
_LONGEST_REASON = 1000
_CHUNK = 1 << 15
_TURN = 16  # chunks that one stream may read before the others have their turn

_MOST_UNSENT = 1 << 20
"""Bytes that wait to be sent. A line is queued only while there are fewer."""

_MOST_UNREAD, _FEW_UNREAD = 8 << 20, 1 << 20
"""Bytes of lines that nobody has read: nothing is received above the first, until the second."""

_WAIT = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class PodChannel:
    """A channel to a process in a container. Its methods may be called from any thread."""

    def __init__(self, sock: socket.socket, protocol: ClientProtocol, through: Hub = hub) -> None:
        """Take over a stream that was opened by `dial`."""
        self.sock = sock
        self._protocol = protocol
        self._hub = through
        self._out = bytearray()
        self._bytes_in_out = 0  # of lines, so without frames
        self._message = bytearray()
        self._line = bytearray()
        self._status = bytearray()
        self._tail = b""
        self._why = ""
        self._exit_code: int | None = None
        self._is_paused = False
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._unsent = self._unread = 0
        self._is_closing = self._is_over = False
        self.sock.setblocking(False)
        self._hub.add(self)

    def send(self, line: str) -> None:
        """Queue one line; wait while much is queued before it.

        Raises:
            BrokenPipeError: The stream has ended, or was closed.
        """
        data = line.encode() + b"\n"
        with self._changed:
            self._changed.wait_for(lambda: self._is_shut() or self._unsent < _MOST_UNSENT)
            if self._is_shut():
                raise BrokenPipeError("the channel is closed")
            self._unsent += len(data)
        self._hub.run(lambda: self._write(data))

    def receive(self) -> str | None:
        """Wait for the next line; None when no more will come. Only one thread may call it."""
        line = self._lines.get()
        if line is None:
            self._lines.put(None)
            return None
        with self._changed:
            before, self._unread = self._unread, self._unread - len(line)
        if before > _FEW_UNREAD >= self._unread:
            self._hub.run(self._resume)
        return line

    def complaints(self) -> str:
        """Return the end of the process's stderr, and why the stream broke, if it did."""
        said = self._tail.decode(errors="backslashreplace").strip()
        broke = self._why if self._is_over and self._exit_code is None else ""
        return "\n".join(x for x in (said, broke) if x)

    def close(self) -> None:
        """End the input of the process. The protocol v4 can only end the whole stream for that."""
        with self._changed:
            if self._is_closing:
                return
            self._is_closing = True
            self._changed.notify_all()
        self._hub.run(self._end_input)

    def kill(self) -> None:
        """Cut the stream. An agent that lives reads the end of its input, and ends what it holds.

        A process that reads no input is not reached by this: no signal goes through the API.
        """
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._hub.run(lambda: self.end("it was cut from here"))

    def wait(self, timeout_s: float) -> int | None:
        """Wait for the end of the stream; return the exit code.

        Returns:
            The exit code, negative for a signal. None when the stream ended without one. An exit
            code of 0 proves no end of the process: a container runtime that dies reports it too.

        Raises:
            TimeoutError: The stream is still open.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_over, timeout_s):
                raise TimeoutError("the stream into the pod is still open")
        return self._exit_code

    def _is_shut(self) -> bool:
        return self._is_closing or self._is_over

    # In the thread of the hub, from here on.

    def pump(self) -> None:
        """Write and read as much as is possible without waiting."""
        if self._is_over:
            return
        try:
            self._flush()
            self._read()
        except OSError as error:
            self.end(str(error) or type(error).__name__)
        if not self._is_over:
            self._hub.watch(self, reading=not self._is_paused, writing=bool(self._out))

    def end(self, why: str) -> None:
        """Close the connection and tell whoever waits; ``why`` is kept if no exit code came."""
        if self._is_over:
            return
        self._hub.watch(self, reading=False, writing=False)
        self.sock.close()
        status = _read_status(self._status)
        self._exit_code = _exit_code(status)
        self._why = "stream into the pod: " + shorten(
            str(status.get("message") or why), _LONGEST_REASON
        )
        if self._line:
            self._deliver(self._line)
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        self._lines.put(None)

    def _write(self, data: bytes) -> None:
        if self._is_over:
            return
        if self._protocol.state is State.OPEN:
            for start in range(0, len(data), _CHUNK):
                chunk = data[start : start + _CHUNK]
                self._protocol.send_binary(bytes([_STDIN]) + chunk)
        self._bytes_in_out += len(data)
        self.pump()

    def _end_input(self) -> None:
        if self._is_over or self._protocol.state is not State.OPEN:
            return
        if self._protocol.subprotocol == V5:
            self._protocol.send_binary(bytes([_END_OF, _STDIN]))
        else:
            self._protocol.send_close(1000)
        self.pump()

    def _resume(self) -> None:
        self._is_paused = False
        self.pump()

    def _flush(self) -> None:
        self._out += b"".join(self._protocol.data_to_send())
        while self._out:
            try:
                sent = self.sock.send(self._out)
            except _WAIT:
                return
            del self._out[:sent]
        if self._bytes_in_out:
            with self._changed:
                self._unsent -= self._bytes_in_out
                self._changed.notify_all()
            self._bytes_in_out = 0

    def _read(self) -> None:
        self._take_events()
        for _ in range(_TURN):
            if self._is_over or self._unread > _MOST_UNREAD:
                self._is_paused = True
                return
            try:
                data = self.sock.recv(_CHUNK)
            except _WAIT:
                return
            if not data:
                self.end("the connection was closed")
                return
            self._protocol.receive_data(data)
            self._take_events()
            self._flush()  # for instance the answer to a ping
        self._hub.run(self.pump)

    def _take_events(self) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and event.opcode in _DATA:
                self._message += event.data
                if event.fin:
                    message, self._message = self._message, bytearray()
                    self._take(message)
            elif isinstance(event, Frame) and event.opcode is Opcode.CLOSE:
                self.end(_closed(self._protocol))
        if self._protocol.parser_exc is not None:
            self.end(f"it is not understood: {self._protocol.parser_exc}")

    def _take(self, message: bytearray) -> None:
        if self._is_over or not message:
            return
        channel, data = message[0], message[1:]
        if channel == _STDOUT:
            self._take_output(data)
        elif channel == _STDERR:
            self._tail = (self._tail + data)[-_TAIL:]
        elif channel == _STATUS:
            self._status = (self._status + data)[:_LONGEST_STATUS]

    def _take_output(self, data: bytearray) -> None:
        for number, part in enumerate(data.split(b"\n")):
            if number > 0:  # after a line break
                self._deliver(self._line)
                self._line = bytearray()
            self._line += part
            if len(self._line) > _LONGEST_LINE:
                self._line.clear()
                self.end(f"it sent a line of more than {_LONGEST_LINE} bytes")
                return

    def _deliver(self, line: bytearray) -> None:
        text = line.decode(errors="backslashreplace")
        with self._changed:
            self._unread += len(text)
        self._lines.put(text)


def run_in_pod(
    client: Client,
    namespace: str,
    pod: str,
    container: str,
    command: Sequence[str],
    timeout_s: float = 10.0,
) -> PodChannel:
    """Start a process in a container.

    Args:
        client: The cluster.
        namespace: Namespace of the pod.
        pod: Name of the pod.
        container: Name of the container, which runs.
        command: The program and its arguments.
        timeout_s: Seconds until the stream must be open; 10 by default.

    Raises:
        BadInputError: The API server is behind a proxy.
        ClusterError: The API server refused, or did not answer in time. A program that cannot be
            executed is told later, as the end of the stream.
    """
    streams = [("stdin", "true"), ("stdout", "true"), ("stderr", "true")]
    query = [("container", container), *(("command", word) for word in command), *streams]
    path = PODS.path(namespace, pod, "exec")
    return PodChannel(*dial(client, path, query, timeout_s))


def _closed(protocol: ClientProtocol) -> str:
    close = protocol.close_rcvd
    return f"the server closed it: {close}" if close else "the server closed it"


def _read_status(text: bytearray) -> dict[str, Any]:
    try:
        status = json.loads(text)
    except ValueError:
        return {}
    return status if isinstance(status, dict) else {}


def _exit_code(status: dict[str, Any]) -> int | None:
    """Return the exit code in a ``Status``, negative for a signal; None when it has none.

    A shell and a container runtime add 128 to the number of the signal.
    """
    if status.get("status") == "Success":
        return 0
    for cause in (status.get("details") or {}).get("causes") or []:
        if cause.get("reason") == "ExitCode":
            code = int(cause["message"])
            return 128 - code if code > 128 else code
    return None
