"""Whether a probability of 80 % is right in 80 % of the cases: bins, Brier and log loss."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from pipeline.thresholds.band import Floats, Indices
from pipeline.thresholds.bounds import interval

BINS = 10

_SMALLEST = float(np.finfo(np.float64).eps)  # a probability of 0 would make log loss infinite


@dataclass(frozen=True)
class Bin:
    """Photographs whose probabilities lie close together; one point of the reliability diagram.

    Attributes:
        low, high: of the bin; the last one holds 1 too.
        photographs, parts: how many there are.
        told: mean probability of a defect.
        found: share that is defective.
        interval: 95 %, exact binomial with the parts as trials: photographs of one part say the
            same thing several times.
    """

    low: float
    high: float
    photographs: int
    parts: int
    told: float
    found: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Reliability:
    """How far probabilities of a defect can be taken at their word.

    Attributes:
        bins: of equal width, those that hold photographs, rising.
        brier: mean squared error.
        log_loss: mean of minus the natural logarithm of the truth's probability, which is kept
            above 2.2e-16.
    """

    bins: list[Bin]
    brier: float
    log_loss: float

    @classmethod
    def of(cls, y: Indices, p: Floats, groups: Indices, bins: int = BINS) -> Self:
        """Of photographs that the model did not learn from.

        Args:
            y: int64 (n,), 1 for the defective class.
            p: float64 (n,) probability of a defect.
            groups: int64 (n,), the same number for photographs of one part.
            bins: how many of equal width from 0 to 1.
        """
        place = np.minimum((p * bins).astype(np.int64), bins - 1)
        found = [
            _bin(number / bins, (number + 1) / bins, y[here], p[here], groups[here])
            for number in range(bins)
            if (here := place == number).any()
        ]
        return cls(found, float(np.mean((p - y) ** 2)), log_loss(y, p))

    def to_json(self) -> dict[str, Any]:
        """As it stands in `model.json`."""
        return {
            "brier": self.brier,
            "log_loss": self.log_loss,
            "bins": [asdict(one) for one in self.bins],
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        bins = [Bin(**one | {"interval": tuple(one["interval"])}) for one in record["bins"]]
        return cls(bins, float(record["brier"]), float(record["log_loss"]))


def log_loss(y: Indices, p: Floats) -> float:
    """Mean of minus the natural logarithm of the truth's probability; less is better."""
    return float(-np.log(np.clip(np.where(y == 1, p, 1 - p), _SMALLEST, 1)).mean())


def _bin(low: float, high: float, y: Indices, p: Floats, groups: Indices) -> Bin:
    parts, share = len(np.unique(groups)), float(y.mean())
    bounds = interval(share * parts, parts)
    return Bin(low, high, len(y), parts, float(p.mean()), share, bounds)
