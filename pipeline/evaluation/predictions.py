"""Photographs of known class, and what a model that never saw them makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np

from features.arrays import Floats, Indices
from features.cache.sample_table import TableRow
from pipeline.data.classes import Classes
from pipeline.data.dataset import Labelled
from pipeline.evaluation.band import DEFAULT_THRESHOLD, Band
from pipeline.evaluation.intervals import LEARNED, Intervals, intervals
from pipeline.evaluation.metrics import Limits, score
from pipeline.evaluation.part_rules import PartTable


@dataclass(frozen=True)
class Predictions:
    """Hold what is asked of a model, and what it answers: the input of most report sections.

    Attributes:
        classes: names and numbers; of two classes, 1 is the defective one.
        root: the folder that `TableRow.path` is relative to.
        table_rows: the photographs (n).
        y: int64 (n,) their class numbers.
        groups: int64 (n,), the same number for photographs of one part.
        probabilities: float64 (n, n_classes).
        band: of two classes, from a probability of a defect to a verdict.
        unit: what a line is about: of a part, the photograph stands for all of its.
    """

    classes: Classes
    root: Path
    table_rows: Sequence[TableRow]
    y: Indices
    groups: Indices
    probabilities: Floats
    band: Band
    unit: Literal["photograph", "part"] = "photograph"

    @property
    def threshold(self) -> float:
        """Give, of two classes, the probability of a defect from which on nothing is passed."""
        return self.band.pass_below

    @cached_property
    def verdicts(self) -> Indices:
        """Give the class numbers (n,) of the verdicts, or `REVIEW`."""
        return self.band.decide(self.probabilities)

    @cached_property
    def shown(self) -> Floats:
        """Give the probability (n,) that is told: of a defect, of more classes of the verdict."""
        return self.probabilities[:, 1] if self.classes.binary else self.probabilities.max(axis=1)

    @cached_property
    def margin(self) -> Floats:
        """Say how far (n,) each is from another verdict: see `Band.margins`."""
        return self.band.margins(self.probabilities)

    def parts(self, number: int) -> int:
        """Count the parts that have photographs of a class."""
        return len(np.unique(self.groups[self.y == number]))


def predicted_parts(photographs: Predictions, parts: PartTable) -> Predictions:
    """Give the same with a line for each part.

    Args:
        photographs: each as if it were all there is of its part.
        parts: the same photographs as parts, their probabilities as they are decided on.

    Returns:
        Of each part the photograph that says most nearly what all of them say.
    """
    off = np.abs(photographs.probabilities - parts.P[parts.of_row]).sum(axis=1)
    order = np.lexsort((off, parts.of_row))
    first = order[np.unique(parts.of_row[order], return_index=True)[1]]
    return replace(
        photographs, table_rows=[photographs.table_rows[number] for number in first], y=parts.y,
        groups=parts.groups, probabilities=parts.P, unit="part",
    )  # fmt: skip


@dataclass
class Assessment:
    """Scores of one set of photographs.

    Attributes:
        count, parts: how many photographs, of how many parts.
        scores: by name; see `pipeline.evaluation.metrics.SCORES`.
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
        threshold: Limits = DEFAULT_THRESHOLD,
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

    @classmethod
    def of_predictions(cls, predicted: Predictions, *, seed: int = 0) -> Self:
        """Assess photographs or parts with their probabilities, at their band."""
        return cls.of(
            predicted.y,
            predicted.groups,
            predicted.probabilities,
            seed=seed,
            threshold=predicted.band.limits,
        )

    def to_json(self) -> dict[str, Any]:
        """Give the assessment as it stands in `model.json`."""
        return {
            "photographs": self.count,
            "parts": self.parts,
            "scores": self.scores,
            **self.intervals.to_json(),
        }


def predictions_of_side(
    data: Labelled, side: Indices, probabilities: Floats, root: Path, band: Band
) -> Predictions:
    """Join one side of a split with the probabilities (photographs, n_classes) of a model."""
    table_rows = [data.table_rows[number] for number in side]
    return Predictions(
        data.classes, root, table_rows, data.y[side], data.groups[side], probabilities, band
    )


BY_PART = ", by part"
"""How the name of scores by part ends."""


def assessed_sides(
    what: str, photographs: Assessment, parts: Assessment | None
) -> dict[str, Assessment]:
    """Name the scores by part, which is what is decided, and those by photograph.

    Args:
        what: such as "holdout".
        photographs: these alone are named where a part has one photograph.
        parts: None there.
    """
    if parts is None:
        return {what: photographs}
    return {f"{what}{BY_PART}": parts, "by photograph": photographs}


class ClassScores(NamedTuple):
    """One class against the rest; nan where it is not defined.

    Attributes:
        name: of the class.
        photographs: how many there are of it.
        recall: share of them with the right verdict.
        precision: share of right ones among the verdicts for it.
        f1: harmonic mean of the two.
    """

    name: str
    photographs: int
    recall: float
    precision: float
    f1: float


def class_scores(confusion: Indices, names: Sequence[str]) -> list[ClassScores]:
    """Compute recall, precision and F1 of each class of a confusion matrix (classes, verdicts)."""
    right = np.diag(confusion).astype(np.float64)
    truths, verdicts = confusion.sum(axis=1), confusion.sum(axis=0)[: len(names)]
    with np.errstate(invalid="ignore"):
        columns = right / truths, right / verdicts, 2 * right / (truths + verdicts)
    return [
        ClassScores(name, int(truths[i]), *(float(column[i]) for column in columns))
        for i, name in enumerate(names)
    ]
