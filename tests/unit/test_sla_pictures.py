"""What the picture of a back-calculation shows: all that was observed and asked, legibly."""

import itertools
import math
import warnings

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from chaos_go.report import picture, sla_curve
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


def painted(levels, *budgets):
    """Paint a picture as large as the file would be, without any warning."""
    observations = Observations(tuple(levels), windowed=True)
    answer = with_p99(back_calculate(observations, budgets, 0.95), observations)
    figure = Figure(figsize=(8, 5.6), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sla_curve.paint(figure, answer, observations, "rejections")
        figure.canvas.draw()
    return figure


def lines(axes, label):
    return [line for line in axes.get_lines() if line.get_label() == label]


def test_a_budget_above_all_that_was_observed_is_inside_the_picture():
    figure = painted(observed([0] * 5, n=1000), 0.01, 0.03)
    (axes,) = figure.axes
    assert axes.get_ylim()[1] > 0.03
    for text in axes.texts:
        box = text.get_window_extent()
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1


def test_labels_of_close_budgets_are_apart():
    (axes,) = painted(observed(RISING), 0.01, 0.011, 0.012, 0.0125).axes
    boxes = [text.get_window_extent() for text in axes.texts]
    assert [text.get_text().split(",")[0] for text in axes.texts] == [
        "budget +1 %", "budget +1.1 %", "budget +1.2 %", "budget +1.25 %",
    ]  # fmt: skip
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


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
    levels = [
        level
        for load, middle in zip((10, 20, 40, 80, 160), (700, 600, 500, 400, 300), strict=True)
        for level in observed(
            [10] + [10 + round(5000 / (1 + 55 * (middle / dose) ** 5)) for dose in DOSES[1:]],
            load_rps=load,
        )
    ]
    axes, decay = painted(levels, 0.01, 0.02).axes
    looks = {
        (bars.lines[0].get_color(), bars.lines[0].get_marker()): bars.get_label()
        for bars in axes.containers
    }
    assert len(looks) == 5
    assert [text.get_text() for text in axes.texts] == ["budget +1 %", "budget +2 %"]
    told = [text.get_text() for text in decay.get_legend().get_texts()]
    assert sorted(told) == [
        "estimate and interval", "safe for +1 % rejections", "safe for +2 % rejections",
    ]  # fmt: skip


def test_thirty_lines_go_by_before_two_look_alike():
    assert math.lcm(len(picture.COLOURS), len(picture.MARKERS)) == 30
