"""Requests to the API server: JSON in, JSON out, a timeout on every call, retries with backoff.

The API conventions of Kubernetes are followed: an error is a ``Status`` object with a reason and
details; 429 may carry ``Retry-After``.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from requests.utils import should_bypass_proxies
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from chaos_go.errors import ClusterError, ForbiddenError, shorten
from chaos_go.kubernetes import patience

if TYPE_CHECKING:
    from kubernetes.client import Configuration

Object = dict[str, Any]
"""An object of the API as JSON."""

_CONNECT_S, _READ_S, _PING_S = 5.0, 10.0, 5.0
_BUSY_PAUSE_S = 1.0
_WORDS = {
    "GET": "get", "LIST": "list", "POST": "create", "PATCH": "patch", "DELETE": "delete",
    "WATCH": "watch",
}  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """Where the address of a cluster and the credentials came from.

    Attributes:
        source: ``kubeconfig``, ``service account`` or ``environment``.
        kubeconfig: Path of the kubeconfig; several are separated by colons.
        context: Name of the context in the kubeconfig.
        user: Name of the user in the kubeconfig. The API server may know another name.
    """

    source: str
    kubeconfig: str = ""
    context: str = ""
    user: str = ""


@dataclass(frozen=True)
class Answer:
    """One answer of the API server, and when it came.

    Attributes:
        body: The answer.
        date: Its header ``Date``; "" without one.
        sent_unix_s: When the request was sent, in seconds since 1970 by the clock of this host.
        received_unix_s: When the answer had arrived.
    """

    body: Object
    date: str
    sent_unix_s: float
    received_unix_s: float


class Client:
    """One cluster, as one user. Thread-safe.

    Attributes:
        host: The address of the API server.
        namespace: The namespace of the context, for targets that name none.
        configuration: Where the server is and who we are; shared with streams into pods.
        origin: Where these came from.
    """

    def __init__(
        self, configuration: "Configuration", namespace: str, origin: Origin | None = None
    ) -> None:
        """Make a client; nothing is sent."""
        self.host = str(configuration.host).rstrip("/")
        self.namespace = namespace
        self.origin = origin or Origin("environment")
        self.configuration = configuration
        self._session = _session(configuration, patience.Patience.usual())
        self._once = _session(configuration, patience.Patience.none())

    def get(self, path: str, **query: Any) -> Object:
        """Return an object.

        Args:
            path: Path of the object, for instance ``/api/v1/namespaces/shop/pods/users-0``.
            query: Parameters of the request.

        Raises:
            ClusterError: The server refused, or did not answer in time.
        """
        return self._json("GET", path, query)

    def items(self, path: str, **query: Any) -> tuple[list[Object], str]:
        """Return all objects of a collection and the resource version of the list.

        Large collections are read in pages, so that the server is not overloaded.
        """
        found: list[Object] = []
        more: Object = {"limit": 500}
        while True:
            try:
                page = self._json("GET", path, {**query, **more}, verb="list")
            except ClusterError as error:
                if error.status != 410 or "continue" not in more:
                    raise
                found, more = [], {}  # it has changed too much for pages: all of it at once
                continue
            found += page.get("items") or []
            meta = page.get("metadata") or {}
            if not meta.get("continue"):
                return found, str(meta.get("resourceVersion", ""))
            more = {"limit": 500, "continue": meta["continue"]}

    def ask_once(self, path: str) -> Answer:
        """Return an object with the time that the request took. It is not tried a second time.

        Raises:
            ClusterError: The server refused, or did not answer in time.
        """
        sent_unix_s = time.time()
        answer = self._send(self._once, "GET", path, {}, None, "", verb="get")
        received_unix_s = time.time()
        date = answer.headers.get("Date", "")
        return Answer(_parsed(answer, "get", path), date, sent_unix_s, received_unix_s)

    def create(self, path: str, body: Object) -> Object:
        """Create an object, and return it as the server stored it.

        It is sent again only after an answer that says that nothing was done: 429 of a server that
        has too much to do. The 429 of a PodDisruptionBudget is an answer, see `refused_by_budget`.
        """
        until_s = time.monotonic() + patience.LONGEST_S
        while True:
            try:
                return self._json("POST", path, {}, body)
            except ClusterError as error:
                is_busy = error.status == 429 and not refused_by_budget(error)
                if not is_busy or time.monotonic() > until_s:
                    raise
                time.sleep(_BUSY_PAUSE_S)

    def patch(self, path: str, body: Object | list[Object], **query: Any) -> Object:
        """Change an object: a mapping is a merge patch (RFC 7386), a list JSON patch (RFC 6902)."""
        kind = "json-patch" if isinstance(body, list) else "merge-patch"
        return self._json("PATCH", path, query, body, f"application/{kind}+json")

    def delete(self, path: str, body: Object | None = None) -> Object:
        """Delete an object; ``body`` are the DeleteOptions."""
        return self._json("DELETE", path, {}, body)

    def ping(self) -> None:
        """Return if the server answers at all, also if it refuses; it is asked once.

        Raises:
            ClusterError: It does not answer, or says that it cannot work.
        """
        try:
            self._send(self._once, "GET", "/version", {}, None, "", verb="get", read_s=_PING_S)
        except ClusterError as error:
            if not error.status or error.status == 429 or error.status >= 500:
                raise

    @contextmanager
    def watch(self, path: str, timeout_s: float, **query: Any) -> Iterator[Iterator[Object]]:
        """Open a watch and give its events as they arrive, until the server or the timeout ends it.

        Args:
            path: Path of the collection.
            timeout_s: Seconds after which the server ends the watch, and the longest silence.
            query: Parameters, among them ``resourceVersion``.

        Raises:
            ClusterError: The server refused, for instance with 410 when the version is too old, or
                the connection broke.
        """
        asked = {**query, "watch": "1", "timeoutSeconds": max(1, int(timeout_s))}
        answer = self._send(self._once, "GET", path, asked, None, "", stream=True, verb="watch",
                            read_s=timeout_s + 5)  # fmt: skip
        with answer:
            try:
                yield (json.loads(line) for line in answer.iter_lines(chunk_size=None) if line)
            except (requests.RequestException, ValueError) as error:
                raise ClusterError(f"the watch of {path} broke: {shorten(str(error))}") from error

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        body: Object | list[Object] | None = None,
        content_type: str = "application/json",
        verb: str = "",
    ) -> Object:
        answer = self._send(
            self._session, method, path, query, body, content_type, verb=verb or _WORDS[method]
        )
        return _parsed(answer, verb or _WORDS[method], path)

    def _send(
        self,
        session: requests.Session,
        method: str,
        path: str,
        query: Mapping[str, Any],
        body: Object | list[Object] | None,
        content_type: str,
        verb: str,
        stream: bool = False,
        read_s: float = 0.0,
    ) -> requests.Response:
        headers = {"Accept": "application/json", **self.authorization()}
        if body is not None:
            headers["Content-Type"] = content_type
        began_s = time.monotonic()
        try:
            answer = session.request(
                method,
                self.host + path,
                params={key: value for key, value in query.items() if value not in ("", None)},
                data=None if body is None else json.dumps(body),
                headers=headers,
                timeout=(_CONNECT_S, read_s or _READ_S),
                stream=stream,
                allow_redirects=False,
            )
        except OSError as error:  # RequestException is one; so are files of certificates
            took = f"after {time.monotonic() - began_s:.1f} s"
            raise ClusterError(f"{self.host} does not answer {took}: {_reason(error)}") from error
        if answer.status_code >= 300:
            said = _text(answer) or answer.reason
            refused = refusal(self.host, verb, path, answer.status_code, said)
            refused.was_repeated = _was_repeated(answer)
            raise refused
        return answer

    def authorization(self) -> dict[str, str]:
        """Return the header that says who we are; a token that expires is renewed first."""
        for name in ("BearerToken", "authorization"):  # 36 and later, 35 and our own settings
            if token := self.configuration.get_api_key_with_prefix(name):
                return {"Authorization": str(token)}
        if self.configuration.username:
            return {"Authorization": str(self.configuration.get_basic_auth_token())}
        return {}


class _Adapter(HTTPAdapter):
    """Connections whose certificate may have another name than the address has."""

    def __init__(self, server_name: str | None, tries: patience.Patience) -> None:
        self._server_name = server_name
        super().__init__(max_retries=tries, pool_maxsize=16)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        if self._server_name:
            kwargs |= {"server_hostname": self._server_name, "assert_hostname": self._server_name}
        super().init_poolmanager(*args, **kwargs)


def _session(configuration: "Configuration", tries: patience.Patience) -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # a proxy or a .netrc for other servers must not be used here
    session.verify = configuration.verify_ssl and (configuration.ssl_ca_cert or True)
    if configuration.cert_file and configuration.key_file:
        session.cert = (configuration.cert_file, configuration.key_file)
    elif configuration.cert_file:
        session.cert = configuration.cert_file  # one file with both
    direct = configuration.no_proxy or "localhost"  # with "" requests would read the environment
    if configuration.proxy and not should_bypass_proxies(str(configuration.host), direct):
        session.proxies = {"http": configuration.proxy, "https": configuration.proxy}
    adapter = _Adapter(configuration.tls_server_name, tries)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _parsed(answer: requests.Response, verb: str, path: str) -> Object:
    try:
        parsed = answer.json()
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        what = (
            f"the answer to {verb} {path} is no JSON object; is this the address of an API server?"
        )
        raise ClusterError(what)
    return parsed


def _text(answer: requests.Response) -> str:
    """Return the body of an answer; "" when the connection breaks while it is read."""
    try:
        return answer.text
    except (OSError, RuntimeError):
        return ""


def refused_by_budget(error: ClusterError) -> bool:
    """Return whether an eviction was refused because of a PodDisruptionBudget.

    A budget that its controller has not counted yet refuses everything for a moment. This says
    nothing about the pods.
    """
    causes = (error.details.get("details") or {}).get("causes") or []
    said = [str(x.get("message")) for x in causes if x.get("reason") == "DisruptionBudget"]
    return error.status == 429 and any("still being processed" not in text for text in said)


def _was_repeated(answer: requests.Response) -> bool:
    """Return whether an earlier try of this request may have been carried out."""
    history = getattr(getattr(answer.raw, "retries", None), "history", ())
    broken = (ProtocolError, ReadTimeoutError)
    return any((x.status or 0) >= 500 or isinstance(x.error, broken) for x in history)


def _reason(error: BaseException) -> str:
    """Return the innermost reason of an error: the outer ones repeat the URL."""
    reason = getattr(error, "reason", None) or (error.args[0] if error.args else None)
    if isinstance(reason, BaseException):
        return _reason(reason)
    return shorten(str(error)) or type(error).__name__


def refusal(host: str, verb: str, path: str, code: int, said: str) -> ClusterError:
    """Return the error for an answer that is no success.

    Args:
        host: The address of the API server.
        verb: What was asked, in the words of Roles.
        path: The path of the object or collection.
        code: The HTTP status.
        said: The body of the answer, which should be a ``Status`` object.
    """
    try:
        status: Object = json.loads(said)
    except ValueError:
        status = {}
    if not isinstance(status, dict):
        status = {}
    message = str(status.get("message") or shorten(said))
    if code == 401:
        fix = "the credentials are not valid or have expired; log in again, or renew the token"
        return ClusterError(f"{host} answers 401: {message}; {fix}", code, status)
    if code == 403:
        return ForbiddenError(verb, path, message, status)
    return ClusterError(f"{host} answers {code} to {verb} {path}: {message}", code, status)
