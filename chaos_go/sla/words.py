"""An answer in the words of an engineer: the sentence, and what each flag means and asks for."""

import math

from chaos_go.sla.answer import P99Limit, Threshold

FLAGS = {
    "no-trend": (
        "impact does not rise with the delay",
        "inject longer delays, or count more transactions per level",
    ),
    "too-few-levels": (
        "too few delays with extra impact to draw a curve",
        "measure more levels around the estimate",
    ),
    "lack-of-fit": (
        "the observations contradict every curve, or the order of the loads",
        "look at the plot, trust the bracket, and find out what else changed meanwhile",
    ),
    "not-identifiable": (
        "the observations do not bound the limit from below",
        "measure levels just below and just above the budget",
    ),
    "extrapolation": (
        "the extra impact did not reach the budget",
        "inject longer delays until the impact is clearly above the budget",
    ),
    "overdispersed": (
        "windows of one level differ more than chance allows; the interval is widened",
        "keep the load constant and measure more windows",
    ),
    "windows-missing": (
        "the observations do not say which window they are of; independence is assumed",
        "add a column window, with six or more windows per level",
    ),
    "upper-unbounded": (
        "nothing bounds the limit from above",
        "inject longer delays, or count more transactions per level",
    ),
    "baseline-drift": (
        "the baseline before and after differ; something else was changing",
        "find out what, and measure again",
    ),
}
"""What each flag means, and what to do about it."""


def percent(fraction: float) -> str:
    """Write a fraction as a percentage, with three digits, or two below 0.1 %.

    What is not quite all is never written as 100 %: there the digits are those of what is missing.
    """
    text = f"{fraction * 100:.{3 if fraction >= 0.001 else 2}g}"
    if fraction < 1 and text == "100":
        decimals = -math.floor(math.log10(1 - fraction)) - 1
        text = f"{fraction * 100:.{decimals}f}".rstrip("0")
    return f"{text} %"


def exact(value: float) -> str:
    """Write a number that somebody gave, with all its digits."""
    return f"{value:.15g}"


def milliseconds(value: float | None) -> str:
    """Write a limit in whole milliseconds, or with three digits when it is short."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def floored(value: float) -> str:
    """Write a limit that must not be exceeded: rounded down, not to the nearest."""
    if value >= 100:
        return f"{math.floor(value)}"
    unit = 10.0 ** (math.floor(math.log10(value)) - 2) if value > 0 else 1.0
    return f"{math.floor(value / unit + 1e-9) * unit:.3g}"


def sentence(threshold: Threshold, impact: str = "impact") -> str:
    """Say what the limit is, as the P99 of the service where it was measured.

    Args:
        threshold: the limit.
        impact: what happens to a transaction, for instance ``rejections``.
    """
    limits, what = _terms(threshold)
    budget, sure = percent(threshold.budget), percent(threshold.confidence)
    safe, estimate = limits.safe_ms, limits.estimate_ms
    if threshold.verdict == "inconclusive" or safe is None:
        return f"No limit can be given that keeps extra {impact} below {budget}."
    text = f"To keep extra {impact} below {budget} with {sure} confidence, keep {what} at or below"
    text += f" {floored(safe)} ms"
    if estimate is None:
        return f"{text} ({_why_no_estimate(threshold)})."
    low, high = milliseconds(limits.low_ms), milliseconds(limits.high_ms)
    if limits.low_ms is None:
        return f"{text} (best estimate {milliseconds(estimate)})."
    span = f"at least {low}" if limits.high_ms is None else f"{low}-{high}"
    return f"{text} (best estimate {milliseconds(estimate)}, {span})."


def _why_no_estimate(threshold: Threshold) -> str:
    if threshold.estimate_ms is not None:
        return "there is no best estimate: the P99 was not measured up to there"
    if "extrapolation" in threshold.flags:
        return "the true limit may be higher: it was not reached"
    return "there is no best estimate: impact does not rise with the delay"


def _terms(threshold: Threshold) -> tuple[Threshold | P99Limit, str]:
    if threshold.p99 is not None and threshold.p99.safe_ms is not None:
        return threshold.p99, "P99"
    return threshold, "the injected delay"
