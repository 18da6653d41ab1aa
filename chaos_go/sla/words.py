"""Texts about an answer: the sentence with the limit, and what each flag means and requires."""

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
        "the observations do not show how windows vary; transactions are treated as independent",
        "add a column window, with six or more windows per level",
    ),
    "upper-unbounded": (
        "nothing bounds the limit from above",
        "inject longer delays, or count more transactions per level",
    ),
    "baseline-drift": (
        "the baselines before and after the delays differ; something else has changed meanwhile",
        "find out what has changed, and measure again",
    ),
}
"""For each flag: what it means, and what to do."""


def percent(fraction: float) -> str:
    """Return a fraction as a percentage with three digits, or two below 0.1 %.

    A fraction below 1 is never written as 100 %: it gets as many digits as show the difference.
    """
    text = f"{fraction * 100:.{3 if fraction >= 0.001 else 2}g}"
    if fraction < 1 and text == "100":
        decimals = -math.floor(math.log10(1 - fraction)) - 1
        text = f"{fraction * 100:.{decimals}f}".rstrip("0")
    return f"{text} %"


def exact(value: float) -> str:
    """Return a number with all its digits, up to 15."""
    return f"{value:.15g}"


def milliseconds(value: float | None) -> str:
    """Return a limit in whole milliseconds, with three digits below 100 ms, or ``-`` for None."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def floored(value: float) -> str:
    """Return a limit that must not be exceeded, in milliseconds, rounded down."""
    if value >= 100:
        return f"{math.floor(value)}"
    unit = 10.0 ** (math.floor(math.log10(value)) - 2) if value > 0 else 1.0
    return f"{math.floor(value / unit + 1e-9) * unit:.3g}"


def sentence(threshold: Threshold, impact: str = "impact") -> str:
    """Return the sentence with the limit: as a P99 if that was measured, otherwise as a delay.

    Args:
        threshold: The threshold.
        impact: Name of the impact, for instance ``rejections``.
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
        return "the true limit may be higher: the delays did not reach it"
    return "there is no best estimate: impact does not rise with the delay"


def _terms(threshold: Threshold) -> tuple[Threshold | P99Limit, str]:
    if threshold.p99 is not None and threshold.p99.safe_ms is not None:
        return threshold.p99, "P99"
    return threshold, "the injected delay"
