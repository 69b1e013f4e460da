"""Scores of predicted probabilities, and their intervals that respect groups.

Every score is written for weighted rows: a bootstrap resample is nothing but whole-number weights,
so a thousand resamples are a few matrix products instead of a thousand passes.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

SCORES = (
    "accuracy",
    "balanced_accuracy",
    "recall",
    "precision",
    "f1",
    "roc_auc",
    "average_precision",
    "brier",
)
"""The names of the scores, in the order of tables."""

LOWER_IS_BETTER = frozenset({"brier"})

_BLOCK_VALUES = 4_000_000  # weights held at once by `intervals`


def score(y: Indices, P: Floats, threshold: float = 0.5) -> dict[str, float]:
    """Scores of probabilities (n, n_classes): `binary_scores` or `multiclass_scores`."""
    if P.shape[1] == 2:
        return binary_scores(y, P[:, 1], threshold)
    return multiclass_scores(y, P)


def binary_scores(y: Indices, p: Floats, threshold: float = 0.5) -> dict[str, float]:
    """Scores of two classes; class 1 is the positive one.

    Args:
        y: int64 (n,) of 0 and 1.
        p: (n,) probability of class 1.
        threshold: from this probability on, a row counts as positive.

    Returns:
        By name, each from 0 to 1, higher is better but for brier: accuracy, balanced_accuracy
        (mean recall of the two classes), recall and precision and f1 of class 1, roc_auc,
        average_precision (area under the precision-recall steps, no interpolation) and brier
        (mean squared error of p). What is not defined is nan: recall without positives, precision
        with nothing called positive; balanced_accuracy, roc_auc and average_precision with one
        class only.
    """
    return _single(_binary(y, p, np.ones((1, len(y))), threshold))


def multiclass_scores(y: Indices, P: Floats) -> dict[str, float]:
    """Scores of three classes or more, the most probable class being the prediction.

    Args:
        y: int64 (n,).
        P: (n, n_classes) probabilities.

    Returns:
        The names of `binary_scores`. recall, precision, f1, roc_auc and average_precision are
        macro averages, one class against the rest, over the classes that stand in `y`; precision
        of a class that is never predicted counts as 0. balanced_accuracy is the macro recall.
        brier is half the mean over rows of the sum of squared errors, which for two classes is
        the binary one. With one class in `y` all but accuracy and brier are nan.
    """
    return _single(_multiclass(y, P, np.ones((1, len(y)))))


def intervals(
    y: Indices,
    P: Floats,
    groups: Indices,
    *,
    n_resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    threshold: float = 0.5,
) -> dict[str, tuple[float, float]]:
    """Percentile intervals from a cluster bootstrap: whole groups are drawn with replacement.

    Photographs of one part are not independent, so the part is what is resampled (Field and
    Welsh, "Bootstrapping clustered data", 2007).

    Args:
        y: int64 (n,).
        P: (n, n_classes) probabilities.
        groups: int64 (n,).
        n_resamples: number of draws.
        seed: of the draws.
        level: share of the draws inside the interval.
        threshold: as in `binary_scores`.

    Returns:
        (low, high) by score. Draws that leave a score undefined are left out of it; if all do,
        both ends are nan.
    """
    _, group_of_row = np.unique(groups, return_inverse=True)
    n_groups = int(group_of_row.max()) + 1 if len(y) else 0
    rng = np.random.default_rng(seed)
    block = max(1, _BLOCK_VALUES // max(len(y), 1))
    drawn: list[Mapping[str, Floats]] = []
    for start in range(0, n_resamples if n_groups else 0, block):
        size = min(block, n_resamples - start)
        weights = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size)
        drawn.append(_weighted(y, P, weights[:, group_of_row].astype(np.float64), threshold))
    return {name: _percentiles([part[name] for part in drawn], level) for name in SCORES}


def _percentiles(parts: list[Floats], level: float) -> tuple[float, float]:
    values = np.concatenate(parts) if parts else np.empty(0)
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _single(scores: Mapping[str, Floats]) -> dict[str, float]:
    return {name: float(scores[name][0]) for name in SCORES}


def _weighted(y: Indices, P: Floats, weights: Floats, threshold: float) -> dict[str, Floats]:
    """Scores (resamples,) for weights (resamples, n)."""
    if P.shape[1] == 2:
        return _binary(y, P[:, 1], weights, threshold)
    return _multiclass(y, P, weights)


def _ratio(above: Floats, below: Floats) -> Floats:
    """above / below, nan where below is 0."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)


