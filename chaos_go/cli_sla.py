"""``chaos go sla``: calculates limits, pictures and SLO files from measured delay and impact.

Chaos Toolkit imports this module for every `chaos` command, so only click is imported at the top.
"""

import contextlib
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chaos_go.sla.answer import Answer
    from chaos_go.sla.export import Names, Objective, Source
    from chaos_go.sla.observations import Observations
    from chaos_go.sla.timeouts import Timeout

BAD_INPUT, INCONCLUSIVE = 2, 3

_file = click.argument("file")
_budgets = click.option(
    "--budget",
    "budgets",
    multiple=True,
    required=True,
    help="Extra impact that is tolerated over the background: 1% or 0.01. Write +1% if the "
    "background is higher than that. May be given several times.",
)
_budget = click.option(
    "--budget", "budgets", multiple=True, required=True, help="As in `fit`, but only one."
)
_confidence = click.option(
    "--confidence", default="95", show_default=True, help="Confidence of the limits in percent."
)
_impact = click.option(
    "--impact", default="rejections", show_default=True, help="What k counts, for the sentences."
)


@click.group(short_help="Calculate latency limits from business impact.")
def sla() -> None:
    """Calculate how slow is too slow for the business: limits with intervals, and SLO files.

    FILE is a CSV table (dose_ms,n,k[,load_rps][,window][,p99_ms,p99_low_ms,p99_high_ms]), the same
    as JSON, or the journal of a run with a ladder; - is standard input.

    Exit code: 0 there is an answer, 2 the input is invalid (nothing was written), 3 inconclusive.
    """


