"""The families of curves that are fitted, each parametrised by the answer.

A family gives the extra risk F(x) at dose x, with F(0) = 0 and F not falling in x. Its parameters:

    b: the dose at which F equals the budget r, which is the answer itself
    shape: one more number, which says how suddenly the risk rises

So the likelihood of an answer is read off directly, and no limit has to be converted from other
parameters. Doses and b are given as logarithms; that of dose 0 is -inf.

Sources:
    US EPA, "Benchmark Dose Technical Guidance", EPA/100/R-12/001 (2012): log-logistic, Weibull and
    log-probit for dichotomous data, shapes of the first two restricted to >= 1.
    M. J. Moerbeek, A. H. Piersma, W. Slob, Risk Analysis 24 (2004) 31-40: parametrised by the dose.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_ndtr, ndtr, ndtri

Array = NDArray[np.float64]

STEEPEST = 2000.0  # such a curve is a step: at 1 % more dose the odds are 4e8 times as high


class Extra(NamedTuple):
    """Extra risk F, and ln(1 - F), which has full precision where F is small or near 1."""

    risk: Array
    log_free: Array


Curve = Callable[[Array, Array, Array, float], Extra]


@dataclass(frozen=True)
class Family:
    """One family of curves.

    Attributes:
        name: Name of the family in the answer.
        curve: Function from (log dose, log b, shape, budget) to the extra risk; the arrays
            broadcast.
        shapes: Ascending grid over the allowed shapes, from the least to the greatest.
        plateau: Greatest extra risk of the curves; 1 for families without a plateau.
        parameters: Number of estimated parameters, including the background.
        bound: Number of these parameters that are at their bound in every curve of this row.
    """

    name: str
    curve: Curve
    shapes: Array
    plateau: float = 1.0
    parameters: int = 3
    bound: int = 0


def _logit(p: float) -> float:
    return float(np.log(p) - np.log1p(-p))


def _steps(log_x: Array, log_b: Array, shape: Array) -> Array:
    """Return shape * ln(x / b), and -inf at dose 0."""
    return shape * (log_x - log_b)


def _from_hazard(hazard: Array) -> Extra:
    return Extra(-np.expm1(-hazard), -hazard)


def log_logistic(log_x: Array, log_b: Array, shape: Array, budget: float) -> Extra:
    """F = expit(shape ln(x/b) + logit r)."""
    t = _steps(log_x, log_b, shape) + _logit(budget)
    return Extra(expit(t), -np.logaddexp(0.0, t))


def weibull(log_x: Array, log_b: Array, shape: Array, budget: float) -> Extra:
    """F = 1 - (1 - r) ** ((x/b) ** shape)."""
    t = np.minimum(_steps(log_x, log_b, shape), 500.0)
    return _from_hazard(-np.log1p(-budget) * np.exp(t))


def log_probit(log_x: Array, log_b: Array, shape: Array, budget: float) -> Extra:
    """F = Phi(shape ln(x/b) + Phi^-1(r))."""
    t = _steps(log_x, log_b, shape) + ndtri(budget)
    return Extra(ndtr(t), log_ndtr(-t))


def hinge(log_x: Array, log_b: Array, shape: Array, budget: float) -> Extra:
    """F = 1 - (1 - r) ** ((x - knee)+ / (b - knee)), knee = shape * b with 0 <= shape < 1."""
    beyond = np.maximum(np.exp(np.minimum(log_x - log_b, 500.0)) - shape, 0.0)
    return _from_hazard(-np.log1p(-budget) * beyond / (1.0 - shape))


def hill(plateau: float) -> Curve:
    """Return the curve F = v expit(shape ln(x/b) + logit(r/v)) that saturates at the plateau v."""

    def curve(log_x: Array, log_b: Array, shape: Array, budget: float) -> Extra:
        t = _steps(log_x, log_b, shape) + _logit(budget / plateau)
        risk = plateau * expit(t)
        return Extra(risk, np.log1p(-risk))

    return curve


def step(log_x: Array, log_b: Array, plateau: Array, budget: float) -> Extra:
    """F = max(plateau, r) from b on, 0 below: the limit of Hill's curve for an infinite shape.

    The plateau takes the place of the shape and is searched in the same way, so a step of any
    height fits.
    """
    risk = np.where(log_x >= log_b, np.maximum(plateau, budget), 0.0)
    with np.errstate(divide="ignore"):
        return Extra(risk, np.log1p(-risk))


_STEPS = np.geomspace(144.0, STEEPEST, 4)
_STEEP = np.append(np.geomspace(1.0, 60.0, 22), _STEPS)
_PLATEAUS = (0.04, 0.08, 0.16, 0.32)
_HEIGHTS = np.append(expit(np.linspace(-11.5, 11.5, 24)), 1.0)  # as dense near 1 as near 0

FAMILIES: tuple[Family, ...] = (
    Family("log-logistic", log_logistic, _STEEP),
    Family("weibull", weibull, _STEEP),
    Family("log-probit", log_probit, np.append(np.geomspace(0.1, 60.0, 28), _STEPS)),
    Family("hinge", hinge, 1.0 - np.geomspace(1.0, 1e-5, 34)),
    *(
        Family("hill", hill(plateau), _STEEP, plateau=plateau, parameters=4)
        for plateau in _PLATEAUS
    ),
    Family("hill", step, _HEIGHTS, parameters=4, bound=1),
)
"""The registry: every family that is fitted. Rows with one name are one family in the answer."""


def able(budget: float) -> tuple[Family, ...]:
    """Return the families that can reach a budget: a plateau must be above 1.2 times the budget."""
    return tuple(one for one in FAMILIES if one.plateau == 1.0 or one.plateau > 1.2 * budget)


def by_name(name: str) -> Family:
    """Return the first family with a name."""
    return next(family for family in FAMILIES if family.name == name)
