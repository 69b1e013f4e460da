"""Probabilities of training photographs from models that learned from other parts of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from features.errors import SplitError
from pipeline.heads.base import (
    AnyRows,
    EpochProgress,
    Floats,
    Indices,
    Scalar,
    predict_by_blocks,
)
from pipeline.heads.shared import RowSpaceHead
from pipeline.heads.tuning import TrainingPart
from pipeline.rowspace import gram
from pipeline.spaces.entry import Entry
from pipeline.splits import Fold, folds
from pipeline.stored_rows import subset


def grouped_folds(
    y: Indices, groups: Indices, *, wanted: int, seed: int, class_names: Sequence[str]
) -> list[Fold]:
    """As many folds as are wanted, or as few as two where a class has too few parts for more.

    Raises:
        SplitError: a class has a single part, or parts of several classes cannot be dealt out.
    """
    for n_folds in range(wanted, 1, -1):
        try:
            return folds(y, groups, n_folds=n_folds, repeats=1, seed=seed, class_names=class_names)
        except SplitError:
            if n_folds == 2:
                raise
    raise SplitError(f"{wanted} folds were asked for; expected 2 or more")


def out_of_fold(
    entry: Entry,
    rows: AnyRows,
    y: Indices,
    groups: Indices,
    rounds: Sequence[Fold],
    *,
    n_classes: int,
    seed: int = 0,
    settings: Mapping[str, Scalar] | None = None,
    progress: Callable[[int], EpochProgress] | None = None,
) -> Floats:
    """Train a head on every fold's training side and judge the other side.

    Everything that the head fits or chooses, settings and calibration included, is fitted or
    chosen on the training side. The Gram matrix is computed once for all folds.

    Args:
        entry: a head, and the features that the rows are of.
        rows: float32 (n, row_width), or rows that are still in the cache.
        y: int64 (n,) class numbers.
        groups: int64 (n,), the same number for rows of one part.
        rounds: of one repeat, so that every row that is no variant is tested once.
        n_classes: two or more.
        seed: of the head.
        settings: of the head.
        progress: gives, for the number of a fold, what is called as `progress(epoch, epochs,
            scores)`; heads that do not train in epochs call it once, at the end.

    Returns:
        Probabilities (n, n_classes); nan for variants.
    """
    found = np.full((len(y), n_classes), np.nan)
    K = gram(rows) if entry.in_row_space else None
    for number, (_, _, train, test) in enumerate(rounds):
        head = entry.make(seed=seed, settings=settings)
        say = progress(number) if progress else None
        if K is not None:
            assert isinstance(head, RowSpaceHead)
            part = TrainingPart(
                K[np.ix_(train, train)], y[train], groups[train],
                n_classes=n_classes, row_width=rows.shape[1], seed=seed,
            )  # fmt: skip
            placed = part.space.place(K[np.ix_(test, train)], np.diagonal(K)[test])
            found[test] = head.fit_in_space(part).predict_in_space(placed)
        else:
            seen = subset(rows, train)
            head.fit(seen, y[train], groups[train], n_classes=n_classes, progress=say)
            found[test] = predict_by_blocks(head, subset(rows, test))
        if say is not None and head.history is None:
            say(1, 1, {})
    return found
