"""Over-dispersion: the factor phi by which counts vary more than those of independent transactions.

If transactions are independent, the windows of one level differ by chance alone. Phi is Pearson's
X2 of the windows about their level, divided by its degrees of freedom. Every deviance is divided
by phi, and Student's t replaces the normal distribution.

Source: P. McCullagh, J. A. Nelder, "Generalized Linear Models", 2nd ed., Chapman & Hall 1989,
section 4.5.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import chdtrc, fdtrc, ndtr, stdtr

from chaos_go.sla.families import Array
from chaos_go.sla.observations import Level

FEW_WINDOWS = 5
"""With two to this many windows at a level, phi is not reliable."""

DEFAULT_PHI = 2.0
"""The least phi in that case."""

_SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Dispersion:
    """The over-dispersion of the windows.

    Attributes:
        phi: The factor, at least 1.
        df: Degrees of freedom of its estimate; None when phi is assumed to be 1.
        evident: Whether the windows vary significantly more than independent transactions, at 5 %.
    """

    phi: float
    df: int | None
    evident: bool

    def cdf(self, root: Array) -> Array:
        """Return the distribution function of a signed root that was divided by sqrt(phi)."""
        result: Array = ndtr(root) if self.df is None else stdtr(self.df, root)
        return result

    def beyond(self, x2: float, df: int) -> float:
        """Return the p value of a chi-square statistic that was divided by phi."""
        if df < 1:
            return 1.0
        return float(chdtrc(df, x2) if self.df is None else fdtrc(df, self.df, x2 / df))


def dispersion(levels: Sequence[Level], windowed: bool) -> Dispersion:
    """Estimate phi from the spread of the windows about their level.

    Levels without impact, and levels where every transaction had impact, are left out. Without
    windows phi is 1: every transaction is treated as independent.

    Args:
        levels: Levels of all loads.
        windowed: Whether the observations say which window each row is.
    """
    telling = [level for level in levels if level.windows > 1 and 0 < level.k < level.n]
    if not windowed or not telling:
        return Dispersion(1.0, None, evident=False)
    x2 = sum(_pearson(level) for level in telling)
    df = sum(level.windows - 1 for level in telling)
    few = any(level.windows <= FEW_WINDOWS for level in telling)
    phi = max(DEFAULT_PHI if few else 1.0, x2 / df)
    return Dispersion(phi, df, evident=bool(chdtrc(df, x2) < _SIGNIFICANT))


def _pearson(level: Level) -> float:
    """Return the sum of (k_i - n_i p)^2 / (n_i p (1 - p)) over the windows, p = k / n."""
    p = level.k / level.n
    return max(level.squares - level.k * p, 0.0) / (p * (1 - p))
