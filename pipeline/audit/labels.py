"""Photographs whose class is probably wrong, from what a head says that never saw their part.

Confident learning (Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in
Dataset Labels", JAIR 70, 2021): a class's threshold is the mean probability that the head gives it
on photographs labelled so. A photograph counts for the most probable class that reaches its
threshold; where that is not the class it lies in, its label is suspect. Counted and scaled to the
sizes of the classes, these give the estimated number of wrong labels. The suspects are ranked by
how much less probable the given class is than the other one, each measured from its threshold, so
that a class that the head seldom recognises does not fill the top (Kuan and Mueller, "Model-
agnostic label quality scoring to detect real-world label errors", ICML DataPerf workshop, 2022).

One thing is added: the other class must be more probable than all others together, because a weak
head's thresholds are low. A photograph that is hard for the head looks just like a wrong label:
people have to look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.arrays import Floats, Indices
from features.cluster.parallel import each
from pipeline.data.splits import Fold
from pipeline.heads import load_head_class, make_head
from pipeline.heads.gram import GramSide
from pipeline.heads.gram_head import RowSpaceHead
from pipeline.heads.sides import Side, taken_by_products
from pipeline.heads.tuning import TrainingPart

HEAD = "ridge"
"""As good as logistic regression on the row space, and solved in closed form."""

LEAST_AUC = 0.65
"""A head below this cannot tell the classes: it names no label errors."""


_CHANCE = 0.5
_WELL = 0.9  # an AUC from which on few parts are no objection to a hint


def tells_classes(auc: float, low: float) -> bool:
    """Say whether a head's doubts about labels say anything.

    Args:
        auc: of the head on parts that it did not learn from.
        low: the lower end of its 95 % interval over parts; nan where it is not known.
    """
    return auc >= _WELL or (auc >= LEAST_AUC and not low <= _CHANCE)


WEAK = 0.5
"""A head that gives photographs their own class less than this on average does not know it."""


@dataclass(frozen=True)
class Suspect:
    """One photograph whose label is probably wrong.

    Attributes:
        row: its number among the photographs.
        given, suggested: class numbers.
        p_given, p_suggested: probabilities of the two.
        margin: lower is more suspect.
    """

    row: int
    given: int
    suggested: int
    p_given: float
    p_suggested: float
    margin: float


@dataclass(frozen=True)
class Suspects:
    """Hold what the head says of the labels.

    Attributes:
        ranked: the most suspect first.
        estimated: number of wrong labels, at most about.
        thresholds: float64 (n_classes,) mean probability of each class on photographs labelled so.
    """

    ranked: list[Suspect]
    estimated: int
    thresholds: Floats


def out_of_fold(
    side: Side, y: Indices, groups: Indices, rounds: Sequence[Fold], *, seed: int = 0
) -> Floats:
    """Predict probabilities (n, n_classes), every row by a head not trained on its part.

    Args:
        side: of the rows.
        y: int64 (n,) class numbers.
        groups: int64 (n,) part numbers.
        rounds: one repeat of grouped folds.
        seed: of the head.
    """
    training = _Training(y, groups, int(y.max()) + 1, seed)
    found = np.full((len(y), training.n_classes), np.nan)
    taken = (
        taken_by_products(len(y), [load_head_class(HEAD)]) if isinstance(side, GramSide) else None
    )
    made = each(_judge_fold, rounds, training, side, taken=taken)
    for fold, P in zip(rounds, made, strict=True):
        found[fold.test] = P
    return found


@dataclass(frozen=True)
class _Training:
    """Hold what the training of every fold needs besides rows; see `out_of_fold`."""

    y: Indices
    groups: Indices
    n_classes: int
    seed: int


def _judge_fold(fold: Fold, training: _Training, side: Side) -> Floats:
    """Train the head on a fold's training side; give the probabilities of the other."""
    from threadpoolctl import threadpool_limits

    # On a busy machine, threads of BLAS that wait for each other took several times as long.
    with threadpool_limits(1):
        part = TrainingPart(
            side, fold.train, training.y[fold.train], training.groups[fold.train],
            n_classes=training.n_classes, seed=training.seed,
        )  # fmt: skip
        head = make_head(HEAD, seed=training.seed)
        assert isinstance(head, RowSpaceHead)
        return head.fit_on_spec(part).predict_on_spec(part.place(fold.test))


def suspect_labels(y: Indices, P: Floats) -> Suspects:
    """Rank the labels that the probabilities speak against.

    Args:
        y: int64 (n,) class numbers, each in use.
        P: float64 (n, n_classes) probabilities of rows that the head was not trained on.
    """
    rows, n_classes = np.arange(len(y)), P.shape[1]
    thresholds = np.array([P[y == number, number].mean() for number in range(n_classes)])
    reached = np.where(thresholds <= P, P, -1.0)
    counted, suggested = reached.max(axis=1) >= 0, reached.argmax(axis=1)
    joint = np.zeros((n_classes, n_classes))
    np.add.at(joint, (y[counted], suggested[counted]), 1)
    margin = (P - thresholds)[rows, y] - (P - thresholds)[rows, suggested]
    suspect = counted & (suggested != y) & (P[rows, suggested] > 0.5)
    order = np.flatnonzero(suspect)[np.argsort(margin[suspect], kind="stable")]
    ranked = [
        Suspect(
            row=int(row),
            given=int(y[row]),
            suggested=int(suggested[row]),
            p_given=float(P[row, y[row]]),
            p_suggested=float(P[row, suggested[row]]),
            margin=float(margin[row]),
        )
        for row in order
    ]
    return Suspects(ranked, _estimate(joint, y, len(ranked)), thresholds)


def _estimate(joint: Floats, y: Indices, most: int) -> int:
    """Find off-diagonal photographs of the joint counts, each class scaled to its size."""
    sizes = np.bincount(y, minlength=len(joint))
    counted = joint.sum(axis=1)
    wrong = (counted - np.diagonal(joint)) / np.maximum(counted, 1) * sizes
    return min(round(float(wrong.sum())), most)
