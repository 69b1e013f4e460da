"""Pass, reject, or let a person look: two thresholds on the probability of a defect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from features.arrays import Floats, Indices

REVIEW = -1
"""In the place of a class number: a person has to look."""

REVIEW_NAME = "review"
"""Its verdict in tables and files."""

DEFAULT_THRESHOLD = 0.5

_DIGITS = 4  # most decimals of per cent; what is smaller is written as 2e-05
_ROUNDED = 0.05  # share of a limit that rounding may hide
_ODDS = 6e-8  # probabilities are kept so far from 0 and 1: float32 has no finer step next to 1


def log_odds(p: Floats) -> Floats:
    """Compute the logarithm of p / (1 - p), finite also for 0 and 1."""
    kept = np.clip(p, _ODDS, 1 - _ODDS)
    return np.asarray(np.log(kept) - np.log1p(-kept))


@dataclass(frozen=True)
class Band:
    """From a probability of a defect to a verdict; without a review band both are equal.

    Attributes:
        pass_below: photographs below it are passed.
        reject_from: photographs from it on are rejected; those between are for a person. It may
            lie just above 1: nothing is rejected then.
    """

    pass_below: float
    reject_from: float

    @classmethod
    def at(cls, threshold: float) -> Self:
        """Give a single threshold: passed below, rejected from it on."""
        return cls(threshold, threshold)

    @property
    def limits(self) -> tuple[float, float]:
        """Give both, as scores take them; see `pipeline.evaluation.metrics.Limits`."""
        return self.pass_below, self.reject_from

    @property
    def has_review(self) -> bool:
        """Say whether there is anything for a person between the two."""
        return self.reject_from > self.pass_below

    def decide(self, probabilities: Floats) -> Indices:
        """Decide verdicts for probabilities (n, n_classes).

        Returns:
            int64 (n,): of two classes 0 (passed), 1 (rejected) or `REVIEW`; of more, where there
            is no threshold, the number of the most probable class.
        """
        if probabilities.shape[1] != 2:
            return np.asarray(probabilities.argmax(axis=1), dtype=np.int64)
        p = probabilities[:, 1]
        verdicts = np.where(p >= self.reject_from, 1, REVIEW)
        return np.asarray(np.where(p < self.pass_below, 0, verdicts), dtype=np.int64)

    def margins(self, probabilities: Floats) -> Floats:
        """Say how far (n,) probabilities (n, n_classes) are from another verdict, 0 the least sure.

        Of two classes in log-odds: at a limit of 31 % all good parts are nearer to it in
        probability than a reject of 63 %, which is more doubtful than one that passes with 10 %.
        """
        if probabilities.shape[1] != 2:
            two = np.sort(probabilities, axis=1)[:, -2:]
            return np.asarray(two[:, 1] - two[:, 0])
        apart = np.abs(log_odds(probabilities[:, 1:]) - log_odds(np.array(self.limits)))
        return np.asarray(apart.min(axis=1))


def verdict_name(names: tuple[str, ...], number: int) -> str:
    """Give the name of a verdict of `Band.decide`."""
    return REVIEW_NAME if number == REVIEW else names[number]


def beside(p: float, band: Band) -> str:
    """Give a probability beside the limit that decided, such as "49 % ≥ 2 %" or "1.98 % < 2.01 %".

    With as few decimals as show the limit, and on which side of it the probability lies: rounding
    never hides the difference.
    """
    limits = [min(limit, 1.0) for limit in (band.pass_below, band.reject_from)]
    digits = next((d for d in range(_DIGITS) if _told_apart(p, limits, d)), None)
    shown, low, high = (_in_percent(value, digits) for value in (p, *limits))
    if p < band.pass_below:
        return f"{shown} % < {low} %"
    if p >= band.reject_from:
        return f"{shown} % ≥ {high} %"
    return f"{shown} % in {low}–{high} %"


def _in_percent(share: float, digits: int | None) -> str:
    """Write with so many decimals; None: with two digits that count."""
    value = 100 * share
    if digits is None:
        return f"{value:.2g}" if value < 10 else f"{value:.0f}"
    return f"{value:.{digits}f}"


def _told_apart(p: float, limits: Sequence[float], digits: int) -> bool:
    """Say whether so many decimals of per cent are true to the limits, and to the order."""
    here, *shown = (round(100 * value, digits) for value in (p, *limits))
    return all(
        abs(s - 100 * limit) <= _ROUNDED * 100 * min(limit, 1 - limit)
        and (here < s, here > s) == (p < limit, p > limit)
        for s, limit in zip(shown, limits, strict=True)
    )
