"""A 95 % interval of an AUC from its standard error over parts, honest with few parts."""

from __future__ import annotations

import math

_LEVEL = 0.95


def interval(auc: float, error: float, parts: tuple[int, int]) -> tuple[float, float]:
    """The interval, inside 0 to 1.

    On the logit scale, with Student's t for as many parts as the smaller side has. An AUC of 0 or
    1 leaves no spread to estimate; then it is Newcombe's score interval (Statistics in Medicine
    25, 2006, method 5) as if every part were one photograph.

    Args:
        auc: 0 to 1; nan gives nan.
        error: its standard error.
        parts: of the two sides.
    """
    from scipy import special, stats

    if math.isnan(auc) or min(parts) < 1:
        return math.nan, math.nan
    if error < 1e-12 or not 1e-9 < auc < 1 - 1e-9:
        return _score_interval(auc, *parts)
    t = float(stats.t.ppf((1 + _LEVEL) / 2, max(min(parts) - 1, 1)))
    reach = t * error / (auc * (1 - auc))
    middle = special.logit(auc)
    return float(special.expit(middle - reach)), float(special.expit(middle + reach))


def _score_interval(auc: float, m: int, n: int) -> tuple[float, float]:
    """All AUCs from which `auc` lies within 1.96 of their own standard errors."""
    from scipy.optimize import brentq

    def excess(true: float) -> float:
        spread = 1 + ((m + n) / 2 - 1) * ((1 - true) / (2 - true) + true / (1 + true))
        return float((auc - true) ** 2 - 1.96**2 * true * (1 - true) * spread / (m * n))

    tiny = 1e-9
    low = brentq(excess, tiny, auc - tiny) if auc > 2 * tiny and excess(tiny) > 0 else 0.0
    high = (
        brentq(excess, auc + tiny, 1 - tiny) if auc < 1 - 2 * tiny and excess(1 - tiny) > 0 else 1.0
    )
    return float(low), float(high)
