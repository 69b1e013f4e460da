"""pipeline.heatmaps.maps and reference: the numbers behind heatmaps, where the truth is known."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import pytest
from rows import QUICK

from pipeline.heads import HEADS, Head, make_head
from pipeline.heatmaps.maps import cell_scores, logits, make_reference, occlusion

SHAPE = (3, 4, 5)
WIDTH = 60
PLANTED = (2, 1)  # the one cell in which defective rows differ
LINEAR = [name for name in HEADS if name in ("logistic", "ridge", "linear-svm", "lda")]


def planted(n: int = 150, n_classes: int = 2, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Rows whose classes differ in one cell alone, class numbers, and groups."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    X = rng.random((n, *SHAPE))
    X[:, PLANTED[0], PLANTED[1], :n_classes] += 1.5 * np.eye(n_classes)[y]
    return X.reshape(n, WIDTH).astype(np.float32), y, np.arange(n) // n_classes


def trained(name: str, n_classes: int = 2) -> Head:
    X, y, groups = planted(n_classes=n_classes)
    settings = QUICK.get(name, {}) | ({"epochs": 30} if name == "dense" else {})
    return make_head(name, settings=settings).fit(X, y, groups, n_classes=n_classes)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", LINEAR)
def test_a_linear_heads_map_sums_to_the_logit(name: str, n_classes: int) -> None:
    """Map plus the baseline's logit is the photograph's logit: of its own probabilities, exactly.

    With a baseline of zeros, the baseline's logit is the intercept.
    """
    head = trained(name, n_classes)
    X, y, _ = planted(40, n_classes, seed=1)
    targets = np.ones(40, dtype=np.int64) if n_classes == 2 else y
    for baseline in (X.mean(axis=0), np.zeros(WIDTH, np.float32)):
        sums = cell_scores(head, X, baseline, SHAPE, targets).sum(axis=(1, 2))
        for target in np.unique(targets):
            mine = targets == target
            logs = np.log(head.predict_proba(np.vstack([X[mine], baseline])))
            own = logs[:, target]
            logit = own - (logs[:, 0] if n_classes == 2 else logs.mean(axis=1))
            np.testing.assert_allclose(sums[mine], logit[:-1] - logit[-1], atol=1e-6)
    if n_classes == 2:
        assert logit[-1] == pytest.approx(head.intercepts_[0], abs=1e-6)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", LINEAR)
def test_occlusion_of_a_linear_head_is_its_contributions(name: str) -> None:
    """Both ways of asking give the same number for every cell."""
    head = trained(name)
    head.finest = 1e-300  # type: ignore[misc] - nothing is rounded
    X, y, _ = planted(12, seed=1)
    baseline = X[y == 0].mean(axis=0)
    exact = cell_scores(head, X, baseline, SHAPE, np.ones(12, dtype=np.int64))
    np.testing.assert_allclose(occlusion(head, X, baseline, SHAPE, 1), exact, atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_dense_heads_map_is_complete(n_classes: int) -> None:
    """Integrated gradients sum to the difference of the logits within 1 % of it."""
    X, y, groups = planted(n_classes=n_classes)
    settings = {"epochs": 8, "learning_rate": 0.003}
    head = make_head("dense", settings=settings).fit(X, y, groups, n_classes=n_classes)
    head.finest = 1e-300  # type: ignore[misc] - nothing is rounded
    X = planted(40, n_classes, seed=1)[0]
    baseline = X.mean(axis=0)
    sums = cell_scores(head, X, baseline, SHAPE, np.ones(40, dtype=np.int64)).sum(axis=(1, 2))
    difference = logits(head, X, 1) - logits(head, baseline[None], 1)
    assert np.abs(difference).max() > 0.5
    assert np.abs(sums - difference).max() < 0.01 * np.abs(difference).max()


def test_the_other_class_gets_the_opposite() -> None:
    """Of two classes, what speaks for one speaks against the other as much."""
    X, _, _ = planted(6, seed=1)
    for name in ("logistic", "dense", "forest"):
        head, baseline = trained(name), X.mean(axis=0)
        one = cell_scores(head, X, baseline, SHAPE, np.ones(6, dtype=np.int64))
        other = cell_scores(head, X, baseline, SHAPE, np.zeros(6, dtype=np.int64))
        np.testing.assert_allclose(one, -other, atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", [name for name in HEADS if name != "majority"])
def test_every_head_points_at_the_planted_cell(name: str, n_classes: int) -> None:
    """On rows that it never saw, nine in ten maps are hottest where the classes differ."""
    head = trained(name, n_classes)
    X, y, _ = planted(60, n_classes, seed=1)
    shown = np.flatnonzero(y == 1) if n_classes == 2 else np.arange(60)
    baseline = X[y == 0].mean(axis=0) if n_classes == 2 else X.mean(axis=0)
    cells = cell_scores(head, X[shown], baseline, SHAPE, y[shown])
    assert cells.shape == (len(shown), 3, 4)
    assert np.isfinite(cells).all()
    hottest = cells.reshape(len(shown), -1).argmax(axis=1)
    assert (hottest == PLANTED[0] * 4 + PLANTED[1]).mean() > (0.5 if name == "knn" else 0.9)


def test_a_head_without_an_opinion_has_an_empty_map() -> None:
    """Majority: no cell changes anything."""
    X, y, _ = planted(6, seed=1)
    assert not cell_scores(trained("majority"), X, X[0], SHAPE, y).any()


class Corner(Head):
    """A new head that knows nothing of heatmaps: it looks at the first cell's first value."""

    name = "corner"
    title = "Corner"
    space: ClassVar[Literal["rows", "raw"]] = "raw"

    def _fit(self, *_: object) -> None:
        pass

    def _predict_proba(self, X: np.ndarray) -> np.ndarray:
        p = 1 / (1 + np.exp(-4 * X[:, 0].astype(float)))
        return np.column_stack([1 - p, p])

    def _arrays(self) -> dict[str, np.ndarray]:
        return {}

    def _restore(self, _: object) -> None:
        pass


