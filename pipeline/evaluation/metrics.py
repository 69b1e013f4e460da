"""Scores of predicted probabilities.

Every score is written for weighted rows: a resample is nothing but weights, so a thousand
resamples are a few matrix products instead of a thousand passes (`pipeline.evaluation`).
"""

from __future__ import annotations

import math

import numpy as np

from features.arrays import Flags, Floats, Indices

SCORES = (
    "accuracy",
    "balanced_accuracy",
    "recall",
    "precision",
    "f1",
    "roc_auc",
    "average_precision",
    "brier",
    "log_loss",
)
"""The names of the scores, in the order of tables."""

TITLES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "recall": "recall",
    "precision": "precision",
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "brier": "Brier score",
    "log_loss": "log loss",
}
"""The scores as a person calls them."""

DECISIONS = ("accuracy", "balanced_accuracy", "recall", "precision", "f1")
"""Scores of verdicts: they hang on the threshold."""

RANKINGS = ("roc_auc", "average_precision")
"""Scores of the order of the probabilities."""

LOSSES = ("brier", "log_loss")
"""Scores of the probabilities themselves."""

LOWER_IS_BETTER = frozenset(LOSSES)

Limits = float | tuple[float, float]
"""A threshold, or two: passed below the first, rejected from the second on, a person between."""

_SMALLEST = float(np.finfo(np.float64).eps)  # a probability of 0 would make log loss infinite
_AT_ONCE = 2**21  # weights that are ranked at once: of many rows few sets


def score(y: Indices, P: Floats, threshold: Limits = 0.5) -> dict[str, float]:
    """Score probabilities (n, n_classes) by `binary_scores` or `multiclass_scores`."""
    if P.shape[1] == 2:
        return binary_scores(y, P[:, 1], threshold)
    return multiclass_scores(y, P)


def binary_scores(y: Indices, p: Floats, threshold: Limits = 0.5) -> dict[str, float]:
    """Score two classes; class 1 is the positive one.

    Args:
        y: int64 (n,) of 0 and 1.
        p: (n,) probability of class 1.
        threshold: from this probability on, a row counts as positive. Of two, rows between them
            go to a person: they count neither as right nor as wrong, and the first five scores
            are of the others.

    Returns:
        By name, each from 0 to 1, higher is better but for the last two: accuracy,
        balanced_accuracy (mean recall of the two classes), recall and precision and f1 of class 1,
        roc_auc, average_precision (area under the precision-recall steps, no interpolation),
        brier (mean squared error of p) and log_loss (mean of minus the natural logarithm of the
        truth's probability, which may exceed 1; probabilities are kept above 2.2e-16). What is
        not defined is nan: recall without positives, precision with nothing called positive;
        balanced_accuracy, roc_auc and average_precision with one class only.
    """
    return _single(y, np.column_stack([1 - p, p]), threshold)


def multiclass_scores(y: Indices, P: Floats) -> dict[str, float]:
    """Score three classes or more, the most probable class being the prediction.

    Args:
        y: int64 (n,).
        P: (n, n_classes) probabilities.

    Returns:
        The names of `binary_scores`. recall, precision, f1, roc_auc and average_precision are
        macro averages, one class against the rest, over the classes that stand in `y`; precision
        of a class that is never predicted counts as 0. balanced_accuracy is the macro recall.
        brier is half the mean over rows of the sum of squared errors, which for two classes is
        the binary one. With one class in `y` all but accuracy, brier and log_loss are nan.
    """
    return _single(y, P)


def weighted_scores(
    y: Indices, P: Floats, weights: Floats, threshold: Limits = 0.5
) -> dict[str, Floats]:
    """Score the same rows under several sets of weights.

    Args:
        y: int64 (n,).
        P: float64 (n, n_classes) probabilities.
        weights: float64 (sets, n), 0 or more; how often each row counts.
        threshold: as in `binary_scores`.

    Returns:
        By name of `SCORES`, float64 (sets,).
    """
    found = decision_scores(y, P, weights, threshold)
    found |= ranking_scores(y, P, weights) | loss_scores(y, P, weights)
    return {name: found[name] for name in SCORES}


def weighted_score(
    name: str, y: Indices, P: Floats, weights: Floats, threshold: Limits = 0.5
) -> Floats:
    """Compute one score (sets,) of `SCORES`; see `weighted_scores`."""
    if name in DECISIONS:
        return decision_scores(y, P, weights, threshold)[name]
    return (ranking_scores if name in RANKINGS else loss_scores)(y, P, weights)[name]


