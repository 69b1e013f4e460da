"""Pass, reject, or let a person look: two thresholds on the probability of a defect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from features.arrays import Floats, Indices

REVIEW = -1
"""In the place of a class number: a person has to look."""

REVIEW_NAME = "review"
"""Its verdict in tables and files."""

DEFAULT_THRESHOLD = 0.5


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
        """Both, as scores take them; see `pipeline.evaluation.metrics.Limits`."""
        return self.pass_below, self.reject_from

    @property
    def has_review(self) -> bool:
        """Whether there is anything for a person between the two."""
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


def verdict_name(names: tuple[str, ...], number: int) -> str:
    """Give the name of a verdict of `Band.decide`."""
    return REVIEW_NAME if number == REVIEW else names[number]
