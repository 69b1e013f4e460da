"""Splits keep parts together, classes balanced, and give the same result for the same seed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import SplitError
from pipeline.data.splits import folds, holdout

Indices = npt.NDArray[np.int64]


@st.composite
def pure_groups(draw: st.DrawFn, least: int = 5) -> tuple[Indices, Indices]:
    """Give groups of one class each, at least `least` per class, shuffled."""
    sizes = [
        draw(st.lists(st.integers(1, 12), min_size=least, max_size=15))
        for _ in range(draw(st.integers(2, 4)))
    ]
    flat = [(c, size) for c, of_class in enumerate(sizes) for size in of_class]
    y = np.repeat([c for c, _ in flat], [size for _, size in flat])
    groups = np.repeat(np.arange(len(flat)) * 7 + 3, [size for _, size in flat])
    order = np.random.default_rng(draw(st.integers(0, 99))).permutation(len(y))
    return y[order].astype(np.int64), groups[order].astype(np.int64)


@st.composite
def mixed_groups(draw: st.DrawFn) -> tuple[Indices, Indices]:
    """Give groups whose rows have any class."""
    n = draw(st.integers(20, 80))
    y = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    groups = draw(st.lists(st.integers(0, 25), min_size=n, max_size=n))
    return np.array(y, dtype=np.int64), np.array(groups, dtype=np.int64)


def enough(y: Indices, groups: Indices, needed: int) -> bool:
    """Whether both classes stand in so many groups."""
    return all(len(np.unique(groups[y == c])) >= needed for c in (0, 1))


@settings(max_examples=80, deadline=None)
@given(pure_groups(), st.integers(2, 5), st.integers(0, 1000))
def test_no_group_on_two_sides_and_every_row_tested_once(
    data: tuple[Indices, Indices], n_folds: int, seed: int
) -> None:
    """Within a repeat each row is tested exactly once, and no part is in train and test."""
    y, groups = data
    made = folds(y, groups, n_folds=n_folds, repeats=2, seed=seed)
    for fold in made:
        assert not set(groups[fold.train]) & set(groups[fold.test])
        np.testing.assert_array_equal(
            np.sort(np.concatenate([fold.train, fold.test])), np.arange(len(y))
        )
    for repeat in (0, 1):
        tested = np.concatenate([fold.test for fold in made if fold.repeat == repeat])
        np.testing.assert_array_equal(np.sort(tested), np.arange(len(y)))


@settings(max_examples=80, deadline=None)
@given(pure_groups(), st.integers(2, 5), st.integers(0, 1000))
def test_folds_differ_by_less_than_one_group_of_a_class(
    data: tuple[Indices, Indices], n_folds: int, seed: int
) -> None:
    """Class counts of two folds differ by at most the largest group of that class."""
    y, groups = data
    made = folds(y, groups, n_folds=n_folds, repeats=1, seed=seed)
    for c in range(int(y.max()) + 1):
        largest = np.unique(groups[y == c], return_counts=True)[1].max()
        counts = [int((y[fold.test] == c).sum()) for fold in made]
        assert min(counts) >= 1
        assert max(counts) - min(counts) <= largest


@settings(max_examples=80, deadline=None)
@given(pure_groups(least=2), st.floats(0.1, 0.6), st.integers(0, 1000))
def test_holdout_is_within_one_group_of_its_share(
    data: tuple[Indices, Indices], test_size: float, seed: int
) -> None:
    """Each class is on both sides, its share off by at most its largest group."""
    y, groups = data
    train, test = holdout(y, groups, test_size=test_size, seed=seed)
    assert not set(groups[train]) & set(groups[test])
    assert len(train) + len(test) == len(y)
    for c in range(int(y.max()) + 1):
        sizes = np.unique(groups[y == c], return_counts=True)[1]
        held = int((y[test] == c).sum())
        assert 0 < held < sizes.sum()
        assert abs(held - test_size * sizes.sum()) <= sizes.max()


@settings(max_examples=80, deadline=None)
@given(mixed_groups(), st.integers(2, 4), st.integers(0, 1000))
def test_groups_of_both_classes_stay_whole(
    data: tuple[Indices, Indices], n_folds: int, seed: int
) -> None:
    """With groups that hold both classes, parts stay whole and each fold tests both classes."""
    y, groups = data
    if not enough(y, groups, n_folds):
        with pytest.raises(SplitError):
            folds(y, groups, n_folds=n_folds, class_names=("free", "crack"))
        return
    for fold in folds(y, groups, n_folds=n_folds, repeats=1, seed=seed):
        assert not set(groups[fold.train]) & set(groups[fold.test])
        assert set(y[fold.test]) == {0, 1}


@settings(max_examples=40, deadline=None)
@given(pure_groups(), st.sampled_from(["grouped", "random"]), st.integers(0, 1000))
def test_same_seed_same_split(data: tuple[Indices, Indices], kind: str, seed: int) -> None:
    """The same inputs give the same folds and the same holdout."""
    y, groups = data
    for first, second in zip(
        folds(y, groups, seed=seed, kind=kind), folds(y, groups, seed=seed, kind=kind), strict=True
    ):
        np.testing.assert_array_equal(first.test, second.test)
    first_holdout = holdout(y, groups, seed=seed, kind=kind)
    np.testing.assert_array_equal(first_holdout[1], holdout(y, groups, seed=seed, kind=kind)[1])


@pytest.mark.parametrize("sizes", ["equal", "all different"])
def test_repeats_and_seeds_differ(sizes: str) -> None:
    """Repeats are other partitions, not the same one renumbered, whatever the sizes of groups."""
    counts = np.full(40, 3) if sizes == "equal" else np.arange(1, 41)
    groups = np.repeat(np.arange(40), counts)
    y = (groups % 2).astype(np.int64)
    partitions = {
        frozenset(frozenset(f.test.tolist()) for f in made if f.repeat == repeat)
        for seed in (0, 1)
        for made in [folds(y, groups, n_folds=4, repeats=3, seed=seed)]
        for repeat in range(3)
    }
    assert len(partitions) == 6


def test_random_ignores_groups_and_keeps_class_shares() -> None:
    """A random split tears parts apart, and its folds have equal class counts within one row."""
    groups = np.repeat(np.arange(20), 10)
    y = (groups % 4 == 0).astype(np.int64)
    made = folds(y, groups, n_folds=5, repeats=1, kind="random")
    assert any(set(groups[f.train]) & set(groups[f.test]) for f in made)
    for c in (0, 1):
        counts = [int((y[f.test] == c).sum()) for f in made]
        assert max(counts) - min(counts) <= 1


def test_a_rare_class_is_named_with_what_to_do() -> None:
    """A class with too few groups: its name, how many, how many needed, and the ways on."""
    groups = np.repeat(np.arange(12), 4)
    y = (groups >= 10).astype(np.int64)
    with pytest.raises(SplitError, match=r"'crack' has 2 parts; expected at least 5 for 5 folds"):
        folds(y, groups, n_folds=5, class_names=("free", "crack"))
    with pytest.raises(SplitError, match=r"at most 2 folds.*--split random"):
        folds(y, groups, n_folds=5)
    with pytest.raises(SplitError, match="class '1' has 1 part; expected at least 2"):
        holdout((groups == 3).astype(np.int64), groups)
    with pytest.raises(SplitError, match="class 'scratch' has 0 parts"):
        holdout(y, groups, class_names=("free", "crack", "scratch"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [({"n_folds": 1}, "1 folds"), ({"repeats": 0}, "0 repeats"), ({"kind": "x"}, "'x'")],
)
def test_unfit_arguments_are_refused(arguments: dict[str, object], said: str) -> None:
    """Folds, repeats and kinds that make no sense are errors."""
    y = np.tile([0, 1], 20)
    with pytest.raises(SplitError, match=said):
        folds(y, np.arange(40), **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("test_size", [0.0, 1.0, -0.5])
def test_a_share_outside_0_to_1_is_refused(test_size: float) -> None:
    """The held-out share lies between 0 and 1."""
    with pytest.raises(SplitError, match="between 0 and 1"):
        holdout(np.tile([0, 1], 20), np.arange(40), test_size=test_size)
