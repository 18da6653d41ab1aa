"""Prints the limits of a ladder as a table, draws their picture, and writes an SLO."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

SERVICE = "risk"
FORMAT = "openslo"
BAD_INPUT = 2  # exit code of `chaos go sla`


def report(chaos: Sequence[str], journal: Path, budget: str) -> int:
    """Print the table and the SLO, and write curve.png and slo.yaml next to the journal.

    Args:
        chaos: Command of Chaos Toolkit with its global options.
        journal: Journal of a run with a ladder.
        budget: Extra impact that is tolerated, for instance ``2%``.

    Returns:
        The exit code of `chaos go sla fit`.
    """
    picture, slo = journal.with_name("curve.png"), journal.with_name("slo.yaml")
    for old in (picture, slo):
        old.unlink(missing_ok=True)
    ask = ["--budget", budget]
    code = _sla(chaos, "fit", journal, *ask)
    if code == BAD_INPUT:
        return code  # `fit` has printed the reason
    _sla(chaos, "plot", journal, *ask, "-o", str(picture))
    print(f"demo: curve: {picture}", flush=True)
    options = ["--format", FORMAT, "--service", SERVICE, "-o", str(slo)]
    if _sla(chaos, "export", journal, *ask, *options) == 0:
        print(f"demo: SLO ({FORMAT}): {slo}\n\n{slo.read_text(encoding='utf-8')}", flush=True)
    return code


def _sla(chaos: Sequence[str], command: str, journal: Path, *options: str) -> int:
    return subprocess.run(
        [*chaos, "go", "sla", command, str(journal), *options], check=False
    ).returncode
