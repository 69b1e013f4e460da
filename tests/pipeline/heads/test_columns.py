"""The columns' side, for more rows than values, predicts as the row space does."""

from __future__ import annotations

import gc
import re
import weakref
from collections.abc import Sequence

import numpy as np
import pytest
from rows import sparse_rows
from sklearn.svm import SVC

from features.arrays import Floats
from features.errors import HeadError
from pipeline.data.splits import folds
from pipeline.feature_specs.heads import Contender
from pipeline.heads import make_head, row_space, sides, svm
from pipeline.heads.columns import ColumnSide
from pipeline.heads.gram import GramSide, gram
from pipeline.heads.gram_head import RowSpaceHead
from pipeline.heads.kernel_heads import RBFSVMHead
from pipeline.heads.row_space import Placed
from pipeline.heads.sides import Side, fitting, smaller_side, training_memory
from pipeline.heads.svm import KERNEL_PAIRS, Gaussian, approximation, linear_machines
from pipeline.heads.tuning import TrainingPart, inner_folds
from pipeline.thresholds import ThresholdRule, train
from pipeline.training.cross_validate import CompareOptions, compare

HEADS = ("logistic", "ridge", "lda", "linear-svm", "rbf-svm", "knn")


def part_of(side: Side, y: np.ndarray, groups: np.ndarray, train: np.ndarray) -> TrainingPart:
    return TrainingPart(side, train, y[train], groups[train], n_classes=int(y.max()) + 1, seed=3)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("width", [40, 110])
def test_both_sides_choose_and_predict_the_same(name: str, n_classes: int, width: int) -> None:
    """Of 240 rows, 160 to train on: 40 values are fewer than any fold has, 110 more than some."""
    X, y, groups = sparse_rows(240, width, n_classes=n_classes, effect=0.7, seed=2)
    fold = folds(y, groups, n_folds=3, repeats=1, seed=1)[0]
    found = []
    for side in (ColumnSide(X), GramSide(gram(X), width)):
        part = part_of(side, y, groups, fold.train)
        head = make_head(name, seed=5)
        assert isinstance(head, RowSpaceHead)
        head.fit_on_spec(part)
        found.append((head.chosen, head.predict_on_spec(part.place(fold.test))))
    assert found[0][0] == found[1][0]
    assert found[0][1][:, 1].std() > 0.01
    np.testing.assert_allclose(found[0][1], found[1][1], atol=1e-3)


@pytest.mark.parametrize("name", HEADS)
def test_a_head_on_raw_rows_is_the_one_in_its_space(name: str) -> None:
    """`fit` takes the columns' side by itself where there are more rows than values."""
    X, y, groups = sparse_rows(150, 30, effect=0.8)
    assert isinstance(smaller_side(X), ColumnSide)
    assert isinstance(smaller_side(X[:30]), GramSide)
    head = make_head(name, seed=3).fit(X[:120], y[:120], groups[:120], n_classes=2)
    part = part_of(ColumnSide(X), y, groups, np.arange(120))
    inside = make_head(name, seed=3)
    assert isinstance(inside, RowSpaceHead)
    inside.fit_on_spec(part)
    expected = inside.predict_on_spec(part.place(np.arange(120, 150)))
    np.testing.assert_allclose(head.predict_proba(X[120:]), expected, atol=1e-4)


def test_covariances_of_folds_come_by_subtraction() -> None:
    """Each inner fold's system is that of its own rows, though these were never summed up."""
    X, y, groups = sparse_rows(200, 25)
    part = part_of(ColumnSide(X), y, groups, np.arange(20, 200))
    B = np.random.default_rng(0).normal(size=(25, 2))
    for fold, inner in zip(inner_folds(y[20:], groups[20:], 3), part.inner, strict=True):
        rows = X[20:][fold.train].astype(float)
        rows = (rows - rows.mean(axis=0)) / inner.space.scale
        assert (rows**2).sum() / len(rows) == pytest.approx(1)
        expected = np.linalg.solve(0.5 * rows.T @ rows + 0.1 * np.eye(25), B)
        np.testing.assert_allclose(inner.space.solve(0.5, 0.1, B), expected, rtol=1e-8)


def test_rows_that_are_equal_do_no_harm() -> None:
    """Nothing varies: heads say the same of all rows, and nothing is divided by zero."""
    X, y, groups = np.ones((60, 8), np.float32), np.arange(60) % 2, np.arange(60)
    for name in HEADS:
        P = make_head(name).fit(X, y, groups, n_classes=2).predict_proba(X)
        assert np.isfinite(P).all()
        np.testing.assert_allclose(P, P[:1].repeat(60, axis=0))


