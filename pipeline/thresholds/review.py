"""Two thresholds instead of one: what lies between them goes to a person, and how much that is."""

from __future__ import annotations

import numpy as np

from pipeline.thresholds.band import Band, Floats, Indices
from pipeline.thresholds.costs import TIE, Curve, Weights, cuts


def cheapest_band(curve: Curve, weights: Weights, review: float, defect_rate: float) -> Band:
    """The band that leaves the least cost to what is decided without a person.

    Chow's rule ("On optimum recognition error and reject tradeoff", 1970), on counts instead of
    on probabilities: of all bands through which at most `review` of the photographs go, the one
    with the cheapest mistakes outside; of equals the one that sends fewest to a person.

    Args:
        curve: of photographs that the model did not learn from.
        weights: of the mistakes.
        review: largest share of the photographs that go to a person.
        defect_rate: share of defective photographs to expect.
    """
    below = defect_rate * curve.missed + (1 - defect_rate) * (1 - curve.rejected)
    high = np.searchsorted(below, below + review + TIE, side="right") - 1
    # As few good ones are often rejected from a lower threshold on.
    high = np.searchsorted(-curve.rejected, -(curve.rejected[high] + TIE), side="left")
    high = np.maximum(high, np.arange(len(high)))
    costs = weights.missed * curve.missed + weights.rejected * curve.rejected[high]
    equal = np.flatnonzero(costs <= costs.min() + TIE)
    low = equal[np.argmin(np.round((below[high] - below)[equal], 12))]
    return Band(float(curve.thresholds[low]), float(curve.thresholds[high[low]]))


def band_above(y: Indices, p: Floats, pass_below: float, review: float, rate: float) -> Band:
    """The band from `pass_below` up to where `review` of the photographs are in it.

    Args:
        y: int64 (n,), 1 for the defective class.
        p: float64 (n,) probability of a defect.
        pass_below: the lower threshold.
        review: largest share of the photographs that go to a person.
        rate: share of defective photographs to expect.
    """
    ends = cuts(p)[cuts(p) > pass_below]
    shares = _share_below(y, p, ends, rate) - _share_below(y, p, np.array([pass_below]), rate)
    fitting = ends[shares <= review + TIE]
    return Band(pass_below, float(fitting[-1]) if len(fitting) else pass_below)


def band_below(y: Indices, p: Floats, reject_from: float, review: float, rate: float) -> Band:
    """The band from `reject_from` down to where `review` of the photographs are in it.

    Arguments as those of `band_above`.
    """
    ends = cuts(p)[cuts(p) < reject_from]
    shares = _share_below(y, p, np.array([reject_from]), rate) - _share_below(y, p, ends, rate)
    fitting = ends[shares <= review + TIE]
    return Band(float(fitting[0]) if len(fitting) else reject_from, reject_from)


def _share_below(y: Indices, p: Floats, thresholds: Floats, rate: float) -> Floats:
    """The share of the photographs to expect below each threshold."""
    defective, good = np.sort(p[y == 1]), np.sort(p[y == 0])
    below = [np.searchsorted(side, thresholds) / max(len(side), 1) for side in (defective, good)]
    return np.asarray(rate * below[0] + (1 - rate) * below[1])
