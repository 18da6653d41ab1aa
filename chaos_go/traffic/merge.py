"""Adds up what several agents that share a load have counted. Pure functions."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

from chaos_go.traffic.contract import Histogram, LoadSecond


def merged(parts: Sequence[LoadSecond], start_unix_s: float) -> LoadSecond:
    """Return the sum of the records of one second, or of the totals.

    Counters and histograms are added, lists of failures are put together in order of time.

    Args:
        parts: The record of each agent.
        start_unix_s: Start of the second, in seconds since 1970.
    """
    names = [x.name for x in dataclasses.fields(LoadSecond) if x.name != "start_unix_s"]
    sums = {name: _sum([getattr(part, name) for part in parts]) for name in names}
    return LoadSecond(start_unix_s=start_unix_s, **sums)


def _sum(values: Sequence[Any]) -> Any:
    match values[0]:
        case Histogram():
            return Histogram(counts=_sum([value.counts for value in values]))
        case dict():
            return dict(sum((Counter(value) for value in values), Counter()))
        case list():
            return sorted((x for value in values for x in value), key=lambda x: x.at_ms)
        case _:
            return sum(values)
