"""What follows from the ladder of a run: the table, the picture, and the SLO as a file."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

SERVICE = "risk"
FORMAT = "openslo"


def tell(chaos: Sequence[str], journal: Path, budget: str) -> int:
    """Print the table and the SLO, and draw the picture beside the journal.

    Args:
        chaos: command of Chaos Toolkit with its global options.
        journal: of a run with a ladder.
        budget: how much extra impact is tolerated, for instance ``2%``.

    Returns:
        0, or the first exit code of `chaos go sla` that is another one.
    """
    picture, slo = journal.with_name("curve.png"), journal.with_name("slo.yaml")
    ask = ["--budget", budget]
    codes = [_sla(chaos, "fit", journal, *ask)]
    codes.append(_sla(chaos, "plot", journal, *ask, "-o", str(picture)))
    options = ["--format", FORMAT, "--service", SERVICE, "-o", str(slo)]
    codes.append(_sla(chaos, "export", journal, *ask, *options))
    print(f"demo: curve: {picture}", flush=True)
    if codes[-1] == 0:
        print(f"demo: SLO ({FORMAT}): {slo}\n\n{slo.read_text(encoding='utf-8')}", flush=True)
    return next((code for code in codes if code), 0)


def _sla(chaos: Sequence[str], command: str, journal: Path, *options: str) -> int:
    return subprocess.run(
        [*chaos, "go", "sla", command, str(journal), *options], check=False
    ).returncode
