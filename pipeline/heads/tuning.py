"""Choosing settings inside a training part, on folds that keep the photographs of a part together.

Protocol: the training part is split into three inner folds (two where a class has only two
groups). Every candidate is trained on each inner training side and scores its inner test side by
ROC AUC (macro one-against-rest for more than two classes). The candidate with the best mean over
the inner folds wins; candidates are ordered from the most regularised on, and of equals the first
wins. Where no inner split can be made, the defaults are used.

The AUC is taken fold by fold and averaged, not on pooled scores, because uncalibrated scores of
different folds have different offsets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from features.arrays import Floats, Indices
from features.errors import SplitError
from pipeline.data.splits import Fold, folds
from pipeline.evaluation.metrics import weighted_score
from pipeline.heads.sides import AnyPlaced, Side, Space

INNER_FOLDS = 3
_TIE = 1e-9  # differences of AUC below this are rounding


@dataclass(frozen=True)
class InnerFold:
    """One inner fold: training rows in their own space, and the rows that they judge.

    Attributes:
        space: fitted on the inner training side alone.
        y: its classes.
        test: the inner test side in that space.
        test_rows: its row numbers in the training part.
    """

    space: Space
    y: Indices
    test: AnyPlaced
    test_rows: Indices


class TrainingPart:
    """The rows that a head may learn from, in their space; heads of one fold share it.

    Attributes:
        rows: int64 (n,), their numbers among all rows of the problem.
        y: int64 (n,).
        n_classes: of the problem.
        input_width: values in a raw row.
    """

    def __init__(
        self,
        side: Side,
        rows: Indices,
        y: Indices,
        groups: Indices,
        *,
        n_classes: int,
        seed: int,
    ) -> None:
        """Take some rows of a problem, with their classes and parts; all else when first needed."""
        self._side = side
        self._groups = groups
        self._seed = seed
        self.rows = rows
        self.y = y
        self.n_classes = n_classes
        self.input_width = side.input_width

    @cached_property
    def _rounds(self) -> list[Fold]:
        return inner_folds(self.y, self._groups, self._seed)

    @cached_property
    def _spaces(self) -> tuple[Callable[[], Space], Callable[[], Sequence[Space]]]:
        return self._side.spaces(self.rows, self._rounds)

    @cached_property
    def space(self) -> Space:
        """Give the space of all these rows."""
        return self._spaces[0]()

    @cached_property
    def inner(self) -> list[InnerFold]:
        """Give the inner folds for choosing and calibrating; empty where none can be made."""
        return [
            InnerFold(
                space,
                self.y[fold.train],
                self._placed(space, self.rows[fold.train], self.rows[fold.test]),
                fold.test,
            )
            for space, fold in zip(self._spaces[1](), self._rounds, strict=True)
        ]

    def place(self, rows: Indices) -> AnyPlaced:
        """Place other rows of the problem, by their numbers, in the space of these."""
        return self._placed(self.space, self.rows, rows)

    def _placed(self, space: Space, of: Indices, rows: Indices) -> AnyPlaced:
        return self._side.place(space, of, rows)  # type: ignore[arg-type]


def inner_folds(y: Indices, groups: Indices, seed: int) -> list[Fold]:
    """Make three grouped folds, or two, or none at all where a class has too few groups."""
    _, compact = np.unique(y, return_inverse=True)
    for n_folds in range(INNER_FOLDS, 1, -1):
        try:
            return folds(compact, groups, n_folds=n_folds, repeats=1, seed=seed)
        except SplitError:
            continue
    return []


def auc(y: Indices, scores: Floats) -> float:
    """Compute ROC AUC of scores (n,) of class 1, or macro one-against-rest of (n, n_classes)."""
    P = np.column_stack([-scores, scores]) if scores.ndim == 1 else scores
    return float(weighted_score("roc_auc", y, P, np.ones((1, len(y))))[0])


def best_candidate(aucs: Sequence[Iterable[float]]) -> int:
    """Give the number of the winner.

    Args:
        aucs: per inner fold the AUC of every candidate, the most regularised first.
    """
    table = np.array([list(row) for row in aucs], dtype=np.float64)
    defined = np.isfinite(table)
    mean = np.where(defined, table, 0).sum(axis=0) / np.maximum(defined.sum(axis=0), 1)
    return int(np.argmax(mean >= mean.max() - _TIE))
