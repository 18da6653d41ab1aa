"""The panel of the pods in the picture of a run: how many were Ready, and the kills."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chaos_go.report import picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def watched(journal: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the records of the faults that watched pods."""
    faults = journal["chaos_go"].get("faults", [])
    return [record for record in faults if record.get("ready")]


def draw(axes: "Axes", records: Sequence[dict[str, Any]], origin: float, end: float) -> None:
    """Draw Ready and wanted pods of each fault as steps, and a mark per kill.

    Args:
        axes: Where to draw.
        records: The records of `watched`, at least one.
        origin: The time of 0 on the horizontal axis, in seconds since 1970.
        end: The end of the picture, for a fault that has not ended, in seconds since 1970.
    """
    from matplotlib.ticker import MaxNLocator  # see picture.saved

    most = 1
    for number, record in enumerate(records):
        colour = picture.COLOURS[number % len(picture.COLOURS)]
        what = "" if len(records) == 1 else f", {record['id']}"
        levels = [*record["ready"], [record.get("ended_unix_s") or end, *record["ready"][-1][1:]]]
        times = [unix_s - origin for unix_s, _, _ in levels]
        wanted = [level[2] for level in levels]
        most = max(most, *wanted, *(level[1] for level in levels))
        axes.step(times, wanted, "--", where="post", color="#777777", label=f"wanted{what}")
        axes.step(
            times, [x[1] for x in levels], where="post", color=colour, lw=1.8, label=f"Ready{what}"
        )
    kills = kill_times(records, origin)
    axes.plot(
        kills, [0.0] * len(kills), "^", color=picture.LIMIT, label="pod killed", clip_on=False
    )
    axes.set_ylim(0, 1.5 * most)  # room for the legend
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("pods")
    axes.legend(loc="upper left", ncols=3, framealpha=0.9)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def mark_kills(axes: "Axes", records: Sequence[dict[str, Any]], origin: float) -> None:
    """Draw a thin vertical line per kill, behind what another panel shows."""
    for time_s in kill_times(records, origin):
        axes.axvline(time_s, zorder=0, color=picture.LIMIT, linewidth=1.0, linestyle=":")


def kill_times(records: Sequence[dict[str, Any]], origin: float) -> list[float]:
    """Return when pods were killed, in seconds since a time."""
    kills = [kill for record in records for kill in record.get("kills", [])]
    return [kill["killed_unix_s"] - origin for kill in kills]
