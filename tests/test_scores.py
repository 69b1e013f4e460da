"""Scores agree with scikit-learn, say nan where they are undefined, and intervals cover."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics

from pipeline.scores import SCORES, binary_scores, intervals, multiclass_scores, score


def two_classes(n: int = 200, seed: int = 0, ties: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities that are better than chance, with many ties."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.3).astype(np.int64)
    p = np.clip(0.3 + 0.2 * y + 0.25 * rng.standard_normal(n), 0, 1)
    return y, np.round(p, 1) if ties else p


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("threshold", [0.3, 0.5])
def test_binary_scores_are_scikit_learns(ties: bool, threshold: float) -> None:
    """Every score equals scikit-learn's, ties in the probabilities included."""
    y, p = two_classes(ties=ties)
    called = p >= threshold
    expected = {
        "accuracy": metrics.accuracy_score(y, called),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, called),
        "recall": metrics.recall_score(y, called),
        "precision": metrics.precision_score(y, called),
        "f1": metrics.f1_score(y, called),
        "roc_auc": metrics.roc_auc_score(y, p),
        "average_precision": metrics.average_precision_score(y, p),
        "brier": metrics.brier_score_loss(y, p),
    }
    found = binary_scores(y, p, threshold)
    assert tuple(found) == SCORES
    assert found == pytest.approx(expected, abs=1e-12)
    assert score(y, np.column_stack([1 - p, p]), threshold) == found


def test_multiclass_scores_are_scikit_learns() -> None:
    """Macro averages equal scikit-learn's."""
    rng = np.random.default_rng(1)
    y = rng.integers(0, 4, 300)
    P = rng.dirichlet(np.ones(4), 300) + 0.4 * np.eye(4)[y]
    P /= P.sum(axis=1, keepdims=True)
    called, truth = P.argmax(axis=1), np.eye(4)[y]
    assert multiclass_scores(y, P) == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(y, called),
            "balanced_accuracy": metrics.balanced_accuracy_score(y, called),
            "recall": metrics.recall_score(y, called, average="macro"),
            "precision": metrics.precision_score(y, called, average="macro"),
            "f1": metrics.f1_score(y, called, average="macro"),
            "roc_auc": metrics.roc_auc_score(y, P, multi_class="ovr"),
            "average_precision": metrics.average_precision_score(truth, P),
            "brier": ((P - truth) ** 2).sum(axis=1).mean() / 2,
        },
        abs=1e-12,
    )


def test_brier_of_two_columns_is_the_binary_one() -> None:
    """The multi-class Brier score continues the binary one."""
    y, p = two_classes()
    P = np.column_stack([1 - p, p])
    assert multiclass_scores(y, P)["brier"] == pytest.approx(binary_scores(y, p)["brier"])


def test_one_class_only_is_nan_not_zero() -> None:
    """Scores that need both classes are nan when one is absent; the others are numbers."""
    p = np.array([0.2, 0.7, 0.1])
    healthy = binary_scores(np.zeros(3, dtype=np.int64), p)
    for name in ("balanced_accuracy", "recall", "roc_auc", "average_precision"):
        assert math.isnan(healthy[name]), name
    assert healthy["accuracy"] == pytest.approx(2 / 3)
    defective = binary_scores(np.ones(3, dtype=np.int64), p)
    for name in ("balanced_accuracy", "roc_auc", "average_precision"):
        assert math.isnan(defective[name]), name
    assert defective["recall"] == pytest.approx(1 / 3)
    several = multiclass_scores(np.ones(3, dtype=np.int64), np.full((3, 3), 1 / 3))
    assert math.isnan(several["roc_auc"])
    assert math.isnan(several["balanced_accuracy"])
    assert several["accuracy"] == 0


def test_nothing_called_positive_has_no_precision() -> None:
    """Without a positive call precision is nan and recall 0."""
    found = binary_scores(np.array([0, 1, 1]), np.array([0.1, 0.2, 0.3]))
    assert math.isnan(found["precision"])
    assert found["recall"] == 0
    assert found["f1"] == 0


def test_a_class_that_is_absent_is_left_out_of_macro_averages() -> None:
    """Scores of three columns with two classes in y average over these two."""
    y = np.array([0, 0, 2, 2])
    P = np.array([[0.8, 0.1, 0.1], [0.2, 0.2, 0.6], [0.1, 0.2, 0.7], [0.1, 0.1, 0.8]])
    found = multiclass_scores(y, P)
    assert found["recall"] == pytest.approx(0.75)
    assert found["roc_auc"] == pytest.approx(1.0)


def test_no_rows_have_no_scores() -> None:
    """An empty set scores nan throughout."""
    found = binary_scores(np.empty(0, dtype=np.int64), np.empty(0))
    assert all(math.isnan(value) for value in found.values())


def test_intervals_hold_the_score_and_repeat() -> None:
    """Intervals contain the point score and are the same for the same seed."""
    y, p = two_classes(ties=False)
    P, groups = np.column_stack([1 - p, p]), np.arange(200) // 4
    found = intervals(y, P, groups, n_resamples=300, seed=3)
    assert found == intervals(y, P, groups, n_resamples=300, seed=3)
    assert found != intervals(y, P, groups, n_resamples=300, seed=4)
    for name, value in score(y, P).items():
        low, high = found[name]
        assert low <= value <= high, name
        assert low < high, name


def test_intervals_know_that_copies_bring_no_news() -> None:
    """Ten copies of each photograph in one group leave the interval as wide as without them."""
    y, p = two_classes(n=80, ties=False)
    P, groups = np.column_stack([1 - p, p]), np.arange(80)

    def width(repeat: int, grouped: bool) -> float:
        many = np.repeat(groups, repeat)
        found = intervals(
            y[many], P[many], many if grouped else np.arange(len(many)), n_resamples=500
        )
        return found["accuracy"][1] - found["accuracy"][0]

    assert width(10, grouped=True) == pytest.approx(width(1, grouped=True), rel=0.15)
    assert width(10, grouped=False) < 0.5 * width(1, grouped=True)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    """Over 200 simulated sets of 40 groups, a 90 % interval of accuracy holds the true value."""
    rng, covered = np.random.default_rng(0), 0
    groups = np.repeat(np.arange(40), 3)
    for seed in range(200):
        right = (rng.random(40) < 0.8)[groups]  # all rows of a part are right or wrong together
        y = np.arange(120) % 2
        p = np.where(right, y, 1 - y).astype(float)
        P = np.column_stack([1 - p, p])
        low, high = intervals(y, P, groups, n_resamples=200, seed=seed, level=0.9)["accuracy"]
        covered += low <= 0.8 <= high
    assert 0.83 <= covered / 200 <= 0.97


def test_undefined_resamples_are_left_out() -> None:
    """Resamples without the one positive group do not spoil the interval; with none it is nan."""
    y = np.array([1, 1] + [0] * 18)
    p = np.linspace(0.9, 0.1, 20)
    P, groups = np.column_stack([1 - p, p]), np.arange(20) // 2
    assert all(math.isfinite(v) for v in intervals(y, P, groups, n_resamples=200)["roc_auc"])
    nothing = intervals(np.zeros(20, dtype=np.int64), P, groups, n_resamples=50)
    assert all(math.isnan(v) for v in nothing["roc_auc"])
