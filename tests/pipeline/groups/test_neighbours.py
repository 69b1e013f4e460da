"""Of many vectors, cells find the nearest ones that all pairs find."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.groups import neighbours
from pipeline.groups.neighbours import most_alike, nearest, recall
from pipeline.groups.similarity import similarity_of


def with_copies(n: int, width: int = 48, noise: float = 0.25) -> np.ndarray:
    """Give unit vectors; every second one is much like the one before it."""
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((n, width))
    vectors[1::2] = vectors[::2] + noise * rng.standard_normal((n // 2, width))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


def test_cells_find_every_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearest one is found for all, and nine tenths of the next ones."""
    vectors = with_copies(1600)
    rows = np.arange(1600)
    true, alike = most_alike(vectors, vectors, 6, rows)
    monkeypatch.setattr(neighbours, "ALL_PAIRS", 500)
    monkeypatch.setattr(neighbours, "_LOOKED_AT", 20)
    numbers, values = nearest(vectors, 6)
    np.testing.assert_array_equal(numbers[:, 0], rows ^ 1)
    np.testing.assert_allclose(values[:, 0], alike[:, 0], atol=1e-6)
    assert (np.diff(values, axis=1) <= 0).all()
    assert not (numbers == rows[:, None]).any()
    shared = [len(np.intersect1d(a, b)) for a, b in zip(true, numbers, strict=True)]
    assert np.mean(shared) > 0.9 * 6
    assert recall(vectors, numbers) == 1
    assert recall(vectors, (rows[:, None] + 7) % 1600) < 0.1


def test_who_finds_too_few_in_its_cells_is_compared_with_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(neighbours, "ALL_PAIRS", 100)
    monkeypatch.setattr(neighbours, "_LOOKED_AT", 1)
    vectors = with_copies(120)
    numbers, values = nearest(vectors, 40)
    assert np.isfinite(values).all()
    assert all(len(set(row)) == 40 for row in numbers.tolist())


def test_many_photographs_have_the_pairs_that_all_pairs_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The tail of strangers found in cells is that of all: the same copies, hardly a stranger."""
    vectors = with_copies(2400, noise=0.1)
    copies = {(a, a + 1) for a in range(0, 2400, 2)}
    a, b, _ = similarity_of(vectors).pairs(0.1)
    assert len(copies & set(zip(a.tolist(), b.tolist(), strict=True))) > 0.98 * len(copies)
    monkeypatch.setattr(neighbours, "ALL_PAIRS", 600)
    monkeypatch.setattr(neighbours, "_LOOKED_AT", 35)
    compared = similarity_of(vectors)
    assert compared.recall == 1
    a, b, _ = compared.pairs(0.1)
    found = set(zip(a.tolist(), b.tolist(), strict=True))
    assert len(copies & found) > 0.95 * len(copies)
    assert len(found - copies) < 0.01 * len(copies)
