"""Rows that exceed the memory limit are read in pieces, with the same result."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rows import sparse_rows
from toy import WIDTH, toy_settings

from features.cache.cache import Cache
from features.cache.lock import writing
from features.errors import HeadError, SettingError
from features.runtime import MEMORY_VARIABLE, memory_limit
from pipeline.data.lazy_rows import StoredRows
from pipeline.heads import HEADS, load_head_class, make_head
from pipeline.heads.base import by_columns, predict_by_blocks
from pipeline.heads.sides import training_memory, with_room
from pipeline.training.cross_validate import CompareOptions, compare

N = 60


@pytest.fixture
def stored(tmp_path: Path) -> StoredRows:
    """Rows in a cache, in another order than they lie there."""
    X, _, _ = sparse_rows(N, WIDTH)
    path, settings = tmp_path / "features.h5", toy_settings()
    with writing(path), Cache.write(path, settings.fields, WIDTH, np.float32) as cache:
        cache.append([f"{number:064d}" for number in range(N)], X[::-1])
        cache.commit()
    return StoredRows(path, np.array([f"{number:064d}" for number in range(N)])[::-1], WIDTH)


def test_they_index_like_an_array(stored: StoredRows) -> None:
    """Slices, lists of rows and subsets read the rows that an array would give."""
    X, _, _ = sparse_rows(N, WIDTH)
    some = np.array([5, 3, 59, 0, 3])
    assert stored.shape == X.shape
    np.testing.assert_array_equal(stored[:], X)
    np.testing.assert_array_equal(stored[7:12], X[7:12])
    np.testing.assert_array_equal(stored[some], X[some])
    np.testing.assert_array_equal(stored.subset(some)[1:3], X[some][1:3])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(stored))[:2], X[:2])


def test_the_limit_decides_where_they_are(
    stored: StoredRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within ONEPASS_MEMORY they become an array; above it they stay where they are."""
    monkeypatch.setenv(MEMORY_VARIABLE, str(stored.nbytes / 1e9))
    assert isinstance(stored.in_memory(), np.ndarray)
    assert stored.in_memory(share=0.5) is stored
    monkeypatch.delenv(MEMORY_VARIABLE)
    assert memory_limit() > 10**8


@pytest.mark.parametrize("value", ["", "much", "-1", "0", "inf", "nan"])
def test_a_limit_that_is_none_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no positive number of gigabytes is an error that names the variable."""
    monkeypatch.setenv(MEMORY_VARIABLE, value)
    with pytest.raises(SettingError, match=MEMORY_VARIABLE):
        memory_limit()


def test_columns_are_made_of_small_reads(
    stored: StoredRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read stands beside what is made of it: a few rows, and not a second fold."""
    X, _, _ = sparse_rows(N, WIDTH)
    chosen, read = np.arange(300) % N, []
    monkeypatch.setenv(MEMORY_VARIABLE, "0.001")
    with monkeypatch.context() as patch:
        take = StoredRows.__getitem__
        patch.setattr(StoredRows, "__getitem__", lambda s, k: read.append(len(k)) or take(s, k))
        found = by_columns(stored, chosen)
    np.testing.assert_array_equal(found, X[chosen])
    assert found.flags.f_contiguous
    assert max(read) == max(64, int(1e6 / 128 / (4 * WIDTH)))


@pytest.mark.parametrize("name", [name for name in HEADS if load_head_class(name).streams])
def test_streaming_trains_the_same_head(name: str, stored: StoredRows) -> None:
    """A head trained on rows in the cache predicts as one trained on the same array."""
    X, y, groups = sparse_rows(N, WIDTH)
    settings = {"epochs": 3, "patience": 2} if name == "dense" else {}
    here, there = (
        make_head(name, seed=1, settings=settings).fit(rows, y, groups, n_classes=2)
        for rows in (X, stored)
    )
    np.testing.assert_allclose(predict_by_blocks(there, stored), here.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("name", [name for name in HEADS if not load_head_class(name).streams])
def test_a_head_that_cannot_stream_says_so(name: str, stored: StoredRows) -> None:
    """Trees need all rows at once: one line names the sizes and the way on."""
    _, y, groups = sparse_rows(N, WIDTH)
    with pytest.raises(HeadError, match=f"head '{name}' needs all 60 rows in memory"):
        make_head(name).fit(stored, y, groups, n_classes=2)


def test_heads_are_compared_from_the_cache(
    stored: StoredRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Comparing stored rows gives the scores of comparing the array, however little fits."""
    X, y, groups = sparse_rows(N, WIDTH)
    both = CompareOptions(["logistic", "majority"], folds=3, repeats=1, jobs=1)
    monkeypatch.setenv(MEMORY_VARIABLE, "1e-6")
    with pytest.raises(HeadError, match=r"logistic takes.*limit of 1e-06 GB.*ONEPASS_MEMORY"):
        compare(stored, y, groups, both)
    for limit, options in (("1", both), ("1e-6", replace(both, heads=["majority"]))):
        monkeypatch.setenv(MEMORY_VARIABLE, "1")
        expected = compare(X, y, groups, options)
        monkeypatch.setenv(MEMORY_VARIABLE, limit)
        found = compare(stored, y, groups, options)
        for mine, theirs in zip(found.results, expected.results, strict=True):
            np.testing.assert_allclose(mine.probabilities, theirs.probabilities, atol=1e-8)


def test_rows_are_held_only_beside_what_a_head_keeps_of_them(
    stored: StoredRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the last training is refused that would have gone with rows in the cache."""
    head = load_head_class("rbf-svm")
    taken, kept = (
        sum(training_memory([stored], [head], resident=True)),
        head.bytes_kept(*stored.shape),
    )
    monkeypatch.setattr("pipeline.heads.sides.memory_room", lambda: taken + kept - 1)
    assert with_room([stored], [head]) == [stored]
    monkeypatch.setattr("pipeline.heads.sides.memory_room", lambda: taken + kept)
    assert isinstance(with_room([stored], [head])[0], np.ndarray)