def _binary(y: Indices, p: Floats, weights: Floats, threshold: float) -> dict[str, Floats]:
    positive = (y == 1).astype(np.float64)
    called = (p >= threshold).astype(np.float64)
    total = weights.sum(axis=1)
    positives, calls = weights @ positive, weights @ called
    hits = weights @ (positive * called)
    negatives = total - positives
    recall = _ratio(hits, positives)
    specificity = _ratio(negatives - (calls - hits), negatives)
    roc_auc, average_precision = _ranking(positive, p, weights)
    return {
        "accuracy": _ratio(negatives - calls + 2 * hits, total),
        "balanced_accuracy": (recall + specificity) / 2,
        "recall": recall,
        "precision": _ratio(hits, calls),
        "f1": _ratio(2 * hits, positives + calls),
        "roc_auc": roc_auc,
        "average_precision": average_precision,
        "brier": _ratio(weights @ (p - positive) ** 2, total),
    }


def _ranking(positive: Floats, p: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """ROC AUC (ties count half) and average precision, both nan with one class only."""
    if not len(p):
        undefined = np.full(len(weights), np.nan)
        return undefined, undefined.copy()
    values, place = np.unique(-p, return_inverse=True)  # place 0: the most probable
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(len(values)))
    sorted_weights = weights[:, order]
    pos = np.add.reduceat(sorted_weights * positive[order], starts, axis=1)
    neg = np.add.reduceat(sorted_weights * (1 - positive[order]), starts, axis=1)
    pos_above, neg_above = pos.cumsum(axis=1), neg.cumsum(axis=1)
    positives, negatives = pos_above[:, -1], neg_above[:, -1]
    better = (pos * (negatives[:, None] - neg_above + neg / 2)).sum(axis=1)
    precision = pos_above / np.maximum(pos_above + neg_above, 1e-300)
    average_precision = _ratio((pos * precision).sum(axis=1), positives)
    average_precision[negatives == 0] = np.nan
    return _ratio(better, positives * negatives), average_precision


def _multiclass(y: Indices, P: Floats, weights: Floats) -> dict[str, Floats]:
    truth = np.eye(P.shape[1])[y]
    called = P.argmax(axis=1)
    total = weights.sum(axis=1)
    each = [_one_against_rest(truth[:, c], called == c, P[:, c], weights) for c in range(len(P.T))]
    macro = {name: _mean_defined([scores[name] for scores in each]) for name in each[0]}
    several = sum(scores["present"] for scores in each) > 1
    for values in macro.values():
        values[~several] = np.nan
    accuracy = _ratio(weights @ (called == y).astype(np.float64), total)
    brier = _ratio(weights @ (((P - truth) ** 2).sum(axis=1) / 2), total)
    macro |= {"accuracy": accuracy, "balanced_accuracy": macro["recall"], "brier": brier}
    return {name: macro[name] for name in SCORES}


def _one_against_rest(
    positive: Floats, called: npt.NDArray[np.bool_], p: Floats, weights: Floats
) -> dict[str, Floats]:
    """Scores of one class; nan in every one where the class is absent."""
    scores = _binary(positive.astype(np.int64), called.astype(np.float64), weights, 0.5)
    scores["precision"] = np.nan_to_num(scores["precision"], nan=0.0)
    scores["roc_auc"], scores["average_precision"] = _ranking(positive, p, weights)
    present = weights @ positive > 0
    wanted = ("recall", "precision", "f1", "roc_auc", "average_precision")
    found = {name: np.where(present, scores[name], np.nan) for name in wanted}
    return found | {"present": present.astype(np.float64)}


def _mean_defined(columns: list[Floats]) -> Floats:
    """Mean over the columns that are defined, row by row; nan where none is."""
    stacked = np.column_stack(columns)
    defined = np.isfinite(stacked)
    return _ratio(np.where(defined, stacked, 0).sum(axis=1), defined.sum(axis=1).astype(float))
