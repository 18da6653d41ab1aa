"""Opens a WebSocket to the API server: TCP, TLS and the upgrade of HTTP, within one deadline.

Only `Client` and its configuration are used: the streams of the package `kubernetes` change the
client that other threads use, and have no timeout while they connect.
"""

import socket
import ssl
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from chaos_go.errors import BadInputError, ClusterError, shorten
from chaos_go.kubernetes.client import Client, refusal

if TYPE_CHECKING:
    from kubernetes.client import Configuration

V5, V4 = Subprotocol("v5.channel.k8s.io"), Subprotocol("v4.channel.k8s.io")
"""The protocols of streams into pods. Only v5 can end the input of a process and read on."""

_LARGEST_MESSAGE = 4 << 20
_BUSY = (429, 500, 502, 503, 504)  # of a server that did not start anything
_PAUSE_S = 0.2
_SILENCE_S = 30  # unanswered data or keep-alives for this time end the connection


def dial(
    client: Client, path: str, query: Sequence[tuple[str, str]], timeout_s: float
) -> tuple[socket.socket, ClientProtocol]:
    """Open a WebSocket; try again while the server is busy.

    Args:
        client: The cluster.
        path: Path of the stream.
        query: Parameters of the request.
        timeout_s: Seconds for everything together.

    Returns:
        The socket, and the state of the protocol. What the server has sent already is in there.

    Raises:
        BadInputError: The API server is behind a proxy.
        ClusterError: The server refused, or did not answer in time.
    """
    if client.configuration.proxy:
        fix = "streams into pods cannot go through a proxy; use a kubeconfig without one"
        raise BadInputError("proxy-url", _without_password(client.configuration.proxy), fix)
    until_s = time.monotonic() + timeout_s
    while True:
        try:
            return _dial_once(client, path, query, until_s)
        except ClusterError as error:
            if error.status not in _BUSY or time.monotonic() + _PAUSE_S > until_s:
                raise
        time.sleep(_PAUSE_S)


def _dial_once(
    client: Client, path: str, query: Sequence[tuple[str, str]], until_s: float
) -> tuple[socket.socket, ClientProtocol]:
    began_s = time.monotonic()
    sock = None
    try:
        sock = _connect(client.configuration, client.host, until_s)
        return sock, _upgrade(sock, client, path, query, until_s)
    except BaseException as error:
        if sock is not None:
            sock.close()
        if not isinstance(error, OSError):
            raise
        took = f"after {time.monotonic() - began_s:.1f} s"
        said = shorten(str(error)) or type(error).__name__
        raise ClusterError(f"{client.host} does not answer {took}: {said}") from error


def _connect(configuration: "Configuration", host: str, until_s: float) -> socket.socket:
    address = urlsplit(host)
    port = address.port or (443 if address.scheme == "https" else 80)
    name = address.hostname or ""
    sock = socket.create_connection((name, port), _left_s(until_s))
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _watch_silence(sock)
        if address.scheme != "https":
            return sock
        server_name = configuration.tls_server_name or name
        sock.settimeout(_left_s(until_s))
        return _tls(*_settings(configuration)).wrap_socket(sock, server_hostname=server_name)
    except BaseException:
        sock.close()
        raise


def _watch_silence(sock: socket.socket) -> None:
    """Have the kernel end the connection when the other side is silent for too long."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    wanted = {"TCP_KEEPIDLE": _SILENCE_S // 2, "TCP_KEEPINTVL": _SILENCE_S // 6, "TCP_KEEPCNT": 3}
    for name, value in (wanted | {"TCP_USER_TIMEOUT": _SILENCE_S * 1000}).items():
        if hasattr(socket, name):  # macOS has some of them
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _upgrade(
    sock: socket.socket,
    client: Client,
    path: str,
    query: Sequence[tuple[str, str]],
    until_s: float,
) -> ClientProtocol:
    address = "ws" + client.host.removeprefix("http") + path
    protocol = ClientProtocol(
        parse_uri(f"{address}?{urlencode(query)}"),
        subprotocols=[V5, V4],
        max_size=_LARGEST_MESSAGE,
    )
    request = protocol.connect()
    request.headers.update(client.authorization())
    protocol.send_request(request)
    sock.settimeout(_left_s(until_s))
    sock.sendall(b"".join(protocol.data_to_send()))
    while protocol.state is State.CONNECTING and protocol.handshake_exc is None:
        sock.settimeout(_left_s(until_s))
        if data := sock.recv(65536):
            protocol.receive_data(data)
        else:
            protocol.receive_eof()
    if protocol.handshake_exc is not None:
        raise _refused(client, path, protocol.handshake_exc)
    if protocol.subprotocol is None:
        raise ClusterError(f"{client.host}{path}: the server speaks neither {V5} nor {V4}")
    return protocol


def _refused(client: Client, path: str, error: Exception) -> ClusterError:
    if isinstance(error, InvalidStatus):
        answer = error.response
        said = bytes(answer.body or b"").decode(errors="replace") or answer.reason_phrase
        # The server checks `get` for the request and `create` for what it does; for `create` it
        # tells no verb.
        verb = "get" if "cannot get" in said else "create"
        return refusal(client.host, verb, path, answer.status_code, said)
    if not isinstance(error, InvalidHandshake):
        raise error
    cause = error.__cause__ or error
    return ClusterError(f"{client.host}{path}: no WebSocket was opened: {shorten(str(cause))}")


def _left_s(until_s: float) -> float:
    left_s = until_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("timed out")
    return left_s


def _without_password(proxy: str) -> str:
    return proxy.rpartition("@")[2]


_Settings = tuple[bool, str | None, str | None, str | None, str | None]


def _settings(configuration: "Configuration") -> _Settings:
    """Return what decides about TLS: verify, CA file, CA data, certificate, key."""
    data = getattr(configuration, "ca_cert_data", None)  # of releases after 35
    text = data.decode() if isinstance(data, bytes) else data
    return (
        bool(configuration.verify_ssl),
        configuration.ssl_ca_cert,
        text,
        configuration.cert_file,
        configuration.key_file,
    )


@lru_cache(maxsize=8)
def _tls(
    verify: bool, ca_file: str | None, ca_data: str | None, certificate: str | None, key: str | None
) -> ssl.SSLContext:
    """Return the context for these settings; reading the certificates takes 10 ms each time."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies the certificate and its name
    if not verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    else:
        default = None if ca_data else DEFAULT_CA_BUNDLE_PATH  # as the client does
        context.load_verify_locations(ca_file or default, cadata=ca_data)
    if certificate:
        context.load_cert_chain(certificate, key)
    return context