def test_a_machine_made_of_chunks_is_the_machine_of_all_pairs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Decision values differ by less than the tolerance of what is wrong."""
    monkeypatch.setattr(svm, "_ADDED", 60)
    X, y, _ = sparse_rows(600, 30, effect=0.5)
    rows = Placed((X - X.mean(axis=0)) / 5, np.zeros(600))
    target = np.where(y == 1, 1.0, -1.0)
    for C, (weights, offset) in zip(
        (0.1, 10.0), linear_machines(rows, target[:, None], (0.1, 10.0), most=100), strict=True
    ):
        whole = SVC(C=C, kernel="linear", tol=1e-6).fit(rows.coordinates, target)
        expected = whole.decision_function(rows.coordinates)
        np.testing.assert_allclose(rows.times(weights)[:, 0] + offset, expected, atol=5e-3)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_machines_of_all_candidates_share_their_distances(
    n_classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One computation of them for twelve machines, and the decision values of each alone."""
    X, y, groups = sparse_rows(90, 20, n_classes=n_classes, effect=0.8)
    part = part_of(ColumnSide(X), y, groups, np.arange(60))
    head = make_head("rbf-svm").fit(X, y, groups, n_classes=n_classes)
    assert isinstance(head, RBFSVMHead)
    grid = [{"C": C, "gamma": gamma} for C in head.grid["C"] for gamma in head.grid["gamma"]]
    models = list(head.train(part.space, part.y, grid))
    rows = part.place(np.arange(60, 90))
    alone = [head.decide(model, rows) for model in models]
    computed: list[int] = []
    distances = Placed.squared_distances
    monkeypatch.setattr(
        Placed, "squared_distances", lambda *of: (computed.append(1), distances(*of))[1]
    )
    for found, expected in zip(head.decide_all(models, rows), alone, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert len(computed) == 1
    assert len(alone) == 12 and np.ptp([values.std() for values in alone]) > 0.1


@pytest.mark.parametrize("width", [20, 90])
def test_a_fold_leaves_no_matrices_behind(width: int) -> None:
    """Spaces refer to nothing that refers to them: they go with the fold, not some folds later."""
    X, y, groups = sparse_rows(60, width)
    part = part_of(smaller_side(X), y, groups, np.arange(60))
    make_head("lda").fit_on_spec(part)
    spaces = [weakref.ref(part.space), *(weakref.ref(fold.space) for fold in part.inner)]
    gc.disable()
    try:
        del part
        assert [space() for space in spaces] == [None] * 4
    finally:
        gc.enable()


def test_landmarks_come_close_to_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a quarter of the rows as landmarks, decision values correlate at 0.98 or more."""
    X, y, _ = sparse_rows(600, 30, effect=0.8)
    rows = Placed((X - X.mean(axis=0)) / np.sqrt(30), np.zeros(600))
    targets = np.where(y == 1, 1.0, -1.0)[:, None]
    exact = Gaussian(rows)
    ((dual, offset),) = exact.machines(0.2, targets, [1.0])
    expected = np.exp(-0.2 * rows.squared_distances(exact.anchors)) @ dual + offset
    monkeypatch.setattr(svm, "KERNEL_PAIRS", 300)
    monkeypatch.setattr(svm, "ALL_PAIRS", 300)
    monkeypatch.setattr(svm, "LANDMARKS", 150)
    few = Gaussian(rows)
    assert not few.exact
    assert few.anchors.shape == (150, 30)
    ((dual, offset),) = few.machines(0.2, targets, [1.0])
    found = np.exp(-0.2 * rows.squared_distances(few.anchors)) @ dual + offset
    assert np.corrcoef(found[:, 0], expected[:, 0])[0, 1] > 0.98


def test_what_does_not_fit_is_refused_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line with the number needed; each head counts what it holds itself."""
    monkeypatch.setenv("ONEPASS_MEMORY", "0.003")
    X = np.zeros((400, 300), np.float32)
    with pytest.raises(HeadError, match=r"400 rows of 300 values take 0\.00882 GB.*ONEPASS_MEMORY"):
        smaller_side(X, [make_head("ridge")])
    with pytest.raises(HeadError, match=r"0\.0106 GB.*\(ridge takes the most\)"):
        smaller_side(X, [make_head("logistic"), make_head("ridge")])  # what each keeps stays
    assert smaller_side(X, [make_head("knn")]).input_width == 300
    many = np.broadcast_to(np.float32(0), (200_000, 51_200))
    with pytest.raises(HeadError, match=r"200,000 rows of 51,200 values take 82\.6 GB"):
        smaller_side(many, [make_head("logistic")])
    assert training_memory([X], [make_head("ridge")]).processes(8) == 1
    monkeypatch.setenv("ONEPASS_MEMORY", "0.1")
    assert training_memory([X], [make_head("knn")]).processes(8) == 8
    with pytest.raises(HeadError, match=r"linear-svm takes the most"):
        smaller_side(np.zeros((4000, 20), np.float32), [make_head("linear-svm")])
    with pytest.raises(HeadError, match=r"--features avg"):
        smaller_side(many, [make_head("ridge")])
    with pytest.raises(HeadError, match=r"limit of 0\.1 GB; set ONEPASS_MEMORY \(GB\)$"):
        smaller_side(many[:, :2048], [make_head("ridge")])  # as few values as there can be
    # More rows, and no pairs of them.
    assert smaller_side(np.zeros((9000, 20), np.float32), [make_head("linear-svm")])


def test_heads_on_rows_as_they_are_are_refused_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows, and a fold's by columns for trees: twice what they take themselves, others thrice."""
    X, y, groups = sparse_rows(60, 1000)
    options = CompareOptions(["forest", "knn"], folds=2, repeats=1, jobs=1)
    monkeypatch.setenv("ONEPASS_MEMORY", "0.0005")
    refused = (
        r"folds of 2 heads \(forest takes the most\) on 60 rows of 1,000 values take 0\.000534 GB"
    )
    with pytest.raises(HeadError, match=refused):
        compare(X, y, groups, options)
    monkeypatch.setenv("ONEPASS_MEMORY", "0.000534")
    assert compare(X, y, groups, options).results
    rows = np.broadcast_to(np.float32(0), (4000, 1000))
    monkeypatch.setenv("ONEPASS_MEMORY", "0.1")
    heads = [make_head("forest"), make_head("majority")]
    taken = fitting([rows], heads)
    assert taken.shared == 16e6 and taken.each > 32e6
    assert taken.processes(8) == 1  # two would get a copy of the rows
    monkeypatch.setenv("ONEPASS_MEMORY", "0.12")
    assert fitting([rows], heads).processes(8) == 2
    wide = np.broadcast_to(np.float32(0), (3000, 51_200))
    with pytest.raises(HeadError, match=r"dense on 3,000 rows of 51,200 values take 3\.59 GB"):
        fitting([wide], [make_head("dense")])  # with 2,000 rows, the way to their axes, layers


@pytest.mark.parametrize(("shape", "heads"), [
    ((400, 300), ("ridge",)),
    ((6000, 2048), ("linear-svm", "logistic", "lda")),
    ((1000, 2000), ("knn", "lda")),
    ((200_000, 2048), ("ridge",)),
])  # fmt: skip
def test_the_limit_that_is_named_is_enough(
    shape: tuple[int, int], heads: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The blocks of rows, which grow with the limit, are in the number; so are rounded digits."""
    X, kinds = np.broadcast_to(np.float32(0), shape), [make_head(head) for head in heads]
    monkeypatch.setattr(sides, "gram", lambda _: np.zeros((2, 2)))
    monkeypatch.setattr(sides, "ColumnSide", lambda _: "fits")
    monkeypatch.setenv("ONEPASS_MEMORY", "0.001")
    with pytest.raises(HeadError) as refused:
        smaller_side(X, kinds)
    named = re.search(r"take ([0-9.]+) GB", str(refused.value))
    assert named is not None
    monkeypatch.setenv("ONEPASS_MEMORY", named[1])
    assert smaller_side(X, kinds)
    monkeypatch.setenv("ONEPASS_MEMORY", str(float(named[1]) * 0.98))
    with pytest.raises(HeadError, match=re.escape(named[0])):
        smaller_side(X, kinds)


def test_the_way_from_raw_rows_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where values outnumber rows it may be more than their Gram matrices; linear heads need none.

    It is as good in float32 pieces as in one.
    """
    X, y, groups = sparse_rows(120, 2000, effect=0.6)
    expected = make_head("knn").fit(X, y, groups, n_classes=2).predict_proba(X)
    monkeypatch.setattr(row_space, "_BLOCK_BYTES", 20_000)
    found = make_head("knn").fit(X, y, groups, n_classes=2).predict_proba(X)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    monkeypatch.setenv("ONEPASS_MEMORY", "0.0025")
    make_head("ridge").fit(X, y, groups, n_classes=2)
    refused = r"120 rows of 2,000 values take 0\.00285 GB for .* and the way to them;"
    with pytest.raises(HeadError, match=refused):
        make_head("knn").fit(X, y, groups, n_classes=2)


def test_what_the_last_training_keeps_is_refused_before_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not after minutes of folds, which need less."""
    X, y, groups = sparse_rows(120, 2000, effect=0.6)
    begun: list[object] = []

    def fold(*_: object, **__: object) -> Floats:
        begun.append(1)
        return np.full((120, 2), 0.5)

    monkeypatch.setattr(train, "out_of_fold", fold)
    rows = train.TrainingRows(X, y, groups, ["good", "bad"], 0.25)
    monkeypatch.setenv("ONEPASS_MEMORY", "0.0025")
    with pytest.raises(HeadError, match=r"take 0\.0028\d GB for .* and the way to them;"):
        train.train(Contender("knn"), rows, ThresholdRule())
    assert not begun
    train.train(Contender("ridge"), rows, ThresholdRule())
    assert begun


def test_what_is_not_exact_is_said() -> None:
    """Of many rows the Gaussian kernel is approximated, alone and in the ensemble; else nothing."""
    for head in ("rbf-svm", "ensemble"):
        assert approximation(head, KERNEL_PAIRS) == ""
        said = approximation(head, KERNEL_PAIRS + 1)
        assert "1,000 of them (Nyström)" in said and "of ROC AUC" in said
    assert approximation("logistic", 10**6) == ""