@sla.command(short_help="Calculate the limits and their intervals.")
@_file
@_budgets
@_confidence
@_impact
@click.option(
    "--p99", help="A P99 in milliseconds: print up to which measured load it keeps the budgets."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def fit(
    file: str,
    budgets: tuple[str, ...],
    confidence: str,
    impact: str,
    p99: str | None,
    as_json: bool,
) -> None:
    """Calculate which delay, and which P99, keeps the extra impact within each budget.

    Exit code: 0 every budget has a safe limit, 2 the input is invalid, 3 a budget is inconclusive,
    at one or more of the loads.
    """

    def _fit() -> int:
        import json

        from chaos_go.errors import BadInputError
        from chaos_go.report import sla_text
        from chaos_go.sla import curve, options

        options.impact(impact)
        p99_ms = None if p99 is None else options.p99(p99)
        if p99 is not None and as_json:
            raise BadInputError("p99", p99, "--json does not print it; leave one of them out")
        answer, observations, _ = _calculate(file, budgets, confidence)
        if as_json:
            click.echo(json.dumps(answer.as_json(), indent=2, allow_nan=False))
        else:
            click.echo(sla_text.report(answer, curve.points(observations), impact, p99_ms))
        return _code(answer)

    _guarded(_fit)


@sla.command(short_help="Draw the curve and the limits.")
@_file
@_budgets
@_confidence
@_impact
@click.option("-o", "--output", required=True, help="Picture to write: .svg or .png.")
def plot(file: str, budgets: tuple[str, ...], confidence: str, impact: str, output: str) -> None:
    """Draw the curve, its band, the budgets and the limits; with several loads also the decay.

    Exit code: 0 every budget has a safe limit, 2 the input is invalid, 3 a budget is inconclusive,
    at one or more of the loads (the picture is written).
    """

    def _plot() -> int:
        from chaos_go.report import picture, sla_curve, waiting
        from chaos_go.sla import curve, options

        options.impact(impact)
        picture.check_output(output)
        answer, observations, _ = _calculate(file, budgets, confidence)
        with waiting.told(f"drawing {output}"):
            sla_curve.draw(curve.drawing(answer, observations), output, impact)
        return _code(answer)

    _guarded(_plot)


@sla.command(short_help="Write an SLO file, and timeouts of the callers.")
@_file
@_budget
@_confidence
@click.option(
    "--format", "kind", required=True, help="openslo, sloth or prometheus (rules and alerts)."
)
@click.option("--service", required=True, help="Name of the service, a DNS label.")
@click.option(
    "--metric",
    default="http_request_duration_seconds",
    show_default=True,
    help="Histogram of its latency in seconds.",
)
@click.option("--selector", help="""Label matchers of the histogram.  [default: job="SERVICE"]""")
@click.option(
    "--buckets",
    help="Upper bounds of its buckets in seconds, 0.1,0.25,0.5: the limit is rounded down to one.",
)
@click.option(
    "--hop", "hops", multiple=True, help="A caller, the outermost first: writes its timeout."
)
@click.option(
    "--hop-margin",
    help="Milliseconds that each hop needs for itself.  [default: a tenth of the limit]",
)
@click.option("-o", "--output", default="-", help="File to write.  [default: standard output]")
def export(
    file: str, budgets: tuple[str, ...], confidence: str, output: str, **options: Any
) -> None:
    """Write an SLO whose limit is the safe limit, with the measured curve as comments.

    Exit code: 0 the SLO was written, 2 the input is invalid, 3 there is no safe limit. With 2 and 3
    nothing is written.
    """

    def _export() -> int:
        from chaos_go.errors import BadInputError, NotEnoughDataError
        from chaos_go.report.output import writing
        from chaos_go.sla import export as exporting
        from chaos_go.sla.timeouts import chain

        if len(budgets) > 1:
            fix = "an SLO has one limit; give one budget, or export a file for each"
            raise BadInputError("budget", " ".join(budgets), fix)
        kind = options["kind"]
        exporting.check_format(kind)
        names = _names(options)
        margin_ms = _hop_margin(options)
        _check_output(output)
        answer, observations, measured = _calculate(file, budgets, confidence)
        try:
            objective = exporting.objective(answer, observations, names)
        except NotEnoughDataError as error:
            click.echo(f"inconclusive: {error}", err=True)
            return INCONCLUSIVE
        timeouts = chain(objective.limit_ms, options["hops"], margin_ms)
        text = _slo(objective, kind, _source(file, measured), timeouts)
        with writing(output), click.open_file(output, "w", encoding="utf-8") as stream:
            stream.write(text)
        return 0

    _guarded(_export)


def _names(options: dict[str, Any]) -> "Names":
    from chaos_go.sla.export import Names
    from chaos_go.sla.options import buckets

    given = options["buckets"]
    bounds = () if given is None else buckets(given)
    return Names(options["service"], options["metric"], options["selector"], bounds)


def _hop_margin(options: dict[str, Any]) -> float | None:
    """Check the names of the hops, and read the margin between them in milliseconds."""
    from chaos_go.errors import BadInputError
    from chaos_go.sla.options import hop_margin, name

    for hop in options["hops"]:
        name("hop", hop, "checkout")
    given = options["hop_margin"]
    if given is None:
        return None
    if not options["hops"]:
        raise BadInputError("hop-margin", given, "there is no hop; give --hop too, or leave it out")
    return hop_margin(given)


def _check_output(path: str) -> None:
    from chaos_go.report import output

    if path != "-":
        output.check(path)


def _slo(objective: "Objective", kind: str, source: "Source", timeouts: "list[Timeout]") -> str:
    import yaml

    from chaos_go.sla.export import FORMATS, comments

    document = yaml.safe_dump(FORMATS[kind](objective), sort_keys=False, width=1000)
    return comments(objective, source, timeouts) + document


def _source(file: str, measured: str | None) -> "Source":
    import time

    from chaos_go import __version__
    from chaos_go.sla.export import Source

    date = f"calculated on {time.strftime('%Y-%m-%d', time.gmtime(time.time()))}"
    if measured:
        date = f"measured on {measured[:10]}, {date}"
    return Source("standard input" if file == "-" else file, date, __version__)


def _calculate(
    file: str, budget_texts: "Sequence[str]", confidence_text: str
) -> "tuple[Answer, Observations, str | None]":
    """Return the answer, the observations, and the time of the measurement if the file has it."""
    from chaos_go.report import sla_files, waiting
    from chaos_go.sla import budget, latency, solve

    budgets = [budget.parse(text) for text in budget_texts]
    confidence = budget.parse_confidence(confidence_text)
    # Print no progress while the user types the observations.
    with contextlib.nullcontext() if file == "-" else waiting.told(f"reading {file}"):
        observations, measured = sla_files.read(file)
    budget.check(budgets, observations)
    with waiting.told("fitting the curve"):
        answer = solve.back_calculate(observations, [one.extra for one in budgets], confidence)
    return latency.with_p99(answer, observations), observations, measured


def _code(answer: "Answer") -> int:
    # The thresholds of the answer hold at every load: without a limit at one load they have none.
    verdicts = {threshold.verdict for threshold in answer.thresholds}
    return INCONCLUSIVE if "inconclusive" in verdicts else 0


def _guarded(command: "Callable[[], int]") -> None:
    """Run a command and exit with its code; after an expected error, print it and exit with 2."""
    from chaos_go.errors import ChaosGoError

    try:
        code = command()
    except (ChaosGoError, ValueError, OSError) as error:
        click.echo(f"error: {error}", err=True)
        code = BAD_INPUT
    raise click.exceptions.Exit(code)
