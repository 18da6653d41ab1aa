"""``chaos go``: commands that check experiments, judge journals, calculate limits, draw pictures.

Chaos Toolkit imports this module on every `chaos` command. So each command imports what it needs
when it runs, and not here.
"""

import click

from chaos_go.cli_sla import sla

SETUP_ERROR = 4


@click.group()
def go() -> None:
    """Faults and verdicts for Go services."""


go.add_command(sla)


@go.command()
@click.argument("journal", type=click.Path())
@click.pass_context
def verdict(context: click.Context, journal: str) -> None:
    """Judge the JOURNAL of a run, one line per reason.

    Exit code: 0 held, 1 violated, 2 inconclusive, 3 unsafe (a fault may still be in place),
    4 setup-error (also when JOURNAL cannot be read).
    """
    from chaos_go import verdict as judging

    try:
        judged = judging.judge(judging.read(journal))
    except Exception as error:  # Python would exit with 1, which means "violated"
        raise _refuse(error) from error
    click.echo(judged.outcome)
    for reason in judged.reasons:
        click.echo(f"  {reason}")
    context.exit(judged.exit_code)


@go.command(short_help="Restore what a killed run left changed in a cluster.")
@click.argument("file", type=click.Path())
@click.option("--dry-run", is_flag=True, help="change nothing, say what would be done")
@click.pass_context
def undo(context: click.Context, file: str, dry_run: bool) -> None:
    """Restore what FILE says is still changed in a cluster.

    FILE is a journal, or the file chaos-go-undo-*.json that a killed run leaves in its folder. The
    cluster is the one of KUBECONFIG and KUBERNETES_CONTEXT, and must be the one of the record.

    Exit code: 0 when everything is restored or nothing had to be, 1 when something is not restored,
    4 when FILE cannot be read.
    """
    from chaos_go import undo as undoing
    from chaos_go.errors import BadInputError

    try:
        is_over = undoing.undo(file, dry_run, click.echo)
    except BadInputError as error:
        raise _refuse(error) from error
    context.exit(0 if is_over else 1)


@go.command(short_help="Find what Chaos Toolkit would silently ignore.")
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.pass_context
def validate(context: click.Context, files: tuple[str, ...]) -> None:
    """Find what Chaos Toolkit would silently ignore in experiment FILES.

    The agent judges the values of faults, loads and ladders, as far as they are known before a run;
    nothing is put in place. If there is no agent for this machine, a warning says that the values
    were not judged.

    Exit code: 0 when nothing was found, 1 otherwise.
    """
    from chaos_go import validate as validating

    problems = [f"{file}: {problem}" for file in files for problem in validating.check(file)]
    for problem in problems:
        click.echo(problem)
    context.exit(1 if problems else 0)


@go.command(short_help="Check cluster, permissions and targets before a run.")
@click.argument("experiment", required=False, default="", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="print JSON instead of a table")
@click.option("--role", is_flag=True, help="print only the minimal Role of EXPERIMENT, as YAML")
@click.pass_context
def doctor(context: click.Context, experiment: str, as_json: bool, role: bool) -> None:
    """Check, before anything is changed, what EXPERIMENT needs; without it, the cluster.

    Checked are the cluster and its clock, every permission, protected namespaces, the pods of each
    target, PodDisruptionBudgets, and the agent of this host. When a permission is missing, the Role
    that grants it follows the table, for `kubectl apply -f -`.

    Exit code: 0 when nothing failed (there may be warnings, and what could not be checked), 1 when
    a check failed, 4 setup-error (EXPERIMENT cannot be read).
    """
    import json

    from chaos_go import doctor as examining
    from chaos_go.doctor import table
    from chaos_go.doctor.progress import Progress
    from chaos_go.errors import ChaosGoError

    if role and (as_json or not experiment):
        raise click.UsageError("--role needs an EXPERIMENT, and prints YAML, not JSON")
    progress = Progress()
    try:
        with progress.shown():
            if role:
                click.echo(examining.role(experiment, progress), nl=False)
                return
            report = examining.examine(experiment, progress)
    except ChaosGoError as error:
        raise _refuse(error) from error
    if as_json:
        click.echo(json.dumps(report.record(), indent=2))
    else:
        click.echo("\n".join(table.lines(report)))
        click.echo(f"\n{report.role}" if report.role else "", nl=False)
    context.exit(report.exit_code)


@go.command(short_help="Draw P99 and error rate over time, and the faults.")
@click.argument("journal", type=click.Path())
@click.option(
    "-o", "--output", required=True, type=click.Path(), help="picture to write: .svg or .png"
)
def plot(journal: str, output: str) -> None:
    """Draw P99 and error rate of the JOURNAL over time, with the faults shaded.

    Exit code: 0, or 4 when JOURNAL cannot be read or has nothing to draw.
    """
    from chaos_go import verdict as judging
    from chaos_go.errors import ChaosGoError
    from chaos_go.report import picture, timeline
    from chaos_go.traffic import over_time

    try:
        picture.check_output(output)
        run = judging.read(journal)
        timeline.draw(run, over_time.read(run), output)
    except (ChaosGoError, OSError) as error:
        raise _refuse(error) from error


def _refuse(error: Exception) -> click.exceptions.Exit:
    """Print why there is nothing to judge or draw, and return the exit with its code."""
    click.echo("setup-error")
    click.echo(f"  {str(error) or type(error).__name__}")
    return click.exceptions.Exit(SETUP_ERROR)
