"""A reverse proxy before the real API server, which answers itself whenever a test says so."""

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import yaml
from clusters import Cluster

Handler = BaseHTTPRequestHandler
Trouble = Callable[["Handler"], bool]
"""Answers a request and returns True, or returns False: the API server answers."""

_UPSTREAM_TIMEOUT_S = 60.0


class ApiProxy:
    """The proxy.

    Attributes:
        url: Its address; it passes everything on with the rights of the administrator.
        trouble: What it does with requests; None for nothing.
        asked: The method and path of each request so far.
    """

    def __init__(self, cluster: Cluster, folder: Any) -> None:
        """Start it on loopback, in the network of this thread."""
        self.trouble: Trouble | None = None
        self.asked: list[str] = []
        self._open: set[socket.socket] = set()
        self._host, self._context = _administrator(cluster, folder)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = False  # `close` waits for them
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def cut(self) -> None:
        """Break every connection, and refuse every request, until ``trouble`` is changed."""

        def refuse(handler: Handler) -> bool:
            handler.close_connection = True
            return True

        self.trouble = refuse
        self._hang_up()

    def _hang_up(self) -> None:
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._server.shutdown()
        self._hang_up()
        self._server.server_close()

    def _handler(self) -> type[Handler]:
        proxy = self

        class Proxied(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                proxy._open.add(self.connection)

            def finish(self) -> None:
                proxy._open.discard(self.connection)
                super().finish()

            def _serve(self) -> None:
                proxy.asked.append(f"{self.command} {self.path}")
                try:
                    if not (proxy.trouble and proxy.trouble(self)):
                        proxy.pass_on(self)
                except OSError:
                    self.close_connection = True

            do_GET = do_POST = do_DELETE = do_PATCH = _serve  # noqa: N815

            def log_message(self, *args: object) -> None:
                return

        return Proxied

    def pass_on(self, handler: Handler, most_lines: int | None = None) -> None:
        """Pass a request on, and its answer back.

        Args:
            handler: The request.
            most_lines: Number of events of a watch after which the connection is cut in the middle
                of a line; None for all.
        """
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length) if length else None
        connection = http.client.HTTPSConnection(
            self._host, context=self._context, timeout=_UPSTREAM_TIMEOUT_S
        )
        kind = handler.headers.get("Content-Type", "application/json")
        try:
            connection.connect()
            self._open.add(connection.sock)
            connection.request(handler.command, handler.path, body, {"Content-Type": kind})
            _copy(connection.getresponse(), handler, most_lines)
        finally:
            self._open.discard(connection.sock)
            connection.close()


def _copy(answer: http.client.HTTPResponse, handler: Handler, most_lines: int | None) -> None:
    """Send an answer line by line, which are the events of a watch."""
    with answer:
        handler.send_response(answer.status)
        for name in ("Content-Type", "Retry-After"):
            if value := answer.headers.get(name):
                handler.send_header(name, value)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for number, line in enumerate(iter(answer.readline, b""), 1):
            if number == most_lines:
                _chunk(handler, line[: len(line) // 2])
                handler.close_connection = True
                return
            _chunk(handler, line)
        handler.wfile.write(b"0\r\n\r\n")


def answer_with(handler: Handler, status: int, body: dict[str, Any], **headers: str) -> bool:
    """Send an answer of the proxy's own."""
    encoded = json.dumps(body).encode()
    length = int(handler.headers.get("Content-Length") or 0)
    handler.rfile.read(length)
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(encoded)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(encoded)
    return True


def is_watch(handler: Handler) -> bool:
    """Return whether a request is a watch."""
    return "watch=1" in handler.path


@contextmanager
def proxied(cluster: Cluster, folder: Any) -> Iterator[ApiProxy]:
    """Run a proxy."""
    proxy = ApiProxy(cluster, folder)
    try:
        yield proxy
    finally:
        proxy.close()


def _chunk(handler: Handler, data: bytes) -> None:
    handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
    handler.wfile.flush()


def _administrator(cluster: Cluster, folder: Any) -> tuple[str, ssl.SSLContext]:
    """Return host and port of the API server, and the certificates of the administrator."""
    from kubernetes import config
    from kubernetes.client import Configuration

    configuration = Configuration()
    config.load_kube_config(
        str(cluster.kubeconfig), cluster.context, client_configuration=configuration
    )
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return urlsplit(configuration.host).netloc, context


def kubeconfig_of(cluster: Cluster) -> dict[str, Any]:
    """Return the kubeconfig of a cluster."""
    return dict(yaml.safe_load(cluster.kubeconfig.read_text()))
