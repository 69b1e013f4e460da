"""Linear machines of many rows, in the primal, are those of libsvm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from rows import sparse_rows
from sklearn.svm import SVC

from features.arrays import Floats, Rows
from pipeline.data.splits import folds
from pipeline.heads import hinge, linear_heads, make_head, svm
from pipeline.heads.columns import ColumnSide
from pipeline.heads.gram_head import RowSpaceHead
from pipeline.heads.quasi_newton import Axes
from pipeline.heads.row_space import Placed
from pipeline.heads.svm import Gaussian
from pipeline.heads.tuning import TrainingPart


def centred(n: int, width: int, effect: float = 0.6) -> tuple[Rows, Floats]:
    """Give rows about their mean, a unit long in the mean square, and targets."""
    X, y, _ = sparse_rows(n, width, effect=effect)
    X = X - X.mean(axis=0)
    return X / np.sqrt((X**2).sum(axis=1).mean()), np.where(y == 1, 1.0, -1.0)


def decided(X: Rows, targets: Floats, Cs: Sequence[float], *, exact: bool) -> Floats:
    """Give decision values (n, m) of a machine for each C, all of the same targets or each own."""
    if targets.ndim == 1:
        targets = np.repeat(targets[:, None], len(Cs), axis=1)
    penalty = 1 / np.asarray(Cs)
    found = hinge.machines(X, targets.astype(np.float32), penalty, Axes.of(X), exact=exact)
    values: Floats = X.astype(np.float64) @ found.weights[:, :, 0] + found.offset[:, 0]
    return values


@pytest.mark.parametrize(("n", "width"), [(400, 20), (400, 150), (200, 300)])
def test_a_machine_in_the_primal_is_that_of_libsvm(n: int, width: int) -> None:
    """Decision values within 0.001 of their size, of few values, of many, and of more than rows.

    Candidates are ranked by rounded ones where rows are more than values. Where they are fewer,
    steps end at other places on other processors: there only their order is held.
    """
    X, target = centred(n, width)
    Cs = (0.1, 1.0, 10.0, 100.0)
    values = decided(X, target, Cs, exact=True)
    rough = decided(X, target, Cs, exact=False)
    for C, found, ranked in zip(Cs, values.T, rough.T, strict=True):
        machine = SVC(C=C, kernel="linear", tol=1e-6).fit(X.astype(np.float64), target)
        expected = machine.decision_function(X.astype(np.float64))
        size = float(np.sqrt((expected**2).mean()))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3 * max(size, 1))
        apart = float(np.sqrt(((ranked - expected) ** 2).mean()))
        assert apart > 1e-3 * size  # rounded off,
        assert n < width or apart < 0.15 * size  # and not more than that
        assert np.corrcoef(ranked, expected)[0, 1] > 0.99


@pytest.mark.parametrize("C", [1e6, 1e8])
def test_next_to_no_regularisation_is_no_worse_than_little(C: float) -> None:
    """float32 loses the way where columns are the same: the hinge stays what C 10,000 reaches."""
    rng = np.random.default_rng(0)
    X = np.zeros((900, 40), np.float32)
    X[np.arange(900), rng.integers(40, size=900)] = 1
    X -= X.mean(axis=0)
    target = np.where(rng.random(900) < 0.5, 1.0, -1.0)
    values = decided(X, target, (1e4, C), exact=True)
    little, less = np.maximum(1 - target[:, None] * values, 0).sum(axis=0)
    assert less < 1.01 * little


def test_values_that_are_unlike_in_size_end_no_training() -> None:
    """A row a million times as long leaves no way to solve by: what was reached is kept."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(700, 20)).astype(np.float32)
    target = np.where(X @ rng.normal(size=20) > 0, 1.0, -1.0)
    X[0] = 1e6
    values = decided(X - X.mean(axis=0), target, [1e6, 1e8], exact=True)
    assert np.isfinite(values).all()


@pytest.mark.parametrize(("ones", "C"), [(1, 0.001), (5, 0.001), (5, 0.01)])
def test_much_regularisation_tells_rows_apart(ones: int, C: float) -> None:
    """Where decision values differ by less than the rounding, it shrinks until they rank right."""
    X, _ = centred(600, 40)
    target = np.where(np.arange(600) < ones, 1.0, -1.0)
    machine = SVC(C=C, kernel="linear", tol=1e-7).fit(X.astype(np.float64), target)
    expected = machine.decision_function(X.astype(np.float64))
    found = decided(X, target, (C,), exact=True)[:, 0]
    assert expected.std() < 1e-3
    assert np.corrcoef(found, expected)[0, 1] > 0.99999
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.02 * expected.std())


