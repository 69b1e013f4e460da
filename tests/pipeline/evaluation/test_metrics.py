"""Scores agree with scikit-learn, and say nan where they are undefined."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics

import pipeline.evaluation.metrics
from pipeline.evaluation.metrics import (
    SCORES,
    binary_scores,
    multiclass_scores,
    ranking_scores,
    score,
    weighted_score,
    weighted_scores,
)


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
        "log_loss": metrics.log_loss(y, np.column_stack([1 - p, p])),
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
            "log_loss": metrics.log_loss(y, P),
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


@pytest.mark.parametrize("n_classes", [2, 3])
def test_weights_are_how_often_a_row_counts(n_classes: int) -> None:
    """Whole-number weights give the scores of rows repeated so often, all of them or one by one."""
    rng = np.random.default_rng(2)
    y = rng.integers(0, n_classes, 60)
    P = rng.dirichlet(np.ones(n_classes), 60)
    weights = rng.integers(0, 3, (4, 60)).astype(float)
    found = weighted_scores(y, P, weights, 0.4)
    assert tuple(found) == SCORES
    for number, counts in enumerate(weights.astype(int)):
        often = np.repeat(np.arange(60), counts)
        expected = score(y[often], P[often], 0.4)
        assert {n: v[number] for n, v in found.items()} == pytest.approx(expected)
    for name in SCORES:
        np.testing.assert_array_equal(weighted_score(name, y, P, weights, 0.4), found[name])


def test_a_certain_and_wrong_probability_costs_much_but_not_everything() -> None:
    """Log loss of a probability of 0 is finite."""
    assert binary_scores(np.array([1, 0]), np.array([0.0, 0.0]))["log_loss"] == pytest.approx(
        18.02, abs=0.01
    )


def test_many_sets_of_weights_are_ranked_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held at once is bounded; every bit is as if all were ranked together."""
    rng = np.random.default_rng(0)
    y, p, weights = rng.integers(0, 2, 50), rng.random(50).round(1), rng.random((7, 50))
    P = np.column_stack([1 - p, p])
    whole = ranking_scores(y, P, weights)
    monkeypatch.setattr(pipeline.evaluation.metrics, "_AT_ONCE", 100)
    for name, found in ranking_scores(y, P, weights).items():
        np.testing.assert_array_equal(found, whole[name])
    assert ranking_scores(y, P, weights[:0])["roc_auc"].shape == (0,)
