"""Photographs of known class, and what a model that never saw them makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from features.samples import Sample
from pipeline.classes import Classes
from pipeline.thresholds.band import Band

Indices = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Judgements:
    """What is asked of a model, and what it answers: the input of most sections of a report.

    Attributes:
        classes: names and numbers; of two classes, 1 is the defective one.
        root: the folder that `Sample.path` is relative to.
        samples: the photographs (n).
        y: int64 (n,) their class numbers.
        groups: int64 (n,), the same number for photographs of one part.
        probabilities: float64 (n, n_classes).
        band: of two classes, from a probability of a defect to a verdict.
    """

    classes: Classes
    root: Path
    samples: Sequence[Sample]
    y: Indices
    groups: Indices
    probabilities: Floats
    band: Band

    @property
    def threshold(self) -> float:
        """Of two classes: from this probability of a defect on, a photograph is not passed."""
        return self.band.pass_below

    @cached_property
    def verdicts(self) -> Indices:
        """Class numbers (n,) of the verdicts, or `REVIEW`."""
        return self.band.decide(self.probabilities)

    @cached_property
    def shown(self) -> Floats:
        """The probability (n,) that is told: of a defect, or of more classes, of the verdict."""
        return self.probabilities[:, 1] if self.classes.binary else self.probabilities.max(axis=1)

    @cached_property
    def margin(self) -> Floats:
        """How far (n,) a probability is from another verdict; 0 is the least certain."""
        if self.classes.binary:
            ends = np.array([self.band.pass_below, self.band.reject_from])
            nearest: Floats = np.abs(self.shown[:, None] - ends).min(axis=1)
            return nearest
        two = np.sort(self.probabilities, axis=1)[:, -2:]
        return two[:, 1] - two[:, 0]

    def parts(self, number: int) -> int:
        """How many parts have photographs of a class."""
        return len(np.unique(self.groups[self.y == number]))