def test_rows_of_far_fewer_values_are_trained_in_the_primal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same setting is chosen as by libsvm, and probabilities are within 0.001."""
    X, y, groups = sparse_rows(800, 20, effect=0.5, seed=4)
    calls: list[int] = []
    solve = linear_heads.machines

    def counting(*given: Any, **more: Any) -> Any:
        calls.append(len(given[0]))
        return solve(*given, **more)

    monkeypatch.setattr(linear_heads, "machines", counting)
    found = []
    for few in (100, 10_000):  # the primal, and libsvm
        calls.clear()
        monkeypatch.setattr(linear_heads, "_FEW", few)
        head = make_head("linear-svm").fit(X, y, groups, n_classes=2)
        assert bool(calls) == (few == 100)
        found.append((head.chosen, head.predict_proba(X)))
    assert found[0][0] == found[1][0]
    assert 0 < np.abs(found[0][1] - found[1][1]).max() < 0.001


def test_rows_that_a_problem_does_not_see_change_nothing() -> None:
    """A fold's machine is the one of its rows alone."""
    X, target = centred(300, 30)
    seen = np.arange(300) % 3 > 0
    alone = decided(X[seen], target[seen], (1.0,), exact=True)[:, 0]
    together = decided(X, np.where(seen, target, 0)[:, None], (1.0,), exact=True)[seen, 0]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-3)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_head_is_the_same_on_both_sides_of_the_crossing(
    n_classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More rows than libsvm gets: the same setting, and probabilities within 0.001."""
    X, y, groups = sparse_rows(300, 60, n_classes=n_classes, effect=0.8, seed=2)
    fold = folds(y, groups, n_folds=3, repeats=1, seed=1)[0]

    def predicted(most: int) -> tuple[object, Floats]:
        monkeypatch.setattr(linear_heads, "ALL_PAIRS", most)
        part = TrainingPart(
            ColumnSide(X), fold.train, y[fold.train], groups[fold.train],
            n_classes=n_classes, seed=3,
        )  # fmt: skip
        head = make_head("linear-svm", seed=5)
        assert isinstance(head, RowSpaceHead)
        head.fit_on_spec(part)
        return head.chosen, head.predict_on_spec(part.place(fold.test))

    chosen, P = predicted(len(X))
    for most in (100, 150):  # below the folds' rows, and between theirs and all
        other, found = predicted(most)
        assert other == chosen
        assert 0 < np.abs(found - P).max() < 0.001
    assert P[:, 1].std() > 0.05


@pytest.mark.parametrize("exact", [True, False])
def test_classes_that_nothing_tells_apart(exact: bool) -> None:
    """Rows that are all equal, or a class of one row: finite, and the larger class wins."""
    target = np.where(np.arange(60) < 20, 1.0, -1.0)
    values = decided(np.zeros((60, 5), np.float32), target, (1.0, 100.0), exact=exact)
    assert np.isfinite(values).all() and (values < 0).all()
    X, _ = centred(60, 5)
    one = np.where(np.arange(60) == 7, 1.0, -1.0)
    assert np.isfinite(decided(X, one, (0.1, 100.0), exact=exact)).all()


def test_landmarks_of_all_rows_are_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is approximate of a Gaussian kernel of many rows is the landmarks alone."""
    X, target = centred(200, 20)
    rows = Placed(X.astype(np.float64), np.zeros(len(X)))
    targets: Floats = target[:, None]
    exact = Gaussian(rows)
    monkeypatch.setattr(svm, "KERNEL_PAIRS", 100)
    monkeypatch.setattr(svm, "LANDMARKS", len(X))
    few = Gaussian(rows)
    kernel = np.exp(-0.5 * rows.squared_distances(rows.coordinates))
    assert exact.exact and not few.exact
    ((dual, offset),) = exact.machines(0.5, targets, [10.0])
    ((dual2, offset2),) = few.machines(0.5, targets, [10.0])
    np.testing.assert_allclose(kernel @ dual2 + offset2, kernel @ dual + offset, atol=0.01)
