"""What every threshold would miss and reject, and the threshold at which that costs least."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from features.arrays import Floats, Indices
from pipeline.evaluation.band import Band

POINTS = 200  # of a curve that is kept in a model

TIE = 1e-12  # costs that differ by less are equal but for rounding


class Weights(NamedTuple):
    """What a share of 1 costs: all defective photographs missed, all good ones rejected.

    Balanced accuracy is 1 less the cost with weights of one half.
    """

    missed: float
    rejected: float

    @classmethod
    def of(cls, cost_missed: float, cost_false: float, defect_rate: float) -> Self:
        """The expected cost of one photograph, of which `defect_rate` are defective."""
        return cls(cost_missed * defect_rate, cost_false * (1 - defect_rate))


BALANCED = Weights(0.5, 0.5)


@dataclass(frozen=True)
class Curve:
    """Every threshold that makes a difference on a set of photographs.

    Attributes:
        thresholds: float64 (m,), rising from 0, where everything is rejected, to one above every
            probability (1, or just above it), where everything is passed.
        missed: float64 (m,), share of defective photographs below each threshold.
        rejected: float64 (m,), share of good photographs at it or above.
    """

    thresholds: Floats
    missed: Floats
    rejected: Floats

    @classmethod
    def of(cls, y: Indices, p: Floats) -> Self:
        """From photographs of both classes.

        Args:
            y: int64 (n,), 1 for the defective class.
            p: float64 (n,) probability of a defect.
        """
        thresholds = cuts(p)
        defective, good = np.sort(p[y == 1]), np.sort(p[y == 0])
        missed = np.searchsorted(defective, thresholds) / max(len(defective), 1)
        return cls(thresholds, missed, 1 - np.searchsorted(good, thresholds) / max(len(good), 1))

    def costs(self, weights: Weights) -> Floats:
        """Of each threshold, float64 (m,)."""
        return weights.missed * self.missed + weights.rejected * self.rejected

    def cheapest(self, weights: Weights) -> float:
        """The threshold that costs least; of equals the lowest, which misses fewest."""
        costs = self.costs(weights)
        return float(self.thresholds[np.argmax(costs <= costs.min() + TIE)])

    def thinned(self, points: int = POINTS) -> Self:
        """At most so many points, evenly by number; the first and the last stay."""
        if len(self.thresholds) <= points:
            return self
        chosen = np.unique(np.linspace(0, len(self.thresholds) - 1, points).round().astype(int))
        return type(self)(self.thresholds[chosen], self.missed[chosen], self.rejected[chosen])

    def to_json(self) -> dict[str, Any]:
        """Three lists of equal length."""
        return {
            "thresholds": self.thresholds.tolist(),
            "missed": self.missed.tolist(),
            "rejected": self.rejected.tolist(),
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(*(np.array(record[n], float) for n in ("thresholds", "missed", "rejected")))


def cuts(p: Floats) -> Floats:
    """Thresholds between all different probabilities: 0, the middles, and one above them all."""
    values = np.unique(p)
    middle = values[:-1] + (values[1:] - values[:-1]) / 2
    middle = np.where(middle > values[:-1], middle, values[1:])  # of neighbours there is none
    last = 1.0 if not len(values) or values[-1] < 1 else np.nextafter(1.0, 2.0)
    return np.concatenate([[0.0], middle, [last]])


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
