"""Figures that were measured in several rounds, their goals, and the table that shows them."""

import re
import statistics
from collections.abc import Mapping, Sequence
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
        """Show the median with its unit, and in brackets the smallest and the largest round."""
        low, high = _short(min(self.values)), _short(max(self.values))
        spread = f" ({low} to {high})" if low != high else ""
        return f"{_short(self.median)} {self.unit}".rstrip() + spread


@dataclass(frozen=True)
class Reach:
    """The goal of a figure: bounds of its ratio to a peer's figure, or of the figure itself."""

    least: float | None = None
    most: float | None = None
    of: str = "ratio"  # or "value", or "every round": the value of each round

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
class Spread:
    """A ratio to a peer: that of the medians, and the smallest and largest of single rounds."""

    middle: float
    low: float
    high: float

    def __str__(self) -> str:
        """Show it as the table does, for instance ``0.99 (0.93-1.13)``."""
        if self.low == self.high:
            return f"{self.middle:.2f}"
        return f"{self.middle:.2f} ({self.low:.2f}-{self.high:.2f})"

    def worse(self, earlier: "Spread", reach: Reach) -> bool:
        """Tell whether it is farther from the goal than earlier by more than the noise of both.

        The noise is what single rounds differ by: each middle is outside of the other's rounds.
        """
        if reach.most is None:
            return self.middle < earlier.low and earlier.middle > self.high
        if reach.least is None:
            return self.middle > earlier.high and earlier.middle < self.low
        return False


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
        if self.reach is None or not self.measured:
            return False
        return not self.reach.met(self._reached()[0])

    @property
    def within_noise(self) -> bool:
        """Whether the goal was missed, but reached in some of the rounds."""
        if self.reach is None or not self.missed or self.reach.of == "every round":
            return False
        return any(map(self.reach.met, self._reached()[1]))

    @property
    def ratio(self) -> Spread | None:
        """The ratio to the peer; None when there is none."""
        if not self.measured or self.ours is None or self.theirs is None:
            return None
        pairs = zip(self.ours.values, self.theirs.values, strict=True)
        ratios = [ours / theirs for ours, theirs in pairs]
        return Spread(self.ours.median / self.theirs.median, min(ratios), max(ratios))

    def _reached(self) -> tuple[float, Sequence[float]]:
        """Return what the goal is about: over all rounds, and in each of them."""
        if self.ours is None:
            raise AssertionError("what was not measured has reached nothing")
        if self.reach is not None and self.reach.of == "every round":
            farthest = max if self.reach.least is None else min
            return farthest(self.ours.values), self.ours.values
        if self.theirs is None or self.reach is None or self.reach.of != "ratio":
            return self.ours.median, self.ours.values
        pairs = zip(self.ours.values, self.theirs.values, strict=True)
        return self.ours.median / self.theirs.median, [ours / theirs for ours, theirs in pairs]

    def verdict(self) -> str:
        """Return what the last column says."""
        if not self.measured:
            return "not measured"
        if self.missed:
            return "missed, within the noise" if self.within_noise else "MISSED"
        return "ok" if self.reach else ""

    def cells(self) -> list[str]:
        """Return the cells of the row in the table."""
        peer = f"{self.peer}: {self.theirs}" if self.theirs else self.peer
        goal = str(self.reach) if self.reach else ""
        return [
            self.figure,
            str(self.ours or ""),
            peer,
            str(self.ratio or ""),
            goal,
            self.verdict(),
        ]


HEADER = ["figure", "ours", "peer", "ratio (rounds)", "reach", ""]


Ratios = Mapping[tuple[str, str], Spread]
"""What was measured at another time, by figure and peer."""


def read(page: str) -> Ratios:
    """Return the ratios of a page that `Report.write` has written."""
    found = {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == len(HEADER) and (told := _RATIO.fullmatch(cells[3])):
            middle, low, high = (float(number) for number in told.groups())
            found[cells[0], cells[2].partition(":")[0]] = Spread(middle, low, high)
    return found


_RATIO = re.compile(r"([\d.]+) \(([\d.]+)-([\d.]+)\)")


@dataclass
class Report:
    """Everything that one run printed.

    Attributes:
        about: When, where and with what was measured.
        commands: The commands that were run.
        rows: The rows of the table.
        earlier: The ratios of the run before, with which those of this run are compared.
    """

    about: list[str]
    commands: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    earlier: Ratios = field(default_factory=dict)

    def plain(self) -> str:
        """Return the table for a terminal."""
        cells = [HEADER, *(self._cells(row) for row in self.rows)]
        widths = [max(len(line[i]) for line in cells) for i in range(len(HEADER))]
        lines = [
            "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
            for line in cells
        ]
        return "\n".join([*lines, *self._notes()])

    def write(self, path: Path, introduction: str) -> None:
        """Write the page of the reference."""
        table = [HEADER, ["---"] * len(HEADER), *(self._marked(row) for row in self.rows)]
        page = [introduction, *(f"- {line}" for line in self.about), ""]
        page += ["| " + " | ".join(cells) + " |" for cells in table]
        page += ["", *(f"- {note}" for note in self._notes()), ""]
        page += ["## Commands", "", "```", *self.commands, "```"]
        path.write_text("\n".join(page) + "\n")

    def worse(self, row: Row) -> Spread | None:
        """Return the ratio of the run before if this one is worse by more than the noise."""
        before = self.earlier.get((row.figure, row.peer))
        if before is None or row.ratio is None or row.reach is None:
            return None
        return before if row.ratio.worse(before, row.reach) else None

    def _cells(self, row: Row) -> list[str]:
        """Return the cells of a row, and in the last one whether it is worse than before."""
        *cells, verdict = row.cells()
        if (before := self.worse(row)) is not None:
            verdict = f"{verdict}, WORSE than {before}"
        return [*cells, verdict]

    def _marked(self, row: Row) -> list[str]:
        """Return the cells with what needs a look in bold and red."""
        *cells, verdict = self._cells(row)
        red = self.worse(row) is not None or (row.missed and not row.within_noise)
        return [*cells, f"🔴 **{verdict}**" if red else verdict]

    def _notes(self) -> list[str]:
        """Return the notes of missed and unmeasured rows, each once, in the order of the rows."""
        noted = [row for row in self.rows if row.note and (row.missed or not row.measured)]
        return list(dict.fromkeys(_note(row) for row in noted))


def _note(row: Row) -> str:
    against = f" against {row.peer}" if row.peer else ""
    what = "missed" if row.missed else "not measured"
    return f"{row.figure}{against}: {what}: {row.note}"


def _short(value: float) -> str:
    """Return a number with three digits, or as a whole number from 1000 on."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
