"""The picture of a back-calculation shows all observations and budgets, and is legible."""

import itertools
import math
import struct
import warnings

import numpy as np
import pytest
from drawings import RISING, drawn, fitted, observed, several, single
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from chaos_go.errors import BadInputError
from chaos_go.report import picture, sla_axes, sla_curve
from chaos_go.sla import options


def painted(drawing, impact="rejections"):
    """Paint a picture as large as the file would be, without any warning."""
    figure = Figure(figsize=(8, 5.6), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sla_curve.paint(figure, drawing, impact)
        figure.canvas.draw()
    return figure


def text_box(label):
    """Return where the text of a label is, without the line that leads to it."""
    return Text.get_window_extent(label)


def overlap(labels):
    boxes = [text_box(label) for label in labels]
    return any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


def lines(axes, label):
    return [line for line in axes.get_lines() if line.get_label() == label]


def test_a_png_is_800_pixels_wide_and_higher_with_several_loads(tmp_path):
    path = tmp_path / "curve.png"
    for drawing, height in ((single(RISING, 0.01), 560), (several(0.01), 880)):
        sla_curve.draw(drawing, str(path), "rejections")
        head = path.read_bytes()[:24]
        assert head[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">2I", head[16:24]) == (800, height)


def test_a_file_that_cannot_be_written_is_refused():
    with pytest.raises(BadInputError, match=r"output='/proc/a\.svg': No such"):
        sla_curve.draw(single(RISING, 0.01), "/proc/a.svg", "rejections")


def test_a_budget_above_all_that_was_observed_is_inside_the_picture():
    figure = painted(drawn(fitted(observed([0] * 5, n=1000), (0.01, 0.03), None, safe_ms=800.0)))
    (axes,) = figure.axes
    assert axes.get_ylim()[1] > 0.03
    assert len(axes.texts) == 2
    for text in axes.texts:
        box = text.get_window_extent()
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1


@pytest.mark.parametrize("p99", [False, True])
def test_labels_of_close_budgets_are_apart_beside_the_axes_and_lead_to_their_lines(p99):
    figure = painted(single(RISING, 0.01, 0.011, 0.012, 0.0125, p99=p99))
    axes = figure.axes[0]
    assert [text.get_text().split("\n")[0] for text in axes.texts] == [
        "budget +1 %", "budget +1.1 %", "budget +1.2 %", "budget +1.25 %",
    ]  # fmt: skip
    assert not overlap(axes.texts)
    (dotted,) = (line for line in axes.get_lines() if line.get_label().startswith("background"))
    background = dotted.get_ydata()[0]
    for text, budget in zip(axes.texts, (0.01, 0.011, 0.012, 0.0125), strict=True):
        assert text_box(text).x0 > axes.get_window_extent().x1  # no data are under it
        assert text_box(text).x1 < figure.bbox.x1
        line = background + (1 - background) * budget
        assert axes.transAxes.transform((1, text.xy[1]))[1] == pytest.approx(
            axes.transData.transform((0, line))[1], abs=1
        )


@pytest.mark.parametrize("count", [1, 3, 12])
def test_labels_are_moved_as_little_as_possible_and_stay_inside(count):
    heights = sorted(np.random.default_rng(count).uniform(0, 0.3, count))
    rows = [0.045] * count
    placed = sla_axes.apart(heights, rows)
    assert (np.diff(placed) >= 0.045 - 1e-9).all()
    assert placed[0] >= 0.0225 - 1e-9
    assert placed[-1] <= 1 - 0.0225 + 1e-9
    assert sla_axes.apart([0.1, 0.5, 0.9], [0.1, 0.1, 0.1]) == pytest.approx([0.1, 0.5, 0.9])
    assert sla_axes.apart([0.5, 0.5], [0.1, 0.1]) == pytest.approx([0.45, 0.55])
    assert sla_axes.apart([0.99, 0.99], [0.1, 0.1]) == pytest.approx([0.85, 0.95])


def test_the_longest_impact_leaves_the_axes_their_size():
    long = options.impact("orders that the warehouse had to pick again by hand, or lost")
    with pytest.raises(BadInputError, match="at most 60 characters"):
        options.impact(f"{long}!")
    for drawing in (single(RISING, 0.01), several(0.01)):
        usual, squeezed = painted(drawing), painted(drawing, impact=long)
        for before, after in zip(usual.axes, squeezed.axes, strict=True):
            size = before.get_window_extent()
            assert after.get_window_extent().height > 0.95 * size.height
            assert after.get_window_extent().width > 0.9 * size.width
            for words in (after.yaxis.label, *after.texts):
                box = words.get_window_extent()
                assert squeezed.bbox.y0 <= box.y0 < box.y1 <= squeezed.bbox.y1


def test_the_lines_are_those_of_the_drawing():
    drawing = single(RISING, 0.01)
    (axes,) = painted(drawing).axes
    (stretch,), models = drawing.curves[0].stretches, drawing.curves[0].models
    (average,) = lines(axes, "average of the models")
    thin = [line for line in axes.get_lines() if line.get_linewidth() == 0.8]
    assert len(thin) == len(models)
    for seen, line in zip((average, *thin), (stretch.average, *models), strict=True):
        assert seen.get_xdata() == pytest.approx(line.doses_ms)
        assert seen.get_ydata() == pytest.approx(line.impacts)
    assert len(lines(axes, "each model")) == 1  # named once in the legend


def test_a_band_reaches_from_its_lower_to_its_upper_limit():
    drawing = single(RISING, 0.01)
    (axes,) = painted(drawing).axes
    (stretch,) = drawing.curves[0].stretches
    (band,) = axes.collections[:1]
    (path,) = band.get_paths()
    across = path.vertices[:, 0]
    assert across.min() == pytest.approx(min(stretch.low.doses_ms))
    assert across.max() == pytest.approx(max(stretch.high.doses_ms))
    assert band.get_label() == "95 % band"


def test_points_of_many_loads_are_side_by_side_and_close():
    pixels = 12 / 72 * 100
    for loads in ((10, 40, 160), range(10, 90, 10)):
        axes = painted(several(0.01, loads=loads)).axes[0]
        zero = [bars.lines[0].get_transform().transform((0, 0))[0] for bars in axes.containers]
        assert 0 < zero[-1] - zero[0] <= pixels + 1e-6
        assert len({round(at, 2) for at in zero}) == len(zero)


def test_the_legend_of_the_decay_is_above_its_axes():
    _, decay = painted(several(0.01, 0.02)).axes
    box = decay.get_legend().get_window_extent()
    assert not box.overlaps(decay.get_window_extent())


def test_the_legend_is_beside_the_axes():
    flat = drawn(fitted(observed([50] * 5, n=1000), (0.01,), middle_ms=None))
    for drawing in (flat, single(RISING, 0.01, p99=True)):
        figure = painted(drawing)
        (legend,) = figure.legends
        for axes in figure.axes:
            assert not legend.get_window_extent().overlaps(axes.get_window_extent())


def test_low_doses_can_be_told_apart_when_the_doses_span_decades():
    doses = (0.0, 0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0)
    levels = observed((8, 8, 8, 9, 12, 260, 3100), doses, p99=True)
    (axes, upper) = painted(drawn(fitted(levels, (0.01,)), logarithmic=True)).axes
    across = axes.transData.transform([(dose, 0) for dose in doses])[:, 0]
    assert np.diff(across).min() > 50  # pixels
    # The P99 stands above its dose.
    assert upper.transData.transform([(tick, 0) for tick in upper.get_xticks()])[
        :, 0
    ] == pytest.approx(across)
    assert [label.get_text() for label in upper.get_xticklabels()][-1] == "10050"


def test_every_load_has_its_own_line_style_and_its_budget():
    axes, decay = painted(several(0.01, 0.02, loads=(10, 20, 40, 80, 160))).axes
    looks = {
        (bars.lines[0].get_color(), bars.lines[0].get_marker()): bars.get_label()
        for bars in axes.containers
    }
    assert len(looks) == 5
    assert [text.get_text() for text in axes.texts] == [
        "budget +1 %\nat 160 requests/s", "budget +2 %\nat 160 requests/s",
    ]  # fmt: skip
    told = [text.get_text() for text in decay.get_legend().get_texts()]
    assert sorted(told) == ["estimate and interval", "safe for +1 %", "safe for +2 %"]


def test_labels_of_many_budgets_are_smaller_and_inside_the_picture():
    budgets = [at / 500 for at in range(1, 26)]
    figure = painted(single(RISING, *budgets, p99=True))
    labels = figure.axes[0].texts
    assert len(labels) == 25
    assert not overlap(labels)
    assert all(text_box(label).y1 < figure.bbox.y1 for label in labels)
    assert figure.axes[0].get_window_extent().width > 400


def loads_of_which_the_second_has_no_limit():
    middles = {10.0: 1350.0, 20.0: None, 30.0: 1000.0}
    return drawn(
        *(fitted(observed(RISING, load_rps=rps), (0.01,), middles[rps]) for rps in middles)
    )


def test_the_line_of_limits_is_broken_at_a_load_without_a_limit():
    axes, decay = painted(loads_of_which_the_second_has_no_limit()).axes
    (safe,) = lines(decay, "safe for +1 %")
    assert np.isnan(safe.get_ydata()).tolist() == [False, True, False]
    odd = [line for line in axes.get_lines() if line.get_color() == picture.COLOURS[1]]
    assert not [line for line in odd if line.get_linestyle() == "--"]


def test_without_any_limit_the_decay_says_so():
    levels = [observed(RISING, load_rps=load_rps) for load_rps in (10.0, 20.0)]
    _, decay = painted(drawn(*(fitted(one, (0.01,), middle_ms=None) for one in levels))).axes
    assert [text.get_text() for text in decay.texts] == ["no limit at any load"]


def test_a_high_background_leaves_the_axis_to_what_is_above_it():
    (axes,) = painted(single((9700, 9705, 9710, 9800, 9900), 0.01, n=10_000)).axes
    low, high = axes.get_ylim()
    assert 0.95 < low < 0.97 < 0.99 < high


def test_thirty_lines_all_look_different():
    assert math.lcm(len(picture.COLOURS), len(picture.MARKERS)) == 30
