"""Say what every threshold would miss and reject, and the threshold at which that costs least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from features.arrays import Floats, Indices
from pipeline.evaluation.band import Band, log_odds

POINTS = 200  # of a curve that is kept in a model

TIE = 1e-12  # costs that differ by less are equal but for rounding


class Weights(NamedTuple):
    """Hold what a share of 1 costs: all defective photographs missed, all good ones rejected.

    Balanced accuracy is 1 less the cost with weights of one half.
    """

    missed: float
    rejected: float

    @classmethod
    def of(cls, cost_missed: float, cost_false: float, defect_rate: float) -> Self:
        """Give the expected cost of one photograph, of which `defect_rate` are defective."""
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
        """Make the curve of photographs of both classes.

        Args:
            y: int64 (n,), 1 for the defective class.
            p: float64 (n,) probability of a defect.
        """
        return cls.at(cuts(p), y, p)

    @classmethod
    def at(cls, thresholds: Floats, y: Indices, p: Floats) -> Self:
        """Give the same counts at given thresholds, which rise."""
        defective, good = np.sort(p[y == 1]), np.sort(p[y == 0])
        missed = np.searchsorted(defective, thresholds) / max(len(defective), 1)
        return cls(thresholds, missed, 1 - np.searchsorted(good, thresholds) / max(len(good), 1))

    def costs(self, weights: Weights) -> Floats:
        """Compute the cost of each threshold, float64 (m,)."""
        return weights.missed * self.missed + weights.rejected * self.rejected

    def cheapest(self, weights: Weights) -> float:
        """Give the threshold that costs least; of equals the lowest, which misses fewest."""
        costs = self.costs(weights)
        return float(self.thresholds[np.argmax(costs <= costs.min() + TIE)])

    @classmethod
    def smoothed(cls, y: Indices, p: Floats) -> Self:
        """Expect of other parts what these show, each counting around where it lies.

        The lowest point of `of` is often an isolated dip that the next parts do not have. Here
        each class is smoothed on log-odds by a Gaussian of Silverman's width (*Density estimation
        for statistics and data analysis*, 1986). `benchmarks/thresholds.py` measures what that is
        worth.

        Args:
            y: int64 (n,), 1 for the defective class; both classes.
            p: float64 (n,) probability of a defect.
        """
        from scipy.special import expit, ndtr

        odds = log_odds(p)
        sides = [odds[y == label] for label in (1, 0)]
        widths, sides = _widths(sides), [_thin(side) for side in sides]
        reach = _REACH * max(widths)
        grid = np.linspace(odds.min() - reach, odds.max() + reach, _GRID)
        missed, passed = (
            ndtr((grid[:, None] - side) / width).mean(axis=1)
            for side, width in zip(sides, widths, strict=True)
        )
        last = 1.0 if p.max() < 1 else np.nextafter(1.0, 2.0)
        return cls(
            np.concatenate([[0.0], expit(grid), [last]]),
            np.concatenate([[0.0], missed, [1.0]]),
            np.concatenate([[1.0], 1 - passed, [0.0]]),
        )

    def middle(self, weights: Weights) -> float:
        """Give the threshold in the middle, on log-odds, of those that cost least."""
        costs = self.costs(weights)
        best = int(costs.argmin())
        dearer = np.flatnonzero(costs > costs[best] + TIE)
        low = dearer[dearer < best].max(initial=-1) + 1
        high = dearer[dearer > best].min(initial=len(costs)) - 1
        if low == 0 or high == len(costs) - 1:  # reject all, or pass all: there is no middle
            return float(self.thresholds[best])
        return between(float(self.thresholds[low]), float(self.thresholds[high]))

    def thinned(self, points: int = POINTS) -> Self:
        """Keep at most so many points, evenly by number; the first and the last stay."""
        if len(self.thresholds) <= points:
            return self
        chosen = np.unique(np.linspace(0, len(self.thresholds) - 1, points).round().astype(int))
        return type(self)(self.thresholds[chosen], self.missed[chosen], self.rejected[chosen])

    def to_json(self) -> dict[str, Any]:
        """Give three lists of equal length."""
        return {
            "thresholds": self.thresholds.tolist(),
            "missed": self.missed.tolist(),
            "rejected": self.rejected.tolist(),
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(*(np.array(record[n], float) for n in ("thresholds", "missed", "rejected")))


_GRID = 512  # thresholds of a smoothed curve
_REACH = 3.0  # how far it reaches beyond the parts, in widths of the Gaussian
_LENT = 30  # parts of a class from which on its own spread counts for more than that of both
_LEAST = 1e-3  # width and spread, in log-odds
_MOST = 2000  # parts of a class that are smoothed one by one; of more so many quantiles


def between(low: float, high: float) -> float:
    """Give the middle of two probabilities on log-odds; of equal ones themselves."""
    if low == high:
        return low
    middle = float(log_odds(np.array([low, high])).mean())
    found = 1 / (1 + np.exp(-middle))
    return float(found) if low < found < high else (low + high) / 2


def _widths(sides: Sequence[Floats]) -> list[float]:
    """Choose Silverman's width of each class: 0.9 n^(-1/5) times its spread.

    Of few parts the spread is mostly that of both classes together: of five alone it would be half
    or twice what it is, and the threshold would lie at one end of a plateau.
    """
    own = np.array([side.std(ddof=min(1, len(side) - 1)) for side in sides])
    free = np.array([len(side) - 1 for side in sides])
    both = float(np.sqrt((free * own**2).sum() / max(free.sum(), 1)))
    shares = _LENT / (_LENT + np.array([len(side) for side in sides]))
    spreads = np.maximum(both, _LEAST) ** shares * np.maximum(own, _LEAST) ** (1 - shares)
    widths = [0.9 * w * len(side) ** -0.2 for w, side in zip(spreads, sides, strict=True)]
    return [max(float(width), _LEAST) for width in widths]


def _thin(values: Floats) -> Floats:
    if len(values) <= _MOST:
        return values
    return np.asarray(np.quantile(values, (np.arange(_MOST) + 0.5) / _MOST))


def cuts(p: Floats) -> Floats:
    """List thresholds between all different probabilities: 0, the middles, and one above all."""
    values = np.unique(p)
    middle = values[:-1] + (values[1:] - values[:-1]) / 2
    middle = np.where(middle > values[:-1], middle, values[1:])  # of neighbours there is none
    last = 1.0 if not len(values) or values[-1] < 1 else np.nextafter(1.0, 2.0)
    return np.concatenate([[0.0], middle, [last]])


def cheapest_band(
    curve: Curve,
    weights: Weights,
    review: float,
    defect_rate: float,
    counted: Curve | None = None,
) -> Band:
    """Give the band that leaves the least cost to what is decided without a person.

    Chow's rule ("On optimum recognition error and reject tradeoff", 1970), on counts instead of
    on probabilities: of all bands through which at most `review` of the parts go, the one
    with the cheapest mistakes outside; of equals the one that sends fewest to a person.

    Args:
        curve: of parts that the model did not learn from; its costs decide.
        weights: of the mistakes.
        review: largest share of the parts that go to a person.
        defect_rate: share of defective parts to expect.
        counted: where `curve` is smoothed, the counts at its thresholds; their shares go to a
            person, and costs are equal that differ by a thousandth of the highest.
    """
    tie = TIE if counted is None else 1e-3 * sum(weights)
    shares = curve if counted is None else counted
    below = defect_rate * shares.missed + (1 - defect_rate) * (1 - shares.rejected)
    high = np.searchsorted(below, below + review + TIE, side="right") - 1
    # As few good ones are often rejected from a lower threshold on.
    high = np.searchsorted(-curve.rejected, -(curve.rejected[high] + tie), side="left")
    high = np.maximum(high, np.arange(len(high)))
    costs = weights.missed * curve.missed + weights.rejected * curve.rejected[high]
    equal = np.flatnonzero(costs <= costs.min() + tie)
    low = equal[np.argmin(np.round((below[high] - below)[equal], 12))]
    return Band(float(curve.thresholds[low]), float(curve.thresholds[high[low]]))


def band_above(y: Indices, p: Floats, pass_below: float, review: float, rate: float) -> Band:
    """Give the band from `pass_below` up to where `review` of the photographs are in it.

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
    """Give the band from `reject_from` down to where `review` of the photographs are in it.

    Arguments as those of `band_above`.
    """
    ends = cuts(p)[cuts(p) < reject_from]
    shares = _share_below(y, p, np.array([reject_from]), rate) - _share_below(y, p, ends, rate)
    fitting = ends[shares <= review + TIE]
    return Band(float(fitting[0]) if len(fitting) else reject_from, reject_from)


def _share_below(y: Indices, p: Floats, thresholds: Floats, rate: float) -> Floats:
    """Give the share of the photographs to expect below each threshold."""
    defective, good = np.sort(p[y == 1]), np.sort(p[y == 0])
    below = [np.searchsorted(side, thresholds) / max(len(side), 1) for side in (defective, good)]
    return np.asarray(rate * below[0] + (1 - rate) * below[1])