def decision_scores(
    y: Indices, P: Floats, weights: Floats, threshold: Limits = 0.5
) -> dict[str, Floats]:
    """Compute `DECISIONS` under several sets of weights; see `weighted_scores`."""
    binary = P.shape[1] == 2
    low, high = threshold if isinstance(threshold, tuple) else (threshold, threshold)
    verdicts = (P[:, 1] >= high).astype(np.int64) if binary else P.argmax(axis=1)
    if binary and low < high:
        weights = weights * ((P[:, 1] < low) | (P[:, 1] >= high))
    accuracy = _ratio(weights @ (verdicts == y).astype(np.float64), weights.sum(axis=1))
    each = [_of_class(y == c, verdicts == c, weights) for c in range(P.shape[1])]
    if binary:
        macro = {"balanced_accuracy": (each[0]["recall"] + each[1]["recall"]) / 2} | each[1]
    else:
        present = _present(y, weights, P.shape[1])
        for scores in each:  # a class that is never predicted has no precision: it counts as 0
            scores["precision"] = np.nan_to_num(scores["precision"], nan=0.0)
        macro = {name: _macro([s[name] for s in each], present) for name in each[0]}
        macro["balanced_accuracy"] = macro["recall"]
    return {"accuracy": accuracy} | macro


def ranking_scores(y: Indices, P: Floats, weights: Floats) -> dict[str, Floats]:
    """Compute `RANKINGS` under several sets of weights; see `weighted_scores`."""
    if P.shape[1] == 2:
        return dict(zip(RANKINGS, _ranking(y == 1, P[:, 1], weights), strict=True))
    each = [_ranking(y == c, P[:, c], weights) for c in range(P.shape[1])]
    present = _present(y, weights, P.shape[1])
    columns = zip(*each, strict=True)
    return {n: _macro(list(c), present) for n, c in zip(RANKINGS, columns, strict=True)}


def loss_scores(y: Indices, P: Floats, weights: Floats) -> dict[str, Floats]:
    """Compute `LOSSES` under several sets of weights; see `weighted_scores`."""
    total = weights.sum(axis=1)
    squares = ((P - np.eye(P.shape[1])[y]) ** 2).sum(axis=1) / 2
    of_truth = np.clip(P[np.arange(len(y)), y], _SMALLEST, 1)
    return {
        "brier": _ratio(weights @ squares, total),
        "log_loss": _ratio(weights @ -np.log(of_truth), total),
    }


def _single(y: Indices, P: Floats, threshold: Limits = 0.5) -> dict[str, float]:
    found = weighted_scores(y, P, np.ones((1, len(y))), threshold)
    return {name: float(values[0]) for name, values in found.items()}


def _ratio(above: Floats, below: Floats) -> Floats:
    """Give above / below, nan where below is 0."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)


def _of_class(truth: Flags, called: Flags, weights: Floats) -> dict[str, Floats]:
    """Compute recall, precision and F1 of one class."""
    positives, calls = weights @ truth.astype(np.float64), weights @ called.astype(np.float64)
    hits = weights @ (truth & called).astype(np.float64)
    return {
        "recall": _ratio(hits, positives),
        "precision": _ratio(hits, calls),
        "f1": _ratio(2 * hits, positives + calls),
    }


def _ranking(truth: Flags, p: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Compute ROC AUC (ties count half) and average precision, both nan with one class only."""
    if not len(p):
        undefined = np.full(len(weights), np.nan)
        return undefined, undefined.copy()
    values, place = np.unique(-p, return_inverse=True)  # place 0: the most probable
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(len(values)))
    height = max(1, _AT_ONCE // len(p))
    blocks = [
        _ranking_of(truth[order], starts, weights[start : start + height, order])
        for start in range(0, max(len(weights), 1), height)
    ]
    auc, average_precision = zip(*blocks, strict=True)
    return np.concatenate(auc), np.concatenate(average_precision)


def _ranking_of(truth: Flags, starts: Indices, weights: Floats) -> tuple[Floats, Floats]:
    """Do what `_ranking` does with rows in their order; each of `starts` begins equal ones."""
    pos = np.add.reduceat(weights * truth, starts, axis=1)
    neg = np.add.reduceat(weights * ~truth, starts, axis=1)
    pos_above, neg_above = pos.cumsum(axis=1), neg.cumsum(axis=1)
    positives, negatives = pos_above[:, -1], neg_above[:, -1]
    better = (pos * (negatives[:, None] - neg_above + neg / 2)).sum(axis=1)
    precision = pos_above / np.maximum(pos_above + neg_above, 1e-300)
    average_precision = _ratio((pos * precision).sum(axis=1), positives)
    average_precision[negatives == 0] = np.nan
    return _ratio(better, positives * negatives), average_precision


def _present(y: Indices, weights: Floats, n_classes: int) -> Flags:
    """Give (sets, n_classes): whether the class has any weight."""
    return weights @ np.eye(n_classes)[y] > 0


def _macro(columns: list[Floats], present: Flags) -> Floats:
    """Average over the classes that are present; nan where fewer than two are."""
    stacked = np.where(present, np.column_stack(columns), 0)
    count = present.sum(axis=1).astype(np.float64)
    return _ratio(stacked.sum(axis=1), np.where(count > 1, count, 0))


def auc_error(auc: float, m: int, n: int) -> float:
    """Give the standard error of an AUC of m and n parts (Hanley, McNeil, Radiology 1982)."""
    if not (m and n):
        return math.nan
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (m - 1) * (q1 - auc**2) + (n - 1) * (q2 - auc**2)
    return math.sqrt(max(spread, 0.0) / (m * n))
