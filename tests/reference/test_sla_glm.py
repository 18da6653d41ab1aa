"""Profiles against generalised linear models of statsmodels 0.15.0, and tests of trend.

Without a background the log-logistic, log-probit and Weibull curves are binomial GLMs on the log
dose with a logit, probit and complementary log-log link. The limits of statsmodels are those at
which the deviance of a GLM with the dose as offset rises by the quantile of chi-square.
"""

import math

import pytest

from chaos_go.sla import families
from chaos_go.sla.bracket import without_model
from chaos_go.sla.dispersion import Dispersion
from chaos_go.sla.likelihood import counts, saturated
from chaos_go.sla.observations import Level
from chaos_go.sla.profile import profile

Z_95 = 1.959963984540054

# D. J. Finney, "Probit Analysis", 3rd ed., Cambridge 1971: rotenone, mg/l
ROTENONE = [
    Level(dose, n, k)
    for dose, n, k in zip(
        [2.6, 3.8, 5.1, 7.7, 10.2], [50, 48, 46, 49, 50], [6, 16, 24, 42, 44], strict=True
    )
]


@pytest.mark.parametrize(
    ("name", "slope", "deviance", "estimate", "low", "high"),
    [
        ("log-logistic", 3.1035455, 1.4240566, 4.8289179, 4.3501880, 5.3436966),
        ("log-probit", 1.8297681, 1.7389686, 4.8454918, 4.3681166, 5.3513420),
        ("weibull", 1.9326881, 4.3267124, 5.1254175, 4.5499461, 5.6937084),
    ],
)
def test_rotenone_of_finney(name, slope, deviance, estimate, low, high):
    data = counts(ROTENONE)
    found = profile(families.by_name(name), data, 0.5, (math.log(0.5), math.log(50)), 0.0)
    assert math.exp(found.top.log_b) == pytest.approx(estimate, rel=1e-6)
    assert found.top.shape == pytest.approx(slope, rel=1e-3)
    assert 2 * (saturated(data) - found.top.log_likelihood) == pytest.approx(deviance, abs=2e-5)
    for log_b, drop in zip(found.log_b, found.root**2, strict=True):
        assert drop <= Z_95**2 * 1.001 or not math.log(low) < log_b < math.log(high)
    inside = found.log_b[found.root**2 < Z_95**2]
    assert [math.exp(inside[0]), math.exp(inside[-1])] == pytest.approx([low, high], rel=1e-3)


@pytest.mark.parametrize(
    ("doses", "n", "k", "z"),
    # statsmodels' test_ordinal_association has the variance of N - 1, Armitage's has N
    [
        ([0, 1, 2, 4], [50] * 4, [2, 4, 9, 14], 3.6908123 * math.sqrt(200 / 199)),
        ([0, 10, 20, 40], [50] * 4, [2, 4, 9, 14], 3.6908123 * math.sqrt(200 / 199)),
        ([0, 10, 50, 150, 400], [111, 142, 143, 93, 42], [2, 5, 12, 23, 30], 12.5589259),
    ],
)
def test_trend_of_cochran_and_armitage(doses, n, k, z):
    rows = [Level(dose, size, hits) for dose, size, hits in zip(doses, n, k, strict=True)]
    p = without_model(rows, Dispersion(1.0, None, evident=False)).trend_p
    assert p == pytest.approx(math.erfc(z / math.sqrt(2)) / 2, rel=1e-5)
