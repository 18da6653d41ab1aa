"""A real HTTP server on loopback that answers as a test says, in place of an API server."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from kubernetes.client import Configuration

from chaos_go.kubernetes.client import Client


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    at_s: float


class Answer:
    """Sends the answer to one request."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self._handler = handler

    def text(self, status: int, body: str, **headers: str) -> None:
        """Send a whole answer; ``Retry_After=1`` is the header Retry-After."""
        encoded = body.encode()
        self._handler.send_response(status)
        for name, value in {"Content-Length": str(len(encoded)), **headers}.items():
            self._handler.send_header(name.replace("_", "-"), value)
        self._handler.end_headers()
        self._handler.wfile.write(encoded)

    def json(self, body: Any, status: int = 200, **headers: str) -> None:
        self.text(status, json.dumps(body), Content_Type="application/json", **headers)

    def begin(self) -> None:
        """Begin a stream of chunks."""
        self._handler.send_response(200)
        self._handler.send_header("Transfer-Encoding", "chunked")
        self._handler.end_headers()
        self._handler.wfile.flush()

    def chunk(self, data: bytes) -> None:
        self._handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self._handler.wfile.flush()

    def events(self, *events: Any) -> None:
        """Send each event as one line and one chunk."""
        for event in events:
            self.chunk(json.dumps(event).encode() + b"\n")

    def end(self) -> None:
        """End the stream of chunks, as a server does at the end of a watch."""
        self._handler.wfile.write(b"0\r\n\r\n")

    def hang_up(self) -> None:
        """Close the connection, with or without an answer."""
        self._handler.close_connection = True


class ApiServer:
    """The server; `asked` has its requests in order."""

    def __init__(self, answer: Callable[[Asked, Answer], None]) -> None:
        self.asked: list[Asked] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                parts = urlsplit(self.path)
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                query = dict(parse_qsl(parts.query))
                asked = Asked(self.command, parts.path, query, body, time.monotonic())
                outer.asked.append(asked)
                try:
                    answer(asked, Answer(self))
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            do_GET = do_POST = do_DELETE = do_PATCH = _serve  # noqa: N815

            def log_message(self, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def client(self) -> Client:
        return Client(Configuration(host=self.url), "default")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def serving(answer: Callable[[Asked, Answer], None]) -> Iterator[ApiServer]:
    server = ApiServer(answer)
    try:
        yield server
    finally:
        server.close()


def status(code: int, message: str = "no", **more: Any) -> dict[str, Any]:
    """Return a Status object, the body of every refusal."""
    return {"kind": "Status", "code": code, "message": message, **more}
