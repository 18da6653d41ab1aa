"""Figures that were measured in several rounds, their goals, and the table that shows them."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Rounds:
    """One figure of one contender, measured once per round."""

    unit: str
    values: Sequence[float]

    @property
    def median(self) -> float:
        """The median: one round in which the machine was busy hardly affects it."""
        return statistics.median(self.values)

    def __str__(self) -> str:
        """Show the median with its unit."""
        return f"{_short(self.median)} {self.unit}"


@dataclass(frozen=True)
class Reach:
    """The goal of a figure: bounds of its ratio to a peer's figure, or of the figure itself."""

    least: float | None = None
    most: float | None = None
    of: str = "ratio"  # or "value"

    def __str__(self) -> str:
        """Return the goal as text, for instance ``>= 0.9x``."""
        bounds = [f">= {_short(self.least)}"] if self.least is not None else []
        bounds += [f"<= {_short(self.most)}"] if self.most is not None else []
        return ", ".join(bound + ("x" if self.of == "ratio" else "") for bound in bounds)

    def met(self, reached: float) -> bool:
        """Return whether a ratio or value is within the bounds."""
        above = self.least is None or reached >= self.least
        return above and (self.most is None or reached <= self.most)


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        figure: What was measured.
        ours: The figure of the agent; None when it could not be measured.
        peer: Name of the contender that the agent is compared with; "" for none.
        theirs: The figure of the peer; None when it could not be measured.
        reach: The goal; None when the row is for information only.
        note: Why the figure was not measured, or why the goal was missed.
    """

    figure: str
    ours: Rounds | None
    peer: str = ""
    theirs: Rounds | None = None
    reach: Reach | None = None
    note: str = ""

    @property
    def measured(self) -> bool:
        """Whether all figures that the row needs were measured, those of a peer above 0."""
        theirs = self.theirs is not None and min(self.theirs.values) > 0
        return self.ours is not None and (not self.peer or theirs)

    @property
    def missed(self) -> bool:
        """Whether the goal was measured and not reached."""
        if self.reach is None or self.ours is None or not self.measured:
            return False
        reached = self.ours.median
        if self.theirs is not None and self.reach.of == "ratio":
            reached /= self.theirs.median
        return not self.reach.met(reached)

    def _ratio(self) -> str:
        """Return the ratio of the medians and, in brackets, the ratios of single rounds, if any."""
        if not self.measured or self.ours is None or self.theirs is None:
            return ""
        pairs = zip(self.ours.values, self.theirs.values, strict=True)
        ratios = [ours / theirs for ours, theirs in pairs]
        middle = self.ours.median / self.theirs.median
        if len(ratios) == 1:
            return f"{middle:.2f}"
        return f"{middle:.2f} ({min(ratios):.2f}-{max(ratios):.2f})"

    def cells(self) -> list[str]:
        """Return the cells of the row in the table."""
        peer = f"{self.peer}: {self.theirs}" if self.theirs else self.peer
        verdict = "MISSED" if self.missed else "ok"
        if not self.measured:
            verdict = "not measured"
        elif self.reach is None:
            verdict = ""
        goal = str(self.reach) if self.reach else ""
        return [self.figure, str(self.ours or ""), peer, self._ratio(), goal, verdict]


HEADER = ["figure", "ours", "peer", "ratio (rounds)", "reach", ""]


@dataclass
class Report:
    """Everything that one run printed."""

    about: list[str]
    commands: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def plain(self) -> str:
        """Return the table for a terminal."""
        cells = [HEADER, *(row.cells() for row in self.rows)]
        widths = [max(len(line[i]) for line in cells) for i in range(len(HEADER))]
        lines = [
            "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
            for line in cells
        ]
        return "\n".join([*lines, *self._notes()])

    def write(self, path: Path, introduction: str) -> None:
        """Write the page of the reference."""
        table = [HEADER, ["---"] * len(HEADER), *(_marked(row) for row in self.rows)]
        page = [introduction, *(f"- {line}" for line in self.about), ""]
        page += ["| " + " | ".join(cells) + " |" for cells in table]
        page += ["", *(f"- {note}" for note in self._notes()), ""]
        page += ["## Commands", "", "```", *self.commands, "```"]
        path.write_text("\n".join(page) + "\n")

    def _notes(self) -> list[str]:
        """Return the notes of missed and unmeasured rows, each once, in the order of the rows."""
        noted = [row for row in self.rows if row.note and (row.missed or not row.measured)]
        return list(dict.fromkeys(_note(row) for row in noted))


def _note(row: Row) -> str:
    against = f" against {row.peer}" if row.peer else ""
    what = "missed" if row.missed else "not measured"
    return f"{row.figure}{against}: {what}: {row.note}"


def _marked(row: Row) -> list[str]:
    """Return the cells with what was missed in bold and red."""
    *cells, verdict = row.cells()
    return [*cells, "🔴 **MISSED**" if row.missed else verdict]


def _short(value: float) -> str:
    """Return a number with three digits, or as a whole number from 1000 on."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
