"""What a model is worth on one set of photographs: its scores, and its answers one by one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from pipeline.dataset import Indices, Labelled
from pipeline.heads.base import Floats
from pipeline.judgements import Judgements
from pipeline.scores import score
from pipeline.statistics.intervals import LEARNED, Intervals, intervals
from pipeline.thresholds.band import DEFAULT_THRESHOLD, Band


@dataclass
class Assessment:
    """Scores of one set of photographs.

    Attributes:
        count, parts: how many photographs, of how many parts.
        scores: by name; see `pipeline.scores.SCORES`.
        intervals: 95 % by name; none of the photographs learned from.
    """

    count: int
    parts: int
    scores: dict[str, float]
    intervals: Intervals

    @classmethod
    def of(
        cls,
        y: Indices,
        groups: Indices,
        probabilities: Floats,
        *,
        seed: int = 0,
        threshold: float = DEFAULT_THRESHOLD,
        learned: bool = False,
    ) -> Self:
        """Score probabilities (n, n_classes): point values and intervals that respect parts.

        Scores of photographs that the model `learned` from are no estimate of anything.
        """
        return cls(
            len(y),
            len(np.unique(groups)),
            score(y, probabilities, threshold),
            Intervals.none({}, LEARNED)
            if learned
            else intervals(y, probabilities, groups, seed=seed, threshold=threshold),
        )

    def to_json(self) -> dict[str, Any]:
        """As it stands in `model.json`."""
        return {
            "photographs": self.count,
            "parts": self.parts,
            "scores": self.scores,
            **self.intervals.to_json(),
        }


def judge_side(
    data: Labelled, side: Indices, probabilities: Floats, root: Path, band: Band
) -> Judgements:
    """One side of a split with the probabilities (photographs, n_classes) that a model gave it."""
    samples = [data.samples[number] for number in side]
    return Judgements(
        data.classes, root, samples, data.y[side], data.groups[side], probabilities, band
    )
