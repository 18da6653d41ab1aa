"""How a dose is given: the seam at which another delay than that of HTTP requests plugs in.

An `Inject` takes a dose in milliseconds, how long it may last, and a name; inside its ``with``
block the dose is in place, behind it it is gone. Dose 0 is no fault at all.
"""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from chaos_go.agent import holder
from chaos_go.faults import http

Inject = Callable[[float, float, str], AbstractContextManager[holder.Lease | None]]


def http_delay(target: str, path: str, method: str, seed: int) -> Inject:
    """Return what holds every matching request for the dose before the service sees it.

    Args:
        target: where, see `chaos_go.faults.http.delay`.
        path: of the requests.
        method: of the requests.
        seed: of the fault.
    """

    @contextlib.contextmanager
    def inject(dose_ms: float, duration_s: float, name: str) -> Iterator[holder.Lease | None]:
        if dose_ms == 0:
            yield None
            return
        fault = http.delay(
            target,
            delay_ms=dose_ms,
            path=path,
            method=method,
            duration_s=duration_s,
            seed=seed,
            name=name,
        )
        held = holder.find(fault["id"])
        try:
            yield held
        finally:
            held.stop()

    return inject
