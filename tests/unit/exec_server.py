"""A real WebSocket server on loopback that answers like pods/exec of an API server."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any

from kubernetes.client import Configuration
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from chaos_go.kubernetes.client import Client
from chaos_go.kubernetes.stream import PodChannel, run_in_pod

STDIN, STDOUT, STDERR, STATUS = 0, 1, 2, 3
END_OF_STDIN = bytes([255, STDIN])
SUCCESS = {"status": "Success"}


class Process:
    """The other end of one stream, as the process in the pod sees it."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection

    def say(self, text: str | bytes, channel: int = STDOUT) -> None:
        data = text.encode() if isinstance(text, str) else text
        self.connection.send(bytes([channel]) + data)

    def hear(self) -> bytes:
        """Return the next message, with the byte of its channel."""
        message = self.connection.recv()
        assert isinstance(message, bytes)
        return message

    def exit(self, code: int) -> None:
        cause = {"reason": "ExitCode", "message": str(code)}
        failed = {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": [cause]}}
        self.say(json.dumps(failed if code else SUCCESS), STATUS)

    def cut(self) -> None:
        """Close the connection without a word."""
        self.connection.socket.shutdown(2)


class ExecServer:
    """The server.

    Attributes:
        client: A client of it.
        requests: All requests for a stream, in order.
        answers: Statuses that the next requests get in place of a stream.
        said: The message of the `Status` object in these answers.
    """

    def __init__(self, port: int) -> None:
        self.client = Client(Configuration(host=f"http://127.0.0.1:{port}"), "shop")
        self.requests: list[Request] = []
        self.answers: list[int] = []
        self.said = "no"

    def start(self, *command: str, timeout_s: float = 10.0) -> PodChannel:
        return run_in_pod(self.client, "shop", "users-0", "agent", command or ("x",), timeout_s)

    def process_request(self, _: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        if not self.answers:
            return None
        code = self.answers.pop(0)
        body = json.dumps({"kind": "Status", "message": self.said, "code": code}).encode()
        headers = Headers({"Content-Length": str(len(body)), "Connection": "close"})
        return Response(code, HTTPStatus(code).phrase, headers, body)


@contextmanager
def exec_server(
    run: Callable[[Process], Any], protocols: tuple[str, ...] = ("v5.channel.k8s.io",)
) -> Iterator[ExecServer]:
    """Serve streams until the end of the block; ``run`` is the process of each."""
    found: list[ExecServer] = []
    connections: list[ServerConnection] = []

    def handle(connection: ServerConnection) -> None:
        connections.append(connection)
        with suppress(ConnectionClosed):
            for channel in range(4):  # as an API server does at first
                connection.send(bytes([channel]))
            run(Process(connection))

    def process_request(connection: ServerConnection, request: Request) -> Response | None:
        return found[0].process_request(connection, request)

    with serve(
        handle, "127.0.0.1", 0, subprotocols=protocols, process_request=process_request,
        max_size=None, close_timeout=1,
    ) as server:  # fmt: skip
        found.append(ExecServer(server.socket.getsockname()[1]))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield found[0]
        finally:
            for connection in connections:
                with suppress(OSError):  # it is closed already
                    Process(connection).cut()
            server.shutdown()
            thread.join()


def lines_of(channel: PodChannel) -> list[str]:
    """Return all lines until the end of the stream."""
    return list(iter(channel.receive, None))


def wait_until(condition: Callable[[], Any], within_s: float = 10.0) -> None:
    until_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until_s, "not in time"
        time.sleep(0.01)
