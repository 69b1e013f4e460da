"""The row space keeps every distance, and heads trained in it predict as on the raw columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from rows import sparse_rows
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from pipeline.data.splits import folds
from pipeline.heads import gram as rowspace
from pipeline.heads import load_head_class, make_head
from pipeline.heads.calibration import Calibration, probabilities
from pipeline.heads.gram import gram
from pipeline.heads.gram_head import RowSpaceHead
from pipeline.heads.row_space import RowSpace, place_rows
from pipeline.heads.tuning import auc, inner_folds


class Reader:
    """Rows that are read a slice at a time, and never more than `most` at once."""

    def __init__(self, rows: np.ndarray, most: int) -> None:
        self.rows, self.most, self.shape, self.read = rows, most, rows.shape, 0

    def __getitem__(self, rows: slice) -> np.ndarray:
        block = self.rows[rows]
        assert len(block) <= self.most
        self.read += len(block)
        return block


@pytest.mark.parametrize("held_bytes", [1, 5000, 2**26])
def test_gram_by_blocks_is_the_product(held_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the block sizes, and from an array or a reader, the Gram matrix is X X'."""
    monkeypatch.setattr(rowspace, "block_bytes", lambda: held_bytes)
    X, _, _ = sparse_rows(30, 200)
    expected = X.astype(np.float64) @ X.astype(np.float64).T
    np.testing.assert_allclose(gram(X), expected, rtol=1e-12)
    fits = held_bytes >= 30 * 4 * 200
    reader = Reader(X, most=30 if fits else max(1, held_bytes // (2 * 4 * 200)))
    np.testing.assert_allclose(gram(reader, held_bytes=held_bytes), expected, rtol=1e-12)
    assert reader.read == 30 if fits else reader.read > 30


def test_coordinates_keep_all_distances() -> None:
    """Distances between training rows, and from new rows to them, are those of the raw rows."""
    X, _, _ = sparse_rows(40, 300)
    K = gram(X)
    space = RowSpace.fit(K[:30, :30])
    new = space.place(K[30:, :30], np.diagonal(K)[30:])
    raw = ((X[:, None].astype(float) - X[None, :30]) ** 2).sum(axis=2) / space.scale**2
    anchors = space.train.coordinates
    np.testing.assert_allclose(space.train.squared_distances(anchors), raw[:30], atol=1e-9)
    np.testing.assert_allclose(new.squared_distances(anchors), raw[30:], atol=1e-9)
    assert anchors.shape == (30, 29)
    assert (anchors**2).sum() / 30 == pytest.approx(1) == space.trace / 30
    weights = np.random.default_rng(0).normal(size=(29, 2))
    np.testing.assert_allclose(new.times(weights), new.coordinates @ weights, atol=1e-9)


def test_principal_axes_are_those_of_the_same_rows() -> None:
    """Orthogonal, the longest first, with the same distances."""
    X, _, _ = sparse_rows(40, 300)
    K = gram(X)
    space, turned = RowSpace.fit(K[:30, :30]), RowSpace.fit(K[:30, :30], principal=True)
    anchors = turned.train.coordinates
    lengths = (anchors**2).sum(axis=0)
    np.testing.assert_allclose(anchors.T @ anchors, np.diag(lengths), atol=1e-9)
    assert (np.diff(lengths) <= 0).all()
    found, expected = (
        made.place(K[30:, :30], np.diagonal(K)[30:]).squared_distances(made.train.coordinates)
        for made in (turned, space)
    )
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_components_lead_from_raw_rows_to_coordinates() -> None:
    """Mean and projection place raw rows where the Gram matrix places them."""
    X, _, _ = sparse_rows(40, 300)
    K = gram(X)
    space = RowSpace.fit(K[:30, :30])
    expected = space.place(K[30:, :30], np.diagonal(K)[30:])
    mean, projection = space.components(X[:30])
    found = place_rows(X[30:], mean, projection, space.scale)
    np.testing.assert_allclose(found.coordinates, expected.coordinates, atol=1e-9)
    np.testing.assert_allclose(found.residual, expected.residual, atol=1e-9)


def test_equal_rows_and_copies_do_no_harm() -> None:
    """Copies lower the rank; rows that are all equal leave one column of zeros."""
    X, _, _ = sparse_rows(10, 50)
    assert RowSpace.fit(gram(np.concatenate([X, X]))).train.coordinates.shape == (20, 9)
    same = RowSpace.fit(gram(np.repeat(X[:1], 5, axis=0)))
    assert same.train.coordinates.shape == (5, 1)
    np.testing.assert_allclose(same.train.coordinates, 0, atol=1e-6)


# The same protocol on raw columns, written naively: scikit-learn estimators, the same folds and
# grids, every one solved to convergence.


def _raw_logistic(settings: dict[str, Any]) -> Any:
    return LogisticRegression(C=settings["C"], solver="newton-cg", tol=1e-9, max_iter=10_000)


def _raw_ridge(settings: dict[str, Any]) -> Any:
    return RidgeClassifier(alpha=settings["alpha"], solver="cholesky")


def _raw_linear_svm(settings: dict[str, Any]) -> Any:
    return SVC(C=settings["C"], kernel="linear", tol=1e-6)


def _raw_rbf_svm(settings: dict[str, Any]) -> Any:
    return SVC(C=settings["C"], gamma=settings["gamma"], tol=1e-6)


def _raw_knn(settings: dict[str, Any]) -> Any:
    return KNeighborsClassifier(settings["k"], weights=settings["weights"], algorithm="brute")


def _raw_lda(settings: dict[str, Any]) -> Any:
    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage=settings["shrinkage"])


NAIVE: dict[str, tuple[Callable[[dict[str, Any]], Any], int]] = {
    "logistic": (_raw_logistic, 3000),
    "ridge": (_raw_ridge, 3000),
    "linear-svm": (_raw_linear_svm, 3000),
    "rbf-svm": (_raw_rbf_svm, 3000),
    "knn": (_raw_knn, 3000),
    "lda": (_raw_lda, 150),  # its covariance has width x width values
}


def naive_fold(
    name: str, X: np.ndarray, y: np.ndarray, groups: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, dict[str, Any]]:
    """Probabilities of `test` and the chosen settings; X, y and groups are the training part."""
    kind = load_head_class(name)
    assert issubclass(kind, RowSpaceHead)
    build, inner = NAIVE[name][0], inner_folds(y, groups, 5)

    def trained(settings: dict[str, Any], rows: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        mean = X[rows].mean(axis=0)
        scale = np.sqrt(((X[rows] - mean) ** 2).sum(axis=1).mean())
        if "k" in settings:
            settings = settings | {"k": min(settings["k"], len(rows))}
        model = build(settings).fit((X[rows] - mean) / scale, y[rows])
        return lambda new: (
            model.predict_proba((new - mean) / scale)[:, 1]
            if kind.calibrated
            else model.decision_function((new - mean) / scale)
        )

    candidates: list[dict[str, Any]] = [{}]
    for setting, values in kind.grid.items():
        candidates = [c | {setting: v} for c in candidates for v in values]
    candidates = [dict(kind.defaults) | c for c in candidates]
    found = [[trained(c, f.train)(X[f.test]) for f in inner] for c in candidates]
    means = [np.mean([auc(y[f.test], s) for f, s in zip(inner, row, strict=True)]) for row in found]
    best = int(np.argmax(np.array(means) >= max(means) - 1e-9))
    decisions = trained(candidates[best], np.arange(len(y)))(test)
    if kind.calibrated:
        return np.column_stack([1 - decisions, decisions]), candidates[best]
    out_of_fold = np.empty(len(y))
    for f, values in zip(inner, found[best], strict=True):
        out_of_fold[f.test] = values
    return probabilities(Calibration.fit(out_of_fold, y, 2).logits(decisions)), candidates[best]


@pytest.mark.parametrize("name", NAIVE)
def test_row_space_predicts_as_raw_columns(name: str) -> None:
    """Same folds, same grids: 99.5 % of labels agree, and probabilities within 1e-3."""
    width = NAIVE[name][1]
    X, y, groups = sparse_rows(120, width, effect=0.35 if width > 1000 else 1.5, seed=2)
    wide = X.astype(np.float64)
    differences, agreed = [], []
    for fold in folds(y, groups, n_folds=2, repeats=1, seed=1):
        train = X[fold.train], y[fold.train], groups[fold.train]
        head = make_head(name, seed=5).fit(*train, n_classes=2)
        P = head.predict_proba(X[fold.test])
        expected, chosen = naive_fold(
            name, wide[fold.train], y[fold.train], groups[fold.train], wide[fold.test]
        )
        assert head.chosen == chosen
        differences.append(np.abs(P - expected).max())
        agreed.append(P.argmax(axis=1) == expected.argmax(axis=1))
        assert P[:, 1].std() > 0.01  # a constant would agree with anything constant
    assert max(differences) <= 1e-3
    assert np.concatenate(agreed).mean() >= 0.995
