"""What the picture of a back-calculation shows: all that was observed and asked, legibly."""

import itertools
import math
import warnings

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from chaos_go.errors import BadInputError
from chaos_go.report import picture, sla_axes, sla_curve
from chaos_go.sla import options
from chaos_go.sla.latency import with_p99
from chaos_go.sla.observations import Level, Observations
from chaos_go.sla.solve import back_calculate

pytestmark = pytest.mark.timeout(180)  # seconds of calculation, and machines are busy

DOSES = (0.0, 100.0, 300.0, 500.0, 800.0)
RISING = (5, 5, 9, 90, 280)


def observed(k, doses=DOSES, n=5000, load_rps=None, p99=False):
    return [
        Level(dose, n, count, load_rps=load_rps, p99_ms=dose + 50 if p99 else None)
        for dose, count in zip(doses, k, strict=True)
    ]


def some_loads(loads=(10, 40, 160)):
    """Return levels of loads whose limits fall from 700 to 300 ms."""
    return [
        level
        for load, middle in zip(loads, np.linspace(700, 300, len(loads)), strict=True)
        for level in observed(
            [10] + [10 + round(5000 / (1 + 55 * (middle / dose) ** 5)) for dose in DOSES[1:]],
            load_rps=float(load),
        )
    ]


def painted(levels, *budgets, impact="rejections"):
    """Paint a picture as large as the file would be, without any warning."""
    observations = Observations(tuple(levels), windowed=True)
    answer = with_p99(back_calculate(observations, budgets, 0.95), observations)
    figure = Figure(figsize=(8, 5.6), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sla_curve.paint(figure, answer, observations, impact)
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


def test_a_budget_above_all_that_was_observed_is_inside_the_picture():
    figure = painted(observed([0] * 5, n=1000), 0.01, 0.03)
    (axes,) = figure.axes
    assert axes.get_ylim()[1] > 0.03
    assert len(axes.texts) == 2
    for text in axes.texts:
        box = text.get_window_extent()
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1


@pytest.mark.parametrize("p99", [False, True])
def test_labels_of_close_budgets_are_apart_beside_the_axes_and_lead_to_their_lines(p99):
    figure = painted(observed(RISING, p99=p99), 0.01, 0.011, 0.012, 0.0125)
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
    for levels in (observed(RISING), some_loads()):
        usual, squeezed = painted(levels, 0.01), painted(levels, 0.01, impact=long)
        for before, after in zip(usual.axes, squeezed.axes, strict=True):
            size = before.get_window_extent()
            assert after.get_window_extent().height > 0.95 * size.height
            assert after.get_window_extent().width > 0.9 * size.width
            for words in (after.yaxis.label, *after.texts):
                box = words.get_window_extent()
                assert squeezed.bbox.y0 <= box.y0 < box.y1 <= squeezed.bbox.y1


def test_nothing_is_drawn_below_a_budget_without_an_estimate():
    """One dose of 6 %: where less is reached nobody knows, and no line is drawn from 0."""
    (axes,) = painted(observed((2, 60), (0.0, 300.0), n=1000), 0.01).axes
    (line,) = lines(axes, "average of the models")
    assert line.get_ydata()[0] > 0.01
    (axes,) = painted(observed(RISING), 0.01).axes
    (line,) = lines(axes, "average of the models")
    assert line.get_xdata()[0] == 0


def test_points_of_many_loads_are_side_by_side_and_close():
    pixels = 12 / 72 * 100
    for levels in (some_loads(), some_loads(tuple(range(10, 90, 10)))):
        axes = painted(levels, 0.01).axes[0]
        zero = [bars.lines[0].get_transform().transform((0, 0))[0] for bars in axes.containers]
        assert 0 < zero[-1] - zero[0] <= pixels + 1e-6
        assert len({round(at, 2) for at in zero}) == len(zero)


def test_the_legend_of_the_decay_is_above_its_axes():
    _, decay = painted(some_loads(), 0.01, 0.02).axes
    box = decay.get_legend().get_window_extent()
    assert not box.overlaps(decay.get_window_extent())


def test_the_legend_is_beside_the_axes():
    for levels in (observed([50] * 5, n=1000), observed(RISING, p99=True)):
        figure = painted(levels, 0.01)
        (legend,) = figure.legends
        for axes in figure.axes:
            assert not legend.get_window_extent().overlaps(axes.get_window_extent())


def test_low_doses_are_told_apart_when_the_doses_span_decades():
    doses = (0.0, 0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0)
    (axes, upper) = painted(observed((8, 8, 8, 9, 12, 260, 3100), doses, p99=True), 0.01).axes
    across = axes.transData.transform([(dose, 0) for dose in doses])[:, 0]
    assert np.diff(across).min() > 50  # pixels
    # The P99 stands above its dose.
    assert upper.transData.transform([(tick, 0) for tick in upper.get_xticks()])[
        :, 0
    ] == pytest.approx(across)
    assert [label.get_text() for label in upper.get_xticklabels()][-1] == "10050"


@pytest.mark.parametrize(
    ("k", "doses"),
    [
        ((1, 2, 60), (0.0, 300.0, 500.0)),
        ((8, 8, 9, 12, 260, 800), (0.0, 1.0, 10.0, 100.0, 1000.0, 5000.0)),
        ((1, 0, 0, 900), (0.0, 100.0, 300.0, 301.0)),
    ],
)
def test_no_curve_goes_back_and_each_model_is_named_once(k, doses):
    (axes,) = painted(observed(k, doses, n=1000), 0.01).axes
    assert len(lines(axes, "each model")) == 1
    thin = [line for line in axes.get_lines() if line.get_linewidth() == 0.8]
    assert thin
    for line in [*thin, *lines(axes, "average of the models")]:
        assert (np.diff(line.get_xdata()) >= 0).all()
        assert (np.diff(line.get_ydata()) >= 0).all()


def test_every_load_has_a_look_of_its_own_and_its_budget():
    axes, decay = painted(some_loads((10, 20, 40, 80, 160)), 0.01, 0.02).axes
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


def test_many_budgets_are_told_in_smaller_letters_inside_the_picture():
    budgets = [at / 500 for at in range(1, 26)]
    figure = painted(observed(RISING, p99=True), *budgets)
    labels = figure.axes[0].texts
    assert len(labels) == 25
    assert not overlap(labels)
    assert all(text_box(label).y1 < figure.bbox.y1 for label in labels)
    assert figure.axes[0].get_window_extent().width > 400


def test_no_curve_and_no_limit_goes_over_what_has_none():
    levels = [
        *observed((1, 1, 3, 30, 90), n=1000, load_rps=10.0),
        *observed((30, 110, 40, 35, 180), n=1000, load_rps=20.0),  # none at 1 %
        *observed((1, 2, 8, 50, 120), n=1000, load_rps=30.0),
    ]
    axes, decay = painted(levels, 0.01).axes
    (safe,) = lines(decay, "safe for +1 %")
    assert np.isnan(safe.get_ydata()).tolist() == [False, True, False]
    odd = [line for line in axes.get_lines() if line.get_color() == picture.COLOURS[1]]
    curves = [line for line in odd if line.get_linestyle() == "--" and len(line.get_xdata()) > 2]
    assert curves
    for line in curves:
        assert min(line.get_ydata()) > 0.05


def test_without_any_limit_the_decay_says_so():
    levels = [
        *observed((0, 80, 1, 2, 1), (0, 100, 200, 300, 400), n=1000, load_rps=10.0),
        *observed((1, 1, 5, 40, 90), (0, 100, 200, 300, 400), n=1000, load_rps=20.0),
    ]
    _, decay = painted(levels, 0.01).axes
    assert [text.get_text() for text in decay.texts] == ["no limit at any load"]


def test_a_high_background_leaves_the_axis_to_what_is_above_it():
    (axes,) = painted(observed((9700, 9705, 9710, 9800, 9900), n=10_000), 0.01).axes
    low, high = axes.get_ylim()
    assert 0.95 < low < 0.97 < 0.99 < high


def test_thirty_lines_go_by_before_two_look_alike():
    assert math.lcm(len(picture.COLOURS), len(picture.MARKERS)) == 30
