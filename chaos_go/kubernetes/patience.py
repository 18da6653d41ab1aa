"""How long requests are tried again: with backoff, and never for long.

It is urllib3's `Retry`, which alone bounds only the number of tries. A server that is frozen, or
one that asks for an hour with ``Retry-After``, would then hold up the run.
"""

import ssl
import time
from types import TracebackType
from typing import Any, Self

from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import InvalidHeader, MaxRetryError, ResponseError, SSLError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Retry

LONGEST_S = 20.0
"""Seconds after the first failure from which on a request is not sent again.

A new API server answers 5 to 15 seconds after the old one was killed.
"""

LONGEST_PAUSE_S = 5.0
"""The longest pause before the next try, whatever ``Retry-After`` says."""


class Patience(Retry):
    """Tries again until `LONGEST_S` after the first failure."""

    _first_failed_s: float | None = None  # of the monotonic clock

    @classmethod
    def usual(cls) -> Self:
        """Return how long idempotent requests are tried: POST may create something twice."""
        return cls(
            total=100,  # the time ends it first
            backoff_factor=0.1,
            backoff_max=1.0,
            backoff_jitter=0.1,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=("GET", "PATCH", "DELETE"),
            raise_on_status=False,
        )

    @classmethod
    def none(cls) -> Self:
        """Return that a request is sent once."""
        return cls(total=0, raise_on_status=False)

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        """Return the seconds that the server asks for, at most `LONGEST_PAUSE_S`."""
        try:
            asked_s = super().get_retry_after(response)
        except InvalidHeader:
            return None
        return None if asked_s is None else min(asked_s, LONGEST_PAUSE_S)

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        """Take note of a failure.

        Raises:
            MaxRetryError: The request is not sent again.
        """
        first_s = self._first_failed_s or time.monotonic()
        is_over = time.monotonic() - first_s > LONGEST_S or _is_no_certificate(error)
        if is_over and _pool is not None:
            reason = error or ResponseError(f"status {response.status if response else 0}")
            raise MaxRetryError(_pool, url or "", reason) from reason
        more: Any = super().increment(method, url, response, error, _pool, _stacktrace)
        more._first_failed_s = first_s  # noqa: SLF001 - it is of this class
        result: Self = more
        return result


def _is_no_certificate(error: Exception | None) -> bool:
    """Return whether the server's certificate was refused; it is the same at the next try."""
    return isinstance(error, SSLError) and any(
        isinstance(argument, ssl.SSLCertVerificationError) for argument in error.args
    )
