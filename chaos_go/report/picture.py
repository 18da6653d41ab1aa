"""What all pictures share: the file, the size, colours that the colour-blind tell apart, limits."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from chaos_go.errors import BadInputError, ChaosGoError
from chaos_go.report import output

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours; dashes and markers tell the same for print in grey.
COLOURS = ("#0072B2", "#009E73", "#CC79A7", "#000000", "#56B4E9")
Dash = str | tuple[int, tuple[int, ...]]
DASHES: tuple[Dash, ...] = ("-", "--", "-.", ":", (0, (8, 2, 1, 2, 1, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P")  # one more than colours, so that 30 lines differ
LIMIT, FAULT = "#D55E00", "#E69F00"

_SUFFIXES = (".png", ".svg")
_WIDTH_IN, _DPI = 8, 100  # 800 pixels


def check_output(path: str) -> None:
    """Refuse a file that is not a picture or cannot be written, before anything is calculated.

    Raises:
        BadInputError: The name has another suffix, or the file cannot be written.
    """
    if Path(path).suffix not in _SUFFIXES:
        raise BadInputError("output", path, f"give a name that ends in {' or '.join(_SUFFIXES)}")
    output.check(path)


@contextmanager
def saved(path: str, height_in: float) -> "Iterator[Figure]":
    """Yield an empty figure, 800 pixels wide, and write it at the end of the ``with`` block.

    Args:
        path: The file to write, .png or .svg. The same drawing gives the same bytes.
        height_in: The height in inches; an inch is 100 pixels.

    Raises:
        ChaosGoError: Matplotlib is not installed.
        BadInputError: The file cannot be written.
    """
    try:
        import matplotlib  # takes 0.1 s and 40 MB, and is an optional dependency
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ChaosGoError("a picture needs matplotlib; pip install matplotlib") from error
    with matplotlib.rc_context({"svg.hashsalt": "chaos_go", "font.size": 10}):
        figure = Figure(figsize=(_WIDTH_IN, height_in), dpi=_DPI, layout="constrained")
        yield figure
        with output.writing(path):
            figure.savefig(path, metadata={"Date": None} if path.endswith(".svg") else {})


def limit_line(axes: "Axes", height: float, label: str = "") -> None:
    """Draw a limit across the axes, with its label at the right end if it has one."""
    axes.axhline(height, color=LIMIT, linewidth=1.5, linestyle=(0, (6, 3)))
    if not label:
        return
    axes.annotate(
        label,
        (1, height),
        xycoords=axes.get_yaxis_transform(),
        xytext=(-4, 3),
        textcoords="offset points",
        ha="right",
        color=LIMIT,
    )