def test_a_new_head_gets_occlusion_for_free() -> None:
    """Its map is the fall of the logit, and nothing where it does not look."""
    head = Corner()
    head.classes_, head.n_features_in_ = np.arange(2), WIDTH
    X = planted(5)[0]
    cells = cell_scores(head, X, np.zeros(WIDTH, np.float32), SHAPE, np.ones(5, dtype=np.int64))
    np.testing.assert_allclose(cells[:, 0, 0], 4 * X[:, 0], rtol=1e-5)
    cells[:, 0, 0] = 0
    assert not cells.any()


def test_a_vote_of_none_is_no_infinite_evidence() -> None:
    """Probabilities below `finest` count as it: a forest's 0 is not minus infinity."""
    head = trained("forest")
    X = np.zeros((2, WIDTH), np.float32)
    head.predict_proba = lambda X: np.eye(2)  # type: ignore[method-assign]
    np.testing.assert_allclose(logits(head, X, 1), [np.log(0.01), -np.log(0.01)])


@pytest.mark.parametrize("name", ["logistic", "forest"])
def test_baseline_and_scale_come_from_the_healthy_and_the_unseen(name: str) -> None:
    """The baseline is the healthy mean of the training part; healthy parts stay below half."""
    X, y, _ = planted()
    unseen, truth, _ = planted(60, seed=1)
    head = trained(name)
    reference = make_reference(head, (X, y), (unseen, truth), SHAPE)
    np.testing.assert_allclose(reference.baseline, X[y == 0].mean(axis=0), atol=1e-6)
    cells = cell_scores(head, unseen, reference.baseline, SHAPE, np.ones(60, dtype=np.int64))
    strongest = cells.max(axis=(1, 2)) / reference.scale
    assert (strongest[truth == 1] <= 1).mean() == pytest.approx(0.9, abs=0.04)
    assert np.median(strongest[truth == 0]) < 0.5


def test_the_scale_of_a_head_without_an_opinion_is_no_zero() -> None:
    """Nothing is divided by 0."""
    X, y, _ = planted()
    assert make_reference(trained("majority"), (X, y), (X, y), SHAPE).scale == 1
