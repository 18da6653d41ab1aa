"""The comments at the top of every SLO file: its limit, and the curve that the limit comes from."""

from collections.abc import Sequence

from chaos_go.sla.export import promql
from chaos_go.sla.export.objective import PERIOD_DAYS, TARGET, Objective, Source
from chaos_go.sla.observations import Level
from chaos_go.sla.timeouts import Timeout
from chaos_go.sla.words import FLAGS, exact, milliseconds, percent, sentence


def comments(objective: Objective, source: Source, timeouts: Sequence[Timeout] = ()) -> str:
    """Return the comment lines, each with a newline; characters that would end one are escaped.

    Args:
        objective: The SLO.
        source: Where the observations come from.
        timeouts: Timeouts of the callers, the outermost first; default none.
    """
    lines = [*_limit(objective, source), "", *_curve(objective), "", *_bucket(objective)]
    if timeouts:
        lines += ["", "Timeouts of the callers, the outermost first; all are at least the limit:"]
        lines += [f"  {one.hop}: {one.timeout_ms} ms" for one in timeouts]
    return "".join(f"# {_printable(line)}".rstrip() + "\n" for line in lines)


def description(objective: Objective) -> str:
    """Return one sentence that says what the SLO is."""
    budget = percent(objective.threshold.budget)
    within = exact(objective.bucket_s * 1000)
    return (
        f"{TARGET:.0%} of the requests within {within} ms over {PERIOD_DAYS} days, so that "
        f"slowness costs at most {budget} extra transactions"
    )


def _printable(line: str) -> str:
    """Escape non-printable characters: file names may have line breaks, YAML allows no controls."""
    return "".join(x if x.isprintable() else ascii(x)[1:-1] for x in line)


def _limit(objective: Objective, source: Source) -> list[str]:
    threshold = objective.threshold
    lines = [
        f"SLO of {objective.names.service}: P99 at or below {exact(objective.limit_ms)} ms.",
        f"From {source.name}, {source.date}, by chaos_go {source.version} `chaos go sla export`.",
        "",
        sentence(threshold),
        f"That is on top of a background of {percent(objective.background)}.",
        f"verdict: {threshold.verdict}",
    ]
    lines += [f"flag {flag}: {FLAGS[flag][0]}" for flag in threshold.flags]
    if not objective.p99_measured:
        lines.append("The P99 was not measured; the injected delay is used instead. A delayed")
        lines.append("request takes at least that long, so the limit is on the safe side.")
    return lines


def _curve(objective: Objective) -> list[str]:
    n = sum(level.n for level in objective.levels)
    load = objective.levels[0].load_rps if objective.levels else None
    at = "" if load is None else f" at {exact(load)} requests/s"
    head = f"{'delay ms':>10} {'n':>10} {'k':>8} {'impact':>9}  P99 ms"
    rows = [_row(level) for level in objective.levels]
    return [f"The curve, from {n} transactions{at}:", head, *rows]


def _row(level: Level) -> str:
    text = f"{exact(level.dose_ms):>10} {level.n:>10} {level.k:>8} {percent(level.k / level.n):>9}"
    if level.p99_ms is None:
        return f"{text}  -"
    low, high = milliseconds(level.p99_low_ms), milliseconds(level.p99_high_ms)
    return f"{text}  {milliseconds(level.p99_ms)} ({low} to {high})"


def _bucket(objective: Objective) -> list[str]:
    bucket = f'le="{promql.bound(objective.bucket_s)}"'
    if objective.rounded:
        whole = promql.bound(objective.limit_ms / 1000)
        return [
            f"Counted by the bucket {bucket}, the next bucket of the histogram below the limit.",
            f'With a bucket of le="{whole}" the SLO would allow the whole limit.',
        ]
    return [
        f"Counted by the bucket {bucket}. The histogram must have exactly this bucket, otherwise",
        "the queries find nothing: add it, or export again with the existing ones as --buckets.",
    ]
